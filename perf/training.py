"""Training `asc/cnn8` from clips of 10 s: the suite, a plain loop of 2018, and the network alone, taking turns.

The suite is measured by driving a real run: its trainer, its data module, a folder of synthetic clips in the official
layout. Step times are taken by a callback, after the first steps, which fill caches and choose algorithms.
"""

import dataclasses
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytorch_lightning as pl
import soundfile as sf
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor
from torch.nn import functional as F

from benchmark.data.parallel import usable_cores
from benchmark.data.sources import signal_of
from benchmark.errors import BenchmarkError
from benchmark.plan import Plan, RunOptions, make_plan
from benchmark.runner import Run, settle
from perf.arithmetic import BF16, FLOAT32, adam, precisions, products_in, training
from perf.backbones import LAYOUTS, in_layout
from perf.measuring import Options, Rates, Table, measure, median, rates_table, timed, wait
from perf.plain_loop import Network, PlainLoop, batches, write_features
from perf.store import sound
from tasks.asc.mini import Row, write_lists
from tasks.asc.module import SceneModule
from tasks.asc.official import CLASSES, STEREO

SUITE, PLAIN, BARE = "the suite", "plain loop", "network alone"
SUITE_BF16 = f"{SUITE}, bf16-mixed"
CLIP_RATE, SECONDS, FRAMES, BANDS = 48000, 10, 320, 64
LENGTHS = ("max_steps", "val_every", "checkpoint_every", "scale")
TRAINING_CLIPS, TEST_CLIPS, STEPS, BATCH = 6122, 2518, 5000, 128  # of the task and of the recipe


class StepTimes(Callback):
    """When steps begin and end, by the device's own clock where it is a GPU.

    Attributes:
        start: Seconds from the start of the fit to its first batch.
        seconds: From the end of the warm-up to the end of the last step.
        waiting: Share of that in which no step was under way: the device waited for its next batch.

    Args:
        warm: Steps that are not counted.
    """

    def __init__(self, warm: int) -> None:
        self.warm = warm
        self.start = self.seconds = self.waiting = 0.0
        self._began = 0.0
        self._marks: list[tuple[Any, Any]] = []

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Before statistics of the training part are taken."""
        self._began, self._marks = time.perf_counter(), []

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """The batch is on the device."""
        if not self._marks:
            wait(pl_module.device)
            self.start = time.perf_counter() - self._began
        self._marks.append((_mark(pl_module.device), None))

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *args: Any) -> None:
        """All of the step is in the device's queue."""
        self._marks[-1] = (self._marks[-1][0], _mark(pl_module.device))

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Add up."""
        wait(pl_module.device)
        counted = self._marks[self.warm - 1 :]
        self.seconds = _between(counted[0][1], counted[-1][1])
        gaps = [_between(before[1], after[0]) for before, after in pairwise(counted)]
        self.waiting = sum(gaps) / self.seconds


def _mark(device: torch.device) -> Any:
    """Now: on a GPU, when it comes to this place of its queue."""
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    event.record()
    return event


def _between(first: Any, second: Any) -> float:
    """Seconds between two marks."""
    if isinstance(first, float):
        return float(second - first)
    return float(first.elapsed_time(second)) / 1e3


class TimedScenes(SceneModule):
    """The task's module, with a callback of ours among its trainer's."""

    watch: ClassVar[StepTimes]

    def configure_callbacks(self) -> Sequence[Callback]:
        """The callback."""
        return [self.watch]


class Suite:
    """Runs of the suite's own trainer.

    Attributes:
        waiting: Of each repeat, the share of time in which the device waited for data.
        start: Of each repeat, seconds from the start of the fit to its first step.
        scoring: Of each repeat, seconds of scoring the test part.

    Args:
        folder: The data.
        words: Changes of the recipe.
        batch: Clips of a step.
        warm: Steps that are not counted.
        steps: Steps that are.
    """

    def __init__(self, folder: Path, words: Sequence[str], batch: int, warm: int, steps: int) -> None:
        self.watch = StepTimes(warm)
        keys = {"--trainer.max_steps": warm + steps, "--data.batch_size": batch}
        overrides = [*words, *(str(word) for pair in keys.items() for word in pair)]
        options = RunOptions("asc", "cnn8", str(folder), resume="no", overrides=overrides)
        plan = make_plan(options)
        task = dataclasses.replace(plan.task, module=f"{__name__}.{TimedScenes.__name__}")
        self.plan: Plan = dataclasses.replace(plan, task=task)
        self.waiting: list[float] = []
        self.start: list[float] = []
        self.scoring: list[float] = []

    def train(self) -> float:
        """Seconds of the counted steps of a fresh run, which is then scored."""
        TimedScenes.watch = self.watch
        run = Run(self.plan, "1")
        (training,) = self.plan.config.trainings()
        _, module, data = run.fitting.train(training, run.folder.checkpoint("scored"))
        assert run.fitting.trainer is not None
        begin = time.perf_counter()
        run.fitting.trainer.test(module, datamodule=data, verbose=False)
        self.scoring.append(time.perf_counter() - begin)
        self.waiting.append(self.watch.waiting)
        self.start.append(self.watch.start)
        return self.watch.seconds

    def training_clips(self) -> tuple[np.ndarray, np.ndarray]:
        """Waveforms `(clips, time)` that it trains on, at the recipe's rate, and their classes."""
        run = Run(self.plan, "1")
        (training,) = self.plan.config.trainings()
        data = run.fitting.prepare(training).data
        data.setup()
        batch = data.train.__getitems__(range(len(data.train)))
        return signal_of(batch)[:, 0].numpy(), batch["target"].argmax(1).numpy()


def make_data(root: Path, training: int, test: int) -> Path:
    """A development set of so many clips in the official layout: 10 s, 48 kHz, stereo, 24 bit."""
    folder = root / STEREO.folder("development")
    (folder / "audio").mkdir(parents=True)
    rows = []
    for number in range(training + test):
        scene = CLASSES[number % len(CLASSES)]
        name = f"{scene}-paris-{number}-{number}-a"
        rows.append(Row(f"audio/{name}.wav", scene, f"paris-{number}", "a", number >= training))

    def write(number: int) -> None:
        samples = sound(number, CLIP_RATE, 2)
        sf.write(folder / rows[number].filename, samples, CLIP_RATE, subtype="PCM_24")

    with ThreadPoolExecutor(usable_cores()) as pool:
        list(pool.map(write, range(len(rows))))
    write_lists(folder, rows)
    return root


def bare_steps(options: Options, batch: int, steps: int) -> dict[str, Callable[[], float]]:
    """Forward, backward and Adam on random features, in each precision and layout."""
    device = options.torch_device
    torch.manual_seed(0)
    x = torch.randn(batch, FRAMES, BANDS, device=device)
    target = torch.randint(len(CLASSES), (batch,), device=device)

    def loss(output: Any) -> Tensor:
        return F.nll_loss(output.float(), target)

    variants = {}
    for precision in precisions(options.device):
        for layout in LAYOUTS:
            network = in_layout(Network(len(CLASSES)).to(device), layout)
            train = training(network, adam(network), x, loss, precision, steps)
            variants[f"{BARE}: {precision}, {layout}"] = timed(train, device)
    return variants


def plain_steps(path: Path, options: Options, batch: int, steps: int) -> dict[str, Callable[[], float]]:
    """So many steps of the plain loop, reading included; on a GPU also in TF32, which came two years later."""
    variants = {}
    for precision in precisions(options.device):
        if precision == BF16:
            continue
        torch.manual_seed(0)
        loop, feed = PlainLoop(Network(len(CLASSES)), options.torch_device), batches(path, batch)
        train = partial(_plain, loop, feed, precision, steps)
        variants[PLAIN if precision == FLOAT32 else f"{PLAIN}, {precision}"] = timed(train, options.torch_device)
    return variants


def _plain(loop: PlainLoop, feed: Iterator[Any], precision: str, steps: int) -> None:
    with products_in(precision):
        for _ in range(steps):
            loop.step(*next(feed))


def run(options: Options) -> dict[str, Any]:
    """Measure."""
    settle()
    cuda, quick = options.device == "cuda", options.quick
    batch = BATCH if cuda else 2 if quick else 16
    steps, warm = (50, 20) if cuda else (1, 1) if quick else (4, 4)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        os.environ["DCASE_BENCH_RUNS"], os.environ["DCASE_BENCH_CACHE"] = str(work / "runs"), str(work / "cache")
        print("  clips", flush=True)
        folder, size = make_data(work / "data", 4 * batch, 2 * batch), (batch, warm, steps)
        suite = Suite(folder, options.words, *size)
        in_bf16 = Suite(folder, [*options.words, "--trainer.precision", "bf16-mixed"], *size)
        waveforms, classes = suite.training_clips()
        variants, missing = {SUITE: suite.train, SUITE_BF16: in_bf16.train}, ""
        try:
            write_features(work / "features.h5", waveforms, classes)
            variants |= plain_steps(work / "features.h5", options, batch, steps)
        except (BenchmarkError, OSError) as error:
            missing = f"the plain loop is not there: {' '.join(str(error).split())}"
        variants |= bare_steps(options, batch, steps)
        print(f"  {', '.join(variants)}", flush=True)
        rates = measure(variants, batch * steps, min(options.repeats, 3))
    found = {"batch": batch, "clips": len(waveforms), "test_clips": 2 * batch, "words": list(options.words)}
    recipe = {part: suite.plan.config.as_dict()[part] for part in ("trainer", "data")}
    found |= {"recipe": recipe, "rates": rates, "missing": missing}
    # The first repeat is the warm-up of `measure`.
    return found | {"waiting": suite.waiting[1:], "start": suite.start[1:], "scoring": suite.scoring[1:]}


def quickest_suite(rates: Rates) -> str:
    """The suite in the recipe's precision or in bfloat16, whichever is quicker."""
    return max((SUITE, SUITE_BF16), key=lambda name: median(rates[name]))


def quickest_alone(rates: Rates) -> str:
    """The quickest setting of the network alone."""
    return max((name for name in rates if name.startswith(BARE)), key=lambda name: median(rates[name]))


def tables(found: dict[str, Any]) -> list[Table]:
    """The rates, and what the suite spends its time on."""
    rates = found["rates"]
    words = " ".join(found["words"]) or "none"
    note = (
        f"`asc/cnn8`, batches of {found['batch']} clips of 10 s, {FRAMES} x {BANDS} features; changes of the recipe: "
    )
    note += f"{words}. The suite computes its features as its recipe says; the plain loop reads its own from hdf5, "
    note += f"computed before and not counted; the network alone learns random features. {found['missing']}"
    projected = projection(found)
    rows = [
        ["the device waits for data, of a step", f"{median(found['waiting']):.1%}"],
        [f"before the first step, for each of {found['clips']} clips", f"{per_clip(found):.4f} s"],
        ["scoring", f"{found['test_clips'] / median(found['scoring']):,.1f} clips/s"],
        ["the whole recipe, projected: before the first step", f"{projected['start']:,.0f} s"],
        ["the whole recipe, projected: 5,000 steps of 128 clips", f"{projected['train']:,.0f} s"],
        ["the whole recipe, projected: scoring the test part", f"{projected['scoring']:,.0f} s"],
    ]
    rivals = [rival for rival in (PLAIN, quickest_alone(rates)) if rival in rates]
    settings = ", ".join(f"{key} {value}" for key, value in found["recipe"]["trainer"].items() if key not in LENGTHS)
    return [
        rates_table("training `cnn8`", rates, rivals, note=note.strip()),
        Table("what the suite's time goes to", ["", ""], rows, f"The trainer: {settings}."),
    ]


def per_clip(found: dict[str, Any]) -> float:
    """Seconds before the first step for each training clip: start of the trainer, statistics of the features."""
    return median(found["start"]) / int(found["clips"])


def projection(found: dict[str, Any]) -> dict[str, float]:
    """Seconds of the whole recipe on the whole data set, without decoding."""
    return {
        "start": TRAINING_CLIPS * per_clip(found),
        "train": STEPS * BATCH / median(found["rates"][SUITE]),
        "scoring": TEST_CLIPS * median(found["scoring"]) / found["test_clips"],
    }
