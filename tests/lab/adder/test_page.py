"""The verdicts on sums distinguish a network that fails from one that was not trained long enough."""

import pytest

from carousel.lab.adder import page
from carousel.lab.adder.measure import LENGTHS, SHARES, Accuracy, Trained, sum_table


@pytest.mark.parametrize(
    ("seen", "unseen", "verdict"),
    [
        (1.0, [0.1, 0.2, 0.3, 0.5, 0.8, 0.9, 1.0], "holds"),
        (0.7, [0.1, 0.2, 0.3, 0.5, 0.8, 0.9, 0.9], "not decided at this budget"),
        (1.0, [1.0] * 7, "does not hold"),
    ],
)
def test_a_large_share_is_needed_if_a_small_one_was_learned(seen, unseen, verdict):
    """An MLP that does not know the pairs it was trained on decides nothing."""
    sums = {4: [Accuracy(seen, accuracy) for accuracy in unseen]}
    assert len(unseen) == len(SHARES)
    assert page._instances_claim(sums).verdict == verdict


@pytest.mark.parametrize(
    ("box", "wrong", "verdict"),
    [(0.1, 0, "holds"), (0.1, 3, "does not hold"), (0.0, 3, "not decided at this budget")],
)
def test_a_network_without_a_box_decides_nothing(box, wrong, verdict):
    """Training stops at the box; without one it was too short."""
    network = Trained(sum_table(), None, [], 100, box, dict.fromkeys(LENGTHS, wrong))
    assert page._sums_claim(network).verdict == verdict
