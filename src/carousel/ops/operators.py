"""The compiled time loop as torch operators: `carousel::recurrence` and `carousel::recurrence_backward`.

The operators are functional and opaque: torch.compile and torch.export see one node for a whole sequence. Exported
graphs make them public: their names, arguments and results stay as they are, and what has to change gets a new name
(`recurrence_2`) beside the old one. `cell` is `Equations.text`, so that a graph carries its cell wherever it is loaded.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from carousel import _core
from carousel.emit import reference
from carousel.emit.program import program
from carousel.equations import Equations
from carousel.errors import CarouselError
from carousel.ops.arrays import Layer, addresses_of_each, check_form, check_kept, parameter_names, tape_width
from carousel.ops.buffers import check_data
from carousel.ops.kernels import core_program, equations_of, has_kernel
from carousel.ops.transforms import batched, runs_eagerly


def run_forward(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    probe: Tensor | None,
    cell: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    keep: bool,
    bfloat16: bool,
    kept: _core.Kept | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Output, final states (states, B, H), and the tape (rows, width), empty unless `keep`.

    `probe` (states, rows, H) stands for zeros that are added to every state after every step: its values are not read,
    its gradient is that of the loss with respect to each of these states.
    With `bfloat16` the factors of products are rounded to it; everything else stays in the dtype of x, float32.
    `kept`: see `recurrence`.
    """
    layer = Layer(x, initial, parameters, cell, reverse, batch_sizes, resets, bfloat16, probe)
    output, final, tape = _results(x, layer.equations, layer.batch, layer.hidden, keep)
    call = layer.call(output, final, tape if keep else None)
    _core.forward(core_program(cell), layer.equations.key, layer.numbers, call, kept)
    return output, final, tape


def _results(
    x: Tensor, equations: Equations, batch: int, hidden: int, keep: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Room for the output, the final states and the tape."""
    return (
        x.new_empty(*x.shape[:-1], hidden),
        x.new_empty(len(equations.states), batch, hidden),
        x.new_empty((*x.shape[:-1], tape_width(equations, hidden)) if keep else (0,)),
    )


def _run_anywhere(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    probe: Tensor | None,
    cell: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    keep: bool,
    bfloat16: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """As `run_forward`; by the equations, with nothing on the tape, where an exported graph meets no compiler."""
    if has_kernel(equations_of(cell)):
        return run_forward(x, initial, parameters, probe, cell, reverse, batch_sizes, resets, keep, bfloat16)
    layer = Layer(x, initial, parameters, cell, reverse, batch_sizes, resets, bfloat16, probe)
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    output, final = reference.run(layer.equations, x, initial, layer.parameters, reverse, sizes, resets)
    return output, torch.stack(final), x.new_empty(0)


recurrence = torch.library.custom_op(
    "carousel::recurrence",
    _run_anywhere,
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor x, Tensor[] initial, Tensor[] parameters, Tensor? probe, str cell, bool reverse, "
    "Tensor? batch_sizes, Tensor? resets, bool keep, bool bfloat16) -> (Tensor, Tensor, Tensor)",  # all but `kept`
)


@recurrence.register_fake
def _(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    probe: Tensor | None,
    cell: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    keep: bool,
    bfloat16: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    check_form(x, initial, parameters, cell, batch_sizes, resets, bfloat16, probe)
    batch, hidden = initial[0].shape
    return _results(x, equations_of(cell), batch, hidden, keep)


def run_backward(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    output: Tensor,
    tape: Tensor,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    cell: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    wants_input: bool,
    wants_states: bool,
    bfloat16: bool,
) -> list[Tensor]:
    """Gradients of x and the probe (empty unless wanted), of the initial states (states, B, H) and each parameter."""
    layer = Layer(x, initial, parameters, cell, reverse, batch_sizes, resets, bfloat16)
    check_kept(x, initial, cell, output, tape, output_gradient, final_gradient)
    output, tape = output.contiguous(), tape.contiguous()
    reads_input = program(layer.equations).input_product is not None
    x_gradient = (x.new_empty if reads_input else x.new_zeros)(x.shape if wants_input else (0,))
    initial_gradient = x.new_empty(len(initial), layer.batch, layer.hidden)
    gradients = {name: torch.empty_like(parameter) for name, parameter in layer.parameters.items()}
    output_gradient = None if output_gradient is None else output_gradient.contiguous()
    final_gradient = None if final_gradient is None else final_gradient.contiguous()
    state_gradients = x.new_empty((len(initial), *output.shape) if wants_states else (0,))
    wanted = _core.Gradients(
        output=0 if output_gradient is None else output_gradient.data_ptr(),
        final=[0] * len(initial) if final_gradient is None else addresses_of_each(final_gradient),
        x=x_gradient.data_ptr() if wants_input else 0,
        initial=addresses_of_each(initial_gradient),
        parameters=layer.addresses(gradients),
        states=state_gradients.data_ptr() if wants_states else 0,
    )
    call = layer.call(output, initial_gradient, tape)  # the backward walk does not touch the final states
    _core.backward(core_program(cell), layer.equations.key, layer.numbers, call, wanted)
    if wants_states and output_gradient is not None:
        state_gradients[0] += output_gradient
    return [x_gradient, state_gradients, initial_gradient, *gradients.values()]


@torch.library.custom_op("carousel::recurrence_backward", mutates_args=(), device_types="cpu")
def recurrence_backward(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    output: Tensor,
    tape: Tensor,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    cell: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    wants_input: bool,
    wants_states: bool,
    bfloat16: bool,
) -> list[Tensor]:
    """As `run_backward`."""
    if not has_kernel(equations_of(cell)):
        raise CarouselError(
            "A graph with a backward pass needs the compiled kernel of its cell; install a C++ compiler, or name it in "
            "CXX (docs/cells.md)."
        )
    check_data(tensor for tensor in (output, tape, output_gradient, final_gradient) if tensor is not None)
    return run_backward(
        x, initial, parameters, output, tape, output_gradient, final_gradient, cell, reverse, batch_sizes, resets,
        wants_input, wants_states, bfloat16,
    )  # fmt: skip


@recurrence_backward.register_fake
def _(
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    output: Tensor,
    tape: Tensor,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    cell: str,
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    wants_input: bool,
    wants_states: bool,
    bfloat16: bool,
) -> list[Tensor]:
    check_form(x, initial, parameters, cell, batch_sizes, resets, bfloat16)
    check_kept(x, initial, cell, output, tape, output_gradient, final_gradient)
    x_gradient = x.new_empty(x.shape if wants_input else (0,))
    initial_gradient = x.new_empty(len(initial), *initial[0].shape)
    return [
        x_gradient,
        x.new_empty((len(initial), *output.shape) if wants_states else (0,)),
        initial_gradient,
        *(torch.empty_like(p, memory_format=torch.contiguous_format) for p in parameters),
    ]


_NOT_TENSORS = (None,) * 7  # the gradient of the probe where there is none, and of what is no number


def _keep_for_backward(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
    x, initial, parameters, probe, ctx.cell, ctx.reverse, batch_sizes, resets, _, ctx.bfloat16 = inputs
    ctx.states, ctx.has_probe = len(initial), probe is not None
    ctx.set_materialize_grads(False)
    # the caller may change the output in place: what is saved has a version of its own, and the backward pass sees
    # by that of the output whether it was changed
    ctx.output, ctx.version = output[0].detach(), output[0]._version
    ctx.save_for_backward(x, output[0].data, output[2], batch_sizes, resets, *initial, *parameters)


def _backward(
    ctx: Any,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    tape_gradient: Tensor | None,
) -> tuple[object, ...]:
    x, output, tape, batch_sizes, resets, *rest = ctx.saved_tensors
    initial, parameters = rest[: ctx.states], rest[ctx.states :]
    if output_gradient is None and final_gradient is None:
        return None, [None] * len(initial), [None] * len(parameters), *_NOT_TENSORS
    # A gradient of the gradient, or many at once, is asked for: the equations give it to any order.
    wants_states = ctx.has_probe and bool(ctx.needs_input_grad[3])
    by_equations = tape.dim() == 1  # empty: see `_run_anywhere`
    if by_equations or torch.is_grad_enabled() or batched(output_gradient, final_gradient):
        gradients = _differentiable_gradients(
            ctx, x, initial, parameters, batch_sizes, resets, output_gradient, final_gradient, wants_states
        )
    else:
        is_plain = runs_eagerly([x, *rest])
        run = run_backward if is_plain else recurrence_backward
        if ctx.output._version != ctx.version:  # it was changed, so it is computed once more
            again = run_forward if is_plain else recurrence
            output, _, tape = again(
                x, initial, parameters, None, ctx.cell, ctx.reverse, batch_sizes, resets, True, ctx.bfloat16
            )
        x_gradient, state_gradients, initial_gradient, *others = run(
            x, initial, parameters, output, tape, output_gradient, final_gradient,
            ctx.cell, ctx.reverse, batch_sizes, resets, ctx.needs_input_grad[0], wants_states, ctx.bfloat16,
        )  # fmt: skip
        gradients = [
            x_gradient if x_gradient.numel() or not x.numel() else None,
            state_gradients if wants_states else None,
            *initial_gradient.unbind(),
            *others,
        ]
    of_x, of_probe, *others = gradients
    return of_x, others[: len(initial)], others[len(initial) :], of_probe, *_NOT_TENSORS[1:]


def _differentiable_gradients(
    ctx: Any,
    x: Tensor,
    initial: list[Tensor],
    parameters: list[Tensor],
    batch_sizes: Tensor | None,
    resets: Tensor | None,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    wants_states: bool,
) -> list[Tensor | None]:
    """Of x, the probe, the initial states and the parameters."""
    equations = equations_of(ctx.cell)
    names = parameter_names(equations, len(parameters))
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        # aliases: what the sources were computed from is none of this operator's business
        x, *rest = (source.view_as(source) for source in (x, *initial, *parameters))
        initial, parameters = rest[: ctx.states], rest[ctx.states :]
        named = dict(zip(names, parameters, strict=True))
        probe = None
        if wants_states:
            probe = x.new_zeros(ctx.states, *x.shape[:-1], initial[0].shape[-1]).requires_grad_()
        output, final = reference.run(equations, x, initial, named, ctx.reverse, sizes, resets, probe)
        ends = [(output, output_gradient), (torch.stack(final), final_gradient)]
        wanted = [(end, gradient) for end, gradient in ends if gradient is not None and end.requires_grad]
        sources = [x, x if probe is None else probe, *initial, *parameters]
        found = iter(
            torch.autograd.grad(
                [end for end, _ in wanted],
                [source for source in sources if source.requires_grad],
                [gradient for _, gradient in wanted],
                create_graph=True,
                allow_unused=True,
            )
        )
    gradients = [next(found) if source.requires_grad else None for source in sources]
    return gradients if wants_states else [gradients[0], None, *gradients[2:]]


recurrence.register_autograd(_backward, setup_context=_keep_for_backward)


_NOTHING = torch.empty(0)
Options = tuple[str, bool, Tensor | None, Tensor | None]  # cell, reverse, batch_sizes, resets


class Recurrence(torch.autograd.Function):
    """The same layer, forward and backward, without the dispatcher: an operator's way through it takes 0.3 ms."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, states: int, options: Options, bfloat16: bool, *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        """The output, and each final state. tensors: the initial states, then the parameters."""
        initial, parameters = list(tensors[:states]), list(tensors[states:])
        arguments = (x, initial, parameters, None, *options, True, bfloat16)
        results = run_forward(*arguments)
        _keep_for_backward(ctx, arguments, results)
        ctx.output.data = _NOTHING  # it is kept for its version, which it shares, and not for its memory
        return results[0], *results[1].unbind()

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor | None, *finals: Tensor | None) -> tuple[object, ...]:
        given = next((gradient for gradient in finals if gradient is not None), None)
        final_gradient = None
        if given is not None:
            final_gradient = torch.stack([torch.zeros_like(given) if g is None else g for g in finals])
        x_gradient, initial, parameters, *_ = _backward(ctx, output_gradient, final_gradient, None)
        return x_gradient, None, None, None, *initial, *parameters  # type: ignore[misc]
