"""What the grid of cells and shapes is meant to reach, two threads, float32: each target beside what was measured."""

from __future__ import annotations

from collections.abc import Iterator

from bench.findings import Finding
from bench.results import OURS, Case, Results
from bench.shapes import SHAPES

# (cell, peer) -> at shapes a to f: at least so many times as fast, forward and backward
TRAINING = {
    ("lstm", "torch.nn"): (2.5, 1.4, 1.25, 1.05, 1.1, 1.25),
    ("gru", "torch.nn"): (40, 6, 4, 2.8, 2.6, 2.4),
    ("gru", "jax.lax.scan"): (3, 2, 3, 2.5, 1.8, 1.6),
    ("rnn", "torch.nn"): (20, 6, 4, 2.4, 2.4, 2.3),
    ("lstm-diagonal", "jax.lax.scan"): (4, 2, 3, 2.5, 1.7, 1.7),
}
SHARE_OF_PEAK = 0.78  # at d, e and f
SHARE_CELLS = ("lstm", "gru", "gru-before")
LETTERS = {shape: letter for letter, shape in SHAPES.items()}


def targets(results: Results) -> Iterator[Finding]:
    for case in results.cases:
        letter = LETTERS.get(case.shape)
        if letter:
            yield from (_training if case.backward else _inference)(case, letter, results.peak)


def _training(case: Case, letter: str, peak: float) -> Iterator[Finding]:
    for (cell, peer), goals in TRAINING.items():
        if cell == case.cell and peer in case.peers:
            goal = goals["abcdef".index(letter)]
            what = f"{case.title} at {case.shape}: times as fast as {peer}"
            yield _against("forward + backward", what, case, peer, goal, peak)
    if case.cell in SHARE_CELLS and letter in "def":
        what = f"{case.title} at {case.shape}: share of the peak"
        yield Finding("forward + backward", what, case.gflops(OURS) / peak, "%", SHARE_OF_PEAK, at_least=True)


def _inference(case: Case, letter: str, peak: float) -> Iterator[Finding]:
    peers = [peer for peer in case.peers if peer != "torch loop"]
    if not peers:
        return
    best = min(peers, key=case.median)
    goal = 1.15 if case.cell != "lstm" or letter in "abc" else 1.0
    what = f"{case.title} at {case.shape}: times as fast as the fastest peer, {best}"
    yield _against("forward only", what, case, best, goal, peak)


def _against(section: str, what: str, case: Case, peer: str, goal: float, peak: float) -> Finding:
    """The ratio to a peer; it could not be more if every multiply-add ran at the peak and all else took no time."""
    share = case.gflops(peer) / peak
    why = f"{peer} reaches {share:.0%} of the peak"
    return Finding(section, what, case.ratio(peer).value, "x", goal, at_least=True, limit=1 / share, why=why)
