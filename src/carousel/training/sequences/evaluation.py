"""How good a model of sequences is on data that come with what is asked for: a file, a DataFrame, arrays."""

from __future__ import annotations

from typing import Any

from carousel.data.sequences import Span
from carousel.models.sequences.heads import Forecast
from carousel.models.sequences.model import SequenceModel
from carousel.training.sequences.forecast import ForecastAim
from carousel.training.sequences.labels import LabelAim
from carousel.training.sequences.score import ForecastScore, LabelScore


def evaluate(
    model: SequenceModel, data: Any, targets: Any = None, *, lengths: Any = None
) -> LabelScore | ForecastScore:
    """Score a model on sequences that it has not seen; a forecast from each step on, once a season was read.

    Args:
        model: one that was trained, with its own scaling and labels.
        data: in the form in which it was trained: arrays, a DataFrame or a CSV file's path, with the labels' column.
        targets, lengths: of arrays, as in `carousel.fit`.

    Raises CarouselError as `SequenceModel.predict`, and for labels that are missing or unknown to the model.

    >>> import carousel, numpy as np
    >>> model = carousel.SequenceModel("gru", head="classify", hidden_size=8)
    >>> data, labels = [np.full((5, 1), float(k % 2)) for k in range(40)], [k % 2 for k in range(40)]
    >>> run = carousel.fit(model, data, labels, steps=40, lr=0.05)
    >>> evaluate(model, [[[1.0]], [[0.0]]], [1, 0]).accuracy
    1.0
    """
    sequences = model.read(data, targets, lengths=lengths, labelled=True)
    encoded = [model.known.encode(item) for item in sequences.items]
    if not isinstance(model.head, Forecast):
        spans = [Span(k, 0, len(item)) for k, item in enumerate(sequences.items)]
        aim: LabelAim | ForecastAim = LabelAim(sequences, model.head.task, model.labels, encoded)
    else:
        model.check_lengths(sequences)
        spans = [Span(k, model.head.season, len(item)) for k, item in enumerate(sequences.items)]
        aim = ForecastAim(sequences, model.head, model.known, encoded, [])
    aim.check(spans, sequences.source)
    return aim.score(model, spans)
