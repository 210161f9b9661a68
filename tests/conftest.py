"""Fixtures of all tests: folders of their own, the mini data, the reference pool."""

import os
from itertools import count
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory):
    """One cache for the whole session, of all its processes, so that mini data and stores are made once."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "cache"
    folder.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def own_root(tmp_path_factory):
    """A folder for each test, by number: pytest would look through those of all tests for the next number."""
    root = tmp_path_factory.mktemp("own")
    return (root / str(number) for number in count())


@pytest.fixture(autouse=True)
def own_folders(own_root, monkeypatch, shared_cache):
    """No test reads or writes the user's data, cache or runs."""
    folder = next(own_root)
    for name in ("data", "runs"):
        (folder / name).mkdir(parents=True)
        monkeypatch.setenv(f"DCASE_BENCH_{name.upper()}", str(folder / name))
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # the tests' servers are on this machine
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(folder / "netrc"))  # no key of the user's


@pytest.fixture(scope="session")
def reference():
    """The folder with `realdata` and `reference_scores`; tests that need it are skipped without it."""
    folder = os.environ.get("DCASE_BENCH_REFERENCE")
    if not folder:
        pytest.skip("DCASE_BENCH_REFERENCE is not set")
    return Path(folder)
