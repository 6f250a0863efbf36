"""Word vectors: trained from text in the compiled core, asked, compared, read and written.

`embeddings.config` loads neither torch nor NumPy; the names below are imported when they are first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "AnalogyScore": "carousel.embeddings.analogies",
    "Embedding": "carousel.embeddings.embedding",
    "EmbeddingConfig": "carousel.embeddings.config",
    "Neighbour": "carousel.embeddings.neighbours",
    "PairScore": "carousel.embeddings.pairs",
    "Vectors": "carousel.embeddings.vectors",
    "embed": "carousel.embeddings.embedding",
    "evaluate": "carousel.embeddings.evaluation",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel.embeddings' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
