"""The cells that are timed: ours, how many blocks of products each has, and what it is called elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Cell:
    """One cell with its options.

    Attributes:
        module: the class in carousel.nn, and in torch.nn where `in_torch`; options: ours on top.
        gates: G, blocks of H rows in the packed weights, in the order `blocks` (letters of the equations).
        onnx: the operator and its attributes; onnx_blocks: its order of the blocks.
    """

    name: str
    title: str
    module: str
    blocks: str
    onnx_blocks: str
    in_torch: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    onnx: dict[str, Any] = field(default_factory=dict)

    @property
    def gates(self) -> int:
        return len(self.blocks)

    @property
    def states(self) -> int:
        return 2 if self.module == "LSTM" else 1


CELLS = {
    cell.name: cell
    for cell in (
        Cell("lstm", "LSTM", "LSTM", "ifgo", "iofg"),
        Cell("gru", "GRU, reset after", "GRU", "rzn", "zrn", onnx={"linear_before_reset": 1}),
        Cell("rnn", "RNN, tanh", "RNN", "h", "h"),
        Cell(
            "lstm-diagonal", "LSTM, diagonal peephole", "LSTM", "ifgo", "iofg",
            in_torch=False, options={"peephole": "diagonal"},
        ),
        Cell(
            "gru-before", "GRU, reset before", "GRU", "rzn", "zrn",
            in_torch=False, options={"reset": "before"}, onnx={"linear_before_reset": 0},
        ),
    )
}  # fmt: skip
