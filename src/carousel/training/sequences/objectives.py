"""The objective of each task on sequences: its targets, its loss and its score."""

from carousel.training.sequences.forecast import ForecastObjective
from carousel.training.sequences.labels import LabelObjective

AnyObjective = LabelObjective | ForecastObjective
OBJECTIVES: dict[str, type[LabelObjective] | type[ForecastObjective]] = {
    "tag": LabelObjective,
    "classify": LabelObjective,
    "forecast": ForecastObjective,
}
