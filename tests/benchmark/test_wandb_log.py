"""A run that was trained and logged offline, read back with wandb's own reader."""

import pytest
from helpers import read_records
from offline_wandb import artifacts_of, config_of, history_of, read_offline

from benchmark.cli import main
from benchmark.paths import runs_root


@pytest.fixture
def records_of_offline_run(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_DATA_DIR", str(runs_root()))
    words = [
        "--system",
        "logistic-regression",
        "--data",
        "mini",
        "--trainer.max_steps",
        "3",
        "--data.batch_size",
        "4",
        "--logger",
        "wandb",
    ]
    assert main(["run", "--task", "bad", *words]) == 0
    (path,) = runs_root().glob("bad/logistic-regression/*/wandb/offline-run-*/run-*.wandb")
    return path, read_offline(path)


@pytest.mark.slow
def test_without_a_key_an_offline_run_holds_config_scores_and_plots(records_of_offline_run):
    path, found = records_of_offline_run
    (ours,) = read_records(runs_root())
    config, history = config_of(found), history_of(found)
    run = next(record.run for record in found if record.HasField("run"))
    assert (run.run_group, run.display_name) == (ours.group, ours.id)
    assert (config["task"], config["fold"], config["data"]["batch_size"]) == ("bad", "ff1010bird", 4)
    assert history["test/auc"] == pytest.approx([ours.scores["auc"]], abs=1e-6)
    assert history["train/loss"]
    (picture,) = history["picture/curves/path"]
    assert (path.parent / "files" / picture).read_bytes().startswith(b"\x89PNG")
    assert (run.job_type, list(run.tags)) == (ours.system, [ours.task, ours.system, ours.protocol, ours.variant])
    (artifact,) = artifacts_of(found)
    weights = {entry.path for entry in artifact.manifest.contents}
    assert weights == {"record.json", "config.yaml", "checkpoints/scored.ckpt"}
    assert [record.exit.exit_code for record in found if record.HasField("exit")] == [0]
