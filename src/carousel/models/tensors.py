"""Named tensors and a description in one safetensors file, which is checked when it is read and never a pickle.

The description is one JSON text under one key of the file's metadata. The order of several keys is not defined, so
one key makes equal contents equal bytes. The description holds a checksum of the tensors and one of itself, because
nothing else shows that a bit of a weight or of a number has changed.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn

from carousel.atomic import write_atomic
from carousel.errors import CarouselError, shown
from carousel.nn.random_numbers import seeded
from carousel.reading import check_version, first_line, parse_json
from carousel.tensor_file import TensorFile, open_tensors

VERSION = 2  # 1 had no checksum of the description
KEY = "carousel"
_OWN = "description_checksum"
DTYPES = {
    "BOOL": torch.bool, "U8": torch.uint8, "I8": torch.int8, "I16": torch.int16, "F16": torch.float16,
    "BF16": torch.bfloat16, "I32": torch.int32, "F32": torch.float32, "I64": torch.int64, "F64": torch.float64,
}  # fmt: skip
Module = TypeVar("Module", bound=nn.Module)
# what torch and Python raise for a model with options that `save` never writes
_NO_OPTIONS = (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OverflowError, MemoryError)


def save_tensors(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write `tensors` and the plain values `about` them atomically; `kind` names what the file holds."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    description: dict[str, Any] = {"kind": kind, "version": VERSION, "checksum": _checksum(held), **about}
    description[_OWN] = _own_checksum(description)
    text = json.dumps(description, sort_keys=True, allow_nan=False)
    write_atomic(path, save(held, metadata={KEY: text}))


def distinct(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module by name, each once: tied weights have their first name."""
    first: dict[int, str] = {}
    named = module.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in named.items() if first.setdefault(id(tensor), name) == name}


def load_tensors(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises CarouselError for a file that is missing, truncated, damaged, of another program or kind, or of a newer
    version.
    """
    with open_tensors(path, f"a {kind} that Carousel saved") as file:
        about = _described(file, kind)
        tensors = {name: read_tensor(file, name) for name in file.entries}
    if _checksum(tensors) != about.get("checksum"):
        raise CarouselError(f"{path} is damaged: its checksum does not fit. Use a copy or train again.")
    return tensors, about


def load_description(path: str | Path, kind: str) -> dict[str, Any]:
    """The values that `save_tensors` was given as `about`, without reading the tensors."""
    with open_tensors(path, f"a {kind} that Carousel saved") as file:
        return _described(file, kind)


def read_tensor(file: TensorFile, name: str) -> Tensor:
    """A copy of a tensor in an open file; raises CarouselError for a type that is not in `DTYPES`."""
    entry = file.entries[name]
    if entry.dtype not in DTYPES:
        raise CarouselError(
            f"{file.path}: the tensor {name:.80} has the type {entry.dtype}, which is not read."
        )
    tensor = torch.empty(entry.shape, dtype=DTYPES[entry.dtype])
    if tensor.numel():
        file.read_into(name, tensor.reshape(-1).view(torch.uint8).numpy())
    return tensor


@contextmanager
def fitting(path: str | Path) -> Iterator[None]:
    """A context in which something is made from the description in a file; its errors become a CarouselError."""
    try:
        yield
    except _NO_OPTIONS as error:  # CarouselError is a ValueError
        raise CarouselError(
            f"{path} does not hold the weights its options ask for: {first_line(error)}."
        ) from None


def restored(make: Callable[[], Module], tensors: Mapping[str, Tensor]) -> Module:
    """The module that `make` makes, with weights that were read from a file.

    The module is first made without memory, and names, shapes and types are compared, so that a small file cannot make
    Carousel allocate a large model. Raises CarouselError where they differ.
    """
    # weights may have been saved in another precision
    tensors = {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}
    with torch.device("meta"):
        check_tensors(tensors, distinct(make()))
    with seeded():  # first weights are drawn, only to be replaced
        module = make()
    module.load_state_dict(tensors, strict=False)
    return module


def check_tensors(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise CarouselError unless names, shapes and types are those of `expected`; devices may differ."""
    if found.keys() != expected.keys():
        raise CarouselError(f"tensors {shown(sorted(found.keys() ^ expected.keys()))} differ")
    for name, tensor in found.items():
        wanted = expected[name]
        if tensor.shape != wanted.shape or tensor.dtype != wanted.dtype:
            raise CarouselError(
                f"the tensor {name} must be {wanted.dtype} of shape {tuple(wanted.shape)}; got {tensor.dtype} of "
                f"shape {tuple(tensor.shape)}"
            )


def weights_in(path: str | Path) -> Path:
    """The file of weights in a run's folder, or the path itself if it is no folder."""
    return Path(path) / "weights.safetensors" if Path(path).is_dir() else Path(path)


def is_saved(path: str | Path, kind: str) -> bool:
    """Whether this is a file of that kind that Carousel saved."""
    try:
        load_description(path, kind)
    except CarouselError:
        return False
    return True


def _described(file: TensorFile, kind: str) -> dict[str, Any]:
    """The description in an open file, checked by its own checksum."""
    path = file.path
    if KEY not in file.metadata:
        raise CarouselError(f"{path} was not saved by Carousel: it has no description of a {kind}.")
    about = parse_json(file.metadata[KEY], f"the description in {path}")
    if not isinstance(about, dict):
        raise CarouselError(f"{path} was not saved by Carousel: it has no description of a {kind}.")
    check_version(about.get("version"), VERSION, path)
    if (about["version"] != 1 or _OWN in about) and about.get(_OWN) != _own_checksum(about):
        raise CarouselError(
            f"{path} is damaged: the checksum of its description does not fit. Use a copy or train again."
        )
    if about.get("kind") != kind:
        raise CarouselError(f"{path} holds a {about.get('kind')!s:.40}, but a {kind} is needed here.")
    return about


def _own_checksum(description: Mapping[str, Any]) -> int:
    """CRC-32 of the description without this checksum."""
    rest = {name: value for name, value in description.items() if name != _OWN}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 over names, shapes, dtypes and bytes in the order of the names."""
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        value = zlib.crc32(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return value
