"""File formats and `score`, against the official scorer's figures and on broken files."""

import csv
import json
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.data.inventory import Event
from benchmark.errors import InputError
from tasks.sed.official import (
    CLASSES,
    SUBSETS,
    WEAK_CLIPS,
    read_events,
    read_names,
    read_probabilities,
    read_tags,
    score,
    write_events,
)

HEADER = "filename\tonset\toffset\tevent_label\n"
CASES = [
    *("sed_official_baseline_eval_v1", "sed_official_baseline_eval_v2", "sed_street"),
    *("sed_binary", "sed_binary5", "sed_binary12", "sed_zero_score"),
]


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.tsv"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


def our_key(name):
    """This project's key of a metric of expected.json: event_macro_f1, event_micro_f1, event_f1[Cat]."""
    if name.endswith("]"):
        return name.replace("[", "/").rstrip("]")
    kind, mean, metric = name.split("_", 2)
    return f"{kind}_{metric}" + ("_micro" if mean == "micro" else "")


@pytest.mark.parametrize("case", CASES)
def test_official_figures(reference, case):
    folder = reference / "reference_scores"
    expected = json.loads((folder / "expected.json").read_text())[case]["expected"]
    scores = score(folder / case / "reference.tsv", folder / case / "predictions.tsv")
    assert len(expected) >= 9
    for name, figure in expected.items():
        assert scores[our_key(name)] == pytest.approx(figure["value"], abs=figure["tolerance"]), name


def test_every_reference_case_is_tested(reference):
    expected = json.loads((reference / "reference_scores" / "expected.json").read_text())
    assert sorted(CASES) == sorted(name for name, case in expected.items() if case["task"] == "sed")


def test_real_lists_have_the_official_counts(reference):
    folder = reference / "realdata" / "metadata" / "DCASE2018-task4"
    weak = read_tags(folder / "train" / "weak.csv")
    assert len(weak) == SUBSETS["weak"].clips == 1578
    # The paper's Table 1, which counts a label once that a clip repeats.
    assert Counter(tag for tags in weak.values() for tag in tags) == WEAK_CLIPS
    assert WEAK_CLIPS == {
        "Speech": 550,
        "Running_water": 343,
        "Dog": 214,
        "Alarm_bell_ringing": 205,
        "Dishes": 184,
        "Cat": 173,
        "Frying": 171,
        "Vacuum_cleaner": 167,
        "Blender": 134,
        "Electric_shaver_toothbrush": 103,
    }
    assert sum(map(len, weak.values())) == SUBSETS["weak"].rows == 2244
    for name, clips in (("unlabel_in_domain", 14412), ("unlabel_out_of_domain", 39999)):
        assert len(read_names(folder / "train" / f"{name}.csv")) == SUBSETS[name].clips == clips
    test, evaluation = read_events(folder / "test" / "test.csv"), read_events(folder / "eval" / "eval.csv")
    assert (len(test), sum(map(len, test.values()))) == (288, 908)
    assert (len(evaluation), sum(map(len, evaluation.values()))) == (880, 3328)
    assert sum(not events for events in evaluation.values()) == 15


# Lists of events


@pytest.mark.parametrize(
    "text",
    [
        HEADER + "a.wav\t0.5\t2\tCat\na.wav\t1\t3.25\tDog\nb.wav\t\t\t\n",
        HEADER.replace("event_label", "event_labels") + "a.wav\t0.5\t2\tCat\na.wav\t1\t3.25\tDog\nb.wav\n",
        "\ufeff" + HEADER.strip() + "\r\na.wav\t0.5\t2\tCat\r\n\r\na.wav\t1\t3.25\tDog\r\nb.wav\t\t\t",
        "a.wav\t0.5\t2\tCat\na.wav\t1\t3.25\tDog\nb.wav\n",
        "event_label\tfilename\toffset\tonset\nCat\ta.wav\t2\t0.5\nDog\ta.wav\t3.25\t1\n\tb.wav\t\t\n",
    ],
)
def test_dialects_of_event_lists(write, text):
    assert read_events(write(text)) == {"a.wav": [Event(0.5, 2.0, "Cat"), Event(1.0, 3.25, "Dog")], "b.wav": []}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav\t2\t1\tCat", "the event ends at 1 s, before it begins at 2 s"),
        ("a.wav\t-0.5\t1\tCat", "onset '-0.5' is not a number of seconds, 0 or more"),
        ("a.wav\tnan\t1\tCat", "onset 'nan'"),
        ("a.wav\t0\tinf\tCat", "offset 'inf'"),
        ("a.wav\t0\tlate\tCat", "offset 'late'"),
        ("a.wav\t0\t\tCat", "offset ''"),
        ("a.wav\t0\t1\t", "the event of a.wav has no label"),
        ("a.wav\t0\t1", "the event of a.wav has no label"),
        ("a.wav\t0\t1\tcat", "there is no class 'cat'"),
        ("\t0\t1\tCat", "no file name"),
        ("a.wav\t0\t1\tCat\tDog", "5 cells where the header has 4"),
        ("Yabc_30.000_40.000.wav\t8\t12\tCat", "the event ends at 12 s, beyond the clip of 10 s"),
        ("a.wav\t0\t1e9\tCat", "beyond the clip"),
    ],
)
def test_a_broken_event_is_named_with_its_line(write, row, message):
    path = write(f"{HEADER}b.wav\t1\t2\tDog\n{row}\n")
    with pytest.raises(InputError) as error:
        read_events(path)
    assert message in str(error.value)
    assert f"where: {path}:3" in str(error.value)


def test_an_unknown_class_gets_the_nearest_one(write):
    with pytest.raises(InputError, match="did you mean 'Running_water'"):
        read_events(write("a.wav\t0\t1\tRunning water\n"))


def test_times_may_pass_the_end_as_in_the_official_lists(write):
    """The lists end up to 0.115 s late; the official baseline gives 10 s to clips of 3 s."""
    text = "Yp_30.000_40.000.wav\t9.865\t10.115\tDog\nYq_0.000_3.000.wav\t0.0\t10.0\tDog\n"
    assert len(read_events(write(text))) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("filename\tonset\toffset\n", "no column event_label; found: filename, onset, offset"),
        ("a.wav,0,1,Cat\n", "'a.wav,0,1,Cat' is one column"),
        ("a.wav 0 1 Cat\n", "separate filename, onset, offset, event_label by tabs"),
    ],
)
def test_a_file_that_is_no_list_of_events(write, text, message):
    with pytest.raises(InputError, match=message):
        read_events(write(text))


def test_events_are_written_to_the_last_digit(tmp_path):
    events = {"a.wav": [Event(0.1 + 0.2, 1 / 3, "Cat"), Event(0.0, 9.96, "Speech")], "b.wav": []}
    write_events(tmp_path / "events.tsv", events)
    assert read_events(tmp_path / "events.tsv") == events
    assert (tmp_path / "events.tsv").read_text().startswith(HEADER)


# Training lists


@pytest.mark.parametrize(
    "text",
    [
        "filename\tevent_labels\na.wav\tDog,Speech\nb.wav\tCat\n",
        "filename\tevent_labels\na.wav\tDog;Speech\nb.wav\tCat",
        "\ufefffilename\tevent_label\r\na.wav\tDog, Speech\r\nb.wav\tCat\r\n",
        "a.wav\tDog,Speech\nb.wav\tCat\n",
    ],
)
def test_dialects_of_the_weak_list(write, text):
    assert read_tags(write(text)) == {"a.wav": ("Dog", "Speech"), "b.wav": ("Cat",)}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("filename\tevent_labels\n", None, "no files below the header"),
        ("filename\tevent_labels\na.wav\tDog\na.wav\tCat\n", 3, "file 'a.wav' occurs twice"),
        ("filename\tevent_labels\na.wav\tDog,Cow\n", 2, "there is no class 'Cow'"),
        ("filename\tevent_labels\na.wav\t\n", 2, "no label for file a.wav"),
        ("filename\tevent_labels\n\tDog\n", 2, "no file"),
        ("filename,event_labels\na.wav,Dog\n", 1, "'filename,event_labels' is one column"),
    ],
)
def test_a_broken_weak_list(write, text, line, message):
    path = write(text)
    with pytest.raises(InputError) as error:
        read_tags(path)
    assert message in str(error.value)
    assert f"where: {path}" + (f":{line}" if line else "") in str(error.value)


def test_unlabelled_lists(write):
    assert read_names(write("filename\r\na.wav\r\nb.wav")) == read_names(write("a.wav\nb.wav\n")) == ["a.wav", "b.wav"]
    with pytest.raises(InputError, match="occurs twice"):
        read_names(write("filename\na.wav\na.wav\n"))
    with pytest.raises(InputError, match="no files below the header"):
        read_names(write("filename\n"))


# Scoring


@pytest.fixture
def files(write):
    reference = write(HEADER + "a.wav\t1\t2\tCat\nb.wav\t\t\t\n", "reference.tsv")
    return reference, write(HEADER + "a.wav\t1.1\t2.1\tCat\n", "predictions.tsv")


def test_files_without_predictions_have_no_events(files):
    assert score(*files)["event_f1"] == 1


def test_no_predictions_at_all_score_zero(files, write):
    assert score(files[0], write(HEADER, "nothing.tsv"))["event_f1"] == 0


def test_a_line_that_occurs_twice_counts_twice(files, write):
    scores = score(files[0], write("a.wav\t1\t2\tCat\na.wav\t1\t2\tCat\n", "twice.tsv"))
    assert (scores["event_precision"], scores["event_recall"]) == (0.5, 1)


def test_a_file_that_the_reference_does_not_have(files, write):
    path = write(HEADER + "a.wav\t1\t2\tCat\nc.wav\t1\t2\tCat\n", "more.tsv")
    with pytest.raises(InputError) as error:
        score(files[0], path)
    assert "file 'c.wav' is not in the reference" in str(error.value)
    assert f"{path}:3" in str(error.value)


def test_a_reference_without_files(write, files):
    with pytest.raises(InputError, match="no files below the header"):
        score(write(HEADER), files[1])


def tag_file(rows, delimiter="\t"):
    return "\n".join(delimiter.join(row) for row in [("filename", *CLASSES), *rows]) + "\n"


@pytest.mark.parametrize("delimiter", ["\t", ","])
def test_tag_scores(files, write, delimiter):
    """Cat is in a.wav alone, which has the higher probability; at 0.5 both clips are tagged: F1 2 / 3."""
    rows = [
        (name, *(cat if label == "Cat" else "0.1" for label in CLASSES))
        for name, cat in (("b.wav", "0.5"), ("a.wav", "0.7"))
    ]
    scores = score(*files, tags=write(tag_file(rows, delimiter), "tags"))
    assert scores["tag_auc"] == scores["tag_auc/Cat"] == 1
    assert scores["tag_f1"] == pytest.approx(2 / 3)
    assert scores["tag_auc/Dog"] is None
    assert scores["event_f1"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("0.7", "1.7"), "prediction '1.7' is not a number in"),
        (lambda text: text.replace("0.7", "nan"), "prediction 'nan' is not a number in"),
        (lambda text: text.replace("0.7", ""), "prediction '' is not a number in"),
        (lambda text: text.replace("Cat", "Kat"), "no column Cat"),
        (lambda text: text.replace("a.wav", "c.wav"), "are not in the predictions: a.wav"),
        (lambda text: text.replace("a.wav", "b.wav"), "file 'b.wav' occurs twice"),
        (lambda text: text.splitlines()[0], "no files below the header"),
    ],
)
def test_broken_tags(files, write, change, message):
    rows = [("b.wav", *["0.1"] * 10), ("a.wav", *["0.7"] * 10)]
    with pytest.raises(InputError, match=message):
        score(*files, tags=write(change(tag_file(rows)), "tags.tsv"))


def test_probabilities_come_in_the_order_of_the_classes(write):
    rows = [("Speech", *CLASSES[:8], CLASSES[9], "filename"), ("0.8", *["0.1"] * 8, "0.2", "a.wav")]
    text = "\n".join(",".join(row) for row in rows)
    assert read_probabilities(write(text)) == {"a.wav": [*[0.1] * 8, 0.8, 0.2]}


def test_the_command_prints_one_object_and_names_errors(files, write, capsys):
    words = ["score", "sed", "--reference", str(files[0]), "--predictions", str(files[1]), "--json"]
    assert main(words) == 0
    scores = json.loads(capsys.readouterr().out)
    means = ("f1", "precision", "recall", "error_rate")
    keys = {f"{kind}_{mean}{ending}" for kind in ("event", "segment") for mean in means for ending in ("", "_micro")}
    keys |= {f"{kind}_f1/{name}" for kind in ("event", "segment") for name in CLASSES}
    assert scores.keys() == keys
    assert scores["event_f1/Dog"] is None
    tags = write(tag_file([(name, *["0.6"] * 10) for name in ("a.wav", "b.wav")]), "tags.tsv")
    assert main([*words, "--tags", str(tags)]) == 0
    more = json.loads(capsys.readouterr().out)
    assert more["tag_auc"] == 0.5
    assert more | scores == more
    bad = write(HEADER + "a.wav\t3\t2\tCat\n", "bad.tsv")
    assert main([*words[:5], str(bad)]) == 2
    assert f"{bad}:2" in capsys.readouterr().err


def test_scoring_does_not_import_torch():
    check = "import tasks.sed.official, sys; sys.exit(any(name in sys.modules for name in ('torch', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0


def test_two_thousand_files_are_read_and_scored_in_three_seconds(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name in ("reference", "predictions"):
        paths.append(tmp_path / f"{name}.tsv")
        with paths[-1].open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(HEADER.split())
            for clip in range(2000):
                for onset, length, k in zip(
                    rng.uniform(0, 9, 10), rng.uniform(0.1, 1, 10), rng.permutation(10), strict=True
                ):
                    writer.writerow([f"Y{clip}_0.000_10.000.wav", f"{onset:.3f}", f"{onset + length:.3f}", CLASSES[k]])
    start = time.process_time()
    assert score(*paths)["event_f1"] > 0
    assert time.process_time() - start < 3
