"""Where the time of a training step goes, from torch's profiler: what each operator takes by itself."""

from __future__ import annotations

import time

import torch

from bench.losses.step import BPTT, carousel_model, carousel_step, text

# the first name that an operator's contains decides
PARTS = {
    "output layer and loss (carousel::linear_cross_entropy)": ("linear_cross_entropy",),
    "recurrent layers (carousel::recurrence)": ("carousel::recurrence", "carousel_recurrence", "Recurrence"),
    "vectors of the words, new memory": ("embedding", "index", "aten::fill_", "aten::zero", "aten::empty"),
    "norm of the gradient and clipping": ("norm", "mul_", "clamp", "reciprocal", "stack"),
    "update": ("Optimizer", "foreach_add", "aten::add_", "_fused_"),
}


def shares(vocabulary: int, steps: int) -> dict[str, float]:
    """Part of a step -> its share of the wall time; "other operators"; "Python, and between operators" is the rest."""
    step, words = carousel_step(carousel_model(vocabulary)), text(vocabulary, steps + 2)
    windows = [
        (words[n * BPTT : (n + 1) * BPTT], words[n * BPTT + 1 : (n + 1) * BPTT + 1]) for n in range(steps + 2)
    ]
    for window in windows[:2]:
        step(*window)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        start = time.perf_counter()
        for window in windows[2:]:
            step(*window)
        whole = time.perf_counter() - start
    found = dict.fromkeys([*PARTS, "other operators"], 0.0)
    for event in profile.key_averages():
        part = next((part for part, names in PARTS.items() if any(name in event.key for name in names)), None)
        found[part or "other operators"] += event.self_cpu_time_total / 1e6 / whole
    found["Python, and between operators"] = 1 - sum(found.values())
    return found
