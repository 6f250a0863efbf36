"""One step at a time gives what the whole sequence gives."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from tolerances import assert_close

import carousel
from carousel.equations import Cell, affine, sigmoid, tanh
from carousel.errors import CarouselError


class MinimalGatedUnit(Cell):
    """Two stages of products (Zhou et al. 2016)."""

    def step(self, x, h):
        f = sigmoid(affine("f", x, h))
        n = tanh(affine("n", x, f * h))
        return (1 - f) * h + f * n


MODULES = {
    "lstm": lambda **o: carousel.LSTM(5, 19, **o),
    "lstm, diagonal peephole": lambda **o: carousel.LSTM(5, 19, peephole="diagonal", **o),
    "lstm, full peephole": lambda **o: carousel.LSTM(5, 19, peephole="full", **o),
    "gru": lambda **o: carousel.GRU(5, 19, **o),
    "gru, reset before": lambda **o: carousel.GRU(5, 19, reset="before", **o),
    "rnn": lambda **o: carousel.RNN(5, 19, **o),
    "a user's cell": lambda **o: carousel.Recurrent(MinimalGatedUnit, 5, 19, **o),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("options", [{}, {"num_layers": 3}, {"bias": False}], ids=str)
@pytest.mark.parametrize("name", MODULES)
def test_steps_equal_the_sequence(name, options, dtype):
    """Outputs and states after each step are the sequence's, for one sequence and for a batch."""
    module = MODULES[name](dtype=dtype, **options)
    for batch in (None, 3):
        x = torch.randn(7, *([] if batch is None else [batch]), 5, dtype=dtype)
        output, final = module(x)
        stepper = module.stepper(batch)
        assert_close(torch.stack([stepper.step(x_t).clone() for x_t in x]), output.detach())
        finals = (final,) if isinstance(final, torch.Tensor) else final
        assert_close(stepper.state, tuple(state.detach() for state in finals))


def test_threads_share_the_units():
    """Two threads on one sequence give what one gives."""
    module = carousel.LSTM(64, 256)
    x = torch.randn(5, 64)
    one, two = module.stepper(), module.stepper(threads=2)
    assert_close(
        torch.stack([two.step(x_t).clone() for x_t in x]), torch.stack([one.step(x_t).clone() for x_t in x])
    )


def test_the_state_can_be_set_and_reset():
    """A stepper goes on from any state, and from zero after a reset."""
    module = carousel.LSTM(5, 8, num_layers=2)
    x, h, c = torch.randn(5), torch.randn(2, 8), torch.randn(2, 8)
    stepper = module.stepper()
    fresh = stepper.step(x).clone()
    stepper.state = (h, c)
    assert_close(stepper.step(x).clone(), module(x[None], (h, c))[0][0].detach())
    stepper.reset()
    assert torch.equal(stepper.step(x), fresh)


def test_arrays_of_either_kind():
    """NumPy in, NumPy out; a tensor for a tensor; `out` is filled; the view changes with the next step."""
    module = carousel.GRU(5, 8)
    x = np.random.default_rng(0).normal(size=(2, 5)).astype(np.float32)
    stepper = module.stepper()
    view = stepper.step(x[0])
    kept = view.copy()
    out = np.empty(8, dtype=np.float32)
    assert stepper.step(x[1], out=out) is out
    assert np.array_equal(view, out)
    assert not np.array_equal(view, kept)
    stepper.reset()
    assert np.array_equal(stepper.step(torch.from_numpy(x[0])).numpy(), kept)


def test_later_changes_of_the_module_do_not_reach_it():
    """The stepper keeps the weights it was made with, even when the module is gone."""
    module = carousel.LSTM(5, 8, peephole="diagonal")
    x = torch.randn(5)
    expected = module(x[None])[0][0].detach()
    stepper = module.stepper()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
    del module
    assert_close(stepper.step(x), expected)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        (carousel.LSTM(3, 4, bidirectional=True), "forwards only"),
        (carousel.LSTM(3, 4, dtype=torch.bfloat16), "float32 or float64"),
        (carousel.LSTM(3, 4, device="meta"), "on the CPU"),
    ],
    ids=["bidirectional", "bfloat16", "meta"],
)
def test_what_cannot_step_is_refused(module, reason):
    """The error says what a stepper needs and what came."""
    with pytest.raises(CarouselError, match=reason):
        module.stepper()


def test_a_wrong_input_is_refused():
    """The expected and the given shape and dtype are named."""
    stepper = carousel.LSTM(3, 4).stepper()
    with pytest.raises(CarouselError, match=r"\(3,\) and dtype float32; it got \(2,\) and float32"):
        stepper.step(np.zeros(2, dtype=np.float32))
    with pytest.raises(CarouselError, match="float64"):
        stepper.step(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(CarouselError, match=r"\(1, 5\)"):
        stepper.state = (torch.zeros(1, 5), torch.zeros(1, 4))


UNREADABLE = [
    (lambda: [0.0, 0.0, 0.0], r"\(3,\) and dtype float32.*it got a list"),
    (lambda: 0.5, "it got a float"),
    (lambda: None, "it got a NoneType"),
    (lambda: torch.zeros(3, dtype=torch.bfloat16), r"it got \(3,\) and bfloat16"),
    (lambda: torch.zeros(3, device="meta"), r"it got \(3,\) and float32 on meta"),
    (lambda: torch.zeros(3, dtype=torch.cfloat), "complex64"),
]


@pytest.mark.parametrize(("make", "reason"), UNREADABLE)
def test_what_is_no_input_is_refused(make, reason):
    """Lists, numbers and tensors that NumPy does not know are told, and the state stays."""
    stepper = carousel.GRU(3, 4).stepper()
    stepper.step(torch.ones(3))
    [before] = stepper.state
    with pytest.raises(CarouselError, match=reason):
        stepper.step(make())
    assert torch.equal(stepper.state[0], before)


UNFIT = [
    (lambda: np.zeros((2, 4), np.float32), r"\(4,\) and dtype float32; it is \(2, 4\) and float32"),
    (lambda: torch.zeros(3), r"it is \(3,\) and float32"),
    (lambda: np.zeros(4, np.int64), "int64"),
    (lambda: torch.zeros(4, dtype=torch.float64), "float64"),
    (lambda: np.broadcast_to(np.float32(0), 4), "for reading only"),
    (lambda: torch.zeros(4, requires_grad=True), "requires a gradient"),
    (lambda: torch.zeros(1).expand(4), "share memory"),
    (lambda: torch.zeros(4, device="meta"), "on meta"),
    (lambda: [0.0] * 4, "a list"),
]


@pytest.mark.parametrize("stacked", [False, True], ids=["module", "stack"])
@pytest.mark.parametrize(("make", "reason"), UNFIT)
def test_an_out_that_does_not_fit_is_refused(make, reason, stacked):
    """Before anything is computed: the state of every module is what it was."""
    module = carousel.Stack(carousel.GRU(3, 5), carousel.GRU(5, 4)) if stacked else carousel.GRU(3, 4)
    stepper = module.stepper()
    stepper.step(torch.ones(3))
    before = stepper.state
    with pytest.raises(CarouselError, match=reason):
        stepper.step(torch.ones(3), out=make())
    for one, other in zip(stepper.state, before, strict=True):
        assert_close(one, other)


@pytest.mark.parametrize("out", [np.zeros(4, np.float32), torch.zeros(8)[::2]], ids=["array", "tensor"])
@pytest.mark.parametrize("x", [np.ones(3, np.float32), torch.ones(3)], ids=["array", "tensor"])
def test_out_of_either_kind(x, out):
    """What is filled need not be of the kind that is read."""
    module = carousel.GRU(3, 4)
    expected = module.stepper().step(torch.ones(3)).clone()
    assert module.stepper().step(x, out=out) is out
    assert torch.equal(torch.as_tensor(out), expected)


def test_a_parameter_of_another_shape_or_dtype_is_refused():
    """What the core would read past its end is named before."""
    module = carousel.LSTM(3, 4)
    module.weight_hh_l0 = torch.nn.Parameter(torch.zeros(1, 1))
    with pytest.raises(CarouselError, match=r"weight_hh.*\(1, 1\)"):
        module.stepper()
    module = carousel.LSTM(3, 4)
    module.weight_hh_l0 = torch.nn.Parameter(torch.zeros(16, 4, dtype=torch.float64))
    with pytest.raises(CarouselError, match="float64"):
        module.stepper()


def test_two_threads_at_once_are_told():
    """A step that overlaps another would read the other's input: it raises, and none is lost silently."""
    stepper = carousel.LSTM(3, 5).stepper()
    real, entered, go_on = stepper._core, threading.Event(), threading.Event()

    class Slow:
        def step(self):
            entered.set()
            go_on.wait()
            real.step()

    stepper._core = Slow()
    x = np.ones(3, dtype=np.float32)
    thread = threading.Thread(target=stepper.step, args=(x,))
    thread.start()
    entered.wait()
    for use in (lambda: stepper.step(x), lambda: stepper.state, stepper.reset):
        with pytest.raises(CarouselError, match="two threads used it at once"):
            use()
    go_on.set()
    thread.join()
    stepper._core = real
    assert stepper.state[0].abs().sum() > 0
    stepper.step(x)


def test_copies_are_refused():
    """pickle and deepcopy say what to do instead."""
    for stepper in (carousel.GRU(3, 5).stepper(), carousel.Stack(carousel.GRU(3, 5)).stepper()):
        for copied in (pickle.dumps, copy.deepcopy):
            with pytest.raises(CarouselError, match=r"Pickle the module and `stepper\.state`"):
                copied(stepper)
