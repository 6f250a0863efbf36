"""Sound nets that are used wrongly, each beside the same net used rightly: axes, states, data, losses, optimizers."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.calibration.nets import Net
from bench.calibration.recipes import LANES, LENGTH, Case, Misuse, targets_of


class Used(nn.Module):
    """A net with something done to what it reads, and to what its recurrent module returns."""

    def __init__(
        self,
        net: Net,
        before: Callable[[Tensor], Tensor] | None = None,
        read: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.net, self.before, self.read = net, before, read

    def forward(self, x: Tensor) -> Tensor:
        x = self.net.entrance(x if self.before is None else self.before(x))
        output, _ = self.net.recurrent(x)
        return self.net.head(output if self.read is None else self.read(output))


class Looped(nn.Module):
    """A net whose recurrent module is called in pieces of time, or sequence by sequence, with its state or without."""

    def __init__(self, net: Net, pieces: int, dim: int, passes: Callable[[object], object]) -> None:
        super().__init__()
        self.net, self.pieces, self.dim, self.passes = net, pieces, dim, passes

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = None, []
        for part in self.net.entrance(x).split(self.pieces, self.dim):
            output, state = self.net.recurrent(part, state)
            state = self.passes(state)
            outputs.append(output)
        return self.net.head(torch.cat(outputs, self.dim)[-1])


class Carries(nn.Module):
    """A net whose state goes on from one batch to the next, or begins anew."""

    def __init__(self, net: Net, carries: bool) -> None:
        super().__init__()
        self.net, self.carries = net, carries
        self.state: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        output, state = self.net.recurrent(x, self.state)
        if self.carries:
            self.state = state.detach()
        return self.net.head(output)


class SelfFed(nn.Module):
    """A decoder that runs freely: its answer at one step is its input at the next."""

    def __init__(self, net: Net, heard: int) -> None:
        super().__init__()
        self.net, self.heard = net, heard

    def forward(self, x: Tensor) -> Tensor:
        output, state = self.net.recurrent(x[: self.heard])
        answers = [self.net.head(output[-1:])]
        while len(answers) < len(x) - self.heard:
            output, state = self.net.recurrent(answers[-1], state)
            answers.append(self.net.head(output))
        return torch.cat(answers)


def _both_ways(case: Case, read: Callable[[Tensor], Tensor]) -> Case:
    """The same net with a second direction, read at one end or at both."""
    net = case.net
    inside = net.recurrent
    net.recurrent = nn.GRU(inside.input_size, inside.hidden_size, bidirectional=True)
    net.head = nn.Linear(2 * inside.hidden_size, case.task.outputs)
    return replace(case, model=Used(net, read=read))


def _ends(output: Tensor) -> Tensor:
    half = output.shape[-1] // 2
    return torch.cat([output[-1, :, :half], output[0, :, half:]], -1)


def _detached(state: object) -> object:
    return state.detach() if isinstance(state, Tensor) else tuple(each.detach() for each in state)  # type: ignore[attr-defined]


def _batch_first(
    case: Case, read: Callable[[Tensor], Tensor], before: Callable[[Tensor], Tensor] | None
) -> Case:
    def retrain(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> float:
        def draw(random: torch.Generator) -> tuple[Tensor, Tensor]:
            x, y = case.task.draw(LENGTH // 2, LANES, random)
            return x.transpose(0, 1), y[-1]

        own = torch.optim.Adam(model.parameters(), case.again.lr)
        return _last_losses(model, own, draw, case.task.loss, case)

    batch = case.batch.transpose(0, 1).contiguous()
    return replace(case, model=Used(case.net, before, read), batch=batch, retrain=retrain)


def _last_losses(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    draw: Callable[[torch.Generator], tuple[Tensor, Tensor]],
    loss: Callable[[Tensor, Tensor], Tensor],
    case: Case,
) -> float:
    """The mean loss of the last tenth of a training."""
    random, losses = torch.Generator().manual_seed(case.seed + 5), []
    for _ in range(case.again.steps):
        x, y = draw(random)
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    tail = losses[-len(losses) // 10 :]
    return sum(tail) / len(tail) if math.isfinite(sum(tail)) else math.inf


def _reshaped(x: Tensor) -> Tensor:
    return x.reshape(x.shape[1], x.shape[0], *x.shape[2:])


def _flipped(x: Tensor) -> Tensor:
    return x.transpose(0, 1)


def _padded(case: Case, read_end: bool) -> Case:
    steps, lanes = case.batch.shape[:2]
    ends = torch.linspace(steps // 2, steps, lanes).long()
    batch = case.batch * (torch.arange(steps)[:, None, None] < ends[None, :, None])
    last = (lambda out: out[-1]) if read_end else (lambda out: out[ends - 1, torch.arange(lanes)])
    return replace(case, model=Used(case.net, read=last), batch=batch)


def _outlier(case: Case) -> Case:
    batch = case.batch.clone()
    batch[len(batch) // 2, 1, 0] = 1e3
    return replace(case, batch=batch)


def _with_gaps(case: Case) -> Case:
    batch = case.batch.clone()
    batch[len(batch) // 3, 2, 0] = batch[-1, 0, 0] = math.nan
    return replace(case, batch=batch)


def _normalised(case: Case) -> Case:
    return replace(case, model=Used(case.net, lambda x: (x - x.mean(0)) / (x.std(0) + 1e-3)))


def _with_loss(case: Case, loss: Callable[[Tensor, Tensor], Tensor]) -> Case:
    targets = targets_of(case)
    return replace(case, asked=lambda output: loss(output, targets))


def _trained(case: Case, rate: float, clears: bool = True, whole: bool = True, steps: int = 4) -> Case:
    """A few steps of an optimizer, with the mistakes that are made around one."""
    case = _with_loss(case, case.task.loss)
    optimizer = torch.optim.Adam((case.model if whole else case.net.recurrent).parameters(), rate)
    for _ in range(steps):
        if clears:
            optimizer.zero_grad()
        assert case.asked is not None
        case.asked(case.model(case.batch)).backward()
        optimizer.step()

    def retrain(model: nn.Module, optimizer: torch.optim.Optimizer | None) -> float:
        assert optimizer is not None
        draw = partial(case.task.draw, LENGTH // 2, LANES)
        return _last_losses(model, optimizer, draw, case.task.loss, case)

    return replace(case, optimizer=optimizer, retrain=retrain)


def _by_hand(case: Case) -> Case:
    """A simple network as a function of its step, with its first state."""
    weights = {name: value.detach() for name, value in case.net.recurrent.named_parameters()}

    def step(x: Tensor, h: Tensor) -> Tensor:
        bias = weights["bias_ih_l0"] + weights["bias_hh_l0"]
        return torch.tanh(x @ weights["weight_ih_l0"].T + h @ weights["weight_hh_l0"].T + bias)

    return replace(case, step=step, state=torch.zeros(case.batch.shape[1], case.hidden))


def _last(output: Tensor) -> Tensor:
    return output[:, -1]


# name -> what it makes of a sound net, and of its healthy twin
MISUSES: dict[str, tuple[str, Misuse, Misuse]] = {
    "batch first, read time first": (
        "swapped axes",
        lambda c: _batch_first(c, _last, None),
        lambda c: _batch_first(c, lambda out: out[-1], _flipped),
    ),
    "reshaped, not transposed": (
        "scrambled axes",
        lambda c: _batch_first(c, lambda out: out, _reshaped),
        lambda c: _batch_first(c, lambda out: out, _flipped),
    ),
    "state from sequence to sequence": (
        "mixed sequences",
        lambda c: replace(c, model=Looped(c.net, 1, 1, lambda state: state)),
        lambda c: replace(c, model=Looped(c.net, 1, 1, lambda state: None)),
    ),
    "state detached": (
        "detached state",
        lambda c: replace(c, model=Looped(c.net, 7, 0, _detached)),
        lambda c: replace(c, model=Looped(c.net, 7, 0, lambda state: state)),
    ),
    "state forgotten": (
        "one step only",
        lambda c: replace(c, model=Looped(c.net, 1, 0, lambda state: None)),
        lambda c: replace(c, model=Looped(c.net, 1, 0, lambda state: state)),
    ),
    "normalised over time": (
        "look-ahead",
        lambda c: _with_loss(_normalised(c), c.task.loss),
        lambda c: _with_loss(_normalised(c), lambda out, y: F.mse_loss(out, c.batch.abs())),
    ),
    "missing numbers": ("missing numbers", _with_gaps, lambda c: c),
    "state from batch to batch": (
        "carried state",
        lambda c: replace(c, model=Carries(c.net, True)),
        lambda c: replace(c, model=Carries(c.net, False)),
    ),
    "detached before the head": (
        "parameters without a gradient",
        lambda c: _with_loss(replace(c, model=Used(c.net, read=torch.Tensor.detach)), c.task.loss),
        lambda c: _with_loss(replace(c, model=Used(c.net)), c.task.loss),
    ),
    "reverse direction read last": (
        "reverse direction at its start",
        lambda c: _both_ways(c, lambda out: out[-1]),
        lambda c: _both_ways(c, _ends),
    ),
    "an outlier": ("outliers", _outlier, lambda c: c),
    "padding": ("padding read as data", lambda c: _padded(c, True), lambda c: _padded(c, False)),
    "target of another shape": (
        "broadcast loss",
        lambda c: _with_loss(c, lambda out, y: F.mse_loss(out[-1], y[:, 0])),
        lambda c: _with_loss(c, lambda out, y: F.mse_loss(out[-1], y)),
    ),
    "head forgotten": (
        "parameters outside the optimizer",
        lambda c: _trained(c, 1e-3, whole=False),
        lambda c: _trained(c, 1e-3),
    ),
    "gradients not cleared": (
        "accumulated gradients",
        lambda c: _trained(c, 1e-4, clears=False, steps=12),
        lambda c: _trained(c, 1e-4, steps=12),
    ),
    "rate too high": (
        "learning rate too high",
        lambda c: _trained(c, 10.0, steps=0),
        lambda c: _trained(c, 3e-3, steps=0),
    ),
    "rate too low": (
        "learning rate too low",
        lambda c: _trained(c, 1e-9, steps=0),
        lambda c: _trained(c, 1e-3, steps=0),
    ),
}
BY_HAND: Misuse = _by_hand
SELF_FED: Misuse = lambda c: replace(c, model=SelfFed(c.net, len(c.batch) // 2))  # noqa: E731
