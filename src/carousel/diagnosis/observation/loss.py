"""What a diagnosis follows back: the loss that was given, the default one, the next symbol of a language model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.diagnosis.observation.module_run import ModuleRun
from carousel.diagnosis.observation.recording import Batch, Call
from carousel.errors import CarouselError

Loss = Callable[[Any], Tensor]
DEFAULT_LOSS = "the squared norm of the last valid output"


@dataclass(frozen=True, eq=False)
class NextSymbol:
    """The cross-entropy of the symbol that follows the last step, of a model's (logits (T, B, V), state).

    Attributes:
        targets: (B,), the symbols that follow.
        words: what reports call this loss.

    >>> import torch
    >>> from carousel.diagnosis import NextSymbol
    >>> loss = NextSymbol(torch.tensor([1, 0]))
    >>> round(loss((torch.zeros(5, 2, 4), None)).item() / 2, 4)  # ln 4 for each of two sequences
    1.3863
    """

    targets: Tensor
    words: ClassVar[str] = "the cross-entropy, in nats, of the symbols that follow, one after each sequence"

    def __call__(self, output: Any) -> Tensor:
        return torch.nn.functional.cross_entropy(output[0][-1], self.targets, reduction="sum")


def loss_of(loss: Loss | None, output: Any, calls: Sequence[Call]) -> Tensor:
    """The loss as one number that can be sent back; of None the default."""
    if loss is None:
        return last_valid_output(output, calls).square().sum()
    return total_of(loss, output, int(ModuleRun.of(calls[-1:], torch.float64).lengths.numel()))


def total_of(loss: Loss, output: Any, sequences: int) -> Tensor:
    """A loss that was given, of the output of so many sequences, as one number."""
    try:
        total = loss(output)
    except (AttributeError, TypeError) as error:
        raise CarouselError(
            f"The loss failed on the model's output, {shapes(output)}: {error}. A loss takes all that the model "
            "returns, of an LSTM (output, (h, c)), and nothing else: loss=lambda output: criterion(output, targets)."
        ) from error
    if not isinstance(total, Tensor) or not total.is_floating_point():
        raise CarouselError(
            f"A loss takes the model's output and returns one number as a tensor; it returned a {type(total).__name__}."
        )
    if total.numel() != 1 and tuple(total.shape) != (sequences,):
        raise CarouselError(
            f"A loss returns one number; it returned {total.numel()}, in shape {tuple(total.shape)}. Sum or average "
            "them in the loss, as in loss=lambda output: output[0].square().mean()."
        )
    total = total.sum()
    if not bool(torch.isfinite(total)):
        raise CarouselError(
            f"A loss must be finite to have a gradient; on this batch it is {total.item()}. Look at the data and the "
            "weights."
        )
    return total


def loss_words(loss: Loss | None) -> str:
    """A loss may bring its own, as `words`."""
    return DEFAULT_LOSS if loss is None else str(getattr(loss, "words", "the loss that was given"))


def last_valid_output(output: Any, calls: Sequence[Call]) -> Tensor:
    """The model's output at the last step of each sequence, (B, ...); the whole output if it has no time."""
    return valid_output(output, calls, lambda lengths: lengths - 1)


def valid_output(output: Any, calls: Sequence[Call], at: Callable[[Tensor], Tensor]) -> Tensor:
    """The model's output at one step of each sequence, which `at` finds from the lengths, (B, ...)."""
    if isinstance(output, (dict, tuple, list)) and not isinstance(output, PackedSequence):
        parts = output.values() if isinstance(output, dict) else output
        output = next((each for each in parts if _is_output(each)), output)
    if isinstance(output, PackedSequence):
        padded, lengths = nn.utils.rnn.pad_packed_sequence(output)
        return padded[at(lengths), torch.arange(len(lengths))]
    if not _is_output(output):
        raise CarouselError(
            f"The default loss needs a tensor of numbers; the model's output is a {type(output).__name__} without one. "
            "Pass a loss of its output."
        )
    last = ModuleRun.of(calls[-1:], torch.float64)
    steps, batch = last.inputs.shape[:2]
    t, b = at(last.lengths), torch.arange(batch)
    if not last.stepwise and output.dim() >= 2:
        if last.unbatched and output.shape[0] == steps:
            return output[t]
        is_batch_first, is_time_first = (
            output.shape[:2] == each for each in ((batch, steps), (steps, batch))
        )
        if not last.unbatched and is_time_first and not (last.batch_first and is_batch_first):
            return output[t, b]
        if not last.unbatched and is_batch_first:
            return output[b, t]
    return output


def _is_output(value: Any) -> bool:
    return isinstance(value, PackedSequence) or (isinstance(value, Tensor) and value.is_floating_point())


def shapes(batch: Batch) -> str:
    """A batch, or an output, in words: of errors."""
    if isinstance(batch, PackedSequence):
        return f"a PackedSequence of {tuple(batch.data.shape)}"
    if isinstance(batch, Tensor):
        return f"a tensor {tuple(batch.shape)}"
    if isinstance(batch, (tuple, list)):
        return f"({', '.join(shapes(each) for each in batch)})"
    if isinstance(batch, dict):
        return f"{{{', '.join(f'{key}: {shapes(each)}' for key, each in batch.items())}}}"
    return f"a {type(batch).__name__}"
