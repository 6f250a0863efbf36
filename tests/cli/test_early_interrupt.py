"""Ctrl-C while a command starts, and a reader that leaves early."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import carousel as package
from carousel.cli.early_interrupt import loaded, loading

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals and pipes are as on POSIX")


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    source = str(Path(package.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("module", ["typer", "torch", "numpy", "lightning_fabric"])
def test_ctrl_c_in_an_import_is_one_line(module, text, tmp_path):
    """Whatever is being imported, the process ends with status 130 and one line, and leaves no folder."""
    program = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
class Press:
    def find_spec(self, name, path=None, target=None):
        if name == "{module}":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Press())
from carousel.cli import main
main()
"""
    process = start(program, "train", text, "--out", tmp_path / "run")
    try:
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (130, "", "carousel: interrupted\n")
    assert not (tmp_path / "run").exists()


def test_ctrl_c_is_given_back():
    """After the imports Ctrl-C raises KeyboardInterrupt, and in the end it does what it did before."""
    outer = signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run may lie in the background
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            loaded()
            with pytest.raises(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, outer)


def test_ctrl_c_that_is_ignored_stays_so():
    """A process in the background does not listen to Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_reader_that_leaves_ends_the_text_quietly(run):
    """As with `| head -c 10`: no traceback, and the status of a closed pipe."""
    # the likeliest symbols, for a document that is drawn at random may end after a few
    endless = ("--length", 100_000, "--temperature", 0)
    process = start("from carousel.cli import main; main()", "generate", run[0], *endless)
    assert process.stdout is not None
    process.stdout.read(1)
    process.stdout.close()
    assert process.stderr is not None
    with process.stderr:
        assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "no.txt"),
        ("train", "--train-file", "no.txt"),
        ("train", "--from", "no"),
        ("train", "--resume", "no"),
        ("train", "--resume", "."),
        ("train", "--task", "classify", "no.csv"),
        ("train", ".", "--out", "."),
        ("generate", "no"),
        ("evaluate", "no"),
        ("evaluate", "model.safetensors", "no.txt"),
        ("predict", "no", "no.csv"),
        ("diagnose", "no"),
    ],
    ids=" ".join,
)
def test_a_wrong_path_is_told_before_torch_is_loaded(tmp_path, arguments):
    """The answer to a mistyped path does not wait for seconds of imports."""
    (tmp_path / "model.safetensors").touch()
    program = f"""
import os, sys
os.chdir({str(tmp_path)!r})
from carousel.cli import main
sys.argv = ["carousel", *{arguments!r}]
try:
    main()
finally:
    print("torch" in sys.modules, end="")
"""
    process = start(program)
    out, err = process.communicate(timeout=60)
    assert (out, process.returncode) == ("False", 2), err
    assert err.startswith("carousel: ")
