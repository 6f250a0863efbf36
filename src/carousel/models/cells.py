"""The names of the language models and of their cells, and the rules for the options of models.

The module loads no torch, so that the command line can offer the names and check options without it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from carousel.errors import CarouselError

MOST_LAYERS = 256  # each takes time to make, even where it takes no memory
MODELS = ("rnn", "tdnn")  # recurrent; of the last N symbols. A file that names none holds the first

# name -> the class in carousel.nn, the options that make it this cell
CELLS: dict[str, tuple[str, dict[str, str]]] = {
    "rnn": ("RNN", {"nonlinearity": "tanh"}),
    "rnn-tanh": ("RNN", {"nonlinearity": "tanh"}),
    "rnn-relu": ("RNN", {"nonlinearity": "relu"}),
    "rnn-sigmoid": ("RNN", {"nonlinearity": "sigmoid"}),
    "rnn-elu": ("RNN", {"nonlinearity": "elu"}),
    "rnn-identity": ("RNN", {"nonlinearity": "identity"}),
    "lstm": ("LSTM", {"peephole": "none"}),
    "lstm-diagonal": ("LSTM", {"peephole": "diagonal"}),
    "lstm-full": ("LSTM", {"peephole": "full"}),
    "gru": ("GRU", {"reset": "after"}),
    "gru-before": ("GRU", {"reset": "before"}),
}


def check_layers(num_layers: int) -> None:
    """Raise CarouselError for more layers than anybody trains."""
    if num_layers > MOST_LAYERS:
        raise CarouselError(
            f"num_layers must be at most {MOST_LAYERS}; got {num_layers:,}. Give fewer layers."
        )


def check_options(options: Mapping[str, Any], cells: Iterable[str] = CELLS) -> None:
    """Raise CarouselError for an unknown cell, sizes below 1, too many layers, and shares outside [0, 1)."""
    cell = options.get("cell")
    if cell is not None and cell not in cells:
        raise CarouselError(f"cell must be one of {', '.join(cells)}; got {cell!r}.")
    for name in ("vocabulary_size", "hidden_size", "num_layers", "context", "embedding"):
        size = options.get(name)
        if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise CarouselError(f"{name} must be a whole number of at least 1; got {size!r}.")
    check_layers(options["num_layers"])
    for name in ("dropout", "embedding_dropout", "weight_drop", "recurrent_dropout"):
        if not 0 <= options.get(name, 0) < 1:
            raise CarouselError(f"{name} must be at least 0 and below 1; got {options[name]}.")


def check_ends(options: Mapping[str, Any]) -> None:
    """Raise CarouselError for ways into and out of a language model that exclude each other."""
    embedding, one_hot, tie = options["embedding"], options["one_hot"], options["tie"]
    needing = {
        "tie": "tie shares the symbols' vectors with the output layer",
        "embedding_dropout": "embedding_dropout drops symbols' vectors",
        "direct": "direct connects the symbols' vectors with the output",
    }
    for name, use in needing.items():
        if one_hot and options.get(name):
            raise CarouselError(f"{use}, but one_hot has none; give one of the two.")
    if one_hot and embedding is not None:
        raise CarouselError(f"one_hot has no symbols' vectors; leave embedding={embedding} out.")
    if tie and embedding not in (None, options["hidden_size"]):
        raise CarouselError(
            f"tie needs embedding equal to hidden_size; got embedding={embedding} and "
            f"hidden_size={options['hidden_size']}. Leave embedding out."
        )
    if tie and options.get("direct"):
        raise CarouselError(
            "tie makes the output weights as wide as the symbols' vectors, and direct makes them wider; give one of "
            "the two."
        )
