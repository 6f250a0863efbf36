"""Training that is stopped anywhere and gone on with comes to the same bits."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from embeddings.planted import planted

from carousel import CarouselError, Embedding, embed
from carousel.embeddings import training
from carousel.embeddings.checkpoint import Position
from carousel.embeddings.corpus import load_corpus
from carousel.embeddings.formats import safetensors
from carousel.embeddings.formats.content import Content
from carousel.embeddings.progress import Finished, Saved, Stepped
from carousel.embeddings.training import Trainer
from carousel.progress import Note, silent

OPTIONS = {"dimension": 24, "epochs": 3, "deterministic": True, "min_count": 1, "checkpoint_seconds": 1e-6}


@pytest.fixture(autouse=True)
def _short_turns(monkeypatch):
    """A look at progress after every block, so that there are many places to stop at."""
    monkeypatch.setattr(training, "TURN", 0.0)


@pytest.fixture(scope="module")
def text() -> list[list[str]]:
    return planted(4_000)


class Stop(Exception):
    """What a watcher raises to end training."""


def stopping(number: int):
    """An observer that ends training at the `number`-th event of a step."""
    left = [number]

    def observe(event: object) -> None:
        if isinstance(event, Stepped):
            left[0] -= 1
            if not left[0]:
                raise Stop

    return observe


@pytest.mark.parametrize("options", [{}, {"method": "cbow", "output": "hierarchical"}, {"patience": 9}])
def test_a_stopped_training_goes_on_to_the_same_bits(text, tmp_path, options):
    """However often and wherever it is stopped, the weights and the history are those of an unbroken training."""
    whole = embed(text, **OPTIONS, **options)
    path = tmp_path / "state.safetensors"
    stops = 0
    for number in (2, 7, 3, 11):
        with pytest.raises(Stop):
            embed(text, **OPTIONS, **options, checkpoint=str(path), on_progress=stopping(number))
        stops += path.exists()
    assert stops == 4
    part = Embedding.load(path)
    assert part.position.reason is None
    assert part.position.epoch > 0
    events = []
    broken = embed(text, **OPTIONS, **options, checkpoint=str(path), on_progress=events.append)
    assert any(isinstance(event, Note) and "going on with" in event.message for event in events)
    assert np.array_equal(broken.weights.input, whole.weights.input)
    assert np.array_equal(broken.weights.output, whole.weights.output)
    assert broken.history == whole.history


def test_a_killed_process_goes_on_to_the_same_bits(text, tmp_path):
    """kill -9 at some moment leaves a whole checkpoint, from which the same bits follow."""
    path = tmp_path / "state.safetensors"
    folder = Path(__file__).parent.parent
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "from embeddings.planted import planted\nimport carousel\nfrom carousel.embeddings import training\n"
        "training.TURN = 0.0\n"
        f"carousel.embed(planted(4_000), **{ {**OPTIONS, 'epochs': 40}!r}, checkpoint={str(path)!r})\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    while not path.exists():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    part = Embedding.load(path)
    assert part.position.reason is None
    options = {**OPTIONS, "epochs": 40, "checkpoint_seconds": 1e6}
    broken = embed(text, **options, checkpoint=str(path))
    assert np.array_equal(broken.weights.input, embed(text, **options).weights.input)


def test_ctrl_c_saves_and_stops(text, tmp_path):
    """Ctrl-C ends after the turn in work, with everything saved."""
    path = tmp_path / "state.safetensors"

    def press(event: object) -> None:
        if isinstance(event, Stepped) and event.epoch > 1:
            signal.raise_signal(signal.SIGINT)

    options = {**OPTIONS, "checkpoint_seconds": 1e6}
    with pytest.raises(KeyboardInterrupt):
        embed(text, **options, checkpoint=str(path), on_progress=press)
    assert Embedding.load(path).position.epoch == 1
    broken = embed(text, **options, checkpoint=str(path))
    assert np.array_equal(broken.weights.input, embed(text, **options).weights.input)


def test_a_finished_checkpoint_is_returned(text, tmp_path):
    """The checkpoint of a finished training is the embedding; nothing is trained again."""
    path = tmp_path / "state.safetensors"
    events = []
    first = embed(text, **OPTIONS, checkpoint=str(path), on_progress=events.append)
    assert isinstance(events[-2], Saved)
    assert isinstance(events[-1], Finished)
    again = []
    second = embed(text, **OPTIONS, checkpoint=str(path), on_progress=again.append)
    assert not any(isinstance(event, Stepped) for event in again)
    assert np.array_equal(first.weights.input, second.weights.input)


def test_another_text_or_option_is_refused(text, tmp_path):
    """A checkpoint of other options or another text is not gone on with."""
    path = tmp_path / "state.safetensors"
    embed(text, **OPTIONS, checkpoint=str(path))
    with pytest.raises(CarouselError, match=r"window was 5 in .* but is 4 now"):
        embed(text, **OPTIONS, window=4, checkpoint=str(path))
    with pytest.raises(CarouselError, match="was made from another one"):
        embed(text[::-1], **OPTIONS, checkpoint=str(path))


def test_new_text_is_gone_on_with_to_the_same_bits(text, tmp_path):
    """`train_more` that was stopped goes on from its checkpoint, unless it began from other vectors."""
    first, other = (embed(text, **OPTIONS, seed=seed) for seed in (1, 2))
    path, fresh = str(tmp_path / "more.safetensors"), [["a", "new", "word"], *text[::-1]] * 2
    whole = first.train_more(fresh)
    with pytest.raises(Stop):
        first.train_more(fresh, checkpoint=path, on_progress=stopping(5))
    assert Embedding.load(path).position.reason is None
    broken = first.train_more(fresh, checkpoint=path)
    assert np.array_equal(broken.weights.input, whole.weights.input)
    assert np.array_equal(broken.weights.output, whole.weights.output)
    with pytest.raises(CarouselError, match="was made from another one"):
        other.train_more(fresh, checkpoint=path, seed=1)


def test_only_one_training_at_a_time_writes_a_checkpoint(text, tmp_path):
    """A second training into the same file is refused before it reads; after the first one it may go on."""
    path = tmp_path / "state.safetensors"
    other: list[object] = []

    def meddle(event: object) -> None:
        if isinstance(event, Stepped) and not other:
            with pytest.raises(
                CarouselError, match=r"only one process at a time trains into state.safetensors"
            ):
                embed(text, **OPTIONS, checkpoint=str(path), on_progress=other.append)
            with pytest.raises(CarouselError, match="only one process at a time"):
                first.train_more(text, checkpoint=str(path), on_progress=other.append)
            assert other == []
            other.append("refused")

    first = embed(text, **OPTIONS)
    embed(text, **OPTIONS, checkpoint=str(path), on_progress=meddle)
    assert other == ["refused"]
    assert embed(text, **OPTIONS, checkpoint=str(path)).position.reason == "epochs"
    assert [each.name for each in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_lock_of_a_killed_process_keeps_nobody_out(text, tmp_path):
    """The hidden file that a killed process leaves is no lock by itself."""
    path = tmp_path / "state.safetensors"
    (tmp_path / ".state.safetensors.lock").touch()
    embed(text, **OPTIONS, checkpoint=str(path))
    assert [each.name for each in tmp_path.iterdir()] == ["state.safetensors"]


def test_training_behind_its_end_ends(text):
    """A position behind the last epoch is the end of training, and not the beginning of endless epochs."""
    first = embed(text, **OPTIONS)
    corpus = load_corpus(text, first.config)
    position = Position(epoch=first.config.passes + 1)
    Trainer(first.config, corpus, first.weights, position, silent).run()
    assert position.reason == "epochs"


def test_where_no_checkpoint_can_be_is_told_first(text, tmp_path):
    """A folder that is not there, or a folder itself, costs no training."""
    os.mkfifo(tmp_path / "pipe")
    names = [
        tmp_path / "no" / "state.safetensors",
        tmp_path,
        tmp_path / "pipe",
        tmp_path / ("x" * 300),
    ]
    for path in names:
        events = []
        with pytest.raises(CarouselError, match="checkpoint must be a file in a folder"):
            embed(text, **OPTIONS, checkpoint=str(path), on_progress=events.append)
        assert events == []


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        (
            {"position": {"epoch": -1, "block": 0, "seconds": 0, "reason": None, "history": []}},
            "cannot be read",
        ),
        (
            {"position": {"epoch": 0, "block": 9**9, "seconds": 0, "reason": None, "history": []}},
            "is damaged",
        ),
        ({"config": {"dimension": 25}}, "do not fit its description"),
        ({"config": {"output": "hierarchical"}}, "has output of shape"),
        ({"config": 7}, "cannot be read"),
    ],
)
def test_a_description_that_lies_is_told(text, tmp_path, changed, rule):
    """What stands beside the matrices is held against them and against the text."""
    path = tmp_path / "state.safetensors"
    trained = embed(text, **OPTIONS, checkpoint=str(path))
    about = {
        "config": trained.config.to_dict(),
        "position": trained.position.to_dict(),
        "text": trained.text,
    }
    for name, value in changed.items():
        both = isinstance(value, dict) and name == "config"
        about[name] = {**about[name], **value} if both else value
    content = Content(trained.vocabulary.words, trained.weights.vectors, trained.vocabulary.counts)
    output = np.ascontiguousarray(trained.weights.output[:, : trained.weights.dimension])
    safetensors.save(path, content, {"output": output}, about)
    with pytest.raises(CarouselError, match=rule):
        embed(text, **OPTIONS, checkpoint=str(path))
