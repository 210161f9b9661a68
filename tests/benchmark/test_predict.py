"""Predicting with finished runs: any rate, length and channel count."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from helpers import read_records

from benchmark import prediction_plot
from benchmark.cli import main
from benchmark.hearing import Ear
from benchmark.paths import runs_root
from benchmark.plan import write_mini
from benchmark.predict import Predictor
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
    path.parent.mkdir(exist_ok=True)
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
    (prediction,) = predict_json(capsys, file)
    first, second = (window["bird"] for window in prediction["windows"])
    for form in ("text", "tsv", "jsonl", "audacity"):
        assert main(["predict", "last", file, "--format", form, "--threshold", "0"]) == 0
    text, tsv, lines, audacity = np.split(capsys.readouterr().out.splitlines(), [3, 6, 7])
    assert text.tolist() == [
        f"{file}  4.0 s  bird {prediction['clip']['bird']:.3f}",
        f"      0.00 -     2.00 s  bird {first:.3f}",
        f"      2.00 -     4.00 s  bird {second:.3f}",
    ]
    assert tsv.tolist()[2] == f"{file}\t2.000\t4.000\tbird\t{second:.6f}"
    assert json.loads(lines[0]) == prediction
    assert audacity.tolist() == [f"0.000000\t4.000000\tbird {(first + second) / 2:.3f}"]


def test_clips_one_after_the_other_are_each_heard_by_itself(capsys, tmp_path):
    """A recording that is put together at a window's edge gives each clip's own windows, also across blocks."""
    there = sorted(write_mini(get_task("bad")).rglob("*.wav"))[:2]
    signals = [soundfile.read(path, 2 * 32000, dtype="int16", fill_value=0)[0] for path in there]
    order = [0, 1, 1, 0, 1, 0, 0, 1]
    for number, signal in enumerate(signals):
        soundfile.write(tmp_path / f"{number}.wav", signal, 32000)
    soundfile.write(tmp_path / "all.wav", np.concatenate([signals[number] for number in order]), 32000)
    *own, whole = predict_json(capsys, *(str(tmp_path / f"{name}.wav") for name in (0, 1, "all")))
    expected = [own[number]["clip"]["bird"] for number in order]
    assert abs(expected[0] - expected[1]) > 1e-3
    assert [window["bird"] for window in whole["windows"]] == pytest.approx(expected, abs=1e-5)
    assert whole["clip"]["bird"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_a_folder_shares_batches_and_keeps_its_order(capsys, tmp_path, monkeypatch):
    for number, (seconds, rate) in enumerate([(3, 16000), (0.5, 44100), (2, 8000), (9, 16000), (1, 48000)]):
        write(tmp_path / f"sub{number % 2}" / f"{number}.wav", seconds, rate)
    files = sorted(tmp_path.rglob("*.wav"))
    alone = [predict_json(capsys, str(file))[0] for file in files]
    sizes = []
    heard = Ear._hear_batch
    monkeypatch.setattr(Ear, "_hear_batch", lambda ear, rows: (sizes.append(len(rows)), heard(ear, rows))[1])
    together = predict_json(capsys, str(tmp_path))
    assert [one["file"] for one in together] == [str(file) for file in files]
    assert sizes == [sum(len(one["windows"]) for one in alone)]
    for one, other in zip(alone, together, strict=True):
        assert one["seconds"] == other["seconds"]
        np.testing.assert_allclose(
            [list(window.values()) for window in one["windows"]],
            [list(window.values()) for window in other["windows"]],
            atol=1e-5,
        )


def test_the_others_go_on_where_a_file_cannot_be_read(capsys, tmp_path):
    good = write(tmp_path / "a.wav", 3), write(tmp_path / "d.wav", 1)
    (tmp_path / "b.wav").write_text("no audio")
    (tmp_path / "c.wav").write_bytes((tmp_path / "a.wav").read_bytes()[:-1000])
    assert main(["predict", "last", str(tmp_path), "--format", "jsonl"]) == 1
    captured = capsys.readouterr()
    assert [json.loads(line)["file"] for line in captured.out.splitlines()] == list(good)
    assert captured.err.startswith("4 audio files\n")
    assert "2 of 4 recordings could not be read" in captured.err
    for name in ("b.wav", "c.wav"):
        assert captured.err.count(name) == 1


@pytest.mark.parametrize("damaged", ["end", "middle"])
def test_nothing_is_said_of_a_file_that_breaks_off(capsys, tmp_path, damaged):
    """Windows before the damage were heard by then, or waited to be."""
    write(tmp_path / "x.flac", 80)
    content = bytearray((tmp_path / "x.flac").read_bytes())
    content = content[:-5000] if damaged == "end" else content[: len(content) // 2]
    (tmp_path / "x.flac").write_bytes(content)
    words = ["predict", "last", str(tmp_path / "x.flac"), write(tmp_path / "y.wav", 2), "--format", "json"]
    assert main(words) == 1
    assert [one["file"] for one in json.loads(capsys.readouterr().out)] == [str(tmp_path / "y.wav")]


# Standard input


def pipe(monkeypatch, data):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_standard_input_is_heard_as_a_file_is(capsys, tmp_path, monkeypatch):
    soundfile.write(tmp_path / "x.wav", 0.2 * np.random.default_rng(0).standard_normal((5 * 44100, 2)), 44100)
    (expected,) = predict_json(capsys, str(tmp_path / "x.wav"))
    samples, _ = soundfile.read(tmp_path / "x.wav", dtype="int16")
    for data, words in (
        ((tmp_path / "x.wav").read_bytes(), []),
        (samples.astype("<i2").tobytes(), ["--rate", "44100", "--channels", "2"]),
        ((samples / 2**15).astype("<f4").tobytes(), ["--rate", "44100", "--channels", "2", "--encoding", "f32le"]),
    ):
        pipe(monkeypatch, data)
        assert predict_json(capsys, "-", *words) == [expected | {"file": "-"}]


def test_a_stream_is_answered_part_by_part(capsys, monkeypatch, tmp_path):
    """All windows of the whole come once, each with the first part that it completes."""
    samples = (3000 * np.random.default_rng(0).standard_normal(23 * 16000)).astype("<i2")
    soundfile.write(tmp_path / "x.wav", samples, 16000)
    (whole,) = predict_json(capsys, str(tmp_path / "x.wav"))
    pipe(monkeypatch, samples.tobytes())
    parts = predict_json(capsys, "-", "--rate", "16000")
    assert [(part["start"], part["seconds"]) for part in parts] == [(0, 10), (10, 10), (20, 3)]
    windows = [window for part in parts for window in part["windows"]]
    assert [window["start"] for window in windows] == [*range(0, 22, 2), 21]
    for part in parts:
        assert part["clip"]["bird"] == pytest.approx(np.mean([window["bird"] for window in part["windows"]]))
    assert [w["bird"] for w in windows] == pytest.approx([w["bird"] for w in whole["windows"]], abs=1e-5)
    pipe(monkeypatch, samples.tobytes())
    (once,) = predict_json(capsys, "-", "--rate", "16000", "--every", "1000")
    assert once["clip"]["bird"] == pytest.approx(whole["clip"]["bird"], abs=1e-5)
    fine = predict_json(capsys, str(tmp_path / "x.wav"), "--every", "0.5", "--hop", "1")
    assert [part["start"] + part["seconds"] for part in fine] == list(range(2, 24))


def test_an_endless_stream_is_answered_while_it_goes_on(capsys, monkeypatch):
    class Endless(io.RawIOBase):
        given = 0

        def readinto(self, buffer):
            if b"20.0 s" in written():
                raise KeyboardInterrupt
            self.given += len(buffer)
            assert self.given < 60 * 2 * 16000
            buffer[:] = bytes(len(buffer))
            return len(buffer)

        def readable(self):
            return True

    seen = []

    def written():
        seen.append(capsys.readouterr().out)
        return "".join(seen).encode()

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    assert main(["predict", "last", "-", "--rate", "16000"]) == 3
    assert b"-  10.0 s  bird" in written()


def test_the_plot_is_a_png(tmp_path):
    assert main(["predict", "last", write(tmp_path / "x.wav", 5), "--plot", str(tmp_path / "out.png")]) == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_wrong_input_is_named(capsys, tmp_path, monkeypatch):
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "nothing.wav").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "notes.txt").touch()
    soundfile.write(tmp_path / "silent.wav", np.zeros(0), 16000)
    soundfile.write(tmp_path / "one.wav", np.zeros(1), 999_999)
    sound = write(tmp_path / "sound.wav", 1)
    pipe(monkeypatch, bytes(1001))
    for words, message in (
        (["last", "-", "--rate", "8000"], "it ends within a sample"),
        (["last", "-", "--rate", "8000"], "no samples came"),
        (["last", "-"], "no samples came"),
        (["last", str(tmp_path / "nothing.wav")], "the file is empty (0 bytes)"),
        (["last", str(tmp_path / "silent.wav")], "the audio has zero length"),
        (["last", str(tmp_path / "one.wav")], "shorter than one sample"),
        (["last", str(tmp_path / "folder")], "no audio among the 1 files"),
        (["last", sound, "--rate", "8000"], "--rate without standard input"),
        (["last", "-", "--channels", "2"], "give --rate HZ"),
        (["last", "-", "--rate", "0"], "rate of 0"),
        (["last", "-", "--rate", "-8000"], "rate of -8000"),
        (["last", "-", "--rate", "8000", "--encoding", "s16"], "did you mean 's16le'?"),
        (["last", "-", "-"], "once only"),
        (["last", "-", "--plot", "out.png"], "--plot draws one file"),
        (["last", sound, "--plot", "out.png", "--every", "1"], "--plot draws one file"),
        (["last", sound, sound, "--format", "audacity"], "a label track is of one recording"),
        (["last", sound, "--threshold", "2"], "a threshold of 2.0"),
        (["last", sound, "--every", "0"], "parts of 0.0 s"),
        (["last", sound, "--hop", "0"], "give at least 0.001"),
        (["last", sound, "--top", "0"], "at least 1"),
        (["last", sound, "--format", "xml"], "invalid choice"),
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


def test_a_long_recording_has_the_events_of_the_clips_in_it(capsys, detector, tmp_path):
    """The clips are as long as the longest that was scored; what meets at a seam is one event."""
    step = float(np.load(detector / "predictions.npz")["frame_seconds"])
    there = [path for path in sorted(write_mini(SED).rglob("*.wav")) if soundfile.info(path).duration == 2][:5]
    own = json.loads(detect(capsys, detector, *there))
    signals = [soundfile.read(path, dtype="int16")[0] for path in there]
    soundfile.write(tmp_path / "long.wav", np.concatenate(signals), 44100)
    (long,) = json.loads(detect(capsys, detector, tmp_path / "long.wav"))
    frames = round(2 / step)
    inside = np.abs(np.arange(5 * frames) % frames - frames // 2) < frames // 2 - 3  # windows share a frame at seams

    def active(events, label, begin):
        """Frames `(all,)` in which a class is said to be."""
        seen = np.zeros(5 * frames, dtype=bool)
        for event in events:
            if event["label"] == label:
                seen[round((event["onset"] + begin) / step) : round((event["offset"] + begin) / step)] = True
        return seen

    joined = 0
    for label in SED.classes:
        expected = np.any([active(clip["events"], label, 2.0 * place) for place, clip in enumerate(own)], axis=0)
        found = active(long["events"], label, 0.0)
        np.testing.assert_array_equal(found[inside], expected[inside])
        events = [event for event in long["events"] if event["label"] == label]
        assert len(events) == np.count_nonzero(np.diff(found.astype(int), prepend=0) == 1)
        joined += sum(event["onset"] // 2 < event["offset"] // 2 for event in events)
    assert joined > 0 and inside.mean() > 0.9


def test_events_of_a_stream_have_its_times(capsys, detector, tmp_path, monkeypatch):
    file = write(tmp_path / "x.wav", 8)
    (whole,) = json.loads(detect(capsys, detector, file))
    expected = np.array([list(window.values()) for window in whole["windows"]])
    for words in ((file,), ("-", "--rate", "16000")):
        pipe(monkeypatch, soundfile.read(file, dtype="int16")[0].astype("<i2").tobytes())
        parts = json.loads(detect(capsys, detector, *words, "--every", "2"))
        assert [part["start"] + part["seconds"] for part in parts] == pytest.approx([2, 4, 6, 8])
        frames = np.array([list(window.values()) for part in parts for window in part["windows"]])
        np.testing.assert_allclose(frames[:, 0], expected[:, 0])
        alike = np.isclose(frames, expected, rtol=0, atol=1e-5).all(axis=1)
        assert np.count_nonzero(~alike) <= 3  # the last frame of each part, which the next window sees, too
        for part in parts:
            for event in part["events"]:
                assert part["start"] <= event["onset"] < event["offset"] <= part["start"] + 2.05
        assert sum(len(part["events"]) for part in parts) >= len(whole["events"]) > 0


def test_a_run_without_its_predictions_is_not_whole(capsys, detector, tmp_path):
    shutil.copytree(detector, tmp_path / "run")
    (tmp_path / "run" / "predictions.npz").unlink()
    assert main(["predict", str(tmp_path / "run"), write(tmp_path / "x.wav", 1)]) == 2
    assert "the run's folder is not whole" in capsys.readouterr().err


def test_the_plot_of_a_long_recording_is_as_wide_as_any(detector, tmp_path, monkeypatch):
    """An hour's worth of points is thinned out: means of the spectrogram, highest probabilities."""
    drawn = []
    monkeypatch.setattr(prediction_plot, "WIDTH", 50)
    monkeypatch.setattr(prediction_plot, "BLOCK_SECONDS", 3.0)
    monkeypatch.setattr(prediction_plot, "plot_prediction", lambda *parts: drawn.append(parts))
    file = write(tmp_path / "x.wav", 10)
    predictor = Predictor([detector])
    prediction = predictor.predict(Path(file))
    prediction_plot.plot(prediction, predictor.networks[0], tmp_path / "x.png")
    ((_, features, seconds, windows, curves, classes, name),) = drawn
    assert (seconds, classes, name) == (10.0, SED.classes, "x.wav")
    assert 40 <= len(features) <= 75 and 25 <= len(windows) == len(curves) <= 50
    np.testing.assert_allclose(windows[1:, 0], windows[:-1, 1])
    assert (windows[0, 0], windows[-1, 1]) == (0.0, prediction.windows[-1, 1])
    np.testing.assert_array_equal(curves.max(axis=0), prediction.curve.max(axis=0))
