"""A page of the lab: claims, equations, figures; in a browser the slider moves and the drawing follows."""

import re
from itertools import combinations, product
from pathlib import Path

import pytest
from browser import attribute, needs_browser, open_page, with_reader

from carousel.report.charts.line import Chart, Line
from carousel.report.charts.scatter import Points, Scatter, scatter_svg
from carousel.report.lab import (
    Claim,
    Entry,
    Figure,
    Findings,
    Grid,
    LabPage,
    Section,
    Slider,
    Table,
    Verdict,
    cover_of,
    lab_gallery,
    lab_page,
)
from carousel.report.prose import prose

# Moves the slider to its end as a reader would, and notes which picture is shown before and after.
READER = """
<script>
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
const shown = () => [...document.querySelectorAll(".frame")].filter((frame) => frame.offsetParent !== null);
const note = (name, value) => { document.body.dataset[name] = value; };
note("before", shown().map((frame) => frame.dataset.label).join(","));
const input = document.querySelector(".slides input");
input.value = input.max;
input.dispatchEvent(new Event("input"));
note("after", shown().map((frame) => frame.dataset.label).join(","));
note("output", document.querySelector(".slides output").textContent);
note("width", document.documentElement.scrollWidth + "/" + window.innerWidth);
</script>
"""


def line_chart(power: float) -> Chart:
    xs = list(range(5))
    return Chart(
        f"power {power}", "x to a power", "x", "y", [Line("curve", xs, [x**power for x in xs], "s1")]
    )


@pytest.fixture
def page() -> LabPage:
    """A page with one of everything."""
    slider = Slider("power", {str(p): line_chart(p) for p in (1, 2, 3)}, "grows", start="2")
    points = Scatter(
        "map", "two words", "a", "b", [Points("g", [0.0, 1.0], [1.0, 0.0], "s2", ["<cat>", "dog"])]
    )
    table = Table(["", "value"], [["first", "1.5"]], "numbers")
    section = Section("What was measured", "Words.", [slider, Figure(points, "a map"), table])
    claim = Claim.judged(
        "Everything grows.", [True, False], {"4³": "64"}, "So it is.", "the power is above 0"
    )
    findings = Findings([claim], [section], {"RNN": "h_t = tanh(W x_t)"})
    return LabPage("growth", "Growth", "2 Stability", findings, "quick", 1.5)


def test_the_page_says_what_was_found(page):
    """Claim, verdict, evidence, equation, table and command stand in the page; markup in words is escaped."""
    html = lab_page(page)
    for part in (
        "Everything grows.",
        "Holds only when",
        ">4³</th><td>64</td>",
        "So it is.",
        "<msub><mi>h</mi><mrow><mi>t</mi></mrow></msub>",
        "1.5",
        "carousel lab growth",
    ):
        assert part in html
    assert "&lt;cat&gt;" in html
    assert "<cat>" not in html


def test_the_gallery_keeps_the_order_and_links(page):
    """Chapters and experiments come as given, each with a link to its page."""
    claims = page.findings.claims
    entries = [Entry("b", "Second", "1 One", claims), Entry("a", "First", "2 Two", claims)]
    html = lab_gallery(entries, {"torch": "2"})
    assert re.findall(r'href="(\w+)\.html"', html) == ["b", "a"]
    assert html.index("1 One") < html.index("2 Two")


def test_the_gallery_shows_the_cover_and_counts_verdicts(page):
    """The picture that a page carries for it stands in the index, with the condition of its claim and the count."""
    picture = cover_of(lab_page(page))
    assert picture.startswith('<svg class="chart narrow"')
    assert "power 2" in picture  # what the slider shows first
    held = Claim("Nothing shrinks.", Verdict.HOLDS, {})
    html = lab_gallery([Entry("a", "First", "1 One", [*page.findings.claims, held], picture)], {})
    assert picture in html
    assert "the power is above 0" in html
    assert re.findall(r'class="tag (\w+)">1 ', html) == ["holds", "conditional"]


@pytest.mark.parametrize(
    ("cases", "verdict"),
    [
        ([True], Verdict.HOLDS),
        ([True, True], Verdict.HOLDS),
        ([True, False], Verdict.CONDITIONAL),
        ([True, None], Verdict.CONDITIONAL),
        ([True, False, None, None], Verdict.CONDITIONAL),
        ([False], Verdict.FAILS),
        ([False, False, None], Verdict.FAILS),
        ([False, None], Verdict.UNDECIDED),
        ([False, None, None], Verdict.UNDECIDED),
        ([None], Verdict.UNDECIDED),
    ],
)
def test_the_verdict_follows_from_the_cases(cases, verdict):
    """All agree, some agree, most contradict, or too few are decided; the order of the cases does not matter."""
    assert Verdict.of(cases) is Verdict.of(cases[::-1]) is verdict


def test_only_a_conditional_claim_has_a_condition():
    """The condition completes "holds only when", and no other verdict shows it."""
    conditional, held = (Claim.judged("c", cases, {}, "", "w is 1") for cases in ([True, False], [True]))
    assert conditional.judgement == "holds only when w is 1"
    assert held.judgement == "holds"


@pytest.mark.parametrize(
    ("other", "said"), [(None, "The rest is not decided at this budget. So."), (False, "So.")]
)
def test_a_condition_that_nothing_contradicts_says_so(other, said):
    """A claim that holds where it was decided is told from one that fails elsewhere."""
    assert Claim.judged("c", [True, other], {}, "So.", "w is 1").remark == said


def test_an_undecided_claim_says_so(page):
    """The page and the gallery show the verdict of a claim that training was too short to decide."""
    claim = Claim.judged("It learns.", [None], {}, "Nothing was solved.")
    findings = Findings([claim], [])
    html = lab_page(LabPage("a", "A", "1", findings, "quick", 1.0))
    assert (
        '<span class="tag undecided" data-verdict="undecided">Not decided at this budget</span> Nothing'
        in html
    )
    assert "1 not decided at this budget" in lab_gallery([Entry("a", "A", "1", [claim])], {})


def test_a_page_without_a_picture_has_no_cover(page):
    """Pages of sections without drawings, and files that are no such page, give an empty picture."""
    assert cover_of("<html></html>") == ""
    bare = LabPage("a", "A", "1", Findings([], [Section("Words", "only")]), "quick", 1.0)
    assert cover_of(lab_page(bare)) == ""


def test_indices_are_lowered_and_markup_is_not_believed():
    """Braces and bare indices become subscripts; a tag in the words stays words."""
    assert prose("W_{hC} h_t <b>") == "W<sub>hC</sub> h<sub>t</sub> &lt;b&gt;"


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_words_on_a_map_cover_nothing(size):
    """Words of near points start at different places: none covers another or a point, or leaves the paper."""
    names = ["first", "second", "third", "fourth"]
    points = Points("", [0.0, 0.001, 0.02, 1.0], [0.0, 0.0, 0.01, 0.5], "s1", words=names)
    svg = scatter_svg(Scatter("map", "four words", "a", "b", [points]), (size,))
    placed = re.findall(r'class="word s1" x="([\d.]+)" y="([\d.]+)">(\w+)<', svg)
    assert len(placed) == len(names)
    boxes = [(float(x), float(y) - 9, float(x) + 6.5 * len(word), float(y)) for x, y, word in placed]
    dots = [tuple(map(float, found)) for found in re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)]
    assert max(box[2] for box in boxes) <= {"wide": 680, "narrow": 340}[size]
    others = [(x - 2, y - 2, x + 2, y + 2) for x, y in dots]
    for a, b in [*combinations(boxes, 2), *product(boxes, others)]:
        assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


# Walks through a presentation by keys as a lecturer would, and notes what fills the screen and how large its words are.
PRESENTER = """
<script>
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
const press = (key) => document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const current = () => [...document.querySelectorAll(".current")];
document.querySelector("#present").click();
document.body.dataset.first = current().map((stop) => stop.className).join("; ");
press("ArrowUp");
document.body.dataset.moved = current()[0].querySelector("output").textContent;
const svg = current()[0].querySelector(".frame.shown svg.wide");
const text = svg.querySelector("text").getBoundingClientRect();
document.body.dataset.share = svg.getBoundingClientRect().width / window.innerWidth;
document.body.dataset.text = text.height;
const stops = [];
for (let k = 0; k < 20; k += 1) { press("ArrowRight"); stops.push(document.body.dataset.stop); }
document.body.dataset.last = stops.at(-1);
document.body.dataset.seen = new Set(stops).size;
press("ArrowLeft");
document.body.dataset.back = document.body.dataset.stop;
press("Escape");
document.body.dataset.ended = String(current().length) + document.body.classList.contains("presenting");
</script>
"""


@needs_browser
def test_a_presentation_fills_the_screen(page, tmp_path):
    """At 1920 pixels a chart takes most of the width with large words, and keys walk through all that is shown."""
    path = tmp_path / "page.html"
    path.write_text(with_reader(lab_page(page), PRESENTER), encoding="utf-8")
    dom, log = open_page(path, tmp_path / "profile", width=1920)
    assert "CONSOLE" not in log
    assert "data-error" not in dom
    assert attribute(dom, "first") == "slides current"
    assert attribute(dom, "moved") == "3"
    assert float(attribute(dom, "share")) > 0.7
    assert float(attribute(dom, "text")) > 20
    stops = 5  # a slider, a claim, a scatter plot, a table and a formula
    assert attribute(dom, "last") == f"{stops} / {stops}"
    assert int(attribute(dom, "seen")) == stops - 1
    assert attribute(dom, "back") == f"{stops - 1} / {stops}"
    assert attribute(dom, "ended") == "0false"


# Starts a presentation and notes what its first stop needs and has, in height, then where it is after a key.
STARTER = """
<script>
document.querySelector("#present").click();
const stop = document.querySelector(".current");
document.body.dataset.height = stop.scrollHeight + "/" + stop.clientHeight;
document.body.dataset.top = stop.firstElementChild.getBoundingClientRect().top;
document.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
document.body.dataset.scrolled = stop.scrollTop;
</script>
"""


def presented(findings: Findings, folder: Path) -> str:
    """The document after a presentation of these findings has started."""
    path = folder / "page.html"
    html = lab_page(LabPage("a", "A", "1", findings, "quick", 1.0))
    path.write_text(with_reader(html, STARTER), encoding="utf-8")
    return open_page(path, folder / "profile", width=1600)[0]


@needs_browser
def test_a_grid_fits_the_screen(tmp_path):
    """Three rows of charts with titles and a caption of two lines need no scrolling in a lecture hall."""
    grid = Grid([line_chart(power) for power in range(1, 10)], 3, "From left to right the power grows. " * 5)
    dom = presented(Findings([], [Section("Powers", "", [grid])]), tmp_path)
    needed, available = map(int, attribute(dom, "height").split("/"))
    assert needed <= available


@needs_browser
def test_what_is_longer_than_the_screen_scrolls_by_keys(tmp_path):
    """Formulas without end begin at the top of the screen, and the key down moves on."""
    dom = presented(Findings([], [], {"Long": "\n".join(f"a_{k} = b_{k}" for k in range(99))}), tmp_path)
    assert float(attribute(dom, "top")) >= 0
    assert float(attribute(dom, "scrolled")) > 0


@needs_browser
@pytest.mark.parametrize("width", [1000, 500])
def test_the_drawing_follows_the_slider(page, tmp_path, width):
    """Without a network and without an error, exactly the chosen picture is shown, on a desk and on a phone."""
    path = tmp_path / "page.html"
    path.write_text(with_reader(lab_page(page), READER), encoding="utf-8")
    dom, log = open_page(path, tmp_path / "profile", width=width)
    assert "CONSOLE" not in log
    assert "data-error" not in dom
    assert attribute(dom, "ready") == "yes"
    assert attribute(dom, "before") == "2"
    assert attribute(dom, "after") == "3"
    assert attribute(dom, "output") == "3"
    needed, available = map(int, attribute(dom, "width").split("/"))
    assert needed <= available
