"""A user's cell gets a kernel of its own, which is kept; without a compiler it runs on its equations."""

from pathlib import Path

import pytest
from ops.layers import random_layer
from tolerances import assert_close

from carousel.equations import (
    Cell,
    above,
    affine,
    elu,
    exp,
    log,
    maximum,
    minimum,
    relu,
    scale,
    sigmoid,
    step,
    tanh,
)
from carousel.equations.graph import Node
from carousel.ops import compiler, kernels


class MinimalGatedUnit(Cell):
    """Zhou et al. 2016."""

    def step(self, x: Node, h: Node) -> Node:
        f = sigmoid(affine("f", x, h))
        n = tanh(affine("n", x, f * h))
        return (1 - f) * h + f * n


class StabilisedExponentialGates(Cell):
    """sLSTM (Beck et al. 2024): exponential gates, a normaliser n and a stabiliser m."""

    states = ("h", "c", "n", "m")

    def step(self, x: Node, h: Node, c: Node, n: Node, m: Node) -> tuple[Node, ...]:
        z = tanh(affine("z", x, h))
        o = sigmoid(affine("o", x, h))
        log_i, log_f = affine("i", x, h), log(sigmoid(affine("f", x, h)))
        before, m = m, maximum(log_f + m, log_i)
        i, f = exp(log_i - m), exp(log_f + before - m)
        c, n = f * c + i * z, f * n + i
        h = o * (c / maximum(n, 1))
        return h, c, n, m


class ThreeStages(Cell):
    """Products of products, every function of the language, a constant state and one that is only passed on."""

    states = ("h", "a", "b")

    def step(self, x: Node, h: Node, a: Node, b: Node) -> tuple[Node, ...]:
        u = elu(affine("u", x, h)) * 0.5
        v = relu(affine("v", u)) + minimum(u, b) - scale("d", u)
        w = tanh(affine("w", v, a)) * (1 - above(u, v)) / (1 + step(v))
        return w + scale("e", h), exp(-w * w), b


class NoInput(Cell):
    """A cell that never reads x."""

    def step(self, x: Node, h: Node) -> Node:
        return tanh(affine("a", h))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without libraries, and a process that has met no user's cell."""
    monkeypatch.setenv("CAROUSEL_CACHE", str(tmp_path / "kept"))
    compiler._load.cache_clear()
    return tmp_path / "kept"


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("cell", [MinimalGatedUnit, StabilisedExponentialGates, ThreeStages])
def test_compiled_equals_equations(cell: type[Cell], isa: str) -> None:
    """A user's cell has the built-in cells' road and their exactness, on every instruction set, ragged and reversed."""
    for reverse, lengths in ((False, None), (True, [6, 5, 5, 1])):
        layer = random_layer(cell().equations, 6, 4, 5, 19, reverse=reverse, lengths=lengths)
        assert kernels.has_kernel(layer.equations)
        assert_close(layer.results(compiled=True), layer.results(compiled=False))


def test_a_cell_that_ignores_its_input() -> None:
    """Without a product of x the recurrence still runs, and x has no gradient to give."""
    layer = random_layer(NoInput().equations, 6, 4, 5, 19)
    compiled, equations = layer.results(compiled=True), layer.results(compiled=False)
    assert "gradient of x" not in equations
    assert not compiled.pop("gradient of x").any()
    assert_close(compiled, equations)


def test_the_library_is_kept(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One compilation leaves one library; the next process opens it without a compiler."""
    equations = MinimalGatedUnit().equations
    assert compiler.load(equations)
    [kept] = empty_cache.iterdir()
    compiler._load.cache_clear()
    before = kept.stat().st_mtime_ns
    assert compiler.load(equations)
    assert [path.stat().st_mtime_ns for path in empty_cache.iterdir()] == [before]


def test_without_a_compiler_the_equations_run(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No compiler: a warning, once, that says what to do, and the right result all the same."""

    class Shifted(Cell):
        def step(self, x: Node, h: Node) -> Node:
            return tanh(affine("a", x, h)) + 0.5

    monkeypatch.setenv("CXX", "/no/such/compiler")
    layer = random_layer(Shifted().equations, 4, 2, 3, 5)
    with pytest.warns(compiler.CompileWarning, match=r"Shifted.*equations.*/no/such/compiler") as warned:
        compiled = layer.results(compiled=True)
    assert len(warned) == 1
    assert_close(compiled, layer.results(compiled=False))


def test_a_failing_compiler_is_quoted(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the compiler complained of stands in the warning, and no half-made library stays."""
    script = tmp_path / "cc"
    script.write_text(
        "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\necho 'x.hpp:1: error: no such thing' >&2\nexit 1\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.warns(compiler.CompileWarning, match="no such thing"):
        assert not compiler.load(MinimalGatedUnit().equations)
    assert list(empty_cache.iterdir()) == []


def test_compilation_can_be_switched_off(empty_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CAROUSEL_COMPILE=0 keeps users' cells on the equations, without a warning."""
    monkeypatch.setenv("CAROUSEL_COMPILE", "0")
    assert not compiler.load(MinimalGatedUnit().equations)
    assert not empty_cache.exists()
