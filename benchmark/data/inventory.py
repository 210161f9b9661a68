"""What lies at a data root: the clips of a task, how complete they are, and what the data is therefore called."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

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
    """

    clip_id: str
    path: Path
    target: tuple[float, ...]
    group: str
    events: tuple[Event, ...] = ()


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
    """

    examples: list[Example]
    counts: list[Count]
    summary: str
    missing: dict[str, str] = field(default_factory=dict)
    strangers: dict[str, str] = field(default_factory=dict)

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

    @cached_property
    def fingerprint(self) -> str:
        """Hash of clip ids, groups, labels, events and file sizes."""
        digest = hashlib.sha256()
        for example in self.examples:
            about = (example.clip_id, example.group, example.target, example.events, example.path.stat().st_size)
            digest.update(f"{about}\n".encode())
        return digest.hexdigest()[:12]


def require_folders(title: str, root: Path, needed: Sequence[str], sources: str) -> None:
    """Check that the folders (`name/`) and files of a data set are there.

    Args:
        title: The data set, for people.
        root: Data root.
        needed: Paths below it; folders end in `/`.
        sources: Where to fetch them.

    Raises:
        InputError: Some are missing.
    """
    missing = [
        name for name in needed if not ((root / name).is_dir() if name.endswith("/") else (root / name).is_file())
    ]
    if missing:
        remedy = f"fetch them ({sources}), or try without data: DATA=mini"
        raise InputError(f"{title}: missing {', '.join(missing)}", root.resolve(), remedy)


def match_audio(
    listed: Mapping[str, Path], folders: Sequence[Path], title: str, root: Path, on_error: OnError
) -> tuple[dict[str, str], dict[str, str]]:
    """Compare the lists with the audio that is there.

    Args:
        listed: Clip id to where its audio should be.
        folders: Folders that hold nothing but listed audio; a file manager's leftovers (`._x.wav`) are passed over.
        title: The data set, for people.
        root: Data root.
        on_error: Whether a difference stops.

    Returns:
        Clip id to the reason, for each without audio; and audio file to the reason, for each that is not listed.

    Raises:
        InputError: A listed path leaves the data root, or, with `stop`, lists and audio differ.
    """
    there = {
        path
        for folder in folders
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
    }
    missing = {}
    for clip, path in listed.items():
        if root not in path.parents or ".." in path.parts[len(root.parts) :]:
            raise InputError(f"clip '{clip}' would lie outside of the data folder", path, "correct its name")
        if path not in there and not path.is_file():
            missing[clip] = f"{path.relative_to(root)} is missing"
    expected = set(listed.values())
    strangers = {
        path.relative_to(root).as_posix(): f"{path.relative_to(root)} is on no list"
        for path in sorted(there - expected)
    }
    if (missing or strangers) and on_error == "stop":
        reasons = [*missing.values(), *strangers.values()]
        raise InputError(
            f"{title}: {len(reasons)} listed clips or files without partner: {few(reasons)}",
            root.resolve(),
            "complete the data, or leave these clips out with --data.on_error skip",
        )
    return missing, strangers
