"""Text from a language model: as it is drawn, several texts at once, or the likeliest ones."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from torch import nn

from carousel.data import BOUNDARY, Vocabulary
from carousel.errors import CarouselError
from carousel.models.beam import beam_search
from carousel.models.sampling import draw, sample


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
    stop: Sequence[str] = (),
) -> Iterator[str]:
    """Text that follows `prompt` at the start of a document, yielded piece by piece as it is drawn.

    It ends after `length` symbols, where the model ends the document, or before the first of the texts in
    `stop`. `<unk>` is never drawn. For the other options see `carousel.models.sampling.sample`.

    Raises CarouselError, before anything is drawn, for a prompt with unknown symbols or options out of range.
    """
    tokens, never, end = _opened(model, vocabulary, prompt, stop)
    drawn = sample(
        model,
        tokens,
        length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        never=never,
        stop=end,
    )
    return until(_behind(prompt, vocabulary, drawn), stop)


def generate_many(
    model: nn.Module,
    vocabulary: Vocabulary,
    prompt: str = "",
    length: int = 500,
    number: int = 4,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    seed: int | None = None,
    stop: Sequence[str] = (),
) -> list[str]:
    """`number` texts that follow `prompt`, drawn side by side; text k of seed s is that of `generate` with s + k.

    Raises CarouselError as `generate`.
    """
    tokens, never, end = _opened(model, vocabulary, prompt, stop)
    rows = draw(
        model,
        tokens,
        length,
        lanes=number,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        never=never,
        stop=end,
    )
    lanes: list[list[int]] = [[] for _ in range(number)]
    reach = max((len(text.encode()) for text in stop), default=0) + 1  # no symbol is shorter than a byte
    stopped: set[int] = set()
    for row in rows:
        for k, token in enumerate(row):
            if token is not None and k not in stopped:
                lanes[k].append(token)
                tail = vocabulary.decode(lanes[k][-reach:]) if stop else ""
                if any(text in tail for text in stop):
                    stopped.add(k)
        if len(stopped) == number:
            break
    return ["".join(until(_behind(prompt, vocabulary, lane), stop)) for lane in lanes]


def generate_best(
    model: nn.Module,
    vocabulary: Vocabulary,
    prompt: str = "",
    length: int = 100,
    *,
    beams: int = 5,
    length_penalty: float = 0.0,
) -> list[tuple[str, float]]:
    """The likeliest continuations of `prompt` up to the end of the document, and the nats of each, best first.

    At the level of tokens a sentence is a document. For the options see `carousel.models.beam.beam_search`.

    Raises CarouselError as `generate`.
    """
    tokens, never, _ = _opened(model, vocabulary, prompt, ())
    found = beam_search(
        model, tokens, length, beams=beams, length_penalty=length_penalty, never=never, stop=BOUNDARY
    )
    return [("".join(_behind(prompt, vocabulary, each.tokens)), -each.log_probability) for each in found]


def until(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The text of `pieces` up to the first of the texts in `stop`, which is left out.

    What may be the beginning of such a text is held back until it is known.

    >>> list(until(["one t", "wo. thr", "ee"], [". "]))
    ['one t', 'wo']
    """
    held = ""
    for piece in pieces:
        held += piece
        ends = [place for text in stop if (place := held.find(text)) >= 0]
        if ends:
            if held[: min(ends)]:
                yield held[: min(ends)]
            return
        keep = max((_overlap(held, text) for text in stop), default=0)
        if len(held) > keep:
            yield held[: len(held) - keep]
            held = held[len(held) - keep :]
    if held:
        yield held


def check_vocabulary(model: nn.Module, vocabulary: Vocabulary) -> None:
    """Raise CarouselError for a vocabulary of another size than the model's."""
    size = int(model.vocabulary_size)  # type: ignore[arg-type]
    if vocabulary.size != size:
        raise CarouselError(
            f"model and vocabulary must belong together; got a model of {size} symbols "
            f"and a vocabulary of {vocabulary.size}."
        )


def _behind(prompt: str, vocabulary: Vocabulary, tokens: Iterable[int]) -> Iterator[str]:
    """The text of tokens that follow a prompt: a word brings its space but where a line begins."""
    pieces = vocabulary.decode_stream(tokens)
    if vocabulary.boundary_text and (not prompt or prompt[-1].isspace()):
        yield from (first.removeprefix(" ") for first in islice(pieces, 1))
    yield from pieces


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that `stop` begins with."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)


def _opened(
    model: nn.Module, vocabulary: Vocabulary, prompt: str, stop: Sequence[str]
) -> tuple[list[int], list[int], int | None]:
    """The prompt as symbols behind a boundary, the symbols that are never drawn, and the one that ends a text."""
    check_vocabulary(model, vocabulary)
    if isinstance(stop, str) or not all(isinstance(text, str) and text for text in stop):
        raise CarouselError(f"stop must be a list of texts that are not empty; got {stop!r}.")
    unknown = [number for number, symbol in enumerate(vocabulary.symbols[:2]) if symbol == "<unk>"]
    tokens = [BOUNDARY, *vocabulary.encode(prompt, strict=True).tolist()]
    return tokens, unknown, None if vocabulary.boundary_text else BOUNDARY
