"""What the page of a run on sequences says and draws, worked out from the numbers; the template only places it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from markupsafe import Markup

from carousel.report.charts.line import Chart, Line, svg
from carousel.report.number_format import count, number
from carousel.report.run_page import RunPage, learning_curves
from carousel.report.sequences.numbers import SequenceReport
from carousel.report.template import render_template
from carousel.training.sequences.objective import Track
from carousel.training.sequences.score import ForecastScore, LabelScore

_TASKS = {"tag": "a label at each step", "classify": "a label for each sequence", "forecast": "forecasts"}
MOST_LABELS = 30  # that a table of confusions shows


class SequencePage(RunPage):
    """The words and pictures that every such page has; the two kinds below add what their score says."""

    verdict: str  # one sentence: how good the model is, beside what it has to beat
    score_facts: list[tuple[str, str, str]]
    bars_words: str

    def __init__(self, report: SequenceReport) -> None:
        super().__init__(report)
        self.report = report

    @property
    def title(self) -> str:
        return f"{super().title}: {_TASKS[self.report.task]}"

    @property
    def own_figure(self) -> float:
        return self.report.test.error

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """(name, value, what it is) of the figures at the head."""
        report = self.report
        return [
            *self.score_facts,
            ("valid loss", number(report.valid.value, 3), f"best, of step {count(report.best_step)}"),
            ("parameters", count(report.parameters), report.contents),
        ]

    @property
    def loss_chart(self) -> Markup | None:
        rows = self.report.curves
        valid = [(row.step, row.valid_loss) for row in rows if row.valid_loss is not None]
        if len(rows) < 2:
            return None
        lines = learning_curves([(row.step, row.train_loss) for row in rows], valid)
        # most values decide the picture, not the first steps
        seen = sorted(loss for line in lines for loss in line.y)
        low, high = seen[0], seen[int(0.95 * (len(seen) - 1))]
        pad = 0.06 * (high - low) or 1.0
        best = next(((a, b) for a, b in valid if a == self.report.best_step), None)
        return svg(
            Chart(
                "Learning curves",
                "Loss of the train and of the valid part against steps",
                "steps",
                "nats",
                lines,
                mark=(best[0], best[1], f"best {number(best[1], 3)}") if best else None,
                y_range=(low - pad, high + pad),
            )
        )


class LabelPage(SequencePage):
    """Of a model that tags or classifies."""

    bars_words = "Share of the test labels that are wrong."

    def __init__(self, report: SequenceReport, score: LabelScore) -> None:
        super().__init__(report)
        self.score = score
        rest = " and ".join(f"{self.figure(each.figure)} for {each.name}" for each in report.comparisons)
        self.verdict = (
            f"{self.figure(score.error)} of {count(score.count)} held-out labels are wrong, against {rest}."
        )
        self.score_facts = [
            ("right", f"{100 * score.accuracy:.1f} %", "of test labels"),
            ("balanced", f"{100 * score.balanced:.1f} %", "the mean over labels"),
        ]

    def figure(self, value: float) -> str:
        return f"{100 * value:.1f} %"

    @property
    def labels(self) -> list[tuple[Any, int, float, float]]:
        """(label, how many there are, share of them found, share of those so called that are it), of test labels."""
        table = np.array(self.score.confusion)
        called = table.sum(axis=0)
        return [
            (label, int(table[k].sum()), _share(table[k, k], table[k].sum()), _share(table[k, k], called[k]))
            for k, label in enumerate(self.score.labels)
        ]

    @property
    def confusion(self) -> list[tuple[Any, list[tuple[int, float]]]]:
        """(label, of each label how often it was called so and which share of the row that is); none of very many."""
        if len(self.score.labels) > MOST_LABELS:
            return []
        return [
            (label, [(value, value / max(1, sum(row))) for value in row])
            for label, row in zip(self.score.labels, self.score.confusion, strict=True)
        ]


class ForecastPage(SequencePage):
    """Of a model that forecasts."""

    bars_words = "Mean absolute error on the test part, as a share of that of the seasonal-naive forecast."

    def __init__(self, report: SequenceReport, score: ForecastScore) -> None:
        super().__init__(report)
        self.score = score
        self.verdict = (
            f"The mean absolute error on {count(score.count)} held-out values is {number(score.error, 3)} times that "
            f"of the seasonal-naive forecast. The {100 * report.interval:g} % interval holds "
            f"{100 * score.coverage:.1f} % of the values."
        )
        self.score_facts = [
            ("error", number(score.error, 3), "of that of the seasonal-naive forecast"),
            ("covered", f"{100 * score.coverage:.1f} %", f"by the {100 * report.interval:g} % interval"),
        ]

    @property
    def series(self) -> list[tuple[str, float, float, float, int]]:
        """(name, mean absolute error, root mean square, that of the naive forecast, how many) of each series."""
        score = self.score
        columns = (
            score.names,
            score.mean_absolute,
            score.root_mean_square,
            score.mean_naive,
            map(sum, score.counts),
        )
        return list(zip(*columns, strict=True))

    @property
    def tracks(self) -> list[tuple[Markup, str]]:
        """A picture and its caption for each stretch that is drawn."""
        return [
            (_track(each, self.report.interval), _caption(each, self.report.interval))
            for each in self.report.tracks
        ]

    @property
    def ahead_chart(self) -> Markup | None:
        """The error by how many steps ahead, beside the seasonal-naive forecast; of the first series."""
        score = self.score
        if len(score.counts[0]) < 2:
            return None
        known = [k for k, number_ in enumerate(score.counts[0]) if number_]
        x = [k + 1 for k in known]
        own, naive = (
            [sums[0][k] / score.counts[0][k] for k in known] for sums in (score.absolute, score.naive)
        )
        lines = [
            Line(f"this {self.report.cell}", x, own, "s1", dots=True),
            Line("naive", x, naive, "s2", dots=True),
        ]
        return svg(
            Chart(
                "Error by steps ahead",
                f"Mean absolute error of {score.names[0]} for each number of steps ahead",
                "steps ahead",
                "mean absolute error",
                lines,
                y_range=(0.0, 1.1 * max([*own, *naive])),
                height=240,
            )
        )


def page_of(report: SequenceReport) -> LabelPage | ForecastPage:
    """The page for the score that the run has."""
    if isinstance(report.test, LabelScore):
        return LabelPage(report, report.test)
    return ForecastPage(report, report.test)


def _track(track: Track, interval: float) -> Markup:
    x = list(range(1, len(track.came) + 1))
    known = np.concatenate([track.came, track.low, track.high])
    low, high = float(np.nanmin(known)), float(np.nanmax(known))
    pad = 0.04 * (high - low) or 1.0
    lines = [
        Line("forecast", x, track.middle.tolist(), "s1", band=(track.low.tolist(), track.high.tolist())),
        Line("observed", x, track.came.tolist(), "s2"),
    ]
    chart = Chart(
        f"{track.name}, forecast {_before(track)}",
        _caption(track, interval),
        "steps of the test part",
        track.name,
        lines,
        y_range=(low - pad, high + pad),
    )
    return svg(chart)


def _caption(track: Track, interval: float) -> str:
    return f"Observed values, and the forecast {_before(track)} with its {100 * interval:g} % interval."


def _before(track: Track) -> str:
    return "one step ahead" if track.ahead == 1 else f"{track.ahead} steps ahead"


def _share(part: int, whole: int) -> float:
    return float(part / whole) if whole else math.nan


def sequence_report(report: SequenceReport) -> str:
    """The page as HTML text: style and pictures are all inside it."""
    return render_template("sequence.html.j2", page=page_of(report), report=report)
