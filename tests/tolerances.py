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
