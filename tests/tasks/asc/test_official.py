"""Label files of the task, good and bad, and the scorer against figures of sed_eval."""

import json

import pytest

from benchmark.errors import InputError
from tasks.asc.mini import write_mini
from tasks.asc.official import (
    CLASSES,
    STEREO,
    Clip,
    device_of,
    location_of,
    official_counts,
    read_fold,
    read_meta,
    read_tested_set,
    score,
)

HEADER = "filename\tscene_label\tidentifier\tsource_label\n"
ROWS = (
    "audio/park-paris-1-0-a.wav\tpark\tparis-1\ta\n"
    "audio/park-paris-2-1-a.wav\tpark\tparis-2\ta\n"
    "audio/metro_station-vienna-3-2-a.wav\tmetro_station\tvienna-3\ta\n"
)


@pytest.fixture
def write(tmp_path):
    def write(text, name="file.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture
def fold(write):
    """Write a development set's lists and read them."""

    def fold(meta=HEADER + ROWS, train=None, test=None):
        train = "audio/park-paris-1-0-a.wav\tpark\n" if train is None else train
        test = "audio/park-paris-2-1-a.wav\tpark\n" if test is None else test
        path = write(meta, "set/meta.csv")
        write(train, "set/evaluation_setup/fold1_train.txt")
        write(test, "set/evaluation_setup/fold1_evaluate.txt")
        return read_fold(path.parent, read_meta(path))

    return fold


def error_of(function, *args, **options):
    with pytest.raises(InputError) as error:
        function(*args, **options)
    return str(error.value)


def test_classes_are_the_ten_of_the_task_in_the_order_of_the_alphabet():
    assert len(CLASSES) == 10
    assert list(CLASSES) == sorted(CLASSES)


def test_official_numbers_are_those_of_the_paper():
    found = STEREO.development
    assert [found[key] for key in ("clips", "fold 1 training", "fold 1 test", "locations")] == [8640, 6122, 2518, 286]
    assert {found[scene] for scene in CLASSES} == {864}
    assert 864 * 10 == 6122 + 2518 == 8640
    assert STEREO.scored == {"evaluation": 3600, "leaderboard": 1200}


def test_names_say_place_and_device():
    assert location_of("audio/street_traffic-london-162-4891-b.wav") == "london-162"
    assert device_of("audio/street_traffic-london-162-4891-b.wav") == "b"
    assert device_of("audio/17.wav") is location_of("audio/17.wav") is None
    assert device_of("audio/tubestation10.wav") is None


# meta.csv


@pytest.mark.parametrize(
    "text",
    [
        HEADER + ROWS,
        "\ufeff" + (HEADER + ROWS).replace("\n", "\r\n"),
        (HEADER + ROWS).rstrip("\n").replace("\tsource_label", "\tsource_label", 1) + "\n\n",
        "filename\tscene_label\n" + "".join("\t".join(row.split("\t")[:2]) + "\n" for row in ROWS.splitlines()),
    ],
)
def test_meta(write, text):
    path = write(text, "set/meta.csv")
    clips = read_meta(path)
    assert clips[2] == Clip(
        "metro_station-vienna-3-2-a",
        path.parent / "audio/metro_station-vienna-3-2-a.wav",
        "metro_station",
        "vienna-3",
        "a",
    )
    assert [clip.location for clip in clips] == ["paris-1", "paris-2", "vienna-3"]


def test_identifier_decides_about_the_place(write):
    assert read_meta(write(HEADER + "audio/park-paris-1-0-a.wav\tpark\tparis-77\ta\n"))[0].location == "paris-77"


def test_numbered_files_take_the_device_from_the_table(write):
    assert read_meta(write(HEADER + "audio/17.wav\tpark\tparis-1\td\n"))[0].device == "d"


def test_an_empty_cell_says_nothing(write):
    clip = read_meta(write(HEADER + "audio/park-paris-1-0-b.wav\tpark\t\t\n"))[0]
    assert (clip.location, clip.device) == ("paris-1", "b")
    error = error_of(read_meta, write(HEADER + "audio/17.wav\tpark\tparis-1\t\n"))
    assert "with which device 'audio/17.wav' was recorded" in error and "column source_label" in error


def test_only_what_is_needed_is_asked_for(write):
    """Task 1A has one device, and a set that is only tested is not divided by places."""
    path = write("filename\tscene_label\naudio/17.wav\tpark\n")
    assert read_meta(path, device="a", place_needed=False)[0][2:] == ("park", "", "a")
    assert "nothing says where" in error_of(read_meta, path, device="a")
    assert "with which device" in error_of(read_meta, path, place_needed=False)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty"),
        (HEADER, None, "no clips below the header"),
        (ROWS, 1, "no column filename, scene_label; found: audio/park-paris-1-0-a.wav"),
        (HEADER + ROWS + ROWS.splitlines()[1] + "\n", 5, "clip 'park-paris-2-1-a' occurs twice"),
        (HEADER + ROWS.replace("\tpark", "\tpark\textra", 1), 2, "5 cells where the first row has 4"),
        (HEADER + ROWS.replace("\tmetro_station\t", "\tmetro-station\t"), 4, "there is no scene 'metro-station'"),
        (HEADER + ROWS.replace("\tmetro_station\t", "\tmetro-station\t"), 4, "did you mean 'metro_station'?"),
        ("filename\tscene_label\naudio/17.wav\tpark\n", 2, "nothing says where 'audio/17.wav' was recorded"),
        ("filename\tscene_label\tidentifier\naudio/17.wav\tpark\tparis-1\n", 2, "nothing says with which device"),
    ],
)
def test_bad_meta(write, text, line, message):
    path = write(text)
    error = error_of(read_meta, path)
    assert message in error
    assert f"where: {path}" + (f":{line}" if line else "") in error


# Fold lists


def test_fold(fold):
    assert fold() == ({"park-paris-1-0-a"}, {"park-paris-2-1-a"})


@pytest.mark.parametrize(
    ("parts", "place", "message"),
    [
        (
            {"test": "audio/metro_station-vienna-3-2-a.wav\tmetro_station\naudio/park-paris-1-0-a.wav\tpark\n"},
            "fold1_evaluate.txt:2",
            "clip 'park-paris-1-0-a' is in the training list and in the test list",
        ),
        (
            {"meta": HEADER + ROWS.replace("\tparis-2\t", "\tparis-1\t")},
            "fold1_evaluate.txt:1",
            "location paris-1 is in the training list and in the test list",
        ),
        (
            {"train": "audio/park-paris-9-9-a.wav\tpark\n"},
            "fold1_train.txt:1",
            "'audio/park-paris-9-9-a.wav' is not in",
        ),
        (
            {"train": "audio/park-paris-1-0-a.wav\ttram\n"},
            "fold1_train.txt:1",
            "'audio/park-paris-1-0-a.wav' is tram here, but park in meta.csv",
        ),
        ({"train": "audio/park-paris-1-0-a.wav\tpark\n" * 2}, "fold1_train.txt:2", "occurs twice"),
        ({"train": "audio/park-paris-1-0-a.wav\tpakr\n"}, "fold1_train.txt:1", "did you mean 'park'?"),
        ({"train": "audio/park-paris-1-0-a.wav\n"}, "fold1_train.txt:1", "is one column"),
        ({"test": ""}, "fold1_evaluate.txt", "the file is empty"),
    ],
)
def test_bad_folds(fold, parts, place, message):
    error = error_of(fold, **parts)
    assert message in error
    assert place in error


def test_counts_are_beside_the_official_ones(write, fold):
    part = fold()
    clips = read_meta(write(HEADER + ROWS))
    found = {count.name: (count.found, count.official) for count in official_counts(STEREO, clips, part)}
    assert found["clips"] == (3, 8640)
    assert found["park"] == (2, 864)
    assert found["locations"] == (3, 286)
    assert (found["fold 1 training"], found["fold 1 test"]) == ((1, 6122), (1, 2518))


# The challenge's sets


def test_tested_set(tmp_path):
    write_mini(tmp_path)
    clips = read_tested_set(tmp_path, STEREO, "evaluation")
    assert [clip.scene for clip in clips] == list(CLASSES)
    assert clips[3].clip_id == "evaluation/3"
    assert clips[3].path == tmp_path / "TUT-urban-acoustic-scenes-2018-evaluation/audio/3.wav"


@pytest.mark.parametrize("meta", [None, "filename\naudio/0.wav\n"])
def test_a_tested_set_without_labels_says_that_they_are_not_public(write, meta):
    folder = "TUT-urban-acoustic-scenes-2018-leaderboard"
    root = write("", f"{folder}/audio/0.wav").parents[2]
    if meta:
        write(meta, f"{folder}/meta.csv")
    error = error_of(read_tested_set, root, STEREO, "leaderboard")
    assert "leaderboard set: no labels" in error
    assert "not public" in error and "--protocol official-fold1" in error
    assert "the columns filename and scene_label, or" in error


def test_a_tested_set_of_1a_needs_scenes_only(write):
    folder = "TUT-urban-acoustic-scenes-2018-leaderboard"
    root = write("", f"{folder}/audio/0.wav").parents[2]
    write("filename\tscene_label\naudio/0.wav\tbus\n", f"{folder}/meta.csv")
    path = root / folder / "audio/0.wav"
    assert read_tested_set(root, STEREO, "leaderboard") == [Clip("leaderboard/0", path, "bus", "", "a")]


def test_a_tested_set_that_is_not_there_says_where_it_is_published(tmp_path):
    error = error_of(read_tested_set, tmp_path, STEREO, "evaluation")
    assert "missing TUT-urban-acoustic-scenes-2018-evaluation/" in error
    assert "make data TASK=asc PROTOCOL=challenge" in error


# Scoring


@pytest.mark.parametrize("case", ["asc_direct", "asc_folds", "asc_est_a"])
def test_scores_are_those_of_the_reference_scorer(reference, case):
    folder = reference / "reference_scores"
    expected = json.loads((folder / "expected.json").read_text())[case]["expected"]
    scores = score(folder / case / "reference.tsv", folder / case / "predictions.tsv")
    for name, figure in expected.items():
        key = {"accuracy": "accuracy/micro", "macro_accuracy": "accuracy"}.get(name)
        key = key or f"accuracy/{name.removeprefix('accuracy[').removesuffix(']')}"
        assert scores[key] == pytest.approx(figure["value"], abs=figure["tolerance"])


TRUTH = "audio/1.wav\tbus\naudio/2.wav\tbus\naudio/3.wav\tbus\naudio/4.wav\ttram\n"
GUESS = "audio/4.wav\tbus\naudio/3.wav\tpark\naudio/2.wav\tbus\naudio/1.wav\tbus\n"


@pytest.mark.parametrize(
    "reference_text",
    [
        TRUTH,
        "filename\tscene_label\n" + TRUTH,
        "\ufeff" + TRUTH.replace("\n", "\r\n"),
        TRUTH.rstrip("\n"),
        "filename\tscene_label\tidentifier\n" + TRUTH.replace("\n", "\tparis-1\n"),
    ],
)
def test_scores_computed_by_hand(write, reference_text):
    scores = score(write(reference_text, "reference.txt"), write(GUESS, "guess.txt"))
    assert scores["accuracy"] == pytest.approx((2 / 3 + 0) / 2)
    assert scores["accuracy/micro"] == 0.5
    assert scores["accuracy/bus"] == pytest.approx(2 / 3)
    assert scores["accuracy/tram"] == 0.0
    assert scores["accuracy/park"] is None
    assert set(scores) == {"accuracy", "accuracy/micro", *(f"accuracy/{name}" for name in CLASSES)}
    assert json.loads(json.dumps(scores)) == scores


@pytest.mark.parametrize(
    ("guess", "message"),
    [
        (GUESS + "audio/5.wav\tbus\n", "1 of 5 files of the predictions are not in the reference: audio/5.wav"),
        (GUESS.replace("audio/3.wav\tpark\n", ""), "1 of 4 files of the reference are not in the predictions: audio/3"),
        (GUESS + "audio/4.wav\tbus\n", "guess.txt:5"),
        (GUESS.replace("park", "parc"), "guess.txt:2\n  to do: did you mean 'park'?"),
        (GUESS.replace("\tpark", ""), "1 cells where the first row has 2"),
        (GUESS.replace("\t", ","), "is one column"),
        ("filename\tscene_label\n", "no labels below the header"),
        ("", "the file is empty"),
    ],
)
def test_bad_submissions(write, guess, message):
    assert message in error_of(score, write(TRUTH, "reference.txt"), write(guess, "guess.txt"))
