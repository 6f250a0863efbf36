"""The initial states a caller gives, checked and in the cell's order."""

from collections.abc import Sequence

from torch import Tensor

from carousel.errors import CarouselError
from carousel.nn.precision import matching

States = Tensor | tuple[Tensor, ...]


def check_states(hx: States, names: Sequence[str], shape: tuple[int, ...], weight: Tensor) -> list[Tensor]:
    """One tensor per state of the cell, each of `shape`, on the device and in the dtype of the weights."""
    states = []
    for name, state in zip(names, _as_list(hx, names), strict=True):
        if state.shape != shape:
            axes = "(num_layers * directions, " + (
                "batch, hidden_size)" if len(shape) == 3 else "hidden_size)"
            )
            raise CarouselError(
                f"{name}_0 in hx must have shape {shape}, {axes}, to go with this input; "
                f"it has {tuple(state.shape)}."
            )
        states.append(matching(f"{name}_0 in hx", state, weight))
    return states


def _as_list(hx: States, names: Sequence[str]) -> list[Tensor]:
    """A cell with one state takes a tensor, any other a tuple, as in torch.nn."""
    if isinstance(hx, Tensor) and len(names) == 1:
        return [hx]
    if isinstance(hx, (tuple, list)) and len(hx) == len(names) > 1 and all(isinstance(s, Tensor) for s in hx):
        return list(hx)
    tensors = ", ".join(f"{name}_0" for name in names)
    rule = f"the tensor {tensors}" if len(names) == 1 else f"a tuple of tensors ({tensors})"
    given = type(hx).__name__
    if isinstance(hx, (tuple, list)):
        given += f" of {', '.join(type(each).__name__ for each in hx) or 'nothing'}"
    raise CarouselError(f"hx must be {rule}; it is a {given}.")
