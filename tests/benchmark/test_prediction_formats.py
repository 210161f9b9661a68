"""What is written of predictions, against numbers written here by hand."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.inventory import Event
from benchmark.prediction_formats import WRITERS, Prediction, Shown


def clip(exclusive, name="a.wav", start=0.0):
    """Four windows of 2 s, the last of which ends with the recording of 7 s."""
    curve = np.array([[0.7, 0.2, 0.1], [0.6, 0.55, 0.05], [0.1, 0.5, 0.4], [0.5, 0.3, 0.2]], dtype=np.float32)
    windows = start + np.array([[0, 2], [2, 4], [4, 6], [5, 7]], dtype=float)
    mean = curve.mean(axis=0, dtype=float)
    return Prediction(Path(name), start, 7.0, ("car", "dog", "bell"), mean, windows, curve, exclusive)


def detection():
    """Frames of 0.1 s."""
    curve = np.array([[0.1, 0.9], [0.2, 0.8], [0.6, 0.1], [0.8, 0.0]], dtype=np.float32)
    edges = np.arange(5) / 10
    events = [Event(0.2, 0.4, "car"), Event(0.0, 0.2, "dog")]
    windows = np.stack([edges[:-1], edges[1:]], axis=1)
    return Prediction(Path("a.wav"), 0.0, 0.4, ("car", "dog"), curve.mean(axis=0), windows, curve, False, events)


def written(form, *predictions, **shown):
    out = io.StringIO()
    WRITERS[form](iter(predictions), out, Shown(**shown))
    return out.getvalue()


def test_text_shows_the_most_probable_classes():
    first, *rows = written("text", clip(True), top=2).splitlines()
    assert first == "a.wav  7.0 s  car 0.475  dog 0.388"
    assert rows[1] == "      2.00 -     4.00 s  car 0.600  dog 0.550"
    assert len(rows) == 4
    assert "bell" in written("text", clip(True))
    assert written("text", clip(True), threshold=0.6).splitlines()[0] == "a.wav  7.0 s"
    assert written("text", clip(True, start=10.0)).startswith("a.wav from 10.0 s  7.0 s  car")
    assert written("text", detection()).splitlines()[1:] == [
        "      0.20 -     0.40 s  car 0.700",
        "      0.00 -     0.20 s  dog 0.850",
    ]


def test_tsv_has_all_classes_of_all_windows_unless_told_otherwise():
    rows = list(csv.DictReader(io.StringIO(written("tsv", clip(True), clip(True, "b\t1.wav"))), dialect="excel-tab"))
    assert len(rows) == 2 * 4 * 3
    assert [row["class"] for row in rows[:3]] == ["car", "dog", "bell"]
    assert rows[-1] == {
        "file": "b\t1.wav",
        "start": "5.000",
        "end": "7.000",
        "class": "bell",
        "probability": "0.200000",
    }
    best = list(csv.DictReader(io.StringIO(written("tsv", clip(True), top=1)), dialect="excel-tab"))
    assert [row["class"] for row in best] == ["car", "car", "dog", "car"]
    likely = list(csv.DictReader(io.StringIO(written("tsv", clip(True), threshold=0.5)), dialect="excel-tab"))
    assert [row["class"] for row in likely] == ["car", "car", "dog", "dog", "car"]


def labels(text):
    return [line.split("\t") for line in text.splitlines()]


def test_a_label_track_joins_windows_with_the_same_class():
    """Where one class is right the most probable one, else those from 0.5 on; the numbers are means over windows."""
    assert labels(written("audacity", clip(True))) == [
        ["0.000000", "4.000000", "car 0.650"],
        ["4.000000", "6.000000", "dog 0.500"],
        ["5.000000", "7.000000", "car 0.500"],
    ]
    assert [(*row[:2], row[2].split()[0]) for row in labels(written("audacity", clip(False)))] == [
        ("0.000000", "4.000000", "car"),
        ("2.000000", "6.000000", "dog"),
        ("5.000000", "7.000000", "car"),
    ]
    assert len(labels(written("audacity", clip(False), threshold=0.58))) == 1
    assert labels(written("audacity", clip(False), threshold=0.9)) == []
    assert {row[2].split()[0] for row in labels(written("audacity", clip(False), threshold=0.0, top=1))} == {
        "car",
        "dog",
    }


def test_a_label_track_of_events():
    assert labels(written("audacity", detection())) == [
        ["0.200000", "0.400000", "car 0.700"],
        ["0.000000", "0.200000", "dog 0.850"],
    ]
    assert [row[2] for row in labels(written("audacity", detection(), threshold=0.8))] == ["dog 0.850"]


@pytest.mark.parametrize("predictions", [[], [clip(True)], [clip(False), detection()]])
def test_json_is_a_list_of_what_json_lines_are(predictions):
    listed = json.loads(written("json", *predictions))
    assert listed == [json.loads(line) for line in written("jsonl", *predictions).splitlines()]
    for found, prediction in zip(listed, predictions, strict=True):
        assert found["clip"] == dict(zip(prediction.classes, prediction.clip.tolist(), strict=True))
        curve = [[window[name] for name in prediction.classes] for window in found["windows"]]
        np.testing.assert_allclose(curve, prediction.curve, atol=1e-7)
        assert [[window["start"], window["end"]] for window in found["windows"]] == prediction.windows.tolist()
        assert ("events" in found) == (prediction.events is not None)


def test_lines_are_written_before_the_next_prediction_is_asked_for():
    out = io.StringIO()

    def stream():
        for number in range(3):
            assert out.getvalue().count("\n") == number
            yield clip(True, start=10.0 * number)

    WRITERS["jsonl"](stream(), out, Shown())
    assert [json.loads(line)["start"] for line in out.getvalue().splitlines()] == [0.0, 10.0, 20.0]
