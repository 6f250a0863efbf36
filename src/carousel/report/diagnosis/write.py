"""The page of a diagnosis: what is wrong and what to do first, then every layer with its figures."""

from __future__ import annotations

from pathlib import Path

from carousel.diagnosis.result import Diagnosis
from carousel.report.diagnosis.page import DiagnosisPage
from carousel.report.template import render_template


def diagnosis_page(diagnosis: Diagnosis) -> str:
    """The page as HTML text that needs no network."""
    return render_template("diagnosis.html.j2", page=DiagnosisPage(diagnosis), diagnosis=diagnosis)


def write_diagnosis(diagnosis: Diagnosis, path: str | Path) -> Path:
    """Write the page; a file half written never takes the place of a good one.

    Raises CarouselError if the disk refuses.

        report = carousel.diagnose(model, batch)
        carousel.report.write_diagnosis(report, "report.html")
    """
    from carousel.atomic import write_atomic

    target = Path(path)
    write_atomic(target, diagnosis_page(diagnosis))
    return target
