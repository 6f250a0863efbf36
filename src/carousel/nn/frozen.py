"""Inference: the weights as they are now, packed once, and as little as possible around the compiled loop."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from carousel.nn.lengths import Lengths
from carousel.nn.resets import Resets
from carousel.nn.sequences import Padded
from carousel.nn.states import States, check_states
from carousel.ops import FrozenLayer, takes_kernel
from carousel.ops.autocast import autocasts_bfloat16
from carousel.ops.transforms import transformed, untouched

if TYPE_CHECKING:
    from carousel.nn.recurrent import Recurrent


class Frozen:
    """A recurrent network that only infers, made by `module.frozen()`.

    It is called as the module is, and returns what the module returns in `eval()` under `torch.no_grad()`, to the last
    bit. It has a copy of the weights (later changes of the module do not reach it), which it packs at its first call,
    where the module packs them at each. Short calls gain most; shapes may change from call to call, at the cost of
    packing again. Threads may share it.

    >>> import torch
    >>> from carousel.nn import LSTM
    >>> module = LSTM(3, 5).eval()
    >>> infer, x = module.frozen(), torch.ones(7, 2, 3)
    >>> output, (h_n, c_n) = infer(x)
    >>> torch.equal(output, module(x)[0])
    True
    """

    def __init__(self, module: Recurrent) -> None:
        self._module = copy.deepcopy(module).eval().requires_grad_(False)
        self._layers = _frozen(self._module)

    @torch.no_grad()
    def __call__(
        self,
        input: Tensor | PackedSequence,
        hx: States | None = None,
        *,
        lengths: Lengths | None = None,
        resets: Resets | None = None,
    ) -> tuple[Any, States]:
        """As `Recurrent.forward`, whose arguments, results and errors these are."""
        if lengths is None and resets is None and isinstance(input, Tensor) and self._takes(input):
            return self._run(Padded(input, self._module.batch_first), hx)
        return self._module(input, hx, lengths=lengths, resets=resets)

    def _takes(self, input: Tensor) -> bool:
        """Plain numbers of the weights' kind, of the right width: all else is the module's business."""
        return (
            bool(self._layers)
            and input.dtype == self._layers[0][0].dtype
            and input.is_cpu
            and input.dim() in (2, 3)
            and input.shape[-1] == self._module.input_size
            and input.numel() > 0
            and untouched([input])
            and not transformed()
            and not autocasts_bfloat16()
        )

    def _run(self, sequence: Padded, hx: States | None) -> tuple[Any, States]:
        module, x = self._module, sequence.x
        parts, names = module.num_layers * len(module.directions), module.cell.states
        initial = None
        if hx is not None:
            given = check_states(hx, names, sequence.state_shape(parts, module.hidden_size), x)
            initial = [sequence.state_in(state).contiguous() for state in given]
        finals = [x.new_empty(parts, sequence.batch, module.hidden_size) for _ in names]
        index = 0
        for directions in self._layers:
            outputs = []
            for layer in directions:
                outputs.append(layer.run(x, initial, finals, index))
                index += 1
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        states = tuple(sequence.state_out(final) for final in finals)
        return sequence.out(x), states[0] if len(states) == 1 else states

    def __reduce__(self) -> tuple[Any, ...]:
        return Frozen, (self._module,)  # for pickle and deepcopy: weights are packed again

    def __repr__(self) -> str:
        return f"Frozen({self._module})"


def _frozen(module: Recurrent) -> list[list[FrozenLayer]]:
    """The directions of each layer; nothing where a part of the module does without a compiled kernel."""
    equations, layers = module.cell.equations, []
    for index, parts in enumerate(module._layers):
        inputs = module.hidden_size * len(parts) if index else module.input_size
        directions = []
        for part in parts:
            weights = {name: getattr(module, full) for name, full in part.names.items()}
            if not weights or not takes_kernel(equations, list(weights.values())):
                return []
            directions.append(FrozenLayer(equations, weights, inputs, module.hidden_size, part.reverse))
        layers.append(directions)
    return layers
