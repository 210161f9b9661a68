"""What a system of several trainings keeps: a stopped run goes on, a changed setting redoes what depends on it."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_systems as tiny
from helpers import read_records

from benchmark.fitting import Fitting
from benchmark.paths import runs_root
from benchmark.plan import RunOptions, make_plan
from benchmark.predict import load_run
from benchmark.records import RunFolder
from benchmark.stages import System

pytestmark = pytest.mark.slow

SYSTEM = {
    "trainer": {"max_steps": 2},
    "members": tiny.MEMBERS,
    "stages": [
        {"name": "one", "folds": 2},
        {"name": "two", "folds": 2, "labels": {"class_path": "tiny_systems.HeldOutTags"}},
    ],
    "fusion": {"class_path": "tiny_systems.Thirds"},
}
TRAININGS = [f"{stage}.{member}.part{part}" for stage in ("one", "two") for member in tiny.MEMBERS for part in (1, 2)]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory):
    """A whole run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DCASE_BENCH_RUNS", str(tmp_path_factory.mktemp("artifacts-runs")))
        tiny.install(patch, tmp_path_factory.mktemp("artifacts") / "bad")(**SYSTEM)
        assert tiny.run() == 0
        return SimpleNamespace(runs=runs_root(), **vars(tiny.newest()))


@pytest.fixture
def write(monkeypatch, tmp_path):
    """Write the system; the runs folder is empty."""
    write = tiny.install(monkeypatch, tmp_path / "bad")
    write(**SYSTEM)
    return lambda **keys: write(**(SYSTEM | keys))


@pytest.fixture
def after(write, earlier):
    """Write the system; the earlier run is there."""
    place = runs_root() / "bad" / "tiny" / earlier.folder.name
    (place / "artifacts").mkdir(parents=True)
    for file in (earlier.folder / "artifacts").iterdir():
        os.link(file, place / "artifacts" / file.name)
    return write


def names(steps):
    """The trainings that took steps, in order."""
    return list(dict.fromkeys(name for name, _ in steps))


def changed(stage, **keys):
    """The stages with other keys in one of them."""
    return [one | (keys if one["name"] == stage else {}) for one in SYSTEM["stages"]]


RATE = {"optimizer": {"init_args": {"lr": 0.3}}}


# Going on


def test_a_stopped_run_goes_on_behind_the_last_whole_artifact(write, earlier, trained):
    assert tiny.stop("two.near.part2", 1) == 3
    assert not read_records(runs_root())
    trained.clear()
    assert tiny.run() == 0
    assert trained == [
        ("two.near.part2", 2),
        *(("two.far." + part, step) for part in ("part1", "part2") for step in (1, 2)),
    ]
    left = tiny.newest()
    assert len(list(runs_root().glob("*/*/*"))) == 1
    assert [path.name for path in left.files.values()] == [path.name for path in earlier.files.values()]
    np.testing.assert_allclose(left.predictions["probabilities"], earlier.predictions["probabilities"], atol=1e-5)
    assert left.record.scores == pytest.approx(earlier.record.scores, abs=1e-5)
    assert left.record.steps == earlier.record.steps == 16


@pytest.mark.parametrize("what", ["_save_tables", "_labels"])
def test_a_run_stopped_between_trainings_trains_nothing_twice(write, monkeypatch, trained, what):
    """Weights of the first training are there and their predictions are not, or labels are to be made."""
    original = getattr(System, what)

    def stop_here(self, first, *args):
        if what == "_save_tables" or first.turn == "two":
            raise KeyboardInterrupt
        return original(self, first, *args)

    monkeypatch.setattr(System, what, stop_here)
    write(members={"far": {}}, fusion=None)
    assert tiny.run() == 3
    monkeypatch.setattr(System, what, original)
    assert tiny.run() == 0
    assert trained == [(name, step) for name in TRAININGS if "far" in name for step in (1, 2)]
    assert tiny.newest().record.steps == 8


# Taking over


@pytest.mark.parametrize(
    ("keys", "redone"),
    [
        ({"title": "another title"}, []),
        ({"stages": changed("two", changes=RATE)}, TRAININGS[4:]),
        ({"stages": changed("two", labels={"class_path": "tiny_systems.OwnTags"})}, TRAININGS[4:]),
        ({"stages": changed("one", changes=RATE)}, TRAININGS),
        ({"members": {"near": tiny.MEMBERS["near"], "far": RATE}}, [n for n in TRAININGS if "one.near" not in n]),
        ({"fusion": None}, []),
        ({"fusion": {"class_path": "tiny_systems.Thirds", "init_args": {"first": 0.9}}}, []),
    ],
    ids=["nothing", "last-stage", "labels", "first-stage", "member", "no-fusion", "fusion"],
)
def test_a_changed_setting_redoes_what_depends_on_it(after, trained, earlier, keys, redone):
    after(**keys)
    assert tiny.run() == 0
    assert names(trained) == redone
    left = tiny.newest()
    kept = {path.name for path in left.files.values()} & {path.name for path in earlier.files.values()}
    assert {name.rpartition("-")[0] for name in kept if name.endswith(".ckpt")} == set(TRAININGS) - set(redone)
    assert left.record.steps == 16  # of all trainings, whoever took them
    means = [
        np.mean([left.tables[f"two.{member}.part{part}"]["test/probability"] for part in (1, 2)], axis=0)
        for member in tiny.MEMBERS
    ]
    fusion = keys.get("fusion", {})
    first = 0.5 if fusion is None else fusion.get("init_args", {}).get("first", 1 / 3)
    np.testing.assert_allclose(left.predictions["probabilities"], first * means[0] + (1 - first) * means[1], atol=1e-9)


def test_resume_no_takes_nothing_over(after, trained):
    assert tiny.run("--resume", "no") == 0
    assert names(trained) == TRAININGS


def key(*overrides, system="logistic-regression", **options):
    """Of the only stage of a system of the task esc, whose decisions are classes."""
    words = ["--stages", '[{"name": "a"}]', *overrides]
    plan = make_plan(RunOptions("esc", system, "mini", overrides=words, **options))
    fold = plan.folds[0]
    folder = RunFolder.create(runs_root(), "esc", system, plan.work[fold])
    (training,) = plan.config.trainings()
    return System(Fitting(plan, fold, folder, False, {})).key_of(training)


def test_the_key_of_a_training_is_all_that_it_comes_from():
    """A decision is part of that only where a score that it enters selects weights."""
    decision = ["--postprocessing.class_path", "benchmark.postprocessing.ThresholdedArgmax"]
    selected = ["--data.valid_fraction", "0.2", "--selection.monitor", "accuracy"]
    given = key()
    assert key(*decision) == given
    others = [key(seed=1), key(fold="2"), key(allow_random_weights=True), key(*selected), key(*selected, *decision)]
    assert len({given, *others}) == 6


def test_artifacts_are_not_taken_over_by_another_class_of_the_same_name(write, tmp_path, monkeypatch, trained):
    code = "import torch\nclass Mean(torch.nn.Module):\n    input = 'features'\n    def forward(self, x):\n"
    monkeypatch.syspath_prepend(tmp_path)
    words = ["--model", "changing_model_of_a_user.Mean", "--trainer.max_steps", "1"]
    counts = []
    for body in ("x.mean((1, 2))", "x.mean((1, 2))", "x.mean((1, 2)) ** 2"):
        (tmp_path / "changing_model_of_a_user.py").write_text(code + f"        return {body}\n")
        monkeypatch.delitem(sys.modules, "changing_model_of_a_user", raising=False)
        sys.path_importer_cache.clear()
        write(stages=[{"name": "one"}], members={}, fusion=None)
        assert tiny.run(*words) == 0
        counts.append(len(trained))
    assert counts == [1, 1, 2]


@pytest.mark.parametrize(("kind", "size"), [("npz", 0.5), ("ckpt", 0), ("ckpt", 0.99)])
def test_half_an_artifact_is_not_taken_over(write, trained, earlier, kind, size):
    place = runs_root() / "bad" / "tiny" / "broken" / "artifacts"
    place.mkdir(parents=True)
    for name, file in earlier.files.items():
        content = file.read_bytes()
        if name == f"one.near.part2.{kind}":
            content = content[: int(size * len(content))]
        (place / file.name).write_bytes(content)
    assert tiny.run() == 0
    assert names(trained) == ["one.near.part2"]
    np.testing.assert_allclose(
        tiny.newest().predictions["probabilities"], earlier.predictions["probabilities"], atol=1e-5
    )


def test_a_file_that_was_being_written_is_no_artifact(write, trained, earlier):
    place = runs_root() / "bad" / "tiny" / "killed" / "artifacts"
    place.mkdir(parents=True)
    for file in earlier.files.values():
        (place / f"{file.stem}.part{'.npz' if file.suffix == '.npz' else ''}").write_bytes(file.read_bytes())
    assert tiny.stop(TRAININGS[0], 1) == 3
    assert names(trained) == TRAININGS[:1]


def test_predict_takes_the_weights_of_the_training_not_of_one_whose_name_begins_alike(write):
    """Stage `a` after stage `a-b`, and member `x` beside `x-a`."""
    write(members={"x": {}, "x-a": {"optimizer": {"init_args": {"lr": 0.5}}}}, stages=[{"name": "a-b"}, {"name": "a"}])
    assert tiny.run() == 0
    left = tiny.newest()
    for member, (module,) in load_run(left.folder).members.items():
        expected = left.weights[f"a.{member}"]
        assert all((expected[name] == value).all() for name, value in module.state_dict().items())


def test_a_fusion_learns_from_the_labels_of_the_last_stage(earlier):
    """Which are held-out probabilities here, and not the given tags."""
    labels, learnt = earlier.tables["labels.two"], np.load(earlier.folder / "fusion.npz")
    clips = np.sort(np.concatenate([earlier.tables[f"two.near.part{part}"]["held_out/clip"] for part in (1, 2)]))
    assert np.array_equal(learnt["target"], labels["targets"][clips])
    assert np.array_equal(learnt["weight"], labels["weights"][clips])
    assert not np.isin(learnt["target"], (0, 1)).all()


# Kills


KILLS = 20
SERVER = """
import sys
from pathlib import Path

import pytest
import leaderboard.tables
from benchmark import cli, estimate, runner

sys.path.append(sys.argv[1])
import tiny_systems as tiny

tiny.kill_often(Path(sys.argv[2]), int(sys.argv[3]), seed=0)
"""


def test_a_run_killed_at_random_moments_ends_as_if_undisturbed(tmp_path):
    """In a process that forks one for each start, so that a start imports nothing."""
    here = Path(tiny.__file__).parent
    words = [sys.executable, "-c", SERVER, str(here), str(tmp_path), str(KILLS)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    said = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=1200)
    assert said.returncode == 0, said.stdout[-2000:] + said.stderr[-2000:]
    assert f"{KILLS} kills" in said.stdout
