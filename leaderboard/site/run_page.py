"""A run's page: scores, its config, the command that repeats it, curves, and clips with what was found in them."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BenchmarkError
from benchmark.paths import data_root
from benchmark.predictions import Predictions, read_predictions
from benchmark.records import RunRecord
from benchmark.registry import Task
from leaderboard.site.clips import ClipPictures
from leaderboard.site.curves import confusion, detection_curves, learning_curves
from leaderboard.site.entries import Entry, page
from leaderboard.site.table import Cell, Column, Table, duration, number_cell, score_text
from leaderboard.site.task_page import REMARKS, class_of

CONFIG = "config.yaml"


def run_context(entry: Entry, task: Task, pictures: ClipPictures) -> dict[str, Any]:
    """What the run's page shows; what is not there is said in `absent`."""
    record, absent = entry.run.record, []
    config = None if entry.folder is None else _read(entry.folder / CONFIG)
    root = _data_root(config or "")
    plots: dict[str, Any] = {"learning": [], "confusion": None, "detection": []}
    clips: list[dict[str, Any]] = []
    found: Predictions | None = None
    if entry.folder is None:
        absent.append("Config and learning curves are not committed: they are with who made this run.")
    else:
        if config is None:
            absent.append(f"{CONFIG} is missing.")
        try:
            plots["learning"] = learning_curves(entry.folder, task)
        except BenchmarkError as error:
            absent.append(f"No learning curves: {error.what}")
    try:
        found = read_predictions(entry.run.predictions)
    except BenchmarkError as error:
        absent.append(f"No pictures of the predictions: {error.what}")
    if found is not None:
        plots |= _prediction_plots(found, task, record)
        clips, reason = pictures.of(entry, task, found, root)
        absent += [reason] if reason else []
    return {
        "entry": entry,
        "record": record,
        "task": task,
        "system_page": page("systems", task.name, record.system),
        "remark": REMARKS.get(record.variant.partition(":")[0], "unknown data: not comparable"),
        "headline": _scores(task, record, of_classes=False),
        "by_class": _scores(task, record, of_classes=True),
        "facts": _facts(record),
        "command_line": repeat_command(record, root),
        "config": config,
        "plots": plots,
        "clips": clips,
        "absent": absent,
    }


def _prediction_plots(found: Predictions, task: Task, record: RunRecord) -> dict[str, Any]:
    classes = task.classes_of(record.protocol)
    if found.target.shape[1:] != (len(classes),) or found.probabilities.shape != found.target.shape:
        return {}
    if found.decision is not None and not np.isin(found.decision, np.arange(len(classes))).all():
        return {}
    if (matrix := confusion(found, classes)) is not None:
        return {"confusion": matrix}
    return {"detection": detection_curves(found, classes)}


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None


def _data_root(config: str) -> Path | None:
    """Where the run's data lay, as the comments at the top of its config say."""
    for line in config.splitlines():
        if not line.startswith("#"):
            break
        if line.startswith("# data: "):
            return Path(line.removeprefix("# data: "))
    return None


def repeat_command(record: RunRecord, root: Path | None) -> str:
    """The command that does the same work again.

    Args:
        record: What ran.
        root: Where its data lay, where that is known.
    """
    kind = record.variant.partition(":")[0]
    data = kind if kind == "mini" or (kind == "full" and root in (None, data_root())) else str(root or "DIR")
    words = ["python", "-m", "benchmark", "run", "--task", record.task]
    if "--model" not in record.overrides:
        words += ["--system", record.system]
    words += ["--data", data, "--protocol", record.protocol, "--fold", record.fold, "--seed", str(record.seed)]
    return shlex.join([*words, *record.overrides])


def _scores(task: Task, record: RunRecord, of_classes: bool) -> Table | None:
    """The scores of all classes together, the main one first, or a table of class by kind of score."""
    keyed = {key: class_of(task, record.protocol, key) for key in record.scores}
    if not of_classes:
        whole = [key for key, found in keyed.items() if found is None]
        keys = sorted(whole, key=lambda key: (key != task.main_score, not task.is_shown(key)))
        columns = [Column("Score"), Column("Value", number=True, falls=True)]
        mark = {task.main_score: ("main score",)}
        rows = [[Cell(key, chips=mark.get(key, ())), _score(record.scores, key)] for key in keys]
        return Table("Scores", columns, rows, tools=False)
    families = list(dict.fromkeys(found[0] for found in keyed.values() if found))
    classes = list(dict.fromkeys(found[1] for found in keyed.values() if found))
    if not classes:
        return None
    columns = [Column("Class"), *(Column(family, number=True, falls=True) for family in families)]
    rows = [[Cell(name), *(_score(record.scores, f"{family}/{name}") for family in families)] for name in classes]
    return Table("Scores by class", columns, rows)


def _score(scores: Mapping[str, float | None], key: str) -> Cell:
    value = scores.get(key)
    return number_cell(value, "" if value is None else score_text(value))


def _facts(record: RunRecord) -> dict[str, str]:
    """What is known of the run, by name."""
    seconds = ", ".join(f"{part} {duration(value)}" for part, value in record.seconds.items())
    skipped = [f"{name}: {reason}" for name, reason in list(record.skipped.items())[:5]]
    more = len(record.skipped) - len(skipped)
    facts = {
        "Run": record.id,
        "Group": record.group,
        "Finished": record.created,
        "Data": f"{record.variant}, fingerprint {record.dataset_fingerprint}",
        "Coverage": f"{record.coverage:.1%} of the listed clips",
        "Left out": "; ".join([*skipped, *([f"and {more} more"] if more > 0 else [])]),
        "Protocol": f"{record.protocol}, fold {record.fold}",
        "Seed": str(record.seed),
        "Scale": "" if record.scale == 1 else f"{record.scale:g} times the recipe's steps",
        "Weights selected by": record.selection,
        "Parameters": f"{record.parameters:,}",
        "MACs a clip": f"{record.macs:,}",
        "Steps": f"{record.steps:,}",
        "Time": seconds,
        "Device": record.device,
        "Precision": record.precision,
        "Spectrograms by": record.engine,
        "Fast path": ", ".join(record.fast_path),
        "Changed settings": shlex.join(record.overrides),
        "External data": "yes" if record.external_data else "",
        "Commit": record.commit,
        "Versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
    }
    return {name: text for name, text in facts.items() if text}
