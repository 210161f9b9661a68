"""The report of `data verify`: whole data gives no finding, and looking changes nothing."""

import csv
import os
import subprocess
import sys

import pytest
from verification import (
    look,
    printed,
    write_audio,
)

from benchmark.verify import (
    AUDIO,
    CLIPS,
    CONTENTS,
    COUNTS,
    Finding,
    Report,
    write_findings,
)
from tasks.bad.official import DATASETS


def test_whole_data_gives_no_finding(root, registry):
    report, said = look(root, registry)
    assert report.findings == [] and report.variant == "full" and report.coverage == {}
    assert report.checks[CLIPS] == 12 and report.checks[COUNTS] == 6
    assert "nothing is wrong" in printed(report)
    assert ("cannot be compared" in said) == (report.checks[CONTENTS] == 0)


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


def test_importing_loads_no_torch():
    code = "import sys, benchmark.verify; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
