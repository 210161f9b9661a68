"""Small csv files in every dialect, and what is wrong with them by file and line."""

import math

import pytest

from benchmark.errors import BenchmarkError, InputError
from benchmark.tabular import columns, few, new_name, number, probability, read_rows, require_same, write_rows


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and give its path."""

    def file(content):
        path = tmp_path / "labels.csv"
        path.write_bytes(content)
        return path

    return file


def failure(function, *arguments, **options):
    """The lines of the InputError that a call raises."""
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    return str(caught.value).splitlines()


@pytest.mark.parametrize(
    "content",
    [
        b"id,label\na,1\nb,2\n",
        b"\xef\xbb\xbfid,label\na,1\nb,2\n",  # byte order mark
        b"id,label\r\na,1\r\nb,2\r\n",
        b"id,label\ra,1\rb,2",
        b"id,label\na,1\nb,2",  # no last newline
        b"\n\nid,label\n\na,1\n , \n,\nb,2\n\n\n",  # blank lines and blank cells only
        b'id , label\n"a", 1\n"b"," 2"\n',
    ],
)
def test_dialects_are_read_alike(write, content):
    assert [row.cells for row in read_rows(write(content))] == [["id", "label"], ["a", "1"], ["b", "2"]]


def test_rows_know_their_lines(write):
    rows = read_rows(write(b"\xef\xbb\xbf\r\nid,label\r\n\r\n\r\na,1\r\n,\r\nb,2"))
    assert [row.line for row in rows] == [2, 5, 7]


def test_quoted_cells_may_hold_the_delimiter_and_others_are_kept(write):
    assert read_rows(write(b'a,"b,c"\n'))[0].cells == ["a", "b,c"]
    assert read_rows(write(b"a\tb,c\n"), delimiter="\t")[0].cells == ["a", "b,c"]
    assert read_rows(write("Gärtner,ß\n".encode()))[0].cells == ["Gärtner", "ß"]


@pytest.mark.parametrize(("content", "line"), [(b"a,b\n1,2\n\n3\n", 4), (b"\na,b\n1,2,3\n", 3), (b"a,b\n1,2,\n", 2)])
def test_ragged_rows_are_named_by_line_or_accepted(write, content, line):
    path = write(content)
    what, where = failure(read_rows, path)
    assert "cells where the first row has 2" in what
    assert where.endswith(f"{path}:{line}")
    assert len(read_rows(path, ragged=True)) == 2 + (line == 4)


@pytest.mark.parametrize("content", [b'a,b\nx,"1\ny,2\n', b'a,b\n"x,1\ny",2\n'])
def test_a_quotation_mark_without_its_partner_swallows_no_row(write, content):
    """The rows between would be one cell, and nobody would miss them."""
    path = write(content)
    what, where, _ = failure(read_rows, path)
    assert "quotation mark is not closed" in what
    assert where.endswith(f"{path}:2")


@pytest.mark.parametrize("content", [b"", b"\n\r\n", b"\xef\xbb\xbf", b" , \n"])
def test_a_file_of_nothing_is_an_error(write, content):
    assert "empty" in failure(read_rows, write(content))[0]


def test_what_cannot_be_read_is_named(write, tmp_path):
    for path, reason in ((tmp_path / "absent.csv", "No such file"), (tmp_path, "directory")):
        what, where = failure(read_rows, path)
        assert reason in what and str(path) in where
    for content in (b"\xff\xfei\x00d\x00", b"caf\xe9,1\n"):  # UTF-16, Latin-1
        what, where = failure(read_rows, write(content))
        assert "codec" in what and "labels.csv" in where


def test_columns_are_found_in_any_order_and_the_missing_named(write):
    path = write(b"\nlabel,x,id\n")
    header = read_rows(path)[0]
    assert columns(path, header, ("id", "label")) == {"label": 0, "x": 1, "id": 2}
    what, where, remedy = failure(columns, path, header, ("id", "onset", "offset"))
    assert "no column onset, offset; found" in what and "label, x, id" in what
    assert where.endswith(":2")
    assert "id, onset, offset" in remedy


def test_numbers():
    assert (number("1e-3"), number(" 2 "), number("-.5")) == (0.001, 2.0, -0.5)
    assert number("") is None and number("1,5") is None and number("one") is None
    assert math.isnan(number("nan"))


@pytest.mark.parametrize("text", ["0", "1", "0.25", "1e-30"])
def test_probabilities(text):
    assert probability(text, "here") == float(text)


@pytest.mark.parametrize("text", ["", "nan", "inf", "-0.001", "1.0001", "1,0", "yes"])
def test_what_is_no_probability(text):
    what, where = failure(probability, text, "p.csv:7")
    assert f"'{text}'" in what and where.endswith("p.csv:7")


def test_names_are_there_once():
    assert new_name("a", {"b"}, "x:1") == "a"
    assert failure(new_name, "", {}, "x:3", "item") == ["no item", "  where: x:3"]
    assert failure(new_name, "a", {"a": 1}, "x:4", "file")[0] == "file 'a' occurs twice"


def test_few_names_of_many():
    assert few(["a", "b"]) == "a, b"
    assert few(list("abcde")) == "a, b, c, d, e"
    assert few(list("abcdef")) == "a, b, c, d, e ..."


def test_differences_are_listed_in_both_directions():
    require_same(["a", "b"], {"b": 1, "a": 2}, "x")
    (what, where, remedy) = failure(require_same, ["a", "b", "c"], ["b", "z"], "two files", "clips")
    assert "2 of 3 clips of the reference are not in the predictions: a, c" in what
    assert "1 of 2 clips of the predictions are not in the reference: z" in what
    assert "two files" in where and "clips" in remedy
    assert "predictions:" not in failure(require_same, [], ["z"], "x")[0]


def test_what_is_written_reads_back(tmp_path):
    path = tmp_path / "new" / "out.tsv"
    rows = [["a b", 0.5], ["with\ttab", 1], ["", 0]]
    write_rows(path, rows, delimiter="\t", header=("name", "value"))
    assert path.read_bytes() == b'name\tvalue\na b\t0.5\n"with\ttab"\t1\n\t0\n'
    assert [row.cells for row in read_rows(path, "\t")][2] == ["with\ttab", "1"]


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.csv"
    write_rows(path, [["old", 1]])

    def broken():
        yield ["new", 1]
        raise RuntimeError("half way")

    with pytest.raises(RuntimeError):
        write_rows(path, broken())
    assert path.read_text() == "old,1\n"
    with pytest.raises(BenchmarkError, match="cannot write"):
        write_rows(path / "below.csv", [["x"]])
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.csv"]
