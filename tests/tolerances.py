"""How far two results may lie apart, by dtype: the one table, for outputs and gradients alike."""

from typing import Any

import torch
from torch import Tensor

# dtype -> relative to each value, relative to the largest value of the tensor (at least to 1).
# A dozen roundings in float64; in the others the sums of a few hundred products, in different orders.
TOLERANCES: dict[torch.dtype, tuple[float, float]] = {
    torch.float64: (1e-10, 1e-12),
    torch.float32: (1e-4, 2e-6),
    torch.float16: (1e-2, 4e-3),
    torch.bfloat16: (5e-2, 3e-2),
}

# How far tensors may lie apart as a whole, |a - b| / |b|, where products round their factors to bfloat16: the same
# rounding on both sides, but for numbers so near to the middle between two that they round either way; and a
# gradient against float64, which rounds nothing.
SAME_ROUNDING = 4e-3
AGAINST_EXACT = 2e-2


def assert_near(actual: Any, expected: Any, bound: float = SAME_ROUNDING, name: str = "") -> None:
    """Tensors, or dicts of them, whose distance is at most `bound` of the length of `expected`."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_near(actual[key], expected[key], bound, f"{name} {key}")
        return
    assert actual.shape == expected.shape
    distance, length = (actual.double() - expected.double()).norm().item(), expected.double().norm().item()
    assert distance <= bound * length, (
        f"{name}: {distance:.2g} apart at a length of {length:.2g}; near is {bound:.2g}"
    )


def assert_close(actual: Any, expected: Any, dtype: torch.dtype | None = None, name: str = "") -> None:
    """Tensors, or tuples, lists or dicts of them, equal within the tolerance of `dtype` (else of `expected`).

    With a `dtype`, the two may differ in theirs: a float32 result against its truth in float64.
    """
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for key in expected:
            assert_close(actual[key], expected[key], dtype, f"{name} {key}")
        return
    if isinstance(expected, (tuple, list)):
        assert len(actual) == len(expected)
        for index, (one, other) in enumerate(zip(actual, expected, strict=True)):
            assert_close(one, other, dtype, f"{name} {index}")
        return
    assert isinstance(actual, Tensor), f"{name} is a {type(actual).__name__}"
    relative, absolute = TOLERANCES[dtype or expected.dtype]
    largest = max(1.0, expected.abs().max().item()) if expected.numel() else 1.0
    torch.testing.assert_close(
        actual, expected, rtol=relative, atol=absolute * largest, check_dtype=dtype is None,
        msg=lambda text: f"{name}: {text}",
    )  # fmt: skip
