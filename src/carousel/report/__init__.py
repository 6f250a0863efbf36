"""Reports: the numbers of training and diagnosis in, one HTML file out that opens without a network."""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.report.run import report_run, resume, train
    from carousel.report.training.gather import gather
    from carousel.report.training.numbers import Comparison, CurvePoint, Sample, Snippet, TrainingReport
    from carousel.report.training.page import training_report, write_training_report
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "Comparison",
    "CurvePoint",
    "Sample",
    "Snippet",
    "TrainingReport",
    "gather",
    "report_run",
    "resume",
    "train",
    "training_report",
    "write_training_report",
]
