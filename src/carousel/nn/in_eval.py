"""A model in eval mode beside the one that trains: `model.eval()` turns dropout off for every thread that uses it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from types import MethodType
from typing import Any, TypeVar, cast

import torch
from torch import nn

Model = TypeVar("Model", bound=nn.Module)


def in_eval(model: Model) -> Model:
    """The same model in eval mode, as an object of its own: the parameters are those of `model`, not copies.

    Modes, attributes, buffers and hooks are its own, so that nothing that happens to it reaches `model`. It costs no
    memory but that of the buffers. Of a model that torch.compile made it is the original that runs.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
    >>> twin = in_eval(model)
    >>> twin.training, twin[1].training, model.training, twin[0].weight is model[0].weight
    (False, False, True, True)
    """
    twins: dict[nn.Module, nn.Module] = {}
    twin = _twin(model, twins)
    for each in twins.values():
        for name, value in vars(each).items():
            if isinstance(value, MethodType) and value.__self__ in twins:  # a forward of its own, say
                vars(each)[name] = MethodType(value.__func__, twins[value.__self__])
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
    attributes = {name: _own(value) for name, value in vars(module).items()}
    attributes |= {
        "training": False,
        "_compiled_call_impl": None,  # as above
        "_buffers": {name: None if b is None else b.detach().clone() for name, b in module._buffers.items()},
        "_modules": {name: None if m is None else _twin(m, twins) for name, m in module._modules.items()},
    }
    vars(twin).update(attributes)
    return twin


def _own(value: Any) -> Any:
    """Containers are copied, what they hold is not: registers of parameters and hooks, a state that is carried."""
    return copy.copy(value) if type(value) in (dict, list, set, OrderedDict) else value
