"""What commands print: no name, word or text of a file is obeyed by the terminal."""

import ast
import io
import sys
from pathlib import Path

import pytest

import carousel as package
from carousel.cli import output
from carousel.display import LiveBar
from carousel.embeddings import Vectors
from carousel.printable import one_line, printable
from carousel.progress import Note, Stage
from carousel.terminal import Terminal, plain
from carousel.training.run.progress import Started

HOSTILE = "a\x1b[2J\x1b]0;title\x07b\rc\x9b31m\u202ed\ud800"
SHOWN = r"a\x1b[2J\x1b]0;title\x07b\rc\x9b31m\u202ed\ud800"


def test_control_characters_are_written_out():
    """Each becomes its escape as Python writes it; letters of all scripts, tabs and line ends stay."""
    assert printable(HOSTILE) == SHOWN
    kept = "naïve\t日本\n👩\u200d🚀 \u00a0é"
    assert printable(kept) == kept
    assert one_line("a\n\tb") == r"a\n\tb"
    assert all(printable(chr(code)) != chr(code) for code in [*range(9), *range(11, 32), *range(127, 160)])


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_printable_text_and_a_file_the_text_itself(monkeypatch):
    """`carousel generate RUN > FILE` keeps every character."""
    for stream, expected in ((Screen(), SHOWN), (io.StringIO(), HOSTILE.replace("\ud800", "?"))):
        monkeypatch.setattr(sys, "stdout", stream)
        output.give(HOSTILE)
        assert stream.getvalue() == expected
        output.say(HOSTILE)
        assert stream.getvalue() == f"{expected}{SHOWN}\n"


def test_notes_and_stages_are_neither_obeyed_nor_read_as_markup():
    """Names of files come in notes, in stages and in the first line of a run."""
    screen = Screen()
    terminal = Terminal(file=screen, force_terminal=True, width=200, color_system=None)
    with LiveBar(terminal) as bar:
        bar(Stage(f"reading [/x] {HOSTILE}"))
        bar(Note(f"skipped [/x] {HOSTILE}"))
        bar(Started(Path(f"[/x]{HOSTILE}"), 0, 1, 1, "nothing"))
    shown = screen.getvalue()
    assert f"skipped [/x] {SHOWN}" in shown
    assert f"-> [/x]{SHOWN}" in shown
    assert "\x1b[2J" not in shown
    assert "\x07" not in shown
    assert plain(f"[/x]{HOSTILE}").plain == f"[/x]{SHOWN}"


def test_a_run_folder_may_look_like_markup(carousel, text, tmp_path, monkeypatch):
    """`--out 'runs/[/x]'` is a folder like any other."""
    monkeypatch.chdir(tmp_path)
    options = ["--level", "char", "--hidden", 4, "--batch", 2, "--bptt", 8, "--steps", 1, "--monitor", 0]
    done = carousel("train", text, "--out", "runs/[/x]", *options)
    assert (done.status, done.err) == (0, "")
    assert "carousel generate runs/[/x] --length 500" in done.out
    assert (tmp_path / "runs" / "[" / "x]" / "report.html").exists()


def test_an_error_shows_the_name_it_was_given(carousel):
    """An escape sequence in the name of a file stands in the message, written out."""
    done = carousel("train", "absent\x1b[2J.txt")
    assert done.status == 2
    assert r"absent\x1b[2J.txt" in done.err
    assert "\x1b" not in done.err


def test_words_reach_a_terminal_printable(tmp_path, monkeypatch):
    """`embed nearest` shows words of a corpus, which may hold anything."""
    import numpy as np

    Vectors(["king", "que\x1b[2Jen"], np.ones((2, 3), dtype=np.float32)).save(tmp_path / "v.safetensors")
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setattr(
        sys, "argv", ["carousel", "embed", "nearest", str(tmp_path / "v.safetensors"), "king"]
    )
    from carousel.cli import app

    with pytest.raises(SystemExit):
        app.run()
    assert r"que\x1b[2Jen" in screen.getvalue()
    assert "\x1b[2J" not in screen.getvalue()


def test_commands_print_in_no_other_way():
    """No command calls print, typer.echo, sys.stdout.write or a console of Rich's own."""
    others = {"echo", "secho", "Console"}
    for path in (Path(package.__file__).parent / "cli").rglob("*.py"):
        if path.name in ("output.py", "terminal.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                owner = ast.unparse(called.value) if isinstance(called, ast.Attribute) else ""
                is_other = name in others or (name == "print" and not owner.endswith("console"))
                is_raw = owner in ("sys.stdout", "sys.stderr") and name == "write"
                where = f"{path.name}:{node.lineno} calls {ast.unparse(called)}"
                assert [is_other, is_raw] == [False, False], where
