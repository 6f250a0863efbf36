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
from carousel.diagnosis.layers import RecurrentLayer, recurrent_layers
from carousel.diagnosis.properties import Property, text_properties, token_properties
from carousel.diagnosis.scaled import Scaled
from carousel.diagnosis.trajectory import Observation, Trajectory, observe

__all__ = [
    "GateStatistics",
    "GradientByDistance",
    "Observation",
    "Property",
    "RecurrentLayer",
    "Scaled",
    "Trajectory",
    "Unit",
    "UnitStrip",
    "gate_statistics",
    "gradient_by_distance",
    "informative_units",
    "observe",
    "recurrent_layers",
    "strips",
    "text_properties",
    "token_properties",
    "varied_window",
]
