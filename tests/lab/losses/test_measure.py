"""Losses over time: identities to rounding, and what weights and windows teach."""

import pytest

from carousel.lab.losses import measure as losses


@pytest.fixture(scope="module")
def numbers(findings):
    return findings("losses").numbers


def test_an_mlp_per_step_knows_nothing_earlier(numbers):
    """Its gradient to every earlier input is exactly zero; a GRU's is not."""
    assert numbers["MLP gradient to earlier inputs"] == 0.0
    assert all(norm > 0 for norm in numbers["GRU gradient by distance"])


def test_identities_hold_to_rounding(numbers):
    """Weighted gradients, KL's gradient, KL and cross-entropy, the sum over words."""
    names = (
        "gradient of KL is Y - target",
        "gradient at t is w_t times the gradient of Div",
        "KL is cross-entropy less the entropy",
        "language model's loss is the same sum",
    )
    assert max(numbers[name] for name in names) < 1e-12


def test_weights_decide_where_it_learns(numbers):
    """Weights on the first half: right there, worse than a guess at the end; on every step: right everywhere."""
    first = numbers["loss by step, weights on the first half only"]
    assert max(first[losses.DELAY : losses.SEQUENCE // 2]) < 0.1
    assert first[-1] > 1.0
    assert numbers["loss by step, weights on the last step only"][-1] < 0.1
    assert numbers["loss by step, weights on the last step only"][6] > 1.0


def test_scoring_what_was_read_is_copying(numbers):
    """The loss with the shifted index falls far below that of a model that has to predict."""
    assert numbers["loss of w(t)"] < 0.5 * numbers["loss of w(t+1)"]


def test_an_output_has_read_the_word_before_the_one_it_scores(numbers):
    """Y(t) moves with w(t) and cannot move with w(t + 1)."""
    assert numbers["change of Y(t) by w(t)"] > 0.01
    assert numbers["change of Y(t) by w(t+1)"] == 0.0


def test_a_short_window_cannot_teach_a_long_lag(numbers):
    """A window of one step stays near chance, the longest learns the lag."""
    accuracy = dict(zip(numbers["windows"], numbers["accuracy by window"], strict=True))
    assert accuracy[1] < 0.75
    assert accuracy[16] > 0.95
