"""Gradients through a deep network: 19 hidden layers on images of digits, layer by layer, neuron by neuron.

The lecture draws the log of each neuron's gradient for ELU, ReLU, sigmoid and tanh, over a mini-batch and for single
instances. Here the gradients are measured before and after training, from four initialisations, with several seeds.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.extras import require
from carousel.lab.experiment import Budget
from carousel.lab.training import train
from carousel.progress import Observer, Progress

LAYERS = 19
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "ELU": nn.ELU,
    "ReLU": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
INITIALISATIONS: dict[str, Callable[[Tensor], object]] = {
    "torch's default": lambda weight: nn.init.kaiming_uniform_(weight, a=math.sqrt(5)),  # variance 1/(3n)
    "variance 1/n": lambda weight: nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1])),
    "variance 2/n (He)": lambda weight: nn.init.normal_(weight, std=math.sqrt(2 / weight.shape[1])),
    "orthogonal": lambda weight: nn.init.orthogonal_(weight),
}
DEFAULT = "torch's default"
VANISHED = 1e-3  # of the norm at the last hidden layer
BATCH = 64
SEEDS = (0, 1, 2)  # an odd number, so that one of them is the median
DRAWN = 10  # neurons of each layer that are drawn one by one
FLOOR = 1e-30


@dataclass(frozen=True)
class ByLayer:
    """Norm of a neuron's gradient by hidden layer, from the input up: the quantiles 0.5, 0.1 and 0.9 over neurons."""

    median: list[float]
    low: list[float] = field(repr=False)
    high: list[float] = field(repr=False)
    neurons: list[list[float]] = field(repr=False)  # by layer, the norms of the first DRAWN neurons

    @property
    def kept(self) -> list[float]:
        """The median norm as a share of the one at the last layer."""
        return [value / max(self.median[-1], FLOOR) for value in self.median]

    @property
    def reach(self) -> int:
        """Layers down from the last one until less than VANISHED is left; LAYERS if that never happens."""
        return next((down for down, kept in enumerate(reversed(self.kept)) if kept < VANISHED), LAYERS)


@dataclass(frozen=True)
class Seeds:
    """The gradients of one network by layer, for each of SEEDS."""

    each: list[ByLayer]

    @property
    def first(self) -> list[float]:
        """The share left at the first layer."""
        return [found.kept[0] for found in self.each]

    @property
    def reaches(self) -> list[int]:
        return [found.reach for found in self.each]

    @property
    def typical(self) -> ByLayer:
        """The seed with the median share at the first layer."""
        return sorted(self.each, key=lambda found: found.kept[0])[len(self.each) // 2]


@dataclass(frozen=True)
class Measurements:
    """Gradients by activation and initialisation before training; by activation for the default initialisation."""

    width: int
    steps: int
    before: dict[tuple[str, str], Seeds]
    instances: dict[str, ByLayer]  # before training, of single digits
    weights: dict[str, ByLayer]  # before training, with respect to incoming weights
    after: dict[str, Seeds]
    accuracy: dict[str, list[float]]  # on held-out digits after training, by seed


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Each activation with each initialisation, over a mini-batch and for instances, before and after training."""
    width, steps = budget.choose((64, 300), (1_024, 150), (1_024, 2_000))
    inputs, labels = digits()
    batch = inputs[:256], labels[:256]
    before, after, accuracy = defaultdict(list), defaultdict(list), defaultdict(list)
    instances, weights = {}, {}
    for k, start in enumerate(INITIALISATIONS):
        on_progress(Progress(f"initialisation: {start}", 0.3 * k / len(INITIALISATIONS)))
        for seed in SEEDS:
            net = network("ELU", start, width, seed)
            for name in ACTIVATIONS:
                before[name, start].append(by_layer(with_activation(net, name), *batch))
    for k, (name, seed) in enumerate(product(ACTIVATIONS, SEEDS)):
        on_progress(Progress(f"training with {name}", 0.3 + 0.7 * k / (len(ACTIVATIONS) * len(SEEDS))))
        net = network(name, DEFAULT, width, seed)
        if seed == SEEDS[0]:
            instances[name] = of_instances(net, inputs[:16], labels[:16])
            weights[name] = of_weights(net, *batch)
        accuracy[name].append(learn(net, inputs, labels, steps))
        after[name].append(by_layer(net, *batch))
    seeds_before = {case: Seeds(found) for case, found in before.items()}
    seeds_after = {name: Seeds(found) for name, found in after.items()}
    return Measurements(width, steps, seeds_before, instances, weights, seeds_after, accuracy)


# ---- the networks and their gradients ----


def digits() -> tuple[Tensor, Tensor]:
    """1,797 images of 8 x 8 pixels as rows (n, 64), of mean 0 and variance 1, in a fixed random order; labels."""
    found = require("sklearn.datasets", "The experiment on depth", "lab").load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    pixels = torch.tensor(found.data, dtype=torch.float32)[order]
    return (pixels - pixels.mean()) / pixels.std(), torch.tensor(found.target)[order]


def network(activation: str, initialisation: str, width: int, seed: int = 1) -> nn.Sequential:
    """64 -> LAYERS hidden layers of `width` -> 10."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    size = 64
    for _ in range(LAYERS):
        linear = nn.Linear(size, width)
        with torch.no_grad():
            INITIALISATIONS[initialisation](linear.weight)
            linear.bias.zero_()
        layers += [linear, ACTIVATIONS[activation]()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 10))


def with_activation(net: nn.Sequential, activation: str) -> nn.Sequential:
    """The same weights with another activation, on which no initialisation depends."""
    return nn.Sequential(
        *[module if isinstance(module, nn.Linear) else ACTIVATIONS[activation]() for module in net]
    )


def by_layer(net: nn.Sequential, inputs: Tensor, labels: Tensor) -> ByLayer:
    """For each neuron, the norm over the mini-batch of dDiv/dy, the gradient with respect to its output.

    This is the lecture's ∇_{f_k} Div: the gradient that has come down to this layer.
    """
    return _summary([gradient.norm(dim=0) for gradient in _output_gradients(net, inputs, labels)])


def of_instances(net: nn.Sequential, inputs: Tensor, labels: Tensor) -> ByLayer:
    """|dDiv/dy| of every neuron for each instance alone; the quantiles are over neurons and instances."""
    found = [_output_gradients(net, inputs[k : k + 1], labels[k : k + 1]) for k in range(len(inputs))]
    return _summary([torch.cat(each).abs().flatten() for each in zip(*found, strict=True)])


def of_weights(net: nn.Sequential, inputs: Tensor, labels: Tensor) -> ByLayer:
    """The norm of each neuron's gradient with respect to its incoming weights."""
    weights = [module.weight for module in net if isinstance(module, nn.Linear)][:-1]
    gradients = torch.autograd.grad(F.cross_entropy(net(inputs), labels), weights)
    return _summary([gradient.norm(dim=1) for gradient in gradients])


def _output_gradients(net: nn.Sequential, inputs: Tensor, labels: Tensor) -> Sequence[Tensor]:
    """dDiv/dy (N, width) of each hidden layer, from the input up."""
    outputs, y = [], inputs
    for module in net:
        y = module(y)
        if not isinstance(module, nn.Linear):
            outputs.append(y)
    return torch.autograd.grad(F.cross_entropy(y, labels), outputs)


def _summary(norms: list[Tensor]) -> ByLayer:
    shares = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    found = torch.stack([each.double().quantile(shares).clamp_min(FLOOR) for each in norms])
    low, median, high = found.T.tolist()
    neurons = [each[:DRAWN].double().clamp_min(FLOOR).tolist() for each in norms]
    return ByLayer(median, low, high, neurons)


def learn(net: nn.Sequential, inputs: Tensor, labels: Tensor, steps: int) -> float:
    """Train on four fifths of the digits with Adam; accuracy on the others."""
    split = len(inputs) * 4 // 5
    generator = torch.Generator().manual_seed(2)

    def loss() -> Tensor:
        chosen = torch.randint(split, (BATCH,), generator=generator)
        return F.cross_entropy(net(inputs[chosen]), labels[chosen])

    train([net], loss, steps, 3e-4)
    with torch.no_grad():
        return float((net(inputs[split:]).argmax(dim=1) == labels[split:]).float().mean())
