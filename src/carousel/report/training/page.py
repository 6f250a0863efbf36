"""What the training page says and draws, worked out from the numbers; the template only places it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from carousel.atomic import write_atomic
from carousel.diagnosis.measures.tracking_units import UnitStrip
from carousel.report.charts import strips
from carousel.report.charts.line import Chart, Line, svg, thin
from carousel.report.diagnosis.figures import Figure as LayerFigure
from carousel.report.diagnosis.gradient_figures import gradient_figure
from carousel.report.template import render_template
from carousel.report.training.gate_plots import GatePlot, gate_plots
from carousel.report.training.numbers import Comparison, TrainingReport
from carousel.report.words import THIN, about, listed, number, percent, power

_LEVELS = {"char": "characters", "word": "words", "token": "words", "bpe": "byte pairs"}
_DRAWN = 5  # units with a figure of their own; the others wait in the list below them
_TELLING = 0.3  # correlation from which a unit is worth a figure


@dataclass(frozen=True)
class Row:
    """One row of the comparison: a bar of `share` of the full width."""

    name: str
    bits: float
    kind: str
    share: float


class TrainingPage:
    """The page's derived words and pictures."""

    def __init__(self, report: TrainingReport) -> None:
        self.report = report

    @property
    def title(self) -> str:
        report = self.report
        layers = f"{report.num_layers} × " if report.num_layers > 1 else ""
        return f"{report.cell.upper() if '-' not in report.cell else report.cell}, {layers}{report.hidden_size} units"

    @cached_property
    def flows(self) -> list[LayerFigure]:
        """The gradient by lag of each layer that was diagnosed."""
        found = self.report.diagnosis
        return [] if found is None else [gradient_figure(layer.gradient) for layer in found.layers]

    @property
    def level(self) -> str:
        return _LEVELS.get(self.report.level, self.report.level)

    @property
    def verdict(self) -> str:
        """One sentence: how good the model is, beside what it has to beat."""
        report = self.report
        text = (
            f"{number(report.test)} bits per character on {about(report.test_characters)} held-out characters"
        )
        against = [self._against(each) for each in self._yardsticks()]
        return f"{text}: {listed(against)}." if against else f"{text}."

    def _yardsticks(self) -> list[Comparison]:
        """The best of each kind."""
        kinds = dict.fromkeys(each.kind for each in self.report.comparisons)
        return [
            min((each for each in self.report.comparisons if each.kind == kind), key=lambda each: each.bits)
            for kind in kinds
        ]

    def _against(self, other: Comparison) -> str:
        name = other.name.replace(" ", "\u00a0").replace("-", "\u2011")  # "xz -9" must not break
        if not other.bits:  # a text that an n-gram knows for sure
            return f"{number(self.report.test)} above {name} (0)"
        share = self.report.test / other.bits - 1
        if abs(share) < 0.005:
            return f"as good as {name} ({number(other.bits)})"
        word = "below" if share < 0 else "above"
        return f"{percent(abs(share))} {word} {name} ({number(other.bits)})"

    @property
    def perplexity(self) -> float:
        """Per token: what one of 2^bits equally likely choices would be."""
        return float(2.0 ** min(self.report.test * self.report.characters_per_token, 1000.0))

    @cached_property
    def comparison(self) -> list[Row]:
        """All models, worst first, the bars starting at zero."""
        rows = [(each.name.removeprefix("the "), each.bits, each.kind) for each in self.report.comparisons]
        rows.append((f"this {self.report.cell}", self.report.test, "model"))
        top = max(bits for _, bits, _ in rows)
        return [Row(*row, share=row[1] / top) for row in sorted(rows, key=lambda row: -row[1])]

    @property
    def loss_chart(self) -> Markup | None:
        points = self.report.curves
        train = [(p.characters, p.train) for p in points if p.train is not None]
        valid = [(p.characters, p.valid) for p in points if p.valid is not None]
        if len(train) < 2 and len(valid) < 2:
            return None
        levels = [(each.name.removeprefix("the interpolated "), each.bits) for each in self._yardsticks()]
        known = [bits for _, bits in [*valid, *levels]] or [bits for _, bits in train]
        finite = [bits for bits in known if math.isfinite(bits)] or [1.0]
        low = min([*finite, *(bits for _, bits in train if math.isfinite(bits))])
        # The first hundred steps fall from log2 V; drawn to scale they would flatten all that follows.
        high = max(
            sorted(finite)[len(finite) // 2] * 1.35, max([bits for _, bits in levels], default=0.0) * 1.1
        )
        pad = 0.04 * (high - low)
        best = next((p for p in points if p.step == self.report.best_step and p.valid is not None), None)
        xs, ys = thin([a for a, _ in train], [b for _, b in train])
        unit, name = self._characters_unit
        chart = Chart(
            "Learning curves",
            "Bits per character of train and valid text against characters seen; "
            f"best valid {number(self.report.best_valid)}",
            f"{name} seen",
            "bits per character",
            [
                Line("train", xs, ys, "train"),
                Line("valid", [a for a, _ in valid], [b for _, b in valid], "valid", dots=len(valid) < 60),
            ],
            levels=levels,
            mark=(best.characters, best.valid, f"best {number(best.valid)}")
            if best and best.valid is not None
            else None,
            y_range=(low - pad, high),
            x_scale=unit,
        )
        return svg(chart)

    @property
    def norm_chart(self) -> Markup | None:
        points = [p for p in self.report.curves if p.gradient_norm is not None]
        norms = [p.gradient_norm for p in points if p.gradient_norm is not None]
        positive = [norm for norm in norms if norm > 0 and math.isfinite(norm)]
        if len(positive) < 2:
            return None
        unit, name = self._characters_unit
        xs, ys = thin([p.characters for p in points], norms)
        clip = self.report.clip
        edges = [*positive, clip] if clip else positive
        chart = Chart(
            "Norm of the gradient while training",
            f"From {power(positive[0])} at the start to {power(positive[-1])} at the end",
            f"{name} seen",
            "norm before clipping",
            [Line("norm", xs, ys, "train")],
            levels=[("clip", clip)] if clip else [],
            log=True,
            y_range=_decades(min(edges), max(edges)),
            height=190,
            ticks=4,
            x_scale=unit,
        )
        return svg(chart)

    @property
    def _characters_unit(self) -> tuple[float, str]:
        most = max((p.characters for p in self.report.curves), default=0)
        return (
            (1e6, "million characters")
            if most >= 2e6
            else (1e3, "thousand characters")
            if most >= 2e3
            else (1, "characters")
        )

    @property
    def gradient_chart(self) -> Markup | None:
        flow = self.report.gradient
        if flow is None:
            return None
        x = flow.lags.tolist()
        lines = [
            Line(
                f"∂L/∂{name}",
                x,
                flow.quantile(0.5, name).tolist(),
                f"state-{name}",
                band=(flow.quantile(0.1, name).tolist(), flow.quantile(0.9, name).tolist()),
            )
            for name in flow.norms
        ]
        values = [
            value for line in lines for band in (line.y, *(line.band or ())) for value in band if value > 0
        ]
        if not values:
            return None
        low, high = _decades(max(min(values), max(values) * 1e-12), max(values))
        chart = Chart(
            "Norm of the gradient by distance back in time",
            self.gradient_words,
            "steps back from the loss",
            "norm of dL(T) / d state(T − k)",
            lines,
            log=True,
            y_range=(low, high),
        )
        return svg(chart)

    @property
    def gradient_words(self) -> str:
        flow = self.report.gradient
        if flow is None:
            return ""
        reach, longest, decay = flow.reach(), int(flow.lags[-1]), flow.decay()
        if reach == 0:
            return "No gradient reaches any state before the loss."
        part = f"1{THIN}% of the norm that it had one step back"
        if reach >= longest:
            text = f"{longest} steps back the gradient still has more than {part}"
        else:
            text = f"Beyond {reach} steps back the gradient falls under {part}"
        if math.isfinite(decay):
            text += f"; in the farther half of the distances each step keeps {percent(decay)} of it"
        return text + "."

    @property
    def gradient_rows(self) -> list[tuple[int, list[float]]]:
        """(distance, median norm of each state) at some distances, for the table under the figure."""
        flow = self.report.gradient
        if flow is None:
            return []
        last = int(flow.lags[-1])
        wanted = sorted({k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500) if k <= last} | {last})
        medians = [flow.quantile(0.5, name) for name in flow.norms]
        return [(k, [float(median[k - 1]) for median in medians]) for k in wanted]

    @cached_property
    def figures(self) -> list[strips.Figure]:
        snippet = self.report.snippet
        if snippet is None:
            return []
        telling = sum(abs(strip.unit.correlation) >= _TELLING for strip in self.strips[:_DRAWN])
        return [strips.figure(strip, snippet.pieces) for strip in self.strips[: max(telling, 1)]]

    @cached_property
    def strips(self) -> list[UnitStrip]:
        """One unit for each property, the closest first; then all others."""
        found = sorted(
            self.report.snippet.strips if self.report.snippet else [],
            key=lambda each: -abs(each.unit.correlation),
        )
        best = {each.unit.property: each for each in reversed(found)}
        first = [each for each in found if best[each.unit.property] is each]
        return first + [each for each in found if best[each.unit.property] is not each]

    @property
    def payload(self) -> Markup:
        snippet = self.report.snippet
        return strips.payload(self.strips) if snippet else Markup("null")

    @property
    def shades(self) -> Markup:
        return strips.shades()

    @cached_property
    def gates(self) -> list[GatePlot]:
        return gate_plots(self.report.gates)

    @property
    def curve_rows(self) -> list[tuple[int, float, float, float | None, float]]:
        """(step, characters, seconds, train, valid) at every evaluation."""
        return [
            (p.step, p.characters, p.seconds, p.train, p.valid)
            for p in self.report.curves
            if p.valid is not None
        ]


def _decades(low: float, high: float) -> tuple[float, float]:
    """The range widened a little, and to at least one whole decade."""
    below, above = math.log10(low) - 0.08, math.log10(high) + 0.08
    if math.floor(above) < math.ceil(below):
        below, above = math.floor(below), math.ceil(above)
    return 10.0**below, 10.0**above


def training_report(report: TrainingReport) -> str:
    """The page as HTML text: style, script and pictures are all inside it."""
    return render_template("training.html.j2", page=TrainingPage(report), report=report)


def write_training_report(report: TrainingReport, path: str | Path) -> Path:
    """Write the page; a file half written never takes the place of a good one.

    Example:
        >>> write_training_report(report, "runs/001/report.html")  # doctest: +SKIP
    """
    target = Path(path)
    write_atomic(target, training_report(report))
    return target
