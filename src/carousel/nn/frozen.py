"""Inference with a copy of the weights that is packed once, and with little Python around the compiled loop."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, TypeVar, Unpack

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from carousel.nn.inputs import StepOptions
from carousel.nn.sequence_layout import Padded
from carousel.nn.states import States, check_states
from carousel.nn.torch_layer import FxLeaf, PackedWeights, TorchLayer
from carousel.ops import FrozenLayer, takes_kernel
from carousel.ops.autocast import autocasts_bfloat16
from carousel.ops.transforms import profiled, runs_eagerly, transformed

Network = TypeVar("Network", bound=nn.Module)


class Frozen(FxLeaf):
    """A recurrent network for inference alone, made by `module.frozen()`.

    A frozen network is called as the module is, and returns what the module returns in `eval()` under
    `torch.no_grad()`, to the last bit. It copies the weights of the `module`, which later changes of the module do not
    reach. It packs them at its first call, where the module packs them at each call, so short calls gain most. Threads
    may share it.

    The weights are buffers under the names that the module gives them. An optimiser does not see them. `state_dict()`
    contains them, `load_state_dict()` accepts those of a module or of a frozen network, `to()` moves them, and
    `torch.func.functional_call` replaces them. They must not be changed in another way. A frozen network stays in eval
    mode after `train()`.

    >>> import torch
    >>> from carousel.nn import LSTM
    >>> module = LSTM(3, 5).eval()
    >>> infer, x = module.frozen(), torch.ones(7, 2, 3)
    >>> output, (h_n, c_n) = infer(x)
    >>> torch.equal(output, module(x)[0])
    True
    """

    _module: TorchLayer

    def __init__(self, module: TorchLayer) -> None:
        self._own(copied(module))

    def _own(self, module: TorchLayer) -> Frozen:
        """Take a module that nobody else uses, and share its registers of buffers and modules."""
        super().__init__()
        self.training = False
        vars(self)["_module"] = module
        self._buffers, self._modules = module._buffers, module._modules
        self.register_load_state_dict_post_hook(_pack_again)
        self._pack()
        return self

    def _pack(self) -> None:
        """Forget the packed weights: the next call packs those of now."""
        self._packed = self._module._kept = PackedWeights(self._module)
        self._layers = _frozen_layers(self._module, self._packed)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Frozen:
        super()._apply(fn, recurse)
        self._pack()
        return self

    def train(self, mode: bool = True) -> Frozen:
        """A frozen network stays in eval mode, whatever `mode` is."""
        return self

    def forward(
        self, input: Tensor | PackedSequence, hx: States | None = None, **steps: Unpack[StepOptions]
    ) -> tuple[Any, States]:
        """As `Recurrent.forward`, whose arguments, results and errors these are."""
        is_whole = not steps or all(each is None for each in steps.values())
        if is_whole and isinstance(input, Tensor) and self._takes(input, hx):
            return self._run(Padded(input, self._module.batch_first), hx)
        with torch.no_grad():
            return self._module(input, hx, **steps)

    def _takes(self, input: Tensor, hx: States | None) -> bool:
        """Can the compiled layers run this input? The module runs everything else."""
        states = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
        return (
            bool(self._layers)
            and self._packed.are_current()
            and input.dtype == self._layers[0][0].dtype
            and input.is_cpu
            and input.dim() in (2, 3)
            and input.shape[-1] == self._module.input_size
            and input.numel() > 0
            and runs_eagerly((input, *states))
            and not transformed()
            and not autocasts_bfloat16()
            and not profiled()  # the path through the module has a name in the profile
        )

    def _run(self, sequence: Padded, hx: States | None) -> tuple[Any, States]:
        # of tensors with a history only addresses are used: none is recorded
        module, x = self._module, sequence.x
        parts, names = module.num_layers * len(module.directions), module.cell.states
        initial = None
        if hx is not None:
            shape = sequence.state_shape(parts, module.hidden_size)
            given = check_states(hx, names, [shape] * len(names), x)
            initial = [sequence.state_in(state).contiguous() for state in given]
        finals = [x.new_empty(parts, sequence.batch, module.hidden_size) for _ in names]
        index = 0
        for directions in self._layers:
            outputs = []
            for layer in directions:
                outputs.append(layer.run(x, initial, finals, index))
                index += 1
            x = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)
        states = tuple(sequence.state_out(final, final) for final in finals)
        return sequence.out(x), states[0] if len(states) == 1 else states

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: a copy packs its weights again."""
        gone = ("_packed", "_layers")
        return {name: value for name, value in super().__getstate__().items() if name not in gone}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._pack()

    def __repr__(self) -> str:
        return f"Frozen({self._module})"


def _pack_again(frozen: Frozen, _: Any) -> None:
    frozen._pack()


def copied(module: Network) -> Network:
    """A copy of a module in eval mode, with its parameters as buffers."""
    computed = (  # by the hooks of torch.nn.utils: deepcopy copies no tensor that has a history
        value
        for each in module.modules()
        for value in vars(each).values()
        if isinstance(value, Tensor) and not value.is_leaf
    )
    copy_ = copy.deepcopy(module, {id(tensor): tensor.detach().clone() for tensor in computed}).eval()
    for each in copy_.modules():
        weights = {name: None if w is None else w.detach() for name, w in each._parameters.items()}
        each._buffers, each._parameters = {**weights, **each._buffers}, {}
    return copy_


def is_plain(module: nn.Module) -> bool:
    """Has the module no hooks and no forward but that of its class in this package?"""
    common = nn.modules.module
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    everywhere = (common._global_forward_hooks, common._global_forward_pre_hooks)
    is_own = "forward" not in vars(module) and type(module).forward.__module__.startswith("carousel.nn.")
    return is_own and not any((*hooks, *everywhere))


def _frozen_layers(module: TorchLayer, packed: PackedWeights) -> list[list[FrozenLayer]]:
    """The directions of each layer; empty if a call needs more than the compiled kernels."""
    equations, layers, dtypes = module.cell.equations, [], set()
    if not is_plain(module) or module.proj_size:
        return []
    for index, parts in enumerate(module._layers):
        inputs = module.hidden_size * len(parts) if index else module.input_size
        directions = []
        for part in parts:
            weights = module._weights(part)
            tensors = list(weights.values())
            dtypes |= {tensor.dtype for tensor in tensors}
            if len(dtypes) != 1 or not runs_eagerly(tensors) or not takes_kernel(equations, tensors):
                return []
            kept = packed.parts[part.index]
            directions.append(FrozenLayer(equations, weights, inputs, module.hidden_size, part.reverse, kept))
        layers.append(directions)
    return layers
