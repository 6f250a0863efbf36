"""Losses over time: sum_t w_t Div(target_t, Y_t), what its weights train, and how far back it can teach.

An MLP at each step has no gradient from Y(t) to an earlier X(t'), while a recurrent network has. The loss of a language
model is a special case, with an index that the slide of the lecture shifts by one. Truncated backpropagation teaches
what its window spans.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from carousel.lab.experiment import Budget
from carousel.lab.training import train
from carousel.losses import cross_entropy, kl_divergence
from carousel.models import LanguageModel
from carousel.nn import GRU
from carousel.progress import Observer, Progress

SEQUENCE = 24
DELAY = 3
LAG = 6
WINDOWS = (1, 2, 4, 6, 8, 16)
WEIGHTINGS = {
    "every step": lambda t: 1.0,
    "the last step only": lambda t: float(t == SEQUENCE - 1),
    "the first half only": lambda t: float(t < SEQUENCE // 2),
}
MLP = "MLP at each step"


@dataclass(frozen=True)
class Window:
    """Truncated backpropagation with one window: accuracy on a held-out stream, and by update during training."""

    accuracy: float
    course: list[float] = field(repr=False)


@dataclass(frozen=True)
class Measurements:
    """Norms of gradients by distance, losses in bits, errors of identities, and accuracies by window."""

    gradients: dict[str, list[float]]  # by network, of the last output with respect to inputs k steps back
    weighted: dict[str, list[float]]  # held-out loss by step, by the weights over time
    identities: dict[str, float]
    by_index: dict[str, list[float]]  # training loss by update, by the scored word
    change: dict[str, float]  # of Y(t), by the word that is changed
    windows: dict[int, Window]


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Reach of the gradient, weights over time, identities, the index of a language model, truncation."""
    on_progress(Progress("how far a gradient reaches", 0.0))
    gradients = {MLP: gradient_by_distance(mlp=True), "GRU": gradient_by_distance(mlp=False)}
    on_progress(Progress("weights over time", 0.05))
    steps = budget.choose(300, 1_500)
    weighted = {
        name: train_weighted([w(t) for t in range(SEQUENCE)], steps) for name, w in WEIGHTINGS.items()
    }
    errors = identities()
    on_progress(Progress("which word the output of a language model scores", 0.3))
    updates = budget.choose(150, 600)
    (of_next, model), (of_read, _) = (language_loss(offset, updates) for offset in (1, 0))
    windows = {}
    for k, window in enumerate(WINDOWS):
        on_progress(Progress(f"backpropagation through windows of {window}", 0.5 + 0.5 * k / len(WINDOWS)))
        windows[window] = truncated(window, budget.choose(1_200, 4_000))
    by_index = {"w(t+1)": of_next, "w(t)": of_read}
    return Measurements(gradients, weighted, errors, by_index, output_change(model), windows)


# ---- gradients of the last output ----


def gradient_by_distance(mlp: bool, steps: int = SEQUENCE) -> list[float]:
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

    def loss() -> Tensor:
        inputs, targets = delayed_bits(32)
        outputs = read(layer(inputs)[0])
        return cross_entropy(outputs, targets, weights=torch.tensor(weights), reduction="sum") / 32

    train([layer, read], loss, steps, 0.01)
    inputs, targets = delayed_bits(2_000)
    with torch.no_grad():
        each = cross_entropy(read(layer(inputs)[0]), targets, reduction="none")
    return (each.mean(dim=1) / math.log(2)).tolist()


def delayed_bits(batch: int) -> tuple[Tensor, Tensor]:
    """Random bits as one-hot vectors (T, batch, 2); targets (T, batch): the bit DELAY steps back, or its opposite.

    The opposite is the target in the second half. What one half learns is wrong in the other, and only counting the
    steps tells the halves apart.
    """
    bits = torch.randint(2, (SEQUENCE, batch))
    targets = torch.cat([torch.zeros(DELAY, batch, dtype=torch.long), bits[:-DELAY]])
    targets[SEQUENCE // 2 :] = 1 - targets[SEQUENCE // 2 :]
    return nn.functional.one_hot(bits, 2).float(), targets


# ---- identities of the divergences ----


def identities() -> dict[str, float]:
    """Largest differences between numbers that must be equal."""
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
        "gradient at t is w_t times the gradient of Div": _largest(weighted - weights[:, None, None] * plain),
        "KL is cross-entropy less the entropy": _largest(kl - (crossed - entropy)),
        "language model's loss is the same sum": _largest(by_hand - as_loss),
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
    """Training loss in bits by update of a character model; Y(t) has read w(0) ... w(t) and scores w(t + offset)."""
    torch.manual_seed(7)
    symbols = sorted(set(TEXT))
    ids = torch.tensor([symbols.index(each) for each in TEXT * 20])
    model = LanguageModel(len(symbols), cell="gru", hidden_size=32, embedding=16)

    def loss() -> Tensor:
        starts = torch.randint(len(ids) - 34, (16,))
        window = torch.stack([ids[s : s + 33] for s in starts.tolist()], dim=1)
        return cross_entropy(model(window[:32])[0], window[offset : 32 + offset])

    return [value / math.log(2) for value in train([model], loss, steps, 0.01)], model


def output_change(model: LanguageModel, steps: int = 12) -> dict[str, float]:
    """Largest change of Y(t) if w(t) is another word, and if w(t + 1) is; it is 0 for a word that Y(t) has not read."""
    words = torch.randint(model.vocabulary_size, (steps, 1), generator=torch.Generator().manual_seed(12))
    found = {}
    with torch.no_grad():
        before = torch.softmax(model(words)[0], dim=-1)
        for name, place in (("w(t)", steps // 2), ("w(t+1)", steps // 2 + 1)):
            other = words.clone()
            other[place] = (other[place] + 1) % model.vocabulary_size
            moved = torch.softmax(model(other)[0], dim=-1) - before
            found[name] = float(moved[steps // 2].abs().max())
    return found


# ---- truncated backpropagation through time ----


def truncated(window: int, updates: int) -> Window:
    """Learn to output the bit LAG steps back from streams, with this window of backpropagation and a carried state.

    Every window takes as many updates on as many bits, since shorter windows read more streams at once.
    """
    torch.manual_seed(11)
    batch = 512 // window
    layer, read = GRU(2, 32), nn.Linear(32, 2)
    bits, state = torch.randint(2, (LAG, batch)), None  # the last LAG bits, then those of the window
    course = []

    def loss() -> Tensor:
        nonlocal bits, state
        bits = torch.cat([bits[-LAG:], torch.randint(2, (window, batch))])
        states, state = layer(nn.functional.one_hot(bits[LAG:], 2).float(), state)
        state = state.detach()
        logits = read(states)
        course.append(float((logits.argmax(dim=-1) == bits[:window]).float().mean()))
        return cross_entropy(logits, bits[:window])

    train([layer, read], loss, updates, 0.005)
    bits = torch.randint(2, (2_000, 16))
    with torch.no_grad():
        states, _ = layer(nn.functional.one_hot(bits, 2).float())
        right = read(states[LAG:]).argmax(dim=-1) == bits[:-LAG]
    return Window(float(right.float().mean()), course)
