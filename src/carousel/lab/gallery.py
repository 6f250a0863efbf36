"""Run experiments, and write a folder of HTML pages that need no network, and numbers.json."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from markupsafe import Markup

from carousel import __version__
from carousel.atomic import storage_errors, write_atomic
from carousel.errors import CarouselError
from carousel.lab.catalogue import EXPERIMENTS, known
from carousel.lab.experiment import Budget, Experiment, numbers
from carousel.notebook import notebook_line
from carousel.progress import Observer
from carousel.report.lab import Claim, Entry, Findings, LabPage, Verdict, cover_of, lab_gallery, lab_page

NUMBERS = "numbers.json"
SEED = 1


@dataclass(frozen=True)
class Result:
    """The page of an experiment that has run, and the file that holds it."""

    page: LabPage
    path: Path


def run(
    names: Sequence[str],
    folder: str | Path,
    budget: Budget = Budget.USUAL,
    on_progress: Observer = notebook_line,
) -> list[Result]:
    """Run the experiments of these names and write a page for each into `folder`.

    Pages and numbers of other experiments in the folder stay, and index.html lists them all. During each experiment
    `on_progress` is called with a `carousel.progress.Progress` at each part of it.

    Raises CarouselError before anything runs: for a name that no experiment has, for a folder that cannot be written,
    and for a damaged numbers.json in it.

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
    _stored(folder / NUMBERS)  # an error comes before minutes are spent
    results = []
    for experiment in experiments:
        page, found = _run_one(experiment, budget, on_progress)
        path = folder / f"{page.name}.html"
        write_atomic(path, lab_page(page))
        results.append(Result(page, path))
        stored = _store(folder / NUMBERS, page, found)  # after each one: an interrupted run loses little
        write_atomic(folder / "index.html", lab_gallery(_entries(stored, folder), environment()))
    return results


def _run_one(experiment: Experiment, budget: Budget, on_progress: Observer) -> tuple[LabPage, Any]:
    """Run one experiment from its own random state, and restore the caller's state."""
    state = torch.get_rng_state()
    torch.manual_seed(SEED)
    start = time.monotonic()
    try:
        found, findings = measured(experiment, budget, on_progress)
    finally:
        torch.set_rng_state(state)
    seconds = time.monotonic() - start
    return LabPage(
        experiment.name, experiment.title, experiment.chapter, findings, str(budget), seconds
    ), found


def measured(experiment: Experiment, budget: Budget, on_progress: Observer) -> tuple[Any, Findings]:
    """What the experiment measures, and the findings that are written from it."""
    room = f"carousel.lab.{experiment.name.replace('-', '_')}"
    measure, page = (import_module(f"{room}.{module}") for module in ("measure", "page"))
    found = measure.measure(budget, on_progress)
    return found, page.findings(found)


def _stored(path: Path) -> dict[str, Any]:
    """The numbers.json of an earlier run; empty if there is none."""
    if not path.exists():
        return {}
    with storage_errors(path):
        text = path.read_bytes()
    try:
        stored = json.loads(text)
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        raise CarouselError(
            f"{path} should hold the numbers of earlier experiments as JSON, and does not. Remove the file, or choose "
            "another folder with --out."
        )
    return stored


def _store(path: Path, page: LabPage, found: Any) -> dict[str, Any]:
    """Add the verdicts and numbers of this experiment to numbers.json."""
    stored = _stored(path)
    stored[page.name] = {
        "budget": page.budget,
        "seconds": round(page.seconds, 1),
        "claims": [asdict(claim) for claim in page.findings.claims],
        "numbers": numbers(found),
    }
    ordered = {name: stored[name] for name in EXPERIMENTS if name in stored}
    write_atomic(path, json.dumps(ordered, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    return ordered


def _entries(stored: Mapping[str, Any], folder: Path) -> list[Entry]:
    """The entries of the gallery: every experiment with numbers in this folder, with the cover of its page."""
    return [
        Entry(
            name,
            EXPERIMENTS[name].title,
            EXPERIMENTS[name].chapter,
            [Claim(**each | {"verdict": Verdict(each["verdict"])}) for each in found["claims"]],
            _cover(folder / f"{name}.html"),
        )
        for name, found in stored.items()
    ]


def _cover(page: Path) -> Markup:
    return cover_of(page.read_text(encoding="utf-8")) if page.exists() else Markup("")


def environment() -> dict[str, str]:
    """Versions, machine and date of the measurement."""
    threads = torch.get_num_threads()
    return {
        "Carousel": __version__,
        "torch": torch.__version__,
        "Python": platform.python_version(),
        "machine": f"{platform.machine()}, {threads} thread{'s' if threads != 1 else ''}",
        "written": time.strftime("%Y-%m-%d %H:%M"),
    }
