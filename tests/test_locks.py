"""Locks that die with their process."""

import subprocess
import sys
import threading

import pytest

from carousel import CarouselError, locks

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no flock, and the locks do nothing there"
)


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    """The error names the folder; kill -9 of the holder frees the lock."""
    holder = f"""
import sys, time
from carousel.locks import locked
with locked({str(tmp_path)!r}, "trains"):
    print("held", flush=True)
    sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", holder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    with (
        pytest.raises(CarouselError, match=rf"only one process at a time trains in {tmp_path}"),
        locks.locked(tmp_path, "trains"),
    ):
        pass
    process.kill()
    process.communicate()
    with locks.locked(tmp_path, "trains"):
        pass


def test_a_thread_of_the_same_process_is_refused(tmp_path):
    """Two trainings of one process do not share a folder either."""
    with locks.locked(tmp_path, "trains"), pytest.raises(CarouselError), locks.locked(tmp_path, "trains"):
        pass


def test_in_turn_waits(tmp_path):
    """A second one waits until the first has left, and then goes in."""
    order = []

    def second():
        with locks.in_turn(tmp_path):
            order.append("second")

    thread = threading.Thread(target=second)
    with locks.in_turn(tmp_path):
        thread.start()
        thread.join(0.05)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    """Where flock is not supported, training goes on without it."""

    def refuse(*args):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", refuse)
    with locks.locked(tmp_path, "trains"), locks.locked(tmp_path, "trains"):
        pass
