"""What the pages of all runs say and draw: their title, the comparison with other models, and the diagnosis."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from carousel.report.charts.line import Line, thin
from carousel.report.diagnosis.figures import Figure
from carousel.report.diagnosis.gradient_figures import gradient_figure
from carousel.report.number_format import number
from carousel.report.run_facts import RunReport


class Bar(NamedTuple):
    """One row of the comparison: a bar of `share` of the full width."""

    name: str
    figure: float
    kind: str
    share: float


class RunPage(ABC):
    """The derived words and pictures of a run's page."""

    def __init__(self, report: RunReport) -> None:
        self._run = report

    @property
    def title(self) -> str:
        """The cell in capitals unless its name has several words, and the size of the network."""
        run = self._run
        layers = f"{run.num_layers} × " if run.num_layers > 1 else ""
        return f"{run.cell if '-' in run.cell else run.cell.upper()}, {layers}{run.hidden_size} units"

    @property
    @abstractmethod
    def own_figure(self) -> float:
        """The figure of the model itself, as those of the comparisons."""

    def figure(self, value: float) -> str:
        """A figure of the comparison, as it is written there."""
        return number(value, 3)

    @cached_property
    def bars(self) -> list[Bar]:
        """All figures, worst first, the bars starting at zero."""
        rows = [(each.name.removeprefix("the "), each.figure, each.kind) for each in self._run.comparisons]
        rows.append((f"this {self._run.cell}", self.own_figure, "model"))
        top = max(figure for _, figure, _ in rows) or 1.0
        return [Bar(*row, share=row[1] / top) for row in sorted(rows, key=lambda row: -row[1])]

    @cached_property
    def flows(self) -> list[Figure]:
        """The gradient by lag of each layer that was diagnosed."""
        found = self._run.diagnosis
        return [] if found is None else [gradient_figure(layer.gradient) for layer in found.layers]


def learning_curves(train: Sequence[tuple[float, float]], valid: Sequence[tuple[float, float]]) -> list[Line]:
    """The losses of both parts as (x, loss)."""
    return [
        Line("train", *thin([x for x, _ in train], [loss for _, loss in train]), "train"),
        Line("valid", [x for x, _ in valid], [loss for _, loss in valid], "valid", dots=len(valid) < 60),
    ]
