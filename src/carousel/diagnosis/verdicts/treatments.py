"""Which remedies a finding is given, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from carousel.diagnosis.verdicts import remedies
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.diagnosis.verdicts.symptoms import Symptoms


def _names(layers: Sequence[Symptoms]) -> list[str]:
    return [each.layer for each in layers]


def _is_gated(each: Symptoms) -> bool:
    gates = set(each.pre_activations.mean)
    return {"i", "f", "o"} <= gates or gates == {"r", "z", "n"}


def vanishing(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """Open the gates that keep, over a range of times; without gates, matrices that neither stretch nor shrink."""
    names, longest = _names(layers), max(3, max(each.steps for each in layers))
    if any(_is_gated(each) for each in layers):
        return (
            Remedy(
                "chrono initialisation",
                f"start with forgetting times spread over 2 to {longest} steps, the length of this batch",
                "Tallec and Ollivier 2018",
                False,
                partial(remedies.chrono, longest=longest, layers=names),
            ),
            Remedy(
                "forget bias",
                "open the gate that keeps the state: bias 1 for f of an LSTM, z of a GRU",
                "Gers et al. 2000; Jozefowicz et al. 2015",
                True,
                partial(remedies.forget_bias, layers=names),
            ),
            *_plain_start(layers),
        )
    return (*_plain_start(layers), _GATES)


def memoryless(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """As for a vanishing gradient, after a look at what it was trained on."""
    return (*vanishing(layers), _ORDER)


def exploding(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """Less gain, by the norm, which bounds what a step can stretch (eigenvalues do not); then clipping."""
    names = _names(layers)
    return (
        Remedy(
            "norm rescaling",
            "shrink each recurrent matrix until its largest singular value is 1, and go on training from there",
            "Pascanu, Mikolov and Bengio 2013",
            True,
            partial(remedies.contract, layers=names),
        ),
        Remedy(
            "spectral rescaling",
            "shrink each recurrent matrix to spectral radius 0.9 only, and go on training from there",
            "Jaeger 2001",
            True,
            partial(remedies.rescale, layers=names, radius=0.9),
        ),
        *_plain_start(layers, 0.9),
        _CLIP,
    )


def chaotic(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """Less gain; a window no longer than the gradient makes sense; clipping does not cure it."""
    names, rate = _names(layers), max(each.rate for each in layers)
    window = max(1, round(1 / rate)) if rate > 0 else 1
    return (
        Remedy(
            "spectral rescaling",
            "shrink each recurrent matrix to spectral radius 0.9, below the onset of chaos, and go on training",
            "Sompolinsky, Crisanti and Sommers 1988; Jaeger 2001",
            True,
            partial(remedies.rescale, layers=names, radius=0.9),
        ),
        *_plain_start(layers),
        Remedy(
            "shorter window",
            f"send the gradient back at most about {window} steps, or force the true state that often",
            "Mikhaeil, Monfared and Durstewitz 2022",
            True,
        ),
        _CLIP,
    )


def saturated(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """Bring what goes into the activations back to where they are steep."""
    return (_standardise(layers), *_scaling(layers), _RATE)


def dead(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """Bring units back to where their activation has a slope, or draw the layer anew."""
    return (
        _standardise(layers),
        *_scaling(layers),
        Remedy(
            "drawn anew",
            "draw these layers again, with biases at zero, and train again",
            "He et al. 2015 for why rectifiers need a start of their own",
            False,
            partial(remedies.anew, layers=_names(layers)),
        ),
        _RATE,
    )


def _plain_start(layers: Sequence[Symptoms], scale: float = 1.0) -> tuple[Remedy, ...]:
    names = _names(layers)
    if any(_is_gated(each) for each in layers):
        return (
            Remedy(
                "orthogonal start",
                "start with orthogonal recurrent matrices and the keeping gate open",
                "Saxe et al. 2014",
                False,
                partial(remedies.orthogonal, layers=names),
            ),
        )
    if not all(each.bounded for each in layers):
        return (
            Remedy(
                "identity start",
                f"start with recurrent matrices {scale:g} times the identity",
                "Le, Jaitly and Hinton 2015",
                False,
                partial(remedies.identity, layers=names, scale=scale),
            ),
        )
    gain = 1 / max(each.steepest for each in layers)
    return (
        Remedy(
            "orthogonal start",
            f"start with orthogonal recurrent matrices of gain {gain:g}, which keep the length of every direction "
            "where the activation is steepest",
            "Saxe et al. 2014",
            False,
            partial(remedies.orthogonal, layers=names, gain=gain),
        ),
    )


def _standardise(layers: Sequence[Symptoms]) -> Remedy:
    statistics = {each.layer: each.pre_activations for each in layers}
    return Remedy(
        "standardised units",
        "centre what goes into each unit on this batch and bring its deviation to at most 1, by weights and biases",
        "Mishkin and Matas 2016",
        False,
        partial(remedies.standardise, statistics=statistics),
    )


def _scaling(layers: Sequence[Symptoms]) -> tuple[Remedy, ...]:
    """Where a first layer reads numbers far from mean 0 and deviation 1."""
    statistics = {
        each.layer: (each.input_mean.tolist(), each.input_deviation.tolist())
        for each in layers
        if each.unscaled
    }
    if not statistics:
        return ()
    return (
        Remedy(
            "scaled data",
            "the inputs are far from mean 0 and deviation 1: standardise them; applied here inside the first layer's "
            "weights, to be trained again",
            "LeCun, Bottou, Orr and Müller 1998",
            False,
            partial(remedies.fold_scaling, statistics=statistics),
        ),
    )


_CLIP = Remedy(
    "gradient clipping",
    "cut the norm of the gradient, torch.nn.utils.clip_grad_norm_(parameters, 1.0) before each step",
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
    "an LSTM or GRU keeps a path on which the gradient is multiplied by its gate alone",
    "Hochreiter and Schmidhuber 1997",
    True,
)
_ORDER = Remedy(
    "look at the data",
    "see that weight decay leaves the recurrent weights alone, which a strong one empties where the task asks for no "
    "memory; that the window is longer than what is to be remembered; and that steps come in their order (not "
    "shuffled, time and batch not exchanged)",
    "weight decay: the calibration nets were made so; the rest: experience",
    True,
)
