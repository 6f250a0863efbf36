"""What a page may do: its own scripts run, one that came in by a name or a text does not."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import needs_browser, open_page
from markupsafe import Markup

import carousel
from carousel.embeddings import Vectors
from carousel.embeddings.word_map import word_map
from carousel.report.diagnosis.page import diagnosis_page
from carousel.report.embeddings.word_map import word_map_page
from carousel.report.lab import (
    Claim,
    Entry,
    Findings,
    LabPage,
    Section,
    Table,
    Verdict,
    lab_gallery,
    lab_page,
)
from carousel.report.training.page import training_report

# without a dot, so that a module can be called so
NAME = (
    "</script></title></style><script>document['title'] = 'hurt'</script>"
    "<img src=x onerror=\"document['title'] = 'hurt'\">"
)
HURT = "<title>hurt</title>"


class Outer(torch.nn.Module):
    """A model whose recurrent layer bears any name."""

    def __init__(self) -> None:
        super().__init__()
        self.add_module(NAME, torch.nn.LSTM(2, 4))
        self.add_module("head", torch.nn.Linear(4, 2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(getattr(self, NAME)(x)[0])


def lab(name: str) -> LabPage:
    table = Table([name], [[name]], name)
    claim = Claim(name, Verdict.HOLDS, {name: name}, name)
    findings = Findings([claim], [Section(name, name, [table])], {name: name})
    return LabPage(name, name, name, findings, "usual", 1.0)


PAGES = {
    "training": lambda make_report: training_report(make_report(run=NAME)),
    "diagnosis": lambda _: diagnosis_page(
        carousel.diagnose(type(NAME, (Outer,), {})(), torch.ones(12, 2, 2))
    ),
    "word map": lambda _: word_map_page(
        word_map(Vectors([NAME + str(k) for k in range(20)], np.random.default_rng(0).normal(size=(20, 4)))),
        NAME,
    ),
    "lab": lambda _: lab_page(lab(NAME)),
    "gallery": lambda _: lab_gallery([Entry(NAME, NAME, NAME, [], Markup())], {NAME: NAME}),
}


@needs_browser
@pytest.mark.parametrize("kind", PAGES)
def test_a_script_in_a_name_does_not_run(kind: str, make_report, tmp_path: Path) -> None:
    """Names of runs, layers, words and files are text, and the page itself works with nothing to complain of."""
    path = tmp_path / "page.html"
    html = PAGES[kind](make_report)
    assert NAME not in html
    path.write_text(html, encoding="utf-8")
    dom, log = open_page(path, tmp_path / "profile")
    assert "CONSOLE" not in log
    assert HURT not in dom
    assert kind == "gallery" or 'data-ready="yes"' in dom  # what the page's own script says at its end


@needs_browser
@pytest.mark.parametrize("kind", ["gallery", "lab"])
def test_a_script_that_got_in_is_refused(kind: str, make_report, tmp_path: Path) -> None:
    """Were a name ever written as it is, the browser would know the script by no hash of the page's policy."""
    path = tmp_path / "page.html"
    path.write_text(PAGES[kind](make_report).replace("</body>", NAME + "</body>"), encoding="utf-8")
    dom, log = open_page(path, tmp_path / "profile")
    assert HURT not in dom
    assert "violates the following Content Security Policy directive" in log


@pytest.mark.parametrize("kind", PAGES)
def test_the_policy_names_every_script_by_its_hash(kind: str, make_report) -> None:
    """No page allows inline scripts, other sources, frames or forms."""
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', PAGES[kind](make_report))[1]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules.pop("style-src") == "'unsafe-inline'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='|'none'", rules.pop("script-src"))
    assert rules == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
