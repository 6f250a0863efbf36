"""Which tensors follow from what a module put out, also through a choice (argmax, sampling) or a detach.

Autograd ends at these. Numbers that pass through Python, as by `int(word)`, are not followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode


class FollowedOutputs(TorchFunctionMode):
    """Inside, every tensor that is computed from a marked one is known to follow from it.

    >>> import torch
    >>> with FollowedOutputs() as outputs:
    ...     scores = torch.tensor([0.1, 0.9])
    ...     outputs.mark("cell", [scores])
    ...     word = scores.argmax()
    >>> outputs.led_to(word), outputs.led_to(torch.zeros(2))
    ({'cell'}, set())
    """

    def __init__(self) -> None:
        super().__init__()
        # by identity; each tensor is kept, so that no other gets its place
        self._sources: dict[int, tuple[Tensor, set[str]]] = {}

    def mark(self, source: str, values: Iterable[Any]) -> None:
        """These tensors are what the module at the path `source` put out."""
        self._add({source}, values)

    def led_to(self, value: Any) -> set[str]:
        """The paths of the modules that a tensor follows from."""
        known = self._sources.get(id(value))
        return set() if known is None else known[1]

    def _add(self, sources: set[str], values: Iterable[Any]) -> None:
        for each in _tensors(values):
            self._sources[id(each)] = each, sources | self.led_to(each)

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if self._sources:
            given = _tensors((args, *(kwargs or {}).values()))
            sources = set().union(*(self.led_to(each) for each in given))
            if sources:
                self._add(sources, args[:1] if getattr(func, "__name__", "") == "__setitem__" else (result,))
        return result


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, (tuple, list)):
            yield from _tensors(each)
