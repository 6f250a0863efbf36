"""Results show themselves: as a file, and in a notebook."""

from html import unescape

import pytest
import torch

from carousel.diagnosis import diagnose
from carousel.report.pages import page
from carousel.shown import Shown


@pytest.fixture(scope="module")
def before():
    rnn = torch.nn.RNN(3, 8)
    with torch.no_grad():
        rnn.weight_hh_l0.mul_(0.01)
    return diagnose(rnn, torch.randn(20, 2, 3))


def test_a_notebook_shows_the_page_in_a_frame(before):
    """The frame holds the very page that `save` writes."""
    frame = before._repr_html_()
    assert frame.startswith('<iframe srcdoc="')
    assert unescape(frame.split('"')[1]) == page(before)


def test_a_comparison_has_a_page(before, tmp_path):
    """It names what was cured and gives both values of each number that moved."""
    rnn = torch.nn.RNN(3, 8)
    torch.nn.init.orthogonal_(rnn.weight_hh_l0)
    found = before.compare(diagnose(rnn, torch.randn(20, 2, 3)))
    text = found.save(tmp_path / "page.html").read_text(encoding="utf-8")
    assert found.cured
    for finding in found.cured:
        assert f"<b>{finding.name}</b>" in text
    assert text.count("<tr><th scope") == len(found.moved) > 3
    assert "No trouble before" in page(before.compare(before)) or before.troubles


def test_what_has_no_page_says_so():
    """A result whose class is not registered is named."""
    with pytest.raises(NotImplementedError, match="Shown"):
        page(Shown())
