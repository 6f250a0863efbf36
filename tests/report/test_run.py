"""`carousel.train` and `carousel.resume`: training that shows how far it is and ends with a report."""

import inspect
from pathlib import Path

import pytest

import carousel
import carousel.training
from carousel import CarouselError, LanguageConfig, SequenceConfig
from carousel.progress import Note, Stage
from carousel.training.api import configured

SMALL = {"level": "char", "hidden_size": 4, "batch": 2, "bptt": 8, "steps": 2, "monitor": 0, "threads": 1}


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "book.txt"
    path.write_text("".join(f"line {k} of {k % 7}\n" for k in range(200)))
    return path


def test_it_shows_plain_lines_and_writes_the_report(book, tmp_path, capsys):
    """By default, outside of a terminal: on the error output, so that what a program prints stays its own."""
    run = carousel.train(book, out=tmp_path / "run", **SMALL)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"2 steps -> {tmp_path / 'run'}" in shown.err
    assert "step 2: valid" in shown.err
    assert run.report == tmp_path / "run" / "report.html"
    assert "bits per character" in run.report.read_text()
    assert run.config.hidden_size == 4
    written = run.report.stat().st_mtime_ns
    assert carousel.resume(run.path, progress=False) == run
    assert run.report.stat().st_mtime_ns == written


def test_it_is_silent_on_demand_and_tells_an_observer_instead(book, tmp_path, capsys):
    """`progress=False` shows nothing; with `on_progress` the events go there, those of the report too."""
    events = []
    carousel.train(book, out=tmp_path / "a", progress=False, **SMALL)
    carousel.train(book, out=tmp_path / "b", on_progress=events.append, **SMALL)
    assert capsys.readouterr() == ("", "")
    assert Stage("reading the text for the report") in events


def test_a_missing_report_is_written_when_a_finished_run_is_resumed(book, tmp_path):
    """As after Ctrl-C while it was written; nothing is trained."""
    events = []
    run = carousel.train(book, out=tmp_path / "run", progress=False, **SMALL)
    run.report.unlink()
    assert carousel.resume(run.path, on_progress=events.append) == run
    assert run.report.exists()
    assert any(isinstance(event, Note) and "already finished" in event.message for event in events)


def test_the_function_is_what_the_name_means():
    """Whatever module was imported before: `carousel.train` is called, not imported."""
    assert inspect.isfunction(carousel.train)
    assert next(iter(inspect.signature(carousel.train).parameters)) == "paths"


@pytest.mark.parametrize(
    ("paths", "listed"),
    [("a.txt", ["a.txt"]), (Path("a.txt"), ["a.txt"]), (["a", Path("b")], ["a", "b"]), ((), []), ([], [])],
)
def test_one_path_or_several(paths, listed):
    """Texts and Path objects, alone or in a list; nothing means Python's standard library, as before."""
    assert configured(paths).paths == listed
    assert configured(paths, LanguageConfig(paths=["c"])).paths == (listed or ["c"])


def test_a_task_means_sequences():
    """Its options are those of a SequenceConfig, whose file is the path."""
    config = configured("table.csv", task="classify", target="label")
    assert (type(config), config.paths, config.target) == (SequenceConfig, ["table.csv"], "label")


@pytest.mark.parametrize("wrong", [LanguageConfig(), 3, [3], b"a.txt"])
def test_what_is_no_path_is_refused(wrong):
    """A configuration in the first place above all."""
    with pytest.raises(CarouselError, match=r"paths must be a path or a list of paths; got .*config="):
        carousel.train(wrong)
