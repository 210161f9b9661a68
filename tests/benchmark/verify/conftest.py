"""Fixtures of the tests of `data verify`."""

from dataclasses import replace

import numpy as np
import pytest
from verification import CLIPS_EACH, RATE, SECONDS, give_receipts, registry_of, write_audio, write_list

import tasks.bad.datamodule
from tasks.bad.datamodule import BirdDataModule
from tasks.bad.official import DATASETS


@pytest.fixture(autouse=True)
def small_releases(monkeypatch):
    """As if four clips of 2 s, two of them with birds, had been published of each data set."""
    small = {name: replace(release, clips=CLIPS_EACH, birds=2) for name, release in DATASETS.items()}
    monkeypatch.setattr(tasks.bad.datamodule, "DATASETS", small)
    for name, value in (("rate", RATE), ("channels", 1), ("seconds", (SECONDS, SECONDS))):
        monkeypatch.setattr(BirdDataModule, name, value)


@pytest.fixture
def root(tmp_path):
    """The whole official data."""
    folder = tmp_path / "data"
    rng = np.random.default_rng(0)
    for letter, (name, release) in zip("abc", DATASETS.items(), strict=True):
        (folder / name / "wav").mkdir(parents=True)
        names = [f"{letter}{number}" for number in range(CLIPS_EACH)]
        for clip in names:
            write_audio(folder / name / "wav" / f"{clip}.wav", rng=rng)
        rows = [(clip, name, number % 2) for number, clip in enumerate(names)]
        write_list(folder / name / release.csv_names[0], rows)
    return folder


@pytest.fixture(params=["by hand", "downloaded", "first download"])
def registry(request, root):
    """The registry, with receipts or without."""
    if request.param == "by hand":
        return registry_of(sorted(DATASETS))
    return give_receipts(root, "registry" if request.param == "downloaded" else "first download")
