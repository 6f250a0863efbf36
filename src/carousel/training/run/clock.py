"""Time that was measured, as a number to divide by."""

import time

TICK = 1e-9  # seconds; the counter stands for longer than that in some virtual machines


def seconds_since(start: float) -> float:
    """Seconds since `time.perf_counter()` was `start`: more than 0, also where the counter has not moved."""
    return max(time.perf_counter() - start, TICK)
