"""The checked arrays of one call, whose addresses the compiled core receives."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from carousel import _core
from carousel.emit.call import Call
from carousel.emit.phases import schedule
from carousel.equations import Equations
from carousel.equations.parameters import BIASES
from carousel.errors import CarouselError
from carousel.ops.kernels import DTYPES, equations_of
from carousel.ops.memory_checks import check_data


def parameter_names(equations: Equations, count: int) -> list[str]:
    """The names of `count` parameters in order: all of them, or all but the biases."""
    names = equations.layout.names
    return [name for name in names if count == len(names) or name not in BIASES]


def addresses_of_each(states: Tensor) -> list[int]:
    """The address of each state in one contiguous tensor."""
    begin, size = states.data_ptr(), states.stride(0) * states.element_size()
    return [begin + s * size for s in range(states.shape[0])]


def parameter_shapes(text: str, inputs: int, hidden: int, count: int) -> dict[str, tuple[int, ...]]:
    """The shape of each of `count` parameters, in order: all of them, or all but the biases."""
    equations = equations_of(text)
    shapes = equations.layout.shapes(inputs, hidden)
    return {name: shapes[name] for name in parameter_names(equations, count)}


_NUMBERS = {dtype: str(dtype).removeprefix("torch.") for dtype in DTYPES}
_known_shapes = lru_cache(parameter_shapes)


def tape_width(equations: Equations, hidden: int) -> int:
    """Numbers in a row of the tape: vectors, then sums over units."""
    plan = schedule(equations)
    return plan.slots * hidden + len(plan.sums)


def check_form(call: Call) -> dict[str, tuple[int, ...]]:
    """Check ranks, shapes and dtypes, which tensors without data have too. Returns the shape of each parameter.

    Raises CarouselError if one does not fit the cell.
    """
    equations, x, initial, parameters, _, batch_sizes, resets, bfloat16, probe = call
    packed = batch_sizes is not None
    expected: dict[str, tuple[int, ...]] = {}
    fits = (
        x.dim() == (2 if packed else 3)
        and len(initial) == len(equations.states)
        and initial[0].dim() == 2
        and (batch_sizes is None or batch_sizes.dim() == 1)
    )
    if fits:
        batch, hidden = initial[0].shape
        is_plain = (
            type(hidden) is int and type(x.shape[-1]) is int
        )  # not a symbol of a graph that torch is making
        find = _known_shapes if is_plain else parameter_shapes
        expected = find(equations.text, x.shape[-1], hidden, len(parameters))
        fits = (
            list(expected.items()) == [(name, parameter.shape) for name, parameter in parameters.items()]
            and [state.shape for state in initial] == [(batch, hidden)] * len(initial)
            and (packed or x.shape[1] == batch)
            and (resets is None or resets.shape == x.shape[:-1])
            and (probe is None or probe.shape == (len(initial), *x.shape[:-1], hidden))
        )
    if not fits:
        raise wrong_form(call, list(parameters.values()), expected)
    dtype = x.dtype
    if dtype not in DTYPES or {t.dtype for t in (*initial, *parameters.values())} != {dtype}:
        raise _wrong_numbers(call.tensors)
    if probe is not None and probe.dtype != dtype:
        raise CarouselError(f"probe must have the dtype of x, {dtype}; it has {probe.dtype}.")
    if bfloat16 and dtype != torch.float32:
        raise CarouselError(f"Products in bfloat16 are of float32 tensors; these are {dtype}.")
    if batch_sizes is not None and batch_sizes.dtype != torch.int64:
        raise CarouselError(f"batch_sizes must have dtype torch.int64; it has {batch_sizes.dtype}.")
    if resets is not None and resets.dtype != torch.bool:
        raise CarouselError(f"resets must have dtype torch.bool; it has {resets.dtype}.")
    return expected


def wrong_form(
    call: Call, parameters: Sequence[Tensor], expected: dict[str, tuple[int, ...]] | None = None
) -> CarouselError:
    """The error for shapes that do not fit each other."""
    equations = call.equations
    return CarouselError(
        f"The kernel of {equations.title} takes x (T, B, I), or (N, I) with batch_sizes (T,), one state (B, H) for "
        f"each of {equations.states}, resets of one value a row, a probe of H values for each state and row and, in "
        f"this order, parameters {expected or list(equations.layout.names)}; it got x {tuple(call.x.shape)}, states "
        f"{_shapes(call.initial)}, batch_sizes {_shapes([call.batch_sizes])}, resets {_shapes([call.resets])}, probe "
        f"{_shapes([call.probe])} and parameters {_shapes(parameters)}."
    )


def _shapes(tensors: Sequence[Tensor | None]) -> list[tuple[int, ...] | None]:
    return [None if tensor is None else tuple(tensor.shape) for tensor in tensors]


def _wrong_numbers(tensors: Sequence[Tensor]) -> CarouselError:
    return CarouselError(
        "The kernel takes tensors of one dtype, float32 or float64, on the CPU; "
        f"it got {sorted({f'{t.dtype} on {t.device}' for t in tensors})}."
    )


def check_kept(
    call: Call, output: Tensor, tape: Tensor, output_gradient: Tensor | None, final_gradient: Tensor | None
) -> None:
    """The backward pass takes results of the forward pass, and gradients of them."""
    x, initial = call.x, call.initial
    batch, hidden = initial[0].shape
    rows = tuple(x.shape[:-1])
    expected = [
        (output, (*rows, hidden)),
        (tape, (*rows, tape_width(call.equations, hidden))),
        (output_gradient, (*rows, hidden)),
        (final_gradient, (len(initial), batch, hidden)),
    ]
    if any(t is not None and (t.shape != shape or t.dtype != x.dtype) for t, shape in expected):
        raise CarouselError(
            "The backward pass takes the output and the tape of the forward pass and gradients of the output and the "
            f"final states, of shapes {[shape for _, shape in expected]} in {x.dtype}; it got "
            f"{_shapes([t for t, _ in expected])}."
        )


class Arrays:
    """The arrays of one call, checked, and their description for the core."""

    def __init__(self, call: Call) -> None:
        names = check_form(call)
        x, initial, batch_sizes, resets = call.x, call.initial, call.batch_sizes, call.resets
        check_data([t for t in (*call.tensors, batch_sizes, resets, call.probe) if t is not None])
        self.equations, self.reverse, self.bfloat16 = call.equations, call.reverse, call.bfloat16
        self.batch, self.hidden = initial[0].shape
        if 0 in x.shape or self.hidden == 0:
            raise CarouselError(
                "The kernel takes at least one step, sequence, input and unit; the shapes of x and the states are "
                f"{_shapes([x, *initial])}."
            )
        self.x = x if x.stride(-1) == 1 else x.contiguous()
        self.initial = [state.contiguous() for state in initial]
        self.batch_sizes = None if batch_sizes is None else batch_sizes.contiguous()
        self.resets = None if resets is None else resets.contiguous()
        self.time = x.shape[0] if batch_sizes is None else len(batch_sizes)
        self.parameters = {name: call.parameters[name].contiguous() for name in names}
        if self.batch_sizes is not None:
            _check_batch_sizes(self.batch_sizes, self.batch, len(x))

    @property
    def rows(self) -> tuple[int, ...]:
        """The leading shape of the output: (T, B), or (N,) packed rows."""
        return tuple(self.x.shape[:-1])

    def described(self, output: Tensor, final: Tensor, tape: Tensor | None) -> _core.Call:
        packed = self.batch_sizes is not None
        return _core.Call(
            time=self.time,
            batch=self.batch,
            inputs=self.x.shape[-1],
            hidden=self.hidden,
            reverse=self.reverse,
            threads=torch.get_num_threads(),
            batch_sizes=0 if self.batch_sizes is None else self.batch_sizes.data_ptr(),
            x=self.x.data_ptr(),
            resets=0 if self.resets is None else self.resets.data_ptr(),
            x_step=0 if packed else self.x.stride(0),
            x_row=self.x.stride(-2),
            parameters=self.addresses(self.parameters),
            initial=[state.data_ptr() for state in self.initial],
            output=output.data_ptr(),
            final=addresses_of_each(final),
            tape=0 if tape is None else tape.data_ptr(),
        )

    def addresses(self, parameters: dict[str, Tensor]) -> list[int]:
        """One address for each parameter of the program, 0 for a bias that the layer does not have."""
        return [
            parameters[name].data_ptr() if name in parameters else 0
            for name in schedule(self.equations).parameters
        ]

    @property
    def numbers(self) -> str:
        """The precision of the core: the dtype, or "bfloat16" for products in bfloat16 and float32 for all else."""
        return "bfloat16" if self.bfloat16 else _NUMBERS[self.x.dtype]


def _check_batch_sizes(sizes: Tensor, batch: int, rows: int) -> None:
    counts = sizes.tolist()
    falls = all(one >= other for one, other in itertools.pairwise(counts))
    if not counts or counts[0] != batch or counts[-1] < 1 or not falls or sum(counts) != rows:
        raise CarouselError(
            f"batch_sizes must begin with the number of states, {batch}, never rise, be at least 1 and add up to the "
            f"number of packed rows, {rows}; they are {counts[:8]}{'...' if len(counts) > 8 else ''}."
        )
