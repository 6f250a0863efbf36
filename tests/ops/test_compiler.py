"""A user's cell gets a kernel of its own, which is kept; without a compiler it runs on its equations."""

import copy
import pickle
from pathlib import Path

import pytest
import torch
from equations.user_cells import FreeVectors, Normalised, SharedNumbers, StatesAsNumbers
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
    mean,
    minimum,
    relu,
    scale,
    sigmoid,
    sqrt,
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


class RootOfRelu(Cell):
    """Where relu is 0 the root behind it has an infinite slope, of which nothing may come through."""

    def step(self, x: Node, h: Node) -> Node:
        return sqrt(relu(affine("a", x, h)))


class RootOfMaximum(Cell):
    def step(self, x: Node, h: Node) -> Node:
        return sqrt(maximum(affine("a", x, h), 0))


class RootOfMinimum(Cell):
    def step(self, x: Node, h: Node) -> Node:
        return sqrt(-minimum(0, affine("a", x, h)))


class RootOfMean(Cell):
    """The number that is 0 may be one for all units."""

    def step(self, x: Node, h: Node) -> Node:
        return tanh(affine("a", x, h)) - sqrt(relu(mean(affine("b", x, h))))


class HalfOfRelu(Cell):
    def step(self, x: Node, h: Node) -> Node:
        return relu(affine("a", x, h)) * 0.5


OTHERS = [FreeVectors, Normalised, SharedNumbers, StatesAsNumbers]


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder without libraries, and a process that has met no user's cell."""
    monkeypatch.setenv("CAROUSEL_CACHE", str(tmp_path / "kept"))
    compiler._load.cache_clear()
    return tmp_path / "kept"


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("cell", [MinimalGatedUnit, StabilisedExponentialGates, ThreeStages, *OTHERS])
def test_compiled_equals_equations(cell: type[Cell], isa: str) -> None:
    """A user's cell has the built-in cells' road and their exactness, on every instruction set, ragged and reversed."""
    for reverse, lengths in ((False, None), (True, [6, 5, 5, 1])):
        layer = random_layer(cell().equations, 6, 4, 5, 19, reverse=reverse, lengths=lengths)
        layer.resets = torch.rand(layer.x.shape[:-1]) < 0.2 if reverse else None
        assert kernels.has_kernel(layer.equations)
        compiled, equations = layer.results(compiled=True), layer.results(compiled=False)
        assert not any(compiled.pop(name).any() for name in compiled.keys() - equations.keys())
        assert_close(compiled, equations)


@pytest.mark.parametrize("cell", [RootOfRelu, RootOfMaximum, RootOfMinimum, RootOfMean])
def test_nothing_comes_through_where_the_slope_is_zero(cell: type[Cell], isa: str) -> None:
    """A gradient that is infinite there is left out, as torch leaves it out, and not multiplied by 0."""
    layer = random_layer(cell().equations, 6, 4, 5, 19)
    compiled, equations = layer.results(compiled=True), layer.results(compiled=False)
    assert all(value.isfinite().all() for value in equations.values())
    assert_close(compiled, equations)


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_what_is_not_a_number_before_relu(value: float) -> None:
    """Gradients behind relu are numbers exactly where torch's are: relu lets one pass where its own value is NaN."""
    layer = random_layer(HalfOfRelu().equations, 6, 4, 5, 19)
    with torch.no_grad():
        layer.x[2, 1, 0] = value
    compiled, equations = layer.results(compiled=True), layer.results(compiled=False)
    for name, expected in equations.items():
        assert_close(compiled[name].nan_to_num(7), expected.nan_to_num(7), name=name)


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize("cell", [Normalised, SharedNumbers, FreeVectors])
def test_threads_share_the_units_of_a_sum(cell: type[Cell], threads: int) -> None:
    """A sum over units is the same, to the bit again and again, when threads add up a part of the units each."""
    layer = random_layer(cell().equations, 12, 1, 40, 290)
    truth = layer.results(compiled=False)
    torch.set_num_threads(threads)
    try:
        first, second = layer.results(compiled=True), layer.results(compiled=True)
    finally:
        torch.set_num_threads(1)
    assert_close({name: first[name] for name in truth}, truth)
    assert all(torch.equal(first[name], second[name]) for name in first)


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


def test_a_copy_of_a_cell_is_the_same_cell() -> None:
    """Copies and pickles of a cell that was traced already give the same kernel and the same gradients."""
    cell = MinimalGatedUnit()
    key = cell.equations.key
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        assert twin.equations.key == key
        layer = random_layer(twin.equations, 4, 2, 3, 5)
        assert_close(layer.results(compiled=True), layer.results(compiled=False))
    assert copy.deepcopy(cell.equations).new_states == cell.equations.new_states


def test_what_others_may_write_is_not_run(empty_cache: Path) -> None:
    """A folder of libraries that is open to others is not trusted; the cell runs on its equations."""
    empty_cache.mkdir()
    empty_cache.chmod(0o777)
    with pytest.warns(compiler.CompileWarning, match="writable by you alone"):
        assert not compiler.load(MinimalGatedUnit().equations)


def test_a_cell_of_too_many_vectors_runs_on_its_equations(empty_cache: Path) -> None:
    """What a kernel cannot hold is said, and nothing is compiled in vain."""

    class Wide(Cell):
        def step(self, x: Node, h: Node) -> Node:
            total = affine("a0", x, h)
            for k in range(1, 130):
                total = total * tanh(affine(f"a{k}", x, h))
            return total

    with pytest.warns(compiler.CompileWarning, match=r"works on \d+ vectors at once, kernels on at most 256"):
        assert not compiler.load(Wide().equations)
    assert not empty_cache.exists()
