"""The share of a run that one process trains, from the beginning or a checkpoint on."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from carousel.diagnosis.monitor import INSTANCES, Monitor
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.errors import CarouselError
from carousel.interrupt import deferred_interrupt
from carousel.plain import typed
from carousel.progress import Note, Observer, Stage
from carousel.training.loading import load
from carousel.training.loop.config import LoopConfig
from carousel.training.loop.loop import Diverged
from carousel.training.run.checkpoint import describe_checkpoint, load_checkpoint, save_checkpoint
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import CsvRow, Metrics
from carousel.training.run.number_of_steps import resolve_length, seconds_since
from carousel.training.run.position import Position
from carousel.training.run.progress import AnyScore, Evaluated, Saved, Started, Stepped
from carousel.training.run.task import Task

CHECKPOINT_SECONDS = 30.0  # from one checkpoint to the next at most; there is one at every evaluation too
TELL_SECONDS = 0.1  # between two Stepped events
LOOK_WORK = 2e7  # parameters times sequences at which a look takes about 2 % of the time of 100 steps
MOST_SPACING = 25  # hundreds of steps: a step of the smallest models takes about 1 ms, a look 50 ms
ROWS = 400  # of metrics in a run, about
_SMOOTH = 0.98  # of the training figures shown: a mean over about 50 steps


class Interrupted(KeyboardInterrupt):
    """Training was stopped by Ctrl-C after `step`; everything is saved in `folder`, and the run can be resumed.

    >>> print(Interrupted(Path("runs/001"), step=20))
    stopped after step 20; everything is saved. Go on with: carousel train --resume runs/001
    """

    def __init__(self, folder: Path, step: int) -> None:
        super().__init__(
            f"stopped after step {step}; everything is saved. Go on with: carousel train --resume {folder}"
        )
        self.folder = folder
        self.step = step


class Session:
    """Takes steps, evaluates, saves and reports in order; `RunFolder` lists the files."""

    def __init__(self, folder: RunFolder, task: Task, on_progress: Observer) -> None:
        self.folder, self.task, self.on_progress = folder, task, on_progress
        resumed = folder.checkpoint.exists()
        self.config = folder.load_config() if resumed else self._begin()
        self.loop = task.loop(self.config)
        self.position = Position()
        self.monitor = self._make_monitor()
        if resumed:
            about = self._checked()
            self.position = load_checkpoint(folder.checkpoint, self.loop)
            if self.monitor:
                self.monitor.sick = typed(dict[str, int], about.get("sick") or {}, "sick")
        self.metrics = Metrics(folder, self.position.step, task.rows, lambda words: on_progress(Note(words)))
        self._resumed = resumed
        self._saved_at = self._told_at = time.monotonic()
        self._shown = (0.0, 0.0, 0.0)  # running sums of nats, norm and seconds, and the weight of their steps
        self._weight = 0.0

    @property
    def steps(self) -> int:
        """The number of steps of the whole run."""
        return self.config.steps or 0

    @property
    def reason(self) -> str | None:
        """Why training is over, or None if it is not; depends on the position alone."""
        if 0 < self.config.patience <= self.position.since_best:
            return "patience"
        return "steps" if self.position.step >= self.steps else None

    def train(self) -> None:
        """Take all steps that are left, unless patience ends or the user presses Ctrl-C."""
        if not self._resumed:
            self._save_best()
            self._save()
        self._tell_start()
        try:
            with deferred_interrupt() as interrupt:
                while self.reason is None:
                    self._step()
                    self._tend(save_now=interrupt.requested)
                    if interrupt.requested:
                        raise Interrupted(self.folder.path, self.position.step)
        except Diverged as error:
            raise Diverged(f"{error} {self._advice()}") from None

    def finish(self) -> None:
        """Score the best weights on the whole valid and test parts, and record that the run has finished."""
        self.on_progress(Stage("scoring the valid and test parts"))
        model = load(self.folder.weights).to(self.loop.fabric.device)
        for path in (self.folder.samples, self.folder.report):
            if path.is_dir() and not path.is_symlink():
                aside = self.folder.set_aside(path)
                self.on_progress(Note(f"{path} was a folder. It is now called {aside.name}."))
        valid, test = self.task.finish(self.folder, model, self.config)
        self._save({"reason": self.reason, "valid": valid.to_dict(), "test": test.to_dict()})

    def close(self) -> None:
        """Close the files of metrics."""
        self.metrics.close()

    def _begin(self) -> LoopConfig:
        """Set the options that the configuration leaves open. If the process dies here, the run begins anew."""
        self.task.begin(self.folder)
        self.on_progress(Stage("measuring the speed"))
        given = self.folder.load_config()
        config = resolve_length(given.override(threads=torch.get_num_threads(), lr=given.rate), self.task)
        self.folder.save_config(config)
        return config

    def _step(self) -> None:
        start = time.perf_counter()
        nats, norm = self.loop.step(self.position.step)
        seconds = seconds_since(start)
        self.position.count(nats, norm, seconds)
        self._tell(nats, norm, seconds)
        if self.monitor and is_look(self.position.step, self.config, self.loop.model):
            self._look(self.monitor, norm)

    def _make_monitor(self) -> Monitor | None:
        """None if it is not wanted, or the model has no recurrent layer to look at."""
        recurrent = any(is_recurrent(module) for module in self.loop.model.modules())
        return Monitor(self.config.monitor) if self.config.monitor and recurrent else None

    def _look(self, monitor: Monitor, norm: float) -> None:
        """Let the monitor look at two of the streams of the last window."""
        window = tuple(
            each.to(self.loop.fabric.device) for each in self.loop.batches.window(self.position.step - 1)
        )
        spent = monitor.spent
        look = monitor.look(
            self.loop.model,
            self.task.seen_by_monitor(window, INSTANCES),
            step=self.position.step,
            total_norm=norm,
        )
        self.position.seconds += monitor.spent - spent
        self.metrics.look(self.position.step, look.scalars())
        for warning in look.warnings:
            self.on_progress(Note(f"step {self.position.step:,}: {warning}"))

    def _tend(self, save_now: bool) -> None:
        """Evaluate, write metrics and save when due; checkpoint.py explains why best weights are saved first."""
        step = self.position.step
        score = None
        if step == self.steps or step % (self.config.evaluate_every or self.steps) == 0:
            score = self._evaluate()
        if score or step % max(1, self.steps // ROWS) == 0:
            self.metrics.append(self._row(score))
            self.position.clear()
        if score or save_now or time.monotonic() - self._saved_at > CHECKPOINT_SECONDS:
            self._save()

    def _evaluate(self) -> AnyScore:
        start = time.perf_counter()
        score = self.task.evaluate(self.loop.model, sample=True)
        if not math.isfinite(score.value):
            step = self.position.step
            raise Diverged(f"the loss must be finite; on the valid part it is {score.value} at step {step}.")
        best = self.position.judge(score.value, self._bound(score))
        if best:
            self._save_best()
        self.position.seconds += seconds_since(start)
        self.on_progress(Evaluated(self.position.step, score, self.task.in_words(score), best))
        return score

    def _bound(self, score: AnyScore) -> float:
        """The value that a first evaluation must be below: that of the initial weights, if the score may be a guess."""
        if self.position.best_value is not None or not self.task.is_guess(score):
            return math.inf
        initial = load(self.folder.weights).to(self.loop.fabric.device)
        return self.task.evaluate(initial, sample=True).value

    def _save_best(self) -> None:
        about = {"step": self.position.best_step, "valid": self.position.best_value}
        self.loop.model.save(self.folder.weights, about)

    def _save(self, scores: dict[str, Any] | None = None) -> None:
        self.metrics.sync()
        sick = self.monitor.sick if self.monitor else {}
        about = {"text": self.task.fingerprint, "scores": scores, "sick": sick}
        save_checkpoint(self.folder.checkpoint, self.loop, self.position, **about)
        self._saved_at = time.monotonic()
        self.on_progress(Saved(self.position.step))

    def _row(self, score: AnyScore | None) -> CsvRow:
        position = self.position
        return self.task.rows.of(
            self.task.train_score(position.nats / position.steps),
            score,
            gradient_norm=position.norm / position.steps,
            speed=self.loop.batches.tokens * position.steps / position.stepping,
            step=position.step,
            epoch=position.step / self.loop.batches.number,
            seconds=position.seconds,
            lr=self.loop.lr(position.step - 1),
        )

    def _checked(self) -> dict[str, Any]:
        """The description in the checkpoint; raises CarouselError if it was written for other data."""
        about = describe_checkpoint(self.folder.checkpoint)
        if about.get("text") != self.task.fingerprint:
            raise CarouselError(
                f"a run is resumed with the {self.task.what} it began with, but what {self.folder.config} "
                "names has changed. Put it back, or start a new run."
            )
        return about

    def _advice(self) -> str:
        config = self.config
        best = f"The best weights so far, of step {self.position.best_step}, are"
        if self.position.best_value is None:
            best = "No evaluation was better than the first weights, which are"
        clip = (
            f"a smaller clip (it was {config.clip:g})"
            if config.clip
            else "a clip, such as 1 (it was 0: none)"
        )
        return (
            f"{best} kept in {self.folder.weights}. Resuming would only repeat the failure. "
            f"Try a new run with a lower lr (it was {config.rate:g}), {clip} "
            f"or a longer warmup (it was {config.warmup})."
        )

    def _tell_start(self) -> None:
        self.on_progress(
            Started(
                folder=self.folder.path,
                step=self.position.step,
                steps=self.steps,
                parameters=sum(parameter.numel() for parameter in self.loop.model.parameters()),
                contents=self.task.contents,
            )
        )

    def _tell(self, *figures: float) -> None:
        """Smooth the figures of a step (nats, norm, seconds), and report them if it is time to."""
        self._weight = _SMOOTH * self._weight + 1
        sums = [_SMOOTH * a + b for a, b in zip(self._shown, figures, strict=True)]
        self._shown = sums[0], sums[1], sums[2]
        # by the weight of the steps there were: a true mean from the first step on (as in Adam)
        nats, norm, seconds = (value / self._weight for value in self._shown)
        now = time.monotonic()
        if now - self._told_at < TELL_SECONDS and self.position.step < self.steps:
            return
        self._told_at = now
        step = self.position.step
        score = self.task.train_score(nats)
        self.on_progress(
            Stepped(
                step=step,
                steps=self.steps,
                epoch=step / self.loop.batches.number,
                score=score,
                score_words=self.task.in_words(score),
                tokens_per_second=self.loop.batches.tokens / seconds,
                speed_unit=self.task.speed_unit,
                gradient_norm=norm,
                lr=self.loop.lr(step - 1),
                seconds=self.position.seconds,
                seconds_left=self.position.seconds / step * (self.steps - step),
            )
        )


def is_look(step: int, config: LoopConfig, model: nn.Module) -> bool:
    """Whether the monitor looks after a step.

    Looks take about 2 % of the time at most. The spacing depends on sizes, not on the clock, so that a resumed run
    looks after the same steps as one that never stopped.
    """
    work = config.batch * sum(parameter.numel() for parameter in model.parameters())
    spacing = max(config.monitor, 100 * min(MOST_SPACING, math.ceil(LOOK_WORK / work)))
    return step == config.monitor or step % (-(-spacing // config.monitor) * config.monitor) == 0
