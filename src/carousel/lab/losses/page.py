"""What the page on losses over time says."""

from __future__ import annotations

import math

from carousel.lab.diagrams import unrolled
from carousel.lab.figures import chart, curves
from carousel.lab.formulas import WeightedKL, cell_formulas, static_formula
from carousel.lab.losses.measure import DELAY, LAG, MLP, SEQUENCE, WINDOWS, Measurements
from carousel.report.charts import Chart, Line, thin
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table
from carousel.report.number_format import number, percent, power

ROUNDING = 1e-12
LEARNED = 0.95  # accuracy from which on a window teaches the lag


def findings(found: Measurements) -> Findings:
    """The claims about losses over time, and the figures behind them."""
    claims = [_mlp_claim(found), _weights_claim(found), _index_claim(found), _window_claim(found)]
    sections = [
        _network_section(),
        _gradient_section(found),
        _weights_section(found),
        _identity_section(found),
        _index_section(found),
        _window_section(found),
    ]
    equations = cell_formulas({"GRU": "gru"})
    equations["w Div(d, Y) with Div = KL and Y = softmax(a), the term of one step"] = static_formula(
        WeightedKL(), True
    )
    return Findings(claims, sections, equations)


def _mlp_claim(found: Measurements) -> Claim:
    gru, mlp = found.gradients["GRU"], max(found.gradients[MLP][1:])
    return Claim.judged(
        "Regular MLP: “No recurrence. The output at time t is related to the output at t′ ≠ t.”",
        [mlp > 0],
        {
            "largest dY(t)/dX(t′) of an MLP at each step, t′ < t": f"{mlp:g}",
            "norm of this gradient in a GRU, one step back": power(gru[1]),
            "norm of this gradient in a GRU, ten steps back": power(gru[10]),
        },
        "This is a misprint for “unrelated”.",
    )


def _weights_claim(found: Measurements) -> Claim:
    errors, first = found.identities, found.weighted["the first half only"]
    return Claim.judged(
        "Div is a weighted sum over time, and its gradient at Y(t) is w_t times the gradient of Div there.",
        [max(errors.values()) < ROUNDING],
        {
            "difference between the two gradients": power(
                errors["gradient at t is w_t times the gradient of Div"]
            ),
            "difference between the gradient of KL and Y − target": power(
                errors["gradient of KL is Y - target"]
            ),
            "bits in the first half, weights on the first half": power(first[SEQUENCE // 2 - 1]),
            "bits at the end, weights on the first half": number(first[-1], 1),
            "bits after the start, weights on every step, at most": power(
                max(found.weighted["every step"][DELAY:])
            ),
        },
        "The weights decide which steps are learned. At the end the target is the opposite bit.",
    )


def _index_claim(found: Measurements) -> Claim:
    change = found.change
    return Claim.judged(
        "The language model's loss is −Σ log Y(t, w_{t+1}), with Y(t, i) = P(V_i | w_0 … w_{t−1}).",
        [change["w(t)"] == 0],
        {
            "change of Y(t) by another w_t": number(change["w(t)"]),
            "change of Y(t) by another w_{t+1}": f"{change['w(t+1)']:g}",
            "bits if Y(t) scores the word that it has just read": power(found.by_index["w(t)"][-1]),
            "bits if Y(t) scores the next word": number(found.by_index["w(t+1)"][-1], 2),
        },
        "The two formulas do not fit together, since the Y(t) of a model that is trained by this loss has read w_0 … "
        "w_t. A model that scores the word it has just read copies it.",
    )


def _window_claim(found: Measurements) -> Claim:
    accuracy = {window: each.accuracy for window, each in found.windows.items()}
    taught = any(share > LEARNED for share in accuracy.values())
    return Claim.judged(
        "Training is backpropagation through time.",
        # if no window teaches the lag, training ended too early to compare them
        [share > LEARNED if taught else None for share in accuracy.values()],
        {f"accuracy with a window of {_steps(window)}": percent(share) for window, share in accuracy.items()},
        f"The target is the bit {LAG} steps back, and guessing is right in half of the cases. All windows take as many "
        "updates on as many bits, and carry the state over.",
        "the window spans the lag",
    )


def _steps(window: int) -> str:
    return f"{window} step{'s' if window > 1 else ''}"


def _network_section() -> Section:
    steps = range(1, 5)
    read, loss = [f"X({t})" for t in steps], [[f"Y({t})", f"w_{t} Div"] for t in steps]
    words, scored = [f"w_{t - 1}" for t in steps], [[f"Y({t - 1})", f"−log Y({t - 1}, w_{t})"] for t in steps]
    h = [f"h_{t}" for t in (0, *steps)]
    pictures = {
        "MLP at each step": unrolled("An MLP at each step", read, ["MLP"] * 4, loss),
        "time-synchronous": unrolled("A time-synchronous network", read, ["RNN"] * 4, loss, [h]),
        "language model": unrolled("A language model", words, ["RNN"] * 4, scored, [h]),
    }
    caption = (
        "The loss is the sum of the upper row. In an MLP at each step nothing connects the steps. In a recurrent "
        "network the gradient of each term goes back along h. A language model scores the word that it reads next."
    )
    return Section("Where the loss is taken", "", [Slider("network", pictures, caption, "time-synchronous")])


def _gradient_section(found: Measurements) -> Section:
    drawn = chart(
        "Gradient of the last output with respect to each input",
        ("steps between X(t′) and Y(t)", "norm of dY(t) / dX(t′)"),
        range(SEQUENCE),
        {name: [max(norm, 1e-8) for norm in norms] for name, norms in found.gradients.items()},
        dots=True,
        log=True,
        y_range=(1e-8, 3.0),
    )
    gru = found.gradients["GRU"]
    caption = (
        f"Both outputs depend on the input of their own step. The gradient of the MLP to every earlier input is "
        f"{max(found.gradients[MLP][1:]):g} and drawn on the floor. That of the GRU falls to {power(gru[-1])} after "
        f"{SEQUENCE - 1} steps."
    )
    return Section(
        "Does Y(t) depend on X(t′)?",
        "Both networks are untrained and have four inputs, 16 units and three outputs.",
        [Figure(drawn, caption)],
    )


def _weights_section(found: Measurements) -> Section:
    smallest = max(min(map(min, found.weighted.values())), 1e-30)
    drawn = chart(
        "What weights over time train",
        ("step", "bits"),
        range(1, SEQUENCE + 1),
        found.weighted,
        dots=True,
        levels=[("a guess", 1.0)],
        y_range=(10.0 ** math.floor(math.log10(smallest)), 40.0),
        log=True,
    )
    caption = (
        "The loss is low where the weights were. Elsewhere it is far above a guess, since the network applies the rule "
        "of the other half."
    )
    return Section(
        "Weights over time",
        f"The target is the bit {DELAY} steps earlier, and its opposite from step {SEQUENCE // 2 + 1} on. The three "
        "networks differ only in w_t. It is 1 for every step, for the last step alone, or for the first half alone. "
        "Guessing has a loss of one bit.",
        [Figure(drawn, caption)],
    )


def _identity_section(found: Measurements) -> Section:
    rows = [[name.replace(" - ", " − "), power(error)] for name, error in found.identities.items()]
    table = Table(["", "largest difference"], rows, "Random logits and targets, float64.")
    return Section(
        "KL, cross-entropy and their gradients", "These identities must hold to rounding.", [table]
    )


def _index_section(found: Measurements) -> Section:
    losses = {f"scores {word}": values for word, values in found.by_index.items()}
    drawn = chart(
        "Loss of a character model during training",
        ("training steps", "bits per character"),
        range(1, len(found.by_index["w(t)"]) + 1),
        losses,
        y_range=(0.0, 5.0),
    )
    return Section(
        "Which word does Y(t) score?",
        "By the condition on the slide Y(t) scores w_t, which it has not read. By the loss on the slide it scores "
        "w_{t+1}.",
        [Figure(drawn, "A model that may copy has nothing to learn.")],
    )


def _accuracy_chart(title: str, x_label: str, lines: list[Line]) -> Chart:
    return Chart(
        title,
        f"Share of bits right by {x_label}",
        x_label,
        "share of bits right",
        lines,
        levels=[("chance", 0.5)],
        y_range=(0.4, 1.05),
        height=260,
    )


def _window_section(found: Measurements) -> Section:
    accuracy = {"accuracy": [each.accuracy for each in found.windows.values()]}
    by_window = curves(list(found.windows), accuracy, dots=True)
    drawn = _accuracy_chart("Accuracy by window", "window of backpropagation, steps", by_window)
    courses = {
        window: thin(range(1, len(each.course) + 1), each.course, 80)
        for window, each in found.windows.items()
    }
    charts = {
        _steps(window): _accuracy_chart(
            f"How a window of {_steps(window)} learns",
            "updates",
            [
                *[Line("", *courses[other], "s6 faint") for other in WINDOWS if other != window],
                Line(_steps(window), *courses[window], "s2"),
            ],
        )
        for window in WINDOWS
    }
    caption = (
        f"The target is the bit {LAG} steps back. The state is carried from window to window, but no gradient is. The "
        "faint curves are those of the other windows."
    )
    return Section(
        "Truncated backpropagation",
        "All windows take as many updates on as many bits, since shorter windows read more streams at once.",
        [
            Figure(drawn, "Accuracy on held-out streams after training."),
            Slider("window", charts, caption, _steps(4)),
        ],
    )
