"""Ends that nobody wished for: no number, no space, Ctrl-C."""

import errno
import os
import signal
import threading

import pytest
import torch

from carousel import CarouselError, atomic
from carousel.models import LanguageModel
from carousel.training import Diverged, Interrupted, load, resume, train
from carousel.training.language.row import Row
from carousel.training.loop.loop import Loop
from carousel.training.run import metrics
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import read_metrics
from carousel.training.run.progress import Evaluated, Stepped


@pytest.fixture
def whole(config):
    """The weights of the run that was left in peace."""
    run = train(config=config, out=config.out + "-whole")
    return (run.path / "weights.safetensors").read_bytes()


def test_a_loss_that_becomes_nan_keeps_the_best_weights(config, monkeypatch):
    """Training stops at the step, names it, the best weights and what to try; the weights load and are
    finite.
    """
    real = Loop.step

    def step(self, number):
        if number == 11:
            with torch.no_grad():
                self.model.head.bias[0] = torch.nan
        return real(self, number)

    monkeypatch.setattr(Loop, "step", step)
    with pytest.raises(Diverged) as caught:
        train(config=config)
    message = str(caught.value)
    assert "the loss must be finite; it became nan at step 12" in message
    assert "best weights so far, of step 8" in message
    assert "lower lr (it was 0.02)" in message
    model = load(config.out)
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())
    assert read_metrics(RunFolder(config.out).metrics, Row)[-1].step == 11


def test_weights_that_only_fail_on_the_valid_part_stop_too(config, monkeypatch):
    """A valid score that is no number ends the run and never becomes the best."""
    from carousel.training import Score
    from carousel.training.language import task as language

    monkeypatch.setattr(language, "evaluate", lambda *a, **k: Score(float("nan"), 10, 10))
    with pytest.raises(Diverged, match="on the valid part it is nan at step 8"):
        train(config=config)
    assert load(config.out) is not None


def test_weights_worse_than_the_first_are_never_the_best(config, monkeypatch):
    """A first evaluation after a leap into nonsense leaves the weights that the run began with."""
    from carousel.training import Score
    from carousel.training.language import task as language

    scores = iter([Score(1e30, 10, 10), Score(60, 10, 10), Score(float("inf"), 10, 10)])
    monkeypatch.setattr(language, "evaluate", lambda *a, **k: next(scores))
    events = []
    with pytest.raises(Diverged, match="No evaluation was better than the first weights") as caught:
        train(config=config, on_progress=events.append, clip=0)
    assert [event.best for event in events if isinstance(event, Evaluated)] == [False]
    assert "Resuming would only repeat the failure" in str(caught.value)
    assert "a clip, such as 1" in str(caught.value)
    torch.manual_seed(config.seed)
    fresh = LanguageModel(load(config.out).vocabulary.size, hidden_size=12, dropout=0.2)
    assert torch.equal(load(config.out).head.weight, fresh.head.weight)


def full_after(monkeypatch, number):
    """Let the disk be full from the `number`-th file on; returns what makes space again."""
    real, calls = os.fsync, iter(range(10**6))

    def fsync(descriptor):
        if next(calls) >= number:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    return lambda: monkeypatch.setattr(atomic.os, "fsync", real)


@pytest.mark.parametrize("number", [11, 12, 15, 18, 21, 26])
def test_a_full_disk_stops_and_loses_nothing(config, monkeypatch, whole, number):
    """The error names the file, what to do and how to go on; with space again the run ends as if nothing
    had been.
    """
    make_space = full_after(monkeypatch, number)
    with pytest.raises(CarouselError, match=r"No space left on device.*free some space.*train --resume"):
        train(config=config)
    load(config.out)
    make_space()
    resume(config.out)
    assert RunFolder(config.out).weights.read_bytes() == whole


def test_a_full_disk_under_the_metrics_stops_too(config, monkeypatch, whole):
    """A row that cannot be appended is the same clear error."""
    real = metrics.Metrics._scalars

    def full(self, row):
        if row.step == 13:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(self, row)

    monkeypatch.setattr(metrics.Metrics, "_scalars", full)
    with pytest.raises(
        CarouselError, match=r"metrics\.csv could not be written: No space left.*train --resume"
    ):
        train(config=config)
    monkeypatch.setattr(metrics.Metrics, "_scalars", real)
    resume(config.out)
    assert RunFolder(config.out).weights.read_bytes() == whole


@pytest.mark.parametrize("when", [1, 5, 8, 23])
def test_ctrl_c_saves_and_says_how_to_go_on(config, monkeypatch, whole, when):
    """The step in work is finished and saved; resuming goes on after it and ends with the same weights."""
    real = Loop.step

    def step(self, number):
        if number == when:
            signal.raise_signal(signal.SIGINT)
        return real(self, number)

    monkeypatch.setattr(Loop, "step", step)
    with pytest.raises(Interrupted, match=rf"after step {when + 1}; .*train --resume .*run") as caught:
        train(config=config)
    assert isinstance(caught.value, KeyboardInterrupt)
    assert (caught.value.step, caught.value.folder) == (when + 1, RunFolder(config.out).path)
    monkeypatch.setattr(Loop, "step", real)
    resume(config.out)
    assert RunFolder(config.out).weights.read_bytes() == whole


def test_a_second_ctrl_c_stops_at_once(config):
    """Who presses twice does not wait for the evaluation to end."""

    def press(event):
        if isinstance(event, Evaluated):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        train(config=config, on_progress=press)
    assert not isinstance(caught.value, Interrupted)
    assert resume(config.out).step == 24


def test_ctrl_c_is_given_back(config):
    """After training, Ctrl-C does what it did before."""
    before = signal.getsignal(signal.SIGINT)
    train(config=config)
    assert signal.getsignal(signal.SIGINT) is before


def test_training_in_a_thread_leaves_signals_alone(config):
    """Outside the main thread, where signals cannot be had, training works all the same."""
    runs = []
    thread = threading.Thread(target=lambda: runs.append(train(config=config)))
    thread.start()
    thread.join()
    assert runs[0].step == 24


def test_an_observer_that_fails_ends_the_run_but_not_its_files(config, whole):
    """An error in the caller's own function comes through, and the run can be resumed."""

    def fail(event):
        if isinstance(event, Stepped) and event.step == 24:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(config=config, on_progress=fail)
    resume(config.out)
    assert RunFolder(config.out).weights.read_bytes() == whole
