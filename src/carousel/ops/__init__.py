"""Where equations meet kernels: one function that runs a sequence, and what the compiled core says of itself."""

from carousel.ops.info import info
from carousel.ops.recurrence import recurrence

__all__ = ["info", "recurrence"]
