"""The figures show every loss in full, and the verdict on windows follows from their accuracy."""

import pytest

from carousel.lab.losses import page
from carousel.lab.losses.measure import WINDOWS, Measurements, Window


def test_the_axis_cuts_no_curve_off(findings):
    """The losses that weights train are drawn in full, however small they are."""
    section = next(part for part in findings("losses").sections if part.heading == "Weights over time")
    chart = section.shown[0].drawing
    assert chart.y_range[0] <= min(min(line.y) for line in chart.lines)


def test_each_window_has_its_curve(findings):
    """The slider draws how that window learns: a short one stays near chance at the end, the longest is right."""
    [slider] = [part for part in findings("losses").sections[-1].shown if hasattr(part, "drawings")]
    ends = [sum(chart.lines[-1].y[-5:]) / 5 for chart in slider.drawings.values()]
    assert ends[0] < 0.75
    assert ends[-1] > 0.9


@pytest.mark.parametrize(
    ("accuracy", "verdict"), [(0.5, "not decided at this budget"), (1.0, "holds"), (None, "holds only when")]
)
def test_the_verdict_on_windows(accuracy, verdict):
    """If no window learns, nothing is decided; if all learn, or only long ones, the verdict says so."""
    windows = {w: Window(accuracy or (1.0 if w > 6 else 0.5), []) for w in WINDOWS}
    claim = page._window_claim(Measurements({}, {}, {}, {}, {}, windows))
    assert claim.verdict == verdict
    assert claim.condition == ("the window spans the lag" if accuracy is None else "")
