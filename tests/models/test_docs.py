"""The page about language models."""

import re
from pathlib import Path

from carousel import training
from carousel.training.language.presets import PRESETS

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_its_examples_run(capsys, tmp_path, monkeypatch):
    """Every Python block of the page, one after another, on a run of two steps and a text beside it."""
    monkeypatch.chdir(tmp_path)
    Path("other.txt").write_text("row, row, row your boat\n" * 40)
    training.train(
        "other.txt", level="char", hidden_size=8, batch=2, bptt=8, steps=2, monitor=0, out="runs/001"
    )
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, names)
    assert "'w'" in capsys.readouterr().out


def test_it_lists_every_preset():
    """With its source."""
    text = PAGE.read_text(encoding="utf-8")
    for name, preset in PRESETS.items():
        [row] = re.findall(rf"^\| `{name}` .*$", text, flags=re.MULTILINE)
        author = preset.source.split()[0].strip(",")
        assert author in row
