"""Files of runs that somebody changed: each field of each description, each tensor, each by-product.

The rule: a changed file is used as it is, or a CarouselError says what is wrong; a by-product stops no resume.
Checksums are computed anew, so that it is the content that is judged.
"""

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import carousel
from carousel.errors import CarouselError
from carousel.progress import Note
from carousel.training import resume
from tests.test_reading import odd_files
from tests.training.hostile import LANGUAGE, SEQUENCES, SERIES, store, stored

TRIED = 12  # changes of each file of each run
VALUES = [
    None, True, -1, 0, 7, 1.5, 2**31 - 1, 2**63, 10**400, 1e308, float("nan"), "x", "", "9" * 50, [], {}, [1],
    ["a", None], {"a": 1}, 20_000, 100_000,
]  # fmt: skip


def use(folder: Path) -> None:
    """Load the weights and ask the model for something."""
    if folder.name.split("-")[0] in LANGUAGE:
        carousel.load(folder).generate("the", 2, seed=1)
        return
    model = carousel.SequenceModel.load(folder)
    model.predict(SERIES[:12] if model.head.task == "forecast" else [[[1.0, 1.0]]])


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a value of JSON; of lists the first entries."""
    if at:
        yield at
    inner = (
        value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    )
    for key, each in inner:
        yield from places(each, (*at, key))


def changed(value: Any, random: random.Random) -> tuple[str, Any]:
    """A copy in which one place holds something else, or nothing; and what was done."""
    value = copy.deepcopy(value)
    *above, last = random.choice(list(places(value)))
    inner = value
    for key in above:
        inner = inner[key]
    if random.random() < 0.1:
        del inner[last]
        return f"without {[*above, last]}", value
    inner[last] = random.choice(VALUES)
    return f"{[*above, last]} = {inner[last]!r}", value


def changed_tensor(
    tensors: dict[str, torch.Tensor], random: random.Random
) -> tuple[str, dict[str, torch.Tensor]]:
    """Tensors of which one has another shape, type, name or content."""
    name = random.choice(list(tensors))
    old = tensors[name]
    ways = {
        "a single zero": torch.zeros(1, dtype=old.dtype),
        "none": torch.zeros(0, dtype=old.dtype),
        "one more": torch.cat([old.flatten(), old.flatten()[:1]]),
        "another dimension": old[None].clone(),
        "float64": old.double(),
        "int64": old.long(),
        "the largest": torch.full_like(old, torch.finfo(old.dtype).max)
        if old.is_floating_point()
        else torch.full_like(old, torch.iinfo(old.dtype).max),
        "NaN": old * float("nan") if old.is_floating_point() else -old,
    }
    way = random.choice([*ways, "dropped", "renamed"])
    rest = {key: value for key, value in tensors.items() if key != name}
    new = {} if way == "dropped" else {f"{name}x": old} if way == "renamed" else {name: ways[way]}
    return f"{name}: {way}", rest | new


def try_all(
    source: Path, work: Path, action: Callable[[Path], Any], change: Callable[[Path, random.Random], str]
) -> int:
    """How many changes of a run were refused by a CarouselError; all others were used."""
    refused = used = 0
    for seed in range(TRIED):
        folder = work / source.name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        what = change(folder, random.Random(seed))
        print(what)  # is shown of a test that fails
        try:
            action(folder)
        except CarouselError as error:
            refused += len(str(error)) < 3000  # what came is shown in short
        else:
            used += 1
    assert used + refused == TRIED
    return refused


def change_stored(path: Path, random: random.Random) -> str:
    """Change a field or a tensor of a file."""
    tensors, about = stored(path)
    if random.random() < 0.5:
        what, tensors = changed_tensor(tensors, random)
    else:
        what, about = changed(about, random)
    store(path, tensors, about)
    return what


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*LANGUAGE, *SEQUENCES])
def test_weights(runs, name, tmp_path):
    """Each field and each tensor of a file of weights."""

    def change(folder, random):
        return change_stored(folder / "weights.safetensors", random)

    assert try_all(runs / name, tmp_path, use, change) > 0


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*LANGUAGE, *SEQUENCES])
@pytest.mark.parametrize("half", ["", "-half"])
def test_checkpoints(runs, name, half, tmp_path):
    """Each field and each tensor of a checkpoint, of a run that is over and of one that is not."""

    def change(folder, random):
        return change_stored(folder / "checkpoint.safetensors", random)

    refused = try_all(runs / f"{name}{half}", tmp_path, resume, change)
    assert refused or not half, "what is over needs no tensors any more"


@pytest.mark.parametrize("name", SEQUENCES)
def test_kept_sequences(runs, name, tmp_path):
    """Each field and each tensor of data.safetensors, and of the text within."""

    def change(folder, random):
        path = folder / "data.safetensors"
        if random.random() < 0.3:
            return change_stored(path, random)
        tensors, about = stored(path)
        what, inner = changed(json.loads(tensors["about"].numpy().tobytes()), random)
        text = bytearray(json.dumps(inner).encode())
        store(path, {**tensors, "about": torch.frombuffer(text, dtype=torch.uint8)}, about)
        return what

    assert try_all(runs / f"{name}-half", tmp_path, resume, change) > 0


@pytest.mark.parametrize("name", LANGUAGE)
def test_vocabularies(runs, name, tmp_path):
    """Each field of vocabulary.json, beside weights that bring none."""

    def change(folder, random):
        tensors, about = stored(folder / "weights.safetensors")
        store(folder / "weights.safetensors", tensors, {**about, "vocabulary": None})
        what, vocabulary = changed(json.loads((folder / "vocabulary.json").read_text()), random)
        (folder / "vocabulary.json").write_text(json.dumps(vocabulary))
        return what

    assert try_all(runs / name, tmp_path, use, change) > 0


@pytest.mark.parametrize("name", [*LANGUAGE, *SEQUENCES])
def test_configurations(runs, name, tmp_path):
    """Each line of config.yaml."""

    def change(folder, random):
        what, options = changed(yaml.safe_load((folder / "config.yaml").read_text()), random)
        (folder / "config.yaml").write_text(yaml.safe_dump(options))
        return what

    assert try_all(runs / f"{name}-half", tmp_path, resume, change) > 0


BROKEN = {
    "empty": b"", "text": b"x", "bytes": b"\xff\xfe\0\n", "no header": b"1,2,3\n", "blank lines": b"HEADER\n\n\n",
    "words": b"HEADER\nx,y,z\n", "negative": b"HEADER\n-5,a,1\n", "endless": b"HEADER\n" + b"9" * 9000 + b",a,1\n",
    "fewer": b"HEADER\n1\n", "more": b"HEADER\n1" + b",1" * 40 + b"\n", "zero bytes": b"HEADER\n1,1,\0\n",
}  # fmt: skip


@pytest.mark.parametrize("file", ["metrics.csv", "monitor.csv"])
@pytest.mark.parametrize("name", ["char", "forecast"])
def test_by_products_stop_no_resume(runs, name, file, tmp_path):
    """They are set aside, which is told, and the weights are those of a run that never stopped."""
    header = (runs / name / file).read_bytes().split(b"\n")[0]
    for what, content in BROKEN.items():
        folder = tmp_path / name
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(runs / f"{name}-half", folder)
        broken = content.replace(b"HEADER", header)
        (folder / file).write_bytes(broken)
        told: list[str] = []
        resume(
            folder, lambda event, told=told: told.append(event.message) if isinstance(event, Note) else None
        )
        assert (folder / "weights.safetensors").read_bytes() == (
            runs / name / "weights.safetensors"
        ).read_bytes()
        assert (folder / f"{file}.damaged-1").read_bytes() == broken, what
        assert any(f"{file}.damaged-1" in words for words in told), what
        first, *rows = (folder / file).read_bytes().splitlines()
        assert first == header
        assert all(int(row.split(b",")[0]) > 4 for row in rows), "what went before was not readable"
        assert rows or file == "monitor.csv"


@pytest.mark.parametrize("file", ["metrics.csv", "monitor.csv"])
def test_by_products_that_are_no_files(runs, file, tmp_path):
    """A pipe, a device or a folder where a by-product belongs is set aside as well."""
    (tmp_path / "odd").mkdir()
    for path in odd_files(tmp_path / "odd"):
        folder = tmp_path / "char"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(runs / "char-half", folder)
        (folder / file).unlink()
        (folder / file).symlink_to(path)
        resume(folder)
        assert (folder / file).read_text().count("\n") > (file == "metrics.csv")


@pytest.mark.parametrize("file", ["samples.txt", "report.html", "events.out.tfevents.1.x"])
def test_folders_in_the_place_of_what_is_written_last(runs, file, tmp_path):
    """They keep what is in them, under another name where theirs is needed, and training goes on and says so."""
    folder = tmp_path / "char"
    shutil.copytree(runs / "char-half", folder)
    (folder / file).unlink(missing_ok=True)
    (folder / file).mkdir()
    (folder / file / "mine").touch()
    told: list[str] = []
    resume(folder, lambda event: told.append(event.message) if isinstance(event, Note) else None)
    weights = (folder / "weights.safetensors").read_bytes()
    assert weights == (runs / "char" / "weights.safetensors").read_bytes()
    [mine] = folder.rglob("mine")
    assert mine.parent.name == (file if file.startswith("events") else f"{file}.damaged-1")
    assert any(f"{file} " in words for words in told)
    assert any(each.is_file() for each in folder.glob("events.out.tfevents.*"))
    assert (folder / "samples.txt").is_file()


@pytest.mark.parametrize(
    "file", ["weights.safetensors", "checkpoint.safetensors", "vocabulary.json", "config.yaml"]
)
def test_files_that_are_none(runs, file, tmp_path):
    """Pipes, devices and folders in the place of a file are refused, not waited for."""
    (tmp_path / "odd").mkdir()
    for path in odd_files(tmp_path / "odd"):
        if not path.exists():
            continue
        folder = tmp_path / "char"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(runs / "char-half", folder)
        (folder / file).unlink()
        (folder / file).symlink_to(path)
        with pytest.raises(CarouselError, match=r"regular file|is a folder|is not a run"):
            (use if file == "weights.safetensors" else resume)(folder)
