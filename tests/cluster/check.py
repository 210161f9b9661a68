"""What a disturbed sweep must have left: `check.py RUNS STEPS JOBS SEED…`.

One run folder and one whole record for each job, and every session of a run but its first resumed where the one before
was stopped; the SEEDs were stopped at least once.
"""

import re
import sys
from collections import defaultdict
from pathlib import Path

from benchmark.records import read_record

MARKS = re.compile(
    r"(?P<word>running|resuming) .* seed (?P<seed>\d+)$|training (?P<first>\d+)/|error: (?P<end>stopped .*)"
)


def sessions_of(logs: list[Path]) -> dict[int, list[dict[str, str]]]:
    """Sessions of each seed: how it began, the first step that it told, and how it was stopped."""
    found: dict[int, list[dict[str, str]]] = defaultdict(list)
    for path in logs:
        session: dict[str, str] = {}
        for mark in filter(None, map(MARKS.match, path.read_text().splitlines())):
            if mark["seed"]:
                found[int(mark["seed"])].append(session := {"word": mark["word"]})
            session.update({key: mark[key] for key in ("first", "end") if mark[key] and key not in session})
    return found


def main(root: Path, steps: int, jobs: int, stopped: set[int]) -> None:
    """Check, and say what was found."""
    folders = sorted((path.parent for path in root.glob("*/*/*/state.json")), key=lambda path: path.name)
    records = [read_record(path / "record.json") for path in folders]  # an error where one is missing
    assert len(folders) == jobs, f"{len(folders)} run folders for {jobs} jobs"
    assert len({(record.group, record.fold, record.seed) for record in records}) == jobs, "two records of the same work"
    logs = root.glob("sweeps/*/*_log.out")
    sessions = sessions_of(sorted(logs, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)]))
    for folder, record in zip(folders, records, strict=True):
        own = sessions[record.seed]
        sys.stdout.write(f"  {folder.name}: {record.steps} steps, auc {record.scores['auc']:.3f}\n")
        for session in own:
            told = f", first line at step {session['first']}" if "first" in session else ""
            end = f", {session['end']}" if "end" in session else ""
            sys.stdout.write(f"    {session['word']}{told}{end}\n")
        assert record.steps == steps, f"{record.steps} steps instead of {steps}"
        assert [session["word"] for session in own] == ["running", *["resuming"] * (len(own) - 1)], "begun afresh"
        assert len(own) > 1 or record.seed not in stopped, "it was not stopped"
    resumed = f"; stopped and resumed: seeds {', '.join(map(str, sorted(stopped)))}" if stopped else ""
    sys.stdout.write(f"OK: {jobs} jobs, {jobs} run folders, {jobs} records{resumed}\n")


main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), set(map(int, sys.argv[4:])))
