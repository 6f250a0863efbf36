"""Weights that torch.nn.utils computes before each call: of prune, weight_norm and spectral_norm."""

from torch import nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


def compute_weights(module: nn.Module) -> None:
    """What these hooks do when the module is called, for who reads its weights without a call.

    Parametrizations (torch.nn.utils.parametrize) need none: there a weight is computed whenever it is read.
    """
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (BasePruningMethod, SpectralNorm, WeightNorm)):
            hook(module, ())
