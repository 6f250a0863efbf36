"""Each disease is named first on a network that has it, with evidence on the right side of its threshold."""

import math
import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from sick import MODELS, batch, dead, healthy, memoryless

import carousel
from carousel.diagnosis import diagnose, judge
from carousel.diagnosis.verdicts import symptoms


@pytest.mark.parametrize(("name", "make"), MODELS, ids=lambda value: getattr(value, "__name__", value))
def test_the_disease_is_ranked_first(name, make):
    """The first finding is the true one, its evidence has crossed the threshold, and it says what and where."""
    finding = judge(make(), batch())[0]
    assert finding.name == name
    assert finding.is_trouble == (name != "no trouble")
    assert finding.layers
    assert finding.evidence[0].source
    assert finding.evidence[0].crossed == finding.is_trouble
    assert str(round(finding.evidence[0].threshold, 3)) in str(finding)


def test_causes_come_before_consequences():
    """A dead layer keeps nothing either: both are said, the cause first."""
    names = [finding.name for finding in judge(dead(), batch())]
    assert names[:2] == ["dead", "memoryless"]


def test_one_layer_that_keeps_is_enough():
    """A stack forgets only if every layer does."""
    stack = torch.nn.RNN(3, 24, num_layers=2)
    with torch.no_grad():
        stack.weight_hh_l0.mul_(0.1)
        torch.nn.init.orthogonal_(stack.weight_hh_l1)
    assert not any(finding.is_trouble for finding in judge(stack, batch()))


def test_a_short_batch_says_nothing_about_memory():
    """Five steps are too few to call a network forgetful."""
    assert [finding.name for finding in judge(memoryless(), batch(steps=5))] == ["no trouble"]


def _delay_line(units):
    """Each unit hands its number on to the next: after `units` steps it is gone, and not before."""
    line = carousel.RNN(1, units, nonlinearity="identity")
    with torch.no_grad():
        for parameter in line.parameters():
            parameter.zero_()
        line.weight_hh_l0.copy_(torch.diag(torch.ones(units - 1), -1))
        line.weight_ih_l0[0] = 1
    return line


def test_a_memory_that_ends_is_a_memory():
    """A delay line forgets all at once, but not at once: ten steps are well, five are few, one is none."""
    x = torch.randn(100, 4, 1, generator=torch.Generator().manual_seed(1))
    ten, five, one = (judge(_delay_line(units), x)[0] for units in (10, 5, 1))
    assert not ten.is_trouble
    assert (five.name, one.name) == ("vanishing", "memoryless")
    assert "left after 5 of 100 steps" in five.sentence


@pytest.mark.parametrize("step", [20, 98, 99])
def test_one_reset_is_no_disease(step):
    """A single input that switches every rectifier off cuts the gradient there; elsewhere a step keeps 98 %."""
    net = carousel.RNN(1, 8, nonlinearity="relu")
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        net.weight_hh_l0.copy_(0.98 * torch.eye(8))
        net.weight_ih_l0.fill_(0.5)
    x = torch.rand(100, 1, 1, generator=torch.Generator().manual_seed(1))
    x[step] = -100
    report = diagnose(net, x)
    assert {each.name for each in report.troubles} <= {"unscaled inputs"}  # the one input of -100
    assert report.layers[0].symptoms.rate == pytest.approx(math.log(0.98), abs=1e-3)
    assert "At 1 step of those that were followed, no part of the state" in report.layers[0].sentences[0]
    with torch.no_grad():
        net.weight_ih_l0.fill_(-0.5)
    assert "memoryless" in [each.name for each in judge(net, torch.rand(100, 1, 1))]


def test_large_layers_are_asked_by_probes(monkeypatch):
    """What one step keeps of a state too large for its matrix is found by power iteration."""
    [exact] = diagnose(memoryless(), batch()).layers
    monkeypatch.setattr(symptoms, "EXACT_SIZE", 3)
    [probed] = diagnose(memoryless(), batch()).layers
    assert probed.symptoms.kept == pytest.approx(exact.symptoms.kept, abs=0.05)
    assert exact.symptoms.kept < -2


def test_the_report_says_all_of_it():
    """Printed: the loss that was taken, sentence, evidence, remedies, methods."""
    report = diagnose(memoryless(), batch())
    text = " ".join(str(report).split())  # lines are broken anywhere
    first = report.findings[0]
    assert "the squared norm of the last valid output" in text
    assert first.sentence in text
    assert first.remedies[0].words in text
    assert all(method in text for method in report.methods)
    assert "no trouble" in str(diagnose(healthy(), batch()))
