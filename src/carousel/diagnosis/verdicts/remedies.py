"""What can be done about a finding: each remedy changes a model in place, or is advice; the best comes first."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn

from carousel.diagnosis.verdicts import weights
from carousel.diagnosis.verdicts.symptoms import Symptoms
from carousel.diagnosis.verdicts.thresholds import THRESHOLDS
from carousel.errors import CarouselError

Layers = Sequence[Symptoms]


@dataclass(frozen=True)
class Remedy:
    """Something to do about a finding.

    Attributes:
        name: in a word or two.
        words: what it does and why, in a sentence.
        source: where it comes from.
        keeps: whether what the model has learned stays. If not, the remedy is a new start: train the model again.
        change: the function that changes a model in place, or None if the remedy is advice.
        successes: in how many nets of the calibration the loss was lower by 10 % than without it, after the same
            training, and in how many it was applied, (lower, applied); None if that was not measured.

    >>> import torch, carousel
    >>> gru = torch.nn.GRU(3, 24)
    >>> _ = gru.bias_ih_l0.data[24:48].fill_(-3)  # its update gate forgets
    >>> remedy = carousel.diagnose(gru, torch.randn(60, 4, 3)).findings[0].remedies[0]
    >>> remedy.name, remedy.apply(gru)
    ('orthogonal start', ['GRU.l0: recurrent matrices orthogonal, gain 1'])
    """

    name: str
    words: str
    source: str
    keeps: bool
    change: Callable[[nn.Module], list[str]] | None = None
    successes: tuple[int, int] | None = None

    @property
    def kind(self) -> str:
        """What it does to the model, and its share of successes, in words."""
        if self.is_advice:
            return "advice"
        kind = "keeps weights" if self.keeps else "new start"
        if self.successes is None:
            return f"{kind}; its success was not measured"
        better, nets = self.successes
        return f"{kind}; after the same training, the loss was 10 % lower in {better} of {nets} nets"

    @property
    def is_advice(self) -> bool:
        """Whether nothing in a model changes."""
        return self.change is None

    def apply(self, model: nn.Module) -> list[str]:
        """Change the `model` in place; what was done, in words, one line for each layer.

        Raises CarouselError if this remedy is advice, or the model has nothing that it could change.
        """
        if self.change is None:
            raise CarouselError(f"{self.name} is advice, not a change of weights: {self.words}")
        with torch.no_grad():
            done = self.change(model)
        if not done:
            raise CarouselError(f"{self.name} found nothing to change in this model.")
        return done


def remedies_for(finding: str, layers: Layers) -> tuple[Remedy, ...]:
    """What can be done about a finding in these layers, the best first."""
    found = (each if isinstance(each, Remedy) else each(layers) for each in _REMEDIES.get(finding, ()))
    return tuple(each for each in found if each is not None)


def measured(finding: str, remedies: Sequence[Remedy]) -> tuple[Remedy, ...]:
    """The remedies with their successes in the calibration."""
    return tuple(replace(each, successes=_SUCCESSES.get((finding, each.name))) for each in remedies)


def _in_layers(change: weights.Change, names: Collection[str], model: nn.Module) -> list[str]:
    """Change each of these layers; what was done, in words."""
    done = [(layer.name, change(layer)) for layer in weights.layers_in(model, names)]
    return [f"{name}: {words}" for name, words in done if words]


def _remedy(
    layers: Layers, name: str, words: str, source: str, change: weights.Change, *, keeps: bool = False
) -> Remedy:
    return Remedy(name, words, source, keeps, partial(_in_layers, change, [each.layer for each in layers]))


def _any_gated(layers: Layers) -> bool:
    gates = [set(each.pre_activations) for each in layers]
    return any({"i", "f", "o"} <= own or own == {"r", "z", "n"} for own in gates)


def _chrono(layers: Layers) -> Remedy | None:
    longest = max(3, max(each.steps for each in layers))
    words = f"start with forgetting times spread over 2 to {longest} steps, the length of this batch"
    change = partial(weights.chrono, longest=longest)
    source = "Tallec and Ollivier 2018"
    return _remedy(layers, "chrono initialisation", words, source, change) if _any_gated(layers) else None


def _forget_bias(layers: Layers) -> Remedy | None:
    words = "open the gate that preserves the state: bias 1 for f of an LSTM, for z of a GRU"
    source = "Gers et al. 2000; Jozefowicz et al. 2015"
    remedy = _remedy(layers, "forget bias", words, source, weights.forget_bias, keeps=True)
    return remedy if _any_gated(layers) else None


def _orthogonal(layers: Layers) -> Remedy:
    """Matrices that neither stretch nor shrink, where activations are steepest."""
    gated = _any_gated(layers)
    gain = 1 / max(each.steepest for each in layers)
    words = "start with orthogonal recurrent matrices " + (
        "and the gate that preserves the state open"
        if gated
        else f"of gain {gain:g}, which keep the length of every direction where the activation is steepest"
    )
    middle = 0.5 if gain > 1 and not gated else 0.0
    change = partial(weights.orthogonal, gain=1.0 if gated else gain, middle=middle)
    return _remedy(layers, "orthogonal start", words, "Saxe et al. 2014", change)


def _identity(layers: Layers, scale: float = 1.0) -> Remedy | None:
    """Of rectifiers, `scale` times the identity."""
    if _any_gated(layers) or all(each.bounded for each in layers):
        return None
    words = f"start with recurrent matrices {scale:g} times the identity"
    change = partial(weights.identity, scale=scale)
    return _remedy(layers, "identity start", words, "Le, Jaitly and Hinton 2015", change)


def _norm(layers: Layers) -> Remedy:
    words = "shrink each recurrent matrix until its largest singular value is 1, then continue to train"
    source = "Pascanu, Mikolov and Bengio 2013"
    return _remedy(layers, "norm rescaling", words, source, weights.limit_norm, keeps=True)


def _radius(layers: Layers) -> Remedy:
    words = "shrink each recurrent matrix to spectral radius 0.9, then continue to train"
    source = "Sompolinsky, Crisanti and Sommers 1988; Jaeger 2001"
    change = partial(weights.limit_radius, limit=0.9)
    return _remedy(layers, "spectral rescaling", words, source, change, keeps=True)


def _window(layers: Layers) -> Remedy:
    rate = max(each.rate for each in layers)
    window = max(1, round(1 / rate)) if rate > 0 else 1
    words = f"send the gradient back at most about {window} steps, or force the true state that often"
    return Remedy("shorter window", words, "Mikhaeil, Monfared and Durstewitz 2022", True)


def _standard_units(layers: Layers) -> Remedy | None:
    """Not of unscaled data: weights that are scaled to fit them learn worse than before."""
    words = "centre what goes into each unit on this batch and bring its deviation to at most 1, by weights and biases"
    statistics = {each.layer: each.pre_activations for each in layers}
    change = partial(weights.standardise_units, statistics=statistics)
    remedy = _remedy(layers, "standardised units", words, "Mishkin and Matas 2016", change)
    return None if any(each.unscaled for each in layers) else remedy


def _scaled_data(layers: Layers) -> Remedy | None:
    """Only where a first layer reads numbers far from mean 0 and deviation 1."""
    return STANDARDISE if any(each.unscaled for each in layers) else None


def _draw_again(layers: Layers) -> Remedy:
    words = "draw these layers again, with biases at zero, and train again"
    source = "He et al. 2015, on why rectifiers need a start of their own"
    return _remedy(layers, "drawn again", words, source, weights.draw_again)


STANDARDISE = Remedy(
    "standardise the data",
    "subtract the mean and divide by the standard deviation of the training part, of each input, in the pipeline: for "
    "training and for use",
    "LeCun, Bottou, Orr and Müller 1998",
    True,
)
_CLIP = Remedy(
    "gradient clipping",
    "limit the norm of the gradient: torch.nn.utils.clip_grad_norm_(parameters, 1.0) before each step",
    "Pascanu, Mikolov and Bengio 2013",
    True,
)
_RATE = Remedy(
    "lower learning rate",
    "weights this large mostly come from steps this large: train again with a learning rate 3 to 10 times smaller, and "
    "clip the gradient",
    "Goodfellow, Bengio and Courville 2016",
    True,
)
_GATES = Remedy(
    "gated cell",
    "an LSTM or GRU has a path on which the gradient is multiplied by its gate alone",
    "Hochreiter and Schmidhuber 1997",
    True,
)
_DATA = Remedy(
    "look at the data",
    "check that weight decay excludes the recurrent weights, which a strong one empties if the task needs no memory; "
    "that the window is longer than what is to be remembered; and that steps come in their order",
    "weight decay: the calibration nets; the rest: experience",
    True,
)


def _gated_cell(layers: Layers) -> Remedy | None:
    return None if any(len(each.pre_activations) > 1 for each in layers) else _GATES


def _steep(layers: Layers) -> Remedy | None:
    """Where weights alone would keep the gradient, and activations beside their steep part shrink it."""
    longest = max(layers, key=lambda each: each.rate)
    return _standard_units(layers) if longest.weights_rate > THRESHOLDS.vanishing else None


_FORGETS = (_steep, _orthogonal, _identity, _forget_bias, _chrono, _gated_cell)
_REMEDIES: dict[str, tuple[Remedy | Callable[[Layers], Remedy | None], ...]] = {
    "vanishing": _FORGETS,
    "memoryless": (*_FORGETS, _DATA),
    "exploding": (partial(_identity, scale=0.9), _orthogonal, _radius, _norm, _CLIP),
    "chaotic": (_radius, _orthogonal, _window, _CLIP),
    "saturated": (_scaled_data, _draw_again, _standard_units, _RATE),
    "dead": (_scaled_data, _draw_again, _standard_units, _RATE),
}
# of the final set of bench.calibration, after the same training: (better by 10 %, applied)
_SUCCESSES = {
    ("chaotic", "orthogonal start"): (19, 21),
    ("chaotic", "spectral rescaling"): (18, 21),
    ("dead", "drawn again"): (18, 18),
    ("dead", "standardised units"): (13, 18),
    ("exploding", "identity start"): (17, 23),
    ("exploding", "norm rescaling"): (15, 23),
    ("exploding", "orthogonal start"): (16, 23),
    ("exploding", "spectral rescaling"): (15, 23),
    ("learning rate too high", "lower learning rate"): (5, 5),
    ("learning rate too low", "higher learning rate"): (5, 5),
    ("memoryless", "chrono initialisation"): (6, 9),
    ("memoryless", "forget bias"): (8, 9),
    ("memoryless", "orthogonal start"): (27, 28),
    ("parameters outside the optimizer", "add the parameters"): (5, 5),
    ("saturated", "drawn again"): (13, 13),
    ("saturated", "standardised units"): (11, 13),
    ("swapped axes", "batch_first"): (5, 5),
    ("vanishing", "chrono initialisation"): (6, 16),
    ("vanishing", "forget bias"): (10, 16),
    ("vanishing", "identity start"): (0, 4),
    ("vanishing", "orthogonal start"): (26, 32),
}


def usable(remedies: Sequence[Remedy], model: nn.Module) -> tuple[Remedy, ...]:
    """The remedies that change something in this model, and advice; each is tried on a copy."""
    return tuple(each for each in remedies if each.change is None or _changes(each.change, model))


def _changes(change: Callable[[nn.Module], list[str]], model: nn.Module) -> bool:
    try:
        copied = copy.deepcopy(model)
    except Exception:  # of a stranger's model, which holds a lock, or a tensor of a graph
        return True
    return bool(change(copied))
