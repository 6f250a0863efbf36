"""Random numbers that no other thread draws from.

torch's own random state belongs to all threads of the process: what one of them draws changes what the others draw.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)
_lent = threading.RLock()


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Inside, in this thread alone, the masks of Carousel's modules are drawn from `generator`."""
    token = _generator.set(generator)
    try:
        yield
    finally:
        _generator.reset(token)


def own_generator() -> torch.Generator | None:
    """The generator of `drawing_from`; None, outside of it, is torch's own."""
    return _generator.get()


@contextmanager
def seeded(seed: int | None = None) -> Iterator[None]:
    """Inside, torch's own random numbers on the CPU begin at `seed`; afterwards they go on as if none had been drawn.

    For first weights, whose functions take no generator. One thread at a time is inside; random numbers that other
    threads draw meanwhile, by torch itself, they will draw once more.
    """
    with _lent, torch.random.fork_rng(devices=[]):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        yield
