"""The optimizers that a run can choose from."""

from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop

from carousel.training.loop.config import LoopConfig

# the state of a parameter after its first step; every tensor but the count of steps has the shape of the parameter
_STATE_NAMES = {"adamw": ("step", "exp_avg", "exp_avg_sq"), "rmsprop": ("step", "square_avg")}


def state_names(config: LoopConfig) -> tuple[str, ...]:
    """The names of the tensors that the optimizer keeps for a parameter."""
    with_momentum = ("momentum_buffer",) if config.momentum else ()
    return _STATE_NAMES.get(config.optimizer, with_momentum)


def build_optimizer(model: nn.Module, config: LoopConfig) -> Optimizer:
    """The optimizer that `config` names, with weight decay on matrices alone.

    Biases and peepholes do not decay: they set the resting point of a gate, for which 0 is not a natural value.
    The second moment of AdamW (Loshchilov & Hutter 2019) averages over 100 steps, not 1,000, because runs are short.
    """
    matrices: list[nn.Parameter] = []
    vectors: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        decayed = parameter.dim() > 1 and "peephole" not in name
        (matrices if decayed else vectors).append(parameter)
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if config.optimizer == "adamw":
        return AdamW(groups, lr=config.rate, betas=(0.9, 0.99), fused=True)
    if config.optimizer == "sgd":
        return SGD(groups, lr=config.rate, momentum=config.momentum, nesterov=config.momentum > 0, fused=True)
    return RMSprop(groups, lr=config.rate, alpha=0.99)
