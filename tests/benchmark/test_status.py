"""What `data status` says, on the mini variant and on folders that are not whole."""

import io
import shutil

import numpy as np
import pytest
import soundfile
from rich.console import Console

from benchmark.cli import main
from benchmark.data.inventory import Count, Example, Inventory
from benchmark.plan import write_mini
from benchmark.registry import get_task
from benchmark.status import Format, print_status

BAD = get_task("bad")
ANY = Format()


def printed(inventory, classes=("bird",), official=ANY):
    console = Console(file=io.StringIO(), width=140)
    print_status(console, inventory, classes, official)
    return console.file.getvalue()


def row(text, name):
    """The cells of a table's row."""
    (line,) = [line for line in text.splitlines() if line.strip().startswith(name)]
    return line.strip().removeprefix(name).split()


def test_the_mini_variant_beside_the_official_counts(capsys):
    root = write_mini(BAD)
    assert main(["data", "status", "bad", "--data", str(root)]) == 0
    out = capsys.readouterr().out
    assert f"bad at {root}: custom:" in out and "leave-one-dataset-out" in out
    # The challenge's page: 7,690, 8,000 and 20,000 recordings.
    for name, official in (("ff1010bird", "7,690"), ("warblrb10k", "8,000"), ("BirdVox-DCASE-20k", "20,000")):
        found = len(list((root / name / "wav").iterdir()))
        assert row(out, f"{name}: clips") == [str(found), official, "differs"]
    files = [path for path in root.glob("*/wav/*")]
    seconds = sorted(soundfile.info(path).duration for path in files)
    low, middle, high = seconds[0], np.median(seconds), seconds[-1]
    assert f"durations: {low:.2f} s to {high:.2f} s, median {middle:.2f} s; {sum(seconds) / 3600:.2f} hours" in out
    assert f"0 of {len(files)} listed clips are missing" in out


def test_the_default_root_and_every_protocol(capsys, monkeypatch):
    monkeypatch.setenv("DCASE_BENCH_DATA", str(write_mini(BAD)))
    for protocol in BAD.protocols:
        assert main(["data", "status", "bad", "--protocol", protocol]) == 0
        assert f"for {protocol};" in capsys.readouterr().out
    assert main(["data", "status", "bad", "--protocol", "random-2-fold"]) == 2
    assert "did you mean 'random-3-fold'" in capsys.readouterr().err


def test_gaps_strangers_and_broken_files_are_listed(tmp_path, capsys):
    root = shutil.copytree(write_mini(BAD), tmp_path / "data")
    first, second, third = sorted((root / "warblrb10k" / "wav").iterdir())[:3]
    first.unlink()
    second.write_bytes(b"no audio")
    shutil.copy(third, third.with_name("x[b]y.wav"))
    assert main(["data", "status", "bad", "--data", str(root)]) == 0
    out = capsys.readouterr().out
    assert "1 of " in out and "listed clips are missing" in out
    assert f"warblrb10k/{first.stem}: " in out
    assert "1 audio files are on no list" in out and "warblrb10k/wav/x[b]y.wav" in out
    assert "1 files: cannot be read" in out


@pytest.fixture
def sounds(tmp_path):
    """A second of each of three formats."""
    for name, channels, rate in (("a.wav", 1, 8000), ("b.wav", 2, 8000), ("c.flac", 4, 16000)):
        soundfile.write(tmp_path / name, np.zeros((rate, channels)), rate)
    return [tmp_path / name for name in ("a.wav", "b.wav", "c.flac")]


def test_classes_groups_and_formats_are_counted(sounds):
    targets = [(1.0, 0.5, 0.0), (0.49, float("nan"), 1.0), (0.51, 1.0, 0.0)]  # a share of more than a half counts
    examples = [
        Example(path.stem, path, target, group)
        for path, target, group in zip(sounds, targets, ("one", "two", "one"), strict=True)
    ]
    counts = [Count("clips", 12345, 12345), Count("rows", 3, None), Count("labels", 2, 1000)]
    out = printed(Inventory(examples, counts, ""), ("x", "y", "z"))
    assert row(out, "clips with class") == ["one", "two"]
    assert (row(out, "x"), row(out, "y"), row(out, "z")) == (["2", "0"], ["1", "0"], ["0", "1"])
    assert (row(out, "clips  "), row(out, "rows  "), row(out, "labels")) == (
        ["12,345", "12,345"],
        ["3", "-"],
        ["2", "1,000", "differs"],
    )
    for line in ("8000 Hz, mono, WAV PCM_16", "8000 Hz, stereo, WAV PCM_16", "16000 Hz, 4 channels, FLAC"):
        assert f"1 files: {line}" in out
    assert "durations: 1.00 s to 1.00 s, median 1.00 s; 0.00 hours" in out


@pytest.mark.parametrize(
    ("official", "line"),
    [
        (Format(8000), "1 files differ from the official 8000 Hz"),
        (Format(None, 2), "2 files differ from the official stereo"),
        (Format(8000, 1, (1.0, 1.0)), "2 files differ from the official 8000 Hz, mono, 1 s"),
        (Format(None, None, (0.3, 0.4)), "3 files differ from the official 0.3 to 0.4 s"),
        (Format(None, None, (0.3, 30.0)), None),
    ],
)
def test_files_of_another_format_than_the_official_are_counted(sounds, official, line):
    examples = [Example(path.stem, path, (1.0,), "one") for path in sounds]
    out = printed(Inventory(examples, [], ""), official=official)
    assert (line in out) if line else ("differ from" not in out)


def test_nothing_at_all_and_a_long_list_of_gaps():
    out = printed(Inventory([], [Count("clips", 25, 25)], "", {f"m{n}": "gone" for n in range(25)}))
    assert "25 of 25 listed clips are missing" in out
    assert out.count(": gone") == 10
    assert "durations" not in out
