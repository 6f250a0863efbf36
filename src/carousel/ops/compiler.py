"""A kernel for a cell that a user wrote: emitted like a built-in one, compiled on this machine, and cached.

The name of a library contains the hash of everything from which it was made: equations, sources, compiler and flags. A
later process therefore finds it, unless one of these has changed. Three environment variables matter: `CXX` names the
compiler, `CAROUSEL_CACHE` the folder of cached libraries, and `CAROUSEL_COMPILE=0` turns compilation off.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shlex
import shutil
import stat
import subprocess
import tempfile
import warnings
from functools import cache
from importlib.resources import files
from pathlib import Path

from carousel import _core
from carousel.cache import cache_folder, made_cache_folder
from carousel.emit.cpp import operand_numbers, source
from carousel.emit.phases import schedule
from carousel.equations import Equations
from carousel.locks import in_turn

FLAGS = ["-std=gnu++20", "-O3", "-fPIC", "-shared", "-ffp-contract=fast", "-fno-math-errno"]
_REFUSALS = (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT)
# opening does not wait for the writer of a pipe, and does not follow a link
_FLAGS = (
    os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)
COMPILERS = ("c++", "g++", "clang++")


class CompileWarning(UserWarning):
    """A cell has no compiled kernel and runs on its equations, which is slower."""


def load(equations: Equations) -> bool:
    """Load the kernels of these equations into the core. Returns False, with one warning, if that fails."""
    arrays = len(operand_numbers(schedule(equations)))
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
        _open(key, text, isa)
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
        lines = error.stderr.splitlines()
        told = next((line for line in lines if "error" in line), error.stderr[-200:]).strip()
        return f"the compiler failed ({told or f'status {error.returncode}'})."
    if isinstance(error, subprocess.TimeoutExpired):
        return f"the compiler took longer than {error.timeout:.0f} s."
    if isinstance(error, OSError) and error.errno in _REFUSALS:
        kept, refused = cache_folder(), Path(error.filename or "/")
        if kept.is_relative_to(refused) or refused.is_relative_to(kept):
            return f"{kept} cannot keep it ({error.strerror}). Set CAROUSEL_CACHE to a folder that can."
    return str(error)


def _open(key: str, text: str, isa: str) -> None:
    """Load the cached library of the cell if it is whole; otherwise compile it, load it and cache it.

    The name of a library ends with the hash of its bytes, because the loader of the system does not check them: a
    truncated library kills the process, and a flipped bit changes results.
    """
    compiler = _compiler()
    flags = [*FLAGS, *_core.isa_flags().split()]
    name = f"{key}-{isa}-{_digest(text, compiler, flags)}"
    if _open_kept(name):
        return
    folder = made_cache_folder()
    _check_owner(folder)
    # of two processes that need the same cell, the second finds what the first has made
    with in_turn(folder):
        if not _open_kept(name):
            _compile(name, folder, text, isa, [*compiler, *flags])


def _open_kept(name: str) -> bool:
    """Whether a cached library of this name is whole and could be loaded."""
    folder = cache_folder()
    if not folder.exists():
        return False
    _check_owner(folder)
    for kept in folder.glob(f"{name}-*.so"):
        if kept.stem == f"{name}-{_hash_of_own(kept)}":
            try:
                _core.load_cell(str(kept))
            except RuntimeError:  # as of a library that was made for other system libraries
                continue
            return True
    return False


def _compile(name: str, folder: Path, text: str, isa: str, command: list[str]) -> None:
    """Compile and load the cell, and put its library into the cache in one move."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        (Path(temporary) / "cells.hpp").write_text(text, encoding="utf-8")
        made = Path(temporary) / "cell.so"
        subprocess.run(
            [
                *command, f"-I{temporary}", '-DCAROUSEL_BODY="cell.inc"', '-DCAROUSEL_FLAGS=""',
                str(_sources() / "isa" / f"{isa}.cpp"), "-o", str(made),
            ],
            check=True, capture_output=True, text=True, errors="replace", timeout=300,
        )  # fmt: skip
        made.chmod(0o700)
        _core.load_cell(str(made))
        for foreign in folder.glob(f"{name}-*.so"):
            if foreign.is_dir() and not foreign.is_symlink():
                shutil.rmtree(foreign)
            else:
                foreign.unlink(missing_ok=True)
        made.replace(folder / f"{name}-{_hash_of_own(made)}.so")


def _hash_of_own(path: Path) -> str | None:
    """The hash of a library; None if it is not a regular file that only this user can write."""
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError:  # a symbolic link, or a file that may not be read
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or not _is_own(status):
            return None
        with open(descriptor, "rb", closefd=False) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    finally:
        os.close(descriptor)


def _is_own(status: os.stat_result) -> bool:
    return not hasattr(os, "geteuid") or (status.st_uid == os.geteuid() and not status.st_mode & 0o022)


def _check_owner(path: Path) -> None:
    """Raises OSError if other users can write here: what they wrote is not run."""
    if not _is_own(path.stat()):
        raise OSError(
            f"{path} must belong to you and be writable by you alone. Delete it, or run: chmod go-w {path}"
        )


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
