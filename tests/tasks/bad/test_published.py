from collections import Counter

import pytest
from published_checks import assert_fraction, find, label, rows_of

RESULTS_PAGE = "DCASE 2018 task 3 results page"
SURREY = "Surrey cross-task CNN baseline"
README = "dcase2018_task3 repository README"
HIMAWAN = "3D Convolution Recurrent Neural Networks for Bird Sound Detection"
LASSECK = "Acoustic bird detection with deep convolutional neural networks"
KENTUCKY = "Domain Tuning Methods for Bird Audio Detection"

# Counted by hand in the sources; a number in the text counts where no table cell prints it in the same digits.
CELLS = {
    (RESULTS_PAGE, "Teams ranking"): 6,  # bulbul, skfl, smacpy, Surrey, Lasseck, Himawan
    (SURREY, "Table 4"): 20,  # 3 data sets and their average x 4 columns, 2 leaderboard, 2 evaluation
    (README, "Result"): 1,  # validation AUC
    (HIMAWAN, "Table 2"): 4,  # 3 folds, ensemble
    (HIMAWAN, "text"): 9,  # 83.15 86.72 87.13 88.64 88.70 89.58 89.4 88.95 88.41
    (LASSECK, "Table 2"): 8,  # validation AUC of M1 to M6, test subset AUC of M1 and M2
    (LASSECK, "Table 3"): 10,  # 5 submissions x (validation, test)
    (LASSECK, "text"): 3,  # 93.32 77 92
    (KENTUCKY, "Table 3"): 9,  # B, HT, HF x (AUC, Acc, Val acc)
    (KENTUCKY, "Table 4"): 4,  # HT, HTE x (AUC, Acc)
    (KENTUCKY, "Table 5"): 6,  # B, CN x (AUC, Acc, Val acc)
    (KENTUCKY, "Table 6"): 5,  # B, sequence, score fusion, average, weighted average
    (KENTUCKY, "text"): 1,  # 83.9
}
DATASETS = ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k")
METRICS = {"auc", "auc/pooled", "accuracy", *(f"{score}/{name}" for score in ("auc", "accuracy") for name in DATASETS)}
SPLITS = {"development", "leaderboard", "evaluation", "validation"}
SELECTIONS = {"none", "test", "unknown"}
PROTOCOLS = {
    "leave-one-dataset-out",
    "random-3-fold",
    "pooled-holdout",
    "challenge",
    "challenge-2017",  # the evaluation set of the first challenge
    "adapted-to-scored-dataset",  # last layer retrained on the data set that is scored
    "unstated",
}

ROWS = rows_of("bad")


def _find(system, metric, split, source, table):
    return find(ROWS, system=system, metric=metric, split=split, source=source, table=table)


def test_every_cell_of_every_table_is_a_row():
    assert Counter((row.source, row.table) for row in ROWS) == CELLS
    assert len(ROWS) == 86


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_number_as_a_fraction(row):
    assert_fraction(row)
    assert row.std is None


def test_columns_hold_only_agreed_words():
    assert {row.metric for row in ROWS} <= METRICS
    assert {row.split for row in ROWS} <= SPLITS
    assert {row.selection for row in ROWS} <= SELECTIONS
    assert {row.protocol for row in ROWS} <= PROTOCOLS
    assert {row.class_name for row in ROWS} == {""}


def test_roles_are_the_challenges():
    assert {row.system for row in ROWS if row.role == "baseline"} == {"bulbul"}
    assert {row.system for row in ROWS if row.role == "winner"} == {"dcnn-lasseck"}


def test_split_and_protocol_go_together():
    hidden = {row.protocol for row in ROWS if row.split in ("leaderboard", "evaluation")}
    assert hidden == {"challenge", "challenge-2017"}
    assert {row.split for row in ROWS if row.protocol == "leave-one-dataset-out"} == {"development"}
    assert {row.split for row in ROWS if row.protocol == "pooled-holdout"} == {"validation"}


@pytest.mark.parametrize("system", ["cnn4", "cnn8"])
@pytest.mark.parametrize("score", ["auc", "accuracy"])
def test_surrey_average_is_the_mean_over_data_sets(system, score):
    folds = [_find(system, f"{score}/{name}", "development", SURREY, "Table 4").value for name in DATASETS]
    average = _find(system, score, "development", SURREY, "Table 4").value
    assert average == pytest.approx(sum(folds) / 3, abs=5.1e-4)


def test_lasseck_single_folds_claim_no_score_over_data_sets():
    assert not [row for row in ROWS if row.source == LASSECK and row.split == "development" and row.metric == "auc"]


@pytest.mark.parametrize(
    ("system", "metric", "split", "source", "table", "printed", "value", "protocol", "selection"),
    [
        ("bulbul", "auc", "evaluation", RESULTS_PAGE, "Teams ranking", "88.5", 0.885, "challenge", "none"),
        ("dcnn-lasseck", "auc", "evaluation", RESULTS_PAGE, "Teams ranking", "89.0", 0.89, "challenge", "none"),
        ("3dcnn-gru-himawan", "auc", "evaluation", RESULTS_PAGE, "Teams ranking", "81.7", 0.817, "challenge", "none"),
        ("cnn8", "auc", "development", SURREY, "Table 4", "0.854", 0.854, "leave-one-dataset-out", "none"),
        (
            "cnn4",
            "accuracy/warblrb10k",
            "development",
            SURREY,
            "Table 4",
            "0.692",
            0.692,
            "leave-one-dataset-out",
            "none",
        ),
        ("cnn4", "auc", "leaderboard", SURREY, "Table 4", "0.850", 0.85, "challenge", "none"),
        ("cnn4-repository", "auc/pooled", "development", README, "Result", "0.921", 0.921, "random-3-fold", "unknown"),
        (
            "3dcnn-gru-himawan",
            "auc/BirdVox-DCASE-20k",
            "development",
            HIMAWAN,
            "Table 2",
            "63.1%",
            0.631,
            "leave-one-dataset-out",
            "unknown",
        ),
        ("3dcnn-gru-himawan-adapted", "auc", "leaderboard", HIMAWAN, "text", "89.58%", 0.8958, "challenge", "none"),
        (
            "3dcnn-gru-himawan-adapted",
            "auc/warblrb10k",
            "development",
            HIMAWAN,
            "text",
            "89.4%",
            0.894,
            "adapted-to-scored-dataset",
            "test",
        ),
        (
            "dcnn-lasseck-m1",
            "auc/warblrb10k",
            "development",
            LASSECK,
            "Table 2",
            "93.46",
            0.9346,
            "leave-one-dataset-out",
            "test",
        ),
        (
            "dcnn-lasseck-m6",
            "auc/ff1010bird",
            "development",
            LASSECK,
            "Table 2",
            "92.01",
            0.9201,
            "leave-one-dataset-out",
            "test",
        ),
        ("dcnn-lasseck-ensemble-m2-m6", "auc", "leaderboard", LASSECK, "Table 3", "95.3", 0.953, "challenge", "test"),
        (
            "domain-tuning-kentucky-ht",
            "accuracy",
            "validation",
            KENTUCKY,
            "Table 3",
            "0.89",
            0.89,
            "pooled-holdout",
            "unknown",
        ),
        ("domain-tuning-kentucky-hte", "auc", "leaderboard", KENTUCKY, "Table 4", "84.47", 0.8447, "challenge", "none"),
        (
            "domain-tuning-kentucky-sequence",
            "auc",
            "leaderboard",
            KENTUCKY,
            "Table 6",
            "70.05",
            0.7005,
            "challenge",
            "none",
        ),
        ("domain-tuning-kentucky", "auc", "evaluation", KENTUCKY, "text", "83.9%", 0.839, "challenge", "none"),
    ],
)
def test_cells_read_from_the_sources(system, metric, split, source, table, printed, value, protocol, selection):
    row = _find(system, metric, split, source, table)
    assert (row.printed, row.value, row.protocol, row.selection) == (printed, value, protocol, selection)
