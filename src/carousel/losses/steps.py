"""Which steps of a sequence count, with which weight, and how their divergences are reduced.

Div(target(1..T), Y(1..T)) = sum_t w_t Div(target(t), Y(t)), over the steps that count.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from carousel.errors import CarouselError
from carousel.ops.transforms import batched

IGNORED = -100  # a target that marks padding
# How far from 1 a sum of probabilities may be: that of many in bfloat16 is off by some thousandths.
TOLERANCE = 1e-2
REDUCTIONS = ("mean", "sum", "sequence", "none")


class Steps:
    """The frame of steps, (T,) or (T, B) or (T, B, ...): the weight of each step, and whether it counts.

    Values at steps that do not count never enter a computation, so that NaN there reaches neither the result nor a
    gradient.
    """

    def __init__(
        self,
        frame: torch.Size,
        device: torch.device,
        weights: Tensor | None = None,
        lengths: Tensor | Iterable[int] | None = None,
        mask: Tensor | None = None,
        reduction: str = "mean",
        batch_first: bool = False,
    ) -> None:
        """`batch_first`: the frame is (B, T). Raises CarouselError for what does not fit the frame."""
        if reduction not in REDUCTIONS:
            raise CarouselError(f"reduction must be one of {', '.join(REDUCTIONS)}; got {reduction!r}.")
        if batch_first and len(frame) < 2:
            raise CarouselError(
                f"batch_first needs a batch of sequences; the steps are {tuple(frame)}. Leave it out for one sequence."
            )
        self.frame, self.device, self.reduction = frame, device, reduction
        self.time_dim = 1 if batch_first else 0
        self.weights = None if weights is None else self._over_frame("weights", weights)
        self.counted = None if mask is None else self._mask(mask)
        if lengths is not None:
            self.count_only(self._within(lengths))

    def count_only(self, counted: Tensor) -> None:
        """Of the steps that have counted so far, only those that are true in `counted` (the frame, bool)."""
        self.counted = counted if self.counted is None else self.counted & counted

    def only(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """`values` (*frame, ...) with `fill` at the steps that do not count."""
        if self.counted is None:
            return values
        out = ~self.counted
        return values.masked_fill(out.reshape(*out.shape, *[1] * (values.dim() - out.dim())), fill)

    def reduce(self, each: Tensor) -> Tensor:
        """The divergence of each step (the frame), reduced as `reduction` says."""
        if self.weights is not None:
            each = each * self.only(self.weights.to(each.dtype))
        each = self.only(each)
        if self.reduction == "none":
            return each
        if self.reduction == "sequence":
            return each.sum(dim=self.time_dim)
        return each.sum() if self.reduction == "sum" else each.sum() / self.count(each)

    def check_sums(self, name: str, values: Tensor) -> None:
        """Raises CarouselError for a step that counts whose probabilities, (*frame, V), do not sum to 1."""
        if unseen(values):
            return
        sums = self.only(values.detach().sum(dim=-1), fill=1.0)
        off = (sums - 1).abs()
        if off.numel() and bool((off > TOLERANCE).any()):
            worst = float(sums.flatten()[off.nan_to_num().argmax()])
            advice = " Leave probabilities out for logits, or" if name == "outputs" else ""
            raise CarouselError(
                f"{name} must be probabilities that sum to 1 at each step; got a sum of {worst:.4g}."
                f"{advice or ' For that,'} divide by their sum: p / p.sum(-1, keepdim=True). For labels that "
                "do not exclude each other use bernoulli."
            )

    def count(self, like: Tensor) -> Tensor | int:
        """How many steps count; at least 1, so that the mean of none is 0."""
        if self.counted is None:
            return max(self.frame.numel(), 1)
        return self.counted.sum().clamp(min=1).to(like.dtype)

    def _over_frame(self, name: str, values: Any) -> Tensor:
        """Values (T,) or of the frame, expanded to the frame."""
        if not isinstance(values, Tensor):
            values = torch.as_tensor(values, device=self.device)
        time = self.frame[self.time_dim : self.time_dim + 1]
        if values.shape == self.frame:
            return values
        if values.shape == time:
            return values.reshape(
                *([1] * self.time_dim), -1, *[1] * (len(self.frame) - 1 - self.time_dim)
            ).expand(self.frame)
        raise CarouselError(
            f"{name} must have one value for each step, shape {tuple(time)}, or for each step of each sequence, "
            f"{tuple(self.frame)}; got the shape {tuple(values.shape)}."
        )

    def _mask(self, mask: Any) -> Tensor:
        if not isinstance(mask, Tensor):
            mask = torch.as_tensor(mask, device=self.device)
        if mask.dtype != torch.bool:
            raise CarouselError(
                f"mask must be bool, true at the steps that count; got {mask.dtype}. "
                "Pass shares between 0 and 1 as weights."
            )
        return self._over_frame("mask", mask)

    def _within(self, lengths: Any) -> Tensor:
        if len(self.frame) < 2:
            raise CarouselError(
                f"lengths go with a batch of sequences; the steps are {tuple(self.frame)}. Cut the sequence instead."
            )
        time, batch = self.frame[self.time_dim], self.frame[1 - self.time_dim]
        numbers = torch.as_tensor(lengths, device=self.device)
        if numbers.is_floating_point() or numbers.dtype == torch.bool or numbers.shape != (batch,):
            raise CarouselError(
                f"lengths must hold one whole number for each of the {batch} sequences; "
                f"got dtype {numbers.dtype} and shape {tuple(numbers.shape)}."
            )
        if not torch.compiler.is_compiling() and bool(((numbers < 0) | (numbers > time)).any()):
            raise CarouselError(
                f"lengths must be from 0 to the {time} steps there are; got {numbers.tolist()[:8]}."
            )
        steps = torch.arange(time, device=self.device)
        within = steps < numbers[:, None] if self.time_dim else steps[:, None] < numbers
        return within.reshape(*within.shape, *[1] * (len(self.frame) - 2)).expand(self.frame)


def unseen(values: Tensor) -> bool:
    """Whether values cannot be looked at: they are traced by torch.compile, or carried by torch.func."""
    return torch.compiler.is_compiling() or batched(values)


def full_precision(values: Tensor) -> Tensor:
    """Half precision in float32: the sum over a vocabulary does not fit into eight bits."""
    return values.float() if values.dtype in (torch.bfloat16, torch.float16) else values


def check_same_shape(outputs: Tensor, targets: Tensor) -> None:
    """Raises CarouselError unless there is a target for each value of the output."""
    if outputs.shape != targets.shape:
        raise CarouselError(
            "targets must have the shape of the outputs, one value for each; "
            f"got outputs {tuple(outputs.shape)} and targets {tuple(targets.shape)}."
        )


def check_probabilities(name: str, values: Tensor) -> None:
    """Raises CarouselError for a value below 0 or above 1 (NaN passes, to be seen in the result)."""
    if torch.compiler.is_compiling() or not values.numel():
        return
    low, high = (float(bound) for bound in values.detach().aminmax())
    if low < 0 or high > 1 + 1e-3:
        advice = " Leave probabilities out for logits." if name == "outputs" else ""
        raise CarouselError(
            f"{name} must be probabilities, from 0 to 1; got values from {low:.4g} to {high:.4g}.{advice}"
        )
