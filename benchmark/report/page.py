"""One self-contained HTML file about one result: what `python -m benchmark report RUN` writes."""

import re
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from benchmark.records import write_text
from benchmark.report import pictures, scores
from benchmark.report.parts import Part, Section
from benchmark.report.result import Result, read_result

SECTIONS: dict[str, Callable[[Result], Iterator[Part]]] = {
    "Scores": scores.score_parts,
    "Classes": scores.class_parts,
    "Confusions": pictures.confusion_parts,
    "Curves": pictures.curve_parts,
    "Calibration": pictures.calibration_parts,
    "Recording conditions": scores.condition_parts,
    "Events": pictures.event_parts,
    "Hardest clips": pictures.clip_parts,
    "Learning": pictures.learning_parts,
    "Costs": scores.cost_parts,
    "Recipe": scores.recipe_parts,
}


def write_report(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write the report of finished runs of one group.

    Args:
        folders: The runs' folders.
        out: Where to write; by default `report.html` in the run's folder, or of several runs beside their folders.

    Returns:
        The file.

    Raises:
        InputError: A record cannot be read.
        BenchmarkError: The file cannot be written.
    """
    result = read_result(folders)
    one = folders[0] / "report.html"
    several = folders[0].parent / f"report-{re.sub(r'[^0-9A-Za-z-]', '_', result.record.group)}.html"
    path = out or (one if len(folders) == 1 else several)
    write_text(path, render(result))
    return path


def render(result: Result) -> str:
    """The page as HTML; every field of a record is escaped."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((files(__package__) / "page.html.j2").read_text(encoding="utf-8"))
    sections = [Section(name, list(make(result))) for name, make in SECTIONS.items()]
    main = result.task.main_score
    return template.render(
        title=scores.title(result.record),
        subtitle=scores.subtitle(result),
        about=result.task.title,
        main=main,
        score=scores.shown(result.scores[main]),
        caveats=list(scores.caveats(result)),
        sections=[section for section in sections if section.parts],
        kind=lambda part: type(part).__name__,
    )
