"""Networks and references that several tests of this room share."""

import torch
from torch import nn

from carousel import Cell, Recurrent
from carousel.diagnosis import recurrent_layers
from carousel.equations import (
    affine,
    elu,
    exp,
    layer_norm,
    maximum,
    mean,
    minimum,
    param,
    relu,
    scale,
    sigmoid,
    sum,
    tanh,
)


class Odd(Cell):
    """A cell that nobody ships: three states, a product of a product, a diagonal, exp, a quotient and a maximum."""

    states = ("h", "m", "k")

    def step(self, x, h, m, k):
        a = affine("a", x, h, m)
        b = exp(-maximum(affine("b", x, h * m), 0.1))
        new_m = tanh(a) * b + minimum(scale("p", k), m) / (2 + sigmoid(affine("d", m)))
        new_k = elu(new_m - k)
        return relu(affine("o", new_m, new_k)) + 0.1 * h, new_m, new_k


class Shared(Cell):
    """Units that read their sum and mean, layer normalisation and learned vectors."""

    states = ("h", "c")

    def step(self, x, h, c):
        f = sigmoid(param("gain") * layer_norm(affine("f", x, h)) + tanh(param("offset")))
        c = f * c + sum(0.1 * c * h) + affine("g", c * mean(h))
        return tanh(layer_norm(c) + mean(c)), c


def layer_of(cell, inputs=3, hidden=4, scale=1.0):
    """One layer of a cell with normal weights, in float64."""
    module = Recurrent(cell, inputs, hidden).double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=scale)
    return recurrent_layers(module)[0]


def linear(matrix, inputs=None):
    """h_t = W h_{t-1} + W_x x_t as a layer; W_x is the identity unless given."""
    from carousel import RNN

    matrix = torch.as_tensor(matrix, dtype=torch.float64)
    inputs = torch.eye(len(matrix)) if inputs is None else torch.as_tensor(inputs)
    module = RNN(inputs.shape[1], len(matrix), nonlinearity="identity", bias=False).double()
    with torch.no_grad():
        module.weight_hh_l0.copy_(matrix)
        module.weight_ih_l0.copy_(inputs)
    return recurrent_layers(module)[0]


def points_of(layer, number=5):
    """Random inputs and states, (N, I) and (N, n)."""
    return torch.randn(number, layer.input_size, dtype=torch.float64), torch.randn(
        number, layer.size, dtype=torch.float64
    )
