"""The three development sets of bird audio detection and their two protocols."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmark.data.datamodule import (
    ClipDataModule,
    Count,
    Example,
    Inventory,
    OnError,
)
from benchmark.data.inventory import Parts, deal_folds, match_audio
from benchmark.metrics.clips import ClipTable
from tasks.bad.official import DATASETS, Item, read_items, write_submission

RANDOM_FOLDS_SEED = 2018


class BirdDataModule(ClipDataModule):
    """Clips of freefield1010, warblrb10k and BirdVox-DCASE-20k.

    `leave-one-dataset-out` trains on two data sets and tests on the third, which names the fold; `random-3-fold`
    deals the clips of all three into three fixed folds, stratified by data set and label.
    """

    rate = 44_100
    seconds = (10.0, 10.0)

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the three label files and find their recordings; both protocols need all."""
        items = read_items(root)
        listed = {f"{item.dataset}/{item.itemid}": item for item in items}
        folders = [root / name / "wav" for name in DATASETS]
        paths = {clip: item.path for clip, item in listed.items()}
        missing, strangers = match_audio(paths, folders, "bird audio detection", root, on_error)
        examples = [
            Example(clip, item.path, (float(item.hasbird),), item.dataset, conditions={"data set": item.dataset})
            for clip, item in listed.items()
            if clip not in missing
        ]
        birds = sum(example.target[0] for example in examples)
        summary = f"{len(examples)} clips, {birds:.0f} with birds"
        if protocol == "random-3-fold":
            strata = {clip: (item.dataset, item.hasbird) for clip, item in listed.items()}
            parts = deal_folds(strata, ("1", "2", "3"), RANDOM_FOLDS_SEED)
        else:
            parts = {name: _one_against_the_others(listed, name) for name in DATASETS}
        return Inventory(examples, official_counts(items), summary, missing, strangers, parts)

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """The challenge's csv, `itemid,prediction`."""
        write_submission(path, [e.clip_id.split("/", 1)[1] for e in examples], table.probability[:, 0])


def _one_against_the_others(listed: Mapping[str, Item], name: str) -> Parts:
    test = frozenset(clip for clip, item in listed.items() if item.dataset == name)
    return Parts(frozenset(listed) - test, test)


def official_counts(items: Sequence[Item]) -> list[Count]:
    """Clips and birds of each data set, beside the official numbers."""
    counts = []
    for name, official in DATASETS.items():
        hasbird = [item.hasbird for item in items if item.dataset == name]
        counts.append(Count(f"{name}: clips", len(hasbird), official.clips))
        counts.append(Count(f"{name}: with birds", sum(hasbird), official.birds))
    return counts
