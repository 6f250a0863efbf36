"""docs/benchmarks.md, written whole from the results of one run."""

from __future__ import annotations

import os
from pathlib import Path

from bench.results import Results
from bench.roofline import draw
from bench.tables import markdown_findings, markdown_tables, summary

PAGE = """\
# Benchmarks

This page compares the speed of Carousel's layers with other libraries that run recurrent networks
on a CPU. The benchmark is one layer in one direction, in float32, with as many inputs as units. All
libraries get the same weights and input, and must return equal results before they are timed.

- Machine: {machine}
- Multiply-add peak, measured in the same run: {peak:.0f} GFLOP/s
- {rounds} rounds. In each round the contenders take turns (A B C, A B C, ...).
- Load average of the machine at the start: {load}

To run the benchmark yourself:

    python -m bench kernels --json results.json --markdown {path}

`pip install '.[bench]'` installs the other libraries. The benchmark leaves out those that are
missing.

## How to read it

(T, B, H) is the shape: T steps, B sequences, H units and as many inputs, I = H.

- *ms* is the median time of one call over the rounds.
- *GFLOP/s* counts the matrix products alone: 2 T B G H (I + H) operations forward, and 6 T B G H
  (I + H) forward and backward. G is 1 for the RNN, 3 for the GRU and 4 for the LSTM.
- *of peak* is the share of the peak above.
- In the column of another library, the first number is the time of that library. The second is the
  ratio of the median times. 2.00x means that Carousel is 2 times as fast. Each round has a ratio
  too, and the brackets contain the quartiles of these ratios. Carousel is called *faster* if the
  ratio and both quartiles are above 1, *slower* if they are below 1, and *even* otherwise.

*forward + backward* is training: backward computes the gradients of the weights and of x.
*forward only* is inference.

- **Carousel** means the module itself in the tables of training. In the tables of inference it
  means `module.frozen()`, which packs its weights once, as ONNX Runtime does when its session is
  created.
- **its module**, in the tables of inference, means Carousel's module without `frozen()`. The module
  packs its weights at each call.
- **torch.nn** is torch's LSTM, GRU or RNN module.
- **torch loop** is a Python loop over torch operations, for cells that torch.nn does not have.
- **jax.lax.scan** is the same step compiled by XLA. The product with the input is computed before
  the scan.
- **ONNX Runtime** is its RNN operators, for inference only. Its threads stop spinning when a call
  ends, because idle threads would slow the other contenders.

![Speed of each cell at each shape, under the peak of the machine]({picture})

{absent}## What is not faster

{losses}

## Targets, and what was measured

A target is what this version was meant to reach on two Zen 5 cores, whose vector units are twice
as wide as those of earlier cores. A row without a target is for information only.

If a target is missed, the last column says what the machine allows, provided that this follows
from numbers of the same run:

- If a peer reaches 40 % of the multiply-add peak, nothing can be more than 2.5 times as fast.
- A step of one sequence cannot take less time than reading its weights takes.

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
    losses = [f"Comparisons with other libraries below: {count}", "", *(f"- {line}" for line in lines)]
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
