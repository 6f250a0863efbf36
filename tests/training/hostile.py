"""Finished and unfinished runs of each kind, and how a file of theirs is changed with checksums that fit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save

import carousel
import carousel.models.tensors as checksums
from carousel.models.tensors import read_tensor
from carousel.tensor_file import open_tensors
from carousel.training import LanguageConfig, train
from carousel.training.run.progress import Saved

LANGUAGE, SEQUENCES = ("char", "bpe"), ("classify", "forecast")
SERIES = [float(k % 4) + 0.1 * (k % 3) for k in range(60)]


def halfway(folder: Path) -> Callable[[Any], None]:
    """An observer that keeps the run as it stood at step 4, as a process that was killed leaves it."""

    def observe(event: Any) -> None:
        half = folder.with_name(f"{folder.name}-half")
        if isinstance(event, Saved) and event.step == 4 and not half.exists():
            shutil.copytree(folder, half)

    return observe


def stored(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """The tensors of a file and what it says of them."""
    with open_tensors(path, "a file") as file:
        return {name: read_tensor(file, name) for name in file.entries}, json.loads(file.metadata["carousel"])


def store(path: Path, tensors: dict[str, torch.Tensor], about: dict[str, Any]) -> None:
    """Write them with fresh checksums, even what JSON does not allow."""
    about = about | {"checksum": checksums._checksum(tensors)}
    about["description_checksum"] = checksums._own_checksum(about)
    path.write_bytes(save(tensors, metadata={"carousel": json.dumps(about, sort_keys=True)}))


def make_runs(root: Path) -> None:
    """A finished run, and the same one halfway, of each kind."""
    (root / "text").write_text("".join(f"the cat {k % 7} saw a dog.\n" for k in range(60)))
    short = {"steps": 6, "evaluate_every": 2, "monitor": 2, "batch": 2, "bptt": 8, "threads": 1}
    kinds = {"char": {"level": "char"}, "bpe": {"level": "bpe", "vocabulary_size": 260, "model": "tdnn"}}
    for name, options in kinds.items():
        config = LanguageConfig(
            paths=[str(root / "text")], hidden_size=4, out=str(root / name), **options, **short
        )
        train(config=config, on_progress=halfway(root / name))
    pairs = [np.full((4, 2), float(k % 2)) for k in range(20)]
    fitted = {
        "classify": (
            carousel.SequenceModel("gru", "classify", hidden_size=4),
            pairs,
            [k % 2 for k in range(20)],
        ),
        "forecast": (
            carousel.SequenceModel("lstm", carousel.Forecast(horizon=2, season=4), hidden_size=4),
            SERIES,
        ),
    }
    for name, given in fitted.items():
        carousel.fit(*given, out=root / name, on_progress=halfway(root / name), **short)
