import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmark.errors import InputError
from tasks.bad.datamodule import BirdDataModule
from tasks.bad.official import (
    DATASETS,
    Item,
    Label,
    read_items,
    read_labels,
    read_predictions,
    score,
    write_submission,
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def root(tmp_path):
    """Two clips a data set, the second csv name of each, no audio inside the files."""
    for letter, dataset in zip("xyz", DATASETS.values(), strict=True):
        wav = tmp_path / "data" / dataset.name / "wav"
        wav.mkdir(parents=True)
        (wav.parent / dataset.csv_names[1]).write_text(f"itemid,hasbird\n{letter}2,1\n{letter}1,0\n")
        for number in "12":
            (wav / f"{letter}{number}.wav").touch()
    return tmp_path / "data"


# Label files


@pytest.mark.parametrize(
    "text",
    [
        "itemid,hasbird\n64486,0\na-b,1\n",
        "itemid,hasbird\r\n64486,0\r\na-b,1",
        "\ufeffitemid,hasbird\n64486,0\n\na-b,1\n\n",
        'hasbird,"itemid",note\n0,64486,x\n1, a-b ,y\n',
    ],
)
def test_labels_without_datasetid(write, text):
    assert read_labels(write(text)) == [Label("64486", None, 0), Label("a-b", None, 1)]


def test_labels_with_datasetid(write):
    assert read_labels(write("itemid,datasetid,hasbird\n1,ff1010bird,0\n")) == [Label("1", "ff1010bird", 0)]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty"),
        ("\n\n", None, "the file is empty"),
        ("itemid,hasbird\n", None, "no labels below the header"),
        ("item,hasbird\n1,0\n", 1, "no column itemid; found: item, hasbird"),
        ("1,0\n2,1\n", 1, "no column itemid, hasbird; found: 1, 0"),
        ("itemid,hasbird\n1,0\n2,2\n", 3, "hasbird is '2'"),
        ("itemid,hasbird\n1,\n", 2, "hasbird is ''"),
        ("itemid,hasbird\n1,0\n\n1,1\n", 4, "itemid '1' occurs twice"),
        ("itemid,hasbird\n,1\n", 2, "no itemid"),
        ("itemid,hasbird\n1,1,1\n", 2, "3 cells where the first row has 2"),
        ("itemid,datasetid,hasbird\n1,,1\n", 2, "no datasetid for item 1"),
    ],
)
def test_bad_labels(write, text, line, message):
    path = write(text)
    with pytest.raises(InputError) as error:
        read_labels(path)
    assert message in str(error.value)
    assert f"where: {path}" + (f":{line}" if line else "") in str(error.value)


def test_label_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_labels(tmp_path / "absent.csv")
    (tmp_path / "latin.csv").write_bytes(b"itemid,hasbird\n\xff,1\n")
    with pytest.raises(InputError, match="cannot read the file"):
        read_labels(tmp_path / "latin.csv")


def test_official_lists_have_the_official_counts(reference):
    folder = reference / "realdata" / "metadata" / "bird-audio-detection"
    read = []
    for dataset in DATASETS.values():
        for path in (folder / name for name in dataset.csv_names):
            if path.is_file():
                labels = read_labels(path)
                assert (len(labels), sum(label.hasbird for label in labels)) == (dataset.clips, dataset.birds)
                assert {label.datasetid for label in labels} <= {dataset.name, None}
                read.append(path.name)
    assert len(read) == 4


def test_official_counts_are_those_of_the_papers():
    counts = {name: (dataset.clips, dataset.birds) for name, dataset in DATASETS.items()}
    assert counts == {"ff1010bird": (7690, 1935), "warblrb10k": (8000, 6045), "BirdVox-DCASE-20k": (20000, 10017)}


# Data sets


def test_items_come_in_csv_order(root):
    items = read_items(root)
    assert items[:2] == [
        Item("ff1010bird", "x2", root / "ff1010bird/wav/x2.wav", 1),
        Item("ff1010bird", "x1", root / "ff1010bird/wav/x1.wav", 0),
    ]
    assert [item.dataset for item in items[::2]] == list(DATASETS)


def test_leftovers_and_other_files_are_ignored(root):
    for name in ("._x1.wav", "notes.txt"):
        (root / "ff1010bird/wav" / name).touch()
    assert len(BirdDataModule.take_stock(root, "stop", "random-3-fold").examples) == 6


@pytest.mark.parametrize("remove", ["", "warblrb10k", "warblrb10k/wav", "warblrb10k/warblrb10k_public_metadata.csv"])
def test_missing_data_names_files_place_command_and_mini(root, remove):
    path = root / remove
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError) as error:
        read_items(root)
    message = str(error.value)
    assert len(message.splitlines()) == 3
    assert str(root) in message
    assert "DATA=mini" in message
    assert ("warblrb10k/wav/" in message) == ("csv" not in remove)
    assert ("warblrb10k/warblrb10k_public_metadata_2018.csv" in message) == (not remove.endswith("wav"))
    assert "make data TASK=bad" in message


def test_another_spelling_of_the_folder_is_not_accepted(root):
    (root / "BirdVox-DCASE-20k").rename(root / "birdvox_dcase_20k")
    with pytest.raises(InputError, match="missing BirdVox-DCASE-20k/wav/"):
        read_items(root)


def test_rows_and_files_without_partner(root):
    (root / "ff1010bird/wav/x1.wav").unlink()
    for itemid in "abcdef":
        (root / f"warblrb10k/wav/{itemid}.wav").touch()
    with pytest.raises(InputError) as error:
        BirdDataModule.take_stock(root, "stop", "random-3-fold")
    assert "7 listed clips or files without partner: ff1010bird/wav/x1.wav is missing, warblrb10k/wav/a.wav is on" in (
        str(error.value)
    )
    assert "e.wav" not in str(error.value)

    inventory = BirdDataModule.take_stock(root, "skip", "random-3-fold")
    assert len(inventory.examples) == 5
    assert inventory.missing == {"ff1010bird/x1": "ff1010bird/wav/x1.wav is missing"}
    assert inventory.strangers["warblrb10k/wav/f.wav"] == "warblrb10k/wav/f.wav is on no list"
    assert len(inventory.skipped) == 7


@pytest.mark.parametrize("itemid", ["../x1", "..", "sub/x1", "/x1", "sub\\x1", "C:x1"])
def test_itemids_outside_the_folder(root, itemid):
    (root / "ff1010bird/ff1010bird_metadata_2018.csv").write_text(f"itemid,hasbird\nx1,0\n{itemid},1\n")
    with pytest.raises(InputError, match=r"would leave the folder") as error:
        read_items(root)
    assert "ff1010bird_metadata_2018.csv:3" in str(error.value)


def test_csv_of_another_data_set(root):
    (root / "ff1010bird/ff1010bird_metadata_2018.csv").write_text("itemid,datasetid,hasbird\nx1,warblrb10k,0\n")
    with pytest.raises(InputError, match="datasetid 'warblrb10k' in the folder of ff1010bird"):
        read_items(root)


# Submissions


@pytest.mark.parametrize(
    "text", ["itemid,prediction\na,0.25\nb,1\n", "a,0.25\r\nb,1", "prediction,x,itemid\n0.25,,a\n1e0,,b\n"]
)
def test_predictions(write, text):
    assert read_predictions(write(text)) == {"a": 0.25, "b": 1.0}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty"),
        ("itemid,prediction\n", None, "no predictions below the header"),
        ("itemid,probability\na,1\n", 1, "no column prediction; found: itemid, probability"),
        ("a,b,0.5\n", 1, "no column itemid, prediction; found: a, b, 0.5"),
        ("a,0.5\na,0.6\n", 2, "itemid 'a' occurs twice"),
        ("itemid,prediction\na,bird\n", 2, "prediction 'bird' is not a number in [0, 1]"),
        ("a,nan\n", 1, "prediction 'nan'"),
        ("a,0.1\nb,inf\n", 2, "prediction 'inf'"),
        ("a,0.1\nb,-0.1\n", 2, "prediction '-0.1'"),
        ("a,0.1\nb,1.01\n", 2, "prediction '1.01'"),
    ],
)
def test_bad_predictions(write, text, line, message):
    path = write(text)
    with pytest.raises(InputError) as error:
        read_predictions(path)
    assert message in str(error.value)
    assert f"where: {path}" + (f":{line}" if line else "") in str(error.value)


def test_submission_is_read_back_exactly(tmp_path):
    probabilities = np.random.default_rng(0).random(50)
    itemids = [f"item-{index}" for index in range(50)]
    path = tmp_path / "new" / "submission.csv"
    write_submission(path, itemids, probabilities)
    assert path.read_text().startswith("itemid,prediction\nitem-0,")
    assert read_predictions(path) == dict(zip(itemids, probabilities.tolist(), strict=True))
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    ("itemids", "probabilities", "message"),
    [
        (["a"], [0.1, 0.2], "1 itemids but 2 probabilities"),
        (["a", "a"], [0.1, 0.2], "occurs twice"),
        (["a", "b"], [0.1, float("nan")], "item b"),
        (["a"], [1.5], "not a number in"),
    ],
)
def test_a_bad_submission_leaves_the_old_file_alone(tmp_path, itemids, probabilities, message):
    path = tmp_path / "submission.csv"
    path.write_text("old")
    with pytest.raises(InputError, match=message):
        write_submission(path, itemids, probabilities)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# Scoring


def test_score_per_data_set(write):
    rng = np.random.default_rng(2)
    names = rng.choice(["warblrb10k", "ff1010bird", "BirdVox-DCASE-20k"], 90)
    target, probability = rng.integers(0, 2, 90), rng.random(90).round(2)
    rows = zip(names, target, strict=True)
    reference = write(
        "itemid,datasetid,hasbird\n" + "".join(f"{i},{n},{t}\n" for i, (n, t) in enumerate(rows)), "r.csv"
    )
    predictions = write("".join(f"{i},{probability[i]}\n" for i in range(89, -1, -1)), "p.csv")
    scores = json.loads(json.dumps(score(reference, predictions)))
    assert set(scores) == {
        *("auc", "auc/harmonic_mean", "auc/pooled", "accuracy"),
        *(f"{metric}/{name}" for metric in ("auc", "accuracy") for name in DATASETS),
    }
    assert scores["auc/pooled"] == pytest.approx(roc_auc_score(target, probability))
    for name in DATASETS:
        assert scores[f"auc/{name}"] == pytest.approx(roc_auc_score(target[names == name], probability[names == name]))


def test_score_without_datasetid(write):
    reference = write("itemid,hasbird\na,0\nb,1\nc,1\n", "r.csv")
    predictions = write("itemid,prediction\nc,0.9\na,0.4\nb,0.3\n", "p.csv")
    assert score(reference, predictions) == {"auc": 0.5, "accuracy": pytest.approx(2 / 3)}


def test_score_of_one_class_is_null(write):
    scores = score(write("itemid,hasbird\na,1\n", "r.csv"), write("a,0.9\n", "p.csv"))
    assert json.dumps(scores) == '{"auc": null, "accuracy": 1.0}'


def test_items_in_one_file_only(write):
    reference = write("itemid,hasbird\n" + "".join(f"r{i},1\n" for i in range(7)) + "both,0\n", "r.csv")
    predictions = write("both,0.5\np0,0.5\n", "p.csv")
    with pytest.raises(InputError) as error:
        score(reference, predictions)
    message = str(error.value)
    assert "7 of 8 items of the reference are not in the predictions: r0, r1, r2, r3, r4 ...;" in message
    assert "1 of 2 items of the predictions are not in the reference: p0\n" in message
    assert str(reference) in message
    assert str(predictions) in message


def test_official_labels_scored_against_themselves(reference, tmp_path):
    folder = reference / "realdata" / "metadata" / "bird-audio-detection"
    labels = read_labels(folder / "ff1010bird_metadata_2018.csv")
    write_submission(tmp_path / "p.csv", [label.itemid for label in labels], [label.hasbird for label in labels])
    scores = score(folder / "ff1010bird_metadata_2018.csv", tmp_path / "p.csv")
    assert set(scores.values()) == {1.0}
