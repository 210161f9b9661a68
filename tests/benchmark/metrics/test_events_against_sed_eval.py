"""All event- and segment-based scores against sed_eval 0.2.1 itself, run in an environment of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.inventory import Event
from benchmark.metrics.events import event_based_scores, segment_based_scores

ORACLE = Path(__file__).with_name("sed_eval_oracle.py")
PACKAGES = ["sed_eval==0.2.1", "dcase_util==0.2.20", "setuptools<81"]  # newer setuptools lack pkg_resources
CLASSES = ["Cat", "Dog", "Frying", "Speech"]


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The interpreter of an environment with sed_eval; without a network there is none."""
    folder = tmp_path_factory.mktemp("sed_eval")
    uv = Path(sys.executable).with_name("uv")
    made = folder / "bin" / "python"
    make = [sys.executable, "-m", "venv", str(folder)]
    install = [str(uv), "pip", "install", "--python", str(made)] if uv.exists() else [str(made), "-m", "pip", "install"]
    for command in (make, [*install, *PACKAGES], [str(made), "-c", "import sed_eval"]):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            reason = f"no environment with sed_eval: {done.stderr[-500:]}"
            pytest.fail(reason) if os.environ.get("DCASE_BENCH_REFERENCE") else pytest.skip(reason)
    return made


def random_case(seed):
    """Crowded files of all classes, predictions near the truth and far from it, some files without events."""
    rng = np.random.default_rng(seed)
    reference, predicted = {}, {}
    crowded = seed % 2  # several events within one collar, so that there are many largest matchings
    for file in range(25):
        name = f"{file}.wav"
        count = rng.integers(0, 12) if file % 6 else 0
        span = 2.0 if crowded else 10.0
        onset = rng.uniform(0, span, count).round(2 if crowded else 3)
        length = rng.choice([0.0, 0.25, 1.0, 3.0], count) * rng.uniform(0.5, 1.5, count)
        labels = rng.choice(CLASSES, count)
        reference[name] = list(zip(onset.tolist(), (onset + length).tolist(), labels.tolist(), strict=True))
        if file % 7 == 0 and file % 6:
            continue
        kept = [events for events in reference[name] if rng.random() < 0.8]
        moved = [
            (max(0.0, a + rng.normal(0, 0.12)), b + abs(rng.normal(0, 0.2)) + 0.4, c if rng.random() < 0.8 else "Dog")
            for a, b, c in kept
        ]
        extra = [(t, t + 0.5, str(rng.choice(CLASSES[:3]))) for t in rng.uniform(0, span, rng.integers(0, 5)).tolist()]
        predicted[name] = moved + extra
    if seed % 3 == 0:  # a class without any output
        predicted = {name: [event for event in events if event[2] != "Speech"] for name, events in predicted.items()}
    return {"classes": CLASSES, "reference": reference, "predicted": predicted}


@pytest.mark.slow
def test_every_key_agrees_with_sed_eval(python, tmp_path):
    cases = [random_case(seed) for seed in range(12)]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    command = [str(python), str(ORACLE), str(tmp_path / "cases.json"), str(tmp_path / "scores.json")]
    subprocess.run(command, check=True, capture_output=True)
    for case, expected in zip(cases, json.loads((tmp_path / "scores.json").read_text()), strict=True):
        reference, predicted = (
            {name: [Event(*event) for event in events] for name, events in case[part].items()}
            for part in ("reference", "predicted")
        )
        found = event_based_scores(reference, predicted, CLASSES) | segment_based_scores(reference, predicted, CLASSES)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert found[key] == (None if value is None else pytest.approx(value, abs=1e-9)), key
