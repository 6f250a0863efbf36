"""What a recurrent network remembers and why it forgets: numbers in dataclasses, never pictures."""

from carousel.diagnosis.by_lag import GradientByLag, gradient_by_lag
from carousel.diagnosis.exponents import Lyapunov, lyapunov, lyapunov_of
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
from carousel.diagnosis.linear import (
    FisherMemory,
    ImpulseResponse,
    fisher_memory,
    impulse_response,
    linear_capacity,
    parameter_sensitivity,
)
from carousel.diagnosis.properties import Property, text_properties, token_properties
from carousel.diagnosis.scaled import Scaled
from carousel.diagnosis.spectra import MatrixSpectrum, Spectrum, matrix_spectrum, spectrum
from carousel.diagnosis.stack import LayerStack, stacked
from carousel.diagnosis.trajectory import Observation, Trajectory, observe

__all__ = [
    "FisherMemory",
    "GateStatistics",
    "GradientByDistance",
    "GradientByLag",
    "ImpulseResponse",
    "LayerStack",
    "Lyapunov",
    "MatrixSpectrum",
    "Observation",
    "Property",
    "RecurrentLayer",
    "Scaled",
    "Spectrum",
    "Trajectory",
    "Unit",
    "UnitStrip",
    "fisher_memory",
    "gate_statistics",
    "gradient_by_distance",
    "gradient_by_lag",
    "impulse_response",
    "informative_units",
    "linear_capacity",
    "lyapunov",
    "lyapunov_of",
    "matrix_spectrum",
    "observe",
    "parameter_sensitivity",
    "recurrent_layers",
    "spectrum",
    "stacked",
    "strips",
    "text_properties",
    "token_properties",
    "varied_window",
]
