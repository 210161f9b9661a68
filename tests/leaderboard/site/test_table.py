"""Numbers as people read them."""

import math

import pytest

from leaderboard.results import Score
from leaderboard.site.table import duration, number_cell, score_cell, short_number


@pytest.mark.parametrize(
    ("value", "text"), [(17, "17"), (1210, "1.21 k"), (4_691_274, "4.69 M"), (2.03e9, "2.03 G"), (1.2e12, "1.2 T")]
)
def test_short_numbers(value, text):
    assert short_number(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.24, "0.2 s"), (47, "47 s"), (960, "16 min"), (7200, "2.0 h"), (100_000, "27.8 h")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_scores():
    assert score_cell(Score(0.85432, 0.0123)).text == "0.854 ± 0.012"
    assert score_cell(Score(0.85432, None)).text == "0.854"
    assert (score_cell(Score(None, None)).text, score_cell(Score(None, None)).order) == ("undefined", math.inf)


def test_what_has_no_value_comes_last():
    assert number_cell(None, "").order == number_cell(math.nan, "").order == math.inf
    assert number_cell(3, "three").order == 3
