"""Every recurrent layer and direction inside a model, as equations with a copy of its numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from carousel.diagnosis.observation.linearisation import Linearisation
from carousel.emit.reference import evaluate
from carousel.equations import Equations
from carousel.equations.catalogue import CELLS
from carousel.equations.graph import Node
from carousel.errors import CarouselError
from carousel.nn import Recurrent

TORCH_CELLS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.LSTMCell: "lstm", nn.GRUCell: "gru"}


@dataclass(frozen=True, eq=False)
class RecurrentLayer:
    """One layer in one direction: s_t = step(x_t, s_{t-1}) on the full state s, of size n.

    s holds the states of the cell side by side, (h, c) for an LSTM, so n = 2 H there and n = H for RNN and GRU.
    Numbers are copies, on the CPU and in float64 unless another dtype was asked for: nothing done here reaches the
    model.

    Attributes:
        path: where the module stands in the model ("encoder.lstm", "" for the model itself).
        layer, direction: as in the module; counted from 0, "forward" or "reverse".
        kind: the module's class, "LSTM".
        equations: the cell.
        parameters: packed, by the names of `equations.layout`.
        input_size, hidden: I and H.
        projection: (P, H) if the module's output is a projection of h (an LSTM with proj_size), else None. The
            recurrent matrix is then the product U W_hr, and h is what stands before the projection: the same
            dynamics, in which every vector has size H.

    >>> import torch
    >>> from carousel.diagnosis import recurrent_layers
    >>> [layer] = recurrent_layers(torch.nn.LSTM(3, 5))
    >>> layer.name, layer.states, layer.size
    ('LSTM.l0', ('h', 'c'), 10)
    >>> x, s = torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 10, dtype=torch.float64)
    >>> layer.step(x, s).shape, layer.jacobian(x, s).shape
    (torch.Size([4, 10]), torch.Size([4, 10, 10]))
    """

    path: str
    layer: int
    direction: str
    kind: str
    equations: Equations
    parameters: Mapping[str, Tensor] = field(repr=False)
    input_size: int
    hidden: int
    projection: Tensor | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """`encoder.lstm.l0`, `LSTM.l1.reverse`: the module, the layer and, if it is not forward, the direction."""
        end = "" if self.direction == "forward" else f".{self.direction}"
        return f"{self.path or self.kind}.l{self.layer}{end}"

    def double(self) -> RecurrentLayer:
        """The same layer with its numbers in float64."""
        numbers = {name: value.double() for name, value in self.parameters.items()}
        projection = None if self.projection is None else self.projection.double()
        return replace(self, parameters=numbers, projection=projection)

    @property
    def states(self) -> tuple[str, ...]:
        return self.equations.states

    @property
    def size(self) -> int:
        """n, the size of the full state."""
        return self.hidden * len(self.states)

    def part(self, s: Tensor, state: str) -> Tensor:
        """One state of the full one: (..., n) -> (..., H)."""
        return s.split(self.hidden, dim=-1)[self.states.index(state)]

    def output(self, s: Tensor) -> Tensor:
        """What the module gives out at state s: h, or its projection."""
        h = s[..., : self.hidden]
        return h if self.projection is None else h @ self.projection.T

    def step(self, x: Tensor, s: Tensor) -> Tensor:
        """The state after one step. x: (..., I), s: (..., n) -> (..., n)."""
        values = self.vectors(x, s)
        new = [values[node] for node in self.equations.new_states]
        shape = (*s.shape[:-1], self.hidden)
        return torch.cat([part.expand(shape) for part in new], dim=-1)

    def linearise(self, x: Tensor, s: Tensor, steepest: bool = False) -> Linearisation:
        """The tangent map of the step at N points. x: (N, I), s: (N, n).

        With `steepest` every activation has its largest slope: what the weights and gates alone would do.
        """
        return Linearisation(self, x, s, steepest)

    def jacobian(self, x: Tensor, s: Tensor) -> Tensor:
        """ds'/ds in closed form, (N, n, n). x: (N, I), s: (N, n)."""
        return self.linearise(x, s).matrix()

    def jvp(self, x: Tensor, s: Tensor, v: Tensor) -> Tensor:
        """J v for rows v of (N, n) or (N, k, n), without J."""
        return self.linearise(x, s).jvp(v)

    def vjp(self, x: Tensor, s: Tensor, u: Tensor) -> Tensor:
        """u^T J for rows u of (N, n) or (N, k, n), without J."""
        return self.linearise(x, s).vjp(u)

    def vectors(self, x: Tensor, s: Tensor) -> dict[Node, Tensor]:
        """Every vector of one step, node -> (..., H)."""
        parts = s.split(self.hidden, dim=-1)
        values: dict[Node, Tensor] = {}
        for node in self.equations.nodes:
            if node.operation == "input":
                values[node] = x
            elif node.operation == "state":
                values[node] = parts[self.states.index(node.name)]
        products: dict[Node, Tensor] = {}

        def learned(node: Node) -> Tensor:
            if node.operation == "param":
                return self.parameters[node.name]
            if node.operation == "scale":
                return self.diagonal(node) * values[node.operands[0]]
            total = self.bias(node)
            for vector in node.operands:
                if vector not in products:
                    products[vector] = values[vector] @ self.stacked[vector].T
                total = total + self.block_of(products[vector], vector, node)
            return total

        evaluate(self.equations.nodes, values, learned, like=parts[0])
        return values

    def norm(self, affine: Node, vector: Node) -> Tensor:
        """The spectral norm of the matrix of one product for one vector; found once, for large ones are dear."""
        if (affine, vector) not in self._norms:
            self._norms[affine, vector] = torch.linalg.matrix_norm(self.weight(affine, vector), ord=2)
        return self._norms[affine, vector]

    @cached_property
    def _norms(self) -> dict[tuple[Node, Node], Tensor]:
        return {}

    @cached_property
    def readers(self) -> dict[Node, list[Node]]:
        """Vector -> the affines that multiply it."""
        readers: dict[Node, list[Node]] = {}
        for affine in self.equations.affines:
            for vector in affine.operands:
                readers.setdefault(vector, []).append(affine)
        return readers

    @cached_property
    def stacked(self) -> dict[Node, Tensor]:
        """Vector -> all matrices that multiply it, one under the other: one product serves all."""
        return {
            vector: torch.cat([self.weight(affine, vector) for affine in affines])
            for vector, affines in self.readers.items()
        }

    @cached_property
    def stacked_sizes(self) -> dict[Node, Tensor]:
        """The moduli of `stacked`, entry by entry: interval arithmetic multiplies by them at every round."""
        return {vector: matrix.abs() for vector, matrix in self.stacked.items()}

    def weight(self, affine: Node, vector: Node) -> Tensor:
        """The matrix of one product for one of the vectors that it reads, (H, H) or (H, I)."""
        place = next(b for b in self.equations.layout.weights[affine] if b.vector is vector)
        return self._rows(place.parameter, place.row)

    def bias(self, affine: Node) -> Tensor:
        """The sum of the product's biases, (H,)."""
        return self._biases[affine]

    @cached_property
    def _biases(self) -> dict[Node, Tensor]:
        zero = next(iter(self.parameters.values())).new_zeros(self.hidden)
        return {
            affine: sum(
                (
                    self._rows(place.parameter, place.row)
                    for place in self.equations.layout.biases[affine]
                    if place.parameter in self.parameters
                ),
                start=zero,
            )
            for affine in self.equations.affines
        }

    def diagonal(self, scale: Node) -> Tensor:
        """A learned diagonal, (H,)."""
        return self.parameters["weight_peephole"][self.equations.layout.vectors[scale].row]

    def block_of(self, product: Tensor, vector: Node, affine: Node) -> Tensor:
        """The part of a product with `stacked[vector]` that belongs to one affine."""
        return product.split(self.hidden, dim=-1)[self.readers[vector].index(affine)]

    def transposed_product(self, vector: Node, gradients: Mapping[Node, Tensor]) -> Tensor:
        """What affines send back to a vector they read: the sum of their gradients times their matrices."""
        readers = self.readers[vector]
        if len(gradients) == len(readers):
            return torch.cat([gradients[affine] for affine in readers], dim=-1) @ self.stacked[vector]
        parts = [gradient @ self.weight(affine, vector) for affine, gradient in gradients.items()]
        return torch.stack(parts).sum(dim=0)

    def _rows(self, parameter: str, row: int) -> Tensor:
        return self.parameters[parameter][row * self.hidden : (row + 1) * self.hidden]


def recurrent_layers(model: nn.Module, dtype: torch.dtype = torch.float64) -> list[RecurrentLayer]:
    """Every recurrent layer and direction inside a model: torch.nn's RNN, LSTM and GRU (and their cells), and ours.

    Args:
        model: any module; the recurrent ones may stand anywhere inside.
        dtype: of the copies, float64 or float32.

    Returns:
        In the order of `model.named_modules()`, then of layers, then of directions; empty if there is none.

    Raises:
        CarouselError: a weight is not finite, or `model` is not a module.

    >>> import torch
    >>> [layer.name for layer in recurrent_layers(torch.nn.GRU(3, 5, num_layers=2, bidirectional=True))]
    ['GRU.l0', 'GRU.l0.reverse', 'GRU.l1', 'GRU.l1.reverse']
    """
    if not isinstance(model, nn.Module):
        raise CarouselError(f"A model must be a torch.nn.Module; it is a {type(model).__name__}.")
    return [
        layer
        for path, module in model.named_modules()
        if is_recurrent(module)
        for layer in layers_of(module, path, dtype)
    ]


def is_recurrent(module: nn.Module) -> bool:
    return isinstance(module, (nn.RNNBase, nn.RNNCellBase, Recurrent))


def layers_of(module: nn.Module, path: str = "", dtype: torch.dtype = torch.float64) -> list[RecurrentLayer]:
    """The layers and directions of one recurrent module; see `recurrent_layers`."""
    equations = equations_of(module)
    cell_like = isinstance(module, nn.RNNCellBase)
    layers = 1 if cell_like else int(module.num_layers)  # type: ignore[arg-type]
    directions = ("forward", "reverse") if getattr(module, "bidirectional", False) else ("forward",)
    found = []
    for layer in range(layers):
        for direction in directions:
            suffix = "" if cell_like else f"_l{layer}" + ("_reverse" if direction == "reverse" else "")
            parameters = {
                name: _copy(getattr(module, name + suffix), path, name + suffix, dtype)
                for name in equations.layout.names
                if getattr(module, name + suffix, None) is not None
            }
            projection = None
            if getattr(module, "proj_size", 0):
                name = "weight_hr" + suffix
                projection = _copy(getattr(module, name), path, name, dtype)
                parameters["weight_hh"] = parameters["weight_hh"] @ projection
            found.append(
                RecurrentLayer(
                    path=path,
                    layer=layer,
                    direction=direction,
                    kind=type(module).__name__,
                    equations=equations,
                    parameters=parameters,
                    input_size=parameters["weight_ih"].shape[1],
                    hidden=int(module.hidden_size),  # type: ignore[arg-type]
                    projection=projection,
                )
            )
    return found


def equations_of(module: nn.Module) -> Equations:
    """The equations that a recurrent module runs; torch's modules are read as ours."""
    if isinstance(module, Recurrent):
        return module.cell.equations
    if isinstance(module, (nn.RNN, nn.RNNCell)):
        return CELLS[f"rnn-{module.nonlinearity}"].equations
    for theirs, ours in TORCH_CELLS.items():
        if isinstance(module, theirs):
            return CELLS[ours].equations
    raise CarouselError(
        f"{type(module).__name__} is a recurrent module whose equations are not known. Known are torch.nn's RNN, LSTM, "
        "GRU and their cells, and carousel.Recurrent, which takes any equations you write."
    )


def _copy(parameter: Tensor, path: str, name: str, dtype: torch.dtype) -> Tensor:
    copy = parameter.detach().to("cpu", dtype, copy=True)
    if not bool(torch.isfinite(copy).all()):
        bad = int((~torch.isfinite(copy)).sum())
        raise CarouselError(
            f"{f'{path}.' if path else ''}{name} holds {bad} values that are NaN or infinite, of {copy.numel()}: "
            "there is nothing left to diagnose. Go back to an earlier checkpoint, and lower the learning rate or clip "
            "the gradient."
        )
    return copy
