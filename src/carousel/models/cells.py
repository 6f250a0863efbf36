"""The names a language model knows its cells by.

Free of torch, so that the command line can offer the names without loading it.
"""

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
