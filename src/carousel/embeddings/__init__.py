"""Word vectors: trained from text in the compiled core, asked, compared, read and written.

`embeddings.config` loads neither torch nor NumPy; the names below are imported when they are first used.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.embeddings.analogies import AnalogyScore
    from carousel.embeddings.config import EmbeddingConfig
    from carousel.embeddings.embedding import Embedding, embed
    from carousel.embeddings.evaluation import evaluate
    from carousel.embeddings.neighbours import Neighbour
    from carousel.embeddings.pairs import PairScore
    from carousel.embeddings.vectors import Vectors
else:
    __getattr__, __dir__ = lazy(__name__)

__all__ = [
    "AnalogyScore",
    "Embedding",
    "EmbeddingConfig",
    "Neighbour",
    "PairScore",
    "Vectors",
    "embed",
    "evaluate",
]
