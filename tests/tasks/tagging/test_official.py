"""The official files, good and bad, and the scorer."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.metrics import top_k
from tasks.tagging.official import (
    CLASSES,
    TRAIN_CLIPS,
    Clip,
    read_submission,
    read_test,
    read_train,
    score,
    tagging_scores,
    write_submission,
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


def fails(function, path, line, message):
    with pytest.raises(InputError) as error:
        function(path)
    assert message in str(error.value)
    assert f"where: {path}" + (f":{line}" if line else "") in str(error.value)
    assert len(str(error.value).splitlines()) <= 3


# The official lists


@pytest.fixture(scope="module")
def metadata(reference):
    return reference / "realdata" / "metadata" / "FSDKaggle2018"


def test_official_training_list(metadata):
    clips = read_train(metadata / "train_post_competition.csv")
    assert len(clips) == 9473
    assert Counter(clip.group for clip in clips) == {"verified": 3710, "unverified": 5763}
    per_class = Counter(clip.label for clip in clips)
    assert per_class == TRAIN_CLIPS
    assert sorted(per_class) == list(CLASSES)
    assert (len(per_class), min(per_class.values()), max(per_class.values())) == (41, 94, 300)


def test_official_test_list(metadata):
    found = read_test(metadata / "test_post_competition.csv")
    assert Counter(clip.group for clip in found.scored) == {"public": 301, "private": 1299}
    per_class = Counter(clip.label for clip in found.scored)
    assert (set(per_class), min(per_class.values()), max(per_class.values())) == (set(CLASSES), 25, 110)
    assert len(found.ignored) == 7800
    assert {"0b0427e2.wav", "6ea0099f.wav", "b39975f5.wav"} <= found.ignored


def test_a_perfect_and_a_constant_submission_on_the_official_list(metadata, tmp_path):
    found = read_test(metadata / "test_post_competition.csv")
    perfect = tmp_path / "perfect.csv"
    perfect.write_text("fname,label\n" + "".join(f"{clip.fname},{clip.label}\n" for clip in found.scored))
    scores = score(metadata / "test_post_competition.csv", perfect)
    assert set(scores.values()) == {1.0}

    names = [clip.fname for clip in found.scored] + sorted(found.ignored)
    constant = tmp_path / "constant.csv"
    constant.write_text(
        "fname,label\n" + "".join(f"{n},Saxophone Violin_or_fiddle Gunshot_or_gunfire\n" for n in names)
    )
    scores = score(metadata / "test_post_competition.csv", constant)
    # 110, 108 and 63 of the 1600 clips, counted in the list with another program.
    assert scores["map@3"] == pytest.approx((110 + 108 / 2 + 63 / 3) / 1600)
    assert scores["accuracy"] == pytest.approx(110 / 1600)
    assert scores["map@3/Violin_or_fiddle"] == 0.5


def test_the_sample_submission_has_another_spelling(metadata):
    with pytest.raises(InputError, match=r"(?s)no class 'Hi-Hat'.*did you mean 'Hi-hat'"):
        score(metadata / "test_post_competition.csv", metadata / "sample_submission.csv")


def test_class_names_are_spelt_and_ordered_as_officially():
    assert len(CLASSES) == 41
    assert sum(TRAIN_CLIPS.values()) == 9473
    assert list(CLASSES) == sorted(CLASSES)
    assert {"Hi-hat", "Burping_or_eructation", "Drawer_open_or_close", "Violin_or_fiddle"} <= set(CLASSES)


# Label files


@pytest.mark.parametrize(
    "text",
    [
        "fname,label,manually_verified,freesound_id,license\na.wav,Bark,1,7,CC\nb.wav,Hi-hat,0,8,CC\n",
        "\ufefffname,label,manually_verified\r\na.wav,Bark,1\r\nb.wav,Hi-hat,0",
        'manually_verified,label,"fname"\n\n1, Bark ,a.wav\n0,Hi-hat,b.wav\n\n',
    ],
)
def test_training_list(write, text):
    assert read_train(write(text)) == [Clip("a.wav", "Bark", "verified"), Clip("b.wav", "Hi-hat", "unverified")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty"),
        ("fname,label,manually_verified\n", None, "no clips below the header"),
        ("fname,label\na.wav,Bark\n", 1, "no column manually_verified"),
        ("fname,label,manually_verified\na.wav,Bark,1\na.wav,Bark,1\n", 3, "clip 'a.wav' occurs twice"),
        ("fname,label,manually_verified\n,Bark,1\n", 2, "no clip"),
        ("fname,label,manually_verified\na.wav,Barks,1\n", 2, "did you mean 'Bark'"),
        ("fname,label,manually_verified\na.wav,Hi-Hat,1\n", 2, "did you mean 'Hi-hat'"),
        ("fname,label,manually_verified\na.wav,None,1\n", 2, "there is no class 'None'"),
        ("fname,label,manually_verified\na.wav,Bark,yes\n", 2, "manually_verified is 'yes'"),
        ("fname,label,manually_verified\na.wav,Bark\n", 2, "2 cells where the first row has 3"),
    ],
)
def test_bad_training_lists(write, text, line, message):
    fails(read_train, write(text), line, message)


def test_test_lists(write):
    found = read_test(write("fname,label,usage\r\na.wav,Bark,Public\r\nb.wav,None,Ignored\r\nc.wav,Meow,Private"))
    assert found.scored == [Clip("a.wav", "Bark", "public"), Clip("c.wav", "Meow", "private")]
    assert found.ignored == {"b.wav"}
    found = read_test(write("\ufefffname,label\na.wav,Bark\nb.wav,None\n"))
    assert (found.scored, found.ignored) == ([Clip("a.wav", "Bark", "")], {"b.wav"})


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("name,label\na.wav,Bark\n", 1, "no column fname"),
        ("fname,label,usage\na.wav,None,Ignored\n", None, "no clips to score"),
        ("fname,label,usage\na.wav,Bark,Secret\n", 2, "usage is 'Secret'"),
        ("fname,label,usage\na.wav,Bark,\n", 2, "usage is ''"),
        ("fname,label,usage\na.wav,None,Public\n", 2, "there is no class 'None'"),
        ("fname,label,usage\na.wav,None,Ignored\na.wav,Bark,Public\n", 3, "clip 'a.wav' occurs twice"),
    ],
)
def test_bad_test_lists(write, text, line, message):
    fails(read_test, write(text), line, message)


# Submissions


@pytest.mark.parametrize(
    "text",
    [
        "fname,label\na.wav,Bark Meow Hi-hat\nb.wav,Bark\nc.wav,\n",
        "\ufefffname,label\r\na.wav,Bark  Meow Hi-hat\r\nb.wav,Bark\r\nc.wav,",
    ],
)
def test_submissions(write, text):
    assert read_submission(write(text)) == {"a.wav": ("Bark", "Meow", "Hi-hat"), "b.wav": ("Bark",), "c.wav": ()}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty"),
        ("fname,label\n", None, "no predictions below the header"),
        ("a.wav,Bark\n", 1, "no column fname, label"),
        ("fname,label\na.wav,Bark Meow Cough Gong\n", 2, "4 labels for clip 'a.wav'"),
        ("fname,label\na.wav,Bark Miaow\n", 2, "did you mean 'Meow'"),
        ("fname,label\na.wav,bark\n", 2, "did you mean 'Bark'"),
        ("fname,label\na.wav,Bark\nb.wav,Bark\na.wav,Meow\n", 4, "clip 'a.wav' occurs twice"),
        ("fname,label\na.wav,Bark,Meow\n", 2, "3 cells where the first row has 2"),
    ],
)
def test_bad_submissions(write, text, line, message):
    fails(read_submission, write(text), line, message)


def test_an_ignored_clip_may_not_occur_twice_either(write):
    path = write("fname,label\na.wav,Bark\nb.wav,?\nb.wav,?\n")
    with pytest.raises(InputError, match=r"clip 'b.wav' occurs twice"):
        read_submission(path, {"b.wav"})
    assert read_submission(write("fname,label\na.wav,Bark\nb.wav,?\n"), {"b.wav"}) == {"a.wav": ("Bark",)}


def test_submission_holds_the_three_most_probable_labels(tmp_path):
    probability = np.zeros((2, 41))
    probability[0, [2, 5, 40]] = [0.2, 0.5, 0.3]
    probability[1] = 1 / 41
    path = tmp_path / "new" / "submission.csv"
    write_submission(path, ["a.wav", "b.wav"], probability)
    assert path.read_bytes() == (b"fname,label\na.wav,Bus Writing Bark\nb.wav,Acoustic_guitar Applause Bark\n")
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("fnames", "shape", "value", "message"),
    [
        (["a.wav"], (2, 41), 0.1, "1 clips of 41 classes"),
        (["a.wav"], (1, 40), 0.1, "1 clips of 41 classes"),
        (["a.wav", "a.wav"], (2, 41), 0.1, "occurs twice"),
        (["a.wav"], (1, 41), np.nan, "NaN"),
    ],
)
def test_a_bad_submission_leaves_the_old_file_alone(tmp_path, fnames, shape, value, message):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(InputError, match=message):
        write_submission(path, fnames, np.full(shape, value))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# Scoring

REFERENCE = "fname,label,usage\na.wav,Bark,Public\nb.wav,Meow,Private\nc.wav,Bark,Private\nd.wav,None,Ignored\n"


def test_score_computed_by_hand(write):
    predictions = "fname,label\nb.wav,Bark Meow\nc.wav,Cough Cough Bark\na.wav,Bark\n"
    scores = json.loads(json.dumps(score(write(REFERENCE, "r.csv"), write(predictions, "p.csv"))))
    assert scores["map@3"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert scores["map@3/public"] == 1
    assert scores["map@3/private"] == pytest.approx((1 / 2 + 1 / 3) / 2)
    assert scores["accuracy"] == pytest.approx(1 / 3)
    assert scores["map@3/Bark"] == pytest.approx((1 + 1 / 3) / 2)
    assert (scores["accuracy/Bark"], scores["accuracy/Meow"]) == (0.5, 0)
    assert scores["map@3/Cough"] is None
    assert scores["accuracy/Cough"] is None
    assert (scores["accuracy/public"], scores["accuracy/private"]) == (1, 0)
    parts = {f"{metric}/{part}" for metric in ("map@3", "accuracy") for part in (*CLASSES, "public", "private")}
    assert set(scores) == {"map@3", "accuracy"} | parts
    assert not {"public", "private"} & set(CLASSES)


def test_ignored_clips_change_nothing(write):
    predictions = "fname,label\na.wav,Bark\nb.wav,Bark Meow\nc.wav,\n"
    reference = write(REFERENCE, "r.csv")
    scores = score(reference, write(predictions, "p.csv"))
    assert scores == score(reference, write(predictions + "d.wav,Hi-Hat Hi-Hat x y\n", "q.csv"))
    assert scores["map@3"] == pytest.approx(1.5 / 3)


def test_without_usage_there_is_no_public_and_no_private_part(write):
    scores = score(
        write("fname,label,manually_verified\na.wav,Bark,1\n", "r.csv"), write("fname,label\na.wav,Bark\n", "p.csv")
    )
    assert scores["map@3"] == 1
    assert not any(key.endswith(("/public", "/private")) for key in scores)


def test_an_empty_part_is_null(write):
    reference = write("fname,label,usage\na.wav,Bark,Private\n", "r.csv")
    scores = score(reference, write("fname,label\na.wav,Bark\n", "p.csv"))
    assert (scores["map@3/public"], scores["map@3/private"]) == (None, 1)


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ("fname,label\na.wav,Bark\nc.wav,Bark\n", "1 of 3 clips of the reference are not in the predictions: b.wav"),
        (
            "fname,label\na.wav,Bark\nb.wav,Bark\nc.wav,Bark\ne.wav,Bark\n",
            "1 of 4 clips of the predictions are not in the reference: e.wav",
        ),
    ],
)
def test_clips_in_only_one_of_the_two(write, predictions, message):
    with pytest.raises(InputError, match=message):
        score(write(REFERENCE, "r.csv"), write(predictions, "p.csv"))


def test_a_written_submission_scores_as_its_probabilities(write, tmp_path):
    rng = np.random.default_rng(1)
    probability, target = rng.dirichlet(np.full(41, 0.2), 200), rng.integers(0, 41, 200)
    probability[np.arange(200), target] += rng.choice([0.0, 0.3], 200)
    usage = rng.choice(["Public", "Private"], 200)
    names = [f"{clip:08x}.wav" for clip in range(200)]
    rows = [f"{n},{CLASSES[t]},{u}\n" for n, t, u in zip(names, target, usage, strict=True)]
    write_submission(tmp_path / "p.csv", names, probability)
    found = score(write("fname,label,usage\n" + "".join(rows), "r.csv"), tmp_path / "p.csv")
    assert found == tagging_scores(target, top_k(probability, 3), [u.lower() for u in usage])
    assert 0.2 < found["map@3"] < 0.8


def test_scoring_does_not_import_torch():
    check = "import tasks.tagging.official, sys; sys.exit(any(name in sys.modules for name in ('torch', 'pandas')))"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
