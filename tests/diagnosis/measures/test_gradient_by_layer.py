"""The gradient by layer of any network, recurrent or not."""

import numpy as np
import pytest
import torch
from torch import nn

from carousel.diagnosis import gradient_by_layer
from carousel.errors import CarouselError


def chain(*factors):
    """y = f_n ... f_1 x: the gradient at layer l is the product of the factors after it."""
    layers = []
    for factor in factors:
        layer = nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            layer.weight.fill_(factor)
        layers.append(layer)
    return nn.Sequential(*layers)


def test_a_chain_of_factors():
    """dL/d(output of layer l) is the product of what comes after, for each instance and for the batch."""
    flow = gradient_by_layer(chain(2.0, 0.5, 0.25), torch.tensor([[1.0], [2.0]]), lambda y: y.sum())
    assert np.exp(flow.log_by_instance[:, 0]) == pytest.approx([0.125, 0.25, 1.0])
    assert np.exp(flow.log_norms) == pytest.approx(np.sqrt(2) * np.array([0.125, 0.25, 1.0]))
    assert np.exp(flow.log_typical) == pytest.approx([0.125, 0.25, 1.0])
    assert np.exp(flow.log_parameters) == pytest.approx([0.125 * 3, 0.25 * 6, 1.0 * 3])
    assert np.exp(flow.rate()) == pytest.approx(8**-0.5)


def test_a_deep_sigmoid_network_vanishes_far_below_float32():
    """300 layers of sigmoid: 1e-200 is a number, in float64 on a copy."""
    deep = nn.Sequential(*[nn.Sequential(nn.Linear(10, 10), nn.Sigmoid()) for _ in range(150)])
    flow = gradient_by_layer(deep, torch.randn(4, 10))
    assert flow.dtype == "float64"
    assert flow.log_norms[0] < np.log(1e-100)
    assert np.isfinite(flow.log_norms).all()
    assert flow.rate() < -0.5
    assert next(deep.parameters()).dtype == torch.float32


def test_what_no_float_holds_is_told():
    """0.1 a layer, 400 layers: 1e-400, which float64 would round to 0; a float32 model itself says 1e-50."""
    linear = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        linear.weight.fill_(0.1)
    for depth, double in ((400, True), (50, False)):
        flow = gradient_by_layer(
            nn.Sequential(*[linear] * depth), torch.ones(1, 1), lambda output: output.sum() + 0 * output.square().sum(),
            double=double,
        )  # fmt: skip
        assert flow.log_norms / np.log(10) == pytest.approx(-np.arange(depth)[::-1], abs=1e-4)
        assert flow.log_by_instance[0, 0] == pytest.approx(flow.log_norms[0])


class Net(nn.Module):
    """Images, a skip connection, a module used twice and a recurrent layer."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv1d(2, 3, 3, padding=1), nn.ReLU()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 1)

    def forward(self, x):
        x = self.act(self.conv(x))
        y, _ = self.lstm(x.transpose(1, 2))
        return self.head(self.act(y) + y)[:, -1]


def test_any_module_with_autograd_as_witness():
    """Norms are those that retained gradients show; names say second calls; shapes follow instances and neurons."""
    net, x = Net().double(), torch.randn(5, 2, 7).double()
    flow = gradient_by_layer(net, x)
    assert flow.names == ["conv", "act", "lstm", "act #2", "head"]
    kept = {}

    def keep(module, args, output):
        value = output[0] if isinstance(output, tuple) else output
        value.retain_grad()
        kept[module] = value

    handles = [each.register_forward_hook(keep) for each in (net.lstm, net.head)]
    net(x).square().sum().backward()
    for handle in handles:
        handle.remove()
    for module, index in ((net.lstm, 2), (net.head, 4)):
        gradient = kept[module].grad
        assert np.exp(flow.log_norms[index]) == pytest.approx(gradient.norm().item())
        assert np.exp(flow.log_by_instance[index]) == pytest.approx(gradient.flatten(1).norm(dim=1).numpy())
        by_neuron = gradient.flatten(0, 1).norm(dim=0)
        assert np.exp(flow.log_by_neuron[index]) == pytest.approx(by_neuron.numpy())
    assert flow.log_by_instance.shape == (5, 5)
    assert np.exp(flow.log_parameters[4]) == pytest.approx(
        torch.cat([p.grad.flatten() for p in net.head.parameters()]).norm().item()
    )


def test_the_model_stays_as_it_was():
    """No gradient, no hook, no mode is left behind; also where the copy does not run."""

    class Stubborn(Net):
        def forward(self, x):
            assert x.dtype == torch.float32
            return super().forward(x)

    for model, dtype in ((Net().train(), "float64"), (Stubborn().train(), "float32")):
        flow = gradient_by_layer(model, torch.randn(5, 2, 7))
        assert flow.dtype == dtype
        assert all(p.grad is None and p.requires_grad for p in model.parameters())
        assert model.training
        assert not any(each._forward_hooks for each in model.modules())


def test_time_first_batches_count_sequences_in_their_second_dimension():
    """An LSTM that is not batch first has one column for each sequence."""
    flow = gradient_by_layer(nn.LSTM(3, 4), torch.randn(9, 5, 3))
    assert flow.log_by_instance.shape == (1, 5)
    assert flow.names == ["LSTM"]


class Rounded(nn.Module):
    """No layer, and whole numbers out."""

    def forward(self, x):
        return x.long()


@pytest.mark.parametrize(
    ("model", "batch", "loss", "words"),
    [
        (nn.Linear(3, 2), torch.randn(4, 5), None, "Linear failed on this batch"),
        (Rounded(), torch.randn(4, 5), None, "Rounded ran no layer"),
        (nn.Linear(3, 2), torch.randn(4, 3), lambda y: y.detach().sum(), "must be a tensor that depends"),
        (lambda x: x, torch.randn(4, 3), None, "must be a torch.nn.Module; got a function"),
    ],
)
def test_what_has_no_gradient_is_said(model, batch, loss, words):
    """A wrong width, no layers, a loss that is cut off, something that is no module."""
    with pytest.raises(CarouselError, match=words):
        gradient_by_layer(model, batch, loss)


def test_broken_weights_are_named():
    """NaN in a weight."""
    model = nn.Linear(3, 2)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    with pytest.raises(CarouselError, match="weight holds values that are NaN"):
        gradient_by_layer(model, torch.randn(4, 3))
