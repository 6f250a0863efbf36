"""Active transforms and modes of torch. The kernels take plain tensors alone; torch runs everything else."""

from collections.abc import Iterable

import torch
from torch import Tensor


def transformed() -> bool:
    """Is a transform of torch.func, or forward-mode differentiation, active?"""
    return torch._C._are_functorch_transforms_active() or torch.autograd.forward_ad._current_level >= 0


def batched(*gradients: Tensor | None) -> bool:
    """Does vmap carry these gradients, as torch.func or a vectorised Jacobian do?"""
    kinds = torch._C._functorch
    return torch._C._are_functorch_transforms_active() or any(
        gradient is not None and (kinds.is_batchedtensor(gradient) or kinds.is_legacy_batchedtensor(gradient))
        for gradient in gradients
    )


def runs_eagerly(tensors: Iterable[Tensor]) -> bool:
    """Are these tensors plain, and is no tracing and no mode active that must see operators?"""
    return (
        not torch.compiler.is_compiling()
        and torch._C._get_tracing_state() is None
        and torch._C._len_torch_dispatch_stack() == 0
        and {type(tensor) for tensor in tensors} <= {Tensor, torch.nn.Parameter}
    )


def profiled() -> bool:
    """Does torch's profiler watch?"""
    return torch._C._autograd._profiler_enabled()
