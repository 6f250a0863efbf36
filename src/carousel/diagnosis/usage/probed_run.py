"""One run of a model whose graph stays: how each number of its output depends on each number of its input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.observation.recording import Batch, call_model, map_tensors
from carousel.diagnosis.observation.step_function import Step
from carousel.errors import CarouselError

Rebuild = Callable[[Any], Any]
# what the code of a user may raise when its data or output is changed
FAILURES = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError
)  # fmt: skip
State = Tensor | tuple[Tensor, ...]


@dataclass(eq=False)
class ProbedRun:
    """A model run once on data to which a probe was added.

    Attributes:
        data: the sequences of the batch as they were given: numbers (.., ..) or symbols.
        probe: zeros that were added to the data, or to what the model made of its symbols; its gradient is that of the
            data. Its first axes are those of the data.
        output: all that the model returned; value: its first tensor of numbers, time first if it was packed.
        reads: (T, B, I) each, what the first recurrent module read in each of its calls; lengths: (B,) of the first.
        start: the state that it was given, or None.
        layer_output: what the last recurrent module returned, as it returned it; None of a cell.
        modules: paths of the recurrent modules that ran, in order.
    """

    data: Tensor
    probe: Tensor
    output: Any
    value: Tensor
    reads: list[Tensor]
    lengths: Tensor
    start: tuple[Tensor, ...] | None
    layer_output: Tensor | PackedSequence | None
    last: nn.Module
    modules: tuple[str, ...]
    packed: PackedSequence | None = None
    passes: int = 0

    def energy(self, tensor: Tensor, *index: int) -> Tensor:
        """How much tensor[index], a random sum over its other axes, depends on each number of the data.

        One backward pass. Squares of the gradient, in the shape of the probe, time first if the data were packed.
        """
        return self._unpacked(self._energy(tensor, index, self.probe))

    def layer_energy(self, tensor: Tensor, *index: int) -> Tensor | None:
        """Likewise on each number that the last recurrent module returned, (T, B, D H)."""
        output = self.layer_output
        if output is None:
            return None
        data = output.data if isinstance(output, PackedSequence) else output
        found = self._energy(tensor, index, data)
        return time_first(self.last, map_tensors(lambda _: found, output))[0]

    def _energy(self, tensor: Tensor, index: tuple[int, ...], target: Tensor) -> Tensor:
        part = tensor[index]
        generator = torch.Generator().manual_seed(0)
        weights = torch.rand(part.shape, generator=generator).to(part) + 0.5
        self.passes += 1
        gradient = None
        if part.requires_grad:
            total = (part * weights).sum()
            [gradient] = torch.autograd.grad(total, target, retain_graph=True, allow_unused=True)
        gradient = torch.zeros_like(target) if gradient is None else gradient.detach()
        # by its largest number, so that squares of small gradients stay numbers
        return (gradient.double() / gradient.abs().max().double().clamp(min=1e-300)) ** 2

    def _unpacked(self, rows: Tensor) -> Tensor:
        if self.packed is None:
            return rows
        return pad_packed_sequence(
            PackedSequence(
                rows, self.packed.batch_sizes, self.packed.sorted_indices, self.packed.unsorted_indices
            )
        )[0]


def probed_run(model: nn.Module, batch: Batch, change: Tensor | None = None) -> ProbedRun | None:
    """Run a model once, inside `without_side_effects`; None if its data or output cannot be followed.

    change: is added to the probe, so that one can see what a change of the data does.
    """
    found = data_of(batch)
    if found is None:
        return None
    data, rebuild = found
    packed = data if isinstance(data, PackedSequence) else None
    tensor: Tensor = data.data if packed is not None else data
    calls: list[_Call] = []
    probes: list[Tensor] = []
    with _watching(model, tensor, calls, probes, change):
        if tensor.is_floating_point():
            probes.append(_probe(tensor, change))
            probed: Any = tensor.detach() + probes[0]
            if packed is not None:
                probed = PackedSequence(
                    probed, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices
                )
            output = call_model(model, rebuild(probed))
        else:
            probed, output = data, call_model(model, batch)
    value = value_of(output)
    if (
        isinstance(model, StepLoop) and data is tensor
    ):  # it has no recurrent module: it reads the data, step by step
        calls = [_Call("step", nn.RNNCell(1, 1), {"input": each}, None) for each in probed]
    if not calls or not probes or value is None or not value.requires_grad:
        return None
    first, last = calls[0], calls[-1]
    reads = [time_first(call.module, call.read) for call in calls if call.path == first.path]
    lengths, hx = first.arguments.get("lengths"), first.arguments.get("hx")
    return ProbedRun(
        data=tensor,
        probe=probes[0],
        output=output,
        value=value,
        reads=[each for each, _ in reads],
        lengths=reads[0][1] if lengths is None else torch.as_tensor(lengths).cpu(),
        start=(hx,) if isinstance(hx, Tensor) else hx,
        layer_output=None if isinstance(last.module, nn.RNNCellBase) else last.output,
        last=last.module,
        modules=tuple(dict.fromkeys(call.path for call in calls)),
        packed=packed,
    )


def data_of(batch: Batch) -> tuple[Any, Rebuild] | None:
    """The sequences of a batch, its first tensor that is no mask and no list of lengths, and how to replace it."""
    return _data_of(batch, lambda each: each.dim() > 1 and each.dtype != torch.bool) or _data_of(
        batch, lambda each: each.dim() > 0
    )


def _data_of(batch: Batch, accepts: Callable[[Tensor], bool]) -> tuple[Any, Rebuild] | None:
    if isinstance(batch, PackedSequence):
        return batch, lambda value: value
    if isinstance(batch, Tensor):
        return (batch, lambda value: value) if accepts(batch) and not batch.is_complex() else None
    if isinstance(batch, (tuple, list)):
        items: list[tuple[Any, Any]] = list(enumerate(batch))
    else:
        items = list(batch.items()) if isinstance(batch, dict) else []
    for key, item in items:
        if found := _data_of(item, accepts):
            data, inner = found

            def rebuild(value: Any, key: Any = key, inner: Rebuild = inner) -> Any:
                if isinstance(batch, dict):
                    return {**batch, key: inner(value)}
                return tuple(inner(value) if k == key else each for k, each in enumerate(batch))

            return data, rebuild
    return None


def value_of(output: Any) -> Tensor | None:
    """The first tensor of numbers in what a model returned."""
    if isinstance(output, PackedSequence):
        return pad_packed_sequence(output)[0]
    if isinstance(output, Tensor):
        return output if output.is_floating_point() else None
    inside = (
        output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    )
    return next((value for each in inside if (value := value_of(each)) is not None), None)


def with_value(output: Any, value: Tensor, other: Tensor) -> Any:
    """The output with another tensor in the place of its first tensor of numbers."""
    if isinstance(output, Tensor):
        return other if output.shape == value.shape and output.is_floating_point() else output
    if isinstance(output, dict):
        for name, each in output.items():
            if (changed := with_value(each, value, other)) is not each:
                return {**output, name: changed}
    if isinstance(output, (tuple, list)):
        for k, each in enumerate(output):
            if (changed := with_value(each, value, other)) is not each:
                parts = (*output[:k], changed, *output[k + 1 :])
                return type(output)(*parts) if hasattr(output, "_fields") else parts
    return output


def _probe(like: Tensor, change: Tensor | None) -> Tensor:
    zeros = torch.zeros_like(like.detach())
    return (zeros if change is None else zeros + change.to(zeros)).requires_grad_()


@contextmanager
def _watching(
    model: nn.Module, data: Tensor, calls: list[_Call], probes: list[Tensor], change: Tensor | None
) -> Iterator[None]:
    """Inside, every call of a recurrent module is noted, and what symbols become gets a probe."""

    def embedded(module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        reads_data = bool(args) and isinstance(args[0], Tensor) and args[0].shape == data.shape
        if probes or not reads_data or not isinstance(output, Tensor) or not output.is_floating_point():
            return None
        if output.shape[: data.dim()] != data.shape or not torch.equal(args[0], data):
            return None
        probes.append(_probe(output, change))
        return output + probes[0]

    with ExitStack() as stack:
        for path, module in model.named_modules():
            if is_recurrent(module):
                handle = module.register_forward_hook(_noted(path, calls), with_kwargs=True)
                stack.callback(handle.remove)
            elif not data.is_floating_point() and not any(True for _ in module.children()):
                stack.callback(module.register_forward_hook(embedded).remove)
        yield


class StepLoop(nn.Module):
    """A step(x, state) that somebody wrote, run over (T, B, I) from a state; returns the outputs, (T, B, ...).

    The step returns the next state, whose first tensor is then the output, or (output, next state).
    """

    def __init__(self, step: Step, state: State) -> None:
        super().__init__()
        self.step, self.state = step, state

    def forward(self, x: Tensor) -> Tensor:
        state, outputs = self.state, []
        for each in x:
            output, state = self.advance(each, state)
            outputs.append(output)
        return torch.stack(outputs)

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The output and the state after one step."""
        found = self.step(x, state)
        if _shapes(found) != _shapes(state):
            try:
                output, found = found
            except (TypeError, ValueError):
                found = None
            if _shapes(found) == _shapes(state):
                return output, found
            raise CarouselError(
                "A step must return the next state, of the shapes of `state`, or (output, next state); it returned "
                "something else. Pass the state that the step takes."
            )
        return found if isinstance(found, Tensor) else found[0], found


def _shapes(state: Any) -> Any:
    if isinstance(state, Tensor):
        return tuple(state.shape)
    return [_shapes(each) for each in state] if isinstance(state, (tuple, list)) else None


@dataclass(eq=False)
class _Call:
    path: str
    module: nn.Module
    arguments: dict[str, Any]
    output: Any

    @property
    def read(self) -> Any:
        return self.arguments["input"]


def _noted(path: str, calls: list[_Call]) -> Callable[..., None]:
    def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        output = result if isinstance(module, nn.RNNCellBase) else result[0]
        calls.append(_Call(path, module, dict(zip(("input", "hx"), args, strict=False)) | kwargs, output))

    return note


def time_first(module: nn.Module, value: Any) -> tuple[Tensor, Tensor]:
    """(T, B, ...) and (B,) lengths of what a recurrent module reads or returns."""
    if isinstance(value, PackedSequence):
        return pad_packed_sequence(value)
    if isinstance(module, nn.RNNCellBase):
        value = value.unsqueeze(0) if value.dim() == 2 else value[None, None]
    elif value.dim() == 2:
        value = value.unsqueeze(1)
    elif getattr(module, "batch_first", False):
        value = value.transpose(0, 1)
    return value, torch.full((value.shape[1],), value.shape[0])
