"""What a module saw in one layer and direction: every gate and state at every step."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trace:
    """Every named vector of a cell over a sequence.

    Attributes:
        layer: counted from 0.
        direction: "forward" or "reverse".
        values: name in the equations (LSTM: i, f, g, c, o, h) -> its values, in the layout of the module's
            output: (T, B, H), (B, T, H) with batch_first, or (T, H) unbatched. Index t is the step that reads
            x_t, also in the reverse direction.
    """

    layer: int
    direction: str
    values: dict[str, Tensor]
