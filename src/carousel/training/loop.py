"""Truncated backpropagation through time: one window, one step, the state carried on.

(Werbos 1990; Williams & Peng 1990.) This is the whole of the training proper; what surrounds it (when to
evaluate, save and stop) is in train.py. Devices come from Lightning Fabric.
"""

import math
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from carousel.errors import CarouselError
from carousel.losses import cross_entropy
from carousel.models.language_model import LanguageModel
from carousel.training.config import Config
from carousel.training.epochs import Epochs
from carousel.training.optimizers import build_optimizer
from carousel.training.schedule import rate


class Diverged(CarouselError):
    """The loss or the gradient is no finite number any more; the step was not taken."""


class Loop:
    """A model in training: weights, optimizer, train stream and carried state.

    Everything random follows from `config.seed`: building two of these gives the same weights twice.
    """

    def __init__(self, config: Config, vocabulary_size: int, ids: np.ndarray) -> None:
        torch.manual_seed(config.seed)
        self.config = config
        self.epochs = Epochs(ids, config.batch, config.bptt, config.seed)
        self.model = LanguageModel(
            vocabulary_size,
            cell=config.cell,
            hidden=config.hidden,
            layers=config.layers,
            embedding=config.embedding,
            one_hot=config.one_hot,
            tie=config.tie,
            dropout=config.dropout,
        )
        self.optimizer = build_optimizer(self.model, config)
        self.fabric = Fabric(accelerator=config.device, devices=1)
        self._module, self._stepper = self.fabric.setup(self.model, self.optimizer)
        self.state: Any = None
        self.model.train()

    def lr(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        steps = self.config.steps or step + 1
        return self.config.lr * rate(step, steps, self.config.warmup, self.config.schedule)

    def step(self, step: int) -> tuple[float, float]:
        """Learn from window `step`, counted from 0; loss in nats per token, gradient's norm before clipping.

        Raises Diverged if one of the two is not finite; the weights are then still those of the step before.
        """
        state = None if self.epochs.begins(step) else detached(self.state)
        inputs, targets = (tensor.to(self.fabric.device) for tensor in self.epochs.window(step))
        logits, state = self._module(inputs, state)
        loss = cross_entropy(logits, targets)
        self.fabric.backward(loss)
        norm = clip_grad_norm_(self.model.parameters(), self.config.clip or math.inf)
        nats, length = float(loss.detach()), float(norm)
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


def detached(state: Any) -> Any:
    """A carried state (a tensor, a tuple of tensors or None) cut off from the window before."""
    if isinstance(state, Tensor):
        return state.detach()
    return None if state is None else tuple(part.detach() for part in state)
