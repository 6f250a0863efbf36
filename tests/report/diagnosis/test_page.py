"""The page of a diagnosis: what it says, its numbers. That a browser draws them: test_drawn."""

import html
import re

import pytest

from carousel.report.diagnosis.page import diagnosis_page


def _compared(page: str) -> dict[tuple[str, str], float]:
    found = re.findall(r'<data data-layer="([^"]+)" data-name="([^"]+)" value="([^"]+)"', page)
    return {(layer, html.unescape(name)): float(value) for layer, name, value in found}


def test_every_number_is_that_of_the_dataclass(diagnosis):
    """Findings, evidence, what layers are compared by, and the curve by lag."""
    page = diagnosis_page(diagnosis)
    expected = {
        (layer.layer, name): value for layer in diagnosis.layers for name, value in layer.numbers.items()
    }
    assert _compared(page) == pytest.approx(expected, nan_ok=True)
    for finding in diagnosis.findings:
        assert f'data-name="{finding.name}"' in page
        assert html.escape(finding.sentence).replace("&#x27;", "&#39;") in page
        for each in finding.evidence:
            assert f'<data value="{each.value}">' in page
        for remedy in finding.remedies:
            assert html.escape(remedy.words).replace("&#x27;", "&#39;") in page
    worst = diagnosis.layers[0].gradient.median("log_worst")[10] / 2.302585092994046
    assert any(
        float(value) == pytest.approx(worst)
        for value in re.findall(r'<th scope="row">10</th><td><data value="([^"]+)"', page)
    )


def test_it_says_what_was_exact_and_which_loss(diagnosis):
    """The loss in words, and the method of each layer."""
    page = diagnosis_page(diagnosis)
    assert "the squared norm of the last valid output" in page
    assert "exact: all unit vectors carried back" in page
    assert "All layers of" in page
    assert "What its units hold" in page


def test_gates_and_states_have_their_numbers(diagnosis):
    """The mean of each gate over the first sequence; the actual gradient of h and c apart; whether it forgets."""
    page = diagnosis_page(diagnosis)
    layer = diagnosis.layers[0]
    mean = float(layer.gates.mean("f")[:, 0].mean())
    assert "How its gates move" in page
    assert any(
        float(value) == pytest.approx(mean, rel=1e-5)
        for value in re.findall(r'<th scope="row">f</th><td><data value="([^"]+)"', page)
    )
    expected = layer.gradient.median("c")[10] / 2.302585092994046
    rows = re.findall(r'<th scope="row">10</th>((?:<td><data value="[^"]+">[^<]*</data></td>)+)', page)
    last = [float(re.findall(r'value="([^"]+)"', row)[-1]) for row in rows]
    assert any(value == pytest.approx(expected) for value in last)
    assert "forgets its start" in page
    assert layer.fixed_points.kinds
    assert "Where it rests" in page
    top = float(abs(layer.fixed_points.eigenvalues[0, 0]))
    assert f'<th scope="row">1, {layer.fixed_points.kinds[0]}</th><td><data value="{top}">' in page


def test_it_asks_nothing_of_a_network(diagnosis):
    """No address but the names of SVG; a policy that forbids the rest."""
    page = diagnosis_page(diagnosis)
    assert not re.findall(r'(?:src|href)="(?!data:|#)[^"]+"', page)
    assert "default-src 'none'" in page
