"""Who is called faster at long lags, and what training that ended too early leaves open."""

import pytest

from carousel.lab.long_lag import page
from carousel.lab.long_lag.measure import CELLS, TASKS, Measurements

MOST = 300
NEVER = [MOST + 1] * 3


def claims(steps: dict[str, list[int]]) -> list:
    """The claims from the same steps for every task and lag, by cell."""
    lags = (10, 20)
    found = {(task, name, lag): steps[name] for task in TASKS for name in CELLS for lag in lags}
    return page.findings(Measurements(lags, MOST, found)).claims


@pytest.mark.parametrize(
    ("gated", "plain", "verdict"),
    [
        ([50, 50, 100], NEVER, "holds"),
        ([50, 100, 200], [150, 250, 300], "does not hold"),
        (NEVER, [50, 50, 100], "does not hold"),
        (NEVER, NEVER, "not decided at this budget"),
        ([50, 100, MOST + 1], NEVER, "not decided at this budget"),
    ],
)
def test_the_verdict_follows_from_who_solved(gated, plain, verdict):
    """Gated cells ahead with every seed, overlapping seeds, the plain cell ahead, training that ended too early."""
    assert claims(dict.fromkeys(CELLS, gated) | {"RNN": plain})[0].verdict == verdict


def test_the_condition_names_cell_and_task():
    """If one gated cell is ahead, the claim holds only for that cell."""
    claim = claims(dict.fromkeys(CELLS, NEVER) | {"LSTM": [50, 50, 100]})[0]
    assert claim.verdict == "holds only when"
    assert claim.condition.endswith("adding, temporal order and copying with LSTM")


def test_steps_to_compare():
    """The slowest seed of the one against the fastest of the other; None if both have a seed that did not end."""
    assert page.faster([50, 100, 250], [300, 400, 400], 500) is True
    assert page.faster([50, 100, 350], [300, 400, 400], 500) is False
    assert page.faster([50, 100, 501], [300, 400, 400], 500) is False
    assert page.faster([50, 100, 501], [501, 501, 501], 500) is None


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ([50, 50, 50], "holds"),
        ([100, 150, 200], "not decided at this budget"),
        ([250, 300, 250], "does not hold"),
        (NEVER, "does not hold"),
    ],
)
def test_peepholes_help_if_every_seed_is_faster(steps, verdict):
    """They do not if every seed is slower, and seeds that overlap decide nothing."""
    every = {name: [100, 150, 200] for name in CELLS}
    assert claims(every | {page.PEEPHOLES: steps})[1].verdict == verdict
