"""The time-delay language model."""

import doctest

import pytest
import torch

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary
from carousel.models import LanguageModel, TDNNLanguageModel, tdnn
from carousel.models.architectures import load_model

OPTIONS = [
    {},
    {"num_layers": 2},
    {"direct": True},
    {"one_hot": True},
    {"tie": True},
    {"context": 1},
    {"uniform": 0.1},
]


def build(**options):
    return TDNNLanguageModel(**{"vocabulary_size": 11, "context": 3, "hidden_size": 6, **options}).double()


def test_examples():
    """The example gives what it shows."""
    result = doctest.testmod(tdnn)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_prediction_follows_from_the_past_n_symbols_alone(options):
    """Whatever stood before them changes nothing, each of them does, and what comes later has no part."""
    model = build(**options)
    n = model.context
    tokens = torch.randint(1, 11, (9, 1))
    logits, state = model(tokens)
    assert torch.equal(state, tokens[-n:])
    for place in range(9):
        other = tokens.clone()
        other[place] = (other[place] + 4) % 11
        moved = (model(other)[0] - logits).abs().amax((1, 2)) > 1e-12
        assert moved.tolist() == [place <= t < place + n for t in range(9)]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_windows_of_any_length_continue_each_other(options):
    """With the state handed over, pieces shorter than N give the logits of one long window."""
    model = build(**options)
    tokens = torch.randint(11, (9, 3))
    whole, end = model(tokens)
    state, pieces = None, []
    for piece in tokens.split([1, 2, 1, 4, 1]):
        logits, state = model(piece, state)
        pieces.append(logits)
    torch.testing.assert_close(torch.cat(pieces), whole)
    assert torch.equal(state, end)


def test_it_is_the_formula_of_its_paper():
    """b + W x + U tanh(d + H x) with x the vectors of the past words side by side (Bengio et al. 2003)."""
    model = build(direct=True, embedding=4)
    tokens = torch.randint(11, (5, 1))
    logits, _ = model(tokens)
    padded = [0, 0, *tokens[:, 0].tolist()]
    x = torch.cat([model.embedding.weight[word] for word in padded[4:7]])
    hidden = torch.tanh(model.layers[0].bias + model.layers[0].weight @ x)
    u, w = model.head.weight.split([6, 12], dim=1)
    torch.testing.assert_close(logits[4, 0], model.head.bias + w @ x + u @ hidden)


def test_one_hot_reads_columns_of_the_first_matrix():
    """One-hot input equals a projection by the unit matrix."""
    plain = build(one_hot=True)
    vectors = build(embedding=11)
    vectors.load_state_dict({**plain.state_dict(), "embedding.weight": torch.eye(11)})
    tokens = torch.randint(11, (6, 2))
    torch.testing.assert_close(plain(tokens)[0], vectors(tokens)[0])


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_a_saved_model_comes_back_bit_for_bit(tmp_path, options):
    """By its own class and by that of all models; not by the class of another."""
    vocabulary = fit_vocabulary("char", [Document("a", "abcdefghi")])
    model = TDNNLanguageModel(vocabulary.size, **{"context": 3, "hidden_size": 6, **options}).eval()
    model.vocabulary = vocabulary
    model.save(tmp_path / "m")
    tokens = torch.randint(11, (5, 2))
    for load in (TDNNLanguageModel.load, load_model):
        loaded = load(tmp_path / "m")
        assert type(loaded) is TDNNLanguageModel
        assert loaded.options == model.options
        assert torch.equal(loaded(tokens)[0], model(tokens)[0])
        assert loaded.vocabulary == vocabulary
    with pytest.raises(CarouselError, match="holds a model of the architecture tdnn, not rnn"):
        LanguageModel.load(tmp_path / "m")


def test_dropout_is_off_in_evaluation():
    """In training two passes differ, in evaluation they are equal."""
    for options in ({"dropout": 0.5}, {"embedding_dropout": 0.5}, {"dropout": 0.5, "locked_dropout": True}):
        model = build(num_layers=2, **options)
        tokens = torch.randint(11, (6, 2))
        assert not torch.equal(model(tokens)[0], model(tokens)[0])
        model.eval()
        assert torch.equal(model(tokens)[0], model(tokens)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": 0}, "context must be a whole number of at least 1; got 0"),
        ({"hidden_size": 0}, "hidden_size must be"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"tie": True, "embedding": 3}, "tie needs embedding equal to hidden_size"),
        ({"one_hot": True, "embedding": 3}, "one_hot has no symbols' vectors"),
        ({"one_hot": True, "direct": True}, "direct connects .* but one_hot has none"),
        ({"tie": True, "direct": True}, "direct makes them wider"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    """Each option out of range, and each impossible pair."""
    with pytest.raises(CarouselError, match=message):
        build(**options)


@pytest.mark.parametrize("one_hot", [False, True])
def test_bad_tokens_and_states_are_refused(one_hot):
    """What is expected and what came."""
    model = build(one_hot=one_hot)
    with pytest.raises(CarouselError, match="from 0 to 10; got 0 to 11"):
        model(torch.tensor([[0], [11]]))
    with pytest.raises(CarouselError, match=r"\(T, B\); got torch.float32"):
        model(torch.zeros(4, 2))
    with pytest.raises(CarouselError, match=r"its last symbols, \(3, 2\); got \(3, 1\)"):
        model(torch.zeros(4, 2, dtype=torch.int64), torch.zeros(3, 1, dtype=torch.int64))
