"""The least memory that training a model takes, checked before any is allocated."""

import os
from collections.abc import Callable

import torch
from torch import nn

from carousel.errors import CarouselError
from carousel.models.tensors import distinct
from carousel.reading import first_line

COPIES = 4  # of each weight in training: itself, its gradient, and two means of an optimizer


def check_memory(make: Callable[[], nn.Module]) -> None:
    """Raise CarouselError if training the model that `make` makes takes more memory than this machine has.

    >>> import carousel
    >>> check_memory(lambda: carousel.models.LanguageModel(50, hidden_size=10**6))
    Traceback (most recent call last):
    carousel.errors.CarouselError: a model must fit into memory to be trained: 4,000,570,006,450 weights take ...
    """
    try:
        with torch.device("meta"):
            weights = sum(tensor.numel() for tensor in distinct(make()).values())
    except (RuntimeError, TypeError, OverflowError) as error:  # torch counts in 64 bits
        raise CarouselError(f"a model must fit into memory to be trained: {first_line(error)}.") from None
    needed, there = 4 * COPIES * weights, _installed()
    if there and needed > there:
        raise CarouselError(
            f"a model must fit into memory to be trained: {weights:,} weights take at least {needed / 2**30:,.0f} GiB, "
            f"but this machine has {there / 2**30:,.0f} GiB. Give a smaller hidden_size, embedding or vocabulary_size."
        )


def _installed() -> int | None:
    """Bytes of memory of this machine, or None where the system does not report them."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
