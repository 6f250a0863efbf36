"""The loss that a diagnosis of a run on sequences goes back from."""

import math

import numpy as np
import torch
from tolerances import assert_close

from carousel import Forecast, SequenceModel, fit
from carousel.data.sequences import from_arrays
from carousel.training.sequences.final_step_loss import final_step_loss

SHORT = {"steps": 3, "monitor": 0, "threads": 1}


def test_labels_are_asked_for_where_they_are_known():
    """Of sequences one label each; of steps the last that is known, where the sequence then ends."""
    data = [np.full((4 + k % 3, 1), float(k % 2)) for k in range(40)]
    model = SequenceModel("gru", hidden_size=4)
    fit(model, data, [k % 2 for k in range(40)], **SHORT)
    items = from_arrays("classify", data[:3], [1, None, 7]).items
    (x, lengths), loss = final_step_loss(model, [(item, len(item)) for item in items], 5)
    said = model(x, lengths).detach()
    assert lengths.tolist() == [4, 5, 5]
    assert_close(loss(said), -said.log_softmax(-1)[0, 1])
    assert loss.words == "the cross-entropy, in nats, of the label of each sequence"

    tagger = SequenceModel("gru", "tag", hidden_size=4)
    fit(tagger, data, [[k % 2] * len(each) for k, each in enumerate(data)], **SHORT)
    items = from_arrays("tag", data[:2], [[0, 1, 0, None], [1, 1, 1, 1, 0]]).items
    (x, lengths), loss = final_step_loss(tagger, [(items[0], 4), (items[1], 5)], 9)
    said = tagger(x, lengths).detach().log_softmax(-1)
    assert lengths.tolist() == [3, 5]
    assert_close(loss(tagger(x, lengths).detach()), -(said[2, 0, 0] + said[4, 1, 0]))
    assert final_step_loss(tagger, [(from_arrays("tag", data[:1]).items[0], 4)], 9)[1] is None


def test_a_forecast_is_asked_for_what_follows():
    """The horizon's values stand behind what is read; one that is missing is not asked for."""
    series = np.sin(np.arange(80.0))
    model = SequenceModel("gru", Forecast(horizon=3, season=4), hidden_size=4)
    fit(model, series, **SHORT)
    series[69] = math.nan
    [item] = from_arrays("forecast", series).items
    (x, lengths), loss = final_step_loss(model, [(item, 70)], 20)
    assert x.shape[:2] == (20, 1)
    scaled = torch.from_numpy(model.fitted_encoding.scaled(item)[:, 0])
    assert_close(x[-1, 0, 0].double(), scaled[66], torch.float32)
    mean, log = model(x, lengths).detach()[-1, 0, :, 0].double().unbind(-1)
    each = 0.5 * ((scaled[67:70] - mean) / log.exp()) ** 2 + log + 0.5 * math.log(2 * math.pi)
    assert_close(loss(model(x, lengths).detach()).double(), each[:2].sum(), torch.float32)
