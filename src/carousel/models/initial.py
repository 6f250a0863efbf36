"""The weights that a model starts from.

- Recurrent matrices: each gate's (H, H) block orthogonal (Saxe et al. 2014), so that a state neither grows
  nor shrinks by the product alone; the identity for relu, whose orthogonal block would lose half of it (Le
  et al. 2015). States without a bound (relu, elu, identity) are carried on for a whole epoch and would pile
  up, so there the block is shrunk to 0.9 and the input damped to fit.
- Input matrices: each gate's block by Glorot & Bengio 2010, as normal numbers. One-hot input has length 1
  and meets a single column, so there the numbers have a deviation of 0.5.
- Biases 0, but 1 for the gate that keeps the old state, the LSTM's f (Gers et al. 2000; Jozefowicz et al.
  2015) and the GRU's z: at the start a memory lasts for several steps instead of halving at each. It stands
  in `bias_ih` alone.
- Peepholes 0: the gates begin without looking at the cells.
- Symbol vectors standard normal. Tied ones must serve as output weights too, so they are divided by
  sqrt(H), and the model multiplies by it on the way in (Vaswani et al. 2017, section 3.4).
- Output weights normal with deviation 1 / sqrt(H), 3 / sqrt(H) over an LSTM, whose h is three times smaller
  at the start than that of other cells. The first predictions are then nearly uniform, with a loss near log V,
  and yet what flows back into the cell is not tiny: with a deviation of 0.0625 a character model on Python
  source (H 128, 600 steps) stood at 2.5 bits, where with this it stood at 2.25.
"""

import math

import torch
from torch import Tensor, nn

from carousel.nn import Recurrent

KEEPING_GATE = {"LSTM": "f", "GRU": "z"}
OUTPUT_GAIN = {"LSTM": 3.0}
ONE_HOT_DEVIATION = 0.5
UNBOUNDED = ("relu", "elu", "identity")
UNBOUNDED_SHRINK = 0.9
UNBOUNDED_INPUT = (1 - UNBOUNDED_SHRINK**2) ** 0.5  # keeps the variance of a sum of shrinking terms


@torch.no_grad()
def initialise(recurrent: Recurrent, *, one_hot: bool = False) -> None:
    """Give the recurrent layers their first weights; `one_hot` says what the first of them reads."""
    rows = recurrent.cell.equations.layout.rows
    keeping = KEEPING_GATE.get(type(recurrent).__name__)
    nonlinearity = getattr(recurrent, "nonlinearity", "tanh")
    shrink, damp = (UNBOUNDED_SHRINK, UNBOUNDED_INPUT) if nonlinearity in UNBOUNDED else (1.0, 1.0)
    for name, parameter in recurrent.named_parameters():
        matrix, _, layer = name.rpartition("_l")
        blocks = parameter.split(recurrent.hidden_size)
        if matrix == "weight_ih":
            first = layer == "0"
            for block in blocks:
                deviation = math.sqrt(2 / sum(block.shape)) if not (first and one_hot) else ONE_HOT_DEVIATION
                block.normal_(0, damp * deviation)
        elif matrix == "weight_hh":
            for block in blocks:
                nn.init.eye_(block) if nonlinearity == "relu" else nn.init.orthogonal_(block)
                block.mul_(shrink)
        else:
            parameter.zero_()
        if matrix == "bias_ih" and keeping is not None:
            blocks[rows[matrix].index(keeping)].fill_(1)


@torch.no_grad()
def initialise_uniform(model: nn.Module, bound: float) -> None:
    """Every weight and bias uniform in [-bound, bound], as in papers of the time (Zaremba et al. 2014)."""
    for parameter in model.parameters():
        parameter.uniform_(-bound, bound)


@torch.no_grad()
def initialise_ends(
    embedding: Tensor | None, recurrent: Recurrent | None, head: nn.Linear, *, tied: bool
) -> None:
    """Give the symbols' vectors (V, E) and the output layer their first weights."""
    gain = OUTPUT_GAIN.get(type(recurrent).__name__, 1.0)
    head.bias.zero_()
    if not tied:
        head.weight.normal_(0, gain * head.in_features**-0.5)
    if embedding is not None:
        embedding.normal_(0, embedding.shape[1] ** -0.5 if tied else 1)
