"""What receipts of downloads vouch for: bytes as published are right, and others are named."""

import hashlib
import shutil
from dataclasses import replace

import pytest
from verification import VICTIM, give_receipts, look, only, registry_of, write_audio

from benchmark.data.files import OfficialFile
from benchmark.data.receipts import FOLDER, Member, Receipt, receipt_path, write_receipt
from benchmark.plan import write_mini
from benchmark.registry import get_task
from benchmark.verify import (
    AUDIO,
    CONTENTS,
    COUNTS,
)
from tasks.bad.official import DATASETS


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


@pytest.mark.parametrize("task", ["tagging", "esc"])
def test_downloaded_mini_data_differs_in_nothing_but_its_counts(task, tmp_path):
    root = shutil.copytree(write_mini(get_task(task)), tmp_path / "data")
    protocol = next(iter(get_task(task).protocols))
    report, _ = look(root, give_receipts(root), get_task(task), protocol)
    (finding,) = report.findings
    assert (finding.check, finding.wrong) == (COUNTS, False) and report.checks[AUDIO] == 0
