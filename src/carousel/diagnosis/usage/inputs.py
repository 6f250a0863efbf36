"""The data that a recurrent layer reads: their scale, constants, outliers, and padding that is read as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from carousel.diagnosis.observation.recording import Batch, map_tensors
from carousel.diagnosis.usage.probed_run import data_of
from carousel.diagnosis.verdicts.findings import CRITICAL, NOTE, WARNING, Evidence, Finding, figure
from carousel.diagnosis.verdicts.remedies import STANDARDISE, Remedy
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS

DATA = "the data"
ENDS = 0.01  # of the values on each side, which may be outliers


@dataclass(frozen=True, eq=False)
class Data:
    """What the first recurrent layer reads.

    Attributes:
        name: of the layer. values: (T, B, I); lengths: (B,).
        ends_known: whether the batch says where sequences end or begin anew.
        start_varies: whether sequences begin from states that differ, as those of a decoder do.
        missing: how many numbers of the batch were NaN or infinite, and are measured as 0.
    """

    name: str
    values: Tensor
    lengths: Tensor
    ends_known: bool = False
    start_varies: bool = False
    missing: int = 0


def check_inputs(data: Data, ends: Sequence[int]) -> list[Finding]:
    """What is wrong with the data that the first layer reads.

    ends: the last step of each sequence on which the output depends; none if it is not known.
    """
    valid = torch.arange(len(data.values))[:, None] < data.lengths
    values = data.values[valid].double()  # (N, I)
    rules = (() if data.start_varies else (_constant,)) + (_outliers, _unscaled, _tiny)
    found = [finding for rule in rules if (finding := rule(data.name, values))][:1]
    padding = _padding(data.name, data.values, ends) if ends and not data.ends_known else None
    return [*_missing(data), *found, *([padding] if padding else [])]


def without_missing(batch: Batch) -> tuple[Batch, int]:
    """A batch whose data hold 0 in the place of numbers that are NaN or infinite, and how many these were."""
    found = data_of(batch)
    if found is None:
        return batch, 0
    data, rebuild = found
    wrong = ~torch.isfinite(data.data)
    if not bool(wrong.any()):
        return batch, 0
    filled = map_tensors(lambda values: torch.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0), data)
    return rebuild(filled), int(wrong.sum())


def _missing(data: Data) -> list[Finding]:
    if not data.missing:
        return []
    sentence = (
        f"{data.missing} numbers in the data are NaN or infinite. Each of them makes every later state NaN, then the "
        "loss, and after one step of training all weights. Here they are measured as 0."
    )
    evidence = Evidence("numbers that are NaN or infinite", data.missing, 0, True, DATA, "numbers")
    return [Finding("missing numbers", CRITICAL, (data.name,), sentence, (evidence,), (_FILL,))]


def _unscaled(name: str, values: Tensor) -> Finding | None:
    mean, deviation = values.mean(0), values.std(0, correction=0)
    k = int(torch.maximum(mean.abs(), deviation).argmax())
    worst = float(max(mean[k].abs(), deviation[k]))
    if worst <= THRESHOLDS.unscaled:
        return None
    severity = WARNING if worst > 2 * THRESHOLDS.unscaled else NOTE
    sentence = (
        f"{name} reads numbers that are not standardised: input {k} has mean {figure(float(mean[k]))} and standard "
        f"deviation {figure(float(deviation[k]))}. Its activations saturate, and learning is slow."
    )
    evidence = (
        Evidence(f"mean of input {k}, size", float(mean[k].abs()), THRESHOLDS.unscaled, True, DATA),
        Evidence(f"standard deviation of input {k}", float(deviation[k]), THRESHOLDS.unscaled, True, DATA),
    )
    if not evidence[0].crossed:
        evidence = evidence[::-1]
    return Finding("unscaled inputs", severity, (name,), sentence, evidence, (STANDARDISE,))


def _tiny(name: str, values: Tensor) -> Finding | None:
    largest = float(values.abs().max())
    if largest >= THRESHOLDS.tiny or largest == 0:
        return None
    sentence = (
        f"{name} reads numbers of at most {figure(largest)}: beside its biases they hardly change its state."
    )
    evidence = Evidence("largest number in the data", largest, THRESHOLDS.tiny, False, DATA)
    return Finding("tiny inputs", WARNING, (name,), sentence, (evidence,), (STANDARDISE,))


def _constant(name: str, values: Tensor) -> Finding | None:
    still = values.std(0, correction=0) <= 1e-12 * values.abs().amax(0)
    if not bool(still.all()) or len(values) < 2:
        return None
    sentence = (
        f"{name} reads the same numbers at every step of every sequence: there is nothing to learn from."
    )
    evidence = Evidence("inputs that change", 0, 1, False, DATA, f"of {values.shape[1]} inputs")
    return Finding("constant inputs", WARNING, (name,), sentence, (evidence,), (_LOOK,))


def _outliers(name: str, values: Tensor) -> Finding | None:
    """Numbers many times farther from the middle than all but a few of the others."""
    if len(values) < THRESHOLDS.neighbours:
        return None
    low, high = torch.quantile(values[:100_000], torch.tensor([ENDS, 1 - ENDS]).double(), dim=0)
    middle, half = (low + high) / 2, (high - low) / 2
    far = torch.where(half > 0, (values - middle).abs().amax(0) / half.clamp(min=1e-300), 0.0)
    two_valued = ((values == values.amax(0)) | (values == values.amin(0))).all(
        0
    )  # rare events, one-hot vectors
    far = far.masked_fill(two_valued, 0.0)
    k = int(far.argmax())
    if float(far[k]) <= THRESHOLDS.outlier:
        return None
    sentence = (
        f"{name} reads outliers: a number of input {k} lies {figure(float(far[k]))} times as far from the middle as "
        "98 % of the others."
    )
    what = f"distance of the farthest number of input {k}, relative to 98 % of the numbers"
    evidence = Evidence(what, float(far[k]), THRESHOLDS.outlier, True, DATA)
    return Finding("outliers", WARNING, (name,), sentence, (evidence,), (_CLIP_DATA,))


def _padding(name: str, inputs: Tensor, ends: Sequence[int]) -> Finding | None:
    """Sequences that end in a constant stretch of different lengths, which the model reads to the end."""
    if len(ends) != inputs.shape[1]:  # the layer reads other sequences than those of the data
        return None
    same = (inputs == inputs[-1]).all(-1)  # (T, B)
    trailing = same.flip(0).cumprod(0).sum(0)  # steps at the end that equal the last one
    trailing *= torch.tensor(ends) == len(inputs) - 1
    long = trailing[trailing >= THRESHOLDS.padded]
    filler = inputs[-1, trailing >= THRESHOLDS.padded]
    steps = len(inputs)
    alike = len(filler) > 1 and bool((filler == filler[0]).all())
    if not alike or len(long.unique()) < 2 or bool((trailing == steps).all()):
        return None
    earlier = torch.arange(steps)[:, None] < steps - trailing
    if float((inputs == filler[0]).all(-1)[earlier].double().mean()) > THRESHOLDS.silence:
        return None  # these steps also stand between others, as silence does
    # a cue, then silence, looks like this; in a padded batch the longest sequence has none
    unsure = not bool(filler[0].any()) and bool((trailing >= THRESHOLDS.padded).all())
    sentence = (
        f"{len(long)} of {inputs.shape[1]} sequences end in {int(long.min())} to {int(long.max())} equal steps, as "
        f"padding does, and {name} reads them as data. The last output is that of the padding."
    )
    evidence = (
        Evidence(
            "longest padding that is read",
            float(long.max()),
            THRESHOLDS.padded,
            True,
            DATA,
            f"of {steps} steps",
        ),
        Evidence(
            "sequences with padding", float(len(long)), 1, True, DATA, f"of {inputs.shape[1]} sequences"
        ),
    )
    severity = NOTE if unsure else WARNING
    return Finding("padding read as data", severity, (name,), sentence, evidence, (_PACK,))


_FILL = Remedy(
    "fill or mask them",
    "replace missing numbers in the pipeline, by the last number that is known or by the mean, and give the model a "
    "second input that says where they were",
    "Che, Purushotham, Cho, Sontag and Liu 2018",
    True,
)
_LOOK = Remedy("look at the data", "print a few sequences as the model reads them", "experience", True)
_CLIP_DATA = Remedy(
    "limit outliers",
    "check their source; then limit numbers to a range, or use their logarithm",
    "experience",
    True,
)
_PACK = Remedy(
    "pass the lengths",
    "pack the sequences by torch.nn.utils.rnn.pack_padded_sequence, or pass lengths= to Carousel's layers, and read "
    "the output at the last valid step",
    "torch.nn.utils.rnn",
    True,
)
