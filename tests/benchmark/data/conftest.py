"""Fixtures of the stores' tests."""

import pytest
from store_clips import make_clips

from benchmark.data import store as store_module
from benchmark.data.audio import read_audio


@pytest.fixture
def clips(tmp_path):
    return make_clips(tmp_path / "audio")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def decoded(monkeypatch):
    """The names of the files that were decoded, as they are."""
    names = []

    def load(path):
        names.append(path.stem)
        return read_audio(path)

    monkeypatch.setattr(store_module, "read_audio", load)
    return names
