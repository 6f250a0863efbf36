"""The map of words as a page in a real browser, and as a picture."""

import re
from dataclasses import replace

import numpy as np
import pytest
from browser import attribute, needs_browser, open_page, with_reader

from carousel.embeddings import Neighbour
from carousel.embeddings.word_map import WordMap
from carousel.report.embeddings.still import write_word_map_still
from carousel.report.embeddings.word_map import word_map_page, write_word_map

# Searches, chooses and zooms as a reader would, and notes in attributes what the page then shows.
READER = """
<script>
window.addEventListener("error", (event) => { document.body.dataset.error = event.message; });
document.addEventListener("securitypolicyviolation", (event) => {
  document.body.dataset.refused = event.blockedURI; });
const note = (name, value) => { document.body.dataset[name] = value; };
const search = document.getElementById("search");
const map = document.getElementById("map");
const texts = (selector) => [...document.querySelectorAll(selector + " text")];
const words = (selector) => texts(selector).map((each) => each.textContent).join(" ");
const type = (text) => { search.value = text; search.dispatchEvent(new Event("input")); };
const press = (key) => search.dispatchEvent(new KeyboardEvent("keydown", { key }));
const middle = (dot) => {
  const [a, b] = [dot.querySelector("circle").getBoundingClientRect(), map.getBoundingClientRect()];
  return [a.x + a.width / 2 - b.x - b.width / 2, a.y + a.height / 2 - b.y - b.height / 2].map(Math.round).join(" ");
};
type("WORD1");
note("hits", words(".dot.hit"));
note("width", document.documentElement.scrollWidth + "/" + window.innerWidth);
note("chosen", words(".dot.chosen"));
note("found", document.getElementById("found").textContent);
type("nothing like it");
note("none", document.getElementById("found").textContent + words(".dot.hit"));
type("word12");
press("Enter");
const dot = document.querySelector(".dot.chosen");
note("middle", middle(dot));
note("shown", getComputedStyle(dot.querySelector("text")).display);
note("faint", getComputedStyle(document.querySelector(".dot:not(.hit):not(.near)")).opacity);
note("reading", document.getElementById("reading").textContent);
note("near", words(".dot.near"));
note("links", document.querySelectorAll("#links line").length);
press("Escape");
document.querySelector('[data-zoom="0"]').click();
note("cleared", words(".dot.hit") + words(".dot.chosen"));
const first = texts(".dot").find((each) => each.textContent === "word12").parentNode;
note("back", first.getAttribute("transform") === `translate(${first.dataset.x} ${first.dataset.y})`);
const apart = () => Math.abs(document.querySelectorAll(".dot")[0].getBoundingClientRect().x
  - document.querySelectorAll(".dot")[1].getBoundingClientRect().x);
const before = apart();
const box = map.getBoundingClientRect();
const corner = { clientX: box.x + 9, clientY: box.y + 9 };
map.dispatchEvent(new WheelEvent("wheel", { deltaY: -400, ...corner, cancelable: true }));
note("zoom", (apart() / before).toFixed(2));
const b = first.querySelector("circle").getBoundingClientRect();
map.dispatchEvent(new PointerEvent("pointermove", { clientX: b.x + b.width / 2, clientY: b.y + b.height / 2 }));
note("pointed", words(".dot.chosen"));
</script>
"""


@pytest.fixture
def words() -> WordMap:
    """Thirty words by chance in the plane, one of which would end a script or an element if it could."""
    rng = np.random.default_rng(0)
    names = [f"word{k}" for k in range(29)] + ["</script><b>&"]
    near = [[Neighbour(names[(k + 1) % 30], 0.75), Neighbour("elsewhere", 0.5)] for k in range(30)]
    x, y = rng.standard_normal((2, 30))
    counts = 1000 * np.arange(30, 0, -1)
    return WordMap(names, x, y, near, [True] * 30, counts, "pca", (0.25, 0.125), 12345, 100)


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """A fresh browser profile."""
    return tmp_path_factory.mktemp("profile")


def _open(words, tmp_path, profile, *, width=1000):
    path = tmp_path / "map.html"
    path.write_text(with_reader(word_map_page(words, "A <map>"), READER), encoding="utf-8")
    return open_page(path, profile, width=width)


@needs_browser
def test_the_page_works_without_a_network(words, tmp_path, profile):
    """No error, nothing refused, every word there, and markup in a word is text."""
    dom, log = _open(words, tmp_path, profile)
    assert 'data-ready="yes"' in dom
    assert "CONSOLE" not in log
    assert "data-error" not in dom
    assert "data-refused" not in dom
    shown = re.findall(r"<text [^>]*>([^<]*)</text>", dom)
    assert sorted(shown) == sorted([*words.words[:-1], "&lt;/script&gt;&lt;b&gt;&amp;"])


@needs_browser
def test_a_search_highlights_the_points(words, tmp_path, profile):
    """All words that begin so, without regard to case, the exact one chosen; Enter goes there; Escape ends it."""
    dom, _ = _open(words, tmp_path, profile)
    assert sorted(attribute(dom, "hits").split()) == sorted(w for w in words.words if w.startswith("word1"))
    assert attribute(dom, "chosen") == "word1"
    assert attribute(dom, "found") == "11 of 30 words; Enter goes to word1"
    assert attribute(dom, "none") == "not among the words shown"
    assert attribute(dom, "middle") in ("0 0", "-0 0", "0 -0", "-0 -0")
    assert attribute(dom, "shown") != "none"
    assert float(attribute(dom, "faint")) < 0.5
    assert attribute(dom, "cleared") == ""


@needs_browser
def test_neighbours_are_read_out(words, tmp_path, profile):
    """The count, the neighbours with their cosines, and a line to those in the picture."""
    dom, _ = _open(words, tmp_path, profile)
    assert attribute(dom, "reading") == "word12, seen 18,000 times, is nearest to word13 0.75, elsewhere 0.50"
    assert attribute(dom, "near") == "word13"
    assert attribute(dom, "links") == "1"


@needs_browser
def test_zoom_and_pointer(words, tmp_path, profile):
    """The wheel spreads the points, the button brings all back, and pointing chooses."""
    dom, _ = _open(words, tmp_path, profile)
    assert attribute(dom, "back") == "true"
    assert float(attribute(dom, "zoom")) == pytest.approx(np.e, abs=0.06)
    assert attribute(dom, "pointed") == "word12"


@needs_browser
def test_the_page_fits_a_phone(words, tmp_path, profile):
    """On a narrow screen nothing sticks out to the right."""
    dom, _ = _open(words, tmp_path, profile, width=500)
    needed, available = map(int, attribute(dom, "width").split("/"))
    assert needed <= available


def test_places_keep_their_proportions(words, tmp_path):
    """As many units to the pixel on both axes, y upwards, all inside the drawing."""
    page = write_word_map(words, "Map", tmp_path / "map.html").read_text(encoding="utf-8")
    places = np.array(re.findall(r'data-x="([-\d.]+)" data-y="([-\d.]+)"', page), float)
    assert len(places) == 30
    ratio = (places[0] - places[1]) / [words.x[0] - words.x[1], words.y[0] - words.y[1]]
    assert ratio[0] == pytest.approx(-ratio[1], rel=0.01)
    assert (places > 0).all()
    assert (places < [1000, 640]).all()


def test_what_the_head_says(words):
    """How many words of how many, and how much of them a plane can hold; t-SNE claims no share."""
    page = word_map_page(words, "Map")
    assert "30 of 12\u202f345 words" in page
    assert "holds 38\u202f% of their variance" in page
    page = word_map_page(replace(words, method="tsne", explained=None, counts=None), "Map")
    assert "variance" not in page
    assert "how far apart distant words lie means little" in page


def test_one_place_for_all_is_no_division_by_zero(words, tmp_path):
    """Words that fall on one point are drawn on one point."""
    same = replace(words, x=np.ones(30), y=np.ones(30))
    assert 'data-x="500.0" data-y="320.0"' in word_map_page(same, "Map")
    write_word_map_still(same, "Map", tmp_path / "map.png")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_the_picture(words, tmp_path, method):
    """A PNG in which points of the asked colour are drawn, and odd words are no formulas."""
    from matplotlib.image import imread

    odd = replace(
        words,
        words=[*words.words[:-2], "$x^{$", "a_b\\c"],
        asked=[True] * 3 + [False] * 27,
        method=method,
        explained=words.explained if method == "pca" else None,
    )
    image = imread(write_word_map_still(odd, "A $map$", tmp_path / "map.png"))
    assert image.shape[:2] == (1280, 1760)
    asked = np.array([0xB4, 0x53, 0x0F]) / 255
    reddish = (np.abs(image[:, :, :3] - asked).max(2) < 0.02).sum()
    assert reddish > 3 * 20
