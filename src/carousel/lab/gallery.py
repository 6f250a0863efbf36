"""Run experiments and write their pages: a folder of HTML files that need no network, and numbers.json."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from markupsafe import Markup

from carousel import __version__
from carousel.atomic import storage_errors, write_atomic
from carousel.errors import CarouselError
from carousel.lab.catalogue import EXPERIMENTS, known
from carousel.lab.experiment import Budget, Experiment
from carousel.report.lab import Claim, Entry, Findings, LabPage, Verdict, cover_of, lab_gallery, lab_page

NUMBERS = "numbers.json"
SEED = 1


@dataclass(frozen=True)
class Result:
    """An experiment that has been run, and the page that was written."""

    experiment: Experiment
    findings: Findings
    seconds: float
    path: Path


def run(
    names: Sequence[str],
    folder: str | Path,
    budget: Budget = Budget.USUAL,
    on_progress: Callable[[str, float, str], None] = lambda name, share, words: None,
) -> list[Result]:
    """Run the experiments of these names and write a page for each into `folder`.

    Pages and numbers of other experiments in the folder stay, and index.html lists them all.
    `on_progress(name, share, words)` is called as each goes on.

    Raises CarouselError for a name that no experiment has, if the folder cannot be written, and for a numbers.json in
    it that is none: before anything is run.

    Example:
        >>> import tempfile
        >>> results = run(["activations"], tempfile.mkdtemp(), Budget.QUICK)
        >>> results[0].path.name
        'activations.html'
    """
    experiments = [known(name) for name in names]
    folder = Path(folder)
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _kept(folder / NUMBERS)  # told before minutes are spent
    results = []
    for experiment in experiments:
        result, page = _run_one(experiment, folder, budget, on_progress)
        results.append(result)
        kept = _keep_numbers(folder, page)  # after each: an interrupted run keeps what it has measured
        write_atomic(folder / "index.html", lab_gallery(_entries(kept, folder), environment()))
    return results


def _run_one(
    experiment: Experiment, folder: Path, budget: Budget, on_progress: Callable[[str, float, str], None]
) -> tuple[Result, LabPage]:
    """One experiment from the same random state, whichever ran before it; the caller's state comes back."""
    state = torch.get_rng_state()
    torch.manual_seed(SEED)
    start = time.monotonic()
    try:
        findings = experiment.run(budget, lambda share, words: on_progress(experiment.name, share, words))
    finally:
        torch.set_rng_state(state)
    seconds = time.monotonic() - start
    page = LabPage(experiment.name, experiment.title, experiment.chapter, findings, str(budget), seconds)
    path = folder / f"{experiment.name}.html"
    write_atomic(path, lab_page(page))
    return Result(experiment, findings, seconds, path), page


def _kept(path: Path) -> dict[str, Any]:
    """What an earlier run left in numbers.json; nothing if there is none."""
    if not path.exists():
        return {}
    with storage_errors(path):
        text = path.read_bytes()
    try:
        kept = json.loads(text)
    except ValueError:
        kept = None
    if not isinstance(kept, dict):
        raise CarouselError(
            f"{path} should hold the numbers of earlier experiments as JSON, and does not. Remove it, or choose "
            "another folder with --out."
        )
    return kept


def _keep_numbers(folder: Path, page: LabPage) -> dict[str, Any]:
    """Put this experiment's verdicts and numbers into numbers.json beside those of others."""
    path = folder / NUMBERS
    kept = _kept(path)
    kept[page.name] = {
        "budget": page.budget,
        "seconds": round(page.seconds, 1),
        "claims": [
            {
                "claim": claim.statement,
                "verdict": str(claim.verdict),
                "condition": claim.condition,
                "evidence": claim.evidence,
            }
            for claim in page.findings.claims
        ],
        "numbers": dict(page.findings.numbers),
    }
    ordered = {name: kept[name] for name in EXPERIMENTS if name in kept}
    write_atomic(path, json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return ordered


def _entries(kept: Mapping[str, Any], folder: Path) -> list[Entry]:
    """What the gallery lists: every experiment of which this folder has the numbers, with the cover of its page."""
    return [
        Entry(
            name,
            EXPERIMENTS[name].title,
            EXPERIMENTS[name].chapter,
            [
                Claim(each["claim"], Verdict(each["verdict"]), each["evidence"], each["condition"])
                for each in found["claims"]
            ],
            _cover(folder / f"{name}.html"),
        )
        for name, found in kept.items()
    ]


def _cover(page: Path) -> Markup:
    return cover_of(page.read_text(encoding="utf-8")) if page.exists() else Markup("")


def environment() -> dict[str, str]:
    """What the numbers were measured with."""
    threads = torch.get_num_threads()
    return {
        "Carousel": __version__,
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "machine": f"{platform.machine()}, {threads} thread{'s' if threads != 1 else ''}",
        "written": time.strftime("%Y-%m-%d %H:%M"),
    }
