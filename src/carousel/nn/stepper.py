"""One step at a time, for streams, devices and games, where the next input depends on the last output."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, overload

import numpy as np
import torch
from torch import Tensor

from carousel import _core
from carousel.errors import CarouselError
from carousel.nn.computed_weights import compute_weights
from carousel.nn.options import positive
from carousel.nn.torch_layer import TorchLayer
from carousel.ops import kernels
from carousel.ops.memory_checks import address

SHARED = (
    "a stepper must be used by one thread at a time; two threads used it at once. Make one for each thread, by "
    "module.stepper(), or let the threads take turns."
)

# the cores that this process may use; a few more threads do no harm
_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
MOST_THREADS = min(_core.most_threads, max(8, _CORES))

Out = TypeVar("Out", np.ndarray, Tensor)


class Stepper:
    """A recurrent network that reads its sequence step by step, made by `module.stepper(batch, threads)`.

    The stepper keeps the state, and packs a copy of the weights, which later changes of the module do not reach.
    A step allocates nothing: the array that it returns is a view of the stepper's own memory, valid until the next
    step. See `Recurrent.stepper` for `batch` and `threads`.

    >>> import numpy as np
    >>> from carousel.nn import LSTM
    >>> stepper = LSTM(3, 5).stepper()
    >>> stepper.step(np.zeros(3, dtype=np.float32)).shape
    (5,)
    """

    def __init__(self, module: TorchLayer, batch: int | None = None, threads: int = 1) -> None:
        weight = next(module.parameters(), torch.empty(0))
        equations = module.cell.equations
        fits = (
            weight.device.type == "cpu" and weight.dtype in kernels.DTYPES and kernels.has_kernel(equations)
        )
        if module.bidirectional or not fits:
            raise CarouselError(
                "A stepper needs a network that runs forwards only, on the CPU, in float32 or float64, with a compiled "
                f"cell; this one is {module} in {weight.dtype} on {weight.device}."
            )
        batch, threads = None if batch is None else positive("batch", batch), positive("threads", threads)
        if threads > MOST_THREADS:
            raise CarouselError(
                f"threads must be at most {MOST_THREADS} on this machine; it is {threads}. More than the machine has "
                "cores only wait for each other."
            )
        widest = max(module.input_size, module.hidden_size)
        if batch is not None and batch > 2**48 // widest:
            raise CarouselError(f"batch must be at most {2**48 // widest} for {widest} units; it is {batch}.")
        self._unbatched = batch is None
        compute_weights(module)
        layers = [
            {name: weight.detach().contiguous() for name, weight in module._weights(part).items()}
            for [part] in module._layers
        ]
        layout, numbers = equations.layout, weight.dtype
        widths = [module.input_size] + [module.hidden_size] * (len(layers) - 1)
        shapes = [layout.shapes(width, module.hidden_size, module.bias) for width in widths]
        make = _core.Stepper64 if weight.dtype == torch.float64 else _core.Stepper32
        try:
            self._core = make(
                program=kernels.core_program(equations.text),
                key=equations.key,
                batch=batch or 1,
                inputs=module.input_size,
                hidden=module.hidden_size,
                threads=threads,
                layers=[
                    [address(name, layer.get(name), of_layer.get(name, ()), numbers) for name in layout.names]
                    for layer, of_layer in zip(layers, shapes, strict=True)
                ],
            )
        except MemoryError:
            raise CarouselError(
                f"The memory is too small for a stepper of batch {batch or 1:,} and {widest:,} units. Give a "
                "smaller batch."
            ) from None
        self._states = [
            [self._core.state(layer, s) for s in range(len(equations.states))] for layer in range(len(layers))
        ]
        shown = self._core.output()
        self._output: np.ndarray = shown[0] if self._unbatched else shown
        self._input: np.ndarray = self._core.input()[0] if self._unbatched else self._core.input()
        self._out_shape, self._dtype = self._output.shape, np.dtype(self._output.dtype.name)
        self._output_tensor = torch.from_numpy(self._output)
        # empty while a thread steps: pop and append of a list are atomic
        self._free = [True]

    def __reduce__(self) -> Any:
        raise CarouselError(
            "A stepper cannot be pickled or copied: its packed weights are in the compiled core. Pickle the module and "
            "`stepper.state`; then make another, as in `other = module.stepper()`, and set `other.state`."
        )

    @overload
    def step(self, x: np.ndarray, out: None = None) -> np.ndarray: ...
    @overload
    def step(self, x: Tensor, out: None = None) -> Tensor: ...
    @overload
    def step(self, x: np.ndarray | Tensor, out: Out) -> Out: ...
    def step(self, x: Any, out: Any = None) -> Any:
        """Read one input, (I,) or (B, I) if made for a batch; return the output, (H,) or (B, H).

        x may be a NumPy array or a tensor, and the result is of the same kind. If you pass `out`, an array of either
        kind, the step fills and returns it.

        Raises CarouselError if x or out has another shape or dtype. The state then stays as it was.
        """
        is_tensor = isinstance(x, Tensor)
        try:
            given = x.detach().numpy() if is_tensor else x
            fits = given.shape == self._input.shape and given.dtype == self._input.dtype
        except (AttributeError, TypeError, RuntimeError):  # no array; or a tensor that NumPy cannot read
            fits = False
        if not fits or not isinstance(given, np.ndarray):
            raise CarouselError(
                f"step needs one input of shape {self._input.shape} and dtype {self._input.dtype}; "
                f"it got {_described(x)}. Give a NumPy array or a tensor on the CPU, as from torch.as_tensor."
            )
        if out is not None:
            is_usual = type(out) is np.ndarray and out.dtype is self._dtype and out.shape == self._out_shape
            if not (is_usual and out.flags.writeable):
                self._check_out(out)
        try:
            self._free.pop()
        except IndexError:
            raise CarouselError(SHARED) from None
        try:
            self._input[...] = given
            self._core.step()
            if out is None:
                return self._output_tensor if is_tensor else self._output
            out[...] = self._output_tensor if isinstance(out, Tensor) else self._output
            return out
        finally:
            self._free.append(True)

    def _check_out(self, out: Any) -> None:
        """Raises CarouselError if a step cannot fill this array; asked before the step, which could not be undone."""
        if isinstance(out, Tensor):
            fits = out.dtype == self._output_tensor.dtype and out.device.type == "cpu"
            fits = fits and out.shape == self._output_tensor.shape and not out.requires_grad
            fits = fits and all(
                stride > 0 or size == 1 for stride, size in zip(out.stride(), out.shape, strict=True)
            )
        else:
            fits = isinstance(out, np.ndarray) and out.flags.writeable
            fits = fits and out.dtype == self._output.dtype and out.shape == self._output.shape
        if not fits:
            raise CarouselError(
                f"out must be a NumPy array or a tensor on the CPU that can be written, of shape {self._output.shape} "
                f"and dtype {self._output.dtype}; it is {_described(out)}."
            )

    @property
    def state(self) -> tuple[Tensor, ...]:
        """A copy of the state: one tensor (L, B, H) for each state of the cell, or (L, H) without a batch."""
        with self._alone():
            stacked = [torch.from_numpy(np.stack(list(state))) for state in zip(*self._states, strict=True)]
        return tuple(tensor.squeeze(1) if self._unbatched else tensor for tensor in stacked)

    @state.setter
    def state(self, values: tuple[Tensor, ...]) -> None:
        current = self.state
        given = (values,) if isinstance(values, Tensor) else tuple(values)
        if [tuple(v.shape) for v in given] != [tuple(c.shape) for c in current]:
            raise CarouselError(
                f"state must be tensors of shapes {[tuple(c.shape) for c in current]}; "
                f"it got {[tuple(v.shape) for v in given]}."
            )
        with self._alone():
            for layer, states in enumerate(self._states):
                for held, value in zip(states, given, strict=True):
                    held[...] = value[layer].detach().numpy()

    def reset(self) -> None:
        """Begin a new sequence: every state becomes zero."""
        with self._alone():
            for states in self._states:
                for held in states:
                    held[...] = 0

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other thread steps inside this block. `step` does the same without the cost of a block."""
        try:
            self._free.pop()
        except IndexError:
            raise CarouselError(SHARED) from None
        try:
            yield
        finally:
            self._free.append(True)


def _described(given: Any) -> str:
    if not isinstance(given, (np.ndarray, Tensor)):
        return f"a {type(given).__name__}"
    text = f"{tuple(given.shape)} and {str(given.dtype).removeprefix('torch.')}"
    if isinstance(given, np.ndarray):
        return text if given.flags.writeable else f"{text}, for reading only"
    text += f" on {given.device}" if given.device.type != "cpu" else ""
    text += ", and requires a gradient" if given.requires_grad else ""
    shares = any(stride == 0 and size > 1 for stride, size in zip(given.stride(), given.shape, strict=True))
    return f"{text}, whose numbers share memory" if shares else text
