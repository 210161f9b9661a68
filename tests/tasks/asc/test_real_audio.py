"""The task on real audio in the official layout; needs the reference pool."""

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from tasks.asc.datamodule import SceneDataModule


@pytest.mark.slow
def test_lists_are_read_and_a_short_training_beats_chance(real_audio):
    """Six scenes of 12 clips: 8 to train, 4 to test, two a place."""
    inventory = SceneDataModule.take_stock(real_audio, "stop", "official-fold1")
    train, test = inventory.parts["1"]
    assert (len(inventory.examples), len(train), len(test)) == (72, 48, 24)
    assert len({example.cluster for example in inventory.examples}) == 36
    assert inventory.variant.startswith("custom:")

    words = ["run", "--task", "asc", "--system", "cnn4", "--data", str(real_audio)]
    assert main([*words, "--trainer.max_steps", "40", "--data.batch_size", "16"]) == 0
    (record,) = read_records(runs_root())
    assert record.scores["accuracy/bus"] is None
    assert record.scores["accuracy"] == pytest.approx(record.scores["accuracy/micro"])
    assert record.scores["accuracy"] > 1 / 6 + 0.15
