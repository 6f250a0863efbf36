"""The map of words as a still picture."""

from __future__ import annotations

import io
from pathlib import Path

from carousel.atomic import write_atomic
from carousel.embeddings.word_map import WordMap
from carousel.extras import require
from carousel.report.charts.labels import uncrowded

_INCHES = (11.0, 8.0)
_DOTS = 160  # to the inch
_POINTS = 8.0  # height of a letter
_PAPER, _INK, _QUIET, _DOT, _ASKED = "#fdfcf9", "#22201c", "#6d675e", "#2c62a8", "#b4530f"


def write_word_map_still(words: WordMap, title: str, path: str | Path) -> Path:
    """Draw the points, and the words that have room, as PNG."""
    what = "A map of words as PNG"
    figure = require("matplotlib.figure", what, "plots").Figure(
        _INCHES, dpi=_DOTS, facecolor=_PAPER, layout="constrained"
    )
    canvas = require("matplotlib.backends.backend_agg", what, "plots").FigureCanvasAgg(figure)
    axes = figure.add_subplot(facecolor=_PAPER)
    colours = [_ASKED if asked and not all(words.asked) else _DOT for asked in words.asked]
    axes.scatter(words.x, words.y, s=9, c=colours, linewidths=0)
    axes.margins(0.06)
    axes.set_aspect("equal", adjustable="datalim")
    axes.tick_params(colors=_QUIET, labelsize=8, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    if words.explained is None:
        axes.set_xticks([])
        axes.set_yticks([])
    else:
        for name, share in zip(("x", "y"), words.explained, strict=True):
            axes.set(**{f"{name}label": f"{100 * share:.0f} % of the variance"})
        axes.xaxis.label.set_color(_QUIET)
        axes.yaxis.label.set_color(_QUIET)
    axes.set_title(title, color=_INK, loc="left", parse_math=False)
    canvas.draw()  # settles where each point falls on the paper
    places = axes.transData.transform(list(zip(words.x, words.y, strict=True)))
    size = _POINTS * _DOTS / 72
    left = [float(x) + 0.4 * size for x, _ in places]
    middle = [float(y) for _, y in places]
    free = uncrowded(left, middle, [0.62 * size * len(word) for word in words.words], 1.1 * size)
    for word, x, y, colour, room in zip(words.words, words.x, words.y, colours, free, strict=True):
        if room:
            axes.annotate(
                word, (x, y), (3.5, -0.35 * _POINTS), textcoords="offset points", fontsize=_POINTS,
                color=_ASKED if colour == _ASKED else _INK, parse_math=False, annotation_clip=False,
            )  # fmt: skip
    held = io.BytesIO()
    canvas.print_png(held)
    write_atomic(path, held.getvalue())
    return Path(path)
