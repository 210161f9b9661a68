from collections import Counter

import pytest
from published_checks import assert_fraction, class_columns, find, label, rows_of

from tasks.asc.official import CLASSES, score

RESULTS_A = "DCASE 2018 task 1A results page"
RESULTS_C = "DCASE 2018 task 1C results page"
BASELINE = "A Multi-Device Dataset for Urban Acoustic Scene Classification"
SURREY = "Surrey cross-task CNN baseline"
REN = "Attention-Based Convolutional Neural Networks for Acoustic Scene Classification"
BUT = "Convolutional neural networks and x-vector embedding for DCASE 2018 acoustic scene classification"
DEEPSAGA = "Using an Evolutionary Approach To Explore Convolutional Neural Networks for Acoustic Scene Classification"
MAKA = "Audio Feature Space Analysis for Acoustic Scene Classification"
JUNG = "DNN-Based Multi-Level Feature Ensemble for Acoustic Scene Classification"
NN_FILTER = "Acoustic scene classification using a CNN ensemble and nearest neighbor filters"
VISION = "Exploring Deep Vision Models for Acoustic Scene Classification"
XCEPTION = "Acoustic Scene Classification Using Multi-Scale Features"

# Counted by hand in the sources; a number in the text counts where no table cell prints it in the same digits.
# A table of classes has ten of them and their average.
CELLS = {
    (RESULTS_A, "Systems ranking"): 8,  # baseline and CNN8 x (evaluation, development, leaderboard), CNN4, Dorfer
    (RESULTS_C, "Systems ranking"): 3,  # baseline, Khadkevich 1 and 2
    (BASELINE, "Table 1"): 22,  # 11 x (development, evaluation), subtask A
    (SURREY, "Table 2"): 39,  # 11 x (baseline, CNN4, CNN8), 3 hidden sets x (CNN4, CNN8), subtask A
    (REN, "Table 2"): 10,  # baseline, 3 networks x 3 poolings, column SUBA
    (BUT, "Table 3"): 30,  # 25 public leaderboard, 5 evaluation
    (BUT, "Table 4"): 22,  # 11 x (fusion, baseline)
    (DEEPSAGA, "Table 1"): 33,  # 11 x (baseline, CNN, vote)
    (MAKA, "Table 2b"): 22,  # 11 x (baseline, proposed); the diagonal of Table 2a prints the same digits
    (MAKA, "Table 3"): 3,  # cochleagram, mel spectrogram, spectrogram
    (MAKA, "text"): 4,  # 62.9 63.2 61.9 60.17
    (MAKA, "text (printed so)"): 1,  # 89.9 for the shopping mall, 89.6 in the table
    (JUNG, "Table 2"): 20,  # 3 streams and the ensemble on validation, the ensemble on evaluation x 4 back-ends
    (JUNG, "text"): 1,  # 64.71
    (NN_FILTER, "Table 2"): 61,  # baseline, 30 models x (MV, AV), columns 1A
    (NN_FILTER, "Table 3"): 11,
    (NN_FILTER, "text"): 1,  # 69.3 on evaluation, which is not the 69.3 of the tables
    (VISION, "Table 1"): 24,  # 6 networks x 4 inputs
    (VISION, "Table 2"): 4,
    (XCEPTION, "Table 1"): 22,  # 11 x (baseline, proposed), columns A
    (XCEPTION, "Table 2"): 22,  # 11 x (without, with multi-scale features), columns A
    (XCEPTION, "Table 3"): 22,  # 11 x (without, with focal loss), columns A
}
FRACTIONS = {SURREY}  # the other sources print per cent
METRICS = {"accuracy"}  # mean over the classes, or of the class that the row names
SPLITS = {"development", "leaderboard", "evaluation"}
SELECTIONS = {"none", "test", "unknown"}
PROTOCOLS = {
    "official-fold1",
    "challenge",
    "leaderboard",
    "challenge-private-leaderboard",  # declared invalid by the organisers: unequal class sizes
    "challenge-external-data",  # subtask C, the evaluation set of subtask A
}
# Papers whose stopping points, features or settings the scored clips of the official fold chose, as they say.
CHOSEN_ON_TEST = {REN, MAKA, VISION}

ROWS = rows_of("asc")


def _find(system, class_name, split, source, table):
    rows = [row for row in ROWS if row.protocol != "challenge-private-leaderboard"]
    return find(rows, system=system, class_name=class_name, split=split, source=source, table=table)


def _class_columns():
    """(system, split, source, table) to the rows of one printed column of classes."""
    rows = [row for row in ROWS if row.table != "text (printed so)"]
    return class_columns(rows, "system", "split", "source", "table")


def test_every_cell_of_every_table_is_a_row():
    assert Counter((row.source, row.table) for row in ROWS) == CELLS
    assert len(ROWS) == 385


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_number_as_a_fraction(row):
    assert_fraction(row, row.source not in FRACTIONS)


def test_columns_hold_only_agreed_words():
    assert {row.metric for row in ROWS} == METRICS
    assert {row.split for row in ROWS} == SPLITS
    assert {row.selection for row in ROWS} == SELECTIONS
    assert {row.protocol for row in ROWS} == PROTOCOLS
    assert {row.class_name for row in ROWS} == {*CLASSES, ""}


def test_every_metric_is_one_the_task_gives(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"audio/{name}-paris-1-1-a.wav\t{name}\n" for name in sorted(CLASSES)))
    given = set(score(labels, labels))
    assert {row.metric for row in ROWS} <= given
    assert {f"{row.metric}/{row.class_name}" for row in ROWS if row.class_name} <= given


def test_roles_are_the_challenges():
    assert {row.system for row in ROWS if row.role == "baseline"} == {"baseline-tut"}
    assert {row.system for row in ROWS if row.role == "winner"} == set()  # no source at hand names it


def test_split_and_protocol_go_together():
    assert {row.protocol for row in ROWS if row.split == "development"} == {"official-fold1"}
    assert {row.split for row in ROWS if row.protocol == "official-fold1"} == {"development"}
    assert {row.split for row in ROWS if row.protocol == "challenge-private-leaderboard"} == {"leaderboard"}
    assert {row.source for row in ROWS if row.protocol == "challenge-external-data"} == {RESULTS_C}


def test_selection_is_what_the_papers_say():
    assert {row.selection for row in ROWS if row.system == "baseline-tut"} == {"none"}
    assert {row.selection for row in ROWS if row.split != "development"} == {"none"}
    on_test = {
        (row.source, row.system) for row in ROWS if row.source in CHOSEN_ON_TEST and row.system != "baseline-tut"
    }
    on_test |= {(JUNG, row.system) for row in ROWS if "jung" in row.system and "-weighted" in row.system}
    chosen = ("nn-filter-ensemble", "nn-filter-ensemble-mv", "nn-filter-ensemble-es-nod", "nn-filter-ensemble-we-d")
    chosen += ("nn-filter-ensemble-es-nod-mv", "nn-filter-ensemble-we-d-mv")
    chosen += ("nn-filter-ensemble-we-nod", "nn-filter-ensemble-we-nod-mv")
    on_test |= {(NN_FILTER, system) for system in chosen}
    assert {(row.source, row.system) for row in ROWS if row.selection == "test"} == on_test
    assert {row.source for row in ROWS if row.selection == "unknown"} == {DEEPSAGA, JUNG, XCEPTION}


def test_standard_deviation_is_the_baselines_over_ten_runs():
    spread = [(row.system, row.class_name, row.split, row.source, row.std) for row in ROWS if row.std is not None]
    assert spread == [("baseline-tut", "", "development", source, 0.007) for source in (BASELINE, MAKA, NN_FILTER)]


@pytest.mark.parametrize(
    ("column", "rows"), _class_columns().items(), ids=lambda value: value[0] if isinstance(value, tuple) else ""
)
def test_printed_average_is_the_mean_of_the_ten_classes(column, rows):
    system, split, source, table = column
    assert {row.class_name for row in rows} == set(CLASSES)
    assert len(rows) == 10
    # Half a unit of the last printed digit in the classes, and half a unit in their average.
    average = _find(system, "", split, source, table).value
    assert sum(row.value for row in rows) / 10 == pytest.approx(average, abs=1.0001e-3)


def test_columns_of_classes():
    columns = Counter((source, table) for _, _, source, table in _class_columns())
    assert columns == {
        (BASELINE, "Table 1"): 2,
        (SURREY, "Table 2"): 3,
        (BUT, "Table 4"): 2,
        (DEEPSAGA, "Table 1"): 3,
        (MAKA, "Table 2b"): 2,
        (NN_FILTER, "Table 3"): 1,
        (XCEPTION, "Table 1"): 2,
        (XCEPTION, "Table 2"): 2,
        (XCEPTION, "Table 3"): 2,
    }


@pytest.mark.parametrize("class_name", [*sorted(CLASSES), ""])
def test_every_source_quotes_the_same_baseline(class_name):
    quoted = {
        row.value
        for row in ROWS
        if (row.system, row.class_name, row.split) == ("baseline-tut", class_name, "development")
    }
    assert quoted == {_find("baseline-tut", class_name, "development", BASELINE, "Table 1").value}


@pytest.mark.parametrize(
    ("system", "class_name", "split", "source", "table", "printed", "value", "protocol", "selection"),
    [
        ("baseline-tut", "", "leaderboard", RESULTS_A, "Systems ranking", "62.5", 0.625, "leaderboard", "none"),
        ("cnn4", "", "evaluation", RESULTS_A, "Systems ranking", "69.7", 0.697, "challenge", "none"),
        ("dorfer-cpjku-3", "", "evaluation", RESULTS_A, "Systems ranking", "80.5", 0.805, "challenge", "none"),
        (
            "khadkevich-fb-1",
            "",
            "evaluation",
            RESULTS_C,
            "Systems ranking",
            "71.7",
            0.717,
            "challenge-external-data",
            "none",
        ),
        ("baseline-tut", "", "development", BASELINE, "Table 1", "59.7", 0.597, "official-fold1", "none"),
        ("baseline-tut", "public_square", "evaluation", BASELINE, "Table 1", "33.9", 0.339, "challenge", "none"),
        ("cnn8", "", "development", SURREY, "Table 2", "0.680", 0.68, "official-fold1", "none"),
        ("cnn4", "metro", "development", SURREY, "Table 2", "0.690", 0.69, "official-fold1", "none"),
        ("cnn8", "", "leaderboard", SURREY, "Table 2", "0.707", 0.707, "leaderboard", "none"),
        ("attention-pooling-ren", "", "development", REN, "Table 2", "72.6", 0.726, "official-fold1", "test"),
        (
            "attention-pooling-ren-vgg4-average",
            "",
            "development",
            REN,
            "Table 2",
            "63.7",
            0.637,
            "official-fold1",
            "test",
        ),
        ("but-xvector-fusion", "", "evaluation", BUT, "Table 3", "78.4", 0.784, "challenge", "none"),
        (
            "but-xvector-fusion-mel-2d-cnn-lrms-augmented",
            "",
            "leaderboard",
            BUT,
            "Table 3",
            "71.3",
            0.713,
            "leaderboard",
            "none",
        ),
        ("but-xvector-fusion", "public_square", "development", BUT, "Table 4", "29.9", 0.299, "official-fold1", "none"),
        ("deepsaga-evolution", "", "development", DEEPSAGA, "Table 1", "72.8 %", 0.728, "official-fold1", "unknown"),
        (
            "deepsaga-evolution-population-vote",
            "street_traffic",
            "development",
            DEEPSAGA,
            "Table 1",
            "86.2 %",
            0.862,
            "official-fold1",
            "unknown",
        ),
        ("feature-analysis-maka", "", "development", MAKA, "Table 2b", "66.2 %", 0.662, "official-fold1", "test"),
        (
            "feature-analysis-maka",
            "shopping_mall",
            "development",
            MAKA,
            "text (printed so)",
            "89.9%",
            0.899,
            "official-fold1",
            "test",
        ),
        ("feature-analysis-maka-f8", "", "development", MAKA, "text", "60.17%", 0.6017, "official-fold1", "test"),
        ("multilevel-ensemble-jung", "", "development", JUNG, "Table 2", "73.82", 0.7382, "official-fold1", "unknown"),
        ("multilevel-ensemble-jung-weighted", "", "evaluation", JUNG, "Table 2", "74.2", 0.742, "challenge", "none"),
        (
            "multilevel-ensemble-jung-i-vector-weighted-gaussian",
            "",
            "development",
            JUNG,
            "Table 2",
            "65.17",
            0.6517,
            "official-fold1",
            "test",
        ),
        ("nn-filter-ensemble", "", "development", NN_FILTER, "Table 2", "69.3", 0.693, "official-fold1", "test"),
        ("nn-filter-ensemble", "", "evaluation", NN_FILTER, "text", "69.3%", 0.693, "challenge", "none"),
        ("nn-filter-ensemble", "tram", "development", NN_FILTER, "Table 3", "80.1", 0.801, "official-fold1", "test"),
        (
            "nn-filter-ensemble-mi-db-2cnn-nod",
            "",
            "development",
            NN_FILTER,
            "Table 2",
            "66.8",
            0.668,
            "official-fold1",
            "none",
        ),
        ("vision-ensemble-mariotti", "", "development", VISION, "Table 2", "79.3", 0.793, "official-fold1", "test"),
        (
            "vision-ensemble-mariotti-vgg10-ms",
            "",
            "development",
            VISION,
            "Table 1",
            "77.7",
            0.777,
            "official-fold1",
            "test",
        ),
        ("xception-multiscale", "", "development", XCEPTION, "Table 1", "79.8", 0.798, "official-fold1", "unknown"),
        (
            "xception-multiscale-single-scale-cross-entropy",
            "bus",
            "development",
            XCEPTION,
            "Table 2",
            "88.4",
            0.884,
            "official-fold1",
            "unknown",
        ),
    ],
)
def test_cells_read_from_the_sources(system, class_name, split, source, table, printed, value, protocol, selection):
    row = _find(system, class_name, split, source, table)
    assert (row.printed, row.value, row.protocol, row.selection) == (printed, value, protocol, selection)
