"""The initial states that a caller passes, checked and in the cell's order."""

from collections.abc import Sequence

from torch import Tensor

from carousel.errors import CarouselError
from carousel.nn.precision import matching

States = Tensor | tuple[Tensor, ...]


def check_states(
    hx: States, names: Sequence[str], shapes: Sequence[tuple[int, ...]], weight: Tensor, argument: str = "hx"
) -> list[Tensor]:
    """One tensor for each state of the cell, of these shapes, on the device and in the dtype of the weights."""
    states = []
    for name, shape, state in zip(names, shapes, _as_list(hx, names, argument), strict=True):
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


def expanded(states: States, shapes: Sequence[tuple[int, ...]]) -> States:
    """One state for all sequences of the batch, (L, 1, H) -> (L, B, H); others as they are."""
    if isinstance(states, (tuple, list)):
        pairs = zip(states, shapes, strict=False)
        return (
            tuple(_over_batch(each, shape) for each, shape in pairs) if len(states) == len(shapes) else states
        )
    return _over_batch(states, shapes[0])


def _over_batch(state: Tensor, shape: tuple[int, ...]) -> Tensor:
    fits = isinstance(state, Tensor) and state.dim() == 3 == len(shape) and state.shape[1] == 1
    return state.expand(-1, shape[1], -1) if fits else state


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
