from collections import Counter

import pytest
from published_checks import assert_fraction, find, label, rows_of

from tasks.domestic.official import CLASSES

RESULTS_PAGE = "DCASE 2018 task 5 results page"
README = "dcase2018_baseline repository README of task 5"
SURREY = "Surrey cross-task CNN baseline"
CHEW = "DCASE 2018 Challenge: Solution for Task 5"

# Counted by hand in the sources; a number in the text counts where no table cell prints it in the same digits.
CELLS = {
    (RESULTS_PAGE, "Systems ranking"): 12,  # baseline, Surrey x 2, Inoue x (unknown, known microphones, development)
    (README, "Baseline performance"): 1,  # macro average
    (SURREY, "Table 6"): 116,  # 9 classes and their average x 11 columns, 3 systems x (unknown, known microphones)
    (SURREY, "text"): 2,  # 87.75 85.73
    (CHEW, "text"): 1,  # 92.19
}
FAMILIES = ("f1",)
FOLDS = ("1", "2", "3", "4")
METRICS = {"f1", "f1/known", "f1/unknown", *(f"f1/{fold}" for fold in FOLDS)}
SPLITS = {"development", "evaluation"}
SELECTIONS = {"none", "unknown"}
PROTOCOLS = {"4-fold", "evaluation", "unstated"}
COLUMNS = [("baseline", "f1"), *((s, m) for s in ("cnn4", "cnn8") for m in ("f1", *(f"f1/{fold}" for fold in FOLDS)))]

ROWS = rows_of("domestic")


def _find(system, metric, source, table, class_name=""):
    return find(ROWS, system=system, metric=metric, source=source, table=table, class_name=class_name)


def test_every_cell_of_every_table_is_a_row():
    assert Counter((row.source, row.table) for row in ROWS) == CELLS
    assert len(ROWS) == 132


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_number_as_a_fraction(row):
    assert_fraction(row, per_cent=True)
    assert row.std is None


def test_columns_hold_only_agreed_words():
    assert {row.metric for row in ROWS} == METRICS
    assert {row.split for row in ROWS} == SPLITS
    assert {row.selection for row in ROWS} == SELECTIONS
    assert {row.protocol for row in ROWS} == PROTOCOLS
    assert {row.class_name for row in ROWS} == {"", *CLASSES}


def test_every_metric_is_of_a_family_that_the_task_produces():
    assert {row.metric.partition("/")[0] for row in ROWS} == set(FAMILIES)


def test_roles_are_the_challenges():
    assert {row.system for row in ROWS if row.role == "baseline"} == {"baseline"}
    # No source at hand names the winner.
    assert {row.system for row in ROWS if row.role == "entry"} == {"cnn4", "cnn8", "inoue-ibm", "chew-ensemble"}
    assert not [row for row in ROWS if row.role == "winner"]


def test_split_and_protocol_go_together():
    by_microphone = {row.metric for row in ROWS if row.protocol == "evaluation"}
    assert by_microphone == {"f1/known", "f1/unknown"}
    assert all((row.protocol == "evaluation") == (row.split == "evaluation") for row in ROWS)
    assert all((row.metric in by_microphone) == (row.split == "evaluation") for row in ROWS)


def test_surrey_table_is_complete():
    cells = {(r.system, r.metric, r.class_name) for r in ROWS if r.table == "Table 6" and r.split == "development"}
    assert cells == {(system, metric, name) for system, metric in COLUMNS for name in ("", *CLASSES)}


@pytest.mark.parametrize(("system", "metric"), COLUMNS)
def test_surrey_average_is_the_mean_over_classes(system, metric):
    classes = [_find(system, metric, SURREY, "Table 6", name).value for name in CLASSES]
    # Nine rounded cells and a rounded mean: half a unit of the last digit each.
    assert _find(system, metric, SURREY, "Table 6").value == pytest.approx(sum(classes) / 9, abs=1.01e-3)


@pytest.mark.parametrize("system", ["cnn4", "cnn8"])
@pytest.mark.parametrize("name", ["", *CLASSES])
def test_surrey_average_is_the_mean_over_folds(system, name):
    folds = [_find(system, f"f1/{fold}", SURREY, "Table 6", name).value for fold in FOLDS]
    average = _find(system, "f1", SURREY, "Table 6", name).value
    if (system, name) == ("cnn4", "eating"):  # a slip of the paper: its overall 85.73 follows from 83.0, not from 82.3
        assert (average, sum(folds) / 4) == (0.823, pytest.approx(0.83))
    else:
        assert average == pytest.approx(sum(folds) / 4, abs=1.01e-3)


@pytest.mark.parametrize("system", ["baseline", "cnn4", "cnn8"])
@pytest.mark.parametrize("metric", ["f1/known", "f1/unknown"])
def test_results_page_and_paper_agree_on_the_evaluation_set(system, metric):
    page = _find(system, metric, RESULTS_PAGE, "Systems ranking").value
    assert page == _find(system, metric, SURREY, "Table 6").value


@pytest.mark.parametrize(
    ("system", "metric", "class_name", "source", "table", "printed", "value", "protocol", "selection"),
    [
        ("baseline", "f1/unknown", "", RESULTS_PAGE, "Systems ranking", "83.1", 0.831, "evaluation", "none"),
        ("baseline", "f1", "", RESULTS_PAGE, "Systems ranking", "84.5", 0.845, "4-fold", "none"),
        ("inoue-ibm", "f1/unknown", "", RESULTS_PAGE, "Systems ranking", "88.4", 0.884, "evaluation", "none"),
        ("inoue-ibm", "f1/known", "", RESULTS_PAGE, "Systems ranking", "90.4", 0.904, "evaluation", "none"),
        ("inoue-ibm", "f1", "", RESULTS_PAGE, "Systems ranking", "90.0", 0.9, "4-fold", "unknown"),
        # The page prints CNN8's development score for CNN4 too; the paper has 85.7.
        ("cnn4", "f1", "", RESULTS_PAGE, "Systems ranking", "87.8", 0.878, "4-fold", "none"),
        ("cnn4", "f1", "", SURREY, "Table 6", "85.7%", 0.857, "4-fold", "none"),
        ("cnn4", "f1", "", SURREY, "text", "85.73%", 0.8573, "4-fold", "none"),
        ("cnn8", "f1", "", SURREY, "text", "87.75%", 0.8775, "4-fold", "none"),
        ("cnn8", "f1", "", SURREY, "Table 6", "87.8%", 0.878, "4-fold", "none"),
        ("cnn8", "f1/unknown", "", SURREY, "Table 6", "83.2%", 0.832, "evaluation", "none"),
        ("cnn8", "f1/known", "", SURREY, "Table 6", "87.6%", 0.876, "evaluation", "none"),
        ("baseline", "f1", "other", SURREY, "Table 6", "44.8%", 0.448, "4-fold", "none"),
        ("cnn4", "f1/2", "dishwashing", SURREY, "Table 6", "68.6%", 0.686, "4-fold", "none"),
        ("cnn4", "f1/3", "watching_tv", SURREY, "Table 6", "97.5%", 0.975, "4-fold", "none"),
        ("cnn8", "f1/2", "vacuum_cleaner", SURREY, "Table 6", "99.4%", 0.994, "4-fold", "none"),
        ("cnn8", "f1/4", "social_activity", SURREY, "Table 6", "99.3%", 0.993, "4-fold", "none"),
        ("cnn8", "f1", "working", SURREY, "Table 6", "87.4%", 0.874, "4-fold", "none"),
        ("baseline", "f1", "", README, "Baseline performance", "84.50 %", 0.845, "4-fold", "none"),
        ("chew-ensemble", "f1", "", CHEW, "text", "92.19%", 0.9219, "unstated", "unknown"),
    ],
)
def test_cells_read_from_the_sources(system, metric, class_name, source, table, printed, value, protocol, selection):
    row = _find(system, metric, source, table, class_name)
    assert (row.printed, row.value, row.protocol, row.selection) == (printed, value, protocol, selection)
