"""docs/benchmarks.md, written whole from the results of one run."""

from __future__ import annotations

import os
from pathlib import Path

from bench.results import Results
from bench.roofline import draw
from bench.tables import markdown_findings, markdown_tables, summary

PAGE = """\
# Benchmarks

Speed of the layers beside what else runs recurrent networks on a CPU: one layer, one direction, float32,
I = H, all in one run. Everybody gets the same weights and input, and is timed only after the results were
found equal.

- Machine: {machine}
- Multiply-add peak, probed in the same run: {peak:.0f} GFLOP/s
- {rounds} rounds in turns (A B C, A B C, ...); load average of the machine at the start: {load}

To run it again (`pip install '.[bench]'` brings the optional peers; those that are missing are left out):

    python -m bench kernels --json results.json --markdown {path}

## How to read it

- *ms* is the median over the rounds of the time for one call; a peer's stands before the comma.
- *GFLOP/s* counts the products alone: 2 T B G H (I + H) operations forward, 6 T B G H (I + H) forward and
  backward, with G = 1 for the RNN, 3 for the GRU, 4 for the LSTM. *of peak* is their share of the peak above.
- *forward only* is inference: Carousel is `module.frozen()`, whose weights are packed once, as ONNX Runtime's are
  when its session is made; *its module* is the module itself, which packs them at each call.
- *Carousel is* gives the ratio of the medians (above 1: Carousel takes less time) and in brackets the
  quartiles of the ratio round by round. It says *faster* or *slower* where all three do, else *even*.
- `torch.nn` is its LSTM, GRU or RNN module; `torch loop` a Python loop over torch operations, where torch.nn
  does not have the cell; `jax.lax.scan` the same step compiled by XLA, the input product done before the
  scan; `ONNX Runtime` its RNN operators, which only infer, told to stop spinning when a call is over, since its
  idle threads would slow the turns of the others. Backward gives the gradients of weights and x.

![Speed of each cell at each shape, under the peak of the machine]({picture})

{absent}## What is not faster

{losses}

## Targets, and what was measured

A target is what the version was meant to reach on two Zen 5 cores, whose vector units are twice as wide as those of
the cores before them; a figure without one is there to be known. Beside a missed one stands what the machine allows,
where that follows from figures of this run: a peer at 40 % of the multiply-add peak cannot be beaten by more than 2.5x,
and a step of one sequence cannot take less time than its weights take to be read.

{findings}

## Tables

{tables}
"""


def write(results: Results, path: Path) -> Path:
    """Write the page and the picture beside it; returns the path of the picture."""
    picture = path.parent / "images" / "roofline.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    draw(results, picture)
    path.write_text(page(results, path, os.path.relpath(picture, path.parent)), encoding="utf-8")
    return picture


def page(results: Results, path: Path, picture: str) -> str:
    count, *lines = summary(results)
    losses = [f"Of all comparisons below: {count}", "", *(f"- {line}" for line in lines)]
    absent = [f"- {peer} was left out: {why}" for peer, why in results.absent.items()]
    return PAGE.format(
        machine=results.machine,
        peak=results.peak,
        rounds=results.rounds,
        load=results.machine.load,
        path=path.as_posix(),
        picture=picture,
        absent="\n".join(["## Left out", "", *absent, "", ""]) if absent else "",
        losses="\n".join(losses).rstrip(),
        findings=markdown_findings(results),
        tables=markdown_tables(results),
    )
