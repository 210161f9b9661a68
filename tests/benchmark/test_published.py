import pytest

from benchmark.errors import InputError
from benchmark.published import COLUMNS, PublishedRow, read_published

HEADER = "system,role,metric,class,value,printed,std,split,protocol,selection,source,table"
FIRST = "cnn8,entry,auc,,0.854,0.854,,development,leave-one-dataset-out,none,Some paper,Table 4"
SECOND = 'dcnn,winner,f1,dog,0.9366,93.66 %,0.012,evaluation,challenge,test,"Paper, the second",text'


@pytest.fixture
def write(tmp_path):
    def _write(*lines, end="\n", encoding="utf-8", last=True):
        path = tmp_path / "published.csv"
        path.write_bytes((end.join(lines) + (end if last else "")).encode(encoding))
        return path

    return _write


def test_rows_keep_the_files_order_and_types(write):
    first, second = read_published(write(HEADER, FIRST, SECOND))
    assert first == PublishedRow(
        system="cnn8",
        role="entry",
        metric="auc",
        class_name="",
        value=0.854,
        printed="0.854",
        std=None,
        split="development",
        protocol="leave-one-dataset-out",
        selection="none",
        source="Some paper",
        table="Table 4",
    )
    assert (second.class_name, second.printed, second.std, second.source) == (
        "dog",
        "93.66 %",
        0.012,
        "Paper, the second",
    )


@pytest.mark.parametrize(
    "style",
    [
        {"encoding": "utf-8-sig"},
        {"end": "\r\n"},
        {"last": False},
        {"encoding": "utf-8-sig", "end": "\r\n", "last": False},
    ],
    ids=["BOM", "CRLF", "no last newline", "all three"],
)
def test_file_styles_of_other_systems_give_the_same_rows(write, style):
    plain = read_published(write(HEADER, FIRST, SECOND))
    assert read_published(write(HEADER, FIRST, SECOND, **style)) == plain


def test_column_order_extra_columns_and_empty_lines_do_not_matter(write):
    cells = dict(zip(HEADER.split(","), FIRST.split(","), strict=True)) | {"note": "seen"}
    names = sorted(cells)
    turned = write(",".join(names), "", ",".join(cells[name] for name in names), "")
    assert read_published(turned) == read_published(write(HEADER, FIRST))


def test_a_header_alone_has_no_rows(write):
    assert read_published(write(HEADER)) == []


@pytest.mark.parametrize("column", COLUMNS)
def test_missing_column_is_named(write, column):
    kept = ",".join(name for name in HEADER.split(",") if name != column)
    path = write(kept, FIRST)
    with pytest.raises(InputError, match=rf"missing columns: {column}\n") as error:
        read_published(path)
    assert f"{path}:1\n" in str(error.value)


def test_an_empty_file_lacks_every_column(write):
    with pytest.raises(InputError, match="missing columns: system, role, metric, class, value"):
        read_published(write("", last=False))


@pytest.mark.parametrize("value", ["", "high", "nan", "NaN", "inf", "88.5%"])
def test_value_that_is_no_finite_number(write, value):
    path = write(HEADER, FIRST, FIRST.replace("0.854,0.854", f"{value},0.854"))
    with pytest.raises(InputError, match="value is not a number") as error:
        read_published(path)
    assert f"{path}:3\n" in str(error.value)
    assert "to do: " in str(error.value)


@pytest.mark.parametrize("std", ["nan", "0.7 %"])
def test_std_that_is_no_finite_number(write, std):
    with pytest.raises(InputError, match=r"std is not a number.*\n.*:2\n"):
        read_published(write(HEADER, SECOND.replace("0.012", std)))


@pytest.mark.parametrize("role", ["", "Winner", "champion"])
def test_unknown_role(write, role):
    path = write(HEADER, FIRST.replace("entry", role))
    with pytest.raises(InputError, match=f"unknown role '{role}'") as error:
        read_published(path)
    assert f"{path}:2\n" in str(error.value)
    assert "baseline, winner, entry" in str(error.value)


@pytest.mark.parametrize("line", [FIRST + ",surplus", FIRST.rpartition(",")[0]], ids=["long", "short"])
def test_line_with_another_number_of_cells(write, line):
    with pytest.raises(InputError, match=r"as many cells as the header\n.*:3\n"):
        read_published(write(HEADER, FIRST, line))


def test_file_that_cannot_be_read(write, tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv"):
        read_published(tmp_path / "absent.csv")
    with pytest.raises(InputError, match=r"published\.csv"):
        read_published(write(HEADER, FIRST.replace("Some paper", "Prüfung"), encoding="latin-1"))
