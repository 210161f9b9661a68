"""Markdown of text of unknown origin."""

from leaderboard.markdown import bold_best, escape, fraction, markdown_table


def test_escape():
    assert escape("a|b\r\n<i>&*") == r"a\|b &lt;i&gt;&amp;\*"


def test_markdown_columns_line_up():
    header, rule, row, empty = markdown_table([{"system": "cnn8", "auc": "0.854"}])
    assert (header, rule, row, empty) == ("| system |   auc |", "| ------ | ----: |", "| cnn8   | 0.854 |", "")


def test_no_rows_are_no_table():
    assert markdown_table([]) == []


def test_the_largest_value_is_bold_and_its_text_escaped():
    cells = {"a": ("1*", 0.9), "b": ("2", 0.8), "c": ("3", None), "d": ("4", 0.9004)}
    assert bold_best(cells) == {"a": r"**1\***", "b": "2", "c": "3", "d": "**4**"}
    assert bold_best({"a": ("1", 0.9)}) == {"a": "1"}
    assert bold_best({"a": ("1", None), "b": ("2", None)}) == {"a": "1", "b": "2"}


def test_the_last_bit_does_not_decide_how_a_number_is_rounded():
    value = 0.1125
    assert {fraction(value + bits * 2**-56) for bits in range(-8, 9)} == {fraction(value)}
    assert fraction(0.0252, "+") == "+0.025"
