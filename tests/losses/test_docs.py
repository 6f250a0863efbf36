"""The page about losses."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "losses.md"


def test_the_examples_run():
    """Each block of Python runs, one after the other."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert "linear_cross_entropy" in names
