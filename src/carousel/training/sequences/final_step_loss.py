"""The loss at the last step of each sequence, which a diagnosis follows back through time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from carousel.data.sequences import Example
from carousel.models.sequences.heads import Head
from carousel.models.sequences.model import SequenceModel, padded
from carousel.training.sequences.objectives_by_task import OBJECTIVES


@dataclass(frozen=True, eq=False)
class FinalStepLoss:
    """The loss of one output for each sequence: for its label, the label of its last step, or the values after it.

    targets: (B,) labels by number, -100 where none is known; of a forecast (B, H, K), scaled, NaN where there is none.
    """

    head: Head
    targets: Tensor
    lengths: Tensor

    @property
    def words(self) -> str:
        """How reports describe this loss."""
        return OBJECTIVES[self.head.task].final_words(self.head)

    def __call__(self, output: Tensor) -> Tensor:
        if self.head.each_step:
            output = output[self.lengths - 1, torch.arange(len(self.lengths))]
        return OBJECTIVES[self.head.task].final_loss(output, self.targets)


def final_step_loss(
    model: SequenceModel, given: Iterable[tuple[Example, int]], steps: int
) -> tuple[tuple[Tensor, Tensor], FinalStepLoss | None]:
    """The inputs of sequences, each up to its stop and at most `steps` long, and the loss of the outputs.

    A sequence ends where a target is known: at its last label, or where all values of the horizon follow. The loss is
    None if no sequence has a known target.
    """
    objective = OBJECTIVES[model.head.task]
    inputs, targets = [], []
    for item, stop in given:
        end, target = objective.final_target(model, item, stop)
        inputs.append(model.fitted_encoding.encode(item)[max(0, end - steps) : end])
        targets.append(target)
    x, lengths = padded(inputs)
    whole = torch.stack(targets)
    return (x, lengths), FinalStepLoss(model.head, whole, lengths) if objective.known(whole).any() else None
