"""Recordings: gates, states and their gradients at every step, as autograd finds them on the equations."""

import copy
import io

import pytest
import torch
from equations.user_cells import USER_CELLS
from tolerances import assert_close
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import carousel
from carousel import CarouselError
from carousel.emit.reference import step_vectors
from carousel.equations import Cell, affine, tanh
from carousel.equations.catalogue import CELLS
from carousel.nn import recurrent as home
from carousel.ops import kernels

OWN = ["Normalised", "SharedNumbers", "FreeVectors", "Delayed", "ThreeStages"]
ALL = {**CELLS, **{name: USER_CELLS[name] for name in OWN}}


class Spy:
    """Runs layers step by step on the equations, and keeps every vector of every step for autograd."""

    def __init__(self) -> None:
        self.layers: list[tuple[object, list[dict[str, torch.Tensor]], list[int] | None, bool]] = []

    def __call__(self, call, kept):
        equations = call.equations
        sizes = None if call.batch_sizes is None else call.batch_sizes.tolist()
        inputs, begins = call.by_step(call.x), None if call.resets is None else call.by_step(call.resets)
        steps, states, outputs = [], list(call.initial), []
        for t in reversed(range(len(inputs))) if call.reverse else range(len(inputs)):
            rows = len(inputs[t])
            before = [state[:rows] for state in states]
            if begins is not None:
                before = [state * ~begins[t].unsqueeze(-1) for state in before]
            values = step_vectors(equations, inputs[t], before, call.parameters)
            new = [values[node].expand_as(before[0]) for node in equations.new_states]
            states = [torch.cat([one, other[rows:]]) for one, other in zip(new, states, strict=True)]
            steps.append({name: (node, values[node]) for node, name in equations.names.items()})
            outputs.append(new[0])
        if call.reverse:
            steps.reverse()
            outputs.reverse()
        self.layers.append((equations, steps, sizes))
        return (torch.stack(outputs) if sizes is None else torch.cat(outputs)), states


def true_gradients(steps, loss):
    """Name -> the gradient at each step, by autograd; of a number that units share, once and for all of them."""
    result = {}
    for name in steps[0]:
        nodes, values = zip(*(step[name] for step in steps), strict=True)
        if not values[0].requires_grad or values[0].dim() < 2:  # a learned vector alone has no rows
            continue
        gradients = torch.autograd.grad(loss, values, retain_graph=True, materialize_grads=True)
        shared = nodes[0].is_uniform
        result[name] = [g.sum(-1, keepdim=True).expand_as(g) if shared else g for g in gradients]
    return result


def weighed(output, final):
    """A loss that depends on everything that comes out, each number in its own way."""
    generator = torch.Generator().manual_seed(7)
    ends = [output, *(final if isinstance(final, tuple) else (final,))]
    return sum((torch.randn(e.shape, generator=generator, dtype=e.dtype) * e).sum() for e in ends)


@pytest.mark.parametrize("form", ["padded", "lengths", "resets", "lengths and resets"])
@pytest.mark.parametrize("name", ALL)
def test_exact(name, form, road, monkeypatch):
    """Every named vector and its gradient, of each layer, direction and step, is autograd's on the equations."""
    module = carousel.Recurrent(ALL[name], 3, 4, num_layers=2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(5, 3, 3, dtype=torch.float64)
    hx = tuple(torch.randn(4, 3, 4, dtype=torch.float64).requires_grad_() for _ in module.cell.states)
    hx = hx if len(hx) > 1 else hx[0]
    lengths = [2, 5, 4] if "lengths" in form else None
    options = {"lengths": lengths, "resets": torch.rand(5, 3) < 0.3 if "resets" in form else None}
    with module.recording() as recorded:
        weighed(*module(x, hx, **options)).backward()
    spy = Spy()
    monkeypatch.setattr(home, "recurrence", spy)
    loss = weighed(*module(x, hx, **options))
    ranks = torch.tensor(lengths or [5] * 3).argsort(descending=True, stable=True)
    assert [(t.layer, t.direction, t.call) for t in recorded] == [
        (0, "forward", 0), (0, "reverse", 0), (1, "forward", 0), (1, "reverse", 0),
    ]  # fmt: skip
    for trace, (equations, steps, sizes) in zip(recorded, spy.layers, strict=True):
        gradients = true_gradients(steps, loss)
        assert list(trace.values) == list(trace.gradients) == list(equations.names.values())
        for t, step in enumerate(steps):
            order = ranks if sizes is None or lengths is None else ranks[: sizes[t]]
            rows = torch.arange(3) if lengths is None else order
            for vector, (_, value) in step.items():
                assert_close(trace.values[vector][t][rows], value.expand(len(rows), 4), name=f"{vector} {t}")
                if vector in gradients:
                    assert_close(
                        trace.gradients[vector][t][rows], gradients[vector][t], name=f"∂{vector} {t}"
                    )
    for vector in recorded[0].values if lengths else ():
        assert not recorded[0].values[vector][2:, 0].any()
        assert not recorded[0].gradients[vector][2:, 0].any()


@pytest.mark.parametrize("form", ["batch first", "unbatched", "packed"])
def test_layouts(form):
    """Vectors and gradients come in the layout of the output."""
    module = carousel.LSTM(3, 5, batch_first=form == "batch first", dtype=torch.float64)
    x = torch.randn(
        *{"batch first": (2, 6, 3), "unbatched": (6, 3), "packed": (6, 2, 3)}[form], dtype=torch.float64
    )
    given = pack_padded_sequence(x, torch.tensor([3, 6]), enforce_sorted=False) if form == "packed" else x
    with module.recording() as recorded:
        output = module(given)[0]
        (output.data if form == "packed" else output).square().sum().backward()
    h, gradient = recorded[0].values["h"], recorded[0].gradients["o"]
    if form == "packed":
        output, h, gradient = (pad_packed_sequence(each)[0] for each in (output, h, gradient))
    assert_close(h, output.detach())
    assert gradient.shape == output.shape
    assert gradient.any()


def test_inside_a_model():
    """Every recurrent module of a model is recorded, each of its calls, with its place in the model."""
    model = nn.ModuleDict({"a": carousel.GRU(3, 4), "deep": nn.ModuleDict({"b": carousel.LSTM(4, 5)})})
    x = torch.randn(6, 2, 3)
    with carousel.recording(model) as recorded:
        for scale in (1, 2):
            model["deep"]["b"](model["a"](scale * x)[0])[0].sum().backward()
    seen = [(t.module, t.call, next(iter(t.values))) for t in recorded]
    assert seen == [("a", 0, "r"), ("deep.b", 0, "i"), ("a", 1, "r"), ("deep.b", 1, "i")]
    assert not torch.equal(recorded[0].gradients["h"], recorded[2].gradients["h"])
    assert recorded[0].gradients["h"].abs().sum() > 0


def test_nothing_else_changes():
    """Outputs and weight gradients are bit for bit those without a recording, inside the block and after it."""
    module = carousel.LSTM(3, 5, num_layers=2, bidirectional=True)
    x = torch.randn(6, 2, 3)

    def results():
        module.zero_grad()
        output, _ = module(x)
        output.square().sum().backward()
        return [output.detach(), *(p.grad.clone() for p in module.parameters())]

    plain = results()
    with module.recording() as recorded:
        inside = results()
    after = results()
    assert len(recorded) == 4
    for one, two, three in zip(plain, inside, after, strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
    assert module._recorders == ()


CHANGED = {"GRU": carousel.GRU(3, 4, reset="before"), "LSTM": carousel.LSTM(3, 4)} | {
    name: carousel.Recurrent(USER_CELLS[name], 3, 4) for name in ("Normalised", "FreeVectors", "ThreeStages")
}


@pytest.mark.parametrize("name", CHANGED)
@pytest.mark.parametrize("form", ["kernel", "equations"])
def test_later_changes_do_not_reach_it(name, form, monkeypatch):
    """Read after an optimiser's step, and after input, state and output were overwritten, it is still the call's."""
    if form == "equations":
        monkeypatch.setattr(kernels, "has_kernel", lambda equations: False)
    module = copy.deepcopy(CHANGED[name])
    x, states = torch.randn(6, 2, 3), [torch.randn(1, 2, 4) for _ in module.cell.states]
    hx = tuple(states) if len(states) > 1 else states[0]
    with module.recording() as recorded:
        output, _ = module(x, hx)
        output.square().sum().backward()
    [trace] = recorded
    expected = {key: (value.clone(), trace.gradients[key].clone()) for key, value in trace.values.items()}
    torch.optim.SGD(module.parameters(), lr=0.5).step()
    with torch.no_grad():
        for tensor in (x, output, *states):
            tensor.mul_(-3)
    for key, (value, gradient) in expected.items():
        assert torch.equal(trace.values[key], value), key
        assert torch.equal(trace.gradients[key], gradient), key


def test_each_call_has_its_own_weights():
    """Calls before and after an update are told with the weights that they had; without one they share a copy."""
    module, x = carousel.GRU(3, 4, reset="before"), torch.randn(5, 2, 3)
    seen = []
    with module.recording() as recorded:
        for change in (None, None, "step", "data"):
            if change == "data":
                module.weight_hh_l0.data.mul_(2)
            elif change:
                torch.optim.SGD(module.parameters(), lr=0.5).step()
            module.zero_grad()
            module(x)[0].sum().backward()
            seen.append({key: value.clone() for key, value in recorded[-1].gradients.items()})
    for trace, gradients in zip(recorded, seen, strict=True):
        assert all(torch.equal(trace.gradients[key], value) for key, value in gradients.items())


def test_a_copy_is_in_no_recording():
    """A module copied or saved while it is recorded runs by itself, in the block and after it."""
    module, x = carousel.GRU(3, 4), torch.randn(5, 2, 3)
    with module.recording() as recorded:
        expected, _ = module(x)
        copies = [copy.deepcopy(module), torch.optim.swa_utils.AveragedModel(module).module]
        saved = io.BytesIO()
        torch.save(module, saved)
        saved.seek(0)
        copies.append(torch.load(saved, weights_only=False))
        inside = [each(x)[0] for each in copies]
    for found in [*inside, *(each(x)[0] for each in copies)]:
        assert torch.equal(found, expected)
    assert len(recorded) == 1


def test_two_recorders_at_once():
    """A block within a block sees what runs in both; the outer one goes on afterwards."""
    module, x = carousel.GRU(3, 4), torch.randn(5, 2, 3)
    with module.recording() as outer:
        with carousel.recording(nn.Sequential(module)) as inner:
            module(x)
        module(x)
    assert (len(outer), len(inner)) == (2, 1)


def test_without_gradients():
    """Without gradients values are there, and asking for a gradient says what is missing."""
    module, x = carousel.GRU(3, 4), torch.randn(5, 2, 3)
    with module.recording() as recorded, torch.no_grad():
        output, _ = module(x)
    assert_close(recorded[0].values["h"], output)
    with pytest.raises(CarouselError, match=r"no gradient yet: run the module with gradients enabled and"):
        recorded[0].gradients["h"]
    with module.recording() as recorded:
        output, _ = module(x)
    with pytest.raises(CarouselError, match="no gradient yet"):
        recorded[0].gradients["h"]
    output.sum().backward()
    assert recorded[0].gradients["h"].any()


def test_backward_twice_adds_up():
    """Two backward passes add up, as in a parameter's gradient."""
    module, x = carousel.LSTM(3, 4), torch.randn(5, 2, 3)
    with module.recording() as recorded:
        loss = module(x)[0].square().sum()
        loss.backward(retain_graph=True)
        once = recorded[0].gradients["c"].clone()
        loss.backward()
    assert_close(recorded[0].gradients["c"], 2 * once)


def test_frozen_weights_and_input():
    """Nothing but the recording may want a gradient."""
    module, x = carousel.LSTM(3, 4).requires_grad_(False), torch.randn(5, 2, 3)
    with module.recording() as recorded:
        module(x)[0].sum().backward()
    assert_close(recorded[0].gradients["h"][-1], torch.ones(2, 4))


def test_second_derivatives_beside_a_recording():
    """A gradient penalty inside the block gives the gradients it gives outside, and is recorded."""
    module = carousel.LSTM(3, 4, dtype=torch.float64)
    x = torch.randn(4, 2, 3, dtype=torch.float64, requires_grad=True)

    def penalty():
        [slope] = torch.autograd.grad(module(x)[0].square().sum(), x, create_graph=True)
        module.zero_grad()
        slope.square().sum().backward()
        return [p.grad.clone() for p in module.parameters()]

    plain = penalty()
    with module.recording() as recorded:
        assert_close(penalty(), plain)
    assert len(recorded) == 1


def test_half_precision():
    """Where no kernel runs, recordings are of the equations, in the dtype of the module."""
    module = carousel.GRU(3, 4).to(torch.float16)
    x = torch.randn(5, 2, 3).half()
    with module.recording() as recorded:
        module(x)[0].sum().backward()
    assert recorded[0].values["z"].dtype == recorded[0].gradients["z"].dtype == torch.float16


def test_an_unknown_name_is_told():
    """The error lists the names there are."""
    module = carousel.GRU(3, 4)
    with module.recording() as recorded:
        module(torch.randn(5, 2, 3))
    with pytest.raises(KeyError, match=r"'c' is none of the equations' vectors: r, z, n, h"):
        recorded[0].values["c"]


def test_a_model_without_recurrent_modules_is_refused():
    """The error says what is missing and what to do."""
    with pytest.raises(CarouselError, match=r"LSTM has none. carousel.from_torch"):
        carousel.recording(nn.LSTM(3, 4))


def test_recurrent_dropout():
    """With a mask on h the states are those of the masked run."""
    module = carousel.LSTM(3, 4, recurrent_dropout=0.5)
    with module.recording() as recorded:
        output, _ = module(torch.randn(5, 2, 3))
        output.sum().backward()
    assert_close(recorded[0].values["h"], output.detach())
    assert recorded[0].gradients["c"].any()


class Unnamed(Cell):
    """Nothing but the state has a name."""

    def step(self, x, h):
        return tanh(affine("a", x, h))


def test_a_cell_without_names():
    """A new state always has the name of its state."""
    module = carousel.Recurrent(Unnamed, 3, 4)
    with module.recording() as recorded:
        output, _ = module(torch.randn(5, 2, 3))
    assert list(recorded[0].values) == ["h"]
    assert_close(recorded[0].values["h"], output.detach())


def test_transforms():
    """Other weights by functional_call are recorded; inside vmap or grad a recording says that it cannot be."""
    module, x = carousel.GRU(3, 4), torch.randn(5, 2, 3)
    doubled = {name: 2 * weight.detach() for name, weight in module.named_parameters()}
    with module.recording() as recorded:
        output, _ = torch.func.functional_call(module, doubled, (x,))
    assert_close(recorded[0].values["h"], output)
    for transform, given in ((torch.func.vmap, x[None]), (torch.func.grad, x)):
        with module.recording() as empty, pytest.raises(CarouselError, match=r"module\.trace"):
            transform(lambda x: module(x)[0].sum())(given)
        assert len(empty) == 0
    traced = torch.func.vmap(lambda x: module.trace(x)[0].values["h"])(x[None])
    assert_close(traced[0], module(x)[0])
