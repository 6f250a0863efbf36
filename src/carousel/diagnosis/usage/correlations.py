"""Whether neighbours in the data are alike, along steps and along sequences."""

import torch
from torch import Tensor

from carousel.diagnosis.usage.probed_run import ProbedRun
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS


def correlations(run: ProbedRun, read: Tensor, time: int | None, batch: int | None) -> tuple[float, float]:
    """The correlation of neighbours along the axes `time` and `batch` of the data; NaN if there are too few numbers.

    Of symbols those of what the model made of them are compared: `read`, (T, B, I).

    What belongs to one sequence is mostly alike. What all sequences share, such as a calendar, makes none alike.
    """
    unknown = float("nan"), float("nan")
    if time is None or batch is None or run.packed is not None:
        return unknown
    data = read.detach().double()
    if run.data.is_floating_point():
        data = (
            run.data.detach().double().movedim((time, batch), (0, 1)).flatten(2 if run.data.dim() > 2 else 1)
        )
        data = data.unsqueeze(-1) if data.dim() == 2 else data
    steps, sequences, inputs = data.shape
    if min(steps, sequences) < 3 or steps * sequences * min(inputs, 2) < THRESHOLDS.neighbours:
        return unknown
    centred = data - data.mean((0, 1))
    power = centred.square().mean((0, 1))
    if not bool(power.any()):
        return unknown

    def alike(values: Tensor) -> float:
        size = values.square().mean((0, 1))
        varied = size > THRESHOLDS.rounding * power
        found = (values[1:] * values[:-1]).mean((0, 1))[varied] / size[varied]
        return float(found.mean()) if bool(varied.any()) else 0.0

    own = centred - centred.mean(1, keepdim=True)
    return alike(centred), alike(torch.transpose(own, 0, 1))
