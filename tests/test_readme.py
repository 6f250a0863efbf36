"""The README's examples run as they stand."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_python_examples_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block of the README, one after another, on a small book and with a few steps for the minute."""
    monkeypatch.chdir(tmp_path)
    Path("book.txt").write_text("Once upon a time there was a loop that kept a gradient alive.\n" * 200)
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)
    assert len(blocks) >= 3
    text = "\n".join(blocks)
    assert "minutes=1" in text
    names: dict[str, object] = {}
    exec(text.replace("minutes=1", "steps=3, batch=4, bptt=20"), names)
    assert Path("book.safetensors").stat().st_size > 0
    assert names["h_n"].shape == (4, 8, 64)  # type: ignore[attr-defined]


def test_every_link_leads_somewhere() -> None:
    """Relative links and pictures of the README are files of the repository."""
    links = re.findall(r"\]\(([^)#:]+)\)", README.read_text())
    assert links
    missing = [link for link in links if not (README.parent / link).exists()]
    assert missing == []
