"""Whole runs of the task on small folders in the official layout, good and bad."""

import shutil
from collections import defaultdict

import numpy as np
import pytest
import soundfile
from helpers import read_records

from benchmark.cli import main
from benchmark.data.settings import DataSettings
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.recipe import load_recipe
from benchmark.registry import get_task
from tasks.domestic.datamodule import DomesticDataModule
from tasks.domestic.official import CLASSES, DEVELOPMENT, EVALUATION, read_meta, score

TASK = get_task("domestic")


@pytest.fixture
def root(tmp_path):
    """The mini variant, to be broken."""
    return shutil.copytree(write_mini(TASK), tmp_path / "data")


def run(root, *words, system="baseline"):
    base = ["run", "--task", "domestic", "--system", system, "--data", str(root), "--trainer.max_steps", "2"]
    return main([*base, "--trainer.val_every", "2", "--data.batch_size", "8", "--data.clip_seconds", "1.2", *words])


def record():
    return read_records(runs_root())[-1]


def data_module(root, protocol, fold):
    settings = DataSettings(sample_rate=16000, clip_seconds=1.2, batch_size=8)
    return DomesticDataModule(
        DomesticDataModule.take_stock(root, "stop", protocol), root, settings, protocol, fold, seed=0
    )


# Protocols


def test_folds_follow_the_lists():
    root = write_mini(TASK)
    for fold in "1234":
        data = data_module(root, "4-fold", fold)
        examples = data.inventory.examples
        train, test = data.split(examples)
        listed = (root / DEVELOPMENT / "evaluation_setup" / f"fold{fold}_test.txt").read_text().split()
        assert {examples[i].clip_id for i in test} == set(listed)
        assert sorted([*train, *test]) == list(range(108))


def test_the_challenge_trains_on_all_of_one_set_and_tests_on_the_other():
    data = data_module(write_mini(TASK), "evaluation", "evaluation")
    examples = data.inventory.examples
    train, test = data.split(examples)
    assert {examples[i].path.parts[-3] for i in train} == {DEVELOPMENT}
    assert {examples[i].path.parts[-3] for i in test} == {EVALUATION}
    assert (len(train), len(test)) == (108, 27)
    assert {examples[i].group for i in test} == {"known", "unknown"}


def test_validation_holds_out_whole_sessions_of_every_class():
    data = data_module(write_mini(TASK), "4-fold", "2")
    examples = data.inventory.examples
    train, _ = data.split(examples)
    kept, held_out = data.hold_out(examples, train, 0.3)
    assert sorted([*kept, *held_out]) == train.tolist()
    assert not {examples[i].cluster for i in kept} & {examples[i].cluster for i in held_out}
    assert {e.cluster for e in examples} == {segment.session for segment in read_meta(write_mini(TASK) / DEVELOPMENT)}
    share = defaultdict(list)
    for index in train:
        share[examples[index].target].append(index in set(held_out.tolist()))
    assert len(share) == 9
    # Nine segments a class, in sessions of one or two: 0.3 of them is 2.7.
    assert {sum(flags) for flags in share.values()} <= {2, 3}


def test_a_class_with_one_session_is_trained_on(root):
    data = data_module(root, "4-fold", "1")
    examples = [
        e for e in data.inventory.examples if e.clip_id in ("audio/DevNode2_ex19_1.wav", "audio/DevNode3_ex19_1.wav")
    ]
    kept, held_out = data.hold_out(examples, np.arange(2), 0.5)
    assert (kept.tolist(), held_out.tolist()) == ([0, 1], [])


# Runs


def test_each_channel_is_an_example_and_a_clip_has_one_line(root, tmp_path):
    assert run(root, "--fold", "3") == 0
    found = record()
    assert found.variant.startswith("custom:") and found.coverage == 1 and found.selection == "validation"
    submission = next(runs_root().glob(f"*/*/{found.id}/submission.*"))
    assert len(submission.read_text().splitlines()) == 27
    reference = root / DEVELOPMENT / "evaluation_setup" / "fold3_evaluate.txt"
    assert score(reference, submission) == pytest.approx(found.scores)


def test_known_and_unknown_arrays_in_a_run_and_in_its_files(root):
    assert run(root, "--protocol", "evaluation", system="cnn4") == 0
    found = record()
    setup = root / EVALUATION / "evaluation_setup"
    submission = next(runs_root().glob(f"*/*/{found.id}/submission.*"))
    options = {"microphones": setup / "microphones.txt", "nodes": setup / "map.txt"}
    assert score(setup / "evaluate.txt", submission, **options) == pytest.approx(found.scores)
    assert found.scores["f1/known"] is not None and found.scores["f1/unknown"] is not None


def test_without_microphones_the_evaluation_has_one_score(root):
    (root / EVALUATION / "evaluation_setup" / "microphones.txt").unlink()
    data = data_module(root, "evaluation", "evaluation")
    assert {e.group for e in data.inventory.examples if EVALUATION in e.path.parts} == {
        f"EvalNode{n}" for n in range(1, 8)
    }
    (root / EVALUATION / "evaluation_setup" / "map.txt").unlink()
    data = data_module(root, "evaluation", "evaluation")
    assert {e.group for e in data.inventory.examples if EVALUATION in e.path.parts} == {"evaluation"}


def test_another_division_is_another_dataset(root):
    first = DomesticDataModule.take_stock(root, "stop", "4-fold").fingerprint
    path = root / DEVELOPMENT / "evaluation_setup" / "fold4_train.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[3:]))
    assert DomesticDataModule.take_stock(root, "stop", "4-fold").fingerprint != first


def test_parameters_of_the_official_baseline():
    """17,577 trainable parameters by the source's layer sizes; the normalisations' statistics are not counted."""
    module = TASK.load("module")(load_recipe(TASK, "baseline").build(), CLASSES)
    assert module.count()[0] == 17_577
    assert module.example_input().shape == (1, 1, 501, 40)


@pytest.mark.parametrize("system", ["cnn4", "cnn8"])
def test_surrey_systems_see_240_frames(system):
    module = TASK.load("module")(load_recipe(TASK, system).build(), CLASSES)
    assert module.example_input().shape == (1, 1, 240, 64)


# Faults


def test_missing_sets_say_what_where_and_how_to_get_them(root, capsys):
    shutil.rmtree(root / EVALUATION)
    assert run(root, "--protocol", "evaluation") == 2
    error = capsys.readouterr().err
    assert f"{EVALUATION}/meta.txt" in error and str(root) in error and "PROTOCOL=evaluation" in error
    (root / DEVELOPMENT / "evaluation_setup" / "fold2_train.txt").unlink()
    assert run(root) == 2
    assert "missing DCASE2018-task5-dev/evaluation_setup/fold2_train.txt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("channels", "rate", "words"), [(1, 16000, ("1", "4", "channel")), (4, 44100, ("44100", "16000"))]
)
@pytest.mark.parametrize("system", ["baseline", "cnn4"])
def test_another_format_is_refused_by_name(root, capsys, channels, rate, words, system):
    path = root / DEVELOPMENT / "audio" / "DevNode1_ex2_1.wav"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.1, 0.1, (rate, channels)), rate)
    assert run(root, system=system) == 2
    error = capsys.readouterr().err
    assert path.name in error and all(word in error for word in words) and "Traceback" not in error


def test_overlapping_folds_stop_the_run_by_name(root, capsys):
    setup = root / DEVELOPMENT / "evaluation_setup"
    line = (setup / "fold2_evaluate.txt").read_text().splitlines()[0]
    with (setup / "fold2_train.txt").open("a") as file:
        file.write(line)
    assert run(root) == 2
    assert "fold 2 trains and tests on" in capsys.readouterr().err


def test_a_missing_file_stops_or_is_skipped(root, capsys):
    (root / DEVELOPMENT / "audio" / "DevNode1_ex2_1.wav").unlink()
    assert run(root) == 2
    assert "DevNode1_ex2_1.wav is missing" in capsys.readouterr().err
    assert run(root, "--data.on_error", "skip") == 0
    assert list(record().skipped) == ["audio/DevNode1_ex2_1.wav"]


# Learning


def test_a_short_training_learns_something_on_mini():
    words = ["run", "--task", "domestic", "--data", "mini", "--system", "baseline", "--trainer.max_steps", "60"]
    assert main([*words, "--trainer.val_every", "60"]) == 0
    assert record().scores["f1"] > 2 * TASK.chance
