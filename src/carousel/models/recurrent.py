"""The recurrent layers of a model, made from the options that every recurrent model has, and dropout around them."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

import carousel.nn
from carousel.models.cells import CELLS
from carousel.nn.regularisers import dropped, locked


def recurrent_layers(input_size: int, options: Mapping[str, Any]) -> carousel.nn.Recurrent:
    """The layers of the cell that `options` names; they read vectors of `input_size` numbers."""
    kind, cell_options = CELLS[options["cell"]]
    layers: carousel.nn.Recurrent = getattr(carousel.nn, kind)(
        input_size,
        options["hidden_size"],
        options["num_layers"],
        dropout=between_layers(options),
        bidirectional=options.get("bidirectional", False),
        locked_dropout=options["locked_dropout"],
        weight_drop=options["weight_drop"],
        recurrent_dropout=options["recurrent_dropout"],
        **cell_options,
    )
    return layers


def between_layers(options: Mapping[str, Any]) -> float:
    """The share of values dropped between layers: none where there is one layer, of which torch's modules warn."""
    share: float = options["dropout"]
    return share if options["num_layers"] > 1 else 0.0


def drop_around(values: Tensor, options: Mapping[str, Any], training: bool) -> Tensor:
    """Dropout on the way into and out of the hidden layers; `locked_dropout` uses one mask for all steps."""
    share = options["dropout"] if training else 0.0
    return locked(values, share) if options["locked_dropout"] else dropped(values, share)
