"""Synthetic clips, stores, labels, predictions and runs that `perf.scaling` measures with; nothing here is timed."""

import dataclasses
import json
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from benchmark.data.datamodule import ClipDataModule, Example, Inventory, OnError
from benchmark.data.inventory import Parts
from benchmark.data.settings import DataSettings
from benchmark.data.store import WaveformStore, build_store
from benchmark.data.store_index import Clip
from benchmark.metrics.clips import ClipTable
from benchmark.metrics.measures import all_once
from benchmark.predictions import FILE, Predictions
from benchmark.records import RECORD, Identity, RunFolder, RunRecord
from benchmark.registry import get_task
from benchmark.sweep.matrix import Matrix, Planned, make_jobs

SAMPLE_RATE, WINDOW, BATCH = 8000, 400, 32
CLIP_SAMPLES = 800
FEW_CLASSES, CLASSES = 10, 527
ESC, PROTOCOL, FOLDS = get_task("esc"), "esc10-5-fold", 5
SEEDS, RUNS_OF_RESULT, RUN_CLIPS, KINDS = 4, 20, 100, 20
METRICS = "step,train/loss\n" + "".join(f"{step},{1 / (1 + step)}\n" for step in range(0, 1000, 10))


class Synthetic(ClipDataModule):
    """Clips without a task."""

    @classmethod
    def take_stock(cls, root: Path, on_error: OnError, protocol: str, subsets: Sequence[str] = ()) -> Inventory:
        """None: the inventory is given."""
        raise NotImplementedError

    def write_submission(
        self, path: Path, table: ClipTable, examples: Sequence[Example], decisions: Sequence[Any]
    ) -> None:
        """Nothing."""


def audio(work: Path, n: int) -> Path:
    """A folder of n wav files of 0.1 s; a larger one is no slower to read, as clips are found by name."""
    folder = work / f"clips-{n}"
    if not folder.exists():
        folder.mkdir(parents=True)
        generator, contents = np.random.default_rng(0), []
        for _ in range(KINDS):
            content = BytesIO()
            soundfile.write(content, generator.uniform(-0.5, 0.5, CLIP_SAMPLES), SAMPLE_RATE, format="WAV")
            contents.append(content.getvalue())
        for place in range(n):
            (folder / f"{place:07}.wav").write_bytes(contents[place % KINDS])
    return folder


def as_clips(folder: Path) -> list[Clip]:
    """The clips of a folder that `audio` has made."""
    return [Clip(path.name, path) for path in sorted(folder.iterdir())]


def store(work: Path, n: int) -> WaveformStore:
    """The store of n clips, built unless it is there."""
    return build_store(work / f"store-{n}", as_clips(audio(work, n)), SAMPLE_RATE, progress=False)


def examples(folder: Path, n: int, classes: int) -> list[Example]:
    """Clips of one class each, as tasks make them."""
    return [
        Example(
            f"{place:07}.wav",
            folder / f"{place:07}.wav",
            tuple(float(place % classes == number) for number in range(classes)),
            str(place // classes % 2),
        )
        for place in range(n)
    ]


def input_of_setup(work: Path, n: int, classes: int) -> Synthetic:
    """A data module that has not been set up: half of the clips for testing, a tenth of the rest for validation."""
    store(work, n)
    found = examples(audio(work, n), n, classes)
    parts = {"1": Parts(*(frozenset(one.clip_id for one in found if one.group == part) for part in "01"))}
    settings = DataSettings(SAMPLE_RATE, WINDOW / SAMPLE_RATE, BATCH, valid_fraction=0.1)
    return Synthetic(Inventory(found, [], "", parts=parts), work / f"store-{n}", settings, "half", "1", 0)


def predictions(n: int, classes: int) -> Predictions:
    """What a run keeps of n clips with some classes of many."""
    generator = np.random.default_rng(0)
    names, chosen = np.array([f"{place:07}.wav" for place in range(n)]), generator.integers(0, max(2, classes), n)
    target = (chosen[:, None] == np.arange(classes)).astype(np.float32)
    return Predictions(names, np.full(n, "1"), target, generator.random((n, classes)))


def record_of(number: int) -> dict[str, Any]:
    """The fields of a made-up record of `esc`: so many runs make a result, which has a system of its own."""
    result, place = divmod(number, RUNS_OF_RESULT)
    seed, fold = divmod(place, FOLDS)
    content: dict[str, Any] = {
        "id": f"20260101-000000-{fold + 1}-s{seed}",
        "group": f"{result:08x}",
        "task": "esc",
        "system": f"system-{result}",
        "variant": "mini",
        "protocol": PROTOCOL,
        "selection": "last",
        "fold": str(fold + 1),
        "seed": seed,
        "precision": "32-true",
        "engine": "torch",
        "parameters": 1000,
        "macs": 1000,
        "device": "cpu",
        "seconds": {"data": 1.0, "train": 10.0, "eval": 1.0},
        "steps": 100,
        "dataset_fingerprint": "synthetic",
        "commit": "",
        "versions": {"torch": "0"},
        "scores": {},
        "created": "2026-01-01T00:00:00+00:00",
    }
    return content


@cache
def _kind(kind: int) -> tuple[bytes, dict[str, float | None]]:
    """A file of predictions of esc, and their scores."""
    right = np.random.default_rng(kind).random(RUN_CLIPS) < 0.5 + kind / 50
    target = np.arange(RUN_CLIPS) % FEW_CLASSES
    found = Predictions(
        clip_id=np.array([f"clip-{place:03}" for place in range(RUN_CLIPS)]),
        group=np.full(RUN_CLIPS, "1"),
        target=np.eye(FEW_CLASSES, dtype=np.float32)[target],
        probabilities=np.full((RUN_CLIPS, FEW_CLASSES), 0.1),
        decision=np.where(right, target, (target + 1) % FEW_CLASSES),
    )
    content = BytesIO()
    arrays = {name: getattr(found, name) for name in ("clip_id", "group", "target", "probabilities", "decision")}
    np.savez_compressed(content, **arrays)
    return content.getvalue(), all_once(ESC.load("rescorer")(found, ESC.classes_of(PROTOCOL)), RUN_CLIPS)


def runs(work: Path, n: int) -> Path:
    """A runs folder with n finished runs of `esc`."""
    root = work / f"runs-{n}"
    if not root.exists():
        for number in range(n):
            fields = record_of(number)
            kind, fields["scores"] = _kind(number * 7 % KINDS)
            folder = root / "esc" / fields["system"] / fields["id"]
            folder.mkdir(parents=True)
            (folder / RECORD).write_text(json.dumps(dataclasses.asdict(RunRecord(**fields))))
            (folder / FILE).write_bytes(kind)
            (folder / "metrics.csv").write_text(METRICS)
            (folder / "config.yaml").write_text("# task: esc\nbackbone: none\n")
    return root


def one_system(work: Path, n: int) -> Path:
    """A runs folder with n runs of one system that say how they stand."""
    root = work / f"system-{n}"
    if not root.exists():
        for number in range(n):
            RunFolder.create(root, "esc", "cnn8", Identity("abc", "1", number)).write_state("failed", 100, {})
    return root


def plan(jobs: int) -> Planned:
    """A sweep of about so many jobs over the systems and folds of `esc` on its mini data."""
    seeds = range(max(1, jobs // (FOLDS * len(ESC.systems))))
    given = {"data": "mini", "protocol": "", "devices": 1, "logger": "csv", "model": None, "scale": 1.0}
    return make_jobs(Matrix(["esc"], ["all"], ["all"], list(seeds)), given | {"overrides": []})
