"""From torch.nn's recurrent modules to ours and back, alone or inside a model."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from types import MethodType
from typing import Any, TypeVar, overload

import torch
from torch import nn
from torch.nn.utils import parametrize

from carousel.errors import CarouselError
from carousel.nn.computed_weights import compute_weights
from carousel.nn.gru import GRU
from carousel.nn.lstm import LSTM
from carousel.nn.recurrent import Recurrent
from carousel.nn.rnn import RNN
from carousel.nn.stack import Stack

Model = TypeVar("Model", bound=nn.Module)
_TORCH = (nn.RNN, nn.LSTM, nn.GRU)
_OPTIONS = ("input_size", "hidden_size", "num_layers", "bias", "batch_first", "bidirectional")


@overload
def from_torch(module: nn.RNN | nn.LSTM | nn.GRU) -> Recurrent: ...
@overload
def from_torch(module: Model) -> Model: ...
def from_torch(module: nn.Module) -> nn.Module:
    """An RNN, LSTM or GRU of torch.nn as ours; or a model with every such module inside it as ours.

    The result is a copy, so an optimiser needs the parameters of the copy. The copy keeps the names of parameters,
    options, hooks, parametrizations, shared modules and parameters, attributes, device, dtype, training mode,
    requires_grad and every other module of the model. A subclass of torch's modules with a `forward` of its own is not
    replaced, because only its author knows what it computes.

    Args:
        module: a torch.nn.RNN, LSTM or GRU, or a model that contains some.

    Raises:
        CarouselError: there is no such module, or the model cannot be copied.

    >>> import torch
    >>> theirs = torch.nn.GRU(3, 5)
    >>> ours = from_torch(theirs)
    >>> x = torch.ones(7, 2, 3)
    >>> torch.allclose(ours(x)[0], theirs(x)[0], atol=1e-6)
    True
    >>> model = torch.nn.ModuleDict({"rnn": theirs, "out": torch.nn.Linear(5, 2)})
    >>> from_torch(model)["rnn"]
    GRU(3, 5)
    """
    if not isinstance(module, nn.Module) or not any(_is_torchs(each) for each in module.modules()):
        raise CarouselError(
            "from_torch converts torch.nn.RNN, LSTM and GRU, alone or inside a model; it got "
            f"{type(module).__name__}, in which there is none of them."
        )
    return _replaced(module, _is_torchs, _ours, _theirs)


def to_torch(module: Model) -> nn.Module:
    """The inverse of `from_torch`: Carousel's modules as torch.nn's, alone or inside a model.

    The result is a copy and keeps what `from_torch` keeps. torch's modules do not accept `lengths=`, `mask=` and
    `resets=`: code of the model that passes them must change.

    Args:
        module: one of Carousel's recurrent modules, or a model that contains some.

    Raises:
        CarouselError: there is no such module; or torch lacks its cell (peepholes, a cell of your own) or one of its
            options (weight_drop).

    >>> import torch, carousel
    >>> to_torch(carousel.LSTM(3, 5, bidirectional=True))
    LSTM(3, 5, bidirectional=True)
    """
    if not isinstance(module, nn.Module) or not any(isinstance(each, Recurrent) for each in module.modules()):
        raise CarouselError(
            "to_torch converts Carousel's recurrent modules, alone or inside a model; it got "
            f"{type(module).__name__}, in which there is none of them."
        )
    for path, each in module.named_modules():
        reason = _without_counterpart(each)
        if reason:
            raise CarouselError(f"to_torch cannot convert {path or type(each).__name__}: {reason}.")
    return _replaced(module, lambda each: isinstance(each, Recurrent), _theirs, _ours)


def _is_torchs(module: nn.Module) -> bool:
    """Is this one of torch's three modules, with torch's own forward?"""
    kinds = [kind for kind in _TORCH if isinstance(module, kind)]
    return bool(kinds) and type(module).forward is kinds[0].forward and "forward" not in vars(module)


def _without_counterpart(module: nn.Module) -> str | None:
    """Why torch has no module that computes the same; None if it has one."""
    if isinstance(module, Stack):
        return "torch has no Stack; convert its modules one by one"
    if not isinstance(module, Recurrent):
        return None
    if module.mode not in ("LSTM", "GRU", "RNN_TANH", "RNN_RELU"):
        return f"torch has no {module.mode}; it has LSTM without peepholes, GRU(reset='after'), RNN with tanh or relu"
    if type(module).forward is not Recurrent.forward or "forward" in vars(module):
        return "it has a forward of its own"
    used = [name for name, value in vars(module.regularisers).items() if value]
    return f"torch's modules have no {used[0]}" if used else None


def _replaced(
    model: nn.Module,
    chosen: Callable[[nn.Module], bool],
    made: Callable[[Any], nn.Module],
    back: Callable[[Any], nn.Module],
) -> Any:
    """A copy of the model in which `made(module)` stands wherever a chosen module stood; `back` undoes `made`.

    deepcopy takes what it finds in its memory for copied already. The new modules therefore reach every place that held
    an old one, also in lists and in hooks that are methods. A method of an old module has the code of the old class, so
    the method of the new module takes its place.
    """
    found = {id(module): module for module in model.modules() if chosen(module)}
    memory: dict[int, Any] = {key: made(module) for key, module in found.items()}
    methods = [each for each in gc.get_referrers(*found.values()) if isinstance(each, MethodType)]
    for method in methods:
        name, old, new = method.__name__, type(method.__self__), memory[id(method.__self__)]
        if getattr(old, name, None) is method.__func__ and hasattr(new, name):
            memory[id(method)] = getattr(new, name)
    try:
        for key, module in found.items():
            new = memory[key]
            usual = vars(new).keys() | vars(back(new)).keys()
            _take(new, module, [name for name in vars(module) if name not in usual], memory)
        return copy.deepcopy(model, memory)
    except RuntimeError as error:
        raise CarouselError(
            "A model must be one that can be copied. Make what torch.nn.utils has put on its weights permanent first "
            f"(prune.remove, remove_weight_norm): {error}"
        ) from error


def _take(new: nn.Module, old: nn.Module, attributes: list[str], memory: dict[int, Any]) -> None:
    """Copy what a module holds besides its options: weights, parametrizations, hooks and attributes of its user."""
    names = list(new._parameters)
    state = [name for name in vars(old) if "_hook" in name or "buffers" in name]
    for name in [*state, *(each for each in attributes if each not in names)]:
        vars(new)[name] = copy.deepcopy(vars(old)[name], memory)
    parametrized: Any = old._modules.get("parametrizations", {})
    for name in names:
        if name in parametrized:
            parametrize.register_parametrization(new, name, nn.Identity())  # for what it does to the class
            new.parametrizations[name] = copy.deepcopy(parametrized[name], memory)  # type: ignore[operator,index]
        elif name in old._parameters:
            copied = copy.deepcopy(old._parameters[name], memory)
            needed = copied is None and not isinstance(new, Recurrent)
            setattr(new, name, _zeros_like(new._parameters[name], old) if needed else copied)
        else:  # a hook makes it before each call from parameters of other names
            del new._parameters[name]
            setattr(new, name, getattr(old, name).detach().clone())
    for name, parameter in old._parameters.items():
        if name not in names:
            new.register_parameter(name, copy.deepcopy(parameter, memory))
    for name, module in old._modules.items():
        if name != "parametrizations":
            new.add_module(name, copy.deepcopy(module, memory))
    with torch.no_grad():
        compute_weights(new.eval())  # in training mode spectral_norm would move its vectors on
    new.train(old.training)
    if not parametrized:
        new.flatten_parameters()  # type: ignore[operator]


def _zeros_like(bias: Any, old: nn.Module) -> nn.Parameter:
    """A bias that was set to None, which torch's modules do not take."""
    like = next(parameter for parameter in old.parameters())
    return nn.Parameter(like.new_zeros(bias.shape), requires_grad=False)


def _options(module: Any) -> dict[str, Any]:
    """On the meta device: drawing weights only to replace them would move the random numbers on."""
    options = {name: getattr(module, name) for name in _OPTIONS}
    return (
        options
        | {"device": torch.device("meta")}
        | ({"proj_size": module.proj_size} if module.proj_size else {})
    )


def _ours(module: nn.RNN | nn.LSTM | nn.GRU) -> Recurrent:
    if isinstance(module, nn.LSTM):
        made: Recurrent = LSTM(**_options(module))
    elif isinstance(module, nn.GRU):
        made = GRU(**_options(module))
    else:
        made = RNN(nonlinearity=module.nonlinearity, **_options(module))
    made.dropout = module.dropout  # set here: torch has given its warning about one layer
    return made


def _theirs(module: Recurrent) -> nn.RNNBase:
    if module.mode.startswith("RNN"):
        made: nn.RNNBase = nn.RNN(nonlinearity=module.mode.removeprefix("RNN_").lower(), **_options(module))
    else:
        made = {"LSTM": nn.LSTM, "GRU": nn.GRU}[module.mode](**_options(module))
    made.dropout = module.dropout
    return made
