"""The task on real audio in the official layout; needs the reference pool."""

import pytest
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root


@pytest.mark.slow
def test_logistic_regression_reaches_what_another_implementation_reaches(real_audio):
    """About 0.95 / 0.77 / 0.88 with scikit-learn on the same statistics of 40 log-mel bands."""
    words = ["run", "--task", "bad", "--system", "logistic-regression", "--data", str(real_audio)]
    short = ["--trainer.max_steps", "120", "--scheduler.init_args.step_size", "30", "--data.batch_size", "48"]
    assert main([*words, *short]) == 0
    scores = {record.fold: record.scores["auc"] for record in read_records(runs_root())}
    expected = {"ff1010bird": 0.95, "warblrb10k": 0.77, "BirdVox-DCASE-20k": 0.88}
    assert scores == pytest.approx(expected, abs=0.06)
    assert {record.variant.split(":")[0] for record in read_records(runs_root())} == {"custom"}
