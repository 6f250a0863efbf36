"""Results as tables, as a page and as JSON: a loss stands as plainly as a win."""

import io

import pytest
from rich.console import Console

from bench.machine import Machine
from bench.markdown import write
from bench.results import OURS, Case, Results, load, save
from bench.shapes import Shape, flops
from bench.tables import print_tables, summary


@pytest.fixture
def results() -> Results:
    """One win and one loss: 4 ms against 8 at the first shape, against 2 at the second."""
    machine = Machine("A CPU", 2, 2, "avx2", "Linux", {"torch": "2.13"}, "2026-01-31", load=0.1)
    cases = [
        Case("lstm", "LSTM", shape, True, flops(shape, 4, True), {OURS: [4e-3] * 3, "torch.nn": [theirs] * 3})
        for shape, theirs in ((Shape(100, 16, 128), 8e-3), (Shape(10, 16, 128), 2e-3))
    ]
    return Results(machine, 629.1456, 3, cases, {"jax.lax.scan": "not installed (jax)"})


def test_table_in_the_terminal(results):
    """Time, speed, share of the peak, and the ratio with its verdict, for the win and for the loss."""
    console = Console(width=160, record=True, file=io.StringIO())
    print_tables(results, console)
    _, win, loss = (line for line in console.export_text().splitlines() if "(" in line or "┃" in line)
    assert all(text in win for text in ("(100, 16, 128)", " 315 ", " 50% ", "8, 2.00x faster [2.00-2.00]"))
    assert all(text in loss for text in ("(10, 16, 128)", " 31.5 ", " 5% ", "2, 0.50x slower [0.50-0.50]"))


def test_summary_names_each_loss(results):
    """Every comparison is counted, and each that is not a win is named."""
    counts, *lost = summary(results)
    assert counts == "1 faster, 0 even, 1 slower."
    assert lost == ["LSTM at (10, 16, 128), forward + backward, against torch.nn: 0.50x slower [0.50-0.50]"]


def test_page(results, tmp_path):
    """The page has the machine, the loss in bold, who was left out and why, and a picture of all speeds."""
    picture = write(results, tmp_path / "docs" / "benchmarks.md")
    page = (tmp_path / "docs" / "benchmarks.md").read_text()
    assert "A CPU, 2 cores, 2 threads, avx2; Linux; torch 2.13; 2026-01-31" in page
    assert "| 8, 2.00x faster [2.00-2.00] |" in page
    assert "| **2, 0.50x slower [0.50-0.50]** |" in page
    assert "- jax.lax.scan was left out: not installed (jax)" in page
    assert "](images/roofline.svg)" in page
    drawing = picture.read_text()
    assert all(text in drawing for text in (OURS, "torch.nn", "multiply-add peak", "100,16,128"))


def test_same_results_same_picture(results, tmp_path):
    """The picture depends on the numbers alone, so that a page written again does not change."""
    first, second = (write(results, tmp_path / name / "page.md").read_bytes() for name in "ab")
    assert first == second


def test_json(results, tmp_path):
    """What was saved is loaded again, every measurement of it."""
    save(results, tmp_path / "results.json")
    assert load(tmp_path / "results.json") == results
