"""One net of the calibration: what the diagnosis says of it, and whether its remedy helps."""

from __future__ import annotations

import copy
import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import nn

from bench.calibration.nets import Net
from bench.calibration.recipes import HEALTHY, Case
from bench.calibration.teach import Schedule, teach
from carousel.diagnosis import Finding, diagnose, judge
from carousel.errors import CarouselError

AGAIN = Schedule(steps=150, lr=3e-3)  # the training after which a remedy is judged


@dataclass(frozen=True)
class Outcome:
    """What came out for one net.

    `first` is the finding that was ranked first; `troubles` are all that were warnings or worse. `remedy` is what was
    applied ("" where there was only advice); `helped` says that the finding was gone afterwards, and `well` that there
    is no trouble of any kind. `untreated` and `treated` are the losses after the same training, with the same data and
    steps, of the net as it was and after the remedy; NaN of nets that cannot be trained so.
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
    remedy: str = ""
    helped: bool = False
    well: bool = False
    untreated: float = math.nan
    treated: float = math.nan

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def findings_of(case: Case, net: nn.Module) -> list[Finding]:
    """What the diagnosis says of a net, or of the step that was written by hand."""
    if case.step is not None:
        return list(diagnose(case.step, case.batch, case.asked, state=case.state).findings)
    return judge(net, case.batch, case.asked, optimizer=case.optimizer)


def measure(case: Case, vain: int) -> Outcome:
    """Diagnose; treat what was found first; diagnose again; train both, and compare."""
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
    return _treated(case, first, outcome) if first.is_trouble and case.label != HEALTHY else outcome


def _treated(case: Case, finding: Finding, outcome: Outcome) -> Outcome:
    """The outcome with what the first remedy did, at once and after training."""
    if finding.treatment is None:
        return outcome
    model, optimizer = copy.deepcopy((case.model, case.optimizer))
    torch.manual_seed(case.seed)
    [own] = [
        each for each in findings_of(replace(case, optimizer=optimizer), model) if each.name == finding.name
    ]
    done = own.apply(model)
    try:
        after = [
            each.name for each in findings_of(replace(case, optimizer=optimizer), model) if each.is_trouble
        ]
    except CarouselError:
        after = [finding.name]
    name = finding.treatment.name if done else ""
    outcome = replace(outcome, remedy=name, helped=finding.name not in after, well=not after)
    if not isinstance(model, Net) or case.optimizer is not None:
        return outcome
    untreated = teach(copy.deepcopy(case.net), case.task, AGAIN, case.seed + 5)
    return replace(outcome, untreated=untreated, treated=teach(model, case.task, AGAIN, case.seed + 5))
