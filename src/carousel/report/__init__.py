"""Reports: the numbers of training and diagnosis in, one HTML file out that opens without a network.

Results write their own pages by `save`; a run writes its page at its end.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.report.run import report_run, resume, train
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = ["report_run", "resume", "train"]
