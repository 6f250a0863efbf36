"""The output layers of sequence models: from hidden values at each step to logits, or to a distribution."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from carousel.models.sequences.heads import Forecast, Head

LEAST_LOG_DEVIATION = -7.0  # of scaled values: a forecast surer than that is an overflow, not knowledge


class Logits(nn.Linear):
    """Logits of V labels; what the recurrent layers read is given as it is."""

    def __init__(self, features: int, head: Head, labels: int, targets: int) -> None:
        super().__init__(features, labels)

    def inputs(self, x: Tensor) -> Tensor:
        return x


class StepLogits(Logits):
    """Logits at each step: hidden (T, B, F) -> (T, B, V)."""

    def forward(self, hidden: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:  # type: ignore[override]
        return super().forward(hidden)


class SequenceLogits(Logits):
    """Logits of a whole sequence, from the mean of its hidden values over time: (T, B, F) -> (B, V)."""

    def forward(self, hidden: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:  # type: ignore[override]
        if lengths is None:
            return super().forward(hidden.mean(dim=0))
        counts = lengths.to(hidden.device)
        within = torch.arange(len(hidden), device=hidden.device)[:, None] < counts
        return super().forward((hidden * within[..., None]).sum(dim=0) / counts[:, None])


class GaussianForecast(nn.Module):
    """A normal distribution for each of the next H values: mean and logarithm of the deviation, (T, B, H, K, 2).

    The mean is a linear forecast from the last `season` values, which begins as the seasonal-naive one, and what the
    hidden values add to it, which begins as nothing (the linear part beside the recurrent one is of LSTNet: Lai et al.
    2018). Both see the series relative to its last value: so it may leave the range in which it was seen in training.
    """

    def __init__(self, features: int, head: Forecast, labels: int, targets: int) -> None:
        super().__init__()
        self.horizon, self.season, self.targets = head.horizon, head.season, targets
        self.out = nn.Linear(features, head.horizon * targets * 2)
        self.past = nn.Parameter(seasonal_naive_weights(head.horizon, head.season).repeat(targets, 1, 1))
        with torch.no_grad():
            self.out.weight.mul_(0.1)
            self.out.bias.zero_()

    def inputs(self, x: Tensor) -> Tensor:
        """With how far each target has come since the last step and season."""
        now = x[..., : self.targets]
        return torch.cat((x, change_since(now, 1), change_since(now, self.season)), dim=-1)

    def forward(self, hidden: Tensor, x: Tensor, lengths: Tensor | None) -> Tensor:
        """hidden: (T, B, F). x: (T, B, I), the K targets first: as the network reads them, scaled."""
        now = x[..., : self.targets]
        changes = torch.stack(
            [change_since(now, k) for k in range(1, self.season + 1)], dim=-1
        )  # (T, B, K, S)
        linear = now[:, :, None] + torch.einsum("tbks,khs->tbhk", changes, self.past)
        out = self.out(hidden).unflatten(-1, (self.horizon, self.targets, 2))
        return torch.stack((linear + out[..., 0], out[..., 1].clamp(min=LEAST_LOG_DEVIATION)), dim=-1)


def change_since(now: Tensor, steps: int) -> Tensor:
    """What was so many steps ago, less what is now: (T, B, K); 0 where the sequence had not begun."""
    change = torch.zeros_like(now)
    if steps < len(now):
        change[steps:] = now[:-steps] - now[steps:]
    return change


def seasonal_naive_weights(horizon: int, season: int) -> Tensor:
    """(H, S): the weights that make of the last season's changes its forecast: 1 at the same place in the season."""
    ago = -torch.arange(1, horizon + 1) % season  # steps before now at which the season was where it will be
    return (ago[:, None] == torch.arange(1, season + 1)).float()


OUTPUTS: dict[str, Any] = {
    "tag": StepLogits,
    "classify": SequenceLogits,
    "forecast": GaussianForecast,
}  # by task
