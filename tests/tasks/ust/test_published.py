from collections import Counter, defaultdict

import pytest
from published_checks import find, label, rows_of

from benchmark.metrics.urban import TagGroup, taxonomy_scores

RESULTS_PAGE = "DCASE 2019 task 5 results page"
ADAPA = "Urban Sound Tagging using Convolutional Neural Networks"
README = "urban-sound-tagging-baseline repository README"
WORKSHOP = "Hierarchical Sound Event Classification"
REPORT = "DCASE 2019 Challenge Task 5: CNN+VGGish"

# Counted by hand in the sources; a number in the text counts where no table cell prints it in the same digits.
# A list of scores has micro AUPRC, micro F1, macro AUPRC and the eight groups.
CELLS = {
    (RESULTS_PAGE, "Coarse-level system ranking"): 15,  # baseline, Adapa 1 and 2, Surrey 1 and 2 x 3 scores
    (ADAPA, "text"): 2,  # fine and coarse micro AUPRC of the abstract
    (README, "Baseline Results"): 33,  # 3 lists: fine model on both levels, coarse model on the coarse one
    (WORKSHOP, "Table 4"): 39,  # 6 systems x 6 scores, 3 of the coarse-level baseline
    (REPORT, "Submission 1"): 22,  # 2 lists: fine, coarse
    (REPORT, "Submission 2"): 22,
    (REPORT, "Submission 3"): 22,
}
GROUPS = tuple(str(number) for number in range(1, 9))
LEVELS = ("coarse", "fine")
SCORES = ("micro_auprc", "micro_f1", "macro_auprc", *(f"auprc/{group}" for group in GROUPS))
METRICS = {f"{level}/{score}" for level in LEVELS for score in SCORES}
SUBMISSIONS = {"Submission 1": "cnn-vggish1", "Submission 2": "cnn-vggish2", "Submission 3": "hierarchical1"}
BASELINES = {
    "logistic-regression-vggish",  # the results page does not say which of the two models it ranks
    "logistic-regression-vggish-fine",
    "logistic-regression-vggish-coarse",
}

ROWS = rows_of("ust")


def _find(system, metric, source, table):
    return find(ROWS, system=system, metric=metric, source=source, table=table)


def _lists():
    """(system, level, source, table) of every list that has the eight groups."""
    lists = defaultdict(set)
    for row in ROWS:
        level, _, score = row.metric.partition("/")
        if score.startswith("auprc/"):
            lists[row.system, level, row.source, row.table].add(score.removeprefix("auprc/"))
    return lists


def test_every_cell_of_every_table_is_a_row():
    assert Counter((row.source, row.table) for row in ROWS) == CELLS
    assert len(ROWS) == 155


@pytest.mark.parametrize("row", ROWS, ids=label)
def test_value_is_the_printed_fraction(row):
    assert 0 <= row.value <= 1
    assert row.value == float(row.printed)
    assert row.std is None


def test_columns_hold_only_agreed_words():
    assert {row.metric for row in ROWS} == METRICS
    assert {row.split for row in ROWS} == {"validation", "evaluation"}
    assert {row.selection for row in ROWS} == {"none", "test"}
    assert {row.protocol for row in ROWS} == {"validate", "test"}
    assert {row.class_name for row in ROWS} == {""}


def test_every_metric_is_one_the_task_gives():
    groups = [TagGroup(name, 2 * k, (2 * k + 1,), None) for k, name in enumerate(GROUPS)]
    tags = [[1] * 16, [0] * 16]
    assert set(taxonomy_scores(tags, tags, groups)) == METRICS


def test_roles_are_the_challenges():
    assert {row.system for row in ROWS if row.role == "baseline"} == BASELINES
    assert {row.system for row in ROWS if row.role == "winner"} == {"mobilenetv2-adapa"}


def test_split_protocol_and_selection_go_together():
    # The validation clips chose the checkpoints of all systems, the baseline's too; the test labels were hidden.
    assert {(row.protocol, row.split, row.selection) for row in ROWS} == {
        ("validate", "validation", "test"),
        ("test", "evaluation", "none"),
    }
    assert {row.source for row in ROWS if row.protocol == "test"} == {RESULTS_PAGE, ADAPA}


def test_lists_of_groups():
    assert Counter((source, table) for _, _, source, table in _lists()) == {
        (README, "Baseline Results"): 3,
        **{(REPORT, table): 2 for table in SUBMISSIONS},
    }
    assert all(groups == set(GROUPS) for groups in _lists().values())


@pytest.mark.parametrize("found", _lists(), ids=lambda found: f"{found[0]}-{found[1]}")
def test_macro_auprc_is_the_mean_of_the_eight_groups(found):
    system, level, source, table = found
    groups = [_find(system, f"{level}/auprc/{group}", source, table).value for group in GROUPS]
    assert sum(groups) / 8 == pytest.approx(_find(system, f"{level}/macro_auprc", source, table).value, abs=1e-15)


@pytest.mark.parametrize("score", [f"{level}/{score}" for level in LEVELS for score in SCORES[:3]])
@pytest.mark.parametrize(("table", "system"), SUBMISSIONS.items())
def test_workshop_table_shortens_the_report(table, system, score):
    short = _find(system, score, WORKSHOP, "Table 4").value
    assert short == pytest.approx(_find(system, score, REPORT, table).value, abs=1e-3)  # 0.7687 is printed as 0.768


@pytest.mark.parametrize("score", SCORES[:3])
@pytest.mark.parametrize(("model", "level"), [("fine", "fine"), ("fine", "coarse"), ("coarse", "coarse")])
def test_workshop_table_shortens_the_organisers_readme(model, level, score):
    key = (f"logistic-regression-vggish-{model}", f"{level}/{score}")
    short = _find(*key, WORKSHOP, "Table 4").value
    assert short == pytest.approx(_find(*key, README, "Baseline Results").value, abs=1e-3)  # cut, not rounded


@pytest.mark.parametrize("score", ["micro_auprc", "micro_f1", "macro_auprc"])
def test_hierarchical_systems_keep_the_coarse_scores_of_their_coarse_model(score):
    def coarse(system):
        return _find(system, f"coarse/{score}", WORKSHOP, "Table 4").value

    assert coarse("hierarchical1") == coarse("hierarchical2") == coarse("cnn-vggish1")
    assert coarse("hierarchical3") == coarse("cnn-vggish2")


# (source, table) to cells read again by eye: system, metric, printed.
CHECKED = {
    (RESULTS_PAGE, "Coarse-level system ranking"): [
        ("logistic-regression-vggish", "coarse/micro_auprc", "0.742"),
        ("mobilenetv2-adapa", "coarse/macro_auprc", "0.718"),
        ("mobilenetv2-adapa-2", "coarse/micro_f1", "0.745"),
        ("cvssp-cnn9", "coarse/micro_f1", "0.467"),
        ("cvssp-plus", "coarse/micro_auprc", "0.777"),
    ],
    (ADAPA, "text"): [
        ("mobilenetv2-adapa", "fine/micro_auprc", "0.751"),
    ],
    (README, "Baseline Results"): [
        ("logistic-regression-vggish-fine", "fine/auprc/6", "0.21516455980970542"),
        ("logistic-regression-vggish-coarse", "coarse/micro_f1", "0.6741035856573705"),
    ],
    (WORKSHOP, "Table 4"): [
        ("logistic-regression-vggish-fine", "fine/micro_auprc", "0.671"),
        ("logistic-regression-vggish-coarse", "coarse/macro_auprc", "0.542"),
        ("cnn-vggish1", "coarse/micro_auprc", "0.787"),
        ("hierarchical2", "fine/micro_f1", "0.516"),
        ("hierarchical3", "fine/macro_auprc", "0.386"),
    ],
    (REPORT, "Submission 1"): [
        ("cnn-vggish1", "fine/auprc/8", "0.005328681461145428"),
    ],
    (REPORT, "Submission 2"): [
        ("cnn-vggish2", "fine/auprc/5", "0.70229675965"),
        ("cnn-vggish2", "coarse/auprc/8", "0.0"),
    ],
    (REPORT, "Submission 3"): [
        ("hierarchical1", "coarse/auprc/7", "0.942311730093642"),
        ("hierarchical1", "fine/micro_f1", "0.48983739837398366"),
    ],
}


@pytest.mark.parametrize(("place", "cell"), [(place, cell) for place, cells in CHECKED.items() for cell in cells])
def test_cells_read_from_the_sources(place, cell):
    system, metric, printed = cell
    assert _find(system, metric, *place).printed == printed
