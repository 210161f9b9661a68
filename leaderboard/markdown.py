"""Tables, numbers, and text of unknown origin as markdown."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.errors import InputError

TEXT_COLUMNS = {
    "system", "selection", "device", "precision", "commit", "class", "split", "source", "table",
    "task", "data", "protocol", "title", "score", "resampled", "published",
}  # fmt: skip
NONE = "-"


class Markdown(str):
    """A cell that is markdown already, made of parts that are escaped."""


def markdown_table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A markdown table whose columns also line up as plain text, and an empty line; nothing if there are no rows.

    Args:
        rows: Column to cell, the columns of all rows in the same order. Columns, and cells that are not `Markdown`, are
            escaped here.
    """
    if not rows:
        return []
    columns = list(rows[0])
    lines = [[escape(cell) for cell in cells] for cells in (columns, *(row.values() for row in rows))]
    widths = [max(3, *(len(cells[i]) for cells in lines)) for i in range(len(columns))]
    right = [column not in TEXT_COLUMNS for column in columns]
    rule = ["-" * (width - 1) + ":" if end else "-" * width for width, end in zip(widths, right, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if end else c.ljust(w) for c, w, end in zip(cells, widths, right, strict=True))
        return "| " + " | ".join(padded) + " |"

    return [line(lines[0]), line(rule), *map(line, lines[1:]), ""]


def escape(text: str) -> Markdown:
    """Text of unknown origin as one line of markdown that shows it and does nothing else."""
    if isinstance(text, Markdown):
        return text
    shown = re.sub(r"([\\`*\[\]|])", r"\\\1", _one_line(text))
    return Markdown(shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def code(text: str) -> Markdown:
    """Text of unknown origin as markdown code."""
    return Markdown(f"`{_one_line(text).replace('`', '?')}`")


def bold_best(cells: Mapping[str, tuple[str, float | None]]) -> dict[str, str]:
    """Cells that are compared, each a text and its value: those of the largest value in bold, if there are several."""
    values = {name: round(value, 3) for name, (_, value) in cells.items() if value is not None}
    best = max(values.values(), default=None) if len(cells) > 1 else None
    is_best = {name for name, value in values.items() if value == best}
    return {name: Markdown(f"**{escape(text)}**") if name in is_best else text for name, (text, _) in cells.items()}


def fraction(value: float, sign: str = "") -> str:
    """A score with three digits; the last bits, in which machines differ, never decide how it is rounded.

    Args:
        value: The score or, with the sign `+`, a difference of two.
        sign: As in format strings.
    """
    return f"{round(value, 9):{sign}.3f}"


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))


def with_block(text: str, block: str, begin: str, end: str, path: Path, what: str) -> str:
    """A document with another block between two markers.

    Args:
        text: The document.
        block: What to put there.
        begin: The marker before it.
        end: The marker behind it.
        path: Where the document lies, for the error.
        what: What the block is, for the error.

    Raises:
        InputError: It has not the two markers.
    """
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise InputError(f"no place for {what}", path, f"put these two lines there: {begin} {end}")
    return f"{before}{begin}\n\n{block}\n{end}{after}"
