"""What training shows: a bar that keeps itself up to date, or plain lines."""

from io import StringIO
from pathlib import Path

import pytest

from carousel.progress import Note, Stage
from carousel.report.display import LiveBar, PlainLines, by_level, clock, display
from carousel.terminal import Terminal
from carousel.training import LanguageConfig
from carousel.training.language.score import Score
from carousel.training.run.progress import Evaluated, Finished, Started, Stepped

SCORE = Score(bits=150.0, tokens=100, characters=100)
TRAIN = Score(bits=250.0, tokens=100, characters=100)
EVENTS = [
    Stage("reading the text"),
    Started(Path("runs/001"), 0, 200, 1234, "56 symbols, 7,000 train tokens"),
    *[Stepped(k, 200, 0.1, TRAIN, 45678.0, 0.42, 4e-3, 1.0 * k, 130.0) for k in range(1, 100)],
    Evaluated(100, SCORE, True),
    Stage("scoring"),
    Finished(Path("runs/001"), 200, 100, "steps", SCORE, SCORE, 12.0),
]


def _shown(terminal: bool, level: str = "char") -> tuple[object, str]:
    out = StringIO()
    console = Terminal(file=out, force_terminal=terminal, width=140, color_system=None)
    with display(console, LanguageConfig(level=level)) as observer:
        for event in EVENTS:
            observer(event)
    return observer, out.getvalue()


def test_a_log_gets_plain_lines():
    """One line for a hundred steps within ten seconds, one per evaluation, no control codes."""
    observer, shown = _shown(False)
    assert isinstance(observer, PlainLines)
    lines = shown.splitlines()
    assert [line.split(":")[0] for line in lines if line.startswith("step")] == ["step 1 of 200", "step 100"]
    assert "2.500 bits/char, 45,678 tokens/s, gradient norm 0.42, 2:10 left" in shown
    assert "valid 1.500 bits/char, best so far" in shown
    assert "\x1b" not in shown


def test_a_terminal_gets_a_bar():
    """The bar shows loss, speed, gradient norm and time left, and leaves the cursor as it was."""
    observer, shown = _shown(True)
    assert isinstance(observer, LiveBar)
    for expected in ("2.500 bits/char", "45,678 tokens/s", "|g| 0.42", "2:10 left"):
        assert expected in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")


@pytest.mark.parametrize("kind", [LiveBar, PlainLines])
def test_a_note_stays(kind):
    """What should be known is a line of its own, brackets and all, on a terminal as in a log."""
    out = StringIO()
    with kind(
        Terminal(file=out, force_terminal=kind is LiveBar, width=140, color_system=None), str, "tokens"
    ) as shown:
        shown(Note("left out [b].py"))
        shown(EVENTS[0])
    assert "left out [b].py\n" in out.getvalue()


def test_words_are_watched_by_perplexity():
    """Where unknown words hide their characters, perplexity is the number; pieces of words hide nothing."""
    _, shown = _shown(False, "word")
    assert "perplexity 5.7" in shown
    assert "bits/char" not in shown


def test_the_terminal_is_given_back_after_an_error():
    """An exception while the bar is live leaves the cursor visible."""
    out = StringIO()

    def fail() -> None:
        with LiveBar(Terminal(file=out, force_terminal=True), str, "tokens") as bar:
            bar(EVENTS[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert out.getvalue().rfind("\x1b[?25h") > out.getvalue().rfind("\x1b[?25l")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (130, "2:10"), (7265, "2:01:05"), (-3, "0:00")]
)
def test_clock(seconds, text):
    """Minutes and seconds, hours where there are some."""
    assert clock(seconds) == text


@pytest.mark.parametrize("width", [60, 80, 100, 120, 140])
@pytest.mark.parametrize("level", ["char", "word"])
def test_no_figure_of_the_bar_is_cut(width, level):
    """On a narrow terminal less important figures are left out whole; steps, loss and time left always stay."""
    out = StringIO()
    score = Score(bits=1100.0, tokens=100, characters=100)
    console = Terminal(file=out, force_terminal=True, width=width, color_system=None)
    with LiveBar(console, by_level(level), "tokens") as bar:
        bar(Started(Path("runs/001"), 0, 12_345, 1234, "56 symbols"))
        bar(Evaluated(10_000, score, False))
        bar(Stepped(10_000, 12_345, 0.1, score, 145_678.0, 12.42, 4e-3, 1.0, 7_265.0))
    last = [line for line in out.getvalue().replace("\r", "\n").splitlines() if "left" in line][-1]
    measure = by_level(level)(score)
    assert "…" not in last
    assert f"10000/12345 {measure}" in last
    assert "2:01:05 left" in last
    assert (f"valid {measure} (worse)" in last) is (width >= 80)
    assert ("145,678 tokens/s" in last) is (width >= 120)
    assert ("|g| 12.42" in last) is (width >= 140)
