"""The task on real audio in the official layout; needs the reference pool."""

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from tasks.sed.datamodule import SoundEventDataModule


def test_lists_and_audio_are_read(real_audio):
    for protocol, clips in (("test", 30), ("eval", 20)):
        inventory = SoundEventDataModule.take_stock(real_audio, "stop", protocol, SoundEventDataModule.subsets)
        groups = [example.group for example in inventory.examples]
        assert [groups.count(name) for name in ("weak", "unlabel_in_domain", "unlabel_out_of_domain")] == [60, 40, 20]
        assert groups.count(protocol) == clips
        silent = [example for example in inventory.examples if example.group == protocol and not example.events]
        assert len(silent) == (protocol == "eval")


@pytest.mark.slow
def test_a_short_training_tags_clips_better_than_chance(real_audio):
    """Six classes have clips; one pass of the baseline's network for a few epochs of half-clip windows."""
    words = ["run", "--task", "sed", "--system", "baseline-crnn", "--data", str(real_audio), "--stages", "[]"]
    words += ["--data.subsets", "[]", "--backbone.init_args.momentum", "0.1"]
    short = ["--trainer.max_steps", "40", "--data.batch_size", "8", "--data.clip_seconds", "5", "--data.valid_fraction"]
    assert main([*words, *short, "0", "--selection.monitor", "null"]) == 0
    (record,) = read_records(runs_root())
    assert record.variant.startswith("custom:")
    assert record.scores["tag_auc"] > 0.55
    assert record.scores["event_f1"] is not None
    assert record.scores["event_f1/Frying"] is None
