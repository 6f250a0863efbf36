"""Any cell as a torch module: layers, directions, lengths, dropout between layers."""

from __future__ import annotations

from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.emit.call import Call
from carousel.equations import Cell, Equations
from carousel.equations.masked import Masked
from carousel.errors import CarouselError
from carousel.nn.computed_weights import compute_weights
from carousel.nn.frozen import Frozen
from carousel.nn.inputs import Inputs, StepOptions, open_inputs
from carousel.nn.lengths import Lengths
from carousel.nn.options import positive, probability, switch
from carousel.nn.precision import cast
from carousel.nn.projected import projected
from carousel.nn.recordings import Recording
from carousel.nn.regularisers import RegulariserOptions, Regularisers, dropout, locked
from carousel.nn.resets import Resets
from carousel.nn.sequence_layout import Packed
from carousel.nn.states import States
from carousel.nn.stepper import Stepper
from carousel.nn.torch_layer import Part, RunPart, TorchLayer
from carousel.nn.trace import Trace
from carousel.ops import Tape, recorded, recurrence, traced
from carousel.ops.autocast import outside_autocast


class Recurrent(TorchLayer):
    """A recurrent network of any cell, with the interface of torch.nn's recurrent modules.

    Parameters have the names and shapes of `cell.equations.layout` with torch's suffixes, such as `weight_ih_l0` and
    `weight_hh_l1_reverse`. Their initial values are uniform in [-1/sqrt(H), 1/sqrt(H)], as in torch.nn, unless the
    cell sets others.

    Args:
        cell: a Cell, or its class.
        input_size: I, the width of each step of the input.
        hidden_size: H, the width of each state.
        num_layers: how many layers are stacked.
        bias: whether products have biases.
        batch_first: tensors are (B, T, I) instead of (T, B, I); states are not affected.
        dropout: the share of values set to 0 between layers while training.
        bidirectional: each layer also runs from the end of the sequence; outputs are (.., 2 H).
        device, dtype: those of the parameters.
        locked_dropout, weight_drop, recurrent_dropout: regularisers that work only while training; see
            `carousel.nn.regularisers.Regularisers`.

    Raises:
        CarouselError: an option is outside its range.

    >>> import torch
    >>> from carousel.equations import Cell, affine, sigmoid, tanh
    >>> class MinimalGatedUnit(Cell):
    ...     '''Zhou et al. 2016.'''
    ...     def step(self, x, h):
    ...         f = sigmoid(affine("f", x, h))
    ...         n = tanh(affine("n", x, f * h))
    ...         return (1 - f) * h + f * n
    >>> module = Recurrent(MinimalGatedUnit, input_size=3, hidden_size=5, num_layers=2, bidirectional=True)
    >>> output, h_n = module(torch.zeros(7, 4, 3))
    >>> output.shape, h_n.shape
    (torch.Size([7, 4, 10]), torch.Size([4, 4, 5]))
    """

    proj_size = 0  # for code that asks torch's modules
    _usual: tuple[
        tuple[str, Any], ...
    ] = ()  # options of a subclass, with the values that its repr leaves out
    _masked_equations: Equations | None = None

    def __init__(
        self,
        cell: Cell | type[Cell],
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: torch.dtype | None = None,
        **regularisers: Unpack[RegulariserOptions],
    ) -> None:
        nn.Module.__init__(self)
        self.cell = _cell(cell)
        self.regularisers = Regularisers(**regularisers)
        self._trace_cell()
        self.input_size = positive("input_size", input_size)
        self.hidden_size = positive("hidden_size", hidden_size)
        self.num_layers = positive("num_layers", num_layers)
        self.bias = switch("bias", bias)
        self.batch_first = switch("batch_first", batch_first)
        self.bidirectional = switch("bidirectional", bidirectional)
        self.dropout = probability(dropout, self.num_layers)
        self._layers = [self._create_layer(layer, device, dtype) for layer in range(self.num_layers)]
        self.reset_parameters()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: recordings do not see a copy."""
        gone = ("_recorders", "_equations", "_masked_equations", "_kept")
        return {name: value for name, value in nn.Module.__getstate__(self).items() if name not in gone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._trace_cell()

    def _trace_cell(self) -> None:
        """Trace the cell before the first call, because torch.compile cannot follow the tracing of a cell."""
        self._equations = _known(self.cell.equations)
        if self.regularisers.recurrent_dropout > 0:
            self._masked()

    def _masked(self) -> Equations:
        """The equations of the cell with the mask of `recurrent_dropout`."""
        if self._masked_equations is None:
            self._masked_equations = _known(Masked(self.cell).equations)
        return self._masked_equations

    def forward(
        self,
        input: Tensor | PackedSequence,
        hx: States | None = None,
        *,
        lengths: Lengths | None = None,
        resets: Resets | None = None,
        mask: Tensor | None = None,
        reset_to: States | None = None,
    ) -> tuple[Any, States]:
        """Run the sequence.

        Args:
            input: (T, B, I), (B, T, I) with batch_first, (T, I) unbatched, or a PackedSequence in any order.
            hx: the initial state (layers x directions, B, H), without B if unbatched; for a cell with several
                states a tuple of them, such as (h_0, c_0). Zeros if None.
            lengths: how many steps of each sequence count, (B,), each from 0 to T, in any order. The rest is padding,
                which is neither read nor computed. After the end of a sequence the output is 0. The final state is
                that at the end of the sequence, and the reverse direction begins there. The final state of a sequence
                without a step is its initial state.
            resets: bool, true at the steps before which the state becomes zero, such as the first step of an episode or
                a document: (T, B), (B, T) with batch_first, (T,) unbatched; a PackedSequence if the input is one. If
                resets is true at t, nothing passes between the steps t - 1 and t, in either direction and in any layer.
            mask: bool, true at the steps that count, in the shape of resets. It takes the place of lengths, and any
                steps may be left out. Such a step is neither read nor computed. It keeps the state, and its output is
                0. A reset at such a step takes place at the next step that counts.
            reset_to: the state after a reset, in place of zero, in each direction: in the form of hx, with a batch of B
                or 1. Gradients reach it from every reset. hx stays the state before the first step.

        Returns:
            The output in the form of the input, of width H, or 2 H if bidirectional (P in the place of H with
            proj_size), and the final states in the form of hx. With weights in bfloat16, and under
            `torch.autocast("cpu", torch.bfloat16)`, products are in bfloat16, sums and states in float32, results in
            bfloat16 (nn/precision.py).

        Raises:
            CarouselError: the rank, size, dtype or device of the input or a state is wrong, or lengths, resets, mask
                or reset_to do not fit the input.

        >>> import torch
        >>> from carousel.nn import GRU
        >>> module = GRU(3, 5)
        >>> output, h_n = module(torch.ones(7, 2, 3), lengths=[4, 7])
        >>> output[4:, 0].any().item(), torch.equal(h_n[0, 0], output[3, 0])
        (False, True)
        """
        inputs = open_inputs(self, input, hx, lengths, resets, mask, reset_to)
        sequence, numbers = inputs.sequence, inputs.numbers
        masked = self.training and self.regularisers.recurrent_dropout > 0
        if masked and resets is not None and reset_to is None:
            raise CarouselError(
                "recurrent_dropout keeps its mask as a state, which resets would clear; train without one of the two, "
                "or give reset_to=, as zeros."
            )
        equations = self._masked() if masked else self._equations
        tapes: list[tuple[int, str, Tape]] = []
        kept = self._kept.parts if self._kept and not self.proj_size and self._kept.are_current() else None
        recorders = self._recorders  # of this call, though they may change while it runs

        def run(part: Part, call: Call) -> tuple[Tensor, list[Tensor]]:
            if masked:
                call = call._replace(initial=[*call.initial, self.regularisers.mask(call.initial[0])])
            if recorders:
                output, final, tape = recorded(call)
                tapes.append((part.layer, part.direction, tape))
            else:
                output, final = recurrence(call, kept[part.index] if kept else None)
            return output, final[: len(inputs.given)]

        output, finals = self._stack(inputs, equations, run)
        for recorder, path in recorders:
            recorder._keep(path, tapes, sequence.out)
        states = tuple(
            cast(sequence.state_out(final, first), numbers.outside)
            for final, first in zip(finals, inputs.given, strict=True)
        )
        return sequence.out(cast(output, numbers.outside)), states[0] if len(states) == 1 else states

    def recording(self) -> Recording:
        """Record the gates and states of every call inside a block, and their gradients; see `carousel.recording`."""
        return Recording(self)

    def trace(self, x: Tensor, hx: States | None = None, **steps: Unpack[StepOptions]) -> list[Trace]:
        """Every gate and state at every step, by the names of the equations.

        Args:
            x, hx: as in `forward`, but x is no PackedSequence.
            steps: lengths, resets, mask and reset_to, as in `forward`.

        Returns:
            One Trace for each layer and direction, in the order of the final states. In training mode, dropout
            between layers and of weights is drawn as in `forward`. Recurrent dropout is left out.

        Raises:
            CarouselError: as `forward`.

        >>> import torch
        >>> from carousel.nn import LSTM
        >>> [trace] = LSTM(3, 5).trace(torch.zeros(7, 2, 3))
        >>> {name: tuple(value.shape) for name, value in trace.values.items() if name in "fc"}
        {'f': (7, 2, 5), 'c': (7, 2, 5)}
        """
        return self._traced(x, hx, **steps)[1]

    def _traced(
        self, x: Tensor, hx: States | None, **steps: Unpack[StepOptions]
    ) -> tuple[Tensor, list[Trace]]:
        """The output, and what `trace` returns."""
        compute_weights(self)
        inputs = open_inputs(self, x, hx, **steps)
        sequence, numbers = inputs.sequence, inputs.numbers
        if isinstance(sequence, Packed):
            raise CarouselError(
                "trace needs a tensor; it got a PackedSequence. Give a padded tensor and its lengths=, or trace each "
                "sequence alone, as (T, I): "
                "[module.trace(each) for each in torch.nn.utils.rnn.unpack_sequence(packed)]."
            )
        traces: list[Trace] = []

        def run(part: Part, call: Call) -> tuple[Tensor, list[Tensor]]:
            output, values = traced(call)
            outside = {name: sequence.out(value) for name, value in values.items()}
            traces.append(Trace(part.layer, part.direction, outside))
            return output, call.initial

        output, _ = self._stack(inputs, self._equations, run)
        return sequence.out(cast(output, numbers.outside)), traces

    def frozen(self) -> Frozen:
        """This network for inference, with a copy of its weights that is packed once; see `Frozen`."""
        return Frozen(self)

    def stepper(self, batch: int | None = None, threads: int = 1) -> Stepper:
        """This network one step at a time, with packed weights and a state of its own; see `Stepper`.

        Args:
            batch: how many sequences run side by side. None means one sequence, and arrays without a batch dimension.
            threads: at most the number of cores, or 8 if there are fewer cores. A second thread saves time from about
                256 units.

        Raises:
            CarouselError: there are too many threads or too little memory; or the network is bidirectional, not on the
                CPU, not in float32 or float64, or has proj_size.

        >>> import torch
        >>> from carousel.nn import GRU
        >>> stepper = GRU(3, 5).stepper(batch=2)
        >>> stepper.step(torch.zeros(2, 3)).shape
        torch.Size([2, 5])
        """
        if self.proj_size:
            raise CarouselError(
                "A stepper takes no LSTM with proj_size. Call the module step by step instead: "
                "output, hx = module(x.unsqueeze(0), hx)."
            )
        return Stepper(self, batch, threads)

    def _stack(self, inputs: Inputs, equations: Equations, run: RunPart) -> tuple[Tensor, list[Tensor]]:
        """Run the layers, each on the output of the one below; the output of the last, and all final states."""
        x, batch_sizes, finals = inputs.x, inputs.sequence.batch_sizes, []
        run = projected(run, inputs.is_zero, self.hidden_size) if self.proj_size else run
        with outside_autocast(x.device.type):
            for parts in self._layers:
                if parts[0].layer > 0 and self.dropout > 0 and self.training:
                    per_sequence = self.regularisers.locked_dropout
                    x = locked(x, self.dropout, batch_sizes) if per_sequence else dropout(x, self.dropout)
                outputs = []
                for part in parts:
                    parameters = {name: cast(value, x.dtype) for name, value in self._weights(part).items()}
                    parameters = self.regularisers.weights(parameters) if self.training else parameters
                    initial = [state[part.index] for state in inputs.initial]
                    output, final = run(part, inputs.call(equations, part.reverse, x, initial, parameters))
                    outputs.append(output)
                    finals.append(final)
                x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        return x, [torch.stack(state) for state in zip(*finals, strict=True)]

    def extra_repr(self) -> str:
        parts = [str(self.input_size), str(self.hidden_size)]
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        drawn = {name: (value, type(value)()) for name, value in vars(self.regularisers).items()}
        given = {name: (getattr(self, name), value) for name, value in usual.items()} | drawn
        given |= {name: (getattr(self, name), value) for name, value in self._usual}
        parts += [f"{name}={value}" for name, (value, usually) in given.items() if value != usually]
        return ", ".join([type(self.cell).__name__, *parts] if type(self) is Recurrent else parts)


def _known(equations: Equations) -> Equations:
    """Compute what a call reads of the equations."""
    equations.key, equations.text, equations.layout.names  # noqa: B018
    return equations


def _cell(cell: Cell | type[Cell]) -> Cell:
    instance = cell() if isinstance(cell, type) and issubclass(cell, Cell) else cell
    if not isinstance(instance, Cell):
        raise CarouselError(f"cell must be a carousel.Cell or a subclass of it; it is {cell!r}.")
    return instance
