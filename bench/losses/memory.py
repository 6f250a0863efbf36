"""`python -m bench.losses.memory NAME TOKENS H V THREADS`: the peak of a fresh process, less what it began with."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

from bench.losses.layer import LOSSES, Shape, case


def peak() -> float:
    """The most memory that this process has held, MB.

    Linux counts in ru_maxrss what the process that started this one held; the kernel's own note begins anew.
    """
    notes = Path("/proc/self/status")
    for line in notes.read_text(encoding="ascii").splitlines() if notes.exists() else []:
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def main(name: str, tokens: int, hidden: int, vocabulary: int, threads: int) -> float:
    """MB beside inputs and gradients; code and small buffers are loaded by a small case before."""
    torch.set_num_threads(threads)
    case(Shape(64, 8, 64)).run(LOSSES[name])
    given = case(Shape(tokens, hidden, vocabulary))
    kept = [torch.ones_like(tensor) for tensor in (given.x, given.weight, given.bias)]  # the gradients' room
    before = peak()
    del kept
    given.run(LOSSES[name])
    return max(0.0, peak() - before)


if __name__ == "__main__":
    print(main(sys.argv[1], *map(int, sys.argv[2:])))
