"""The weights that a model starts from.

- Recurrent matrices: the (H, H) block of each gate is orthogonal (Saxe et al. 2014), so that the product alone neither
  enlarges nor shrinks a state. For relu, which sets half of an orthogonal product to 0, the block is the identity (Le
  et al. 2015). Unbounded states (relu, elu, identity) are carried through a whole epoch and would accumulate, so their
  block is scaled by 0.9 and their input to match.
- Input matrices: the block of each gate is normal, with the deviation of Glorot & Bengio 2010. A one-hot input selects
  a single column, so its deviation is 0.5.
- Biases are 0. Only the gate that keeps the old state has 1: f of an LSTM (Gers et al. 2000; Jozefowicz et al. 2015)
  and the z of a GRU. At first, memory then lasts several steps instead of halving at each. The 1 is in `bias_ih` alone.
- Peepholes are 0: at first, no gate depends on the cell.
- Symbol vectors are standard normal. Tied vectors are output weights too, so they are divided by sqrt(H), and the
  model multiplies its input by sqrt(H) (Vaswani et al. 2017, section 3.4).
- Output weights are normal with deviation 1 / sqrt(H), or 3 / sqrt(H) for an LSTM, whose first h are a third of those
  of other cells. The first predictions are then nearly uniform, with a loss near log V, and the gradient that reaches
  the cell is still large enough: a character model on Python source (H 128, 600 steps) reached 2.25 bits per
  character, and 2.5 bits with a deviation of 0.0625.
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
    """Give the recurrent layers their first weights; `one_hot`: the first layer reads one-hot vectors."""
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
    """Draw every weight and bias uniformly from [-bound, bound], as papers did around 2014 (Zaremba et al. 2014)."""
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
