"""What a module returns is the caller's: it may be changed in place before backward, as with torch.nn."""

import pytest
import torch
from tolerances import assert_close
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence
from torch.utils.checkpoint import checkpoint

import carousel
from carousel.equations.catalogue import CELLS
from carousel.losses import linear_cross_entropy


def add(output: Tensor) -> Tensor:
    output += 1.5
    return output


def drop(output: Tensor) -> Tensor:
    torch.manual_seed(1)
    return nn.functional.dropout(output, 0.5, inplace=True)


def mask(output: Tensor) -> Tensor:
    output[..., ::2] = 0
    return output


def double(output: Tensor) -> Tensor:
    with torch.no_grad():
        output.view(-1).mul_(2)
    return output


def gradients(module: nn.Module, x: Tensor, change, **options) -> list[Tensor]:
    """Of a loss of the changed output, in the input and the weights."""
    x = x.detach().requires_grad_()
    output = change(module(x, **options)[0])
    weights = torch.linspace(-1, 1, output.numel(), dtype=output.dtype).view(output.shape)
    loss = (weights * output * output).sum()
    return list(torch.autograd.grad(loss, [x, *module.parameters()]))


def check(module: nn.Module, x: Tensor, change, **options) -> None:
    """In place is as on a copy, which no operator has saved."""
    found = gradients(module, x, change, **options)
    for one, other in zip(
        found, gradients(module, x, lambda output: change(output.clone()), **options), strict=True
    ):
        assert_close(one, other)


@pytest.mark.parametrize("change", [add, drop, mask, double])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell(name, dtype, change):
    """Adding, dropout, masks and changes without gradients give the gradients of the same done on a copy."""
    check(carousel.Recurrent(CELLS[name], 3, 5, dtype=dtype), torch.randn(7, 2, 3, dtype=dtype), change)


@pytest.mark.parametrize(
    "options",
    [{"num_layers": 2, "bidirectional": True}, {"batch_first": True}, {"dtype": torch.bfloat16}],
    ids=["layers", "batch first", "bfloat16"],
)
def test_every_form(options):
    """Layers, directions, layouts and other numbers."""
    module = carousel.GRU(3, 5, **options)
    check(module, torch.randn(7, 2, 3, dtype=options.get("dtype")), mask)


def test_lengths_resets_and_stacks():
    """Ragged batches, episodes and several modules."""
    x, resets = torch.randn(7, 2, 3), torch.rand(7, 2) < 0.3
    check(carousel.LSTM(3, 5), x, add, lengths=[4, 7], resets=resets)
    check(carousel.Stack(carousel.LSTM(3, 5), carousel.GRU(5, 4)), x, add, resets=resets)
    module = carousel.RNN(3, 5)
    packed = pack_sequence([x[:, 0], x[:4, 1]])
    found = torch.autograd.grad(add(module(packed)[0].data).square().sum(), module.weight_hh_l0)
    expected = torch.autograd.grad(module(packed)[0].data.add(1.5).square().sum(), module.weight_hh_l0)
    assert_close(found[0], expected[0])


def test_as_torch():
    """The same gradients as torch.nn.GRU for the same change."""
    theirs = nn.GRU(3, 5, dtype=torch.float64)
    ours, x = carousel.from_torch(theirs), torch.randn(7, 2, 3, dtype=torch.float64)
    for one, other in zip(gradients(ours, x, add), gradients(theirs, x, add), strict=True):
        assert_close(one, other)


def test_changed_twice_and_asked_twice():
    """One output changed between two uses of it; two backward passes over one graph; a gradient of a gradient."""
    module, x = carousel.GRU(3, 5, dtype=torch.float64), torch.randn(7, 2, 3, dtype=torch.float64)
    x.requires_grad_()
    output, _ = module(x)
    first = output.sum()
    loss = first + mask(output).sum()
    [once] = torch.autograd.grad(loss, x, retain_graph=True)
    [again] = torch.autograd.grad(loss, x, create_graph=True)
    output, _ = module(x)
    [expected] = torch.autograd.grad(output.sum() + mask(output.clone()).sum(), x)
    assert_close(once, expected)
    assert_close(again, expected)
    assert torch.autograd.grad(again.square().sum(), x)[0].abs().sum() > 0


def test_in_recordings_and_checkpoints():
    """A recording keeps what the cell computed, and a checkpoint computes it again."""
    module, x = carousel.GRU(3, 5), torch.randn(7, 2, 3)
    with carousel.recording(module) as recorded:
        check(module, x, add)
    changed, copied = recorded
    assert_close(changed.values["h"], copied.values["h"])
    x.requires_grad_()
    checkpoint(lambda x: add(module(x)[0]), x, use_reentrant=False).square().sum().backward()
    assert_close(x.grad, torch.autograd.grad(add(module(x)[0]).square().sum(), x)[0])


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning", "ignore:.torch.jit:DeprecationWarning")
def test_in_graphs(fresh_compiler):
    """Compiled, exported and traced modules return what may be changed, too."""
    module, x = carousel.GRU(3, 5), torch.randn(7, 2, 3)
    for other in (torch.export.export(module, (x,)).module(), torch.jit.trace(module, (x,))):
        for one, right in zip(gradients(other, x, add), gradients(module, x, add), strict=True):
            assert_close(one, right)
    x.requires_grad_()
    compiled = torch.compile(lambda x: add(module(x)[0]), fullgraph=True, backend="aot_eager")
    found = torch.autograd.grad(compiled(x).square().sum(), x)
    assert_close(found[0], torch.autograd.grad(add(module(x)[0]).square().sum(), x)[0])


def test_saved_memory_is_let_go():
    """After backward nothing but the loss is held, however many losses are kept."""
    module, x = carousel.LSTM(3, 5), torch.randn(7, 2, 3)
    output, _ = module(x)
    loss = output.sum()
    node = loss.grad_fn.next_functions[0][0]
    loss.backward()
    assert type(node).__name__ == "RecurrenceBackward"
    assert node.output.untyped_storage().nbytes() == 0


def test_losses():
    """The loss of each row may be masked in place."""
    x, weight = torch.randn(6, 4, requires_grad=True), torch.randn(9, 4)
    targets = torch.arange(6)
    losses = linear_cross_entropy(x, weight, targets, reduction="none")
    losses[::2] = 0
    [found] = torch.autograd.grad(losses.sum(), x)
    losses = nn.functional.cross_entropy(x @ weight.T, targets, reduction="none")
    assert_close(found, torch.autograd.grad(losses[1::2].sum(), x)[0])
