"""Figures as SVG inside of a page, in its text colour, each with a description for those who cannot see it."""

import io
import re
from collections.abc import Callable
from typing import Any

import matplotlib as mpl
from markupsafe import Markup, escape
from matplotlib.figure import Figure

TEXT_COLOUR = "#010203"  # stands for the page's own in what matplotlib writes
STYLE: Any = {
    "text.parse_math": False,  # a name with two dollar signs is a name
    "svg.fonttype": "none",
    "svg.hashsalt": "report",
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), TEXT_COLOUR),
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "legend.framealpha": 0.0,
    "legend.edgecolor": "none",
}


def inline(draw: Callable[[], Figure], description: str) -> Markup:
    """The SVG element of a figure.

    Args:
        draw: Makes the figure; called with the page's colours set.
        description: What a screen reader says in its place.
    """
    buffer = io.StringIO()
    with mpl.rc_context(STYLE):
        draw().savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    _, opening, rest = re.split(r"(<svg[^>]*>)", buffer.getvalue(), maxsplit=1)
    rest = re.sub(r"<metadata>.*?</metadata>", "", rest, count=1, flags=re.DOTALL).replace(TEXT_COLOUR, "currentColor")
    rest = re.sub(r'<g id="[^"]*">', "<g>", rest)  # every figure has groups of these names
    box = re.findall(r'viewBox="([^"]*)"', opening)[0]
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    about = f'viewBox="{box}" style="max-width: {box.split()[2]}pt" role="img" aria-label="{escape(description)}"'
    return Markup(f"<svg {namespaces} {about}>{rest}")
