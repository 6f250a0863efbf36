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
from carousel.diagnosis.usage.probed_run import FAILURES, StepLoop
from carousel.diagnosis.usage.targets import reads_targets
from carousel.diagnosis.usage.training import check_gradients, check_training
from carousel.diagnosis.verdicts.findings import Finding, figure
from carousel.diagnosis.verdicts.remedies import Remedy, measured, usable
from carousel.diagnosis.verdicts.rules import verdicts
from carousel.diagnosis.verdicts.symptoms import Symptoms

LEARNED = 0.1  # of the loss of the best constant answer
# what layers then show is measured on data that they should not read so
EXPLAINS = (
    "scrambled axes", "swapped axes", "one step only", "missing numbers", "constant inputs", "outliers",
    "unscaled inputs", "tiny inputs",
)  # fmt: skip


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
        """Whether the loss is known to be below chance."""
        return self.loss is not None and self.loss.is_below_chance and not self.consequences

    @property
    def suffices(self) -> bool:
        """Whether the loss is so far below chance that the memory there is must be all that the task needs."""
        return (
            self.is_learning and self.loss is not None and 0 <= self.loss.value < LEARNED * self.loss.constant
        )

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
    optimizers: Sequence[Optimizer],
    data: Data,
    sampled: tuple[Dependencies | None, str],
) -> Usage:
    """Look at dependencies, inputs, loss and optimizer. The model does not change."""
    found, words = sampled
    limits = [words]
    inputs = check_inputs(data, () if found is None else found.ends)
    facts, wrong, dead, training = None, [], [], []
    if loss is not None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of what is reported here in full
                facts = loss_facts(model, batch, loss)
                wrong, dead = check_loss(facts), check_learning(facts)
                training = check_gradients(model, facts.unused)
        except FAILURES as error:
            limits.append(f"The loss was not compared with a constant answer: {_first_line(error)}")
        if optimizers and facts is not None and not wrong:
            chance = 0.0 if math.isnan(facts.constant) else facts.constant
            try:
                training += check_training(model, batch, loss, optimizers, chance)
            except FAILURES as error:
                limits.append(f"The optimizer was not checked: {_first_line(error)}")
    elif optimizers:
        limits.append("The optimizer was not checked, because no loss was given.")
    wanted = None if facts is None else facts.wanted
    axes = [] if found is None else causes(found, reads_targets(found, batch, wanted))
    read = (found or Dependencies(*data.values.shape)).words
    return Usage(found, facts, (*axes, *wrong, *inputs, *training), tuple(dead), tuple(limits), read)


def all_findings(model: nn.Module, layers: Sequence[Symptoms], usage: Usage) -> list[Finding]:
    """Causes, what is wrong in layers, and consequences; each with the remedies that change something."""
    found = verdicts(
        layers,
        usage.causes,
        usage.consequences,
        learned=(usage.learned, usage.is_learning),
        explained=any(each.name in EXPLAINS for each in usage.causes if each.is_trouble),
        suffices=usage.suffices,
    )
    found = [replace(each, remedies=measured(each.name, each.remedies)) for each in found]
    return [
        replace(each, remedies=_applicable(model, each.remedies)) if each.layers and each.is_trouble else each
        for each in found
    ]


def _applicable(model: nn.Module, remedies: tuple[Remedy, ...]) -> tuple[Remedy, ...]:
    """Those that change something; of a step that somebody wrote no weights are known, so that all are advice."""
    if isinstance(model, StepLoop):
        return tuple(replace(each, change=None) for each in remedies)
    return usable(remedies, model)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".") + "."
