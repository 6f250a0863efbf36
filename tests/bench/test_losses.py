"""The benchmark of losses and of the training step compares like with like."""

import torch

from bench.losses.layer import LOSSES, Shape, case, extra_memory, measure
from bench.losses.profile import shares
from bench.losses.step import run


def test_contenders_compute_the_same_loss():
    """Ours and torch's agree on a small case, in float32 and with bfloat16 products to its precision."""
    given = case(Shape(12, 8, 30))
    exact = given.run(LOSSES["torch"])
    assert abs(given.run(LOSSES["carousel"]) - exact) < 1e-5
    assert abs(given.run(LOSSES["carousel"], bfloat16=True) - exact) < 1e-2


def test_every_contender_is_timed():
    """Each contender has a positive time for each round."""
    seconds = measure(Shape(12, 8, 30), rounds=2)
    assert set(seconds) == {"carousel", "carousel bf16", "torch", "torch bf16"}
    assert all(len(values) == 2 and min(values) > 0 for values in seconds.values())


def test_models_begin_at_the_same_weights_and_stay_together():
    """The first losses of both models are equal, and so are those after some steps; run() checks the last."""
    found = run(40, steps=4)
    ours, theirs = torch.tensor(found.losses["carousel"]), torch.tensor(found.losses["torch"])
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=0)
    assert len(set(ours.tolist())) == 4


def test_shares_are_of_the_whole_step():
    """The parts of a step add up to it, and the loss is a good part of it."""
    parts = shares(5_000, steps=2)
    assert abs(sum(parts.values()) - 1) < 1e-9
    assert parts["output layer and loss (carousel::linear_cross_entropy)"] > 0.1


def test_memory_is_that_of_the_process_itself():
    """What the process that measures holds is not counted as its child's; the logits of torch are."""
    held = torch.ones(40_000_000)
    shape = Shape(200, 8, 20_000)
    assert extra_memory("torch", shape, threads=1) > 2 * extra_memory("carousel", shape, threads=1)
    assert len(held) == 40_000_000
