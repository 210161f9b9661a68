"""What a report's sections are made of; the template lays them out."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup


class Text(NamedTuple):
    """A paragraph; one that warns stands out."""

    text: str
    warns: bool = False


class Table(NamedTuple):
    """A table.

    Attributes:
        head: Names of the columns.
        rows: Cells.
        caption: What it shows.
        words: How many columns from the left are text; the next are numbers.
        remarks: How many columns from the right are text.
        folded: Whether it is closed at first.
        strong: Number of rows from the top that stand out.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str
    words: int = 1
    remarks: int = 0
    folded: bool = False
    strong: int = 0


class Picture(NamedTuple):
    """A figure with a caption."""

    svg: Markup
    caption: str


class Card(NamedTuple):
    """What is said of one clip, with a picture where its audio is at hand."""

    title: str
    lines: Sequence[tuple[str, str]]
    svg: Markup | None


class Cards(NamedTuple):
    """Several clips side by side, or, where their pictures are wide, below each other."""

    cards: Sequence[Card]
    wide: bool = False


class Code(NamedTuple):
    """Lines to copy, or a file to read."""

    text: str
    caption: str
    folded: bool = False


Part = Text | Table | Picture | Cards | Code


class Section(NamedTuple):
    """A section of the report; one without parts is left out."""

    title: str
    parts: Sequence[Part]

    @property
    def anchor(self) -> str:
        """Its name in addresses."""
        return self.title.lower().replace(" ", "-")
