"""h_k = W h_{k-1} + W_x x_k: what a linear recurrence does is told by its eigenvalues, nearly.

Superposition and shift; growth against the largest eigenvalue in modulus; and what the lecture's rule leaves out:
negative and complex eigenvalues, modulus exactly 1, repeated ones, inputs that miss the largest, and matrices that
first grow a hundredfold although every eigenvalue is below 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from carousel.emit import formula
from carousel.equations.catalogue import CELLS
from carousel.lab.experiment import Budget, Progress
from carousel.nn import RNN
from carousel.report.charts import Chart, Line
from carousel.report.lab import Claim, Figure, Findings, Section, Slider, Table, Verdict
from carousel.report.words import number, power

SIZE = 16
ROUNDING = 1e-12  # float64 over some tens of steps


def run(budget: Budget, progress: Progress) -> Findings:
    """Superposition, responses, growth rates, exceptions."""
    progress(0.0, "superposition and shift")
    errors = {"superposition": superposition_error(), "shift": shift_error(), "initial state": start_error()}
    progress(0.2, "growth rates of random matrices")
    radii = [0.7, 0.8, 0.9, 1.0, 1.1, 1.2]
    matrices = budget.choose(4, 16)
    rates = [
        (radius, growth_rate(random_matrix(radius, seed))) for radius in radii for seed in range(matrices)
    ]
    progress(0.6, "every input direction")
    matrix = random_matrix(1.1, 0)
    directions = [growth_rate(matrix, start=k, steps=2_000) for k in range(budget.choose(50, 500))]
    progress(0.8, "exceptions")
    special = {name: norms(matrix, 60) for name, matrix in SPECIAL.items()}
    hump = [(a, max(norms(non_normal(a), 60, worst=True))) for a in COUPLINGS]
    numbers: dict[str, float | Sequence[float]] = {
        "superposition error": errors["superposition"],
        "shift error": errors["shift"],
        "initial state error": errors["initial state"],
        "radii": [radius for radius, _ in rates],
        "growth rates": [rate for _, rate in rates],
        "direction rates at 1.1": directions,
        "rate of the missing direction": missing_rates()[0],
        "rate of the missing direction in the end": missing_rates()[1],
        "sign flips at -1.2": float(sign_flips()),
        "Jordan norm after 60": special["repeated 1 (Jordan block)"][-1],
        "rotation norm after 60": special["pair of modulus 1"][-1],
        "couplings": [a for a, _ in hump],
        "largest growth": [peak for _, peak in hump],
    }
    sections = [
        _superposition_section(errors),
        _response_section(),
        _vector_section(),
        _rate_section(rates, directions),
        _direction_section(),
        _special_section(special),
        _hump_section(hump),
    ]
    return Findings(
        _claims(errors, rates, directions, special, hump),
        sections,
        numbers,
        {"RNN, identity": formula.text(CELLS["rnn-identity"].equations)},
        cover=6,
    )


# ---- the recurrence, run by Carousel ----


def respond(
    matrix: torch.Tensor,
    inputs: torch.Tensor,
    start: torch.Tensor | None = None,
    weight_x: torch.Tensor | None = None,
) -> torch.Tensor:
    """h_1 ... h_T (T, n) of the linear recurrence with W = matrix; W_x is the identity unless given."""
    size = len(matrix)
    cell = RNN(inputs.shape[1], size, nonlinearity="identity", bias=False, dtype=torch.float64)
    with torch.no_grad():
        cell.get_parameter("weight_hh_l0").copy_(matrix)
        cell.get_parameter("weight_ih_l0").copy_(torch.eye(size) if weight_x is None else weight_x)
        first = torch.zeros(1, 1, size, dtype=torch.float64) if start is None else start.reshape(1, 1, -1)
        output, _ = cell(inputs[:, None], first)
    return output[:, 0]


def impulse(vector: torch.Tensor, steps: int, at: int = 0) -> torch.Tensor:
    """An input (steps, n) that is `vector` at one step and nothing else."""
    inputs = torch.zeros(steps, len(vector), dtype=torch.float64)
    inputs[at] = vector
    return inputs


def random_matrix(radius: float, seed: int, size: int = SIZE) -> torch.Tensor:
    """A Gaussian matrix scaled to this spectral radius, float64."""
    matrix = torch.randn(size, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return matrix * radius / torch.linalg.eigvals(matrix).abs().max()


def growth_rate(
    matrix: torch.Tensor, start: int = 0, direction: torch.Tensor | None = None, steps: int = 400
) -> float:
    """Growth per step of the response to one impulse, over the second half of the steps.

    The mean over half of them evens out the beat of complex pairs.
    """
    if direction is None:
        generator = torch.Generator().manual_seed(1_000 + start)
        direction = torch.randn(len(matrix), generator=generator, dtype=torch.float64)
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


def missing_rates() -> tuple[float, float]:
    """Growth per step of that direction at first (60 steps), and after 1,000, when rounding has let the largest in."""
    matrix, direction = random_matrix(1.1, 0), smaller_direction(1.1, 0)
    return growth_rate(matrix, direction=direction, steps=60), growth_rate(
        matrix, direction=direction, steps=1_000
    )


# ---- superposition ----


def superposed() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Responses (T, n) to a, to b and to 2a - 3b, two random inputs and their sum."""
    matrix, generator = random_matrix(0.95, 1), torch.Generator().manual_seed(2)
    a, b = (torch.randn(50, SIZE, generator=generator, dtype=torch.float64) for _ in range(2))
    return respond(matrix, a), respond(matrix, b), respond(matrix, 2 * a - 3 * b)


def superposition_error() -> float:
    """Largest relative difference of the response to a sum and the sum of the responses."""
    to_a, to_b, together = superposed()
    return float((together - 2 * to_a + 3 * to_b).abs().max() / together.abs().max())


def shift_error() -> float:
    """Largest difference of the response to a later impulse and the earlier one's, shifted."""
    matrix, vector = random_matrix(0.95, 1), torch.ones(SIZE, dtype=torch.float64)
    early, late = respond(matrix, impulse(vector, 40)), respond(matrix, impulse(vector, 40, at=7))
    return float((late[7:] - early[:-7]).abs().max())


def start_error() -> float:
    """Largest relative difference of a start h_{-1} and the same vector, times W, as an input at step 0."""
    matrix, vector = random_matrix(0.95, 1), torch.ones(SIZE, dtype=torch.float64)
    started = respond(matrix, torch.zeros(40, SIZE, dtype=torch.float64), start=vector)
    driven = respond(matrix, impulse(matrix @ vector, 40))
    return float((started - driven).abs().max() / driven.abs().max())


# ---- matrices that the rule must face ----


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


# ---- what the page says ----


def _claims(
    errors: dict[str, float],
    rates: list[tuple[float, float]],
    directions: list[float],
    special: dict[str, list[float]],
    hump: list[tuple[float, float]],
) -> list[Claim]:
    off = max(abs(rate / radius - 1) for radius, rate in rates)
    spread = max(directions) - min(directions)
    missing, later = missing_rates()
    coupling, peak = max(hump, key=lambda each: each[1])
    ten = next((a, p) for a, p in hump if p >= 10)
    exact = max(errors.values()) < ROUNDING
    follows, differs = off < 0.01 and spread < 0.01, abs(missing / 1.1 - 1) > 0.01
    turns = abs(special["pair of modulus 1"][-1] - 1) < 0.01
    return [
        Claim(
            "The response to all inputs is the sum of the responses to each, and the start is one more input.",
            Verdict.HOLDS if exact else Verdict.FAILS,
            f"Largest relative errors: sum {power(errors['superposition'])}, shift in time {power(errors['shift'])}, "
            f"start as an input {power(errors['initial state'])}.",
        ),
        Claim(
            "If |λₘₐₓ| > 1 the response blows up, otherwise it shrinks to 0 rapidly.",
            Verdict.CONDITIONAL
            if follows and (turns or peak > 1)
            else Verdict.HOLDS
            if follows
            else Verdict.FAILS,
            f"the modulus is not exactly 1, and one waits long enough. {len(rates)} random matrices of spectral "
            f"radius 0.7 to 1.2 grow at their radius to {power(off)}. At modulus 1 a rotation neither grows nor "
            f"shrinks ({number(special['pair of modulus 1'][-1], 3)} after 60 steps) and a Jordan block grows "
            f"without end (to {number(special['repeated 1 (Jordan block)'][-1], 0)} after 60). And [[0.5, "
            f"{ten[0]:g}], [0, 0.5]], with every eigenvalue at 0.5, first grows {number(ten[1], 0)}-fold, and "
            f"[[0.5, {coupling:g}], [0, 0.5]] {number(peak, 0)}-fold.",
        ),
        Claim(
            "The rate depends only on the eigenvalues, not on the input.",
            Verdict.CONDITIONAL if follows and differs else Verdict.HOLDS if follows else Verdict.FAILS,
            f"the input has a part along the largest one's eigenvector. {len(directions)} random directions agree to "
            f"{power(spread)}; a direction without that part goes by {number(missing, 3)} a step where the largest "
            "is 1.1. It belongs to a set of measure zero: rounding alone lets the largest in, and after 1,000 steps "
            f"it is {number(later, 3)}.",
        ),
        Claim(
            "m = argmaxⱼ λⱼ: the largest eigenvalue wins.",
            Verdict.CONDITIONAL if special["−1.2 beside 0.5"][-1] > 1 else Verdict.FAILS,
            "largest means in modulus, as the slide's formula does not say. −1.2 beats 0.5, with a sign that flips at "
            f"each of {sign_flips()} steps, and the limit of |Wᵗx| must be written |aₘ λₘᵗ uₘ|.",
        ),
    ]


def _superposition_section(errors: dict[str, float]) -> Section:
    rows = [[name, power(value)] for name, value in errors.items()]
    table = Table(["", "largest error"], rows, f"A random W of {SIZE} units, float64, 40 to 50 steps.")
    caption = "Dashed, the two responses put together: it lies on the response to both inputs at once."
    words = (
        "The recurrence is linear: the response to 2a − 3b is twice that to a less three times that to b; an impulse "
        "seven steps later gives the same response seven steps later; and a start h₋₁ acts as an input W h₋₁ would."
    )
    return Section("Superposition", words, [Figure(_superposition_chart(), caption), table])


def _superposition_chart() -> Chart:
    to_a, to_b, together = (path[:, 0].tolist() for path in superposed())
    steps = range(1, len(together) + 1)
    summed = [2 * a - 3 * b for a, b in zip(to_a, to_b, strict=True)]
    return Chart(
        "One unit of 16, driven by a, by b, and by 2a − 3b",
        f"The sum of the responses is the response to the sum, to {power(superposition_error())}",
        "step k",
        "first unit of h",
        [
            Line("to a", steps, to_a, "s6"),
            Line("to b", steps, to_b, "s3"),
            Line("to 2a − 3b", steps, together, "s1"),
            Line("2 (to a) − 3 (to b)", steps, summed, "s2 dashed"),
        ],
        margin=140,
    )


def _response_section() -> Section:
    values = [round(-1.2 + 0.1 * k, 1) for k in range(25)]
    charts = []
    for value in values:
        path = respond(
            torch.tensor([[value]], dtype=torch.float64), impulse(torch.ones(1, dtype=torch.float64), 31)
        )[:, 0]
        line = Line("h", range(31), path.tolist(), "s1", dots=True)
        charts.append(
            Chart(
                f"Response to one input, w = {number(value, 1)}",
                "A scalar recurrence after an impulse at step 0",
                "step k",
                "h",
                [line],
                y_range=(-3.0, 3.0),
                height=230,
            )
        )
    slider = Slider(
        "w",
        [f"w = {number(value, 1)}" for value in values],
        charts,
        "Below −1 and above 1 the response leaves the picture; negative weights flip its sign at every step.",
        start=values.index(0.9),
    )
    return Section("The response to one input", "h_k = w h_{k−1}, driven once by x₀ = 1.", [slider])


def _vector_section() -> Section:
    charts = []
    for name, matrix in SPECIAL.items():
        path = respond(matrix, impulse(torch.ones(2, dtype=torch.float64), 31))
        top = max(1.05, 1.05 * float(path.abs().max()))
        lines = [
            Line(f"h{mark}", range(31), path[:, unit].tolist(), style, dots=True)
            for unit, mark, style in ((0, "₁", "s1"), (1, "₂", "s2"))
        ]
        charts.append(
            Chart(
                f"Two units after one input, eigenvalues: {name}",
                f"After 30 steps h₁ is {number(float(path[-1, 0]), 3)} and h₂ {number(float(path[-1, 1]), 3)}",
                "step k",
                "h",
                lines,
                y_range=(-top, top),
                height=260,
            )
        )
    slider = Slider(
        "eigenvalues",
        list(SPECIAL),
        charts,
        "Real eigenvalues fade or grow, a negative one flips the sign, a complex pair turns one unit into the other.",
        start=list(SPECIAL).index("pair of modulus 1.05"),
    )
    return Section(
        "The same for a vector", "h_k = W h_{k−1} with two units, driven once by x₀ = (1, 1).", [slider]
    )


def _rate_section(rates: list[tuple[float, float]], directions: list[float]) -> Section:
    radii = sorted({radius for radius, _ in rates})
    measured = Line("measured", [r for r, _ in rates], [g for _, g in rates], "s2", dots=True, joined=False)
    chart = Chart(
        "Growth per step against the spectral radius",
        "Random matrices; the line is growth = radius",
        "largest |λ|",
        "growth per step",
        [Line("theory", radii, radii, "s1"), measured],
    )
    words = (
        f"Random matrices of {SIZE} units, each driven once in a random direction; growth is measured from step 200 "
        f"to 400. For one matrix of radius 1.1, {len(directions)} directions gave rates between "
        f"{number(min(directions), 5)} and {number(max(directions), 5)} from step 1,000 to 2,000."
    )
    return Section("How fast it grows", words, [Figure(chart, "Every dot is a matrix.")])


def _direction_section() -> Section:
    steps, matrix = 1_000, random_matrix(1.1, 0)
    generator = torch.Generator().manual_seed(1_000)
    random = torch.randn(SIZE, generator=generator, dtype=torch.float64)
    lines = []
    for name, direction, style in (
        ("random", random, "s1"),
        ("missing", smaller_direction(1.1, 0), "s2"),
    ):
        sizes = respond(matrix, impulse(direction / direction.norm(), steps)).norm(dim=1)
        lines.append(Line(name, range(0, steps, 5), sizes[::5].tolist(), style))
    early, late = missing_rates()
    chart = Chart(
        "Response from a random direction, and from one that misses the largest eigenvalue",
        f"The second falls by {number(early, 3)} a step at first and grows by {number(late, 3)} in the end",
        "step k",
        "norm of h",
        lines,
        log=True,
        ticks=7,
    )
    words = (
        "Nearly every direction has a part along the eigenvector of the largest eigenvalue, here 1.1. One that has "
        "none follows the next: such directions are a set of measure zero."
    )
    caption = (
        f"Without that part the response goes by {number(early, 3)} a step. But each step rounds in the sixteenth "
        "digit, which gives it a little of the largest eigenvector; that grows, and in the end the rate is "
        f"{number(late, 3)}."
    )
    return Section("From every direction but a few", words, [Figure(chart, caption)])


def _special_section(special: dict[str, list[float]]) -> Section:
    lines = [
        Line(name, range(len(sizes)), sizes, f"s{k + 1}") for k, (name, sizes) in enumerate(special.items())
    ]
    chart = Chart(
        "Size of the response to one input",
        "Two units; eigenvalues as named",
        "step k",
        "norm of h",
        lines,
        log=True,
        margin=190,
        height=340,
    )
    words = "Two units are enough for everything that a single real eigenvalue does not show."
    caption = (
        "Straight lines are exponential. A pair of modulus 1 turns without end; a repeated eigenvalue of 1 that "
        "lacks a second eigenvector grows like k."
    )
    return Section("Negative, complex, repeated, exactly one", words, [Figure(chart, caption)])


def _hump_section(hump: list[tuple[float, float]]) -> Section:
    charts = []
    for coupling, peak in hump:
        sizes = norms(non_normal(coupling), 30, worst=True)
        charts.append(
            Chart(
                f"Worst growth with a coupling of {coupling:g}",
                f"Largest {peak:.1f}, although both eigenvalues are 0.5",
                "step k",
                "norm of W to the power k",
                [Line("‖Wᵏ‖", range(31), [max(size, 1e-12) for size in sizes], "s2")],
                log=True,
                levels=[("1", 1.0)],
                y_range=(1e-8, 300.0),
                height=260,
            )
        )
    slider = Slider(
        "coupling a",
        [f"a = {coupling:g}" for coupling, _ in hump],
        charts,
        "W = [[0.5, a], [0, 0.5]]: in the end 0.5 wins; how far the norm climbs first is up to a, not to them.",
        start=len(hump) - 1,
    )
    words = "Eigenvalues tell the end, not the way there: when eigenvectors are nearly parallel, ‖Wᵏ‖ first grows."
    return Section("The hump of a non-normal matrix", words, [slider])
