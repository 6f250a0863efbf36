"""A model in eval mode beside the one that trains: `model.eval()` turns dropout off for every thread that uses it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import is_dataclass
from types import MethodType
from typing import Any, TypeVar, cast

import torch
from torch import nn

_REGISTERS = ("_parameters", "_buffers", "_modules")

Model = TypeVar("Model", bound=nn.Module)


def eval_view(model: Model) -> Model:
    """The same model in eval mode, as an object of its own: the parameters are those of `model`, not copies.

    Modes, attributes, buffers and hooks are its own, so that nothing that happens to it reaches `model`. It costs no
    memory but that of the buffers. Of a model that torch.compile made it is the original that runs.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    >>> twin = eval_view(model)
    >>> twin.training, twin[1].training, model.training, twin[0].weight is model[0].weight
    (False, False, True, True)
    """
    twins: dict[nn.Module, nn.Module] = {}
    twin = _twin(model, twins)
    for each in twins.values():
        own = {name: _rebound(value, twins) for name, value in vars(each).items() if name not in _REGISTERS}
        vars(each).update(own)
    return cast(Model, twin)


def _twin(module: nn.Module, twins: dict[nn.Module, nn.Module]) -> nn.Module:
    if "_orig_mod" in module._modules:  # torch.compile's: bound to the original, whose mode it would ask for
        return _twin(cast(nn.Module, module._orig_mod), twins)
    if module in twins:
        return twins[module]
    if isinstance(module, torch.jit.ScriptModule):  # keeps its mode where Python cannot reach
        twins[module] = copy.deepcopy(module).eval()
        return twins[module]
    twin = twins[module] = object.__new__(type(module))
    attributes = {
        **vars(module),
        "training": False,
        "_parameters": dict(module._parameters),
        "_compiled_call_impl": None,  # as above
        "_buffers": {name: None if b is None else b.detach().clone() for name, b in module._buffers.items()},
        "_modules": {name: None if m is None else _twin(m, twins) for name, m in module._modules.items()},
    }
    vars(twin).update(attributes)
    return twin


def _rebound(value: Any, twins: dict[nn.Module, nn.Module]) -> Any:
    """What a module holds beside its registers, with twins for modules: a list of layers, a forward of its own.

    Containers are copied, so that what the twin adds to them stays with it.
    """
    if isinstance(value, nn.Module):
        return twins.get(value, value)
    if isinstance(value, MethodType) and isinstance(value.__self__, nn.Module):
        return MethodType(value.__func__, twins.get(value.__self__, value.__self__))
    if type(value) in (list, tuple, set):
        return type(value)(_rebound(each, twins) for each in value)
    if type(value) in (dict, OrderedDict):
        return type(value)((key, _rebound(each, twins)) for key, each in value.items())
    if is_dataclass(value) and hasattr(value, "__dict__") and not isinstance(value, type):
        changed = copy.copy(value)
        for name, each in vars(value).items():
            object.__setattr__(changed, name, _rebound(each, twins))  # also of a frozen one
        return changed
    return value
