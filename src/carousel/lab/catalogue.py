"""The experiments in the order of the lecture; each is in the room of its name."""

from carousel.errors import CarouselError
from carousel.lab.experiment import Experiment

_BENEFITS = "1 Benefits of recurrence"
_STABILITY = "2 Stability"
_GRADIENTS = "3 Exploding and vanishing gradients"
_CELLS = "4 LSTM and its variants"
_LOSSES = "5 Losses over time"
_PREDICTION = "6 Sequence prediction"

EXPERIMENTS = {
    each.name: each
    for each in (
        Experiment(
            "adder",
            "Adding numbers of any length",
            _BENEFITS,
            "An MLP needs a large share of all pairs and stops at N bits; a recurrent network learns from 8 cases",
        ),
        Experiment(
            "bounded",
            "Bounded, and yet saturated",
            _STABILITY,
            "Bounded activations keep the output bounded, but the units may saturate",
        ),
        Experiment(
            "streetlight",
            "The streetlight effect",
            _STABILITY,
            "We study linear systems because we can solve them: how far does their answer carry?",
        ),
        Experiment(
            "linear",
            "The linear recurrence and its eigenvalues",
            _STABILITY,
            "Growth and decay of a linear recurrence depend only on its eigenvalues, not on the input",
        ),
        Experiment(
            "activations",
            "Sigmoid, tanh, relu: what they remember",
            _STABILITY,
            "Sigmoid saturates and forgets, relu blows up or vanishes, tanh holds longest, but not for very long",
        ),
        Experiment(
            "depth",
            "Gradients through 19 layers",
            _GRADIENTS,
            "ELU keeps gradients longest; in all cases they vanish after about ten layers",
        ),
        Experiment(
            "singular-values",
            "A gradient is a product",
            _GRADIENTS,
            "Gradients grow along singular directions above 1 and shrink along those below",
        ),
        Experiment(
            "carousel",
            "The constant error carousel",
            _CELLS,
            "The cell state of the LSTM keeps a gradient over time; the backward formulas, as printed and corrected",
        ),
        Experiment(
            "gates",
            "Gates at work",
            _CELLS,
            "What the gates of LSTM and GRU and the peepholes do, and what is lost without them",
        ),
        Experiment(
            "long-lag",
            "Long lags",
            _CELLS,
            "Plain recurrent networks lose their memories over time; LSTM and GRU bridge long lags",
        ),
        Experiment(
            "losses",
            "Losses over time",
            _LOSSES,
            "A loss is a weighted sum over time; the effects of its weights, its index and its window",
        ),
        Experiment(
            "words",
            "Words as vectors",
            _PREDICTION,
            "One-hot vectors and projections, TDNN and recurrent models, CBOW and skip-gram on the same text",
        ),
    )
}


def known(name: str) -> Experiment:
    """The experiment of this name.

    Raises CarouselError if there is none.

    Example:
        >>> known("adder").title
        'Adding numbers of any length'
    """
    if name not in EXPERIMENTS:
        raise CarouselError(f"there is no experiment {name!r}. Choose one of {', '.join(EXPERIMENTS)}.")
    return EXPERIMENTS[name]
