"""Recurrent modules one on top of another, each with its own cell, size and direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.errors import CarouselError
from carousel.nn.frozen import Frozen, copied, is_plain
from carousel.nn.lengths import Lengths
from carousel.nn.options import share
from carousel.nn.recordings import Recording
from carousel.nn.recurrent import Recurrent
from carousel.nn.regularisers import dropout
from carousel.nn.resets import Resets
from carousel.nn.states import States
from carousel.nn.stepper import Stepper
from carousel.nn.torch_layer import FxLeaf
from carousel.nn.trace import Trace

Result = TypeVar("Result")


class Stack(nn.Module):
    """A recurrent network whose layers may differ in cell, size, directions and options.

    Args:
        modules: recurrent modules, each reading the output of the one before; their input sizes must fit.
        dropout: the share of values set to 0 between the modules while training.

    Raises:
        CarouselError: there is no module, or one is not recurrent, or an input size or batch_first does not fit.

    >>> import torch, carousel
    >>> stack = carousel.Stack(carousel.LSTM(3, 8, bidirectional=True), carousel.GRU(16, 5), dropout=0.1)
    >>> output, ((h_lstm, c_lstm), h_gru) = stack(torch.zeros(7, 2, 3))
    >>> output.shape, c_lstm.shape, h_gru.shape
    (torch.Size([7, 2, 5]), torch.Size([2, 2, 8]), torch.Size([1, 2, 5]))
    >>> [(trace.module, trace.direction) for trace in stack.trace(torch.zeros(7, 2, 3))]
    [('0', 'forward'), ('0', 'reverse'), ('1', 'forward')]
    >>> stepper = carousel.Stack(carousel.LSTM(3, 8), carousel.GRU(8, 5)).stepper(batch=2)
    >>> stepper.step(torch.zeros(2, 3)).shape
    torch.Size([2, 5])
    """

    def __init__(self, *modules: Recurrent, dropout: float = 0.0) -> None:
        super().__init__()
        if not modules:
            raise CarouselError(
                "A Stack needs at least one recurrent module, as in Stack(LSTM(3, 8), GRU(8, 5))."
            )
        for index, module in enumerate(modules):
            if not isinstance(module, Recurrent):
                raise CarouselError(
                    f"A Stack takes carousel's recurrent modules; number {index} is a {type(module).__name__}. "
                    "carousel.from_torch converts those of torch.nn."
                )
            if index:
                _check_fit(index, modules[index - 1], module)
            self.add_module(str(index), module)
        self.dropout = share("dropout", dropout)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Recurrent]:
        return iter(self._modules.values())  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Recurrent:
        return list(self)[index]

    @property
    def batch_first(self) -> bool:
        return self[0].batch_first

    @property
    def input_size(self) -> int:
        return self[0].input_size

    @property
    def output_size(self) -> int:
        """The width of the output, that of the last module."""
        return self[-1].output_size

    def reset_parameters(self) -> None:
        """Draw every parameter of every module anew."""
        for module in self:
            module.reset_parameters()

    def flatten_parameters(self) -> None:
        """Call `flatten_parameters` of each module: on a GPU it arranges the weights as cuDNN reads them."""
        for module in self:
            module.flatten_parameters()

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: Sequence[States | None] | None = None,
        *,
        lengths: Lengths | None = None,
        resets: Resets | None = None,
        mask: Tensor | None = None,
        reset_to: Sequence[States | None] | None = None,
    ) -> tuple[Any, tuple[States, ...]]:
        """Run the sequence through all modules.

        Args:
            input, lengths, resets, mask: as in `Recurrent.forward`; lengths, resets and mask hold for every module.
            hx, reset_to: the initial states, and the states after resets. Each has one entry for each module, in the
                form in which the module takes it, or None for zeros.

        Returns:
            The output of the last module, and the final states, one entry for each module: what `hx` takes.

        Raises:
            CarouselError: as `Recurrent.forward`, or hx or reset_to does not have one entry for each module.
        """
        return self._through(
            list(self), input, hx, lengths=lengths, resets=resets, mask=mask, reset_to=reset_to
        )

    def _through(
        self,
        calls: Sequence[Callable[..., tuple[Any, Result]]],
        x: Any,
        hx: Sequence[States | None] | None = None,
        reset_to: Sequence[States | None] | None = None,
        **steps: Any,
    ) -> tuple[Any, tuple[Result, ...]]:
        """Run what stands for each module on the output of the one before; the last output, and the other results."""
        results: list[Result] = []
        states = zip(calls, self._states("hx", hx), self._states("reset_to", reset_to), strict=True)
        for call, state, anew in states:
            x, result = call(self._between(x) if results else x, state, reset_to=anew, **steps)
            results.append(result)
        return x, tuple(results)

    def trace(self, x: Tensor, hx: Sequence[States | None] | None = None, **steps: Any) -> list[Trace]:
        """Every gate and state at every step, of all modules; see `Recurrent.trace`.

        Args:
            x: the input, no PackedSequence.
            hx: as in `forward`.
            steps: lengths, resets, mask and reset_to, as in `forward`.

        Returns:
            The traces of all modules; `trace.module` is the number of the module: "0", "1", ...
        """
        _, traces = self._through([module._traced for module in self], x, hx, **steps)
        return [replace(each, module=str(index)) for index, found in enumerate(traces) for each in found]

    def recording(self) -> Recording:
        """Record the calls of all modules; see `carousel.recording`."""
        return Recording(self)

    def frozen(self) -> FrozenStack:
        """This network for inference; see `Frozen`."""
        return FrozenStack(self)

    def stepper(self, batch: int | None = None, threads: int = 1) -> StackStepper:
        """This network one step at a time: `batch` sequences on `threads` threads, as in `Recurrent.stepper`."""
        return StackStepper([module.stepper(batch, threads) for module in self])

    def _states(self, name: str, hx: Sequence[States | None] | None) -> Sequence[States | None]:
        if hx is None:
            return [None] * len(self)
        if not isinstance(hx, (tuple, list)) or len(hx) != len(self):
            given = f"{len(hx)} entries" if isinstance(hx, (tuple, list)) else f"a {type(hx).__name__}"
            raise CarouselError(
                f"{name} must be a tuple with one entry for each of the {len(self)} modules, its states or None; "
                f"it is {given}."
            )
        return hx

    def _between(self, x: Any) -> Any:
        if not (self.training and self.dropout > 0):
            return x
        if isinstance(x, PackedSequence):
            return x._replace(data=dropout(x.data, self.dropout))
        return dropout(x, self.dropout)

    def extra_repr(self) -> str:
        return f"dropout={self.dropout}" if self.dropout else ""


class FrozenStack(FxLeaf):
    """A `stack` for inference, made by `stack.frozen()` and called as the stack is; see `Frozen`.

    >>> import torch, carousel
    >>> stack = carousel.Stack(carousel.LSTM(3, 8), carousel.GRU(8, 5)).eval()
    >>> x = torch.ones(7, 2, 3)
    >>> torch.equal(stack.frozen()(x)[0], stack(x)[0])
    True
    """

    _stack: Stack

    def __init__(self, stack: Stack) -> None:
        super().__init__()
        self.training = False
        vars(self)["_stack"] = copied(stack)
        self._frozen = [Frozen.__new__(Frozen)._own(module) for module in self._stack]
        for index, frozen in enumerate(self._frozen):
            self.add_module(str(index), frozen)
        self._is_plain = is_plain(self._stack)

    def train(self, mode: bool = True) -> FrozenStack:
        """A frozen stack stays in eval mode, whatever `mode` is."""
        return self

    def forward(
        self, input: Tensor | PackedSequence, hx: Sequence[States | None] | None = None, **steps: Any
    ) -> tuple[Any, tuple[States, ...]]:
        """As `Stack.forward`, whose arguments, results and errors these are."""
        if self._is_plain:
            return self._stack._through(self._frozen, input, hx, **steps)
        with torch.no_grad():
            return self._stack(input, hx, **steps)

    def __repr__(self) -> str:
        return f"FrozenStack({self._stack})"


class StackStepper:
    """The steppers of all modules, made by `stack.stepper()`. The output of each is the input of the next."""

    def __init__(self, steppers: list[Stepper]) -> None:
        self._steppers = steppers

    def step(self, x: Any, out: Any = None) -> Any:
        """As `Stepper.step`, through all modules."""
        *below, last = self._steppers
        if out is not None:
            last._check_out(out)
        for stepper in below:
            x = stepper.step(x)
        return last.step(x, out)

    @property
    def state(self) -> tuple[tuple[Tensor, ...], ...]:
        """A copy of the state, one entry for each module."""
        return tuple(stepper.state for stepper in self._steppers)

    @state.setter
    def state(self, values: Sequence[Any]) -> None:
        if len(values) != len(self._steppers):
            raise CarouselError(
                f"state must have one entry for each of the {len(self._steppers)} modules; it has {len(values)}."
            )
        for stepper, value in zip(self._steppers, values, strict=True):
            stepper.state = value

    def reset(self) -> None:
        """Begin a new sequence: every state becomes zero."""
        for stepper in self._steppers:
            stepper.reset()


def _check_fit(index: int, below: Recurrent, module: Recurrent) -> None:
    if module.input_size != below.output_size:
        raise CarouselError(
            f"Module {index} of a Stack reads module {index - 1}, so that it must have input_size {below.output_size}; "
            f"its input_size is {module.input_size}."
        )
    if module.batch_first != below.batch_first:
        raise CarouselError(
            f"The modules of a Stack must agree on batch_first; that of module {index - 1} is {below.batch_first}, "
            f"that of module {index} is {module.batch_first}."
        )
