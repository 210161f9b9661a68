"""TUT Urban Acoustic Scenes 2018: fold 1 of the development set, and the sets of the challenge."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.data.datamodule import ClipDataModule, Count, Example, Indices, Inventory, OnError
from benchmark.data.inventory import Parts, match_audio, require_folders
from benchmark.label_files import write_label_file
from benchmark.metrics.clips import ClipTable
from tasks.asc.holdout import hold_out_locations
from tasks.asc.official import (
    CLASSES,
    STEREO,
    TESTED_SET,
    Clip,
    Corpus,
    describe,
    official_counts,
    read_fold,
    read_meta,
    read_tested_set,
)


class SceneDataModule(ClipDataModule):
    """Clips of one of the two corpora.

    `official-fold1` divides the development set as its lists say; `challenge` and `leaderboard` train on all of it and
    test on the evaluation set and on the leaderboard set, where somebody has their labels.
    """

    channels: ClassVar[int | None] = 2
    one_rate: ClassVar[bool] = True
    rate: ClassVar[int | None] = 48_000
    seconds: ClassVar[tuple[float, float] | None] = (10.0, 10.0)
    corpus: ClassVar[Corpus] = STEREO

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the lists of the protocol's sets; `full` means that the official numbers are there."""
        corpus, part = cls.corpus, TESTED_SET.get(protocol)
        folder = root / corpus.folder("development")
        lists = [f"evaluation_setup/fold1_{name}.txt" for name in ("train", "evaluate")]
        needed = [f"{folder.name}/{name}" for name in ("audio/", "meta.csv", *lists)]
        require_folders(f"{corpus.title}, development set", root, needed, f"TASK={corpus.task}")
        clips = read_meta(folder / "meta.csv", corpus.device)
        train, test = fold = read_fold(folder, clips)
        counts = official_counts(corpus, clips, fold)
        audio = [folder / "audio"]
        if part is not None:
            tested = read_tested_set(root, corpus, part)
            counts.append(Count(part, len(tested), corpus.scored.get(part)))
            train, test = frozenset(clip.clip_id for clip in clips), frozenset(clip.clip_id for clip in tested)
            clips = [*clips, *tested]
            audio.append(root / corpus.folder(part) / "audio")
        train = frozenset(clip.clip_id for clip in clips if clip.clip_id in train and cls.learns_from(clip, protocol))
        missing, strangers = match_audio({c.clip_id: c.path for c in clips}, audio, corpus.title, root, on_error)
        there = [clip for clip in clips if clip.clip_id not in missing]
        examples = [
            Example(
                clip.clip_id,
                clip.path,
                tuple(float(clip.scene == name) for name in CLASSES),
                clip.device,
                cluster=clip.location,
                conditions=cls.conditions(clip),
            )
            for clip in there
        ]
        return Inventory(examples, counts, describe(there), missing, strangers, {"1": Parts(train, test)})

    @classmethod
    def conditions(cls, clip: Clip) -> dict[str, str]:
        """The city, where the place is known."""
        return {"city": clip.location.rpartition("-")[0] or "not known"}

    @classmethod
    def learns_from(cls, clip: Clip, protocol: str) -> bool:
        """Whether a protocol trains on this clip of the training part."""
        return True

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """Whole recording places, of every scene and city where there are enough of them."""
        scenes = [CLASSES[int(np.argmax(examples[i].target))] for i in train]
        locations = [examples[i].cluster for i in train]
        held_out = hold_out_locations(scenes, locations, fraction, self.seed)
        return train[~held_out], train[held_out]

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """The challenge's lines, `audio/<file>.wav<TAB>scene`."""
        names = [f"audio/{example.path.name}" for example in examples]
        write_label_file(path, names, [CLASSES[int(index)] for index in decisions])
