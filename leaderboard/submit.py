"""Finished runs to committed records: what may enter the leaderboard, and under which name."""

import re
from pathlib import Path

from benchmark.errors import InputError
from benchmark.records import RunRecord, find_runs, write_text
from leaderboard import read_checked


def submit(runs: Path, name: str, records: Path) -> list[Path]:
    """Copy the records of finished runs; all of them or, where one is refused, none.

    Args:
        runs: Folder of the runs.
        name: A run's folder, a unique id prefix, `last`, or a group (all its members).
        records: Folder of the committed records.

    Returns:
        The copies, also those that were there already.

    Raises:
        InputError: No such run; not the official data; not the whole recipe; code that is not committed; or a
            different record has the name.
    """
    copies: dict[Path, str] = {}
    for folder in find_runs(runs, name):
        path = folder / "record.json"
        record = read_checked(path)
        check_fit(record, path)
        text = path.read_text(encoding="utf-8")
        target = records / f"{record.task}-{record.system}-{record.id}.json"
        there = copies.get(target) or (target.read_text(encoding="utf-8") if target.exists() else text)
        if there != text:
            raise InputError(
                f"another record is called {target.name}", path, "records are never overwritten; run again for a new id"
            )
        copies[target] = text
    for target, text in copies.items():
        if not target.exists():
            write_text(target, text)
    return list(copies)


def check_fit(record: RunRecord, path: Path) -> None:
    """Whether a record may be committed.

    Raises:
        InputError: It may not; says why.
    """
    if record.variant != "full" and not record.variant.startswith("partial:"):
        raise InputError(
            f"a run on {record.variant} data is not for the committed leaderboard",
            path,
            "run it on the official data: DATA=full",
        )
    if record.scale != 1 or record.overrides:
        changes = " ".join(record.overrides) or f"scale {record.scale:g}"
        raise InputError(f"not the recipe as it is committed: {changes}", path, "commit a recipe of its own, run that")
    if not record.commit or record.commit.endswith("+"):
        state = "with uncommitted changes" if record.commit else "outside a checkout"
        raise InputError(f"the run was made {state}, so nobody can repeat it", path, "commit, then run again")
    for key in ("system", "id"):
        if not re.fullmatch(r"\w[\w.+-]*", getattr(record, key)):
            raise InputError(f"{key} {getattr(record, key)!r} does not make a file name", path)
