"""What the page on the linear recurrence says."""

from __future__ import annotations

import math

import torch

from carousel.lab.diagrams import plane
from carousel.lab.figures import chart
from carousel.lab.formulas import cell_formulas
from carousel.lab.linear.measure import (
    SIZE,
    SPECIAL,
    Measurements,
    impulse,
    non_normal,
    norms,
    random_direction,
    random_matrix,
    respond,
    smaller_direction,
    superposed,
)
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider
from carousel.report.number_format import number, power

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
        _eigenvector_section(),
        _superposition_section(found),
        _response_section(),
        _vector_section(),
        _rate_section(found),
        _direction_section(found),
        _special_section(found),
        _non_normal_section(found),
    ]
    return Findings(claims, sections, cell_formulas({"RNN, identity": "rnn-identity"}))


def _superposition_claim(found: Measurements) -> Claim:
    errors = found.errors
    return Claim.judged(
        "The response to all inputs is the sum of the responses to each, and the start is one more input.",
        [max(errors.values()) < ROUNDING],
        {
            "relative error of the sum": power(errors["superposition"]),
            "relative error of a shift in time": power(errors["shift"]),
            "relative error of the start as an input": power(errors["initial state"]),
        },
    )


def _error(found: Measurements) -> float:
    """Largest relative error of the spectral radius as a prediction of the growth."""
    return max(abs(rate / radius - 1) for radius, rate in found.rates)


def _follows(found: Measurements) -> bool:
    """Is the growth the spectral radius, for every random matrix and from every random direction?"""
    return _error(found) < CLOSE and max(found.directions) - min(found.directions) < CLOSE


def _growth_claim(found: Measurements) -> Claim:
    rotation = found.special["pair of modulus 1"][-1]
    coupling, peak = max(found.peaks.items(), key=lambda item: item[1])
    exception = abs(rotation - 1) < CLOSE or peak > 1
    return Claim.judged(
        "If |λₘₐₓ| > 1 the response blows up, otherwise it shrinks to 0 rapidly.",
        [True, not exception] if _follows(found) else [False],
        {
            f"relative error of the spectral radius as the growth per step of {len(found.rates)} random matrices": (
                power(_error(found))
            ),
            "norm after 60 steps: rotation of modulus 1": number(rotation, 3),
            "norm after 60 steps: Jordan block of modulus 1": number(
                found.special["repeated 1 (Jordan block)"][-1], 0
            ),
            f"largest growth of [[0.5, {coupling:g}], [0, 0.5]]": f"{number(peak, 0)}-fold",
        },
        "A rotation neither grows nor shrinks, and a Jordan block of modulus 1 grows without end. Every eigenvalue of "
        "the last matrix is 0.5, and its response grows before it shrinks.",
        "the modulus is not exactly 1, and one waits long enough",
    )


def _direction_claim(found: Measurements) -> Claim:
    early, late = found.missing
    return Claim.judged(
        "The rate depends only on the eigenvalues, not on the input.",
        [True, abs(early / 1.1 - 1) <= CLOSE] if _follows(found) else [False],
        {
            f"the rates from {len(found.directions)} random directions agree to": power(
                max(found.directions) - min(found.directions)
            ),
            "rate at first, without a part along the eigenvector of 1.1": number(early, 3),
            "rate of that response after 1,000 steps": number(late, 3),
        },
        "Such directions are a set of measure zero. Rounding alone adds the missing part.",
        "the input has a part along the eigenvector of the largest eigenvalue",
    )


def _largest_claim(found: Measurements) -> Claim:
    return Claim.judged(
        "m = argmaxⱼ λⱼ: the largest eigenvalue wins.",
        [found.special["−1.2 beside 0.5"][-1] > 1, False],  # never as printed: −1.2 is not the larger number
        {"changes of sign in 60 steps, eigenvalues −1.2 and 0.5": str(found.sign_flips)},
        "The slide's formula takes the largest number, which would be 0.5. But −1.2 wins, and the sign of the response "
        "changes at every step. The limit of |Wᵗx| must be written |aₘ λₘᵗ uₘ|.",
        "largest means largest in modulus",
    )


def _eigenvector_section(angles: tuple[float, float] = (0.35, 1.75)) -> Section:
    values, parts = (1.1, 0.7), (0.5, 1.1)
    vectors = [(math.cos(angle), math.sin(angle)) for angle in angles]
    pictures = {}
    for t in range(9):
        ends = [
            (a * value**t * u[0], a * value**t * u[1])
            for a, value, u in zip(parts, values, vectors, strict=True)
        ]
        total = (ends[0][0] + ends[1][0], ends[0][1] + ends[1][1])
        arrows = [
            ((0.0, 0.0), ends[0], "a_1 λ_{1}ᵗ u_1", "s2"),
            ((0.0, 0.0), ends[1], "a_2 λ_{2}ᵗ u_2", "s3"),
            ((0.0, 0.0), total, "Wᵗ x′", "s1"),
        ]
        title = f"x′ = a_1 u_1 + a_2 u_2 at step {t}, λ_1 = {values[0]}, λ_2 = {values[1]}"
        pictures[f"t = {t}"] = plane(title, 1.4, arrows, [((ends[0], total, ends[1]), "guide")])
    caption = (
        "Each step multiplies each part by its own eigenvalue. The part along u_2 fades and the part along u_1 grows, "
        "so that Wᵗ x′ turns towards u_1. The input decides only where both parts begin."
    )
    return Section(
        "An input in the directions of the eigenvectors",
        "Every input x′ = W_x x is a sum of eigenvectors of W_h, and its response the sum of the responses to them.",
        [Slider("steps", pictures, caption, "t = 0")],
    )


def _superposition_section(found: Measurements) -> Section:
    to_a, to_b, together = (path[:, 0].tolist() for path in superposed())
    steps, summed = range(1, len(together) + 1), [2 * a - 3 * b for a, b in zip(to_a, to_b, strict=True)]
    drawn = Chart(
        "One unit of 16, driven by a, by b, and by 2a − 3b",
        f"The sum of the responses is the response to the sum, to {power(found.errors['superposition'])}",
        "step k",
        "first unit of h",
        [
            Line("to a", steps, to_a, "s6"),
            Line("to b", steps, to_b, "s3"),
            Line("to 2a − 3b", steps, together, "s1"),
            Line("2 (to a) − 3 (to b)", steps, summed, "s2 dashed"),
        ],
    )
    return Section(
        "Superposition",
        "The response to 2a − 3b is twice the response to a less three times the response to b. An impulse that comes "
        "seven steps later gives the same response seven steps later. A start h₋₁ has the same effect as an input "
        "W h₋₁.",
        [Figure(drawn, "The dashed sum of the two responses lies on the response to both inputs at once.")],
    )


def _response_section() -> Section:
    charts = {}
    for value in (round(-1.2 + 0.1 * k, 1) for k in range(25)):
        matrix, unit = torch.tensor([[value]], dtype=torch.float64), torch.ones(1, dtype=torch.float64)
        charts[f"w = {number(value, 1)}"] = chart(
            f"Response to one input, w = {number(value, 1)}",
            ("step k", "h"),
            range(31),
            {"h": respond(matrix, impulse(unit, 31))[:, 0].tolist()},
            dots=True,
            y_range=(-3.0, 3.0),
            height=230,
        )
    caption = "Below −1 and above 1 the response leaves the picture. Negative weights change its sign at every step."
    return Section(
        "The response to one input",
        "The recurrence h_k = w h_{k−1} is driven once, by x_0 = 1.",
        [Slider("w", charts, caption, "w = 0.9")],
    )


def _vector_section() -> Section:
    charts = {}
    for name, matrix in SPECIAL.items():
        path = respond(matrix, impulse(torch.ones(2, dtype=torch.float64), 31))
        top = max(1.05, 1.05 * float(path.abs().max()))
        charts[name] = chart(
            f"Two units after one input, eigenvalues: {name}",
            ("step k", "h"),
            range(31),
            {"h₁": path[:, 0].tolist(), "h₂": path[:, 1].tolist()},
            dots=True,
            y_range=(-top, top),
            height=260,
        )
    caption = (
        "Responses with real eigenvalues shrink or grow. A negative eigenvalue changes the sign at every step, and a "
        "complex pair rotates one unit into the other."
    )
    return Section(
        "The same for a vector",
        "The recurrence h_k = W h_{k−1} of two units is driven once, by x_0 = (1, 1).",
        [Slider("eigenvalues", charts, caption, "pair of modulus 1.05")],
    )


def _rate_section(found: Measurements) -> Section:
    radii, rates = zip(*found.rates, strict=True)
    ends = [min(radii), max(radii)]
    drawn = Chart(
        "Growth per step against the spectral radius",
        "Random matrices; the line is growth = radius",
        "largest |λ|",
        "growth per step",
        [Line("theory", ends, ends, "s1"), Line("measured", radii, rates, "s2", dots=True, joined=False)],
    )
    text = (
        f"Each random matrix of {SIZE} units is driven once in a random direction. The growth is measured from step "
        "200 to 400."
    )
    return Section("How fast the response grows", text, [Figure(drawn, "Every dot is a matrix.")])


def _direction_section(found: Measurements) -> Section:
    steps, matrix = 1_000, random_matrix(1.1, 0)
    random = random_direction(0)
    sizes = {
        name: respond(matrix, impulse(direction / direction.norm(), steps)).norm(dim=1)[::5].tolist()
        for name, direction in (("random", random), ("missing", smaller_direction(1.1, 0)))
    }
    early, late = (number(rate, 3) for rate in found.missing)
    drawn = chart(
        "Response from a random direction, and from one without the largest eigenvector",
        ("step k", "norm of h"),
        range(0, steps, 5),
        sizes,
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
    return Section("Every direction but a few", text, [Figure(drawn, caption)])


def _special_section(found: Measurements) -> Section:
    drawn = chart(
        "Size of the response to one input",
        ("step k", "norm of h"),
        range(61),
        found.special,
        log=True,
        height=340,
    )
    caption = (
        "Straight lines are exponential. A pair of modulus 1 rotates without end. A repeated eigenvalue of 1 without a "
        "second eigenvector grows like k."
    )
    return Section(
        "Negative, complex, repeated, exactly one",
        "Two units show everything that a single real eigenvalue cannot show.",
        [Figure(drawn, caption)],
    )


def _non_normal_section(found: Measurements) -> Section:
    charts = {
        f"a = {coupling:g}": chart(
            f"Worst growth with a coupling of {coupling:g}",
            ("step k", "‖Wᵏ‖"),
            range(31),
            {"‖Wᵏ‖": norms(non_normal(coupling), 30, worst=True)},
            dots=True,
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
        [Slider("coupling a", charts, caption, list(charts)[-1])],
    )
