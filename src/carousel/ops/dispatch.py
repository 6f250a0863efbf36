"""Run a cell over a sequence by its compiled kernel; if the kernel cannot, by torch's operator or by the equations."""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from carousel import _core
from carousel.emit import reference
from carousel.emit.call import Call
from carousel.equations import Equations
from carousel.errors import CarouselError
from carousel.ops import kernels, operators, other_devices
from carousel.ops.gradients import gradients_of
from carousel.ops.tape import Tape, tape_vectors
from carousel.ops.transforms import batched, profiled, runs_eagerly, transformed


def recurrence(call: Call, kept: _core.Kept | None = None) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction: the output, (T, B, H) or (N, H), and the final states, (B, H) each.

    kept: stores the packed weights of a call without gradients for the next call. The weights must then not change.
    """
    tensors = call.tensors
    if not takes_kernel(call.equations, tensors):
        return _without_kernel(call)
    is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined]
    keeps = torch.is_grad_enabled() or is_traced  # a traced call is one graph, with and without gradients
    keep = keeps and any(tensor.requires_grad for tensor in tensors)
    if not runs_eagerly(tensors):
        output, final, _ = operators.recurrence(*operators.flat(call), keep, call.bfloat16)
        return output, list(final.unbind())
    # a profile shows the operator's name also if the call does not use the dispatcher
    with torch.profiler.record_function("carousel::recurrence") if profiled() else nullcontext():
        if keep:
            output, *finals = operators.Recurrence.apply(call.x, call, *tensors[1:])
            return output, finals
        output, final, _ = operators.run_forward(call, False, kept)
    return output, list(final.unbind())


def _without_kernel(call: Call) -> tuple[Tensor, list[Tensor]]:
    """On other devices by torch's operator if torch has the cell, else by the equations on torch tensors."""
    x, tensors = call.x, call.tensors
    if not _is_elsewhere(x) or not x.numel() or transformed():
        return reference.run(call)
    has_operator = other_devices.mode_of(call.equations) is not None
    if not has_operator or call.resets is not None:
        if not x.is_meta and not torch.compiler.is_compiling():
            other_devices.warn_of_loop(call.equations.title, x.device.type, has_operator)
        return reference.run(call)
    if not runs_eagerly(tensors) or not torch.is_grad_enabled() or not any(t.requires_grad for t in tensors):
        return other_devices.run(call)
    inner = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
    output, final = other_devices.run(call.on(*inner))

    def again(*leaves: Tensor) -> list[Tensor]:
        output, final = reference.run(call.on(*leaves))
        return [output, *final]

    output, *final = _Native.apply(again, [output, *final], inner, *tensors)
    return output, final


def _is_elsewhere(x: Tensor) -> bool:
    return x.device.type != "cpu"


# inside torch.compile a recorded call splits the graph, because Python holds its tape
@torch.compiler.disable(reason="a recording is kept by Python; compile without fullgraph, or record outside")
def recorded(call: Call) -> tuple[Tensor, list[Tensor], Tape]:
    """The results of `recurrence`, and the tape, which the kernel writes anyway.

    Other vectors are computed when they are read, so the tape has copies of what may have changed by then.

    Raises CarouselError inside a transform of torch.func, whose tensors are gone when it returns.
    """
    if transformed():
        raise CarouselError(
            "A recording must not run inside a transform of torch.func (vmap, grad, jvp), and one is active: its "
            "tensors end with it. Record a call outside of the transform, or return module.trace(x) from inside."
        )
    equations, x, initial = call.equations, call.x, call.initial
    if torch.is_grad_enabled():
        zero = x.new_zeros(()).expand(len(initial), *x.shape[:-1], initial[0].shape[-1])  # takes no memory
        call = call._replace(probe=zero.requires_grad_())
    if takes_kernel(equations, call.tensors):
        output, final, kept = operators.recurrence(*operators.flat(call), True, call.bfloat16)
        finals = list(final.unbind())
        vectors = tape_vectors(equations, output.detach().clone(), kept.detach())
    else:
        states, finals = reference.run_states(call)
        output = states[0]
        kept_states = (state.detach().clone() for state in states)
        vectors = dict(zip(equations.new_states, kept_states, strict=True))
    copied = call._replace(
        x=x.detach().clone(),
        initial=[state.detach().clone() for state in initial],
        parameters={name: _as_it_is(parameter) for name, parameter in call.parameters.items()},
        batch_sizes=None if call.batch_sizes is None else call.batch_sizes.clone(),
        resets=None if call.resets is None else call.resets.clone(),
    )
    return output, finals, Tape(copied, vectors)


_copies: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # parameter -> weak reference to its latest copy


def _as_it_is(parameter: Tensor) -> Tensor:
    """A copy of a parameter. All tapes between two updates share it."""
    if parameter.device.type != "cpu" or transformed():
        return parameter.detach().clone()
    known = _copies.get(parameter)
    copy = None if known is None else known()
    if copy is None or copy.dtype != parameter.dtype or not torch.equal(copy, parameter):
        copy = parameter.detach().clone()
        _copies[parameter] = weakref.ref(copy)
    return copy


@torch.compiler.assume_constant_result
def _has_kernel(equations: Equations) -> bool:
    return kernels.has_kernel(equations)


def takes_kernel(equations: Equations, tensors: list[Tensor]) -> bool:
    """Can the kernels run these tensors? They take plain float32 or float64 tensors on the CPU."""
    dtype = tensors[0].dtype
    for tensor in tensors:
        if tensor.dtype != dtype or not tensor.is_cpu or not tensor.numel():
            return False
    return dtype in kernels.DTYPES and not transformed() and _has_kernel(equations)


def traced(call: Call) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and every named vector at every step; gradients flow through both.

    The vectors come from the kernel's tape. Their backward pass runs on the equations.
    """
    if not takes_kernel(call.equations, call.tensors):
        values = reference.trace(call)
        return recurrence(call)[0], values
    output, _, tape = recorded(call)

    def again(*leaves: Tensor) -> list[Tensor]:
        return list(reference.trace(call.on(*leaves)).values())

    names = call.equations.names
    found = _Again.apply(again, [tape.value(node) for node in names], *call.tensors)
    return output, dict(zip(names.values(), found, strict=True))


class _Again(torch.autograd.Function):
    """Known tensors, with the gradient of the function `again`, which would compute them."""

    @staticmethod
    def forward(
        ctx: Any, again: Callable[..., list[Tensor]], found: list[Tensor], *leaves: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.again = again
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*leaves)
        return tuple(each.clone() for each in found)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        differentiable = torch.is_grad_enabled()
        with torch.enable_grad():
            leaves = [leaf.view_as(leaf) if leaf.requires_grad else leaf for leaf in ctx.saved_tensors]
            ends = zip(ctx.again(*leaves), gradients, strict=True)
            return None, None, *gradients_of(ends, leaves, create_graph=differentiable)


class _Native(_Again):
    """Results of torch's operator, with its gradient. Second derivatives and vmap use the equations, because operators
    such as cuDNN's have no second derivative."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        again: Callable[..., list[Tensor]],
        found: list[Tensor],
        inner: list[Tensor],
        *leaves: Tensor,
    ) -> tuple[Tensor, ...]:
        """found, inner: results of the operator and the leaves of their own graph."""
        ctx.found, ctx.inner = found, inner
        return _Again.forward(ctx, again, found, *leaves)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled() or batched(*gradients):
            return None, *_Again.backward(ctx, *gradients)
        ends = zip(ctx.found, gradients, strict=True)
        return None, None, None, *gradients_of(ends, ctx.inner, create_graph=False, retain_graph=True)
