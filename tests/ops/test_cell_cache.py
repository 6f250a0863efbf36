"""Compiled cells are kept: for their owner alone, whole or not at all, and whatever a cell is called."""

import errno
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from carousel import _core
from carousel.cache import made_cache_folder
from carousel.emit.cpp import source
from carousel.equations import Cell, Equations, affine, tanh
from carousel.equations.graph import Node
from carousel.ops import compiler


class Kept(Cell):
    def step(self, x: Node, h: Node) -> Node:
        return tanh(affine("a", x, h)) * 0.75


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without libraries, and a process that has met no user's cell."""
    monkeypatch.setenv("CAROUSEL_CACHE", str(tmp_path / "kept"))
    compiler._load.cache_clear()
    return tmp_path / "kept"


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that the real compiler made."""
    kept = tmp_path_factory.mktemp("once")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAROUSEL_CACHE", str(kept))
        compiler._load.cache_clear()
        assert compiler.load(Kept().equations)
    [library] = kept.iterdir()
    return library


@pytest.fixture
def copies(
    compiled_once: Path, empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], int]:
    """In place of the compiler a script that copies `compiled_once`; returns how often it has."""
    script, log = tmp_path / "cc", tmp_path / "log"
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exit 0\necho once >> {log}\n'
        f'for to in "$@"; do :; done\ncp {compiled_once} "$to"\n'
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    return lambda: len(log.read_text().split()) if log.exists() else 0


def _load_anew() -> bool:
    """As a new process would."""
    compiler._load.cache_clear()
    return compiler.load(Kept().equations)


@pytest.mark.parametrize("umask", [0o002, 0o000, 0o077])
def test_the_library_is_kept_whatever_the_umask(
    empty_cache: Path, copies: Callable[[], int], umask: int
) -> None:
    """Folder and library are their owner's alone, so that the second start takes what the first has made."""
    before = os.umask(umask)
    try:
        made_cache_folder("texts")  # texts are kept there too, and may come first
        assert _load_anew()
        assert _load_anew()
    finally:
        os.umask(before)
    [kept] = empty_cache.glob("*.so")
    assert copies() == 1
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (kept, empty_cache, empty_cache / "texts")]
    assert modes == [0o700] * 3


@pytest.mark.parametrize("damage", ["cut", "zeroed", "flipped", "empty", "renamed"])
def test_a_damaged_library_is_compiled_again(
    empty_cache: Path, copies: Callable[[], int], compiled_once: Path, damage: str
) -> None:
    """What is not the bytes that were kept is never loaded: a cut library would kill the process."""
    assert _load_anew()
    [kept] = empty_cache.iterdir()
    whole = kept.read_bytes()
    place = len(whole) // 2
    damaged = {
        "cut": whole[:place],
        "zeroed": bytes(len(whole)),
        "flipped": whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :],
        "empty": b"",
        "renamed": whole,
    }[damage]
    kept.unlink()  # not written over: this process has it open
    kept = kept.with_stem(kept.stem[:-1] + "x") if damage == "renamed" else kept
    kept.write_bytes(damaged)
    kept.chmod(0o700)
    assert _load_anew()
    assert copies() == 2
    [kept] = empty_cache.iterdir()
    assert kept.read_bytes() == whole
    assert _load_anew()
    assert copies() == 2


@pytest.mark.parametrize("foreign", ["pipe", "folder", "link", "broken link", "writable"])
@pytest.mark.parametrize("beside", [False, True], ids=["in its place", "beside it"])
def test_what_is_no_library_is_replaced(
    empty_cache: Path, copies: Callable[[], int], compiled_once: Path, foreign: str, beside: bool
) -> None:
    """Whatever has the name of a library and is no file of this user alone is neither waited for nor loaded."""
    assert _load_anew()
    [kept] = empty_cache.iterdir()
    kept.unlink()
    entry = kept.with_stem(kept.stem[:-1] + "x") if beside else kept
    if foreign == "pipe":
        os.mkfifo(entry)
    elif foreign == "folder":
        entry.mkdir()
        (entry / "inside").touch()
    elif foreign == "writable":
        entry.write_bytes(compiled_once.read_bytes())
        entry.chmod(0o722)
    else:
        entry.symlink_to(compiled_once if foreign == "link" else "nowhere")
    assert _load_anew()
    assert copies() == 2
    assert [path.is_file() and not path.is_symlink() for path in empty_cache.iterdir()] == [True]
    assert _load_anew()
    assert copies() == 2
    assert compiled_once.exists()


def test_two_that_need_a_cell_at_once_compile_it_once(
    empty_cache: Path, copies: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second waits, and takes what the first has made."""
    equations = Kept().equations
    together = threading.Barrier(2)
    find = compiler._open_kept
    asked = threading.local()

    def find_together(name: str) -> bool:
        found = find(name)
        if not getattr(asked, "before", False):
            asked.before = True
            together.wait()
        return found

    monkeypatch.setattr(compiler, "_open_kept", find_together)
    text = source({"cell": equations})
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: compiler._open(equations.key, text, _core.isa()), range(2)))
    assert copies() == 1
    assert len(list(empty_cache.iterdir())) == 1


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_cache_that_cannot_keep_it_is_named(
    empty_cache: Path, copies: Callable[[], int], monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """On a full or read-only disk the warning names the folder and says what to do."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError(number, os.strerror(number), str(empty_cache / "tmp"))

    monkeypatch.setattr(compiler.tempfile, "mkdtemp", refuse)
    with pytest.warns(
        compiler.CompileWarning, match=r"kept cannot keep it \(.*Set CAROUSEL_CACHE to a folder"
    ):
        assert not _load_anew()
    assert copies() == 0


def test_a_compiler_that_may_not_run_is_not_taken_for_a_full_cache(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The warning names the file that was refused."""
    (tmp_path / "cc").write_text("no program")
    monkeypatch.setenv("CXX", str(tmp_path / "cc"))
    with pytest.warns(compiler.CompileWarning, match=r"Permission denied: .*cc"):
        assert not _load_anew()


def test_a_kept_library_is_loaded_where_nothing_can_be_written(
    empty_cache: Path, copies: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cache that was filled before it became read-only serves."""
    assert _load_anew()
    monkeypatch.setattr(compiler, "made_cache_folder", lambda: pytest.fail("nothing is to be made"))
    assert _load_anew()
    assert copies() == 1


@pytest.mark.parametrize("title", ["A\nint main() { return 1; }", "A\\", "A\r#error", "A\u2028*/"])
def test_no_name_becomes_code(title: str) -> None:
    """A class may bear any name, as those that a program makes do; in the source it stays within one comment."""
    plain, odd = (type(name, (Kept,), {})().equations for name in ("A", title))

    def code(equations: Equations) -> list[str]:
        lines = source({"cell": equations}).splitlines()
        assert not any(line.endswith("\\") for line in lines)
        return [line for line in lines if not line.startswith("//")]

    assert code(odd) == code(plain)
    assert "\n" not in odd.title
