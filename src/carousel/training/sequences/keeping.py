"""Sequences in a file of the run folder, where what was learned from stood in memory: the run is then whole by itself.

Numbers are tensors; names, labels, symbols and weights are one JSON text, whose numbers come back exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from carousel.data.sequences import Layout, Sequence, Sequences
from carousel.models.tensors import load_tensors, save_tensors

KIND = "set of sequences"


def keep(path: Path, sequences: Sequences, held: int, layout: Layout | None) -> None:
    """Write sequences, of which the last `held` are a test part of its own; `layout`: of the table they were."""
    items = sequences.items
    about = {
        "numbers": sequences.numbers,
        "symbols": sequences.symbols,
        "targets": sequences.targets,
        "source": sequences.source,
        "time": sequences.time,
        "held": held,
        "layout": None if layout is None else layout.to_dict(),
        "items": [[item.name, item.label, item.symbols.tolist(), item.weights] for item in items],
    }
    text = json.dumps(about, default=_plain).encode()
    tensors = {
        "lengths": torch.tensor([len(item) for item in items]),
        "values": torch.from_numpy(np.concatenate([np.asarray(item.numbers, np.float64) for item in items])),
        "about": torch.frombuffer(bytearray(text), dtype=torch.uint8),
    }
    save_tensors(path, KIND, tensors, {})


def kept(path: Path) -> tuple[Sequences, Sequences | None, Layout | None]:
    """What `keep` wrote: the sequences, those of the test part (None if it is a share of them), and the layout."""
    tensors, _ = load_tensors(path, KIND)
    about = json.loads(tensors["about"].numpy().tobytes())
    values = np.split(tensors["values"].numpy(), np.cumsum(tensors["lengths"].numpy())[:-1])
    items = [
        Sequence(
            own,
            np.array(symbols, dtype=object).reshape(len(own), len(about["symbols"])),
            label,
            np.asarray(weights, np.float64) if isinstance(weights, list) else weights,
            name,
        )
        for own, (name, label, symbols, weights) in zip(values, about["items"], strict=True)
    ]
    cut = len(items) - about["held"]
    head, tail = (
        Sequences(
            part,
            tuple(about["numbers"]),
            tuple(about["symbols"]),
            about["targets"],
            about["source"],
            about.get("time"),
        )
        for part in (items[:cut], items[cut:])
    )
    layout = None if about["layout"] is None else Layout.from_dict(about["layout"])
    return head, tail if about["held"] else None, layout


def _plain(value: Any) -> Any:
    """What NumPy holds, as JSON can."""
    return value.tolist()
