"""Predicting with finished runs: any rate, length and channel count."""

import json

import numpy as np
import pytest
import soundfile
from helpers import read_records

from benchmark.cli import main
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.registry import get_task

WORDS = ["run", "--task", "bad", "--system", "logistic-regression", "--data", "mini"]
WORDS += ["--trainer.max_steps", "6", "--data.batch_size", "4"]


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory):
    """The runs folder of one finished run."""
    with pytest.MonkeyPatch.context() as patch:
        runs = tmp_path_factory.mktemp("predict-runs")
        patch.setenv("DCASE_BENCH_RUNS", str(runs))
        assert main(WORDS) == 0
    return runs


@pytest.fixture(autouse=True)
def use_the_run(finished_run, own_folders, monkeypatch):
    monkeypatch.setenv("DCASE_BENCH_RUNS", str(finished_run))


def write(path, seconds, rate=16000, channels=1):
    generator = np.random.default_rng(0)
    soundfile.write(path, 0.1 * generator.standard_normal((int(seconds * rate), channels)), rate)
    return str(path)


def predict_json(capsys, *words):
    capsys.readouterr()
    assert main(["predict", "last", *words, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_scored_clip_gets_the_probability_of_the_record(capsys):
    (record,) = read_records(runs_root())
    table = np.load(runs_root() / "bad" / record.system / record.id / "predictions.npz")
    root = write_mini(get_task("bad"))
    for index in (0, 20, 59):
        dataset, itemid = table["clip_id"][index].split("/")
        (prediction,) = predict_json(capsys, str(root / dataset / "wav" / f"{itemid}.wav"))
        assert prediction["clip"]["bird"] == pytest.approx(table["probabilities"][index, 0], abs=1e-3)


@pytest.mark.parametrize(
    ("seconds", "rate", "channels", "name"),
    [(0.01, 8000, 1, "a.wav"), (2, 44100, 2, "b.flac"), (5, 96000, 3, "c.wav"), (2, 22050, 1, "d.ogg")],
)
def test_any_rate_length_and_channel_count(capsys, tmp_path, seconds, rate, channels, name):
    (prediction,) = predict_json(capsys, write(tmp_path / name, seconds, rate, channels))
    assert 0 <= prediction["clip"]["bird"] <= 1
    assert prediction["seconds"] == pytest.approx(seconds, abs=0.001)


def test_a_long_file_is_cut_into_windows_that_cover_it(capsys, tmp_path):
    file = write(tmp_path / "long.wav", 7)
    (prediction,) = predict_json(capsys, file)
    assert [(w["start"], w["end"]) for w in prediction["windows"]] == [(0, 2), (2, 4), (4, 6), (5, 7)]
    assert prediction["clip"]["bird"] == pytest.approx(np.mean([w["bird"] for w in prediction["windows"]]))
    (finer,) = predict_json(capsys, file, "--hop", "1")
    assert [w["start"] for w in finer["windows"]] == [0, 1, 2, 3, 4, 5]
    assert finer["windows"][2]["bird"] == pytest.approx(prediction["windows"][1]["bird"], abs=1e-6)


def test_formats_for_people_and_programs(capsys, tmp_path):
    file = write(tmp_path / "x.wav", 4)
    for form in ("text", "tsv", "audacity"):
        capsys.readouterr()
        assert main(["predict", "last", file, "--format", form]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == {"text": 3, "tsv": 3, "audacity": 2}[form]
    start, end, label = lines[1].split("\t")
    assert (float(start), float(end)) == (2, 4)
    assert 0 <= float(label.removeprefix("bird ")) <= 1


def test_the_plot_is_a_png(tmp_path):
    assert main(["predict", "last", write(tmp_path / "x.wav", 5), "--plot", str(tmp_path / "out.png")]) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_input_is_named(capsys, tmp_path):
    (tmp_path / "text.wav").write_text("no audio")
    for words, message in (
        (["last", str(tmp_path / "absent.wav")], "absent.wav"),
        (["last", str(tmp_path / "text.wav")], "text.wav"),
        (["no-such-run", write(tmp_path / "x.wav", 1)], "no-such-run"),
        (["last", "a.wav", "b.wav", "--plot", "out.png"], "--plot draws one file"),
    ):
        assert main(["predict", *words]) == 2
        assert message in capsys.readouterr().err


def test_a_group_averages_its_members(capsys, tmp_path, finished_run):
    file = write(tmp_path / "x.wav", 2)
    assert main([*WORDS, "--seed", "1", "--trainer.max_steps", "3", "--resume", "no"]) == 0
    assert main([*WORDS, "--seed", "2", "--trainer.max_steps", "3", "--resume", "no"]) == 0
    first, second = [r for r in read_records(finished_run) if r.steps == 3]
    assert first.group == second.group
    answers = []
    for run in (first.id, second.id, first.group):
        capsys.readouterr()
        assert main(["predict", run, file, "--format", "json"]) == 0
        answers.append(json.loads(capsys.readouterr().out)[0]["clip"]["bird"])
    assert answers[2] == pytest.approx((answers[0] + answers[1]) / 2)


# Events


SED = get_task("sed")
SMALL = ["--backbone.init_args.channels", "[4, 4, 4]", "--backbone.init_args.hidden", "8", "--stages", "[]"]
SMALL += ["--postprocessing.init_args.threshold", "0.25", "--postprocessing.init_args.frames", "3"]
SMALL += ["--trainer.max_steps", "6", "--selection.monitor", "null", "--data.valid_fraction", "0"]


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """The folder of a finished run that detects events, whatever they are."""
    with pytest.MonkeyPatch.context() as patch:
        runs = tmp_path_factory.mktemp("detection-runs")
        patch.setenv("DCASE_BENCH_RUNS", str(runs))
        assert main(["run", "--task", "sed", "--system", "baseline-crnn", "--data", "mini", *SMALL]) == 0
    (record,) = runs.glob("*/*/*/record.json")
    return record.parent


def detect(capsys, detector, *words, form="json"):
    capsys.readouterr()
    assert main(["predict", str(detector), *map(str, words), "--format", form]) == 0
    return capsys.readouterr().out


def test_a_scored_clip_gets_the_frames_and_events_of_the_record(capsys, detector):
    """Also the first two, which are shorter than a window."""
    table = np.load(detector / "predictions.npz")
    frames = np.split(table["frames"], np.cumsum(table["frame_counts"])[:-1])
    submitted = [line.split("\t") for line in (detector / "submission.csv").read_text().splitlines()]
    there = {path.name: path for path in write_mini(SED).rglob("*.wav")}
    found = 0
    for index in (0, 1, 5, 9):
        name = str(table["clip_id"][index]).split("/", 1)[1]
        (prediction,) = json.loads(detect(capsys, detector, there[name]))
        curve = np.array([[window[label] for label in SED.classes] for window in prediction["windows"]])
        np.testing.assert_allclose(curve, frames[index], atol=1e-3)
        expected = [(float(row[1]), float(row[2]), row[3]) for row in submitted if row[0] == name and row[1]]
        events = [(event["onset"], event["offset"], event["label"]) for event in prediction["events"]]
        assert [label for *_, label in sorted(events)] == [label for *_, label in sorted(expected)]
        np.testing.assert_allclose(
            [row[:2] for row in sorted(events)], [row[:2] for row in sorted(expected)], atol=2e-3
        )
        found += len(events)
    assert found > 0


def test_frames_follow_each_other_to_the_end_of_a_long_file(capsys, detector, tmp_path):
    step = float(np.load(detector / "predictions.npz")["frame_seconds"])
    file = write(tmp_path / "long.wav", 5.3, 22050, 2)
    for hop in ([], ["--hop", "0.5"]):
        (prediction,) = json.loads(detect(capsys, detector, file, *hop))
        times = np.array([(window["start"], window["end"]) for window in prediction["windows"]])
        np.testing.assert_allclose(np.diff(times[:, 0]), step)
        np.testing.assert_allclose(times[1:, 0], times[:-1, 1])
        assert times[0, 0] == 0 and times[-1, 1] == pytest.approx(5.3, abs=2 * step)
        for event in prediction["events"]:
            assert 0 <= event["onset"] < event["offset"] < 5.3 + 1.01 * step
            assert event["label"] in SED.classes


def test_events_in_every_format(capsys, detector, tmp_path):
    file = write(tmp_path / "x.wav", 4)
    (prediction,) = json.loads(detect(capsys, detector, file))
    events = [(event["onset"], event["offset"], event["label"]) for event in prediction["events"]]
    assert events
    shares = []
    for onset, offset, label in events:
        during = [w[label] for w in prediction["windows"] if w["start"] < offset - 1e-9 and w["end"] > onset + 1e-9]
        shares.append(np.mean(during))
    header, *rows = detect(capsys, detector, file, form="tsv").splitlines()
    assert header.split("\t") == ["file", "start", "end", "class", "probability"]
    for row, (onset, offset, label), share in zip(rows, events, shares, strict=True):
        name, start, end, said, value = row.split("\t")
        assert (name, said) == (file, label)
        assert [float(start), float(end)] == pytest.approx([onset, offset], abs=1e-3)
        assert float(value) == pytest.approx(share, abs=2e-2)
    rows = detect(capsys, detector, file, form="audacity").splitlines()
    assert [row.split("\t")[2].rsplit(" ", 1)[0] for row in rows] == [label for *_, label in events]
    first, *rows = detect(capsys, detector, file, form="text").splitlines()
    assert first.startswith(f"{file}  4.0 s") and len(rows) == len(events)


def test_the_plot_of_a_detector_is_a_png(detector, tmp_path):
    words = [write(tmp_path / "x.wav", 3), "--plot", str(tmp_path / "out.png")]
    assert main(["predict", str(detector), *words]) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
