"""The number of threads, in threads and in children."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from carousel.ops import torch_threads


def test_blocks_that_overlap_leave_the_number_of_before() -> None:
    """Two threads that want one thread each, begun and ended crosswise, do not leave the process with one."""
    torch.set_num_threads(3)
    inside, leave = threading.Barrier(2), threading.Event()
    after = []

    def second() -> None:
        with torch_threads(1):
            inside.wait()
            leave.wait()
            after.append(torch.get_num_threads())
        after.append(torch.get_num_threads())

    thread = threading.Thread(target=second)
    try:
        with torch_threads(2):
            with torch_threads(1):
                assert torch.get_num_threads() == 1
                thread.start()
                inside.wait()
            assert torch.get_num_threads() == 2
        assert torch.get_num_threads() == 3
        leave.set()
        thread.join()
        assert after == [1, 3]
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(torch.get_num_threads).result() == 3
    finally:
        torch.set_num_threads(1)


FORKED = """
import os, signal, sys
import torch, carousel
import multiprocessing

def work():
    torch.manual_seed(0)
    model = carousel.LSTM(64, 128)
    x = torch.randn(32, 16, 64)
    output, _ = model(x)
    output.square().mean().backward()
    words = [["a", "b", "c", "d"] * 5] * 200
    vectors = carousel.embed(words, dimension=8, epochs=1, min_count=1, threads=2)
    targets = torch.zeros(32, 16, dtype=torch.int64)
    loss = carousel.losses.linear_cross_entropy(output.detach(), torch.ones(500, 128), targets)
    stepper = model.stepper(batch=16, threads=2)
    stepped = [stepper.step(each).clone() for each in x]
    total = (torch.randn(700, 700) @ torch.randn(700, 700)).sum() + torch.ones(10**6).sum()
    found = [output.detach().sum(), model.weight_hh_l0.grad.norm(), loss, stepped[-1].sum(), total]
    return [float(each) for each in found], len(vectors.vocabulary.words), torch.get_num_threads()

def child(expected):
    signal.alarm(30)  # seconds, of what takes less than one
    found = work()
    assert found[1:] == (expected[1], 1)
    pairs = list(zip(found[0], expected[0], strict=True))
    assert all(abs(a - b) <= 1e-4 * max(1, abs(b)) for a, b in pairs), pairs

if __name__ == "__main__":
    torch.set_num_threads(2)
    expected = work()
    assert expected[2] == 2
    if sys.argv[1] == "os.fork":
        pid = os.fork()
        if pid == 0:
            try:
                child(expected)
                os._exit(0)
            finally:
                os._exit(1)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    process = multiprocessing.get_context("fork").Process(target=child, args=(expected,))
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("way", ["os.fork", "multiprocessing"])
def test_a_child_of_a_process_that_used_threads_runs(way: str) -> None:
    """The team of threads stays with the parent; the child computes the same on one thread, and does not hang."""
    done = subprocess.run([sys.executable, "-c", FORKED, way], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


TRAINED = """
import os, signal, sys, traceback, warnings
import torch, carousel
from carousel.training import train

warm, threads, out, text = sys.argv[1], eval(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(2)
if warm == "torch":
    torch.mm(torch.randn(1000, 1000), torch.randn(1000, 1000))
else:
    carousel.LSTM(64, 256)(torch.randn(50, 32, 64))
pid = os.fork()
if pid == 0:
    try:
        signal.alarm(30)  # seconds, of what takes one
        assert torch.get_num_threads() == 1
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = train(paths=[text], hidden_size=64, steps=2, threads=threads, out=out, monitor=0)
        told = sum("a forked process runs on one thread" in str(each.message) for each in caught)
        assert run.step == 2 and told == (threads == 2) and torch.get_num_threads() == 1, (run, told)
        torch.set_num_threads(2)  # kernels have a team of their own then
        carousel.LSTM(64, 256)(torch.randn(50, 32, 64))
        os._exit(0)
    finally:
        traceback.print_exc()
        os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize(("warm", "threads"), [("torch", 2), ("torch", None), ("kernel", 2)])
def test_a_forked_child_trains(tmp_path: Path, warm: str, threads: int | None) -> None:
    """Whoever used threads before the fork, and however many are asked for, a child trains on one and says so."""
    (tmp_path / "text.txt").write_text("the cat sat on the mat. " * 200)
    arguments = [warm, str(threads), str(tmp_path / "run"), str(tmp_path / "text.txt")]
    done = subprocess.run(
        [sys.executable, "-c", TRAINED, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
