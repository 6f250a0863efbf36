"""h_k = W h_{k-1} + W_x x_k: how far the eigenvalues of W tell what a linear recurrence does.

Superposition and shift, and growth against the largest eigenvalue in modulus. Then the cases that the rule leaves out:
negative and complex eigenvalues, modulus exactly 1, repeated eigenvalues, inputs without a part along the largest, and
matrices that first grow a hundredfold although every eigenvalue is below 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from carousel.lab.experiment import Budget
from carousel.lab.networks import hidden_states, rnn, spectral_radius
from carousel.progress import Observer, Progress

SIZE = 16
RADII = (0.7, 0.8, 0.9, 1.0, 1.1, 1.2)


@dataclass(frozen=True)
class Measurements:
    """Errors of superposition, growth per step, and the responses of special matrices."""

    errors: dict[str, float]
    rates: list[tuple[float, float]]  # spectral radius and growth per step of each matrix
    directions: list[float]  # growth per step of one matrix of radius 1.1, by direction of the input
    missing: tuple[float, float]  # without a part along the largest eigenvector: at first, in the end
    special: dict[str, list[float]]  # norm of the response by step
    peaks: dict[float, float]  # largest ||W^k|| by coupling
    sign_flips: int


def measure(budget: Budget, on_progress: Observer) -> Measurements:
    """Superposition, growth rates, and the exceptions."""
    on_progress(Progress("superposition and shift", 0.0))
    errors = superposition_errors()
    on_progress(Progress("growth rates of random matrices", 0.2))
    seeds = range(budget.choose(4, 16))
    start = random_direction(0)
    rates = [(r, growth_rate(random_matrix(r, seed), start, 400)) for r in RADII for seed in seeds]
    on_progress(Progress("many directions of the input", 0.6))
    matrix = random_matrix(1.1, 0)
    directions = [growth_rate(matrix, random_direction(k), 2_000) for k in range(budget.choose(50, 500))]
    on_progress(Progress("exceptions", 0.8))
    missing = smaller_direction(1.1, 0)  # in the end rounding adds the largest eigenvector
    early, late = (growth_rate(matrix, missing, steps) for steps in (60, 1_000))
    special = {name: norms(matrix, 60) for name, matrix in SPECIAL.items()}
    peaks = {coupling: max(norms(non_normal(coupling), 60, worst=True)) for coupling in COUPLINGS}
    return Measurements(errors, rates, directions, (early, late), special, peaks, sign_flips())


# ---- the recurrence ----


def respond(
    matrix: torch.Tensor,
    inputs: torch.Tensor,
    start: torch.Tensor | None = None,
    weight_x: torch.Tensor | None = None,
) -> torch.Tensor:
    """h_1 ... h_T (T, n) of the linear recurrence with W = matrix; without W_x the identity is used."""
    layer = rnn("identity", matrix, weight_x)
    first = torch.zeros(1, len(matrix), dtype=torch.float64) if start is None else start[None]
    return hidden_states(layer, inputs[:, None], first)[:, 0]


def impulse(vector: torch.Tensor, steps: int, at: int = 0) -> torch.Tensor:
    """An input (steps, n) that is `vector` at one step and 0 at every other."""
    inputs = torch.zeros(steps, len(vector), dtype=torch.float64)
    inputs[at] = vector
    return inputs


def random_matrix(radius: float, seed: int, size: int = SIZE) -> torch.Tensor:
    """A Gaussian matrix scaled to this spectral radius, float64."""
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return matrix * radius / spectral_radius(matrix)


def random_direction(seed: int) -> torch.Tensor:
    """A Gaussian vector (SIZE,), float64."""
    return torch.randn(SIZE, generator=torch.Generator().manual_seed(1_000 + seed), dtype=torch.float64)


def growth_rate(matrix: torch.Tensor, direction: torch.Tensor, steps: int) -> float:
    """Growth per step of the response to one impulse in this direction, over the second half of the steps.

    Half of the steps are enough to average over the rotation of complex pairs.
    """
    sizes = respond(matrix, impulse(direction, steps)).norm(dim=1)
    return float((sizes[-1] / sizes[steps // 2]) ** (1 / (steps - 1 - steps // 2)))


def smaller_direction(radius: float, seed: int) -> torch.Tensor:
    """A real input direction without any part along the largest eigenvalue of `random_matrix`."""
    values, vectors = torch.linalg.eig(random_matrix(radius, seed))
    second = max(
        (k for k in range(len(values)) if values[k].abs() < 0.85 * radius),
        key=lambda k: float(values[k].abs()),
    )
    return vectors[:, second].real + vectors[:, second].imag


# ---- superposition ----


def superposed() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Responses (T, n) to two random inputs a and b, and to 2a - 3b."""
    matrix, generator = random_matrix(0.95, 1), torch.Generator().manual_seed(2)
    a, b = (torch.randn(50, SIZE, generator=generator, dtype=torch.float64) for _ in range(2))
    return respond(matrix, a), respond(matrix, b), respond(matrix, 2 * a - 3 * b)


def superposition_errors() -> dict[str, float]:
    """Largest relative differences between responses that must be equal.

    These are the response to a sum and the sum of the responses, the response to a later impulse and the shifted one to
    an earlier impulse, and the responses to a start h_{-1} and to W h_{-1} as an input at step 0.
    """
    to_a, to_b, together = superposed()
    matrix, vector = random_matrix(0.95, 1), torch.ones(SIZE, dtype=torch.float64)
    early, late = respond(matrix, impulse(vector, 40)), respond(matrix, impulse(vector, 40, at=7))
    driven = respond(matrix, impulse(matrix @ vector, 40))
    started = respond(matrix, torch.zeros(40, SIZE, dtype=torch.float64), start=vector)
    return {
        "superposition": _difference(2 * to_a - 3 * to_b, together),
        "shift": _difference(late[7:], early[:-7]),
        "initial state": _difference(started, driven),
    }


def _difference(found: torch.Tensor, true: torch.Tensor) -> float:
    return float((found - true).abs().max() / true.abs().max())


# ---- special matrices ----


def rotation(modulus: float, angle: float) -> torch.Tensor:
    """The 2 x 2 matrix with the eigenvalues modulus e^(± i angle)."""
    c, s = math.cos(angle), math.sin(angle)
    return modulus * torch.tensor([[c, -s], [s, c]], dtype=torch.float64)


def non_normal(coupling: float, value: float = 0.5) -> torch.Tensor:
    """[[value, coupling], [0, value]]: both eigenvalues are `value`, whatever the coupling."""
    return torch.tensor([[value, coupling], [0.0, value]], dtype=torch.float64)


COUPLINGS = [0.0, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]
SPECIAL = {
    "0.9 beside 0.5": torch.diag(torch.tensor([0.9, 0.5], dtype=torch.float64)),
    "−1.2 beside 0.5": torch.diag(torch.tensor([-1.2, 0.5], dtype=torch.float64)),
    "pair of modulus 1.05": rotation(1.05, 0.4),
    "pair of modulus 1": rotation(1.0, 0.4),
    "repeated 1 (Jordan block)": non_normal(1.0, 1.0),
    "repeated 0.9 (Jordan block)": non_normal(1.0, 0.9),
}


def norms(matrix: torch.Tensor, steps: int, worst: bool = False) -> list[float]:
    """||h_k|| after an impulse (1, 1)/√2 for k = 0 ... steps; with `worst`, ||W^k||: the worst impulse at each k."""
    if worst:
        columns = [respond(matrix, impulse(unit, steps + 1)) for unit in torch.eye(2, dtype=torch.float64)]
        return torch.linalg.matrix_norm(torch.stack(columns, dim=2), ord=2).tolist()
    vector = torch.ones(2, dtype=torch.float64) / math.sqrt(2)
    return respond(matrix, impulse(vector, steps + 1)).norm(dim=1).tolist()


def sign_flips() -> int:
    """How often the first component of the response with the eigenvalue -1.2 changes its sign in 60 steps."""
    path = respond(SPECIAL["−1.2 beside 0.5"], impulse(torch.ones(2, dtype=torch.float64), 61))[:, 0]
    return int((path[1:] * path[:-1] < 0).sum())
