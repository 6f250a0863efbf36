"""Tools see the types of the lazy names: mypy and pyright check a file of typical user code."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = ROOT / "tests" / "user_code.py"


def checked(*command: str) -> str:
    """What a checker says of the file; it must end without an error."""
    done = subprocess.run(
        [*command, str(CODE)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"MYPYPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_mypy_sees_the_types():
    """With no error; an LSTM is an LSTM."""
    said = checked(sys.executable, "-m", "mypy")
    assert re.search(r'Revealed type is "carousel\.nn\.lstm\.LSTM"', said)


def test_pyright_sees_the_types(tmp_path):
    """The same, by the checker behind many editors."""
    if find_spec("basedpyright") is None:
        pytest.skip(
            "basedpyright, which is pyright with all that it needs, is not installed: pip install basedpyright"
        )
    settings = tmp_path / "pyrightconfig.json"
    settings.write_text(
        f'{{"include": ["{CODE}"], "extraPaths": ["{ROOT / "src"}"], "typeCheckingMode": "standard"}}'
    )
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--project", str(settings), "--pythonpath", sys.executable],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'Type of "layer" is "LSTM"' in done.stdout
