"""Draw symbols from a language model one after the other, in one or several lanes at once."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from carousel.errors import CarouselError
from carousel.nn.eval_view import eval_view
from carousel.options import MOST_SEED, check_seed


def sample(
    model: nn.Module,
    prompt: Sequence[int],
    length: int,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    never: Sequence[int] = (),
    stop: int | None = None,
) -> Iterator[int]:
    """Up to `length` symbols that follow `prompt` (at least one symbol), from the zero state, one at a time.

    Args:
        model: called with tokens (T, B) int64 and a state; returns logits (T, B, V) and the state after them.
        prompt: numbers of symbols.
        length: the largest number of symbols.
        temperature: divides the logits; below 1 prefers the likely, 0 always takes the likeliest.
        top_k: draw from the k likeliest symbols alone.
        top_p: draw from the smallest set of symbols that holds this much probability (Holtzman et al. 2020).
        seed: equal seeds draw equal symbols; None draws anew each time. torch's own random state is not touched.
        never: symbols that are not drawn.
        stop: the symbol that ends the sequence; it is not yielded.

    Raises CarouselError at the call for options out of range, and while drawing for scores that are not finite.

    >>> from carousel.models import LanguageModel
    >>> model = LanguageModel(vocabulary_size=9, hidden_size=4)
    >>> first = list(sample(model, [0], 5, temperature=0.8, seed=1, never=[3]))
    >>> first == list(sample(model, [0], 5, temperature=0.8, seed=1, never=[3])), len(first), 3 in first
    (True, 5, False)
    """
    sampler = Sampler(temperature, top_k, top_p, never)
    return only_lane(draw(model, prompt, length, sampler, seed=seed, stop=stop))


@dataclass(frozen=True)
class Sampler:
    """How a symbol is drawn from logits; the fields are arguments of `sample`.

    Raises CarouselError for values out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    never: Sequence[int] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise CarouselError(f"temperature must be a finite number of at least 0; got {self.temperature}.")
        if self.top_k is not None and self.top_k < 1:
            raise CarouselError(f"top_k must be at least 1; got {self.top_k}.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise CarouselError(f"top_p must be above 0 and at most 1; got {self.top_p}.")

    @torch.inference_mode()
    def choose(self, logits: Tensor, generator: torch.Generator) -> int:
        """Draw one symbol from logits (V,), which are overwritten for the symbols that are `never` drawn."""
        logits[list(self.never)] = -math.inf
        if self.temperature == 0:
            return int(logits.argmax())
        logits, symbols = logits.double().sort(descending=True, stable=True)
        # the largest first becomes 0, so that no temperature however small can overflow it
        probabilities = ((logits - logits[0]) / self.temperature).softmax(0)
        if self.top_k is not None:
            probabilities[self.top_k :] = 0
        if self.top_p is not None:
            before = probabilities.cumsum(0) - probabilities
            probabilities[before >= self.top_p * probabilities.sum()] = 0
        return int(symbols[torch.multinomial(probabilities, 1, generator=generator)])


def draw(
    model: nn.Module,
    prompt: Sequence[int],
    length: int,
    sampler: Sampler,
    *,
    lanes: int = 1,
    seed: int | None = None,
    stop: int | None = None,
) -> Iterator[list[int | None]]:
    """`sample` in several lanes side by side: at each step one symbol per lane, None for a lane that has ended.

    Lane k of seed s draws what a single lane of seed s + k would.
    """
    check_prompt(prompt, length)
    if lanes < 1:
        raise CarouselError(f"there must be at least one sample to draw; got {lanes}.")
    first = None if seed is None else check_seed(seed)
    generators = [torch.Generator() for _ in range(lanes)]
    for k, generator in enumerate(generators):
        generator.seed() if first is None else generator.manual_seed((first + k) % (MOST_SEED + 1))
    return _draw(model, prompt, length, sampler, generators, stop)


def only_lane(rows: Iterable[list[int | None]]) -> Iterator[int]:
    """The symbols of `draw` with one lane."""
    return (token for [token] in rows if token is not None)


def _draw(
    model: nn.Module,
    prompt: Sequence[int],
    length: int,
    sampler: Sampler,
    generators: list[torch.Generator],
    stop: int | None,
) -> Iterator[list[int | None]]:
    lanes = len(generators)
    live = [True] * lanes
    model = eval_view(model)
    logits, state = advance(model, [[token] * lanes for token in prompt], None)
    for _ in range(length):
        tokens = [
            sampler.choose(row, generator) if alive else stop
            for row, generator, alive in zip(logits, generators, live, strict=True)
        ]
        live = [alive and token != stop for alive, token in zip(live, tokens, strict=True)]
        if not any(live):
            return
        yield [token if alive else None for token, alive in zip(tokens, live, strict=True)]
        # a lane that has ended goes on reading, unread
        logits, state = advance(model, [[0 if token is None else token for token in tokens]], state)


# inference mode is entered per step: around a `yield` it would leak into the caller's code
@torch.inference_mode()
def advance(model: nn.Module, tokens: Sequence[Sequence[int]], state: Any) -> tuple[Tensor, Any]:
    """The logits (B, V) after `tokens`, T rows of B, as float32 on the CPU, and the state.

    Raises CarouselError if the largest is no finite number, as where one is NaN.
    """
    device = next(model.parameters()).device
    logits, state = model(torch.tensor(tokens, device=device), state)
    last = logits[-1].float().cpu()
    if not last.amax(dim=-1).isfinite().all():  # one symbol may be impossible, not all
        raise CarouselError(
            "the scores of a model must be finite numbers to choose symbols by; some are not. Its weights hold NaN or "
            "are too large: use weights of an earlier step, or train again with a lower learning rate."
        )
    return last, state


def check_prompt(prompt: Sequence[int], length: int) -> None:
    """Raise CarouselError for a prompt without a symbol and a negative length."""
    if len(prompt) == 0:
        raise CarouselError("a prompt needs at least one symbol, such as the boundary 0; got none.")
    if length < 0:
        raise CarouselError(f"length must be at least 0; got {length}.")
