"""Every recipe of the calibration: healthy nets of all kinds, and nets with one thing wrong, by its cause."""

from __future__ import annotations

from bench.calibration.misuses import BY_HAND, MISUSES, SELF_FED
from bench.calibration.nets import GRUS, LSTMS, RELUS, TANHS
from bench.calibration.recipes import (
    HEALTHY,
    Recipe,
    bias,
    both,
    diverges,
    failed,
    forgets_at_once,
    gain_of,
    grows,
    keeping,
    latching,
    learned,
    near_identity,
    orthogonal,
    scaled,
    silent,
    unlearned,
    wild,
)
from bench.calibration.tasks import ADDING, ECHO, FAR_ECHO, KELVIN, PULSES, SENSOR, TEXT, WAVES, Task
from bench.calibration.teach import Schedule

_ONCE = (1,)
_LARGE = (48, 64)
_TEXT = Schedule(steps=450)
_SERIES = Schedule(steps=400, lr=5e-3)
_ADDED = Schedule(steps=600)
_GAVE_UP = Schedule(steps=80, time=100, lr=3e-4)  # on a task a hundred steps long
_SHORT = Schedule(steps=100)
_LONG = Schedule(steps=200, time=100, lr=5e-3)  # windows as long as the batch that is diagnosed
_WINDOWS = (5, 20, 50, 200, 500)  # steps that are diagnosed

_IN_LAYERS: tuple[Recipe, ...] = (
    Recipe(HEALTHY, "trained", "lstm on text", LSTMS, TEXT, start=keeping, schedule=_TEXT, holds=learned,
           layers=(1, 1, 2), number=18, sizes=_LARGE),
    Recipe(HEALTHY, "trained", "gru on text", GRUS, TEXT, start=keeping, schedule=_TEXT, holds=learned,
           layers=(1, 1, 2), number=18, sizes=_LARGE),
    Recipe(HEALTHY, "trained", "relu on text", RELUS, TEXT, start=near_identity, schedule=_TEXT, holds=learned,
           layers=_ONCE, number=6, sizes=_LARGE),
    Recipe(HEALTHY, "trained", "waves", (*TANHS, *LSTMS, *GRUS), WAVES, start=keeping, schedule=_SERIES,
           holds=learned, number=10),
    Recipe(HEALTHY, "trained", "echo", (*TANHS, *LSTMS, *GRUS), ECHO, start=keeping, schedule=_SERIES,
           holds=learned, layers=_ONCE, number=6),
    Recipe(HEALTHY, "trained", "adding", GRUS, ADDING, start=keeping, schedule=_ADDED, holds=learned,
           layers=_ONCE, number=4),
    Recipe(HEALTHY, "weights", "orthogonal start", TANHS, WAVES, start=orthogonal, number=4),
    Recipe(HEALTHY, "weights", "chrono-like start", LSTMS, WAVES, start=both(bias(3.0, 1), bias(-3.0, 0)),
           number=4),
    Recipe("vanishing", "mistake", "default start, long task", TANHS, FAR_ECHO, schedule=_GAVE_UP, holds=failed,
           number=4),
    Recipe("vanishing", "mistake", "small start", TANHS, FAR_ECHO, start=scaled("weight_hh", 0.6),
           schedule=_GAVE_UP, holds=failed, number=3),
    Recipe("vanishing", "mistake", "sigmoid", ("sigmoid",), FAR_ECHO, start=orthogonal, schedule=_GAVE_UP,
           holds=failed, layers=_ONCE, number=2),
    Recipe("vanishing", "mistake", "keeping bias of the wrong sign", (*LSTMS, *GRUS), ECHO, start=bias(-1.0,
           1), schedule=_GAVE_UP, holds=failed, number=6),
    Recipe("vanishing", "weights", "small spectral radius", TANHS, FAR_ECHO, start=gain_of(0.4), number=5),
    Recipe("vanishing", "weights", "forget bias below 0", LSTMS, ECHO, start=bias(-1.0, 1), number=5),
    Recipe("vanishing", "weights", "update bias below 0", GRUS, ECHO, start=bias(-1.0, 1), number=5),
    Recipe("vanishing", "weights", "small rectified weights", RELUS, ECHO, start=gain_of(0.3), layers=_ONCE,
           number=6),
    Recipe("memoryless", "mistake", "weight decay too strong", TANHS, FAR_ECHO,
           schedule=Schedule(steps=400, decay=1.6), holds=forgets_at_once, layers=_ONCE, number=6),
    Recipe("memoryless", "mistake", "weight decay too strong, windows of one step", TANHS, FAR_ECHO,
           schedule=Schedule(steps=400, time=1, batch=100, decay=2.0), holds=forgets_at_once, layers=_ONCE,
           number=8),
    Recipe("memoryless", "weights", "recurrent weights near 0", TANHS, FAR_ECHO, start=gain_of(0.01),
           holds=forgets_at_once, number=5),
    Recipe("memoryless", "weights", "forget gates shut", LSTMS, ECHO, start=both(gain_of(0.05), bias(-7.0, 1)),
           holds=forgets_at_once, number=5),
    Recipe("memoryless", "weights", "update gates shut", GRUS, ECHO, start=both(gain_of(0.05), bias(-7.0, 1)),
           holds=forgets_at_once, number=4),
    Recipe("exploding", "mistake", "too large a start", (*RELUS, "identity", "elu"), WAVES, start=gain_of(1.6),
           schedule=Schedule(steps=40, time=20, lr=0.001), holds=grows, layers=_ONCE, again=_LONG, number=6),
    Recipe("exploding", "mistake", "window too short", RELUS, WAVES, start=near_identity,
           schedule=Schedule(steps=200, time=4, lr=0.01), holds=grows, layers=_ONCE, again=_LONG, number=4),
    Recipe("exploding", "mistake", "learning rate too high", ("identity", "elu"), WAVES, start=near_identity,
           schedule=Schedule(steps=40, time=4, lr=0.1, clip=0.0), holds=grows, layers=_ONCE, again=_LONG, number=4),
    Recipe("exploding", "weights", "spectral radius above 1", ("identity", "elu", "torch relu", "relu"), WAVES,
           start=both(near_identity, scaled("weight_hh", 1.2)), holds=grows, again=_LONG, number=12),
    Recipe("chaotic", "mistake", "too large a start", TANHS, WAVES, start=wild(2.5), schedule=Schedule(steps=60,
           time=20, lr=0.001), holds=diverges, layers=_ONCE, again=_LONG, number=7),
    Recipe("chaotic", "mistake", "too large a start, gated", GRUS, WAVES, start=wild(8.0),
           schedule=Schedule(steps=60, time=20, lr=0.001), holds=diverges, layers=_ONCE, again=_LONG, number=6),
    Recipe("chaotic", "weights", "gain above 1", TANHS, WAVES, start=wild(2.0), holds=diverges, again=_LONG, number=8),
    Recipe("chaotic", "weights", "gain of gates", GRUS, WAVES, start=wild(8.0), holds=diverges, layers=_ONCE,
           again=_LONG, number=4),
    Recipe("unscaled inputs", "mistake", "data not scaled: kelvin", (*TANHS, *LSTMS, *GRUS), KELVIN,
           schedule=_SHORT, holds=failed, number=6),
    Recipe("unscaled inputs", "mistake", "data not scaled: pascal", (*TANHS, *LSTMS, *GRUS), SENSOR,
           schedule=_SHORT, holds=failed, number=4),
    Recipe("saturated", "mistake", "learning rate too high", (*LSTMS, *GRUS, *TANHS), WAVES,
           schedule=Schedule(steps=100, lr=1.0), holds=unlearned, layers=_ONCE, number=4),
    Recipe("saturated", "weights", "input weights too large", (*TANHS, *LSTMS, *GRUS), WAVES,
           start=scaled("weight_ih", 200.0), number=6),
    Recipe("saturated", "weights", "input weights and biases too large", TANHS, WAVES, start=both(scaled("bias",
           40.0), scaled("weight_ih", 60.0)), number=5),
    Recipe("dead", "mistake", "learning rate too high", RELUS, WAVES, start=near_identity,
           schedule=Schedule(steps=60, time=10, lr=0.3), holds=silent, layers=_ONCE, number=6),
    Recipe("unscaled inputs", "mistake", "data with an offset", RELUS, KELVIN, schedule=Schedule(steps=100,
           lr=0.03, clip=0.0), holds=silent, layers=_ONCE, number=6),
    Recipe("dead", "weights", "biases far below 0", RELUS, WAVES, start=bias(-8.0), holds=silent, number=6),
    Recipe("dead", "weights", "output gates shut", LSTMS, WAVES, start=bias(-14.0, 3), holds=silent, number=6),
    Recipe(HEALTHY, "weights", "windows of 5 to 500 steps", (*TANHS, *LSTMS, *GRUS), WAVES, start=keeping,
           number=15, lengths=_WINDOWS),
    Recipe(HEALTHY, "weights", "latching", ("torch tanh",), PULSES, start=latching, layers=_ONCE, number=5,
           lengths=_WINDOWS),
    Recipe(HEALTHY, "trained", "self-fed", GRUS, WAVES, start=keeping, schedule=_SERIES, holds=learned, layers=_ONCE,
           number=5, use=SELF_FED),
    Recipe(HEALTHY, "weights", "written by hand", ("torch tanh",), WAVES, start=orthogonal, layers=_ONCE, number=5,
           use=BY_HAND, lengths=(20, 50, 200)),
    Recipe("vanishing", "weights", "written by hand, small spectral radius", ("torch tanh",), WAVES,
           start=gain_of(0.3), layers=_ONCE, number=5, use=BY_HAND),
)  # fmt: skip


def _task_of(name: str) -> Task:
    """One number for each sequence, where the misuse is about targets or one output."""
    return ADDING if name in ("target of another shape", "gradients not cleared") else WAVES


_OF_USE = tuple(
    recipe
    for name, (label, wrong, right) in MISUSES.items()
    for recipe in (
        Recipe(label, "mistake", name, GRUS, _task_of(name), start=keeping, layers=_ONCE, number=5, use=wrong),
        Recipe(
            HEALTHY, "weights", f"used rightly: {name}", GRUS, _task_of(name), start=keeping, layers=_ONCE, number=3,
            use=right,
        ),
    )
)  # fmt: skip
RECIPES = (*_IN_LAYERS, *_OF_USE)
