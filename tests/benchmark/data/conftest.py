"""Fixtures of the tests of stores and downloads."""

import pytest
from downloading import Site
from fetching import serving
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


@pytest.fixture
def server(monkeypatch):
    """A web server that misbehaves when it is told to."""
    with serving(monkeypatch) as running:
        yield running


@pytest.fixture
def site(tmp_path):
    """A data root and a cache without anything."""
    return Site(tmp_path / "data", tmp_path / "cache")
