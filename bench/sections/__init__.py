"""What the grid of cells and shapes does not show: each file has `measure(plan)`, which yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from bench.findings import Finding
from bench.kernels import Plan


def measure(names: list[str], plan: Plan, announce: Callable[[str], None]) -> Iterator[Finding]:
    """The findings of these sections, one after another."""
    for name in names:
        announce(name)
        yield from import_module(f"bench.sections.{name.replace('-', '_')}").measure(plan)
