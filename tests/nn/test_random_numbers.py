"""Random numbers that no other thread draws from."""

from concurrent.futures import ThreadPoolExecutor

import torch
from torch import nn

import carousel
from carousel.equations import Cell, param, tanh
from carousel.nn.random_numbers import drawing_from, seeded


def odd(tensor):
    """A way to begin that fills by whole tensors."""
    with torch.no_grad():
        tensor.copy_(torch.rand_like(tensor) + torch.randn_like(tensor) + torch.rand(tensor.shape))


class Odd(Cell):
    def step(self, x, h):
        return tanh(h + param("gain", init=odd))


def weights():
    modules = [
        nn.Linear(3, 4), nn.Embedding(4, 5), nn.LSTM(2, 3), carousel.GRU(3, 4), carousel.Recurrent(Odd, 3, 4),
        carousel.LanguageModel(9, hidden_size=4), carousel.SequenceModel("lstm", hidden_size=4),
    ]  # fmt: skip
    drawn = [parameter.detach() for module in modules for parameter in module.parameters()]
    drawn += [torch.randn(3), torch.randint(9, (4,)).float(), torch.randperm(7).float()]
    drawn += [nn.init.orthogonal_(torch.empty(4, 4)), nn.init.trunc_normal_(torch.empty(5))]
    return torch.cat([each.flatten() for each in drawn])


def test_first_weights_follow_the_seed_alone():
    """They are those after manual_seed, while another thread draws and seeds; torch's state stays as it was."""
    torch.manual_seed(3)
    expected = weights()
    torch.manual_seed(8)
    before = torch.get_rng_state()
    with seeded(3):
        assert torch.equal(weights(), expected)
    assert torch.equal(torch.get_rng_state(), before)
    with ThreadPoolExecutor(1) as pool, seeded(3):
        first = nn.Linear(3, 4)
        pool.submit(torch.manual_seed, 77).result()
        assert pool.submit(torch.rand, 1).result() != torch.rand(1)
    torch.manual_seed(3)
    assert torch.equal(first.weight, nn.Linear(3, 4).weight)


def test_masks_follow_the_generator_alone():
    """Every kind of dropout in training is drawn from the generator; outside the block from torch's own again."""
    model = carousel.LSTM(3, 4, num_layers=2, dropout=0.5, weight_drop=0.5, recurrent_dropout=0.5)
    stack = carousel.Stack(carousel.GRU(3, 4), carousel.GRU(4, 4), dropout=0.5)
    x = torch.ones(5, 2, 3)

    def run(seed):
        torch.rand(1)  # elsewhere
        with drawing_from(torch.Generator().manual_seed(seed)):
            return torch.cat([model(x)[0], stack(x)[0]])

    before = torch.get_rng_state()
    torch.rand(2)
    first = run(1)
    assert torch.equal(run(1), first)
    assert not torch.equal(run(2), first)
    torch.set_rng_state(before)
    run(1)
    torch.set_rng_state(before)
    torch.rand(1)
    state = torch.get_rng_state()
    torch.set_rng_state(before)
    run(1)
    assert torch.equal(torch.get_rng_state(), state)
    model(x)
    assert not torch.equal(torch.get_rng_state(), state)
