"""All that resuming a run needs, in one file that is written atomically.

The best weights are in a second file, and the two files never disagree: after an improvement `weights.safetensors` is
written first, then the checkpoint that records the improvement. If a process dies between the two, newer weights stand
beside an older checkpoint. The resumed run repeats the steps in between. Each step follows from the checkpoint alone,
so the run finds the same improvement and writes the same bytes again. With the other order the best weights could be
lost: the checkpoint would record weights that no step writes again.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from carousel.errors import CarouselError, shown
from carousel.models.tensors import check_tensors, distinct, load_description, load_tensors, save_tensors
from carousel.nn.random_numbers import drawing_from
from carousel.plain import typed
from carousel.reading import first_line
from carousel.training.loop.config import LoopConfig
from carousel.training.loop.loop import Loop
from carousel.training.loop.optimizers import state_names
from carousel.training.run.position import Position

KIND = "checkpoint"


def save_checkpoint(path: Path, loop: Loop[Any], position: Position, **about: Any) -> None:
    """Write the loop, its position, and plain values `about` them."""
    tensors = {f"model.{name}": tensor for name, tensor in distinct(loop.model).items()}
    for number, values in loop.optimizer.state_dict()["state"].items():
        for name, value in values.items():
            if value is not None:
                tensors[f"optimizer.{number}.{name}"] = torch.as_tensor(value)
    tensors |= _state_tensors(loop.state)
    tensors["random"] = loop.random.get_state()
    config = loop.config.override(out=None).to_dict()
    save_tensors(path, KIND, tensors, {"config": config, "position": position.to_dict(), **about})


def load_checkpoint(path: Path, loop: Loop[Any]) -> Position:
    """Restore a new loop from a checkpoint; returns its position.

    Raises CarouselError if the file is damaged, or was written under another configuration.
    """
    tensors, about = load_tensors(path, KIND)
    _check_config(about, loop.config, path)
    try:
        position = Position.from_dict(about.get("position"))
        if position.step > (loop.config.steps or 0):
            raise CarouselError(f"position: step {position.step} is behind the last, {loop.config.steps}")
        _restore(loop, tensors)
    except (CarouselError, RuntimeError, TypeError, ValueError) as error:
        raise CarouselError(f"{path} does not fit its configuration: {first_line(error)}.") from None
    return position


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """The description in a checkpoint, without its tensors."""
    return load_description(path, KIND)


def verify_checkpoint(path: Path) -> None:
    """Read every byte; raises CarouselError if the file is damaged."""
    load_tensors(path, KIND)


def _restore(loop: Loop[Any], tensors: dict[str, Tensor]) -> None:
    """Restore the loop; names, shapes and types are compared first, because torch's fused optimizers do not check."""
    expected = {f"model.{name}": tensor for name, tensor in distinct(loop.model).items()}
    expected |= _expected_moments(loop, tensors) | {"random": loop.random.get_state()}
    if any(name.startswith("state.") for name in tensors):
        expected |= _state_tensors(_state_of_first_window(loop))
    check_tensors(tensors, expected)
    loop.model.load_state_dict(_room(tensors, "model"), strict=False)
    moments: dict[int, dict[str, Tensor]] = {}
    for name, tensor in _room(tensors, "optimizer").items():
        number, _, moment = name.partition(".")
        moments.setdefault(int(number), {})[moment] = tensor
    groups = loop.optimizer.state_dict()["param_groups"]
    loop.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    state = {name: tensor.to(loop.fabric.device) for name, tensor in _room(tensors, "state").items()}
    parts = tuple(state[str(k)] for k in range(len(state) - ("whole" in state)))
    loop.state = state.get("whole", parts or None)
    loop.random.set_state(tensors["random"])


def _room(tensors: dict[str, Tensor], room: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `room`, by the rest of their names."""
    return {
        name.removeprefix(f"{room}."): each for name, each in tensors.items() if name.startswith(f"{room}.")
    }


def _expected_moments(loop: Loop[Any], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The optimizer's tensors for the parameters of which the file holds any."""
    expected = {}
    parameters = [each for group in loop.optimizer.param_groups for each in group["params"]]
    for number, parameter in enumerate(parameters):
        if any(name.startswith(f"optimizer.{number}.") for name in tensors):
            for moment in state_names(loop.config):
                like = torch.zeros(()) if moment == "step" else parameter
                expected[f"optimizer.{number}.{moment}"] = like
    return expected


def _state_of_first_window(loop: Loop[Any]) -> Any:
    """A carried state with the right shapes and types, which do not depend on the window."""
    window = tuple(tensor.to(loop.fabric.device) for tensor in loop.batches.window(0))
    with torch.no_grad(), drawing_from(loop.random):
        return loop.objective(loop.model, window, None)[1]


def _state_tensors(state: Any) -> dict[str, Tensor]:
    if state is None:
        return {}
    if isinstance(state, Tensor):
        return {"state.whole": state}
    return {f"state.{k}": part.clone() for k, part in enumerate(state)}  # parts may share memory


def _check_config(about: dict[str, Any], config: LoopConfig, path: Path) -> None:
    saved, given = (
        typed(dict[str, Any], about.get("config"), f"{path}: config"),
        config.override(out=None).to_dict(),
    )
    for name in given:
        if saved.get(name) != given[name]:
            raise CarouselError(
                f"a run is resumed with the options it began with: {name} was {shown(saved.get(name))} in {path}, "
                f"but is {shown(given[name])} in config.yaml. Put it back, or start a new run."
            )
