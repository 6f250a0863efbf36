"""The weights of one layer, gate by gate, and what can be done to them in place: new starts, scales and biases.

Each change takes a `LayerWeights` and returns what it did, in words, or "" if there was nothing to change.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carousel.diagnosis.measures.spectrum import eigenvalues_of
from carousel.diagnosis.observation.layers import equations_of, is_recurrent
from carousel.equations import Equations
from carousel.errors import CarouselError

INPUT, RECURRENT, BIAS = "input", "recurrent", "bias"


@dataclass(frozen=True, eq=False)
class Block:
    """H rows of a packed parameter: those of one gate.

    Attributes:
        gate: its name in the equations, "f"; the only one of a simple network is "h".
        kind: "input" (H, I), "recurrent" (H, H) or "bias" (H,).
        values: a view, so that writing to it changes the model.
    """

    gate: str
    kind: str
    values: Tensor


@dataclass(frozen=True, eq=False)
class LayerWeights:
    """One layer and direction of a recurrent module, named as in a diagnosis."""

    name: str
    module: nn.Module
    equations: Equations
    suffix: str

    def blocks(self, kind: str | None = None, gate: str | None = None) -> list[Block]:
        """The blocks of one kind, of one gate, or all."""
        found = []
        for parameter, gates in self.equations.layout.rows.items():
            packed = getattr(self.module, parameter + self.suffix, None)
            if packed is None or parameter == "weight_peephole":
                continue
            sort = BIAS if parameter.startswith("bias") else INPUT if parameter == "weight_ih" else RECURRENT
            rows = packed.data.split(int(self.module.hidden_size))  # type: ignore[arg-type]
            found += [Block(own, sort, values) for own, values in zip(gates, rows, strict=True)]
        return [each for each in found if kind in (None, each.kind) and gate in (None, each.gate)]

    @property
    def keeping(self) -> str | None:
        """The gate that preserves the state: f of an LSTM, z of a GRU; None of any other cell."""
        gates = {block.gate for block in self.blocks()}
        if {"i", "f", "o"} <= gates and "c" in self.equations.states:
            return "f"
        return "z" if gates == {"r", "z", "n"} else None

    def set_bias(self, gate: str, values: Tensor | float) -> bool:
        """Let the biases of a gate add up to `values`; False if it has none."""
        blocks = self.blocks(BIAS, gate)
        for block in blocks:
            block.values.zero_()
        if blocks:
            blocks[0].values.add_(values)
        return bool(blocks)

    def reset_biases(self) -> None:
        """Biases at zero, those of the gate that preserves the state at 1."""
        for block in self.blocks(BIAS):
            block.values.zero_()
        if self.keeping:
            self.set_bias(self.keeping, 1.0)


Change = Callable[[LayerWeights], str]


def layers_in(model: nn.Module, names: Collection[str]) -> Iterator[LayerWeights]:
    """The layers and directions of a model that have these names."""
    for path, module in model.named_modules():
        if not is_recurrent(module):
            continue
        alone = isinstance(module, nn.RNNCellBase)
        directions = ("", "_reverse") if getattr(module, "bidirectional", False) else ("",)
        for layer in range(1 if alone else int(module.num_layers)):
            for direction in directions:
                name = f"{path or type(module).__name__}.l{layer}" + direction.replace("_", ".")
                if name in names:
                    suffix = "" if alone else f"_l{layer}{direction}"
                    yield LayerWeights(name, module, equations_of(module), suffix)


def orthogonal(layer: LayerWeights, gain: float = 1.0, middle: float = 0.0) -> str:
    """Start every recurrent matrix orthogonal, all singular values `gain`, and biases so that states are near `middle`.

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks" (2014).

    >>> import torch
    >>> rnn = torch.nn.RNN(3, 5)
    >>> [layer] = layers_in(rnn, ["RNN.l0"])
    >>> with torch.no_grad():
    ...     orthogonal(layer)
    'recurrent matrices orthogonal, gain 1'
    >>> torch.linalg.svdvals(rnn.weight_hh_l0).round().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    for block in layer.blocks(RECURRENT):
        block.values.copy_(nn.init.orthogonal_(block.values.float(), gain))  # half precision has no QR
    layer.reset_biases()
    if middle:  # of a sigmoid, which is steepest where its output is a half
        for block in layer.blocks(RECURRENT):
            layer.set_bias(block.gate, -middle * block.values.sum(1))
    return f"recurrent matrices orthogonal, gain {gain:g}"


def identity(layer: LayerWeights, scale: float = 1.0) -> str:
    """Start every recurrent matrix as the identity times `scale`: for rectifiers.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified linear units" (2015).
    """
    for block in layer.blocks(RECURRENT):
        nn.init.eye_(block.values).mul_(scale)
    layer.reset_biases()
    return f"recurrent matrices {scale:g} times the identity"


def draw_again(layer: LayerWeights) -> str:
    """Draw a layer again: input weights uniform in 1 / sqrt(I) around 0, recurrent ones orthogonal (ReLU: identity)."""
    for block in layer.blocks(INPUT):
        bound = 1 / math.sqrt(block.values.shape[1])
        block.values.uniform_(-bound, bound)
    rectified = any(node.operation in ("relu", "elu") for node in layer.equations.nodes)
    return "drawn again, " + (identity(layer, 0.9) if rectified else orthogonal(layer))


def limit_radius(layer: LayerWeights, limit: float) -> str:
    """Shrink every recurrent matrix whose spectral radius is above `limit` down to it; its directions stay.

    Source: Jaeger, "The echo state approach to analysing and training recurrent neural networks" (2001).

    >>> import torch
    >>> rnn = torch.nn.RNN(3, 5)
    >>> _ = rnn.weight_hh_l0.data.mul_(10)
    >>> [layer] = layers_in(rnn, ["RNN.l0"])
    >>> _ = limit_radius(layer, 0.9)
    >>> round(torch.linalg.eigvals(rnn.weight_hh_l0).abs().max().item(), 4)
    0.9
    """
    return _shrink(layer, limit, "spectral radius", _radius)


def limit_norm(layer: LayerWeights, limit: float = 1.0) -> str:
    """Shrink every recurrent matrix whose largest singular value is above `limit` down to it: no change grows by it.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    return _shrink(layer, limit, "largest singular value", _norm)


def _shrink(layer: LayerWeights, limit: float, name: str, size_of: Callable[[Tensor], float]) -> str:
    sizes = {block.gate: (block, size_of(block.values.double())) for block in layer.blocks(RECURRENT)}
    large = {gate: (block, size) for gate, (block, size) in sizes.items() if size > limit}
    for block, size in large.values():
        block.values.mul_(limit / size)
    return ", ".join(f"{name} of {gate} from {size:.3g} to {limit:g}" for gate, (_, size) in large.items())


def _norm(matrix: Tensor) -> float:
    return float(torch.linalg.matrix_norm(matrix, 2))


def _radius(matrix: Tensor) -> float:
    """Spectral radius; the largest singular value of a matrix that is not square (of an LSTM with a projection)."""
    square = matrix.shape[0] == matrix.shape[1]
    return float(eigenvalues_of(matrix)[0].abs()) if square else _norm(matrix)


def forget_bias(layer: LayerWeights, value: float = 1.0) -> str:
    """Let the gate that preserves the state, f of an LSTM or z of a GRU, start open: its biases add up to `value`.

    Source: Gers, Schmidhuber and Cummins, "Learning to forget" (2000); Jozefowicz, Zaremba and Sutskever, "An empirical
    exploration of recurrent network architectures" (2015).
    """
    gate = layer.keeping
    return f"biases of {gate} add up to {value:g}" if gate and layer.set_bias(gate, value) else ""


def chrono(layer: LayerWeights, longest: int) -> str:
    """Spread the forgetting times of the units over 2 to `longest` steps: b_f = ln u, u uniform in [1, longest - 1].

    The input gate of an LSTM gets b_i = -b_f. Biases add up to this over both vectors, so the times are not squared.

    Raises CarouselError if `longest` is below 3.

    Source: Tallec and Ollivier, "Can recurrent neural networks warp time?" (2018).

    >>> import torch
    >>> lstm = torch.nn.LSTM(3, 200)
    >>> [layer] = layers_in(lstm, ["LSTM.l0"])
    >>> with torch.no_grad():
    ...     _ = chrono(layer, longest=100)
    >>> times = 1 + (lstm.bias_ih_l0 + lstm.bias_hh_l0)[200:400].exp()
    >>> bool(times.min() >= 2), bool(times.max() <= 100)
    (True, True)
    """
    if longest < 3:
        raise CarouselError(
            f"`longest` must be at least 3 steps; got {longest}. Pass the length of a sequence."
        )
    biases = layer.blocks(BIAS, layer.keeping) if layer.keeping else []
    if not biases:
        return ""
    bias = torch.empty_like(biases[0].values).uniform_(1, longest - 1).log()
    layer.set_bias(str(layer.keeping), bias)
    if layer.keeping == "f":
        layer.set_bias("i", -bias)
    return f"forgetting times spread over 2 to {longest} steps"


PreActivations = Mapping[
    str, tuple[Tensor, Tensor]
]  # gate -> mean and deviation of what goes into it, (H,) each


def standardise_units(layer: LayerWeights, statistics: Mapping[str, PreActivations]) -> str:
    """Bring what goes into each unit back to where its activation is steep: centred, deviation at most 1.

    The gate that preserves the state is centred at 1, all others at 0.

    Source: Mishkin and Matas, "All you need is a good init" (2016), here per unit of a gate.
    """
    for gate, (mean, deviation) in statistics[layer.name].items():
        shrink = (1 / deviation.clamp(min=1e-12)).clamp(max=1.0)
        for block in layer.blocks(gate=gate):
            if block.kind != BIAS:
                block.values.mul_(shrink.to(block.values)[:, None])
        if biases := layer.blocks(BIAS, gate):
            total = torch.stack([block.values for block in biases]).sum(0)
            centre = 1.0 if gate == layer.keeping else 0.0
            layer.set_bias(gate, centre + shrink.to(total) * (total - mean.to(total)))
    return "what goes into its units is centred, deviation at most 1"
