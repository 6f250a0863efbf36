"""The learning rate over the steps."""

import pytest

from carousel.training.loop.schedule import decayed, rate


@pytest.mark.parametrize("schedule", ["cosine", "linear", "constant"])
@pytest.mark.parametrize("steps", [1, 5, 100, 1000])
def test_rises_then_never_rises_again(schedule, steps):
    """After the warm-up, of at most a tenth of all steps, the rate starts at 1 and only falls, staying
    positive.
    """
    rates = [rate(step, steps, 50, schedule) for step in range(steps)]
    warmup = min(50, steps // 10)
    assert rates[:warmup] == pytest.approx([(step + 1) / warmup for step in range(warmup)])
    assert rates[warmup] == 1
    assert all(a >= b > 0 for a, b in zip(rates[warmup:], rates[warmup + 1 :], strict=False))


def test_where_each_schedule_is_half_way():
    """Half way down, cosine and linear are at a half, constant at 1; at the end the first two are near 0."""
    for schedule, half, end in [("cosine", 0.5, 0), ("linear", 0.5, 0.01), ("constant", 1, 1)]:
        assert rate(50, 100, 0, schedule) == pytest.approx(half)
        assert rate(99, 100, 0, schedule) == pytest.approx(end, abs=1e-3)


def test_decay_halves_each_epoch_after_the_first_few():
    """Four epochs at the full rate, then half of the one before in each (Zaremba et al. 2014)."""
    assert [decayed(epoch, 4, 2.0) for epoch in range(6)] == [1, 1, 1, 1, 0.5, 0.25]
    assert [decayed(epoch, 1, 1.0) for epoch in (0, 50)] == [1, 1]
    assert rate(70, 100, 0, "decay") == 1
