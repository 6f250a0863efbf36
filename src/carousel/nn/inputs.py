"""The arguments of a call of a recurrent module, checked and in the layout in which layers compute."""

from __future__ import annotations

from typing import NamedTuple, TypedDict

import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from carousel.emit.call import Call
from carousel.equations import Equations
from carousel.errors import CarouselError
from carousel.nn.lengths import Lengths, Ragged
from carousel.nn.precision import Numbers, cast, matching, numbers_of
from carousel.nn.resets import Resets, StepMasks
from carousel.nn.sequence_layout import Packed, Padded
from carousel.nn.states import States, check_states
from carousel.nn.step_masks import Segments, open_input
from carousel.nn.torch_layer import Parameters, TorchLayer


class StepOptions(TypedDict, total=False):
    """Which steps count, and where the state is reset: the keyword arguments of a call, see `Recurrent.forward`."""

    lengths: Lengths | None
    resets: Resets | None
    mask: Tensor | None
    reset_to: States | None


class Inputs(NamedTuple):
    """A sequence and its initial states.

    x: the steps of the sequence. initial: the states as layers take them; given: as the caller gave them. begins:
    before which steps each direction starts from zero. is_zero: are all initial states zero?
    """

    sequence: Padded | Packed | Ragged | Segments
    x: Tensor
    initial: list[Tensor]
    given: list[Tensor]
    begins: StepMasks
    numbers: Numbers
    is_zero: bool

    def call(
        self, equations: Equations, reverse: bool, x: Tensor, initial: list[Tensor], parameters: Parameters
    ) -> Call:
        """The call of one layer in one direction."""
        sizes, begins = self.sequence.batch_sizes, self.begins[reverse]
        return Call(equations, x, initial, parameters, reverse, sizes, begins, self.numbers.bfloat16)


def open_inputs(
    module: TorchLayer,
    input: Tensor | PackedSequence,
    hx: States | None,
    lengths: Lengths | None = None,
    resets: Resets | None = None,
    mask: Tensor | None = None,
    reset_to: States | None = None,
) -> Inputs:
    """Check the arguments of a call and bring them into the layout in which layers compute."""
    anew = reset_to is not None
    sequence, begins = open_input(
        input, module.batch_first, module.bidirectional, lengths, mask, resets, anew
    )
    weight = module.first_weight(sequence.x)
    if sequence.x.shape[-1] != module.input_size:
        given_shape = tuple(input.data.shape if isinstance(input, PackedSequence) else input.shape)
        raise CarouselError(
            f"input must have width input_size = {module.input_size} in its last dimension; "
            f"its shape is {given_shape}."
        )
    numbers = numbers_of(weight)
    x = cast(matching("input", sequence.x, weight), numbers.inside)
    names, layers = module.cell.states, module.num_layers * len(module.directions)
    sizes = [module.proj_size or module.hidden_size] + [module.hidden_size] * (len(names) - 1)
    shapes = [sequence.state_shape(layers, size) for size in sizes]
    if hx is None:
        zeros = {
            size: torch.zeros(sequence.state_shape(layers, size), dtype=x.dtype, device=x.device)
            for size in dict.fromkeys(sizes)
        }
        given = [zeros[size] for size in sizes]
    else:
        given = [cast(state, numbers.inside) for state in check_states(hx, names, shapes, weight)]
    if reset_to is not None and isinstance(sequence, Segments):
        states = check_states(reset_to, names, shapes, weight, "reset_to", expands=True)
        resets_to = [cast(state, numbers.inside) for state in states]
        initial = [sequence.state_in(*both) for both in zip(given, resets_to, strict=True)]
    else:
        initial = [sequence.state_in(state) for state in given]
    return Inputs(sequence, x, initial, given, begins, numbers, is_zero=hx is None and not anew)
