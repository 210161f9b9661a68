"""The three development sets of bird audio detection and their two protocols."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from benchmark.data.datamodule import ClipDataModule, Example, Indices, Inventory, stratified_folds
from benchmark.errors import InputError
from tasks.bad.official import DATASETS, Item, read_items, write_submission

RANDOM_FOLDS_SEED = 2018


class BirdDataModule(ClipDataModule):
    """Clips of freefield1010, warblrb10k and BirdVox-DCASE-20k.

    `leave-one-dataset-out` trains on two data sets and tests on the third, which names the fold; `random-3-fold`
    deals the clips of all three into three fixed folds, stratified by data set and label.
    """

    @classmethod
    def take_stock(cls, root: Path, on_error: Literal["stop", "skip"]) -> Inventory:
        """Read the three label files and find their recordings; `full` means all official clips and birds are there."""
        items, skipped = read_items(root, on_error)
        _require_distinct(items, root)
        # What was skipped is a row without a recording, or a recording without a row: that one is not on the list.
        missing = [clip for clip in skipped if not _recording(root, clip).exists()]
        fingerprint = _fingerprint(items)
        examples = [
            Example(f"{item.dataset}/{item.itemid}", item.path, (float(item.hasbird),), item.dataset) for item in items
        ]
        variant = _variant(items, missing, fingerprint)
        summary = f"{len(items)} clips, {sum(item.hasbird for item in items)} with birds"
        return Inventory(examples, variant, fingerprint, len(items) + len(missing), summary, skipped)

    def split(self, examples: Sequence[Example]) -> tuple[Indices, Indices]:
        """Train and test examples of the fold."""
        if self.protocol == "leave-one-dataset-out":
            test = np.array([example.group == self.fold for example in examples])
        else:
            test = stratified_folds(examples, 3, RANDOM_FOLDS_SEED) == int(self.fold) - 1
        return np.flatnonzero(~test), np.flatnonzero(test)

    def write_submission(self, path: Path, clip_ids: Sequence[str], probabilities: NDArray[Any]) -> None:
        """The challenge's csv, `itemid,prediction`."""
        write_submission(path, [clip_id.split("/", 1)[1] for clip_id in clip_ids], probabilities[:, 0])


def _recording(root: Path, clip: str) -> Path:
    dataset, itemid = clip.split("/", 1)
    return root / dataset / "wav" / f"{itemid}.wav"


def _require_distinct(items: Sequence[Item], root: Path) -> None:
    """A submission names clips by itemid alone, so no two data sets may share one."""
    first: dict[str, str] = {}
    for item in items:
        if first.setdefault(item.itemid, item.dataset) != item.dataset:
            places = f"{first[item.itemid]} and {item.dataset}"
            raise InputError(f"item {item.itemid!r} is in {places}", root, "rename it in one of them")


def _variant(items: Sequence[Item], missing: Sequence[str], fingerprint: str) -> str:
    """`full` or `partial` where the label files are the official ones as far as counts can tell, else `custom`."""
    for name, official in DATASETS.items():
        there = [item.hasbird for item in items if item.dataset == name]
        gone = sum(clip.startswith(f"{name}/") for clip in missing)
        if len(there) + gone != official.clips or not 0 <= official.birds - sum(there) <= gone:
            return f"custom:{fingerprint}"
    return f"partial:{len(items) / (len(items) + len(missing)):.4f}" if missing else "full"


def _fingerprint(items: Sequence[Item]) -> str:
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.dataset}/{item.itemid},{item.hasbird},{item.path.stat().st_size}\n".encode())
    return digest.hexdigest()[:12]
