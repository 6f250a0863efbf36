"""How far back the gradient of any step function reaches: the norm of dL_T / ds_{T-k} by the lag k, by autograd alone.

The loss is taken at the last step alone, so that what is measured is the network's own chain of Jacobians and
not a sum of many losses. s is the full state at a step, every layer of it (h, and c for an LSTM), read as one
point: h_{T-k} of a layer reaches L_T through everything that reads it at the following step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.errors import CarouselError
from carousel.nn.eval_view import eval_view

# (tokens or inputs of one step (1, B, ...), state or None) -> (logits (1, B, V), state)
Step = Callable[[Tensor, Any], tuple[Tensor, Any]]
Loss = Callable[[Tensor, Tensor], Tensor]


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(logits, targets, reduction="sum")


@dataclass(frozen=True, repr=False)
class GradientNorms(Brief):
    """Norms of the gradient of one loss with respect to the states before it.

    `norms[name]` has shape (K, L, B): the state `name` ("h", "c") k = 1..K steps before the step of the loss,
    in each layer, for each of B places in the text.
    """

    norms: dict[str, NDArray[np.float64]]

    @property
    def lags(self) -> NDArray[np.int64]:
        """1..K."""
        return np.arange(1, next(iter(self.norms.values())).shape[0] + 1)

    @property
    def places(self) -> int:
        """B: how many places of the text were measured."""
        return next(iter(self.norms.values())).shape[2]

    def total(self, name: str | None = None) -> NDArray[np.float64]:
        """Norm over all layers, (K, B): of one state, or of the full state when no name is given."""
        parts = [self.norms[name]] if name else list(self.norms.values())
        squares = [(part**2).sum(axis=1) for part in parts]
        return np.sqrt(np.sum(squares, axis=0))

    def quantile(self, q: float, name: str | None = None) -> NDArray[np.float64]:
        """The q-quantile over the places, (K,)."""
        return np.quantile(self.total(name), q, axis=1)

    def reach(self, fraction: float = 0.01) -> int:
        """The last lag at which the median norm still is at least `fraction` of that one step back."""
        median = self.quantile(0.5)
        above = (
            np.flatnonzero(median >= fraction * median[0]) if median[0] > 0 else np.array([], dtype=np.int64)
        )
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


def gradient_by_lag_of(
    step: Step,
    inputs: Tensor,
    targets: Tensor,
    *,
    lags: int = 100,
    state: Any = None,
    names: Sequence[str] = ("h", "c"),
    loss: Loss = _cross_entropy,
) -> GradientNorms:
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

    Example:
        >>> import torch
        >>> rnn, head = torch.nn.RNN(3, 5), torch.nn.Linear(5, 2)
        >>> def step(x, state):
        ...     output, state = rnn(x, state)
        ...     return head(output), state
        >>> flow = gradient_by_lag_of(step, torch.randn(30, 4, 3), torch.tensor([0, 1, 0, 1]), lags=20)
        >>> flow.norms["h"].shape
        (20, 1, 4)

    Source: Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen" (1991); Pascanu, Mikolov and Bengio,
    "On the difficulty of training recurrent neural networks" (2013).
    """
    _check(inputs, targets, lags)
    step = eval_view(step) if isinstance(step, torch.nn.Module) else step
    states, output = _walk(step, inputs, state, lags)
    # Summed over the batch: the lanes do not mix, so the gradient of the sum holds each lane's own.
    total = loss(output, targets)
    parts = [part for each in states for part in each]
    # With all parameters frozen nothing but the states is in the graph; they were made leaves in _walk.
    gradients = torch.autograd.grad(total, parts, allow_unused=True)
    width = len(states[0])
    norms = {_name(names, j): _by_lag(parts[j::width], gradients[j::width]) for j in range(width)}
    return GradientNorms(norms)


def _walk(step: Step, inputs: Tensor, state: Any, lags: int) -> tuple[list[tuple[Tensor, ...]], Tensor]:
    """Run all steps: the states entering the last `lags` steps, and the last output (B, ...)."""
    start = inputs.shape[0] - lags
    with torch.no_grad():
        for t in range(start):
            _, state = step(inputs[t : t + 1], state)
    states: list[tuple[Tensor, ...]] = []
    output = None
    with torch.enable_grad():
        for t in range(start, inputs.shape[0]):
            # The first is a leaf; those after it are in the graph already unless nothing requires a gradient.
            state = _map(lambda part: part if part.requires_grad else part.detach().requires_grad_(), state)
            states.append(state if isinstance(state, tuple) else (state,))
            output, state = step(inputs[t : t + 1], state)
    if output is None:
        raise CarouselError("gradient_by_lag_of needs at least one lag.")
    return states, output[-1]


def _map(function: Callable[[Tensor], Tensor], state: Any) -> Any:
    if isinstance(state, Tensor):
        return function(state)
    return tuple(function(part) for part in state)


def _name(names: Sequence[str], j: int) -> str:
    return names[j] if j < len(names) else f"state {j}"


def _by_lag(parts: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> NDArray[np.float64]:
    """(K, L, B), lag 1 first; a state that does not reach the loss has gradient zero."""
    norms = []
    for part, gradient in zip(reversed(parts), reversed(gradients), strict=True):
        gradient = torch.zeros_like(part) if gradient is None else gradient
        norms.append(torch.linalg.vector_norm(gradient.double(), dim=-1).numpy(force=True))  # (L, B)
    return np.stack(norms)


def _check(inputs: Tensor, targets: Tensor, lags: int) -> None:
    if lags < 1:
        raise CarouselError(f"`lags` must be at least 1; got {lags}. Pass a positive integer.")
    if inputs.dim() < 2 or inputs.shape[0] <= lags:
        raise CarouselError(
            f"To look {lags} steps back, inputs of shape (T, B, ...) with T > {lags} are needed; "
            f"got {tuple(inputs.shape)}. Give longer inputs or fewer lags."
        )
    if targets.shape != inputs.shape[1:2]:
        raise CarouselError(
            f"targets must hold one class index per lane, shape ({inputs.shape[1]},); "
            f"got {tuple(targets.shape)}."
        )
