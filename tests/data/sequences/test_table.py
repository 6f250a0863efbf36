"""Tables out of CSV files and DataFrames, and what is told of broken ones."""

import pytest

from carousel import CarouselError
from carousel.data.sequences import Layout, from_table, is_frame, read_table, table_of_frame


def written(tmp_path, text):
    path = tmp_path / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_by_name(tmp_path, delimiter):
    """Cells are text without the space around them; a byte order mark and empty lines are passed over."""
    text = "\ufeffa,b\n1, x \n\n2,y\n".replace(",", delimiter)
    table = read_table(written(tmp_path, text))
    assert table.columns == {"a": ["1", "2"], "b": ["x", "y"]}
    assert table.at(1).endswith("data.csv, line 4")


def test_a_quoted_cell_may_hold_delimiter_and_line_end(tmp_path):
    """The line that is named is the one on which the row ends."""
    table = read_table(written(tmp_path, 'a,b\n"1,5","x\ny"\n2,z\n'))
    assert table.columns == {"a": ["1,5", "2"], "b": ["x\ny", "z"]}
    assert table.places == ["line 3", "line 4"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty. Its first line must name the columns"),
        ("\n\n", "is empty"),
        ("a,b\n", "must have rows below its first line"),
        ("a,b\n1,2\n3\n", "line 3: every row must have a cell for each of the 2 columns; this one has 1"),
        ("a,a\n1,2\n", "'a' occurs twice"),
        ("a,\n1,2\n", "one column has no name"),
        ("1,2\n3,4\n", "must name the columns; it holds numbers alone: 1, 2"),
        ('a,b\n"1,2\n', "is not a readable CSV file"),
    ],
)
def test_broken_files_are_told(tmp_path, text, message):
    """Each mistake is named before anything else is done."""
    with pytest.raises(CarouselError, match=message):
        read_table(written(tmp_path, text))


def test_files_that_are_no_text_are_told(tmp_path):
    """A missing file, and one of bytes."""
    with pytest.raises(CarouselError, match="does not exist"):
        read_table(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(CarouselError, match="is not a readable CSV file"):
        read_table(tmp_path / "bytes.csv")


def test_an_unknown_column_is_told_with_its_neighbour(tmp_path):
    """A name that is nearly right is found."""
    table = read_table(written(tmp_path, "time,label\n1,x\n"))
    with pytest.raises(CarouselError, match=r"target names the column 'lable'.* Did you mean 'label'\?"):
        table.column("lable", "target")


def test_a_data_frame_is_a_table():
    """Numbers keep all their digits, dates become ISO, what is missing is empty."""
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency")
    frame = pandas.DataFrame(
        {"x": [0.1 + 0.2, None], "day": pandas.to_datetime(["2026-01-02", "2026-01-03"]), "y": ["a", None]}
    )
    assert is_frame(frame)
    assert not is_frame([[1.0]])
    table = table_of_frame(frame)
    assert table.columns == {
        "x": ["0.30000000000000004", ""],
        "day": ["2026-01-02T00:00:00", "2026-01-03T00:00:00"],
        "y": ["a", ""],
    }
    assert table.at(1) == "the DataFrame, row 1"
    with pytest.raises(CarouselError, match="at least one row"):
        table_of_frame(frame[:0])
    truth = table_of_frame(pandas.DataFrame({"on": [True, False, True], "y": ["a", "b", "a"]}))
    assert from_table(truth, Layout("tag", target="y")).items[0].numbers[:, 0].tolist() == [1, 0, 1]
