"""The initial states that a caller passes, checked and in the cell's order."""

from collections.abc import Sequence

from torch import Tensor

from carousel.errors import CarouselError
from carousel.nn.precision import matching

States = Tensor | tuple[Tensor, ...]


def check_states(
    hx: States,
    names: Sequence[str],
    shapes: Sequence[tuple[int, ...]],
    weight: Tensor,
    argument: str = "hx",
    expands: bool = False,
) -> list[Tensor]:
    """One tensor for each state of the cell, of these shapes, on the device and in the dtype of the weights.

    expands: may one state, (L, 1, H), stand for all sequences of the batch?
    """
    states = []
    for name, shape, state in zip(names, shapes, _as_list(hx, names, argument), strict=True):
        if expands and state.dim() == 3 == len(shape) and state.shape[1] == 1:
            state = state.expand(-1, shape[1], -1)
        if state.shape != shape:
            axes = "(num_layers * directions, " + (
                "batch, hidden_size)" if len(shape) == 3 else "hidden_size)"
            )
            raise CarouselError(
                f"{name}_0 in {argument} must have shape {shape}, {axes}, to go with this input; "
                f"it has {tuple(state.shape)}."
            )
        states.append(matching(f"{name}_0 in {argument}", state, weight))
    return states


def _as_list(hx: States, names: Sequence[str], argument: str) -> list[Tensor]:
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
    raise CarouselError(f"{argument} must be {rule}; it is a {given}.")
