"""The base of recurrent modules: parameters by torch's names, and the attributes of torch's layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import is_
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.fx import Proxy

from carousel import _core
from carousel.emit.call import Call
from carousel.equations import Cell
from carousel.equations.parameters import BIASES
from carousel.nn.initialisation import draw
from carousel.ops import Tape
from carousel.ops.other_devices import mode_of


@dataclass(frozen=True)
class Part:
    """One layer in one direction: its place in h_n, and its parameters by their names in the cell."""

    index: int
    layer: int
    direction: str
    names: dict[str, str]

    @property
    def reverse(self) -> bool:
        return self.direction == "reverse"


Parameters = dict[str, Tensor]  # by their names in the cell
RunPart = Callable[[Part, Call], tuple[Tensor, list[Tensor]]]  # -> output, final states


class Recorder(Protocol):
    """What receives the calls of a module while they are recorded; see `carousel.nn.recordings`."""

    def _keep(self, path: str, parts: Sequence[tuple[int, str, Tape]], out: Callable[[Tensor], Any]) -> None:
        """One call of the module at `path`: (layer, direction, tape) of its parts; `out` gives vectors the output's
        layout."""


class PackedWeights:
    """The packed weights of a frozen network, one entry in `parts` for each part."""

    def __init__(self, module: TorchLayer) -> None:
        self.parts = [_core.Kept() for parts in module._layers for _ in parts]
        registers = [each._buffers for each in module.modules() if each._buffers]
        self._packed_from = [(buffers, list(buffers.values())) for buffers in registers]

    def are_current(self) -> bool:
        """Are the buffers those that were packed? torch.func.functional_call replaces them."""
        return not torch.compiler.is_compiling() and all(
            all(map(is_, buffers.values(), packed)) for buffers, packed in self._packed_from
        )


class FxLeaf(nn.Module):
    """A module whose call torch.fx records as one node, as it does for the layers of torch.nn."""

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        proxy = _proxy_in((*args, *kwargs.values()))
        if proxy is None:
            return super()._call_impl(*args, **kwargs)
        tracer: Any = proxy.tracer
        return tracer.create_proxy("call_module", tracer.path_of_module(self), args, kwargs)


def _proxy_in(arguments: Sequence[Any]) -> Proxy | None:
    """The first Proxy among the arguments, or among the states in a tuple."""
    for argument in arguments:
        if isinstance(argument, Proxy):
            return argument
        if isinstance(argument, (tuple, list)):
            proxy = _proxy_in(argument)
            if proxy is not None:
                return proxy
    return None


class TorchLayer(FxLeaf, nn.RNNBase):
    """A torch.nn.RNNBase by type and attributes, which stores its weights in another way.

    Code that looks for any recurrent layer, as to initialise it or to switch off its dropout, finds these by
    `isinstance(module, torch.nn.RNNBase)`. They are not instances of torch.nn.LSTM, GRU or RNN, because torch.compile
    refuses every instance of those three, and libraries that replace or quantize them compute with torch's equations.
    """

    cell: Cell
    _layers: list[list[Part]]
    _kept: PackedWeights | None = None  # of a frozen network
    _recorders: tuple[tuple[Recorder, str], ...] = ()  # with the path of this module in each

    __setattr__ = nn.Module.__setattr__  # type: ignore[assignment]  # RNNBase's keeps a list of weights

    @property
    def directions(self) -> tuple[str, ...]:
        return ("forward", "reverse") if self.bidirectional else ("forward",)

    @property
    def output_size(self) -> int:
        """The width of the output: H, or P with proj_size; twice that if bidirectional."""
        return (self.proj_size or self.hidden_size) * len(self.directions)

    def _create_layer(self, layer: int, device: Any, dtype: torch.dtype | None) -> list[Part]:
        width = self.input_size if layer == 0 else self.output_size
        shapes = self.cell.equations.layout.shapes(width, self.hidden_size, self.bias)
        if self.proj_size:
            shapes["weight_hh"] = (shapes["weight_hh"][0], self.proj_size)
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        parts = []
        for index, direction in enumerate(self.directions, layer * len(self.directions)):
            suffix = f"_l{layer}" + ("_reverse" if direction == "reverse" else "")
            for name, shape in shapes.items():
                parameter = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
                self.register_parameter(name + suffix, parameter)
            parts.append(Part(index, layer, direction, {name: name + suffix for name in shapes}))
        return parts

    def reset_parameters(self) -> None:
        """Draw every parameter anew, in the order of torch.nn, so that a seed gives both the same weights.

        A cell may set the initial values of its parameters, as by `param(..., init=)` or `affine(..., bias=)`.
        """
        for part in (part for layer in self._layers for part in layer):
            found = {name: getattr(self, full) for name, full in part.names.items()}
            parameters = {name: parameter for name, parameter in found.items() if parameter is not None}
            draw(self.cell.equations, parameters, self.hidden_size)

    def _weights(self, part: Part) -> Parameters:
        """The parameters of a part by their names in the cell; a bias that was set to None counts as zeros."""
        weights = {name: getattr(self, full) for name, full in part.names.items()}
        for name in BIASES:
            if name in weights and weights[name] is None:
                height = len(self.cell.equations.layout.rows[name])
                like = next(weight for weight in weights.values() if weight is not None)
                weights[name] = like.new_zeros(height * self.hidden_size)
        return weights

    def first_weight(self, x: Tensor) -> Tensor:
        """The weight whose dtype and device are the module's; x, if a cell has no weights."""
        for (
            weight
        ) in self._parameters.values():  # quicker than all that `parameters` may have to look through
            if weight is not None:
                return weight
        return next(itertools.chain(self.parameters(), self.buffers()), x)  # a frozen network has buffers

    @property
    def mode(self) -> str:  # type: ignore[override]
        """ "LSTM", "GRU", "RNN_TANH" or "RNN_RELU" if the cell is exactly torch's, else the name of the cell."""
        return mode_of(self.cell.equations) or type(self.cell).__name__

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, as in torch.nn."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _all_weights(self) -> list[list[str]]:  # type: ignore[override]
        return [list(part.names.values()) for layer in self._layers for part in layer]

    @property
    def _flat_weights_names(self) -> list[str]:  # type: ignore[override]
        return [name for names in self._all_weights for name in names]

    @property
    def _flat_weights(self) -> list[nn.Parameter]:  # type: ignore[override]
        return [weight for weights in self.all_weights for weight in weights]

    def flatten_parameters(self) -> None:
        """On a GPU, arrange the weights of each layer and direction as cuDNN reads them; else do nothing."""
        if mode_of(self.cell.equations) is None or self.proj_size:
            return
        for weights in self.all_weights:
            if _fits_cudnn(weights):
                _side_by_side(weights, self.mode, self.hidden_size)

    def _init_flat_weights(self) -> None:
        """torch calls this method after the parameters were moved."""
        self.flatten_parameters()

    def _replicate_for_data_parallel(self) -> Any:
        return nn.Module._replicate_for_data_parallel(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        nn.Module.__setstate__(self, state)


def _fits_cudnn(weights: list[nn.Parameter]) -> bool:
    """Plain parameters of one dtype, each with memory of its own, on a GPU that cuDNN runs."""
    return (
        all(type(weight) is nn.Parameter and weight.is_cuda for weight in weights)
        and len({weight.dtype for weight in weights}) == 1
        and len({weight.data_ptr() for weight in weights}) == len(weights)
        and torch._use_cudnn_rnn_flatten_weight()
        and torch.backends.cudnn.is_acceptable(weights[0])
    )


@torch.no_grad()
def _side_by_side(weights: list[nn.Parameter], mode: str, hidden: int) -> None:
    from torch.backends.cudnn import rnn

    plain: list[Tensor] = list(weights)
    with torch.cuda.device_of(plain[0]):
        torch._cudnn_rnn_flatten_weight(
            plain, len(plain), plain[0].shape[1], rnn.get_cudnn_mode(mode), hidden, 0, 1, False, False
        )
