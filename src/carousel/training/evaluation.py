"""How many bits a language model needs for a text.

A text is one long stream: a boundary, the first document, a boundary, the second, ... Running it in one
pass, state carried from the first symbol to the last, is the exact score, but one lane is slow. So the
stream is cut at fixed places into segments of 4,096 symbols that are run side by side, and each gets its
state by first reading the 512 symbols before it, unscored. Where the cuts are depends on nothing but these
two numbers: neither batch nor window length nor threads change what is computed, and every symbol is scored
once, with at least 512 symbols behind it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from carousel.data import BOUNDARY, IGNORED, Document, Vocabulary, count_characters, stream
from carousel.errors import CarouselError
from carousel.losses import cross_entropy
from carousel.training.score import Score

SEGMENT = 4096  # symbols scored per segment
LEAD = 512  # symbols read before that for the state
_COLUMNS = 64  # segments or lines run side by side
_LOGITS = 1 << 23  # numbers held at a time


@dataclass(frozen=True)
class Part:
    """A held-out part as symbols (N + 1,), the first being context only, and its number of characters."""

    ids: np.ndarray
    characters: int

    @classmethod
    def of(cls, documents: Sequence[Document], vocabulary: Vocabulary) -> "Part":
        """The part that these documents are."""
        return cls(stream(documents, vocabulary), count_characters(documents))

    @property
    def tokens(self) -> int:
        """N, the number of predictions."""
        return len(self.ids) - 1


def evaluate(model: nn.Module, part: Part, limit: int | None = None) -> Score:
    """Score a whole part, or about `limit` of its tokens in segments spread evenly over it.

    With a limit, the characters are those of the whole in proportion to the tokens.
    """
    inputs, targets = _segments(part.ids)
    if limit is not None and (number := max(1, limit // SEGMENT)) < inputs.shape[1]:
        kept = np.linspace(0, inputs.shape[1] - 1, number).round().astype(int)
        inputs, targets = inputs[:, kept], targets[:, kept]
    tokens = int((targets != IGNORED).sum())
    bits = float(_bits(model, inputs, targets).sum())
    return Score(bits, tokens, max(1, round(part.characters * tokens / part.tokens)))


def score_documents(model: nn.Module, vocabulary: Vocabulary, documents: Sequence[Document]) -> Score:
    """Score documents as one text, each predicted from its start to its end.

    Raises CarouselError if there are none.
    """
    if not documents:
        raise CarouselError("there must be at least one document to score; got none.")
    return evaluate(model, Part.of(documents, vocabulary))


def score_lines(model: nn.Module, vocabulary: Vocabulary, lines: Sequence[str]) -> list[Score]:
    """Score each line by itself, from the zero state at the start of a document, its line end included.

    A line scores the same whatever lines stand around it. Line ends may be given or left out.
    """
    texts = [line.rstrip("\r\n") + "\n" for line in lines]
    encoded = [vocabulary.encode(text).astype(np.int64) for text in texts]
    order = sorted(range(len(texts)), key=lambda k: len(encoded[k]))
    scores: dict[int, Score] = {}
    for start in range(0, len(order), _COLUMNS):
        group = order[start : start + _COLUMNS]
        inputs = np.full((len(encoded[group[-1]]), len(group)), BOUNDARY, dtype=np.int64)
        targets = np.full_like(inputs, IGNORED)
        for column, k in enumerate(group):
            length = len(encoded[k])
            inputs[1:length, column] = encoded[k][:-1]
            targets[:length, column] = encoded[k]
        for k, bits in zip(group, _bits(model, inputs, targets), strict=True):
            scores[k] = Score(float(bits), len(encoded[k]), len(texts[k]))
    return [scores[k] for k in range(len(texts))]


def _segments(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets (LEAD + SEGMENT, columns); column k begins at symbol k * SEGMENT of the stream.

    The targets of its first LEAD rows are scored by the column before it, and IGNORED here. The first
    column has none before it and scores all of its rows.
    """
    if len(ids) < 2:
        raise CarouselError(f"a part to score must hold at least 2 symbols; got {len(ids)}.")
    number = max(1, math.ceil((len(ids) - 1 - LEAD) / SEGMENT))
    rows = min(LEAD + SEGMENT, len(ids) - 1)
    inputs = np.full((rows, number), BOUNDARY, dtype=np.int64)
    targets = np.full((rows, number), IGNORED, dtype=np.int64)
    for k in range(number):
        start = k * SEGMENT
        piece = ids[start : start + rows + 1]
        inputs[: len(piece) - 1, k] = piece[:-1]
        targets[: len(piece) - 1, k] = piece[1:]
    targets[:LEAD, 1:] = IGNORED
    return inputs, targets


@torch.inference_mode()
def _bits(model: nn.Module, inputs: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Bits of each column (columns,) float64, every column run from the zero state down all its rows."""
    training = model.training
    model.eval()
    device = next(model.parameters()).device
    sums = []
    try:
        for start in range(0, inputs.shape[1], _COLUMNS):
            x, y = (
                torch.from_numpy(np.ascontiguousarray(array[:, start : start + _COLUMNS])).to(device)
                for array in (inputs, targets)
            )
            sums.append(_nats(model, x, y).numpy())
    finally:
        model.train(training)
    return np.concatenate(sums) / math.log(2) if sums else np.zeros(0)


def _nats(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Summed loss of each column of (T, B), (B,) float64; in windows, so that the logits fit into memory."""
    vocabulary_size = int(model.vocabulary_size)  # type: ignore[arg-type]
    window = min(256, max(1, _LOGITS // (inputs.shape[1] * vocabulary_size)))
    total = torch.zeros(inputs.shape[1], dtype=torch.float64)
    state = None
    for x, y in zip(inputs.split(window), targets.split(window), strict=True):
        logits, state = model(x, state)
        total += cross_entropy(logits, y, reduction="none").cpu().sum(0, dtype=torch.float64)
    return total
