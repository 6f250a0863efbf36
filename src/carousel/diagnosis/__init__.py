"""What a recurrent network remembers and why it forgets: numbers in dataclasses, never pictures."""

from typing import TYPE_CHECKING

from carousel.diagnosis.compare import Comparison
from carousel.diagnosis.diagnose import diagnose, judge
from carousel.diagnosis.measures.fixed_points import FixedPoints, fixed_points
from carousel.diagnosis.measures.gates import GateSeries, gates_over_time, tracking_units
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag, gradient_by_lag
from carousel.diagnosis.measures.gradient_by_lag_of import GradientNorms, gradient_by_lag_of
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer, gradient_by_layer
from carousel.diagnosis.measures.impulse_response import ImpulseResponse, impulse_response
from carousel.diagnosis.measures.linear_memory import (
    FisherMemory,
    LinearMemory,
    fisher_memory,
    linear_capacity,
    linear_memory,
    parameter_sensitivity,
)
from carousel.diagnosis.measures.lyapunov import Lyapunov, lyapunov, lyapunov_of
from carousel.diagnosis.measures.memory import GateTimes, Memory, gate_times, memory
from carousel.diagnosis.measures.memory_estimates import Estimate
from carousel.diagnosis.measures.saturation import Activation, Saturation, saturation
from carousel.diagnosis.measures.spectrum import MatrixSpectrum, Spectrum, matrix_spectrum, spectrum
from carousel.diagnosis.measures.stability import Certificate, Stability, stability
from carousel.diagnosis.measures.text_properties import Property, text_properties, token_properties
from carousel.diagnosis.measures.units import (
    GateStatistics,
    Unit,
    UnitStrip,
    gate_statistics,
    informative_units,
    strips,
    varied_window,
)
from carousel.diagnosis.monitor import Look, Monitor
from carousel.diagnosis.observation.layers import RecurrentLayer, recurrent_layers
from carousel.diagnosis.observation.loss import NextSymbol
from carousel.diagnosis.observation.scaled import Scaled
from carousel.diagnosis.observation.stack import LayerStack, stacked
from carousel.diagnosis.observation.trajectory import Observation, Trajectory, observe
from carousel.diagnosis.result import Diagnosis, LayerDiagnosis
from carousel.diagnosis.verdicts.findings import Evidence, Finding
from carousel.diagnosis.verdicts.remedies import Remedy
from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.diagnosis.lightning import LightningMonitor
else:
    __getattr__, __dir__ = lazy(__name__)  # it imports Lightning, and so only when it is asked for

__all__ = [
    "Activation",
    "Certificate",
    "Comparison",
    "GateSeries",
    "Diagnosis",
    "Estimate",
    "Evidence",
    "Finding",
    "FisherMemory",
    "FixedPoints",
    "GateStatistics",
    "GateTimes",
    "GradientNorms",
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
    "gradient_by_lag_of",
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
