"""Which page belongs to which result: `carousel.shown` asks here."""

from __future__ import annotations

from functools import singledispatch

from carousel.diagnosis.compare import Comparison
from carousel.diagnosis.result import Diagnosis
from carousel.report.diagnosis.page import comparison_page, diagnosis_page
from carousel.shown import Shown


@singledispatch
def page(result: Shown) -> str:
    """The HTML page of a result, which needs no network."""
    raise NotImplementedError(f"No page is registered for {type(result).__name__}.")


page.register(Diagnosis, diagnosis_page)
page.register(Comparison, comparison_page)
