"""A diagnosis as it is printed: what is wrong and what to do; memory; the numbers; how they were found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from carousel.diagnosis.text import on_layers
from carousel.diagnosis.verdicts.findings import figure

if TYPE_CHECKING:
    from carousel.diagnosis.result import Diagnosis, LayerDiagnosis

WIDTH = 100
COLUMNS = 4  # layers beside each other in the table of numbers


def printed(diagnosis: Diagnosis) -> str:
    """The whole report as text."""
    value = "" if diagnosis.loss is None else f" = {figure(diagnosis.loss)}"
    head = f"Diagnosis of {diagnosis.model}, {diagnosis.parameters:,} parameters; loss: {diagnosis.loss_words}{value}"
    parts = [
        [_wrapped(head)],
        list(_findings(diagnosis)),
        list(_remembered(diagnosis)),
        list(_numbers(diagnosis.layers)),
        list(_sentences(diagnosis)),
        list(_methods(diagnosis)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part)


def _findings(diagnosis: Diagnosis) -> Iterator[str]:
    for number, finding in enumerate(diagnosis.findings):
        yield str(finding)
        if finding.is_trouble and finding.treatment is not None:
            yield f"    to apply {finding.treatment.name}: report.findings[{number}].apply(model)"


def _remembered(diagnosis: Diagnosis) -> Iterator[str]:
    """Of whole modules first; where estimates differ, why."""
    for each in [stack.memory for stack in diagnosis.stacks] + [layer.memory for layer in diagnosis.layers]:
        yield _wrapped(each.words)


def _numbers(layers: Sequence[LayerDiagnosis]) -> Iterator[str]:
    """A row for each number, a column for each layer."""
    for first in range(0, len(layers), COLUMNS):
        some = layers[first : first + COLUMNS]
        cells = [figure(value) for each in some for value in each.numbers.values()]
        wide = max(12, *map(len, cells), *(len(each.layer) for each in some)) + 2
        left = max(len(name) for name in some[0].numbers)
        yield " " * left + "".join(each.layer.rjust(wide) for each in some)
        yield " " * left + "".join(f"{each.kind}, {each.hidden}".rjust(wide) for each in some)
        for name in some[0].numbers:
            yield name.ljust(left) + "".join(figure(each.numbers[name]).rjust(wide) for each in some)


def _sentences(diagnosis: Diagnosis) -> Iterator[str]:
    if words := on_layers(diagnosis.by_layer):
        yield _wrapped(_sentence(words))
    for layer in diagnosis.layers:
        yield _wrapped(f"{layer.layer}: {' '.join(_sentence(each) for each in layer.sentences)}")


def _methods(diagnosis: Diagnosis) -> Iterator[str]:
    if diagnosis.cut:
        yield "The batch has resets: each stretch between two is a sequence of its own."
    for each in diagnosis.limits:
        yield _wrapped(each)
    if diagnosis.unused:
        yield _wrapped(f"Not reached by this batch: {', '.join(diagnosis.unused)}.")
    for each in diagnosis.methods:
        yield _wrapped(f"method: {each}")
    yield f"took {diagnosis.seconds:.1f} s"


def _sentence(words: str) -> str:
    return f"{words[0].upper()}{words[1:].rstrip('.')}." if words else ""


def _wrapped(words: str) -> str:
    return fill(words, WIDTH, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
