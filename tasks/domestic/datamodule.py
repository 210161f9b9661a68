"""The development and evaluation sets of domestic activities."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.datamodule import ClipDataModule, Example, Indices, Inventory, OnError
from benchmark.data.inventory import Parts, match_audio, require_folders
from benchmark.errors import InputError
from benchmark.label_files import write_label_file
from benchmark.metrics.clips import ClipTable
from tasks.domestic.official import (
    CLASSES,
    DEVELOPMENT,
    EVALUATION,
    TITLE,
    Segment,
    group_by_microphone,
    official_counts,
    read_fold,
    read_meta,
    read_microphones,
)

FOLDS = ("1", "2", "3", "4")
CHALLENGE = "evaluation"


class DomesticDataModule(ClipDataModule):
    """Segments of four channels.

    `4-fold` follows the lists of the development set; `evaluation` trains on all of it and tests on the evaluation set.
    """

    channels = 4
    one_rate = True
    rate = 16_000
    seconds = (10.0, 10.0)

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the lists of the protocol's sets; `full` means that every class has its official number of segments."""
        folder = root / DEVELOPMENT
        lists = [f"evaluation_setup/fold{fold}_{part}.txt" for fold in FOLDS for part in ("train", "evaluate")]
        needed = [f"{DEVELOPMENT}/{name}" for name in ("audio/", "meta.txt", *(lists if protocol != CHALLENGE else ()))]
        if protocol == CHALLENGE:
            needed += [f"{EVALUATION}/audio/", f"{EVALUATION}/meta.txt"]
        require_folders(TITLE, root, needed, f"TASK=domestic PROTOCOL={protocol}")
        segments = read_meta(folder)
        counts, groups = official_counts(DEVELOPMENT, segments), [segment.node for segment in segments]
        audio = [folder / "audio"]
        if protocol == CHALLENGE:
            tested, tested_groups = _read_evaluation(root / EVALUATION)
            part = Parts(frozenset(s.name for s in segments), frozenset(s.name for s in tested))
            parts = {CHALLENGE: part}
            if both := sorted(part.train & part.test):
                raise InputError(f"{both[0]} is in both sets", root.resolve(), "rename it in one of them")
            counts, groups = [*counts, *official_counts(EVALUATION, tested)], [*groups, *tested_groups]
            segments = [*segments, *tested]
            audio.append(root / EVALUATION / "audio")
        else:
            parts = {fold: read_fold(folder, fold, segments) for fold in FOLDS}
        missing, strangers = match_audio({s.name: s.path for s in segments}, audio, TITLE, root, on_error)
        examples = [
            Example(
                s.name,
                s.path,
                tuple(float(s.label == name) for name in CLASSES),
                group,
                cluster=s.session if s.path.is_relative_to(folder) else f"evaluation {s.session}",
                conditions={"microphone array": group},
            )
            for s, group in zip(segments, groups, strict=True)
            if s.name not in missing
        ]
        summary = f"{len(examples)} segments of {len({e.cluster for e in examples})} sessions"
        return Inventory(examples, counts, summary, missing, strangers, parts)

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """Whole sessions of each class, by chance, until it has its share; a class keeps at least one to train on."""
        generator = np.random.default_rng(self.seed)
        by_class: defaultdict[int, defaultdict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        for place, index in enumerate(train):
            by_class[int(np.argmax(examples[index].target))][examples[index].cluster].append(place)
        chosen: set[str] = set()
        for label in sorted(by_class):
            sessions = by_class[label]
            wanted = fraction * sum(map(len, sessions.values()))
            order = generator.permutation(sorted(sessions))[:-1]
            for session in order:
                # A session is taken if that brings the class nearer to its share.
                if len(sessions[session]) / 2 <= wanted:
                    chosen.add(str(session))
                    wanted -= len(sessions[session])
        held_out = np.array([examples[i].cluster in chosen for i in train], dtype=bool)
        return train[~held_out], train[held_out]

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """The lines `filename<TAB>label`."""
        write_label_file(path, [e.clip_id for e in examples], [CLASSES[int(index)] for index in decisions])


def _read_evaluation(folder: Path) -> tuple[list[Segment], list[str]]:
    """Segments of the evaluation set, and for each: `known` or `unknown`, else its array, else `evaluation`."""
    segments = read_meta(folder)
    path = folder / "evaluation_setup" / "microphones.txt"
    if path.is_file():
        nodes = {segment.name: f"{segment.node}_" for segment in segments}
        return segments, group_by_microphone([s.name for s in segments], nodes, read_microphones(path), path)
    return segments, [segment.node or CHALLENGE for segment in segments]
