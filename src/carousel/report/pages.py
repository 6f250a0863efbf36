"""Which page belongs to which result: `carousel.shown` asks here."""

from __future__ import annotations

from functools import singledispatch

from markupsafe import Markup

from carousel.diagnosis.compare import Comparison
from carousel.diagnosis.result import Diagnosis
from carousel.embeddings.word_map import WordMap
from carousel.report.diagnosis.page import comparison_page, diagnosis_page
from carousel.report.embeddings.word_map import word_map_page
from carousel.report.template import render_template
from carousel.shown import Shown


@singledispatch
def page(result: Shown) -> str:
    """The HTML page of a result, which needs no network."""
    table = result.table()
    if table is None:
        raise NotImplementedError(f"No page is registered for {type(result).__name__}.")
    return render_template("table.html.j2", title=type(result).__name__, table=Markup(table.html()))


page.register(Diagnosis, diagnosis_page)
page.register(Comparison, comparison_page)
page.register(WordMap, word_map_page)
