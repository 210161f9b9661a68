"""Which jobs a sweep has, and what each of them is told."""

import sys
from itertools import product

import pytest

from benchmark.errors import InputError
from benchmark.registry import all_tasks
from benchmark.sweep.matrix import Matrix, make_jobs, names_of, seeds_of

SETTINGS = {
    "data": "mini",
    "protocol": "",
    "devices": 1,
    "logger": "csv",
    "model": None,
    "allow_random_weights": False,
    "scale": 1.0,
    "overrides": [],
}


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("0", [0]), ("0,1,2", [0, 1, 2]), ("0-4", [0, 1, 2, 3, 4]), ("7 2-3,2", [7, 2, 3]), ("5-5", [5])],
)
def test_seeds(text, seeds):
    assert seeds_of(text) == seeds


@pytest.mark.parametrize("text", ["", " , ", "3-1", "a", "1-", "-1", "1.5", "0-2-4"])
def test_no_seeds(text):
    with pytest.raises(InputError, match="no seeds"):
        seeds_of(text)


def test_names():
    assert names_of("bad,esc  bad,") == ["bad", "esc"]


def test_all_tasks_and_systems_are_those_of_the_registry():
    found = {(task.name, system) for task, system in Matrix(["all"], ["all"], [], [0]).pairs()}
    assert found == {
        (task.name, path.stem) for task in all_tasks().values() for path in task.folder.glob("systems/*.yaml")
    }
    assert len(found) > 40


def test_without_systems_each_task_has_its_default():
    pairs = Matrix(["bad", "esc"], [], [], [0]).pairs()
    assert [(task.name, system) for task, system in pairs] == [
        (name, all_tasks()[name].default_system) for name in ("bad", "esc")
    ]


def test_a_task_without_a_system_is_left_out():
    pairs = Matrix(["bad", "esc"], ["bulbul", "cnn8"], [], [0]).pairs()
    assert [(task.name, system) for task, system in pairs] == [("bad", "bulbul"), ("bad", "cnn8"), ("esc", "cnn8")]


@pytest.mark.parametrize(
    ("matrix", "nearest"),
    [
        (Matrix(["bda"], [], [], [0]), "bad"),
        (Matrix(["bad", "esc"], ["bulbl"], [], [0]), "bulbul"),
        (Matrix(["bad"], [], ["warblrb"], [0]), "warblrb10k"),
    ],
)
def test_unknown_names_are_answered_with_the_nearest(matrix, nearest):
    with pytest.raises(InputError, match=f"did you mean '{nearest}'"):
        matrix.pairs()


def test_jobs_are_folds_times_seeds_of_systems_that_were_planned_once(monkeypatch):
    from benchmark import plan

    planned, make_plan = [], plan.make_plan
    monkeypatch.setattr(plan, "make_plan", lambda options: planned.append(options) or make_plan(options))
    folds = ("ff1010bird", "warblrb10k", "BirdVox-DCASE-20k")
    settings = SETTINGS | {"overrides": ["--trainer.max_steps", "2"]}
    found = make_jobs(Matrix(["bad"], ["logistic-regression", "cnn4"], ["all"], [0, 3]), settings)
    assert len(planned) == 2
    expected = {(system, f, s) for system, f, s in product(("logistic-regression", "cnn4"), folds, (0, 3))}
    assert {(job.system, job.identity.fold, job.identity.seed) for job in found.jobs} == expected
    assert len({job.identity.group for job in found.jobs}) == len(found.plans) == 2
    assert not found.refused
    job = next(job for job in found.jobs if job.identity.fold == "warblrb10k")
    assert job.command[:5] == (sys.executable, "-u", "-m", "benchmark", "run")
    assert job.command[-2:] == ("--trainer.max_steps", "2")
    told = dict(zip(job.command[5:-2:2], job.command[6:-2:2], strict=True))
    assert told == {
        "--task": "bad",
        "--system": job.system,
        "--data": "mini",
        "--protocol": "leave-one-dataset-out",
        "--fold": "warblrb10k",
        "--seed": str(job.identity.seed),
        "--devices": "1",
        "--logger": "csv",
    }


def test_folds_are_those_of_run_where_none_is_named_and_the_named_ones_elsewhere():
    found = make_jobs(Matrix(["bad"], ["logistic-regression"], [], [0]), SETTINGS)
    assert [job.identity.fold for job in found.jobs] == ["ff1010bird"]  # of mini data
    found = make_jobs(Matrix(["bad"], ["logistic-regression"], ["BirdVox-DCASE-20k"], [0]), SETTINGS)
    assert [job.identity.fold for job in found.jobs] == ["BirdVox-DCASE-20k"]
    with pytest.raises(InputError, match=r"no run has a fold 2 here[^$]*choose of: ff1010bird, "):
        make_jobs(Matrix(["bad"], ["logistic-regression"], ["2"], [0]), SETTINGS)


def test_auto_is_pinned_to_what_it_means_now():
    found = make_jobs(Matrix(["bad"], ["logistic-regression"], [], [0]), SETTINGS | {"data": "auto"})
    command = found.jobs[0].command
    assert command[command.index("--data") + 1] == "mini"


def test_what_cannot_run_is_kept_apart_and_fails_where_nothing_can():
    settings = SETTINGS | {"protocol": "random-3-fold"}
    found = make_jobs(Matrix(["bad", "esc"], ["logistic-regression"], [], [0]), settings)
    assert {job.task for job in found.jobs} == {"bad"}
    assert "has no protocol" in str(found.refused["esc / logistic-regression"])
    with pytest.raises(InputError, match="has no protocol"):
        make_jobs(Matrix(["esc"], [], [], [0]), settings)
    with pytest.raises(InputError, match=r"unknown option '--trainr.max_steps'[^$]*did you mean 'trainer'"):
        make_jobs(Matrix(["bad"], [], [], [0]), SETTINGS | {"overrides": ["--trainr.max_steps", "2"]})
