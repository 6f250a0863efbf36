"""What is shown while work takes long: a bar that keeps itself up to date on a terminal, plain lines in a log."""

from io import StringIO
from pathlib import Path

import pytest

from carousel.display import LiveBar, PlainLines, display
from carousel.embeddings import progress as words
from carousel.progress import Note, Progress, Stage, clock
from carousel.terminal import Terminal
from carousel.training.language.score import Score
from carousel.training.run.progress import Evaluated, Finished, Started, Stepped

SCORE = Score(bits=150.0, tokens=100, characters=100)


def stepped(step: int, steps: int = 200) -> Stepped:
    measured = SCORE, "2.500 bits/char", 45_678.0, "tokens"
    return Stepped(step, steps, 0.1, *measured, 0.42, 4e-3, 1.0 * step, 7265.0)


TRAINING = [
    Stage("reading the text"),
    Started(Path("runs/001"), 0, 200, 1234, "56 symbols, 7,000 train tokens"),
    *[stepped(k) for k in range(1, 100)],
    Evaluated(100, SCORE, "1.500 bits/char", True),
    Stage("scoring"),
    Finished(Path("runs/001"), 200, 100, "steps", SCORE, SCORE, 12.0),
]
EMBEDDING = [
    Stage("reading the text"),
    words.Reading(1000, 50, 0.5),
    Note("two files were left out"),
    words.Started(40, 2000, 5, 2, 0.25),
    words.Stepped(2500, 10_000, 1.25, 2_345_678.0, 0.01875, None, 61.0),
    words.Evaluated(1.5, 2.34567, True),
    words.Stepped(5000, 10_000, 2.5, 2_345_678.0, 0.0125, 2.34567, 30.0),
    words.Evaluated(2.5, 2.5, False),
    words.Finished("epochs", 2.5, 75.0, 2_345_678.0),
]


def shown(events, terminal: bool, width: int = 140) -> str:
    out = StringIO()
    console = Terminal(file=out, force_terminal=terminal, width=width, color_system=None)
    with display(console) as observer:
        assert isinstance(observer, LiveBar if terminal else PlainLines)
        for event in events:
            observer(event)
    return out.getvalue()


def test_a_log_of_training_has_whole_lines():
    """One line for a hundred steps within ten seconds, one for the evaluation, no control codes."""
    assert shown(TRAINING, False).splitlines() == [
        "reading the text",
        "1,234 parameters, 56 symbols, 7,000 train tokens, 200 steps -> runs/001",
        "step 1 of 200: 2.500 bits/char, 2:01:05 left, 45,678 tokens/s, |g| 0.42",
        "step 100: valid 1.500 bits/char, best so far",
        "scoring",
    ]


def test_a_log_of_word_vectors_has_whole_lines():
    """Notes, the size of the work, its speed, and every estimate of the loss; one line of speed within ten seconds."""
    assert shown(EMBEDDING, False).splitlines() == [
        "reading the text",
        "reading: 1,000 tokens, 50 different words",
        "two files were left out",
        "40 words, 2,000 tokens, 5 epochs, 2 threads, going on after 25 %",
        "epoch 1.25: 1:01 left, 2.35 M words/s, lr 0.0187",
        "epoch 1.50: held-out loss 2.3457, best so far",
        "epoch 2.50: held-out loss 2.5000",
        "2.35 M words/s, 1:15 in all",
    ]


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        (TRAINING, ("2.500 bits/char", "45,678 tokens/s", "|g| 0.42", "2:01:05 left", "valid 1.500", "done")),
        (EMBEDDING, ("loss 2.5000", "2.35 M words/s", "lr 0.0125", "1:15 in all", "two files")),
        ([Progress("spectrum", 0.25)], ("spectrum",)),
    ],
)
def test_a_terminal_gets_a_bar(events, parts):
    """The figures stand beside the bar, and the cursor is left as it was."""
    text = shown(events, True)
    assert [part for part in parts if part not in text] == []
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")


@pytest.mark.parametrize("terminal", [False, True])
def test_a_note_stays(terminal):
    """What should be known is a line of its own, brackets and all."""
    assert "left out [b].py\n" in shown([Note("left out [b].py"), TRAINING[0]], terminal)


def test_the_terminal_is_given_back_after_an_error():
    """An exception while the bar is live leaves the cursor visible."""
    out = StringIO()

    def fail() -> None:
        with display(Terminal(file=out, force_terminal=True)) as observer:
            observer(stepped(1))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert out.getvalue().rfind("\x1b[?25h") > out.getvalue().rfind("\x1b[?25l")


def test_a_log_is_told_of_slow_work_every_ten_seconds(monkeypatch):
    """Between two evaluations a log gets a line now and then, not at every event."""
    ticks = iter(range(0, 1000, 3))
    monkeypatch.setattr("carousel.display.time.monotonic", lambda: next(ticks))
    lines = shown([EMBEDDING[6]] * 6, False).splitlines()
    assert lines == ["epoch 2.50: loss 2.3457, 0:30 left, 2.35 M words/s, lr 0.0125"] * 2


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (130, "2:10"), (7265, "2:01:05"), (-3, "0:00")]
)
def test_clock(seconds, text):
    """Minutes and seconds, hours where there are some."""
    assert clock(seconds) == text


@pytest.mark.parametrize("width", [70, 80, 100, 120, 140])
def test_no_figure_of_the_bar_is_cut(width):
    """On a narrow terminal less important figures are left out whole; steps, loss and time left always stay."""
    evaluated = Evaluated(9_000, SCORE, "1.500 bits/char", False)
    text = shown([stepped(9_000), evaluated, stepped(10_000, 12_345)], True, width)
    last = [line for line in text.replace("\r", "\n").splitlines() if "left" in line][-1]
    assert "…" not in last
    assert "step 10,000 of 12,345  2.500 bits/char  2:01:05 left" in last
    assert ("valid 1.500 bits/char (worse)" in last) is (width >= 100)
    assert ("45,678 tokens/s" in last) is (width >= 120)
    assert ("|g| 0.42" in last) is (width >= 140)
