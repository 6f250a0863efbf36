"""diagnose: any form of model and batch, nothing changed, mistakes told."""

import copy
import json
import sys
import threading
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from sick import batch, exploding, healthy

import carousel
from carousel.diagnosis import NextSymbol, diagnose, parallel
from carousel.diagnosis.measures import gradient_by_lag as by_lag
from carousel.errors import CarouselError
from carousel.report.diagnosis.page import diagnosis_page

MODULE = import_module("carousel.diagnosis.layer_measures")


class Classifier(torch.nn.Module):
    """A recurrent module inside a larger model, with dropout, a buffer and frozen parts."""

    def __init__(self):
        super().__init__()
        self.embedding = torch.nn.Embedding(20, 6)
        self.rnn = torch.nn.GRU(6, 8, 2, batch_first=True, bidirectional=True, dropout=0.2)
        self.norm = torch.nn.BatchNorm1d(16)
        self.head = torch.nn.Linear(16, 2)

    def forward(self, tokens, scale=1.0):
        output, _ = self.rnn(self.embedding(tokens))
        return self.head(self.norm(output[:, -1])) * scale


def _all_of(model):
    return {
        "parameters": copy.deepcopy(model.state_dict()),
        "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in model.named_parameters()},
        "requires": [p.requires_grad for p in model.parameters()],
        "modes": [m.training for m in model.modules()],
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()],
        "random": torch.get_rng_state(),
        "threads": torch.get_num_threads(),
    }


def _same(one, other):
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return one == other


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_as_it_was(training):
    """Weights, gradients, requires_grad, modes, hooks, buffers and random state, with a loss and without."""
    model = Classifier().train(training)
    model.embedding.weight.requires_grad_(False)
    model(torch.zeros(3, 7, dtype=torch.long)).sum().backward()
    before = _all_of(model)
    tokens = torch.randint(20, (4, 15), generator=torch.Generator().manual_seed(1))
    diagnose(model, tokens)
    diagnose(model, (tokens, 2.0), loss=lambda output: output.square().mean())
    after = _all_of(model)
    for name in before:
        assert _same(before[name], after[name]), name


def test_tuple_dict_and_tensor_are_the_same_call():
    """model(*batch), model(**batch) and model(batch) find the same."""
    model, tokens = Classifier().eval(), torch.randint(20, (4, 15))
    reports = [diagnose(model, each) for each in (tokens, (tokens,), {"tokens": tokens, "scale": 1.0})]
    assert len({report.loss for report in reports}) == 1
    for report in reports[1:]:
        assert report.layers[0].numbers == pytest.approx(reports[0].layers[0].numbers, nan_ok=True)
    assert [layer.layer for layer in reports[0].layers] == [
        "rnn.l0",
        "rnn.l0.reverse",
        "rnn.l1",
        "rnn.l1.reverse",
    ]


def test_the_loss_is_the_one_that_was_given():
    """Its value is on the report, and its words say whose it is."""
    model, x = healthy(), batch()
    given = diagnose(model, x, loss=lambda output: output[0][-1].sum() ** 2 + 7)
    assert given.loss == pytest.approx((model(x)[0][-1].sum() ** 2 + 7).item(), rel=1e-5)
    assert given.loss_words == "the loss that was given"
    follows = NextSymbol(torch.tensor([1, 0, 2, 3]))
    asked = diagnose(model, x, follows)
    assert asked.loss == pytest.approx(
        torch.nn.functional.cross_entropy(model(x)[0][-1], follows.targets).item() * 4, rel=1e-5
    )
    assert asked.loss_words == follows.words
    taken = diagnose(model, x)
    assert taken.loss == pytest.approx(model(x)[0][-1].square().sum().item(), rel=1e-5)


def test_packed_sequences():
    """Sequences of different length, packed."""
    packed = torch.nn.utils.rnn.pack_sequence([torch.randn(n, 3) for n in (30, 22, 15)])
    report = diagnose(torch.nn.LSTM(3, 6), packed)
    assert report.layers[0].steps == 30
    assert report.layers[0].instances == 3


def test_sequences_of_one_step_among_longer_ones():
    """A sequence of one step does not keep the others from being diagnosed; exponents are those of a long run."""
    long = [torch.randn(n, 3) for n in (30, 28)]
    model = torch.nn.LSTM(3, 6)
    alone, ragged = (
        diagnose(model, torch.nn.utils.rnn.pack_sequence(each)) for each in (long, [*long, torch.randn(1, 3)])
    )
    assert ragged.layers[0].instances == 3
    assert ragged.layers[0].lyapunov.exponents == pytest.approx(alone.layers[0].lyapunov.exponents, abs=0.2)
    padded = diagnose(carousel.LSTM(3, 6), {"input": torch.randn(50, 2, 3), "lengths": torch.tensor([12, 3])})
    assert padded.layers[0].lyapunov.steps + padded.layers[0].lyapunov.transient >= 200


def test_words_name_the_layer_that_they_are_about():
    """Why estimates differ is said of a layer, and how its spectrum was found is not called exact where it is not."""
    report = diagnose(torch.nn.LSTM(3, 6, 2, bidirectional=True), batch(steps=30))
    text = " ".join(str(report).split())
    for layer in report.layers:
        assert layer.memory.words in text
        assert layer.memory.why in layer.memory.words
    assert all("Jacobians at 8 steps, exact" in method for method in report.methods)
    large = diagnose(torch.nn.RNN(3, 257), batch(steps=4))
    assert "eigenvalues in float32" in large.methods[0]


def test_a_loss_that_fails_is_told():
    """It was written for the output alone, but an LSTM returns a tuple."""
    with pytest.raises(CarouselError, match=r"loss failed on the model's output, \(a tensor .*'square'"):
        diagnose(torch.nn.LSTM(3, 4), torch.randn(5, 2, 3), loss=lambda output: output.square().sum())


def test_a_loss_is_one_number():
    """Many numbers are not summed in silence; one for each sequence may be."""
    model, x = torch.nn.RNN(3, 4), batch(steps=12)
    with pytest.raises(CarouselError, match=r"returns one number; it returned 192, in shape \(12, 4, 4\)"):
        diagnose(model, x, loss=lambda output: output[0])
    diagnose(model, x, loss=lambda output: output[0][-1].square().sum(-1))


class Twins(torch.nn.Module):
    """One encoder reads two sequences, and another module reads what it says of both."""

    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.LSTM(3, 4)
        self.second = torch.nn.GRU(8, 4, 2, bidirectional=True)

    def forward(self, one, other):
        return self.second(torch.cat([self.encoder(one)[0], self.encoder(other)[0]], dim=-1))[0]


def test_what_is_left_out_is_said():
    """A module run twice, a stack of both directions and modules one after the other: in print and on the page."""
    report = diagnose(Twins(), (batch(steps=12), batch(steps=12)))
    text, page = " ".join(str(report).split()), diagnosis_page(report)
    assert len(report.limits) == 4
    assert "sampled backward passes" in report.limits[0]
    assert "encoder was run 2 times" in report.limits[1]
    assert "all layers of second together was not followed" in report.limits[2]
    assert "encoder, second are separate modules" in report.limits[3]
    assert all(each in text and each in page for each in report.limits)
    assert len(diagnose(torch.nn.LSTM(3, 4, 2), batch(steps=12)).limits) == 1


def test_growth_is_not_counted_as_memory():
    """Where the gradient grows all the way back, no number of remembered steps stands beside it."""
    before, after = diagnose(exploding(), batch()), diagnose(healthy(), batch())
    assert np.isnan(before.layers[0].numbers["remembered steps"])
    assert "remembered steps not known ->" in str(before.compare(after))


def test_columns_stand_apart():
    """However long a number is in words, there is room before it."""
    rnn = carousel.RNN(3, 4, nonlinearity="identity")
    with torch.no_grad():
        rnn.weight_hh_l0.zero_()
    text = str(diagnose(rnn, batch(steps=12)))
    assert "minus infinity" in text
    assert "stepminus" not in text


def test_a_short_memory_is_a_note():
    """It is no trouble by itself: no new start is advised."""
    findings = diagnose(torch.nn.LSTM(3, 16), torch.randn(100, 4, 3)).findings
    [note] = [each for each in findings if each.name == "short memory"]
    assert note.remedies == ()


def test_a_stack_is_also_looked_at_as_one():
    """Several layers that run forwards have one gradient through all of them."""
    report = diagnose(carousel.LSTM(3, 6, num_layers=2), batch(steps=30))
    [stack] = report.stacks
    assert stack.gradient.log_worst.shape[0] == 31
    assert stack.memory.steps > 0
    assert stack.memory.words in str(report)


def test_large_stacks_are_followed_by_probes(monkeypatch):
    """However large, a stack has its gradient by lag: estimates, near to the exact ones, and named so."""
    model, x = torch.nn.LSTM(3, 12, 2), batch(steps=25)[:, :1]
    exact = diagnose(model, x)
    for module in (by_lag, MODULE):
        monkeypatch.setattr(module, "EXACT_SIZE", 20)
    monkeypatch.setitem(by_lag.gradient_by_lag.__kwdefaults__, "exact_size", 20)
    report = diagnose(model, x)
    assert [stack.gradient.exact for stack in report.stacks] == [False]
    assert any("2 layers" in each and "random probes" in each for each in report.methods)
    for one, other in zip([*report.stacks, *report.layers], [*exact.stacks, *exact.layers], strict=True):
        assert np.abs(one.gradient.log_typical - other.gradient.log_typical).max() < 1
        assert np.nanmax(one.gradient.typical_error) > 0
        assert one.gradient.rate("log_worst") == pytest.approx(other.gradient.rate("log_worst"), abs=0.05)


def test_measured_layer_by_layer_and_by_an_impulse():
    """The gradient from the head down to the embedding, and what an impulse does, are on the report and in words."""
    report = diagnose(Classifier().eval(), torch.randint(20, (4, 15)))
    assert report.by_layer.names == ["embedding", "rnn", "norm", "head"]
    text = " ".join(str(report).split())
    assert "From layer to layer: the gradient of a number in the output of embedding is" in text
    assert "After an impulse in its input" in text
    assert report.layers[0].impulse.norms.shape == (15, 6)
    assert diagnose(torch.nn.LSTM(3, 4), batch(steps=12)).by_layer is None  # one layer, nothing to compare


def test_an_impulse_in_states_that_grow_is_not_lost_in_rounding():
    """An exploding network answers ever more loudly, and its report claims no memory; a dead one does not answer."""
    [layer] = diagnose(exploding(), batch(steps=200)).layers
    assert layer.impulse.steps is None
    assert layer.impulse.relative[-1] == 1
    assert "After an impulse in its input, the output still grows after 64 steps." in layer.sentences
    assert layer.memory.grows
    assert "cannot be told from it" in layer.memory.words
    dead = torch.nn.RNN(3, 8, nonlinearity="relu")
    with torch.no_grad():
        dead.bias_ih_l0.fill_(-50.0)
    [layer] = diagnose(dead, batch(steps=20)).layers
    assert "An impulse in its input changes nothing." in layer.sentences
    assert not layer.memory.grows


def test_linear_layers_have_their_theory():
    """Fisher memory and capacity of a linear layer stand in the report; where noise adds up, that is said instead."""
    model = carousel.RNN(2, 5, nonlinearity="identity")
    with torch.no_grad():
        model.weight_hh_l0.copy_(0.9 * torch.linalg.qr(torch.randn(5, 5))[0])
    report = diagnose(model, torch.randn(20, 2, 2))
    [layer] = report.layers
    assert layer.linear.capacity == (5, 5)
    assert [each.total for each in layer.linear.fisher] == pytest.approx([1, 1], abs=1e-6)
    assert "can hold 5 past inputs of a channel" in " ".join(str(report).split())
    with torch.no_grad():
        model.weight_hh_l0.mul_(1.2)
    assert "no Fisher memory" in " ".join(str(diagnose(model, torch.randn(20, 2, 2))).split())


def test_units_are_drawn_on_text():
    """A unit that copies whether a bracket is open is found; text of another length is refused."""
    text = ("a(bc)d" * 12)[:64]
    flags = [0.0]
    for character in text:
        flags.append({"(": 1.0, ")": 0.0}.get(character, flags[-1]))
    x = torch.tensor(flags[1:])[:, None, None]
    report = diagnose(torch.nn.RNN(1, 5), x, text=text)
    assert report.text is not None
    assert report.text.pieces == tuple(text)
    assert max(abs(strip.unit.correlation) for strip in report.text.strips) > 0.9
    with pytest.raises(CarouselError, match="one string for each step"):
        diagnose(torch.nn.RNN(1, 5), x, text="short")


def test_progress_rises_to_the_end():
    """What is being done and a share that ends at 1."""
    seen = []
    diagnose(torch.nn.GRU(3, 4, 2), batch(steps=12), on_progress=seen.append)
    shares = [event.share for event in seen]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any("l1" in str(event) for event in seen)


def test_progress_is_told_where_it_was_asked_for(monkeypatch):
    """Large layers are measured by two threads, but a window or a notebook hears of it in the thread that called."""
    monkeypatch.setattr(MODULE, "EXACT_SIZE", 3)
    monkeypatch.setattr(parallel.os, "cpu_count", lambda: 2)
    threads, shares = set(), []

    def told(event):
        threads.add(threading.current_thread())
        shares.append(event.share)

    diagnose(torch.nn.GRU(3, 4, 3), batch(steps=12), on_progress=told)
    assert threads == {threading.current_thread()}
    assert shares == sorted(shares)

    def interrupted(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        diagnose(torch.nn.GRU(3, 4, 3), batch(steps=12), on_progress=interrupted)


def _broken():
    rnn = torch.nn.RNN(3, 4)
    with torch.no_grad():
        rnn.weight_hh_l0[0, 0] = float("nan")
    return rnn


@pytest.mark.parametrize(
    ("model", "x", "words"),
    [
        (torch.nn.Linear(3, 2), torch.zeros(5, 3), "no recurrent layer"),
        (torch.nn.RNN(3, 4), torch.zeros(0, 2, 3), "empty|at least one|no step"),
        (torch.nn.RNN(3, 4), torch.zeros(5, 0, 3), "empty|no sequence|at least one"),
        (_broken(), torch.zeros(5, 2, 3), "NaN"),
        (torch.nn.RNN(3, 4), torch.zeros(5, 2, 8), "width|8"),
        ("no model", torch.zeros(5, 2, 3), "torch.nn.Module"),
        (torch.nn.LSTM(3, 4), "text", "reads a tensor or a PackedSequence.*str"),
    ],
    ids=[
        "no layer",
        "no steps",
        "no sequences",
        "nan weights",
        "width",
        "no module",
        "text",
    ],
)
def test_mistakes_are_told(model, x, words):
    """Each is a CarouselError that says what came."""
    with pytest.raises(CarouselError, match=words):
        diagnose(model, x)


def test_no_lags_are_refused():
    """As by gradient_by_lag itself; None is all of them."""
    with pytest.raises(CarouselError, match="`lags` must be at least 1; got 0"):
        diagnose(torch.nn.RNN(3, 4), batch(steps=5), lags=0)


def test_numbers_are_plain(tmp_path):
    """What layers are compared by can be written as JSON, and is finite where it should be."""
    report = diagnose(healthy(), batch())
    numbers = json.loads(json.dumps(report.layers[0].numbers))
    assert all(np.isfinite(value) for value in numbers.values())
