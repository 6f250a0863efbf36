"""Everything that was measured on one model, layer by layer, with the findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from carousel.diagnosis.by_lag import GradientByLag, gradient_by_lag
from carousel.diagnosis.chain import Progress, silent
from carousel.diagnosis.compare import Comparison, compare
from carousel.diagnosis.exponents import Lyapunov, lyapunov
from carousel.diagnosis.findings import Finding, figure
from carousel.diagnosis.spectra import Spectrum, spectrum
from carousel.diagnosis.symptoms import Symptoms, symptoms
from carousel.diagnosis.trajectory import Observation, Trajectory

MOST_LAGS = 256
EXPONENTS = 16  # of the largest


@dataclass(frozen=True, eq=False)
class LayerDiagnosis:
    """One layer and direction.

    Attributes:
        layer: its name; kind: "LSTM"; hidden: H; states: ("h", "c").
        steps, instances: T and B of what was seen.
        gradient: worst, typical and actual gradient by lag, with the bound.
        spectrum: of the recurrent weights, gate by gate, and of the Jacobian on the way.
        lyapunov: exponents, with their running means.
        symptoms: the numbers that verdicts are made from.
    """

    layer: str
    kind: str
    hidden: int
    states: tuple[str, ...]
    steps: int
    instances: int
    gradient: GradientByLag
    spectrum: Spectrum
    lyapunov: Lyapunov
    symptoms: Symptoms

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The numbers to compare layers and diagnoses by."""
        return {
            "worst direction, nats per step": self.symptoms.rate,
            "typical direction, nats per step": self.gradient.rate("log_typical"),
            "largest Lyapunov exponent": float(self.lyapunov.exponents[0]),
            "spectral radius of the Jacobian": self.spectrum.radius,
            "flat activations, share": self.symptoms.flatness,
            "silent units, share": self.symptoms.silent,
        }


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `carousel.diagnose` found.

    Attributes:
        model: its class; parameters: how many numbers it has.
        loss: its value on the batch; loss_words: what it was.
        layers: each recurrent layer and direction.
        findings: causes before what follows from them; a single "no trouble" (and notes) if it is well.
        unused: recurrent layers that the batch did not reach.
        seconds: how long it took.
    """

    model: str
    parameters: int
    loss: float | None
    loss_words: str
    layers: tuple[LayerDiagnosis, ...]
    findings: tuple[Finding, ...]
    unused: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    @property
    def troubles(self) -> list[Finding]:
        """The findings that are warnings or worse."""
        return [finding for finding in self.findings if finding.is_trouble]

    @property
    def methods(self) -> list[str]:
        """Which numbers are exact and which are estimates, in words."""
        return [
            f"{layer.layer}: gradient by lag {layer.gradient.method}; {len(layer.lyapunov.exponents)} of "
            f"{layer.lyapunov.size} Lyapunov exponents by QR over {layer.lyapunov.steps} steps after "
            f"{layer.lyapunov.transient}; Jacobians at {len(layer.spectrum.jacobians)} steps, exact"
            for layer in self.layers
        ]

    def compare(self, after: Diagnosis) -> Comparison:
        """What changed from this diagnosis to a later one of the same model."""
        return compare(self, after)

    def save(self, path: str | Path) -> Path:
        """Write one HTML page that opens offline; returns its path."""
        from importlib import import_module

        write: Any = import_module("carousel.report").write_diagnosis
        return Path(write(self, path))

    def __str__(self) -> str:
        where = f"{self.model}, {self.parameters:,} parameters"
        lines = [f"Diagnosis of {where}; loss: {self.loss_words}" + _value(self.loss), ""]
        lines += [str(finding) for finding in self.findings]
        lines += [""] + [_line(layer) for layer in self.layers]
        if self.unused:
            lines.append(f"not reached by this batch: {', '.join(self.unused)}")
        lines += [f"method: {each}" for each in self.methods]
        lines.append(f"took {self.seconds:.1f} s")
        return "\n".join(lines)


def examine(
    seen: Observation, lags: int | None, text: Any, instances: int, on_progress: Progress
) -> list[LayerDiagnosis]:
    """Measure every layer that the batch reached."""
    number = len(seen.trajectories)

    def told(k: int) -> Progress:
        return lambda what, share: on_progress(what, (k + 0.95 * share) / number)

    return [_examine(each, lags, instances, told(k)) for k, each in enumerate(seen.trajectories)]


def _examine(
    trajectory: Trajectory, lags: int | None, instances: int, on_progress: Progress
) -> LayerDiagnosis:
    layer = trajectory.layer

    def told(begin: float, part: float) -> Progress:
        return lambda what, share: on_progress(f"{layer.name}: {what}", begin + part * share)

    flow = follow(trajectory, lags, instances, told(0.0, 0.4))
    return LayerDiagnosis(
        layer=layer.name,
        kind=layer.kind,
        hidden=layer.hidden,
        states=layer.states,
        steps=trajectory.steps,
        instances=trajectory.instances,
        gradient=flow,
        spectrum=spectrum(trajectory, progress=told(0.4, 0.3)),
        lyapunov=lyapunov(trajectory, exponents=min(EXPONENTS, layer.size), progress=told(0.7, 0.3)),
        symptoms=symptoms(trajectory, flow),
    )


def follow(
    trajectory: Trajectory, lags: int | None, instances: int, on_progress: Progress = silent
) -> GradientByLag:
    """The gradient of one layer, as far back as a diagnosis looks."""
    return gradient_by_lag(
        trajectory,
        lags=min(lags or MOST_LAGS, trajectory.steps),
        instances=instances,
        progress=on_progress,
    )


def _value(loss: float | None) -> str:
    return "" if loss is None else f" = {figure(loss)}"


def _line(layer: LayerDiagnosis) -> str:
    numbers = "; ".join(f"{what} {figure(value)}" for what, value in layer.numbers.items())
    return f"{layer.layer}: {layer.kind}, {layer.hidden} units, {layer.steps} steps. {numbers}"
