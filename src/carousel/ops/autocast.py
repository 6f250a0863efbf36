"""The current mode of torch.autocast."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def autocasts(device_type: str) -> bool:
    """Is autocast on for this kind of device?"""
    # is_autocast_available is slow, so it is not asked for the CPU
    known = device_type == "cpu" or torch.amp.is_autocast_available(device_type)
    return known and torch.is_autocast_enabled(device_type)


def autocasts_bfloat16() -> bool:
    """Does autocast ask for bfloat16 on the CPU?"""
    return autocasts("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


def outside_autocast(device_type: str) -> AbstractContextManager[Any]:
    """Autocast is off inside this block."""
    return torch.autocast(device_type, enabled=False) if autocasts(device_type) else nullcontext()
