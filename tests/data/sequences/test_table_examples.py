"""From columns to sequences: what is read as what, and every mistake with the line where it stands."""

import numpy as np
import pytest

from carousel import CarouselError
from carousel.data.sequences import Layout, Table, from_table


def table(text):
    """A table out of lines with spaces between cells; a dot is an empty cell."""
    head, *rows = (
        ["" if cell == "." else cell for cell in line.split()] for line in text.strip().splitlines()
    )
    columns = {name: [row[k] for row in rows] for k, name in enumerate(head)}
    return Table("data.csv", columns, [f"line {k + 2}" for k in range(len(rows))])


LOG = """
case time kind value outcome
a 1 start 0.5 good
b 1 start 1.5 bad
a 2 stop . good
b 3 stop 2.5 bad
a 5 start 3.5 good
"""


def test_rows_go_to_their_sequences():
    """In the order of the file, wherever they stand in it; what is missing is NaN."""
    layout = Layout("classify", target="outcome", sequence="case", time="time", categories="kind")
    found = from_table(table(LOG), layout)
    assert (found.numbers, found.symbols, found.labels) == (("value",), ("kind",), ["bad", "good"])
    first, second = found.items
    assert (first.name, first.label, second.name, second.label) == ("a", "good", "b", "bad")
    assert first.numbers.tolist()[::2] == [[0.5], [3.5]]
    assert np.isnan(first.numbers[1, 0])
    assert first.symbols.tolist() == [["start"], ["stop"], ["start"]]


def test_a_label_at_each_step():
    """Task tag takes the label of each row; an empty one is not known."""
    found = from_table(table("x y\n1 a\n2 .\n3 b\n"), Layout("tag", target="y"))
    assert [item.label for item in found.items] == [["a", None, "b"]]


def test_a_text_is_spelled():
    """Each row is a sequence of characters, named by its text."""
    found = from_table(
        table("name country\nÅsa se\nLi cn\n"), Layout("classify", target="country", text="name")
    )
    assert [item.symbols[:, 0].tolist() for item in found.items] == [["Å", "s", "a"], ["L", "i"]]
    assert [item.name for item in found.items] == ["Åsa", "Li"]


def test_targets_of_a_forecast_come_first():
    """Dates are the time, not an input; other numbers are read beside the targets."""
    text = "day rain sun wind\n2026-01-01 1 2 3\n2026-01-02 4 5 6\n"
    found = from_table(table(text), Layout("forecast", target="sun"))
    assert (found.numbers, found.targets) == (("sun", "rain", "wind"), 1)
    assert found.items[0].numbers[0].tolist() == [2, 1, 3]
    every = from_table(table(text), Layout("forecast", inputs="rain, wind"))
    assert (every.numbers, every.targets) == (("rain", "wind"), 2)


@pytest.mark.parametrize("name", ["time", "T", "Date", "month", "index"])
def test_a_first_column_of_numbers_that_is_named_as_time_is_the_time(name):
    """It orders and is not read; unsorted it is told, with what to do; inputs and target may say that it is none."""
    found = from_table(table(f"{name} v\n1 5\n2 6\n4 7\n"), Layout("forecast"))
    assert (found.numbers, found.time) == (("v",), name)
    shuffled = table(f"{name} v\n1 5\n4 6\n2 7\n")
    with pytest.raises(
        CarouselError, match=f"line 4: time must rise.*'{name}' was taken as the time.*in inputs"
    ):
        from_table(shuffled, Layout("forecast"))
    assert from_table(shuffled, Layout("forecast", inputs=f"v,{name}")).numbers == ("v", name)
    assert from_table(shuffled, Layout("forecast", target=name)).numbers == (name, "v")
    assert from_table(shuffled, Layout("forecast"), columns=[name, "v"]).numbers == (name, "v")


def test_other_columns_are_not_the_time():
    """A name within a table, words, and another first column are read as ever."""
    assert from_table(table("v t\n1 5\n2 3\n"), Layout("forecast")).numbers == ("v", "t")
    assert from_table(table("speed v\n1 5\n0 3\n"), Layout("forecast")).time is None
    found = from_table(table("id t v y\na 1 5 u\nb 1 3 w\n"), Layout("classify", target="y", sequence="id"))
    assert (found.numbers, found.time) == (("v",), "t")


def test_a_name_may_hold_a_comma():
    """Where the whole is a column's name it is one name."""
    rows = Table("d.csv", {"a, b": ["1", "2"], "c,d": ["x", "y"], "e": ["5", "6"]}, ["line 2", "line 3"])
    assert from_table(rows, Layout("forecast", target="a, b", categories="c,d")).numbers == ("a, b", "e")
    assert from_table(rows, Layout("tag", target="c,d", inputs="a, b")).labels == ["x", "y"]


def test_truth_is_read_as_1_and_0():
    """A column of True and False, in any case, with gaps."""
    found = (
        from_table(table("on y\nTrue a\nfalse b\n. b\n"), Layout("tag", target="y")).items[0].numbers[:, 0]
    )
    assert found[:2].tolist() == [1, 0]
    assert np.isnan(found[2])


def test_weights_are_those_of_the_steps():
    """w_t is a column of its own and no input."""
    found = from_table(table("x y w\n1 a 1\n2 b 0\n"), Layout("tag", target="y", weight="w"))
    assert found.numbers == ("x",)
    assert found.items[0].weights.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("x y\n1 a\n", {"task": "tag"}, "task tag needs target"),
        ("x y\n1 a\n", {"target": "z"}, "target names the column 'z', which data.csv does not have"),
        ("x y\n1 a\n", {"target": "y", "inputs": "q"}, "inputs names the column 'q'"),
        ("x y\n1 a\n", {"target": "y", "inputs": "y"}, "'y', which another option names too"),
        (
            "y z\na b\n",
            {"target": "y"},
            "column 'z' of data.csv must hold numbers; its first value is 'b'. Name it in categ",
        ),
        (
            "x y\n. a\nNA a\n",
            {"target": "y"},
            "'x' of data.csv must hold values; every cell is empty. To leave it out",
        ),
        (
            "d x\n1/01/2020 1\n2/01/2020 2\n",
            {"task": "forecast"},
            "'1/01/2020'. Write dates as ISO dates, such as 20",
        ),
        ("d x\n31.12.2020 1\n", {"task": "forecast"}, "ISO dates"),
        (
            "x y\n. a\n1,5 a\n",
            {"target": "y"},
            "its first value is '1,5'. Write numbers with a decimal point",
        ),
        ("x y\n1 a\n1.234,5 a\n", {"target": "y"}, "line 3: .*'1.234,5'. Write numbers with a decimal point"),
        ("y t\na 2026-01-01\n", {"target": "y"}, "data.csv must have a column of numbers to learn from"),
        (
            "x y\n1 a\n2 a\noops a\n",
            {"target": "y"},
            "line 4: the column 'x' must hold finite numbers; got 'oops'",
        ),
        ("x y\n1 a\ninf a\n", {"target": "y"}, "line 3: the column 'x' must hold finite numbers; got 'inf'"),
        (
            "x y\n1 a\n2 b\n",
            {"target": "y"},
            "line 3: with task classify a sequence must have one label; got 'a' and",
        ),
        ("x y\n1 .\n", {"target": "y"}, "line 2: every sequence must have a label; that in the column 'y'"),
        (
            "i x y\n. 1 a\n",
            {"target": "y", "sequence": "i"},
            "line 2: the column 'i' must name the sequence",
        ),
        (
            "x y w\n1 a -1\n",
            {"target": "y", "weight": "w"},
            "line 2: weights must be numbers of at least 0; got '-1'",
        ),
        ("n y\n. a\n", {"target": "y", "text": "n"}, "line 2: the column 'n' must hold text; it is empty"),
        ("n y\nb a\n", {"target": "y", "text": "n", "time": "n"}, "got time too"),
        ("n y\nb a\n", {"target": "y", "text": "n", "task": "tag"}, "for task classify; got task tag"),
        ("n\nb\n", {"task": "forecast"}, "must hold numbers"),
        ("n\nb\n", {"task": "forecast", "categories": "n"}, "a forecast needs a column of numbers"),
    ],
)
def test_mistakes_are_told(text, options, message):
    """What the rule is, where it was broken and what to do."""
    with pytest.raises(CarouselError, match=message):
        from_table(table(text), Layout(**{"task": "classify", **options}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "t x\n1 0\n3 0\n2 0\n",
            r"line 4: time must rise from row to row, but '2' in the column 't' comes before",
        ),
        ("t x\n1 0\n1 0\n", r"line 3: .* '1' in the column 't' comes twice in one sequence \(line 2: '1'\)"),
        ("t x\n1 0\n. 0\n", "line 3: the time column 't' must hold numbers or ISO dates"),
        ("t x\n2026-01-01 0\n5 0\n", "line 3: the time column 't' must hold numbers or ISO dates.* got '5'"),
        ("t x\n1949-02 0\n1949-01 0\n", "line 3: time must rise"),
        ("t x\n2026-01-01T10:00 0\n2026-01-01T09:59:59 0\n", "line 3: time must rise"),
    ],
)
def test_time_must_rise(text, message):
    """Unsorted, double and missing moments are told, of numbers, months and dates."""
    with pytest.raises(CarouselError, match=message):
        from_table(table(text), Layout("forecast", time="t"))


def test_time_rises_within_each_sequence():
    """Two sequences may have the same moments."""
    assert (
        len(from_table(table("s t x\na 1 0\nb 1 0\na 2 0\n"), Layout("forecast", sequence="s", time="t")))
        == 2
    )


def test_labels_may_lack_where_nothing_is_learned():
    """To predict, a table needs neither the column of labels nor that of weights."""
    layout = Layout("classify", target="y", sequence="i", weight="w")
    [item] = from_table(table("i x\na 1\na 2\n"), layout, labelled=False).items
    assert item.label is None
