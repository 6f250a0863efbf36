"""Dtype and device: what the input must have, and in which precision a module computes.

bfloat16 on the CPU, by `module.to(torch.bfloat16)` or under `torch.autocast("cpu", torch.bfloat16)`, means: the
factors of matrix products are rounded to bfloat16; products are summed, states kept and gates computed in float32;
output and final states are bfloat16. Gradients have the dtype of what they belong to, so parameters under autocast
get float32.

Where the CPU multiplies tiles of bfloat16 (the instruction set `avx512_amx`), that takes about half of the time of
float32; where it multiplies pairs (`avx512_bf16`), about half on AMD's processors. Elsewhere the same kernels
multiply the rounded numbers in float32, which is correct but no faster. The equations on torch tensors (for a second
derivative, vmap or a cell without a kernel) use the same weights and states and do not round factors.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from carousel.errors import CarouselError
from carousel.ops.autocast import autocasts, autocasts_bfloat16


class Numbers(NamedTuple):
    """inside: the dtype during computation. bfloat16: are factors rounded to it? outside: the dtype of the results."""

    inside: torch.dtype
    bfloat16: bool
    outside: torch.dtype


def numbers_of(weight: Tensor) -> Numbers:
    """The precision in which a module with such weights computes in the current autocast mode."""
    on_cpu = weight.device.type == "cpu"
    if on_cpu and (
        weight.dtype == torch.bfloat16 or (weight.dtype == torch.float32 and autocasts_bfloat16())
    ):
        return Numbers(torch.float32, True, torch.bfloat16)
    return Numbers(weight.dtype, False, weight.dtype)


def cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    """The tensor in this dtype. If it has the dtype already, this takes a microsecond less than `tensor.to`."""
    return tensor if tensor.dtype == dtype else tensor.to(dtype)


def matching(name: str, tensor: Tensor, weight: Tensor) -> Tensor:
    """The tensor on the device and in the dtype of the weights."""
    if tensor.device != weight.device:
        raise CarouselError(
            f"{name} must be on the device of the weights, {weight.device}; it is on {tensor.device}. "
            "Move one of them with .to(...)."
        )
    if tensor.dtype != weight.dtype:
        if tensor.is_floating_point() and autocasts(tensor.device.type):
            return tensor.to(weight.dtype)
        raise CarouselError(
            f"{name} must have the dtype of the weights, {weight.dtype}; it has {tensor.dtype}. "
            "Convert one of them with .to(...)."
        )
    return tensor
