"""The examples of docs/embeddings.md run as they stand, on a small set of words."""

import re
from pathlib import Path

import numpy as np
import pytest

from carousel.embeddings import Vectors

PAGE = Path(__file__).parents[2] / "docs" / "embeddings.md"
WORDS = ["the", "append", "keys", "values", "items", "list", "dict", "extend"]


def test_examples_of_using_vectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block from `Using the vectors` on, one after another."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    Vectors(WORDS, rng.standard_normal((8, 6)), range(80, 0, -10)).save("vectors.safetensors")
    Path("questions-words.txt").write_text(": gram1\ndict keys list items\n: other\nkeys values dict list\n")
    Path("wordsim353.tsv").write_text("keys\tvalues\t9\nkeys\tthe\t1\nlist\tdict\t7\n")
    Path("book.txt").write_text("the list of keys and the dict of values\n" * 9)
    text = PAGE.read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text[text.index("## Using the vectors") :], flags=re.DOTALL)
    assert len(blocks) >= 3
    names: dict[str, object] = {}
    exec("\n".join(blocks), names)
    assert "append" in names["vectors"]  # type: ignore[operator]
    assert names["rated"].known == 3  # type: ignore[attr-defined]
    assert "the" in names["projection"]  # type: ignore[operator]
