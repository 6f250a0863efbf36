"""Every recurrent layer and direction inside a model, as equations with a copy of its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from carousel.diagnosis.observation.cell import WeightedCell
from carousel.diagnosis.observation.linearisation import Linearisation
from carousel.equations import Equations
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError
from carousel.nn import Recurrent

TORCH_CELLS = {nn.LSTM: "lstm", nn.GRU: "gru", nn.LSTMCell: "lstm", nn.GRUCell: "gru"}

TOGETHER = 1024  # points: 200 steps of 4 sequences of 512 LSTM units take a third of the time of one by one


@dataclass(frozen=True, eq=False, kw_only=True)
class RecurrentLayer(WeightedCell):
    """One layer in one direction: s_t = step(x_t, s_{t-1}) on the full state s, of size n.

    s holds the states of the cell side by side, (h, c) for an LSTM, so n = 2 H there and n = H for RNN and GRU.
    Numbers are copies, on the CPU and in float64 unless another dtype was asked for: nothing done here reaches the
    model.

    Attributes:
        path: where the module stands in the model ("encoder.lstm", "" for the model itself).
        layer, direction: as in the module; counted from 0, "forward" or "reverse".
        kind: the module's class, "LSTM".
        equations, parameters: the cell, and its packed weights by the names of `equations.layout`.
        input_size, hidden: I and H.
        projection: (P, H) of an LSTM with proj_size, else None. The recurrent matrix is then U W_hr.

    >>> import torch
    >>> from carousel.diagnosis import recurrent_layers
    >>> [layer] = recurrent_layers(torch.nn.LSTM(3, 5))
    >>> layer.name, layer.states, layer.size
    ('LSTM.l0', ('h', 'c'), 10)
    >>> x, s = torch.zeros(4, 3, dtype=torch.float64), torch.zeros(4, 10, dtype=torch.float64)
    >>> layer.step(x, s).shape, layer.jacobian(x, s).shape
    (torch.Size([4, 10]), torch.Size([4, 10, 10]))
    >>> at = layer.linearise(x, s)
    >>> torch.allclose(at.jvp(s + 1), at.matrix().sum(dim=-1))
    True
    """

    path: str
    layer: int
    direction: str
    kind: str

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

    def linearise(self, x: Tensor, s: Tensor, steepest: bool = False) -> Linearisation:
        """The tangent map of the step at N points, which has `matrix`, `jvp` and `vjp`. x: (N, I), s: (N, n).

        With `steepest` every activation has its largest slope: what the weights and gates alone would do.
        """
        return Linearisation(self, x, s, steepest)

    def jacobian(self, x: Tensor, s: Tensor) -> Tensor:
        """ds'/ds in closed form, (N, n, n). x: (N, I), s: (N, n)."""
        return self.linearise(x, s).matrix()


def along(
    layer: RecurrentLayer, inputs: Tensor, states: Tensor, *, backwards: bool = False
) -> Iterator[tuple[int, Linearisation]]:
    """(t, the maps of step t of B sequences) for every step, first to last or last to first.

    inputs: (T, B, I); states: the state before each step, (T, B, n) or longer.
    """
    total, batch = inputs.shape[:2]
    size = max(1, TOGETHER // batch)
    starts = range(0, total, size)
    for start in reversed(starts) if backwards else starts:
        stop = min(start + size, total)
        whole = layer.linearise(inputs[start:stop].flatten(0, 1), states[start:stop].flatten(0, 1))
        steps = range(stop - start)
        for t in reversed(steps) if backwards else steps:
            yield start + t, whole.at(slice(t * batch, (t + 1) * batch))


def recurrent_layers(model: nn.Module, dtype: torch.dtype = torch.float64) -> list[RecurrentLayer]:
    """Every recurrent layer and direction inside a model: torch.nn's RNN, LSTM and GRU (and their cells), and ours.

    Args:
        model: any module; the recurrent ones may stand anywhere inside.
        dtype: of the copies, float64 or float32.

    Returns:
        In the order of `model.named_modules()`, then of layers, then of directions; empty if there is none. The weights
        of a layer have their shapes in torch.nn, as (4H, I) for weight_ih of an LSTM.

    Raises:
        CarouselError: a weight is not finite, or `model` is not a module.

    Source: the equations of the cells, of which `carousel equations NAME` names the paper (LSTM: Hochreiter and
    Schmidhuber 1997).

    >>> import torch
    >>> [layer.name for layer in recurrent_layers(torch.nn.GRU(3, 5, num_layers=2, bidirectional=True))]
    ['GRU.l0', 'GRU.l0.reverse', 'GRU.l1', 'GRU.l1.reverse']
    """
    if not isinstance(model, nn.Module):
        raise CarouselError(f"A model must be a torch.nn.Module; got a {type(model).__name__}.")
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
        "Only modules with known equations can be measured: torch.nn's RNN, LSTM, GRU and their cells, and "
        f"carousel.Recurrent, which takes any equations you write; got a {type(module).__name__}."
    )


def _copy(parameter: Tensor, path: str, name: str, dtype: torch.dtype) -> Tensor:
    copy = parameter.detach().to("cpu", dtype, copy=True)
    if not bool(torch.isfinite(copy).all()):
        bad = int((~torch.isfinite(copy)).sum())
        raise CarouselError(
            f"Weights must be finite; {f'{path}.' if path else ''}{name} holds {bad} values of {copy.numel()} that are "
            "NaN or infinite. Go back to an earlier checkpoint, and lower the learning rate or clip the gradient."
        )
    return copy
