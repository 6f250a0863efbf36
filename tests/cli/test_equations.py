"""`carousel equations`: what the graph says, as text or LaTeX, and a hint for a misspelt cell."""

import pytest

from carousel.emit import formula
from carousel.equations.catalogue import CELLS


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("flags", "options"), [([], {}), (["--backward"], {"backward": True}), (["--latex"], {"latex": True})]
)
def test_the_equations_of_every_cell(carousel, cell, flags, options):
    """What is printed is the formula of the cell's own graph."""
    done = carousel("equations", cell, *flags)
    assert done.status == 0
    assert done.out == formula.text(CELLS[cell].equations, **options) + "\n"


def test_the_short_name_of_a_cell_is_known(carousel):
    """What `train --cell rnn` means is what is printed."""
    assert carousel("equations", "rnn").out == carousel("equations", "rnn-tanh").out


def test_an_unknown_cell_gets_a_hint(carousel):
    """Status 2 and the nearest name; far from all names, all of them."""
    near, far = carousel("equations", "lstn"), carousel("equations", "transformer!")
    assert (near.status, far.status) == (2, 2)
    assert "did you mean lstm?" in near.err
    assert "gru-before" in far.err
