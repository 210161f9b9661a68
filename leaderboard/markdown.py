"""Tables and text of unknown origin as markdown."""

import re
from collections.abc import Mapping, Sequence

TEXT_COLUMNS = {"system", "selection", "device", "precision", "commit", "class", "split", "source", "table"}


def markdown_table(rows: Sequence[Mapping[str, str]]) -> list[str]:
    """A markdown table whose columns also line up as plain text, and an empty line.

    Args:
        rows: Column to cell, the columns of all rows in the same order. Cells and columns are escaped here.
    """
    columns = list(rows[0])
    lines = [[escape(cell) for cell in cells] for cells in (columns, *(row.values() for row in rows))]
    widths = [max(3, *(len(cells[i]) for cells in lines)) for i in range(len(columns))]
    right = [column not in TEXT_COLUMNS for column in columns]
    rule = ["-" * (width - 1) + ":" if end else "-" * width for width, end in zip(widths, right, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if end else c.ljust(w) for c, w, end in zip(cells, widths, right, strict=True))
        return "| " + " | ".join(padded) + " |"

    return [line(lines[0]), line(rule), *map(line, lines[1:]), ""]


def escape(text: str) -> str:
    """Text of unknown origin as one line of markdown that shows it and does nothing else."""
    shown = re.sub(r"([\\`*\[\]|])", r"\\\1", _one_line(text))
    return shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def code(text: str) -> str:
    """Text of unknown origin as markdown code."""
    return f"`{_one_line(text).replace('`', '?')}`"


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in " ".join(text.split()))
