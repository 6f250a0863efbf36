"""What a recurrent network remembers and why it forgets: numbers in dataclasses, never pictures."""

from carousel.diagnosis.gates import (
    GateStatistics,
    Unit,
    UnitStrip,
    gate_statistics,
    informative_units,
    strips,
    varied_window,
)
from carousel.diagnosis.gradient import GradientByDistance, gradient_by_distance
from carousel.diagnosis.properties import Property, text_properties, token_properties

__all__ = [
    "GateStatistics",
    "GradientByDistance",
    "Property",
    "Unit",
    "UnitStrip",
    "gate_statistics",
    "gradient_by_distance",
    "informative_units",
    "strips",
    "text_properties",
    "token_properties",
    "varied_window",
]
