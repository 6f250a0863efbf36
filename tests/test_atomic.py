"""Files that are either the old one or the new one."""

import errno
import os
import stat
import subprocess
import sys

import pytest

from carousel import CarouselError, atomic
from carousel.atomic import StorageError, write_atomic


def fail(*args, **kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path, monkeypatch, call):
    """Where the disk is full before the rename, the old bytes stay and no temporary file is left."""
    path = tmp_path / "weights"
    write_atomic(path, b"old")
    monkeypatch.setattr(atomic.os, call, fail)
    with pytest.raises(StorageError, match=r"weights could not be written: No space left.*free some space"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["weights"]


def test_the_new_file_is_renamed_only_after_it_reached_the_disk(tmp_path, monkeypatch):
    """The order is write, fsync, rename, fsync of the folder: a rename first could show an empty file."""
    calls = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(atomic.os, name, lambda *a, real=real, name=name: (calls.append(name), real(*a)))
    write_atomic(tmp_path / "a", "text")
    assert calls == ["fsync", "replace", "fsync"]


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    """A file is as readable as any other that the user makes."""
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_missing_folder_is_a_clear_error(tmp_path):
    """Writing into a folder that does not exist says which path, and what to do."""
    with pytest.raises(CarouselError, match=r"absent.*choose a folder that exists"):
        write_atomic(tmp_path / "absent" / "a", "text")


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    """Temporary files of our own go; every other file stays, a user's own .part file too."""
    killed = "import os\nos.replace = lambda *_: os._exit(9)\nfrom carousel.atomic import write_atomic\n"
    code = f"{killed}write_atomic({str(tmp_path / 'a')!r}, 'half')"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    [left] = tmp_path.iterdir()
    kept = [
        ".hidden",
        ".a.part",
        ".thesis.0123abcd.part",
        "a.carousel-0123456789abcdef.part",
        f"{left.name}.part",
    ]
    for name in kept:
        (tmp_path / name).write_text("kept")
    atomic.remove_leftovers(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(kept)


def test_only_files_of_this_user_are_leftovers(tmp_path, monkeypatch):
    """A folder, a link, and what belongs to somebody else stay, whatever their names."""
    name = ".a.carousel-0123456789abcdef.part"
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / name).touch()
    (tmp_path / name).mkdir()
    (tmp_path / name.replace(".a.", ".b.")).symlink_to(tmp_path / "others" / name)
    atomic.remove_leftovers(tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setattr(atomic.os, "geteuid", lambda: -1)
    atomic.remove_leftovers(tmp_path / "others")
    assert [file.name for file in (tmp_path / "others").iterdir()] == [name]
