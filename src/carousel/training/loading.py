"""Load anything that was trained, without the modules that only training needs."""

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

_WORDS = "word vectors"  # also the kind of a file without a description
_LOADERS: dict[str, Callable[[Path], Any]] = {
    predictor.KIND: load_model,
    sequence_model.KIND: SequenceModel.load,
    _WORDS: Vectors.load,
}


def load(path: str | Path) -> Any:
    """The model or the word vectors in the folder of a run or in a file; the content decides the kind.

    path: a run of a language model gives a `LanguageModel` or `TDNNLanguageModel` with its vocabulary; a run on
    sequences gives a `SequenceModel`. Both are in eval mode. A file of word vectors in any format gives `Vectors`, or
    an `Embedding` if the file holds the state of training. If you know the kind, the `load` of its class has a more
    exact type.

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
            "Pass the folder of the run."
        )
    return Embedding.load(file) if kind == _WORDS and "more" in about else _LOADERS[kind](file)


def _description(path: Path) -> dict[str, Any]:
    """The description in a safetensors file; {} for a file in another format."""
    with opened(path, "a model or word vectors") as file:
        if path.suffix != ".safetensors" and file.read(9)[8:] != b"{":
            return {}
        file.seek(0)
        text = tensors_of(file, path).metadata.get("carousel", "{}")
    about = parse_json(text, f"the description in {path}")
    return about if isinstance(about, dict) else {}
