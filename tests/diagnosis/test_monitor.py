"""Looks while training: numbers that agree with the diagnosis, warnings when it turns, nothing changed, little time."""

import math
import sys
import warnings
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "usage"))

from sick import batch, exploding, healthy, saturated, vanishing
from used import Net, X

import carousel
from carousel.diagnosis import Monitor, diagnose, judge, monitor
from carousel.errors import CarouselError


def test_a_look_agrees_with_the_diagnosis():
    """Gradient by lag is that of the diagnosis on the same sequences; saturation is near it."""
    model, x = healthy(), batch()[:, :2]
    look = Monitor(1).look(model, x, step=7, total_norm=2.5)
    report = diagnose(model, x)
    expected = report.layers[0].gradient.log_total
    for lag, value in look.by_lag["RNN.l0"].items():
        middle = sorted((expected[lag] - expected[0]).tolist())[0]  # torch takes the lower of two
        assert value == pytest.approx(middle, abs=1e-3)
    assert look.saturated["RNN.l0"] == pytest.approx(report.layers[0].symptoms.saturation, abs=0.05)
    scalars = look.scalars()
    assert scalars["diagnosis/total norm"] == 2.5
    assert scalars["diagnosis/horizon/RNN.l0"] == look.horizon["RNN.l0"]
    assert scalars["diagnosis/gradient at lag 10/RNN.l0"] == look.by_lag["RNN.l0"][10] / math.log(10)


@pytest.mark.parametrize(
    ("make", "words"),
    [(vanishing, "1 % of the gradient"), (exploding, "gradient grows"), (saturated, "pass no gradient")],
)
def test_it_warns_once_when_it_has_turned(make, words):
    """Silent while all is well; two sick looks in a row give one warning; a third says nothing new."""
    model, watch, x = healthy(), Monitor(1), batch()
    assert watch.look(model, x, step=1).warnings == ()
    sick = make()
    name = "RNN.l0" if not isinstance(sick, torch.nn.GRU) else "GRU.l0"
    assert watch.look(sick, x, step=2).warnings == ()
    told = watch.look(sick, x, step=3).warnings
    assert len([each for each in told if words in each and name in each]) == 1
    assert watch.look(sick, x, step=4).warnings == ()


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU])
def test_it_warns_of_nothing_that_a_diagnosis_finds_well(kind):
    """A default start on noise has a short memory and no trouble: what the loss reads first fades sooner."""
    torch.manual_seed(0)
    model, x, watch = kind(8, 64), torch.randn(50, 4, 8), Monitor(1)
    assert [watch.look(model, x, step=step).warnings for step in (1, 2)] == [(), ()]
    assert not any(finding.is_trouble for finding in judge(model, x))


def test_it_looks_every_so_many_steps_and_not_beyond_its_share(monkeypatch):
    """The clock decides with the step: a look that took 1 s at a share of 2 % is followed by 49 s of training."""
    now = [0.0]
    monkeypatch.setattr(monitor.time, "perf_counter", lambda: now[0])
    watch = Monitor(every=10, share=0.02)
    assert [step for step in range(1, 11) if watch.is_due(step)] == [10]

    def slow(*args: object, **options: object) -> object:
        now[0] += 1.0
        return observe(*args, **options)

    observe = monitor.observe
    monkeypatch.setattr(monitor, "observe", slow)
    watch.look(healthy(), batch(steps=5), step=10)
    assert watch.spent == 1.0
    now[0] += 48.0
    assert not watch.is_due(100)
    now[0] += 1.1
    assert watch.is_due(100)
    assert not Monitor(every=10).is_due(1)


def test_options_out_of_range_are_refused():
    """The rule and what came."""
    with pytest.raises(CarouselError, match="every=0"):
        Monitor(every=0)


def test_lightning_trains_as_without_it(tmp_path):
    """The callback logs to TensorBoard, warns, and leaves every weight as it is without the callback."""
    lightning = pytest.importorskip("pytorch_lightning", reason="pytorch-lightning is not installed")
    from pytorch_lightning.loggers import TensorBoardLogger

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.rnn, self.head = torch.nn.LSTM(3, 8), torch.nn.Linear(8, 1)
            self.dropout = torch.nn.Dropout(0.1)

        def forward(self, x):
            return self.head(self.dropout(self.rnn(x)[0]))

        def training_step(self, batch, index):
            x, y = batch
            return torch.nn.functional.mse_loss(self(x[0]), y[0])

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    data = [(torch.randn(20, 4, 3), torch.randn(20, 4, 1)) for _ in range(12)]
    weights = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        watch = carousel.diagnosis.LightningMonitor(every=4, inputs=lambda batch: batch[0][0], share=1.0)
        for callbacks in ([], [watch]):
            torch.manual_seed(5)
            module = Module()
            trainer = lightning.Trainer(
                max_epochs=1,
                logger=TensorBoardLogger(tmp_path),
                callbacks=callbacks,
                enable_progress_bar=False,
                enable_model_summary=False,
                enable_checkpointing=False,
                accelerator="cpu",
            )
            trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=1))
            weights.append(module.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert [look.step for look in watch.looks] == [4, 8, 12]
    assert all(math.isfinite(look.total_norm) for look in watch.looks)
    events = next((tmp_path / "lightning_logs" / "version_1").glob("events*")).read_bytes()
    assert b"diagnosis/horizon/rnn.l0" in events


def test_lightning_without_recurrent_layers_is_refused():
    """Before training begins, by name."""
    pytest.importorskip("pytorch_lightning", reason="pytorch-lightning is not installed")
    watch = carousel.diagnosis.LightningMonitor()
    with pytest.raises(CarouselError, match="Linear holds none"):
        watch.on_fit_start(None, torch.nn.Linear(2, 2))


def test_training_is_watched():
    """A rate that overshoots is told at the second look, with the rate that was tried and lowers the loss."""
    model, targets = Net(), torch.randn(X.shape[1], 2, generator=torch.Generator().manual_seed(3))
    loss = lambda out: (out - targets).square().mean()  # noqa: E731
    watched = Monitor(every=1)
    wild = torch.optim.Adam(model.parameters(), 3.0)
    looks = [watched.look(model, X, step=step, loss=loss, optimizer=wild) for step in (1, 2, 3)]
    assert [len(look.warnings) for look in looks] == [0, 1, 0]
    assert "With the learning rate 3," in looks[1].warnings[0]
    sound = torch.optim.Adam(model.parameters(), 1e-3)
    again = Monitor(every=1)
    assert not any(again.look(model, X, step=k, loss=loss, optimizer=sound).warnings for k in (1, 2, 3))
