"""What the tests of the miniatures share."""

from pathlib import Path


def contents(folder, read=Path.read_bytes):
    """Every file below the folder, by its path in it."""
    return {path.relative_to(folder): read(path) for path in folder.rglob("*") if path.is_file()}


def recordings_kept(write_mini, first, folder, read=Path.read_bytes):
    """Names of the recordings that another seed leaves as they were.

    Asserts that a miniature in `folder` has the contents `first`, and with another seed the same names.
    """
    write_mini(folder)
    assert contents(folder, read) == first
    write_mini(folder, seed=1)
    second = contents(folder, read)
    assert first.keys() == second.keys()
    return {path.name for path in first if path.suffix in {".wav", ".ogg"} and first[path] == second[path]}
