"""The calls of one recurrent module brought into one form: time first, a batch, lengths, in the caller's order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from carousel.diagnosis.observation.recording import Call, map_tensors


@dataclass(frozen=True, eq=False)
class ModuleRun:
    """One sequence of steps of a module, in one call or in several that follow each other.

    Attributes:
        inputs: (T, B, I); lengths: (B,); initial: one (L, B, H) for each state.
        outputs: (T, B, D H), what the module gave out.
        output_gradient: (T, B, D H), what the loss sent to the outputs from outside.
        state_gradients: after which step (T of a call's end) -> what it sent to the states there, one (L, B, H) each;
            a sequence that ends before has it at its own end.
        stepwise: whether each call was one step (RNNCell, LSTMCell, GRUCell).
        autocast: whether its products were rounded to half precision by torch.autocast.
        runs: how many runs of calls the module had; this is the longest of them.
        resets: bool (T, B), true at the steps before which the state became zero; None if there were none.
    """

    path: str
    module: nn.Module
    inputs: Tensor
    lengths: Tensor
    initial: tuple[Tensor, ...]
    outputs: Tensor
    output_gradient: Tensor
    state_gradients: dict[int, tuple[Tensor, ...]]
    batch_first: bool = False
    unbatched: bool = False
    stepwise: bool = False
    resets: Tensor | None = None
    autocast: bool = False
    runs: int = 1

    @classmethod
    def of(cls, calls: Sequence[Call], dtype: torch.dtype) -> ModuleRun:
        """One run from calls that follow each other."""
        parts = [_module_run(call, dtype) for call in calls]
        if len(parts) == 1:
            return parts[0]
        ends: dict[int, tuple[Tensor, ...]] = {}
        time = 0
        for part, following in zip(parts, [*calls[1:], None], strict=True):
            time += part.inputs.shape[0]
            [gradients] = part.state_gradients.values()
            if following is not None:  # what flows on through the next call is found there, step by step
                through = _gradients(following, following.initial_probes, gradients, dtype)
                gradients = tuple(all_ - some for all_, some in zip(gradients, through, strict=True))
            ends[time] = gradients
        return replace(
            parts[0],
            inputs=torch.cat([part.inputs for part in parts]),
            lengths=torch.stack([part.lengths for part in parts]).sum(dim=0),
            outputs=torch.cat([part.outputs for part in parts]),
            output_gradient=torch.cat([part.output_gradient for part in parts]),
            state_gradients=ends,
        )

    def most(self, instances: int | None) -> ModuleRun:
        """The first sequences of the batch only."""
        if instances is None or instances >= self.inputs.shape[1]:
            return self
        some = slice(0, instances)
        longest = int(self.lengths[some].max())
        return replace(
            self,
            inputs=self.inputs[:longest, some],
            lengths=self.lengths[some],
            initial=tuple(state[:, some] for state in self.initial),
            outputs=self.outputs[:longest, some],
            output_gradient=self.output_gradient[:longest, some],
            state_gradients={
                min(t, longest): tuple(g[:, some] for g in each) for t, each in self.state_gradients.items()
            },
            resets=None if self.resets is None else self.resets[:longest, some],
        )


def module_runs(calls: Sequence[Call], dtype: torch.dtype, gradients: bool = True) -> list[ModuleRun]:
    """One run for each module: its longest run of calls of which each goes on where the last one ended.

    Where gradients were taken, a state that was detached on its way ends the run.
    """
    by_path: dict[str, list[list[Call]]] = {}
    for call in calls:
        runs = by_path.setdefault(call.path, [])
        if runs and _goes_on(runs[-1][-1], call, gradients):
            runs[-1].append(call)
        else:
            runs.append([call])
    return [
        replace(
            max((ModuleRun.of(each, dtype) for each in runs), key=lambda run: int(run.lengths.sum())),
            runs=len(runs),
        )
        for runs in by_path.values()
    ]


def _goes_on(last: Call, call: Call, gradients: bool) -> bool:
    if call.hx is None or getattr(call.module, "bidirectional", False) or (gradients and not call.follows):
        return False
    plain = all(
        isinstance(each.input, Tensor) and each.lengths is None and each.resets is None
        for each in (last, call)
    )
    return plain and len(call.hx) == len(last.final) and all(map(torch.equal, last.final, call.hx))


def _module_run(call: Call, dtype: torch.dtype) -> ModuleRun:
    module = call.module
    stepwise = isinstance(module, nn.RNNCellBase)
    batch_first = bool(getattr(module, "batch_first", False))
    unbatched = isinstance(call.input, Tensor) and call.input.dim() == (1 if stepwise else 2)

    def padded(value: Any) -> tuple[Tensor, Tensor]:
        if isinstance(value, PackedSequence):
            return pad_packed_sequence(value)
        value = value.unsqueeze(0) if stepwise else value
        value = value.unsqueeze(1) if unbatched else value
        value = value.transpose(0, 1) if batch_first and not unbatched and not stepwise else value
        return value, torch.full((value.shape[1],), value.shape[0], dtype=torch.int64)

    inputs, lengths = padded(call.input)
    if call.lengths is not None:
        lengths = torch.as_tensor(call.lengths).to("cpu", torch.int64)
    outputs = _plain(padded(call.output)[0], dtype)
    sent = call.gradient(call.output_probe)
    output_gradient = torch.zeros_like(outputs)
    if sent is not None:
        output_gradient = _plain(padded(map_tensors(lambda _: sent, call.output))[0], dtype)
    finals = tuple(_states(state, call, dtype) for state in call.final)
    initial = finals if call.hx is None else call.hx
    return ModuleRun(
        path=call.path,
        module=module,
        inputs=_plain(inputs, dtype),
        lengths=lengths,
        initial=tuple(
            torch.zeros_like(state) if call.hx is None else _states(state, call, dtype) for state in initial
        ),
        outputs=outputs,
        output_gradient=output_gradient,
        state_gradients={len(inputs): _gradients(call, call.final_probes, finals, dtype)},
        batch_first=batch_first,
        unbatched=unbatched,
        stepwise=stepwise,
        resets=None if call.resets is None else padded(call.resets)[0].bool().cpu(),
        autocast=call.autocast,
    )


def _gradients(
    call: Call, probes: Sequence[Tensor], like: Sequence[Tensor], dtype: torch.dtype
) -> tuple[Tensor, ...]:
    """What the loss sent to states, one (L, B, H) each; zeros where it sent nothing."""
    sent = [call.gradient(probe) for probe in probes]
    return tuple(
        torch.zeros_like(state) if each is None else _states(each, call, dtype)
        for each, state in zip(sent, like, strict=True)
    )


def _states(state: Tensor, call: Call, dtype: torch.dtype) -> Tensor:
    """A state of the module, or its gradient, as (L, B, H)."""
    if isinstance(call.module, nn.RNNCellBase):
        state = state.unsqueeze(0)
    return _plain(state.unsqueeze(1) if state.dim() == 2 else state, dtype)


def _plain(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().to("cpu", dtype)
