"""The recurrent language model and its file."""

import json
import struct

import pytest
import torch
from safetensors.torch import save_file

from carousel import CarouselError
from carousel.data import Document, fit_vocabulary
from carousel.models import CELLS, LanguageModel, tensors


@pytest.mark.parametrize("cell", CELLS)
def test_a_carried_state_continues_as_if_never_interrupted(cell):
    """Two windows with the state handed over give the logits of one long window."""
    model = LanguageModel(11, cell=cell, hidden_size=6, num_layers=2).double()
    tokens = torch.randint(11, (9, 3))
    whole, end = model(tokens)
    first, state = model(tokens[:4])
    second, final = model(tokens[4:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)
    torch.testing.assert_close(final, end)
    assert whole.shape == (9, 3, 11)


def test_one_hot_reads_columns_of_the_input_matrix():
    """One-hot input equals symbols' vectors that are the unit vectors."""
    plain = LanguageModel(7, hidden_size=5, one_hot=True)
    vectors = LanguageModel(7, hidden_size=5, embedding=7)
    vectors.load_state_dict({**plain.state_dict(), "embedding.weight": torch.eye(7)})
    tokens = torch.randint(7, (6, 2))
    torch.testing.assert_close(plain(tokens)[0], vectors(tokens)[0])
    assert plain.embedding is None


def test_tied_vectors_are_the_output_weights():
    """With tie there is one matrix for both ends, and its gradient has a part from each."""
    model = LanguageModel(7, hidden_size=5, tie=True)
    assert model.head.weight is model.embedding.weight
    logits, _ = model(torch.full((1, 1), 3))
    logits[0, 0, 6].backward()
    moved = model.embedding.weight.grad.abs().sum(1) > 0
    assert moved.tolist() == [False, False, False, True, False, False, True]


def test_dropout_acts_on_the_way_in_between_and_out_and_only_in_training():
    """In training two passes differ; in eval mode they are equal."""
    model = LanguageModel(7, hidden_size=32, num_layers=2, dropout=0.5)
    tokens = torch.randint(7, (4, 2))
    assert not torch.equal(model(tokens)[0], model(tokens)[0])
    assert model.recurrent.dropout == 0.5
    model.eval()
    assert torch.equal(model(tokens)[0], model(tokens)[0])


def test_embedding_dropout_drops_whole_symbols():
    """A symbol's vector is dropped at all its places or at none, as often as asked; what stays keeps the mean."""
    model = LanguageModel(2000, hidden_size=4, embedding=5, embedding_dropout=0.25)
    tokens = torch.arange(2000).repeat(3, 1)  # each symbol at three steps
    shares = (model.embed(tokens) / model.embedding(tokens)).detach().round(decimals=3)
    assert torch.equal(shares, shares[:1, :, :1].expand_as(shares))
    assert sorted(set(shares.unique().tolist())) == pytest.approx([0, 1 / 0.75], rel=1e-3)
    assert (shares == 0).float().mean().item() == pytest.approx(0.25, abs=0.04)
    assert torch.equal(model.eval().embed(tokens), model.embedding(tokens))


@pytest.mark.parametrize("locked", [False, True])
def test_dropout_on_the_way_in_and_out_is_of_values(locked):
    """The share and the mean are those asked for; a locked mask is that of all steps, another for each sequence."""
    model = LanguageModel(9, hidden_size=4, dropout=0.4, locked_dropout=locked)
    x = model.drop(torch.ones(30, 40, 20))
    assert (x == 0).float().mean().item() == pytest.approx(0.4, abs=0.06)
    assert x.unique().tolist() == pytest.approx([0, 1 / 0.6], rel=1e-3)
    assert torch.equal(x, x[:1].expand_as(x)) is locked
    assert not torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(model.eval().drop(x), x)


@pytest.mark.parametrize("options", [{}, {"one_hot": True}, {"tie": True, "num_layers": 2}], ids=str)
@pytest.mark.parametrize("cell", CELLS)
def test_a_saved_model_comes_back_bit_for_bit(tmp_path, cell, options):
    """Save and load give the same options, weights, predictions, and the vocabulary saved along."""
    vocabulary = fit_vocabulary("char", [Document("a", "abcdefgh")])
    model = LanguageModel(vocabulary.size, cell=cell, hidden_size=6, **options).eval()
    model.vocabulary = vocabulary
    model.save(tmp_path / "m.safetensors")
    loaded = LanguageModel.load(tmp_path / "m.safetensors")
    tokens = torch.randint(vocabulary.size, (5, 2))
    assert loaded.options == model.options
    assert torch.equal(loaded(tokens)[0], model(tokens)[0])
    assert loaded.vocabulary == vocabulary
    assert not loaded.training


def test_equal_models_are_equal_files(tmp_path):
    """The file follows from the model alone, so that files can be compared byte for byte."""
    vocabulary = fit_vocabulary("bpe", [Document("a", "some text")])
    model = LanguageModel(vocabulary.size, hidden_size=6)
    model.vocabulary = vocabulary
    for name in ("a", "b"):
        model.save(tmp_path / name, about={"step": 3})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_loading_leaves_the_random_state_alone(tmp_path):
    """Loading a model in the middle of an experiment does not change what is drawn next."""
    LanguageModel(5, hidden_size=3).save(tmp_path / "m")
    before = torch.get_rng_state()
    LanguageModel.load(tmp_path / "m")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "m.safetensors"
    LanguageModel(9, cell="gru", hidden_size=4).save(path)
    return path


def test_a_file_cut_off_anywhere_is_refused(saved):
    """Whatever the length a file was truncated to, loading says that it is not whole."""
    content = saved.read_bytes()
    for length in [*range(0, 40, 5), *range(40, len(content), 97), len(content) - 1]:
        saved.write_bytes(content[:length])
        with pytest.raises(CarouselError, match=r"m\.safetensors"):
            LanguageModel.load(saved)


def test_a_changed_byte_is_noticed(saved):
    """One wrong bit in the tensors does not pass for a weight."""
    content = bytearray(saved.read_bytes())
    for place in (-1, -40, -200):
        damaged = bytearray(content)
        damaged[place] ^= 1
        saved.write_bytes(damaged)
        with pytest.raises(CarouselError, match="damaged"):
            LanguageModel.load(saved)


def rewrite(path, **changes):
    """Change what the file says of itself."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    about = json.loads(header["__metadata__"]["carousel"]) | changes
    about[tensors._OWN] = tensors._own_checksum(about)
    header["__metadata__"]["carousel"] = json.dumps(about)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 99}, "format version 99.*Upgrade"),
        ({"kind": "checkpoint"}, "holds a checkpoint, but a language model is needed"),
        (
            {"model": {"vocabulary_size": 9, "hidden_size": 5}},
            "does not hold the weights its options ask for",
        ),
        ({"model": {"vocabulary_size": 9, "colour": 5}}, "does not hold the weights its options ask for"),
        ({"model": None}, "does not hold the weights its options ask for"),
    ],
)
def test_a_file_that_says_something_else_is_refused(saved, changes, message):
    """Newer versions, other kinds of file and options that do not fit the weights are told apart."""
    rewrite(saved, **changes)
    with pytest.raises(CarouselError, match=message):
        LanguageModel.load(saved)


def test_foreign_and_missing_files_are_refused(tmp_path):
    """Tensors of another program, text, a folder and nothing at all each get a clear error."""
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign")
    (tmp_path / "text").write_text("hello " * 30)
    for name, message in [
        ("foreign", "not saved by Carousel"),
        ("text", "not a whole safetensors file"),
        ("absent", "does not exist"),
    ]:
        with pytest.raises(CarouselError, match=message):
            LanguageModel.load(tmp_path / name)
    with pytest.raises(CarouselError, match=r"weights\.safetensors does not exist"):
        LanguageModel.load(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_size": 0}, "hidden_size must be a whole number of at least 1; got 0"),
        ({"hidden_size": -3}, "hidden_size must be .* got -3"),
        ({"num_layers": 0}, "num_layers must be"),
        ({"embedding": 0}, "embedding must be"),
        ({"vocabulary_size": 0}, "vocabulary_size must be"),
        ({"cell": "lsmt"}, "cell must be one of .*lstm.*; got 'lsmt'"),
        ({"dropout": 1.0}, "dropout must be"),
        ({"tie": True, "embedding": 3}, "tie needs embedding equal to hidden_size"),
        ({"one_hot": True, "tie": True}, "tie shares .* one_hot has none"),
    ],
)
def test_bad_options_are_refused_by_name(options, message):
    """Each option outside its range is named with what came."""
    with pytest.raises(CarouselError, match=message):
        LanguageModel(**{"vocabulary_size": 9, "hidden_size": 4, **options})


@pytest.mark.parametrize("one_hot", [False, True])
def test_bad_tokens_are_refused(one_hot):
    """Tokens of wrong rank, dtype or range are told what is expected and what came."""
    model = LanguageModel(9, hidden_size=4, one_hot=one_hot)
    with pytest.raises(CarouselError, match=r"\(T, B\); got torch.int64 of shape \(4,\)"):
        model(torch.zeros(4, dtype=torch.int64))
    with pytest.raises(CarouselError, match=r"torch\.float32"):
        model(torch.zeros(4, 2))
    with pytest.raises(CarouselError, match="from 0 to 8; got 0 to 9"):
        model(torch.tensor([[0], [9]]))
    with pytest.raises(CarouselError, match="from 0 to 8; got -1 to 0"):
        model(torch.tensor([[0], [-1]]))
