"""Gradients through a deep net: 19 hidden layers on images of digits, layer by layer, neuron by neuron.

The lecture draws the log of each neuron's gradient for ELU, ReLU, sigmoid and tanh, over a whole batch and for single
instances, and says that ELU keeps gradients longest and that all of them vanish after about ten layers. Here they are
measured before and after training, from four starts, with several seeds: one activation is ahead of another only if
none of its seeds is behind any of the other's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.lab.experiment import Budget, Progress
from carousel.lab.formulas import Layers, written
from carousel.report.charts import Chart, Line, Points, Scatter
from carousel.report.lab import Claim, Findings, Section, Slider, Table, Verdict
from carousel.report.words import count, listed, percent, power

LAYERS = 19
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "ELU": nn.ELU,
    "ReLU": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
}
STARTS: dict[str, Callable[[Tensor], object]] = {
    "torch's default": lambda weight: nn.init.kaiming_uniform_(weight, a=math.sqrt(5)),  # variance 1/(3n)
    "variance 1/n": lambda weight: nn.init.normal_(weight, std=1 / math.sqrt(weight.shape[1])),
    "variance 2/n (He)": lambda weight: nn.init.normal_(weight, std=math.sqrt(2 / weight.shape[1])),
    "orthogonal": lambda weight: nn.init.orthogonal_(weight),
}
DEFAULT = "torch's default"
VANISHED = 1e-3  # of the last hidden layer's norm
BATCH = 64
SEEDS = (0, 1, 2)
EFFECTIVELY = 10  # layers, after which the lecture sees nothing left
LEARNED = 0.5  # share of held-out digits that a net which has learned tells; a guess has 0.1
DRAWN = 24  # neurons of each layer that are drawn one by one
_FLOOR = 1e-30


@dataclass(frozen=True)
class ByLayer:
    """Norm of each neuron's gradient, by hidden layer from the input up: the middle neuron, and 10 % and 90 %."""

    middle: list[float]
    low: list[float]
    high: list[float]
    some: list[list[float]]  # by layer, the norms of a few neurons

    @property
    def kept(self) -> list[float]:
        """The middle neuron's norm as a share of the last layer's."""
        return [value / max(self.middle[-1], _FLOOR) for value in self.middle]

    @property
    def reach(self) -> int:
        """Layers down from the last one until less than VANISHED is left; LAYERS if that never happens."""
        return next((down for down, kept in enumerate(reversed(self.kept)) if kept < VANISHED), LAYERS)


Seeds = list[ByLayer]  # one for each seed, an odd number


def run(budget: Budget, progress: Progress) -> Findings:
    """Each activation with each start, over a batch and for instances, before and after training."""
    width, steps = budget.choose((64, 300), (1_024, 150), (1_024, 2_000))
    inputs, labels = digits()
    before: dict[tuple[str, str], Seeds] = {(name, start): [] for start in STARTS for name in ACTIVATIONS}
    for k, start in enumerate(STARTS):
        for seed in SEEDS:
            progress(0.3 * (k + seed / len(SEEDS)) / len(STARTS), f"start: {start}")
            net = network("ELU", start, width, seed)
            for name in ACTIVATIONS:
                before[name, start].append(by_layer(with_activation(net, name), inputs[:256], labels[:256]))
    instances: dict[str, ByLayer] = {}
    weights: dict[str, ByLayer] = {}
    after: dict[str, Seeds] = {name: [] for name in ACTIVATIONS}
    right: dict[str, list[float]] = {name: [] for name in ACTIVATIONS}
    for k, name in enumerate(ACTIVATIONS):
        for seed in SEEDS:
            progress(0.3 + 0.7 * (k + seed / len(SEEDS)) / len(ACTIVATIONS), f"training with {name}")
            model = network(name, DEFAULT, width, seed)
            if seed == SEEDS[0]:
                instances[name] = of_instances(model, inputs[:16], labels[:16])
                weights[name] = of_weights(model, inputs[:256], labels[:256])
            right[name].append(train(model, inputs, labels, steps))
            after[name].append(by_layer(model, inputs[:256], labels[:256]))
    numbers: dict[str, float | Sequence[float]] = {}
    for (name, start), found in before.items():
        numbers[f"{name}, {start}: layers until a thousandth is left"] = [float(each.reach) for each in found]
        numbers[f"{name}, {start}: share left at the first layer"] = _first(found)
    for name in ACTIVATIONS:
        numbers[f"{name}, weights: share left at the first layer"] = weights[name].kept[0]
        numbers[f"{name}, instances: share left at the first layer"] = instances[name].kept[0]
        numbers[f"{name}, trained: share left at the first layer"] = _first(after[name])
        numbers[f"{name}, trained: accuracy"] = right[name]
    typical = {case: _middle(found) for case, found in before.items()}
    trained = {name: _middle(found) for name, found in after.items()}
    sections = [
        _start_section(typical, width),
        _neurons_section(typical, trained),
        _instances_section(typical, instances, weights),
        _training_section(typical, after, right, steps),
        _table_section(before, after),
    ]
    equations = {
        f"Three layers of {name}, forward and back": written(Layers(name), True, weights=False)
        for name in ACTIVATIONS
    }
    return Findings(_claims(before, after, right, steps), sections, numbers, equations)


def _first(found: Seeds) -> list[float]:
    return [each.kept[0] for each in found]


def _middle(found: Seeds) -> ByLayer:
    """The seed of which the share left at the first layer is the middle one."""
    return sorted(found, key=lambda each: each.kept[0])[len(found) // 2]


# ---- the nets and their gradients ----


def digits() -> tuple[Tensor, Tensor]:
    """1,797 images of 8 x 8 pixels as rows (n, 64), of mean 0 and variance 1, in a fixed random order; labels."""
    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    pixels = torch.tensor(found.data, dtype=torch.float32)[order]
    return (pixels - pixels.mean()) / pixels.std(), torch.tensor(found.target)[order]


def network(activation: str, start: str, width: int, seed: int = 1) -> nn.Sequential:
    """64 -> LAYERS hidden layers of `width` -> 10."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    size = 64
    for _ in range(LAYERS):
        linear = nn.Linear(size, width)
        with torch.no_grad():
            STARTS[start](linear.weight)
            linear.bias.zero_()
        layers += [linear, ACTIVATIONS[activation]()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 10))


def with_activation(model: nn.Sequential, activation: str) -> nn.Sequential:
    """The same weights with another activation: no start depends on it."""
    return nn.Sequential(
        *[module if isinstance(module, nn.Linear) else ACTIVATIONS[activation]() for module in model]
    )


def by_layer(model: nn.Sequential, inputs: Tensor, labels: Tensor) -> ByLayer:
    """For each neuron, the norm over the batch of dDiv/dy, the gradient with respect to what it puts out.

    This is the lecture's ∇_{f_k} Div: what is left of the gradient when it has come down to this layer.
    """
    return _summary([gradient.norm(dim=0) for gradient in _output_gradients(model, inputs, labels)])


def of_instances(model: nn.Sequential, inputs: Tensor, labels: Tensor) -> ByLayer:
    """|dDiv/dy| of every neuron for each instance by itself; the quantiles are over neurons and instances."""
    found = [_output_gradients(model, inputs[k : k + 1], labels[k : k + 1]) for k in range(len(inputs))]
    return _summary([torch.cat(each).abs().flatten() for each in zip(*found, strict=True)])


def of_weights(model: nn.Sequential, inputs: Tensor, labels: Tensor) -> ByLayer:
    """The norm of each neuron's gradient with respect to its incoming weights."""
    weights = [module.weight for module in model if isinstance(module, nn.Linear)][:-1]
    gradients = torch.autograd.grad(F.cross_entropy(model(inputs), labels), weights)
    return _summary([gradient.norm(dim=1) for gradient in gradients])


def _output_gradients(model: nn.Sequential, inputs: Tensor, labels: Tensor) -> Sequence[Tensor]:
    """dDiv/dy (N, width) of each hidden layer, from the input up."""
    outputs, y = [], inputs
    for module in model:
        y = module(y)
        if not isinstance(module, nn.Linear):
            outputs.append(y)
    return torch.autograd.grad(F.cross_entropy(y, labels), outputs)


def _summary(norms: list[Tensor]) -> ByLayer:
    shares = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    found = torch.stack([each.double().quantile(shares).clamp_min(_FLOOR) for each in norms])
    low, middle, high = found.T.tolist()
    some = [each[:DRAWN].double().clamp_min(_FLOOR).tolist() for each in norms]
    return ByLayer(middle, low, high, some)


def train(model: nn.Sequential, inputs: Tensor, labels: Tensor, steps: int) -> float:
    """Train on four fifths of the digits with Adam; accuracy on the others."""
    split = len(inputs) * 4 // 5
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-4, fused=True)
    generator = torch.Generator().manual_seed(2)
    for _ in range(steps):
        chosen = torch.randint(split, (BATCH,), generator=generator)
        loss = F.cross_entropy(model(inputs[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float((model(inputs[split:]).argmax(dim=1) == labels[split:]).float().mean())


# ---- what the page says ----


def _claims(
    before: dict[tuple[str, str], Seeds], after: dict[str, Seeds], right: dict[str, list[float]], steps: int
) -> list[Claim]:
    return [_longest_claim(before), _vanish_claim(before, after, right, steps)]


def _longest_claim(before: dict[tuple[str, str], Seeds]) -> Claim:
    leaders = {start: _leaders({name: before[name, start] for name in ACTIVATIONS}) for start in STARTS}
    led = [start for start, names in leaders.items() if names == ["ELU"]]
    told = "; ".join(f"{listed(names)} with {start}" for start, names in leaders.items())
    order = sorted(ACTIVATIONS, key=lambda name: -_middle(before[name, DEFAULT]).kept[0])
    shares = ", ".join(f"{name} {_range(_first(before[name, DEFAULT]))}" for name in order)
    return Claim(
        "ELU activations maintain gradients longest.",
        Verdict.of(len(led), len(STARTS)),
        f"{_condition(len(led), len(STARTS), f'weights start with {_or(led)}. ')}The gradient that reaches the first "
        f"of {LAYERS} layers is nearest in size to the last one's for {told}, where {len(SEEDS)} seeds of each are "
        "compared and several are named if their ranges overlap. With torch's default it keeps, of the last one's: "
        f"{shares}.",
    )


def _vanish_claim(
    before: dict[tuple[str, str], Seeds], after: dict[str, Seeds], right: dict[str, list[float]], steps: int
) -> Claim:
    gone = {
        start: [
            name for name in ACTIVATIONS if max(each.reach for each in before[name, start]) <= EFFECTIVELY
        ]
        for start in STARTS
    }
    cases = "; ".join(f"{listed(names)} with {start}" for start, names in gone.items() if names)
    vanished = sum(map(len, gone.values()))
    through = sum(min(each.reach for each in found) == LAYERS for found in before.values())
    return Claim(
        f"In all cases the gradient effectively vanishes after {EFFECTIVELY} layers.",
        Verdict.of(vanished, len(before)),
        f"{_condition(vanished, len(before), f'activation and start fit badly: {cases}. ')}Less than a thousandth is "
        f"left {EFFECTIVELY} layers down, with every seed, in {vanished} of {len(before)} cases of activation and "
        f"start; in {through} more than a thousandth comes through all {LAYERS}. "
        f"{_after_training(after, right, steps)}",
    )


def _after_training(after: dict[str, Seeds], right: dict[str, list[float]], steps: int) -> str:
    """Of the nets that have learned, what is left at the first layer; the others are named."""
    learned = [name for name in ACTIVATIONS if min(right[name]) > LEARNED]
    shares = ", ".join(
        f"{name} {_range(_first(after[name]))} ({_percents(right[name])} right)" for name in learned
    )
    others = ", ".join(
        f"{name} ({_percents(right[name])} right)" for name in ACTIVATIONS if name not in learned
    )
    told = (
        f"the first layer has, of the last one's gradient: {shares}"
        if shares
        else "none has learned with every seed"
    )
    untold = (
        f" Of {others} not every seed has learned, and what they have left says nothing." if others else ""
    )
    return f"After {count(steps)} training steps from torch's default {told}.{untold}"


def _leaders(found: dict[str, Seeds]) -> list[str]:
    """The activations of which the best seed is as even as the worst seed of the one that is the most even at worst."""
    even = {name: [_evenness(each) for each in seeds] for name, seeds in found.items()}
    worst = max(min(each) for each in even.values())
    return [name for name, each in even.items() if max(each) >= worst]


def _range(values: Sequence[float]) -> str:
    low, high = power(min(values)), power(max(values))
    return low if low == high else f"{low} to {high}"


def _percents(values: Sequence[float]) -> str:
    low, high = percent(min(values)), percent(max(values))
    return low if low == high else f"{low} to {high}"


def _condition(true: int, of: int, words: str) -> str:
    return words if 0 < true < of else ""


def _or(names: Sequence[str]) -> str:
    return " or ".join(names)


def _evenness(found: ByLayer) -> float:
    """Minus the size of the change over the layers, in decades: 0 is a gradient that arrives as it left."""
    return -abs(math.log10(max(found.kept[0], _FLOOR)))


def _start_section(before: dict[tuple[str, str], ByLayer], width: int) -> Section:
    charts = [
        _chart(
            f"Gradient of a neuron by layer, start: {start}",
            {name: before[name, start] for name in ACTIVATIONS},
        )
        for start in STARTS
    ]
    slider = Slider(
        "start",
        list(STARTS),
        charts,
        f"The middle neuron of each layer, of the middle of {len(SEEDS)} seeds; the bands hold 80 % of them. Left is "
        "the input: a curve that falls to the left is a gradient that vanishes on its way back.",
    )
    words = (
        f"{LAYERS} hidden layers of {count(width)} units, before training, mean loss of 256 digits. The norm is over "
        "the batch, of the gradient with respect to what a neuron puts out."
    )
    return Section("Layer by layer, a whole batch", words, [slider])


def _chart(title: str, found: dict[str, ByLayer]) -> Chart:
    layers = list(range(1, LAYERS + 1))
    lines = [
        Line(name, layers, by.middle, f"s{k + 1}", band=(by.low, by.high))
        for k, (name, by) in enumerate(found.items())
    ]
    description = ", ".join(f"{name} keeps {power(by.kept[0])}" for name, by in found.items())
    return Chart(
        title,
        description,
        "hidden layer, from the input",
        "norm of a neuron's gradient",
        lines,
        log=True,
        y_range=(1e-20, 1e3),
        height=330,
        ticks=7,
    )


def _neurons_section(before: dict[tuple[str, str], ByLayer], after: dict[str, ByLayer]) -> Section:
    drawings = [
        _neurons(name, {"before": before[name, DEFAULT], "after": after[name]}) for name in ACTIVATIONS
    ]
    slider = Slider(
        "activation",
        list(ACTIVATIONS),
        drawings,
        "Every dot is a neuron: left of its layer's place before training, right of it after. Left is the input.",
    )
    words = (
        f"The first {DRAWN} neurons of each layer, start: {DEFAULT}; norm over the same batch of 256 digits."
    )
    return Section("Neuron by neuron, before and after training", words, [slider])


def _neurons(name: str, found: dict[str, ByLayer]) -> Scatter:
    aside = {"before": -0.15, "after": 0.15}  # so that the two clouds of a layer stand side by side
    groups = [
        Points(
            when,
            [layer + aside[when] for layer, some in enumerate(by.some, start=1) for _ in some],
            [math.log10(norm) for some in by.some for norm in some],
            f"s{k + 1}",
        )
        for k, (when, by) in enumerate(found.items())
    ]
    return Scatter(
        f"Gradient of single neurons, {name}",
        ", ".join(f"{when} training the first layer keeps {power(by.kept[0])}" for when, by in found.items()),
        "hidden layer, from the input",
        "log₁₀ of the norm of a neuron's gradient",
        groups,
        x_range=(0.0, LAYERS + 1.0),
    )


def _instances_section(
    before: dict[tuple[str, str], ByLayer], instances: dict[str, ByLayer], weights: dict[str, ByLayer]
) -> Section:
    hidden = [
        name
        for name in ACTIVATIONS
        if before[name, DEFAULT].kept[0] < VANISHED and weights[name].kept[0] > VANISHED
    ]
    charts = [
        _chart("Single instances", instances),
        _chart("Whole batch", {name: before[name, DEFAULT] for name in ACTIVATIONS}),
        _chart("Whole batch, with respect to incoming weights", weights),
    ]
    slider = Slider(
        "what is drawn",
        ["single instances", "whole batch", "incoming weights"],
        charts,
        "Sixteen digits one by one, and the batch. The gradient of a neuron's incoming weights also carries the "
        "size of what comes in, which may shrink the other way: here it hides the loss of "
        f"{', '.join(hidden) or 'none'}.",
    )
    rows = [
        [name, *(power(each.kept[0]) for each in (before[name, DEFAULT], instances[name], weights[name]))]
        for name in ACTIVATIONS
    ]
    caption = "Share of the last layer's gradient left at the first."
    table = Table(["", "whole batch", "single instances", "incoming weights"], rows, caption)
    return Section("Single instances, and weights", f"Start: {DEFAULT}.", [slider, table])


def _training_section(
    before: dict[tuple[str, str], ByLayer], after: dict[str, Seeds], right: dict[str, list[float]], steps: int
) -> Section:
    charts = [
        _chart("Before training", {name: before[name, DEFAULT] for name in ACTIVATIONS}),
        _chart("After training", {name: _middle(found) for name, found in after.items()}),
    ]
    slider = Slider(
        "training",
        ["before", f"after {count(steps)} steps"],
        charts,
        "The same 256 digits, before the first step and after the last one; the middle seed.",
    )
    rows = [
        [
            name,
            "learned" if min(right[name]) > LEARNED else "not every seed learned",
            _percents(right[name]),
            _range(_first(after[name])),
        ]
        for name in ACTIVATIONS
    ]
    table = Table(
        ["", "", "accuracy", "share left at the first layer"],
        rows,
        f"Held-out digits, from the worst to the best of {len(SEEDS)} seeds; a guess has 10 %, and a net that tells "
        "more than half of them has learned.",
    )
    return Section(
        "Before and after training",
        f"From torch's default, Adam, {count(steps)} steps of {BATCH} digits.",
        [slider, table],
    )


def _table_section(before: dict[tuple[str, str], Seeds], after: dict[str, Seeds]) -> Section:
    rows = []
    found = {start: [before[name, start] for name in ACTIVATIONS] for start in STARTS}
    found[f"{DEFAULT}, trained"] = list(after.values())
    for start, each in found.items():
        rows.append([start, *[_reach(seeds) for seeds in each]])
    caption = "Layers down from the last until less than a thousandth is left, over the seeds."
    table = Table(["", *ACTIVATIONS], rows, caption)
    words = "A start that keeps the variance of what flows forward keeps the gradient too: in theory 2/n for ReLU."
    return Section("How far down", words, [table])


def _reach(found: Seeds) -> str:
    low, high = min(each.reach for each in found), max(each.reach for each in found)
    if low == LAYERS:
        return "all"
    top = "all" if high == LAYERS else str(high)
    return f"{low} layers" if low == high else f"{low} to {top}"
