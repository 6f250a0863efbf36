"""Labels that leave each other room."""

import doctest

import numpy as np

from carousel.report.charts import labels


def test_examples():
    """The examples in the docstrings run."""
    assert doctest.testmod(labels).failed == 0


def test_chosen_boxes_are_free_and_the_others_are_not():
    """Against every pair: no two chosen overlap, and each one left out overlaps a chosen one before it."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-50, 400, (2, 300))
    widths = rng.uniform(5, 130, 300)
    chosen = labels.uncrowded(x, y, widths, 13)

    def meet(one, other):
        across = x[one] < x[other] + widths[other] and x[other] < x[one] + widths[one]
        return across and abs(y[one] - y[other]) < 13

    for k in range(300):
        before = [other for other in range(k) if chosen[other] and meet(k, other)]
        assert chosen[k] == (not before)
    assert 20 < sum(chosen) < 250
