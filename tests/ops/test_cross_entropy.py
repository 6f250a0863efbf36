"""The fused linear layer and cross-entropy against plain torch in float64: every output and every gradient."""

import itertools

import pytest
import torch
from tolerances import assert_close
from torch.autograd import gradcheck, gradgradcheck

from carousel import CarouselError, _core
from carousel.ops.cross_entropy import (
    IGNORED,
    linear_cross_entropy,
    linear_cross_entropy_backward,
    output_losses,
    reference,
)

# N, H, V: single things, sizes about those of vectors, tiles, blocks and chunks, several of each with a rest
SHAPES = [(1, 1, 1), (1, 7, 5), (5, 200, 97), (64, 16, 96), (65, 33, 193), (129, 20, 301), (300, 3, 50)]


def problem(n, h, v, dtype=torch.float32, bias=True, ignored=0):
    x, weight, offset = (
        torch.randn(n, h, dtype=dtype),
        torch.randn(v, h, dtype=dtype),
        torch.randn(v, dtype=dtype),
    )
    targets = torch.randint(v, (n,))
    targets[torch.randperm(n)[:ignored]] = IGNORED
    return x, weight, offset if bias else None, targets, torch.rand(n, dtype=dtype) + 0.5


def exact(x, weight, bias, targets, scale, losses_gradient=None):
    """Total, losses, and the gradients by x, weight, bias and scale, of plain torch in float64."""
    sources = [None if t is None else t.detach().double().requires_grad_() for t in (x, weight, bias, scale)]
    losses = reference(*sources[:3], targets)
    total = (sources[3] * losses).sum()
    end = total if losses_gradient is None else losses @ losses_gradient.double()
    wanted = [t for t in sources if t is not None]
    found = iter(torch.autograd.grad(end, wanted, allow_unused=True))
    return total, losses, [None if t is None else next(found) for t in sources]


def found(x, weight, bias, targets, scale, bfloat16=False, losses_gradient=None):
    """The same by the operator."""
    x, weight, bias, scale = (
        None if t is None else t.detach().requires_grad_() for t in (x, weight, bias, scale)
    )
    total, losses, *_ = linear_cross_entropy(
        x, weight, bias, targets, scale, losses_gradient is None, bfloat16
    )
    (total if losses_gradient is None else losses @ losses_gradient).backward()
    return total, losses, [None if t is None else t.grad for t in (x, weight, bias, scale)]


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_is_exact(isa, shape, dtype):
    """The total and its gradients; with a bias or not, with ignored rows or not, on one thread and on three."""
    for bias, ignored, threads in itertools.product((True, False), {0, shape[0] // 2}, (1, 3)):
        case = problem(*shape, dtype, bias, ignored)
        torch.set_num_threads(threads)
        try:
            results, truth = found(*case), exact(*case)
            assert_close(results[:2], truth[:2], dtype, "total and losses")
            for name, one, other in zip(["x", "weight", "bias", "scale"], results[2], truth[2], strict=True):
                assert (one is None) == (other is None)
                if other is not None:
                    assert_close(one, other, dtype, name)
        finally:
            torch.set_num_threads(1)


@pytest.mark.usefixtures("poisoned_memory")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_of_single_losses(isa, shape):
    """Where each loss has a gradient of its own, logits are computed anew, to the same gradients."""
    case, each = problem(*shape, ignored=shape[0] // 3), torch.randn(shape[0])
    results, truth = found(*case, losses_gradient=each), exact(*case, losses_gradient=each)
    assert_close(results[1], truth[1], torch.float32, "losses")
    assert_close(results[2][:3], truth[2][:3], torch.float32, "gradients")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_products_in_bfloat16(isa, shape):
    """Factors are rounded and nothing else: the loss is that of rounded inputs, the gradients are near theirs."""
    x, weight, bias, targets, scale = problem(*shape, ignored=shape[0] // 3)
    rounded = x.bfloat16().float(), weight.bfloat16().float()
    total, losses, gradients = found(x, weight, bias, targets, scale, bfloat16=True)
    assert_close((total, losses), exact(*rounded, bias, targets, scale)[:2], torch.float32, "losses")
    assert_close(gradients, exact(*rounded, bias, targets, scale)[2], torch.bfloat16, "gradients")
    each = torch.randn(shape[0])
    anew = found(x, weight, bias, targets, scale, bfloat16=True, losses_gradient=each)
    truth = exact(*rounded, bias, targets, scale, losses_gradient=each)
    assert_close(anew[2][:3], truth[2][:3], torch.bfloat16, "gradients of losses")


def test_large_logits_and_impossible_words(isa):
    """Logits of hundreds overflow nothing, wherever the largest comes; a bias of minus infinity forbids a word."""
    x, weight, bias, targets, scale = problem(70, 9, 400)
    for at in (0, 399):
        weight[at] = 60 * weight[at].sign()
        bias[at] = 300
    bias[7] = -torch.inf
    targets[targets == 7] = 8
    case = x, weight, bias, targets, scale
    assert_close(found(*case), exact(*case), torch.float32)
    assert found(*case)[2][2][7] == 0


@pytest.mark.parametrize("single", [False, True], ids=["of the total", "of single losses"])
def test_larger_logits_come_late_and_not_for_every_row(isa, single):
    """What was summed before a larger logit is kept by its measure, again and again, in some rows and not in others."""
    x, weight, bias, targets, scale = problem(300, 9, 700)
    for at, jump in (
        (150, 19),
        (300, 25),
        (450, 70),
        (690, 45),
    ):  # below and above what the first sums can take
        weight[at] = 0
        weight[at, at % 9] = jump
    x[::2].abs_()
    case = x, weight, bias, targets, scale
    each = torch.randn(300) if single else None
    results, truth = found(*case, losses_gradient=each), exact(*case, each)
    assert_close(results[:2], truth[:2], torch.float32)
    assert_close(results[2][:3], truth[2][:3], torch.float32)


def test_ignored_rows_are_never_read(isa):
    """NaN in an ignored row of x and in its scale reaches nothing; all rows ignored give zeros."""
    x, weight, bias, targets, scale = problem(70, 9, 40, ignored=30)
    out = targets == IGNORED
    truth = exact(x, weight, bias, targets, scale)
    x[out], scale[out] = torch.nan, torch.nan
    total, losses, gradients = found(x, weight, bias, targets, scale)
    assert_close((total, losses), (truth[0], truth[1]), torch.float32)
    assert_close(gradients, truth[2], torch.float32)
    assert gradients[0][out].abs().max() == 0
    total, losses, gradients = found(x, weight, bias, torch.full_like(targets, IGNORED), scale)
    assert total == 0
    assert all(tensor.abs().max() == 0 for tensor in (losses, *gradients))


def test_a_logit_that_is_no_number_shows(isa):
    """NaN in a counted row is in its loss and in the total, and in no other row's."""
    x, weight, bias, targets, scale = problem(70, 9, 400)
    x[65, 3] = torch.nan
    total, losses, _ = found(x, weight, bias, targets, scale)
    assert total.isnan()
    assert losses.isnan().nonzero().tolist() == [[65]]


def test_any_strides(isa):
    """Transposed, strided and expanded inputs give what their copies give."""
    x, weight, bias, targets, scale = problem(30, 8, 50)
    views = [
        (x.t().contiguous().t(), weight.t().contiguous().t()),
        (torch.randn(30, 16)[:, ::2], torch.randn(50, 11)[:, 3:]),
        (x[:1].expand(30, 8), weight[:1].expand(50, 8)),
    ]
    for left, right in views:
        case = (left, right, bias[:1].expand(50), targets[:1].expand(30), scale[:1].expand(30))
        assert_close(found(*case), exact(*case), torch.float32)


def test_threads_do_not_change_what_they_share():
    """Two runs on as many threads are equal to the bit."""
    case = problem(129, 33, 1001)
    torch.set_num_threads(2)
    try:
        first, second = found(*case), found(*case)
    finally:
        torch.set_num_threads(1)
    assert first[0] == second[0]
    assert all(torch.equal(one, other) for one, other in zip(first[2], second[2], strict=True))


def test_gradient_is_kept_for_a_second_backward_pass():
    """retain_graph gives the same gradient again; a factor on the total multiplies it."""
    x, weight, bias, targets, scale = problem(9, 4, 12)
    x.requires_grad_()
    total, *_ = linear_cross_entropy(x, weight, bias, targets, scale, True, False)
    total.backward(retain_graph=True)
    once = x.grad.clone()
    (3 * total).backward()
    assert_close(x.grad, 4 * once)


def test_finite_differences():
    """First and second derivatives by finite differences, of the total and of single losses."""
    x, weight, bias, targets, scale = problem(4, 3, 5, torch.float64, ignored=1)
    inputs = tuple(t.requires_grad_() for t in (x, weight, bias, scale))

    def total(x, weight, bias, scale):
        return linear_cross_entropy(x, weight, bias, targets, scale, True, False)[0]

    def losses(x, weight, bias, scale):
        return linear_cross_entropy(x, weight, bias, targets, scale, False, False)[1]

    for function in (total, losses):
        assert gradcheck(function, inputs[:3] + inputs[3:], check_undefined_grad=False)
        assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("bias", [True, False])
def test_operators_behave_as_torch_asks(bias):
    """opcheck: schema, fake kernel, autograd registration, the same under ahead-of-time tracing."""
    x, weight, offset, targets, scale = problem(9, 4, 12, bias=bias, ignored=2)
    for keep in (True, False):
        sources = [None if t is None else t.clone().requires_grad_() for t in (x, weight, offset)]
        torch.library.opcheck(linear_cross_entropy, (*sources, targets, scale, keep, False))
    log_sums = linear_cross_entropy(x, weight, offset, targets, scale, False, False)[2]
    torch.library.opcheck(linear_cross_entropy_backward, (x, weight, offset, targets, log_sums, scale, False))


def test_compile_sees_one_node():
    """A compiled function holds one node for layer and loss, and gives the same gradient."""
    graphs = []

    def backend(graph, inputs):
        graphs.append([node.target for node in graph.graph.nodes if node.op == "call_function"])
        return graph.forward

    case = problem(9, 4, 12)
    compiled = torch.compile(lambda *a: output_losses(*a)[0], fullgraph=True, backend=backend)
    sources = [t.detach().requires_grad_() for t in case[:3]]
    compiled(*sources, *case[3:]).backward()
    names = [str(target) for target in graphs[0]]
    assert sum("linear_cross_entropy" in name for name in names) == 1
    assert not any(word in name for name in names for word in ("softmax", "linear.", "matmul"))
    assert_close([t.grad for t in sources], exact(*case)[2][:3], torch.float32)


def test_inductor_gives_the_same_gradient():
    """Compiled to the end, forward and backward pass, with a factor on the loss."""
    case = problem(9, 4, 12)
    compiled = torch.compile(lambda *a: 2 * output_losses(*a)[0], fullgraph=True, backend="aot_eager")
    sources = [t.detach().requires_grad_() for t in case[:3]]
    compiled(*sources, *case[3:]).backward()
    assert_close([t.grad for t in sources], [2 * g for g in exact(*case)[2][:3]], torch.float32)


def test_transforms_take_plain_torch():
    """torch.func and vmap give the gradients of single rows."""
    x, weight, bias, targets, _ = problem(6, 4, 12)

    def one(weight, row, target):
        return output_losses(row[None], weight, bias, target[None], None)[0]

    each = torch.func.vmap(torch.func.grad(one), (None, 0, 0))(weight, x, targets)
    whole = exact(x, weight, bias, targets, torch.ones(6))[2][1]
    assert_close(each.sum(0), whole, torch.float32)


MISTAKES = {
    "sizes that differ": (lambda x, w, b, t, s: (x[:, :3], w, b, t, s), r"\(9, 3\), \(12, 4\).*\(9,\)"),
    "a target for each row": (lambda x, w, b, t, s: (x, w, b, t[:5], s), r"\(9, 4\).*\(5,\)"),
    "dtypes that differ": (lambda x, w, b, t, s: (x, w.double(), b, t, s), "float32.*float64"),
    "targets of another dtype": (lambda x, w, b, t, s: (x, w, b, t.int(), s), "int64.*int32"),
    "a target beyond the last": (lambda x, w, b, t, s: (x, w, b, t + 12, s), "from 0 to 11, or -100.*from 1"),
    "a target below the first": (lambda x, w, b, t, s: (x, w, b, t - 50, s), "from 0 to 11, or -100.*from -"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_core_gets_nothing_it_could_trip_over(mistake):
    """What would be a wrong read or write in the core is an error before it."""
    change, message = MISTAKES[mistake]
    with pytest.raises(CarouselError, match=message):
        linear_cross_entropy(*change(*problem(9, 4, 12)), True, False)


def test_logits_of_a_batch_never_exist():
    """At V = 33,278 the core asks for less than 10 MB, for any number of rows."""
    from torch.utils._python_dispatch import TorchDispatchMode

    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, function, types, arguments=(), options=None):
            result = function(*arguments, **(options or {}))
            for one in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(one, torch.Tensor):
                    Largest.numbers = max(Largest.numbers, one.numel())
            return result

    x, weight, bias, targets, scale = problem(700, 4, 33_278)
    with Largest():
        found(x, weight, bias, targets, scale)
    assert Largest.numbers <= weight.numel()
    assert _core.cross_entropy_bytes(rows=700, hidden=200, symbols=33_278, threads=2) < 10e6
    assert _core.cross_entropy_bytes(rows=70_000, hidden=200, symbols=33_278, threads=2) < 10e6
