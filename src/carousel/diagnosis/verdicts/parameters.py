"""The parameters of one layer and direction, gate by gate, to be changed where they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carousel.diagnosis.observation.layers import equations_of, is_recurrent
from carousel.equations import Equations

INPUT, RECURRENT, BIAS = "input", "recurrent", "bias"


@dataclass(frozen=True, eq=False)
class Block:
    """H rows of a packed parameter: those of one gate.

    Attributes:
        gate: its name in the equations, "f"; an RNN's only one is "h".
        kind: "input" (H, I), "recurrent" (H, H) or "bias" (H,).
        parameter: the packed parameter's name without its suffix, "weight_hh".
        values: a view: what is written here is written into the model.
    """

    gate: str
    kind: str
    parameter: str
    values: Tensor


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer and direction of a recurrent module, named as in a diagnosis."""

    name: str
    module: nn.Module
    equations: Equations
    suffix: str

    @property
    def hidden(self) -> int:
        return int(self.module.hidden_size)  # type: ignore[arg-type]

    def blocks(self, kind: str | None = None, gate: str | None = None) -> list[Block]:
        """The blocks of one kind, of one gate, or all."""
        found = []
        for parameter, gates in self.equations.layout.rows.items():
            packed = getattr(self.module, parameter + self.suffix, None)
            if packed is None or parameter == "weight_peephole":
                continue
            sort = BIAS if parameter.startswith("bias") else INPUT if parameter == "weight_ih" else RECURRENT
            for each, rows in zip(gates, packed.data.split(self.hidden), strict=True):
                if kind in (None, sort) and gate in (None, each):
                    found.append(Block(each, sort, parameter, rows))
        return found

    @property
    def gates(self) -> list[str]:
        """Names of the products, each once, in the order of the equations."""
        return list(dict.fromkeys(block.gate for block in self.blocks()))

    def set_bias(self, gate: str, values: Tensor | float) -> bool:
        """Let the biases of a gate add up to `values`; False if it has none."""
        blocks = self.blocks(BIAS, gate)
        for block in blocks[1:]:
            block.values.zero_()
        if blocks:
            blocks[0].values.copy_(torch.as_tensor(values).expand(self.hidden))
        return bool(blocks)


def layers_in(model: nn.Module, names: Collection[str] | None = None) -> Iterator[Layer]:
    """The layers and directions of a model: those with these names, or all."""
    for path, module in model.named_modules():
        if not is_recurrent(module):
            continue
        alone = isinstance(module, nn.RNNCellBase)
        directions = ("", "_reverse") if getattr(module, "bidirectional", False) else ("",)
        for layer in range(1 if alone else int(module.num_layers)):
            for direction in directions:
                name = f"{path or type(module).__name__}.l{layer}" + direction.replace("_", ".")
                if names is None or name in names:
                    suffix = "" if alone else f"_l{layer}{direction}"
                    yield Layer(name, module, equations_of(module), suffix)
