"""Linear layer and cross-entropy as one torch operator, `carousel::linear_cross_entropy`, which stores no logits.

The forward pass has the softmax, so it computes the gradient of the total, sum(scale * losses), too. The backward pass
of a total only scales this gradient. If the losses themselves have a gradient,
`carousel::linear_cross_entropy_backward` computes the logits again. torch.compile and torch.export see one node.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from carousel import _core
from carousel.errors import CarouselError
from carousel.ops.autocast import autocasts, autocasts_bfloat16, outside_autocast
from carousel.ops.gradients import gradients_of
from carousel.ops.kernels import DTYPES
from carousel.ops.memory_checks import address, check_data, check_devices
from carousel.ops.transforms import batched, transformed

IGNORED = -100  # a target whose row is neither counted nor read


@torch.library.custom_op("carousel::linear_cross_entropy", mutates_args=(), device_types="cpu")
def linear_cross_entropy(
    x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scale: Tensor, keep: bool, bfloat16: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Losses of rows x (N, H), with weight (V, H), bias (V), targets (N) and scale (N).

    Returns the total, sum(scale * losses); the losses and the logarithms of the softmax's denominators, (N), 0 for
    ignored rows; and the gradients of the total by x, weight and bias, which are empty unless `keep`. With `bfloat16`
    the factors of products are rounded to bfloat16.
    """
    arrays = _Arrays(_Rows(x, weight, bias, targets, scale, bfloat16))
    losses, log_sums = x.new_zeros(len(x)), x.new_zeros(len(x))
    gradients = arrays.gradients(keep)
    arrays.run(losses, log_sums, scale.contiguous() if keep else None, gradients)
    total = _total(targets, scale, losses)
    return total, losses, log_sums, *gradients


@linear_cross_entropy.register_fake
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    x, weight, bias, targets, scale, keep, bfloat16 = arguments
    check_devices(*arguments[:5])
    rows = _Rows(x, weight, bias, targets, scale, bfloat16).checked()
    each = rows.x.new_empty(rows.x.shape[0])
    return each.new_empty(()), each, torch.empty_like(each), *rows.gradients(keep)


@torch.library.custom_op("carousel::linear_cross_entropy_backward", mutates_args=(), device_types="cpu")
def linear_cross_entropy_backward(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    targets: Tensor,
    log_sums: Tensor,
    scale: Tensor,
    bfloat16: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of sum(scale * losses) by x, weight and bias, from the log_sums of the forward pass."""
    arrays = _Arrays(_Rows(x, weight, bias, targets, scale, bfloat16))
    gradients = arrays.gradients(keep=True)
    arrays.run(None, log_sums.contiguous(), scale.contiguous(), gradients)
    return gradients


@linear_cross_entropy_backward.register_fake
def _(*arguments: Any) -> tuple[Tensor, Tensor, Tensor]:
    x, weight, bias, targets, log_sums, scale, bfloat16 = arguments
    check_devices(*arguments[:-1])
    _Rows(x, weight, bias, targets, log_sums, bfloat16).checked()
    return _Rows(x, weight, bias, targets, scale, bfloat16).checked().gradients()


class _Rows(NamedTuple):
    """The arguments that both operators share; `of_rows`: one number for each row of x."""

    x: Tensor
    weight: Tensor
    bias: Tensor | None
    targets: Tensor
    of_rows: Tensor
    bfloat16: bool

    def checked(self) -> _Rows:
        """Itself, if shapes and dtypes fit; tensors without data have these too."""
        x, weight, bias, targets, of_rows, bfloat16 = self
        given = [x, weight, bias, targets, of_rows]
        fits = x.dim() == weight.dim() == 2
        if fits:
            (rows, hidden), symbols = x.shape, weight.shape[0]
            expected = [(rows, hidden), (symbols, hidden), (symbols,), (rows,), (rows,)]
            fits = all(t is None or t.shape == shape for t, shape in zip(given, expected, strict=True))
        if not fits:
            raise CarouselError(
                "linear_cross_entropy takes x (N, H), weight (V, H), bias (V), targets (N), and scale and log_sums "
                f"(N); it got {[None if t is None else tuple(t.shape) for t in given]}."
            )
        numbers = [t for t in (x, weight, bias, of_rows) if t is not None]
        if x.dtype not in DTYPES or any(t.dtype != x.dtype for t in numbers) or targets.dtype != torch.int64:
            raise CarouselError(
                "linear_cross_entropy takes float32 or float64, the same for all, and targets of int64; it got "
                f"{[str(t.dtype) for t in numbers]} and {targets.dtype}."
            )
        if bfloat16 and x.dtype != torch.float32:
            raise CarouselError(f"Products in bfloat16 are of float32 tensors; these are {x.dtype}.")
        return self

    def gradients(self, keep: bool = True) -> tuple[Tensor, Tensor, Tensor]:
        """Room for the gradients of x, weight and bias, empty unless `keep`."""
        x, weight, bias = self.x, self.weight, self.bias
        return (
            x.new_empty(x.shape if keep else (0,)),
            x.new_empty(weight.shape if keep else (0,)),
            x.new_empty(bias.shape if keep and bias is not None else (0,)),
        )


class _Arrays:
    """The arrays of one call, checked, because the core does not check addresses and targets."""

    def __init__(self, given: _Rows) -> None:
        x, weight, bias, targets, of_rows, bfloat16 = given.checked()
        rows, symbols = x.shape[0], weight.shape[0]
        self.given = given
        check_data([t for t in (x, weight, bias, targets, of_rows) if t is not None])
        self.x = x if x.stride(-1) == 1 else x.contiguous()
        self.weight = weight if weight.stride(-1) == 1 else weight.contiguous()
        self.bias = None if bias is None else bias.contiguous()
        self.targets = targets.contiguous()
        self.numbers = "bfloat16" if bfloat16 else str(x.dtype).removeprefix("torch.")
        counted = (self.targets != IGNORED).nonzero().flatten()
        self.counted = None if len(counted) == rows else counted
        self.rows = len(counted)
        chosen = self.targets if self.counted is None else self.targets[counted]
        if self.rows and not (int(chosen.min()) >= 0 and int(chosen.max()) < symbols):
            raise CarouselError(
                f"targets must be numbers from 0 to {symbols - 1}, or {IGNORED} for padding; "
                f"they are from {int(chosen.min())} to {int(chosen.max())}."
            )

    def gradients(self, keep: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Memory for the gradients; zero where the core writes nothing."""
        found = self.given.gradients(keep)
        if keep and self.counted is not None:
            found[0].zero_()
        if keep and not self._work:
            found[1].zero_(), found[2].zero_()
        return found

    @property
    def _work(self) -> bool:
        return self.rows > 0 and self.weight.numel() > 0

    def run(
        self,
        losses: Tensor | None,
        log_sums: Tensor,
        scale: Tensor | None,
        gradients: tuple[Tensor, Tensor, Tensor],
    ) -> None:
        """Fill losses and log_sums, which are known if `losses` is None; with a scale, fill the gradients too."""
        if not self._work:
            return
        (rows, hidden), symbols, dtype = self.x.shape, self.weight.shape[0], self.x.dtype
        shapes = {"x": (rows, hidden), "weight": (symbols, hidden), "bias": (symbols,)}
        inputs = dict(zip(shapes, (self.x, self.weight, self.bias), strict=True))
        wanted = {name: g if g.numel() else None for name, g in zip(shapes, gradients, strict=True)}
        _core.cross_entropy(
            numbers=self.numbers,
            rows=self.rows,
            hidden=hidden,
            symbols=symbols,
            counted=address("counted", self.counted, (self.rows,), torch.int64),
            targets=address("targets", self.targets, (rows,), torch.int64),
            inputs=[address(name, inputs[name], shape, dtype) for name, shape in shapes.items()],
            x_row=self.x.stride(0),
            weight_row=self.weight.stride(0),
            losses=address("losses", losses, (rows,), dtype),
            log_sums=address("log_sums", log_sums, (rows,), dtype),
            summed=losses is None,
            scale=address("scale", scale, (rows,), dtype),
            gradients=[
                address(f"the gradient of {name}", wanted[name], shape, dtype)
                for name, shape in shapes.items()
            ],
            threads=torch.get_num_threads(),
        )


def reference(x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor) -> Tensor:
    """The losses (N) by plain torch, on any dtype and device and to any order of derivative. It stores all logits.

    Rows with an ignored target are not read, so a NaN there reaches no gradient.
    """
    out = targets == IGNORED
    logits = F.linear(x.masked_fill(out[:, None], 0.0), weight, bias)
    return F.cross_entropy(logits, targets, reduction="none", ignore_index=IGNORED)


def output_losses(
    x: Tensor, weight: Tensor, bias: Tensor | None, targets: Tensor, scale: Tensor | None
) -> tuple[Tensor, Tensor]:
    """sum(scale * losses) and the losses of rows x (N, H), by the kernel if possible, else by plain torch.

    Without a scale, the first of the two is the sum of the losses. Both are float32 or float64.
    """
    numbers = [x, weight] if bias is None else [x, weight, bias]
    bfloat16 = weight.dtype == torch.bfloat16 or (weight.dtype == torch.float32 and autocasts_bfloat16())
    inside = torch.float64 if weight.dtype == torch.float64 else torch.float32
    if x.dtype != weight.dtype and not autocasts(x.device.type):
        raise CarouselError(
            f"x must have the dtype of the weight, {weight.dtype}; it has {x.dtype}. Convert one with .to(...)."
        )
    with outside_autocast(x.device.type):
        x, weight, bias = x.to(inside), weight.to(inside), None if bias is None else bias.to(inside)
        if x.device.type != "cpu" or transformed():
            losses = reference(x, weight, bias, targets)
            return losses.sum() if scale is None else _total(targets, scale, losses), losses
        keep = scale is not None and torch.is_grad_enabled() and any(t.requires_grad for t in numbers)
        ones = x.new_ones(len(x)) if scale is None else scale
        total, losses, *_ = linear_cross_entropy(x, weight, bias, targets, ones, keep, bfloat16)
        return total, losses


def _total(targets: Tensor, scale: Tensor, losses: Tensor) -> Tensor:
    """Ignored rows add nothing, even if their scale is NaN."""
    return scale.masked_fill(targets == IGNORED, 0.0).dot(losses)


def _keep_for_backward(ctx: Any, inputs: tuple, output: tuple[Tensor, ...]) -> None:
    x, weight, bias, targets, scale, _, ctx.bfloat16 = inputs
    _, losses, log_sums, *gradients = output
    by_scale = (
        losses.clone() if ctx.needs_input_grad[4] else None
    )  # the caller may change the losses in place
    ctx.set_materialize_grads(False)
    ctx.save_for_backward(x, weight, bias, targets, scale, by_scale, log_sums, *gradients)


def _backward(
    ctx: Any, total_gradient: Tensor | None, losses_gradient: Tensor | None, *_: Tensor | None
) -> tuple[Tensor | None, ...]:
    x, weight, bias, targets, scale, losses, log_sums, *gradients = ctx.saved_tensors
    if total_gradient is None and losses_gradient is None:
        return (None,) * 7
    if torch.is_grad_enabled() or batched(total_gradient, losses_gradient):
        found = _differentiable_gradients(x, weight, bias, scale, targets, total_gradient, losses_gradient)
        return *found[:3], None, found[3], None, None
    scale_gradient = None if total_gradient is None or losses is None else total_gradient * losses
    if total_gradient is not None and losses_gradient is None and gradients[0].shape == x.shape:
        x_gradient, weight_gradient, bias_gradient = (_times(one, total_gradient) for one in gradients)
    else:
        parts = [
            *([] if total_gradient is None else [total_gradient * scale]),
            *([] if losses_gradient is None else [losses_gradient]),
        ]
        x_gradient, weight_gradient, bias_gradient = linear_cross_entropy_backward(
            x, weight, bias, targets, log_sums, sum(parts[1:], parts[0]), ctx.bfloat16
        )
    return (
        x_gradient, weight_gradient, None if bias is None else bias_gradient, None, scale_gradient, None, None,
    )  # fmt: skip


def _times(gradient: Tensor, factor: Tensor) -> Tensor:
    """The product. The factor is 1 if the total itself is minimised, and then a pass over memory is saved."""
    if not torch.compiler.is_compiling() and factor.device.type == "cpu" and float(factor) == 1:
        return gradient
    return gradient * factor


def _differentiable_gradients(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    scale: Tensor,
    targets: Tensor,
    total_gradient: Tensor | None,
    losses_gradient: Tensor | None,
) -> list[Tensor | None]:
    """Differentiable gradients by x, weight, bias and scale."""
    with torch.enable_grad(), torch.autocast("cpu", enabled=False):
        # aliases, so that gradients do not go on to what the sources were computed from
        x, weight, scale = x.view_as(x), weight.view_as(weight), scale.view_as(scale)
        bias = None if bias is None else bias.view_as(bias)
        losses = reference(x, weight, bias, targets)
        ends = [(_total(targets, scale, losses), total_gradient), (losses, losses_gradient)]
        return gradients_of(ends, (x, weight, bias, scale))


linear_cross_entropy.register_autograd(_backward, setup_context=_keep_for_backward)
