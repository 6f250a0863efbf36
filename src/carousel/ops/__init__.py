"""Run a cell over a sequence by its compiled kernel, or by its equations; torch operators; facts about the core."""

from carousel.emit.call import Call
from carousel.ops import cross_entropy, flops, packing  # noqa: F401 - operators and what torch's counter asks are registered
from carousel.ops.dispatch import recorded, recurrence, takes_kernel, traced
from carousel.ops.frozen import FrozenLayer
from carousel.ops.info import info
from carousel.ops.tape import Tape
from carousel.ops.threads import torch_threads

__all__ = [
    "Call",
    "FrozenLayer",
    "Tape",
    "info",
    "recorded",
    "recurrence",
    "takes_kernel",
    "torch_threads",
    "traced",
]
