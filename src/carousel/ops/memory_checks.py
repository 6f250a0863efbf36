"""The contract with the compiled core: it receives the address of a tensor only after the tensor was checked."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from carousel.errors import CarouselError


def check_data(tensors: Iterable[Tensor]) -> None:
    """Raises CarouselError if a tensor is not on the CPU, or if its storage was cut, as by
    `untyped_storage().resize_(0)`."""
    for tensor in tensors:
        if not tensor.is_cpu:
            raise CarouselError(
                f"The kernels take tensors on the CPU; one is on {tensor.device}. Use .cpu()."
            )
        stored, begin = tensor.untyped_storage().nbytes(), tensor.storage_offset()
        if begin == 0 and stored >= tensor.nbytes and tensor.is_contiguous():
            continue  # nearly always; this check takes half a microsecond
        size = stored // tensor.element_size() - begin
        if size < _extent(tensor):
            raise CarouselError(
                f"A tensor of shape {tuple(tensor.shape)} has memory for {max(size, 0)} numbers of the "
                f"{_extent(tensor)} that it spans: its storage was resized. Give the storage back before the call."
            )


def check_devices(*tensors: Tensor | None) -> None:
    """Raises CarouselError unless all are on one device. The fake kernels of operators need this check."""
    devices = {str(tensor.device) for tensor in tensors if tensor is not None}
    if len(devices) > 1:
        raise CarouselError(
            f"The tensors of a call must be on one device; they are on {', '.join(sorted(devices))}. Use .to(device)."
        )


def _extent(tensor: Tensor) -> int:
    """How many numbers of its storage a tensor spans."""
    if not tensor.numel():
        return 0
    return 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))


def address(name: str, tensor: Tensor | None, shape: tuple[int, ...], dtype: torch.dtype) -> int:
    """The address of a tensor, or 0 for None.

    Raises CarouselError if the tensor has another shape or dtype, or if the numbers of a row are not contiguous. Gaps
    between rows are allowed.
    """
    if tensor is None:
        return 0
    if tensor.shape != shape or tensor.dtype != dtype:
        raise CarouselError(
            f"{name} must have shape {shape} and dtype {dtype}; it has {tuple(tensor.shape)} and {tensor.dtype}."
        )
    if tensor.dim() and tensor.stride(-1) != 1 and tensor.shape[-1] > 1:
        raise CarouselError(
            f"{name} must have contiguous rows; its strides are {tensor.stride()}. Use .contiguous()."
        )
    check_data([tensor])
    return tensor.data_ptr()
