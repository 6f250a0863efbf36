"""The names of the language models, and those a recurrent one knows its cells by.

Free of torch, so that the command line can offer the names without loading it.
"""

from carousel.errors import CarouselError

MOST_LAYERS = 256  # each takes time to make, even where it takes no memory
MODELS = ("rnn", "tdnn")  # recurrent; of the last N symbols (the first is meant where a file names none)

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
