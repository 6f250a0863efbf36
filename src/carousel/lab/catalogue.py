"""The experiments in the lecture's order; each is in the file of its name."""

from carousel.lab.experiment import Experiment

_STABILITY = "2 Stability"

EXPERIMENTS = {
    each.name: each
    for each in (
        Experiment(
            "bounded",
            "Bounded, and yet saturated",
            _STABILITY,
            "Bounded activations keep the output bounded, but the units may saturate",
        ),
        Experiment(
            "activations",
            "Sigmoid, tanh, relu: what they remember",
            _STABILITY,
            "Sigmoid saturates and forgets, relu blows up or vanishes, tanh holds longest, but not for very long",
        ),
    )
}
