"""A small release of bird audio, its receipts, and what `data verify` finds in it."""

import csv
import hashlib
import io

import numpy as np
import soundfile
from rich.console import Console

from benchmark.data.files import Dataset, Limit, OfficialFile
from benchmark.data.receipts import FOLDER, Member, Receipt, receipt_path, write_receipt
from benchmark.registry import get_task
from benchmark.verify import (
    print_report,
    verify,
)

BAD = get_task("bad")
RATE, SECONDS, CLIPS_EACH = 8_000, 2.0, 4
WARBLR_LIST = "warblrb10k/warblrb10k_public_metadata_2018.csv"
VICTIM = "warblrb10k/wav/b2.wav"


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
