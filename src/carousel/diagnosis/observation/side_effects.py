"""Run a model without side effects: modes, flags, buffers, attributes and random numbers stay as they are."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from carousel.nn.eval_view import eval_view

# cuDNN's flags belong to the whole process: two blocks that overlap would mix them up
_cudnn_flags = threading.RLock()


@contextmanager
def same_random_numbers() -> Iterator[None]:
    """Afterwards torch, Python and NumPy draw the numbers that they would have drawn without this block."""
    python, numpy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


@contextmanager
def without_side_effects(model: nn.Module) -> Iterator[nn.Module]:
    """The model in eval mode, to be run with gradients inside the block; afterwards everything is as it was before.

    What runs is a twin that shares the parameters (`eval_view`): the modes, attributes, buffers and hooks of the model
    do not change, not even for a moment in which another thread uses it. requires_grad and .grad of every parameter,
    and the random numbers of torch, Python and NumPy, are put back.
    """
    flags = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    try:
        # a cuDNN network has no backward pass in eval mode
        with same_random_numbers(), _cudnn_flags, torch.backends.cudnn.flags(enabled=False):
            yield eval_view(model)
    finally:
        for parameter, requires_grad, gradient in flags:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not gradient:
                parameter.grad = gradient
