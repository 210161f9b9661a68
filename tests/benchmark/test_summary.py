"""What a command over all tasks prints at its end."""

import io
from dataclasses import replace

import pytest
from helpers import make_record
from rich.console import Console

from benchmark.published import COLUMNS
from benchmark.registry import get_task
from benchmark.summary import print_cross_task, print_scores, print_traces

HEADING = "published, for orientation"
PUBLISHED = [
    # system, role, metric, class, value, printed, std, split, protocol, selection
    ("cnn8", "entry", "auc", "", 0.854, "0.854", "", "development", "ours", "none"),
    ("base", "baseline", "auc", "", 0.7777, "77.77 %", "", "evaluation", "other", "none"),
    ("best", "winner", "auc", "", 0.9999, "99.99 %", "", "evaluation", "other", "test"),
    ("stranger", "entry", "auc", "", 0.6666, "0.6666", "", "development", "ours", "none"),
    ("best", "winner", "accuracy", "", 0.5555, "0.5555", "", "evaluation", "other", "none"),
    ("best", "winner", "auc", "bird", 0.4444, "0.4444", "", "evaluation", "other", "none"),
]


@pytest.fixture
def made_up(tmp_path):
    """A task called so, with published figures of its own."""

    def task(name, chance=0.5, rows=PUBLISHED):
        folder = tmp_path / name
        folder.mkdir()
        lines = [",".join(COLUMNS), *(",".join([*map(str, row), "A paper", "Table 1"]) for row in rows)]
        (folder / "published.csv").write_text("\n".join(lines) + "\n")
        return replace(get_task("bad"), name=name, folder=folder, chance=chance)

    return task


def printed(results):
    console = Console(file=io.StringIO(), width=140)
    print_cross_task(console, results)
    return console.file.getvalue()


def runs(name, *scores, **changes):
    return [
        make_record(task=name, fold=str(fold), scores={"auc": score}, **changes) for fold, score in enumerate(scores)
    ]


def lines_of(block, name):
    return [line.split() for line in block.splitlines() if line.split()[:1] == [name]]


def test_a_line_a_task_with_the_mean_of_its_folds(made_up):
    seconds = {"seconds": {"train": 10.0}}
    results = [
        (made_up("first", 0.5), runs("first", 0.6, 0.8, 0.7, variant="mini", **seconds)),
        (made_up("second", 0.25), runs("second", 0.125, variant="full", **seconds)),
        (made_up("third", 0.1), runs("third", None, variant="mini", **seconds)),
    ]
    ours, _ = printed(results).split(HEADING)
    folds = "random-3-fold"
    assert lines_of(ours, "first") == [["first", "mini", folds, "auc", "0.700", "0.500", "30", "s"]]
    assert lines_of(ours, "second") == [["second", "full", folds, "auc", "0.125", "-", "10", "s"]]  # chance is mini's
    assert lines_of(ours, "third") == [["third", "mini", folds, "auc", "undefined", "0.100", "10", "s"]]
    assert "all tasks: cnn8" in ours


def test_published_figures_are_a_block_of_their_own(made_up):
    ours, published = printed([(made_up("first"), runs("first", 0.6)), (made_up("second"), runs("second", 0.6))]).split(
        HEADING
    )
    for figure in ("0.854", "0.778", "1.000", "0.667"):
        assert figure not in ours
    for name in ("first", "second"):
        assert lines_of(published, name) == [
            [name, "cnn8", "ours", "development", "auc", "0.854"],
            [name, "base", "(official)", "other", "evaluation", "auc", "0.778"],
            [name, "best", "(winner)", "other", "evaluation,", "selected", "on", "it", "auc", "1.000"],
        ]
    assert "0.6" not in published  # our score is not beside them


def test_no_difference_is_computed(made_up):
    """0.321 and the published 0.854 and 0.7777 have differences and quotients; none is shown."""
    out = printed([(made_up("first"), runs("first", 0.321))])
    for published in (0.854, 0.7777):
        for value in (abs(0.321 - published), 0.321 / published, published / 0.321):
            for text in (f"{value:.3f}", f"{100 * value:.1f}", f"{value:.2f}"):
                assert text not in out
    assert "difference" not in out and "+0" not in out and "-0" not in out


@pytest.mark.parametrize(("variant", "said"), [("mini", True), ("partial:0.9000", True), ("full", False)])
def test_what_is_not_comparable_is_said(made_up, variant, said):
    out = printed([(made_up("a"), runs("a", 0.6, variant="full")), (made_up("b"), runs("b", 0.6, variant=variant))])
    assert ("not comparable with published scores" in out) == said


def test_each_system_is_named_once_and_nothing_needs_no_table(made_up):
    results = [(made_up(name), runs(name, 0.6, system=system)) for name, system in (("a", "x"), ("b", "y"), ("c", "x"))]
    assert "all tasks: x, y" in printed(results)
    assert printed([]) == ""


def test_a_task_of_which_nothing_is_published(made_up):
    ours, published = printed([(made_up("a", rows=[]), runs("a", 0.6))]).split(HEADING)
    assert lines_of(ours, "a") and not lines_of(published, "a")


def test_folders_are_named_as_they_are(tmp_path):
    """Square brackets in a path are no markup."""
    console = Console(file=io.StringIO(), width=140)
    folder = tmp_path / "runs [b]" / "x"
    print_traces(console, [folder], [make_record()], tmp_path / "[i]" / "a.wav")
    assert f"{folder}/" in console.file.getvalue()
    assert f"{tmp_path}/[i]/a.wav" in console.file.getvalue()


def test_classes_without_clips_are_named_once():
    scores = {"accuracy": 0.5, "accuracy/bus": None, "accuracy/park": 1.0, "accuracy/tram": None}
    run = make_record(task="asc", protocol="official-fold1", scores=scores)
    console = Console(file=io.StringIO(), width=140)
    print_scores(console, get_task("asc"), [run], brief=True)
    out = console.file.getvalue()
    assert "undefined: there are no scored clips that could tell: bus, tram" in out
    assert out.count("bus") == 1
