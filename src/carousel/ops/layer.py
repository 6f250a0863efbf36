"""The arrays of one call, made sure of: here, and in frozen.py, addresses are handed to the compiled core."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from carousel import _core
from carousel.emit.program import program
from carousel.equations import Equations
from carousel.equations.parameters import BIASES
from carousel.errors import CarouselError
from carousel.ops.kernels import DTYPES, EQUATIONS


def parameter_names(equations: Equations, count: int) -> list[str]:
    """The names of `count` parameters in order: all of them, or all but the biases."""
    names = equations.layout.names
    return [name for name in names if count == len(names) or name not in BIASES]


def addresses_of_each(states: Tensor) -> list[int]:
    """Where each of them begins, in one contiguous tensor."""
    begin, size = states.data_ptr(), states.stride(0) * states.element_size()
    return [begin + s * size for s in range(states.shape[0])]


@lru_cache
def _shapes(key: str, inputs: int, hidden: int, count: int) -> dict[str, tuple[int, ...]]:
    """The parameters, all or all but the biases, in order: what the shape of each must be."""
    shapes = EQUATIONS[key].layout.shapes(inputs, hidden)
    return {name: shapes[name] for name in parameter_names(EQUATIONS[key], count)}


def tape_width(equations: Equations, hidden: int) -> int:
    """Numbers in a row of the tape: vectors, then sums over units."""
    plan = program(equations)
    return plan.slots * hidden + len(plan.sums)


class Layer:
    """One call's arrays, checked, and the description of them that the core takes."""

    def __init__(
        self,
        x: Tensor,
        initial: Sequence[Tensor],
        parameters: Sequence[Tensor],
        key: str,
        reverse: bool,
        batch_sizes: Tensor | None,
        resets: Tensor | None,
        bfloat16: bool = False,
    ) -> None:
        self.bfloat16 = bfloat16
        self.key, self.equations, self.reverse = key, EQUATIONS[key], reverse
        self.hidden = initial[0].shape[-1]
        self.batch = initial[0].shape[0]
        self.x = x if x.stride(-1) == 1 and x.shape[-1] > 0 else x.contiguous()
        self.initial = [state.contiguous() for state in initial]
        self.batch_sizes = None if batch_sizes is None else batch_sizes.to(torch.int64).contiguous()
        self.resets = None if resets is None else resets.to(torch.bool).contiguous()
        self.time = x.shape[0] if batch_sizes is None else len(batch_sizes)
        contiguous = [parameter.contiguous() for parameter in parameters]
        shapes = _shapes(key, x.shape[-1], self.hidden, len(contiguous))
        self.parameters = dict(zip(shapes, contiguous, strict=True))
        self._check_shapes(shapes)
        self._check_numbers()
        self._check_batch_sizes()

    @property
    def rows(self) -> tuple[int, ...]:
        """The leading shape of the output: (T, B), or (N,) packed rows."""
        return tuple(self.x.shape[:-1])

    def _check_shapes(self, expected: dict[str, tuple[int, ...]]) -> None:
        """The core believes addresses; here is where a wrong shape would become a wrong read."""
        given = {name: parameter.shape for name, parameter in self.parameters.items()}
        states_fit = [state.shape for state in self.initial] == [(self.batch, self.hidden)] * len(
            self.equations.states
        )
        rows_fit = (
            self.x.dim() == 3 and self.x.shape[1] == self.batch
            if self.batch_sizes is None
            else self.x.dim() == 2 and len(self.batch_sizes) > 0 and int(self.batch_sizes[0]) == self.batch
        )
        rows_fit = rows_fit and (self.resets is None or self.resets.shape == self.x.shape[:-1])
        if expected != given or not states_fit or not rows_fit:
            raise CarouselError(
                f"The kernel of {self.equations.title} takes x (T, B, I), states (B, H) and parameters {expected}; "
                f"it got x {tuple(self.x.shape)}, states {[tuple(s.shape) for s in self.initial]} and "
                f"{ {name: tuple(shape) for name, shape in given.items()} }."
            )

    def _check_numbers(self) -> None:
        tensors = [self.x, *self.initial, *self.parameters.values()]
        dtype = self.x.dtype
        if dtype not in DTYPES or any(t.dtype != dtype or not t.is_cpu for t in tensors):
            raise CarouselError(
                "The kernel takes tensors of one dtype, float32 or float64, on the CPU; "
                f"it got {sorted({f'{t.dtype} on {t.device}' for t in tensors})}."
            )
        if self.bfloat16 and self.x.dtype != torch.float32:
            raise CarouselError(f"Products in bfloat16 are of float32 tensors; these are {self.x.dtype}.")
        if not all(tensor.numel() for tensor in tensors):
            raise CarouselError(
                f"The kernel takes at least one step, sequence, input and unit; x is {tuple(self.x.shape)} and "
                f"states are {[tuple(s.shape) for s in self.initial]}."
            )

    def _check_batch_sizes(self) -> None:
        sizes = self.batch_sizes
        if sizes is None:
            return
        falls = int(sizes[-1]) >= 1 and bool((sizes[1:] <= sizes[:-1]).all())
        if sizes.device.type != "cpu" or not falls or int(sizes.sum()) != len(self.x):
            raise CarouselError(
                "batch_sizes must be counts on the CPU that never rise, at least 1, that add up to the packed rows; "
                f"they are {sizes.tolist()[:8]}{'...' if len(sizes) > 8 else ''} for {len(self.x)} rows."
            )

    def check_kept(
        self, output: Tensor, tape: Tensor, output_gradient: Tensor | None, final_gradient: Tensor | None
    ) -> None:
        """What the backward pass is handed must be what the forward pass gave."""
        states = (len(self.initial), self.batch, self.hidden)
        expected = [
            (output, (*self.rows, self.hidden)),
            (tape, (*self.rows, tape_width(self.equations, self.hidden))),
            (output_gradient, (*self.rows, self.hidden)),
            (final_gradient, states),
        ]
        if any(
            t is not None and (tuple(t.shape) != shape or t.dtype != self.x.dtype) for t, shape in expected
        ):
            raise CarouselError(
                "The backward pass takes the output and the tape of the forward pass and gradients of their shapes."
            )

    def call(self, output: Tensor, final: Tensor, tape: Tensor | None) -> _core.Call:
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
            for name in program(self.equations).parameters
        ]

    @property
    def numbers(self) -> str:
        """In which numbers the core computes: the dtype, or bfloat16 for the products and float32 for all else."""
        return "bfloat16" if self.bfloat16 else str(self.x.dtype).removeprefix("torch.")
