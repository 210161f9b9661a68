"""One score of several seeds."""

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import NamedTuple


class Score(NamedTuple):
    """Mean over seeds, None where it is undefined, and sample standard deviation, None below two seeds."""

    mean: float | None
    std: float | None


def over_seeds(values: Sequence[float | None]) -> Score:
    """The score of several seeds; undefined where that of one is, or there are none."""
    defined = [value for value in values if value is not None]
    if not defined or len(defined) < len(values):
        return Score(None, None)
    return Score(fmean(defined), stdev(defined) if len(defined) > 1 else None)
