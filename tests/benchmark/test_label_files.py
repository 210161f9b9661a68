import subprocess
import sys

import pytest

from benchmark.errors import InputError
from benchmark.label_files import line_of, read_column, read_label_file, score_label_files, write_label_file

CLASSES = ("bus", "metro", "metro_station")


@pytest.fixture
def write(tmp_path):
    def write(text, name="labels.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "audio/a.wav\tbus\naudio/b.wav\tmetro\n",
        "audio/a.wav\tbus\r\naudio/b.wav\tmetro",
        "\ufefffilename\tscene_label\n\naudio/a.wav\tbus\naudio/b.wav\tmetro\n\n",
        "audio/a.wav\tbus\ts1\tx\naudio/b.wav\t metro \ts2\tx\n",
        "scene_label\tfilename\nbus\taudio/a.wav\nmetro\taudio/b.wav\n",
        "filename\tidentifier\tscene_label\naudio/a.wav\tparis-1\tbus\naudio/b.wav\tparis-2\tmetro\n",
        "Filename\tLabel\naudio/a.wav\tbus\naudio/b.wav\tmetro\n",
    ],
)
def test_all_dialects_read_alike(write, text):
    assert list(read_label_file(write(text), CLASSES).items()) == [("audio/a.wav", "bus"), ("audio/b.wav", "metro")]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty"),
        ("filename\tlabel\n", None, "no labels below the header"),
        ("a.wav,bus\n", 1, "one column"),
        ("a.wav\tbus\nb.wav\n", 2, "1 cells where the first row has 2"),
        ("a.wav\tbus\n\na.wav\tmetro\n", 3, "file 'a.wav' occurs twice"),
        ("\tbus\n", 1, "no file"),
        ("a.wav\tmetro_staton\n", 1, "did you mean 'metro_station'?"),
        ("a.wav\tBus\n", 1, "there is no class 'Bus'"),
        ("a.wav\t\n", 1, "there is no class ''"),
        ("file\tlabel\na.wav\tbus\n", 1, "no column filename; found: file, label"),
        ("filename\tplace\na.wav\tparis\n", 1, "no column label; found: filename, place"),
        ("filename\tplace\na.wav\tparis\n", 1, "call the columns filename and label, or leave the header out"),
        ("label\tfilename\nbus\ta.wav\nbuss\tb.wav\n", 3, "there is no class 'buss'"),
    ],
)
def test_faults_are_named_with_their_line(write, text, line, message):
    path = write(text)
    with pytest.raises(InputError) as error:
        read_label_file(path, CLASSES)
    assert message in str(error.value)
    assert f"where: {path}" + (f":{line}" if line else "\n") in f"{error.value}\n"


def test_a_further_column_is_found_by_its_name(write):
    path = write("source_label\tfilename\tscene_label\nb\t0.wav\tbus\nc\t1.wav\tmetro\n")
    assert read_column(path, "source_label") == {"0.wav": "b", "1.wav": "c"}
    assert read_column(path, "identifier") == {}
    assert read_column(write("0.wav\tbus\tb\n", "no_header.txt"), "source_label") == {}


def test_the_line_of_a_file(write):
    path = write("filename\tlabel\n\na.wav\tbus\nb.wav\tmetro\n")
    assert line_of(path, "b.wav") == f"{path}:4"
    assert line_of(path, "c.wav") == str(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_label_file(tmp_path / "absent.txt", CLASSES)


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "new" / "submission.txt"
    write_label_file(path, ["b.wav", "a.wav"], ["bus", "metro"])
    assert path.read_text() == "b.wav\tbus\na.wav\tmetro\n"
    assert read_label_file(path, CLASSES) == {"b.wav": "bus", "a.wav": "metro"}


@pytest.mark.parametrize(
    ("names", "labels", "message"),
    [(["a"], ["bus", "bus"], "1 files but 2 labels"), (["a", "a"], ["bus", "bus"], "occurs twice")],
)
def test_a_bad_list_leaves_the_old_file_alone(tmp_path, names, labels, message):
    path = tmp_path / "submission.txt"
    path.write_text("old")
    with pytest.raises(InputError, match=message):
        write_label_file(path, names, labels)
    assert path.read_text() == "old"


def test_both_files_side_by_side(write):
    reference = write("filename\tlabel\nc\tmetro_station\na\tbus\nb\tbus\n", "reference.txt")
    predictions = write("a\tbus\nb\tmetro\nc\tmetro\n", "predictions.txt")
    names, target, predicted = score_label_files(reference, predictions, CLASSES)
    assert names == ["c", "a", "b"]
    assert target.tolist() == [2, 0, 0]
    assert predicted.tolist() == [1, 0, 1]


def test_files_in_one_of_the_two_only(write):
    reference, predictions = write("a\tbus\nb\tbus\n", "r.txt"), write("b\tbus\nc\tbus\nd\tbus\n", "p.txt")
    with pytest.raises(InputError) as error:
        score_label_files(reference, predictions, CLASSES)
    message = str(error.value)
    assert "1 of 2 files of the reference are not in the predictions: a;" in message
    assert "2 of 3 files of the predictions are not in the reference: c, d" in message
    assert f"{reference}, {predictions}" in message


def test_reading_needs_no_torch():
    check = "import benchmark.label_files, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], env={"PYTHONPATH": ":".join(sys.path)}).returncode == 0
