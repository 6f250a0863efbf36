"""A diagnosis in a real browser without a network: all that is written and drawn is what the dataclass holds."""

import math

import numpy as np
import pytest
import torch
from browser import needs_browser
from report.drawn import read_page

from carousel.diagnosis import diagnose
from carousel.nn import RNN
from carousel.report.number_format import number

pytestmark = needs_browser
TEN = math.log(10)


@pytest.fixture(scope="module")
def shown(diagnosis, tmp_path_factory):
    """What a browser holds of the page of a sick LSTM."""
    folder = tmp_path_factory.mktemp("page")
    page, log = read_page(diagnosis.save(folder / "diagnosis.html"), folder / "profile")
    assert "CONSOLE" not in log
    return page


def figures_of(page, section):
    return {each["heading"]: each for each in page["figures"] if each["section"] == section}


def gradient_curves(flow):
    """Powers of ten by lag, the actual one against its start, as the caption says."""
    curves = {name: flow.median(f"log_{name}") / TEN for name in ("worst", "typical", "bound")}
    actual = flow.median("log_total") / TEN
    return curves | {"actual": actual - actual[0]}


def assert_curve(figure, label, x, y, log=(False, False)):
    """Both drawings, that of a page and that of a phone, show these numbers within what a pixel can tell."""
    wanted = np.stack([x, y], axis=1)[np.isfinite(y)]
    assert len(figure["drawings"]) == 2
    for drawing in figure["drawings"]:
        found, off = drawing.values(drawing.curve(label), log)
        assert len(found) == len(wanted), (figure["heading"], label)
        np.testing.assert_array_less(
            np.abs(found - wanted) - off, 1e-9, err_msg=f"{figure['heading']}: {label}"
        )


def assert_points(figure, label, values):
    """Complex numbers as points of a plane."""
    for drawing in figure["drawings"]:
        found, off = drawing.values(drawing.group(label))
        assert len(found) == len(values)
        np.testing.assert_array_less(np.abs(found - np.stack([values.real, values.imag], axis=1)) - off, 1e-9)


def assert_rows(figure, rows):
    """The table behind the picture."""
    assert [name for name, _ in figure["rows"]] == [name for name, _ in rows]
    for (_, found), (name, wanted) in zip(figure["rows"], rows, strict=True):
        assert [float(each) for each in found] == pytest.approx(
            [float(each) for each in wanted], nan_ok=True
        ), name


def test_verdict_and_findings(diagnosis, shown):
    """Severity, words, evidence and remedies in their order, and the first sentence at the head."""
    assert shown["verdict"] == diagnosis.findings[0].sentence
    assert [each["name"] for each in shown["findings"]] == [each.name for each in diagnosis.findings]
    for k, (found, finding) in enumerate(zip(shown["findings"], diagnosis.findings, strict=True)):
        assert found["severity"] == finding.severity
        assert k == 0 or finding.sentence in found["words"]
        assert [float(each) for each in found["evidence"]] == [each.value for each in finding.evidence[:2]]
        assert all(
            number(each.threshold, 3) in found["words"] and each.source in found["words"]
            for each in finding.evidence[:2]
        )
        assert all(
            remedy.name in words.lower() and remedy.words in words and remedy.source in words
            for remedy, words in zip(finding.remedies, found["remedies"], strict=True)
        )


def test_words_and_numbers_of_each_layer(diagnosis, shown):
    """The headline of its memory, what is said of it, the numbers that layers are compared by."""
    for layer in diagnosis.layers:
        section = next(each for each in shown["sections"] if each.startswith(layer.layer))
        assert layer.memory.words in section
        assert all(words[1:] in section for words in layer.sentences)
    compared = {(layer, name): float(value) for layer, name, value in shown["compared"]}
    wanted = {
        (layer.layer, name): value for layer in diagnosis.layers for name, value in layer.numbers.items()
    }
    assert compared == pytest.approx(wanted, nan_ok=True)
    [stack] = diagnosis.stacks
    assert any(stack.memory.words in each for each in shown["sections"])
    assert any(number(stack.memory.steps, 0) in each and stack.name in each for each in shown["facts"])


def test_the_gradient_by_lag(diagnosis, shown):
    """Worst, typical, actual and, where it fits into the picture, the bound: of each layer and of the stack."""
    named = [(each.layer, each.gradient) for each in diagnosis.layers]
    named += [(f"All layers of {each.name} together", each.gradient) for each in diagnosis.stacks]
    for section, flow in named:
        figure = figures_of(shown, section)["How the gradient goes back in time"]
        curves = gradient_curves(flow)
        drawn = {word for word, _ in figure["drawings"][0].labels} & set(curves)
        assert drawn >= {"worst", "typical", "actual"}
        for name in drawn - {"bound"}:
            assert_curve(figure, name, flow.lags, curves[name], log=(False, True))
        states = [flow.median(name) / TEN for name in flow.log_actual]
        columns = [*(curves[name] for name in ("worst", "typical", "actual", "bound")), *states]
        assert_rows(
            figure,
            [(str(k), [each[k] for each in columns]) for k in (1, 2, 5, 10, 20, 50) if k < len(flow.lags)],
        )


def test_exponents_gates_and_impulse(diagnosis, shown):
    """Running means of the exponents, time scales of the gates, gates over time, the answer to an impulse."""
    for layer in diagnosis.layers:
        figures = figures_of(shown, layer.layer)
        found, figure = layer.lyapunov, figures["Lyapunov exponents: do small differences grow?"]
        for k in range(5):
            assert_curve(figure, str(k + 1), 1 + np.arange(len(found.running)), found.running[:, k])
        assert_rows(
            figure,
            [(str(k + 1), pair) for k, pair in enumerate(zip(found.exponents, found.error, strict=True))],
        )
        figure = figures["How long its gates keep a state"]
        for state, times in layer.memory.gates.items():
            tau, share = np.sort(times.tau), 100 * (1 + np.arange(layer.hidden)) / layer.hidden
            assert_curve(figure, state, share, np.log10(np.maximum(tau, 0.1)), log=(False, True))
        figure = figures["Gates over time"]
        for gate in "ifo":
            mean = layer.gates.values[gate][:, 0].mean(axis=-1)
            assert_curve(figure, gate, 1 + np.arange(len(mean)), mean)
        figure = figures["How it responds to an impulse"]
        assert_curve(figure, "mean", np.arange(len(layer.impulse.norms)), layer.impulse.relative)


def test_eigenvalues_and_fixed_points(diagnosis, shown):
    """Each eigenvalue is a point of the plane; the tables hold radius, norm and the rest."""
    for layer in diagnosis.layers:
        figures = figures_of(shown, layer.layer)
        figure, found = figures["Eigenvalues"], layer.spectrum
        for gate, each in found.weights.items():
            if len(found.weights) == 1:  # for the weights of gates the unit circle means nothing
                assert_points(figure, f"weights {gate}", each.eigenvalues)
        assert_points(figure, f"Jacobian, step {found.steps[0, 0]}", found.jacobians[0].eigenvalues)
        names = [f"weights {gate}" for gate in found.weights] + [
            f"Jacobian at step {t}" for t, _ in found.steps
        ]
        matrices = [*found.weights.values(), *found.jacobians]
        rows = [[each.radius, each.norm, each.henrici, each.peak, each.peak_power] for each in matrices]
        assert_rows(figure, list(zip(names, rows, strict=True)))
        figure, found = figures["Fixed points"], layer.fixed_points
        for k, kind in enumerate(found.kinds[:5]):
            assert_points(figure, f"{k + 1}, {kind}", found.eigenvalues[k])


def test_bars(diagnosis, shown):
    """Their lengths are shares of the longest, of the whole, or of decades; the words beside them the numbers."""
    for layer in diagnosis.layers:
        figures = figures_of(shown, layer.layer)
        figure, found = figures["How far it remembers"], layer.memory.estimates
        longest = max(1.0, *(each.steps for each in found.values()))
        for name, width, words in figure["bars"]:
            assert width == pytest.approx(100 * found[name].steps / longest, abs=0.06)
            assert float(words.split()[0]) == pytest.approx(
                found[name].steps, abs=0.05 if "." in words else 0.5
            )
        assert_rows(figure, [(name, [each.steps, each.low, each.high]) for name, each in found.items()])
        figure, found = figures["Saturated activations"], layer.saturation.activations
        for name, width, _ in figure["bars"]:
            assert width == pytest.approx(100 * found[name].share, abs=0.06)
        rows = [
            (name, [each.share, each.always.sum(), each.low.mean(), each.high.mean()])
            for name, each in found.items()
        ]
        assert_rows(figure, rows)
    figure, flow = figures_of(shown, "The whole model")["From layer to layer"], diagnosis.by_layer
    logs = flow.log_typical / TEN
    widths = [width for _, width, _ in figure["bars"]]
    assert widths == pytest.approx(
        100 * (logs - logs.min() + 1) / np.ptp(np.append(logs, logs.min() - 1)), abs=0.06
    )
    assert_rows(figure, list(zip(flow.names, zip(logs, flow.log_parameters / TEN, strict=True), strict=True)))


def test_units_on_their_text(diagnosis, shown):
    """Every piece has the colour of its state: sign and strength to a twentieth."""
    for (heading, shades), strip in zip(shown["strips"], diagnosis.text.strips, strict=True):
        assert f"Unit {strip.unit.index} of layer {strip.unit.layer + 1}" in heading
        values = strip.values[strip.unit.state].astype(float)
        centre = values.mean() if abs(values.mean()) > 2 * values.std() else 0.0
        wanted = (values - centre) / np.abs(values - centre).max()
        found = [(1 if shade[0] == "p" else -1) * int(shade[1:]) / 20 for shade in shades]
        np.testing.assert_allclose(found, wanted, atol=0.026)


def test_a_linear_layer_has_its_fisher_memory(tmp_path):
    """J(k) of each input."""
    torch.manual_seed(1)
    module = RNN(2, 5, nonlinearity="identity")
    module.weight_hh_l0.data.mul_(0.5)
    report = diagnose(module, torch.randn(40, 2, 2))
    page, _ = read_page(report.save(tmp_path / "page.html"), tmp_path / "profile", width=500)
    [layer] = report.layers
    figure = figures_of(page, layer.layer)["What a linear layer can remember"]
    for channel, each in zip(layer.linear.channels, layer.linear.fisher, strict=True):
        drawn = each.curve[: len(figure["drawings"][0].curve(f"input {channel}"))]
        assert (each.curve[len(drawn) :] < 2e-3 * drawn.max()).all()  # what is left out could not be seen
        assert_curve(figure, f"input {channel}", np.arange(len(drawn)), drawn)
    needed, available = page["width"]
    assert needed <= available


@pytest.mark.parametrize("width", [1000, 500])
def test_nothing_sticks_out(diagnosis, tmp_path, width):
    """Neither on a page nor on a phone."""
    page, log = read_page(diagnosis.save(tmp_path / "page.html"), tmp_path / "profile", width=width)
    assert "CONSOLE" not in log
    needed, available = page["width"]
    assert needed <= available
