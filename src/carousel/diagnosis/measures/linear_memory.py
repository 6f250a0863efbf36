"""What theory says of linear recurrences h_t = W h_{t-1} + v x_t: memory that can be computed in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.spectrum import eigenvalues_of
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError

Array = NDArray[np.float64]

LINEAR = frozenset({"input", "state", "affine", "scale", "+", "-", "neg", "sum", "mean"})


@dataclass(frozen=True, repr=False)
class FisherMemory(Brief):
    """J(k), what the state still knows of an input k steps back, beside noise in every unit.

    Attributes:
        curve: J(0..K); total: the sum over all lags, 1 for normal W and at most N for any (v of norm 1, noise 1).
    """

    curve: Array
    total: float


@dataclass(frozen=True, repr=False)
class LinearMemory(Brief):
    """What theory says of a layer that is linear, one input channel at a time.

    Attributes:
        layer: its name; size: N; radius: its spectral radius.
        channels: the inputs that were looked at, those that it reads most.
        capacity: of each, how many past inputs can be held apart.
        fisher: of each, J(k) for v of norm 1 beside noise of variance 1; empty if the spectral radius is 1 or more.
    """

    layer: str
    size: int
    radius: float
    channels: tuple[int, ...]
    capacity: tuple[int, ...]
    fisher: tuple[FisherMemory, ...]


def fisher_memory(weight: Tensor, inputs: Tensor, *, lags: int = 100, noise: float = 1.0) -> FisherMemory:
    """J(k) = v' (W^k)' C^-1 W^k v, with C = noise * sum_k W^k (W^k)' (Ganguli, Huh and Sompolinsky 2008).

    Args:
        weight: W (N, N), with spectral radius below 1 (or nilpotent, as a delay line is, with any gain).
        inputs: v (N,), one input channel.
        lags: K, how far the curve goes; the total goes on until nothing is left.
        noise: the variance of the noise in each unit and step.

    Raises:
        CarouselError: the shapes do not fit, or the noise adds up without end (spectral radius 1 or more).

    >>> import torch
    >>> from carousel.diagnosis import fisher_memory
    >>> line = torch.diag(torch.ones(3, dtype=torch.float64), -1)
    >>> fisher_memory(line, torch.eye(4, dtype=torch.float64)[0]).curve[:4].round(3)
    array([1.   , 0.5  , 0.333, 0.25 ])
    """
    w, v = _checked(weight, inputs)
    radius = float(np.abs(np.linalg.eigvals(w)).max())
    if radius >= 1 and np.linalg.matrix_power(w, len(w)).any():
        raise CarouselError(
            f"Fisher memory needs a spectral radius below 1, or noise adds up without end; it is {radius:.4g}."
        )
    covariance = _covariance(w) * noise
    inverse = np.linalg.inv(covariance)
    curve: list[float] = []
    x, total, k = v.copy(), 0.0, 0
    while k <= lags or (total > 0 and curve[-1] > 1e-15 * total):
        curve.append(float(x @ inverse @ x))
        total += curve[-1]
        x = w @ x
        k += 1
    return FisherMemory(np.array(curve[: lags + 1]), total)


def _covariance(w: Array) -> Array:
    """sum_k W^k (W^k)', by doubling: C <- C + A C A', A <- A A adds as many terms again."""
    c, a = np.eye(len(w)), w.copy()
    for _ in range(200):
        more = a @ c @ a.T
        c = c + more
        a = a @ a
        if np.abs(more).max() <= 1e-17 * np.abs(c).max():
            break
    return c


def linear_capacity(weight: Tensor, inputs: Tensor, tolerance: float = 1e-10) -> int:
    """How many past inputs a linear network can hold apart: rank [v, W v, ..., W^(N-1) v].

    Ballarin, Grigoryeva and Ortega (2023) show that this rank is the linear memory capacity for independent inputs,
    and that estimating it from simulated states goes wrong. The powers themselves soon point all in one direction,
    so the rank is found as the dimension of the Krylov space, built up orthogonally (Arnoldi).

    Args:
        weight: W (N, N); inputs: v (N,); tolerance: below which share of its length a new direction counts as none.

    Raises:
        CarouselError: the shapes do not fit, or there are values that are not finite.

    >>> import torch
    >>> from carousel.diagnosis import linear_capacity
    >>> linear_capacity(torch.diag(torch.ones(7), -1), torch.eye(8)[0])
    8
    """
    w, v = _checked(weight, inputs)
    basis = np.zeros((len(v), len(v)))  # its first rows
    x = v
    for found in range(len(v)):
        length = np.linalg.norm(x)
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            x = x - basis[:found].T @ (basis[:found] @ x)
        left = np.linalg.norm(x)
        if length == 0 or left <= tolerance * max(length, np.finfo(float).tiny):
            return found
        basis[found] = x / left
        x = w @ basis[found]
    return len(v)


def linear_memory(
    of: RecurrentLayer | Trajectory, *, channels: int = 4, lags: int = 100
) -> LinearMemory | None:
    """Fisher memory (Ganguli, Huh and Sompolinsky 2008) and capacity of a layer that is linear; None of any other.

    Args:
        of: a layer, or a trajectory, of which it takes the layer.
        channels: how many inputs to look at, those with the longest columns in W_x.
        lags: how far the curves of the Fisher memory go.

    No layer raises an error.

    >>> import carousel
    >>> from carousel.diagnosis import linear_memory
    >>> [layer] = carousel.diagnosis.recurrent_layers(carousel.RNN(1, 4, nonlinearity="identity"))
    >>> linear_memory(layer).capacity
    (4,)
    """
    layer = of.layer if isinstance(of, Trajectory) else of
    if not isinstance(layer, RecurrentLayer) or any(
        node.operation not in LINEAR for node in layer.equations.nodes
    ):
        return None
    like = next(iter(layer.parameters.values())).double()
    at = layer.double().linearise(like.new_zeros(1, layer.input_size), like.new_zeros(1, layer.size))
    w, columns = at.matrix()[0], at.input_matrix()[0]
    norms = torch.linalg.vector_norm(columns, dim=0)
    chosen = [c for c in norms.argsort(descending=True, stable=True)[:channels].tolist() if norms[c] > 0]
    radius = float(eigenvalues_of(w)[0].abs())
    return LinearMemory(
        layer.name,
        layer.size,
        radius,
        tuple(chosen),
        tuple(linear_capacity(w, columns[:, c]) for c in chosen),
        tuple(fisher_memory(w, columns[:, c] / norms[c], lags=lags) for c in chosen) if radius < 1 else (),
    )


def parameter_sensitivity(rate: float) -> float:
    """E (dh/d lambda)^2 of h_t = lambda h_{t-1} + x_t with white inputs of variance 1: the curse of memory.

    (1 + lambda^2) / (1 - lambda^2)^3: even where nothing explodes, the loss becomes ever more sensitive to lambda as
    memory grows (after Zucchet and Orvieto 2024).

    Args:
        rate: lambda.

    Raises:
        CarouselError: `rate` is not between -1 and 1, where h has no variance.

    >>> from carousel.diagnosis import parameter_sensitivity
    >>> round(parameter_sensitivity(0.9), 1)
    263.9
    """
    if not -1 < rate < 1:
        raise CarouselError(f"`rate` must lie between -1 and 1, or h has no variance; got {rate}.")
    return (1 + rate**2) / (1 - rate**2) ** 3


def _checked(weight: Tensor, inputs: Tensor) -> tuple[Array, Array]:
    w = torch.as_tensor(weight).detach().double().numpy(force=True)
    v = torch.as_tensor(inputs).detach().double().numpy(force=True).reshape(-1)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or v.shape != (len(w),):
        raise CarouselError(
            f"A linear recurrence has W (N, N) and one input channel v (N,); they have shapes {w.shape} and {v.shape}."
        )
    if not (np.isfinite(w).all() and np.isfinite(v).all()):
        raise CarouselError("W and v must be finite; there are NaN or infinite values among them.")
    return w, v
