"""A baseline without recurrence, trained on the same data with the same loss and number of steps."""

from __future__ import annotations

import copy
import math
from typing import Any

from carousel.models.sequences.heads import MLP_CELL
from carousel.training.sequences.config import SequenceConfig
from carousel.training.sequences.task import SequenceTask


def mlp_baseline(task: SequenceTask, config: SequenceConfig, steps: int) -> Any:
    """The test score of hidden layers that see one step at a time, with their best weights on the valid part."""
    options = {"bidirectional": False, "weight_drop": 0.0, "recurrent_dropout": 0.0}
    own = config.override(cell=MLP_CELL, steps=steps, **options)
    loop = task.loop(own)
    best, lowest = copy.deepcopy(loop.model.state_dict()), math.inf
    for step in range(steps):
        loop.step(step)
        if step + 1 == steps or (step + 1) % (config.evaluate_every or steps) == 0:
            value = task.evaluate(loop.model).value
            if value < lowest:
                best, lowest = copy.deepcopy(loop.model.state_dict()), value
    loop.model.load_state_dict(best)
    return task.objective.score(loop.model, task.parts.test)
