"""The training report as a page: it says what its numbers say, in one file that asks nothing of a network."""

import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from carousel.diagnosis import StateGradientNorms
from carousel.report import CurvePoint, training_report, write_training_report


class _Parser(HTMLParser):
    """Tags that are opened and closed in order, links out, and all text."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_startendtag(self, tag, attrs):
        """SVG's <line/> opens nothing."""

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def _parse(html: str) -> _Parser:
    parser = _Parser()
    parser.feed(html)
    assert parser.open == []
    return parser


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_the_page_is_whole_and_offline(make_report, cell):
    """Every tag is closed, ids are unique, and nothing is fetched from anywhere."""
    html = training_report(make_report(cell))
    page = _parse(html)
    assert len(page.ids) == len(set(page.ids))
    assert page.links == ["data:,"]
    assert not re.search(r"https?://|url\((?!#)|@import", html)
    assert len(html) < 6_000_000


def test_the_page_says_its_numbers(make_report):
    """Test and valid loss, yardsticks, reach of the gradient and settings all stand in the text."""
    report = make_report()
    words = re.sub(r"[ \n]+", " ", _parse(training_report(report)).words)
    for expected in (
        "1.627",
        "1.532",
        "2.103",
        "1.861",
        "3\u202fmin 02\u202fs",
        "45\u202f679",
        "12\u202f345",
    ):
        assert expected in words
    assert "23\u202f% below the\u00a0interpolated\u00a05\u2011gram (2.10)" in words
    assert "13\u202f% below xz\u00a0\u20119 (1.86)" in words
    assert f"Beyond {report.gradient.reach()} steps back" in words
    assert "each step keeps 90\u202f% of it" in words


def test_a_model_that_loses_says_so(make_report):
    """Above a yardstick is above; the same is as good as."""
    words = _parse(training_report(make_report(test=1.8612))).words
    assert "as good as xz" in words
    words = _parse(training_report(make_report(test=2.5))).words
    assert "19\u202f% above the" in words


def test_text_of_the_model_is_never_markup(make_report):
    """What was sampled or read is escaped everywhere."""
    html = training_report(make_report())
    assert "<x>" not in html
    assert "return &lt;x&gt; &amp; y" in html


@pytest.mark.parametrize(
    "changes",
    [
        {"snippet": None, "gates": [], "gradient": None, "samples": [], "comparisons": [], "curves": []},
        {"curves": [CurvePoint(1, 100.0, 0.1, 5.0, 5.0, 1.0)]},
        {"curves": [CurvePoint(k, 100.0 * k, 0.1, math.nan, math.inf, 0.0) for k in (1, 2, 3)]},
        {"gradient": StateGradientNorms({"h": np.zeros((5, 1, 2))})},
        {"level": "bpe", "characters_per_token": 3.2, "stopped": "Stopped early: ..."},
    ],
    ids=["bare", "one point", "not finite", "no gradient", "byte pairs"],
)
def test_a_poor_run_still_gets_its_page(make_report, changes):
    """Missing parts are left out; numbers that are not finite do not break the page."""
    html = training_report(make_report(**changes))
    _parse(html)
    assert "<h1>" in html


def test_perplexity_is_per_token(make_report):
    """2 to the power of bits per character times characters per token."""
    words = _parse(training_report(make_report(level="bpe", characters_per_token=3.0))).words
    assert f"{2 ** (3 * 1.6273):.1f}" in words


def test_the_file_is_written_whole(make_report, tmp_path):
    """The page arrives under its name, and nothing else stays in the folder."""
    path = write_training_report(make_report(), tmp_path / "report.html")
    assert path.read_text(encoding="utf-8") == training_report(make_report())
    assert [each.name for each in tmp_path.iterdir()] == ["report.html"]
