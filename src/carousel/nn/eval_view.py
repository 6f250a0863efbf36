"""A view of a model in eval mode. `model.eval()` would turn dropout off for the thread that trains the model, too."""

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
    """A twin of `model` in eval mode, which shares the parameters of `model`.

    The twin has modes, attributes, buffers and hooks of its own, so changes of the twin do not reach `model`. Only the
    buffers take memory. If torch.compile made the model, the twin runs the original model.

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
    if "_orig_mod" in module._modules:  # of torch.compile, and bound to the mode of the original
        return _twin(cast(nn.Module, module._orig_mod), twins)
    if module in twins:
        return twins[module]
    if isinstance(module, torch.jit.ScriptModule):  # its mode is not an attribute of Python
        twins[module] = copy.deepcopy(module).eval()
        return twins[module]
    twin = twins[module] = object.__new__(type(module))
    attributes = {
        **vars(module),
        "training": False,
        "_parameters": dict(module._parameters),
        "_compiled_call_impl": None,  # of torch.compile
        "_buffers": {name: None if b is None else b.detach().clone() for name, b in module._buffers.items()},
        "_modules": {name: None if m is None else _twin(m, twins) for name, m in module._modules.items()},
    }
    vars(twin).update(attributes)
    return twin


def _rebound(value: Any, twins: dict[nn.Module, nn.Module]) -> Any:
    """An attribute of a module, such as a list of layers or a bound method, with twins in the place of modules.

    Containers are copied, so that what the twin adds to them does not reach the model.
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
