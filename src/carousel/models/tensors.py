"""Named tensors with a description in one safetensors file, checked when read and never a pickle.

The description is one JSON text under one key of the file's metadata, so that equal contents give equal
bytes (the order of several keys is not defined). It holds two checksums, of the tensors and of itself, since
a changed bit in a weight or a number is otherwise unseen.
"""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from carousel.atomic import write_atomic
from carousel.errors import CarouselError

VERSION = 2  # 1 had no checksum of the description
KEY = "carousel"
_OWN = "description_checksum"


def save_tensors(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], about: Mapping[str, Any]
) -> None:
    """Write `tensors` and the plain values `about` them, atomically; `kind` says what the file is for."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    description: dict[str, Any] = {"kind": kind, "version": VERSION, "checksum": _checksum(held), **about}
    description[_OWN] = _own_checksum(description)
    text = json.dumps(description, sort_keys=True, allow_nan=False)
    write_atomic(path, save(held, metadata={KEY: text}))


def distinct(module: nn.Module) -> dict[str, Tensor]:
    """The tensors of a module by name, each once: of tied weights the first name stands for all."""
    first: dict[int, str] = {}
    named = module.state_dict(keep_vars=True)
    return {name: tensor for name, tensor in named.items() if first.setdefault(id(tensor), name) == name}


def load_tensors(path: str | Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote.

    Raises CarouselError if the file is missing, truncated, damaged, of another program, kind or a newer
    version.
    """
    about = load_description(path, kind)
    with safe_open(str(path), "pt") as file:
        # cloned out of the mapped file: aligned like any tensor, and free of it when it is replaced
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 (no mapping)
    if _checksum(tensors) != about.get("checksum"):
        raise CarouselError(f"{path} is damaged: its checksum does not fit. Use a copy or train again.")
    return tensors, about


def load_description(path: str | Path, kind: str) -> dict[str, Any]:
    """The values that `save_tensors` was given as `about`, without reading the tensors."""
    path = Path(path)
    if not path.is_file():
        raise CarouselError(f"{path} does not exist. Give the path of a {kind} that Carousel saved.")
    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise CarouselError(
            f"{path} is not a whole safetensors file ({error}). It is truncated, damaged or something else; "
            "use a copy or train again."
        ) from None
    about = _parse(metadata.get(KEY))
    if about is None:
        raise CarouselError(f"{path} was not saved by Carousel: it has no description of a {kind}.")
    if about.get("version", 0) > VERSION:
        raise CarouselError(
            f"{path} has format version {about['version']}, but this Carousel knows versions up to "
            f"{VERSION}. Upgrade carousel-rnn."
        )
    if (about.get("version") != 1 or _OWN in about) and about.get(_OWN) != _own_checksum(about):
        raise CarouselError(
            f"{path} is damaged: the checksum of its description does not fit. Use a copy or train again."
        )
    if about.get("kind") != kind:
        raise CarouselError(f"{path} holds a {about.get('kind')}, but a {kind} is needed here.")
    return about


def is_saved(path: str | Path, kind: str) -> bool:
    """Whether this is a file of that kind that Carousel saved."""
    try:
        load_description(path, kind)
    except CarouselError:
        return False
    return True


def _own_checksum(description: Mapping[str, Any]) -> int:
    """CRC-32 of the description but for this number itself."""
    rest = {name: value for name, value in description.items() if name != _OWN}
    return zlib.crc32(json.dumps(rest, sort_keys=True).encode())


def _parse(text: str | None) -> dict[str, Any] | None:
    try:
        about = json.loads(text or "")
    except ValueError:
        return None
    return about if isinstance(about, dict) else None


def _checksum(tensors: Mapping[str, Tensor]) -> int:
    """CRC-32 over names, shapes, dtypes and bytes in the order of the names."""
    value = 0
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        value = zlib.crc32(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode(), value)
        value = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, value)
    return value
