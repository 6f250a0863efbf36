"""Drawing text from a language model, one symbol after the other."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from carousel.data import BOUNDARY, Vocabulary
from carousel.errors import CarouselError


def generate(
    model: nn.Module,
    vocabulary: Vocabulary,
    prompt: str = "",
    length: int = 500,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
) -> Iterator[str]:
    """Text that follows `prompt` at the start of a document, yielded piece by piece as it is drawn.

    It ends after `length` symbols or where the model ends the document. `<unk>` is never drawn. For the
    other options see `sample`.

    Raises CarouselError, before anything is drawn, for a prompt with unknown symbols or options out of range.
    """
    if vocabulary.size != _vocabulary_size(model):
        raise CarouselError(
            f"model and vocabulary must belong together; got a model of {_vocabulary_size(model)} symbols "
            f"and a vocabulary of {vocabulary.size}."
        )
    unknown = [number for number, symbol in enumerate(vocabulary.symbols[:2]) if symbol == "<unk>"]
    tokens = [BOUNDARY, *vocabulary.encode(prompt, strict=True).tolist()]
    drawn = sample(
        model,
        tokens,
        length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        never=unknown,
        stop=BOUNDARY,
    )
    return vocabulary.decode_stream(drawn)


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
        temperature: divides the logits; below 1 prefers the likely, 0 always takes the likeliest.
        top_k: draw from the k likeliest symbols alone.
        top_p: draw from the smallest set of symbols that holds this much probability (Holtzman et al. 2020).
        seed: equal seeds draw equal symbols; None draws anew each time. torch's own random state is not
        touched.
        never: symbols that are not drawn.
        stop: ends before this symbol.

    Raises CarouselError at the call for options out of range.
    """
    _check(prompt, length, temperature, top_k, top_p)
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    return _draw(model, prompt, length, temperature, top_k, top_p, generator, never, stop)


def _draw(
    model: nn.Module,
    prompt: Sequence[int],
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator,
    never: Sequence[int],
    stop: int | None,
) -> Iterator[int]:
    training = model.training
    model.eval()
    try:
        logits, state = _advance(model, prompt, None)
        for _ in range(length):
            token = choose(logits, temperature, top_k, top_p, generator, never)
            if token == stop:
                return
            yield token
            logits, state = _advance(model, [token], state)
    finally:
        model.train(training)


# inference mode is entered per step: around a `yield` it would leak into the caller's code
@torch.inference_mode()
def _advance(model: nn.Module, tokens: Sequence[int], state: Any) -> tuple[Tensor, Any]:
    """The logits (V,) after `tokens`, as float32 on the CPU, and the state."""
    device = next(model.parameters()).device
    logits, state = model(torch.tensor(tokens, device=device).unsqueeze(1), state)
    return logits[-1, 0].float().cpu(), state


@torch.inference_mode()
def choose(
    logits: Tensor,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
    generator: torch.Generator,
    never: Sequence[int] = (),
) -> int:
    """Draw one symbol from logits (V,), which are overwritten for the symbols that are `never` drawn."""
    logits[list(never)] = -math.inf
    if temperature == 0:
        return int(logits.argmax())
    logits, symbols = logits.double().sort(descending=True, stable=True)
    # the largest first becomes 0, so that no temperature however small can overflow it
    probabilities = ((logits - logits[0]) / temperature).softmax(0)
    if top_k is not None:
        probabilities[top_k:] = 0
    if top_p is not None:
        before = probabilities.cumsum(0) - probabilities
        probabilities[before >= top_p * probabilities.sum()] = 0
    return int(symbols[torch.multinomial(probabilities, 1, generator=generator)])


def _vocabulary_size(model: nn.Module) -> int:
    return int(model.vocabulary_size)  # type: ignore[arg-type]


def _check(
    prompt: Sequence[int], length: int, temperature: float, top_k: int | None, top_p: float | None
) -> None:
    if len(prompt) == 0:
        raise CarouselError("a prompt needs at least one symbol, such as the boundary 0; got none.")
    if length < 0:
        raise CarouselError(f"length must be at least 0; got {length}.")
    if not 0 <= temperature < math.inf:
        raise CarouselError(f"temperature must be a finite number of at least 0; got {temperature}.")
    if top_k is not None and top_k < 1:
        raise CarouselError(f"top_k must be at least 1; got {top_k}.")
    if top_p is not None and not 0 < top_p <= 1:
        raise CarouselError(f"top_p must be above 0 and at most 1; got {top_p}.")
