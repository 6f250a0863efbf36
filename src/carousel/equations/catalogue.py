"""The cells that Carousel ships, by name: what the build compiles and the command line offers."""

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
