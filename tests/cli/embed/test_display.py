"""What training vectors shows, on a terminal and in a log."""

from io import StringIO

import pytest

from carousel.cli.embed.display import display
from carousel.embeddings.progress import Evaluated, Finished, Reading, Started, Stepped
from carousel.progress import Note, Stage
from carousel.terminal import Terminal

EVENTS = [
    Stage("reading the text"),
    Reading(1000, 50, 0.5),
    Note("two files were left out"),
    Started(40, 2000, 5, 2, 0.25),
    Stepped(2500, 10_000, 1.25, 2_345_678.0, 0.01875, None, 61.0),
    Evaluated(1.5, 2.34567, True),
    Stepped(5000, 10_000, 2.5, 2_345_678.0, 0.0125, 2.34567, 30.0),
    Evaluated(2.5, 2.5, False),
    Finished("epochs", 2.5, 75.0, 2_345_678.0),
]


def shown(terminal: bool) -> str:
    out = StringIO()
    with display(Terminal(file=out, force_terminal=terminal, width=150)) as observer:
        for event in EVENTS:
            observer(event)
    return out.getvalue()


def test_a_log_has_whole_lines():
    """Every estimate of the loss, notes, the size of the work and its speed; no control characters."""
    assert shown(terminal=False).splitlines() == [
        "reading the text",
        "two files were left out",
        "40 words, 2,000 tokens, 5 epochs, 2 threads, going on after 25 %",
        "epoch 1.50: held-out loss 2.3457, best so far",
        "epoch 2.50: held-out loss 2.5000",
        "2.35 M words/s, 1:15 in all",
    ]


@pytest.mark.parametrize("part", ["loss 2.5000", "2.35 M words/s", "lr 0.0125", "1:15 in all", "two files"])
def test_a_terminal_has_a_bar(part):
    """Loss, words a second, learning rate and time stand beside the bar."""
    assert part in shown(terminal=True)


def test_a_terminal_is_given_back():
    """The cursor is shown again, also after an error."""
    out = StringIO()

    def stop() -> None:
        with display(Terminal(file=out, force_terminal=True)) as observer:
            observer(EVENTS[3])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_slow_work_is_told_now_and_then(monkeypatch):
    """Between two estimates a log gets a line every ten seconds."""
    clock = iter(range(0, 1000, 6))
    monkeypatch.setattr("carousel.cli.embed.display.time.monotonic", lambda: next(clock))
    out = StringIO()
    with display(Terminal(file=out, width=150)) as observer:
        for _ in range(4):
            observer(EVENTS[6])
        for _ in range(2):
            observer(EVENTS[1])
    step = "epoch 2.50, loss 2.3457, 2.35 M words/s  lr 0.0125, 0:30 left"
    assert out.getvalue().splitlines()[0] == step
    assert "reading: 1,000 tokens, 50 different words" in out.getvalue()
    assert len(out.getvalue().splitlines()) == 3
