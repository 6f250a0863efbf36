"""Scores of texts."""

import math

import numpy as np
import pytest
import torch

from carousel import CarouselError
from carousel.data import BOUNDARY, Document, Windows, fit_vocabulary
from carousel.losses import cross_entropy
from carousel.models import LanguageModel
from carousel.training import Part, Score, evaluate, evaluation, score_documents, score_lines

DOCUMENTS = [Document("a", "the cat sat on the mat\n" * 9), Document("b", "a dog\nlay down\n" * 7)]


@pytest.fixture
def vocabulary():
    return fit_vocabulary("char", DOCUMENTS)


@pytest.fixture
def model(vocabulary):
    model = LanguageModel(vocabulary.size, hidden=10, dropout=0.4).double()
    torch.nn.init.normal_(model.head.weight)  # so that predictions differ
    return model


def one_pass(model, ids):
    """Bits of a stream read from end to end in a single lane."""
    model.eval()
    tokens = torch.from_numpy(np.asarray(ids, dtype=np.int64))
    logits, _ = model(tokens[:-1, None])
    return cross_entropy(logits, tokens[1:, None], reduction="sum").item() / math.log(2)


def test_a_text_within_one_segment_is_scored_exactly(model, vocabulary):
    """Up to 4,608 symbols the score is that of one pass, each document's end being predicted and counted."""
    score = score_documents(model, vocabulary, DOCUMENTS)
    part = Part.of(DOCUMENTS, vocabulary)
    assert score.bits == pytest.approx(one_pass(model, part.ids), rel=1e-9)
    assert score.tokens == score.characters == sum(len(d.text) + 1 for d in DOCUMENTS)


def test_segments_score_every_symbol_once_with_its_lead(model, vocabulary, monkeypatch):
    """A text cut into segments is scored as the sum of its pieces, each read after the symbols before it."""
    monkeypatch.setattr(evaluation, "SEGMENT", 20)
    monkeypatch.setattr(evaluation, "LEAD", 7)
    ids = Part.of(DOCUMENTS, vocabulary).ids
    expected = one_pass(model, ids[: 27 + 1])
    for start in range(20, len(ids) - 1 - 7, 20):
        piece = ids[start : start + 27 + 1]
        expected += one_pass(model, piece) - one_pass(model, piece[: 7 + 1])
    score = evaluate(model, Part(ids, 300))
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
    assert evaluate(model, Part(ids, length - 1)).tokens == length - 1


def test_how_columns_are_grouped_changes_nothing(model, vocabulary, monkeypatch):
    """Segments side by side or one after the other, in long windows or short, give the same bits."""
    monkeypatch.setattr(evaluation, "SEGMENT", 20)
    monkeypatch.setattr(evaluation, "LEAD", 7)
    part = Part.of(DOCUMENTS, vocabulary)
    whole = evaluate(model, part).bits
    monkeypatch.setattr(evaluation, "_COLUMNS", 3)
    monkeypatch.setattr(evaluation, "_LOGITS", 200)
    assert evaluate(model, part).bits == pytest.approx(whole, rel=1e-12)


def test_a_limit_takes_segments_from_everywhere(model, vocabulary, monkeypatch):
    """With a limit about so many tokens are scored, first and last segment among them, characters in
    proportion.
    """
    monkeypatch.setattr(evaluation, "SEGMENT", 20)
    monkeypatch.setattr(evaluation, "LEAD", 7)
    part = Part(Part.of(DOCUMENTS, vocabulary).ids, 10_000)
    score = evaluate(model, part, limit=60)
    assert 47 <= score.tokens <= 67
    assert score.characters == round(10_000 * score.tokens / part.tokens)
    assert evaluate(model, part, limit=10**9) == evaluate(model, part)


def test_the_model_is_left_as_it_was(model, vocabulary):
    """Scoring runs without dropout and without gradients, and puts the mode back."""
    model.train()
    first = score_documents(model, vocabulary, DOCUMENTS)
    assert first == score_documents(model, vocabulary, DOCUMENTS)
    assert model.training
    assert model(torch.zeros(1, 1, dtype=torch.int64))[0].requires_grad


def test_each_line_is_scored_by_itself(model, vocabulary):
    """A line's score is that of a document that begins with it, whatever lines stand around it and in
    what order.
    """
    lines = ["the cat", "", "a dog lay down on the mat", "sat\n", "the cat"] * 30
    scores = score_lines(model, vocabulary, lines)
    for line, score in zip(lines[:5], scores, strict=False):
        text = line.rstrip("\n") + "\n"
        expected = one_pass(model, [BOUNDARY, *vocabulary.encode(text)])
        assert score.bits == pytest.approx(expected, rel=1e-9)
        assert score.characters == len(text)
    assert scores[0].bits == pytest.approx(scores[4].bits, rel=1e-12)
    assert score_lines(model, vocabulary, []) == []


def test_words_count_their_characters():
    """At the level of words there are fewer tokens than characters, and bits per character use the latter."""
    vocabulary = fit_vocabulary("word", DOCUMENTS)
    score = score_documents(LanguageModel(vocabulary.size, hidden=4), vocabulary, DOCUMENTS)
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
        score_documents(model, vocabulary, [])
    with pytest.raises(CarouselError, match="at least 2 symbols; got 1"):
        evaluate(model, Part(np.zeros(1, dtype=np.int32), 1))
