"""What `data status` says, on the mini variant and on folders that are not whole."""

import io
import shutil

import numpy as np
import pytest
import soundfile
from rich.console import Console

from benchmark.cli import main
from benchmark.data.files import Dataset, Limit, OfficialFile
from benchmark.data.inventory import Count, Example, Inventory
from benchmark.data.receipts import Member, Receipt, receipt_path, write_receipt
from benchmark.plan import write_mini
from benchmark.registry import get_task
from benchmark.status import Format, print_overview, print_status
from tasks.esc.datamodule import EscDataModule

BAD, ESC = get_task("bad"), get_task("esc")
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


def overview(root, registries=None, tasks=(ESC,)):
    """What is printed, and the cells of each task's row."""
    console = Console(file=io.StringIO(), width=200)
    print_overview(console, tasks, root, registries or {})
    text = console.file.getvalue()
    names = [task.name for task in tasks]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return text, {cells[0]: cells[1:] for cells in rows if cells and cells[0] in names and len(cells) == 7}


def dataset(*files, name="ESC-10", protocols=()):
    about = {"title": "", "holds": "", "licence": "", "citation": "", "source": ""}
    return Dataset(name, **about, files=files, limit=Limit(9, 9), protocols=protocols)


def archive(name="ESC-10.zip", **known):
    return OfficialFile(name, "ESC-10", ("http://localhost/",), **known)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Clips of 100 bytes, of which a test says how many are listed and official."""
    root = tmp_path / "data"
    monkeypatch.setenv("DCASE_BENCH_DATA", str(root))

    def lay(there, listed=None, official=None):
        (root / "ESC-10").mkdir(parents=True)
        paths = [root / "ESC-10" / f"{number}.ogg" for number in range(there)]
        for path in paths:
            path.write_bytes(bytes(100))
        total = there if listed is None else listed
        examples = [Example(path.name, path, (1.0,), "1") for path in paths]
        counts = [Count("clips", total, total if official is None else official)]
        inventory = Inventory(examples, counts, "", {f"{number}.ogg": "gone" for number in range(there, total)})
        monkeypatch.setattr(EscDataModule, "take_stock", lambda root, on_error, protocol, subsets=(): inventory)
        return root

    return lay


def test_a_glance_at_whole_data(data):
    text, rows = overview(root := data(1234))
    assert rows["esc"] == ["ready", "1,234", "1,234", "123.4 kB", "-", "make bench TASK=esc DATA=full"]
    assert f"data root: {root}" in text


@pytest.mark.parametrize(
    ("there", "listed", "state"),
    [(14, 15, "partial 93 %"), (9_99, 1_000, "partial 99 %"), (0, 7, "partial 0 %")],
)
def test_a_glance_at_partial_data(data, monkeypatch, there, listed, state):
    root = data(there, listed)
    _, rows = overview(root, {"esc": [dataset(archive())]})
    assert rows["esc"] == [state, f"{there:,}", f"{listed:,}", rows["esc"][3], "?", "make data TASK=esc"]
    monkeypatch.setattr(EscDataModule, "may_be_partial", True)
    _, rows = overview(root, {"esc": [dataset(archive())]})
    assert rows["esc"][-1] == ("make bench TASK=esc DATA=full" if there else "make data TASK=esc")


def test_a_glance_at_data_with_other_counts_and_elsewhere(data, monkeypatch):
    root = data(3, 3, official=400)
    assert overview(root)[1]["esc"][0::5] == ["other", "python -m benchmark data verify esc"]
    monkeypatch.setenv("DCASE_BENCH_DATA", "elsewhere")
    assert overview(root)[1]["esc"][5] == f"python -m benchmark data verify esc --data {root}"
    (root / "ESC-10" / "0.ogg").unlink()
    (root / "ESC-10" / "0.ogg").symlink_to("nowhere")
    assert overview(root)[1]["esc"][:4] == ["other", "3", "3", "200 bytes"]


def test_a_glance_at_a_root_with_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("DCASE_BENCH_DATA", str(tmp_path))
    text, rows = overview(tmp_path, {"esc": [dataset(archive(bytes=5))]}, (ESC, BAD))
    assert rows["esc"] == ["missing", "-", "-", "0 bytes", "5 bytes", "make data TASK=esc"]
    assert rows["bad"] == ["missing", "-", "-", "0 bytes", "-", "make bench TASK=bad DATA=mini"]
    assert "esc: missing ESC-10/\n" in text and "bad: missing ff1010bird/wav/\n" in text


def test_a_glance_at_a_broken_list_says_where(tmp_path):
    root = shutil.copytree(write_mini(BAD), tmp_path / "data")
    path = root / "warblrb10k" / "warblrb10k_public_metadata_2018.csv"
    path.write_text("itemid,hasbird\nx,7\n")
    text, rows = overview(root, tasks=(BAD,))
    assert rows["bad"][0] == "missing" and f"bad: hasbird is '7', neither 0 nor 1 ({path}:2)" in text


def test_bytes_here_are_those_of_what_was_downloaded(data):
    root = data(3)
    members = (Member("ESC-10/0.ogg", 100, ""), Member("ESC-10/gone.ogg", 7, ""), Member("ESC-10/README", 9, ""))
    (root / "ESC-10" / "README").write_bytes(bytes(9))
    registry = [dataset(archive(bytes=50), archive("other.zip", bytes=60))]
    assert overview(root, {"esc": registry})[1]["esc"][3:5] == ["300 bytes", "110 bytes"]
    path = receipt_path(root, "ESC-10", "ESC-10.zip")
    write_receipt(path, Receipt("ESC-10.zip", "", 50, "", "", "registry", members))
    assert overview(root, {"esc": registry})[1]["esc"][3] == "109 bytes"
    path.write_text("{")
    assert overview(root, {"esc": registry})[1]["esc"][3] == "300 bytes"


@pytest.mark.parametrize(
    ("files", "text"),
    [
        ([archive(bytes=1_500_000), archive("b.zip", bytes=500_000)], "2.0 MB"),
        ([archive(bytes=1_500_000), archive("b.zip", about=500_000)], "~ 2.0 MB"),
        ([archive(about=1_500_000), archive("b.zip")], "> 1.5 MB"),
        ([archive()], "?"),
    ],
)
def test_how_sure_the_published_size_is_stands_beside_it(data, files, text):
    other = dataset(archive("c.zip", bytes=10**9), name="ESC-50", protocols=("esc50-5-fold",))
    assert overview(data(1), {"esc": [dataset(*files), other]})[1]["esc"][4] == text


def test_a_glance_reads_no_audio(tmp_path, monkeypatch):
    root = shutil.copytree(write_mini(ESC), tmp_path / "data")
    monkeypatch.setattr("soundfile.SoundFile", None)
    assert overview(root)[1]["esc"][0] == "other"


def test_what_nobody_can_download_is_the_users_to_bring(data, monkeypatch):
    root = data(0, 7)
    monkeypatch.setattr(EscDataModule, "may_be_partial", True)
    registry = {"esc": [dataset(archive())]}
    assert overview(root, registry)[1]["esc"][-1] == "make data TASK=esc"
    write_receipt(receipt_path(root, "ESC-10", "ESC-10.zip"), Receipt("ESC-10.zip", "", 5, "", "", "registry", ()))
    assert overview(root, registry)[1]["esc"][-1] == "see tasks/esc/README.md"
