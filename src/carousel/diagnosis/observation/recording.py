"""What goes in and out of each recurrent module while a model runs, and what the loss asks of it.

A forward hook adds zeros to every output of a module; the gradient of these zeros is the gradient of the output,
whether or not any parameter asks for one, and no `.grad` is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.diagnosis.observation.layers import is_recurrent
from carousel.errors import CarouselError

Batch = Any


@dataclass
class Call:
    """One call of a recurrent module.

    Attributes:
        input, lengths, resets: as given; hx: the initial states as given, or None.
        output: of the module, and final: its final states, detached, in the module's own form.
        probes: zeros added to the output, the final states and the given initial states, in that order.
    """

    path: str
    module: nn.Module
    input: Any
    hx: tuple[Tensor, ...] | None
    lengths: Any = None
    resets: Any = None
    follows: bool = False
    output: Any = None
    final: tuple[Tensor, ...] = ()
    output_probe: Tensor | None = None
    final_probes: tuple[Tensor, ...] = ()
    initial_probes: tuple[Tensor, ...] = ()
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def gradient(self, probe: Tensor | None) -> Tensor | None:
        """What the loss sent to a probe; None if nothing, or if there was no loss."""
        return None if probe is None else self.gradients.get(id(probe))


def call_model(model: nn.Module, batch: Batch) -> Any:
    """The model's output. A tuple is model(*batch), a dict model(**batch), anything else model(batch)."""
    batch = _ordinary(batch)
    if isinstance(batch, PackedSequence):
        return model(batch)
    if isinstance(batch, (tuple, list)):
        return model(*batch)
    return model(**batch) if isinstance(batch, dict) else model(batch)


def _ordinary(value: Any) -> Any:
    """The batch with tensors that were made in inference mode, as of a data loader read there, copied out of it."""
    if isinstance(value, PackedSequence):
        return PackedSequence(*(None if each is None else _ordinary(each) for each in value))  # type: ignore[arg-type]
    if isinstance(value, Tensor):
        return value.clone() if value.is_inference() else value
    if isinstance(value, dict):
        return {name: _ordinary(each) for name, each in value.items()}
    return type(value)(map(_ordinary, value)) if type(value) in (tuple, list) else value


@contextmanager
def recording(model: nn.Module) -> Iterator[list[Call]]:
    """Inside, every call of a recurrent module is noted, in order."""
    calls: list[Call] = []
    with ExitStack() as stack:
        for path, module in model.named_modules():
            if is_recurrent(module):
                before, after = _hooks(path, calls)
                for handle in (
                    module.register_forward_pre_hook(before, with_kwargs=True),
                    module.register_forward_hook(after, with_kwargs=True),
                ):
                    stack.callback(handle.remove)
        yield calls


def _hooks(path: str, calls: list[Call]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        _check_width(path, module, given.get("input"))
        hx = given.get("hx")
        states = None if hx is None else (hx,) if isinstance(hx, Tensor) else tuple(hx)
        call = Call(
            path, module, _detached(given["input"]), None if states is None else _detached(states),
            given.get("lengths"), given.get("resets"),
        )  # fmt: skip
        if states is not None:
            call.follows = any(state.requires_grad for state in states)
            call.initial_probes = tuple(_probe(state) for state in states)
            probed = tuple(s + p for s, p in zip(states, call.initial_probes, strict=True))
            given["hx"] = probed[0] if isinstance(hx, Tensor) else probed
        calls.append(call)
        return (given.pop("input"),), given

    def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
        call = calls[-1]
        if isinstance(module, nn.RNNCellBase):
            finals = (result,) if isinstance(result, Tensor) else tuple(result)
            call.output, call.final = _detached(finals[0]), _detached(finals)
            call.final_probes = tuple(_probe(state) for state in finals)
            probed = tuple(s + p for s, p in zip(finals, call.final_probes, strict=True))
            return probed[0] if isinstance(result, Tensor) else probed
        output, hx = result
        finals = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        call.output, call.final = _detached(output), _detached(finals)
        call.final_probes = tuple(_probe(state) for state in finals)
        probed = tuple(s + p for s, p in zip(finals, call.final_probes, strict=True))
        call.output_probe = _probe(output.data if isinstance(output, PackedSequence) else output)
        if isinstance(output, PackedSequence):
            output = PackedSequence(
                output.data + call.output_probe,
                output.batch_sizes,
                output.sorted_indices,
                output.unsorted_indices,
            )
        else:
            output = output + call.output_probe
        return output, probed[0] if isinstance(hx, Tensor) else probed

    return before, after


def send_back(loss: Tensor, calls: list[Call]) -> None:
    """Fill the calls' gradients with what the loss asks of each output and state."""
    probes = [
        probe
        for call in calls
        for probe in (call.output_probe, *call.final_probes, *call.initial_probes)
        if probe is not None
    ]
    found = (
        torch.autograd.grad(loss, probes, allow_unused=True) if loss.requires_grad else [None] * len(probes)
    )
    if all(gradient is None for gradient in found):
        raise CarouselError(
            "The loss does not depend on the output of any recurrent layer in a way that can be differentiated. Give "
            "a loss of the model's output, as in loss=lambda output: output.square().sum(), and let the model's "
            "forward run without torch.no_grad, detach or argmax between the layer and its output."
        )
    by_probe = {id(p): g.detach() for p, g in zip(probes, found, strict=True) if g is not None}
    for call in calls:
        call.gradients = by_probe


def _probe(tensor: Tensor) -> Tensor:
    return torch.zeros_like(tensor, requires_grad=True)


def _detached(value: Any) -> Any:
    if isinstance(value, PackedSequence):
        return PackedSequence(
            value.data.detach(), value.batch_sizes, value.sorted_indices, value.unsorted_indices
        )
    return value.detach() if isinstance(value, Tensor) else tuple(each.detach() for each in value)


def _check_width(path: str, module: nn.Module, input: Any) -> None:
    """torch would say it too, but not which layer."""
    data = input.data if isinstance(input, PackedSequence) else input
    name = path or type(module).__name__
    if not isinstance(data, Tensor):
        raise CarouselError(
            f"{name} reads a tensor or a PackedSequence; this batch brings it a {type(data).__name__}."
        )
    width = int(module.input_size)  # type: ignore[arg-type]
    if data.dim() and data.shape[-1] != width:
        raise CarouselError(
            f"{name} reads inputs of width {width}; this batch brings it {data.shape[-1]}, in shape "
            f"{tuple(data.shape)}."
        )
    if data.numel() == 0:
        raise CarouselError(
            f"{name} was given an empty batch, of shape {tuple(data.shape)}. A diagnosis needs at least one sequence "
            "of at least one step."
        )
    if not bool(torch.isfinite(data).all()):
        raise CarouselError(
            f"{name} was given {int((~torch.isfinite(data)).sum())} inputs that are NaN or infinite, in a batch "
            f"of shape {tuple(data.shape)}. Clean the data first, or look at the layers before {name}."
        )
