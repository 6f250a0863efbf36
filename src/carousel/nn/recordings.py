"""Gates, states and their gradients as training computes them, read from the tapes of the kernels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn

from carousel.equations.graph import Node
from carousel.errors import CarouselError
from carousel.nn.torch_layer import TorchLayer
from carousel.nn.trace import Named, Trace
from carousel.ops import Tape

_lock = threading.Lock()  # recordings begin, end and grow in any thread

Outside = Callable[[Tensor], Any]


class Recording(Sequence[Trace]):
    """What every recurrent module inside a `model` computes while the block runs, made by `recording(model)`.

    A sequence of traces, one for each call, layer and direction, in the order in which they ran. A recording adds
    little work: it keeps the tapes of the kernels, whose memory is in use until the recording is deleted, and the
    gradients of the states. Named vectors are computed when they are read, from copies of the input, the output and
    the weights, so they are those of the call even after a step of the optimiser.

    >>> import torch, carousel
    >>> module = carousel.GRU(3, 5, num_layers=2)
    >>> with carousel.recording(module) as recorded:
    ...     _ = module(torch.ones(7, 2, 3))
    >>> [(trace.layer, trace.values["z"].shape) for trace in recorded]
    [(0, torch.Size([7, 2, 5])), (1, torch.Size([7, 2, 5]))]
    """

    def __init__(self, model: nn.Module) -> None:
        self._modules = {path: each for path, each in model.named_modules() if isinstance(each, TorchLayer)}
        if not self._modules:
            raise CarouselError(
                f"A recording needs a model with one of carousel's recurrent modules inside; "
                f"{type(model).__name__} has none. carousel.from_torch converts those of torch."
            )
        self._calls = dict.fromkeys(self._modules, 0)
        self._traces: list[Trace] = []
        self._is_open = False

    def __enter__(self) -> Recording:
        with _lock:
            self._is_open = True
            for path, module in self._modules.items():
                module._recorders = (*module._recorders, (self, path))
        return self

    def __exit__(self, *error: object) -> None:
        with _lock:
            self._is_open = False
            for module in self._modules.values():
                module._recorders = tuple(each for each in module._recorders if each[0] is not self)

    @torch.compiler.disable(
        reason="a recording is kept by Python; compile without fullgraph, or record outside"
    )
    def _keep(self, path: str, parts: Sequence[tuple[int, str, Tape]], out: Outside) -> None:
        """One call of a module: (layer, direction, tape) of its parts; `out` gives vectors the output's layout."""
        with _lock:
            if not self._is_open:  # the block ended while the module, or a twin of it, ran in another thread
                return
            call = self._calls[path]
            self._calls[path] = call + 1
            for layer, direction, tape in parts:
                values, gradients = _named(tape, out, tape.value), _named(tape, out, tape.gradient)
                self._traces.append(Trace(layer, direction, values, gradients, call, path))

    @overload
    def __getitem__(self, index: int) -> Trace: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Trace]: ...
    def __getitem__(self, index: int | slice) -> Trace | Sequence[Trace]:
        return self._traces[index]

    def __len__(self) -> int:
        return len(self._traces)

    def __iter__(self) -> Iterator[Trace]:
        return iter(self._traces)


def _named(tape: Tape, out: Outside, find: Callable[[Node], Tensor]) -> Named:
    nodes = {name: node for node, name in tape.equations.names.items()}
    return Named(list(nodes), lambda name: out(find(nodes[name])))


def recording(model: nn.Module) -> Recording:
    """Record the gates and states of every recurrent module inside a model, and their gradients.

    Args:
        model: a recurrent module of Carousel, or any model with some inside.

    Raises:
        CarouselError: the model has no such module.

    >>> import torch, carousel
    >>> module = carousel.LSTM(3, 5)
    >>> with carousel.recording(module) as recorded:
    ...     output, _ = module(torch.ones(7, 2, 3))
    ...     output[-1].sum().backward()
    >>> [trace] = recorded
    >>> trace.values["f"].shape, trace.gradients["c"].shape
    (torch.Size([7, 2, 5]), torch.Size([7, 2, 5]))
    """
    return Recording(model)
