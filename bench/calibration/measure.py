"""One net of the calibration: what the diagnosis says of it, and whether its remedy helps."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any

import torch

from bench.calibration.recipes import HEALTHY, Case
from carousel.diagnosis import Finding, judge
from carousel.errors import CarouselError


@dataclass(frozen=True)
class Outcome:
    """What came out for one net.

    `first` is the finding that was ranked first; `troubles` are all that were warnings or worse. `remedy` is what was
    applied ("" where there was only advice); `helped` says that afterwards the number that had decided lies on the
    other side of its threshold, and `well` that there is no trouble of any kind.
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

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def measure(case: Case, vain: int) -> Outcome:
    """Diagnose; treat what was found first; diagnose again."""
    findings = judge(case.net, case.batch)
    first = findings[0]
    treated = _treat(case, first) if first.is_trouble else ("", False, False)
    return Outcome(
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
        *treated,
    )


def _treat(case: Case, finding: Finding) -> tuple[str, bool, bool]:
    """The name of the remedy, whether the finding is gone, and whether all trouble is."""
    if finding.treatment is None or case.label == HEALTHY:
        return "", False, False
    net = copy.deepcopy(case.net)
    torch.manual_seed(case.seed)
    finding.apply(net)
    try:
        after = [each.name for each in judge(net, case.batch) if each.is_trouble]
    except CarouselError:
        return finding.treatment.name, False, False
    return finding.treatment.name, finding.name not in after, not after
