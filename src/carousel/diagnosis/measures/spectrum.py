"""Eigenvalues, singular values and what lies between them: of recurrent weights and of Jacobians on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.stack import single_layer
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.progress import Observer, Progress, silent

POWERS = 64
ROUNDS = 12
LARGE = 256  # beyond: float32, some powers only and these by power iteration, and one Jacobian
SOME_POWERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)


@dataclass(frozen=True, repr=False)
class MatrixSpectrum(Brief):
    """One square matrix W.

    Attributes:
        eigenvalues: (n,), complex, largest modulus first. radius: the largest modulus.
        singular_values: (n,), largest first. norm: the largest, ||W||_2.
        henrici: sqrt(||W||_F^2 - sum |lambda|^2), 0 for a normal matrix (Henrici 1962).
        exponents: k = 0..64; if n > 256 some k up to 32. powers: ||W^k||_2 for each; if n > 256 from below, by power
            iteration. peak: the largest of them, and peak_power the k at which it is reached: above 1 a change can
            grow for a while although all eigenvalues are small.
    """

    eigenvalues: NDArray[np.complex128]
    singular_values: NDArray[np.float64]
    henrici: float
    exponents: NDArray[np.int64]
    powers: NDArray[np.float64]

    @property
    def radius(self) -> float:
        return float(np.abs(self.eigenvalues[0]))

    @property
    def norm(self) -> float:
        return float(self.singular_values[0])

    @property
    def peak(self) -> float:
        return float(self.powers.max())

    @property
    def peak_power(self) -> int:
        return int(self.exponents[self.powers.argmax()])


@dataclass(frozen=True, repr=False)
class Spectrum(Brief):
    """The recurrent weights of a layer, gate by gate, and its state Jacobian at some steps of a trajectory.

    Attributes:
        layer: its name.
        weights: product ("i", "f", "g", "o"; "h" for a simple network) -> its recurrent matrix; a full peephole's
            matrix from the state c is "f from c".
        jacobians: of the full state, at `steps` of the first sequences, one each.
        steps: (N, 2), the step and the sequence of each.
    """

    layer: str
    weights: dict[str, MatrixSpectrum]
    jacobians: list[MatrixSpectrum]
    steps: NDArray[np.int64]

    @property
    def radius(self) -> float:
        """The median spectral radius of the Jacobians."""
        return float(np.median([each.radius for each in self.jacobians]))

    @property
    def norm(self) -> float:
        """The median spectral norm of the Jacobians."""
        return float(np.median([each.norm for each in self.jacobians]))


def matrix_spectrum(matrix: Tensor, powers: int = POWERS) -> MatrixSpectrum:
    """The spectrum of one matrix, with how far it is from normal (Henrici 1962; Trefethen and Embree 2005).

    Args:
        matrix: (N, N).
        powers: up to which power k the norm ||W^k||_2 is computed, if n is at most 256.

    Raises:
        CarouselError: `matrix` is not square, or not finite.

    >>> import torch
    >>> from carousel.diagnosis import matrix_spectrum
    >>> found = matrix_spectrum(torch.tensor([[0.5, 10.0], [0.0, 0.5]]))
    >>> round(found.radius, 4), round(found.peak, 4), found.peak_power
    (0.5, 10.0249, 1)
    """
    w = matrix.detach().to("cpu", torch.float64)
    if w.dim() != 2 or w.shape[0] != w.shape[1] or not bool(torch.isfinite(w).all()):
        bad = int((~torch.isfinite(w)).sum())
        raise CarouselError(
            f"A spectrum needs a square matrix of finite numbers; got shape {tuple(w.shape)} with {bad} values that "
            "are NaN or infinite."
        )
    quick = w if len(w) <= LARGE else w.float()
    eigenvalues = eigenvalues_of(quick).to(torch.complex128)
    singular_values = torch.linalg.svdvals(quick).double().numpy()
    unit = _power_of_two(w)  # or squares of large numbers would overflow
    gap = (w / unit).square().sum() - (eigenvalues / unit).abs().square().sum()
    return MatrixSpectrum(
        eigenvalues.numpy(),
        singular_values,
        float(gap.clamp(min=0).sqrt() * unit),
        *_norms_of_powers(quick, powers, float(singular_values[0])),
    )


def eigenvalues_of(matrices: Tensor) -> Tensor:
    """(..., n, n) -> (..., n), complex, largest modulus first.

    Numbers whose squares vanish beside the largest, as saturated gates leave in a Jacobian, are taken as 0: they
    change no digit of a result, but LAPACK may not converge on them.
    """
    floor = torch.finfo(matrices.dtype).tiny ** 0.5 * matrices.abs().amax(dim=(-2, -1), keepdim=True)
    values = torch.linalg.eigvals(torch.where(matrices.abs() < floor, 0, matrices))
    return values.gather(-1, values.abs().argsort(dim=-1, descending=True))


def spectrum(trajectory: Trajectory, *, steps: int = 8, on_progress: Observer = silent) -> Spectrum:
    """Eigenvalues, singular values, non-normality and transient growth of a layer's weights and Jacobians.

    Eigenvalues alone do not bound the growth of a gradient; singular values do (Pascanu, Mikolov and Bengio 2013).

    Args:
        trajectory: of one layer, from `observe`.
        steps: at how many steps the Jacobian is taken, spread over the sequences; one if n > 256.
        on_progress: called with a `carousel.progress.Progress` now and then.

    Raises:
        CarouselError: `trajectory` is that of a stack of layers.

    >>> import torch
    >>> from carousel.diagnosis import observe, spectrum
    >>> [trajectory] = observe(torch.nn.LSTM(3, 5), torch.randn(7, 4, 3)).trajectories
    >>> found = spectrum(trajectory)
    >>> list(found.weights), len(found.jacobians[0].eigenvalues)
    (['i', 'f', 'g', 'o'], 10)
    """
    layer = single_layer(trajectory)
    matrices = {}
    for affine in layer.equations.affines if isinstance(layer, RecurrentLayer) else ():
        for place in layer.equations.layout.weights[affine]:
            if place.vector is not None and place.vector.operation != "input":
                state = place.parameter.removeprefix("weight_").removesuffix("h")
                name = affine.name if state == layer.states[0] else f"{affine.name} from {state}"
                matrices[name] = layer.weight(affine, place.vector)
    where = trajectory.valid.nonzero()
    number = min(steps if layer.size <= LARGE else 1, len(where))
    # not the first steps: a state that begins at zero has not settled yet
    where = where[torch.linspace(len(where) // 4, len(where) - 1, number).round().long()]
    t, b = where.unbind(dim=1)
    every = [*matrices.values(), *layer.jacobian(trajectory.inputs[t, b], trajectory.states[t, b])]
    found = []
    for matrix in every:
        found.append(matrix_spectrum(matrix))
        on_progress(Progress("spectrum", len(found) / len(every)))
    weights = dict(zip(matrices, found, strict=False))
    return Spectrum(layer.name, weights, found[len(matrices) :], where.numpy())


def _norms_of_powers(w: Tensor, powers: int, norm: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Exponents k and ||W^k||_2: exact up to `LARGE`, else from below by power iteration on (W^k)' W^k."""
    n = len(w)
    if n <= LARGE:
        power, norms, size = torch.eye(n, dtype=w.dtype), [1.0], 0  # the power is `power` times 2 ** size
        for _ in range(powers):
            power = w @ power
            unit = _power_of_two(power)
            power, size = power / unit, size + int(unit.log2())
            root = torch.linalg.eigvalsh(power @ power.T)[-1].clamp(min=0).sqrt()
            norms.append(float(torch.ldexp(root, torch.tensor(size))))
        return np.arange(powers + 1), np.array(norms)
    # formed once, by ten products of matrices, and then asked by vectors
    of = {1: _Power.of(w)}
    for k in SOME_POWERS[1:]:
        half = max(j for j in of if 2 * j <= k)
        of[k] = of[half].times(of[k - half])
    return np.array([0, *SOME_POWERS]), np.array([1.0, norm, *(of[k].norm() for k in SOME_POWERS[1:])])


def _power_of_two(matrix: Tensor) -> Tensor:
    """One near the largest entry: to divide by it changes no digit."""
    return 2.0 ** (torch.frexp(matrix.abs().max()).exponent.to(matrix.dtype) - 1)


@dataclass(frozen=True, eq=False)
class _Power:
    """matrix * exp(log), its largest entry 1: W^32 may be far outside of what float32 holds."""

    matrix: Tensor
    log: float

    @classmethod
    def of(cls, matrix: Tensor, log: float = 0.0) -> _Power:
        top = float(matrix.abs().max())
        return cls(matrix / top, log + math.log(top)) if top > 0 else cls(matrix, -math.inf)

    def times(self, other: _Power) -> _Power:
        return _Power.of(self.matrix @ other.matrix, self.log + other.log)

    def norm(self) -> float:
        """The spectral norm, from below."""
        random = torch.Generator().manual_seed(0)
        v = torch.randn(len(self.matrix), generator=random, dtype=self.matrix.dtype)
        size = 0.0
        for _ in range(ROUNDS):
            u = self.matrix @ (v / torch.linalg.vector_norm(v))
            size = float(torch.linalg.vector_norm(u))
            if size == 0:
                return 0.0
            v = u @ self.matrix
        return math.exp(self.log + math.log(size)) if self.log + math.log(size) < 700 else math.inf
