"""A kernel for a cell that a user wrote: emitted like a built-in one, compiled with the compiler at hand, kept.

The library is kept under the hash of everything it was made from (equations, sources, compiler, flags), so a second
start finds it and a change of any of these does not. Environment: `CXX` names the compiler, `CAROUSEL_CACHE` the folder
of kept libraries, `CAROUSEL_COMPILE=0` keeps every user's cell on the reference path.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path

from carousel import _core
from carousel.cache import cache_folder
from carousel.emit.cpp import operand_numbers, source
from carousel.emit.program import program
from carousel.equations import Equations

FLAGS = ["-std=gnu++20", "-O3", "-fPIC", "-shared", "-ffp-contract=fast", "-fno-math-errno"]
COMPILERS = ("c++", "g++", "clang++")


class CompileWarning(UserWarning):
    """A cell stays on the reference path: right, but slower."""


def load(equations: Equations) -> bool:
    """Make the kernels of these equations known to the core; False, with one warning, if they cannot be compiled."""
    arrays = len(operand_numbers(program(equations)))
    return _load(equations.key, source({"cell": equations}), _core.isa(), equations.title, arrays)


@cache
def _load(key: str, text: str, isa: str, title: str, arrays: int) -> bool:
    if os.environ.get("CAROUSEL_COMPILE") == "0":
        return False
    try:
        if arrays > _core.most_arrays:
            raise RuntimeError(
                f"it works on {arrays} vectors at once, kernels on at most {_core.most_arrays}."
            )
        library = _library(key, text, isa)
        try:
            _core.load_cell(str(library))
        except RuntimeError:  # damaged, by a full disk say: once more from the start
            library.unlink()
            _core.load_cell(str(_library(key, text, isa)))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        warnings.warn(
            f"{title} has no compiled kernel and runs on its equations in torch, which is slower: {_reason(error)}",
            CompileWarning,
            stacklevel=2,
        )
        return False
    return True


def _reason(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        first = next((line for line in error.stderr.splitlines() if "error" in line), error.stderr[-200:])
        return f"the compiler failed ({first.strip()})."
    return str(error)


def _library(key: str, text: str, isa: str) -> Path:
    """The compiled cell: from the folder of kept ones, or made now and put there in one move."""
    compiler = _compiler()
    flags = [*FLAGS, *_core.isa_flags().split()]
    kept = cache_folder() / f"{key}-{isa}-{_digest(text, compiler, flags)}.so"
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _check_owner(kept.parent)
    if kept.exists():
        _check_owner(kept)
        return kept
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        (Path(folder) / "cells.hpp").write_text(text, encoding="utf-8")
        made = Path(folder) / kept.name
        subprocess.run(
            [
                *compiler, *flags, f"-I{folder}", '-DCAROUSEL_BODY="cell.inc"', '-DCAROUSEL_FLAGS=""',
                str(_sources() / "isa" / f"{isa}.cpp"), "-o", str(made),
            ],
            check=True, capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        made.replace(kept)
    return kept


def _check_owner(path: Path) -> None:
    """What others could have written is not run."""
    status = path.stat()
    if hasattr(os, "geteuid") and (status.st_uid != os.geteuid() or status.st_mode & 0o022):
        raise OSError(f"{path} must belong to you and be writable by you alone; see its owner and mode.")


def _sources() -> Path:
    return Path(str(files("carousel") / "csrc"))


def _compiler() -> list[str]:
    if chosen := os.environ.get("CXX"):
        return shlex.split(chosen)
    for name in COMPILERS:
        if found := shutil.which(name):
            return [found]
    raise OSError(f"no C++ compiler was found ({', '.join(COMPILERS)}); install one, or name it in CXX.")


def _digest(text: str, compiler: list[str], flags: list[str]) -> str:
    version = subprocess.run([*compiler, "--version"], check=True, capture_output=True, text=True, timeout=60)
    digest = hashlib.sha256("\0".join([text, version.stdout, *compiler, *flags]).encode())
    for path in sorted(_sources().rglob("*.*")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
