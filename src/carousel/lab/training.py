"""Training as the experiments need it: Adam, one update at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn


def updates(
    modules: Sequence[nn.Module],
    loss: Callable[[], Tensor],
    learning_rate: float | Callable[[int], float],
    clip: float | None = None,
) -> Iterator[float]:
    """Update all parameters of the modules by Adam, without end; each update yields the loss before it.

    `loss` draws a mini-batch and returns its loss. `learning_rate` may depend on the number of updates so far.
    `clip` is the largest norm that the gradient may have.
    """
    parameters = [parameter for module in modules for parameter in module.parameters()]
    rate = learning_rate if callable(learning_rate) else lambda step: learning_rate
    optimizer = torch.optim.Adam(parameters, lr=rate(0), fused=True)
    step = 0
    while True:
        optimizer.param_groups[0]["lr"] = rate(step)
        value = loss()
        optimizer.zero_grad()
        value.backward()
        if clip is not None:
            nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()
        step += 1
        yield float(value.detach())


def train(
    modules: Sequence[nn.Module],
    loss: Callable[[], Tensor],
    steps: int,
    learning_rate: float | Callable[[int], float],
    clip: float | None = None,
) -> list[float]:
    """Take so many updates; the loss before each of them."""
    return list(islice(updates(modules, loss, learning_rate, clip), steps))
