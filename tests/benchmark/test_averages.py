"""Predictions averaged over several validations of a training, and the best of a stage's turns."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import tiny_systems as tiny
import torch

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.metrics.clips import table_of
from benchmark.plan import write_mini
from benchmark.predict import load_run
from benchmark.products import best_turns
from benchmark.settings import Selection
from benchmark.training.callbacks import BestCheckpoint

TWO = {"selection": {"monitor": "auc", "average": 2}, "trainer": {"max_steps": 4, "val_every": 1}}


@pytest.mark.parametrize(
    ("selection", "values", "kept"),
    [
        ({"monitor": "auc", "average": 2}, [0.9, 0.6, 0.8, 0.7], [10, 30]),
        ({"monitor": "auc", "average": 3, "start": 20}, [0.9, 0.6, 0.8, 0.7], [30, 40, 20]),
        ({"monitor": "loss", "mode": "min", "average": 2}, [0.9, 0.6, 0.8, 0.7], [20, 40]),
        ({"monitor": "auc", "average": 9}, [0.9, 0.6, 0.8, 0.7], [10, 30, 40, 20]),  # there are no more
        ({"monitor": "auc", "average": 2}, [0.5, 0.5, 0.4, 0.5], [10, 20]),  # the first of equals
    ],
)
def test_the_best_validations_are_kept(tmp_path, selection, values, kept):
    callback = BestCheckpoint(Selection(**selection), tmp_path / "best.ckpt")
    tiny.validate_four_times(callback, values)
    states = [torch.load(path, weights_only=True)["state_dict"] for path in callback.best_first]
    assert [state["weight"] for state in states] == kept


def test_a_file_is_there_as_long_as_a_checkpoint_may_name_it(tmp_path):
    """Until the next validation begins, when the run's own checkpoint has been saved."""
    callback = BestCheckpoint(Selection(monitor="auc", average=2, start=1), tmp_path / "best.ckpt")
    removed = []
    trainer = SimpleNamespace(strategy=SimpleNamespace(remove_checkpoint=removed.append), global_step=0)
    callback._remove_checkpoint(trainer, "a")
    assert removed == []
    callback.on_validation_end(trainer, None)
    assert removed == ["a"]


@pytest.mark.parametrize(
    ("selection", "message"), [({"average": 0, "monitor": "auc"}, "at least 1"), ({"average": 2}, "which validations")]
)
def test_an_average_of_nothing_is_refused(selection, message):
    with pytest.raises(InputError, match=message):
        Selection(**selection)


def clip_of(table):
    """A scored file, and its probability in the run's table."""
    dataset, itemid = table["clip_id"][3].split("/")
    return str(write_mini(tiny.BAD) / dataset / "wav" / f"{itemid}.wav"), table["probabilities"][3, 0]


def predicted(capsys, folder, file):
    capsys.readouterr()
    assert main(["predict", str(folder), file, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)[0]["clip"]["bird"]


def test_a_single_training_is_scored_by_the_mean_of_its_best_validations(write, capsys):
    """In the record, in `predict`, and when only the scoring was stopped."""
    write(**TWO, data={"valid_fraction": 0.3})
    assert tiny.run() == 0
    left = SimpleNamespace(
        folder=(folder := next(tiny.runs_root().glob("bad/tiny/*"))), table=dict(np.load(folder / "predictions.npz"))
    )
    states = torch.load(left.folder / "checkpoints" / "scored.ckpt", weights_only=True)
    (weight,) = [name for name in states[0] if name.startswith("head") and name.endswith("weight")]
    assert len(states) == 2 and not torch.equal(states[0][weight], states[1][weight])
    (module,) = load_run(left.folder).members[""]
    found = [network.state_dict()[weight].clone() for network in module.each()]
    assert all(torch.equal(one, state[weight]) for one, state in zip(found, states, strict=True))
    file, probability = clip_of(left.table)
    assert predicted(capsys, left.folder, file) == pytest.approx(probability, abs=1e-3)


@pytest.mark.slow
def test_the_tables_of_a_system_are_means_and_a_stopped_run_ends_alike(write, capsys, monkeypatch, tmp_path):
    write(**TWO, stages=[{"name": "one", "folds": 2}])
    assert tiny.run() == 0
    left = tiny.newest()
    states = left.weights["one.part1"]
    assert len(states) == 2
    held_out, scores = table_of(left.tables["one.part1"], "held_out"), left.tables["one.part1"]["score"]
    assert 0 <= scores <= 1 and len(held_out.clip)
    file, probability = clip_of(left.predictions)
    assert predicted(capsys, left.folder, file) == pytest.approx(probability, abs=1e-3)
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(tmp_path / "again"))
    assert tiny.stop("one.part2", 3) == 3
    assert tiny.run() == 0
    np.testing.assert_allclose(tiny.newest().predictions["probabilities"], left.predictions["probabilities"], atol=1e-5)


# Turns


def product(member, turn, part, score, mode):
    config = SimpleNamespace(as_dict=lambda: {"selection": {"mode": mode}})
    return SimpleNamespace(training=SimpleNamespace(member=member, turn=turn, part=part, config=config), score=score)


@pytest.mark.parametrize(("mode", "chosen"), [("min", {"a": 2, "b": 1}), ("max", {"a": 1, "b": 3})])
def test_the_best_turn_is_that_of_each_member_on_average_over_its_parts(mode, chosen):
    scores = {"a": [(0.5, 0.9), (0.3, 0.4), (0.6, 0.2)], "b": [(0.1, 0.1), (0.2, 0.1), (0.9, 0.3)]}
    turns = [
        [product(name, turn, part, scores[name][turn - 1][part], mode) for name in "ab" for part in (0, 1)]
        for turn in (1, 2, 3)
    ]
    found = best_turns(turns)
    assert [(one.training.member, one.training.turn, one.training.part) for one in found] == [
        (name, chosen[name], part) for name in "ab" for part in (0, 1)
    ]


@pytest.mark.slow
def test_the_best_turn_is_scored_and_predicted(write, capsys):
    """Three turns of a rate so large that none needs to be better than the one before."""
    stage = {"name": "two", "folds": 2, "repeat": 3, "keep": "best", "start": "previous"}
    changes = {"selection": {"monitor": "loss", "mode": "min"}, "optimizer": {"init_args": {"lr": 0.5}}}
    write(
        members={"x": {}, "y": {"optimizer": {"init_args": {"lr": 0.3}}}},
        stages=[{"name": "one", "folds": 2}, stage | {"changes": changes}],
    )
    assert tiny.run() == 0
    left = tiny.newest()
    weights = json.loads((left.folder / "kept.json").read_text())
    assert all((left.folder / "artifacts" / name).is_file() for name in weights.values())
    kept = {member: turn for turn, member, _ in (name.split(".") for name in weights)}
    for member in "xy":
        means = {
            f"two-{turn}": np.mean([left.tables[f"two-{turn}.{member}.part{part}"]["score"] for part in (1, 2)])
            for turn in (1, 2, 3)
        }
        assert kept[member] == min(means, key=means.get)
    tests = [table_of(left.tables[f"{kept[m]}.{m}.part{part}"], "test").probability for m in "xy" for part in (1, 2)]
    np.testing.assert_allclose(left.predictions["probabilities"], np.mean(tests, axis=0), atol=1e-6)
    for member, networks in load_run(left.folder).members.items():
        for part, network in enumerate(networks, 1):
            expected = left.weights[f"{kept[member]}.{member}.part{part}"]
            assert all((expected[name] == value).all() for name, value in network.state_dict().items())
    file, probability = clip_of(left.predictions)
    assert predicted(capsys, left.folder, file) == pytest.approx(probability, abs=1e-3)


def test_the_best_turn_needs_a_score(write, capsys):
    write(stages=[{"name": "one", "repeat": 2, "keep": "best"}])
    assert tiny.run() == 2
    assert "no score says which turn is the best" in capsys.readouterr().err


# Pauses


def test_predict_hears_the_windows_that_were_scored(monkeypatch, tmp_path, capsys):
    """Of clips with a pause between two different sounds, by the geometric mean of their windows."""
    root = tmp_path / "data"
    shutil.copytree(write_mini(tiny.BAD), root)
    files = sorted((root / "ff1010bird" / "wav").iterdir())
    generator = np.random.default_rng(0)
    for file in files[:3]:
        sound, rate = soundfile.read(file)
        pause = np.zeros(2 * rate)
        sound = np.concatenate([sound, pause, 0.1 * generator.standard_normal(rate // 2), pause, sound])
        soundfile.write(file, sound, rate)
    tiny.install(monkeypatch, tmp_path / "bad")(
        data={"split_at_silence": True, "window_mean": "geometric", "min_rest": 0.3}
    )
    assert main(["run", "--task", "bad", "--system", "tiny", "--data", str(root), "--fold", "ff1010bird"]) == 0
    left = next(tiny.runs_root().glob("bad/tiny/*"))
    table = dict(np.load(left / "predictions.npz"))
    names = [name.split("/")[1] for name in table["clip_id"]]
    for file in (files[0], files[2], files[5]):
        said = predicted(capsys, left, str(file))
        assert said == pytest.approx(table["probabilities"][names.index(file.stem), 0], abs=1e-4)
