"""Ordinary training, so short that hundreds of nets can have it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from bench.calibration.nets import Net
from bench.calibration.tasks import Task


@dataclass(frozen=True)
class Schedule:
    """How a net is trained; the defaults are sound."""

    steps: int = 300
    time: int = 40
    batch: int = 24
    lr: float = 1e-2
    decay: float = 0.0
    clip: float = 1.0
    optimizer: str = "adam"


def teach(net: Net, task: Task, schedule: Schedule, seed: int) -> float:
    """Train in place; the mean loss of the last steps. Stops before a step that is not finite."""
    random = torch.Generator().manual_seed(seed)
    if schedule.optimizer == "sgd":
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            net.parameters(), schedule.lr, weight_decay=schedule.decay
        )
    else:
        optimizer = torch.optim.AdamW(net.parameters(), schedule.lr, weight_decay=schedule.decay)
    losses = []
    for step in range(schedule.steps):
        fall = 0.5 * (1 + math.cos(math.pi * step / schedule.steps))
        for group in optimizer.param_groups:
            group["lr"] = schedule.lr * (0.05 + 0.95 * fall)
        inputs, targets = task.draw(schedule.time, schedule.batch, random)
        loss = task.loss(net(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        norm = clip_grad_norm_(net.parameters(), schedule.clip or math.inf)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            return math.inf
        before = [parameter.detach().clone() for parameter in net.parameters()]
        optimizer.step()
        if not all(bool(torch.isfinite(p).all()) for p in net.parameters()):
            _restore(net, before)
            return math.inf
        losses.append(float(loss.detach()))
    tail = losses[-max(1, len(losses) // 10) :]
    return sum(tail) / len(tail)


@torch.no_grad()
def _restore(net: Net, values: list[Tensor]) -> None:
    for parameter, value in zip(net.parameters(), values, strict=True):
        parameter.copy_(value)
