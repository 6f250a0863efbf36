"""Targets beside what was measured: which hold, and that the sections measure what they say."""

import io

import pytest
import torch
from rich.console import Console

from bench.findings import Finding, times_of
from bench.kernels import Plan
from bench.machine import Machine
from bench.markdown import page
from bench.results import OURS, Case, Results, load, save
from bench.sections import denormals, measure, memory, resets, stepper
from bench.shapes import SHAPES, Shape, flops
from bench.tables import print_findings
from bench.targets import targets


def case(cell: str, letter: str, backward: bool, **seconds: float) -> Case:
    shape, gates = SHAPES[letter], {"lstm": 4, "gru": 3, "rnn": 1}[cell]
    times = {name.replace("_", "."): [value] * 3 for name, value in seconds.items()}
    return Case(cell, cell.upper(), shape, backward, flops(shape, gates, backward), times)


@pytest.fixture
def results() -> Results:
    """A target met and one missed in training, and one of each in inference; one section's finding."""
    cases = [
        case("lstm", "c", True, Carousel=1.0, torch_nn=1.3),
        case("lstm", "f", True, Carousel=1.0, torch_nn=1.2),
        case("rnn", "a", False, Carousel=1.0, torch_nn=1.1, jax=3.0),
        case("lstm", "e", False, Carousel=1.0, torch_nn=1.1),
    ]
    machine = Machine("A CPU", 2, 2, "avx2", "Linux", {"torch": "2.13"}, "2026-01-31", load=0.1)
    return Results(machine, 110.0, 3, cases, {}, [Finding("resets", "LSTM", 1.02, "x", 1.05)])


def test_targets(results):
    """Each target of the grid is held against the ratio of its own peer and the share of the peak."""
    found = {finding.what: finding for finding in targets(results)}
    verdicts = {what: finding.holds for what, finding in found.items()}
    assert verdicts == {
        "LSTM at (100, 16, 128): times as fast as torch.nn": True,
        "LSTM at (100, 64, 512): times as fast as torch.nn": False,
        "LSTM at (100, 64, 512): share of the peak": False,
        "RNN at (1000, 1, 64): times as fast as the fastest peer, torch.nn": False,
        "LSTM at (35, 20, 650): times as fast as the fastest peer, torch.nn": True,
    }
    share = found["LSTM at (100, 64, 512): share of the peak"].value
    assert share == pytest.approx(results.cases[1].gflops(OURS) / 110)


def test_what_the_machine_allows(results):
    """A missed target says how near the peak its peer is, and whether the target lies beyond; a met one does not."""
    found = {finding.what: finding.row()[-1] for finding in targets(results)}
    assert found["LSTM at (100, 64, 512): times as fast as torch.nn"].startswith(
        "torch.nn reaches 61% of the peak: at most 1.64x"
    )
    assert found["LSTM at (100, 16, 128): times as fast as torch.nn"] == ""
    beyond = Finding(
        "forward only", "LSTM", 0.9, "x", 1.15, at_least=True, limit=1.1, why="ONNX Runtime reaches 91%"
    )
    assert beyond.is_forbidden
    assert beyond.row()[-1] == "ONNX Runtime reaches 91%: at most 1.1x, so out of reach"


def test_told_alike_everywhere(results, tmp_path):
    """Terminal, page and JSON have each target, what was measured, and what falls short."""
    console = Console(width=200, record=True, file=io.StringIO())
    print_findings(results, console)
    text = console.export_text()
    assert "3 of 6 targets hold." in text
    assert "1.02x" in text
    written = page(results, tmp_path / "b.md", "picture.svg")
    assert "| resets | LSTM | 1.02x | ≤ 1.05x | holds |  |" in written
    assert written.count("| **falls short** |") == 3
    assert "the machine allows" in text
    assert "| the machine allows |" in written
    save(results, tmp_path / "r.json")
    assert load(tmp_path / "r.json") == results


def test_times():
    """A ratio of medians: a slow round does not count."""
    assert times_of({"a": [2.0, 2.0, 90.0], "b": [1.0, 1.0, 1.0]}, "a", "b") == 2


@pytest.mark.parametrize("section", [resets, stepper], ids=lambda section: section.__name__.split(".")[-1])
def test_sections_run(section):
    """A section gives positive figures, each with its words."""
    torch.set_num_threads(1)
    plan = Plan([], [Shape(4, 2, 8)], [], threads=1, rounds=1, turn=1e-4, probe=0.02)
    found = list(section.measure(plan))
    assert found
    assert all(finding.value > 0 and finding.what for finding in found)


def test_sections_are_named_as_typed(monkeypatch):
    """The name of an option is that of its file, and is announced before it runs."""
    monkeypatch.setattr(denormals, "measure", lambda plan: [Finding("denormals", "x", 1.0)])
    told: list[str] = []
    plan = Plan([], [], [], threads=1, rounds=1, turn=1e-4, probe=0.02)
    assert [finding.section for finding in measure(["denormals"], plan, told.append)] == ["denormals"]
    assert told == ["denormals"]


def test_memory_is_of_a_fresh_process():
    """The peak is that of the run alone: at least its output and input, in MB."""
    assert memory._fresh("carousel", Shape(100, 32, 128), threads=1) > 100 * 32 * 128 * 4 * 4 / 2**20
