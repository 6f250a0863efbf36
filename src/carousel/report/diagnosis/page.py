"""The page of a diagnosis: what is wrong and what to do first, then every layer with its figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from markupsafe import Markup

from carousel.diagnosis.compare import Comparison
from carousel.diagnosis.measures.memory import Memory
from carousel.diagnosis.result import Diagnosis, LayerDiagnosis
from carousel.diagnosis.verdicts.findings import CRITICAL, NOTE, SEVERITIES, WARNING, Finding
from carousel.diagnosis.verdicts.rules import NO_FAULT, WELL
from carousel.report.charts.strips import Figure as UnitFigure
from carousel.report.charts.strips import figure as unit_figure
from carousel.report.charts.strips import shades
from carousel.report.diagnosis.figures import Figure
from carousel.report.diagnosis.gate_figures import gate_figures, saturation_figure
from carousel.report.diagnosis.gradient_figures import depth_figure, end_to_end_figure, gradient_figure
from carousel.report.diagnosis.memory_figures import (
    fisher_figures,
    impulse_figure,
    memory_figure,
    times_figure,
)
from carousel.report.diagnosis.spectrum_figures import fixed_point_figures, lyapunov_figure, spectrum_figure
from carousel.report.number_format import count, number, power
from carousel.report.template import render_template

_TITLES = {CRITICAL: "Something is wrong", WARNING: "Something is not right", NOTE: NO_FAULT}


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
        worst = max(self.diagnosis.findings, key=lambda each: SEVERITIES.index(each.severity))
        names = " and ".join(dict.fromkeys(each.name for each in self.diagnosis.troubles))
        well = self.verdict.startswith(WELL)
        return f"{_TITLES[worst.severity]}: {names}" if names else WELL if well else NO_FAULT

    @property
    def verdict(self) -> str:
        """The sentence of the first finding."""
        return self.first.sentence

    @property
    def first(self) -> Finding:
        """The cause, or that there is none: what the first screen shows."""
        return self.diagnosis.findings[0]

    @cached_property
    def layers(self) -> list[LayerSection]:
        return [_section(layer) for layer in self.diagnosis.layers]

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """(name, value, words) for the head of the page."""
        found = [("parameters", count(self.diagnosis.parameters), self.diagnosis.model)]
        if self.diagnosis.loss is not None:
            found.append(("loss", power(self.diagnosis.loss), self.diagnosis.loss_words))
        return found + [("remembers", _steps(each), each.layer + _interval(each)) for each in self._memories]

    @property
    def _memories(self) -> list[Memory]:
        """Of whole modules where there are several layers, else of the layer."""
        whole = [stack.memory for stack in self.diagnosis.stacks]
        return (whole or [layer.memory for layer in self.diagnosis.layers])[:2]

    @cached_property
    def stacks(self) -> list[tuple[str, str, Figure]]:
        """(name, words, figure) of every module of several layers."""
        return [
            (stack.name, stack.memory.words, gradient_figure(stack.gradient))
            for stack in self.diagnosis.stacks
        ]

    @cached_property
    def end_to_end(self) -> Figure | None:
        """What an output sees of the inputs, through all modules."""
        return end_to_end_figure(self.diagnosis.end_to_end)

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
        return shades()


def _section(layer: LayerDiagnosis) -> LayerSection:
    return LayerSection(
        layer,
        f"{layer.kind} with {layer.hidden} units and state {' and '.join(layer.states)}, on {layer.instances} "
        f"sequence{'s' if layer.instances > 1 else ''} of up to {layer.steps} steps. {layer.memory.words}",
        layer.sentences,
        gradient_figure(layer.gradient),
        _figures(layer),
    )


def _figures(layer: LayerDiagnosis) -> list[Figure]:
    """All that can be drawn of a layer beside its gradient."""
    return [
        memory_figure(layer.memory),
        *([times_figure(layer.memory)] if layer.memory.gates else []),
        spectrum_figure(layer.spectrum),
        lyapunov_figure(layer.lyapunov),
        *([saturation_figure(layer.saturation)] if layer.saturation.activations else []),
        impulse_figure(layer.impulse),
        *fisher_figures(layer.linear),
        *fixed_point_figures(layer.layer, layer.fixed_points),
        *gate_figures(layer.gates, layer.saturation, layer.states),
    ]


def _steps(memory: Memory) -> str:
    if memory.grows:
        return "no answer"
    steps = round(max(memory.steps, 0))
    if memory.censored:  # a number of steps would stand beside the length of the sequences, and be no other
        return f"all {memory.window} steps"
    return f"{number(steps, 0)} step{'' if steps == 1 else 's'}"


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


def diagnosis_page(diagnosis: Diagnosis) -> str:
    """The page as HTML text that needs no network."""
    return render_template("diagnosis.html.j2", page=DiagnosisPage(diagnosis), diagnosis=diagnosis)


def comparison_page(comparison: Comparison) -> str:
    """The page of a comparison as HTML text: findings that went, came and stayed, and every number that moved."""
    groups = {"Cured": comparison.cured, "New": comparison.new, "Still there": comparison.left}
    return render_template("comparison.html.j2", comparison=comparison, groups=groups)
