"""An offline run, read back with wandb's own reader."""

import json

import pytest
from helpers import read_records
from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore

from benchmark.cli import main
from benchmark.paths import runs_root


@pytest.fixture
def records_of_offline_run(monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
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
    store = DataStore()
    store.open_for_scan(str(path))
    found = []
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        found.append(record)
    return path, found


def test_without_a_key_an_offline_run_holds_config_scores_and_plots(records_of_offline_run):
    path, found = records_of_offline_run
    (ours,) = read_records(runs_root())
    config, history = {}, {}
    for record in found:
        for item in record.run.config.update:
            config["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
        for item in record.history.item:
            history.setdefault("/".join(item.nested_key) or item.key, []).append(json.loads(item.value_json))
    run = next(record.run for record in found if record.HasField("run"))
    assert (run.run_group, run.display_name) == (ours.group, ours.id)
    assert (config["task"], config["fold"], config["data"]["batch_size"]) == ("bad", "ff1010bird", 4)
    assert history["test/auc"] == pytest.approx([ours.scores["auc"]], abs=1e-6)
    assert history["train/loss"]
    ((picture,),) = history["scores/filenames"]
    assert (path.parent / "files" / picture).read_bytes().startswith(b"\x89PNG")
