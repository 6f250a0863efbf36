"""Trains, and kills what trains: run by test_resume.py in a process of its own.

Every training process is forked from this one, which has imported everything but computed nothing, so that a
death and a resumption cost a fraction of a second.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from carousel import atomic
from carousel.training import LanguageConfig, resume, train
from carousel.training.language import samples
from carousel.training.run import session

session.CHECKPOINT_SECONDS = 0.02  # so that checkpoints fall between evaluations too
samples.LENGTH = 20


def child(work: Callable[[], Any], after: float | None = None) -> bool:
    """Do `work` in a new process, kill -9 it after so many seconds; whether it lived to the end."""
    process = os.fork()
    if process == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    if after is not None:
        time.sleep(after)
        os.kill(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if status not in (0, -signal.SIGKILL):
        raise SystemExit(f"a training process failed with status {status}")
    return status == 0


def go_on(config: LanguageConfig) -> None:
    """Resume, or begin if the process died before there was anything to resume."""
    begun = Path(config.out or "", "config.yaml").exists()
    resume(config.out or "") if begun else train(config=config)


def die_at(number: int, done: bool, config: LanguageConfig) -> None:
    """Train until the `number`-th rename of a file, and die right before it or when it is `done`."""
    real, calls = os.replace, iter(range(number, -1, -1))

    def dying(*arguments: Any) -> None:
        last = next(calls) == 0
        if done or not last:
            real(*arguments)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)

    atomic.os.replace = dying
    go_on(config)


def main(folder: Path, options: dict[str, Any], seed: int) -> None:
    """Leave `folder`/whole, uninterrupted, and beside it runs that died in every way."""
    torch.set_num_threads(1)
    config = LanguageConfig(**options)
    start = time.monotonic()
    assert child(partial(train, config=config.override(out=str(folder / "whole"))))
    duration = time.monotonic() - start
    deaths = {}
    moments = random.Random(seed)
    for k in range(4):
        work = partial(go_on, config.override(out=str(folder / f"moment-{k}")))
        deaths[f"moment-{k}"] = sum(not child(work, moments.uniform(0, 0.7 * duration)) for _ in range(3))
        assert child(work)
    for number in (0, 1, 2, 3, 4, 5, 6, 7, 9):
        name = f"replace-{number}"
        dying = config.override(out=str(folder / name))
        deaths[name] = not child(partial(die_at, number, number % 2 == 1, dying))
        assert child(partial(go_on, dying))
    print(json.dumps(deaths))


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]), int(sys.argv[3]))
