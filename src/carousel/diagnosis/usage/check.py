"""All checks of how a model is used, in one call: what `diagnose` and `judge` put before the findings in layers."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

from torch import nn
from torch.optim import Optimizer

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.loss import Loss
from carousel.diagnosis.observation.recording import Batch
from carousel.diagnosis.observation.trajectory import Observation
from carousel.diagnosis.usage.causes import causes
from carousel.diagnosis.usage.dependencies import Dependencies, dependencies
from carousel.diagnosis.usage.inputs import check_inputs
from carousel.diagnosis.usage.loss import LossFacts, check_learning, check_loss, loss_facts
from carousel.diagnosis.usage.training import check_gradients, check_training
from carousel.diagnosis.verdicts.findings import Finding, figure

FAILURES = (RuntimeError, ValueError, TypeError, IndexError, KeyError, AttributeError, NotImplementedError)


@dataclass(frozen=True, repr=False)
class Usage(Brief):
    """How a model is used.

    Attributes:
        dependencies: on which inputs its outputs depend; None if they could not be followed.
        loss: what is known of the loss; None if none was given.
        causes: what is wrong, the most fundamental first; these explain what is wrong in layers.
        consequences: that nothing can be learned.
        limits: what was not checked, in words.
    """

    dependencies: Dependencies | None
    loss: LossFacts | None
    causes: tuple[Finding, ...]
    consequences: tuple[Finding, ...]
    limits: tuple[str, ...]

    def words(self, seen: Observation) -> str:
        """How the batch was read, as reports begin: steps, sequences and inputs."""
        if self.dependencies is not None:
            return self.dependencies.words
        first = seen.trajectories[0]
        return Dependencies(first.steps, first.instances, first.inputs.shape[2]).words

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
    seen: Observation,
    sampled: tuple[Dependencies | None, str],
) -> Usage:
    """Look at dependencies, inputs, loss and optimizer. The model does not change."""
    found, words = sampled
    limits = [words]
    axes = [] if found is None else causes(found)
    ragged = any(int(each.lengths.min()) < each.steps for each in seen.trajectories)
    ends = () if found is None or ragged or seen.cut else found.ends
    data = check_inputs(seen.trajectories, ends)
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
    return Usage(found, facts, (*axes, *wrong, *data, *training), tuple(dead), tuple(limits))


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:160].rstrip(".") + "."
