"""Norms of the gradient of one loss at the states before it, of any step function, by autograd alone.

The loss is taken at the last step alone, so that what is measured is the network's own chain of Jacobians and
not a sum of many losses. s is the full state at a step, every layer of it (h, and c for an LSTM), read as one
point: h_{T-k} of a layer reaches L_T through everything that reads it at the following step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.recording import as_tuple, map_tensors
from carousel.errors import CarouselError
from carousel.nn.in_eval import in_eval

Array = NDArray[np.float64]

# (tokens or inputs of one step (1, B, ...), state or None) -> (logits (1, B, V), state)
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
Loss = Callable[[Tensor, Tensor], Tensor]
_cross_entropy = partial(torch.nn.functional.cross_entropy, reduction="sum")


@dataclass(frozen=True, repr=False)
class StateGradientNorms(Brief):
    """Norms of the gradient of one loss with respect to the states before it.

    Attributes:
        norms: name of a state ("h", "c") -> (K, L, B): k = 1..K steps before the step of the loss, in each layer, for
            each of B places in the text.

    >>> import numpy as np
    >>> flow = StateGradientNorms({"h": 0.5 ** np.arange(1.0, 21.0).reshape(20, 1, 1)})
    >>> flow.total("h").shape, flow.quantile(0.5, "h")[:2], flow.reach(fraction=0.1), round(flow.decay(), 4)
    ((20, 1), array([0.5 , 0.25]), 4, 0.5)
    """

    norms: dict[str, Array]

    @property
    def lags(self) -> NDArray[np.int64]:
        """1..K."""
        return np.arange(1, next(iter(self.norms.values())).shape[0] + 1)

    @property
    def places(self) -> int:
        """B: how many places of the text were measured."""
        return next(iter(self.norms.values())).shape[2]

    def total(self, name: str | None = None) -> Array:
        """Norm over all layers, (K, B): of the state `name`, or of the full state if None."""
        parts = [self.norms[name]] if name else list(self.norms.values())
        return np.linalg.norm(np.concatenate(parts, axis=1), axis=1)

    def quantile(self, q: float, name: str | None = None) -> Array:
        """The q-quantile over the places, (K,), of `total(name)`."""
        return np.quantile(self.total(name), q, axis=1)

    def reach(self, fraction: float = 0.01) -> int:
        """The last lag at which the median norm still is at least `fraction` of that one step back."""
        median = self.quantile(0.5)
        above = np.flatnonzero((median >= fraction * median[0]) & (median[0] > 0))
        return int(above[-1]) + 1 if above.size else 0

    def decay(self) -> float:
        """The factor per step back: exp of the slope of log(median norm) over the farther half of them.

        1 keeps the gradient for ever (the constant error carousel), below 1 it vanishes, above 1 it explodes.
        NaN where the norm has reached zero or there are fewer than two lags.
        """
        median = self.quantile(0.5)
        tail = slice(len(median) // 2, None)
        k, norm = self.lags[tail], median[tail]
        if len(k) < 2 or not np.all(np.isfinite(norm)) or np.any(norm <= 0):
            return float("nan")
        return float(np.exp(np.polyfit(k, np.log(norm), 1)[0]))


def state_gradient_norms(
    step: Step,
    inputs: Tensor,
    targets: Tensor,
    *,
    lags: int = 100,
    state: Any = None,
    names: Sequence[str] = ("h", "c"),
    loss: Loss = _cross_entropy,
) -> StateGradientNorms:
    """Measure how the gradient of the last step's loss shrinks or grows on its way back in time.

    Args:
        step: a language model or any callable `(inputs (1, B, ...), state) -> (logits (1, B, V), state)`, the
            state being a tensor (L, B, H) or a tuple of them. A module is measured in eval mode.
        inputs: (T, B, ...) with T > lags; steps before the last `lags` only warm the state up.
        targets: (B,) class indices at the last step.
        lags: K, how far back to look.
        state: the state before the first input; None for the model's own start.
        names: names of the parts of the state, in its order.
        loss: `(output of the last step (B, ...), targets) -> the loss summed over B`. Where logits of every step would
            take much memory, let `step` return what the output layer reads, and `loss` contain that layer.

    Raises:
        CarouselError: the input is not longer than `lags`, or the targets do not fit.

    Source: Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen" (1991); Pascanu, Mikolov and Bengio,
    "On the difficulty of training recurrent neural networks" (2013).

    >>> import torch
    >>> from carousel.diagnosis import state_gradient_norms
    >>> rnn, head = torch.nn.RNN(3, 5), torch.nn.Linear(5, 2)
    >>> def step(x, state):
    ...     output, state = rnn(x, state)
    ...     return head(output), state
    >>> flow = state_gradient_norms(step, torch.randn(30, 4, 3), torch.tensor([0, 1, 0, 1]), lags=20)
    >>> flow.norms["h"].shape
    (20, 1, 4)
    """
    _check(inputs, targets, lags)
    step = in_eval(step) if isinstance(step, torch.nn.Module) else step
    start = inputs.shape[0] - lags
    with torch.no_grad():
        for t in range(start):
            _, state = step(inputs[t : t + 1], state)
    states: list[tuple[Tensor, ...]] = []
    with torch.enable_grad():
        for t in range(start, inputs.shape[0]):
            # The first is a leaf; those after it are in the graph already unless nothing requires a gradient.
            state = map_tensors(lambda s: s if s.requires_grad else s.detach().requires_grad_(), state)
            states.append(as_tuple(state))
            output, state = step(inputs[t : t + 1], state)
        # Summed over the batch: sequences do not mix, so the gradient of the sum holds each sequence's own.
        total = loss(output[-1], targets)
    parts = [part for each in states for part in each]
    found = torch.autograd.grad(total, parts, allow_unused=True)  # None: the state does not reach the loss
    gradients = [torch.zeros_like(s) if g is None else g for s, g in zip(parts, found, strict=True)]
    width = len(states[0])
    every = [*names, *(f"state {j}" for j in range(len(names), width))]
    return StateGradientNorms(
        {every[j]: _by_lag(gradients[j::width]) for j in range(width)},
    )


def _by_lag(gradients: Sequence[Tensor]) -> Array:
    """(K, L, B), lag 1 first."""
    return torch.stack([g.double().norm(dim=-1) for g in reversed(gradients)]).numpy(force=True)


def _check(inputs: Tensor, targets: Tensor, lags: int) -> None:
    if lags < 1:
        raise CarouselError(f"`lags` must be at least 1; got {lags}. Pass a positive integer.")
    if inputs.dim() < 2 or inputs.shape[0] <= lags:
        raise CarouselError(
            f"To look {lags} steps back, inputs of shape (T, B, ...) with T > {lags} are needed; "
            f"got {tuple(inputs.shape)}. Pass longer inputs or fewer lags."
        )
    if targets.shape != inputs.shape[1:2]:
        raise CarouselError(
            f"`targets` must hold one class index per sequence, shape ({inputs.shape[1]},); "
            f"got {tuple(targets.shape)}."
        )
