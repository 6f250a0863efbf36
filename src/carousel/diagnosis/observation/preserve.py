"""Run a model without leaving a trace in it: modes, flags, buffers, attributes and random numbers stay as they are."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from carousel.nn.eval_view import eval_view

# its flags are those of the process, which two blocks that overlap would mix up
_without_cudnn = threading.RLock()


@contextmanager
def preserved(model: nn.Module) -> Iterator[nn.Module]:
    """The model in eval mode, to be run with gradients inside the block; afterwards everything is as it was before.

    What runs is a twin that shares the parameters (`eval_view`): the modes, attributes, buffers and hooks of the model
    do not change, not even for a moment in which another thread uses it. requires_grad and .grad of every parameter,
    and the random numbers of torch, Python and NumPy, are put back.
    """
    flags = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    try:
        # a cuDNN network has no backward pass in eval mode
        with _same_random_numbers(), _without_cudnn, torch.backends.cudnn.flags(enabled=False):
            yield eval_view(model)
    finally:
        for parameter, requires_grad, gradient in flags:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not gradient:
                parameter.grad = gradient


@contextmanager
def _same_random_numbers() -> Iterator[None]:
    python, numpy = random.getstate(), np.random.get_state()
    cpu: Tensor = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
