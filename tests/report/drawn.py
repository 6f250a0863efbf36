"""Read a page back as a browser holds it: where curves, points and bars lie, by the ticks beside them."""

import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from browser import attribute, open_page, with_reader

READER = f"<script>{Path(__file__).with_name('reader.js').read_text(encoding='utf-8')}</script>"
RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


@dataclass
class Drawing:
    """One chart: `x` and `y` turn pixels into numbers by the ticks that a reader sees."""

    ticks: list
    labels: list
    curves: list
    points: list

    def axis(self, anchor, place, log, middle=0.0):
        """(slope, offset, what a tenth of a pixel is worth) of an axis."""
        ticks = [(each[place] - middle, number(each[0])) for each in self.ticks if each[1] == anchor]
        at, values = np.array(ticks).T
        assert len(at) > 1, "an axis with a single tick has no scale"
        slope, offset = np.polyfit(at, np.log10(values) if log else values, 1)
        return slope, offset

    def values(self, pixels, log=(False, False)):
        """(N, 2) numbers of pixels, and the pair of errors that the rounding to 0.1 pixels allows."""
        (a, b), (c, d) = self.axis("middle", 2, log[0]), self.axis("end", 3, log[1], middle=3.5)
        pixels = np.array(pixels, dtype=float).reshape(-1, 2)
        return np.stack([a * pixels[:, 0] + b, c * pixels[:, 1] + d], axis=1), (0.15 * abs(a), 0.15 * abs(c))

    def curve(self, label):
        """The pixels of the curve that bears this label."""
        [style] = [style for word, style in self.labels if word == label]
        [found] = [
            points for name, points in self.curves if set(style.split()) <= set(name.split()) - {"curve"}
        ]
        return found

    def group(self, label):
        """The pixels of the points in the key under this label; the key's own sign is left out."""
        [style] = [style for word, style in self.labels if word == label]
        return [place for name, *place in self.points if name == style][:-1]


def number(label):
    """0.01, −1.5 or 10⁻⁴ as a number."""
    label = label.replace("−", "-").replace("\u202f", "")
    power = re.fullmatch(r"10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", label)
    return 10.0 ** int(power[1].translate(RAISED)) if power else float(label)


def read_page(path: Path, profile: Path, width: int = 1000):
    """(what the page holds, the browser's log) of a saved page."""
    path.write_text(with_reader(path.read_text(encoding="utf-8"), READER), encoding="utf-8")
    dom, log = open_page(path, profile, width=width)
    assert 'data-ready="yes"' in dom
    assert "data-error" not in dom
    assert "data-refused" not in dom
    page = json.loads(html.unescape(attribute(dom, "page")))
    for figure in page["figures"]:
        figure["drawings"] = [Drawing(**each) for each in figure["drawings"]]
    page["width"] = [int(each) for each in attribute(dom, "width").split("/")]
    return page, log
