"""What torch.autocast asks for, here and now."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch


def autocasts(device_type: str) -> bool:
    """Is autocast on for this kind of device?"""
    known = device_type == "cpu" or torch.amp.is_autocast_available(
        device_type
    )  # which takes a while to answer
    return known and torch.is_autocast_enabled(device_type)


def autocasts_bfloat16() -> bool:
    """Does it ask for bfloat16 on the CPU?"""
    return autocasts("cpu") and torch.get_autocast_dtype("cpu") == torch.bfloat16


def outside_autocast(device_type: str) -> AbstractContextManager[Any]:
    """Inside it, autocast is off."""
    return torch.autocast(device_type, enabled=False) if autocasts(device_type) else nullcontext()
