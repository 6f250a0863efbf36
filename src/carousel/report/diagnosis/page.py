"""What the page of a diagnosis says and draws, worked out from its numbers; the template only places it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from carousel.diagnosis.measures.memory import Memory
from carousel.diagnosis.result import Diagnosis, LayerDiagnosis
from carousel.diagnosis.verdicts.findings import CRITICAL, NOTE, WARNING
from carousel.report.charts.strips import Figure as UnitFigure
from carousel.report.charts.strips import figure as unit_figure
from carousel.report.diagnosis.course_figure import course_figures
from carousel.report.diagnosis.depth_figure import depth_figure
from carousel.report.diagnosis.figures import Figure, figures, gradient_figure, sentence
from carousel.report.diagnosis.response_figures import response_figures
from carousel.report.diagnosis.rest_figure import rest_figures
from carousel.report.words import count, number, power

_TITLES = {CRITICAL: "Something is wrong", WARNING: "Something is not right", NOTE: "Nothing is wrong"}


@dataclass(frozen=True)
class LayerSection:
    """One layer of the page: its heading, the words under it, the gradient by lag, and smaller figures side by side."""

    layer: LayerDiagnosis
    words: str
    sentences: list[str]
    first: Figure
    figures: list[Figure]


class DiagnosisPage:
    """The page's derived words and pictures."""

    def __init__(self, diagnosis: Diagnosis) -> None:
        self.diagnosis = diagnosis

    @property
    def title(self) -> str:
        """In three words whether anything is wrong."""
        worst = max(
            self.diagnosis.findings, key=lambda each: (CRITICAL, WARNING, NOTE)[::-1].index(each.severity)
        )
        names = " and ".join(dict.fromkeys(each.name for each in self.diagnosis.troubles))
        return f"{_TITLES[worst.severity]}: {names}" if names else _TITLES[NOTE]

    @property
    def verdict(self) -> str:
        """The sentence of the first finding."""
        return self.diagnosis.findings[0].sentence

    @cached_property
    def layers(self) -> list[LayerSection]:
        return [_section(layer) for layer in self.diagnosis.layers]

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """(name, value, words) for the head of the page."""
        found = [("parameters", count(self.diagnosis.parameters), self.diagnosis.model)]
        if self.diagnosis.loss is not None:
            found.append(("loss", power(self.diagnosis.loss), self.diagnosis.loss_words))
        return found + [
            (
                "remembers",
                _steps(each),
                each.layer + _interval(each),
            )
            for each in self._memories
        ]

    @property
    def _memories(self) -> list[Memory]:
        """Of whole modules where there are several layers, else of the layer."""
        whole = [stack.memory for stack in self.diagnosis.stacks]
        return (whole or [layer.memory for layer in self.diagnosis.layers])[:2]

    @cached_property
    def stacks(self) -> list[tuple[str, str, Figure]]:
        """(name, words, figure) of every module of several layers."""
        return [
            (
                stack.name,
                stack.memory.words,
                gradient_figure(stack.gradient),
            )
            for stack in self.diagnosis.stacks
        ]

    @cached_property
    def depth(self) -> Figure | None:
        """The gradient from layer to layer of the whole model."""
        return depth_figure(self.diagnosis.by_layer)

    @cached_property
    def units(self) -> list[UnitFigure]:
        """Units drawn on the text."""
        text = self.diagnosis.text
        return [] if text is None else [unit_figure(strip, text.pieces) for strip in text.strips]

    @property
    def shades(self) -> Markup:
        from carousel.report.charts.strips import shades

        return shades()


def _section(layer: LayerDiagnosis) -> LayerSection:
    first, *others = figures(layer)
    return LayerSection(
        layer,
        f"{layer.kind} with {layer.hidden} units and state {' and '.join(layer.states)}, on {layer.instances} "
        f"sequence{'s' if layer.instances > 1 else ''} of up to {layer.steps} steps. {layer.memory.words}",
        [sentence(each) for each in layer.sentences],
        first,
        [*others, *response_figures(layer), *rest_figures(layer), *course_figures(layer)],
    )


def _steps(memory: Memory) -> str:
    if memory.grows:
        return "no answer"
    steps = round(max(memory.steps, 0))
    return f"{'at least ' if memory.censored else ''}{number(steps, 0)} step{'' if steps == 1 else 's'}"


def _interval(memory: Memory) -> str:
    """From where to where; where the loss and the typical direction differ widely, what the other one says."""
    if memory.grows:
        return ": its gradient grows all the way back"
    if memory.censored:
        return ""
    if memory.is_split:
        typical = memory.estimates["typical"]
        more = "at least " if typical.censored else ""
        return f": by what the loss reads; {more}{number(typical.steps, 0)} by its typical direction"
    return f": {number(memory.low, 0)} to {number(memory.high, 0)}"
