"""The data sets: how each is read, cut and learned. A folder holds them; they are no part of Carousel."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from carousel.data.sequences import Example, Sequences


@dataclass(frozen=True)
class Task:
    """What is learned from a folder: data with labels or a series, and the options of the model and of its training.

    published: a figure of others on the same test data, with its source; "" if none could be verified.
    """

    name: str
    read: Callable[[Path], dict[str, Any]]
    model: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    forecast: dict[str, Any] = field(default_factory=dict)  # empty: classify
    without: dict[str, Any] = field(default_factory=dict)  # of the network without recurrence, before `model`
    published: str = ""


def vowels(folder: Path) -> dict[str, Any]:
    """Nine speakers, 12 cepstrum coefficients over 7 to 29 frames; the archive's own 270 and 370 utterances."""
    parts = [_vowels(folder / "japanese-vowels" / f"JapaneseVowels_{part}.ts") for part in ("TRAIN", "TEST")]
    (data, targets), (test_data, test_targets) = parts
    return {"data": data, "targets": targets, "test_data": test_data, "test_targets": test_targets}


def names(folder: Path) -> dict[str, Any]:
    """Surnames of 18 languages, character by character; of each file the last fifth is the test."""
    train: list[Example] = []
    test: list[Example] = []
    for path in sorted((folder / "names").glob("*.txt")):
        lines = path.read_text(encoding="utf-8").split("\n")
        items = [_spelled(line.strip(), path.stem) for line in lines if line.strip()]
        cut = int(0.8 * len(items))
        train += items[:cut]
        test += items[cut:]
    return {"data": Sequences(train, (), ("character",)), "test_data": Sequences(test, (), ("character",))}


def monthly(name: str) -> Callable[[Path], dict[str, Any]]:
    """A series of months: the second column of a CSV file."""

    def read(folder: Path) -> dict[str, Any]:
        with open(folder / "timeseries" / name, encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        return {"data": np.array([float(row[1]) for row in rows])}

    return read


TASKS = {
    "vowels": Task(
        "Japanese vowels, 9 speakers",
        vowels,
        {"hidden_size": 100, "dropout": 0.3},
        {"epochs": 60.0, "patience": 0, "valid": 0.15},
        published="87.3 % (an echo state network: ReservoirPy's tutorial), 98.9 % (11 LSTMs together, resampled to one "
        "length: github.com/postnubilaphoebus/Jap_Speak_Recog)",
    ),
    "names": Task(
        "surnames, 18 languages",
        names,
        {"hidden_size": 128, "dropout": 0.5, "bidirectional": True},
        {"epochs": 12.0, "batch": 64, "patience": 0, "valid": 0.1},
        without={"bidirectional": False},
        published="51.2 % (a spiking LSTM of 256 units: SpikingJelly's tutorial, the same cut)",
    ),
    "airline": Task(
        "airline passengers, 12 months ahead",
        monthly("airline-passengers.csv"),
        {"hidden_size": 32},
        {"steps": 300, "valid": 0.15, "test": 0.2},
        {"horizon": 12, "season": 12, "log": True},
        {"context": 12},
    ),
    "sunspots": Task(
        "sunspots, 12 months ahead",
        monthly("monthly-sunspots.csv"),
        {"hidden_size": 32},
        {"steps": 600},
        {"horizon": 12, "season": 132},
        {"context": 12},
    ),
}


def _spelled(name: str, language: str) -> Example:
    characters = np.array(list(name), dtype=object)[:, None]
    return Example(np.empty((len(name), 0)), characters, language, None, name)


def _vowels(path: Path) -> tuple[list[np.ndarray], list[str]]:
    data, labels = [], []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and line[0] not in "#@":
            *channels, label = line.split(":")
            data.append(np.array([[float(value) for value in each.split(",")] for each in channels]).T)
            labels.append(label)
    return data, labels
