import json

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmark.errors import InputError
from tasks.domestic.official import (
    CLASSES,
    DEVELOPMENT,
    EVALUATION,
    SEGMENTS,
    group_by_microphone,
    node_of,
    official_counts,
    read_fold,
    read_meta,
    read_microphones,
    read_nodes,
    score,
    scores,
)

META = [
    "audio/DevNode1_ex1_1.wav\tabsence\ts1",
    "audio/DevNode2_ex1_1.wav\tabsence\ts1",
    "audio/DevNode1_ex2_1.wav\tcooking\ts2",
    "audio/DevNode3_ex3_1.wav\tcooking\ts3",
]


@pytest.fixture
def folder(tmp_path):
    """Four segments of three sessions; fold 1 tests the last two."""
    setup = tmp_path / DEVELOPMENT / "evaluation_setup"
    setup.mkdir(parents=True)
    (setup.parent / "meta.txt").write_text("\n".join(META))
    (setup / "fold1_train.txt").write_text("\n".join(META[:2]) + "\n")
    (setup / "fold1_evaluate.txt").write_text("\n".join(META[2:]) + "\n")
    return setup.parent


@pytest.fixture
def write(tmp_path):
    def write(text, name):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


# Lists


def test_segments_come_in_the_lists_order(folder):
    segments = read_meta(folder)
    assert [segment.name for segment in segments] == [line.split("\t")[0] for line in META]
    name = "audio/DevNode2_ex1_1.wav"
    assert segments[1] == (name, folder / name, "absence", "s1", "DevNode2")


@pytest.mark.parametrize("ends", [("\n", ""), ("\n", "\n"), ("\r\n", "\r\n"), ("\r\n", ""), ("\n\n", "\n\n")])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_line_ends_do_not_matter(folder, ends, mark):
    before = read_meta(folder)
    (folder / "meta.txt").write_bytes((mark + ends[0].join(META) + ends[1]).encode())
    assert read_meta(folder) == before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("audio/x.wav\tabsense\ts9", "did you mean 'absence'?"),
        ("audio/x.wav\tworking,watching_tv\ts9", "there is no class"),
        ("audio/x.wav\tworking", "2 cells where the first row has 3"),
        ("audio/x.wav\tworking\t ", "no session for audio/x.wav"),
        ("audio/DevNode1_ex1_1.wav\tworking\ts9", "occurs twice"),
        ("\tworking\ts9", "no file"),
        ("../x.wav\tworking\ts9", "outside of the data folder"),
        ("/x.wav\tworking\ts9", "outside of the data folder"),
    ],
)
def test_faults_are_named_with_their_line(folder, row, message):
    (folder / "meta.txt").write_text("\n".join([*META, row]))
    with pytest.raises(InputError) as error:
        read_meta(folder)
    assert message in str(error.value)
    assert f"where: {folder / 'meta.txt'}:5" in str(error.value)


def test_a_list_with_two_columns(folder):
    (folder / "meta.txt").write_text("audio/x.wav\tworking\n")
    with pytest.raises(InputError, match="2 columns, not file, label, session"):
        read_meta(folder)


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("audio/DevNode3_ex119_42.wav", "DevNode3"),
        ("audio/EvalNode12_ex1_1.wav", "EvalNode12"),
        ("DevNode4_ex1_1.wav", "DevNode4"),
        ("audio/17.wav", ""),
    ],
)
def test_the_array_that_a_name_tells(name, node):
    assert node_of(name) == node


def test_arrays_of_the_evaluation_set_come_from_its_map(folder):
    evaluation = folder.parent / EVALUATION
    (evaluation / "evaluation_setup").mkdir(parents=True)
    (evaluation / "meta.txt").write_text("audio/1.wav\tother\ts1\r\naudio/2.wav\tother\ts1\r\n")
    assert [segment.node for segment in read_meta(evaluation)] == ["", ""]
    (evaluation / "evaluation_setup" / "map.txt").write_text("audio/2.wav\taudio/EvalNode7_ex1_1.wav")
    assert [segment.node for segment in read_meta(evaluation)] == ["", "EvalNode7"]


# Folds


def test_parts_of_a_fold(folder):
    train, test = read_fold(folder, "1", read_meta(folder))
    assert train == {"audio/DevNode1_ex1_1.wav", "audio/DevNode2_ex1_1.wav"}
    assert test == {"audio/DevNode1_ex2_1.wav", "audio/DevNode3_ex3_1.wav"}


@pytest.mark.parametrize(
    ("part", "row", "where", "message"),
    [
        ("train", META[2], "evaluate.txt:1", "fold 1 trains and tests on audio/DevNode1_ex2_1.wav"),
        ("evaluate", META[1].replace("ex1_1", "ex9_1"), "evaluate.txt:3", "'audio/DevNode2_ex9_1.wav' is not in meta"),
        ("evaluate", META[1].replace("absence", "working"), "evaluate.txt:3", "is working, but absence in meta.txt"),
        ("train", META[0], "train.txt:3", "occurs twice"),
    ],
)
def test_lists_that_contradict_each_other(folder, part, row, where, message):
    path = folder / "evaluation_setup" / f"fold1_{part}.txt"
    path.write_text(path.read_text() + row)
    with pytest.raises(InputError, match=message) as error:
        read_fold(folder, "1", read_meta(folder))
    assert f"where: {folder / 'evaluation_setup'}/fold1_{where}" in str(error.value)


def test_a_session_in_both_parts(folder):
    (folder / "evaluation_setup" / "fold1_train.txt").write_text(META[0])
    (folder / "evaluation_setup" / "fold1_evaluate.txt").write_text(f"{META[3]}\n{META[1]}")
    with pytest.raises(
        InputError, match=r"session s1 is in both parts of fold 1, e.g. audio/DevNode2_ex1_1.wav"
    ) as error:
        read_fold(folder, "1", read_meta(folder))
    assert "fold1_evaluate.txt:2" in str(error.value)


# Counts


def test_official_totals():
    """72,984 and 72,972 segments; the classes of both lists as the data sets' README files count them."""
    assert {name: sum(numbers) for name, numbers in SEGMENTS.items()} == {DEVELOPMENT: 72984, EVALUATION: 72972}
    assert dict(zip(CLASSES, SEGMENTS[DEVELOPMENT], strict=True))["vacuum_cleaner"] == 972
    assert dict(zip(CLASSES, SEGMENTS[EVALUATION], strict=True))["watching_tv"] == 21116
    assert list(CLASSES) == sorted(CLASSES)


def test_segments_and_sessions_are_counted(folder):
    counts = official_counts(DEVELOPMENT, read_meta(folder))
    found = {count.name.partition(": ")[2]: (count.found, count.official) for count in counts}
    assert found["absence"] == (2, 18860)
    assert found["working"] == (0, 18644)
    assert found["sessions"] == (3, 266)


# Scores


def reference_f1(target, predicted):
    return f1_score(target, predicted, labels=range(9), average="macro")


def test_scores_agree_with_the_baselines_scorer_and_by_microphone():
    rng = np.random.default_rng(0)
    target = np.concatenate([np.arange(9), np.arange(9), rng.integers(0, 9, 300)])
    predicted = np.where(rng.random(target.size) < 0.7, target, rng.integers(0, 9, target.size))
    groups = ["known"] * 9 + ["unknown"] * 9 + rng.choice(["known", "unknown"], 300).tolist()
    found = scores(target, predicted, groups)
    known = np.array(groups) == "known"
    assert found["f1"] == pytest.approx(reference_f1(target, predicted))
    assert found["f1/known"] == pytest.approx(reference_f1(target[known], predicted[known]))
    assert found["f1/unknown"] == pytest.approx(reference_f1(target[~known], predicted[~known]))
    assert found["accuracy/micro"] == pytest.approx(np.mean(target == predicted))
    assert [key for key in found if key.startswith("f1/")][2:] == [f"f1/{name}" for name in CLASSES]


def test_without_microphones_there_are_no_scores_of_them():
    found = scores(np.arange(9), np.arange(9), ["DevNode1"] * 9)
    assert found["f1"] == 1
    assert "f1/known" not in found and "f1/unknown" not in found


def test_absent_classes_are_undefined():
    found = scores(np.array([0, 0, 2]), np.array([0, 0, 1]), [""] * 3)
    assert (found["f1"], found["f1/absence"], found["f1/dishwashing"], found["f1/cooking"]) == (0.5, 1.0, 0.0, None)
    json.dumps(found, allow_nan=False)


@pytest.fixture
def files(write):
    """Two files of a known and one of an unknown array; one mistake."""
    names = ["audio/1.wav", "audio/2.wav", "audio/3.wav"]
    return {
        "reference": write("\n".join(f"{n}\t{c}\ts1" for n, c in zip(names, CLASSES[:3], strict=True)), "r.txt"),
        "predictions": write(f"{names[2]}\tdishwashing\n{names[1]}\tother\n{names[0]}\tabsence\n", "p.txt"),
        "nodes": write("\n".join(f"{n}\taudio/EvalNode{5 + i}_ex1_1.wav" for i, n in enumerate(names)), "map.txt"),
        "microphones": write("EvalNode5\tknown\nEvalNode6\tunknown\nEvalNode7\tunknown\n", "microphones.txt"),
    }


def test_files_are_scored(files):
    found = score(files["reference"], files["predictions"])
    # absence and dishwashing are found, cooking is missed; the false claim of other has no class to count against.
    assert found["f1"] == pytest.approx(2 / 3)
    assert "f1/known" not in found


def test_files_are_scored_by_microphone(files, write):
    found = score(**files)
    assert (found["f1/known"], found["f1/unknown"]) == (1.0, 0.5)
    by_file = write("audio/1.wav\tknown\naudio/2.wav\tunknown\naudio/3.wav\tunknown\n", "files.txt")
    assert score(files["reference"], files["predictions"], microphones=by_file) == found


def test_an_array_that_nobody_tells_of(files, write):
    with pytest.raises(InputError, match=r"the array of audio/1.wav is known"):
        score(files["reference"], files["predictions"], microphones=files["microphones"])
    with pytest.raises(InputError, match="nobody says whether EvalNode7 is known"):
        group_by_microphone(["audio/3.wav"], read_nodes(files["nodes"]), {"EvalNode5": "known"}, files["microphones"])


@pytest.mark.parametrize("option", ["microphones", "nodes"])
def test_a_further_file_that_is_not_there(files, tmp_path, option):
    with pytest.raises(InputError, match="No such file") as error:
        score(**files | {option: tmp_path / "DOES_NOT_EXIST"})
    assert "DOES_NOT_EXIST" in str(error.value)


def test_a_map_alone_says_nothing(files):
    with pytest.raises(InputError, match="--nodes changes nothing without --microphones"):
        score(files["reference"], files["predictions"], nodes=files["nodes"])


@pytest.mark.parametrize("text", ["EvalNode5 known\n", "EvalNode5\tmaybe\n", "EvalNode5\tknown\nEvalNode5\tunknown\n"])
def test_bad_microphones(write, text):
    path = write(text, "m.txt")
    with pytest.raises(InputError) as error:
        read_microphones(path)
    assert str(path) in str(error.value)


def test_bad_map(write):
    with pytest.raises(InputError, match="1 columns, not two file names"):
        read_nodes(write("audio/1.wav audio/EvalNode1_ex1_1.wav\n", "map.txt"))


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ("audio/1.wav\tabsence\naudio/2.wav\tother\n", "not in the predictions: audio/3.wav"),
        ("audio/1.wav\tabsence\naudio/1.wav\tother\n", "occurs twice"),
        ("audio/1.wav\tvacuum cleaner\n", "did you mean 'vacuum_cleaner'?"),
    ],
)
def test_bad_submissions(files, write, predictions, message):
    with pytest.raises(InputError) as error:
        score(files["reference"], write(predictions, "bad.txt"))
    assert message in str(error.value)
