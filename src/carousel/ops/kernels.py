"""The cells that have kernels, and their programs in the form that the compiled loop reads."""

from __future__ import annotations

from functools import cache

import torch

from carousel import _core
from carousel.emit.phases import schedule
from carousel.emit.program import Product
from carousel.equations import Equations
from carousel.equations.catalogue import CELLS
from carousel.equations.text import read
from carousel.ops import compiler

DTYPES = (torch.float32, torch.float64)

_INPUT = -1  # the kind of x in csrc/job.hpp

# text -> equations, for the operators, whose arguments must be tensors, numbers and strings
_KNOWN: dict[str, Equations] = {cell.equations.text: cell.equations for cell in CELLS.values()}


def has_kernel(equations: Equations) -> bool:
    """Is there a kernel for these equations? A user's cell gets one here, on first use."""
    _KNOWN.setdefault(equations.text, equations)
    return _core.has_cell(equations.key) or compiler.load(equations)


def equations_of(text: str) -> Equations:
    """The equations that have this text (`Equations.text`); a cell of another process is built from it.

    Raises CarouselError if no cell has this text.
    """
    known = _KNOWN.get(text)
    return known if known is not None else _KNOWN.setdefault(text, read(text))


@cache
def core_program(text: str) -> _core.Program:
    """The program of the cell with this text, in the form the compiled loop reads."""
    plan = schedule(equations_of(text))
    return _core.Program(
        states=len(plan.equations.states),
        slots=plan.slots,
        blocks=len(plan.equations.affines),
        work=plan.work,
        sums=len(plan.sums),
        work_sums=len(plan.backward_sums),
        input=[_product(plan.input_product)] if plan.input_product else [],
        forward=[[_product(product) for product in phase.products] for phase in plan.forward],
        backward=[[_product(product) for product in phase.products] for phase in plan.backward],
        closing=[_product(product) for product in plan.closing],
        biases=[list(blocks) for blocks in plan.biases],
        learned=list(plan.learned),
    )


def _product(product: Product) -> tuple[int, int, bool, list[tuple[int, int, int, bool]]]:
    kind, index = (_INPUT, 0) if product.place is None else (product.place.kind, product.place.index)
    begins = product.begins or (False,) * len(product.blocks)
    blocks = [(*block, begin) for block, begin in zip(product.blocks, begins, strict=True)]
    return kind, index, product.accumulates, blocks
