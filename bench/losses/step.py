"""One training step of the 2x200 LSTM language model, Carousel's and the same in plain torch, from the same weights."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from carousel.models import LanguageModel
from carousel.training.language.task import next_symbol

HIDDEN, LAYERS, BATCH, BPTT = 200, 2, 20, 35
# At the published rate of 1 two trainings part by rounding alone, torch in float32 and in float64 too.
RATE, CLIP = 0.1, 5.0

Step = Callable[[Tensor, Tensor], float]


class Plain(nn.Module):
    """What one writes in torch: embedding, LSTM, linear layer."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, HIDDEN)
        self.recurrent = nn.LSTM(HIDDEN, HIDDEN, LAYERS)
        self.head = nn.Linear(HIDDEN, vocabulary)


@dataclass(frozen=True)
class Trained:
    """Seconds and losses (nats) of each step, by contender."""

    seconds: dict[str, list[float]]
    losses: dict[str, list[float]]


def carousel_model(vocabulary: int) -> LanguageModel:
    torch.manual_seed(0)
    return LanguageModel(
        vocabulary, cell="lstm", hidden_size=HIDDEN, num_layers=LAYERS, embedding=HIDDEN, uniform=0.1
    )


def carousel_step(model: LanguageModel, bfloat16: bool = False) -> Step:
    """The training loop's own objective, with the optimizer that it uses."""
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    state = None

    def step(x: Tensor, y: Tensor) -> float:
        nonlocal state
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss, state = next_symbol(model, (x, y), state)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        state = tuple(part.detach() for part in state)
        return loss.item()

    return step


def plain_step(model: Plain) -> Step:
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    state = None

    def step(x: Tensor, y: Tensor) -> float:
        nonlocal state
        output, state = model.recurrent(model.embedding(x), state)
        loss = F.cross_entropy(model.head(output).flatten(0, 1), y.flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        optimizer.zero_grad()
        state = tuple(part.detach() for part in state)
        return loss.item()

    return step


def text(vocabulary: int, steps: int) -> Tensor:
    """(steps BPTT + 1, BATCH) words by Zipf's law."""
    shares = 1 / torch.arange(1, vocabulary + 1, dtype=torch.float64)
    generator = torch.Generator().manual_seed(1)
    drawn = torch.multinomial(shares, (steps * BPTT + 1) * BATCH, replacement=True, generator=generator)
    return drawn.view(-1, BATCH)


def run(vocabulary: int, steps: int) -> Trained:
    """All contenders in turns, step by step.

    Raises RuntimeError if after the last step the float32 losses differ by more than 1 in 1,000.
    """
    ours, halved, plain = carousel_model(vocabulary), carousel_model(vocabulary), Plain(vocabulary)
    plain.load_state_dict(ours.state_dict())
    contenders: dict[str, Step] = {
        "carousel": carousel_step(ours),
        "carousel, bfloat16 products": carousel_step(halved, bfloat16=True),
        "torch": plain_step(plain),
    }
    found = Trained({name: [] for name in contenders}, {name: [] for name in contenders})
    words = text(vocabulary, steps)
    for number in range(steps):
        x, y = words[number * BPTT : (number + 1) * BPTT], words[number * BPTT + 1 : (number + 1) * BPTT + 1]
        for name, step in contenders.items():
            start = time.perf_counter()
            loss = step(x, y)
            found.seconds[name].append(time.perf_counter() - start)
            found.losses[name].append(loss)
    ours_last, theirs_last = found.losses["carousel"][-1], found.losses["torch"][-1]
    if not abs(ours_last - theirs_last) < 1e-3 * theirs_last:
        raise RuntimeError(f"Losses must be the same after {steps} steps; got {ours_last} and {theirs_last}.")
    return found
