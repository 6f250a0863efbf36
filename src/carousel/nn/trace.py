"""What a module saw in one layer and direction: every gate and state at every step, and their gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


class Named(Mapping[str, Any]):
    """Name -> vector, worked out when it is asked for."""

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
        values: name in the equations (LSTM: i, f, g, c, o, h) -> its values, in the layout of the module's
            output: (T, B, H), (B, T, H) with batch_first, (T, H) unbatched, or a PackedSequence; with lengths, 0 after
            each sequence's end. Index t is the step that reads x_t, also in the reverse direction.
        gradients: of a recording, after `backward()`: the same names -> the whole gradient of the loss with respect
            to the vector at each step, through everything that came after it: gradients["c"][t] is dL/dc_t. Several
            calls of `backward()` add up, as in `parameter.grad`. Of `trace`, empty.
        call: of a recording, which call of the module this was, counted from 0.
        module: of a recording of a larger model, where the module stands in it ("encoder.lstm").
    """

    layer: int
    direction: str
    values: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor] = field(default_factory=dict)
    call: int = 0
    module: str = ""
