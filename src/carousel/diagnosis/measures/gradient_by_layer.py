"""How the gradient shrinks or grows from layer to layer of any network, plain deep ones included."""

from __future__ import annotations

import copy
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.layers import is_recurrent
from carousel.diagnosis.observation.log_scaled import LogScaled
from carousel.diagnosis.observation.loss import Loss, last_valid_output
from carousel.diagnosis.observation.recording import Batch, Call, call_model, map_tensors, recording
from carousel.diagnosis.observation.side_effects import without_side_effects
from carousel.errors import CarouselError

Array = NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class GradientByLayer(Brief):
    """Norms of dL/d(output) of every layer, in the order in which they ran, as natural logarithms; -inf for zero.

    Attributes:
        names: path in the model, with #2 for a module's second call. kinds: their classes.
        log_norms: (L,), over the whole batch. log_typical: (L,), the root mean square over all numbers of the
            output, which makes layers of different width comparable.
        log_by_instance: (L, B); NaN where an output has no dimension of the batch.
        log_by_neuron: one array for each layer: over everything but the features (the last dimension, or the channels
            of an image); NaN where there are none.
        log_parameters: (L,), of the gradient of the module's own parameters; NaN where it has none.
        loss: its value on the batch.
        dtype: in which it was computed: "float64", or the model's own if it could not be copied to that.
    """

    names: list[str]
    kinds: list[str]
    log_norms: Array
    log_typical: Array
    log_by_instance: Array
    log_by_neuron: list[Array]
    log_parameters: Array
    loss: float
    dtype: str

    def rate(self) -> float:
        """ln of the factor per layer on the way back, by a line through log_typical; below 0 it vanishes."""
        there = np.flatnonzero(np.isfinite(self.log_typical))
        if len(there) < 2:
            return float("nan")
        return -float(np.polyfit(there, self.log_typical[there], 1)[0])


@dataclass
class _Output:
    name: str
    module: nn.Module
    probe: Tensor  # zeros that were added to the output, whose gradient is the output's


def gradient_by_layer(
    model: nn.Module,
    batch: Batch,
    loss: Loss | None = None,
    *,
    batch_dim: int | None = None,
    double: bool = True,
) -> GradientByLayer:
    """dL/d(output) of every layer of any network: modules without children, and recurrent ones.

    It is computed in eval mode on a copy of the model in float64, in which 1e-570 is still a number, and on the model
    itself, which stays as it was, if a copy does not run. See Hochreiter (1991), and Pascanu, Mikolov and Bengio
    (2013).

    Args:
        model, batch: as for `observe`.
        loss: a function of the model's output; None: the squared norm of the last valid output, and of the whole one
            where the model holds nothing recurrent.
        batch_dim: which dimension of tensors counts the sequences; None: 1 if the model holds a recurrent module that
            is not batch first, else 0.
        double: whether to take a copy in float64; a large model itself, in its own dtype, takes a part of the time.

    Raises:
        CarouselError: the model has no layers, fails on the batch, or the loss cannot be differentiated.

    >>> import torch
    >>> from carousel.diagnosis import gradient_by_layer
    >>> deep = torch.nn.Sequential(*(torch.nn.Linear(8, 8) for _ in range(5)))
    >>> flow = gradient_by_layer(deep, torch.randn(4, 8))
    >>> flow.names, bool(flow.rate() < 0)
    (['0', '1', '2', '3', '4'], True)
    """
    if not isinstance(model, nn.Module):
        raise CarouselError(f"A model must be a torch.nn.Module; got a {type(model).__name__}.")
    for name, parameter in model.named_parameters():
        if not bool(torch.isfinite(parameter).all()):
            raise CarouselError(f"Weights must be finite; {name} holds values that are NaN or infinite.")
    recurrent = [m for m in model.modules() if is_recurrent(m) and not isinstance(m, nn.RNNCellBase)]
    default = int(any(not getattr(m, "batch_first", False) for m in recurrent))
    dim = default if batch_dim is None else batch_dim
    reason = None
    if double:
        try:
            twin = copy.deepcopy(model).to(torch.float64)
            doubled = map_tensors(lambda each: each.double() if each.is_floating_point() else each, batch)
            return _measure(twin, doubled, loss, dim, "float64")
        except Exception as error:  # any: what a stranger's model does with a copy is not known
            reason = error
    own = next((p.dtype for p in model.parameters()), torch.float32)
    try:
        return _measure(model, batch, loss, dim, str(own).removeprefix("torch."))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        if isinstance(error, CarouselError):
            raise
        raise CarouselError(f"{type(model).__name__} failed on this batch: {error}") from reason or error


def _measure(model: nn.Module, batch: Batch, loss: Loss | None, dim: int, dtype: str) -> GradientByLayer:
    with (
        torch.inference_mode(False),
        without_side_effects(model) as twin,
        torch.enable_grad(),
        _outputs(twin) as seen,
        recording(twin) as calls,
    ):
        output = call_model(twin, batch)
        if not seen:
            raise CarouselError(f"{type(model).__name__} ran no layer that puts out a tensor of numbers.")
        total = _default_loss(output, calls) if loss is None else loss(output)
        if not isinstance(total, Tensor) or not total.requires_grad:
            raise CarouselError(
                "A loss must be a tensor that depends on the layers in a way that can be differentiated; "
                f"it is {total!r}."
            )
        total = total.sum()
        own = [[p for p in each.module.parameters(recurse=False) if p.requires_grad] for each in seen]
        found = _magnified(total, [each.probe for each in seen] + [p for each in own for p in each])
    gradients, of_parameters = found[: len(seen)], iter(found[len(seen) :])
    instances = max((g.shape[dim] for g, _ in gradients if g.dim() > dim + 1), default=1)
    norms = np.array([_log_norms(g.reshape(1, -1))[0] + log for g, log in gradients])
    sizes = np.array([math.log(g.numel()) / 2 for g, _ in gradients])
    parameters = [
        [_log_norms(g.reshape(1, -1))[0] + log for g, log in islice(of_parameters, len(each))] for each in own
    ]
    return GradientByLayer(
        [each.name for each in seen],
        [type(each.module).__name__ for each in seen],
        norms,
        norms - sizes,
        np.stack([log + _by_instance(g, dim, instances) for g, log in gradients]),
        [log + _by_neuron(g) for g, log in gradients],
        np.array([np.logaddexp.reduce(2 * np.array(each)) / 2 if each else math.nan for each in parameters]),
        float(total.detach()),
        dtype,
    )


@contextmanager
def _outputs(model: nn.Module) -> Iterator[list[_Output]]:
    """Inside, every layer's output is noted, with zeros added whose gradient is the output's."""
    seen: list[_Output] = []
    calls: Counter[str] = Counter()
    with ExitStack() as stack:
        inside: set[nn.Module] = set()
        for path, module in model.named_modules():
            if module in inside or (any(True for _ in module.children()) and not is_recurrent(module)):
                continue
            inside |= set(module.modules())

            def hook(module: nn.Module, args: object, result: object, path: str = path) -> object:
                is_packed = isinstance(result, PackedSequence)
                first = result[0] if isinstance(result, tuple) and not is_packed else result
                value = first.data if isinstance(first, (Tensor, PackedSequence)) else None
                if value is None or not value.is_floating_point():
                    return None
                calls[path] += 1
                name = (path or type(module).__name__) + (f" #{calls[path]}" if calls[path] > 1 else "")
                probe = torch.zeros_like(value, requires_grad=True)
                seen.append(_Output(name, module, probe))
                moved = map_tensors(lambda data: data + probe, first)
                return moved if first is result else (moved, *result[1:])  # type: ignore[index]

            stack.callback(module.register_forward_hook(hook).remove)
        yield seen


def _default_loss(output: object, calls: list[Call]) -> Tensor:
    if calls:
        return last_valid_output(output, calls).square().sum()
    value = output[0] if isinstance(output, (tuple, list)) else output
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise CarouselError(
            f"The default loss needs a tensor of numbers; the model's output is a {type(output).__name__}. "
            "Pass a loss of its output."
        )
    return value.square().sum()


def _magnified(total: Tensor, wanted: Sequence[Tensor]) -> list[tuple[Tensor, float]]:
    """Each gradient with the logarithm of what it is to be multiplied by.

    Those that come near the smallest number of their dtype, and would be rounded to 0, are taken once more of a loss
    that is larger by a power of two: float64 then reaches down to 1e-570.
    """
    plain = torch.autograd.grad(total, wanted, allow_unused=True, retain_graph=True)
    found = [
        (torch.zeros_like(like) if g is None else _dense(g), 0.0)
        for g, like in zip(plain, wanted, strict=True)
    ]
    info = torch.finfo(total.dtype)
    faint = [k for k, (g, _) in enumerate(found) if not g.abs().max() > info.tiny / info.eps**2]
    if faint:
        power = int(0.9 * math.log2(info.max))
        larger = torch.autograd.grad(total * 2.0**power, [wanted[k] for k in faint], allow_unused=True)
        for k, again in zip(faint, larger, strict=True):
            if again is not None and bool(torch.isfinite(again).all()):
                found[k] = _dense(again), -power * math.log(2)
    return found


def _dense(gradient: Tensor) -> Tensor:
    """That of an embedding may be sparse."""
    return (gradient.to_dense() if gradient.is_sparse else gradient).detach()


def _log_norms(rows: Tensor) -> Array:
    """ln of the norm of each row."""
    return LogScaled.of(rows.double()).log.numpy(force=True)


def _by_instance(gradient: Tensor, dim: int, instances: int) -> Array:
    for at in dict.fromkeys((dim, 0)):
        if gradient.dim() > at + 1 and gradient.shape[at] == instances:
            return _log_norms(gradient.movedim(at, 0).flatten(1))
    return np.full(instances, np.nan)


def _by_neuron(gradient: Tensor) -> Array:
    if gradient.dim() < 2:
        return np.full(1, np.nan)
    return _log_norms(gradient.movedim(1 if gradient.dim() >= 4 else -1, 0).flatten(1))
