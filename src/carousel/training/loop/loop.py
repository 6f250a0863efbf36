"""Truncated backpropagation through time: one window, one step, the state carried on.

(Werbos 1990; Williams & Peng 1990.) The loop serves any model, any loss and any source of windows. session.py decides
when to evaluate, save and stop. Lightning Fabric handles devices and precision.
"""

import math
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from carousel.errors import CarouselError
from carousel.nn.random_numbers import drawing_from
from carousel.training.loop.config import LoopConfig
from carousel.training.loop.optimizers import build_optimizer
from carousel.training.loop.schedule import decayed, rate

Model = TypeVar("Model", bound=nn.Module)

# (model, window, state before it or None) -> (mean loss in nats, state after it)
WindowLoss = Callable[[Any, tuple[Tensor, ...], Any], tuple[Tensor, Any]]
PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}


class Diverged(CarouselError):
    """The loss or the gradient is not a finite number; the step was not taken."""


class Batches(Protocol):
    """The source of windows for all epochs; a window depends on its number alone."""

    number: int  # of windows in an epoch
    tokens: int  # predictions in a window

    def window(self, step: int) -> tuple[Tensor, ...]:
        """The tensors of step 0, 1, ..., as the objective takes them."""

    def resets_state(self, step: int) -> bool:
        """Whether no state is carried into this step."""


class Loop(Generic[Model]):
    """A model in training: weights, optimizer, windows and carried state.

    All random numbers of the loop come from its own generator `random`, so that runs in other threads do not change
    them. A checkpoint holds the state of the generator.
    """

    def __init__(self, config: LoopConfig, model: Model, batches: Batches, objective: WindowLoss) -> None:
        self.config, self.model, self.batches, self.objective = config, model, batches, objective
        self.optimizer = build_optimizer(model, config)
        self.fabric = Fabric(accelerator=config.device, devices=1, precision=PRECISIONS[config.precision])  # type: ignore[arg-type]
        _, self._stepper = self.fabric.setup(model, self.optimizer)
        # not the seed of the first weights, which the masks would repeat
        self.random = torch.Generator(self.fabric.device).manual_seed((config.seed + 0x9E3779B9) % 2**63)
        self.state: Any = None
        self.model.train()

    def lr(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        config = self.config
        share = rate(step, config.steps or step + 1, config.warmup, config.schedule)
        if config.schedule == "decay":
            share *= decayed(step // self.batches.number, config.decay_after, config.decay)
        return config.rate * share

    def step(self, step: int) -> tuple[float, float]:
        """Learn from window `step`, counted from 0; returns the loss in nats per token and the unclipped gradient norm.

        Raises Diverged if one of the two is not finite; the weights are then those of the step before.
        """
        state = None if self.batches.resets_state(step) else detached(self.state)
        window = tuple(tensor.to(self.fabric.device) for tensor in self.batches.window(step))
        with self.fabric.autocast(), drawing_from(self.random):
            loss, state = self.objective(self.model, window, state)
        self.fabric.backward(loss)
        nats, length = float(loss.detach()), self._clip()
        if not (math.isfinite(nats) and math.isfinite(length)):
            self.optimizer.zero_grad()
            name, value = ("loss", nats) if not math.isfinite(nats) else ("norm of the gradient", length)
            raise Diverged(f"the {name} must be finite; it became {value} at step {step + 1}.")
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(step)
        self._stepper.step()
        self.optimizer.zero_grad()
        self.state = detached(state)
        return nats, length

    def _clip(self) -> float:
        """The norm of the gradient, which is scaled to `clip` only if it is larger, to save a pass over memory."""
        norm = get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        length = float(norm)
        if self.config.clip and length > self.config.clip:
            clip_grads_with_norm_(self.model.parameters(), self.config.clip, norm)
        return length


def detached(state: Any) -> Any:
    """A carried state (a tensor, a tuple of tensors or None) without its graph."""
    if isinstance(state, Tensor):
        return state.detach()
    return None if state is None else tuple(part.detach() for part in state)
