import shutil

import numpy as np
import pytest

from benchmark.errors import InputError
from tasks.esc.official import (
    CLASSES,
    ESC10,
    ESC10_CLASSES,
    ESC10_FOLDERS,
    ESC50,
    ESC50_CLASSES,
    FOLDS,
    find_root,
    official_counts,
    read_esc10,
    read_esc50,
    score,
    scores,
)

HEADER = "filename,fold,target,category,esc10,src_file,take"


@pytest.fixture
def esc10(tmp_path):
    """One empty file of each class in each fold."""
    folder = tmp_path / "ESC-10"
    for number, name in enumerate(ESC10_FOLDERS):
        (folder / name).mkdir(parents=True)
        for fold in FOLDS:
            (folder / name / f"{fold}-{number}{fold}-A.ogg").touch()
    return folder


@pytest.fixture
def esc50(tmp_path):
    """Three rows of the table."""
    folder = tmp_path / "ESC-50-master"
    (folder / "audio").mkdir(parents=True)
    (folder / "meta").mkdir()
    rows = ["1-100032-A-0.wav,1,0,dog,True,100032,A", "1-17092-B-27.wav,1,27,brushing_teeth,False,17092,B"]
    (folder / "meta" / "esc50.csv").write_text("\n".join([HEADER, *rows, "5-9-A-49.wav,5,49,hand_saw,False,9,A\n"]))
    return folder


# Classes


def test_classes_are_the_publishers():
    assert len(ESC10_CLASSES) == 10
    assert len(ESC50_CLASSES) == len(set(ESC50_CLASSES)) == 50
    assert list(ESC10_FOLDERS)[::3] == ["001 - Dog bark", "004 - Baby cry", "007 - Helicopter", "010 - Fire crackling"]
    known = {"crow": 9, "chirping_birds": 14, "thunderstorm": 19, "coughing": 24, "drinking_sipping": 29}
    known |= {"can_opening": 34, "clock_tick": 38, "glass_breaking": 39, "engine": 44, "hand_saw": 49}
    assert {name: ESC50_CLASSES.index(name) for name in known} == known


# ESC-10


def test_clips_of_esc10_come_by_class_and_name(esc10):
    clips, strangers = read_esc10(esc10)
    assert strangers == []
    assert len(clips) == 50
    assert clips[5][:1] + clips[5][2:] == ("1-11-A.ogg", "1", "Rain", "11")
    assert clips[5].path == esc10 / "002 - Rain" / "1-11-A.ogg"
    assert [clip.label for clip in clips[::5]] == list(ESC10_CLASSES)


def test_other_files_are_no_clips(esc10):
    for name in ("001 - Dog bark/._1-7-A.ogg", "001 - Dog bark/notes.txt", "README.txt"):
        (esc10 / name).touch()
    for name in ("001 - Dog bark/6-7-A.ogg", "001 - Dog bark/bark.wav", "011 - Cat/1-7-A.ogg"):
        (esc10 / name).parent.mkdir(exist_ok=True)
        (esc10 / name).touch()
    clips, strangers = read_esc10(esc10)
    assert len(clips) == 50
    assert [path.name for path in strangers] == ["6-7-A.ogg", "bark.wav", "1-7-A.ogg"]


def test_a_missing_class_folder(esc10):
    shutil.rmtree(esc10 / "004 - Baby cry")
    with pytest.raises(InputError, match="missing the folders 004 - Baby cry") as error:
        read_esc10(esc10)
    assert str(esc10) in str(error.value) and "DATA=mini" in str(error.value)


def test_a_recording_in_two_folds(esc10):
    (esc10 / "002 - Rain" / "3-11-B.ogg").touch()
    with pytest.raises(InputError, match=r"recording 11 is in folds 1 and 3: 1-11-A.ogg, 3-11-B.ogg"):
        read_esc10(esc10)


def test_a_file_in_two_classes(esc10):
    shutil.copy(esc10 / "002 - Rain" / "1-11-A.ogg", esc10 / "009 - Rooster")
    with pytest.raises(InputError, match=r"clip '1-11-A.ogg' occurs twice"):
        read_esc10(esc10)


@pytest.mark.parametrize(("name", "protocol"), [("ESC-10", ESC10), ("ESC-10-master", ESC10), ("ESC-50-master", ESC50)])
def test_the_archives_folder_is_found(tmp_path, name, protocol):
    (tmp_path / name).mkdir()
    assert find_root(tmp_path, protocol) == tmp_path / name


@pytest.mark.parametrize(("protocol", "name"), [(ESC10, "ESC-10"), (ESC50, "ESC-50")])
def test_a_missing_data_set_says_what_where_and_how_to_get_it(tmp_path, protocol, name):
    with pytest.raises(InputError) as error:
        find_root(tmp_path, protocol)
    message = str(error.value)
    assert f"missing {name}/" in message and str(tmp_path) in message
    assert f"make data TASK=esc PROTOCOL={protocol}" in message and "DATA=mini" in message


def test_the_genuine_esc10_has_the_official_counts(reference):
    clips, strangers = read_esc10(find_root(reference / "realdata" / "pool", ESC10))
    assert strangers == []
    assert len(clips) == 400
    assert [(count.found, count.official) for count in official_counts(clips, ESC10_CLASSES)] == (
        [(400, 400)] + [(40, 40)] * 10 + [(80, 80)] * 5
    )


# ESC-50


def test_clips_of_esc50_come_in_the_tables_order(esc50):
    clips = read_esc50(esc50)
    assert [clip.name for clip in clips] == ["1-100032-A-0.wav", "1-17092-B-27.wav", "5-9-A-49.wav"]
    assert clips[1] == ("1-17092-B-27.wav", esc50 / "audio" / "1-17092-B-27.wav", "1", "brushing_teeth", "17092")


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_mark_line_ends_and_column_order_do_not_matter(esc50, newline):
    lines = ["category,target,filename,fold", "dog,0,a.wav,2", "rain,10,b.wav,4"]
    (esc50 / "meta" / "esc50.csv").write_bytes(("\ufeff" + newline.join(lines)).encode())
    assert [(clip.name, clip.label, clip.fold) for clip in read_esc50(esc50)] == [
        ("a.wav", "dog", "2"),
        ("b.wav", "rain", "4"),
    ]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.wav,1,0,dgo,True,1,A", "did you mean 'dog'?"),
        ("a.wav,1,1,dog,True,1,A", "target is '1', but dog is 0"),
        ("a.wav,0,0,dog,True,1,A", "fold is '0', not 1 to 5"),
        ("a.wav,1,0,dog,True,1", "6 cells where the first row has 7"),
        ("5-9-A-49.wav,1,0,dog,True,1,A", "clip '5-9-A-49.wav' occurs twice"),
        (",1,0,dog,True,1,A", "no clip"),
        ("../a.wav,1,0,dog,True,1,A", "outside of audio/"),
    ],
)
def test_faults_of_the_table_are_named_with_their_line(esc50, row, message):
    table = esc50 / "meta" / "esc50.csv"
    table.write_text(table.read_text() + row + "\n")
    with pytest.raises(InputError) as error:
        read_esc50(esc50)
    assert message in str(error.value)
    assert f"where: {table}:5" in str(error.value)


def test_a_source_in_two_folds_of_the_table(esc50):
    table = esc50 / "meta" / "esc50.csv"
    table.write_text(table.read_text() + "2-9-B-49.wav,2,49,hand_saw,False,9,B\n")
    with pytest.raises(InputError, match="recording 9 is in folds 5 and 2"):
        read_esc50(esc50)


def test_a_table_without_rows_or_columns(esc50):
    table = esc50 / "meta" / "esc50.csv"
    table.write_text(HEADER)
    with pytest.raises(InputError, match="no clips below the header"):
        read_esc50(esc50)
    table.write_text("filename,fold,category\na.wav,1,dog\n")
    with pytest.raises(InputError, match="no column target"):
        read_esc50(esc50)


def test_official_counts():
    counts = official_counts([], ESC50_CLASSES)
    assert counts[0] == ("clips", 0, 2000)
    assert {count.official for count in counts[1:51]} == {40}
    assert {count.official for count in counts[51:]} == {400}


# Scoring

# Confusion matrix of the random forest on fold 1, as the data set's author publishes it; he gives 57.5 %.
RANDOM_FOREST = """
6 0 0 0 0 2 0 0 0 0
0 4 1 0 0 0 3 0 0 0
0 1 6 0 0 0 0 1 0 0
0 0 0 5 2 1 0 0 0 0
0 0 0 0 1 1 2 0 1 3
1 0 0 1 0 6 0 0 0 0
0 4 0 0 0 0 2 1 0 1
0 0 3 0 0 0 0 5 0 0
1 0 0 0 1 1 0 0 5 0
0 1 0 0 1 0 0 0 0 6
"""


def random_forest():
    matrix = np.array([[int(cell) for cell in line.split()] for line in RANDOM_FOREST.strip().splitlines()])
    target, predicted = np.indices(matrix.shape)
    return np.repeat(target.ravel(), matrix.ravel()), np.repeat(predicted.ravel(), matrix.ravel())


def test_accuracy_of_the_authors_confusion_matrix():
    found = scores(*random_forest(), ESC10_CLASSES)
    assert found["accuracy"] == pytest.approx(0.575)
    assert found["accuracy/Clock tick"] == 1 / 8
    assert len(found) == 11


def test_files_are_scored_by_the_same_rule(tmp_path):
    for name, indices in zip(("reference", "predictions"), random_forest(), strict=True):
        lines = [f"{i}.ogg\t{ESC10_CLASSES[index]}" for i, index in enumerate(indices)]
        (tmp_path / name).write_text("\n".join(lines))
    assert score(tmp_path / "reference", tmp_path / "predictions") == scores(*random_forest(), ESC10_CLASSES)


def test_esc50_labels_are_scored_on_fifty_classes(tmp_path):
    (tmp_path / "r").write_text("filename\tcategory\na.wav\tdog\nb.wav\tcar_horn\n")
    (tmp_path / "p").write_text("b.wav\tsiren\na.wav\tdog\n")
    found = score(tmp_path / "r", tmp_path / "p")
    assert (found["accuracy"], found["accuracy/dog"], found["accuracy/car_horn"]) == (0.5, 1.0, 0.0)
    assert found["accuracy/crow"] is None
    assert len(found) == 51


def test_labels_of_the_other_data_set_are_refused(tmp_path):
    (tmp_path / "r").write_text("a.wav\tdog\n")
    (tmp_path / "p").write_text("a.wav\tDog bark\n")
    with pytest.raises(InputError, match="there is no class 'Dog bark'") as error:
        score(tmp_path / "r", tmp_path / "p")
    assert f"{tmp_path / 'p'}:1" in str(error.value)


def test_protocols_have_their_classes():
    assert CLASSES == {"esc10-5-fold": ESC10_CLASSES, "esc50-5-fold": ESC50_CLASSES}
