"""Every experiment's page in a real browser, without a network: no error, and each slider moves its drawing."""

import re

import pytest
from browser import attribute, needs_browser, open_page, with_reader

from carousel.lab import EXPERIMENTS, Budget, gallery
from carousel.lab.long_lag import measure as long_lag
from carousel.report.lab import LabPage, Slider, lab_page

# Moves every slider through all its places and counts where not exactly the chosen drawing is shown.
READER = """
<script>
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
let wrong = 0, moved = 0;
for (const slides of document.querySelectorAll(".slides")) {
  const input = slides.querySelector("input");
  for (let at = 0; at <= Number(input.max); at += 1) {
    input.value = at;
    input.dispatchEvent(new Event("input"));
    const shown = [...slides.querySelectorAll(".frame")].filter((frame) => frame.offsetParent !== null);
    wrong += !(shown.length === 1 && shown[0] === slides.querySelectorAll(".frame")[at]);
    wrong += slides.querySelector("output").textContent !== shown[0].dataset.label;
    moved += 1;
  }
}
document.body.dataset.moved = moved;
document.body.dataset.wrong = wrong;
document.body.dataset.empty = [...document.querySelectorAll("svg.wide")].filter(
  (svg) => !svg.querySelector("polyline.curve, circle, rect, path")).length;
document.body.dataset.width = document.documentElement.scrollWidth + "/" + window.innerWidth;
</script>
"""


@pytest.fixture
def shortened(monkeypatch):
    """Long lags take no training: the page is drawn from steps that are made up."""
    monkeypatch.setattr(
        long_lag, "steps_until_solved", lambda task, make, lag, most, seed: 50 * (1 + lag % 7)
    )


@needs_browser
@pytest.mark.usefixtures("shortened")
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_the_page_works_without_a_network(name, findings, tmp_path):
    """No console error; sliders show what they say; no drawing is empty; nothing sticks out at the right."""
    if name == "long-lag":
        _, found = gallery.measured(EXPERIMENTS[name], Budget.QUICK, lambda *_: None)
    else:
        found = findings(name)
    experiment = EXPERIMENTS[name]
    page = LabPage(name, experiment.title, experiment.chapter, found, "quick", 1.0)
    path = tmp_path / "page.html"
    html = lab_page(page)
    assert len(html) < 400_000
    assert not re.search(
        r"[\w∂]_[{t]", re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.S)
    )  # no raw index
    path.write_text(with_reader(html, READER), encoding="utf-8")
    dom, log = open_page(path, tmp_path / "profile")
    assert "CONSOLE" not in log
    assert "data-error" not in dom
    places = sum(len(s.drawings) for part in found.sections for s in part.shown if isinstance(s, Slider))
    assert int(attribute(dom, "moved")) == places
    assert attribute(dom, "wrong") == "0"
    assert attribute(dom, "empty") == "0"
    needed, available = map(int, attribute(dom, "width").split("/"))
    assert needed <= available
    for claim in found.claims:
        assert str(claim.verdict).capitalize() in dom
