"""Fixtures of all tests: folders of their own, the mini data, the reference pool."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch, shared_cache):
    """No test reads or writes the user's data, cache or runs."""
    monkeypatch.setenv("DCASE_BENCH_DATA", str(tmp_path_factory.mktemp("data")))
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("runs")))
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(shared_cache))
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # the tests' servers are on this machine
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path_factory.mktemp("home") / "netrc"))  # no key of the user's


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """One cache for the whole session, so that mini data and stores are made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def reference():
    """The folder with `realdata` and `reference_scores`; tests that need it are skipped without it."""
    folder = os.environ.get("DCASE_BENCH_REFERENCE")
    if not folder:
        pytest.skip("DCASE_BENCH_REFERENCE is not set")
    return Path(folder)
