"""The report of a run on sequences: every number of it is on the page, in words that follow from them."""

import numpy as np
import pytest

from carousel.report.run_facts import Comparison
from carousel.report.sequences.numbers import SequenceReport
from carousel.report.sequences.page import page_of, sequence_report
from carousel.training.sequences.objective import Track
from carousel.training.sequences.row import SequenceRow
from carousel.training.sequences.score import ForecastScore, LabelScore

ROWS = [
    SequenceRow(k, k / 2, k * 1.0, 0.01, 2.0 / k, 1.0, 100.0, 3.0 / k if k % 2 else None, 0.5)
    for k in range(1, 8)
]
LABELS = LabelScore(5.0, ("<b>", "up", "never"), ((6, 2, 0), (1, 11, 0), (0, 0, 0)))
FORECAST = ForecastScore(
    3.0, ("sales",), ((4, 3),), ((4.0, 6.0),), ((5.0, 15.0),), ((8.0, 12.0),), ((4, 2),), ((8.0, 9.0),)
)


def report(score, **options):
    task = "classify" if isinstance(score, LabelScore) else "forecast"
    given = {
        "run": "runs/007",
        "task": task,
        "cell": "gru",
        "hidden_size": 8,
        "num_layers": 2,
        "parameters": 1234,
        "contents": "70 sequences of 900 steps to learn from",
        "seconds": 61.0,
        "best_step": 5,
        "valid": score,
        "test": score,
        "interval": 0.9,
        "comparisons": [
            Comparison("the most frequent label", 0.4),
            Comparison("a network without recurrence", 0.25),
        ],
        "curves": ROWS,
        "config": {"cell": "gru"},
    }
    return SequenceReport(**{**given, **options})


def test_labels_are_told_one_by_one():
    """Those that are found, those that are right when named, and nothing where there are none; text is escaped."""
    page = page_of(report(LABELS))
    assert page.title == "GRU, 2 × 8 units: a label for each sequence"
    assert page.verdict.startswith(
        "15.0 % of 20 held-out labels are wrong, against 40.0 % for the most frequent label"
    )
    assert page.labels[0] == ("<b>", 8, 0.75, 6 / 7)
    assert np.isnan(page.labels[2][2])
    assert [bar.name for bar in page.bars] == [
        "most frequent label",
        "a network without recurrence",
        "this gru",
    ]
    html = sequence_report(report(LABELS))
    assert "&lt;b&gt;" in html
    assert "<b>up" not in html
    assert "84.6 %" in html  # of those called up, 11 of 13 are


def test_very_many_labels_have_no_table_of_confusions():
    """It would be larger than the page."""
    many = LabelScore(1.0, tuple(range(31)), tuple(tuple(int(k == j) for j in range(31)) for k in range(31)))
    assert page_of(report(many)).confusion == []
    assert len(page_of(report(many)).labels) == 31


def test_forecasts_are_drawn_with_their_interval():
    """The error beside the naive one's, by steps ahead; the picture holds all of the band."""
    track = Track("sales", 2, np.arange(5.0), np.arange(5.0), np.arange(5.0) - 30, np.arange(5.0) + 30)
    page = page_of(
        report(FORECAST, tracks=[track], comparisons=[Comparison("the seasonal-naive forecast", 1.0)])
    )
    assert "0.500 times that of the seasonal-naive forecast. The 90 % interval holds 85.7 %" in page.verdict
    [(picture, caption)] = page.tracks
    assert caption == "Observed values, and the forecast 2 steps ahead with its 90 % interval."
    assert "30" in picture
    assert page.series == [("sales", 10 / 7, (20 / 7) ** 0.5, 20 / 7, 7)]
    assert page.ahead_chart is not None
    one = ForecastScore(3.0, ("sales",), ((7,),), *[((1.0,),)] * 3, ((7,),), ((1.0,),))
    assert page_of(report(one)).ahead_chart is None


@pytest.mark.parametrize("score", [LABELS, FORECAST], ids=["labels", "forecast"])
def test_the_page_asks_nothing_of_a_network(score):
    """It names no address, and holds its pictures."""
    html = sequence_report(report(score))
    assert "http" not in html.replace("http-equiv", "")
    assert "<svg" in html
    assert "best 0.600" in html  # of step 5: 3 / 5
