"""Systems of tiny networks, for tests of what the engine makes of a recipe."""

import pytest


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write the system."""
    import tiny_systems as tiny  # here, because most tests of parts need no Lightning

    return tiny.install(monkeypatch, tmp_path / "bad")


@pytest.fixture
def trained(monkeypatch):
    """A list that fills with the steps that are taken, as (training, step)."""
    import tiny_systems as tiny

    return tiny.watch(monkeypatch)
