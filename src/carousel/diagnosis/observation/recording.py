"""What goes in and out of each recurrent module while a model runs, and what the loss asks of it.

A forward hook adds zeros to every output of a module; the gradient of these zeros is the gradient of the output,
whether or not any parameter asks for one, and no `.grad` is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.diagnosis.observation.followed_outputs import FollowedOutputs
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.errors import CarouselError

Batch = Any


class NoGradient(CarouselError):
    """No gradient of the loss leads to a recurrent layer."""


@dataclass
class Call:
    """One call of a recurrent module.

    Attributes:
        input, lengths, resets: as given; hx: the initial states as given, or None.
        output: of the module, and final: its final states, detached, in the module's own form.
        reads_itself: whether the input follows from what an earlier call of the module put out.
        autocast: whether torch.autocast was on, so that products are rounded to half precision.
        probes: zeros added to the output, the final states and the given initial states, in that order.
    """

    path: str
    module: nn.Module
    input: Any
    hx: tuple[Tensor, ...] | None
    lengths: Any = None
    resets: Any = None
    follows: bool = False
    reads_itself: bool = False
    autocast: bool = False
    output: Any = None
    final: tuple[Tensor, ...] = ()
    output_probe: Tensor | None = None
    final_probes: tuple[Tensor, ...] = ()
    initial_probes: tuple[Tensor, ...] = ()
    input_probe: Tensor | None = None
    gradients: dict[int, Tensor] = field(default_factory=dict)

    def gradient(self, probe: Tensor | None) -> Tensor | None:
        """What the loss sent to a probe; None if nothing, or if there was no loss."""
        return None if probe is None else self.gradients.get(id(probe))


def call_model(model: nn.Module, batch: Batch) -> Any:
    """The model's output. A tuple is model(*batch), a dict model(**batch), anything else model(batch)."""
    # tensors made in inference mode, as by a data loader that is read there, have no gradient: they are copied
    batch = map_tensors(lambda tensor: tensor.clone() if tensor.is_inference() else tensor, batch)
    if isinstance(batch, (tuple, list)) and not isinstance(batch, PackedSequence):
        return model(*batch)
    return model(**batch) if isinstance(batch, dict) else model(batch)


def map_tensors(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """A batch with every tensor of numbers replaced; of a PackedSequence only its data."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, PackedSequence):
        return value._replace(data=function(value.data))
    if isinstance(value, dict):
        return {name: map_tensors(function, each) for name, each in value.items()}
    return (
        type(value)(map_tensors(function, each) for each in value) if type(value) in (tuple, list) else value
    )


def as_tuple(states: Tensor | Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The states of a module, of which a module with one returns no tuple."""
    return (states,) if isinstance(states, Tensor) else tuple(states)


@contextmanager
def recording(model: nn.Module, inputs: bool = False) -> Iterator[list[Call]]:
    """Inside, every call of a recurrent module is noted, in order; with `inputs`, zeros are added to inputs, too."""
    calls: list[Call] = []
    with ExitStack() as stack:
        outputs = stack.enter_context(FollowedOutputs())
        for path, module in model.named_modules():
            if is_recurrent(module):
                before, after = _hooks(path, calls, inputs, outputs)
                stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
                stack.callback(module.register_forward_hook(after, with_kwargs=True).remove)
        yield calls


def _hooks(
    path: str, calls: list[Call], inputs: bool, outputs: FollowedOutputs
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def before(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        given = dict(zip(("input", "hx"), args, strict=False)) | kwargs
        _check_input(path, module, given.get("input"))
        hx = given.get("hx")
        states = None if hx is None else as_tuple(hx)
        call = Call(
            path,
            module,
            _detached(given["input"]),
            None
            if states is None
            else tuple(part.detach().clone() for part in states),  # kept though changed in place
            given.get("lengths"),
            given.get("resets"),
            autocast=torch.is_autocast_enabled(given["input"].data.device.type),
        )
        call.reads_itself = path in outputs.led_to(given["input"])
        if inputs:
            call.input_probe = probe = torch.zeros_like(given["input"].data, requires_grad=True)
            given["input"] = map_tensors(lambda data: data + probe, given["input"])
        if states is not None:
            call.follows = any(state.requires_grad for state in states)
            call.initial_probes, probed = _probed(states)
            given["hx"] = probed[0] if isinstance(hx, Tensor) else probed
        calls.append(call)
        return (given.pop("input"),), given

    def after(module: nn.Module, args: Any, kwargs: Any, result: Any) -> Any:
        call = calls[-1]
        output, hx = (None, result) if isinstance(module, nn.RNNCellBase) else result
        call.final = _detached(as_tuple(hx))
        call.final_probes, probed = _probed(as_tuple(hx))
        final = probed[0] if isinstance(hx, Tensor) else probed
        if output is None:
            call.output = call.final[0]
            outputs.mark(path, as_tuple(final))
            return final
        call.output = _detached(output)
        call.output_probe = probe = torch.zeros_like(output.data, requires_grad=True)
        output = map_tensors(lambda data: data + probe, output)
        outputs.mark(path, (output.data if isinstance(output, PackedSequence) else output, *as_tuple(final)))
        return output, final

    return before, after


def send_back(loss: Tensor, calls: list[Call]) -> None:
    """Fill the calls' gradients with what the loss asks of each output and state."""
    probes = [
        probe
        for call in calls
        for probe in (call.output_probe, *call.final_probes, *call.initial_probes)
        if probe is not None
    ]
    found = torch.autograd.grad(loss, probes, allow_unused=True) if loss.requires_grad else []
    by_probe = {id(p): g.detach() for p, g in zip(probes, found, strict=False) if g is not None}
    if not by_probe:
        raise NoGradient(
            "The loss must depend on the output of a recurrent layer in a way that can be differentiated; it does not. "
            "Pass a loss of the model's output, as in loss=lambda output: output.square().sum(), and run the model's "
            "forward without torch.no_grad, detach or argmax between the layer and its output."
        )
    for call in calls:
        call.gradients = by_probe


def _probed(tensors: Sequence[Tensor]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Zeros for each tensor, whose gradient is that of the tensor, and the tensors with these added."""
    probes = tuple(torch.zeros_like(tensor, requires_grad=True) for tensor in tensors)
    return probes, tuple(tensor + probe for tensor, probe in zip(tensors, probes, strict=True))


def _detached(value: Any) -> Any:
    return map_tensors(Tensor.detach, value)


def _check_input(path: str, module: nn.Module, input: Any) -> None:
    """Checked here, because torch's error does not name the layer."""
    data = input.data if isinstance(input, PackedSequence) else input
    name = path or type(module).__name__
    if not isinstance(data, Tensor):
        raise CarouselError(
            f"{name} reads a tensor or a PackedSequence; this batch brings it a {type(data).__name__}."
        )
    width, shape = int(module.input_size), tuple(data.shape)  # type: ignore[arg-type]
    if shape and shape[-1] != width:
        raise CarouselError(
            f"{name} reads inputs of width {width}; this batch brings it {shape[-1]}, in shape {shape}. Pass inputs "
            f"whose last dimension is {width}."
        )
    if data.numel() == 0:
        raise CarouselError(
            f"A diagnosis needs at least one sequence of at least one step; {name} was given an empty batch, of shape "
            f"{shape}."
        )
    if not bool(torch.isfinite(data).all()):
        raise CarouselError(
            f"Inputs must be finite; {name} was given {int((~torch.isfinite(data)).sum())} that are NaN or infinite, "
            f"in a batch of shape {shape}. Clean the data first, or look at the layers before {name}."
        )
