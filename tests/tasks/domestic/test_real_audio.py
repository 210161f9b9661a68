"""The task on real audio in the official layout; needs the reference pool."""

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from tasks.domestic.datamodule import DomesticDataModule


@pytest.mark.slow
def test_both_protocols_read_it(real_audio):
    """56 and 24 segments by the pool's README."""
    folds = DomesticDataModule.take_stock(real_audio, "stop", "4-fold")
    assert (folds.listed, folds.skipped, folds.variant.split(":")[0]) == (56, {}, "custom")
    challenge = DomesticDataModule.take_stock(real_audio, "stop", "evaluation")
    assert (challenge.listed, challenge.skipped) == (80, {})
    assert {e.group for e in challenge.examples if e.clip_id[6:7].isdigit()} == {"EvalNode5", "EvalNode6"}


@pytest.mark.slow
def test_a_short_run_learns_and_leaves_absent_classes_undefined(real_audio, capsys):
    """Of cooking and watching_tv there is no segment."""
    words = ["run", "--task", "domestic", "--system", "baseline", "--data", str(real_audio), "--fold", "1"]
    short = ["--trainer.max_steps", "40", "--trainer.val_every", "20", "--data.batch_size", "28"]
    faster = ["--optimizer.init_args.lr", "0.003", "--backbone.init_args.momentum", "0.1"]
    assert main([*words, *short, *faster]) == 0
    (found,) = read_records(runs_root())
    assert found.scores["f1/cooking"] is None and found.scores["f1/watching_tv"] is None
    assert found.scores["f1"] > 1 / 7
    assert capsys.readouterr().out.count("undefined:") == 1
