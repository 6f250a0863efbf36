"""Training on sequences, from data to best weights, resumed and scored."""

import dataclasses
import math

import numpy as np
import pytest
import torch

import carousel
from carousel import CarouselError, Forecast, SequenceConfig, SequenceModel, evaluate, fit
from carousel.models.tensors import load_tensors
from carousel.training import resume, train
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import read_metrics
from carousel.training.run.progress import Evaluated, Saved, Started
from carousel.training.sequences.row import SequenceRow

CLOCKS = ("seconds", "steps_per_second")


def order_of_a_pair(number, seed=0):
    """Sequences of noise with two marks; the label is whether the larger comes first: order alone tells."""
    random = np.random.default_rng(seed)
    data, labels = [], []
    for _ in range(number):
        x = 0.1 * random.normal(size=(random.integers(4, 9), 1))
        first, second = sorted(random.choice(len(x), 2, replace=False))
        label = int(random.integers(2))
        x[first], x[second] = (2, 1) if label else (1, 2)
        data.append(x)
        labels.append(label)
    return data, labels


@pytest.fixture
def csv(tmp_path):
    """A file of 40 sequences whose label is the sign of their mean, some values missing."""
    random = np.random.default_rng(0)
    lines = ["id,t,x,y,label"]
    for k in range(40):
        sign = 1 if k % 2 else -1
        for t in range(int(random.integers(3, 7))):
            x = sign + 0.3 * random.normal()
            lines.append(f"s{k},{t},{x:.3f},{'' if t == 1 else k % 3},{'up' if sign > 0 else 'down'}")
    path = tmp_path / "data.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def config(csv, tmp_path):
    """24 steps of a tiny GRU with dropout, evaluated every 8."""
    return SequenceConfig(
        task="classify",
        paths=[str(csv)],
        target="label",
        sequence="id",
        cell="gru",
        hidden_size=6,
        dropout=0.1,
        lr=0.05,
        batch=8,
        steps=24,
        evaluate_every=8,
        monitor=8,
        threads=1,
        out=str(tmp_path / "run"),
    )


def test_recurrence_learns_what_order_says_and_its_absence_cannot():
    """The same marks in another order: a GRU tells all of them apart, a network of single steps guesses."""
    data, labels = order_of_a_pair(240)
    scores = {}
    for cell in ("gru", "mlp"):
        model = SequenceModel(cell, hidden_size=16)
        scores[cell] = fit(model, data, labels, steps=300, lr=0.02, patience=0, monitor=0).test.accuracy
    assert scores["gru"] > 0.9
    assert scores["mlp"] < 0.8


def test_labels_at_each_step_with_weights_and_gaps():
    """The running sign of a sum: learned where w_t is above 0 and a label is known, from padded arrays."""
    random = np.random.default_rng(0)
    x = random.normal(size=(60, 12, 1))
    y = (x[..., 0].cumsum(1) > 0).astype(int)
    labels = [[None if t == 3 else int(v) for t, v in enumerate(row)] for row in y]
    weights = np.ones((60, 12))
    weights[:, 5] = 0
    for row in labels:
        row[5] = 1 - row[5]  # wrong, but of no weight
    lengths = random.integers(6, 13, 60)
    model = SequenceModel("gru", "tag", hidden_size=12)
    run = fit(model, x, labels, weights=weights, lengths=lengths, steps=250, lr=0.02, monitor=0, valid=0.1)
    assert run.test.count == sum(run.test.confusion[0]) + sum(run.test.confusion[1])
    told = model.predict(x, lengths=lengths)
    known = [(a, int(b)) for row, own, n in zip(told, y, lengths, strict=True)
             for t, (a, b) in enumerate(zip(row, own[:n], strict=True)) if t != 3]  # fmt: skip
    assert np.mean([a == b for a, b in known]) > 0.85


def test_texts_are_learned_character_by_character():
    """A list of str is enough; what it is learned from is kept, and new texts are told."""
    model = SequenceModel("gru", hidden_size=8)
    fit(model, ["abc", "xyz"] * 30, ["first", "last"] * 30, steps=40, lr=0.05, monitor=0)
    assert model.predict(["bac", "zz"]) == ["first", "last"]


def test_a_forecast_beats_the_seasonal_naive_one_and_its_interval_holds():
    """A season with a trend and noise: the error is well below, and most of what came lies within the interval."""
    random = np.random.default_rng(0)
    t = np.arange(300)
    series = 0.1 * t + 3 * np.sin(t * math.pi / 6) + 0.3 * random.normal(size=300)
    model = SequenceModel("gru", Forecast(horizon=6, season=12, interval=0.8), hidden_size=8)
    run = fit(model, series, steps=150, lr=0.01, monitor=0, patience=0)
    assert run.test.error < 0.6
    assert 0.6 < run.test.coverage < 0.97
    assert model.widening != 1
    [found] = model.predict(series)
    truth = 0.1 * (300 + np.arange(6)) + 3 * np.sin((300 + np.arange(6)) * math.pi / 6)
    assert np.abs(found.middle[:, 0] - truth).mean() < 1


def test_the_naive_error_is_that_of_the_last_season():
    """By hand, on a series whose next value is known; forecasts never look beyond their part."""
    series = np.arange(40.0)
    model = SequenceModel("gru", Forecast(horizon=2, season=4), hidden_size=2)
    run = fit(model, series, steps=1, monitor=0, valid=0.1, test=0.1)
    assert run.test.counts == ((4, 3),)
    assert run.test.mean_naive == [4.0]


def test_a_run_leaves_everything_in_its_folder(config):
    """As a run on text does, without vocabulary and samples; the model is whole and predicts from a file."""
    events = []
    run = train(config=config, on_progress=events.append)
    names = sorted(path.name.split(".")[0] for path in run.path.iterdir())
    assert names == ["checkpoint", "config", "events", "metrics", "monitor", "weights"]
    started = next(event for event in events if isinstance(event, Started))
    assert "28 sequences" in started.contents
    assert [event.step for event in events if isinstance(event, Evaluated)] == [8, 16, 24]
    assert run.test.accuracy == 1
    model = SequenceModel.load(run.path)
    assert model.predict(config.paths[0])[:2] == ["down", "up"]
    assert carousel.Run.open(run.path) == run == resume(run.path)
    assert RunFolder.open(run.path).load_config().task == "classify"


class Stop(Exception):
    """What an observer raises to end a run from inside."""


def stop_at(step):
    def observer(event):
        if isinstance(event, Saved) and event.step >= step:
            raise Stop

    return observer


def rows(folder):
    timeless = [dataclasses.asdict(row) for row in read_metrics(folder / "metrics.csv", SequenceRow)]
    return [{name: value for name, value in row.items() if name not in CLOCKS} for row in timeless]


@pytest.mark.parametrize(
    "options",
    [
        {"locked_dropout": True, "weight_drop": 0.2, "recurrent_dropout": 0.2},
        {"task": "forecast", "target": "x", "season": 2, "horizon": 2, "valid": 0.2, "bptt": 2},
    ],
    ids=["classify", "forecast"],
)
def test_a_resumed_run_ends_with_the_same_bytes(config, tmp_path, csv, options):
    """Stopped after a checkpoint and resumed, weights, moments and metrics are those of the run left in peace."""
    if options.get("task") == "forecast":
        csv.write_text("t,x,y\n" + "".join(f"{k},{math.sin(k):.3f},{k % 3}\n" for k in range(60)))
        options = {**options, "sequence": None}
    whole = train(config=config.override(out=str(tmp_path / "whole"), **options))
    with pytest.raises(Stop):
        train(config=config.override(**options), on_progress=stop_at(8))
    resumed = resume(config.out)
    for name in ("weights.safetensors", "config.yaml"):
        assert (resumed.path / name).read_bytes() == (whole.path / name).read_bytes()
    ours, theirs = (
        load_tensors(path / "checkpoint.safetensors", "checkpoint")[0] for path in (resumed.path, whole.path)
    )
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert rows(resumed.path) == rows(whole.path)


def test_data_that_changed_are_refused(config, csv):
    """A run goes on with what it began with."""
    with pytest.raises(Stop):
        train(config=config, on_progress=stop_at(8))
    csv.write_text(csv.read_text().replace("s3,0,", "s3,0,1", 1))
    with pytest.raises(CarouselError, match="resumed with the data it began with"):
        resume(config.out)


def test_data_in_memory_are_resumed_with_the_same_data(tmp_path):
    """`fit` goes on in its folder, to the same weights, and refuses a folder in use without being told to."""
    data, labels = order_of_a_pair(30)
    options = {"steps": 16, "evaluate_every": 8, "monitor": 0, "threads": 1}
    whole, stopped = SequenceModel("gru", hidden_size=4), SequenceModel("gru", hidden_size=4)
    fit(whole, data, labels, out=tmp_path / "whole", **options)
    with pytest.raises(Stop):
        fit(stopped, data, labels, out=tmp_path / "run", on_progress=stop_at(8), **options)
    with pytest.raises(CarouselError, match="a run is never overwritten"):
        fit(stopped, data, labels, out=tmp_path / "run", **options)
    with pytest.raises(CarouselError, match=r"lr was 0\.004 in .*config\.yaml, but is 0\.1 now"):
        fit(stopped, data, labels, out=tmp_path / "run", resume=True, lr=0.1, **options)
    run = fit(stopped, data, labels, out=tmp_path / "run", resume=True, **options)
    assert run.step == 16
    for name, value in whole.state_dict().items():
        assert torch.equal(value, stopped.state_dict()[name])


@pytest.mark.parametrize("apart", [False, True])
def test_a_run_on_data_in_memory_is_whole(tmp_path, apart):
    """The data lie in its folder, whatever they hold: it is resumed and reported without being given them."""
    random = np.random.default_rng(0)
    data = [random.normal(size=(n, 2)) for n in random.integers(4, 9, 24)]
    data[3][1, 0] = np.nan
    tags = [
        [None if t == 2 else "up" if x > 0 else "down" for t, x in enumerate(each[:, 1])] for each in data
    ]
    weights = [np.linspace(0.5, 1, len(each)) for each in data]
    model = SequenceModel("gru", "tag", hidden_size=4)
    options = {"steps": 12, "evaluate_every": 6, "monitor": 0, "threads": 1, "weights": weights}
    held = {"test_data": data[:3], "test_targets": tags[:3]} if apart else {}
    whole = fit(model, data, tags, out=tmp_path / "whole", **options, **held)
    with pytest.raises(Stop):
        fit(model, data, tags, out=tmp_path / "run", on_progress=stop_at(6), **options, **held)
    run = resume(tmp_path / "run")
    assert (run.test, run.valid) == (whole.test, whole.valid)
    assert run.test.count == sum(len(each) - 1 for each in data[:3]) or not apart
    assert carousel.report_run(run.path).stat().st_size > 10_000


def test_scores_of_other_data(csv, tmp_path):
    """Of a file, of arrays, of a forecast; by hand where the model is always right."""
    model = SequenceModel("gru", hidden_size=6)
    fit(model, csv, target="label", sequence="id", inputs="x", steps=24, lr=0.05, monitor=0)
    score = evaluate(model, csv)
    assert (score.count, score.accuracy, score.most_frequent) == (40, 1.0, 0.5)
    series = np.sin(np.arange(60.0))
    ahead = SequenceModel("gru", Forecast(horizon=2, season=3), hidden_size=2)
    run = fit(ahead, series[:50], steps=2, monitor=0)
    found = evaluate(ahead, series)
    assert found.counts == ((57, 56),)
    naive = [abs(series[t] - series[t - 3]) for t in range(3, 60)]
    assert found.mean_naive[0] * 113 == pytest.approx(sum(naive) + sum(naive[1:]))
    assert run.test.counts != found.counts
    with pytest.raises(CarouselError, match="has no label"):
        evaluate(
            SequenceModel.load(fit(SequenceModel(), *order_of_a_pair(20), steps=1, out=tmp_path / "r").path),
            [[1.0]],
        )


def test_columns_are_known_by_name(tmp_path):
    """A file to predict from may have its columns in another order, and more of them; one that lacks is named."""
    random = np.random.default_rng(0)
    rows = [(k // 4, random.normal(), 10 + (k // 4) % 2) for k in range(160)]
    first, other = tmp_path / "first.csv", tmp_path / "other.csv"
    first.write_text("id,x,y,label\n" + "".join(f"{k},{x:.3f},{y},{y}\n" for k, x, y in rows))
    other.write_text("note,y,id,x\n" + "".join(f"n,{y},{k},{x:.3f}\n" for k, x, y in rows))
    model = SequenceModel("gru", hidden_size=4)
    fit(model, first, target="label", sequence="id", steps=60, lr=0.05, monitor=0)
    assert model.predict(other) == model.predict(first) == ["10", "11"] * 20
    other.write_text("id,y\n0,10\n")
    with pytest.raises(CarouselError, match=r"inputs names the column 'x', which .* does not have"):
        model.predict(other)


def test_a_data_frame_from_training_to_what_is_predicted(tmp_path):
    """Types of its own, gaps, dates, categories; the run in a folder stands by itself."""
    pandas = pytest.importorskip("pandas", reason="pandas is no dependency")
    random = np.random.default_rng(0)
    rows = [
        {"id": k, "when": pandas.Timestamp("2026-01-01") + pandas.Timedelta(hours=t), "kind": "ab"[t % 2],
         "x": None if t == 1 else (k % 2) + 0.2 * random.normal(), "label": ("down", "up")[k % 2]}
        for k in range(40) for t in range(3 + k % 3)
    ]  # fmt: skip
    frame = pandas.DataFrame(rows).astype({"kind": "category", "x": "Float64"})
    model = SequenceModel("gru", hidden_size=6)
    names = {"target": "label", "sequence": "id", "categories": "kind"}
    run = fit(model, frame, **names, steps=40, lr=0.05, monitor=0, out=tmp_path / "run")
    assert run.test.accuracy == 1
    assert model.predict(frame.drop(columns="label"))[:4] == ["down", "up", "down", "up"]
    assert evaluate(SequenceModel.load(run.path), frame).accuracy == 1
    assert resume(run.path) == run
    months = pandas.date_range("2000-01-01", periods=60, freq="MS")
    series = pandas.DataFrame({"month": months, "sales": np.sin(np.arange(60) * math.pi / 6)})
    ahead = SequenceModel("gru", Forecast(horizon=2, season=12), hidden_size=2)
    fit(ahead, series, steps=2, monitor=0)
    assert ahead.predict(series)[0].middle.shape == (2, 1)
    with pytest.raises(CarouselError, match="row 58: time must rise"):
        fit(ahead, series[::-1], steps=2)


def test_held_out_data_may_be_given_apart(csv, tmp_path):
    """In memory and as files; then nothing of the first is kept for the test."""
    data, labels = order_of_a_pair(20)
    run = fit(
        SequenceModel("gru", hidden_size=4),
        data,
        labels,
        test_data=data[:5],
        test_targets=labels[:5],
        steps=2,
    )
    assert run.test.count == 5
    other = tmp_path / "other.csv"
    other.write_text("id,t,x,y,label\n" + "".join(f"a{k},0,1,0,up\n" for k in range(7)))
    run = fit(
        SequenceModel("gru", hidden_size=4), csv, target="label", sequence="id", test_file=str(other), steps=2
    )
    assert run.test.count == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"horizon": 3}, "horizon is an option of task forecast; got horizon=3 for classify"),
        ({"valid": 0.6, "test": 0.5}, "must leave a share to learn from; got 0.6 and 0.5"),
        ({"task": "forecast", "text": "x"}, "text is an option of task tag and classify"),
        ({"task": "guess"}, "task must be one of tag, classify, forecast"),
        ({"epochs": 1, "minutes": 1}, "give epochs or minutes, not both"),
        ({"cell": "mlp", "recurrent_dropout": 0.1}, "belongs to a cell with recurrence"),
    ],
)
def test_options_that_cannot_be_are_told(options, message):
    """When the configuration is made, before any data are read."""
    with pytest.raises(CarouselError, match=message):
        SequenceConfig(**options)


def test_mistakes_in_data_are_told_before_training(config, csv, tmp_path):
    """One class, no label, too few rows, too many paths; nothing is written."""
    for text, message, options in (
        ("id,x,label\n" + "".join(f"{k},1,a\n" for k in range(20)), "has 'a' alone", {}),
        ("id,x,label\n1,1,a\n2,1,b\n", "needs at least one of the sequences", {}),
        (
            "id,x,label\n1,1,a\n",
            "needs at least one of the steps",
            {"task": "forecast", "target": "x", "inputs": "x"},
        ),
    ):
        csv.write_text(text)
        with pytest.raises(CarouselError, match=message):
            train(config=config.override(**options))
    with pytest.raises(CarouselError, match="learns from one CSV file; got 2"):
        train(config=config.override(paths=[str(csv), str(csv)]))
    with pytest.raises(
        CarouselError, match="too few rows: 30, of which 22 are to learn from, but a forecast 5 ahead"
    ):
        fit(SequenceModel("gru", Forecast(horizon=5, season=24)), np.arange(30.0))
    with pytest.raises(CarouselError, match=r"hidden_size is an option of the model"):
        fit(SequenceModel(), [[1.0]], ["a"], hidden_size=3)
    with pytest.raises(CarouselError, match="a table holds labels and weights in its columns"):
        fit(SequenceModel(), csv, ["a"], target="label")
    with pytest.raises(CarouselError, match="sequence '1' of the data has no label"):
        fit(SequenceModel("gru", "tag"), [[1.0, 2.0]] * 9, [["a", "b"], [None, None]] + [["a", "b"]] * 7)
    for text, message, options in (
        ("x\n" + "1\n2\n3\n" * 16 + "NA\n" * 12, "the test part of .* has no value of the column 'x'", {}),
        ("x,l\n" + "5,a\n3,b\n" * 30 + "1,?\n" * 14, "the test part of .* has no label", {"target": "l"}),
    ):
        csv.write_text(text)
        head = "tag" if options else Forecast()
        with pytest.raises(CarouselError, match=message):
            fit(SequenceModel("gru", head, hidden_size=3), csv, **options)
    assert not (tmp_path / "run").exists()
