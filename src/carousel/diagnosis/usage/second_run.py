"""What a second run of a model says: the same output from the same batch, and what changed data change."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.usage.probed_run import ProbedRun, probed_run
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS


def data_before_change(
    model: nn.Module, batch: Batch, run: ProbedRun, time: int | None, cut_at: int, late: tuple[int, ...]
) -> bool:
    """Whether data from before the first step that a gradient reaches change the output `late` all the same."""
    if time is None or run.packed is not None:
        return False
    before = [slice(None)] * run.probe.dim()
    before[time] = slice(0, cut_at)
    change = torch.zeros_like(run.probe.detach())
    noise = torch.randn(change[tuple(before)].shape, generator=torch.Generator().manual_seed(0))
    spread = run.data.std() if run.data.is_floating_point() else torch.tensor(1.0)
    # small, so that saturated gates stay as they are
    change[tuple(before)] = noise.to(change) * (0.03 * float(spread.clamp(min=1e-3)))
    other = probed_run(model, batch, change)
    if other is None:
        return False
    one, two = run.value[late].detach(), other.value[late].detach()
    return bool((one - two).norm() > THRESHOLDS.rounding * one.norm().clamp(min=1e-12))


def same(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return bool(torch.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True))


def same_states(one: tuple[Tensor, ...] | None, other: tuple[Tensor, ...] | None) -> bool:
    """Whether two runs began from the same state; None is zeros."""
    pairs = zip(one or other or (), other or one or (), strict=True)
    zero_one, zero_other = one is None, other is None
    return all(same(a * (not zero_one), b * (not zero_other)) for a, b in pairs)
