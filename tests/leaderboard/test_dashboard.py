"""The dashboard shows what runs log, and is built and written out without an account."""

import json

import pytest
import wandb

from benchmark.registry import all_tasks
from leaderboard.__main__ import main
from leaderboard.dashboard import build, definition


@pytest.fixture
def spec():
    return json.loads(definition(build("somebody", "some-project", all_tasks().values())))["section"]


def panels(spec, title):
    (section,) = (one for one in spec["panelBankConfig"]["sections"] if one["name"] == title)
    return section["panels"]


def test_there_is_a_section_of_scores_for_every_task(spec):
    for name, task in all_tasks().items():
        metrics = [panel["config"]["metrics"] for panel in panels(spec, f"Scores: {name}")]
        assert metrics[0] == [f"score/{name}/{task.main_score}"]


def test_runs_are_grouped_by_task_and_system(spec):
    (runs,) = spec["runSets"]
    assert [(key["section"], key["name"]) for key in runs["grouping"]] == [
        ("config", "task.value"),
        ("config", "system.value"),
    ]


def test_learning_curves_confusions_tables_and_costs_are_shown(spec):
    curves = panels(spec, "Learning curves")
    assert ["train/loss"] in [panel["config"]["metrics"] for panel in curves]
    assert {panel["config"]["xAxis"] for panel in curves} == {"trainer/global_step"}
    media = [panel["config"]["mediaKeys"] for panel in panels(spec, "Pictures")]
    assert ["picture/confusion"] in media and ["picture/clips"] in media
    assert '"table/classes"' in json.dumps(panels(spec, "Classes and clips"))
    assert ["cost/parameters"] in [panel["config"]["metrics"] for panel in panels(spec, "Costs")]
    assert len(panels(spec, "Score against cost")) == len(all_tasks())


def test_a_dry_run_prints_the_definition(capsys):
    assert main(["dashboard", "--dry-run"]) == 0
    assert json.loads(capsys.readouterr().out)["section"]["panelBankConfig"]["sections"]


def test_without_a_key_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    assert main(["dashboard"]) == 2
    assert "wandb login" in capsys.readouterr().err


def test_what_wandb_does_not_take_is_one_error(monkeypatch, capsys):
    def refuse(*words):
        raise wandb.errors.CommError("it is\nnot reachable")

    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_ENTITY", "somebody")
    monkeypatch.setattr("leaderboard.dashboard.ws.Workspace.save", refuse)
    assert main(["dashboard"]) == 1
    assert "not take the dashboard: it is not reachable" in capsys.readouterr().err


def test_a_missing_package_is_named(monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["dashboard"]) == 2
    assert "wandb-workspaces is missing" in capsys.readouterr().err
