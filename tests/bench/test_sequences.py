"""The benchmark of sequences reads its folder as the data sets are, and cuts them as its page says."""

import numpy as np

from bench.sequences.measure import measure
from bench.sequences.tasks import TASKS


def folder(path):
    """Small files in the form of the data sets."""
    vowels = path / "japanese-vowels"
    vowels.mkdir()
    for part, number in (("TRAIN", 20), ("TEST", 4)):
        rows = [":".join(["1.0,2.0,3.0", "0.5,0.1,0.2", str(k % 2 + 1)]) for k in range(number)]
        (vowels / f"JapaneseVowels_{part}.ts").write_text("\n".join(["#note", "@data", *rows]) + "\n")
    names = path / "names"
    names.mkdir()
    for language in ("Irish", "Korean"):
        (names / f"{language}.txt").write_text("".join(f"{language[:2]}{k}\n" for k in range(20)))
    series = path / "timeseries"
    series.mkdir()
    for name in ("airline-passengers", "monthly-sunspots"):
        months = "".join(f'"{1900 + k // 12}-{k % 12 + 1:02d}",{k + 1}\n' for k in range(400))
        (series / f"{name}.csv").write_text('"Month","Value"\n' + months)
    return path


def test_parts_are_those_of_the_data_sets(tmp_path):
    """The archive's own test utterances; the last fifth of each file of names; the values in their order."""
    found = {
        name: task.read(folder(tmp_path) if name == "vowels" else tmp_path) for name, task in TASKS.items()
    }
    assert found["vowels"]["data"][0].shape == (3, 2)
    assert len(found["vowels"]["test_data"]) == len(found["vowels"]["test_targets"]) == 4
    assert [item.name for item in found["names"]["test_data"].items] == [
        f"{language}{k}" for language in ("Ir", "Ko") for k in range(16, 20)
    ]
    assert np.array_equal(found["sunspots"]["data"], np.arange(1.0, 401))


def test_a_run_has_its_figures_beside_the_simplest(tmp_path):
    """Of labels and of a forecast, with and without recurrence."""
    folder(tmp_path)
    named = measure(TASKS["names"], tmp_path, "gru", 1, quick=True)
    assert named["simplest"] == 0.5
    assert 0 <= named["test"] <= 1
    ahead = measure(TASKS["airline"], tmp_path, "mlp", 1, quick=True)
    assert ahead["simplest"] == 12  # a line rises by 12 in a season
    assert 0 <= ahead["coverage"] <= 1
