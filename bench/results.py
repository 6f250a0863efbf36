"""The numbers of one run, as they are printed, drawn and kept in JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.findings import Finding
from bench.machine import Machine
from bench.measure import Ratio, ratio
from bench.shapes import Shape

OURS = "Carousel"
# ours without frozen weights, where only inference is timed and `OURS` has them
MODULE = "its module"


@dataclass(frozen=True)
class Case:
    """One cell at one shape, with or without backward; seconds: contender (ours too) -> a time per round."""

    cell: str
    title: str
    shape: Shape
    backward: bool
    flops: int
    seconds: dict[str, list[float]]

    @property
    def peers(self) -> list[str]:
        return [name for name in self.seconds if name not in (OURS, MODULE)]

    def median(self, name: str) -> float:
        return statistics.median(self.seconds[name])

    def gflops(self, name: str) -> float:
        return self.flops / self.median(name) / 1e9

    def ratio(self, peer: str) -> Ratio:
        return ratio(self.seconds[OURS], self.seconds[peer])


@dataclass(frozen=True)
class Results:
    """One run. peak: GFLOP/s, the best of the probes before and between the cases; absent: peer -> why."""

    machine: Machine
    peak: float
    rounds: int
    cases: list[Case]
    absent: dict[str, str]
    findings: list[Finding] = field(default_factory=list)  # of the sections

    def groups(self) -> Iterator[tuple[str, bool, list[Case]]]:
        """(title of the cell, with backward?, its cases): a table each, training before inference."""
        for backward in (True, False):
            for title in dict.fromkeys(case.title for case in self.cases):
                cases = [case for case in self.cases if case.title == title and case.backward == backward]
                if cases:
                    yield title, backward, cases

    def verdicts(self) -> dict[str, list[tuple[Case, str, Ratio]]]:
        """faster, even, slower -> (case, peer, ratio), every comparison of the run."""
        found: dict[str, list[tuple[Case, str, Ratio]]] = {"faster": [], "even": [], "slower": []}
        for case in self.cases:
            for peer in case.peers:
                found[case.ratio(peer).verdict].append((case, peer, case.ratio(peer)))
        return found


def save(results: Results, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """What `save` wrote."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    cases = [Case(**{**case, "shape": Shape(*case["shape"])}) for case in data.pop("cases")]
    findings = [Finding(**finding) for finding in data.pop("findings", [])]
    return Results(machine=Machine(**data.pop("machine")), cases=cases, findings=findings, **data)


def pass_name(backward: bool) -> str:
    return "forward + backward" if backward else "forward only"
