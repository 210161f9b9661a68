"""The report of a machine: JSON with every figure, the same as tables, and the page with those of all machines."""

import json
from pathlib import Path
from typing import Any

from benchmark.records import write_text
from leaderboard.markdown import with_block
from perf import backbones, commands, frontend, store, training
from perf.isolated import ROOT
from perf.measuring import Table
from perf.targets import targets

RESULTS, PAGE = ROOT / "perf" / "results", ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- reports: begin -->", "<!-- reports: end -->"
PARTS = {
    "store": ("Waveform store", store.tables),
    "frontend": ("Front ends", frontend.tables),
    "backbones": ("Backbones", backbones.tables),
    "training": ("Training from end to end", training.tables),
    "commands": ("Scorers, tables and commands", commands.tables),
}


def read_report(path: Path) -> dict[str, Any]:
    """What was measured before on a machine; nothing where there is no such file."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"parts": {}}
    return found


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Leave a report as `<machine>.json` and `<machine>.md`, and in the page if it is one of the committed ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(report, indent=1) + "\n")
    write_text(path.with_suffix(".md"), render(path.stem, report))
    if path.parent == RESULTS:
        write_text(PAGE, with_reports(PAGE.read_text(encoding="utf-8"), RESULTS))


def with_reports(text: str, folder: Path) -> str:
    """The page with all reports of a folder between its markers.

    Raises:
        InputError: It has not the two markers.
    """
    pages = [render(path.stem, read_report(path)) for path in sorted(folder.glob("*.json"))]
    reports = "\n".join(pages or ["No machine has been measured yet.\n"])
    return with_block(text, reports, BEGIN, END, PAGE, "the reports")


def render(name: str, report: dict[str, Any]) -> str:
    """A report as markdown: the machine, each part that was measured, and the targets."""
    machine = ", ".join(f"{key} {value}" for key, value in report["machine"].items() if key != "commit")
    sections = [f"## {name}", machine + "."]
    there = {part: report["parts"][part] for part in PARTS if part in report["parts"]}
    sections.append(_parts_table(there).markdown())
    for part, one in there.items():
        title, tables = PARTS[part]
        sections.append(f"### {title}")
        sections += [table.markdown() for table in tables(one["found"])]
    found = {part: one["found"] for part, one in there.items()}
    sections += ["### Targets", targets(report["machine"], found).markdown()]
    return "\n\n".join(sections) + "\n"


def _parts_table(parts: dict[str, Any]) -> Table:
    rows = []
    for name, one in parts.items():
        memory = f"{one['megabytes']:,.0f} MB" if one["megabytes"] else "-"
        on_gpu = f"{one['gpu megabytes']:,.0f} MB" if "gpu megabytes" in one else "-"
        rows.append([PARTS[name][0], one["commit"], one["when"], f"{one['seconds']:,.0f} s", memory, on_gpu])
    header = ["part", "commit", "when", "took", "most memory of its process", "of it on the GPU"]
    note = "Figures are medians; rivals took turns in one run, and a ratio is the median of those within each turn."
    return Table("parts", header, rows, note)
