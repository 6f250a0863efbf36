"""Losses over time: identities to rounding, and what weights and windows teach."""

import pytest

from carousel.lab.losses import measure as losses


@pytest.fixture(scope="module")
def found(measured):
    return measured("losses")


def test_an_mlp_per_step_knows_nothing_earlier(found):
    """Its gradient to every earlier input is exactly zero; a GRU's is not."""
    assert max(found.gradients[losses.MLP][1:]) == 0.0
    assert all(norm > 0 for norm in found.gradients["GRU"])


def test_identities_hold_to_rounding(found):
    """Weighted gradients, KL's gradient, KL and cross-entropy, the sum over words."""
    assert max(found.identities.values()) < 1e-12


def test_weights_decide_where_it_learns(found):
    """Weights on the first half: right there, worse than a guess at the end; on every step: right everywhere."""
    first = found.weighted["the first half only"]
    assert max(first[losses.DELAY : losses.SEQUENCE // 2]) < 0.1
    assert first[-1] > 1.0
    last = found.weighted["the last step only"]
    assert last[-1] < 0.1
    assert last[6] > 1.0


def test_scoring_what_was_read_is_copying(found):
    """The loss with the shifted index falls far below that of a model that has to predict."""
    assert found.by_index["w(t)"][-1] < 0.5 * found.by_index["w(t+1)"][-1]


def test_an_output_has_read_the_word_before_the_one_it_scores(found):
    """Y(t) moves with w(t) and cannot move with w(t + 1)."""
    assert found.change["w(t)"] > 0.01
    assert found.change["w(t+1)"] == 0.0


def test_a_short_window_cannot_teach_a_long_lag(found):
    """A window of one step stays near chance, the longest learns the lag."""
    assert found.windows[1].accuracy < 0.75
    assert found.windows[16].accuracy > 0.95
