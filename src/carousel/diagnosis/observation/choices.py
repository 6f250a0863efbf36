"""Which tensors follow from a choice that a model made from its own output, which has no gradient: argmax, sampling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

CHOICES = ("argmax", "multinomial", "topk", "bernoulli")


class Choices(TorchFunctionMode):
    """Inside, tensors are followed from every choice that comes after `begin` was called.

    >>> import torch
    >>> with Choices() as choices:
    ...     choices.begin()
    ...     word = torch.tensor([0.1, 0.9]).argmax()
    ...     read = torch.nn.functional.one_hot(word, 2).float()
    >>> choices.led_to(read), choices.led_to(torch.zeros(2))
    (True, False)
    """

    def __init__(self) -> None:
        super().__init__()
        self._has_begun = False
        self._followed: dict[int, Tensor] = {}  # by identity; each is kept, so that no other gets its place

    def begin(self) -> None:
        """From now on a choice is one from the output of a recurrent module."""
        self._has_begun = True

    def led_to(self, value: Any) -> bool:
        """Whether a tensor follows from a choice."""
        return id(value) in self._followed

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if not self._has_begun:
            return result
        if name in CHOICES or any(map(self.led_to, _tensors((args, *(kwargs or {}).values())))):
            changed = args[:1] if name == "__setitem__" else (result,)
            self._followed |= {id(each): each for each in _tensors(changed)}
        return result


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, (tuple, list)):
            yield from _tensors(each)
