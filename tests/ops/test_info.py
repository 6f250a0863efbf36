"""What the compiled core says of itself."""

import os
import subprocess
import sys

from carousel import _core, ops


def _isa_of_a_new_process(wish: str) -> subprocess.CompletedProcess[str]:
    code = "from carousel import _core; print(_core.isa())"
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "CAROUSEL_ISA": wish}, capture_output=True, text=True
    )


def test_info_names_what_a_bug_report_needs() -> None:
    """Version, instruction sets, threads and torch are all there."""
    facts = ops.info()
    assert {"version", "instruction sets built", "instruction set in use", "threads", "torch"} <= set(facts)
    assert str(facts["instruction set in use"]).split()[0] in facts["instruction sets built"]


def test_the_environment_forces_an_instruction_set() -> None:
    """CAROUSEL_ISA decides, and a name that cannot be is an error that lists those that can."""
    for name, here in _core.built_isas():
        if here:
            assert _isa_of_a_new_process(name).stdout.strip() == name
    refused = _isa_of_a_new_process("sse9")
    assert refused.returncode != 0
    assert _core.built_isas()[-1][0] in refused.stderr
