"""The objective of each task on sequences."""

from carousel.training.sequences.forecast import ForecastObjective
from carousel.training.sequences.labels import LabelObjective
from carousel.training.sequences.objective import Objective

OBJECTIVES: dict[str, type[Objective]] = {
    "tag": LabelObjective,
    "classify": LabelObjective,
    "forecast": ForecastObjective,
}
