"""A notebook shows each kind of result as HTML, and work that takes long as one line that stays up to date."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="a notebook is read by nbformat, which is not installed")
nbclient = pytest.importorskip(
    "nbclient", reason="a notebook is executed by nbclient, which is not installed"
)
pytest.importorskip("ipykernel", reason="a notebook is executed by ipykernel, which is not installed")

SETUP = "import numpy as np, torch, carousel\nfrom carousel.embeddings.word_map import word_map"
SMALL = "level='char', hidden_size=4, batch=2, bptt=8, steps=20, monitor=0, threads=1"
CORPUS = "vectors = carousel.embed('book.txt', dimension=4, epochs=2, min_count=1).vectors"
SERIES = "series = np.arange(80.0) % 4 + np.arange(80.0) % 7"
WORK = (
    f"run = carousel.train('book.txt', out='run', {SMALL})",
    "found = carousel.diagnose(torch.nn.LSTM(2, 3), torch.randn(20, 2, 2))",
    CORPUS,
    f"{SERIES}\nforecaster = carousel.SequenceModel('gru', carousel.Forecast(horizon=2, season=4), hidden_size=4)\n"
    "fitted = carousel.fit(forecaster, series, steps=4)",
    "tagger = carousel.SequenceModel('gru', 'classify', hidden_size=4)\n"
    "labelled = carousel.fit(tagger, [[[k % 2]] * 3 for k in range(20)], [k % 2 for k in range(20)], steps=4)",
)
RESULTS = {
    "run": "<table>",
    "run.test": "bits per character",
    "labelled.test": "always the most frequent",
    "fitted.test": "seasonal-naive",
    "found": "<iframe",
    "found.compare(found)": "<iframe",
    "vectors.nearest('line')": "similarity",
    "vectors.analogy('line', 'of', '1')": "similarity",
    "word_map(vectors, method='pca')": "<iframe",
    "carousel.evaluate(vectors, 'analogies.txt')": "semantic",
    "carousel.evaluate(vectors, 'pairs.txt')": "Spearman",
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """The outputs of every cell, by its source."""
    folder: Path = tmp_path_factory.mktemp("notebook")
    (folder / "book.txt").write_text("".join(f"line {k} of {k % 7}\n" for k in range(300)))
    (folder / "analogies.txt").write_text(": numbers\n1 2 3 4\n")
    (folder / "pairs.txt").write_text("1\t2\t5\n1\tline\t1\n3\tof\t2\n")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in (SETUP, *WORK, *RESULTS)]
    )
    old = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    try:
        client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
        client.execute()
    finally:
        os.environ.pop("PYTHONPATH") if old is None else os.environ.update(PYTHONPATH=old)
    return {cell.source: cell.outputs for cell in notebook.cells}


@pytest.mark.parametrize("source", WORK)
def test_progress_is_one_line(source: str, cells: dict[str, list[Any]]) -> None:
    """Nothing is printed: one output was updated until the work was done."""
    [output] = cells[source]
    assert output.output_type == "display_data"
    assert output.data["text/html"].count("<progress") == 1
    assert 'value="1.0000"' in output.data["text/html"]


@pytest.mark.parametrize("source", RESULTS)
def test_results_show_as_html(source: str, cells: dict[str, list[Any]]) -> None:
    """Every kind of result has text/html, a table or a page in a frame."""
    [output] = cells[source]
    assert output.output_type == "execute_result"
    assert RESULTS[source] in output.data["text/html"]
