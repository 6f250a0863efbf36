"""Numbers in words."""

import pytest

from carousel.report import number_format


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        ("number", 1234.5, "1_234.50"),
        ("number", -0.5, "−0.50"),
        ("number", -0.001, "0.00"),
        ("number", float("nan"), "not a number"),
        ("number", float("inf"), "infinite"),
        ("count", 1234567, "1_234_567"),
        ("about", 12_400_000, "12.4 million"),
        ("about", 499_298, "499_298"),
        ("about", 3.1e9, "3.1 billion"),
        ("duration", 4.24, "4.2_s"),
        ("duration", 59.99, "1_min 00_s"),
        ("duration", 182.4, "3_min 02_s"),
        ("duration", 7500, "2_h 05_min"),
        ("duration", 3599.8, "1_h 00_min"),
        ("percent", 0.123, "12_%"),
        ("percent", 0.0123, "1.2_%"),
        ("percent", 0.0, "0_%"),
        ("power", 3.2e-5, "3.2 × 10⁻⁵"),
        ("power", 0.25, "0.250"),
        ("power", 123.4, "123"),
        ("power", 9.96e-5, "1.0 × 10⁻⁴"),
        ("power", 0.0, "0"),
    ],
)
def test_numbers_read_well(function, value, text):
    """Thin spaces (here _) between groups, a true minus, and no 60 seconds in a minute."""
    assert getattr(number_format, function)(value).replace(number_format.THIN, "_") == text
