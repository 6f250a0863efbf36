"""A whole run, as small as it gets."""

import pytest
import torch

from bench.cells import CELLS
from bench.kernels import Plan, run
from bench.peers import PEERS, load_peers
from bench.problem import check_agreement
from bench.results import MODULE, OURS, Results
from bench.shapes import Shape


def test_every_cell_beside_its_peers():
    """Every cell runs beside torch and ONNX Runtime, which compute the same; the peak is probed.

    jax is left to the runs themselves: it is no dependency of the tests.
    """
    shown: list[Results] = []
    peers = ["torch.nn", "torch loop", "ONNX Runtime"]
    plan = Plan(
        list(CELLS.values()), [Shape(4, 2, 8)], peers, threads=1, rounds=1, turn=1e-4, probe=0.02
    )  # fmt: skip
    results = run(plan, announce=lambda text: None, show=shown.append)
    assert results.peak > 1
    assert not results.absent
    assert [case for part in shown for case in part.cases] == results.cases
    expected = {
        (name, backward): {OURS, "torch.nn" if cell.in_torch else "torch loop"}
        | (set() if backward else {"ONNX Runtime", MODULE})
        for name, cell in CELLS.items()
        for backward in (True, False)
    }
    assert {(case.cell, case.backward): set(case.seconds) for case in results.cases} == expected
    assert all(time > 0 for case in results.cases for times in case.seconds.values() for time in times)


def test_a_wrong_peer_is_not_timed():
    """A contender whose result differs, or is not a number, stops the run and is named."""
    right, wrong = torch.ones(3), torch.tensor([1, 1, 1.01])
    check_agreement({OURS: [right], "other": [right + 1e-4]})
    for result in (wrong, torch.full((3,), torch.nan)):
        with pytest.raises(RuntimeError, match=r"other is .* from Carousel"):
            check_agreement({OURS: [right], "other": [result]})


def test_missing_peer(monkeypatch):
    """A peer that is not installed is left out with a word on how to get it."""
    monkeypatch.setitem(PEERS, "nobody", ("no_such_file", "nobody"))
    found, absent = load_peers(["torch.nn", "nobody"])
    assert list(found) == ["torch.nn"]
    assert "not installed" in absent["nobody"]
    assert "[bench]" in absent["nobody"]
