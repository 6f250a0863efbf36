"""Whether the targets of a loss are among the later inputs that an output depends on: a forecast that sees its answer.

The direction in which a loss falls from an output of zeros is like the targets: of squared errors it is their multiple,
of cross-entropy it is largest at the right class.
"""

from __future__ import annotations

from torch import Tensor

from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.usage.dependencies import Dependencies
from carousel.diagnosis.usage.probed_run import data_of
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS


def reads_targets(found: Dependencies, batch: Batch, wanted: Tensor | None) -> bool | None:
    """Whether an output depends on its own target among the later inputs; None if nobody knows.

    wanted: the direction in which the loss falls from an output of zeros; None without a loss.
    """
    axes = (found.time_axis, found.output_time)
    data = data_of(batch)
    if found.ahead < 1 or wanted is None or None in axes or data is None or not isinstance(data[0], Tensor):
        return None
    read = _time_first(data[0], found.time_axis, found.batch_axis)  # (T, B, I), or symbols (T, B, 1)
    answers = _time_first(wanted, found.output_time, found.output_batch)
    if read.shape[:2] != answers.shape[:2] or answers.dim() != 3:
        return None
    # neighbours in a series are alike: the later input must be more like the target than the present one
    least = max(THRESHOLDS.same, _alike(read, answers) + THRESHOLDS.chance)
    ahead = range(1, min(found.ahead, len(read) - 1) + 1)
    return any(_alike(read[k:], answers[:-k]) > least for k in ahead)


def _time_first(values: Tensor, time: int | None, batch: int | None) -> Tensor:
    assert time is not None
    values = values.movedim(time, 0) if batch is None else values.movedim((time, batch), (0, 1))
    values = values.unsqueeze(1) if batch is None else values
    return values.unsqueeze(-1) if values.dim() == 2 else values.flatten(2)


def _alike(read: Tensor, answers: Tensor) -> float:
    """Of numbers the largest correlation of an input with an output; of symbols the share of equal classes."""
    if not read.is_floating_point():
        return float((answers.argmax(-1, keepdim=True) == read).double().mean())
    one, other = (_standard(each.double().flatten(0, 1)) for each in (read, answers))
    return float((one.T @ other).abs().max()) / len(one)


def _standard(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred / centred.std(0, correction=0).clamp(min=1e-12)
