"""The loss of a forecast."""

import torch
from torch.nn import functional as F

from carousel.losses import squared_error


def test_agrees_with_torch():
    """torch's mean over steps and values, times the values of a step, is the mean over steps."""
    outputs, targets = torch.randn(2, 4, 3, 5).unbind()
    torch.testing.assert_close(squared_error(outputs, targets), 5 * F.mse_loss(outputs, targets))
