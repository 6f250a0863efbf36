"""Anything that was trained, ready to use; loads nothing of what only training needs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from carousel.embeddings.embedding import Embedding
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError
from carousel.models import predictor
from carousel.models.architectures import load_model
from carousel.models.sequences import model as sequence_model
from carousel.models.sequences.model import SequenceModel
from carousel.reading import opened, parse_json
from carousel.tensor_file import tensors_of
from carousel.training.run.folder import weights_of

_WORDS = "word vectors"  # also where a file says nothing of itself
_LOADERS: dict[str, Callable[[Path], Any]] = {
    predictor.KIND: load_model,
    sequence_model.KIND: SequenceModel.load,
    _WORDS: Vectors.load,
}


def load(path: str | Path) -> Any:
    """What was trained, from the folder of a run or from a file; the content says which kind it is.

    Of a language model's run or weights it is a `LanguageModel` or `TDNNLanguageModel` that carries its vocabulary, of
    those of sequences a `SequenceModel`; both are in eval mode. Of a file of word vectors in any format it is
    `Vectors`, or, if the state of their training rides along, an `Embedding`. Where the kind is known, each class has a
    `load` of its own, which tools can type.

    Raises CarouselError for a folder that is no run or has no weights yet, and for a missing, truncated, damaged or
    foreign file. Nothing in a file is ever executed.

    >>> import tempfile, numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "two.vec"
    >>> Vectors(["a", "b"], np.eye(2)).save(path)
    >>> load(path)
    Vectors(2 words, 2 dimensions)
    """
    file = weights_of(path)
    about = _description(file)
    kind = about.get("kind", _WORDS)
    if kind not in _LOADERS:
        raise CarouselError(
            f"{file} holds a {kind!s:.40}; a language model, a sequence model or word vectors can be loaded. "
            "Give the folder of the run."
        )
    return Embedding.load(file) if kind == _WORDS and "more" in about else _LOADERS[kind](file)


def _description(path: Path) -> dict[str, Any]:
    """What a safetensors file says of itself; nothing of a file in another format."""
    with opened(path, "a model or word vectors") as file:
        if path.suffix != ".safetensors" and file.read(9)[8:] != b"{":
            return {}
        file.seek(0)
        text = tensors_of(file, path).metadata.get("carousel", "{}")
    about = parse_json(text, f"the description in {path}")
    return about if isinstance(about, dict) else {}
