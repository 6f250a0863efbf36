"""Sequences in a file of the run folder, so that a run on data in memory is complete.

Numbers are tensors. Names, labels, symbols and weights are one JSON text, which stores numbers exactly.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from carousel.data.sequences import Example, Layout, Sequences
from carousel.errors import CarouselError, shown
from carousel.models.tensors import check_tensors, load_tensors, save_tensors
from carousel.plain import typed
from carousel.reading import parse_json

KIND = "set of sequences"


def save_sequences(path: Path, sequences: Sequences, held: int, layout: Layout | None) -> None:
    """Write sequences, of which the last `held` are a separate test part, and the `layout` of their table."""
    items = sequences.items
    about = {
        "numbers": sequences.numbers,
        "symbols": sequences.symbols,
        "targets": sequences.targets,
        "source": sequences.source,
        "time": sequences.time,
        "held": held,
        "layout": None if layout is None else asdict(layout),
        "items": [[item.name, item.label, item.symbols.tolist(), item.weights] for item in items],
    }
    text = json.dumps(about, default=_plain).encode()
    tensors = {
        "lengths": torch.tensor([len(item) for item in items]),
        "values": torch.from_numpy(np.concatenate([np.asarray(item.numbers, np.float64) for item in items])),
        "about": torch.frombuffer(bytearray(text), dtype=torch.uint8),
    }
    save_tensors(path, KIND, tensors, {})


def load_sequences(path: Path) -> tuple[Sequences, Sequences | None, Layout | None]:
    """What `save_sequences` wrote: sequences, those of a separate test part or None, and the layout."""
    tensors, _ = load_tensors(path, KIND)
    try:
        return _sequences(tensors)
    except CarouselError as error:
        raise CarouselError(f"{path} does not hold what its description says: {error}") from None


@dataclass(frozen=True)
class _Description:
    """The content of the JSON text; `items`: name, label, symbols and weights of each sequence."""

    numbers: tuple[str, ...]
    symbols: tuple[str, ...]
    targets: int
    source: str
    held: int
    layout: Layout | None
    items: list[tuple[str, Any, list[list[str]], Any]]
    time: str | None = None


def _sequences(tensors: dict[str, Tensor]) -> tuple[Sequences, Sequences | None, Layout | None]:
    if "about" not in tensors or tensors["about"].dtype != torch.uint8:
        raise CarouselError("it has no text about its tensors")
    about = typed(_Description, parse_json(tensors["about"].numpy().tobytes(), "its text"), "its text")
    lengths, values = tensors.get("lengths", torch.zeros(0)), tensors.get("values", torch.zeros(0))
    steps = sum(lengths.tolist()) if lengths.dtype == torch.int64 and lengths.dim() == 1 else 0
    expected = {
        "about": tensors["about"].flatten(),
        "lengths": torch.empty(len(about.items), dtype=torch.int64),
        "values": torch.empty(steps, len(about.numbers), dtype=torch.float64, device="meta"),
    }
    check_tensors(tensors, expected)
    if not lengths.numel() or lengths.min() < 0 or not 0 <= about.held < len(about.items):
        raise CarouselError("it must have at least one sequence to learn from, none of a length below 0")
    if not 0 <= about.targets <= len(about.numbers):
        raise CarouselError(f"of {len(about.numbers)} columns, {about.targets} cannot be forecast")
    parts = values.numpy(), np.cumsum(lengths.numpy())[:-1]
    items = [_item(own, about, *each) for own, each in zip(np.split(*parts), about.items, strict=True)]
    cut = len(items) - about.held
    columns = (about.numbers, about.symbols, about.targets, about.source, about.time)
    head, tail = Sequences(items[:cut], *columns), Sequences(items[cut:], *columns)
    return head, tail if about.held else None, about.layout


def _item(
    numbers: np.ndarray, about: _Description, name: str, label: Any, symbols: list[list[str]], weights: Any
) -> Example:
    steps = len(numbers)
    if len(symbols) != steps or any(len(row) != len(about.symbols) for row in symbols):
        raise CarouselError(f"the symbols of {shown(name, 40)} do not fit its {steps} steps")
    if isinstance(label, list) and len(label) != steps:
        raise CarouselError(f"the labels of {shown(name, 40)} do not fit its {steps} steps")
    if not all(
        each is None or isinstance(each, str | int | float)
        for each in (label if isinstance(label, list) else [label])
    ):
        raise CarouselError(f"the labels of {shown(name, 40)} must be texts or numbers")
    if isinstance(weights, list):
        weights = np.array(typed(list[float], weights, "weights"))
        if len(weights) != steps:
            raise CarouselError(f"the weights of {shown(name, 40)} do not fit its {steps} steps")
    else:
        weights = typed(float | None, weights, "weights")  # type: ignore[arg-type]
    return Example(
        numbers, np.array(symbols, dtype=object).reshape(steps, len(about.symbols)), label, weights, name
    )


def _plain(value: Any) -> Any:
    """An array as JSON can hold it."""
    return value.tolist()
