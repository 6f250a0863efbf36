"""Training that begins with given vectors."""

import numpy as np
import pytest

from carousel import CarouselError, Vectors, embed
from carousel.progress import Note

SMALL = {"dimension": 20, "window": 3, "sample": 0.0, "epochs": 5, "threads": 1}
SENTENCES = ["the red fox runs fast", "the blue bird flies high", "a red bird runs", "a blue fox flies"] * 60


def notes(events: list) -> str:
    return "; ".join(event.message for event in events if isinstance(event, Note))


@pytest.mark.parametrize("output", ["negative", "hierarchical"])
def test_known_words_begin_with_given_vectors(tmp_path, output):
    """Words of a file keep its vectors at a rate of almost 0, the others are drawn as ever; the dimension is theirs."""
    rng = np.random.default_rng(0)
    given = Vectors(["fox", "blue", "elsewhere"], rng.standard_normal((3, 12)))
    given.save(tmp_path / "given.vec")
    options = {
        **{name: value for name, value in SMALL.items() if name != "dimension"},
        "lr": 1e-9,
        "output": output,
    }
    plain = embed(SENTENCES, **options, dimension=12)
    for init in (given, tmp_path / "given.vec", str(tmp_path / "given.vec")):
        events = []
        trained = embed(SENTENCES, **options, init=init, on_progress=events.append)
        assert notes(events).startswith("2 of 10 words begin with the vectors that were given")
        for word in trained.vectors.words:
            expected = given[word] if word in given else plain.vectors[word]
            np.testing.assert_allclose(trained.vectors[word], expected, atol=1e-5)


def test_what_cannot_begin_a_training_is_told(tmp_path):
    """Vectors of another dimension, of other words, or with numbers that are not finite, are refused."""
    given = Vectors(["fox", "blue"], np.ones((2, 12)))
    with pytest.raises(CarouselError, match="dimension must be that of the initial vectors, 12; got 20"):
        embed(SENTENCES, **SMALL, init=given)
    with pytest.raises(CarouselError, match="it has none"):
        embed(SENTENCES, init=Vectors(["fuchs"], np.ones((1, 12))))
    given.matrix[1] = np.nan
    with pytest.raises(CarouselError, match="that of 'blue' holds NaN"):
        embed(SENTENCES, init=given)


def test_a_checkpoint_belongs_to_the_vectors_it_began_with(tmp_path):
    """Training that began with given vectors is gone on with only from the same ones."""
    options = {**SMALL, "dimension": 12, "checkpoint": str(tmp_path / "state.safetensors")}
    given = Vectors(["fox", "blue"], np.ones((2, 12)))
    first = embed(SENTENCES, **options, init=given)
    again = embed(SENTENCES, **options, init=given)
    assert np.array_equal(first.weights.input, again.weights.input)
    for other in (None, Vectors(["fox", "blue"], np.full((2, 12), 2))):
        with pytest.raises(CarouselError, match="was made from another one"):
            embed(SENTENCES, **options, init=other)
