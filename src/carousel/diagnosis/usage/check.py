"""All checks of how a model is used, in one call: what `diagnose` and `judge` put before the findings in layers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn
from torch.optim import Optimizer

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.usage.causes import causes
from carousel.diagnosis.usage.dependencies import Dependencies, dependencies
from carousel.diagnosis.usage.inputs import Data, check_inputs
from carousel.diagnosis.usage.loss import LossFacts, check_learning, check_loss, loss_facts
from carousel.diagnosis.usage.probed_run import FAILURES
from carousel.diagnosis.usage.training import check_gradients, check_training
from carousel.diagnosis.verdicts.findings import Finding, figure
from carousel.diagnosis.verdicts.remedies import usable
from carousel.diagnosis.verdicts.rules import verdicts
from carousel.diagnosis.verdicts.symptoms import Symptoms


@dataclass(frozen=True, repr=False)
class Usage(Brief):
    """How a model is used.

    Attributes:
        dependencies: on which inputs its outputs depend; None if they could not be followed.
        loss: what is known of the loss; None if none was given.
        causes: what is wrong, the most fundamental first; these explain what is wrong in layers.
        consequences: that nothing can be learned.
        limits: what was not checked, in words.
        read: how the batch was read, as reports begin: steps, sequences and inputs.
    """

    dependencies: Dependencies | None
    loss: LossFacts | None
    causes: tuple[Finding, ...]
    consequences: tuple[Finding, ...]
    limits: tuple[str, ...]
    read: str

    @property
    def is_learning(self) -> bool:
        """Whether the loss is known to be below chance, or to fall by a step along its gradient."""
        known = self.loss is not None and not math.isnan(self.loss.constant)
        return known and not self.consequences

    @property
    def learned(self) -> str:
        """What is known of its learning, in a sentence."""
        if self.loss is None or math.isnan(self.loss.constant):
            return "No loss was compared with chance, so that nothing is known of its learning."
        both = f"{figure(self.loss.value)}; the best constant answer has {figure(self.loss.constant)}"
        if self.loss.is_below_chance:
            return f"Its loss is {both}."
        return f"It has not learned yet: its loss is {both}. A step along the gradient lowers it."


def sampled_dependencies(model: nn.Module, batch: Batch) -> tuple[Dependencies | None, str]:
    """The dependencies of a model on a batch, and in words how many passes were sampled or why none could be."""
    try:
        found = dependencies(model, batch)
    except FAILURES as error:
        return None, f"The inputs on which an output depends could not be found: {_first_line(error)}"
    if found is None:
        return (
            None,
            "The inputs on which an output depends could not be found: no gradient leads to the data.",
        )
    return found, f"How the batch was read follows from {found.passes} sampled backward passes."


def check_usage(
    model: nn.Module,
    batch: Batch,
    loss: Loss | None,
    optimizer: Optimizer | None,
    data: Data,
    sampled: tuple[Dependencies | None, str],
) -> Usage:
    """Look at dependencies, inputs, loss and optimizer. The model does not change."""
    found, words = sampled
    limits = [words]
    axes = [] if found is None else causes(found)
    inputs = check_inputs(data, () if found is None else found.ends)
    facts, wrong, dead, training = None, [], [], []
    if loss is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of what is reported here in full
                facts = loss_facts(model, batch, loss)
                wrong, dead = check_loss(facts), check_learning(facts)
                training = check_gradients(model, facts.unused)
                if optimizer is not None and not wrong:
                    training += check_training(model, batch, loss, optimizer)
        except FAILURES as error:
            limits.append(f"The loss was not compared with a constant answer: {_first_line(error)}")
    elif optimizer is not None:
        limits.append("The optimizer was not checked, because no loss was given.")
    read = (found or Dependencies(*data.values.shape)).words
    return Usage(found, facts, (*axes, *wrong, *inputs, *training), tuple(dead), tuple(limits), read)


def all_findings(model: nn.Module, layers: Sequence[Symptoms], usage: Usage) -> list[Finding]:
    """Causes, what is wrong in layers, and consequences; each with the remedies that change something."""
    found = verdicts(layers, usage.causes, usage.consequences, (usage.learned, usage.is_learning))
    return [
        replace(each, remedies=usable(each.remedies, model)) if each.layers and each.is_trouble else each
        for each in found
    ]


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".") + "."
