"""Random numbers of one thread.

All threads of the process share torch's random state: what one thread draws changes what the others draw.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)

_DRAWS = {
    "bernoulli", "bernoulli_", "cauchy_", "exponential_", "geometric_", "kaiming_uniform_", "log_normal_",
    "multinomial", "normal", "normal_", "poisson", "rand", "randint", "randn", "random_", "randperm", "uniform_",
}  # fmt: skip
_LIKE = {"rand_like": torch.rand, "randn_like": torch.randn}  # these take no generator


@contextmanager
def drawing_from(generator: torch.Generator) -> Iterator[None]:
    """Inside the block, Carousel's modules draw their masks from `generator`. Other threads are not affected."""
    token = _generator.set(generator)
    try:
        yield
    finally:
        _generator.reset(token)


def own_generator() -> torch.Generator | None:
    """The generator of `drawing_from`; None outside of such a block, where torch's generator is used."""
    return _generator.get()


class seeded(TorchFunctionMode):
    """Inside the block, torch's functions draw from a generator with this `seed` (None: a random seed).

    Initialisers mostly take no generator, so this class gives them one. The numbers are those that follow
    `torch.manual_seed(seed)` on the CPU. torch's random state is neither read nor changed.

    >>> with seeded(1):
    ...     first = torch.nn.Linear(2, 3)
    >>> _ = torch.manual_seed(1)
    >>> torch.equal(first.weight, torch.nn.Linear(2, 3).weight)
    True
    """

    def __init__(self, seed: int | None = None) -> None:
        super().__init__()
        self.generator = torch.Generator()
        self.generator.seed() if seed is None else self.generator.manual_seed(seed)

    def __torch_function__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs, name = kwargs or {}, getattr(function, "__name__", "")
        if name in _LIKE:
            kwargs = {"dtype": args[0].dtype, "device": args[0].device, **kwargs}
            function, args, name = _LIKE[name], (args[0].shape,), _LIKE[name].__name__
        if name in _DRAWS and kwargs.get("generator") is None:
            kwargs = {**kwargs, "generator": self.generator}
        return function(*args, **kwargs)
