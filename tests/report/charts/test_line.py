"""Scales and charts: values fall where they should, and every chart says what it shows."""

import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from carousel.report.charts.line import Chart, Line, svg, thin
from carousel.report.charts.scales import Scale


@pytest.mark.parametrize(
    ("scale", "value", "place"),
    [
        (Scale(0, 10, 0, 100), 5, 50),
        (Scale(0, 10, 100, 0), 10, 0),
        (Scale(0.01, 100, 0, 4, log=True), 1, 2),
        (Scale(3, 3, 0, 10), 3, 5),
    ],
)
def test_a_scale_puts_values_in_place(scale, value, place):
    """Linear, upside down, logarithmic, and a range of nothing."""
    assert scale(value) == pytest.approx(place)


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        (Scale(0, 10, 0, 1), ["0", "2", "4", "6", "8", "10"]),
        (Scale(1.3, 2.6, 0, 1), ["1.5", "2.0", "2.5"]),
        (Scale(0.001, 150, 0, 1, log=True), ["10⁻³", "0.01", "0.1", "1", "10", "100"]),
        (Scale(1, 96, 0, 1), ["20", "40", "60", "80"]),
        (Scale(0.3, 7, 0, 1, log=True), ["0.5", "1", "2", "5"]),
        (Scale(12, 70, 0, 1, log=True), ["20", "50"]),
        (Scale(3.1, 4.2, 0, 1, log=True), ["3.2", "3.4", "3.6", "3.8", "4.0", "4.2"]),
    ],
)
def test_ticks_are_round(scale, labels):
    """Ticks stand at 1, 2 or 5 times a power of ten, or at powers of ten."""
    assert [label for _, label in scale.ticks(6 if scale.log else 5)] == labels


def _chart(**changes):
    lines = [
        Line("train", [0, 1, 2], [3, 2, 1], "train"),
        Line("valid", [0, 1, 2], [3.1, 2.1, 1.05], "valid"),
    ]
    return Chart(
        **({"title": "A < B", "description": "d", "x_label": "x", "y_label": "y", "lines": lines} | changes)
    )


def _texts(markup):
    """[(words, y)] of the chart that is drawn wide."""
    root = ET.fromstring(f"<r>{markup}</r>")
    return root, [(each.text, float(each.get("y"))) for each in root[0].iter("text")]


def test_a_chart_is_drawn_twice_and_named():
    """One drawing for the page, one for the phone, both well-formed and described in words."""
    root, _ = _texts(svg(_chart()))
    assert [each.get("class") for each in root] == ["chart wide", "chart narrow"]
    assert all(each.get("role") == "img" and each.get("aria-label") == "A < B. d" for each in root)
    ids = re.findall(r'id="([^"]+)"', str(svg(_chart())))
    assert len(ids) == len(set(ids)) == 2


def test_labels_keep_apart():
    """The words at the ends of two close curves and a level do not overlap."""
    _, texts = _texts(svg(_chart(levels=[("level", 1.02)])))
    places = sorted(y for words, y in texts if words in ("train", "valid", "level"))
    assert all(b - a >= 12.9 for a, b in pairwise(places))


@pytest.mark.parametrize("name", ["wide", "narrow"])
def test_long_labels_lie_on_the_paper(name):
    """The words at the ends of the curves end before the paper does."""
    label = "repeated 0.9 (Jordan block)"
    drawn = svg(_chart(lines=[Line(label, [0, 1], [0, 1], "s1")]), (name,))
    width, start = (
        re.search(r'viewBox="0 0 (\d+)', drawn)[1],
        re.search(r'class="label s1" x="([\d.]+)"', drawn)[1],
    )
    assert float(start) + 6.2 * len(label) < float(width)


def test_the_lowest_dot_is_whole():
    """A dot at the lowest value is not cut at its lower half."""
    drawn = svg(_chart(lines=[Line("up", [0, 1], [0, 1], "s1", dots=True)]), ("wide",))
    top, height = map(float, re.search(r'<rect x="\d+" y="(\d+)" width="\d+" height="(\d+)"', drawn).groups())
    lowest = max(map(float, re.findall(r'cy="([\d.]+)" r="2.4"', drawn)))
    assert lowest + 2.4 < top + height


def test_what_is_not_finite_is_left_out():
    """NaN in a curve, or a zero on a log scale, does not break the drawing."""
    lines = [Line("a", [1, 2, 3, 4], [1.0, float("nan"), 0.0, 0.1], "train")]
    markup = str(svg(_chart(lines=lines, log=True, y_range=(0.01, 1))))
    assert "nan" not in markup
    assert "inf" not in markup


def test_long_curves_are_thinned_by_means():
    """A curve of 1000 points becomes at most 240 with the same mean."""
    xs, ys = thin(list(range(1000)), [float(k % 2) for k in range(1000)])
    assert len(xs) <= 240
    assert sum(ys) / len(ys) == pytest.approx(0.5, abs=0.01)
    assert thin([1, 2], [3, 4]) == ([1, 2], [3, 4])


def test_events_stand_below_the_axis_in_place_of_ticks():
    """Each event's words stand upright at its place; no number does."""
    line = Line("up", [1, 2], [0.0, 1.0], "s1")
    drawn = svg(Chart("c", "d", "x", "y", [line], events=[(1, "store"), (2, "<show>")]), ("narrow",))
    assert drawn.count("rotate(-90)") == 2
    assert ">store<" in drawn
    assert "&lt;show&gt;" in drawn
    assert 'text-anchor="middle">1.0<' not in drawn


def test_short_events_lie():
    """Numbers such as lags stand as ticks do."""
    line = Line("up", [10, 30], [0.0, 1.0], "s1")
    drawn = svg(Chart("c", "d", "x", "y", [line], events=[(10, "10"), (30, "30")]), ("narrow",))
    assert "rotate" not in drawn
    assert ">30</text>" in drawn
