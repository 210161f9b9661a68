"""What lies at a data root: the clips of a task, how complete they are, and what the data is therefore called."""

import hashlib
import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from benchmark.errors import InputError
from benchmark.tabular import few

OnError = Literal["stop", "skip"]
AUDIO_SUFFIXES = (".wav", ".flac", ".ogg")


class Event(NamedTuple):
    """A sound event: onset and offset in seconds from the start of its clip, and its class."""

    onset: float
    offset: float
    label: str


@dataclass(frozen=True)
class Example:
    """One clip.

    Attributes:
        clip_id: Unique in the data set.
        path: The audio file.
        target: A value per class: 1 or 0, a share of annotators, or NaN where it is not known.
        group: The subset it belongs to or is scored with: a data set, a device, a list of the challenge.
        events: Its sound events, where they are annotated.
        cluster: What must not be divided between training and validation: a recording place, a session, a sensor.
        conditions: Under which it was recorded or annotated, e.g. `{"city": "lisbon"}`: reports tell errors by them.
    """

    clip_id: str
    path: Path
    target: tuple[float, ...]
    group: str
    events: tuple[Event, ...] = ()
    cluster: str = ""
    conditions: Mapping[str, str] = field(default_factory=dict)


class Parts(NamedTuple):
    """The listed clips, also missing ones, that a fold trains on and those that it tests."""

    train: frozenset[str]
    test: frozenset[str]


class Count(NamedTuple):
    """A number of rows of the label files, and the official one, where there is one."""

    name: str
    found: int
    official: int | None


@dataclass(frozen=True)
class Inventory:
    """What was found at a data root.

    Attributes:
        examples: The clips that are there.
        counts: What the label files list, also clips whose audio is missing.
        summary: One line for people.
        missing: Listed clip to the reason why it is left out.
        strangers: Audio file that no list names to the reason why it is left out.
        parts: How each fold of the protocol divides the listed clips.
    """

    examples: list[Example]
    counts: list[Count]
    summary: str
    missing: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)
    parts: Mapping[str, Parts] = field(default_factory=dict)

    @property
    def listed(self) -> int:
        """Number of clips that the label files name."""
        return len(self.examples) + len(self.missing)

    @property
    def skipped(self) -> dict[str, str]:
        """Clip or file to the reason why it is left out."""
        return self.missing | self.strangers

    @property
    def variant(self) -> str:
        """`full`, `partial:<coverage>`, or `custom:<fingerprint>` where a count is not the official one."""
        checked = [count for count in self.counts if count.official is not None]
        if not checked or any(count.found != count.official for count in checked):
            return f"custom:{self.fingerprint}"
        return f"partial:{len(self.examples) / self.listed:.4f}" if self.missing else "full"

    @property
    def _folds(self) -> list[tuple[str, Parts]]:
        return sorted(self.parts.items())

    @cached_property
    def fingerprint(self) -> str:
        """Hash of all that is known of the clips, of their files' sizes and of their division."""
        digest = hashlib.sha256()
        for example in self.examples:
            places = [(fold, example.clip_id in part.train, example.clip_id in part.test) for fold, part in self._folds]
            about = (example.clip_id, example.group, example.target, example.events, example.cluster, places)
            digest.update(f"{about} {example.path.stat().st_size}\n".encode())
        return digest.hexdigest()[:12]


def deal_folds(strata: Mapping[str, Hashable], folds: Sequence[str], seed: int) -> dict[str, Parts]:
    """Fixed folds of clips, each stratum spread evenly; deal them to all listed clips, whether they are there or not.

    Args:
        strata: Clip id to what is spread evenly, e.g. its label.
        folds: Names of the folds.
        seed: Seed of the deal.

    Returns:
        Fold to its parts: it tests what it was dealt, and trains on the rest.
    """
    generator = np.random.default_rng(seed)
    members: dict[Hashable, list[str]] = {}
    for clip, stratum in strata.items():
        members.setdefault(stratum, []).append(clip)
    order = [clips[place] for clips in members.values() for place in generator.permutation(len(clips))]
    everything = frozenset(order)
    dealt = {fold: frozenset(order[place :: len(folds)]) for place, fold in enumerate(folds)}
    return {fold: Parts(everything - test, test) for fold, test in dealt.items()}


def require_folders(title: str, root: Path, needed: Sequence[str], data: str) -> None:
    """Check that the folders (`name/`) and files of a data set are there.

    Args:
        title: The data set, for people.
        root: Data root.
        needed: Paths below it; folders end in `/`.
        data: What `make data` is told to fetch them, e.g. `TASK=bad`.

    Raises:
        InputError: Some are missing.
    """
    missing = [
        name for name in needed if not ((root / name).is_dir() if name.endswith("/") else (root / name).is_file())
    ]
    if missing:
        remedy = f"fetch them: make data {data}, or try without data: DATA=mini"
        raise InputError(f"{title}: missing {', '.join(missing)}", root.resolve(), remedy)


def match_audio(
    listed: Mapping[str, Path],
    folders: Sequence[Path],
    title: str,
    root: Path,
    on_error: OnError,
    may_be_partial: bool = False,
) -> tuple[dict[str, str], dict[str, str]]:
    """Compare the lists with the audio that is there.

    Args:
        listed: Clip id to where its audio should be.
        folders: Folders that hold nothing but listed audio; a file manager's leftovers (`._x.wav`) are passed over.
        title: The data set, for people.
        root: Data root.
        on_error: Whether a difference stops.
        may_be_partial: Whether clips without audio are normal and never stop.

    Returns:
        Clip id to the reason, for each without audio; and audio file to the reason, for each that is not listed.

    Raises:
        InputError: A listed path leaves the data root, or, with `stop`, lists and audio differ.
    """
    there = {path for folder in folders if folder.is_dir() for path in _audio_files(folder)}
    missing = {}
    below = "" if root == Path() else f"{root}/".replace("//", "/")
    for clip, path in listed.items():  # strings: pathlib takes seconds for tens of thousands of clips
        inside = f"/{str(path)[len(below) :]}/"
        if not str(path).startswith(below) or "/../" in inside or inside.startswith("//"):
            raise InputError(f"clip '{clip}' would lie outside of the data folder", path, "correct its name")
        if path not in there and not is_there(path):
            missing[clip] = f"{path.relative_to(root)} is missing"
    expected = set(listed.values())
    strangers = {
        path.relative_to(root).as_posix(): f"{path.relative_to(root)} is on no list"
        for path in sorted(there - expected)
    }
    reasons = [*([] if may_be_partial else missing.values()), *strangers.values()]
    if reasons and on_error == "stop":
        raise InputError(
            f"{title}: {len(reasons)} listed clips or files without partner: {few(reasons)}",
            root.resolve(),
            "complete the data, or leave these clips out with --data.on_error skip",
        )
    return missing, strangers


def is_there(path: Path) -> bool:
    """Whether there is such a file; a name that is too long for the file system is a missing file, too."""
    return os.path.isfile(path)  # noqa: PTH113


def _audio_files(folder: Path) -> Iterator[Path]:
    """Audio files, and links that lead to one."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = entry.name
            if name.lower().endswith(AUDIO_SUFFIXES) and not name.startswith(".") and entry.is_file():
                yield folder / name
