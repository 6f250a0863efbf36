"""Where equations meet kernels: one function that runs a sequence, and what the compiled core says of itself."""

from carousel.ops import cross_entropy, packing  # noqa: F401 - their operators are registered with those below
from carousel.ops.frozen import FrozenLayer
from carousel.ops.info import info
from carousel.ops.recurrence import recorded, recurrence, takes_kernel, traced
from carousel.ops.tape import Tape

__all__ = ["FrozenLayer", "Tape", "info", "recorded", "recurrence", "takes_kernel", "traced"]
