"""From torch.nn's recurrent modules to ours."""

from typing import Any

import torch
from torch import nn

from carousel.errors import CarouselError
from carousel.nn.gru import GRU
from carousel.nn.lstm import LSTM
from carousel.nn.options import no_projection
from carousel.nn.recurrent import Recurrent
from carousel.nn.rnn import RNN


def from_torch(module: nn.Module) -> Recurrent:
    """An RNN, LSTM or GRU of torch.nn as ours.

    The weights are copied; options, device, dtype, training mode and requires_grad are kept.

    Raises:
        CarouselError: the module is none of the three, or an LSTM with proj_size.

    >>> import torch
    >>> theirs = torch.nn.GRU(3, 5)
    >>> ours = from_torch(theirs)
    >>> x = torch.ones(7, 2, 3)
    >>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
    True
    """
    if not isinstance(module, (nn.RNN, nn.LSTM, nn.GRU)):
        raise CarouselError(
            f"from_torch converts torch.nn.RNN, LSTM and GRU; it got {type(module).__name__}. "
            "For a model that contains such modules, convert and replace each of them."
        )
    no_projection(module.proj_size)
    converted = _same_options(module)
    for name in [name for name, _ in converted.named_parameters()]:
        weight = getattr(module, name)
        copied = nn.Parameter(weight.detach().clone(), requires_grad=weight.requires_grad)
        setattr(converted, name, copied)
    return converted.train(module.training)


def _same_options(module: nn.RNN | nn.LSTM | nn.GRU) -> Recurrent:
    """Ours, on the meta device: drawing weights only to replace them would move the random numbers on."""
    options: dict[str, Any] = {
        "input_size": module.input_size,
        "hidden_size": module.hidden_size,
        "num_layers": module.num_layers,
        "bias": module.bias,
        "batch_first": module.batch_first,
        "bidirectional": module.bidirectional,
        "device": torch.device("meta"),
    }
    if isinstance(module, nn.LSTM):
        converted: Recurrent = LSTM(**options)
    elif isinstance(module, nn.GRU):
        converted = GRU(**options)
    else:
        converted = RNN(nonlinearity=module.nonlinearity, **options)
    converted.dropout = module.dropout  # set here: torch has given its warning about one layer
    return converted
