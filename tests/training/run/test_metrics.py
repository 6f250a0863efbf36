"""The numbers of a run as it goes."""

import pytest
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event

from carousel import CarouselError
from carousel.training.language.row import Row
from carousel.training.run.folder import RunFolder
from carousel.training.run.metrics import Metrics, read_metrics


def row(step, valid=None):
    return Row(
        step, step / 7, 0.1 * step, 1e-3, 2.5, 6.0, 0.3, 1e4, valid, None if valid is None else 2**valid
    )


def events(folder):
    """(step, tag) -> value of every scalar in the folder, each at most once."""
    found = {}
    for path in folder.events:
        for content in RawEventFileLoader(str(path)).Load():
            event = Event.FromString(content)
            for value in event.summary.value:
                assert (event.step, value.tag) not in found
                found[event.step, value.tag] = value.simple_value
    return found


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run")


def write(folder, rows, step=0):
    metrics = Metrics(folder, step, Row)
    for one in rows:
        metrics.append(one)
    metrics.close()


def test_rows_come_back_exactly(folder):
    """What was written is what is read, unknown values included."""
    rows = [row(1), row(2, valid=1 / 3)]
    write(folder, rows)
    assert read_metrics(folder.metrics, Row) == rows
    assert folder.metrics.read_text().startswith("step,epoch,seconds,lr,train_bits_per_character,")


def test_tensorboard_shows_the_same_numbers(folder):
    """Each known value of each row is one scalar event at its step."""
    write(folder, [row(1), row(2, valid=3)])
    found = events(folder)
    assert {step for step, _ in found} == {1, 2}
    assert found[2, "train/bits_per_character"] == 2.5
    assert found[2, "valid/perplexity"] == 8
    assert (1, "valid/perplexity") not in found
    assert len(found) == 7 + 9


def test_rows_beyond_the_checkpoint_are_dropped_on_resuming(folder):
    """Both files go on from the step of the checkpoint, with no step twice and none from the future."""
    write(folder, [row(step) for step in (1, 2, 3, 4)])
    write(folder, [row(3, valid=1.5), row(4)], step=2)
    expected = [row(1), row(2), row(3, valid=1.5), row(4)]
    assert read_metrics(folder.metrics, Row) == expected
    found = events(folder)
    assert sorted({step for step, _ in found}) == [1, 2, 3, 4]
    assert found[3, "valid/bits_per_character"] == 1.5
    assert len(folder.events) == 1


@pytest.mark.parametrize("kept", [1, 2, 5, 11, -1])
def test_a_torn_last_row_is_left_out(folder, kept):
    """A row of which a dying process wrote only a part, as "12" of "120,...", is not taken for another
    step.
    """
    write(folder, [row(1), row(12)])
    content = folder.metrics.read_text()
    last = content.splitlines()[-1]
    folder.metrics.write_text(content[: -len(last) - 1] + last[:kept])
    assert read_metrics(folder.metrics, Row) == [row(1)]
    write(folder, [], step=50)
    assert folder.metrics.read_text().splitlines() == [Row.header(), row(1).to_csv()]


def test_another_file_is_refused(tmp_path):
    """A missing or foreign CSV is a clear error."""
    (tmp_path / "m.csv").write_text("a,b\n1,2\n")
    (tmp_path / "empty.csv").write_text("")
    for name, message in (
        ("m", "is not the metrics"),
        ("empty", "is not the metrics"),
        ("absent", "does not exist"),
    ):
        with pytest.raises(CarouselError, match=rf"{name}\.csv {message}"):
            read_metrics(tmp_path / f"{name}.csv", Row)
