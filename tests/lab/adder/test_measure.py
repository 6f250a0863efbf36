"""Sums of any length from 8 cases, the proof that they stay right, and an MLP that cannot."""

import pytest
import torch

from carousel.lab.adder import measure as adder


@pytest.fixture(scope="module")
def found(measured):
    return measured("adder")


def test_no_bit_of_any_sum_is_wrong(found):
    """From 1 to 10,000 bits, sums and parities."""
    assert found.sums.wrong == dict.fromkeys(adder.LENGTHS, 0)
    assert found.parities.wrong == dict.fromkeys(adder.LENGTHS, 0)


def test_an_interval_around_each_carry_stays(found):
    """The proof was found for both networks."""
    assert found.sums.box >= 0.05
    assert found.parities.box >= 0.05


def test_the_interval_is_one():
    """Carries drawn from the whole interval, unit by unit, come out within it, and the written bit is right."""
    table = adder.sum_table()
    network, _, _ = adder.learn(table)
    radius = adder.invariant_box(network, table)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        noise = torch.rand(8, adder.HIDDEN, generator=generator)
        carry = torch.where(table.carry[:, None] == 1, 1 - radius * noise, radius * noise)
        with torch.no_grad():
            written, carried = network(table.inputs[None].float(), carry)
        assert torch.equal((written[0] > 0).long(), table.output)
        assert float((carried - table.next_carry[:, None]).abs().max()) <= radius


def test_an_untrained_network_has_no_interval():
    """The proof does not accept weights that have learned nothing."""
    torch.manual_seed(0)
    assert adder.invariant_box(adder.CarryNetwork(2), adder.sum_table()) == 0.0


def test_the_mlp_needs_its_pairs(found):
    """Few pairs give few sums, nearly all pairs most of them; one bit more gives none."""
    assert found.mlp_sums[4][0].unseen < 0.2
    assert found.mlp_sums[4][-1].unseen > 0.9
    assert found.longer.unseen < 0.05


def test_the_images_hold_what_comes_out():
    """Of carries drawn from the box, every carry and every logit that comes out lies within the bounds told."""
    table = adder.parity_table()
    network, _, _ = adder.learn(table)
    low, high, margin = adder.image_bounds(network, table, 0.05)
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        noise = 0.05 * torch.rand(4, adder.HIDDEN, generator=generator)
        carry = torch.where(table.carry[:, None] == 1, 1 - noise, noise)
        with torch.no_grad():
            written, carried = network(table.inputs[None].float(), carry)
        assert bool(((carried >= low - 1e-5) & (carried <= high + 1e-5)).all())
        assert bool((torch.where(table.output == 1, written[0], -written[0]) >= margin - 1e-4).all())


def test_an_mlp_guesses_parities_it_has_not_seen(found):
    """Few patterns leave the others at chance, where sums are already right."""
    assert found.mlp_parities[6][0].unseen < 0.7
