"""What the page on the linear recurrence says."""

from __future__ import annotations

import torch

from carousel.lab.figures import curves, slider
from carousel.lab.formulas import cell_formulas
from carousel.lab.linear.measure import (
    SIZE,
    SPECIAL,
    Measurements,
    impulse,
    non_normal,
    norms,
    random_matrix,
    respond,
    smaller_direction,
    superposed,
)
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Table
from carousel.report.words import number, power

ROUNDING = 1e-12  # of float64 over some tens of steps
CLOSE = 0.01  # relative error of a growth rate that still agrees


def findings(found: Measurements) -> Findings:
    """The claims about the linear recurrence, and the figures behind them."""
    claims = [
        _superposition_claim(found),
        _growth_claim(found),
        _direction_claim(found),
        _largest_claim(found),
    ]
    sections = [
        _superposition_section(found),
        _response_section(),
        _vector_section(),
        _rate_section(found),
        _direction_section(found),
        _special_section(found),
        _non_normal_section(found),
    ]
    return Findings(
        claims, sections, found.numbers, cell_formulas({"RNN, identity": "rnn-identity"}), cover=6
    )


def _superposition_claim(found: Measurements) -> Claim:
    errors = found.errors
    return Claim.judged(
        "The response to all inputs is the sum of the responses to each, and the start is one more input.",
        [max(errors.values()) < ROUNDING],
        f"The largest relative error is {power(errors['superposition'])} for the sum, {power(errors['shift'])} for a "
        f"shift in time, and {power(errors['initial state'])} for the start as an input.",
    )


def _error(found: Measurements) -> float:
    """Largest relative error of the spectral radius as a prediction of the growth."""
    return max(abs(rate / radius - 1) for radius, rate in found.rates)


def _follows(found: Measurements) -> bool:
    """Is the growth the spectral radius, for every random matrix and from every random direction?"""
    return _error(found) < CLOSE and max(found.directions) - min(found.directions) < CLOSE


def _growth_claim(found: Measurements) -> Claim:
    rotation = found.special["pair of modulus 1"][-1]
    (ten, tenfold), (largest, peak) = (
        next((a, p) for a, p in found.peaks.items() if p >= 10),
        max(found.peaks.items(), key=lambda item: item[1]),
    )
    exception = abs(rotation - 1) < CLOSE or peak > 1
    return Claim.judged(
        "If |λₘₐₓ| > 1 the response blows up, otherwise it shrinks to 0 rapidly.",
        [True, not exception] if _follows(found) else [False],
        f"The growth per step of {len(found.rates)} random matrices with spectral radii from 0.7 to 1.2 equals the "
        f"radius to {power(_error(found))}. At modulus 1 a rotation neither grows nor shrinks: after 60 steps the "
        f"norm is {number(rotation, 3)}. A Jordan block of modulus 1 grows without end: after 60 steps its norm is "
        f"{number(found.special['repeated 1 (Jordan block)'][-1], 0)}. Every eigenvalue of [[0.5, {ten:g}], [0, 0.5]] "
        f"is 0.5, and its response first grows {number(tenfold, 0)}-fold. That of [[0.5, {largest:g}], [0, 0.5]] "
        f"first grows {number(peak, 0)}-fold.",
        "the modulus is not exactly 1, and one waits long enough",
    )


def _direction_claim(found: Measurements) -> Claim:
    early, late = found.missing
    return Claim.judged(
        "The rate depends only on the eigenvalues, not on the input.",
        [True, abs(early / 1.1 - 1) <= CLOSE] if _follows(found) else [False],
        f"The rates from {len(found.directions)} random directions agree to "
        f"{power(max(found.directions) - min(found.directions))}. The largest eigenvalue is 1.1. From a direction "
        f"without a part along its eigenvector, the response is multiplied by {number(early, 3)} a step. Such "
        f"directions are a set of measure zero. Rounding alone adds that part, and after 1,000 steps the rate is "
        f"{number(late, 3)}.",
        "the input has a part along the eigenvector of the largest eigenvalue",
    )


def _largest_claim(found: Measurements) -> Claim:
    return Claim.judged(
        "m = argmaxⱼ λⱼ: the largest eigenvalue wins.",
        [found.special["−1.2 beside 0.5"][-1] > 1, False],  # never as printed: −1.2 is not the larger number
        "The slide's formula takes the largest number, which would be 0.5 of −1.2 and 0.5. But −1.2 wins, and the "
        f"sign of the response changes at {found.sign_flips} of 60 steps. The limit of |Wᵗx| must be written "
        "|aₘ λₘᵗ uₘ|.",
        "largest means largest in modulus",
    )


def _superposition_section(found: Measurements) -> Section:
    rows = [[name, power(value)] for name, value in found.errors.items()]
    to_a, to_b, together = (path[:, 0].tolist() for path in superposed())
    steps = range(1, len(together) + 1)
    chart = Chart(
        "One unit of 16, driven by a, by b, and by 2a − 3b",
        f"The sum of the responses is the response to the sum, to {power(found.errors['superposition'])}",
        "step k",
        "first unit of h",
        [
            Line("to a", steps, to_a, "s6"),
            Line("to b", steps, to_b, "s3"),
            Line("to 2a − 3b", steps, together, "s1"),
            Line(
                "2 (to a) − 3 (to b)",
                steps,
                [2 * a - 3 * b for a, b in zip(to_a, to_b, strict=True)],
                "s2 dashed",
            ),
        ],
        margin=140,
    )
    return Section(
        "Superposition",
        "The response to 2a − 3b is twice the response to a less three times the response to b. An impulse that comes "
        "seven steps later gives the same response seven steps later. A start h₋₁ has the same effect as an input "
        "W h₋₁.",
        [
            Figure(chart, "The dashed sum of the two responses lies on the response to both inputs at once."),
            Table(["", "largest error"], rows, f"A random W of {SIZE} units, float64, 40 to 50 steps."),
        ],
    )


def _response_section() -> Section:
    charts = {}
    for value in (round(-1.2 + 0.1 * k, 1) for k in range(25)):
        matrix, unit = torch.tensor([[value]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        charts[f"w = {number(value, 1)}"] = Chart(
            f"Response to one input, w = {number(value, 1)}",
            "A scalar recurrence after an impulse at step 0",
            "step k",
            "h",
            curves(range(31), {"h": respond(matrix, impulse(unit, 31))[:, 0].tolist()}, dots=True),
            y_range=(-3.0, 3.0),
            height=230,
        )
    caption = "Below −1 and above 1 the response leaves the picture. Negative weights change its sign at every step."
    return Section(
        "The response to one input",
        "h_k = w h_{k−1}, driven once by x₀ = 1.",
        [slider("w", charts, caption, "w = 0.9")],
    )


def _vector_section() -> Section:
    charts = {}
    for name, matrix in SPECIAL.items():
        path = respond(matrix, impulse(torch.ones(2, dtype=torch.float64), 31))
        top = max(1.05, 1.05 * float(path.abs().max()))
        charts[name] = Chart(
            f"Two units after one input, eigenvalues: {name}",
            f"After 30 steps h₁ is {number(float(path[-1, 0]), 3)} and h₂ {number(float(path[-1, 1]), 3)}",
            "step k",
            "h",
            curves(range(31), {"h₁": path[:, 0].tolist(), "h₂": path[:, 1].tolist()}, dots=True),
            y_range=(-top, top),
            height=260,
        )
    caption = (
        "Responses with real eigenvalues shrink or grow. A negative eigenvalue changes the sign at every step, and a "
        "complex pair rotates one unit into the other."
    )
    return Section(
        "The same for a vector",
        "h_k = W h_{k−1} with two units, driven once by x₀ = (1, 1).",
        [slider("eigenvalues", charts, caption, "pair of modulus 1.05")],
    )


def _rate_section(found: Measurements) -> Section:
    radii, rates = zip(*found.rates, strict=True)
    ends = [min(radii), max(radii)]
    chart = Chart(
        "Growth per step against the spectral radius",
        "Random matrices; the line is growth = radius",
        "largest |λ|",
        "growth per step",
        [Line("theory", ends, ends, "s1"), Line("measured", radii, rates, "s2", dots=True, joined=False)],
    )
    text = (
        f"Each random matrix of {SIZE} units is driven once in a random direction. The growth is measured from step "
        f"200 to 400. For one matrix of radius 1.1, {len(found.directions)} directions gave rates between "
        f"{number(min(found.directions), 5)} and {number(max(found.directions), 5)} from step 1,000 to 2,000."
    )
    return Section("How fast the response grows", text, [Figure(chart, "Every dot is a matrix.")])


def _direction_section(found: Measurements) -> Section:
    steps, matrix = 1_000, random_matrix(1.1, 0)
    random = torch.randn(SIZE, generator=torch.Generator().manual_seed(1_000), dtype=torch.float64)
    sizes = {
        name: respond(matrix, impulse(direction / direction.norm(), steps)).norm(dim=1)[::5].tolist()
        for name, direction in (("random", random), ("missing", smaller_direction(1.1, 0)))
    }
    early, late = (number(rate, 3) for rate in found.missing)
    chart = Chart(
        "Response from a random direction, and from one without the largest eigenvector",
        f"The second is multiplied by {early} a step at first and by {late} in the end",
        "step k",
        "norm of h",
        curves(range(0, steps, 5), sizes),
        log=True,
        ticks=7,
    )
    text = (
        "Nearly every direction has a part along the eigenvector of the largest eigenvalue, here 1.1. A direction "
        "without this part follows the next eigenvalue. Such directions are a set of measure zero."
    )
    caption = (
        f"Without this part the response is multiplied by {early} a step. Each step rounds in the sixteenth digit, "
        f"which adds a little of the largest eigenvector. This part grows, and in the end the rate is {late}."
    )
    return Section("Every direction but a few", text, [Figure(chart, caption)])


def _special_section(found: Measurements) -> Section:
    chart = Chart(
        "Size of the response to one input",
        "Two units with the eigenvalues named",
        "step k",
        "norm of h",
        curves(range(61), found.special),
        log=True,
        margin=190,
        height=340,
    )
    caption = (
        "Straight lines are exponential. A pair of modulus 1 rotates without end. A repeated eigenvalue of 1 without a "
        "second eigenvector grows like k."
    )
    return Section(
        "Negative, complex, repeated, exactly one",
        "Two units show everything that a single real eigenvalue cannot show.",
        [Figure(chart, caption)],
    )


def _non_normal_section(found: Measurements) -> Section:
    charts = {
        f"a = {coupling:g}": Chart(
            f"Worst growth with a coupling of {coupling:g}",
            f"Largest {peak:.1f}, although both eigenvalues are 0.5",
            "step k",
            "‖Wᵏ‖",
            curves(range(31), {"‖Wᵏ‖": norms(non_normal(coupling), 30, worst=True)}, dots=True),
            log=True,
            levels=[("1", 1.0)],
            y_range=(1e-8, 300.0),
            height=260,
        )
        for coupling, peak in found.peaks.items()
    }
    caption = (
        "W = [[0.5, a], [0, 0.5]]. In the end 0.5 wins. The coupling a decides how far the norm grows first."
    )
    return Section(
        "The transient growth of a non-normal matrix",
        "Eigenvalues tell the end and not the way there. When the eigenvectors are nearly parallel, ‖Wᵏ‖ first grows.",
        [slider("coupling a", charts, caption, list(charts)[-1])],
    )
