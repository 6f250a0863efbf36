"""The model of sequences: what it computes, what it keeps in its file, what it refuses."""

import json

import numpy as np
import pytest
import torch

from carousel import CarouselError, Forecast, SequenceModel
from carousel.data.sequences import Encoding, Span, from_arrays
from carousel.models.sequences.layers import seasonal_naive_weights
from carousel.models.sequences.model import padded


def prepared(head="classify", cell="gru", width=2, labels=("a", "b", "c"), **options):
    """A small model whose encoding leaves numbers nearly as they are."""
    torch.manual_seed(0)
    model = SequenceModel(cell, head, hidden_size=5, **options)
    task = model.head.task
    data = from_arrays("forecast", np.random.default_rng(0).normal(size=(200, width)))
    encoding = Encoding.fit(data, [Span(0, 0, 200)])
    model.prepare(encoding, [] if task == "forecast" else list(labels), width if task == "forecast" else 0)
    return model.eval()


def outputs(model, data):
    return list(model.outputs([model.encoding.encode(item) for item in model.read(data).items]))


def ragged(*lengths, width=2):
    random = np.random.default_rng(1)
    return [random.normal(size=(length, width)) for length in lengths]


@pytest.mark.parametrize("cell", ["gru", "lstm-diagonal", "rnn-relu", "mlp"])
@pytest.mark.parametrize("head", ["tag", "classify", Forecast(horizon=3, season=2)], ids=str)
def test_a_sequence_is_told_alone_as_in_company(cell, head):
    """Padding and neighbours change nothing."""
    model = prepared(head, cell)
    data = ragged(7, 3, 12)
    together = outputs(model, data)
    for each, own in zip(data, together, strict=True):
        [alone] = outputs(model, [each])
        np.testing.assert_allclose(alone, own, atol=1e-5)


def test_what_each_head_says():
    """A label a step, a label, a forecast with its interval; probabilities sum to one."""
    data = ragged(4, 6)
    tags = prepared("tag")
    assert [len(row) for row in tags.predict(data)] == [4, 6]
    assert [row.shape for row in tags.probabilities(data)] == [(4, 3), (6, 3)]
    model = prepared("classify", bidirectional=True)
    assert set(model.predict(data)) <= {"a", "b", "c"}
    np.testing.assert_allclose(model.probabilities(data).sum(1), 1, rtol=1e-6)
    found = prepared(Forecast(horizon=3, season=2)).predict(data)
    assert [each.middle.shape for each in found] == [(3, 2)] * 2
    assert all((each.low < each.middle).all() and (each.middle < each.high).all() for each in found)


def test_the_first_forecast_is_the_seasonal_naive_one():
    """Before it has learned, with the outputs of its hidden values at 0, it repeats the last season."""
    model = prepared(Forecast(horizon=7, season=3), width=1)
    torch.nn.init.zeros_(model.out.out.weight)
    [found] = model.predict([np.array([5.0, 1, 2, 3])[:, None]])
    np.testing.assert_allclose(found.middle[:, 0], [1, 2, 3, 1, 2, 3, 1], rtol=1e-5)


def test_naive_weights():
    """Of a season of 1 the last value alone counts, and it is there without weights."""
    assert seasonal_naive_weights(2, 1).tolist() == [[0], [0]]
    assert seasonal_naive_weights(3, 3).tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_a_forecast_moves_with_the_level():
    """The linear part sees changes alone: a series that is higher by 10 has a forecast that is higher by 10."""
    model = prepared(Forecast(horizon=2, season=2), width=1)
    torch.nn.init.zeros_(model.out.out.weight)
    series = np.random.default_rng(2).normal(size=(9, 1))
    [low], [high] = model.predict([series]), model.predict([series + 10])
    np.testing.assert_allclose(high.middle, low.middle + 10, rtol=1e-4)


def test_without_recurrence_only_the_context_counts():
    """An mlp of two steps does not see the third one back; a recurrent cell does."""
    for cell, options, sees in (("mlp", {"context": 2}, False), ("gru", {}, True)):
        model = prepared("tag", cell, **options)
        x = torch.randn(6, 1, 2)
        changed = x.clone()
        changed[2] += 1
        before, after = model(x)[5], model(changed)[5]
        assert torch.equal(before, after) is not sees
        assert not torch.equal(model(x)[3], model(changed)[3])


def test_dropout_is_off_when_it_predicts():
    """Two calls agree, though the model is in training."""
    model = prepared("tag", dropout=0.5).train()
    data = ragged(5)
    assert np.array_equal(model.probabilities(data)[0], model.probabilities(data)[0])
    assert model.training


@pytest.mark.parametrize("head", ["tag", "classify", Forecast(horizon=2, season=2, interval=0.8)], ids=str)
def test_a_model_survives_its_file(tmp_path, head):
    """Everything that a prediction takes is in one file, which is no pickle."""
    model = prepared(head, labels=(1, 2, 3))
    model.widening = 1.5
    model.save(tmp_path / "model.safetensors", {"note": "x"})
    again = SequenceModel.load(tmp_path / "model.safetensors")
    data = ragged(4, 6)
    for own, other in zip(outputs(model, data), outputs(again, data), strict=True):
        assert np.array_equal(own, other)
    assert (again.head, again.labels, again.widening) == (model.head, model.labels, 1.5)
    assert again.predict(data) is not None
    size = int.from_bytes((tmp_path / "model.safetensors").read_bytes()[:8], "little")
    json.loads((tmp_path / "model.safetensors").read_bytes()[8 : 8 + size])


def test_a_damaged_file_is_refused(tmp_path):
    """One changed byte is seen."""
    path = tmp_path / "model.safetensors"
    prepared().save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CarouselError, match="is damaged"):
        SequenceModel.load(path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cell": "lsmt"}, "cell must be one of .*lstm.*; got 'lsmt'"),
        ({"head": "label"}, r"head must be one of tag, classify, forecast.*got 'label'"),
        ({"hidden_size": 0}, "hidden_size must be a whole number of at least 1"),
        ({"dropout": 1.0}, "dropout must be at least 0 and below 1"),
        ({"head": "forecast", "bidirectional": True}, "which a forecast cannot"),
        ({"context": 3}, "context belongs to a cell mlp; got context=3 for lstm"),
        ({"cell": "mlp", "weight_drop": 0.1}, "weight_drop belongs to a cell with recurrence"),
    ],
)
def test_options_that_cannot_be_are_told(arguments, message):
    """Before anything is built."""
    with pytest.raises(CarouselError, match=message):
        SequenceModel(**arguments)


def test_what_a_model_cannot_do_is_told():
    """Without data, with other data, probabilities of a forecast, series that are too short."""
    with pytest.raises(CarouselError, match="has not learned from data yet"):
        SequenceModel().predict([[1.0]])
    with pytest.raises(
        CarouselError, match=r"must have 2 columns of numbers and 0 of symbols; .* has 1 and 0"
    ):
        prepared().predict([[1.0]])
    with pytest.raises(CarouselError, match=r"x must be \(T, B, 2\); its shape is \(3, 1, 4\)"):
        prepared()(torch.zeros(3, 1, 4))
    with pytest.raises(CarouselError, match="trained on arrays, which have no column names"):
        prepared().predict("data.csv")
    with pytest.raises(CarouselError, match="a forecast has no labels"):
        prepared(Forecast()).probabilities(ragged(4))
    with pytest.raises(CarouselError, match=r"at least one season and one step more, 4 steps; .* has 3"):
        prepared(Forecast(season=3)).predict(ragged(3))
    with pytest.raises(CarouselError, match="horizon must be a whole number of at least 1"):
        Forecast(horizon=0)
    with pytest.raises(CarouselError, match="interval must be a share from"):
        Forecast(interval=1)


def test_padded_puts_sequences_side_by_side():
    """Zeros behind their ends."""
    x, lengths = padded([np.ones((2, 1), np.float32), np.ones((3, 1), np.float32)])
    assert x[..., 0].T.tolist() == [[1, 1, 0], [1, 1, 1]]
    assert lengths.tolist() == [2, 3]
