"""What a recurrent network remembers and why it forgets: numbers in dataclasses, never pictures."""

from typing import TYPE_CHECKING

from carousel.diagnosis.compare import Comparison
from carousel.diagnosis.diagnose import diagnose, judge
from carousel.diagnosis.measures.end_to_end import EndToEnd, end_to_end
from carousel.diagnosis.measures.fixed_points import FixedPoints, fixed_points
from carousel.diagnosis.measures.gates import GateSeries, GateTimes, gate_times, gates_over_time
from carousel.diagnosis.measures.gradient_by_lag import GradientByLag, gradient_by_lag
from carousel.diagnosis.measures.gradient_by_layer import GradientByLayer, gradient_by_layer
from carousel.diagnosis.measures.impulse_response import ImpulseResponse, impulse_response
from carousel.diagnosis.measures.latching import Latching, latching
from carousel.diagnosis.measures.linear_memory import (
    FisherMemory,
    LinearMemory,
    fisher_memory,
    linear_capacity,
    linear_memory,
    parameter_sensitivity,
)
from carousel.diagnosis.measures.lyapunov import Lyapunov, lyapunov, lyapunov_of_map
from carousel.diagnosis.measures.memory import Memory, memory
from carousel.diagnosis.measures.saturation import Saturation, saturation
from carousel.diagnosis.measures.spectrum import MatrixSpectrum, Spectrum, matrix_spectrum, spectrum
from carousel.diagnosis.measures.stability import Stability, stability
from carousel.diagnosis.measures.state_gradient_norms import StateGradientNorms, state_gradient_norms
from carousel.diagnosis.measures.text_properties import Property, text_properties
from carousel.diagnosis.measures.tracking_units import Unit, tracking_units
from carousel.diagnosis.monitor import Look, Monitor
from carousel.diagnosis.observation.layers import RecurrentLayer, recurrent_layers
from carousel.diagnosis.observation.loss import NextSymbol
from carousel.diagnosis.observation.stack import stacked
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
    "Comparison",
    "Diagnosis",
    "EndToEnd",
    "Evidence",
    "Finding",
    "FisherMemory",
    "FixedPoints",
    "GateSeries",
    "GateTimes",
    "GradientByLag",
    "GradientByLayer",
    "ImpulseResponse",
    "Latching",
    "LayerDiagnosis",
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
    "Spectrum",
    "Stability",
    "StateGradientNorms",
    "Trajectory",
    "Unit",
    "diagnose",
    "end_to_end",
    "fisher_memory",
    "fixed_points",
    "gate_times",
    "gates_over_time",
    "gradient_by_lag",
    "gradient_by_layer",
    "impulse_response",
    "judge",
    "latching",
    "linear_capacity",
    "linear_memory",
    "lyapunov",
    "lyapunov_of_map",
    "matrix_spectrum",
    "memory",
    "observe",
    "parameter_sensitivity",
    "recurrent_layers",
    "saturation",
    "spectrum",
    "stability",
    "stacked",
    "state_gradient_norms",
    "text_properties",
    "tracking_units",
]
