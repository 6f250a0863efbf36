"""Dtype and device: input and states come in those of the weights; only autocast may convert."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from carousel.errors import CarouselError


def matching(name: str, tensor: Tensor, weight: Tensor) -> Tensor:
    """The tensor, on the device and in the dtype of the weights."""
    if tensor.device != weight.device:
        raise CarouselError(
            f"{name} must be on the device of the weights, {weight.device}; it is on {tensor.device}. "
            "Move one of them with .to(...)."
        )
    if tensor.dtype != weight.dtype:
        if tensor.is_floating_point() and _autocast(tensor.device.type):
            return tensor.to(weight.dtype)
        raise CarouselError(
            f"{name} must have the dtype of the weights, {weight.dtype}; it has {tensor.dtype}. "
            "Convert one of them with .to(...)."
        )
    return tensor


def outside_autocast(device_type: str) -> AbstractContextManager[Any]:
    """Inside it, autocast is off."""
    return torch.autocast(device_type, enabled=False) if _autocast(device_type) else nullcontext()


def _autocast(device_type: str) -> bool:
    return torch.amp.is_autocast_available(device_type) and torch.is_autocast_enabled(device_type)
