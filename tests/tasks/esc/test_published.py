from collections import Counter

import pytest
from published_checks import assert_fraction, label, rows_of

from tasks.esc.official import CLASSES

DATASET = "ESC: Dataset for Environmental Sound Classification"
CONVNET = "Environmental Sound Classification with Convolutional Neural Networks"
ROWS = rows_of("esc")


def test_rows_are_counted():
    """Average accuracies in the text: listeners and three classifiers on two data sets; the network on ESC-50."""
    assert Counter(row.source for row in ROWS) == {DATASET: 8, CONVNET: 1}
    assert {row.table for row in ROWS} == {"text"}
    assert Counter(row.protocol for row in ROWS) == {"esc10-5-fold": 4, "esc50-5-fold": 5}
    assert {row.protocol for row in ROWS} == set(CLASSES)


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_number_as_a_fraction(row):
    assert_fraction(row, per_cent=True)
    assert (row.metric, row.class_name, row.split, row.std) == ("accuracy", "", "development", None)


def test_one_number_for_each_system_and_data_set():
    assert max(Counter((row.system, row.protocol) for row in ROWS).values()) == 1
    assert {row.system for row in ROWS if row.role == "baseline"} == {"random-forest", "svm", "k-nn"}


@pytest.mark.parametrize(
    ("system", "protocol", "value"),
    [
        ("human-listeners", "esc10-5-fold", 0.957),
        ("human-listeners", "esc50-5-fold", 0.813),
        ("random-forest", "esc10-5-fold", 0.727),
        ("svm", "esc50-5-fold", 0.396),
        ("k-nn", "esc10-5-fold", 0.667),
        ("convnet-piczak", "esc50-5-fold", 0.645),
    ],
)
def test_cells_read_from_the_sources(system, protocol, value):
    assert [row.value for row in ROWS if (row.system, row.protocol) == (system, protocol)] == [value]
