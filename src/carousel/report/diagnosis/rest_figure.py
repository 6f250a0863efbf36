"""Where a layer rests: the eigenvalues of its Jacobian at its fixed points."""

from __future__ import annotations

import math

import numpy as np

from carousel.diagnosis.result import LayerDiagnosis
from carousel.report.charts.scatter import Points, Scatter, scatter_svg
from carousel.report.diagnosis.figures import Figure

_STYLES = ("s1", "s2", "s3", "s4", "s5")


def rest_figures(layer: LayerDiagnosis) -> list[Figure]:
    """The fixed points that were found most often; none if there are none."""
    found = layer.fixed_points
    if found is None or not found.kinds:
        return []
    groups = [
        Points(f"{k + 1}, {kind}", values.real.tolist(), values.imag.tolist(), style)
        for k, (kind, values, style) in enumerate(zip(found.kinds, found.eigenvalues, _STYLES, strict=False))
    ]
    reach = max([1.1, *(1.05 * abs(value) for group in groups for value in [*group.x, *group.y])])
    turn = np.linspace(0, 2 * math.pi, 181)
    scatter = Scatter(
        f"Fixed points, {layer.layer}",
        "Eigenvalues of the Jacobian at the fixed points, with the unit circle",
        "real part",
        "imaginary part",
        groups,
        curves=[(np.cos(turn).tolist(), np.sin(turn).tolist())],
        square=True,
        x_range=(-reach, reach),
        y_range=(-reach, reach),
    )
    rows = [
        (f"{k + 1}, {kind}", [float(abs(values[0])), float(np.linalg.norm(point)), float(number)])
        for k, (kind, values, point, number) in enumerate(
            zip(found.kinds, found.eigenvalues, found.points, found.found, strict=True)
        )
    ]
    return [
        Figure(
            "Where it rests: fixed points",
            scatter_svg(scatter),
            "States that a step leaves as they are, under the mean input of the batch, and the eigenvalues of the "
            "Jacobian there. All inside the unit circle: it comes to rest there; some outside: a saddle, which it "
            f"passes by. Found from {found.starts - found.missed} of {found.starts} starts; there may be others.",
            ("point", "largest eigenvalue", "norm of the state", "starts that reached it"),
            rows,
        )
    ]
