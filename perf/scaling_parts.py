"""What `perf.scaling` measures: each part makes its synthetic input in a folder and gives what is timed."""

from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import torch

from benchmark.data.inventory import Inventory, deal_folds, match_audio
from benchmark.data.sampler import StreamBatches
from benchmark.data.store import build_store
from benchmark.metrics.bootstrap import rank_intervals, resample
from benchmark.metrics.clips import ClipPredictions
from benchmark.metrics.curves import average_precision
from benchmark.metrics.measures import Measure, mean_of, once, share
from benchmark.metrics.roc import auc_measure
from benchmark.paths import runs_root
from benchmark.predictions import read_predictions
from benchmark.records import Identity, RunFolder, RunRecord, standings
from benchmark.sweep.loop import look_up
from benchmark.sweep.matrix import Planned
from leaderboard import load_runs
from leaderboard.boards import make_board
from leaderboard.site.build import write_site
from leaderboard.tables import render
from perf.scaling import Part
from perf.scaling_inputs import (
    BATCH,
    CLASSES,
    ESC,
    FEW_CLASSES,
    SAMPLE_RATE,
    WINDOW,
    as_clips,
    audio,
    examples,
    input_of_setup,
    one_system,
    plan,
    predictions,
    record_of,
    runs,
    store,
)

CLIPS, MANY = (1_000, 10_000, 100_000), (1_000, 3_000, 10_000)
RUNS = (100, 1_000, 10_000)
QUICK_CLIPS, QUICK_RUNS = (200, 400), (20, 40)
AUDIOSET_CLIPS, ALL_RUNS = 2_000_000, 100_000
BATCHES, RESAMPLES = 100, 1000
Call = Callable[[], object]


def build(work: Path, n: int) -> Call:
    """Decoding clips into a new store."""
    clips, number = as_clips(audio(work, n)), count()

    def call() -> object:
        place = next(number)
        folder = work / (f"store-{n}" if place == 0 else f"store-{n}-{place}")
        return build_store(folder, clips, SAMPLE_RATE, progress=False)

    return call


def reopen(work: Path, n: int) -> Call:
    """Opening a store that is whole: each run does it once or twice."""
    store(work, n)
    return partial(build_store, work / f"store-{n}", as_clips(audio(work, n)), SAMPLE_RATE, progress=False)


def cut(work: Path, n: int) -> Call:
    """A hundred batches at random places."""
    opened, generator = store(work, n), np.random.default_rng(0)

    def call() -> None:
        for _ in range(BATCHES):
            opened.cut(generator.integers(0, n, BATCH), np.zeros(BATCH, np.int64), WINDOW)

    return call


def stock(work: Path, n: int) -> Call:
    """The inventory: names to paths, compared with the folder, dealt into folds, fingerprint."""
    folder = audio(work, n)

    def call() -> object:
        listed = {f"{place:07}.wav": folder / f"{place:07}.wav" for place in range(n)}
        missing, strangers = match_audio(listed, [folder], "synthetic", folder, "stop")
        parts = deal_folds({name: place % FEW_CLASSES for place, name in enumerate(listed)}, ("1", "2"), 0)
        inventory = Inventory(examples(folder, n, FEW_CLASSES), [], "", missing, strangers, parts)
        return inventory, inventory.fingerprint

    return call


def labels(work: Path, n: int, classes: int = CLASSES) -> Call:
    """Examples with their targets, the fingerprint, and a validation part held out."""
    folder, module = audio(work, n), input_of_setup(work, n, FEW_CLASSES)

    def call() -> object:
        found = examples(folder, n, classes)
        inventory = Inventory(found, [], "")
        held_out = module.hold_out(found, np.arange(n), 0.1)
        return inventory, inventory.fingerprint, module.targets(found), held_out

    return call


def labels_of_classes(work: Path, classes: int) -> Call:
    """The same for some clips of more and more classes."""
    return labels(work, QUICK_CLIPS[0] if classes < FEW_CLASSES else MANY[0], classes)


def index(work: Path, n: int) -> Call:
    """The data module's set-up: store opened, split, held out, cut into windows."""
    module = input_of_setup(work, n, FEW_CLASSES)

    def call() -> object:
        module.setup()
        return module.train, module.valid, module.test

    return call


def sampler(work: Path, n: int) -> Call:
    """A shuffle, and a hundred batches of it."""

    def call() -> None:
        batches = StreamBatches(n, BATCH, seed=0)
        for step in range(min(BATCHES, n // BATCH)):
            batches.batch(step)

    return call


def gather(work: Path, n: int, classes: int) -> Call:
    """Predictions collected batch by batch, then averaged clip by clip."""
    generator = torch.Generator().manual_seed(0)
    probability = torch.rand(n, classes, generator=generator)

    def call() -> object:
        metric = ClipPredictions()
        for first in range(0, n, BATCH):
            rows = torch.arange(first, min(first + BATCH, n))
            metric.update(rows, torch.zeros_like(rows), probability[rows], (probability[rows] > 0.5).float())
        return metric.compute()

    return call


def scores(work: Path, n: int) -> Call:
    """The mean over classes of the area under the ROC curve and of average precision."""
    found = predictions(n, CLASSES)

    def call() -> object:
        measured = [auc_measure(*pair) for pair in zip(found.target.T, found.probabilities.T, strict=True)]
        precision = [average_precision(*pair) for pair in zip(found.target.T, found.probabilities.T, strict=True)]
        return measured, once(mean_of(measured), n), precision

    return call


def bootstrap(work: Path, n: int, make: Callable[[int], Measure]) -> Call:
    """A thousand resamples of a score of one system."""
    measure = make(n)
    return lambda: resample([{0: lambda draws: measure(draws["1"])}], {"1": np.arange(n)}, RESAMPLES)


def of_accuracy(n: int) -> Measure:
    """The share of clips that are right."""
    return share(np.random.default_rng(0).random(n) < 0.7)


def of_auc(n: int) -> Measure:
    """The area under the ROC curve of one class."""
    found = predictions(n, 1)
    return auc_measure(found.target[:, 0], found.probabilities[:, 0])


def kept(work: Path, n: int) -> Call:
    """A run's predictions written and read."""
    found, path = predictions(n, CLASSES), work / f"predictions-{n}.npz"

    def call() -> object:
        found.write(path)
        return read_predictions(path)

    return call


def write(work: Path, n: int) -> Call:
    """Run folders made, three states and a record each."""
    root = work / f"written-{n}"

    def call() -> None:
        for number in range(n):
            record = record_of(number)
            folder = RunFolder.create(root, "esc", record["system"], Identity(record["group"], record["fold"], number))
            for step in range(3):
                folder.write_state("running", step, {})
            folder.finish(RunRecord(**record | {"id": folder.id, "seed": number}))

    return call


def read(work: Path, n: int) -> Call:
    """All records, checked."""
    return partial(load_runs, runs(work, n), "*/*/*/record.json")


def standing(work: Path, n: int) -> Call:
    """How the runs of one system stand: what each job of a sweep asks once."""
    return partial(standings, one_system(work, n), "esc", "cnn8")


def board(work: Path, n: int) -> Call:
    """Results, intervals and ranks, from records that are read; twenty runs a result."""
    loaded, left_out = load_runs(runs(work, n), "*/*/*/record.json")
    assert not left_out, left_out[0]
    return partial(make_board, ESC, loaded, [])


def ranks(work: Path, n: int) -> Call:
    """The intervals of the ranks of so many results."""
    return partial(rank_intervals, np.random.default_rng(0).random((RESAMPLES, n)))


def tables(work: Path, n: int) -> Call:
    """A task's markdown page."""
    loaded, _ = load_runs(runs(work, n), "*/*/*/record.json")
    return partial(render, make_board(ESC, loaded, []), local=True)


def site(work: Path, n: int) -> Call:
    """All pages, with curves and confusions, without pictures of clips."""
    root, number = runs(work, n), count()
    return lambda: write_site(work / f"site-{n}-{next(number)}", work / "no-records", root)


def sweep(work: Path, n: int) -> Call:
    """A sweep planned, and looked up where all of its jobs have a run."""

    def folder_of(job_number: int, planned: Planned) -> RunFolder:
        job = planned.jobs[job_number]
        return RunFolder.create(runs_root(), job.task, job.system, job.identity)

    planned = plan(n)
    for number in range(len(planned.jobs)):
        folder_of(number, planned).write_state("failed", 0, {})
    return lambda: look_up(plan(n).jobs)


PARTS = (
    Part("build", "store: built", "clips", CLIPS, QUICK_CLIPS, AUDIOSET_CLIPS, build),
    Part("open", "store: checked and opened", "clips", CLIPS, QUICK_CLIPS, AUDIOSET_CLIPS, reopen),
    Part("cut", "store: 100 batches of 32", "clips", CLIPS, QUICK_CLIPS, AUDIOSET_CLIPS, cut, mapped=True),
    Part("stock", "inventory, 10 classes", "clips", CLIPS, QUICK_CLIPS, AUDIOSET_CLIPS, stock),
    Part("labels", "labels, 527 classes", "clips", MANY, QUICK_CLIPS, AUDIOSET_CLIPS, labels),
    Part("classes", "labels of 1,000 clips", "classes", (10, 100, 527), (2, 4), 0, labels_of_classes),
    Part("index", "data module: windows, 10 classes", "clips", CLIPS, QUICK_CLIPS, AUDIOSET_CLIPS, index),
    Part("sampler", "sampler: shuffle, 100 batches of 32", "clips", CLIPS, QUICK_CLIPS, AUDIOSET_CLIPS, sampler),
    Part(
        "gather",
        "predictions gathered, 10 classes",
        "clips",
        CLIPS,
        QUICK_CLIPS,
        AUDIOSET_CLIPS,
        partial(gather, classes=FEW_CLASSES),
    ),
    Part(
        "gather-many",
        "predictions gathered, 527 classes",
        "clips",
        MANY,
        QUICK_CLIPS,
        AUDIOSET_CLIPS,
        partial(gather, classes=CLASSES),
    ),
    Part("scores", "AUC and average precision, 527 classes", "clips", MANY, QUICK_CLIPS, AUDIOSET_CLIPS, scores),
    Part(
        "accuracy-bounds",
        "1,000 resamples of accuracy",
        "clips",
        CLIPS,
        QUICK_CLIPS,
        AUDIOSET_CLIPS,
        partial(bootstrap, make=of_accuracy),
    ),
    Part(
        "auc-bounds",
        "1,000 resamples of the AUC of a class",
        "clips",
        CLIPS,
        QUICK_CLIPS,
        AUDIOSET_CLIPS,
        partial(bootstrap, make=of_auc),
    ),
    Part(
        "kept",
        "predictions written and read, 527 classes",
        "clips",
        (1_000, 10_000, 30_000),
        QUICK_CLIPS,
        AUDIOSET_CLIPS,
        kept,
    ),
    Part("write", "records written", "runs", RUNS, QUICK_RUNS, ALL_RUNS, write, once=True),
    Part("read", "records read", "runs", RUNS, QUICK_RUNS, ALL_RUNS, read),
    Part("standing", "state of one system's runs", "runs", RUNS, QUICK_RUNS, ALL_RUNS, standing),
    Part("sweep", "sweep planned and looked up", "jobs", RUNS, QUICK_RUNS, ALL_RUNS, sweep, once=True),
    Part("board", "leaderboard: intervals and ranks", "runs", RUNS, QUICK_RUNS, ALL_RUNS, board),
    Part("ranks", "leaderboard: ranks alone", "results", (100, 1_000, 3_000), (3, 6), 10_000, ranks),
    Part("tables", "leaderboard: a task's page", "runs", RUNS, QUICK_RUNS, ALL_RUNS, tables),
    Part("site", "site: all pages", "runs", (100, 1_000, 3_000), QUICK_RUNS, ALL_RUNS, site),
)
