"""The monitor as a callback of Lightning's Trainer; imported only when it is asked for."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

from torch import nn

from carousel.diagnosis.monitor import EVERY, SHARE, Look, Monitor, total_norm
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.observation.loss import Loss
from carousel.errors import CarouselError

_PACKAGES = ("lightning.pytorch", "pytorch_lightning")  # the same Trainer under two names


def _bases() -> tuple[type, ...]:
    """Callback of each of the two packages that is installed: either Trainer may be the caller's."""
    found = []
    for name in _PACKAGES:
        try:
            found.append(import_module(name).Callback)
        except ModuleNotFoundError:
            continue
    if not found:
        raise CarouselError(
            "LightningMonitor needs lightning or pytorch-lightning. Install one of them with: "
            "pip install 'carousel-rnn[lightning]'. A loop of your own can use carousel.diagnosis.Monitor."
        )
    return tuple(dict.fromkeys(found))


def first_of(batch: Any) -> Any:
    """What the model is called with: the first of a tuple (inputs, targets), anything else as it is."""
    return batch[0] if isinstance(batch, (tuple, list)) else batch


class LightningMonitor(*_bases()):  # type: ignore[misc]
    """Measures gradient by lag, saturation and horizon while Lightning trains, and warns in words.

    Numbers go to every logger of the trainer under `diagnosis/`, warnings to Python's `warnings`. The model, its
    gradients and random numbers do not change.

    Args:
        every: training steps between two looks, at least.
        inputs: from a batch to what the module is called with (a tuple is module(*inputs)).
        loss: of the module's output; None: the squared norm of its last valid output. With a loss, the trainer's
            optimizers are checked, too.
        share: the largest share of the training time that looks may take.

    >>> callback = LightningMonitor(every=50)  # lightning.pytorch.Trainer(callbacks=[callback])
    >>> callback.looks  # one for each measurement, once the trainer runs
    []
    """

    def __init__(
        self,
        every: int = EVERY,
        inputs: Callable[[Any], Any] = first_of,
        loss: Loss | None = None,
        share: float = SHARE,
    ) -> None:
        super().__init__()
        self.monitor = Monitor(every, share)
        self.inputs, self.loss = inputs, loss
        self.looks: list[Look] = []
        self._norm = math.nan
        self._due = False

    def on_fit_start(self, trainer: Any, pl_module: nn.Module) -> None:
        """Raise CarouselError for a module without a recurrent layer, before any time is spent."""
        if not any(is_recurrent(module) for module in pl_module.modules()):
            raise CarouselError(
                f"LightningMonitor needs a recurrent layer of torch.nn or Carousel; {type(pl_module).__name__} holds "
                "none. Remove the callback, or give it another module."
            )

    def on_before_optimizer_step(self, trainer: Any, pl_module: nn.Module, optimizer: Any) -> None:
        """Read the norm of the gradient, which the trainer has not clipped yet."""
        self._due = self.monitor.is_due(trainer.global_step + 1)
        self._norm = total_norm(pl_module) if self._due else math.nan

    def on_train_batch_end(
        self, trainer: Any, pl_module: nn.Module, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Measure the model on the batch of this step, if a look is due."""
        if not self._due:
            return
        self._due = False
        look = self.monitor.look(
            pl_module,
            self.inputs(batch),
            step=trainer.global_step,
            total_norm=self._norm,
            loss=self.loss,
            optimizer=trainer.optimizers,
        )
        self.looks.append(look)
        for logger in trainer.loggers:
            logger.log_metrics(look.scalars(), step=trainer.global_step)
        for words in look.warnings:
            warnings.warn(f"step {trainer.global_step}: {words}", stacklevel=2)
