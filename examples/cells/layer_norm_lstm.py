"""The LSTM with layer normalisation (Ba, Kiros & Hinton 2016, "Layer normalization", arXiv:1607.06450): of what
comes from the input, of what comes from the state, and of the cell, each with a learned gain; here gate by gate."""

from carousel.equations import Cell, affine, layer_norm, param, sigmoid, tanh


class LayerNormLSTM(Cell):
    states = ("h", "c")

    def step(self, x, h, c):
        def gate(name):
            of_input = param(f"gain_{name}x", init=1) * layer_norm(affine(name, x))
            of_state = param(f"gain_{name}h", init=1) * layer_norm(affine(name, h))
            return of_input + of_state + param(f"bias_{name}", init=0)

        c = sigmoid(gate("f")) * c + sigmoid(gate("i")) * tanh(gate("g"))
        h = sigmoid(gate("o")) * tanh(param("gain_c", init=1) * layer_norm(c) + param("bias_c", init=0))
        return h, c
