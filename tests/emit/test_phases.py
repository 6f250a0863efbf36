"""Programs: how many phases and vectors a cell needs, and that they compute what was derived."""

import pytest
import torch
from emit.machine import Machine
from equations.evaluation import DerivedStep, random_step
from equations.user_cells import USER_CELLS
from tolerances import assert_close

from carousel.emit.phases import schedule, stages
from carousel.emit.program import Kind, Place
from carousel.equations.catalogue import CELLS

ALL = CELLS | USER_CELLS
every_cell = pytest.mark.parametrize("cell", ALL.values(), ids=ALL.keys())


@pytest.mark.parametrize(
    ("cell", "slots", "work", "forward", "backward", "closing"),
    [
        ("rnn-tanh", 1, 1, 1, 1, 1),
        ("rnn-identity", 1, 1, 1, 1, 1),
        ("lstm", 6, 4, 1, 1, 1),  # i, f, g, o and tanh(c) are kept, and c
        ("lstm-diagonal", 6, 4, 1, 1, 1),
        ("lstm-full", 6, 5, 2, 2, 2),  # o waits for c, and c's gradient for o's
        ("gru", 4, 4, 1, 1, 1),  # r, z, n and U_n h
        ("gru-before", 4, 4, 2, 2, 1),  # W (r * h) waits for r
        ("ThreeStages", 6, 8, 3, 3, 2),
    ],
)
def test_schedule(cell, slots, work, forward, backward, closing):
    """As few phases as the products allow, and no more vectors on the tape than the backward pass reads."""
    made = schedule(ALL[cell].equations)
    assert (made.slots, made.work) == (slots, work)
    assert (len(made.forward), len(made.backward), len(made.closing)) == (forward, backward, closing)


@every_cell
def test_computes_the_step(cell):
    """Run phase by phase, reading only what was written: new states as the reference, gradients as derived."""
    step = random_step(cell.equations)
    machine = Machine(schedule(cell.equations), step)
    expected = [step.vectors[node].detach().expand_as(step.states[0]) for node in cell.equations.new_states]
    assert_close(machine.forward(), expected)

    cotangents = [torch.randn_like(state) for state in step.states]
    of_output = torch.randn_like(cotangents[0])
    whole = dict(zip(cell.states, [cotangents[0] + of_output, *cotangents[1:]], strict=True))
    derived = DerivedStep(step, whole)
    machine.backward(cotangents, of_output)
    for index, gradient in enumerate(derived.previous().values()):
        assert_close(machine.memory[Place(Kind.PREVIOUS_GRADIENT, index)], gradient, name=cell.states[index])
    for index, affine in enumerate(cell.equations.affines):
        delta = machine.memory[Place(Kind.WORK, index)]
        if affine in derived.derived.deltas:
            assert_close(
                delta, derived.value(derived.derived.deltas[affine]).expand_as(delta), name=affine.name
            )
        else:
            assert not delta.any()
    diagonals = derived.parameters().get("weight_peephole")
    for row in range(len(cell.equations.scales)):
        assert_close(
            machine.memory[Place(Kind.LEARNED_GRADIENT, row)].sum(0), diagonals[row], name=f"row {row}"
        )


@every_cell
def test_places_are_within_their_rows(cell):
    """No store or load lies outside the tape's slots or the backward pass's work row."""
    made = schedule(cell.equations)
    limits = {Kind.TAPE: made.slots - len(cell.states) + 1, Kind.WORK: made.work}
    phases = (*made.forward, *made.backward)
    places = [place for phase in phases for place, _ in phase.stores]
    places += [place for loads in made.loads.values() for place in loads.values()]
    places += [product.place for phase in phases for product in phase.products]
    assert all(0 <= place.index < limits.get(place.kind, place.index + 1) for place in places)
    blocks = [slot for product in (made.input_product, *(p for f in made.forward for p in f.products)) if product
              for slot, _, _ in product.blocks]  # fmt: skip
    assert set(blocks) == set(range(len(cell.equations.affines)))


@every_cell
def test_each_bias_is_added_once(cell):
    """Of the products into one block exactly the first begins it."""
    made = schedule(cell.equations)
    products = [product for phase in made.forward for product in phase.products]
    begun = [
        (slot, begins)
        for product in ([made.input_product] if made.input_product else []) + products
        for (slot, _, _), begins in zip(product.blocks, product.begins, strict=True)
    ]
    for slot in range(len(cell.equations.affines)):
        flags = [begins for other, begins in begun if other == slot]
        assert flags == [True] + [False] * (len(flags) - 1)


def test_activations_overwrite_their_blocks():
    """i, f, g and o stand where their pre-activations were summed."""
    equations = CELLS["lstm"].equations
    names = {name: node for node, name in equations.names.items()}
    stores = {node: place for place, node in schedule(equations).forward[0].stores if place.kind == Kind.TAPE}
    assert [stores[names[gate]].index for gate in "ifgo"] == [0, 1, 2, 3]
    assert [affine.name for affine in equations.affines] == ["i", "f", "g", "o"]


def test_stages():
    """The first phase in which a vector can be computed is one later than the vectors in its products."""
    equations = CELLS["gru-before"].equations
    stage = stages(equations.new_states)
    names = {name: node for node, name in equations.names.items()}
    assert {name: stage[node] for name, node in names.items()} == {"r": 0, "z": 0, "n": 1, "h": 1}
