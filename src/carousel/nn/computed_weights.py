"""Weights that the hooks of torch.nn.utils (prune, weight_norm, spectral_norm) compute before each call."""

from torch import nn
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm


def compute_weights(module: nn.Module) -> None:
    """Run these hooks for a caller that reads the weights of a module without calling the module.

    Parametrizations (torch.nn.utils.parametrize) compute a weight whenever it is read, so they need no call.
    """
    for hook in module._forward_pre_hooks.values():
        if isinstance(hook, (BasePruningMethod, SpectralNorm, WeightNorm)):
            hook(module, ())
