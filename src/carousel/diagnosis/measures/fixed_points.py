"""Fixed points of a recurrent layer under a constant input: where it rests, and whether it stays."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from carousel.diagnosis.brief import Brief
from carousel.diagnosis.measures.intervals import Interval, by_activations, invariant_box
from carousel.diagnosis.measures.spectrum import eigenvalues_of
from carousel.diagnosis.observation.layers import RecurrentLayer
from carousel.diagnosis.observation.trajectory import Trajectory
from carousel.errors import CarouselError
from carousel.options import check_seed
from carousel.progress import Observer, Progress, silent

SLOW = 1e-18  # q = |F(s) - s|^2 / 2 below this, relative to 1 + |s|^2, is a fixed point
ALIKE = 1e-4  # points closer than this, relative to 1 + |s|, are one
LARGE = 256  # beyond, Newton's method takes seconds for each start
MARGIN = 1e-6  # an eigenvalue this close to modulus 1 is neither stable nor unstable


@dataclass(frozen=True, repr=False)
class FixedPoints(Brief):
    """States with step(x, s) = s that the layer can reach, the most often found first.

    Attributes:
        layer: its name.
        points: (P, n), full states. found: (P,), from how many starts each was reached.
        speeds: (P,), q = |F(s) - s|^2 / 2 that was left.
        eigenvalues: (P, n), complex, of the Jacobian there, largest modulus first.
        kinds: "stable" (all |eigenvalue| < 1), "repelling" (all > 1), "saddle", "marginal" (the deciding one is 1).
        starts: how many there were; missed: how many ended at no fixed point.
        unreachable: how many fixed points were left out, because they lie where no state can get to.
    """

    layer: str
    points: NDArray[np.float64]
    found: NDArray[np.int64]
    speeds: NDArray[np.float64]
    eigenvalues: NDArray[np.complex128]
    kinds: list[str]
    starts: int
    missed: int
    unreachable: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Kind -> how many."""
        return dict(Counter(self.kinds))


def fixed_points(
    of: RecurrentLayer | Trajectory,
    *,
    x: Tensor | None = None,
    starts: Tensor | int | None = None,
    descent: int = 100,
    newton: int = 50,
    seed: int = 0,
    on_progress: Observer = silent,
) -> FixedPoints:
    """The fixed points of a layer, h and c together for an LSTM.

    From many starts q(s) = |F(s) - s|^2 / 2 is first lowered by gradient descent (Adam), then Newton's method on
    F(s) - s = 0 with the exact Jacobian finishes, taking half steps until q falls (Sussillo and Barak 2013; Golub and
    Sussillo 2018). Duplicates are merged. Points outside the range that bounds the states of the layer (`stability`)
    are left out: a GRU, for one, never leaves [-1, 1]. Finding none is no proof that there is none.

    Args:
        of: a layer, or a trajectory, whose states are then the starts and whose mean input is x.
        x: (I,), the constant input; None: zeros, or the mean input of the trajectory.
        starts: (P, n), or how many; None: 64, or 4 for states larger than 256.
        descent, newton: steps of each method.
        seed: of the starts that are drawn.
        on_progress: called with a `carousel.progress.Progress` now and then.

    Raises:
        CarouselError: starts or x do not have the size of the layer.

    >>> import torch
    >>> from carousel.diagnosis import fixed_points, recurrent_layers
    >>> [layer] = recurrent_layers(torch.nn.LSTM(3, 5))
    >>> fixed_points(layer).kinds
    ['stable']
    """
    of = of.double()
    layer = of.layer if isinstance(of, Trajectory) else of
    x, s = _start(of, layer, x, starts, check_seed(seed))
    s, q = _newton(layer, x, _descend(layer, x, s, descent, on_progress), newton, on_progress)
    there = (q <= SLOW * (1 + s.square().sum(dim=-1))) & torch.isfinite(s).all(dim=-1)
    points, found, speeds = _merged(s[there], q[there])
    inside = _reachable(of, layer, x, starts, points)
    points, found, speeds = points[inside], found[inside.numpy()], speeds[inside]
    eigenvalues = np.zeros((0, layer.size), dtype=np.complex128)
    if len(points):
        eigenvalues = eigenvalues_of(layer.jacobian(x.expand(len(points), -1), points)).numpy()
    return FixedPoints(
        layer=layer.name,
        points=points.numpy(),
        found=found,
        speeds=speeds.numpy(),
        eigenvalues=eigenvalues,
        kinds=[_kind(each) for each in eigenvalues],
        starts=len(s),
        missed=int((~there).sum()),
        unreachable=int((~inside).sum()),
    )


def _start(
    of: RecurrentLayer | Trajectory,
    layer: RecurrentLayer,
    x: Tensor | None,
    starts: Tensor | int | None,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """The input and the starts: given, or states of the trajectory, or drawn; always with the zero state."""
    like = next(iter(layer.parameters.values()))
    inputs, states = (
        of.points() if isinstance(of, Trajectory) else (like.new_zeros(1, layer.input_size), None)
    )
    x = inputs.mean(dim=0) if x is None else x
    if isinstance(starts, Tensor):
        s = torch.atleast_2d(starts).to(like)
    else:
        number = starts or (64 if layer.size <= LARGE else 4)
        generator = torch.Generator().manual_seed(seed)
        s = torch.randn(number, layer.size, generator=generator, dtype=like.dtype)
        if states is not None:
            chosen = torch.linspace(0, len(states) - 1, number).round().long()
            s = states[chosen] + 0.1 * states.std().nan_to_num(0.0) * s
        s[0] = 0
    if x.shape != (layer.input_size,) or s.dim() != 2 or s.shape[1] != layer.size or not len(s):
        raise CarouselError(
            f"{layer.name} takes an input x of shape ({layer.input_size},) and starts of shape (P, {layer.size}); they "
            f"have {tuple(x.shape)} and {tuple(s.shape)}."
        )
    return x.to(like), s


def _reachable(
    of: RecurrentLayer | Trajectory,
    layer: RecurrentLayer,
    x: Tensor,
    starts: Tensor | int | None,
    points: Tensor,
) -> Tensor:
    """bool (P,): which points lie within what bounds the states, from [-1, 1], the trajectory or given starts."""
    seen = [points.new_ones(1, layer.size), -points.new_ones(1, layer.size)]
    if isinstance(of, Trajectory):
        seen.append(of.states.flatten(0, 1))
    if isinstance(starts, Tensor):
        seen.append(torch.atleast_2d(starts).to(points))
    known = Interval.around(torch.cat(seen))
    whole = Interval.around(torch.cat([points, *seen]))
    if not isinstance(layer, RecurrentLayer) or whole.within(known):
        return torch.ones(len(points), dtype=torch.bool)
    start = {s: Interval(layer.part(known.low, s), layer.part(known.high, s)) for s in layer.states}
    box = invariant_box(layer, Interval(x, x), start) or by_activations(layer, Interval(x, x))
    inside = torch.ones(len(points), dtype=torch.bool)
    for state, bound in box.items():
        part = layer.part(points, state)
        room = ALIKE * (1 + bound.largest)
        inside &= ((part >= bound.low - room) & (part <= bound.high + room)).all(dim=-1)
    return inside


def _descend(layer: RecurrentLayer, x: Tensor, s: Tensor, steps: int, on_progress: Observer) -> Tensor:
    """Adam on q, whose gradient is (J - 1)' (F(s) - s). torch.optim's would load its compiler, which takes seconds."""
    mean, square = torch.zeros_like(s), torch.zeros_like(s)
    inputs = x.expand(len(s), -1)
    for t in range(1, steps + 1):
        at = layer.linearise(inputs, s)
        off = at.new_state - s
        gradient = at.vjp(off) - off
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient.square()
        rate = 0.1 * 0.5 ** (4 * t / steps)
        s = s - rate * (mean / (1 - 0.9**t)) / ((square / (1 - 0.99**t)).sqrt() + 1e-12)
        on_progress(Progress("fixed points", t / (2 * steps)))
    return s


def _newton(
    layer: RecurrentLayer, x: Tensor, s: Tensor, steps: int, on_progress: Observer
) -> tuple[Tensor, Tensor]:
    """Solve F(s) - s = 0; a start whose q does not fall any more is left where it is."""
    unit = torch.eye(layer.size, dtype=s.dtype)
    q = _q(layer, x, s)
    for t in range(steps):
        open_ = torch.isfinite(q) & (q > 1e-30)
        if not bool(open_.any()):
            break
        here = s[open_]
        at = layer.linearise(x.expand(len(here), -1), here)
        off = (at.new_state - here).unsqueeze(-1)
        # least squares: near a bifurcation J - 1 is singular
        move, info = torch.linalg.solve_ex(at.matrix() - unit, -off)
        bad = (info > 0) | ~torch.isfinite(move).all(dim=1).squeeze(-1)
        move = torch.where(bad[:, None, None], off, move).squeeze(-1)
        best, lowest = here, q[open_]
        before = lowest.clone()
        for half in range(8):
            tried = here + 0.5**half * move
            value = _q(layer, x, tried)
            better = value < lowest
            best = torch.where(better.unsqueeze(-1), tried, best)
            lowest = torch.where(better, value, lowest)
            if bool((lowest < before).all()):
                break
        s, q = s.clone(), q.clone()
        s[open_], q[open_] = best, lowest
        on_progress(Progress("fixed points", 0.5 + (t + 1) / (2 * steps)))
        if bool((lowest >= before).all()):
            break
    return s, q


def _q(layer: RecurrentLayer, x: Tensor, s: Tensor) -> Tensor:
    return (layer.step(x.expand(len(s), -1), s) - s).square().sum(dim=-1) / 2


def _merged(s: Tensor, q: Tensor) -> tuple[Tensor, NDArray[np.int64], Tensor]:
    """Each point once, the most often found first, by its slowest copy."""
    groups: list[list[int]] = []
    for index in torch.argsort(q).tolist():
        for group in groups:
            first = s[group[0]]
            if bool((s[index] - first).norm() <= ALIKE * (1 + first.norm())):
                group.append(index)
                break
        else:
            groups.append([index])
    groups.sort(key=len, reverse=True)
    firsts = [group[0] for group in groups]
    return s[firsts], np.array([len(group) for group in groups], dtype=np.int64), q[firsts]


def _kind(eigenvalues: NDArray[np.complex128]) -> str:
    moduli = np.abs(eigenvalues)
    grows, shrinks = moduli > 1 + MARGIN, moduli < 1 - MARGIN
    if grows.any():
        return "repelling" if grows.all() else "saddle"
    return "stable" if shrinks.all() else "marginal"
