"""A program: the work of one step in phases, and what the tape keeps of it for the backward pass.

A step is a row of phases. Each begins with products of vectors that are ready, then computes unit by unit. An LSTM has
one phase; a GRU with reset before has two, since W (r * h) waits for r. The backward pass is a program of the same
form. `emit/phases.py` makes the program of a cell.

One row of the tape has `slots` vectors of H for one step of one sequence. The first are the blocks of the affines:
pre-activations are summed in them, and activations then overwrite them. Other vectors that the backward pass needs
follow, and then the new states without the first, which is the output. After the vectors, a row has one number for each
sum or mean over units. One phase adds up this number, and later phases read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import IntEnum

from carousel.equations import Equations
from carousel.equations.graph import Node, topological


class Kind(IntEnum):
    """The arrays that an elementwise phase reads and writes, numbered as in csrc/job.hpp."""

    TAPE, PREVIOUS, NEW, LEARNED, COTANGENT, OUTPUT_GRADIENT, WORK, PREVIOUS_GRADIENT, LEARNED_GRADIENT = (
        range(9)
    )
    # not vectors, but one number for each row: sums over units of the forward and of the backward pass
    SUM, BACKWARD_SUM = 9, 10


@dataclass(frozen=True)
class Place:
    """One array of the step: its kind and its index among its kind."""

    kind: Kind
    index: int


@dataclass(frozen=True)
class Product:
    """A vector times the matrix blocks of several affines.

    Forward: the sum of `vector @ block.T` goes to the tape slots of `blocks`. Backward, transposed: the deltas of
    `blocks` times their matrices go to `place`. Each block is (slot, parameter index, row of blocks within the
    parameter).
    """

    place: Place | None  # None: the input x
    blocks: tuple[tuple[int, int, int], ...]
    begins: tuple[bool, ...] = ()  # forward: the first product into this block starts from the bias
    accumulates: bool = False  # backward: adds to what the elementwise part has left in `place`


@dataclass(frozen=True)
class Phase:
    """Products first, then the elementwise part. `stores` lists the places of its results."""

    products: tuple[Product, ...]
    stores: tuple[tuple[Place, Node], ...]


@dataclass(frozen=True, eq=False)
class Program:
    """All that the compiled time loop needs to know about a cell. `loads`: where a phase finds its vectors."""

    equations: Equations
    parameters: tuple[str, ...]
    slots: int  # vectors in a row of the tape
    work: int  # vectors in a row of the backward pass: deltas first
    sums: tuple[Node, ...]  # numbers in a row of the tape, behind the vectors: reductions
    backward_sums: tuple[Node, ...]  # numbers in a row of the backward pass
    input_product: Product | None
    forward: tuple[Phase, ...]
    backward: tuple[Phase, ...]
    closing: tuple[Product, ...]  # backward: after the last phase, into the previous states' gradients
    biases: tuple[tuple[tuple[int, int], ...], ...]  # for each block: (parameter index, row)
    learned: tuple[tuple[int, int], ...]  # for each learned diagonal and vector: (parameter index, row)
    loads: dict[tuple[bool, int], dict[Node, Place]] = field(
        repr=False
    )  # (is backward, phase) -> node -> place


def computed(stores: Iterable[tuple[Place, Node]], loads: dict[Node, Place]) -> list[Node]:
    """The nodes of a phase, operands before users. A node that has a place is loaded, not computed."""
    return topological((node for _, node in stores), stop=lambda node: node in loads)
