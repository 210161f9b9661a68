"""What only a GPU can show: `python -m pytest tests/gpu`. With two of them, also one training shared by both.

Everything else about several devices and the fast path is tested on CPU processes, where it is the same code.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import read_records
from soundfile import write

import benchmark
from benchmark.cli import main
from benchmark.data.sources import ResidentSource
from benchmark.data.store import build_store
from benchmark.data.store_index import Clip
from benchmark.data.windows import Labels, WindowDataset
from benchmark.predictions import read_predictions
from benchmark.training import callbacks
from benchmark.training.module import TaskModule

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
TWO = pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
RUN = (
    "run",
    "--task",
    "bad",
    "--system",
    "cnn4",
    "--data",
    "mini",
    "--data.batch_size",
    "8",
    "--data.clip_seconds",
    "1",
)
OFF = ("--data.cache_features", "false", "--data.resident", "false", "--trainer.fused", "false")
WAVEFORM = ("--augmentations", '[{"class_path": "benchmark.augmentations.gain.GainSteps"}]')


def run(runs, monkeypatch, *words):
    """Losses, record and probabilities of a run."""
    losses, step_end = [], callbacks.RunKeeper.on_train_batch_end

    def watched(self, trainer, module, outputs, *args):
        losses.append(outputs["loss"])
        step_end(self, trainer, module, outputs, *args)

    monkeypatch.setenv("DCASE_BENCH_RUNS", str(runs))
    monkeypatch.setattr(callbacks.RunKeeper, "on_train_batch_end", watched)
    assert main([*RUN, *words]) == 0
    monkeypatch.undo()
    (record,) = read_records(runs)
    found = read_predictions(runs / record.task / record.system / record.id)
    return [float(loss) for loss in losses], record, found.probabilities


@pytest.mark.parametrize("each_channel", [False, True])
def test_a_store_in_the_gpu_gives_the_batches_of_the_one_on_disk(tmp_path, each_channel):
    generator, clips = np.random.default_rng(0), []
    for name, samples in (("long", 9000), ("short", 2500)):
        write(tmp_path / f"{name}.wav", generator.uniform(-0.5, 0.5, (samples, 2)), 8000)
        clips.append(Clip(name, tmp_path / f"{name}.wav"))
    store = build_store(tmp_path / "store", clips, 8000, mono=False, progress=False)
    labels = Labels(np.arange(2), np.arange(0), torch.rand(2, 3), torch.rand(2))
    spans = [np.array([[0, 9000], [5000, 9000]]), np.array([[100, 2400]])]
    windows = WindowDataset(store, np.arange(2), spans, labels, 4000, each_channel)
    resident = windows.given_by(ResidentSource(store, 4000, each_channel, torch.device("cuda")))
    expected, found = (one.__getitems__(range(len(windows))) for one in (windows, resident))
    assert all(found[name].is_cuda and torch.equal(found[name].cpu(), values) for name, values in expected.items())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("--data.cache_features", "true"), "cached_features"),
        (("--data.resident", "true", *WAVEFORM), "resident"),
        (("--trainer.fused", "true"), "fused"),
        (("--trainer.compile", "true"), "compiled"),
    ],
)
def test_each_switch_alone_changes_no_loss(tmp_path, monkeypatch, words, name):
    short = ("--trainer.max_steps", "200", "--optimizer.init_args.lr", "0.0001")
    same = WAVEFORM if name == "resident" else ()
    expected, plain, _ = run(tmp_path / "plain", monkeypatch, *short, *OFF, *same)
    losses, record, _ = run(tmp_path / "fast", monkeypatch, *short, *OFF, *words)
    assert set(record.fast_path) == {*plain.fast_path, name}
    np.testing.assert_allclose(losses, expected, atol=1e-4)


def test_no_step_waits_for_the_gpu(tmp_path, monkeypatch):
    """Between two looks at the losses, ten steps apart, whatever waits for the queue raises an error."""
    seed_draws = TaskModule.on_train_batch_start

    def watched(self, *args):
        torch.cuda.set_sync_debug_mode("error" if 11 <= self.global_step < 18 else "default")
        seed_draws(self, *args)

    monkeypatch.setattr(TaskModule, "on_train_batch_start", watched)
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path))
    assert main([*RUN, "--trainer.max_steps", "500"]) == 0


@TWO
def test_two_gpus_train_as_one_with_synchronised_batch_norm(tmp_path):
    words = [*RUN, "--trainer.max_steps", "20", "--trainer.precision", "32-true"]
    found = []
    for devices in ("1", "2"):
        runs = tmp_path / devices
        subprocess.run(
            [sys.executable, "-m", "benchmark", *words, "--devices", devices],
            env=os.environ | {"DCASE_BENCH_RUNS": str(runs)},
            cwd=Path(benchmark.__file__).parents[1],
            check=True,
        )
        (record,) = read_records(runs)
        found.append((record, read_predictions(runs / record.task / record.system / record.id)))
    (one, ours), (two, theirs) = found
    assert (one.sync_batchnorm, two.sync_batchnorm) == (False, True) and two.device.startswith("2 x ")
    np.testing.assert_array_equal(theirs.clip_id, ours.clip_id)
    np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-3)
