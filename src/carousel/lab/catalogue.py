"""The experiments in the order of the lecture; each is in the room of its name."""

from carousel.errors import CarouselError
from carousel.lab.experiment import Experiment

_CHAPTERS = {  # chapter of the lecture -> name of the experiment -> its title, and the claim in short
    "1 Benefits of recurrence": {
        "adder": (
            "Adding numbers of any length",
            "An MLP needs a large share of all pairs and stops at N bits, and a recurrent network learns from 8 cases",
        ),
    },
    "2 Stability": {
        "bounded": (
            "Bounded, and yet saturated",
            "Bounded activations keep the output bounded, but the units may saturate",
        ),
        "streetlight": (
            "The streetlight effect",
            "We study linear systems because we can solve them: how far does their answer carry?",
        ),
        "linear": (
            "The linear recurrence and its eigenvalues",
            "Growth and decay of a linear recurrence depend only on its eigenvalues, not on the input",
        ),
        "activations": (
            "Sigmoid, tanh, relu: what they remember",
            "Sigmoid saturates and forgets, relu blows up or vanishes, tanh holds longest, but not for very long",
        ),
    },
    "3 Exploding and vanishing gradients": {
        "depth": (
            "Gradients through 19 layers",
            "ELU keeps gradients longest, and in all cases they vanish after about ten layers",
        ),
        "singular-values": (
            "A gradient is a product",
            "Gradients grow along singular directions above 1 and shrink along those below",
        ),
    },
    "4 LSTM and its variants": {
        "carousel": (
            "The constant error carousel",
            "The cell state of the LSTM keeps a gradient over time, as its backward formulas tell",
        ),
        "gates": (
            "Gates at work",
            "What the gates of LSTM and GRU and the peepholes do, and what is lost without them",
        ),
        "long-lag": (
            "Long lags",
            "Plain recurrent networks lose their memories over time, and LSTM and GRU bridge long lags",
        ),
    },
    "5 Losses over time": {
        "losses": (
            "Losses over time",
            "A loss is a weighted sum over time, and its weights, index and window decide what is learned",
        ),
    },
    "6 Sequence prediction": {
        "words": (
            "Words as vectors",
            "One-hot vectors and projections, TDNN and recurrent models, CBOW and skip-gram on the same text",
        ),
    },
}
EXPERIMENTS = {
    name: Experiment(name, title, chapter, claim)
    for chapter, experiments in _CHAPTERS.items()
    for name, (title, claim) in experiments.items()
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
