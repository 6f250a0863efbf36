"""What the page on gradients through a deep network says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from carousel.lab.depth.measure import (
    ACTIVATIONS,
    BATCH,
    DEFAULT,
    DRAWN,
    FLOOR,
    INITIALISATIONS,
    LAYERS,
    SEEDS,
    VANISHED,
    ByLayer,
    Measurements,
    Seeds,
)
from carousel.lab.formulas import ThreeLayers, static_formula
from carousel.report.charts import Chart, Line, Points, Scatter
from carousel.report.lab import Claim, Findings, Section, Slider, Table
from carousel.report.number_format import count, listed, percent, power

TEN = 10  # layers, after which the lecture sees no gradient left
LEARNED = 0.5  # accuracy of a network that has learned; guessing has 0.1


def findings(found: Measurements) -> Findings:
    """The claims about ELU and about vanishing, and the figures behind them."""
    sections = [
        _initialisation_section(found),
        _neurons_section(found),
        _instances_section(found),
        _training_section(found),
        _reach_section(found),
    ]
    equations = {
        f"Three layers of {name}, forward and backward": static_formula(
            ThreeLayers(name), True, weights=False
        )
        for name in ACTIVATIONS
    }
    return Findings([_longest_claim(found), _vanishing_claim(found)], sections, equations)


# ---- claims ----


def _longest_claim(found: Measurements) -> Claim:
    leaders = {
        start: _leaders({name: found.before[name, start] for name in ACTIVATIONS})
        for start in INITIALISATIONS
    }
    # seeds that overlap do not decide between ELU and another activation
    cases = {
        start: names == ["ELU"] or (None if "ELU" in names else False) for start, names in leaders.items()
    }
    default = {name: found.before[name, DEFAULT] for name in ACTIVATIONS}
    return Claim.judged(
        "ELU activations maintain gradients longest.",
        cases.values(),
        {f"keeps it best with {start}": listed(names) for start, names in leaders.items()}
        | {
            f"share left at the first layer, {DEFAULT}: {n}": _range(d.first, power)
            for n, d in default.items()
        },
        f"The gradient at the first of {LAYERS} layers is compared with the gradient at the last layer. Activations "
        "whose ranges over the seeds overlap share the place.",
        f"weights start with {' or '.join(start for start, elu in cases.items() if elu)}",
    )


def _leaders(found: Mapping[str, Seeds]) -> list[str]:
    """The activation whose worst seed changes the gradient least, and those with a seed that is as good."""
    evenness = {
        name: [-abs(math.log10(max(share, FLOOR))) for share in seeds.first] for name, seeds in found.items()
    }
    bound = max(min(each) for each in evenness.values())
    return [name for name, each in evenness.items() if max(each) >= bound]


def _vanishing_claim(found: Measurements) -> Claim:
    cases = {case: max(seeds.reaches) <= TEN for case, seeds in found.before.items()}
    gone = {name: [start for start in INITIALISATIONS if cases[name, start]] for name in ACTIVATIONS}
    listing = [
        f"{name} with {'any initialisation' if len(starts) == len(INITIALISATIONS) else listed(starts)}"
        for name, starts in gone.items()
        if starts
    ]
    through = sum(min(seeds.reaches) == LAYERS for seeds in found.before.values())
    learned = [name for name in ACTIVATIONS if min(found.accuracy[name]) > LEARNED]
    others = [name for name in ACTIVATIONS if name not in learned]
    rest = (
        f" The trained gradients of {listed(others)} say nothing: not every seed learned." if others else ""
    )
    return Claim.judged(
        f"In all cases the gradient effectively vanishes after {TEN} layers.",
        cases.values(),
        {
            f"cases, of {len(cases)}, in which it does": count(sum(cases.values())),
            f"cases in which it comes through all {LAYERS} layers": count(through),
            **{
                f"share left at the first layer after training, {name}": _range(
                    found.after[name].first, power
                )
                for name in learned
            },
        },
        "A case is an activation with an initialisation. The gradient vanishes if less than a thousandth is left, with "
        f"every seed.{rest}",
        f"activation and initialisation do not fit, which are {listed(listing or ['none'])}",
    )


def _range(values: Sequence[float], written: Callable[[float], str]) -> str:
    low, high = written(min(values)), written(max(values))
    return low if low == high else f"{low} to {high}"


# ---- figures ----


def _default(found: Measurements) -> dict[str, ByLayer]:
    return {name: found.before[name, DEFAULT].typical for name in ACTIVATIONS}


def _initialisation_section(found: Measurements) -> Section:
    charts = {
        start: _chart(
            f"Gradient of a neuron by layer, initialisation: {start}",
            {name: found.before[name, start].typical for name in ACTIVATIONS},
        )
        for start in INITIALISATIONS
    }
    caption = (
        f"The curves show the median neuron of each layer for the median of {len(SEEDS)} seeds, and the bands hold "
        "80 % of the neurons. The input is at the left, so that a vanishing gradient falls to the left."
    )
    return Section(
        "Layer by layer, over a mini-batch",
        f"The network has {LAYERS} hidden layers of {count(found.width)} units and is not trained. The loss is the "
        "mean over 256 digits. The gradient is with respect to a neuron's output, and its norm is over the mini-batch.",
        [Slider("initialisation", charts, caption)],
    )


def _chart(title: str, found: Mapping[str, ByLayer]) -> Chart:
    lines = [
        Line(name, range(1, LAYERS + 1), by.median, f"s{k}", band=(by.low, by.high))
        for k, (name, by) in enumerate(found.items(), start=1)
    ]
    return Chart(
        title,
        ", ".join(f"{name} keeps {power(by.kept[0])}" for name, by in found.items()),
        "hidden layer, from the input",
        "norm of a neuron's gradient",
        lines,
        log=True,
        y_range=(1e-20, 1e3),
        height=330,
        ticks=7,
    )


def _neurons_section(found: Measurements) -> Section:
    drawings = {
        name: _neurons(name, {"before": before, "after": found.after[name].typical})
        for name, before in _default(found).items()
    }
    caption = (
        "Every dot is a neuron. Left of its layer's place it is before training, right of it after training."
    )
    return Section(
        "Neuron by neuron, before and after training",
        f"The first {DRAWN} neurons of each layer start from {DEFAULT}. The norm is over the same mini-batch of 256 "
        "digits.",
        [Slider("activation", drawings, caption)],
    )


def _neurons(name: str, found: Mapping[str, ByLayer]) -> Scatter:
    groups = [
        Points(
            when,
            [layer + aside for layer, norms in enumerate(by.neurons, start=1) for _ in norms],
            [math.log10(norm) for norms in by.neurons for norm in norms],
            style,
        )
        for (when, by), aside, style in zip(found.items(), (-0.15, 0.15), ("s1", "s2"), strict=True)
    ]
    return Scatter(
        f"Gradient of single neurons, {name}",
        ", ".join(f"{when} training the first layer keeps {power(by.kept[0])}" for when, by in found.items()),
        "hidden layer, from the input",
        "log₁₀ of the norm of a neuron's gradient",
        groups,
        x_range=(0.0, LAYERS + 1.0),
    )


def _instances_section(found: Measurements) -> Section:
    kinds = {
        "whole batch": _default(found),
        "single instances": found.instances,
        "incoming weights": found.weights,
    }
    titles = ("Whole batch", "Single instances", "Whole batch, with respect to incoming weights")
    charts = {kind: _chart(title, by) for title, (kind, by) in zip(titles, kinds.items(), strict=True)}
    hidden = [
        name
        for name, by in _default(found).items()
        if by.kept[0] < VANISHED and found.weights[name].kept[0] > VANISHED
    ]
    caption = (
        "Sixteen digits are measured one by one, and the mini-batch as a whole. The gradient of incoming weights also "
        "contains the size of the input of the layer, which may change the other way. It hides the vanishing of "
        f"{', '.join(hidden) or 'none'}."
    )
    rows = [[name, *[power(by[name].kept[0]) for by in kinds.values()]] for name in ACTIVATIONS]
    table = Table(["", *kinds], rows, "Share of the last layer's gradient that is left at the first layer.")
    return Section(
        "Single instances, and weights",
        f"The networks start from {DEFAULT}.",
        [Slider("gradient", charts, caption, "single instances"), table],
    )


def _training_section(found: Measurements) -> Section:
    after = {name: seeds.typical for name, seeds in found.after.items()}
    charts = {
        "before": _chart("Before training", _default(found)),
        f"after {count(found.steps)} steps": _chart("After training", after),
    }
    rows = [
        [
            name,
            "learned" if min(found.accuracy[name]) > LEARNED else "not every seed learned",
            _range(found.accuracy[name], percent),
            _range(found.after[name].first, power),
        ]
        for name in ACTIVATIONS
    ]
    table = Table(
        ["", "", "accuracy", "share left at the first layer"],
        rows,
        f"Accuracy on held-out digits from the worst to the best of {len(SEEDS)} seeds. Guessing has 10 %. A network "
        "with an accuracy above 50 % has learned.",
    )
    return Section(
        "Before and after training",
        f"The networks start from torch's default and take {count(found.steps)} steps of {BATCH} digits with Adam.",
        [
            Slider("training", charts, "The same 256 digits and the median seed, before and after training."),
            table,
        ],
    )


def _reach_section(found: Measurements) -> Section:
    cases = {start: [found.before[name, start] for name in ACTIVATIONS] for start in INITIALISATIONS}
    cases[f"{DEFAULT}, trained"] = list(found.after.values())
    rows = [[start, *[_reach(seeds.reaches) for seeds in each]] for start, each in cases.items()]
    table = Table(
        ["", *ACTIVATIONS],
        rows,
        "Layers down from the last one until less than a thousandth is left, over the seeds.",
    )
    return Section(
        "How far down the gradient comes",
        "An initialisation that keeps the variance of the forward pass keeps the gradient too. In theory the variance "
        "is 2/n for ReLU.",
        [table],
    )


def _reach(reaches: Sequence[int]) -> str:
    if min(reaches) == LAYERS:
        return "all"
    written = _range(reaches, lambda reach: "all" if reach == LAYERS else str(round(reach)))
    return written if written.endswith("all") else f"{written} layers"
