"""The page about sequences."""

import re
from dataclasses import fields
from pathlib import Path

from carousel.data.sequences import Layout

PAGE = Path(__file__).parents[3] / "docs" / "sequences.md"


def test_its_examples_run(capsys, monkeypatch, tmp_path):
    """Every Python block of the page, one after another, and what they print is what the page claims."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, names)
    assert names["model"].predict(names["sales"])[0].middle.shape == (6, 1)
    assert names["run"].test.error < 1
    first = capsys.readouterr().out.splitlines()[0]
    assert float(first.split(" % right")[0]) > 85


def test_it_tells_of_every_column():
    """What a table is read as: each option of the layout has a row of its own, or is the task."""
    text = PAGE.read_text(encoding="utf-8")
    for each in fields(Layout):
        assert f"--{each.name}" in text
