"""The names of cells."""

import pytest

from carousel.equations import catalogue
from carousel.models import CELLS, LanguageModel


def test_every_cell_of_the_catalogue_has_its_name_here():
    """The language model offers what the equations define, and "rnn" for short."""
    assert set(CELLS) == {"rnn", *catalogue.CELLS}


@pytest.mark.parametrize("name", [name for name in CELLS if name != "rnn"])
def test_a_name_builds_its_own_cell(name):
    """The module behind each name follows the equations of the catalogue under that name."""
    recurrent = LanguageModel(9, cell=name, hidden_size=4).recurrent
    assert recurrent.cell.equations.key == catalogue.CELLS[name].equations.key
