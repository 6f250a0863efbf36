"""GFLOP/s of every contender at every shape, under the peak of the machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from bench.results import MODULE, OURS, Case, Results, pass_name

# Okabe & Ito 2008: told apart by everybody
COLOURS = {
    OURS: "#0072B2",
    MODULE: "#56B4E9",
    "torch.nn": "#D55E00",
    "torch loop": "#E69F00",
    "jax.lax.scan": "#009E73",
    "ONNX Runtime": "#CC79A7",
}


def draw(results: Results, path: Path) -> None:
    """A panel for each cell and pass; path ends in .svg."""
    groups = list(results.groups())
    passes = list(dict.fromkeys(backward for _, backward, _ in groups))
    rows, columns = len(passes), len({title for title, _, _ in groups})
    figure = Figure(figsize=(2.9 * columns + 0.6, 3.1 * rows + 0.7), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for row, backward in enumerate(passes):
        panels = [(title, cases) for title, with_backward, cases in groups if with_backward == backward]
        for axis, (title, cases) in zip(axes[row], panels, strict=False):
            _panel(axis, f"{title}\n{pass_name(backward)}", cases, results.peak)
        for axis in axes[row][len(panels) :]:
            axis.set_axis_off()
        axes[row][0].set_ylabel("GFLOP/s")
    lines = {line.get_label(): line for axis in axes.flat for line in axis.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=len(lines), frameon=False)
    with rc_context({"svg.hashsalt": "carousel", "svg.fonttype": "none"}):  # the same numbers, the same file
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None})


def _panel(axis: Any, title: str, cases: list[Case], peak: float) -> None:
    places = range(len(cases))
    for name in dict.fromkeys(name for case in cases for name in case.seconds):
        speeds = [case.gflops(name) if name in case.seconds else None for case in cases]
        points = [(place, speed) for place, speed in zip(places, speeds, strict=True) if speed is not None]
        ours = name == OURS
        axis.plot(
            *zip(*points, strict=True),
            label=name,
            color=COLOURS.get(name),
            marker="o" if ours else "s",
            markersize=5 if ours else 4,
            linewidth=2 if ours else 1.2,
            zorder=3 if ours else 2,
        )
    axis.axhline(peak, color="black", linestyle="--", linewidth=1, label="multiply-add peak")
    axis.set_title(title, fontsize="medium")
    axis.set_yscale("log")
    shapes = [",".join(map(str, case.shape)) for case in cases]
    axis.set_xticks(places, shapes, rotation=40, ha="right", fontsize=7)
    axis.grid(axis="y", alpha=0.3)
    axis.spines[["top", "right"]].set_visible(False)
