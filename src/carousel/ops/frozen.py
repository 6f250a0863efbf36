"""One layer in one direction with constant weights, which are checked and described once for many calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from carousel import _core
from carousel.emit.call import Call
from carousel.equations import Equations
from carousel.errors import CarouselError
from carousel.ops import kernels
from carousel.ops.checked_arrays import Arrays
from carousel.ops.memory_checks import check_data


class FrozenLayer:
    """A compiled layer whose weights must not change.

    equations: those of a cell with a kernel. parameters: plain tensors on the CPU, of one dtype, by the names of
    `equations.layout`. kept: stores the packed weights.
    """

    def __init__(
        self,
        equations: Equations,
        parameters: Mapping[str, Tensor],
        inputs: int,
        hidden: int,
        reverse: bool,
        kept: _core.Kept,
    ) -> None:
        self._parameters = {
            name: parameters[name].detach().contiguous()
            for name in equations.layout.names
            if name in parameters
        }
        some = next(iter(self._parameters.values()))
        zeros = some.new_zeros(1, 1, inputs), [some.new_zeros(1, hidden)] * len(equations.states)
        checked = Arrays(Call(equations, *zeros, self._parameters))  # raises if a parameter is wrong
        self._addresses = checked.addresses(checked.parameters)
        self._numbers, self.dtype = checked.numbers, some.dtype
        self._key, self._inputs, self._hidden, self._reverse = equations.key, inputs, hidden, reverse
        self._program = kernels.core_program(equations.text)
        self._kept = kept

    def run(
        self, x: Tensor, initial: Sequence[Tensor] | None, finals: Sequence[Tensor], index: int
    ) -> Tensor:
        """Run x (T, B, I) of any strides; fill `finals` and return the output, (T, B, H).

        initial, finals: (L, B, H) for each state, of which number `index` is this layer's. None stands for zeros.
        """
        time, batch, inputs = x.shape
        if inputs != self._inputs or x.dtype != self.dtype or not x.is_cpu or not x.numel():
            raise CarouselError(
                f"This frozen layer takes x (T, B, {self._inputs}) in {self.dtype} on the CPU; it got "
                f"{tuple(x.shape)} in {x.dtype} on {x.device}."
            )
        check_data((x, *(initial or ())))
        x = x if x.stride(2) == 1 else x.contiguous()
        output = x.new_empty(time, batch, self._hidden)
        above = index * batch * self._hidden * x.element_size()
        call = _core.Call(
            time=time,
            batch=batch,
            inputs=inputs,
            hidden=self._hidden,
            reverse=self._reverse,
            threads=torch.get_num_threads(),
            batch_sizes=0,
            x=x.data_ptr(),
            resets=0,
            x_step=x.stride(0),
            x_row=x.stride(1),
            parameters=self._addresses,
            initial=[
                0 if initial is None else self._at(initial[s], above, batch) for s in range(len(finals))
            ],
            output=output.data_ptr(),
            final=[self._at(state, above, batch) for state in finals],
            tape=0,
        )
        _core.forward(self._program, self._key, self._numbers, call, self._kept)
        return output

    def _at(self, states: Tensor, above: int, batch: int) -> int:
        """The address of this layer's state."""
        if (
            states.shape[1:] != (batch, self._hidden)
            or states.dtype != self.dtype
            or not states.is_contiguous()
        ):
            raise CarouselError(
                f"States of a frozen layer are contiguous, (L, {batch}, {self._hidden}) in {self.dtype}; they are "
                f"{tuple(states.shape)} in {states.dtype}."
            )
        return states.data_ptr() + above
