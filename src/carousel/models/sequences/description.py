"""The description in a file of weights of a sequence model, checked before a model is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from carousel.data.sequences import Encoding, Layout
from carousel.errors import CarouselError
from carousel.models.sequences.heads import head_from_dict
from carousel.models.sequences.layers import OUTPUTS


@dataclass(frozen=True)
class Description:
    """The fields of the description; raises CarouselError for targets and labels that do not fit the head."""

    head: dict[str, Any]
    model: dict[str, Any]
    encoding: Encoding
    labels: list[Any]
    targets: int
    layout: Layout | None
    widening: float

    def __post_init__(self) -> None:
        head, columns = head_from_dict(self.head), len(self.encoding.numbers)
        if not OUTPUTS[head.task].fits(columns, self.targets, len(self.labels)):
            raise CarouselError(
                f"a {head.task} of {columns} columns has {self.targets} targets, {len(self.labels)} labels"
            )
        if not all(isinstance(label, str | int | float) for label in self.labels):
            raise CarouselError("labels must be texts or numbers")
        if self.layout is not None and self.layout.task != head.task:
            raise CarouselError(f"the task of its layout is {self.layout.task}, of its head {head.task}")
        if self.widening < 0:
            raise CarouselError(f"widening must be at least 0; got {self.widening}")
