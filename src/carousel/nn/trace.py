"""Every gate and state of one layer in one direction at every step, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


class Named(Mapping[str, Any]):
    """Name -> vector, which is computed when it is read."""

    def __init__(self, names: Sequence[str], find: Callable[[str], Any]) -> None:
        self._names = tuple(names)
        self._find = find

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(f"{name!r} is none of the equations' vectors: {', '.join(self._names)}")
        return self._find(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Trace:
    """Every named vector of a cell over a sequence.

    Attributes:
        layer: counted from 0.
        direction: "forward" or "reverse".
        values: name in the equations (LSTM: i, f, g, c, o, h) -> its values, in the layout of the module's output:
            (T, B, H), (B, T, H) with batch_first, (T, H) unbatched, or a PackedSequence. With lengths, they are 0
            after the end of a sequence. Index t is the step that reads x_t, also in the reverse direction.
        gradients: the same names -> the total derivative of the loss with respect to the vector at each step, so that
            gradients["c"][t] is dL/dc_t. Only a recording has them, after `backward()`. Several calls of `backward()`
            add up, as in `parameter.grad`.
        call: which call of the module this was in a recording, counted from 0.
        module: the path of the module inside the recorded model, such as "encoder.lstm".
    """

    layer: int
    direction: str
    values: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor] = field(default_factory=dict)
    call: int = 0
    module: str = ""
