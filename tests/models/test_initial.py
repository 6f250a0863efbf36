"""The weights that a model starts from."""

import math

import pytest
import torch

from carousel.losses import cross_entropy
from carousel.models import CELLS, LanguageModel

HIDDEN = 16
UNBOUNDED = ("rnn-relu", "rnn-elu", "rnn-identity")


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_blocks_keep_the_length_of_a_state(cell):
    """Each gate's recurrent block is orthogonal, the identity for relu, shrunk where states have no bound."""
    model = LanguageModel(30, cell=cell, hidden_size=HIDDEN, num_layers=2)
    for layer in range(2):
        for block in getattr(model.recurrent, f"weight_hh_l{layer}").split(HIDDEN):
            scale = 0.9 if cell in UNBOUNDED else 1.0
            torch.testing.assert_close(block @ block.T, scale**2 * torch.eye(HIDDEN), atol=1e-5, rtol=0)
            assert torch.equal(block, scale * torch.eye(HIDDEN)) == (cell == "rnn-relu")


@pytest.mark.parametrize(
    ("cell", "row"), [("lstm", 1), ("lstm-diagonal", 1), ("lstm-full", 1), ("gru", 1), ("gru-before", 1)]
)
def test_the_gate_that_keeps_starts_open(cell, row):
    """The bias of the LSTM's f and the GRU's z is 1, all other biases and the peepholes are 0."""
    recurrent = LanguageModel(30, cell=cell, hidden_size=HIDDEN, num_layers=2).recurrent
    for name, parameter in recurrent.named_parameters():
        expected = torch.zeros_like(parameter)
        if name.startswith("bias_ih"):
            expected[row * HIDDEN : (row + 1) * HIDDEN] = 1
        if name.startswith(("bias", "weight_peephole", "weight_ch")):
            assert torch.equal(parameter, expected), name


@pytest.mark.parametrize("options", [{}, {"one_hot": True}, {"tie": True}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_the_first_predictions_are_nearly_uniform(cell, options):
    """At the start the loss is near log V; further from it where states have no bound."""
    model = LanguageModel(30, cell=cell, hidden_size=HIDDEN, num_layers=2, **options)
    tokens = torch.randint(30, (50, 4))
    loss = cross_entropy(model(tokens)[0], torch.randint(30, (50, 4)))
    limit = 0.5 if cell not in UNBOUNDED else 1.5
    assert abs(loss.item() - math.log(30)) < limit


def test_states_neither_die_nor_saturate():
    """After 100 random symbols the LSTM's output is neither near 0 nor at its bound."""
    for options in ({}, {"one_hot": True}, {"tie": True}):
        model = LanguageModel(30, hidden_size=64, **options)
        output, _ = model.recurrent(model.embed(torch.randint(30, (100, 4))))
        deviation = output[-1].std().item()
        assert 0.03 < deviation < 0.7, options
