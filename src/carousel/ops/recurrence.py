"""Run a cell over a sequence: by its compiled kernel where there is one, else by its equations on torch tensors."""

import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from carousel import _core
from carousel.emit import reference
from carousel.equations import Equations
from carousel.errors import CarouselError
from carousel.ops import kernels, native, operators
from carousel.ops.tape import Call, Tape, tape_vectors
from carousel.ops.transforms import batched, profiled, runs_eagerly, transformed


def recurrence(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
    batch_sizes: Tensor | None = None,
    resets: Tensor | None = None,
    bfloat16: bool = False,
    kept: _core.Kept | None = None,
) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction.

    x: (T, B, I) of any strides, or packed (N, I) with `batch_sizes` (T,), as in torch's PackedSequence.
    initial: one (B, H) per state. parameters: by the names of `equations.layout` (biases may be absent).
    resets: bool (T, B) or (N,), true at the steps before which the state becomes zero.
    bfloat16: round the factors of products to bfloat16; tensors, sums and states stay in float32. The equations on
        torch tensors, where they stand in for the kernel, do without the rounding.
    kept: keeps the packed weights of a call that asks for no gradient, for the next one; the weights must then stay
        as they are.
    Returns the output, (T, B, H) or (N, H), and the final states, (B, H) each.
    """
    tensors = [x, *initial, *parameters.values()]
    if not takes_kernel(equations, tensors):
        return _without_kernel(equations, x, initial, parameters, reverse, batch_sizes, resets)
    ordered = [parameters[name] for name in equations.layout.names if name in parameters]
    is_traced = torch.jit.is_tracing()  # type: ignore[attr-defined]
    keeps = torch.is_grad_enabled() or is_traced  # a traced call is one graph, with and without gradients
    keep = keeps and any(tensor.requires_grad for tensor in tensors)
    options = equations.text, reverse, batch_sizes, resets
    if not runs_eagerly(tensors):
        output, final, _ = operators.recurrence(x, initial, ordered, None, *options, keep, bfloat16)
        return output, list(final.unbind())
    # the operator's name in a profile, also where the call goes around the dispatcher
    with torch.profiler.record_function("carousel::recurrence") if profiled() else nullcontext():
        if keep:
            output, *finals = operators.Recurrence.apply(
                x, len(initial), options, bfloat16, *initial, *ordered
            )
            return output, finals
        output, final, _ = operators.run_forward(x, initial, ordered, None, *options, False, bfloat16, kept)
    return output, list(final.unbind())


def _without_kernel(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool,
    batch_sizes: Tensor | None,
    resets: Tensor | None,
) -> tuple[Tensor, list[Tensor]]:
    """By torch's operator on other devices where torch has the cell, else by the equations on torch tensors."""

    def by_equations(x: Tensor, *rest: Tensor) -> tuple[Tensor, list[Tensor]]:
        states, named = rest[: len(initial)], dict(zip(parameters, rest[len(initial) :], strict=True))
        sizes = None if batch_sizes is None else batch_sizes.tolist()
        return reference.run(equations, x, list(states), named, reverse, sizes, resets)

    def by_operator(x: Tensor, *rest: Tensor) -> tuple[Tensor, list[Tensor]]:
        states, named = rest[: len(initial)], dict(zip(parameters, rest[len(initial) :], strict=True))
        return native.run(equations, x, list(states), named, reverse, batch_sizes)

    tensors = [x, *initial, *parameters.values()]
    if not _is_elsewhere(x) or not x.numel() or transformed():
        return by_equations(*tensors)
    has_operator = native.mode_of(equations) is not None
    if not has_operator or resets is not None:
        if not x.is_meta and not torch.compiler.is_compiling():
            native.warn_of_loop(equations.title, x.device.type, has_operator)
        return by_equations(*tensors)
    if not runs_eagerly(tensors) or not torch.is_grad_enabled() or not any(t.requires_grad for t in tensors):
        return by_operator(*tensors)
    inner = [tensor.detach().requires_grad_(tensor.requires_grad) for tensor in tensors]
    output, final = by_operator(*inner)

    def again(*leaves: Tensor) -> list[Tensor]:
        output, final = by_equations(*leaves)
        return [output, *final]

    output, *final = _Fused.apply(again, [output, *final], inner, *tensors)
    return output, final


def _is_elsewhere(x: Tensor) -> bool:
    return x.device.type != "cpu"


# inside torch.compile a recorded call stands between two graphs: its tape is kept by Python
@torch.compiler.disable(reason="a recording is kept by Python; compile without fullgraph, or record outside")
def recorded(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
    batch_sizes: Tensor | None = None,
    resets: Tensor | None = None,
    bfloat16: bool = False,
) -> tuple[Tensor, list[Tensor], Tape]:
    """As `recurrence`, and what it has computed on the way: the tape that the kernel keeps anyway.

    The rest is worked out when it is read, so the tape has copies of what may have changed by then.

    Raises CarouselError inside a transform of torch.func, whose tensors are gone when it returns.
    """
    if transformed():
        raise CarouselError(
            "A recording cannot keep what a transform of torch.func (vmap, grad, jvp) computes: its tensors end with "
            "it. Record a call outside of the transform, or return what module.trace(x) gives from inside."
        )
    rows = (*x.shape[:-1], initial[0].shape[-1])
    probe = None
    if torch.is_grad_enabled():
        probe = x.new_zeros(()).expand(len(initial), *rows).requires_grad_()  # takes no memory
    tensors = [x, *initial, *parameters.values()]
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    if takes_kernel(equations, tensors):
        ordered = [parameters[name] for name in equations.layout.names if name in parameters]
        output, final, kept = operators.recurrence(
            x, initial, ordered, probe, equations.text, reverse, batch_sizes, resets, True, bfloat16
        )
        finals, vectors = (
            list(final.unbind()),
            tape_vectors(equations, output.detach().clone(), kept.detach()),
        )
    else:
        states, finals = reference.run_states(
            equations, x, initial, parameters, reverse, sizes, resets, probe
        )
        output = states[0]
        kept_states = (state.detach().clone() for state in states)
        vectors = dict(zip(equations.new_states, kept_states, strict=True))
    call = Call(
        equations,
        x.detach().clone(),
        [state.detach().clone() for state in initial],
        {name: _as_it_is(parameter) for name, parameter in parameters.items()},
        reverse,
        sizes,
        None if resets is None else resets.clone(),
    )
    return output, finals, Tape(call, vectors, probe)


_copies: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # parameter -> weak reference to its latest copy


def _as_it_is(parameter: Tensor) -> Tensor:
    """A copy of a parameter; tapes between two updates share one."""
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
    """The kernels take plain float32 or float64 tensors on the CPU; everything else runs on the equations."""
    dtype = tensors[0].dtype
    for tensor in tensors:
        if tensor.dtype != dtype or not tensor.is_cpu or not tensor.numel():
            return False
    return dtype in kernels.DTYPES and not transformed() and _has_kernel(equations)


def traced(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
    batch_sizes: Tensor | None = None,
    resets: Tensor | None = None,
    bfloat16: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and every named vector at every step; gradients flow through both.

    The vectors come from the kernel's tape; their backward pass, where one is asked for, runs on the equations.
    """
    names = list(equations.names.values())
    sizes = None if batch_sizes is None else batch_sizes.tolist()
    if not takes_kernel(equations, [x, *initial, *parameters.values()]):
        values = reference.trace(equations, x, initial, parameters, reverse, sizes, resets)
        return recurrence(equations, x, initial, parameters, reverse, batch_sizes, resets)[0], values
    output, _, tape = recorded(equations, x, initial, parameters, reverse, batch_sizes, resets, bfloat16)

    def again(*leaves: Tensor) -> list[Tensor]:
        x, *rest = leaves
        states, named = rest[: len(initial)], dict(zip(parameters, rest[len(initial) :], strict=True))
        return list(reference.trace(equations, x, states, named, reverse, sizes, resets).values())

    found = [tape.value(node) for node in equations.names]
    return output, dict(
        zip(names, _Again.apply(again, found, x, *initial, *parameters.values()), strict=True)
    )


class _Again(torch.autograd.Function):
    """Tensors that are known already, with the gradient of the function that would compute them again."""

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
            values = ctx.again(*leaves)
            ends = [
                (v, g) for v, g in zip(values, gradients, strict=True) if g is not None and v.requires_grad
            ]
            wanted = [leaf for leaf in leaves if leaf.requires_grad]
            found = iter(
                torch.autograd.grad(
                    [value for value, _ in ends], wanted, [gradient for _, gradient in ends],
                    create_graph=differentiable, allow_unused=True,
                )
            )  # fmt: skip
        return None, None, *(next(found) if leaf.requires_grad else None for leaf in leaves)


class _Fused(_Again):
    """What torch's operator gave, with its gradient; where that is differentiated again or carried by vmap, by the
    equations, since operators such as cuDNN's have no second derivative."""

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
        ends = [(v, g) for v, g in zip(ctx.found, gradients, strict=True) if g is not None]
        wanted = [leaf for leaf in ctx.inner if leaf.requires_grad]
        of_each = iter(
            torch.autograd.grad(
                [value for value, _ in ends], wanted, [gradient for _, gradient in ends],
                retain_graph=True, allow_unused=True,
            )
        )  # fmt: skip
        return None, None, None, *(next(of_each) if leaf.requires_grad else None for leaf in ctx.inner)
