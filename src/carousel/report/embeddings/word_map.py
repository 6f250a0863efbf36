"""The map of words as one offline page: point at a word, search for one, zoom and move."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from carousel.atomic import write_atomic
from carousel.embeddings.word_map import WordMap
from carousel.report.charts.labels import uncrowded
from carousel.report.template import render_template

WIDTH, HEIGHT, MARGIN = 1000, 640, 40
_LETTER, _LINE = 6.6, 13.0  # of the labels, in units of the drawing
METHODS = {"pca": "principal components", "tsne": "t-SNE"}


@dataclass(frozen=True)
class Dot:
    """A word in the drawing; `labelled` unless another word is in its way."""

    word: str
    x: float
    y: float
    asked: bool
    labelled: bool


def word_map_page(words: WordMap, title: str = "Words") -> str:
    """The page as HTML; `title` says whose words they are."""
    x, y = _scaled(words)
    widths = [_LETTER * len(word) for word in words.words]
    free = uncrowded([place + 6 for place in x], y, widths, _LINE)
    everything = zip(words.words, x, y, words.asked, free, strict=True)
    return render_template(
        "word_map.html.j2",
        title=title,
        words=words,
        method=METHODS[words.method],
        dots=[Dot(*each) for each in everything],
        width=WIDTH,
        height=HEIGHT,
        payload=_payload(words),
    )


def write_word_map(words: WordMap, title: str, path: str | Path) -> Path:
    """Write the page; the old file is there until the new one is whole."""
    write_atomic(path, word_map_page(words, title))
    return Path(path)


def _scaled(words: WordMap) -> tuple[list[float], list[float]]:
    """Places in the drawing, as many units to the pixel on both axes, y upwards."""
    width, height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    low_x, high_x, low_y, high_y = words.x.min(), words.x.max(), words.y.min(), words.y.max()
    unit = max((high_x - low_x) / width, (high_y - low_y) / height) or 1.0
    x = WIDTH / 2 + (words.x - (low_x + high_x) / 2) / unit
    y = HEIGHT / 2 - (words.y - (low_y + high_y) / 2) / unit
    return [round(float(v), 1) for v in x], [round(float(v), 1) for v in y]


def _payload(words: WordMap) -> Markup:
    """What the script reads out, as JSON that cannot end its own element."""
    counts = [None] * len(words.words) if words.counts is None else words.counts.tolist()
    near = [[[word, round(cosine, 3)] for word, cosine in found] for found in words.near]
    text = json.dumps({"words": words.words, "counts": counts, "near": near}, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c"))
