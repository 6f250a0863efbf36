"""Speed in turns, memory in fresh processes, quality over seeds."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.embeddings.results import Memory, Quality, Speed, Text
from bench.embeddings.tasks import CONTENDERS, MODULES, TASKS, Trained, train

Say = Callable[[str], None]


def present() -> tuple[list[str], dict[str, str]]:
    """(contenders that can run here, those that cannot and why)."""
    names, absent = [], {}
    for name in CONTENDERS:
        module = MODULES.get(name)
        if module and importlib.util.find_spec(module) is None:
            absent[name] = f"{module} is not installed: pip install {module}"
        else:
            names.append(name)
    return names, absent


def describe(path: Path) -> Text:
    """How large a text is, in words between spaces."""
    with path.open(encoding="utf-8") as lines:
        return Text(str(path.name), sum(len(line.split()) for line in lines))


def speed(
    names: Sequence[str], tasks: Sequence[str], path: Path, epochs: int, rounds: int, threads: int, say: Say
) -> list[Speed]:
    """Words of the text per second of training, round by round: A B C, A B C, ..."""
    text = describe(path)
    found = []
    for task in tasks:
        rates: dict[str, list[float]] = {name: [] for name in names}
        for turn in range(-1, rounds):  # the first turn only wakes everything up
            for name in names:
                say(f"speed: {TASKS[task].title}, round {turn + 1} of {rounds}, {name}")
                trained = train(name, path, TASKS[task], epochs, turn + 2, threads)
                if turn >= 0:
                    rates[name].append(text.words * epochs / trained.seconds)
        found.append(Speed(task, text.name, rates))
    return found


def memory(names: Sequence[str], tasks: Sequence[str], path: Path, threads: int, say: Say) -> list[Memory]:
    """Peak resident memory of a process that reads the text, trains one epoch and has the vectors."""
    found = []
    for task in tasks:
        peaks = {}
        for name in names:
            say(f"memory: {TASKS[task].title}, {name}")
            command = [sys.executable, "-m", "bench.embeddings.child", name, task, str(path), str(threads)]
            out = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks[name] = float(json.loads(out.stdout.splitlines()[-1])["megabytes"])
        found.append(Memory(task, path.name, peaks))
    return found


def quality(
    names: Sequence[str],
    tasks: Sequence[str],
    path: Path,
    judges: Sequence[Path],
    epochs: int,
    seeds: int,
    threads: int,
    say: Say,
) -> list[Quality]:
    """Every judge's score of every contender's vectors, seed by seed. gensim's queue learns what its file path does."""
    found = []
    for task in tasks:
        for name in names:
            if name == "gensim queue":
                continue
            scores: dict[str, list[float]] = {}
            unknown: dict[str, float] = {}
            for seed in range(1, seeds + 1):
                say(f"quality: {TASKS[task].title} on {path.name}, seed {seed} of {seeds}, {name}")
                trained = train(name, path, TASKS[task], epochs, seed, threads)
                for judge in judges:
                    score, share = judged(trained, judge)
                    scores.setdefault(judge.stem, []).append(score)
                    unknown[judge.stem] = share
            found.append(Quality(task, path.name, name, scores, unknown))
    return found


def judged(trained: Trained, judge: Path) -> tuple[float, float]:
    """(Spearman's rank correlation on rated pairs or the share of right analogies, the share of unknown questions)."""
    from carousel.embeddings import AnalogyScore, Vectors, evaluate

    score = evaluate(Vectors(list(trained.words), trained.matrix), judge)
    if isinstance(score, AnalogyScore):
        return score.total.accuracy, score.total.unknown / max(1, score.total.questions)
    return score.spearman, score.unknown_share
