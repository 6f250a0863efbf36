"""The numbers of one run, kept in JSON and printed as Markdown."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bench.embeddings.tasks import OURS, TASKS
from bench.machine import Machine


@dataclass(frozen=True)
class Text:
    name: str
    words: int


@dataclass(frozen=True)
class Speed:
    """Words per second of training, contender -> a figure per round."""

    task: str
    text: str
    rates: dict[str, list[float]]


@dataclass(frozen=True)
class Memory:
    """Peak resident memory of a fresh process, contender -> megabytes."""

    task: str
    text: str
    megabytes: dict[str, float]


@dataclass(frozen=True)
class Quality:
    """judge -> a score per seed, and the share of its questions with unknown words."""

    task: str
    text: str
    contender: str
    scores: dict[str, list[float]]
    unknown: dict[str, float]


@dataclass(frozen=True)
class Results:
    machine: Machine
    texts: list[Text]
    epochs: int
    speed: list[Speed] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    quality: list[Quality] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)


def save(results: Results, path: Path) -> None:
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Results:
    """What `save` wrote."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Results(
        machine=Machine(**data["machine"]),
        texts=[Text(**one) for one in data["texts"]],
        epochs=data["epochs"],
        speed=[Speed(**one) for one in data["speed"]],
        memory=[Memory(**one) for one in data["memory"]],
        quality=[Quality(**one) for one in data["quality"]],
        absent=data["absent"],
    )


def markdown(results: Results) -> str:
    """The tables of docs/benchmarks-embeddings.md, with what each number means."""
    texts = ", ".join(f"{text.name} ({text.words:,} words)" for text in results.texts)
    parts = [
        "## Word vectors",
        f"Options: 100 dimensions, window 5, 5 negatives, sample 1e-3, min count 5, {results.epochs} epochs. Texts: "
        f"{texts}.",
        "Speed is in million words of the text per second of training. The time that it takes to count the vocabulary "
        "is not included. The speed is the median over rounds in which the contenders take turns. Each round has one "
        "ratio, and the brackets hold the smallest and the largest of these ratios.",
        _speed_table(results),
        "Peak memory, in MB, is that of a process that reads the text, trains one epoch and keeps the vectors.",
        _memory_table(results),
        "Quality is Spearman's rank correlation on rated pairs, and the accuracy on analogies: the mean and the "
        "standard deviation over seeds. The brackets hold the share of questions with unknown words.",
        _quality_table(results),
        f"Machine: {results.machine}. Load at the start: {results.machine.load}.",
        *(f"{name} was left out: {why}." for name, why in results.absent.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _speed_table(results: Results) -> str:
    rows = []
    for one in results.speed:
        for name, rates in one.rates.items():
            ratio = ""
            if name != OURS and OURS in one.rates:
                by_round = [ours / theirs for ours, theirs in zip(one.rates[OURS], rates, strict=True)]
                value = statistics.median(one.rates[OURS]) / statistics.median(rates)
                ratio = f"{value:.2f} ({min(by_round):.2f} to {max(by_round):.2f})"
            rows.append(
                [TASKS[one.task].title, one.text, name, f"{statistics.median(rates) / 1e6:.2f}", ratio]
            )
    return _table(["task", "text", "contender", "M words/s", "Carousel is x times as fast"], rows)


def _memory_table(results: Results) -> str:
    rows = [
        [TASKS[one.task].title, one.text, name, f"{peak:.0f}"]
        for one in results.memory
        for name, peak in one.megabytes.items()
    ]
    return _table(["task", "text", "contender", "peak MB"], rows)


def _quality_table(results: Results) -> str:
    judges = list(dict.fromkeys(judge for one in results.quality for judge in one.scores))
    rows = []
    for one in results.quality:
        cells = [
            f"{statistics.mean(one.scores[judge]):.4f} ± {_spread(one.scores[judge]):.4f} ({one.unknown[judge]:.0%})"
            if judge in one.scores
            else ""
            for judge in judges
        ]
        rows.append([TASKS[one.task].title, one.text, one.contender, *cells])
    return _table(["task", "text", "contender", *judges], rows)


def _spread(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def _table(header: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
