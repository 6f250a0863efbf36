"""Eigenvalues, fixed points and Lyapunov exponents of a layer."""

from __future__ import annotations

import numpy as np

from carousel.diagnosis.measures.fixed_points import FixedPoints
from carousel.diagnosis.measures.lyapunov import Lyapunov
from carousel.diagnosis.measures.spectrum import Spectrum
from carousel.report.charts.line import Chart, Line, svg, thin
from carousel.report.diagnosis.figures import STYLES, Figure, eigenvalue_plot, finite
from carousel.report.words import number


def spectrum_figure(spectrum: Spectrum) -> Figure:
    """Eigenvalues in the complex plane, with the unit circle.

    The circle says what a step does to a direction. That holds for a Jacobian, and for the weights of a cell without
    gates; the weights of gates are in the table only.
    """
    named = {f"weights {gate}": each for gate, each in spectrum.weights.items()}
    simple = len(named) == 1
    drawn = {name: (each.eigenvalues, STYLES[0]) for name, each in named.items() if simple}
    if spectrum.jacobians:  # as rings, which leave what they lie upon to be seen
        drawn[f"Jacobian, step {int(spectrum.steps[0, 0])}"] = (spectrum.jacobians[0].eigenvalues, "s6 ring")
    picture = eigenvalue_plot(
        f"Eigenvalues, {spectrum.layer}",
        f"Eigenvalues of {'recurrent weights and of ' if simple else ''}a Jacobian, with the unit circle",
        drawn,
    )
    named |= {
        f"Jacobian at step {int(t)}": each
        for (t, _), each in zip(spectrum.steps, spectrum.jacobians, strict=True)
    }
    rows = [(name, [m.radius, m.norm, m.henrici, m.peak, float(m.peak_power)]) for name, m in named.items()]
    return Figure(
        "Eigenvalues",
        picture,
        "Inside the unit circle a direction shrinks from step to step, outside it grows. Eigenvalues alone mislead "
        "where a matrix is far from normal: the norm of its powers then rises before it falls. On the batch the "
        f"Jacobian has a median radius of {number(spectrum.radius, 3)} and norm of {number(spectrum.norm, 3)}."
        + ("" if simple else " The weights of gates are in the table: for them the circle means nothing."),
        ("matrix", "spectral radius", "norm", "departure from normal", "peak of its powers", "at power"),
        rows,
    )


def fixed_point_figures(layer: str, found: FixedPoints | None) -> list[Figure]:
    """The fixed points that were found most often; none if there are none."""
    if found is None or not found.kinds:
        return []
    names = [f"{k + 1}, {kind}" for k, kind in enumerate(found.kinds)]
    picture = eigenvalue_plot(
        f"Fixed points, {layer}",
        "Eigenvalues of the Jacobian at the fixed points, with the unit circle",
        dict(zip(names, zip(found.eigenvalues, STYLES, strict=False), strict=False)),
    )
    rows = [
        (name, [float(abs(values[0])), float(np.linalg.norm(point)), float(number)])
        for name, values, point, number in zip(
            names, found.eigenvalues, found.points, found.found, strict=True
        )
    ]
    return [
        Figure(
            "Fixed points",
            picture,
            "States that a step does not change, under the mean input of the batch, and the eigenvalues of the "
            "Jacobian there. If all lie inside the unit circle, the state settles there; if some lie outside, "
            f"the point is a saddle. Found from {found.starts - found.missed} of {found.starts} "
            "starts; there may be others.",
            ("point", "largest eigenvalue", "norm of the state", "starts that reached it"),
            rows,
        )
    ]


def lyapunov_figure(found: Lyapunov) -> Figure:
    """The running mean of the first exponents: it must have become level."""
    steps = np.arange(1, len(found.running) + 1)
    some = [k for k in range(min(5, found.running.shape[1])) if np.isfinite(found.running[:, k]).any()]
    lines = [Line(f"{k + 1}", *thin(*finite(steps.tolist(), found.running[:, k])), STYLES[k]) for k in some]
    tail = found.running[len(found.running) // 8 :, some]
    known = [0.0, *tail[np.isfinite(tail)].tolist()]  # of a direction that is lost whole, nothing
    low, high = min(known), max(known)
    room = max(0.01, 0.1 * (high - low))
    chart = Chart(
        f"Lyapunov exponents, {found.layer}",
        "Running mean of the largest exponents",
        "steps averaged over",
        "nats per step",
        lines,
        levels=[("unchanged", 0.0)],
        y_range=(low - room, high + room),
    )
    rows = [
        (f"{k + 1}", [float(found.exponents[k]), float(found.error[k])]) for k in range(len(found.exponents))
    ]
    return Figure(
        "Lyapunov exponents: do small differences grow?",
        svg(chart),
        "Above 0 two runs with almost equal states move apart (chaos). Below 0 the layer forgets its start. The "
        f"largest is {number(float(found.exponents[0]), 3)} ± {number(float(found.error[0]), 3)} nats per step.",
        ("exponent", "nats per step", "standard error"),
        rows,
    )
