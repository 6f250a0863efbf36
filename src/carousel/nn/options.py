"""The options that every recurrent module shares, checked once, when the module is made."""

import operator
import warnings
from numbers import Real
from typing import Any, SupportsIndex

import numpy as np

from carousel.errors import CarouselError


def positive(name: str, value: SupportsIndex) -> int:
    """A size: a whole number, 1 or more."""
    try:
        size = operator.index(value)
    except TypeError:
        size = 0
    if isinstance(value, bool) or size < 1:
        raise CarouselError(f"{name} must be a whole number of at least 1; it is {value!r}.")
    return size


def switch(name: str, value: Any) -> bool:
    """True or False, also as 1, 0 or NumPy's. A number that was meant for another option is noticed here."""
    if not isinstance(value, (bool, int, np.bool_)) or value not in (0, 1):
        raise CarouselError(
            f"{name} must be True or False; it is {value!r}. Give options by name if their order is in doubt."
        )
    return bool(value)


def probability(value: Any, num_layers: int) -> float:
    """Dropout: a number in [0, 1]. Warns in torch's words if dropout has no effect."""
    value = share("dropout", value)
    if value > 0 and num_layers == 1:
        warnings.warn(
            "dropout option adds dropout after all but last recurrent layer, so non-zero dropout expects "
            f"num_layers greater than 1, but got dropout={value} and num_layers={num_layers}",
            stacklevel=4,  # the line that makes the module, through its own __init__ and that of Recurrent
        )
    return value


def share(name: str, value: Any) -> float:
    """A share of values to be dropped: a number in [0, 1]."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) <= 1:
        raise CarouselError(
            f"{name} must be a number from 0 to 1, the share of values set to 0; it is {value!r}."
        )
    return float(value)


def one_of(name: str, value: Any, choices: dict[str, Any]) -> Any:
    """The value that the choice selects."""
    if not isinstance(value, str) or value not in choices:
        raise CarouselError(f"{name} must be one of {', '.join(map(repr, choices))}; it is {value!r}.")
    return choices[value]


def no_projection(proj_size: int) -> None:
    """Only the LSTM projects its h, as in torch."""
    if proj_size != 0:
        raise CarouselError(
            f"proj_size must be 0: only the LSTM projects its state, as in torch; it is {proj_size!r}. "
            "Use carousel.LSTM, or put a torch.nn.Linear after the module."
        )


def projection(proj_size: SupportsIndex, hidden_size: SupportsIndex) -> int:
    """The size of the projected h: from 1 to below H, or 0 for no projection."""
    limit = positive("hidden_size", hidden_size)
    try:
        size = operator.index(proj_size)
    except TypeError:
        size = -1
    if isinstance(proj_size, bool) or not 0 <= size < limit:
        raise CarouselError(
            f"proj_size must be a whole number below hidden_size = {limit}, or 0 for no projection; "
            f"it is {proj_size!r}."
        )
    return size
