"""Language models that are no better than word frequencies are not ranked."""

from dataclasses import replace

import pytest
from torch import nn

from carousel.lab.words import page
from carousel.lab.words.measure import CONTEXTS, LONGER, Cosines, Learned, Measurements, Range


@pytest.fixture
def found() -> Measurements:
    """Models with a perplexity of 200, projections in which related words are near, and frequencies with 400."""
    names = [page.PROJECTED, page.ONE_HOT, LONGER, *(f"TDNN, N = {n}" for n in CONTEXTS)]
    projections = ("CBOW", "skip-gram", "TDNN, N = 4")
    return Measurements(
        1_000,
        10,
        20,
        {name: Learned(nn.Identity(), 200.0, 2 if name == page.ONE_HOT else 1, 1.0) for name in names},
        dict.fromkeys(projections),
        {"one-hot": Range(1.4, 1.4), "skip-gram": Range(0.2, 1.6)},
        dict.fromkeys(projections, Cosines(0.6, 0.1)),
        {},
        400.0,
        0.0,
    )


def test_models_that_beat_frequencies_are_compared(found):
    """The TDNN predicts and learns projections, the projection is no worse, and the best context is named."""
    assert [page._tdnn_claim(found).verdict, page._waste_claim(found).verdict] == ["holds", "holds"]
    assert page._distance_claim(found).verdict == "holds"
    assert "N = 1 has the lowest perplexity" in page._tdnn_claim(found).remark


def test_models_worse_than_frequencies_are_not_ranked(found):
    """The claim is not decided, and no context is called best."""
    found = replace(found, frequency_perplexity=100.0)
    claim = page._tdnn_claim(found)
    assert claim.verdict == "not decided at this budget"
    assert "has the lowest" not in claim.remark
    assert "their order says nothing" in claim.remark
    assert page._distance_claim(found).condition == "the projection is that of CBOW or skip-gram"


@pytest.mark.parametrize(("perplexity", "near"), [(350.0, None), (150.0, False)])
def test_a_short_training_says_nothing_against_a_projection(found, perplexity, near):
    """A TDNN that is hardly better than frequencies has not yet learned a projection; one that is far better should."""
    models = found.models | {LONGER: replace(found.models[LONGER], perplexity=perplexity)}
    apart = found.cosines | {"TDNN, N = 4": Cosines(0.01, 0.02)}
    found = replace(found, models=models, cosines=apart)
    assert page._near(found, "TDNN, N = 4") is near
    distance, tdnn = page._distance_claim(found), page._tdnn_claim(found)
    assert distance.verdict == "holds only when"
    assert ("The rest is not decided at this budget" in distance.remark) is (near is None)
    assert tdnn.verdict == ("not decided at this budget" if near is None else "holds only when")


def test_a_worse_projection_only_saves_parameters(found):
    """With a higher perplexity the projection is worth it only for its parameters."""
    models = found.models | {page.PROJECTED: replace(found.models[page.PROJECTED], perplexity=250.0)}
    assert (
        page._waste_claim(replace(found, models=models)).condition
        == "parameters count for more than the loss"
    )
