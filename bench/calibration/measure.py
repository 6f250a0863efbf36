"""One net of the calibration: what the diagnosis says of it, and what its remedies do, at once and after training."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from bench.calibration.nets import Net
from bench.calibration.recipes import HEALTHY, Case
from bench.calibration.tasks import Task
from bench.calibration.teach import teach
from carousel.diagnosis import Finding, diagnose, judge
from carousel.errors import CarouselError


@dataclass(frozen=True)
class Treatment:
    """What one remedy did: whether the finding was gone, and any trouble, and the loss after the same training.

    `advice` is not applied by the diagnosis, but followed by hand here; nothing is then judged before training.
    """

    name: str
    advice: bool
    gone: bool
    well: bool
    loss: float


@dataclass(frozen=True)
class Outcome:
    """What came out for one net.

    `first` is the finding that was ranked first; `troubles` are all that were warnings or worse. `treatments` are those
    of the first finding, in its order. `untreated` is the loss after the same training, with the same data and steps,
    of the net as it was; NaN of nets that cannot be trained so.
    """

    label: str
    cause: str
    recipe: str
    cell: str
    hidden: int
    layers: int
    seed: int
    vain: int
    loss: float
    first: str
    troubles: tuple[str, ...]
    evidence: float
    untreated: float = math.nan
    treatments: tuple[Treatment, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def findings_of(case: Case, net: nn.Module) -> list[Finding]:
    """What the diagnosis says of a net, or of the step that was written by hand."""
    if case.step is not None:
        return list(diagnose(case.step, case.batch, case.asked, state=case.state).findings)
    return judge(net, case.batch, case.asked, optimizer=case.optimizer)


def measure(case: Case, vain: int) -> Outcome:
    """Diagnose; treat what was found first by each remedy; diagnose again; train all, and compare."""
    findings = findings_of(case, case.model)
    first = findings[0]
    outcome = Outcome(
        case.label,
        case.cause,
        case.recipe,
        case.cell,
        case.hidden,
        case.layers,
        case.seed,
        vain,
        case.loss,
        first.name,
        tuple(each.name for each in findings if each.is_trouble),
        first.evidence[0].value,
    )
    if not first.is_trouble or case.label == HEALTHY or case.step is not None:
        return outcome
    treatments = tuple(_treatments(case, first))
    if not treatments:
        return outcome
    untreated = _retrained(case, *copy.deepcopy((case.model, case.optimizer)))
    return replace(outcome, untreated=untreated, treatments=treatments)


def _treatments(case: Case, finding: Finding) -> Iterator[Treatment]:
    for number, remedy in enumerate(finding.remedies):
        if remedy.name == "standardise the data":
            yield Treatment(remedy.name, True, True, True, _standardised(case))
        if remedy.is_advice:
            continue
        model, optimizer = copy.deepcopy((case.model, case.optimizer))
        treated = replace(case, optimizer=optimizer)
        [own] = [each for each in findings_of(treated, model) if each.name == finding.name]
        torch.manual_seed(case.seed)
        own.remedies[number].apply(model)
        try:
            left = [each.name for each in findings_of(treated, model) if each.is_trouble]
        except CarouselError:
            left = [finding.name]
        loss = _retrained(case, model, optimizer)
        yield Treatment(remedy.name, False, finding.name not in left, not left, loss)


def _retrained(case: Case, model: nn.Module, optimizer: torch.optim.Optimizer | None) -> float:
    """The loss after the same training; NaN if the net is used in a way that has none."""
    if case.retrain is not None:
        return case.retrain(model, optimizer)
    return teach(model, case.task, case.again, case.seed + 5) if isinstance(model, Net) else math.nan


def _standardised(case: Case) -> float:
    """The loss of a new net that is trained on standardised data."""
    torch.manual_seed(case.seed)
    task = case.task
    net = Net(case.cell, task.inputs, case.hidden, task.outputs, case.layers, task.symbols)
    some, _ = task.draw(1000, 8, torch.Generator().manual_seed(case.seed))
    mean, deviation = some.mean((0, 1)), some.std((0, 1))

    def draw(time: int, batch: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        x, y = task.draw(time, batch, random)
        return (x - mean) / deviation, y

    standard: Task = replace(task, draw=draw)
    return teach(net, standard, case.again, case.seed + 5)
