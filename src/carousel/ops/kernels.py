"""The compiled time loop as torch operators: `carousel::recurrence` and `carousel::recurrence_backward`.

This is the only file that hands addresses to the compiled core, so it is the one that makes sure they are right. The
operators are functional and opaque: torch.compile and torch.export see one node for a whole sequence.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from carousel import _core
from carousel.emit import reference
from carousel.emit.program import Place, Product, program
from carousel.equations import Equations
from carousel.equations.catalogue import CELLS
from carousel.errors import CarouselError
from carousel.ops import compiler

DTYPES = (torch.float32, torch.float64)

_INPUT = -1  # the kind of x in csrc/job.hpp

# key -> equations, for the operators, whose arguments must be tensors, numbers and strings
_EQUATIONS: dict[str, Equations] = {cell.equations.key: cell.equations for cell in CELLS.values()}


def has_kernel(equations: Equations) -> bool:
    """Is there a kernel for these equations? A user's cell gets one here, on first use."""
    if not _core.has_cell(equations.key) and not compiler.load(equations):
        return False
    _EQUATIONS.setdefault(equations.key, equations)
    return True


@cache
def core_program(key: str) -> _core.Program:
    """The cell's program in the form the compiled loop reads."""
    plan = program(_EQUATIONS[key])
    return _core.Program(
        states=len(plan.equations.states),
        slots=plan.slots,
        blocks=len(plan.equations.affines),
        work=plan.work,
        diagonals=len(plan.equations.scales),
        peephole=plan.parameters.index("weight_peephole") if "weight_peephole" in plan.parameters else -1,
        input=[_product(plan.input_product)] if plan.input_product else [],
        forward=[[_product(product) for product in phase.products] for phase in plan.forward],
        backward=[[_product(product) for product in phase.products] for phase in plan.backward],
        closing=[_product(product) for product in plan.closing],
        biases=[list(blocks) for blocks in plan.biases],
    )


def _product(product: Product) -> tuple[int, int, bool, list[tuple[int, int, int, bool]]]:
    place = product.place or Place(_INPUT, 0)
    begins = product.begins or (False,) * len(product.blocks)
    blocks = [(*block, begin) for block, begin in zip(product.blocks, begins, strict=True)]
    return place.kind, place.index, product.accumulates, blocks


def _parameter_names(equations: Equations, count: int) -> list[str]:
    """The names of `count` parameters in order: all of them, or all but the biases."""
    names = equations.layout.names
    return [name for name in names if count == len(names) or not name.startswith("bias")]


class _Layer:
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
    ) -> None:
        self.key, self.equations, self.reverse = key, _EQUATIONS[key], reverse
        self.hidden = initial[0].shape[-1]
        self.batch = initial[0].shape[0]
        self.x = x if x.stride(-1) == 1 and x.shape[-1] > 0 else x.contiguous()
        self.initial = [state.contiguous() for state in initial]
        self.batch_sizes = None if batch_sizes is None else batch_sizes.to(torch.int64).contiguous()
        self.resets = None if resets is None else resets.to(torch.bool).contiguous()
        self.time = x.shape[0] if batch_sizes is None else len(batch_sizes)
        self.parameters = self._named([parameter.contiguous() for parameter in parameters])
        self._check()

    @property
    def rows(self) -> tuple[int, ...]:
        """The leading shape of the output: (T, B), or (N,) packed rows."""
        return tuple(self.x.shape[:-1])

    def _named(self, parameters: list[Tensor]) -> dict[str, Tensor]:
        return dict(zip(_parameter_names(self.equations, len(parameters)), parameters, strict=True))

    def _check(self) -> None:
        """The core believes addresses; here is where a wrong shape would become a wrong read."""
        shapes = self.equations.layout.shapes(self.x.shape[-1], self.hidden)
        expected = {name: shapes[name] for name in self.parameters}
        given = {name: tuple(parameter.shape) for name, parameter in self.parameters.items()}
        states_fit = all(tuple(state.shape) == (self.batch, self.hidden) for state in self.initial)
        rows_fit = (
            self.x.dim() == 3 and self.x.shape[1] == self.batch
            if self.batch_sizes is None
            else self.x.dim() == 2 and int(self.batch_sizes[0]) == self.batch
        )
        rows_fit = rows_fit and (self.resets is None or self.resets.shape == self.x.shape[:-1])
        tensors = [self.x, *self.initial, *self.parameters.values()]
        if (
            expected != given
            or not states_fit
            or not rows_fit
            or len(self.initial) != len(self.equations.states)
        ):
            raise CarouselError(
                f"The kernel of {self.equations.title} takes x (T, B, I), states (B, H) and parameters {expected}; "
                f"it got x {tuple(self.x.shape)}, states {[tuple(s.shape) for s in self.initial]} and {given}."
            )
        if any(tensor.dtype != self.x.dtype or tensor.device.type != "cpu" for tensor in tensors):
            raise CarouselError("The kernel takes tensors of one dtype, float32 or float64, on the CPU.")

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
            final=[state.data_ptr() for state in final],
            tape=0 if tape is None else tape.data_ptr(),
        )

    def addresses(self, parameters: dict[str, Tensor]) -> list[int]:
        """One address for each parameter of the program, 0 for a bias that the layer does not have."""
        return [
            parameters[name].data_ptr() if name in parameters else 0
            for name in program(self.equations).parameters
        ]

    @property
    def is_double(self) -> bool:
        return self.x.dtype == torch.float64


@torch.library.custom_op("carousel::recurrence", mutates_args=(), device_types="cpu")
def recurrence(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    key: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, final states (states, B, H), and the tape (rows, slots, H), empty unless `keep`."""
    layer = _Layer(x, initial, parameters, key, reverse, batch_sizes, resets)
    output = x.new_empty(*layer.rows, layer.hidden)
    final = x.new_empty(len(initial), layer.batch, layer.hidden)
    tape = x.new_empty(_tape_shape(x, layer.hidden, key) if keep else (0,))
    call = layer.call(output, final, tape if keep else None)
    _core.forward(core_program(key), key, layer.is_double, call)
    return output, final, tape


def _tape_shape(x: Tensor, hidden: int, key: str) -> tuple[int, ...]:
    return (*x.shape[:-1], program(_EQUATIONS[key]).slots, hidden)


@recurrence.register_fake
def _(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    key: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    keep: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    batch, hidden = initial[0].shape
    return (
        x.new_empty(*x.shape[:-1], hidden),
        x.new_empty(len(initial), batch, hidden),
        x.new_empty(_tape_shape(x, hidden, key) if keep else (0,)),
    )


@torch.library.custom_op("carousel::recurrence_backward", mutates_args=(), device_types="cpu")
def recurrence_backward(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    output: Tensor,
    tape: Tensor,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    key: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    wants_input: bool,
) -> list[Tensor]:
    """Gradients of x (empty unless wanted), of the initial states (states, B, H) and of each parameter."""
    layer = _Layer(x, initial, parameters, key, reverse, batch_sizes, resets)
    reads_input = program(layer.equations).input_product is not None
    x_gradient = (x.new_empty if reads_input else x.new_zeros)(x.shape if wants_input else (0,))
    initial_gradient = x.new_empty(len(initial), layer.batch, layer.hidden)
    gradients = {name: torch.empty_like(parameter) for name, parameter in layer.parameters.items()}
    output_gradient = None if output_gradient is None else output_gradient.contiguous()
    final_gradient = None if final_gradient is None else final_gradient.contiguous()
    wanted = _core.Gradients(
        output=0 if output_gradient is None else output_gradient.data_ptr(),
        final=[0 if final_gradient is None else final_gradient[s].data_ptr() for s in range(len(initial))],
        x=x_gradient.data_ptr() if wants_input else 0,
        initial=[state.data_ptr() for state in initial_gradient],
        parameters=layer.addresses(gradients),
    )
    call = layer.call(output, initial_gradient, tape)  # the backward walk does not touch the final states
    _core.backward(core_program(key), key, layer.is_double, call, wanted)
    return [x_gradient, initial_gradient, *gradients.values()]


@recurrence_backward.register_fake
def _(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    output: Tensor,
    tape: Tensor,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    key: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    wants_input: bool,
) -> list[Tensor]:
    x_gradient = x.new_empty(x.shape if wants_input else (0,))
    initial_gradient = x.new_empty(len(initial), *initial[0].shape)
    return [
        x_gradient,
        initial_gradient,
        *(torch.empty_like(p, memory_format=torch.contiguous_format) for p in parameters),
    ]


def _keep_for_backward(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
    x, initial, parameters, ctx.key, ctx.reverse, batch_sizes, resets, _ = inputs
    ctx.states = len(initial)
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, output[0], output[2], batch_sizes, resets, *initial, *parameters)


def _backward(
    ctx: Any,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    tape_gradient: Tensor | None,
) -> tuple[object, ...]:
    x, output, tape, batch_sizes, resets, *rest = ctx.saved_tensors
    initial, parameters = rest[: ctx.states], rest[ctx.states :]
    if output_gradient is None and final_gradient is None:
        return None, [None] * len(initial), [None] * len(parameters), None, None, None, None, None
    if torch.is_grad_enabled():  # a gradient of the gradient is asked for: the equations give it to any order
        gradients = _differentiable_gradients(
            ctx, x, initial, parameters, batch_sizes, resets, output_gradient, final_gradient
        )
    else:
        x_gradient, initial_gradient, *others = recurrence_backward(
            x, initial, parameters, output, tape, output_gradient, final_gradient,
            ctx.key, ctx.reverse, batch_sizes, resets, ctx.needs_input_grad[0],
        )  # fmt: skip
        gradients = [
            x_gradient if x_gradient.numel() or not x.numel() else None,
            *initial_gradient.unbind(),
            *others,
        ]
    return (
        gradients[0],
        gradients[1 : 1 + len(initial)],
        gradients[1 + len(initial) :],
        None,
        None,
        None,
        None,
        None,
    )


def _differentiable_gradients(
    ctx: Any,
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
) -> list[Tensor | None]:
    equations = _EQUATIONS[ctx.key]
    names = _parameter_names(equations, len(parameters))
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    with torch.enable_grad():
        output, final = reference.run(
            equations,
            x,
            initial,
            dict(zip(names, parameters, strict=True)),
            ctx.reverse,
            sizes,
            resets,
        )
        ends = [(output, output_gradient), (torch.stack(final), final_gradient)]
        wanted = [(end, gradient) for end, gradient in ends if gradient is not None and end.requires_grad]
        sources = [x, *initial, *parameters]
        found = iter(
            torch.autograd.grad(
                [end for end, _ in wanted],
                [source for source in sources if source.requires_grad],
                [gradient for _, gradient in wanted],
                create_graph=True,
                allow_unused=True,
            )
        )
    return [next(found) if source.requires_grad else None for source in sources]


recurrence.register_autograd(_backward, setup_context=_keep_for_backward)
