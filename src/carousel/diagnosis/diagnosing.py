"""One call: a model and a batch in; what it remembers, what is wrong with it and what to do about it, out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from carousel.diagnosis.by_layer import GradientByLayer, gradient_by_layer
from carousel.diagnosis.chain import Progress, silent
from carousel.diagnosis.examination import Diagnosis, examine, follow, limits, on_text
from carousel.diagnosis.findings import Finding
from carousel.diagnosis.layers import is_recurrent
from carousel.diagnosis.recording import Batch
from carousel.diagnosis.symptoms import symptoms
from carousel.diagnosis.trajectory import Loss, observe
from carousel.diagnosis.verdicts import verdicts
from carousel.errors import CarouselError
from carousel.ops import torch_threads

SMALL = 128  # units of a layer up to which all of the batch is looked at, in float64
INSTANCES = 4  # sequences whose products of Jacobians are followed


def diagnose(
    model: nn.Module,
    batch: Batch,
    loss: Loss | None = None,
    *,
    text: Sequence[str] | None = None,
    lags: int | None = None,
    on_progress: Progress = silent,
) -> Diagnosis:
    """Say whether a recurrent network is stable, how far it remembers, where gradients die, and what to do.

    The model stays as it was: weights, requires_grad, .grad, modes, buffers, hooks and random numbers.

    Args:
        model: any module that holds torch.nn's RNN, LSTM, GRU (or their cells), or Carousel's.
        batch: a tuple is model(*batch), a dict model(**batch), anything else model(batch).
        loss: a function of the model's output that returns one number; None: the squared norm of the last valid
            output, and the report says so.
        text: what the first sequence of the batch reads, one string for each step (a str for characters): units that
            follow it are then drawn on it.
        lags: how far back the gradient is followed; None: to the start of the batch, at most 256 steps.
        on_progress: called with what is being done and the share that is done, from 0 to 1, in the thread that called
            this, though large layers are measured by two others.

    Returns:
        A Diagnosis: `print` it, `save` it as a page, read its `findings` and `layers`, `compare` it with another.

    Raises:
        CarouselError: the model holds no recurrent layer, the batch is empty or does not fit, weights are not finite,
            or the loss cannot be differentiated.

    >>> import carousel, torch
    >>> report = carousel.diagnose(torch.nn.LSTM(3, 16), torch.randn(80, 4, 3))
    >>> report.findings[0].name, report.layers[0].layer
    ('no trouble', 'LSTM.l0')
    """
    start = time.perf_counter()
    on_progress("running the model", 0.0)
    on_progress = _rising(on_progress)
    # steps are many and small: beside other work a team of threads waits for itself (512 units: 29 s against 1.5)
    with torch_threads(1):
        seen = observe(model, batch, loss, **_extent(model))
        if text is not None and seen.cut:
            raise CarouselError(
                "A text cannot be drawn on a batch with resets; give the batch or the text alone."
            )
        layers, stacks = examine(seen, lags, INSTANCES, on_progress)
    by_layer = _by_layer(model, batch, loss)
    findings = verdicts([layer.symptoms for layer in layers])
    on_progress("done", 1.0)
    return Diagnosis(
        model=type(model).__name__,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        loss=seen.loss,
        loss_words=seen.loss_words,
        layers=tuple(layers),
        findings=tuple(findings),
        stacks=tuple(stacks),
        by_layer=by_layer,
        text=None if text is None else on_text(layers, text),
        unused=tuple(seen.unused),
        limits=tuple(limits(seen)),
        cut=seen.cut,
        seconds=time.perf_counter() - start,
    )


def judge(model: nn.Module, batch: Batch, loss: Loss | None = None) -> list[Finding]:
    """The findings alone, those of `diagnose`, without the measures that only its report shows.

    >>> import torch
    >>> from carousel.diagnosis import judge
    >>> rnn = torch.nn.RNN(3, 16)
    >>> _ = rnn.weight_hh_l0.data.zero_()
    >>> judge(rnn, torch.randn(50, 4, 3))[0].name
    'memoryless'
    """
    with torch_threads(1):
        seen = observe(model, batch, loss, gradients=False, **_extent(model))
        return verdicts([symptoms(each, follow(each, None, INSTANCES)) for each in seen.trajectories])


def _extent(model: nn.Module) -> dict[str, Any]:
    """All sequences in float64 where layers are small; a few in float32 where that would take minutes."""
    return (
        {"instances": None} if _largest(model) <= SMALL else {"instances": INSTANCES, "dtype": torch.float32}
    )


def _largest(model: nn.Module) -> int:
    """Units of the largest recurrent layer; 0 if there is none."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return max((int(each.hidden_size) for each in modules if is_recurrent(each)), default=0)  # type: ignore[arg-type]


def _by_layer(model: nn.Module, batch: Batch, loss: Loss | None) -> GradientByLayer | None:
    """None of a model that is one layer and nothing else; a large one is not copied."""
    layers = [
        each for each in model.modules() if is_recurrent(each) or not any(True for _ in each.children())
    ]
    double = _largest(model) <= SMALL
    return gradient_by_layer(model, batch, loss, double=double) if len(layers) > 1 else None


def _rising(on_progress: Progress) -> Progress:
    """Measures that go several ways begin again each time; what is told never falls."""
    highest = 0.0

    def told(what: str, share: float) -> None:
        nonlocal highest
        highest = max(highest, share)
        on_progress(what, highest)

    return told
