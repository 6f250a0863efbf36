"""The built-in cells by name. The build compiles them, and the command line offers them."""

from carousel.equations.cell import Cell
from carousel.equations.elman import NONLINEARITIES, Elman
from carousel.equations.gru import ResetAfterGRU, ResetBeforeGRU
from carousel.equations.lstm import LSTM, DiagonalPeepholeLSTM, FullPeepholeLSTM

CELLS: dict[str, Cell] = {
    **{f"rnn-{nonlinearity}": Elman(nonlinearity) for nonlinearity in NONLINEARITIES},
    "lstm": LSTM(),
    "lstm-diagonal": DiagonalPeepholeLSTM(),
    "lstm-full": FullPeepholeLSTM(),
    "gru": ResetAfterGRU(),
    "gru-before": ResetBeforeGRU(),
}
