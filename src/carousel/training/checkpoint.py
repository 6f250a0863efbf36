"""All that resuming needs, in one file that is written as one step.

Why best weights and checkpoint never disagree, though they are two files: after an improvement
`weights.safetensors` is written first, then the checkpoint that knows of it. A process that dies between
the two leaves newer weights beside an older checkpoint. Resuming from that replays the steps in between;
every step follows from the checkpoint alone, so the replay meets the same improvement and writes the same
bytes once more. The other order could lose the best weights: the checkpoint would say that they were kept,
and nothing would write them again.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from carousel.errors import CarouselError
from carousel.models.tensors import distinct, load_description, load_tensors, save_tensors
from carousel.training.loop import Loop
from carousel.training.loop_config import LoopConfig
from carousel.training.position import Position

KIND = "checkpoint"


def save_checkpoint(path: Path, loop: Loop[Any], position: Position, **about: Any) -> None:
    """Write the loop and where it stands, with the plain values `about` them."""
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
    """Bring a freshly built loop to where the checkpoint was written.

    Raises CarouselError if the file is damaged, or was written under another configuration.
    """
    tensors, about = load_tensors(path, KIND)
    _check_config(about, loop.config, path)
    try:
        _restore(loop, tensors)
        return Position.from_dict(about["position"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CarouselError(f"{path} does not fit its configuration: {error}") from None


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint says of itself, without its tensors."""
    return load_description(path, KIND)


def verify_checkpoint(path: Path) -> None:
    """Read every byte; raises CarouselError if the file is damaged."""
    load_tensors(path, KIND)


def _restore(loop: Loop[Any], tensors: dict[str, Tensor]) -> None:
    model: dict[str, Tensor] = {}
    moments: dict[int, dict[str, Tensor]] = {}
    state: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        room, _, rest = name.partition(".")
        if room == "model":
            model[rest] = tensor
        elif room == "optimizer":
            number, _, moment = rest.partition(".")
            moments.setdefault(int(number), {})[moment] = tensor
        elif room == "state":
            state[rest] = tensor.to(loop.fabric.device)
    if model.keys() != distinct(loop.model).keys():
        raise ValueError(f"tensors {sorted(model.keys() ^ distinct(loop.model).keys())} differ")
    loop.model.load_state_dict(model, strict=False)
    groups = loop.optimizer.state_dict()["param_groups"]
    loop.optimizer.load_state_dict({"state": moments, "param_groups": groups})
    parts = [state[name] for name in sorted(state)]
    loop.state = None if not parts else parts[0] if "whole" in state else tuple(parts)
    loop.random.set_state(tensors["random"])


def _state_tensors(state: Any) -> dict[str, Tensor]:
    if state is None:
        return {}
    if isinstance(state, Tensor):
        return {"state.whole": state}
    return {f"state.{k}": part.clone() for k, part in enumerate(state)}  # parts may share memory


def _check_config(about: dict[str, Any], config: LoopConfig, path: Path) -> None:
    saved, given = about.get("config", {}), config.override(out=None).to_dict()
    for name in given:
        if saved.get(name) != given[name]:
            raise CarouselError(
                f"a run is resumed with the options it began with: {name} was {saved.get(name)!r} in {path}, "
                f"but is {given[name]!r} in config.yaml. Put it back, or start a new run."
            )
