"""Beam search: the continuations that a language model finds likeliest."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from carousel.errors import CarouselError
from carousel.models.sampling import advance, check_prompt
from carousel.nn.eval_view import eval_view


@dataclass(frozen=True)
class Hypothesis:
    """A continuation of a prompt."""

    tokens: tuple[int, ...]  # the symbols by number, without the one that ended it
    log_probability: float  # of all its symbols, in nats
    score: float  # what hypotheses are ranked by: the log probability, divided as `length_penalty` asks
    ended: bool  # by the stop symbol, whose probability counts


def beam_search(
    model: nn.Module,
    prompt: Sequence[int],
    length: int,
    *,
    beams: int = 5,
    length_penalty: float = 0.0,
    never: Sequence[int] = (),
    stop: int | None = None,
) -> list[Hypothesis]:
    """The best continuations of `prompt` of at most `length` symbols, best first; nothing is random.

    Args:
        model: called with tokens (T, B) int64 and a state; returns logits (T, B, V) and the state after them.
        prompt: numbers of symbols, at least one.
        length: the largest number of symbols.
        beams: how many partial continuations are kept at each step, and the largest number returned.
        length_penalty: the exponent a of Wu et al. 2016: a hypothesis of n symbols is ranked by its log
            probability divided by ((5 + n) / 6)^a; 0 ranks by the probability itself, which favours the short.
        never: symbols that are not taken.
        stop: the symbol that ends a hypothesis.

    Raises CarouselError for an empty prompt or options out of range.

    >>> from carousel.models import LanguageModel
    >>> best, second = beam_search(LanguageModel(vocabulary_size=9, hidden_size=4), [0], length=3, beams=2)
    >>> len(best.tokens), best.score >= second.score
    (3, True)
    """
    check_prompt(prompt, length)
    if beams < 1:
        raise CarouselError(f"beams must be at least 1; got {beams}.")
    if not 0 <= length_penalty < math.inf:
        raise CarouselError(f"length_penalty must be a finite number of at least 0; got {length_penalty}.")
    model = eval_view(model)
    logits, state = advance(model, [[token] for token in prompt], None)
    live: list[tuple[int, ...]] = [()]
    totals = torch.zeros(1, dtype=torch.float64)
    ended: list[Hypothesis] = []
    for n in range(1, length + 1):
        steps = logits.double().log_softmax(-1)
        steps[:, list(never)] = -math.inf
        # twice the beams: even if the stop symbol takes one place of each, enough go on
        best, parents, tokens = _best(totals[:, None] + steps, 2 * beams)
        kept: list[tuple[float, int, int]] = []
        for total, parent, token in zip(best, parents, tokens, strict=True):
            if token == stop:
                ended.append(_ranked(live[parent], total, n, length_penalty, ended=True))
            elif len(kept) < beams:
                kept.append((total, parent, token))
        ended = sorted(ended, key=lambda one: -one.score)[:beams]
        if not kept or _settled(ended, kept[0][0], length, beams, length_penalty):
            return ended
        live = [(*live[parent], token) for _, parent, token in kept]
        totals = torch.tensor([total for total, _, _ in kept], dtype=torch.float64)
        if n < length:
            state = reorder(state, [parent for _, parent, _ in kept])
            logits, state = advance(model, [[token for _, _, token in kept]], state)
    unended = [
        _ranked(tokens, total, max(1, length), length_penalty, ended=False)
        for tokens, total in zip(live, totals.tolist(), strict=True)
    ]
    return sorted([*ended, *unended], key=lambda one: -one.score)[:beams]


def _best(totals: Tensor, number: int) -> tuple[list[float], list[int], list[int]]:
    """The largest of (beams, V) that are possible: totals, rows and columns, largest first."""
    values, places = totals.flatten().topk(min(number, totals.numel()))
    possible = values > -math.inf
    places = places[possible]
    return (
        values[possible].tolist(),
        (places // totals.shape[1]).tolist(),
        (places % totals.shape[1]).tolist(),
    )


def _ranked(tokens: tuple[int, ...], total: float, n: int, exponent: float, ended: bool) -> Hypothesis:
    return Hypothesis(tokens, total, total / ((5 + n) / 6) ** exponent, ended)


def _settled(ended: list[Hypothesis], best: float, length: int, beams: int, exponent: float) -> bool:
    """Whether no continuation that goes on can overtake those that have ended; its score is highest at full length."""
    return len(ended) == beams and ended[-1].score >= best / ((5 + length) / 6) ** exponent


def reorder(state: Any, lanes: Sequence[int]) -> Any:
    """A state whose lane k is lane `lanes[k]` of the given state; the batch is the second dimension."""
    if isinstance(state, Tensor):
        return state[:, list(lanes)]
    return tuple(part[:, list(lanes)] for part in state)
