"""`carousel train`: what it leaves behind, what it says, and how it refuses."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import carousel as package


def test_a_run_leaves_everything_and_says_where(run):
    """The folder holds weights, report and samples; the closing lines name them and what to do next."""
    folder, done = run
    assert (done.status, done.err) == (0, "")
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.yaml",
        "vocabulary.json",
        "weights.safetensors",
        "metrics.csv",
        "report.html",
        "samples.txt",
    } <= names
    for expected in (
        "bits per character",
        str(folder / "report.html"),
        str(folder / "samples.txt"),
        f"carousel generate {folder}",
        f"carousel evaluate {folder}",
        f"tensorboard --logdir {folder}",
    ):
        assert expected in done.out


def test_without_a_terminal_the_output_is_plain_lines(run):
    """No control codes, and a line about an evaluation."""
    _, done = run
    assert "\x1b" not in done.out
    assert "\r" not in done.out
    assert ": valid " in done.out


def test_the_report_of_a_real_run_has_its_numbers(run):
    """The page that the command wrote says the bits per character that it printed."""
    folder, done = run
    printed = done.out.split(" bits per character")[0].split()[-1]
    html = (folder / "report.html").read_text(encoding="utf-8")
    assert f">{printed}</data>" in html
    for heading in (
        "What it writes",
        "What its units hold",
        "How open its gates are",
        "How far back its gradient reaches",
    ):
        assert heading in html


def test_options_go_before_the_file(carousel, text, tmp_path):
    """--config gives options, flags override them, and the rest are defaults."""
    config = tmp_path / "options.yaml"
    config.write_text(
        f"paths: ['{text}']\nhidden_size: 9\ncell: gru\nbatch: 4\nbptt: 20\nsteps: 3\nthreads: 1\n"
    )
    done = carousel(
        "train", "--config", config, "--cell", "rnn-tanh", "--lr", "0.01", "--out", tmp_path / "run"
    )
    assert done.status == 0, done.err
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert {name: stored[name] for name in ("hidden_size", "cell", "lr", "steps")} == {
        "hidden_size": 9,
        "cell": "rnn-tanh",
        "lr": 0.01,
        "steps": 3,
    }


def test_a_finished_run_resumes_to_itself(carousel, run):
    """--resume on a finished run says that first, writes a report that is missing and changes nothing else."""
    folder, _ = run
    weights = (folder / "weights.safetensors").read_bytes()
    (folder / "report.html").unlink()
    done = carousel("train", "--resume", folder)
    assert done.status == 0
    assert "already finished" in done.out.splitlines()[0]
    written = (folder / "report.html").stat().st_mtime_ns
    assert carousel("train", "--resume", folder).status == 0
    assert (folder / "report.html").stat().st_mtime_ns == written
    assert (folder / "weights.safetensors").read_bytes() == weights


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["/no/such/file"], "/no/such/file"),
        (["--hidden", "0"], "hidden_size must be at least 1; got 0"),
        (["--hidden", "-3"], "hidden_size must be at least 1; got -3"),
        (["--cell", "lstn"], "lstn"),
        (["--epochs", "1", "--minutes", "1"], "not both"),
        (["--epochs", "1", "--steps", "3"], "give --epochs or --steps, not both"),
        (["--steps", "3", "--minutes", "1"], "give --minutes or --steps, not both"),
        (["--threads", "1000000"], "threads must be at most"),
        (["--model", "tdnn", "--cell", "gru"], "cell is an option of --model rnn; got cell=gru for tdnn"),
        (["--momentum", "0.5", "--optimizer", "adamw"], "momentum belongs to optimizer sgd"),
        (["--decay", "3"], "decay belongs to schedule decay"),
        (["--locked-dropout", "--task", "tag"], "locked_dropout belongs to dropout above 0"),
        (["--hiden", "3"], "--hidden"),
        (["--hidden", "many"], "--hidden"),
        (["--config", "/no/such.yaml"], "/no/such.yaml does not exist"),
        (["--resume", "/no/such/run"], "/no/such/run"),
        (["--resume", "runs/001", "--lr", "1", "book.txt"], "got --lr, PATHS as well"),
    ],
)
def test_bad_input_is_one_message_and_status_2(carousel, tmp_path, monkeypatch, arguments, words):
    """The message on stderr names what came; nothing is written, nothing is traced."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    done = carousel("train", *arguments)
    assert done.status == 2
    assert words in done.err
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_files_that_are_left_out_are_named(carousel, run, tmp_path):
    """What a search finds and cannot read as text is told by both commands that read folders."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.py").write_text("def f(a, b):\n    return a\n" * 200)
    (tmp_path / "text" / "b.py").write_bytes(b"\0\1")
    options = ("--hidden", 4, "--batch", 2, "--bptt", 5, "--steps", 1, "--threads", 1, "--level", "char")
    done = carousel("train", tmp_path / "text", *options, "--out", tmp_path / "run")
    assert done.status == 0, done.err
    assert "left out 1 file that is not text: b.py" in done.out
    done = carousel("evaluate", run[0], tmp_path / "text")
    assert "left out 1 file that is not text: b.py" in done.err


def test_a_run_is_never_overwritten(carousel, run, text):
    """--out of an existing run is refused, with the command that would go on with it."""
    folder, _ = run
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    done = carousel("train", text, "--out", folder)
    assert done.status == 2
    assert f"--resume {folder}" in done.err
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as on POSIX")
def test_ctrl_c_saves_and_says_how_to_go_on(text, tmp_path):
    """SIGINT while training: status 130, the resume command on stderr, no traceback, and a checkpoint."""
    source = str(Path(package.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-u", "-c", "from carousel.cli import main; main()", "train", str(text)]
    command += ["--hidden", "8", "--batch", "4", "--bptt", "10", "--steps", "10000000", "--threads", "1"]
    process = subprocess.Popen(
        [*command, "--out", "run"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step "):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "carousel train --resume run" in err
    assert "Traceback" not in err
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_a_preset_is_refused_beside_a_file_and_by_a_wrong_name(carousel, tmp_path):
    """Either says where options come from; a wrong name gets the nearest."""
    path = tmp_path / "c.yaml"
    path.write_text("hidden_size: 8\n")
    done = carousel("train", "--preset", "char-rnn", "--config", path)
    assert done.status == 2
    assert "--config" in done.err
    assert "Give one of them" in done.err
    done = carousel("train", "--preset", "char-rn")
    assert done.status == 2
    assert "did you mean char-rnn" in done.err


def test_parts_are_told_and_a_run_goes_on_in_another(carousel, tmp_path):
    """Names of a published corpus are its parts, printed before training; --from trains on from there."""
    for part, lines in (("train", 400), ("valid", 40), ("test", 30)):
        (tmp_path / f"ptb.{part}.txt").write_text("the cat <unk> the dog\n" * lines)
    small = ("--level", "token", "--hidden", 6, "--batch", 2, "--bptt", 8, "--steps", 2, "--threads", 1)
    first = carousel("train", tmp_path, "--out", tmp_path / "runs" / "1", *small)
    assert first.status == 0
    assert "test: 660 characters, 1 file (ptb.test.txt), by its name\n" in first.out
    assert first.out.index("test: 660") < first.out.index("parameters,")
    on = carousel("train", "--from", tmp_path / "runs" / "1", "--steps", 1, "--out", tmp_path / "runs" / "2")
    assert on.status == 0
    assert "test: 660 characters" in on.out
    refused = carousel("train", "--from", tmp_path / "runs" / "1", "--hidden", 7)
    assert refused.status == 2
    assert "hidden_size is 6 in" in refused.err
