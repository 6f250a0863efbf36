"""The compiled time loop as torch operators: `carousel::recurrence` and `carousel::recurrence_backward`.

The operators are functional and opaque: torch.compile and torch.export see one node for a whole sequence. Exported
graphs contain their names, arguments and results, so these never change. A change needs a new operator, such as
`recurrence_2`. The argument `cell` is `Equations.text`, so that a graph contains its cell.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from carousel import _core
from carousel.emit import reference
from carousel.emit.call import Call
from carousel.emit.phases import schedule
from carousel.errors import CarouselError
from carousel.ops.checked_arrays import (
    Arrays,
    addresses_of_each,
    check_form,
    check_kept,
    parameter_names,
    tape_width,
    wrong_form,
)
from carousel.ops.gradients import gradients_of
from carousel.ops.kernels import core_program, equations_of, has_kernel
from carousel.ops.memory_checks import check_data, check_devices
from carousel.ops.transforms import batched, runs_eagerly


def called(
    x: Tensor, initial: list[Tensor], parameters: list[Tensor], probe: Tensor | None, cell: str, *options: Any
) -> Call:
    """The call that an operator's arguments describe; options: reverse, batch_sizes, resets and bfloat16."""
    equations = equations_of(cell)
    named = dict(zip(parameter_names(equations, len(parameters)), parameters, strict=False))
    call = Call(equations, x, initial, named, *options)._replace(probe=probe)
    if len(named) != len(parameters):
        raise wrong_form(call, parameters)
    return call


def flat(call: Call) -> tuple[Any, ...]:
    """The first arguments of `recurrence`, up to `resets`."""
    text, parameters = call.equations.text, list(call.parameters.values())
    return call.x, call.initial, parameters, call.probe, text, call.reverse, call.batch_sizes, call.resets


def run_forward(call: Call, keep: bool, kept: _core.Kept | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """The output, the final states (states, B, H) and the tape (rows, width), which is empty unless `keep`."""
    arrays = Arrays(call)
    output, final, tape = _results(call, keep)
    described = arrays.described(output, final, tape if keep else None)
    _core.forward(core_program(call.equations.text), call.equations.key, arrays.numbers, described, kept)
    return output, final, tape


def _results(call: Call, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Memory for the output, the final states and the tape."""
    x, (batch, hidden), rows = call.x, call.initial[0].shape, call.x.shape[:-1]
    return (
        x.new_empty(*rows, hidden),
        x.new_empty(len(call.initial), batch, hidden),
        x.new_empty((*rows, tape_width(call.equations, hidden)) if keep else (0,)),
    )


@torch.library.custom_op("carousel::recurrence", mutates_args=(), device_types="cpu")
def recurrence(
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
    """As `run_forward`. Without a compiler, an exported graph runs on the equations, and the tape is empty."""
    call = called(x, initial, parameters, probe, cell, reverse, batch_sizes, resets, bfloat16)
    if has_kernel(call.equations):
        return run_forward(call, keep)
    Arrays(call)  # for its checks
    output, final = reference.run(call)
    return output, torch.stack(final), x.new_empty(0)


def _check_devices(call: Call, *others: Tensor | None) -> None:
    sizes = call.batch_sizes  # torch keeps batch_sizes on the CPU, wherever the rows are
    on_cpu = sizes is None or sizes.is_cpu
    check_devices(*call.tensors, call.probe, call.resets, None if on_cpu else sizes, *others)


@recurrence.register_fake
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    *described, keep, bfloat16 = arguments
    call = called(*described)._replace(bfloat16=bfloat16)
    _check_devices(call)
    check_form(call)
    return _results(call, keep)


def run_backward(
    call: Call,
    output: Tensor,
    tape: Tensor,
    output_gradient: Tensor | None,
    final_gradient: Tensor | None,
    wants_input: bool,
    wants_states: bool,
) -> list[Tensor]:
    """Gradients of x and of the probe, empty unless wanted; of the initial states (states, B, H) and each parameter."""
    arrays, x, states = Arrays(call), call.x, len(call.initial)
    check_kept(call, output, tape, output_gradient, final_gradient)
    output, tape = output.contiguous(), tape.contiguous()
    reads_input = schedule(call.equations).input_product is not None
    x_gradient = (x.new_empty if reads_input else x.new_zeros)(x.shape if wants_input else (0,))
    initial_gradient = x.new_empty(states, arrays.batch, arrays.hidden)
    gradients = {name: torch.empty_like(parameter) for name, parameter in arrays.parameters.items()}
    output_gradient = None if output_gradient is None else output_gradient.contiguous()
    final_gradient = None if final_gradient is None else final_gradient.contiguous()
    state_gradients = x.new_empty((states, *output.shape) if wants_states else (0,))
    wanted = _core.Gradients(
        output=0 if output_gradient is None else output_gradient.data_ptr(),
        final=[0] * states if final_gradient is None else addresses_of_each(final_gradient),
        x=x_gradient.data_ptr() if wants_input else 0,
        initial=addresses_of_each(initial_gradient),
        parameters=arrays.addresses(gradients),
        states=state_gradients.data_ptr() if wants_states else 0,
    )
    # the backward walk does not touch the final states
    described = arrays.described(output, initial_gradient, tape)
    _core.backward(core_program(call.equations.text), call.equations.key, arrays.numbers, described, wanted)
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
    call = called(x, initial, parameters, None, cell, reverse, batch_sizes, resets, bfloat16)
    if not has_kernel(call.equations):
        raise CarouselError(
            "A graph with a backward pass needs the compiled kernel of its cell; install a C++ compiler, or name it in "
            "CXX (docs/cells.md)."
        )
    check_data(tensor for tensor in (output, tape, output_gradient, final_gradient) if tensor is not None)
    return run_backward(call, output, tape, output_gradient, final_gradient, wants_input, wants_states)


@recurrence_backward.register_fake
def _(*arguments: Any) -> list[Tensor]:
    x, initial, parameters, *given, cell, reverse, sizes, resets, of_input, of_states, bfloat16 = arguments
    call = called(x, initial, parameters, None, cell, reverse, sizes, resets, bfloat16)
    _check_devices(call, *given)
    check_form(call)
    check_kept(call, *given)
    output, *_ = given
    return [
        x.new_empty(x.shape if of_input else (0,)),
        x.new_empty((len(initial), *output.shape) if of_states else (0,)),
        x.new_empty(len(initial), *initial[0].shape),
        *(torch.empty_like(p, memory_format=torch.contiguous_format) for p in parameters),
    ]


_NOT_TENSORS = (None,) * 7  # the gradient of the probe where there is none, and of what is no number


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    *described, _, bfloat16 = inputs
    _keep_for_backward(ctx, called(*described)._replace(bfloat16=bfloat16), output)


def _keep_for_backward(ctx: Any, call: Call, results: tuple[Tensor, ...]) -> None:
    output, _, tape = results
    ctx.equations, ctx.reverse, ctx.bfloat16 = call.equations, call.reverse, call.bfloat16
    ctx.states, ctx.names, ctx.has_probe = len(call.initial), list(call.parameters), call.probe is not None
    ctx.set_materialize_grads(False)
    # the caller may change the output in place: the saved tensor has a version of its own, and the backward pass
    # compares versions of the output
    ctx.output, ctx.version = output.detach(), output._version
    ctx.save_for_backward(output.data, tape, call.batch_sizes, call.resets, *call.tensors)


def _backward(
    ctx: Any, output_gradient: Tensor | None, final_gradient: Tensor | None, tape_gradient: Tensor | None
) -> tuple[object, ...]:
    output, tape, batch_sizes, resets, x, *rest = ctx.saved_tensors
    initial, parameters = rest[: ctx.states], rest[ctx.states :]
    if output_gradient is None and final_gradient is None:
        return None, [None] * len(initial), [None] * len(parameters), *_NOT_TENSORS
    named = dict(zip(ctx.names, parameters, strict=True))
    call = Call(ctx.equations, x, initial, named, ctx.reverse, batch_sizes, resets, ctx.bfloat16)
    # the equations give second derivatives, and many gradients at once
    wants_states = ctx.has_probe and bool(ctx.needs_input_grad[3])
    by_equations = tape.dim() == 1  # the tape is empty: the forward pass ran on the equations
    if by_equations or torch.is_grad_enabled() or batched(output_gradient, final_gradient):
        gradients = _differentiable_gradients(call, output_gradient, final_gradient, wants_states)
    else:
        is_plain = runs_eagerly([x, *rest])
        if ctx.output._version != ctx.version:  # the output was changed, so it is computed again
            output, _, tape = (
                run_forward(call, True) if is_plain else recurrence(*flat(call), True, ctx.bfloat16)
            )
        given = output, tape, output_gradient, final_gradient
        wanted = ctx.needs_input_grad[0], wants_states
        x_gradient, state_gradients, initial_gradient, *others = (
            run_backward(call, *given, *wanted)
            if is_plain
            else recurrence_backward(x, initial, parameters, *given, *flat(call)[4:], *wanted, ctx.bfloat16)
        )
        gradients = [
            x_gradient if x_gradient.numel() or not x.numel() else None,
            state_gradients if wants_states else None,
            *(initial_gradient.unbind() if any(s.requires_grad for s in initial) else [None] * len(initial)),
            *others,
        ]
    of_x, of_probe, *others = gradients
    return of_x, others[: len(initial)], others[len(initial) :], of_probe, *_NOT_TENSORS[1:]


def _differentiable_gradients(
    call: Call, output_gradient: Tensor | None, final_gradient: Tensor | None, wants_states: bool
) -> list[Tensor | None]:
    """Differentiable gradients of x, the probe, the initial states and the parameters."""
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        # aliases, so that gradients do not go on to what the sources were computed from
        x, *rest = (source.view_as(source) for source in call.tensors)
        probe = None
        if wants_states:
            probe = x.new_zeros(len(call.initial), *x.shape[:-1], call.initial[0].shape[-1]).requires_grad_()
        output, final = reference.run(call.on(x, *rest)._replace(probe=probe))
        ends = [(output, output_gradient), (torch.stack(final), final_gradient)]
        return gradients_of(ends, [x, probe, *rest])


recurrence.register_autograd(_backward, setup_context=_setup_context)


_NOTHING = torch.empty(0)


class Recurrence(torch.autograd.Function):
    """The operators without torch's dispatcher, which takes 0.3 ms for each call of an operator."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, call: Call, *rest: Tensor) -> tuple[Tensor, ...]:
        """The output, and each final state. x, rest: the tensors of the call, for autograd to see them."""
        results = run_forward(call, True)
        _keep_for_backward(ctx, call, results)
        ctx.output.data = _NOTHING  # only its version is needed, not its memory
        return results[0], *results[1].unbind()

    @staticmethod
    def backward(ctx: Any, output_gradient: Tensor | None, *finals: Tensor | None) -> tuple[object, ...]:
        given = next((gradient for gradient in finals if gradient is not None), None)
        final_gradient = None
        if given is not None:
            final_gradient = torch.stack([torch.zeros_like(given) if g is None else g for g in finals])
        x_gradient, initial, parameters, *_ = _backward(ctx, output_gradient, final_gradient, None)
        return x_gradient, None, *initial, *parameters  # type: ignore[misc]
