"""The objective of each task on sequences: its targets, its loss and its score."""

from carousel.training.sequences.forecast import ForecastObjective
from carousel.training.sequences.labels import LabelObjective
from carousel.training.sequences.objective import Objective

OBJECTIVES: dict[str, type[Objective]] = {
    "tag": LabelObjective,
    "classify": LabelObjective,
    "forecast": ForecastObjective,
}
