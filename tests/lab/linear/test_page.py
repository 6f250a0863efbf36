"""The figures of the linear recurrence show what linear algebra says."""

import numpy as np


def test_the_page_shows_scalar_and_vector_responses(findings):
    """Both units of a rotation of modulus 1 keep their norm √2 at every step that is drawn."""
    [slider] = next(
        part for part in findings("linear").sections if part.heading == "The same for a vector"
    ).shown
    chart = slider.drawings["pair of modulus 1"]
    first, second = (np.array(line.y) for line in chart.lines)
    np.testing.assert_allclose(np.hypot(first, second), np.sqrt(2), rtol=1e-12)


def test_superposition_is_drawn(findings):
    """The two responses put together lie on the response to both inputs."""
    chart = findings("linear").sections[1].shown[0].drawing
    together, summed = (np.array(line.y) for line in chart.lines[2:])
    np.testing.assert_allclose(together, summed, atol=1e-12)
