"""Peak memory of forward and backward, ours and torch.nn's, each in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.findings import Finding
from bench.kernels import Plan
from bench.shapes import Shape, parse_shape


def measure(plan: Plan) -> Iterator[Finding]:
    shape = Shape(1000, 32, 512) if plan.probe > 0.2 else Shape(300, 32, 256)  # --quick
    size = {name: _fresh(name, shape, plan.threads) for name in ("carousel", "torch")}
    for name, megabytes in size.items():
        yield Finding(
            "memory", f"{name}, LSTM at {shape}: peak memory without module and input", megabytes, "MB"
        )
    what = f"LSTM at {shape}: peak memory relative to torch.nn"
    yield Finding("memory", what, size["carousel"] / size["torch"], "x", 1.0)


def _fresh(name: str, shape: Shape, threads: int) -> float:
    command = [sys.executable, "-m", __name__, name, ",".join(map(str, shape)), str(threads)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def _megabytes() -> float:
    """The peak of this process so far. getrusage would count the process that started this one, too."""
    status = Path("/proc/self/status")
    for line in status.read_text().splitlines() if status.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def main(name: str, text: str, threads: str) -> None:
    """Print by how many MB the peak rises over that of a small run, which brings what every run brings."""
    import carousel

    torch.set_num_threads(int(threads))
    shape = parse_shape(text)
    make = carousel.LSTM if name == "carousel" else torch.nn.LSTM
    module = make(shape.hidden, shape.hidden)
    small = torch.randn(2, 2, shape.hidden)
    module(small)[0].sum().backward()
    x = torch.randn(*shape).requires_grad_()
    before = _megabytes()
    output, _ = module(x)
    output.backward(torch.ones(()).expand_as(output))
    print(_megabytes() - before)


if __name__ == "__main__":
    main(*sys.argv[1:])
