"""ESC-10 and ESC-50 in their five folds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.datamodule import ClipDataModule, Example, Indices, Inventory, OnError
from benchmark.data.inventory import Parts, match_audio
from benchmark.errors import InputError
from benchmark.label_files import write_label_file
from benchmark.metrics.clips import ClipTable
from benchmark.tabular import few
from tasks.esc.official import CLASSES, ESC10, FOLDS, find_root, official_counts, read_esc10, read_esc50

TITLE = "environmental sounds"


class EscDataModule(ClipDataModule):
    """Clips of one of the two data sets; the fold that is tested names the fold, the other four are trained on."""

    channels = 1
    one_rate = True
    rate = 44_100
    seconds = (5.0, 5.0)

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the folders of ESC-10 or the table of ESC-50, whichever the protocol needs."""
        folder, classes = find_root(root, protocol), CLASSES[protocol]
        if protocol == ESC10:
            clips, unknown = read_esc10(folder)
            missing: dict[str, str] = {}
            strangers = {str(p.relative_to(root)): f"{p.relative_to(root)} is no name of ESC-10" for p in unknown}
            if strangers and on_error == "stop":
                what = f"{TITLE}: {len(strangers)} files that ESC-10 does not have: {few(list(strangers))}"
                raise InputError(what, folder.resolve(), "remove them, or pass over them with --data.on_error skip")
        else:
            clips = read_esc50(folder)
            listed = {clip.name: clip.path for clip in clips}
            missing, strangers = match_audio(listed, [folder / "audio"], TITLE, root, on_error)
        examples = [
            Example(
                clip.name,
                clip.path,
                tuple(float(clip.label == name) for name in classes),
                clip.fold,
                cluster=clip.source,
            )
            for clip in clips
            if clip.name not in missing
        ]
        counts, summary = official_counts(clips, classes), f"{len(examples)} clips of {len(classes)} classes"
        everything = frozenset(clip.name for clip in clips)
        tested = {fold: frozenset(clip.name for clip in clips if clip.fold == fold) for fold in FOLDS}
        parts = {fold: Parts(everything - test, test) for fold, test in tested.items()}
        return Inventory(examples, counts, summary, missing, strangers, parts)

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """Whole folds, at least one, from the one after the tested fold on: clips of one recording stay together."""
        following = [FOLDS[(int(self.fold) + place) % len(FOLDS)] for place in range(len(FOLDS) - 1)]
        chosen = following[: min(max(round(fraction * len(following)), 1), len(following) - 1)]
        held_out = np.array([examples[i].group in chosen for i in train])
        return train[~held_out], train[held_out]

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """The lines `filename<TAB>label`."""
        classes = CLASSES[self.protocol]
        write_label_file(path, [e.clip_id for e in examples], [classes[int(index)] for index in decisions])
