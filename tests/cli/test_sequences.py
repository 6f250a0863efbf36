"""`carousel train --task`, `predict` and `diagnose` on sequences in CSV files, as a user calls them."""

import csv
import io
import math

import numpy as np
import pytest

from carousel import SequenceModel, evaluate, fit


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """40 sequences whose label is the sign of x; a column of kinds; one value is missing."""
    path = tmp_path_factory.mktemp("data") / "steps.csv"
    lines = ["id,t,x,kind,label"]
    for k in range(40):
        sign = 1 if k % 2 else -1
        lines += [
            f"s{k},{t},{'' if k + t == 0 else sign * (1 + t / 9)},k{t % 2},{sign}" for t in range(3 + k % 4)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    """120 months with a season."""
    path = tmp_path_factory.mktemp("data") / "months.csv"
    months = [
        f"{2000 + k // 12}-{k % 12 + 1:02d},{100 + k + 20 * math.sin(k * math.pi / 6):.3f}"
        for k in range(120)
    ]
    path.write_text("\n".join(["month,sales", *months]) + "\n")
    return path


SMALL = ("--steps", 12, "--hidden", 6, "--cell", "gru", "--threads", 1, "--lr", 0.05)


def unwrapped(text):
    """A printed paragraph as one line."""
    return " ".join(text.split())


def rows(text):
    return list(csv.reader(io.StringIO(text)))


def test_classify_from_a_file_to_predictions(carousel, table, tmp_path):
    """Training says how many labels were right; the report compares; predictions are a table; a diagnosis follows."""
    run = tmp_path / "run"
    options = ("--target", "label", "--sequence", "id", "--time", "t", "--categories", "kind")
    done = carousel("train", "--task", "classify", table, *options, "--out", run, *SMALL)
    assert done.status == 0
    assert "test part: 100.0 % right" in done.out
    assert f"carousel predict {run} NEW.csv" in done.out
    page = (run / "report.html").read_text()
    for expected in ("the most frequent label", "a network without recurrence", "Confusions"):
        assert expected in page
    found = rows(carousel("predict", run, table).out)
    assert found[0] == ["sequence", "label", "probability"]
    assert [row[:2] for row in found[1:4]] == [["s0", "-1"], ["s1", "1"], ["s2", "-1"]]
    diagnosed = carousel("diagnose", run)
    assert "recurrent.l0" in diagnosed.out
    assert "loss: the cross-entropy, in nats, of the label of each sequence" in unwrapped(diagnosed.out)
    assert (run / "diagnosis.html").exists()
    again = carousel("train", "--resume", run)
    assert "already finished" in again.out
    held = carousel("evaluate", run)
    assert held.out.startswith("100.0 % of 6 labels right")
    assert "always the most frequent one: 50.0 %" in held.out
    assert carousel("evaluate", run, table).out.startswith("100.0 % of 40 labels right")


def test_what_cannot_be_evaluated_is_told(carousel, table, tmp_path):
    """Options of text, two files, a label that was never learned, data that changed since."""
    run, own = tmp_path / "run", tmp_path / "own.csv"
    own.write_text(table.read_text())
    options = ("--target", "label", "--sequence", "id", "--inputs", "x", "--out", run)
    assert carousel("train", "--task", "classify", own, *options, *SMALL).status == 0
    other = tmp_path / "other.csv"
    other.write_text("id,x,label\na,1,5\n")
    own.write_text(own.read_text().replace("s39,0,", "s39,0,1", 1))
    for arguments, message in (
        ((run, "--lines"), "--lines and --tokens are of text"),
        ((run, table, table), "one CSV file; got 2"),
        ((run, other), "has the label '5', which the model has not learned; it knows '-1', '1'"),
        ((run,), "have changed since the run began"),
        ((run / "weights.safetensors",), "holds weights alone, without a test part"),
    ):
        done = carousel("evaluate", *arguments)
        assert done.status == 2
        assert message in done.err


def test_forecast_from_a_file_to_what_comes(carousel, series, tmp_path):
    """The months are the time; six values come with their bounds, written to a file."""
    run, out = tmp_path / "run", tmp_path / "ahead.csv"
    done = carousel(
        "train", "--task", "forecast", series, "--horizon", 6, "--season", 12, "--out", run, *SMALL
    )
    assert done.status == 0
    assert "of seasonal-naive; best weights of step" in done.out
    page = (run / "report.html").read_text()
    for expected in ("Error by steps ahead", "sales, forecast 6 steps ahead", "the seasonal-naive forecast"):
        assert expected in page
    assert carousel("predict", run, series, "--out", out).out == ""
    found = rows(out.read_text())
    assert found[0] == ["sequence", "ahead", "column", "forecast", "low", "high"]
    assert [row[1:3] for row in found[1:]] == [[str(k), "sales"] for k in range(1, 7)]
    assert all(float(low) < float(middle) < float(high) for *_, middle, low, high in found[1:])
    held = carousel("evaluate", run).out.splitlines()
    assert "of the seasonal-naive forecast's error" in held[0]
    assert done.out.split("test part: error ")[1].split()[0] == held[0].split()[0]
    assert held[1].startswith("  sales: mean absolute error")
    assert carousel("evaluate", run, series).out.splitlines()[1].startswith("  sales")
    for data in ((), ("--data", series)):
        told = unwrapped(carousel("diagnose", run, *data).out)
        assert (
            "minus the log density, in nats, that was given to the 6 values that follow each sequence" in told
        )


def test_tags_are_predicted_step_by_step(carousel, table, tmp_path):
    """A line for each row of the file, in its order within each sequence."""
    run = tmp_path / "run"
    options = ("--target", "kind", "--sequence", "id", "--inputs", "x,t")
    assert carousel("train", "--task", "tag", table, *options, "--out", run, *SMALL).status == 0
    found = rows(carousel("predict", run, table).out)
    assert found[0] == ["sequence", "step", "label", "probability"]
    assert [row[:2] for row in found[1:5]] == [["s0", "1"], ["s0", "2"], ["s0", "3"], ["s1", "1"]]
    words = "the cross-entropy, in nats, of the label of the last step of each sequence"
    assert words in unwrapped(carousel("diagnose", run).out)
    bare = tmp_path / "bare.csv"
    bare.write_text("id,t,x\n" + "".join(f"a,{t},{t}\n" for t in range(9)))
    assert "the squared norm" in unwrapped(
        carousel("diagnose", run, "--data", bare).out
    )  # nothing is known to ask for


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--level", "char"),
            "--level is an option of language models; leave it out of sequences in a CSV file",
        ),
        (("--season", "12"), "season is an option of task forecast"),
        (("--cell", "mlp", "--weight-drop", "0.1"), "weight_drop belongs to a cell with recurrence"),
        ((), "task classify needs target"),
        (("--target", "lable"), "Did you mean 'label'?"),
        (("--target", "label"), "the column 'id' of"),
    ],
)
def test_mistakes_end_with_one_line(carousel, table, tmp_path, arguments, message):
    """Status 2, the rule, and no folder."""
    done = carousel("train", "--task", "classify", table, "--out", tmp_path / "run", *arguments)
    assert done.status == 2
    assert message in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_unsorted_time_is_told_without_being_named(carousel, tmp_path):
    """The first column is called time, so it is the time: one line, and no folder; sorted, training says its name."""
    path = tmp_path / "tn.csv"
    path.write_text("time,v\n" + "".join(f"{7 * k % 50},{k % 5}\n" for k in range(50)))
    done = carousel("train", "--task", "forecast", path, "--out", tmp_path / "run", *SMALL)
    assert done.status == 2
    assert "time must rise from row to row, but '6' in the column 'time'" in done.err
    assert not (tmp_path / "run").exists()
    path.write_text("time,v\n" + "".join(f"{k},{k % 5}\n" for k in range(50)))
    done = carousel("train", "--task", "forecast", path, "--out", tmp_path / "run", *SMALL)
    assert "in the order of the column 'time'" in done.out
    assert [row[2] for row in rows(carousel("predict", tmp_path / "run", path).out)[1:]] == ["v"]


def test_options_of_sequences_need_their_task(carousel, table):
    """Without --task they have no meaning."""
    done = carousel("train", table, "--horizon", 3)
    assert done.status == 2
    assert "--horizon is an option of sequences in a CSV file; choose one by --task" in done.err


def test_a_configuration_file_names_its_task(carousel, series, tmp_path):
    """--config of an older run trains the same again."""
    first, second = tmp_path / "first", tmp_path / "second"
    carousel("train", "--task", "forecast", series, "--season", 12, "--out", first, *SMALL)
    done = carousel("train", "--config", first / "config.yaml", "--out", second)
    assert done.status == 0
    assert (first / "weights.safetensors").read_bytes() == (second / "weights.safetensors").read_bytes()


def test_a_run_on_data_in_memory_has_its_test_part(carousel, tmp_path):
    """`evaluate` and `diagnose` find the data that `fit` stored in the run folder."""
    data = [np.full((5 + k % 3, 1), float(k % 2)) for k in range(40)]
    model = SequenceModel("gru", hidden_size=4)
    fit(model, data, [k % 2 for k in range(40)], steps=2, out=tmp_path / "run")
    done = carousel("evaluate", tmp_path / "run")
    assert "of 6 labels right" in done.out, done.err
    assert evaluate(tmp_path / "run").count == 6
    done = carousel("diagnose", tmp_path / "run")
    assert "test part, 6 sequences" in unwrapped(done.out), done.err
