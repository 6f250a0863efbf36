"""What can be done: each remedy changes a model's parameters in place and says in words what it did.

All of them work on torch.nn's recurrent modules and on ours, on all layers or on those that are named.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.spectrum import eigenvalues_of
from carousel.diagnosis.verdicts.parameters import BIAS, INPUT, RECURRENT, Layer, layers_in
from carousel.errors import CarouselError

KEEPING = {"lstm": ("f", "i"), "gru": ("z", None)}  # the gate that keeps the state, and the one that lets in
Names = Collection[str] | None


@dataclass(frozen=True)
class Remedy:
    """Something to do about a finding.

    Attributes:
        name: in a word or two.
        words: what it does and why, in a sentence.
        source: where it comes from.
        keeps: whether what the model has learned stays; else it is a new start, to be trained again.
        change: the function that does it, or None where only advice can be given (the learning rate is no part of
            a model).
    """

    name: str
    words: str
    source: str
    keeps: bool
    change: Callable[[nn.Module], list[str]] | None = None

    @property
    def is_advice(self) -> bool:
        return self.change is None

    def apply(self, model: nn.Module) -> list[str]:
        """Change the model in place; what was done, in words, one line for each layer.

        Raises CarouselError if this remedy is advice, or the model has nothing that it could change.
        """
        if self.change is None:
            raise CarouselError(f"{self.name} is advice, not a change of weights: {self.words}")
        with torch.no_grad():
            done = self.change(model)
        if not done:
            raise CarouselError(f"{self.name} found nothing to change in this model.")
        return done


def orthogonal(model: nn.Module, layers: Names = None, gain: float = 1.0) -> list[str]:
    """Start every recurrent matrix orthogonal, all singular values `gain`, biases at zero (keeping gates at 1).

    Source: Saxe, McClelland and Ganguli, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
    networks" (2014).

    >>> import torch
    >>> rnn = torch.nn.RNN(3, 5)
    >>> _ = orthogonal(rnn)
    >>> torch.linalg.svdvals(rnn.weight_hh_l0).round().tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    done = []
    for layer in layers_in(model, layers):
        for block in layer.blocks(RECURRENT):
            nn.init.orthogonal_(block.values, gain)
        for block in layer.blocks(BIAS):
            block.values.zero_()
        keeping = _keeping(layer)
        if keeping:
            layer.set_bias(keeping[0], 1.0)
        done.append(f"{layer.name}: recurrent matrices orthogonal, gain {gain:g}")
    return done


def identity(model: nn.Module, layers: Names = None, scale: float = 1.0) -> list[str]:
    """Start every recurrent matrix as the identity times `scale`, biases at zero: for ReLU.

    Source: Le, Jaitly and Hinton, "A simple way to initialize recurrent networks of rectified linear units" (2015).
    """
    done = []
    for layer in layers_in(model, layers):
        for block in layer.blocks(RECURRENT):
            nn.init.eye_(block.values).mul_(scale)
        for block in layer.blocks(BIAS):
            block.values.zero_()
        done.append(f"{layer.name}: recurrent matrices {scale:g} times the identity")
    return done


def rescale(model: nn.Module, layers: Names = None, radius: float = 0.95) -> list[str]:
    """Shrink every recurrent matrix whose spectral radius is above `radius` down to it, keeping its directions.

    Source: Jaeger, "The echo state approach to analysing and training recurrent neural networks" (2001).

    >>> import torch
    >>> rnn = torch.nn.RNN(3, 5)
    >>> _ = rnn.weight_hh_l0.data.mul_(10)
    >>> _ = rescale(rnn, radius=0.9)
    >>> round(torch.linalg.eigvals(rnn.weight_hh_l0).abs().max().item(), 4)
    0.9
    """
    done = []
    for layer in layers_in(model, layers):
        for block in layer.blocks(RECURRENT):
            size = _radius(block.values)
            if size > radius:
                block.values.mul_(radius / size)
                done.append(f"{layer.name}: spectral radius of {block.gate} from {size:.3g} to {radius:g}")
    return done


def contract(model: nn.Module, layers: Names = None, norm: float = 1.0) -> list[str]:
    """Shrink every recurrent matrix whose largest singular value is above `norm` down to it: no change grows by it.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013).
    """
    done = []
    for layer in layers_in(model, layers):
        for block in layer.blocks(RECURRENT):
            size = float(torch.linalg.matrix_norm(block.values.double(), 2))
            if size > norm:
                block.values.mul_(norm / size)
                done.append(
                    f"{layer.name}: largest singular value of {block.gate} from {size:.3g} to {norm:g}"
                )
    return done


def forget_bias(model: nn.Module, layers: Names = None, value: float = 1.0) -> list[str]:
    """Let the gate that keeps the state, f of an LSTM or z of a GRU, start open: its biases add up to `value`.

    Source: Gers, Schmidhuber and Cummins, "Learning to forget" (2000); Jozefowicz, Zaremba and Sutskever, "An empirical
    exploration of recurrent network architectures" (2015).

    >>> import torch
    >>> lstm = torch.nn.LSTM(3, 2)
    >>> _ = forget_bias(lstm)
    >>> (lstm.bias_ih_l0 + lstm.bias_hh_l0)[2:4].tolist()
    [1.0, 1.0]
    """
    done = []
    for layer in layers_in(model, layers):
        keeping = _keeping(layer)
        if keeping and layer.set_bias(keeping[0], value):
            done.append(f"{layer.name}: biases of {keeping[0]} add up to {value:g}")
    return done


def chrono(model: nn.Module, longest: int, layers: Names = None) -> list[str]:
    """Spread the forgetting times of the units over 2 to `longest` steps: b_f = ln u, u uniform in [1, longest - 1].

    The input gate of an LSTM gets b_i = -b_f. Biases add up to this over both vectors, so the times are not squared.

    Source: Tallec and Ollivier, "Can recurrent neural networks warp time?" (2018).

    >>> import torch
    >>> lstm = torch.nn.LSTM(3, 200)
    >>> _ = chrono(lstm, longest=100)
    >>> times = 1 + (lstm.bias_ih_l0 + lstm.bias_hh_l0)[200:400].exp()
    >>> bool(times.min() >= 2), bool(times.max() <= 100)
    (True, True)
    """
    if longest < 3:
        raise CarouselError(f"chrono needs a longest memory of at least 3 steps; got {longest}.")
    done = []
    for layer in layers_in(model, layers):
        keeping = _keeping(layer)
        if not keeping:
            continue
        biases = layer.blocks(BIAS, keeping[0])
        if not biases:
            continue
        bias = torch.empty_like(biases[0].values).uniform_(1, longest - 1).log()
        layer.set_bias(keeping[0], bias)
        if keeping[1]:
            layer.set_bias(keeping[1], -bias)
        done.append(f"{layer.name}: forgetting times spread over 2 to {longest} steps")
    return done


def fold_scaling(
    model: nn.Module, statistics: Mapping[str, tuple[Sequence[float], Sequence[float]]]
) -> list[str]:
    """Standardise the input inside the first layer: W becomes W / deviation, and the bias takes the mean away.

    The model then reads the same unscaled data as if each input had mean 0 and deviation 1.

    Args:
        statistics: layer -> mean and deviation of each of its I inputs.
    """
    done = []
    for layer in layers_in(model, statistics):
        mean, deviation = (
            torch.tensor(values, dtype=layer.blocks()[0].values.dtype) for values in statistics[layer.name]
        )
        deviation = torch.where(deviation > 0, deviation, torch.ones_like(deviation))
        biases = {block.gate: block for block in reversed(layer.blocks(BIAS))}
        for block in layer.blocks(INPUT):
            block.values.div_(deviation.to(block.values))
            if block.gate in biases:
                biases[block.gate].values.sub_(block.values @ mean.to(block.values))
        done.append(f"{layer.name}: inputs standardised inside its weights")
    return done


@dataclass(frozen=True, repr=False)
class PreActivations(Brief):
    """Mean and deviation of what goes into each unit of each gate, over the batch: gate -> (H,)."""

    mean: Mapping[str, Tensor]
    deviation: Mapping[str, Tensor]


def standardise(model: nn.Module, statistics: Mapping[str, PreActivations], spread: float = 1.0) -> list[str]:
    """Bring what goes into each unit back to where its activation is steep: centred, deviation at most `spread`.

    The gate that keeps the state is centred at 1, all others at 0.

    Source: Mishkin and Matas, "All you need is a good init" (2016), here per unit of a gate.
    """
    done = []
    for layer in layers_in(model, statistics):
        seen, keeping = statistics[layer.name], _keeping(layer)
        for gate in layer.gates:
            if gate not in seen.mean:
                continue
            centre = 1.0 if keeping and gate == keeping[0] else 0.0
            shrink = (spread / seen.deviation[gate].clamp(min=1e-12)).clamp(max=1.0)
            for block in layer.blocks(gate=gate):
                if block.kind != BIAS:
                    block.values.mul_(shrink.to(block.values)[:, None])
            biases = layer.blocks(BIAS, gate)
            if biases:
                total = torch.stack([block.values for block in biases]).sum(0)
                layer.set_bias(gate, centre + shrink.to(total) * (total - seen.mean[gate].to(total)))
        done.append(f"{layer.name}: what goes into its units is centred, deviation at most {spread:g}")
    return done


def anew(model: nn.Module, layers: Names = None) -> list[str]:
    """Draw a layer again: input weights uniform in 1 / sqrt(I) around 0, recurrent ones orthogonal (ReLU: identity)."""
    done = []
    for layer in layers_in(model, layers):
        for block in layer.blocks(INPUT):
            bound = 1 / math.sqrt(block.values.shape[1])
            block.values.uniform_(-bound, bound)
        if _is_relu(layer):
            identity(model, [layer.name], 0.9)
        else:
            orthogonal(model, [layer.name])
        done.append(f"{layer.name}: drawn anew")
    return done


def _keeping(layer: Layer) -> tuple[str, str | None] | None:
    """(the gate that keeps the state, the one that lets in or None) of an LSTM or GRU, of which the names are known."""
    gates = set(layer.gates)
    if {"i", "f", "o"} <= gates and "c" in layer.equations.states:
        return KEEPING["lstm"][0], KEEPING["lstm"][1]
    return (KEEPING["gru"][0], None) if gates == {"r", "z", "n"} else None


def _is_relu(layer: Layer) -> bool:
    return any(node.operation in ("relu", "elu") for node in layer.equations.nodes)


def _radius(matrix: Tensor) -> float:
    """Spectral radius; the largest singular value of a matrix that is not square (a projected LSTM's)."""
    if matrix.shape[0] != matrix.shape[1]:
        return float(torch.linalg.matrix_norm(matrix.double(), 2))
    return float(eigenvalues_of(matrix.double())[0].abs())
