"""Scores of sequences: what they say of counts, and that they survive a checkpoint."""

import json

import pytest

from carousel.plain import typed
from carousel.training import ForecastScore, LabelScore

LABELS = LabelScore(2.0, ("a", "b"), ((6, 2), (0, 2)))
FORECAST = ForecastScore(
    nats=3.0,
    names=("x", "y"),
    counts=((2, 1), (2, 1)),
    absolute=((1.0, 2.0), (2.0, 4.0)),
    squared=((1.0, 4.0), (4.0, 16.0)),
    naive=((4.0, 2.0), (4.0, 2.0)),
    covered=((2, 0), (1, 1)),
    width=((1.0, 1.0), (1.0, 1.0)),
)


def test_labels():
    """Right ones, the mean over labels, the loss of each."""
    assert (LABELS.count, LABELS.accuracy, LABELS.value) == (10, 0.8, 0.2)
    assert LABELS.balanced == pytest.approx((0.75 + 1) / 2)
    assert str(LABELS) == "80.0 % right"


def test_forecasts():
    """Errors of each series, and the mean of their shares of the naive one's, whatever their units."""
    assert FORECAST.mean_absolute == [1, 2]
    assert FORECAST.mean_naive == [2, 2]
    assert FORECAST.error == pytest.approx(0.75)
    assert FORECAST.root_mean_square[0] == pytest.approx((5 / 3) ** 0.5)
    assert FORECAST.coverage == pytest.approx(4 / 6)
    assert FORECAST.value == 0.5


@pytest.mark.parametrize("score", [LABELS, FORECAST], ids=["labels", "forecast"])
def test_a_score_survives_json(score):
    """As a checkpoint holds it."""
    assert typed(type(score), json.loads(json.dumps(score.to_dict())), "score") == score
