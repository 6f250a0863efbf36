"""Models with one bug in how they are used, each beside its healthy twin, and batches to see it on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

STEPS, SEQUENCES, INPUTS = 40, 12, 4


def waves(steps: int = STEPS, sequences: int = SEQUENCES) -> Tensor:
    """(T, B, I) of smooth series: neighbouring steps are alike, sequences are not."""
    random = torch.Generator().manual_seed(0)
    t = torch.arange(steps)[:, None, None]
    phase = 6.28 * torch.rand(1, sequences, INPUTS, generator=random)
    return torch.sin(0.4 * t + phase) + 0.1 * torch.randn(steps, sequences, INPUTS, generator=random)


class Net(nn.Module):
    """A recurrent layer between what is done before it and how its output is read."""

    def __init__(
        self,
        kind: type[nn.RNNBase] = nn.GRU,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        read: Callable[[Tensor], Tensor] = lambda out: out[-1],
        **options: object,
    ) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn = kind(INPUTS, 16, **options)  # type: ignore[arg-type]
        keep(self.rnn)
        self.head = nn.Linear(32 if self.rnn.bidirectional else 16, 2)
        self.before, self.read = before, read

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.read(self.rnn(self.before(x))[0]))


class Stepped(nn.Module):
    """A cell in a loop of its own, whose state may be detached or forgotten."""

    def __init__(self, detach_every: int = 0, forgets: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.cell, self.head = nn.GRUCell(INPUTS, 16), nn.Linear(16, 2)
        keep(self.cell)
        self.detach_every, self.forgets = detach_every, forgets

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(x.shape[1], 16)
        for t, each in enumerate(x):
            if self.detach_every and t % self.detach_every == 0:
                h = h.detach()
            h = self.cell(each, None if self.forgets else h)
        return self.head(h)


class OneByOne(nn.Module):
    """Reads the sequences of a batch one after the other, from one state or from states of their own."""

    def __init__(self, carries: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.head = nn.GRU(INPUTS, 16), nn.Linear(16, 2)
        keep(self.rnn)
        self.carries = carries

    def forward(self, x: Tensor) -> Tensor:
        state, last = None, []
        for b in range(x.shape[1]):
            out, state = self.rnn(x[:, b : b + 1], state if self.carries else None)
            last.append(out[-1])
        return self.head(torch.cat(last))


class Remembers(nn.Module):
    """Keeps its state from one batch to the next, or begins each from zeros."""

    def __init__(self, carries: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.head = nn.GRU(INPUTS, 16), nn.Linear(16, 2)
        keep(self.rnn)
        self.carries, self.state = carries, None

    def forward(self, x: Tensor) -> Tensor:
        out, state = self.rnn(x, self.state)
        if self.carries:
            self.state = state.detach()
        return self.head(out[-1])


class Tokens(nn.Module):
    """An embedding of symbols before the recurrent layer."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.embedding = nn.Embedding(20, INPUTS)
        self.rnn, self.head = nn.GRU(INPUTS, 16, batch_first=batch_first), nn.Linear(16, 2)
        keep(self.rnn)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embedding(x))[0][:, -1])


@torch.no_grad()
def keep(module: nn.Module) -> None:
    """Open the update gates and make recurrent matrices orthogonal, so that the layer itself is healthy."""
    for name, parameter in module.named_parameters():
        if name.startswith("weight_hh"):
            for block in parameter.split(16):
                nn.init.orthogonal_(block)
        elif name.startswith("bias_ih"):
            parameter[16:32] = 1.0


def normalised(x: Tensor) -> Tensor:
    """Over all steps of each sequence, those to come as well."""
    return (x - x.mean(0)) / x.std(0)


def past_normalised(x: Tensor) -> Tensor:
    """Over the steps up to the present one."""
    count = torch.arange(1, len(x) + 1)[:, None, None]
    return x - x.cumsum(0) / count


def _both_ends(out: Tensor) -> Tensor:
    return torch.cat([out[-1, :, :16], out[0, :, 16:]], -1)


def _both_ends_batch_first(out: Tensor) -> Tensor:
    return torch.cat([out[:, -1, :16], out[:, 0, 16:]], -1)


class WarmUp(nn.Module):
    """The first steps run without a gradient, or with it."""

    def __init__(self, follows: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.head = nn.GRU(INPUTS, 16), nn.Linear(16, 2)
        keep(self.rnn)
        self.follows = follows

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(self.follows):
            _, state = self.rnn(x[:30])
        return self.head(self.rnn(x[30:], state)[0][-1])


class States(nn.Module):
    """Reads the final states of two directions, in a row for each sequence or as they lie in memory."""

    def __init__(self, view: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.head = nn.GRU(INPUTS, 16, bidirectional=True), nn.Linear(32, 2)
        keep(self.rnn)
        self.view = view

    def forward(self, x: Tensor) -> Tensor:
        final = self.rnn(x)[1]
        both = final.view(x.shape[1], -1) if self.view else torch.cat([final[0], final[1]], -1)
        return self.head(both)


class TwoWays(nn.Module):
    """Two layers of one direction each, of which the second reads from the end."""

    def __init__(self, at_ends: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.forth, self.back, self.head = nn.GRU(INPUTS, 16), nn.GRU(INPUTS, 16), nn.Linear(32, 2)
        keep(self.forth)
        keep(self.back)
        self.at_ends = at_ends

    def forward(self, x: Tensor) -> Tensor:
        forth, back = self.forth(x)[0], self.back(x.flip(0))[0].flip(0)
        return self.head(torch.cat([forth[-1], back[0 if self.at_ends else -1]], -1))


class RowByRow(nn.Module):
    """A cell that walks through the steps of one sequence after the other, (B, T, I)."""

    def __init__(self, carries: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.cell, self.head = nn.GRUCell(INPUTS, 16), nn.Linear(16, 2)
        keep(self.cell)
        self.carries = carries

    def forward(self, x: Tensor) -> Tensor:
        h, last = x.new_zeros(1, 16), []
        for row in x:
            h = h if self.carries else torch.zeros_like(h)
            for step in row:
                h = self.cell(step[None], h)
            last.append(h)
        return self.head(torch.cat(last))


class Packed(nn.Module):
    """Both directions of packed sequences, read at the last valid step, or each at its own end."""

    def __init__(self, at_end: bool) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.rnn, self.head = nn.GRU(INPUTS, 16, bidirectional=True), nn.Linear(32, 2)
        keep(self.rnn)
        self.at_end = at_end

    def forward(self, x: PackedSequence) -> Tensor:
        out, lengths = pad_packed_sequence(self.rnn(x)[0])
        last = out[lengths - 1, torch.arange(len(lengths))]
        return self.head(torch.cat([last[:, :16], out[0, :, 16:]], -1) if self.at_end else last)


X = waves()
RAGGED = pack_padded_sequence(X, torch.tensor([40, 31, 25, 25, 20, 18, 17, 12, 9, 8, 7, 5]))
BATCH_FIRST = X.transpose(0, 1).contiguous()
SYMBOLS = torch.randint(20, (SEQUENCES, STEPS), generator=torch.Generator().manual_seed(2))
SQUARE = waves(16, 16).transpose(0, 1)

# finding -> the model with the bug, its twin without, and the batch
CASES: dict[str, list[tuple[nn.Module, nn.Module, Tensor]]] = {
    "swapped axes": [
        (
            Net(read=lambda out: out[:, -1]),
            Net(read=lambda out: out[:, -1], batch_first=True),
            BATCH_FIRST,
        ),
        (
            Net(nn.LSTM, read=lambda out: out),
            Net(nn.LSTM, read=lambda out: out, batch_first=True),
            BATCH_FIRST,
        ),
        (Net(read=lambda out: out[:, -1]), Net(read=lambda out: out[:, -1], batch_first=True), SQUARE),
        (Tokens(batch_first=False), Tokens(batch_first=True), SYMBOLS),
    ],
    "scrambled axes": [
        (
            Net(before=lambda x: x.reshape(STEPS, SEQUENCES, INPUTS)),
            Net(before=lambda x: x.transpose(0, 1)),
            BATCH_FIRST,
        ),
        (
            Net(read=lambda out: out.reshape(SEQUENCES, STEPS, 16)),
            Net(read=lambda out: out.transpose(0, 1)),
            X,
        ),
        (Net(read=lambda out: out.reshape(SEQUENCES, STEPS, 16)[:, -1]), Net(), X),
        (States(view=True), States(view=False), X),
        (
            Net(read=lambda out: out.reshape(SEQUENCES, -1)[:, ::STEPS]),
            Net(read=lambda out: out.transpose(0, 1).reshape(SEQUENCES, -1)[:, ::STEPS]),
            X,
        ),
        (
            Net(before=lambda x: x.transpose(1, 2).reshape(SEQUENCES, STEPS, INPUTS), batch_first=True),
            Net(batch_first=True, read=lambda out: out[:, -1]),
            BATCH_FIRST,
        ),
    ],
    "mixed sequences": [
        (OneByOne(carries=True), OneByOne(carries=False), X),
        (RowByRow(carries=True), RowByRow(carries=False), BATCH_FIRST),
        (Net(before=lambda x: x - x.mean(1, keepdim=True)), Net(), X),
        (
            Net(read=lambda out: (out.sum(-1, keepdim=True).softmax(1) * out).sum(0)),
            Net(read=lambda out: (out.sum(-1, keepdim=True).softmax(0) * out).sum(0)),
            X,
        ),
    ],
    "carried state": [(Remembers(carries=True), Remembers(carries=False), X)],
    "reverse direction at its start": [
        (Net(bidirectional=True), Net(bidirectional=True, read=_both_ends), X),
        (
            Net(bidirectional=True, batch_first=True, read=lambda out: out[:, -1]),
            Net(bidirectional=True, batch_first=True, read=_both_ends_batch_first),
            BATCH_FIRST,
        ),
        (Packed(at_end=False), Packed(at_end=True), RAGGED),
        (TwoWays(at_ends=False), TwoWays(at_ends=True), X),
    ],
    "detached state": [
        (Stepped(detach_every=12), Stepped(), X),
        (WarmUp(follows=False), WarmUp(follows=True), X),
    ],
    "look-ahead": [
        (Net(before=normalised, read=lambda out: out), Net(before=past_normalised, read=lambda out: out), X),
    ],
    "one step only": [
        (Stepped(forgets=True), Stepped(), X),
        (Net(before=lambda x: x.flatten(0, 1)[None]), Net(), X),
    ],
}
BUGS = [(name, *case) for name, cases in CASES.items() for case in cases]
