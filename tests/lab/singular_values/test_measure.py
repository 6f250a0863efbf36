"""Singular values of a product of Jacobians against linear algebra."""

import pytest
import torch

from carousel.lab.singular_values import measure as singular_values


@pytest.fixture(scope="module")
def found(measured):
    return measured("singular-values")


def test_the_parts_add_up(found):
    """Weights' and activations' part together are the product's mean log singular value."""
    for each in found.products.values():  # over two steps, where rounding does not reach
        together = float(each.values[1].log().mean())
        assert together == pytest.approx(each.weights[1] + each.activations[1], abs=1e-8)


def test_activations_only_shrink(found):
    """tanh' is at most 1, so that its part is never positive, and grows with the weights."""
    parts = [each.activations[-1] for each in found.products.values()]
    assert max(parts) <= 0
    assert parts == sorted(parts, reverse=True)


def test_directions_grow_and_shrink(found):
    """Along the first singular direction a gradient grows, along the last it dies, random ones lie between."""
    assert found.growth["first"] > 1 > found.growth["random"] > found.growth["last"]


def test_the_jacobian_is_the_derivative():
    """The last Jacobian of a tanh net is diag(1 - h²) W."""
    layer = singular_values.tanh_layer(1.2)
    last = singular_values.jacobians(layer)[-1]
    inputs = torch.randn(80, 1, 4, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    with torch.no_grad():
        states, _ = layer(inputs)
        expected = (1 - states[-1, 0] ** 2)[:, None] * layer.get_parameter("weight_hh_l0")
    torch.testing.assert_close(last, expected)


def test_depth_takes_sigmoid_down_and_spreads_the_others(found):
    """After 20 layers sigmoid's typical singular value is far below that of ELU, ReLU and tanh, which stay near 1."""
    typical = {name: float(values[-1].square().mean().sqrt()) for name, values in found.deep.items()}
    assert typical["sigmoid"] < 1e-6
    assert all(0.01 < typical[name] < 10 for name in ("ELU", "ReLU", "tanh"))


def test_the_deep_product_is_the_derivative():
    """All layers multiplied have the singular values of the net's Jacobian, by autograd."""
    generator = torch.Generator().manual_seed(8)
    start = torch.randn(singular_values.WIDTH, generator=generator, dtype=torch.float64)
    shape = singular_values.WIDTH, singular_values.WIDTH
    weights = [
        torch.randn(shape, generator=generator, dtype=torch.float64) / singular_values.WIDTH**0.5
        for _ in range(singular_values.DEPTH)
    ]

    def net(y: torch.Tensor) -> torch.Tensor:
        for weight in weights:
            y = torch.tanh(weight @ y)
        return y

    jacobian = torch.autograd.functional.jacobian(net, start)
    spectrum = singular_values.deep_spectrum("tanh")[-1]
    torch.testing.assert_close(spectrum[:20], torch.linalg.svdvals(jacobian)[:20])


def test_the_last_direction_is_not_rounding(found):
    """Over two steps the inverse product and the singular values agree; over ten the last is far below rounding."""
    last = singular_values.directional_growth(5, lag=2)["last"]
    spectrum = singular_values.spectrum_by_lag(singular_values.jacobians(singular_values.tanh_layer(1.5)))
    assert last == pytest.approx(float(spectrum[1, -1]), rel=1e-6)
    assert 0 < found.growth["last"] < 1e-17
