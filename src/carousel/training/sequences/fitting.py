"""Train on data in memory (arrays, a pandas DataFrame) or on a CSV file."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from carousel.data.sequences import (
    Layout,
    Sequences,
    from_arrays,
    from_table,
)
from carousel.errors import CarouselError, shown
from carousel.models.sequences.model import SequenceModel, is_table, table_in
from carousel.notebook import notebook_line
from carousel.progress import Observer
from carousel.training import api
from carousel.training.loop.devices import check_device
from carousel.training.run.folder import RunFolder
from carousel.training.sequences.config import MODEL, SequenceConfig
from carousel.training.sequences.task import SequenceTask


def fit(
    model: SequenceModel,
    data: Any,
    targets: Any = None,
    *,
    weights: Any = None,
    lengths: Any = None,
    test_data: Any = None,
    test_targets: Any = None,
    out: str | Path | None = None,
    resume: bool = False,
    on_progress: Observer = notebook_line,
    **options: Any,
) -> api.Run:
    """Train `model`, which then has the best weights; returns the run with its scores.

    Args:
        model: the model to train.
        data: a list of (T_i, I), or of str, read by characters; one array (N, T, I), to forecast also (T,) or (T, K); a
            pandas DataFrame, or the path of a CSV file, whose columns `options` name (target=, sequence=, ...); or
            `Sequences`.
        targets: the labels of arrays: one for each sequence, or for each of its steps (None where a label is unknown).
        weights: the weights of arrays in the loss: w_t for each step, or one for each sequence to classify.
        lengths: (N,), the lengths of the sequences in one padded array.
        test_data, test_targets: held-out data of the same form, instead of a share of `data`.
        out: the run folder for weights, metrics, checkpoint, and data in memory, so that `carousel.report_run(out)` and
            the commands can use them. None: nothing is stored.
        resume: continue the run in `out`, which began with the same data and options.
        on_progress: called with events, as by `carousel.train`.
        options: of `carousel.SequenceConfig`: epochs, minutes, lr, batch, valid, seed, ...

    Raises CarouselError as `carousel.train`, and for data and targets that do not belong together.

    >>> import carousel, math
    >>> model = carousel.SequenceModel("gru", carousel.Forecast(horizon=3, season=8), hidden_size=4)
    >>> wave = [math.sin(k * math.pi / 4) for k in range(200)]
    >>> run = carousel.fit(model, wave, steps=5)
    >>> [forecast] = model.predict(wave)
    >>> forecast.middle.shape
    (3, 1)
    """
    own = {name: model.options[name] for name in MODEL} | dataclasses.asdict(model.head)
    clash = sorted(name for name in options if name in own)
    if clash:
        raise CarouselError(
            f"{clash[0]} is an option of the model: SequenceModel(..., {clash[0]}=...). Give it there."
        )
    config = SequenceConfig().override(task=model.head.task, **own, **options)
    in_files = isinstance(data, str | Path) and (test_data is None or isinstance(test_data, str | Path))
    if in_files:
        apart = config.test_file if test_data is None else str(test_data)
        config = config.override(paths=[str(data)], test_file=apart).absolute()
    layout = config.layout if is_table(data) else None
    sequences = _sequences(config, layout, data, targets, weights, lengths)
    tested = config.test_file if test_data is None else test_data
    held = None if tested is None else _sequences(config, layout, tested, test_targets, None, None)
    task = SequenceTask.of(config, sequences, held, layout)
    task.stores_data = out is not None and not in_files
    check_device(config.device)
    if out is None:
        with TemporaryDirectory() as folder:
            return _fitted(model, api.begin(config.override(out=folder), task, on_progress))
    config = config.override(out=str(out))
    if resume:
        begun = RunFolder.open(str(out))
        _check_same(begun, config, [*own, *options])
        return _fitted(model, api.go_on(begun, task, on_progress))
    RunFolder.check_free(out)
    return _fitted(model, api.begin(config, task, on_progress))


def _check_same(folder: RunFolder, config: SequenceConfig, given: list[str]) -> None:
    """Raise CarouselError if the run in the folder began with other options than those given now."""
    stored = folder.load_config()
    for name in ["task", *given]:
        now, then = getattr(config, name), getattr(stored, name, None)
        if now != then:
            raise CarouselError(
                f"a run is resumed with the options it began with: {name} was {shown(then)} in {folder.config}, but is "
                f"{shown(now)} now. Give it as it was, or start a new run."
            )


def _fitted(model: SequenceModel, run: api.Run) -> api.Run:
    """Give the model the best weights of the run."""
    best = SequenceModel.load(run.path)
    model.prepare(best.fitted_encoding, best.labels, best.targets, best.layout)
    model.load_state_dict(best.state_dict())
    model.widening = best.widening
    model.eval()
    return run


def _sequences(
    config: SequenceConfig, layout: Layout | None, data: Any, targets: Any, weights: Any, lengths: Any
) -> Sequences:
    if isinstance(data, Sequences):
        return data
    if layout is None:
        return from_arrays(config.task, data, targets, weights=weights, lengths=lengths)
    if targets is not None or weights is not None or lengths is not None:
        raise CarouselError(
            "a table holds labels and weights in its columns; got targets, weights or lengths as arguments. Name the "
            "columns instead: target='label', weight='w'."
        )
    return from_table(table_in(data), layout)
