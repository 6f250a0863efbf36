"""`carousel diagnose`: runs, weights and checkpoints, on text, numbers and noise."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file


def test_a_run_is_diagnosed_on_its_test_files(run, carousel):
    """Findings are printed, and the page lies in the run's folder."""
    folder, _ = run
    done = carousel("diagnose", folder, "--steps", 24)
    assert done.status == 0, done.err
    assert "held-out text" in done.out
    assert "recurrent.l0" in done.out
    assert "cross-entropy" in done.out  # what the run has learned to lower
    page = (folder / "diagnosis.html").read_text(encoding="utf-8")
    assert "recurrent.l0" in page
    assert "What was found, and what to do" in page


def test_a_run_reads_other_text(run, text, carousel, tmp_path):
    """Weights alone need text; with it they are diagnosed too, and the page goes where it is sent."""
    folder, _ = run
    weights = folder / "weights.safetensors"
    assert "--data" in carousel("diagnose", weights).err
    copied = tmp_path / "other.py"
    copied.write_text(text.read_text(encoding="utf-8")[:2000], encoding="utf-8")
    done = carousel("diagnose", folder, "--data", copied, "--out", tmp_path / "page.html", "--steps", 20)
    assert done.status == 0, done.err
    assert (tmp_path / "page.html").exists()


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_weights_of_others_read_noise_and_say_so(tmp_path, carousel, ending):
    """What was assumed of the layers, and that no data was given."""
    weights = {f"net.rnn.{name}": value for name, value in torch.nn.GRU(3, 6).state_dict().items()}
    path = tmp_path / f"w.{ending}"
    save_file(weights, path) if ending == "safetensors" else torch.save(weights, path)
    done = carousel("diagnose", path, "--steps", 20, "--out", tmp_path / "p.html")
    assert done.status == 0, done.err
    assert "noise" in done.out
    assert "resets after the product" in done.out
    assert "net.rnn.l0" in done.out


def test_numbers_come_from_csv_and_npy(tmp_path, carousel):
    """A head line is skipped; a file of another width is refused; the data are named."""
    torch.save(torch.nn.LSTM(2, 5).state_dict(), tmp_path / "w.pt")
    values = np.sin(np.arange(300)[:, None] * [0.1, 0.3])
    np.savetxt(tmp_path / "s.csv", values, delimiter=",", header="a,b", comments="")
    np.save(tmp_path / "s.npy", values)
    np.save(tmp_path / "wide.npy", np.zeros((50, 3)))
    for name in ("s.csv", "s.npy"):
        done = carousel(
            "diagnose",
            tmp_path / "w.pt",
            "--data",
            tmp_path / name,
            "--steps",
            30,
            "--out",
            tmp_path / "p.html",
        )
        assert done.status == 0, done.err
        assert f"{name}, 300 steps" in done.out
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "words.npy", np.array(["a", "b"]))
    for name in ("empty.npy", "words.npy"):
        assert (
            "could not be read as numbers"
            in carousel("diagnose", tmp_path / "w.pt", "--data", tmp_path / name).err
        )
    wide = carousel("diagnose", tmp_path / "w.pt", "--data", tmp_path / "wide.npy")
    assert wide.status == 2
    assert "reads 2 numbers" in wide.err


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"no checkpoint", "Save only the weights"), (None, "there is no file")],
    ids=["foreign", "missing"],
)
def test_mistakes_end_with_one_line(tmp_path, carousel, content, words):
    """Status 2, the reason, no traceback."""
    path = tmp_path / "w.pt"
    if content is not None:
        path.write_bytes(content)
    done = carousel("diagnose", path)
    assert done.status == 2
    assert words in done.err
    assert "Traceback" not in done.err
