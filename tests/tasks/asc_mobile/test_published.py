from collections import Counter
from dataclasses import replace

import pytest
from published_checks import assert_fraction, class_columns, find, label, rows_of

from tasks.asc.official import CLASSES
from tasks.asc_mobile.official import score

RESULTS_B = "DCASE 2018 task 1B results page"
BASELINE = "A Multi-Device Dataset for Urban Acoustic Scene Classification"
SURREY = "Surrey cross-task CNN baseline"
REN = "Attention-Based Convolutional Neural Networks for Acoustic Scene Classification"
AUDASC = "Unsupervised adversarial domain adaptation for acoustic scene classification"
NN_FILTER = "Acoustic scene classification using a CNN ensemble and nearest neighbor filters"
XCEPTION = "Acoustic Scene Classification Using Multi-Scale Features"

# Counted by hand in the sources; a number in the text counts where no table cell prints it in the same digits.
# A table of classes has ten of them and their average.
CELLS = {
    (RESULTS_B, "Systems ranking"): 9,  # baseline and Liping 1 x 3 sets; evaluation of CNN8, CNN4, Liping 2
    (BASELINE, "Table 1"): 97,  # 11 x 9 devices and sets, subtask B, less the next two
    (BASELINE, "Table 1 (printed so)"): 2,  # tram on evaluation, (B,C) and A: the averages' numbers once more
    (SURREY, "Table 2"): 39,  # 11 x (baseline, CNN4, CNN8), 3 hidden sets x (CNN4, CNN8), subtask B
    (REN, "Table 2"): 40,  # baseline, 3 networks x 3 poolings, 4 columns SUBB
    (AUDASC, "Table 1"): 8,  # (source, target) x 2 models x (not adapted, adapted)
    (NN_FILTER, "Table 2"): 61,  # baseline, 30 models x (MV, AV), columns 1B
    (NN_FILTER, "Table 3"): 11,
    (NN_FILTER, "text"): 1,  # 69.0
    (XCEPTION, "Table 1"): 22,  # 11 x (baseline, proposed), columns B
    (XCEPTION, "Table 2"): 22,  # 11 x (without, with multi-scale features), columns B
    (XCEPTION, "Table 3"): 22,  # 11 x (without, with focal loss), columns B
}
FRACTIONS = {SURREY}  # the other sources print per cent
A, B, C, D, BC = (f"accuracy/device_{device}" for device in ("a", "b", "c", "d", "bc"))
POOLED = "accuracy"  # over the clips of all devices, most of them of A
SPLITS = {"development", "leaderboard", "evaluation"}
SELECTIONS = {"none", "test", "unknown"}
PROTOCOLS = {
    "official-fold1",
    "official-fold1-device-a",
    "challenge",
    "leaderboard",
    "challenge-private-leaderboard",  # declared invalid by the organisers: unequal class sizes
}
# (system, metric, source) of the one column of classes whose printed average is not their mean.
NOT_CLOSING = ("cnn8", BC, SURREY)
# What the two misprinted cells must be for their columns and rows to close, in per cent.
TRAM = {BC: 36.1, A: 66.9}

ROWS = rows_of("asc_mobile")


def _protocol(system, split):
    """The organisers' baseline alone is trained on device A only."""
    if split == "development":
        return "official-fold1-device-a" if system.startswith("baseline-tut") else "official-fold1"
    return "challenge" if split == "evaluation" else split


def _find(system, metric, class_name, split, source, table, protocol=None):
    place = {"split": split, "protocol": protocol or _protocol(system, split), "source": source, "table": table}
    return find(ROWS, system=system, metric=metric, class_name=class_name, **place)


def _class_columns():
    """(system, metric, split, source, table) to class to value, one entry a printed column of classes."""
    rows = [replace(row, table=row.table.removesuffix(" (printed so)")) for row in ROWS]
    columns = class_columns(rows, "system", "metric", "split", "source", "table")
    return {key: {row.class_name: row.value for row in column} for key, column in columns.items()}


def test_every_cell_of_every_table_is_a_row():
    assert Counter((row.source, row.table) for row in ROWS) == CELLS
    assert len(ROWS) == 334


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_number_as_a_fraction(row):
    assert_fraction(row, row.source not in FRACTIONS)


def test_columns_hold_only_agreed_words():
    assert {row.metric for row in ROWS} == {A, B, C, D, BC, POOLED}
    assert {row.split for row in ROWS} == SPLITS
    assert {row.selection for row in ROWS} == SELECTIONS
    assert {row.protocol for row in ROWS} == PROTOCOLS
    assert {row.class_name for row in ROWS} == {*CLASSES, ""}


def test_every_metric_is_one_the_task_gives(tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"audio/bus-paris-1-1-{device}.wav\tbus\n" for device in "abcd"))
    assert {row.metric for row in ROWS} <= set(score(labels, labels))


def test_roles_are_the_challenges():
    assert {row.system for row in ROWS if row.role == "baseline"} == {"baseline-tut"}
    assert {row.system for row in ROWS if row.role == "winner"} == {"nn-filter-ensemble"}


def test_split_and_protocol_go_together():
    development = {row.protocol for row in ROWS if row.split == "development"}
    assert development == {"official-fold1", "official-fold1-device-a"}
    assert {row.split for row in ROWS if row.protocol in development} == {"development"}
    assert {row.split for row in ROWS if row.protocol == "challenge-private-leaderboard"} == {"leaderboard"}


def test_device_d_is_only_in_the_evaluation_set():
    assert {row.split for row in ROWS if row.metric == D} == {"evaluation"}


def test_scores_pooled_over_devices_are_of_one_system_and_its_baseline():
    pooled = {(row.system, row.split) for row in ROWS if row.metric == POOLED}
    assert {system.partition("-")[0] for system, _ in pooled} == {"xception", "baseline"}
    assert {split for _, split in pooled} == {"development"}


def test_selection_is_what_the_papers_say():
    assert {row.selection for row in ROWS if row.system == "baseline-tut"} == {"none"}
    assert {row.selection for row in ROWS if row.split != "development"} == {"none"}
    on_test = {(REN, row.system) for row in ROWS if row.source == REN and row.system != "baseline-tut"}
    chosen = ("nn-filter-ensemble", "nn-filter-ensemble-es-nod", "nn-filter-ensemble-we-d", "nn-filter-ensemble-we-nod")
    on_test |= {(NN_FILTER, system + vote) for system in chosen for vote in ("", "-mv")}
    assert {(row.source, row.system) for row in ROWS if row.selection == "test"} == on_test
    assert {row.source for row in ROWS if row.selection == "unknown"} == {XCEPTION, RESULTS_B}


def test_standard_deviations_are_the_baselines_over_ten_runs():
    spread = {(row.metric, row.source): row.std for row in ROWS if row.std is not None}
    assert spread == {
        (B, BASELINE): 0.036,
        (C, BASELINE): 0.042,
        (BC, BASELINE): 0.036,
        (A, BASELINE): 0.008,
        (BC, NN_FILTER): 0.036,
    }
    assert {(r.system, r.class_name, r.split) for r in ROWS if r.std is not None} == {
        ("baseline-tut", "", "development")
    }


@pytest.mark.parametrize(
    ("column", "values"), _class_columns().items(), ids=lambda value: "-".join(value[:3]) if len(value) == 5 else ""
)
def test_printed_average_is_the_mean_of_the_ten_classes(column, values):
    system, metric, split, source, table = column
    assert values.keys() == set(CLASSES)
    if (source, split) == (BASELINE, "evaluation") and metric in TRAM:
        values = values | {"tram": TRAM[metric] / 100}
    mean = sum(values.values()) / 10
    average = _find(system, metric, "", split, source, table).value
    # Half a unit of the last printed digit in the classes, and half a unit in their average.
    assert (mean == pytest.approx(average, abs=1.0001e-3)) == ((system, metric, source) != NOT_CLOSING)


def test_columns_of_classes():
    columns = Counter((source, table) for _, _, _, source, table in _class_columns())
    assert columns == {
        (BASELINE, "Table 1"): 9,
        (SURREY, "Table 2"): 3,
        (NN_FILTER, "Table 3"): 1,
        (XCEPTION, "Table 1"): 2,
        (XCEPTION, "Table 2"): 2,
        (XCEPTION, "Table 3"): 2,
    }


def test_misprinted_tram_cells_are_kept_as_printed():
    found = {row.metric: (row.class_name, row.printed) for row in ROWS if row.table == "Table 1 (printed so)"}
    assert found == {BC: ("tram", "47.6"), A: ("tram", "63.6")}
    for metric, (_, printed) in found.items():
        assert _find("baseline-tut", metric, "", "evaluation", BASELINE, "Table 1").printed == printed


@pytest.mark.parametrize("split", ["development", "evaluation"])
@pytest.mark.parametrize("class_name", [*sorted(CLASSES), ""])
def test_the_baselines_bc_is_the_mean_of_b_and_c(split, class_name):
    b, c = (_find("baseline-tut", m, class_name, split, BASELINE, "Table 1").value for m in (B, C))
    if (split, class_name) == ("evaluation", "tram"):
        bc = TRAM[BC] / 100
    else:
        bc = _find("baseline-tut", BC, class_name, split, BASELINE, "Table 1").value
    assert (b + c) / 2 == pytest.approx(bc, abs=1.0001e-3)


@pytest.mark.parametrize("system", sorted({row.system for row in ROWS if row.source == REN}))
def test_rens_bc_is_the_mean_of_b_and_c(system):
    b, c, bc = (_find(system, metric, "", "development", REN, "Table 2").value for metric in (B, C, BC))
    assert (b + c) / 2 == pytest.approx(bc, abs=1.0001e-3)


def test_pooled_baseline_is_the_mean_over_devices_weighted_by_their_test_clips():
    clips = {A: 2518, B: 180, C: 180}
    for class_name in ("", *CLASSES):
        over_devices = sum(
            _find("baseline-tut", metric, class_name, "development", BASELINE, "Table 1").value * count
            for metric, count in clips.items()
        ) / sum(clips.values())
        pooled = _find("baseline-tut", POOLED, class_name, "development", XCEPTION, "Table 1").value
        assert over_devices == pytest.approx(pooled, abs=1.0001e-3)


@pytest.mark.parametrize(
    ("system", "metric", "class_name", "split", "source", "table", "printed", "value", "selection"),
    [
        ("baseline-tut", BC, "", "evaluation", RESULTS_B, "Systems ranking", "46.5", 0.465, "none"),
        ("baseline-tut", BC, "", "leaderboard", RESULTS_B, "Systems ranking", "45.0", 0.45, "none"),
        ("xception-multiscale", BC, "", "evaluation", RESULTS_B, "Systems ranking", "67.0", 0.67, "none"),
        ("xception-multiscale", POOLED, "", "development", RESULTS_B, "Systems ranking", "77.6", 0.776, "unknown"),
        ("liping-cqu-2", BC, "", "evaluation", RESULTS_B, "Systems ranking", "63.2", 0.632, "none"),
        ("baseline-tut", BC, "", "development", BASELINE, "Table 1", "45.6", 0.456, "none"),
        ("baseline-tut", BC, "", "evaluation", BASELINE, "Table 1", "47.6", 0.476, "none"),
        ("baseline-tut", C, "metro", "development", BASELINE, "Table 1", "17.2", 0.172, "none"),
        ("baseline-tut", A, "public_square", "evaluation", BASELINE, "Table 1", "24.3", 0.243, "none"),
        ("baseline-tut", D, "public_square", "evaluation", BASELINE, "Table 1", "0.7", 0.007, "none"),
        ("baseline-tut", D, "street_pedestrian", "evaluation", BASELINE, "Table 1", "0.0", 0.0, "none"),
        ("cnn8", BC, "", "development", SURREY, "Table 2", "0.572", 0.572, "none"),
        ("cnn4", BC, "street_pedestrian", "development", SURREY, "Table 2", "0.333", 0.333, "none"),
        ("cnn8", BC, "", "evaluation", SURREY, "Table 2", "0.596", 0.596, "none"),
        ("attention-pooling-ren", A, "", "development", REN, "Table 2", "71.8", 0.718, "test"),
        ("attention-pooling-ren-vgg4-attention", C, "", "development", REN, "Table 2", "46.1", 0.461, "test"),
        ("audasc-adversarial-da", BC, "", "development", AUDASC, "Table 1", "31.67%", 0.3167, "none"),
        ("audasc-adversarial-da-dcase-non-adapted", A, "", "development", AUDASC, "Table 1", "61.71%", 0.6171, "none"),
        ("nn-filter-ensemble", BC, "", "development", NN_FILTER, "Table 2", "63.6", 0.636, "test"),
        ("nn-filter-ensemble-si-db-2cnn-d", BC, "", "development", NN_FILTER, "Table 2", "62.2", 0.622, "none"),
        ("nn-filter-ensemble-mi-s-4cnn-d-mv", BC, "", "development", NN_FILTER, "Table 2", "56.7", 0.567, "none"),
        ("nn-filter-ensemble", BC, "tram", "development", NN_FILTER, "Table 3", "38.9", 0.389, "test"),
        ("nn-filter-ensemble", BC, "", "evaluation", NN_FILTER, "text", "69.0%", 0.69, "none"),
        ("xception-multiscale", POOLED, "", "development", XCEPTION, "Table 1", "77.6", 0.776, "unknown"),
        ("xception-multiscale", POOLED, "metro", "development", XCEPTION, "Table 3", "72.4", 0.724, "unknown"),
        (
            "xception-multiscale-single-scale-cross-entropy",
            POOLED,
            "",
            "development",
            XCEPTION,
            "Table 2",
            "75.3",
            0.753,
            "unknown",
        ),
    ],
)
def test_cells_read_from_the_sources(system, metric, class_name, split, source, table, printed, value, selection):
    row = _find(system, metric, class_name, split, source, table)
    assert (row.printed, row.value, row.selection) == (printed, value, selection)


@pytest.mark.parametrize(("system", "printed"), [("cnn4", "0.615"), ("cnn8", "0.672")])
def test_private_leaderboard_stands_apart(system, printed):
    row = _find(system, BC, "", "leaderboard", SURREY, "Table 2", "challenge-private-leaderboard")
    assert row.printed == printed
