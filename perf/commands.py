"""Time of what does not train: the official metrics, the leaderboard, and how soon commands answer."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.data.inventory import Event
from benchmark.metrics.measures import all_once
from benchmark.predictions import Predictions
from benchmark.records import RunRecord
from benchmark.registry import Task, all_tasks
from perf.isolated import ROOT
from perf.measuring import Options, Table, median, number, spread, timed

# Clips of the development sets; of `sed` those of its test part, which alone have events.
DEVELOPMENT = {
    "asc": 8640,
    "asc-mobile": 10080,
    "bad": 35690,
    "domestic": 72984,
    "esc": 2000,
    "sed": 288,
    "tagging": 9473,
    "ust": 2794,
}
GROUPS = {
    "asc-mobile": ("a", "b", "c"),
    "bad": ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"),
    "sed": ("test",),
    "tagging": ("public",),
    "ust": ("validate",),
}
ONE_CLASS = ("asc", "asc-mobile", "domestic", "esc", "tagging")
RECORDS = 100
HELP, LIST_TASKS, LIST_SYSTEMS, SCORE = "--help", "list tasks", "list systems", "score"
IMPORT = "import benchmark.cli"


def made_predictions(task: Task, clips: int, seed: int = 0) -> Predictions:
    """Random predictions of so many clips, right more often than not."""
    generator, classes = np.random.default_rng(seed), task.classes
    groups = GROUPS.get(task.name, ("1",))
    decision, events, annotated = None, None, None
    if task.name in ONE_CLASS:
        target = np.eye(len(classes), dtype=np.float32)[generator.integers(len(classes), size=clips)]
        probabilities = generator.dirichlet(np.full(len(classes), 0.2), size=clips) + 0.5 * target
        probabilities /= probabilities.sum(1, keepdims=True)
        decision = probabilities.argmax(1)
    else:
        target = (generator.uniform(size=(clips, len(classes))) < 0.3).astype(np.float32)
        probabilities = np.clip(0.6 * generator.uniform(size=target.shape) + 0.3 * target, 0, 1)
    if task.name == "sed":
        annotated = [_events(generator, classes, row) for row in target]
        events = [_events(generator, classes, row) for row in probabilities > 0.5]
    return Predictions(
        np.array([f"clip{number:06}" for number in range(clips)]),
        np.array([groups[number % len(groups)] for number in range(clips)]),
        target,
        probabilities,
        np.array([f"place{number // 10}" for number in range(clips)]),
        decision,
        events,
        annotated,
    )


def _events(generator: np.random.Generator, classes: Sequence[str], row: Any) -> list[Event]:
    found = []
    for place in np.flatnonzero(row).tolist():
        onset = float(generator.uniform(0, 8))
        found.append(Event(onset, onset + float(generator.uniform(0.3, 2)), classes[place]))
    return found


def official_scores(task: Task, found: Predictions) -> Mapping[str, float | None]:
    """All scores by the task's rules."""
    return all_once(task.load("rescorer")(found, task.classes), len(found.clip_id))


def scoring(options: Options) -> dict[str, dict[str, Any]]:
    """Seconds of all official scores of each task."""
    found = {}
    for task in all_tasks().values():
        clips = 60 if options.quick else DEVELOPMENT[task.name]
        score = timed(partial(official_scores, task, made_predictions(task, clips)))
        score()
        found[task.name] = {"clips": clips, "seconds": [score() for _ in range(options.repeats)]}
    return found


def write_runs(root: Path, records: int) -> None:
    """Folders of so many finished runs that nobody trained, shared out to all tasks and their systems."""
    tasks = list(all_tasks().values())
    for place in range(records):
        task = tasks[place % len(tasks)]
        systems, protocol = list(task.systems), next(iter(task.protocols))
        folds, turn = task.protocols[protocol], place // len(tasks)
        predictions = made_predictions(task, 200, place)
        record = RunRecord(
            id=f"20260101-000000-{place}",
            group=f"group{place}",
            task=task.name,
            system=systems[turn % len(systems)],
            variant="full",
            protocol=protocol,
            selection="last",
            fold=folds[0],
            seed=turn // len(systems),
            precision="32-true",
            engine="torch",
            parameters=1,
            macs=1,
            device="cpu",
            seconds={"data": 1.0, "train": 1.0, "eval": 1.0},
            steps=1,
            dataset_fingerprint="made up",
            commit="",
            versions={},
            scores=dict(official_scores(task, predictions)),
            created="2026-01-01T00:00:00+00:00",
        )
        folder = root / task.name / record.system / record.id
        folder.mkdir(parents=True)
        predictions.write(folder)
        (folder / "record.json").write_text(json.dumps(asdict(record)))


def answering(words: Mapping[str, Sequence[str]], settings: Mapping[str, str], repeats: int) -> dict[str, Any]:
    """Seconds until commands have ended, taking turns, and the most MB that each took."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | dict(settings)

    def start(command: Sequence[str]) -> str:
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr[-500:]}")
        return done.stdout

    found: dict[str, Any] = {}
    for name, command in words.items():  # which also writes byte code
        said = start([sys.executable, "-m", "perf.peak", *command[1:]])
        found[name] = {"seconds": [], "megabytes": json.loads(said.splitlines()[-1])}
    for _ in range(repeats):
        for name, command in words.items():
            begin = time.perf_counter()
            start([sys.executable, *command])
            found[name]["seconds"].append(time.perf_counter() - begin)
    return found


def run(options: Options) -> dict[str, Any]:
    """Measure the scorers, the leaderboard and the commands."""
    print("  scorers", flush=True)
    found: dict[str, Any] = {"scoring": scoring(options)}
    records = 8 if options.quick else RECORDS
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        print(f"  leaderboard of {records} records, commands", flush=True)
        write_runs(work / "runs", records)
        labels = work / "labels.txt"
        labels.write_text("".join(f"audio/{place}.wav\tpark\n" for place in range(DEVELOPMENT["asc"])))
        settings = {"DCASE_BENCH_RUNS": str(work / "runs"), "PYTHONPYCACHEPREFIX": str(work / "pyc")}
        score = ["-m", "benchmark", "score", "asc", "--reference", str(labels), "--predictions", str(labels)]
        words: dict[str, Sequence[str]] = {
            HELP: ["-m", "benchmark", "--help"],
            LIST_TASKS: ["-m", "benchmark", "list", "tasks"],
            LIST_SYSTEMS: ["-m", "benchmark", "list", "systems"],
            f"{SCORE} asc, {DEVELOPMENT['asc']:,} clips": score,
            IMPORT: ["-m", "benchmark.cli"],
            "run --dry-run": [
                "-m",
                "benchmark",
                "run",
                "--task",
                "bad",
                "--system",
                "cnn4",
                "--data",
                "mini",
                "--dry-run",
            ],
            f"leaderboard, {records} records": ["-m", "leaderboard", "--out", str(work / "tables")],
        }
        found["commands"] = answering(words, settings | {"DCASE_BENCH_CACHE": str(work / "cache")}, options.repeats)
    return found


def tables(found: dict[str, Any]) -> list[Table]:
    """Scorers, and commands."""
    scored = [
        [f"`{task}`", f"{one['clips']:,}", number(median(one["seconds"])), spread(one["seconds"])]
        for task, one in found["scoring"].items()
    ]
    answered = []
    for name, one in found["commands"].items():
        megabytes = f"{one['megabytes']:.0f} MB" if one["megabytes"] else "-"
        answered.append([f"`{name}`", f"{median(one['seconds']):.2f}", spread(one["seconds"]), megabytes])
    return [
        Table("all official scores of a development set", ["task", "clips", "s", "least to most"], scored),
        Table("commands, from start to end", ["", "s", "least to most", "most memory"], answered),
    ]
