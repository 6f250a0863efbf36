"""The operators are public in exported graphs: whatever they are handed, they compute it or say what they take."""

import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from equations.user_cells import USER_CELLS
from ops.layers import random_layer
from tolerances import assert_close
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

import carousel
from carousel import CarouselError, _core
from carousel.emit import reference
from carousel.equations.catalogue import CELLS
from carousel.losses import linear_cross_entropy
from carousel.ops import operators

OPERATORS = {
    "recurrence": "(Tensor x, Tensor[] initial, Tensor[] parameters, Tensor? probe, str cell, bool reverse, "
    "Tensor? batch_sizes, Tensor? resets, bool keep, bool bfloat16) -> (Tensor, Tensor, Tensor)",
    "recurrence_backward": "(Tensor x, Tensor[] initial, Tensor[] parameters, Tensor output, Tensor tape, "
    "Tensor? output_gradient, Tensor? final_gradient, str cell, bool reverse, Tensor? batch_sizes, Tensor? resets, "
    "bool wants_input, bool wants_states, bool bfloat16) -> Tensor[]",
    "packing": "(Tensor lengths, SymInt time, bool batch_first) -> (Tensor, Tensor, Tensor)",
    "linear_cross_entropy": "(Tensor x, Tensor weight, Tensor? bias, Tensor targets, Tensor scale, bool keep, "
    "bool bfloat16) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    "linear_cross_entropy_backward": "(Tensor x, Tensor weight, Tensor? bias, Tensor targets, Tensor log_sums, "
    "Tensor scale, bool bfloat16) -> (Tensor, Tensor, Tensor)",
}


@pytest.mark.parametrize("name", OPERATORS)
def test_graphs_of_before_find_their_operators(name):
    """Names, arguments and results stay: exported graphs hold them. What has to change gets a new name."""
    schema = str(getattr(torch.ops.carousel, name).default._schema)
    assert schema == f"carousel::{name}{OPERATORS[name]}"


def forward_arguments(packed: bool = False) -> dict:
    torch.manual_seed(0)
    rows = (5,) if packed else (3, 2)
    layer = random_layer(CELLS["gru"].equations, 3, 2, 3, 4, lengths=[3, 2] if packed else None)
    return {
        "x": layer.x.detach(),
        "initial": [state.detach() for state in layer.initial],
        "parameters": [parameter.detach() for parameter in layer.parameters.values()],
        "probe": torch.zeros(1, *rows, 4, dtype=layer.x.dtype),
        "cell": layer.equations.text,
        "reverse": False,
        "batch_sizes": torch.tensor(layer.sizes) if packed else None,
        "resets": None,
        "keep": True,
        "bfloat16": False,
    }


def backward_arguments() -> dict:
    given = forward_arguments()
    output, final, tape = torch.ops.carousel.recurrence(*given.values())
    for name in ("probe", "keep"):
        del given[name]
    more = {"output": output, "tape": tape, "output_gradient": output, "final_gradient": final}
    return {**given, **more, "wants_input": True, "wants_states": True}


def entropy_arguments() -> dict:
    x, weight, bias = torch.randn(5, 3), torch.randn(7, 3), torch.randn(7)
    targets, scale = torch.tensor([0, 6, 2, -100, 3]), torch.ones(5)
    return {
        "x": x, "weight": weight, "bias": bias, "targets": targets, "scale": scale, "keep": True, "bfloat16": False,
    }  # fmt: skip


def entropy_backward_arguments() -> dict:
    given = entropy_arguments()
    given["log_sums"] = torch.ops.carousel.linear_cross_entropy(*given.values())[2]
    del given["keep"]
    return given


def cut(tensor: Tensor) -> Tensor:
    """The same with half of its storage gone."""
    tensor = tensor.clone()
    tensor.untyped_storage().resize_(tensor.untyped_storage().nbytes() // 2)
    return tensor


def gone(tensor: Tensor) -> Tensor:
    tensor = tensor.clone()
    tensor.untyped_storage().resize_(0)
    return tensor


BAD: dict[str, Callable[[Tensor], Tensor]] = {
    "short": lambda t: t[..., :-1],
    "another dimension": lambda t: t[None],
    "a number": lambda t: t.flatten()[0],
    "another dtype": lambda t: t.to(torch.float16 if t.is_floating_point() else torch.int32),
    "cut": cut,
    "gone": gone,
}
CALLS = {
    "recurrence": forward_arguments,
    "recurrence_backward": backward_arguments,
    "linear_cross_entropy": entropy_arguments,
    "linear_cross_entropy_backward": entropy_backward_arguments,
}


def call(name: str, given: dict) -> object:
    return getattr(torch.ops.carousel, name)(**given)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", CALLS)
def test_every_tensor_is_checked(name, bad):
    """Shape, dtype and memory of each tensor, alone or in a list."""
    good = CALLS[name]()
    call(name, good)
    for argument, value in good.items():
        if isinstance(value, Tensor):
            spoilt = {**good, argument: BAD[bad](value)}
        elif isinstance(value, list):
            spoilt = {**good, argument: [*value[:-1], BAD[bad](value[-1])]}
        else:
            continue
        with pytest.raises(CarouselError):
            call(name, spoilt)


@pytest.mark.parametrize("bad", ["short", "another dimension", "a number", "another dtype"])
@pytest.mark.parametrize("name", CALLS)
def test_fake_kernels_check_too(name, bad):
    """What has a shape and a dtype and no numbers is refused while a graph is made."""
    good = CALLS[name]()
    with FakeTensorMode() as mode:
        fake = {
            key: [mode.from_tensor(t) for t in value] if isinstance(value, list)
            else mode.from_tensor(value) if isinstance(value, Tensor) else value
            for key, value in good.items()
        }  # fmt: skip
        call(name, fake)
        for argument, value in fake.items():
            if isinstance(value, Tensor):
                with pytest.raises(CarouselError):
                    call(name, {**fake, argument: BAD[bad](value)})
            elif isinstance(value, list):
                with pytest.raises(CarouselError):
                    call(name, {**fake, argument: [*value[:-1], BAD[bad](value[-1])]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"cell": "no cell"},
        {"cell": CELLS["gru"].equations.key},
        {"initial": []},
        {"parameters": []},
        {"bfloat16": True},
        {"resets": torch.zeros(3, 3, dtype=torch.bool)},
        {"resets": torch.zeros(3, 2)},
        {"batch_sizes": torch.tensor([2, 2, 2])},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_counts_and_words(wrong):
    """Cells that are none, too few states or parameters, and arguments that do not go together."""
    with pytest.raises(CarouselError):
        call("recurrence", {**forward_arguments(), **wrong})


@pytest.mark.parametrize(
    "sizes",
    [torch.tensor([2, 2]), torch.tensor([1, 2, 2]), torch.tensor([2.0, 2.0, 1.0]), torch.tensor(5),
     torch.tensor([], dtype=torch.int64), torch.tensor([2, 2, 1], dtype=torch.int32), torch.tensor([2**62, 2, 1])],
)  # fmt: skip
def test_batch_sizes(sizes):
    """Counts of a packed batch that do not fit are refused, also in a PackedSequence that was tampered with."""
    with pytest.raises(CarouselError, match="batch_sizes"):
        call("recurrence", {**forward_arguments(packed=True), "batch_sizes": sizes})
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(3, 3), torch.randn(2, 3)])
    with pytest.raises(CarouselError):
        carousel.GRU(3, 4)(packed._replace(batch_sizes=sizes))


@pytest.mark.parametrize("lengths", [torch.tensor([0, 2]), torch.tensor([4]), torch.ones(2), torch.tensor(2),
                                     torch.tensor([], dtype=torch.int64)])  # fmt: skip
def test_lengths(lengths):
    """Lengths outside of the input, or that are none."""
    with pytest.raises(CarouselError):
        torch.ops.carousel.packing(lengths, 3, False)


@pytest.mark.parametrize("take", [cut, gone])
def test_memory_taken_from_a_module(take):
    """A storage that was resized under the input, a state or a weight is seen before it is read."""
    module, x = carousel.LSTM(3, 4), torch.randn(5, 2, 3)
    frozen = module.frozen()
    with pytest.raises(CarouselError, match="storage"):
        frozen(take(x))
    with pytest.raises(CarouselError, match="storage"):
        module(take(x))
    module.weight_hh_l0 = torch.nn.Parameter(take(module.weight_hh_l0.detach()))
    for ask in (lambda: module(x), module.stepper):
        with pytest.raises(CarouselError, match="storage"):
            ask()
    weight, targets = torch.randn(7, 3), torch.zeros(5, 2, dtype=torch.int64)
    with pytest.raises(CarouselError, match="storage"):
        linear_cross_entropy(x, take(weight), targets)


@pytest.mark.parametrize(
    "given", [(1, 10**6), (1, 1024), (1, 0), (2**62, 1), (2**40, 1), (1.5, 1), ("2", 1), (True, 1)], ids=str
)
def test_steppers_of_no_size(given):
    """Threads and sequences have bounds, in the module and in the core."""
    with pytest.raises(CarouselError, match=r"threads|batch"):
        carousel.LSTM(3, 4).stepper(*given)


def test_the_core_counts_addresses():
    """What describes a call must hold as many addresses as the program reads, and none that is missing."""
    with pytest.raises(ValueError, match="one address"):
        _core.Stepper32(
            program=carousel.ops.kernels.core_program(CELLS["lstm"].equations.text),
            key=CELLS["lstm"].equations.key, batch=1, inputs=3, hidden=4, threads=1, layers=[[]],
        )  # fmt: skip


@pytest.mark.parametrize(
    "name", ["x", "initial", "parameters", "probe", "batch_sizes", "resets", "output", "tape"]
)
def test_devices_are_not_mixed(name):
    """Of tensors of which one has no memory, no result is made up: torch asks the fake kernel for it."""

    def moved(value):
        return [each.to("meta") for each in value] if isinstance(value, list) else value.to("meta")

    given = forward_arguments(packed=name == "batch_sizes")
    given["resets"] = torch.zeros(given["x"].shape[:-1], dtype=torch.bool)
    given["probe"] = given["x"].new_zeros(1, *given["x"].shape[:-1], 4)
    call = torch.ops.carousel.recurrence
    if name in ("output", "tape"):
        given, call = backward_arguments(), torch.ops.carousel.recurrence_backward
    call(**given)
    with pytest.raises(CarouselError, match="must be on one device; they are on cpu, meta"):
        call(**given | {name: moved(given[name])})


@pytest.mark.parametrize("name", ["x", "weight", "bias", "targets", "scale", "log_sums"])
def test_devices_of_a_loss_are_not_mixed(name):
    """So too of the cross-entropy, in both directions."""
    given = {
        "x": torch.randn(5, 3), "weight": torch.randn(7, 3), "bias": torch.randn(7),
        "targets": torch.zeros(5, dtype=torch.int64), "log_sums": torch.ones(5), "scale": torch.ones(5),
    }  # fmt: skip
    given |= {name: given[name].to("meta")}
    with pytest.raises(CarouselError, match="must be on one device; they are on cpu, meta"):
        torch.ops.carousel.linear_cross_entropy_backward(**given, bfloat16=False)
    del given["log_sums"]
    if name != "log_sums":
        with pytest.raises(CarouselError, match="must be on one device; they are on cpu, meta"):
            torch.ops.carousel.linear_cross_entropy(**given, keep=True, bfloat16=False)


LOADS = """
import sys
import carousel
assert "torch" not in sys.modules
import torch
for name in ("gru", "own"):
    x = torch.load(sys.argv[1] + "/x")
    exported = torch.export.load(f"{sys.argv[1]}/{name}.pt2").module()
    torch.save([exported(x)[0].detach(), torch.jit.load(f"{sys.argv[1]}/{name}.ts")(x)[0].detach()],
               f"{sys.argv[1]}/{name}.out")
"""


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.torch.jit:DeprecationWarning")
def test_graphs_in_another_process(tmp_path):
    """After `import carousel` alone, before torch, saved graphs run: a user's cell comes with its graph."""
    x, modules = torch.randn(4, 2, 3), {"gru": CELLS["gru"], "own": USER_CELLS["Normalised"]}
    modules = {name: carousel.Recurrent(cell, 3, 5) for name, cell in modules.items()}
    torch.save(x, tmp_path / "x")
    for name, module in modules.items():
        torch.export.save(torch.export.export(module, (x,)), tmp_path / f"{name}.pt2")
        torch.jit.trace(module, (x,)).save(tmp_path / f"{name}.ts")
    subprocess.run([sys.executable, "-W", "ignore", "-c", LOADS, str(tmp_path)], check=True)
    for name, module in modules.items():
        for found in torch.load(tmp_path / f"{name}.out"):
            assert_close(found, module(x)[0].detach())


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("kind", "options"), [(carousel.GRU, {}), (carousel.LSTM, {"proj_size": 2})], ids=["GRU", "proj_size"]
)
def test_lengths_stay_dynamic(strict, kind, options):
    """An exported module takes other batches, lengths and resets than those it was exported with."""

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = kind(3, 4, num_layers=2, bidirectional=True, **options)

        def forward(self, x, lengths, resets):
            return self.inner(x, lengths=lengths, resets=resets)[0]

    time, batch = torch.export.Dim("time", max=100), torch.export.Dim("batch", max=100)
    given = (torch.randn(6, 3, 3), torch.tensor([6, 2, 4]), torch.rand(6, 3) < 0.3)
    shapes = ({0: time, 1: batch}, {0: batch}, {0: time, 1: batch})
    model = Model()
    exported = torch.export.export(model, given, dynamic_shapes=shapes, strict=strict).module()
    for other in ([9, 1, 3, 2, 9], [4, 4], [3]):
        x, resets = torch.randn(9, len(other), 3), torch.rand(9, len(other)) < 0.3
        assert_close(exported(x, torch.tensor(other), resets), model(x, torch.tensor(other), resets))


def test_a_cell_without_a_compiler(monkeypatch):
    """Such a graph runs by its equations, with gradients; one with a backward pass says what it needs."""
    monkeypatch.setattr(operators, "has_kernel", lambda _: False)
    layer = random_layer(CELLS["gru"].equations, 3, 2, 3, 4)
    parameters = list(layer.parameters.values())
    output, *_ = torch.ops.carousel.recurrence(
        layer.x, layer.initial, parameters, None, layer.equations.text, False, None, None, True, False
    )
    expected, _ = reference.run(layer.call)
    assert_close(output, expected)
    found = torch.autograd.grad(output.sum(), parameters)
    for one, other in zip(found, torch.autograd.grad(expected.sum(), parameters), strict=True):
        assert_close(one, other)
    with pytest.raises(CarouselError, match="compiler"):
        call("recurrence_backward", backward_arguments())
