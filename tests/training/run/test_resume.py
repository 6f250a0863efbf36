"""A run that dies and is resumed ends as if it had never died."""

import dataclasses
import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from carousel import CarouselError
from carousel.models.tensors import load_tensors
from carousel.training import LanguageConfig, Run, resume, train
from carousel.training.language.row import Row
from carousel.training.run import number_of_steps, session
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import read_metrics
from carousel.training.run.progress import Saved

CLOCKS = ("seconds", "tokens_per_second")  # what no run repeats


def rows(folder):
    """The rows of metrics without what the clock says."""
    timeless = [dataclasses.asdict(row) for row in read_metrics(folder / "metrics.csv", Row)]
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in timeless]


def assert_same_end(folder, whole):
    """Weights and samples are equal byte for byte, the checkpoint's tensors bit for bit, the metrics row
    by row.
    """
    for name in ("weights.safetensors", "samples.txt", "vocabulary.json", "config.yaml"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), (folder.name, name)
    tensors, expected = (load_tensors(f / "checkpoint.safetensors", "checkpoint")[0] for f in (folder, whole))
    assert tensors.keys() == expected.keys()
    assert all(torch.equal(tensors[name], expected[name]) for name in expected), folder.name
    assert rows(folder) == rows(whole)
    assert (folder / "monitor.csv").read_bytes() == (whole / "monitor.csv").read_bytes()
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="deaths are brought about in forked processes")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "model": "tdnn",
            "optimizer": "sgd",
            "schedule": "decay",
            "embedding_dropout": 0.1,
            "locked_dropout": True,
        },
    ],
    ids=str,
)
def test_a_run_killed_at_any_moment_ends_with_the_same_bytes(config, tmp_path, options):
    """Runs killed by kill -9 at random moments, and at each rename of a file, end like the one that lived.

    The moments are new each time; the seed that draws them is shown when the test fails.
    """
    seed = random.randrange(10**6)
    given = {**config.to_dict(), "steps": 48, "patience": 0, **options}
    script = Path(__file__).with_name("dying.py")
    result = subprocess.run(
        [sys.executable, str(script), str(tmp_path), json.dumps(given), str(seed)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, (seed, result.stderr)
    deaths = json.loads(result.stdout)
    assert all(deaths[name] for name in deaths if name.startswith("replace")), deaths
    assert sum(deaths[name] for name in deaths if name.startswith("moment")) > 0, deaths
    for name in deaths:
        assert_same_end(tmp_path / name, tmp_path / "whole")


def test_masks_drawn_after_resuming_are_those_that_were_due(config, tmp_path):
    """With every regulariser at once, a run stopped from inside and resumed ends like one that was not."""
    options = {
        "cell": "gru",
        "num_layers": 2,
        "tie": True,
        "locked_dropout": True,
        "embedding_dropout": 0.1,
        "weight_drop": 0.3,
        "recurrent_dropout": 0.2,
    }
    whole = train(config=config.override(out=str(tmp_path / "whole"), **options))
    with pytest.raises(Stop):
        train(config=config.override(**options), on_progress=stop_at(8))
    assert resume(config.out).step == whole.step
    assert_same_end(Path(config.out), whole.path)


class Stop(Exception):
    """What an observer raises to end a run from inside."""


def stop_at(step):
    def observer(event):
        if isinstance(event, Saved) and event.step >= step:
            raise Stop

    return observer


def test_the_monitor_looks_at_the_same_steps_after_resuming(config, tmp_path, monkeypatch):
    """Neither the clock nor the stop decides when it looks, and what it has seen before is known again."""
    monkeypatch.setattr(session, "LOOK_WORK", 1)
    config = config.override(monitor=3, steps=310, evaluate_every=100)
    whole = train(config=config.override(out=str(tmp_path / "whole")))
    with pytest.raises(Stop):
        train(config=config, on_progress=stop_at(100))
    with pytest.raises(Stop):
        resume(config.out, on_progress=stop_at(200))
    resume(config.out)
    assert_same_end(Path(config.out), whole.path)
    steps = {line.split(",")[0] for line in (whole.path / "monitor.csv").read_text().splitlines()[1:]}
    assert steps == {"3", "102", "204", "306"}


def test_small_models_are_looked_at_more_seldom(config):
    """The sizes alone decide: a tiny network after its first look every 2,500 steps, a large one every 100."""
    tiny, large = torch.nn.Linear(10, 10), torch.nn.Linear(3000, 3000)
    for model, expected in ((tiny, [100, 2500, 5000]), (large, list(range(100, 5001, 100)))):
        assert [k for k in range(1, 5001) if session.is_look(k, config, model)] == expected


def test_a_clock_that_stands_divides_nothing(config, monkeypatch):
    """Two equal readings of perf_counter, as some virtual machines give, end no training."""
    monkeypatch.setattr("time.perf_counter", lambda: 7.0)
    run = train(config=dataclasses.replace(config, monitor=8))
    assert run.step == 24
    assert all(row.tokens_per_second > 0 for row in read_metrics(run.path / "metrics.csv", Row))
    config = dataclasses.replace(config, steps=None, minutes=1e-9, out=config.out + "2")
    assert train(config=config).step >= 1


def test_minutes_are_measured_only_once(config, monkeypatch):
    """A resumed run takes as many steps as were measured when it began, not as many as it would measure
    now.
    """
    monkeypatch.setattr(number_of_steps, "_seconds_per_step", lambda loop: 0.02)
    config = dataclasses.replace(config, steps=None, minutes=0.01, evaluate_every=2)
    with pytest.raises(Stop):
        train(config=config, on_progress=stop_at(2))
    monkeypatch.setattr(number_of_steps, "_seconds_per_step", lambda loop: 0.001)
    steps = RunFolder(config.out).load_config().steps
    assert steps <= 30
    assert resume(config.out).step == steps


def test_a_finished_run_is_returned_as_it_is(config):
    """Resuming it changes no file, and needs no text any more."""
    run = train(config=config)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    Path(config.paths[0]).unlink()
    assert resume(run.path) == run == Run.open(run.path)
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_another_text_is_refused(config):
    """A run cannot go on with a text that has changed, even by one character."""
    with pytest.raises(Stop):
        train(config=config, on_progress=stop_at(8))
    path = Path(config.paths[0])
    path.write_text(path.read_text().replace("x + 3", "x - 3", 1))
    with pytest.raises(CarouselError, match="with the text it began with"):
        resume(config.out)


def test_another_configuration_is_refused(config):
    """A run cannot go on with options that were changed under it; the error names the first."""
    with pytest.raises(Stop):
        train(config=config, on_progress=stop_at(8))
    folder = RunFolder(config.out)
    folder.save_config(folder.load_config().override(lr=0.5))
    with pytest.raises(
        CarouselError, match=r"lr was 0\.02 in .*checkpoint\.safetensors, but is 0\.5 in config\.yaml"
    ):
        resume(config.out)


def test_a_damaged_checkpoint_is_refused(config):
    """A truncated checkpoint is not mistaken for the beginning of a run."""
    with pytest.raises(Stop):
        train(config=config, on_progress=stop_at(8))
    path = RunFolder(config.out).checkpoint
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(CarouselError, match=r"checkpoint\.safetensors is not a whole safetensors file"):
        resume(config.out)


def test_a_changed_byte_of_a_finished_run_is_refused(config):
    """Wherever it is, among the tensors or in what the checkpoint says of itself."""
    path = RunFolder(train(config=config).path).checkpoint
    whole = path.read_bytes()
    description = whole.index(b"best_value")
    # to the third digit of its number: the last one of a float may change without changing the float
    places = [
        *range(description - 40, description + len(b'best_value\\": 2.1')),
        len(whole) // 2,
        len(whole) - 1,
    ]
    for place in places:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(CarouselError, match=r"checkpoint\.safetensors"):
            resume(config.out)
    path.write_bytes(whole)
    assert resume(config.out).step == 24


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    """There is nothing to resume in it."""
    with pytest.raises(CarouselError, match="is not a run"):
        resume(tmp_path)


def test_the_order_of_writing_is_weights_then_checkpoint(config, monkeypatch):
    """At an improvement the best weights are safe before the checkpoint says that they are."""
    written = []
    real = session.save_checkpoint
    monkeypatch.setattr(
        session, "save_checkpoint", lambda path, *a, **k: (written.append("checkpoint"), real(path, *a, **k))
    )
    keep = session.Session._save_best
    monkeypatch.setattr(session.Session, "_save_best", lambda self: (written.append("weights"), keep(self)))
    train(config=config)
    assert written[:4] == ["weights", "checkpoint", "weights", "checkpoint"]


def test_epochs_continue_in_the_middle(config):
    """A run over several epochs resumes inside the later ones with the same windows."""
    long = LanguageConfig.from_dict(
        {**config.to_dict(), "steps": 200, "evaluate_every": 50, "hidden_size": 4}
    )
    with pytest.raises(Stop):
        train(config=long, on_progress=stop_at(150))
    resumed = resume(long.out)
    whole = train(config=long, out=config.out + "-whole")
    assert_same_end(resumed.path, whole.path)
