"""The learning rate over the steps of a run, as a share of its highest value."""

import math


def rate(step: int, steps: int, warmup: int, schedule: str) -> float:
    """The share of the learning rate at `step` (0 ... steps - 1): a linear warm-up, then the schedule.

    The warm-up takes at most a tenth of all steps. "cosine" (Loshchilov & Hutter 2017) and "linear" fall towards 0 at
    step `steps`. "constant" stays at 1, and so does "decay", which `decayed` divides.

    >>> [round(rate(step, 1000, 100, "cosine"), 3) for step in (0, 49, 99, 100, 550, 999)]
    [0.01, 0.5, 1.0, 1.0, 0.5, 0.0]
    """
    warmup = min(warmup, steps // 10)
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, steps - warmup)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    return 1 - done if schedule == "linear" else 1.0


def decayed(epoch: int, after: int, factor: float) -> float:
    """The share of the learning rate in an epoch, counted from 0, if each epoch from number `after` on divides it.

    >>> [decayed(epoch, 4, 2.0) for epoch in range(7)]
    [1.0, 1.0, 1.0, 1.0, 0.5, 0.25, 0.125]
    """
    return factor ** -float(max(0, epoch + 1 - after))
