"""Losses over time: sum_t w_t Div(target_t, Y_t), what its weights train, and how far back it can teach.

A per-step MLP has no gradient from Y(t) to an earlier X(t'), a recurrent net has. The loss of a language model is a
special case, with an index that the lecture's slide shifts by one. Truncated backpropagation teaches what its window
spans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.lab.formulas import WeightedKL, written
from carousel.losses import cross_entropy, kl_divergence
from carousel.models import LanguageModel
from carousel.nn import GRU
from carousel.report.charts import Chart, Line, thin
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import count, number, percent, power

SEQUENCE = 24
DELAY = 3
LAG = 6
WINDOWS = (1, 2, 4, 6, 8, 16)
WEIGHTINGS = {
    "every step": lambda t: 1.0,
    "the last step only": lambda t: float(t == SEQUENCE - 1),
    "the first half only": lambda t: float(t < SEQUENCE // 2),
}


def run(budget: Budget, progress: Progress) -> Findings:
    """Reach of the gradient, weights over time, KL, the language model's index, truncation."""
    progress(0.0, "how far a gradient reaches")
    reach = {"MLP at each step": reach_of(mlp=True), "GRU": reach_of(mlp=False)}
    progress(0.05, "weights over time")
    steps = budget.choose(300, 1_500)
    trained = {name: train_weighted([w(t) for t in range(SEQUENCE)], steps) for name, w in WEIGHTINGS.items()}
    checks = identities()
    progress(0.3, "which word a language model's output scores")
    shifted: dict[str, list[float]] = {}
    reads: dict[str, float] = {}
    for name, offset in (("w(t+1)", 1), ("w(t)", 0)):
        shifted[name], model = language_loss(offset, budget.choose(150, 600))
        reads = reads or words_read(model)
    windows: dict[int, float] = {}
    courses: dict[int, list[float]] = {}
    for k, window in enumerate(WINDOWS):
        progress(0.5 + 0.5 * k / len(WINDOWS), f"backpropagation through {_steps(window)}")
        windows[window], courses[window] = truncated(window, budget.choose(1_200, 4_000))
    numbers: dict[str, float | Sequence[float]] = {
        "MLP gradient to earlier inputs": max(reach["MLP at each step"][1:]),
        "GRU gradient by distance": reach["GRU"],
        "windows": WINDOWS,
        "accuracy by window": [windows[window] for window in WINDOWS],
        "loss of w(t+1)": shifted["w(t+1)"][-1],
        "loss of w(t)": shifted["w(t)"][-1],
        **checks,
        **reads,
    }
    numbers |= {f"loss by step, weights on {name}": curve for name, curve in trained.items()}
    sections = [
        _reach_section(reach),
        _weights_section(trained),
        _divergence_section(checks),
        _index_section(shifted),
        _window_section(windows, courses),
    ]
    equations = {
        "GRU": formula.text(CELLS["gru"].equations),
        "w Div(d, Y), Div = KL, Y = softmax(a), target d: what a step adds to the loss": written(
            WeightedKL(), True
        ),
    }
    claims = _claims(reach, trained, checks, shifted, reads, windows)
    return Findings(claims, sections, numbers, equations, cover=4)


def _steps(window: int) -> str:
    return f"{window} step{'s' if window > 1 else ''}"


# ---- how far back Y(t) reaches ----


def reach_of(mlp: bool, steps: int = SEQUENCE) -> list[float]:
    """||dY(T)/dX(T - k)|| for k = 0 ... steps - 1, of an MLP at each step or of a GRU, both untrained."""
    torch.manual_seed(2)
    inputs = torch.randn(steps, 1, 4, dtype=torch.float64, requires_grad=True)
    if mlp:
        outputs = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)).double()(inputs)
    else:
        states, _ = GRU(4, 16, dtype=torch.float64)(inputs)
        outputs = nn.Linear(16, 3, dtype=torch.float64)(states)
    rows = [torch.autograd.grad(each, inputs, retain_graph=True)[0] for each in outputs[-1, 0]]
    return torch.stack(rows).square().sum(dim=(0, 2, 3)).sqrt().flip(0).tolist()


# ---- what weights over time train ----


def train_weighted(weights: Sequence[float], steps: int) -> list[float]:
    """Held-out cross-entropy in bits by step of a GRU trained on `delayed_bits` with these w_t."""
    torch.manual_seed(3)
    layer, read = GRU(2, 24), nn.Linear(24, 2)
    optimizer = torch.optim.Adam([*layer.parameters(), *read.parameters()], lr=0.01, fused=True)
    for _ in range(steps):
        inputs, targets = delayed_bits(32)
        loss = cross_entropy(read(layer(inputs)[0]), targets, weights=torch.tensor(weights), reduction="sum")
        optimizer.zero_grad()
        (loss / 32).backward()
        optimizer.step()
    inputs, targets = delayed_bits(2_000)
    with torch.no_grad():
        each = cross_entropy(read(layer(inputs)[0]), targets, reduction="none")
    return (each.mean(dim=1) / math.log(2)).tolist()


def delayed_bits(batch: int) -> tuple[Tensor, Tensor]:
    """Random bits as one-hot vectors (T, batch, 2); targets (T, batch): the bit DELAY steps back, in the second half
    its opposite. What one half learns is wrong in the other; only counting the steps tells them apart.
    """
    bits = torch.randint(2, (SEQUENCE, batch))
    targets = torch.cat([torch.zeros(DELAY, batch, dtype=torch.long), bits[:-DELAY]])
    targets[SEQUENCE // 2 :] = 1 - targets[SEQUENCE // 2 :]
    return nn.functional.one_hot(bits, 2).float(), targets


# ---- identities of the divergences ----


def identities() -> dict[str, float]:
    """Largest differences of what must be equal: gradients and weights, KL and cross-entropy, the sum over words."""
    torch.manual_seed(5)
    logits = torch.randn(6, 2, 5, dtype=torch.float64, requires_grad=True)
    target = torch.softmax(torch.randn(6, 2, 5, dtype=torch.float64), dim=-1)
    weights = torch.linspace(0, 2, 6, dtype=torch.float64)
    plain = _gradient(kl_divergence(logits, target, reduction="sum"), logits)
    weighted = _gradient(kl_divergence(logits, target, weights=weights, reduction="sum"), logits)
    with torch.no_grad():
        output = torch.softmax(logits, dim=-1)
        entropy = -(target * target.log()).sum()
        kl = kl_divergence(logits, target, reduction="sum")
        crossed = cross_entropy(logits, target, reduction="sum")
        words = torch.randint(5, (6, 2))
        by_hand = -output.gather(-1, words[..., None]).log().sum()
        as_loss = cross_entropy(logits, words, reduction="sum")
    return {
        "gradient of KL is Y - target": _largest(plain - (output - target)),
        "gradient at t is w_t times the gradient of Div": float(
            (weighted - weights[:, None, None] * plain).abs().max()
        ),
        "KL is cross-entropy less the entropy": float((kl - (crossed - entropy)).abs()),
        "language model's loss is the same sum": float((by_hand - as_loss).abs()),
    }


def _largest(difference: Tensor) -> float:
    return float(difference.abs().max())


def _gradient(loss: Tensor, of: Tensor) -> Tensor:
    return torch.autograd.grad(loss, of)[0]


# ---- the index of the language model's loss ----

TEXT = (
    "a state is what a network keeps of all it has read; a gate decides what stays and what goes; "
    "a gradient that walks back through time is multiplied at every step, and so it grows or fades. "
)


def language_loss(offset: int, steps: int) -> tuple[list[float], LanguageModel]:
    """Training loss in bits of a character model of which Y(t), after reading w(0) ... w(t), scores w(t + offset)."""
    torch.manual_seed(7)
    symbols = sorted(set(TEXT))
    ids = torch.tensor([symbols.index(each) for each in TEXT * 20])
    model = LanguageModel(len(symbols), cell="gru", hidden=32, embedding=16)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01, fused=True)
    losses = []
    for _ in range(steps):
        starts = torch.randint(len(ids) - 34, (16,))
        window = torch.stack([ids[s : s + 33] for s in starts.tolist()], dim=1)
        loss = cross_entropy(model(window[:32])[0], window[offset : 32 + offset])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()) / math.log(2))
    return losses, model


def words_read(model: LanguageModel, steps: int = 12) -> dict[str, float]:
    """How far Y(t) moves, at most, if w(t) is another word, and if w(t + 1) is: 0 is a word that it has not read."""
    words = torch.randint(model.vocabulary_size, (steps, 1), generator=torch.Generator().manual_seed(12))
    found = {}
    with torch.no_grad():
        before = torch.softmax(model(words)[0], dim=-1)
        for name, place in (("w(t)", steps // 2), ("w(t+1)", steps // 2 + 1)):
            other = words.clone()
            other[place] = (other[place] + 1) % model.vocabulary_size
            moved = torch.softmax(model(other)[0], dim=-1) - before
            found[f"change of Y(t) by {name}"] = float(moved[steps // 2].abs().max())
    return found


# ---- truncated backpropagation through time ----


def truncated(window: int, updates: int) -> tuple[float, list[float]]:
    """Accuracy of telling the bit LAG steps back, learned from streams with this window, the state carried over; and
    the share of bits right at each update on the way.

    Every window takes as many updates on as many bits: shorter windows see more streams at once.
    """
    torch.manual_seed(11)
    batch = 512 // window
    layer, read = GRU(2, 32), nn.Linear(32, 2)
    optimizer = torch.optim.Adam([*layer.parameters(), *read.parameters()], lr=0.005, fused=True)
    bits, state = torch.randint(2, (LAG, batch)), None  # the last LAG bits, then those of the window
    course = []
    for _ in range(updates):
        bits = torch.cat([bits[-LAG:], torch.randint(2, (window, batch))])
        states, state = layer(nn.functional.one_hot(bits[LAG:], 2).float(), state)
        state = state.detach()
        logits = read(states)
        loss = cross_entropy(logits, bits[:window])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        course.append((logits.argmax(dim=-1) == bits[:window]).float().mean())
    bits = torch.randint(2, (2_000, 16))
    with torch.no_grad():
        states, _ = layer(nn.functional.one_hot(bits, 2).float())
        right = read(states[LAG:]).argmax(dim=-1) == bits[:-LAG]
    return float(right.float().mean()), torch.stack(course).tolist()


# ---- what the page says ----


def _claims(
    reach: dict[str, list[float]],
    trained: dict[str, list[float]],
    checks: dict[str, float],
    shifted: dict[str, list[float]],
    reads: dict[str, float],
    windows: dict[int, float],
) -> list[Claim]:
    first, every = trained["the first half only"], trained["every step"]
    middle = SEQUENCE // 2
    worse = max(every[DELAY:])
    passed = [window for window in WINDOWS if windows[window] > 0.95]
    short = max((window for window in WINDOWS if windows[window] < 0.75), default=WINDOWS[0])
    long = min(passed, default=WINDOWS[-1])
    blind = max(reach["MLP at each step"][1:])
    exact = max(checks.values()) < 1e-12
    has_read, unread = reads["change of Y(t) by w(t)"], reads["change of Y(t) by w(t+1)"]
    return [
        Claim(
            "Regular MLP: “No recurrence. The output at time t is related to the output at t′ ≠ t.”",
            Verdict.FAILS if blind == 0 else Verdict.HOLDS,
            f"A misprint for “unrelated”: dY(t)/dX(t′) of a per-step MLP is exactly {blind:g} for t′ < t. Of a "
            f"recurrent net it is not: a GRU has {power(reach['GRU'][1])} one step back and "
            f"{power(reach['GRU'][10])} "
            "ten.",
        ),
        Claim(
            "Div is a weighted sum over time, and its gradient at Y(t) is w_t times the gradient of Div there.",
            Verdict.HOLDS if exact else Verdict.FAILS,
            f"Equal to {power(checks['gradient at t is w_t times the gradient of Div'])}; of KL the gradient with "
            "respect to what the softmax gets is Y − target, to "
            f"{power(checks['gradient of KL is Y - target'])}. Weights decide what is "
            f"learned where: with weights on the first half alone a GRU is at {power(first[middle - 1])} bits "
            f"there and at {number(first[-1], 1)} at the end, where the opposite is asked for; with all of them at "
            f"{power(worse)} at worst after the start.",
        ),
        Claim(
            "The language model's loss is −Σ log Y(t, w_{t+1}), with Y(t, i) = P(V_i | w_0 … w_{t−1}).",
            Verdict.FAILS if has_read > 0 else Verdict.HOLDS,
            "The two do not fit together: of a model trained by that loss Y(t) has read w_0 … w_t. Another w_t moves "
            f"it by up to {number(has_read)}, another w_{{t+1}}, the word it scores, by {unread:g}. Scoring the word "
            f"it has just read instead, the loss comes to {power(shifted['w(t)'][-1])} bits, since that is copying; "
            f"scoring the next one, to {number(shifted['w(t+1)'][-1], 2)}.",
        ),
        Claim(
            "Training is backpropagation through time.",
            Verdict.HOLDS
            if len(passed) == len(WINDOWS)
            else Verdict.CONDITIONAL
            if passed
            else Verdict.FAILS,
            f"{'the window spans what is to be learned. ' if 0 < len(passed) < len(WINDOWS) else ''}To tell a bit "
            f"{LAG} steps back, a window of {short} step{'s' if short > 1 else ''} comes to "
            f"{percent(windows[short])} right (50 % is chance), one of {long} to {percent(windows[long])}, after as "
            "many updates on as many bits, although the state is carried over in both.",
        ),
    ]


def _reach_section(reach: dict[str, list[float]]) -> Section:
    lines = [
        Line(name, range(SEQUENCE), [max(norm, 1e-8) for norm in curve], f"s{k + 1}", dots=True)
        for k, (name, curve) in enumerate(reach.items())
    ]
    chart = Chart(
        "Gradient of the last output with respect to each input",
        "The MLP's is exactly zero for every earlier input and drawn on the floor",
        "steps between X(t′) and Y(t)",
        "norm of dY(t) / dX(t′)",
        lines,
        log=True,
        y_range=(1e-8, 3.0),
        margin=140,
    )
    blind = max(reach["MLP at each step"][1:])
    caption = (
        f"Both know the input of their own step. Of every earlier one the MLP knows {blind:g}, drawn on the floor; the "
        f"GRU's {power(reach['GRU'][1])} one step back fades to {power(reach['GRU'][-1])} after {SEQUENCE - 1}."
    )
    words = "Both untrained, four inputs, 16 units, three outputs."
    return Section("Does Y(t) know X(t′)?", words, [Figure(chart, caption)])


def _weights_section(trained: dict[str, list[float]]) -> Section:
    lines = [
        Line(name, range(1, SEQUENCE + 1), curve, f"s{k + 1}", dots=True)
        for k, (name, curve) in enumerate(trained.items())
    ]
    chart = Chart(
        "What weights over time train",
        f"Held-out loss by step of three GRUs that tell the bit {DELAY} steps back, in the second half its opposite",
        "step",
        "bits",
        lines,
        levels=[("a guess", 1.0)],
        y_range=(_decade_below(min(map(min, trained.values()))), 40.0),
        log=True,
        margin=150,
    )
    words = (
        f"The bit of {DELAY} steps earlier is asked for, from step {SEQUENCE // 2 + 1} on its opposite. The three "
        "nets differ only in w_t: one for every step, for the last alone, for the first half alone. One bit is a "
        "guess."
    )
    caption = "Low where the weight was; far above a guess where it was not, since the other half's rule is applied."
    return Section("Weights over time", words, [Figure(chart, caption)])


def _decade_below(value: float) -> float:
    """A power of ten that is not above the value: the floor of an axis that cuts nothing off."""
    return 10.0 ** math.floor(math.log10(max(value, 1e-30)))


def _divergence_section(checks: dict[str, float]) -> Section:
    rows = [[name.replace(" - ", " − "), power(value)] for name, value in checks.items()]
    table = Table(["", "largest difference"], rows, "Random logits and targets, float64.")
    return Section("KL, cross-entropy and their gradients", "Identities that must hold to rounding.", [table])


def _index_section(shifted: dict[str, list[float]]) -> Section:
    lines = [
        Line(f"scores {name}", range(1, len(curve) + 1), curve, f"s{k + 1}")
        for k, (name, curve) in enumerate(shifted.items())
    ]
    chart = Chart(
        "Loss while a character model learns",
        "Scoring the next character, and, wrongly, the one just read",
        "training steps",
        "bits per character",
        lines,
        y_range=(0.0, 5.0),
        margin=130,
    )
    words = "By the slide's condition Y(t) scores w_t, of which it knows nothing yet; by its loss, w_{t+1}."
    return Section(
        "Which word does Y(t) score?", words, [Figure(chart, "A model that may copy has nothing to learn.")]
    )


def _window_section(windows: dict[int, float], courses: dict[int, list[float]]) -> Section:
    thinned = {window: thin(range(1, len(course) + 1), course, 80) for window, course in courses.items()}
    chart = Chart(
        "Accuracy by window",
        f"{percent(windows[WINDOWS[0]])} with a window of {_steps(WINDOWS[0])}, {percent(windows[WINDOWS[-1]])} with "
        f"one of {_steps(WINDOWS[-1])}",
        "window of backpropagation, steps",
        "share of bits right",
        [Line("accuracy", list(WINDOWS), [windows[window] for window in WINDOWS], "s1", dots=True)],
        levels=[("chance", 0.5)],
        y_range=(0.4, 1.05),
        height=260,
    )
    told = ", ".join(f"{percent(windows[window])} with {window}" for window in WINDOWS)
    figure = Figure(chart, f"Of held-out streams, after training: {told}.")
    slider = Slider(
        "window",
        [_steps(window) for window in WINDOWS],
        [_window_chart(shown, thinned, windows[shown]) for shown in WINDOWS],
        f"The bit to tell is {LAG} steps back. The state is carried from window to window, but no gradient is.",
        start=WINDOWS.index(4),
    )
    words = "All windows take as many updates on as many bits; shorter ones see more streams at once."
    return Section("Truncated backpropagation", words, [figure, slider])


def _window_chart(shown: int, courses: dict[int, tuple[list[float], list[float]]], right: float) -> Chart:
    """How one window learns; the others faint."""
    lines = [Line("", *courses[window], "s6 faint") for window in WINDOWS if window != shown]
    updates = count(round(courses[shown][0][-1]))
    return Chart(
        f"How a window of {_steps(shown)} learns",
        f"{percent(right)} right after {updates} updates; faint, the other windows",
        "updates",
        "share of bits right",
        [*lines, Line(_steps(shown), *courses[shown], "s2")],
        levels=[("chance", 0.5)],
        y_range=(0.4, 1.05),
        height=260,
    )
