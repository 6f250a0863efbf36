"""Recurrent modules: torch.nn's RNN, LSTM and GRU with more of their family, and `Recurrent` for any cell."""

from carousel.nn.convert import from_torch, to_torch
from carousel.nn.frozen import Frozen
from carousel.nn.gru import GRU
from carousel.nn.lstm import LSTM
from carousel.nn.recordings import Recording, recording
from carousel.nn.recurrent import Recurrent
from carousel.nn.rnn import RNN
from carousel.nn.stack import FrozenStack, Stack
from carousel.nn.stepper import Stepper
from carousel.nn.trace import Trace

__all__ = [
    "Frozen",
    "FrozenStack",
    "GRU",
    "LSTM",
    "RNN",
    "Recording",
    "Recurrent",
    "Stack",
    "Stepper",
    "Trace",
    "from_torch",
    "recording",
    "to_torch",
]
