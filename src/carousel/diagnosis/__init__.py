"""What a recurrent network remembers and why it forgets: numbers in dataclasses, never pictures."""

from importlib import import_module
from typing import Any

from carousel.diagnosis.activations import Activation, Saturation, saturation
from carousel.diagnosis.by_lag import GradientByLag, gradient_by_lag
from carousel.diagnosis.by_layer import GradientByLayer, gradient_by_layer
from carousel.diagnosis.certificates import Certificate, Stability, stability
from carousel.diagnosis.compare import Comparison
from carousel.diagnosis.course import Course, gates_over_time, tracking_units
from carousel.diagnosis.diagnosing import diagnose, judge
from carousel.diagnosis.equilibria import FixedPoints, fixed_points
from carousel.diagnosis.examination import Diagnosis, LayerDiagnosis
from carousel.diagnosis.exponents import Lyapunov, lyapunov, lyapunov_of
from carousel.diagnosis.findings import Evidence, Finding
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
from carousel.diagnosis.headline import Estimate
from carousel.diagnosis.horizon import GateTimes, Memory, gate_times, memory
from carousel.diagnosis.impulse import ImpulseResponse, impulse_response
from carousel.diagnosis.layers import RecurrentLayer, recurrent_layers
from carousel.diagnosis.linear import (
    FisherMemory,
    LinearMemory,
    fisher_memory,
    linear_capacity,
    linear_memory,
    parameter_sensitivity,
)
from carousel.diagnosis.monitor import Look, Monitor
from carousel.diagnosis.next_symbol import NextSymbol
from carousel.diagnosis.properties import Property, text_properties, token_properties
from carousel.diagnosis.remedies import Remedy
from carousel.diagnosis.scaled import Scaled
from carousel.diagnosis.spectra import MatrixSpectrum, Spectrum, matrix_spectrum, spectrum
from carousel.diagnosis.stack import LayerStack, stacked
from carousel.diagnosis.trajectory import Observation, Trajectory, observe

__all__ = [
    "Activation",
    "Certificate",
    "Comparison",
    "Course",
    "Diagnosis",
    "Estimate",
    "Evidence",
    "Finding",
    "FisherMemory",
    "FixedPoints",
    "GateStatistics",
    "GateTimes",
    "GradientByDistance",
    "GradientByLag",
    "GradientByLayer",
    "ImpulseResponse",
    "LayerDiagnosis",
    "LayerStack",
    "LightningMonitor",
    "LinearMemory",
    "Look",
    "Lyapunov",
    "MatrixSpectrum",
    "Memory",
    "Monitor",
    "NextSymbol",
    "Observation",
    "Property",
    "RecurrentLayer",
    "Remedy",
    "Saturation",
    "Scaled",
    "Spectrum",
    "Stability",
    "Trajectory",
    "Unit",
    "UnitStrip",
    "diagnose",
    "fisher_memory",
    "fixed_points",
    "gate_statistics",
    "gate_times",
    "gates_over_time",
    "gradient_by_distance",
    "gradient_by_lag",
    "gradient_by_layer",
    "impulse_response",
    "informative_units",
    "judge",
    "linear_capacity",
    "linear_memory",
    "lyapunov",
    "lyapunov_of",
    "matrix_spectrum",
    "memory",
    "observe",
    "parameter_sensitivity",
    "recurrent_layers",
    "saturation",
    "spectrum",
    "stability",
    "stacked",
    "strips",
    "text_properties",
    "token_properties",
    "tracking_units",
    "varied_window",
]


def __getattr__(name: str) -> Any:
    if name != "LightningMonitor":  # which imports Lightning, and so only when it is asked for
        raise AttributeError(f"module 'carousel.diagnosis' has no attribute {name!r}")
    return import_module("carousel.diagnosis.lightning").LightningMonitor
