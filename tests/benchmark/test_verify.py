"""What `data verify` finds: one fault is one finding that names the file, and whole data gives none."""

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from rich.console import Console

import tasks.bad.datamodule
from benchmark.data.files import Dataset, Limit, OfficialFile
from benchmark.data.receipts import FOLDER, Member, Receipt, receipt_path, write_receipt
from benchmark.data.store import build_store, store_folder
from benchmark.data.store_index import Clip
from benchmark.plan import write_mini
from benchmark.registry import get_task
from benchmark.verify import (
    AUDIO,
    CLIPS,
    CONTENTS,
    COUNTS,
    LISTS,
    STORES,
    Finding,
    Report,
    print_report,
    verify,
    write_findings,
)
from tasks.bad.datamodule import BirdDataModule
from tasks.bad.official import DATASETS
from tasks.sed.datamodule import SoundEventDataModule

BAD = get_task("bad")
RATE, SECONDS, CLIPS_EACH = 8_000, 2.0, 4
WARBLR_LIST = "warblrb10k/warblrb10k_public_metadata_2018.csv"
VICTIM = "warblrb10k/wav/b2.wav"


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


def write_audio(path, seconds=SECONDS, rate=RATE, channels=1, rng=None):
    rng = rng or np.random.default_rng(1)
    soundfile.write(path, rng.uniform(-0.5, 0.5, (round(seconds * rate), channels)), rate)


def write_list(path, rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("itemid", "datasetid", "hasbird"), *rows])


def registry_of(names):
    """A registry with one archive a data set."""
    about = {"title": "", "holds": "", "licence": "", "citation": "", "source": ""}
    return [
        Dataset(name, **about, files=(OfficialFile(f"{name}.zip", name, ("http://localhost/",)),), limit=Limit(9, 9))
        for name in names
    ]


def give_receipts(root, confirmed="registry"):
    """Receipts that say that everything below the root was downloaded; the registry that they belong to."""
    folders = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name != FOLDER)
    for name in folders:
        files = sorted(path for path in (root / name).rglob("*") if path.is_file())
        members = [
            Member(
                file.relative_to(root).as_posix(), file.stat().st_size, hashlib.sha256(file.read_bytes()).hexdigest()
            )
            for file in files
        ]
        receipt = Receipt(f"{name}.zip", "http://localhost/", 1, "", "", confirmed, tuple(members))
        write_receipt(receipt_path(root, name, f"{name}.zip"), receipt)
    return registry_of(folders)


def look(root, registry=(), task=BAD, protocol="leave-one-dataset-out", subsets=(), jobs=2):
    """The report, and what was said meanwhile."""
    console = Console(file=io.StringIO(), width=200)
    report = verify(task, root, protocol, subsets, registry, jobs, console)
    return report, console.file.getvalue()


def printed(report, written=None):
    console = Console(file=io.StringIO(), width=140)
    print_report(console, report, written)
    return console.file.getvalue()


def only(report):
    (finding,) = report.findings
    assert finding.wrong and report.wrong == [finding]
    return finding


@pytest.fixture(params=["by hand", "downloaded", "first download"])
def registry(request, root):
    """The registry, with receipts or without."""
    if request.param == "by hand":
        return registry_of(sorted(DATASETS))
    return give_receipts(root, "registry" if request.param == "downloaded" else "first download")


def test_whole_data_gives_no_finding(root, registry):
    report, said = look(root, registry)
    assert report.findings == [] and report.variant == "full" and report.coverage == {}
    assert report.checks[CLIPS] == 12 and report.checks[COUNTS] == 6
    assert "nothing is wrong" in printed(report)
    assert ("cannot be compared" in said) == (report.checks[CONTENTS] == 0)


def test_files_with_published_bytes_are_hashed_and_those_nobody_vouches_for_decoded_too(root):
    report, _ = look(root, give_receipts(root))
    assert (report.checks[CONTENTS], report.checks[AUDIO]) == (15, 0)
    report, _ = look(root, give_receipts(root, "first download"))
    assert (report.checks[CONTENTS], report.checks[AUDIO]) == (15, 12)


def test_what_was_not_downloaded_by_the_tool_is_said_once(root):
    give_receipts(root)
    shutil.rmtree(root / FOLDER / "warblrb10k")
    report, said = look(root, registry_of(sorted(DATASETS)))
    assert said.count("cannot be compared") == 1
    assert "warblrb10k" in said and "ff1010bird" not in said
    assert report.findings == [] and (report.checks[CONTENTS], report.checks[AUDIO]) == (10, 4)


def test_a_truncated_clip(root, registry):
    path = root / VICTIM
    os.truncate(path, path.stat().st_size // 2)
    finding = only(look(root, registry)[0])
    assert finding.file == VICTIM
    assert "truncated" in finding.what or "bytes instead of the" in finding.what
    assert finding.remedy == f"delete it and run: python -m benchmark data download bad --data {root}"


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "what"),
    [
        (SECONDS, 16_000, 1, "16000 Hz instead of 8000 Hz"),
        (SECONDS, RATE, 2, "stereo instead of mono"),
        (1.25, RATE, 1, "1.25 s instead of 2 s"),
        (1.25, 16_000, 2, "16000 Hz instead of 8000 Hz, stereo instead of mono, 1.25 s instead of 2 s"),
    ],
)
def test_a_clip_of_another_format_than_the_official(root, seconds, rate, channels, what):
    write_audio(root / VICTIM, seconds, rate, channels)
    finding = only(look(root, registry_of(sorted(DATASETS)))[0])
    assert (finding.check, finding.file, finding.what) == (AUDIO, VICTIM, what)


def test_published_bytes_are_right_even_where_they_are_odd(root):
    write_audio(root / VICTIM, 1.25)
    assert look(root, give_receipts(root))[0].findings == []
    (finding,) = look(root, give_receipts(root, "first download"))[0].findings
    assert finding.file == VICTIM and not finding.wrong  # nobody vouches for it, but to fetch it again brings the same


def test_what_another_registry_brought_is_not_taken_for_the_published_file(root):
    registry = give_receipts(root)
    first, *others = registry
    file = replace(first.files[0], md5="0" * 32)
    finding = only(look(root, [replace(first, files=(file,)), *others])[0])
    assert finding.check == CONTENTS and "another registry" in finding.what


def test_a_clip_with_samples_that_are_no_numbers(root):
    soundfile.write(root / VICTIM, np.full(round(SECONDS * RATE), np.nan), RATE, subtype="FLOAT")
    finding = only(look(root)[0])
    assert finding.file == VICTIM and "NaN" in finding.what
    assert "download" not in finding.remedy  # nothing is published that could be downloaded


@pytest.mark.parametrize("kind", ["empty", "folder", "pipe", "link to nowhere"])
def test_a_clip_that_is_no_audio_file(root, registry, kind):
    path = root / VICTIM
    path.unlink()
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(root / "nowhere.wav")
    assert only(look(root, registry)[0]).file == VICTIM


def test_a_missing_clip(root, registry):
    (root / VICTIM).unlink()
    report, _ = look(root, registry)
    finding = only(report)
    assert (finding.check, finding.file) == (CLIPS, VICTIM)
    assert finding.remedy == f"run: python -m benchmark data download bad --data {root}"
    assert report.variant.startswith("partial:") and report.coverage == {"warblrb10k/wav": (3, 4)}
    assert "warblrb10k/wav: 3 of 4 listed clips (75 %)" in printed(report)


def test_a_stranger(root, registry):
    write_audio(root / "ff1010bird/wav/Ümläut [x].wav")
    finding = only(look(root, registry)[0])
    assert (finding.check, finding.file) == (CLIPS, "ff1010bird/wav/Ümläut [x].wav")
    assert "no list" in finding.what


def test_a_list_without_one_of_its_rows(root, registry):
    path = root / WARBLR_LIST
    path.write_text("".join(line for line in path.read_text().splitlines(True) if not line.startswith("b3")))
    report, _ = look(root, registry)
    finding = only(report)
    if finding.check == CONTENTS:
        assert finding.file == WARBLR_LIST
    else:  # its rows are gone, so its clip is on no list and still not to be deleted
        assert finding.check == COUNTS and "warblrb10k/wav/b3.wav" in finding.what
        assert "warblrb10k: clips: 3 instead of 4; warblrb10k: with birds: 1 instead of 2" in finding.what
        assert "delete" not in finding.remedy


def test_a_broken_list_ends_the_checks(root, registry):
    path = root / WARBLR_LIST
    path.write_text(path.read_text().replace("b3,warblrb10k,1", "b3,warblrb10k,3"))
    (root / "ff1010bird/wav/a0.wav").unlink()
    report, _ = look(root, registry)
    assert report.checks == {LISTS: 1} and report.variant == "unknown"
    assert (only(report).file, only(report).what) == (f"{WARBLR_LIST}:5", "hasbird is '3', neither 0 nor 1")


def test_missing_folders_are_named(root):
    shutil.rmtree(root / "ff1010bird")
    finding = only(look(root)[0])
    assert finding.file == "ff1010bird/wav/" and "make data" in finding.remedy
    assert only(look(root / "nowhere")[0]).file == "ff1010bird/wav/"


def test_a_flipped_bit_that_leaves_the_size(root):
    registry = give_receipts(root)
    content = bytearray((root / VICTIM).read_bytes())
    content[-1] ^= 1
    (root / VICTIM).write_bytes(content)
    finding = only(look(root, registry)[0])
    assert (finding.check, finding.file) == (CONTENTS, VICTIM)
    assert hashlib.sha256(content).hexdigest()[:12] in finding.what and "warblrb10k.zip" in finding.what
    assert finding.remedy.startswith("delete it and run: ")


def test_a_downloaded_file_that_is_gone(root):
    (root / "warblrb10k/LICENCE").write_text("free")
    registry = give_receipts(root)
    (root / "warblrb10k/LICENCE").unlink()
    finding = only(look(root, registry)[0])
    assert (finding.check, finding.file) == (CONTENTS, "warblrb10k/LICENCE") and "missing" in finding.what


def test_published_audio_on_no_list_is_no_fault(root):
    write_audio(root / "warblrb10k/wav/extra.wav")
    assert look(root, give_receipts(root))[0].findings == []


def test_a_file_of_two_archives_agrees_with_one_of_them(root):
    registry = give_receipts(root)
    (dataset,) = (one for one in registry if one.name == "warblrb10k")
    other = Receipt("b.zip", "http://localhost/", 1, "", "", "registry", (Member(VICTIM, 5, "0" * 64),))
    write_receipt(receipt_path(root, "warblrb10k", "b.zip"), other)
    files = (*dataset.files, OfficialFile("b.zip", "warblrb10k", ("http://localhost/",)))
    registry[registry.index(dataset)] = replace(dataset, files=files)
    assert look(root, registry)[0].findings == []


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"members": [[1]]}'])
def test_a_broken_receipt(root, content):
    registry = give_receipts(root)
    path = receipt_path(root, "ff1010bird", "ff1010bird.zip")
    path.write_text(content)
    report, _ = look(root, registry)
    finding = only(report)
    assert (finding.check, finding.file) == (CONTENTS, f"{FOLDER}/ff1010bird/ff1010bird.zip.json")
    assert report.checks[AUDIO] == 4  # what it vouched for is decoded instead


def test_nothing_is_written_below_a_root_that_is_read_only(root, registry):
    def state():
        return [(str(path), path.lstat().st_mtime_ns, path.lstat().st_size) for path in sorted(root.rglob("*"))]

    folders = [root, *(path for path in root.rglob("*") if path.is_dir())]
    before = state()
    for folder in folders:
        folder.chmod(0o555)
    try:
        assert look(root, registry)[0].findings == []
        assert state() == before
    finally:
        for folder in folders:
            folder.chmod(0o755)


def test_unicode_long_and_linked_paths(root, tmp_path):
    far = tmp_path
    for _ in range(12):
        far = far / ("ж" * 120)  # 240 bytes each
    far.mkdir(parents=True)
    moved = far / "данные"
    shutil.move(root, moved)
    name = "鳥" * 83  # with `.wav`, 253 of the 255 bytes that a name may have
    (moved / VICTIM).rename(moved / "warblrb10k/wav" / f"{name}.wav")
    path = moved / WARBLR_LIST
    path.write_text(path.read_text().replace("b2,", f"{name},"), encoding="utf-8")
    link = tmp_path / "link"
    link.symlink_to(moved)
    for folder in (moved, link):
        assert look(folder, give_receipts(folder))[0].findings == []
        assert look(folder)[0].findings == []
    os.truncate(moved / "warblrb10k/wav" / f"{name}.wav", 1000)
    assert only(look(link)[0]).file == f"warblrb10k/wav/{name}.wav"


def test_a_listed_name_too_long_for_the_file_system(root):
    path = root / WARBLR_LIST
    path.write_text(path.read_text().replace("b2,", f"{'b' * 300},"))
    report, _ = look(root)
    assert {finding.file for finding in report.findings} == {f"warblrb10k/wav/{'b' * 300}.wav", "warblrb10k/wav/b2.wav"}


def test_a_name_that_is_no_utf8_can_be_printed_and_written(root, tmp_path):
    write_audio(root / VICTIM, 1.0)
    (root / VICTIM).rename(os.fsdecode(os.fsencode(root / "warblrb10k/wav") + b"/\xff.wav"))
    report, _ = look(root)
    assert {finding.file for finding in report.findings} == {VICTIM, "warblrb10k/wav/\\udcff.wav"}
    printed(report).encode()
    write_findings(tmp_path / "found.tsv", report)


@pytest.fixture
def many_faults(root):
    for letter, name in zip("abc", DATASETS, strict=True):
        os.truncate(root / name / "wav" / f"{letter}0.wav", 3000)
        write_audio(root / name / "wav" / f"{letter}1.wav", 1.0)
        (root / name / "wav" / f"{letter}2.wav").unlink()
        write_audio(root / name / "wav" / f"{letter}9.wav")
    return root


def test_threads_do_not_change_the_report(many_faults):
    reports = [look(many_faults, jobs=jobs)[0] for jobs in (1, 2, 16, None)]
    assert len(reports[0].findings) == 12
    assert all(report == reports[0] for report in reports)
    assert [finding.check for finding in reports[0].findings] == [CLIPS] * 6 + [AUDIO] * 6


def test_ten_findings_are_printed_and_all_are_written(many_faults, tmp_path):
    report, _ = look(many_faults)
    text = printed(report)
    assert text.count("to do:") == 10 and "and 2 more; --report FILE" in text
    path = tmp_path / "found.tsv"
    write_findings(path, report)
    assert f"the whole list: {path}" in printed(report, path).replace("\n", "")
    header, *rows = list(csv.reader(path.open(encoding="utf-8"), delimiter="\t"))
    assert header == ["check", "file", "wrong", "what", "remedy"]
    assert [row[1] for row in rows] == [finding.file for finding in report.findings]
    assert "ff1010bird/wav/a2.wav" in [row[1] for row in rows]
    table = {line.split("  ")[1]: line.split()[-2:] for line in text.splitlines() if line.startswith("  ")}
    assert (table[CLIPS], table[AUDIO], table[COUNTS]) == (["15", "6"], ["9", "6"], ["6", "0"])


def test_brackets_are_printed_as_they_are():
    report = Report("bad", "/data", "full", {CLIPS: 1}, [Finding(CLIPS, "x[bold]y.wav", "[/] is wrong", "mend [it]")])
    text = printed(report)
    assert "x[bold]y.wav: [/] is wrong" in text and "mend [it]" in text


def test_the_bar_goes_to_standard_error(root, registry, capfd, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    look(root, registry)
    out, err = capfd.readouterr()
    assert out == "" and ("hashing 15 files" in err or "decoding 12 clips" in err)
    monkeypatch.delenv("FORCE_COLOR")
    look(root, registry)
    assert capfd.readouterr() == ("", "")  # where nobody looks there is no bar


def test_missing_clips_are_no_fault_where_they_are_normal(tmp_path, monkeypatch):
    monkeypatch.setattr(SoundEventDataModule, "may_be_partial", True)
    root = shutil.copytree(write_mini(get_task("sed")), tmp_path / "data")
    gone, damaged, *_ = sorted((root / "dataset/audio/train/weak").iterdir())
    gone.unlink()
    os.truncate(damaged, 2000)
    report, _ = look(root, registry_of(["dcase2018_baseline"]), get_task("sed"), "test", ("unlabel_in_domain",))
    (said,) = (finding for finding in report.findings if not finding.wrong)
    assert said.file == f"dataset/audio/train/weak/{gone.name}"
    assert [finding.check for finding in report.wrong] == [AUDIO, COUNTS]  # the mini variant has other numbers
    assert report.wrong[0].file == f"dataset/audio/train/weak/{damaged.name}"
    assert "download" not in report.wrong[0].remedy
    assert report.coverage == {"dataset/audio/train/weak": (79, 80)}
    assert "1 listed clips are missing, which is no fault" in printed(report)


@pytest.mark.parametrize("task", ["tagging", "esc"])
def test_downloaded_mini_data_differs_in_nothing_but_its_counts(task, tmp_path):
    root = shutil.copytree(write_mini(get_task(task)), tmp_path / "data")
    protocol = next(iter(get_task(task).protocols))
    report, _ = look(root, give_receipts(root), get_task(task), protocol)
    (finding,) = report.findings
    assert (finding.check, finding.wrong) == (COUNTS, False) and report.checks[AUDIO] == 0


def test_a_damaged_waveform_store_is_named(root, tmp_path, monkeypatch):
    monkeypatch.setenv("DCASE_BENCH_CACHE", str(tmp_path / "cache"))
    folder = store_folder(tmp_path / "cache", "bad", root, RATE, True)
    paths = sorted((root / "warblrb10k/wav").iterdir())
    build_store(folder, [Clip(path.stem, path) for path in paths], RATE, progress=False)
    report, _ = look(root)
    assert report.checks[STORES] == 1 and not report.findings
    samples = bytearray((folder / "audio.i16").read_bytes())
    samples[100] ^= 1
    (folder / "audio.i16").write_bytes(samples)
    finding = only(look(root)[0])
    assert (finding.check, finding.file) == (STORES, str(folder)) and "b0" in finding.what


def test_importing_loads_no_torch():
    code = "import sys, benchmark.verify; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
