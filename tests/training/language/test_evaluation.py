"""Scores of texts."""

import math

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.data import Document, Windows, fit_vocabulary
from carousel.data.vocabularies import BOUNDARY
from carousel.losses import cross_entropy
from carousel.models import LanguageModel, TDNNLanguageModel
from carousel.training import Score, evaluate
from carousel.training.language import evaluation
from carousel.training.language.evaluation import Part
from carousel.training.language.evaluation import evaluate as evaluate_part

DOCUMENTS = [Document("a", "the cat sat on the mat\n" * 9), Document("b", "a dog\nlay down\n" * 7)]


@pytest.fixture
def vocabulary():
    return fit_vocabulary("char", DOCUMENTS)


@pytest.fixture
def model(vocabulary):
    model = LanguageModel(vocabulary.size, hidden_size=10, dropout=0.4).double()
    torch.nn.init.normal_(model.head.weight)  # so that predictions differ
    model.vocabulary = vocabulary
    return model


def one_pass(model, ids):
    """Bits of a stream read from end to end in a single lane."""
    model.eval()
    tokens = torch.from_numpy(np.asarray(ids, dtype=np.int64))
    logits, _ = model(tokens[:-1, None])
    return cross_entropy(logits, tokens[1:, None], reduction="sum").item() / math.log(2)


def test_each_file_is_one_stream_from_the_zero_state(model, vocabulary):
    """The score of a corpus is the sum of one pass through each file, its end being predicted and counted."""
    score = evaluate(model, DOCUMENTS)
    expected = sum(one_pass(model, [0, *vocabulary.encode(d.text), 0]) for d in DOCUMENTS)
    assert score.bits == pytest.approx(expected, rel=1e-9)
    assert score.tokens == score.characters == sum(len(d.text) + 1 for d in DOCUMENTS)
    alone = [evaluate(model, [d]).bits for d in DOCUMENTS]
    assert score.bits == pytest.approx(sum(alone), rel=1e-9)


@pytest.mark.parametrize("kind", [LanguageModel, TDNNLanguageModel])
@pytest.mark.parametrize(("columns", "logits"), [(64, 1 << 23), (1, 1 << 23), (3, 200), (64, 1)])
def test_how_streams_are_grouped_changes_nothing(vocabulary, monkeypatch, kind, columns, logits):
    """Side by side or one after the other, in long windows or of a single step: the same bits."""
    documents = [Document(str(k), DOCUMENTS[k % 2].text[: 3 + 29 * k]) for k in range(7)]
    torch.manual_seed(1)
    model = kind(vocabulary.size, hidden_size=10).double()
    model.vocabulary = vocabulary
    expected = sum(one_pass(model, [0, *vocabulary.encode(d.text), 0]) for d in documents)
    monkeypatch.setattr(evaluation, "_COLUMNS", columns)
    monkeypatch.setattr(evaluation, "_LOGITS", logits)
    assert evaluate(model, documents).bits == pytest.approx(expected, rel=1e-9)


def test_a_sample_scores_segments_with_their_lead(model, vocabulary, monkeypatch):
    """With a limit, each segment is read after the symbols before it, and scored without them."""
    monkeypatch.setattr(evaluation, "SEGMENT", 20)
    monkeypatch.setattr(evaluation, "LEAD", 7)
    ids = Part.of(DOCUMENTS, vocabulary).ids
    expected = one_pass(model, ids[: 27 + 1])
    for start in range(20, len(ids) - 1 - 7, 20):
        piece = ids[start : start + 27 + 1]
        expected += one_pass(model, piece) - one_pass(model, piece[: 7 + 1])
    score = evaluate_part(model, Part(ids, 300), limit=10**9)
    assert score.bits == pytest.approx(expected, rel=1e-9)
    assert score.tokens == len(ids) - 1
    assert score.bits == pytest.approx(one_pass(model, ids), rel=0.02)  # and near one pass through all


@pytest.mark.parametrize("length", [2, 6, 7, 8, 9, 26, 27, 28, 29, 47, 48, 49])
def test_no_length_loses_a_symbol(model, vocabulary, monkeypatch, length):
    """Around every boundary of segments, the number of tokens scored is that of the stream without its
    first.
    """
    monkeypatch.setattr(evaluation, "SEGMENT", 20)
    monkeypatch.setattr(evaluation, "LEAD", 7)
    ids = Part.of(DOCUMENTS, vocabulary).ids[:length]
    assert evaluate_part(model, Part(ids, length - 1), limit=10**9).tokens == length - 1
    assert evaluate_part(model, Part(ids, length - 1)).tokens == length - 1


def test_a_sample_takes_segments_from_everywhere(model, vocabulary, monkeypatch):
    """With a limit about so many tokens are scored, first and last segment among them, characters in
    proportion.
    """
    monkeypatch.setattr(evaluation, "SEGMENT", 20)
    monkeypatch.setattr(evaluation, "LEAD", 7)
    part = Part(Part.of(DOCUMENTS, vocabulary).ids, 10_000)
    score = evaluate_part(model, part, limit=60)
    assert 47 <= score.tokens <= 67
    assert score.characters == round(10_000 * score.tokens / part.tokens)


def test_every_softmax_sums_to_one(vocabulary):
    """After any text of four symbols the probabilities of all that may follow add up to one."""
    for model in (
        LanguageModel(vocabulary.size, hidden_size=6),
        TDNNLanguageModel(vocabulary.size, hidden_size=6),
    ):
        texts = torch.randint(vocabulary.size, (4, 50))
        logits, _ = model.double().eval()(texts)
        ends = torch.arange(vocabulary.size).expand(4, 50, -1)
        total = sum(
            (-cross_entropy(logits, ends[..., k], reduction="none")).exp() for k in range(ends.shape[-1])
        )
        torch.testing.assert_close(total, torch.ones(4, 50).double())


def test_tokens_of_a_line_add_up_to_its_score(model, vocabulary):
    """Each piece has its own bits, whatever lines are scored beside it, and their sum is the line's."""
    lines = ["the cat", "", "a dog lay down"]
    for line, tokens, score in zip(
        lines, evaluate(model, texts=lines, by="token"), evaluate(model, texts=lines, by="line"), strict=True
    ):
        assert "".join(token.text for token in tokens) == line + "\n"
        assert sum(token.bits for token in tokens) == pytest.approx(score.bits, rel=1e-9)
        ids = [BOUNDARY, *vocabulary.encode(line + "\n")]
        assert tokens[-1].bits == pytest.approx(
            one_pass(model, ids) - one_pass(model, ids[:-1]) if line else score.bits
        )


def test_sentences_end_where_lines_do():
    """At the level of tokens the last piece of a sentence is its line end, and perplexity counts it."""
    vocabulary = fit_vocabulary("token", [Document("a", "a b <unk>\nb a\n")])
    model = LanguageModel(vocabulary.size, hidden_size=4)
    model.vocabulary = vocabulary
    [tokens] = evaluate(model, texts=["b new a"], by="token")
    assert [token.text for token in tokens] == ["b", "<unk>", "a", "\n"]
    [score] = evaluate(model, texts=["b new a"], by="line")
    assert score.tokens == 4
    assert score.nats_per_token == pytest.approx(math.log(score.perplexity))


def test_the_model_is_left_as_it_was(model, vocabulary):
    """Scoring runs without dropout and without gradients, and puts the mode back."""
    model.train()
    first = evaluate(model, DOCUMENTS)
    assert first == evaluate(model, DOCUMENTS)
    assert model.training
    assert model(torch.zeros(1, 1, dtype=torch.int64))[0].requires_grad


def test_each_line_is_scored_by_itself(model, vocabulary):
    """A line's score is that of a document that begins with it, whatever lines stand around it and in
    what order.
    """
    lines = ["the cat", "", "a dog lay down on the mat", "sat\n", "the cat"] * 30
    scores = evaluate(model, texts=lines, by="line")
    for line, score in zip(lines[:5], scores, strict=False):
        text = line.rstrip("\n") + "\n"
        expected = one_pass(model, [BOUNDARY, *vocabulary.encode(text)])
        assert score.bits == pytest.approx(expected, rel=1e-9)
        assert score.characters == len(text)
    assert scores[0].bits == pytest.approx(scores[4].bits, rel=1e-12)
    assert evaluate(model, texts=[], by="line") == []


def test_words_count_their_characters():
    """At the level of words there are fewer tokens than characters, and bits per character use the latter."""
    vocabulary = fit_vocabulary("word", DOCUMENTS)
    model = LanguageModel(vocabulary.size, hidden_size=4)
    model.vocabulary = vocabulary
    score = evaluate(model, DOCUMENTS)
    assert score.characters == sum(len(d.text) + 1 for d in DOCUMENTS)
    assert score.tokens == len(Windows(Part.of(DOCUMENTS, vocabulary).ids, 1, 1))
    assert score.tokens < score.characters
    assert score.bits_per_character == score.bits / score.characters


def test_perplexity_is_two_to_the_bits_per_token():
    """And infinite where a float cannot hold it."""
    assert Score(bits=24, tokens=8, characters=99).perplexity == 8
    assert Score(bits=1e9, tokens=1, characters=1).perplexity == math.inf


def test_nothing_to_score_is_an_error(model, vocabulary):
    """No document, or a part with nothing to predict, is refused."""
    with pytest.raises(CarouselError, match="at least one document"):
        evaluate(model, texts=[])
    with pytest.raises(CarouselError, match="at least one file"):
        evaluate(model, [])
    with pytest.raises(CarouselError, match="at least 2 symbols; got 1"):
        evaluate_part(model, Part(np.zeros(1, dtype=np.int32), 1))


def test_text_comes_from_files_or_from_texts(model, tmp_path):
    """A path, several or a folder; texts themselves; the same scores as of documents; never both."""
    for document in DOCUMENTS:
        (tmp_path / f"{document.name}.txt").write_text(document.text)
    expected = evaluate(model, DOCUMENTS)
    assert evaluate(model, tmp_path) == expected
    assert evaluate(model, [str(tmp_path / "a.txt"), tmp_path / "b.txt"]) == expected
    assert evaluate(model, texts=[document.text for document in DOCUMENTS]) == expected
    assert evaluate(model, texts=DOCUMENTS[0].text) == evaluate(model, str(tmp_path / "a.txt"))
    assert evaluate(model, tmp_path, by="line") == evaluate(model, DOCUMENTS, by="line")
    assert len(evaluate(model, texts="the cat\nsat\n", by="line")) == 2
    with pytest.raises(CarouselError, match="got both"):
        evaluate(model, tmp_path, texts="the cat")
    with pytest.raises(CarouselError, match="by must be one of document, line, token; got 'word'"):
        evaluate(model, tmp_path, by="word")


def test_what_cannot_be_evaluated_is_told(vocabulary):
    """A model of somebody else, and a model without a vocabulary."""
    with pytest.raises(CarouselError, match=r"model must be .*; got Linear"):
        evaluate(torch.nn.Linear(2, 3), "a.txt")
    with pytest.raises(CarouselError, match="no vocabulary"):
        evaluate(LanguageModel(vocabulary.size, hidden_size=2), texts="the cat")
