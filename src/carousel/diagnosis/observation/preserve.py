"""Run a model without leaving a trace in it: modes, flags, buffers, attributes and random numbers are put back."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@contextmanager
def preserved(model: nn.Module) -> Iterator[None]:
    """Inside, the model is in eval mode and may be run; afterwards everything is as it was before.

    Kept are each module's own mode, the attributes it reassigns while it runs (a state that it carries), buffers
    and their values, requires_grad and .grad of every parameter, and the random numbers of torch, Python and NumPy.
    """
    modules = list(model.modules())
    attributes = [_attributes(module) for module in modules]
    contents = {buffer: buffer.detach().clone() for buffer in model.buffers()}
    flags = [(p, p.requires_grad, p.grad) for p in model.parameters()]
    try:
        with _same_random_numbers():
            for module in modules:
                module.training = False  # not eval(), which a model may have made to do more
            yield
    finally:
        for module, before in zip(modules, attributes, strict=True):
            _restore(module, before)
        with torch.no_grad():
            for buffer, content in contents.items():
                if not torch.equal(buffer, content):
                    buffer.copy_(content)
        for parameter, requires_grad, gradient in flags:
            if parameter.requires_grad != requires_grad:
                parameter.requires_grad_(requires_grad)
            if parameter.grad is not gradient:
                parameter.grad = gradient


def _attributes(module: nn.Module) -> dict[str, Any]:
    """What a module holds, and what its registers of parameters, buffers and children hold; values not copied."""
    return {
        name: dict(value) if name in ("_parameters", "_buffers", "_modules") else value
        for name, value in vars(module).items()
    }


def _restore(module: nn.Module, before: dict[str, Any]) -> None:
    now = vars(module)
    for name in now.keys() - before.keys():
        del now[name]
    for name, value in before.items():
        if name in ("_parameters", "_buffers", "_modules"):
            now[name].clear()
            now[name].update(value)
        else:
            now[name] = value


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
