"""Ragged batches and resets, beside each episode of each sequence run alone: outputs, final states, gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import carousel

FORMS = ("padded", "packed")


@dataclass
class Problem:
    """A module with random input and states, everything a leaf; x is (T, B, I) whatever the module's layout."""

    module: carousel.Recurrent
    x: Tensor
    hx: list[Tensor]
    lengths: list[int]
    resets: Tensor | None  # (T, B)

    def together(self, form: str = "padded") -> dict[str, Tensor]:
        """The module's answer in one call."""
        first = self.module.batch_first
        x = self.x.transpose(0, 1) if first else self.x
        resets = self.resets.transpose(0, 1) if first and self.resets is not None else self.resets
        lengths = self.lengths
        if form == "packed":
            x = pack_padded_sequence(x, torch.tensor(lengths), first, enforce_sorted=False)
            if resets is not None:
                resets = pack_padded_sequence(resets, torch.tensor(lengths), first, enforce_sorted=False)
            lengths = None
        hx = tuple(self.hx) if len(self.hx) > 1 else self.hx[0]
        output, final = self.module(x, hx, lengths=lengths, resets=resets)
        if form == "packed":
            output, _ = pad_packed_sequence(output, first, total_length=len(self.x))
        return self._with_gradients(output.transpose(0, 1) if first else output, as_list(final))

    def alone(self) -> dict[str, Tensor]:
        """Every episode of every sequence by itself, put together again."""
        columns, finals = [], []
        for b, length in enumerate(self.lengths):
            outputs, final = self._sequence(b, length)
            padding = outputs.new_zeros(len(self.x) - length, outputs.shape[-1])
            columns.append(torch.cat([outputs, padding]))
            finals.append(final)
        states = [torch.stack(state, dim=1) for state in zip(*finals, strict=True)]
        return self._with_gradients(torch.stack(columns, dim=1), states)

    def _sequence(self, b: int, length: int) -> tuple[Tensor, list[Tensor]]:
        """One direction ends where the other begins: forward in the last episode, reverse in the first."""
        cuts = [] if self.resets is None else [t for t in range(1, length) if self.resets[t, b]]
        bounds = list(zip([0, *cuts], [*cuts, length], strict=True))
        fresh = self.resets is not None and bool(self.resets[0, b])
        outputs, ends = [], []
        for start, stop in bounds:
            keeps = {"forward": start == 0 and not fresh, "reverse": stop == length}
            output, final = self._episode(self.x[start:stop, b], [state[:, b] for state in self.hx], keeps)
            outputs.append(output)
            ends.append(final)
        ways = self.module.directions * self.module.num_layers
        last = [
            torch.stack([(new if way == "forward" else old)[row] for row, way in enumerate(ways)])
            for new, old in zip(ends[-1], ends[0], strict=True)
        ]
        return torch.cat(outputs), last

    def _episode(self, x: Tensor, hx: list[Tensor], keeps: dict[str, bool]) -> tuple[Tensor, list[Tensor]]:
        ways = self.module.directions * self.module.num_layers
        kept = torch.tensor([keeps[way] for way in ways], dtype=x.dtype)[:, None]
        hx = [state * kept for state in hx]
        output, final = self.module(x, tuple(hx) if len(hx) > 1 else hx[0])
        return output, as_list(final)

    def _with_gradients(self, output: Tensor, final: list[Tensor]) -> dict[str, Tensor]:
        leaves = {"x": self.x, **dict(self.module.named_parameters())}
        leaves |= {f"{name}_0": state for name, state in zip(self.module.cell.states, self.hx, strict=True)}
        results = {"output": output}
        results |= {f"{name}_n": state for name, state in zip(self.module.cell.states, final, strict=True)}
        generator = torch.Generator().manual_seed(1)
        loss = sum(
            (torch.randn(value.shape, generator=generator, dtype=value.dtype) * value).sum()
            for value in results.values()
        )
        gradients = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)
        return results | {f"gradient of {name}": g for name, g in zip(leaves, gradients, strict=True)}


def as_list(states: Tensor | tuple[Tensor, ...]) -> list[Tensor]:
    return list(states) if isinstance(states, tuple) else [states]


def problem(
    cell, lengths: list[int], time: int | None = None, resets: float | None = None, sizes=(3, 5), **options
) -> Problem:
    """Random numbers in float64; `resets` is the share of steps that begin anew."""
    module = carousel.Recurrent(cell, *sizes, dtype=torch.float64, **options)
    shape = (module.num_layers * len(module.directions), len(lengths), module.hidden_size)
    x = torch.randn(time or max(lengths), len(lengths), sizes[0], dtype=torch.float64)
    hx = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in module.cell.states]
    mask = None if resets is None else torch.rand(x.shape[:2]) < resets
    return Problem(module, x.requires_grad_(), hx, lengths, mask)
