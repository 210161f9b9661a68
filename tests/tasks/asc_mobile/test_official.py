"""Scores by device, and the official numbers of the mobile corpus."""

import json

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from benchmark.errors import InputError
from benchmark.label_files import write_label_file
from tasks.asc.official import CLASSES, read_tested_set
from tasks.asc_mobile.mini import write_mini
from tasks.asc_mobile.official import MOBILE, device_scores, score


def test_official_numbers_are_those_of_the_paper():
    found = MOBILE.development
    assert found["clips"] == found["device a"] + found["device b"] + found["device c"] == 8640 + 720 + 720 == 10_080
    assert [found[f"fold 1 test, device {name}"] for name in "abc"] == [2518, 180, 180]
    assert found["fold 1 test"] == 2518 + 180 + 180
    assert found["fold 1 training"] == 6122 + 540 + 540
    assert {found[scene] for scene in CLASSES} == {864 + 72 + 72}


def test_scores_computed_by_hand():
    target = [0, 0, 0, 1, 0, 1, 1, 0]
    predicted = [0, 0, 0, 0, 0, 0, 1, 1]
    devices = ["b", "b", "b", "b", "c", "c", "a", "a"]
    scores = device_scores(target, predicted, devices, ("bus", "tram"))
    assert scores["accuracy/device_b"] == 0.5  # bus 3 of 3, tram 0 of 1
    assert scores["accuracy/device_c"] == 0.5
    assert scores["accuracy/device_a"] == 0.5
    assert scores["accuracy/device_bc"] == 0.5
    assert scores["accuracy/micro"] == 5 / 8
    assert scores["accuracy/bus"] == 4 / 5
    assert scores["accuracy/tram"] == 1 / 3
    assert scores["accuracy"] == pytest.approx((4 / 5 + 1 / 3) / 2)


def test_the_ranking_score_is_the_mean_of_two_means():
    rng = np.random.default_rng(0)
    target, devices = rng.integers(0, 10, 900), rng.choice(list("abcd"), 900, p=[0.6, 0.25, 0.1, 0.05])
    predicted = np.where(rng.random(900) < 0.5, target, rng.integers(0, 10, 900))
    scores = device_scores(target, predicted, devices.tolist())
    by_hand = {name: balanced_accuracy_score(target[devices == name], predicted[devices == name]) for name in "abcd"}
    for name, value in by_hand.items():
        assert scores[f"accuracy/device_{name}"] == pytest.approx(value)
    assert scores["accuracy/device_bc"] == pytest.approx((by_hand["b"] + by_hand["c"]) / 2)
    assert scores["accuracy"] == pytest.approx(balanced_accuracy_score(target, predicted))


def test_without_one_of_the_two_devices_the_ranking_score_is_undefined():
    scores = device_scores([0, 1], [0, 1], ["a", "b"], ("bus", "tram"))
    assert scores["accuracy/device_c"] is scores["accuracy/device_bc"] is None
    assert scores["accuracy/device_b"] == 1.0


@pytest.fixture
def write(tmp_path):
    def write(text, name):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


TRUTH = "".join(f"audio/bus-paris-1-{i}-{device}.wav\tbus\n" for i in range(2) for device in "abc")


def test_files_are_scored_by_the_device_of_their_names(write):
    guess = TRUTH.replace("-0-b.wav\tbus", "-0-b.wav\ttram").replace("-0-a.wav\tbus", "-0-a.wav\ttram")
    scores = score(write("\ufefffilename\tscene_label\r\n" + TRUTH.replace("\n", "\r\n"), "r"), write(guess, "p"))
    assert scores["accuracy/device_a"] == scores["accuracy/device_b"] == 0.5
    assert scores["accuracy/device_c"] == 1.0
    assert scores["accuracy/device_bc"] == 0.75
    assert scores["accuracy"] == pytest.approx(4 / 6)
    assert scores["accuracy/tram"] is None
    assert json.loads(json.dumps(scores)) == scores


def test_numbered_files_are_scored_by_the_device_of_the_table(tmp_path):
    """One clip of each scene and device: one mistake on B, three on C, two on D."""
    write_mini(tmp_path)
    clips = read_tested_set(tmp_path, MOBILE, "evaluation")
    wrong = {"b": CLASSES[:1], "c": CLASSES[1:4], "d": CLASSES[5:7]}
    guess = ["tram" if clip.scene in wrong.get(clip.device, ()) else clip.scene for clip in clips]
    write_label_file(tmp_path / "submission.csv", [f"audio/{clip.path.name}" for clip in clips], guess)
    scores = score(tmp_path / MOBILE.folder("evaluation") / "meta.csv", tmp_path / "submission.csv")
    assert [scores[f"accuracy/device_{name}"] for name in "abcd"] == pytest.approx([1.0, 0.9, 0.7, 0.8])
    assert scores["accuracy/device_bc"] == pytest.approx(0.8)
    assert scores["accuracy/micro"] == pytest.approx(34 / 40)


def test_the_table_decides_and_names_fill_its_gaps(write):
    rows = "audio/bus-paris-1-0-a.wav\tbus\tb\naudio/bus-paris-1-1-c.wav\tbus\t\n"
    guess = "audio/bus-paris-1-0-a.wav\tbus\naudio/bus-paris-1-1-c.wav\ttram\n"
    scores = score(write("filename\tscene_label\tsource_label\n" + rows, "r"), write(guess, "p"))
    assert [scores[f"accuracy/device_{name}"] for name in "abc"] == [None, 1.0, 0.0]


@pytest.mark.parametrize(
    ("truth", "guess", "message"),
    [
        ("audio/1.wav\tbus\n", "audio/1.wav\tbus\n", "'audio/1.wav' does not say its device"),
        ("audio/1.wav\tbus\n", "audio/1.wav\tbus\n", "with the column source_label"),
        ("filename\tlabel\tsource_label\n1.wav\tbus\t\n", "1.wav\tbus\n", "'1.wav' does not say its device"),
        (TRUTH, TRUTH.partition("\n")[2], "1 of 6 files of the reference are not in the predictions"),
        (TRUTH, TRUTH + "audio/bus-paris-1-9-a.wav\tbus\n", "1 of 7 files of the predictions are not in the reference"),
        (TRUTH, TRUTH + TRUTH, "occurs twice"),
        (TRUTH, TRUTH.replace("bus\n", "buss\n", 1), "did you mean 'bus'?"),
        (TRUTH, TRUTH.replace("\tbus\n", "\n", 1), "cells where the first row has"),
    ],
)
def test_bad_files(write, truth, guess, message):
    with pytest.raises(InputError) as error:
        score(write(truth, "r"), write(guess, "p"))
    assert message in str(error.value)
