"""How a cell that somebody wrote by hand is used is checked too."""

import pytest
import torch
from torch import nn

from carousel.diagnosis import diagnose

X = torch.randn(30, 5, 3, generator=torch.Generator().manual_seed(0))


def rotation(keeps):
    """h <- tanh(keeps R h + x W): a recurrent matrix with all singular values `keeps`."""
    torch.manual_seed(0)
    turn, weight = nn.init.orthogonal_(torch.empty(8, 8)), 0.1 * torch.randn(3, 8)
    return lambda x, h: torch.tanh(x @ weight + keeps * h @ turn)


@pytest.mark.parametrize(("keeps", "name"), [(0.98, "no trouble"), (0.3, "vanishing")])
def test_its_memory_is_judged(keeps, name):
    """A rotation keeps, a weak one forgets; the report says how the batch was read."""
    report = diagnose(rotation(keeps), X, state=torch.zeros(5, 8))
    assert report.findings[0].name == name
    assert str(report).startswith("30 steps x 5 sequences x 3 inputs")


def test_its_use_is_checked():
    """A step that detaches its state; and one whose output is not its state."""
    rotate = rotation(0.98)
    torch.manual_seed(0)
    head = torch.randn(8, 2)

    def told(x, h):
        new = rotate(x, h)
        return new @ head, new

    assert (
        diagnose(lambda x, h: rotate(x, h.detach()), X, state=torch.zeros(5, 8)).findings[0].name
        == "detached state"
    )
    assert not diagnose(told, X, state=torch.zeros(5, 8)).troubles
