"""Text from a language model: one text or several, streamed as it is drawn, or the likeliest texts."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, overload

from torch import nn

from carousel.data import Vocabulary
from carousel.data.vocabularies import BOUNDARY
from carousel.errors import CarouselError
from carousel.models.beam import beam_search
from carousel.models.sampling import Sampler, draw, only_lane


class TextModel(nn.Module):
    """A model of the next symbol that carries its vocabulary, and so reads and writes text.

    A subclass has `vocabulary_size`, and is called with tokens (T, B) int64 and a state. In the examples below, the
    model was not trained, so its text is noise.

    >>> from carousel.data import Document, fit_vocabulary
    >>> from carousel.models import LanguageModel
    >>> vocabulary = fit_vocabulary("char", [Document("a", "abc")])
    >>> model = LanguageModel(vocabulary.size, hidden_size=4)
    >>> model.vocabulary = vocabulary
    >>> text = model.generate("ab", length=20, seed=1)
    >>> "".join(model.stream("ab", length=20, seed=1)) == text, len(model.generate("ab", samples=3, stop=["c"]))
    (True, 3)
    >>> (first, nats), *others = model.beam_search("ab", length=3, beams=2)
    >>> all(nats <= more for _, more in others)
    True
    """

    _vocabulary: Vocabulary | None = None

    if TYPE_CHECKING:

        @property
        def vocabulary_size(self) -> int: ...

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols. A trained model has its vocabulary; for another model, set it.

        Raises CarouselError if no vocabulary was set, and if one of another size is set.
        """
        if self._vocabulary is None:
            raise CarouselError(
                "the model has no vocabulary, so its symbols cannot become text. Set it: model.vocabulary = vocabulary"
            )
        return self._vocabulary

    @vocabulary.setter
    def vocabulary(self, vocabulary: Vocabulary) -> None:
        if vocabulary.size != self.vocabulary_size:
            raise CarouselError(
                f"model and vocabulary must belong together; got a model of {self.vocabulary_size} symbols "
                f"and a vocabulary of {vocabulary.size}."
            )
        self._vocabulary = vocabulary

    @overload
    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        samples: None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> str: ...
    @overload
    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        samples: int,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> list[str]: ...
    def generate(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        samples: int | None = None,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> str | list[str]:
        """Text that follows `prompt` at the start of a document, without the prompt.

        The text ends after `length` symbols, where the model ends the document, or before the first of the texts in
        `stop`. `<unk>` is never drawn.

        Args:
            prompt: the text to go on from.
            length: the largest number of symbols.
            samples: None returns one text. A number returns a list of so many texts, drawn side by side; text k of
                seed s is the single text of seed s + k.
            temperature, top_k, top_p, seed: as in `carousel.models.sample`.
            stop: a list of texts.

        Raises CarouselError for a model without a vocabulary, a prompt with unknown symbols, and options out of range.
        """
        tokens, never, end = self._opened(prompt, stop)
        lanes = 1 if samples is None else samples
        sampler = Sampler(temperature, top_k, top_p, never)
        rows = draw(self, tokens, length, sampler, lanes=lanes, seed=seed, stop=end)
        texts = [
            "".join(until(self._behind(prompt, lane), stop)) for lane in self._collected(rows, lanes, stop)
        ]
        return texts[0] if samples is None else texts

    def stream(
        self,
        prompt: str = "",
        length: int = 500,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[str]:
        """The text of `generate`, yielded in pieces as it is drawn.

        All arguments (prompt, length, temperature, top_k, top_p, seed, stop) are those of `generate`.

        Raises CarouselError as `generate`, before anything is drawn.
        """
        tokens, never, end = self._opened(prompt, stop)
        rows = draw(self, tokens, length, Sampler(temperature, top_k, top_p, never), seed=seed, stop=end)
        return until(self._behind(prompt, only_lane(rows)), stop)

    def beam_search(
        self, prompt: str = "", length: int = 100, *, beams: int = 5, length_penalty: float = 0.0
    ) -> list[tuple[str, float]]:
        """The likeliest continuations of `prompt` up to the end of the document, and the nats of each, best first.

        `length` is the largest number of symbols. `beams` and `length_penalty` are as in
        `carousel.models.beam_search`. At the level of tokens a sentence is a document.

        Raises CarouselError as `generate`.
        """
        tokens, never, _ = self._opened(prompt, ())
        found = beam_search(
            self, tokens, length, beams=beams, length_penalty=length_penalty, never=never, stop=BOUNDARY
        )
        return [("".join(self._behind(prompt, each.tokens)), -each.log_probability) for each in found]

    def _collected(
        self, rows: Iterable[list[int | None]], lanes: int, stop: Sequence[str]
    ) -> list[list[int]]:
        """The symbols of each lane; drawing ends where every lane has ended or reached a stop."""
        found: list[list[int]] = [[] for _ in range(lanes)]
        reach = max((len(text.encode()) for text in stop), default=0) + 1  # no symbol is shorter than a byte
        stopped: set[int] = set()
        for row in rows:
            for k, token in enumerate(row):
                if token is not None and k not in stopped:
                    found[k].append(token)
                    tail = self.vocabulary.decode(found[k][-reach:]) if stop else ""
                    if any(text in tail for text in stop):
                        stopped.add(k)
            if len(stopped) == lanes:
                break
        return found

    def _behind(self, prompt: str, tokens: Iterable[int]) -> Iterator[str]:
        """The text of tokens that follow a prompt: a word brings its space, except at the beginning of a line."""
        pieces = self.vocabulary.decode_stream(tokens)
        if self.vocabulary.boundary_text and (not prompt or prompt[-1].isspace()):
            yield from (first.removeprefix(" ") for first in islice(pieces, 1))
        yield from pieces

    def _opened(self, prompt: str, stop: Sequence[str]) -> tuple[list[int], list[int], int | None]:
        """The prompt as symbols after a boundary, the symbols never drawn, and the symbol that ends a text."""
        vocabulary = self.vocabulary
        if isinstance(stop, str) or not all(isinstance(text, str) and text for text in stop):
            raise CarouselError(f"stop must be a list of texts that are not empty; got {stop!r}.")
        unknown = [number for number, symbol in enumerate(vocabulary.symbols[:2]) if symbol == "<unk>"]
        tokens = [BOUNDARY, *vocabulary.encode(prompt, strict=True).tolist()]
        return tokens, unknown, None if vocabulary.boundary_text else BOUNDARY


def until(pieces: Iterable[str], stop: Sequence[str]) -> Iterator[str]:
    """The text of `pieces` up to the first of the texts in `stop`, which is left out.

    Text that may be the beginning of a stop is held back until this is decided.

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


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of `text` that `stop` begins with."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if text.endswith(stop[:n])), 0)
