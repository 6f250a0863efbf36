"""The bits that a language model needs for a text.

Each file is one stream: the model starts at a boundary with the zero state, and each symbol is scored once, in order.
So a score depends on the text alone, not on the windows of training and not on other files, which run side
by side only for speed. During training a sample is scored: segments of 4,096 symbols spread over the part. The model
reads the 512 symbols before each segment without a score.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carousel.data import Document, Vocabulary
from carousel.data.documents import count_characters
from carousel.data.streams import streams
from carousel.data.vocabularies import BOUNDARY
from carousel.data.windows import IGNORED
from carousel.errors import CarouselError
from carousel.losses import linear_cross_entropy
from carousel.models.predictor import Predictor
from carousel.nn.eval_view import eval_view
from carousel.training.language.score import Score, TokenScore

SEGMENT = 4096  # symbols scored per segment of a sample
LEAD = 512  # symbols read before that for the state
_COLUMNS = 64  # streams run side by side
_LOGITS = 1 << 23  # numbers held at a time


@dataclass(frozen=True)
class Part:
    """A part of a corpus as symbols (N + 1,), the first being context only, and its number of characters.

    `ends` holds the place of the boundary that closes each file; None: the part is one file.
    """

    ids: np.ndarray
    characters: int
    ends: np.ndarray | None = None

    @classmethod
    def of(
        cls,
        documents: Sequence[Document],
        vocabulary: Vocabulary,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> "Part":
        """The part of these documents; `on_progress` gets the characters done and in all of large documents."""
        ids, ends = streams(documents, vocabulary, on_progress)
        return cls(ids, count_characters(documents), ends)

    @property
    def tokens(self) -> int:
        """N, the number of predictions."""
        return len(self.ids) - 1

    @property
    def files(self) -> list[np.ndarray]:
        """The stream of each file, from the boundary before the file to the boundary after it."""
        ends = [self.tokens] if self.ends is None else self.ends.tolist()
        return [self.ids[start : end + 1] for start, end in zip([0, *ends], ends, strict=False)]


def evaluate(model: Predictor, part: Part, limit: int | None = None) -> Score:
    """Score a whole part, each file as one stream, or a sample of about `limit` of its tokens.

    For a sample, the characters are those of the whole part in proportion to the tokens.
    """
    if len(part.ids) < 2:
        raise CarouselError(f"a part to score must hold at least 2 symbols; got {len(part.ids)}.")
    if limit is None:
        bits = sum(float(total) for total in _totals(model, part.files))
        return Score(bits, part.tokens, part.characters)
    starts = _segments(part.tokens, max(1, limit // SEGMENT))
    segments = [part.ids[start : start + LEAD + SEGMENT + 1] for start in starts]
    leads = [LEAD if start else 0 for start in starts]
    bits = sum(float(total) for total in _totals(model, segments, leads))
    tokens = sum(len(segment) - 1 - lead for segment, lead in zip(segments, leads, strict=True))
    return Score(bits, tokens, max(1, round(part.characters * tokens / part.tokens)))


def by_document(model: Predictor, documents: Sequence[Document]) -> Score:
    """The score of documents, each from the zero state at its start to its end; raises CarouselError without any."""
    if not documents:
        raise CarouselError("there must be at least one document to score; got none.")
    return evaluate(model, Part.of(documents, model.vocabulary))


def by_line(model: Predictor, documents: Sequence[Document]) -> list[Score]:
    """The score of each line, line end included, read from the zero state.

    The score of a line does not depend on the other lines.
    """
    texts, encoded = _encoded(model, documents)
    totals = _totals(model, encoded)
    return [
        Score(float(bits), len(ids) - 1, len(text))
        for bits, ids, text in zip(totals, encoded, texts, strict=True)
    ]


def by_token(model: Predictor, documents: Sequence[Document]) -> list[list[TokenScore]]:
    """`by_line` by token: the tokens of each line, and the bits of each token."""
    _, encoded = _encoded(model, documents)
    found = [np.zeros(len(ids) - 1) for ids in encoded]
    for rows, start, nats in _walk(model, encoded):
        for row, column in zip(rows, nats.T, strict=True):
            piece = found[row][start : start + len(column)]
            piece += column[: len(piece)]
    names = model.vocabulary.symbols
    boundary = model.vocabulary.boundary_text or names[BOUNDARY]
    return [
        [
            TokenScore(boundary if number == BOUNDARY else names[number], float(nats) / math.log(2))
            for number, nats in zip(ids[1:].tolist(), losses, strict=True)
        ]
        for ids, losses in zip(encoded, found, strict=True)
    ]


def lines_of(document: Document) -> list[str]:
    """Lines without their ends; only line feeds end one."""
    return document.text.removesuffix("\n").split("\n")


def _encoded(model: Predictor, documents: Sequence[Document]) -> tuple[list[str], list[np.ndarray]]:
    """Lines with their ends, and their symbols after a boundary."""
    texts = [line.rstrip("\r") + "\n" for document in documents for line in lines_of(document)]
    start = np.array([BOUNDARY], dtype=np.int32)
    return texts, [np.concatenate([start, model.vocabulary.encode(text)]) for text in texts]


def _segments(tokens: int, number: int) -> list[int]:
    """Where the segments of a sample begin: at most `number`, spread evenly, the first and the last among them."""
    all_of_them = max(1, math.ceil((tokens - LEAD) / SEGMENT))
    kept = np.linspace(0, all_of_them - 1, min(number, all_of_them)).round().astype(int)
    return [SEGMENT * int(k) for k in kept]


def _totals(model: Predictor, texts: Sequence[np.ndarray], leads: Sequence[int] | None = None) -> np.ndarray:
    """Bits of each stream (streams,) float64; the first symbol of each, and `leads` more, are context only."""
    totals = np.zeros(len(texts))
    for rows, start, nats in _walk(model, texts):
        if leads is not None:
            for k, row in enumerate(rows):
                nats[: max(0, leads[row] - start), k] = 0
        totals[rows] += nats.sum(0)
    return totals / math.log(2)


@torch.inference_mode()
def _walk(model: Predictor, texts: Sequence[np.ndarray]) -> Iterator[tuple[list[int], int, np.ndarray]]:
    """The losses of streams, each from the zero state: (which streams, from which step, nats (steps, streams)).

    Streams of similar length run side by side, the longest first, in windows so that logits fit into memory;
    a stream that has ended is left out of the windows that follow, and within a window its losses are 0.
    """
    model = eval_view(model)
    order = sorted(range(len(texts)), key=lambda k: -len(texts[k]))
    for start in range(0, len(order), _COLUMNS):
        yield from _side_by_side(model, texts, order[start : start + _COLUMNS])


def _side_by_side(
    model: Predictor, texts: Sequence[np.ndarray], rows: list[int]
) -> Iterator[tuple[list[int], int, np.ndarray]]:
    """The losses of some streams, the longest first."""
    device = next(model.parameters()).device
    state: Any = None
    start = 0
    while rows := [row for row in rows if len(texts[row]) - 1 > start]:
        steps = min(
            256, max(1, _LOGITS // (len(rows) * model.vocabulary_size)), len(texts[rows[0]]) - 1 - start
        )
        inputs = np.full((steps, len(rows)), BOUNDARY, dtype=np.int64)
        targets = np.full((steps, len(rows)), IGNORED, dtype=np.int64)
        for k, row in enumerate(rows):
            piece = texts[row][start : start + steps + 1]
            inputs[: len(piece) - 1, k] = piece[:-1]
            targets[: len(piece) - 1, k] = piece[1:]
        features, state = model.features(torch.from_numpy(inputs).to(device), _first(state, len(rows)))
        nats = linear_cross_entropy(
            features,
            model.head.weight,
            torch.from_numpy(targets).to(device),
            model.head.bias,
            reduction="none",
        )
        yield rows, start, nats.double().cpu().numpy()
        start += steps


def _first(state: Any, columns: int) -> Any:
    """The state of the first columns, which go on."""
    if state is None:
        return None
    parts = [part[:, :columns].contiguous() for part in ([state] if isinstance(state, Tensor) else state)]
    return parts[0] if isinstance(state, Tensor) else tuple(parts)
