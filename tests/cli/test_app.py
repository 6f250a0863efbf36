"""The command as a whole: quick to start, helpful when misspelt."""

import os
import re
import subprocess
import sys

import carousel as package


def test_help_lists_the_commands(carousel):
    """Every command has its line."""
    done = carousel("--help")
    assert done.status == 0
    for command in ("train", "generate", "evaluate", "equations", "info"):
        assert f" {command} " in done.out


def test_version(carousel):
    """--version prints the version alone."""
    assert carousel("--version").out == f"{package.__version__}\n"


def test_the_package_runs_as_a_module():
    """`python -m carousel` is the command line."""
    path = [*sys.path, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "carousel", "--version"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{package.__version__}\n", "")


def test_a_misspelt_command_is_recognised(carousel):
    """The nearest command is suggested, with status 2."""
    done = carousel("trian")
    assert done.status == 2
    assert "'train'" in done.err


def test_the_help_lists_every_command_and_imports_none(carousel):
    """Each has its first sentence, read from its source: the help is there within 0.3 seconds."""
    program = (
        f"import sys; sys.path[:0] = {sys.path!r}; sys.argv = ['carousel', '--help']\n"
        "from carousel.cli import app, main\n"
        "try: main()\n"
        "finally: print({f'carousel.cli.{name}' for name in app.COMMANDS} & set(sys.modules), 'yaml' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.endswith("set() False\n"), done.stderr
    for name, start in (("train", "Train a language model"), ("embed", "Train word vectors, ask")):
        assert re.search(rf"{name} +{start}", done.stdout)


def test_parsing_loads_neither_torch_nor_numpy():
    """The help of every command is there before anything heavy is imported."""
    program = (
        "import sys; from importlib import import_module; from carousel.cli import app\n"
        "for name in app.COMMANDS: import_module(f'carousel.cli.{name}')\n"
        "heavy = {'torch', 'numpy', 'tensorboard', 'lightning_fabric', 'jinja2'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {heavy}' if heavy else 0)"
    )
    path = [f"sys.path[:0] = {sys.path!r}"]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; " + path[0] + "\n" + program],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
