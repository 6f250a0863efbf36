"""Each disease is named first on a network that has it, with evidence on the right side of its threshold."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))

from sick import MODELS, batch, dead, healthy, memoryless

from carousel.diagnosis import diagnose, judge


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
