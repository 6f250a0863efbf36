"""What theory says of linear recurrences h_t = W h_{t-1} + v x_t: memory that can be computed in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.layers import RecurrentLayer
from carousel.errors import CarouselError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class FisherMemory:
    """J(k), what the state still knows of an input k steps back, beside noise in every unit.

    Attributes:
        curve: J(0..K); total: the sum over all lags, 1 for normal W and at most N for any (v of norm 1, noise 1).
    """

    curve: Array
    total: float


@dataclass(frozen=True)
class ImpulseResponse:
    """What one impulse in the input does to the output afterwards.

    Attributes:
        layer: its name.
        values: (K + 1, I, H): the change of output unit j, k steps after an impulse in input i, divided by the
            impulse's size.
        norms: (K + 1, I), over the units.
    """

    layer: str
    values: Array
    norms: Array


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
    >>> line = torch.diag(torch.ones(3, dtype=torch.float64), -1)
    >>> fisher_memory(line, torch.eye(4, dtype=torch.float64)[0]).curve[:4].round(3)
    array([1.   , 0.5  , 0.333, 0.25 ])
    """
    w, v = _checked(weight, inputs)
    radius = float(np.abs(np.linalg.eigvals(w)).max())
    if radius >= 1 and np.linalg.matrix_power(w, len(w)).any():
        raise CarouselError(
            f"Fisher memory needs a recurrence that forgets its noise: a spectral radius below 1; it is {radius:.4g}."
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

    >>> import torch
    >>> linear_capacity(torch.diag(torch.ones(7), -1), torch.eye(8)[0])
    8
    """
    w, v = _checked(weight, inputs)
    basis: list[Array] = []
    x = v
    while len(basis) < len(v):
        length = np.linalg.norm(x)
        for _ in range(2):  # twice is enough (Kahan and Parlett)
            for each in basis:
                x = x - (each @ x) * each
        left = np.linalg.norm(x)
        if length == 0 or left <= tolerance * max(length, np.finfo(float).tiny):
            break
        basis.append(x / left)
        x = w @ basis[-1]
    return len(basis)


def parameter_sensitivity(rate: float) -> float:
    """E (dh/d lambda)^2 of h_t = lambda h_{t-1} + x_t with white inputs of variance 1: the curse of memory.

    (1 + lambda^2) / (1 - lambda^2)^3: even where nothing explodes, the loss becomes ever more sensitive to lambda as
    memory grows (after Zucchet and Orvieto 2024).

    >>> round(parameter_sensitivity(0.9), 1)
    263.9
    """
    if not -1 < rate < 1:
        raise CarouselError(f"The rate must lie between -1 and 1, or h has no variance; it is {rate}.")
    return (1 + rate**2) / (1 - rate**2) ** 3


def impulse_response(
    layer: RecurrentLayer,
    *,
    steps: int = 50,
    size: float = 1.0,
    x: Tensor | None = None,
    s: Tensor | None = None,
) -> ImpulseResponse:
    """The change of the output after an impulse in each input, of any cell.

    Two runs on a constant input x from state s are compared, of which one has `size` added to one input at step 0. For
    a linear recurrence this is W^k W_x. A nonlinear one is first let run until it has settled, up to 1000 steps, unless
    s is given, and its response depends on the size.

    Args:
        layer: of `recurrent_layers` or a trajectory. steps: K. size: of the impulse.
        x: (I,), zeros if None. s: (n,), the state before the impulse.
    """
    like = next(iter(layer.parameters.values()))
    x = like.new_zeros(layer.input_size) if x is None else x.to(like)
    if s is None:
        s = like.new_zeros(layer.size)
        for _ in range(1000):
            s, before = layer.step(x, s), s
            if torch.equal(s, before) or not torch.isfinite(s).all():
                break
    quiet = s.to(like).unsqueeze(0)
    struck = quiet.expand(layer.input_size, -1)
    x_struck = x + size * torch.eye(layer.input_size, dtype=like.dtype)
    found = []
    for k in range(steps + 1):
        struck = layer.step(x_struck if k == 0 else x.expand(layer.input_size, -1), struck)
        quiet = layer.step(x.unsqueeze(0), quiet)
        found.append((layer.output(struck) - layer.output(quiet)) / size)
    values = torch.stack(found).numpy()
    return ImpulseResponse(layer.name, values, np.linalg.norm(values, axis=-1))


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
