"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

from carousel import CarouselError
from carousel.data import write_atomic


def test_text_and_bytes_are_written_and_replaced(tmp_path: Path) -> None:
    """The new content stands there alone, readable for others as any new file would be."""
    path = tmp_path / "file"
    write_atomic(path, "Stück")
    write_atomic(path, b"new")
    plain = tmp_path / "plain"
    plain.write_bytes(b"")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode == plain.stat().st_mode
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "plain"]


def test_a_full_disk_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the bytes do not reach the disk, what was there is unchanged and the message says why."""
    path = tmp_path / "file"
    path.write_text("old")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CarouselError, match="No space left on device"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_an_error_of_the_user(tmp_path: Path) -> None:
    """No OSError escapes."""
    with pytest.raises(CarouselError, match="cannot write"):
        write_atomic(tmp_path / "no" / "file", "x")
