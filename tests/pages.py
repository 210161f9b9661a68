"""Made-up records on disk, and the tables of a markdown page as data."""

import dataclasses
import re

import numpy as np
from helpers import make_record

from benchmark.predictions import Predictions
from benchmark.published import PublishedRow
from benchmark.records import write_json
from benchmark.registry import get_task

LODO = "leave-one-dataset-out"
BAD = dataclasses.replace(
    get_task("bad"),
    protocols={LODO: ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k"), "random-3-fold": ("1", "2", "3")},
)


def put(root, **changes):
    """A record with some fields changed, where a run would leave it."""
    record = make_record(**changes)
    path = root / record.task / record.system / record.id / "record.json"
    write_json(path, dataclasses.asdict(record))
    return path


def put_folds(root, values, seed=0, **changes):
    """A record a fold: `values` is fold to the AUC, or to all scores."""
    for fold, value in values.items():
        scores = value if isinstance(value, dict) else {"auc": value}
        group = changes.get("group", "abc")
        put(root, **({"id": f"{group}-{fold}-s{seed}", "fold": fold, "seed": seed, "scores": scores} | changes))


def put_scored(root, right, **changes):
    """Records of ESC-10's folds, and predictions of 20 clips each: `right` is how many of them are right."""
    target = np.eye(10)[np.arange(20) % 10]
    for fold in "12345":
        decision = (np.arange(20) + (np.arange(20) >= right)) % 10
        name = f"{changes.get('group', 'abc')}-{fold}"
        path = put(root, **({"id": name, "task": "esc", "protocol": "esc10-5-fold", "fold": fold} | changes),
                   scores={"accuracy": right / 20})  # fmt: skip
        clips = np.array([f"{fold}-{clip:02}" for clip in range(20)])
        Predictions(clips, np.full(20, fold), target, np.eye(10)[decision], decision=decision).write(path.parent)


def published(**changes):
    """A published row with some fields changed."""
    fields = {
        "system": "cnn8",
        "role": "entry",
        "metric": "auc",
        "class_name": "",
        "value": 0.854,
        "printed": "0.854",
        "std": None,
        "split": "development",
        "protocol": LODO,
        "selection": "none",
        "source": "A paper",
        "table": "Table 4",
    }
    return PublishedRow(**(fields | changes))


def tables(text):
    """Heading to its tables, each a list of rows as dicts."""
    found, heading = {}, ""
    for block in text.split("\n\n"):
        if block.startswith("#"):
            heading = block.lstrip("# ")
        elif block.startswith("| "):
            header, _, *rows = [
                [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in block.splitlines()
            ]
            found.setdefault(heading, []).append([dict(zip(header, row, strict=True)) for row in rows])
    return found
