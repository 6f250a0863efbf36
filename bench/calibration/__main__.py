"""`python -m bench.calibration`: draw every net, diagnose and treat it, print the confusion matrix.

    python -m bench.calibration development    the nets on which thresholds were chosen
    python -m bench.calibration final          others, drawn after the thresholds were fixed

Outcomes are appended to build/calibration-SET.jsonl as they come, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

from bench.calibration.matrix import misses, summary
from bench.calibration.measure import measure
from bench.calibration.recipes import attempts
from bench.calibration.table import RECIPES

SEEDS = {"development": 1_000_000, "final": 2_000_000}


def main() -> None:
    """Parse, draw, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.calibration", description=__doc__)
    parser.add_argument("set", choices=SEEDS)
    parser.add_argument("--part", default="0/1", help="0/2 and 1/2: two processes share the work")
    parser.add_argument("--only", default="", help="recipes whose disease or name holds this")
    parser.add_argument("--most", type=int, default=1000, help="nets of each recipe")
    parser.add_argument("--print", action="store_true", help="only the tables of what was measured")
    options = parser.parse_args()
    file = Path("build") / f"calibration-{options.set}.jsonl"
    if not options.print:
        torch.set_num_threads(1)
        file.parent.mkdir(exist_ok=True)
        _run(file, SEEDS[options.set], options)
    outcomes = _read(file)
    print(summary(outcomes))
    print()
    print(misses(outcomes))


def _run(file: Path, first_seed: int, options: argparse.Namespace) -> None:
    part, parts = map(int, options.part.split("/"))
    done = {(each["label"], each["recipe"], each["index"]) for each in _read(file)}
    for place, recipe in enumerate(RECIPES):
        if place % parts != part or options.only not in f"{recipe.label} {recipe.name}":
            continue
        begin = time.perf_counter()
        for index in range(min(recipe.number, options.most)):
            if (recipe.label, recipe.name, index) in done:
                continue
            case, vain = attempts(recipe, index, first_seed + 1000 * place + 20 * index)
            outcome = measure(case, vain).to_dict() | {"index": index}
            with open(file, "a", encoding="utf-8") as lines:
                lines.write(json.dumps(outcome) + "\n")
        print(f"{recipe.label}: {recipe.name}, {time.perf_counter() - begin:.1f} s", flush=True)


def _read(file: Path) -> list[dict[str, Any]]:
    if not file.exists():
        return []
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    if lines and not lines[-1].endswith(
        "\n"
    ):  # the run was stopped while it wrote: that net is measured again
        file.write_text("".join(lines := lines[:-1]), encoding="utf-8")
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
