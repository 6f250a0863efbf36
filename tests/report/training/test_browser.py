"""The report in a real browser: without a network and without an error, it shows the numbers it was given."""

import re
from pathlib import Path

import pytest
from browser import attribute, needs_browser, open_page, with_reader

from carousel.report.training.numbers import TrainingReport
from carousel.report.training.page import training_report

pytestmark = needs_browser

# Clicks through the page as a reader would and notes in attributes what it finds.
READER = """
<script>
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
document.addEventListener("securitypolicyviolation", (event) => {
  document.body.dataset.refused = event.blockedURI; });
const strip = document.querySelector(".strip");
const note = (name, value) => { document.body.dataset[name] = value; };
strip.querySelector('button[data-name="f"]').click();
note("pressed", strip.querySelector('[aria-pressed="true"]').dataset.name);
note("forget", [...strip.querySelectorAll("pre i")].map((piece) => piece.className).join(" "));
strip.querySelectorAll("pre i")[5].click();
note("reading", strip.querySelector("output").textContent);
const explorer = document.querySelector(".explorer");
const select = explorer.querySelector("select");
select.value = "0";
select.dispatchEvent(new Event("change"));
note("chosen", explorer.querySelector("h3").textContent);
note("width", document.documentElement.scrollWidth + "/" + window.innerWidth);
</script>
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh browser profile."""
    return tmp_path_factory.mktemp("profile")


def _write(report: TrainingReport, path: Path) -> Path:
    path.write_text(with_reader(training_report(report), READER), encoding="utf-8")
    return path


def test_the_page_works_without_a_network(make_report, tmp_path, profile):
    """No error, nothing refused, and every number in the page is the one in the dataclass."""
    report = make_report()
    dom, log = open_page(_write(report, tmp_path / "report.html"), profile)
    assert 'data-ready="yes"' in dom
    assert "CONSOLE" not in log
    assert "data-error" not in dom
    assert "data-refused" not in dom
    assert float(re.search(r'id="test-bits" value="([^"]+)"', dom)[1]) == report.test
    bars = [float(value) for value in re.findall(r'class="value"><data value="([^"]+)"', dom)]
    assert bars == sorted([report.test, *(each.figure for each in report.comparisons)], reverse=True)


def test_a_reader_can_look_at_any_gate_and_unit(make_report, tmp_path, profile):
    """Choosing f colours the text by the forget gate; numbers are read out; other units can be chosen."""
    report = make_report()
    dom, _ = open_page(_write(report, tmp_path / "report.html"), profile)
    first = max(report.snippet.strips, key=lambda strip: abs(strip.unit.correlation))
    assert attribute(dom, "pressed") == "f"
    shades = [f"a{min(20, round(round(float(value), 2) * 20))}" for value in first.values["f"]]
    shown = attribute(dom, "forget").split()
    # Python rounds a half to even and JavaScript upwards: a shade may differ by one
    assert len(shown) == len(shades)
    assert all(abs(int(a[1:]) - int(b[1:])) <= 1 and a[0] == b[0] for a, b in zip(shown, shades, strict=True))
    assert f"f {first.values['f'][5]:.2f}" in attribute(dom, "reading")
    assert f"Unit {first.unit.index} of layer 1" in attribute(dom, "chosen")


def test_the_page_fits_a_phone(make_report, tmp_path, profile):
    """On a narrow screen nothing sticks out to the right."""
    dom, _ = open_page(
        _write(make_report("gru", snippet=make_report().snippet), tmp_path / "r.html"), profile, width=500
    )
    needed, available = map(int, attribute(dom, "width").split("/"))
    assert needed <= available
