"""What an offline run of W&B holds, by wandb's own reader."""

import json
import time
from contextlib import suppress

from wandb.proto import wandb_internal_pb2
from wandb.sdk.internal.datastore import DataStore

PATIENCE_SECONDS = 60


def read_offline(path):
    """All records of the `.wandb` file of a run that has ended; its writer may still be at it."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        with suppress(AssertionError, FileNotFoundError):  # the reader's words for a file that is not whole
            found = _scan(path)
            if found and found[-1].HasField("exit"):
                return found
        time.sleep(0.1)
    raise TimeoutError(f"{path} does not end")


def _scan(path):
    store = DataStore()
    store.open_for_scan(str(path))
    found = []
    while (data := store.scan_data()) is not None:
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        found.append(record)
    return found


def _key(item):
    return "/".join(item.nested_key) or item.key


def config_of(records):
    """The configuration, the last value of each key."""
    return {_key(item): json.loads(item.value_json) for record in records for item in record.run.config.update}


def history_of(records):
    """Key to all that was logged under it; what is nested has its keys joined by slashes."""
    found = {}
    for record in records:
        for item in record.history.item:
            value = json.loads(item.value_json)
            for inner, content in value.items() if isinstance(value, dict) else [("", value)]:
                found.setdefault(f"{_key(item)}/{inner}" if inner else _key(item), []).append(content)
    return found


def summary_of(records):
    """The summary, the last value of each key."""
    return {_key(item): json.loads(item.value_json) for record in records for item in record.summary.update}


def artifacts_of(records):
    """Artifacts that were logged, but those that hold tables."""
    return [record.artifact for record in records if record.HasField("artifact") and record.artifact.type == "run"]
