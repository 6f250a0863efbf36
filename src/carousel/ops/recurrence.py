"""Run a cell over a sequence: by its compiled kernel where there is one, else by its equations on torch tensors."""

from collections.abc import Mapping

import torch
from torch import Tensor

from carousel.emit import reference
from carousel.equations import Equations
from carousel.ops import kernels, operators


def recurrence(
    equations: Equations,
    x: Tensor,
    initial: list[Tensor],
    parameters: Mapping[str, Tensor],
    reverse: bool = False,
    batch_sizes: Tensor | None = None,
    resets: Tensor | None = None,
    bfloat16: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """One layer in one direction.

    x: (T, B, I) of any strides, or packed (N, I) with `batch_sizes` (T,), as in torch's PackedSequence.
    initial: one (B, H) per state. parameters: by the names of `equations.layout` (biases may be absent).
    resets: bool (T, B) or (N,), true at the steps before which the state becomes zero.
    bfloat16: round the factors of products to bfloat16; tensors, sums and states stay in float32. The equations on
        torch tensors, where they stand in for the kernel, do without the rounding.
    Returns the output, (T, B, H) or (N, H), and the final states, (B, H) each.
    """
    tensors = [x, *initial, *parameters.values()]
    if not takes_kernel(equations, tensors):
        sizes = None if batch_sizes is None else batch_sizes.tolist()
        return reference.run(equations, x, initial, parameters, reverse, sizes, resets)
    ordered = [parameters[name] for name in equations.layout.names if name in parameters]
    keep = torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
    output, final, _ = operators.recurrence(
        x, initial, ordered, equations.key, reverse, batch_sizes, resets, keep, bfloat16
    )
    return output, list(final.unbind())


@torch.compiler.assume_constant_result
def _has_kernel(equations: Equations) -> bool:
    return kernels.has_kernel(equations)


def takes_kernel(equations: Equations, tensors: list[Tensor]) -> bool:
    """The kernels take plain float32 or float64 tensors on the CPU; everything else runs on the equations."""
    return (
        all(t.device.type == "cpu" and t.dtype == tensors[0].dtype for t in tensors)
        and tensors[0].dtype in kernels.DTYPES
        and all(t.numel() for t in tensors)
        and not torch._C._are_functorch_transforms_active()
        and torch.autograd.forward_ad._current_level < 0
        and _has_kernel(equations)
    )
