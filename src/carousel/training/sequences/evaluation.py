"""The score of a model of sequences on data with targets: a file, a DataFrame or arrays."""

from __future__ import annotations

from typing import Any

from carousel.data.sequences import Span
from carousel.models.sequences.model import SequenceModel
from carousel.training.sequences.objectives_by_task import OBJECTIVES
from carousel.training.sequences.score import ForecastScore, LabelScore


def evaluate(
    model: SequenceModel, data: Any, targets: Any = None, *, lengths: Any = None
) -> LabelScore | ForecastScore:
    """Score a model on sequences that it has not seen; forecasts begin after the first season.

    Args:
        model: a trained model.
        data: in the form in which the model was trained: arrays, a DataFrame or the path of a CSV file, with labels.
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
    encoded = [model.fitted_encoding.encode(item) for item in sequences.items]
    objective = OBJECTIVES[model.head.task](
        sequences, model.head, encoded, labels=model.labels, encoding=model.fitted_encoding, train=[]
    )
    spans = [Span(k, objective.lead, len(item)) for k, item in enumerate(sequences.items)]
    objective.check(spans, sequences.source)
    return objective.score(model, spans)
