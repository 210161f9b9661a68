"""The weakly labelled, unlabelled and strongly labelled lists of the task, and its two protocols."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.datamodule import ClipDataModule, Count, Example, Indices, Inventory, OnError
from benchmark.data.inventory import Event, Parts, is_there, match_audio, require_folders
from benchmark.errors import InputError
from benchmark.metrics.clips import ClipTable
from benchmark.tabular import few
from tasks.sed.official import (
    CLASSES,
    DESED_VALIDATION,
    EVAL,
    IN_DOMAIN,
    OUT_OF_DOMAIN,
    SUBSETS,
    TEST,
    WEAK,
    WEAK_CLIPS,
    EventRow,
    by_file,
    event_rows,
    read_names,
    read_tags,
    tags_of,
    write_events,
)

TITLE = "sound events in domestic environments"


class SoundEventDataModule(ClipDataModule):
    """Clips of the weak list and of the list that the protocol scores, `test` or `eval`.

    A clip's group is its list. Training takes the weak list. A recipe may ask for the unlabelled lists too, for its
    label sources or, where `data.domains` gives them a share, for its batches; their targets are NaN.
    """

    subsets = (IN_DOMAIN, OUT_OF_DOMAIN)
    may_be_partial = True

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """Read the weak list, the scored one and those asked for; no other list is looked at.

        Raises:
            InputError: A list or folder is missing, a list is wrong, a clip is both scored and in another list, not one
                clip of a list that was asked for is there, or, with `stop`, audio is on no list.
        """
        names = (WEAK, *(name for name in cls.subsets if name in subsets))
        official = SUBSETS[protocol]
        require_folders(TITLE, root, [SUBSETS[name].csv for name in (*names, protocol)], "TASK=sed")
        clips = {name: _training_clips(root, name) for name in names}
        rows = event_rows(root / official.csv)
        _require_apart(root / official.csv, rows, clips)
        counts = [Count(name, len(found), SUBSETS[name].clips) for name, found in clips.items()]
        counts += _weak_counts(clips[WEAK])
        clips[protocol] = _scored_clips(root, protocol, rows)
        counts.append(Count(f"{protocol} files", len(clips[protocol]), official.clips))
        counts.append(Count(f"{protocol} rows", len(rows), official.rows))
        listed = [example for found in clips.values() for example in found]
        folders = [root / SUBSETS[name].audio for name in clips]
        paths = {e.clip_id: e.path for e in listed}
        missing, strangers = match_audio(paths, folders, TITLE, root, on_error, cls.may_be_partial)
        examples = [e for e in listed if e.clip_id not in missing]
        for name in clips if on_error == "stop" else names[1:]:
            _require_audio(root, name, clips[name], missing)
        about = [_coverage(name, found, missing) for name, found in clips.items()]
        version = official.versions.get(len(rows), "unknown")
        summary = f"clips: {', '.join(about)}; {Path(official.csv).name} has {len(rows)} rows (version {version})"
        train, test = (frozenset(e.clip_id for e in clips[name]) for name in (WEAK, protocol))
        return Inventory(examples, counts, summary, missing, strangers, {protocol: Parts(train, test)})

    def split(self, examples: Sequence[Example]) -> tuple[Indices, Indices]:
        """The weak list, with the unlabelled lists that have a share of the batches; and the scored one."""
        train, test = super().split(examples)
        shared = set(self.subsets) & set(self.settings.domains)
        return np.union1d(train, np.flatnonzero([example.group in shared for example in examples])), test

    def hold_out(self, examples: Sequence[Example], train: Indices, fraction: float) -> tuple[Indices, Indices]:
        """A random part of the weak list, as in the baseline: most sets of tags are too rare to be dealt out evenly."""
        weak = train[[examples[clip].group == WEAK for clip in train]]
        chosen = np.random.default_rng(self.seed).permutation(len(weak))[: round(fraction * len(weak))]
        valid = weak[np.sort(chosen)]
        return np.setdiff1d(train, valid), valid

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """The challenge's list of events; clips without events have a line of their own."""
        write_events(path, {e.path.name: events for e, events in zip(examples, decisions, strict=True)})


def _require_apart(path: Path, rows: Sequence[EventRow], clips: Mapping[str, Sequence[Example]]) -> None:
    """Check that no scored clip is in another list: versions of the test list before July 2018 had clips of training.

    Raises:
        InputError: Some are.
    """
    for name, examples in clips.items():
        others = {example.path.name for example in examples}
        shared = {row.filename: row.line for row in reversed(rows) if row.filename in others}
        if shared:
            files = sorted(shared, key=shared.__getitem__)
            what = f"clips to score are in the list {name} too, {len(files)} in all: {few(files)}"
            raise InputError(what, f"{path}:{shared[files[0]]}", "take the current lists: make data TASK=sed")


def _require_audio(root: Path, name: str, examples: Sequence[Example], missing: Mapping[str, str]) -> None:
    if all(example.clip_id in missing for example in examples):
        remedy = "tasks/sed/README.md says where audio is"
        if name not in (WEAK, TEST, EVAL):
            remedy += "; or run a system that does not ask for them in data.subsets"
        raise InputError(f"{TITLE}: no clip of {name} is there", (root / SUBSETS[name].audio).resolve(), remedy)


def _coverage(name: str, examples: Sequence[Example], missing: Mapping[str, str]) -> str:
    there = sum(example.clip_id not in missing for example in examples)
    return f"{there:,} {name}" if there == len(examples) else f"{there:,} of {len(examples):,} {name}"


def _weak_counts(examples: Sequence[Example]) -> list[Count]:
    """Labels of the weak list in all, and its clips of each class."""
    found = {label: int(sum(e.target[place] for e in examples)) for place, label in enumerate(CLASSES)}
    total = Count("weak labels", sum(found.values()), SUBSETS[WEAK].rows)
    return [total, *(Count(f"weak {label}", count, WEAK_CLIPS[label]) for label, count in found.items())]


def _training_clips(root: Path, name: str) -> list[Example]:
    path = root / SUBSETS[name].csv
    if name == WEAK:
        tags = read_tags(path)
        targets = {clip: tuple(float(label in labels) for label in CLASSES) for clip, labels in tags.items()}
    else:
        targets = dict.fromkeys(read_names(path), (float("nan"),) * len(CLASSES))
    return [_example(root, name, clip, target) for clip, target in targets.items()]


def _scored_clips(root: Path, name: str, rows: Sequence[EventRow]) -> list[Example]:
    return [_example(root, name, clip, tags_of(events), events) for clip, events in by_file(rows).items()]


def _example(root: Path, name: str, clip: str, target: tuple[float, ...], events: Sequence[Event] = ()) -> Example:
    different = len({event.label for event in events})
    conditions = {"classes in the clip": "3 or more" if different > 2 else str(different)} if events else {}
    path, shared = root / SUBSETS[name].audio / clip, root / DESED_VALIDATION / clip
    if name in (TEST, EVAL) and is_there(shared) and not is_there(path):
        path = shared
    return Example(f"{name}/{clip}", path, target, name, tuple(events), conditions=conditions)
