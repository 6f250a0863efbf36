"""Layers out of files of weights: what was saved comes back, and nothing in a file is executed."""

import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import carousel
from carousel.diagnosis.checkpoints import read_layers
from carousel.errors import CarouselError


class Tagger(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = torch.nn.ModuleDict(
            {"lstm": torch.nn.LSTM(5, 7, 2, bidirectional=True), "gru": torch.nn.GRU(14, 6, bias=False)}
        )
        self.decoder = torch.nn.RNN(6, 4)
        self.head = torch.nn.Linear(4, 2)


@pytest.mark.parametrize("wrap", ["plain", "state_dict", "model", "safetensors"])
def test_every_recurrent_module_is_rebuilt(tmp_path, wrap):
    """Names, sizes, layers, directions and weights, whatever lies around the state_dict."""
    weights = Tagger().state_dict()
    path = tmp_path / ("w.safetensors" if wrap == "safetensors" else "w.pt")
    if wrap == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights if wrap == "plain" else {"epoch": 3, wrap: weights}, path)
    model = read_layers(path)
    found = {guess.path: guess.module for guess in model.guesses}
    assert sorted(found) == ["decoder", "encoder.gru", "encoder.lstm"]
    lstm, gru, rnn = found["encoder.lstm"], found["encoder.gru"], found["decoder"]
    assert (lstm.hidden_size, lstm.num_layers, lstm.bidirectional) == (7, 2, True)
    assert (gru.hidden_size, gru.bias) == (6, False)
    assert torch.equal(lstm.weight_hh_l1_reverse, weights["encoder.lstm.weight_hh_l1_reverse"])
    assert torch.equal(rnn.bias_hh_l0, weights["decoder.bias_hh_l0"])
    x = torch.randn(12, 2, model.input_size)
    names = {layer.layer for layer in carousel.diagnose(model, x).layers}
    assert {"encoder.lstm.l0", "encoder.lstm.l1.reverse", "encoder.gru.l0", "decoder.l0"} <= names


@pytest.mark.parametrize("peephole", ["diagonal", "full"])
def test_peepholes_are_seen(tmp_path, peephole):
    """Our own LSTM comes back with its peepholes, and gives the same outputs."""
    lstm = carousel.LSTM(3, 4, peephole=peephole)
    torch.save(lstm.state_dict(), tmp_path / "w.pt")
    x = torch.randn(9, 2, 3)
    assert torch.equal(read_layers(tmp_path / "w.pt")(x), lstm(x)[0])


def test_cells_are_layers_too(tmp_path):
    """An LSTMCell's names have no layer number; stepped or run as a module, its weights do the same."""
    cell = torch.nn.LSTMCell(3, 4)
    torch.save({f"decoder.cell.{k}": v for k, v in cell.state_dict().items()}, tmp_path / "w.pt")
    model, x = read_layers(tmp_path / "w.pt"), torch.randn(1, 2, 3)
    assert [guess.path for guess in model.guesses] == ["decoder.cell"]
    torch.testing.assert_close(model(x)[0], cell(x[0])[0])


@pytest.mark.parametrize(
    "changed",
    [
        {"weight_ih_l0": torch.zeros(16)},
        {"weight_hh_l0": torch.zeros(0, 4)},
        {"weight_hh_l0": torch.zeros(16, 0)},
        {"weight_ih_l99999999": torch.zeros(16, 4)},
        {"weight_hr_l0": torch.zeros(9, 4)},
        {"weight_hr_l0": torch.zeros(4)},
    ],
)
def test_shapes_that_do_not_fit_are_told(tmp_path, changed):
    """Whatever a file holds under the names of an LSTM, at once and in words."""
    torch.save(torch.nn.LSTM(3, 4).state_dict() | changed, tmp_path / "w.pt")
    with pytest.raises(CarouselError, match=r"weight_hh_l0|do not fit together"):
        read_layers(tmp_path / "w.pt")


class Hostile:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_a_hostile_pickle_is_refused(tmp_path):
    """A checkpoint that would execute code executes none, and the error says what to do."""
    for name, save in (
        ("torch.pt", torch.save),
        ("bare.pt", lambda value, p: p.write_bytes(pickle.dumps(value))),
    ):
        save({"state_dict": Hostile(tmp_path / "struck")}, tmp_path / name)
        with pytest.raises(CarouselError, match="Save only the weights") as told:
            read_layers(tmp_path / name)
        assert "weights_only" not in str(told.value)  # no advice to execute it all the same
    assert not (tmp_path / "struck").exists()
    torch.save(torch.nn.LSTM(2, 3), tmp_path / "whole.pt")
    with pytest.raises(CarouselError, match=r"it asks for torch\.nn\.modules\.rnn\.LSTM"):
        read_layers(tmp_path / "whole.pt")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("w.pt", b"", "no torch checkpoint|was not read"),
        ("w.pt", b"PK\x03\x04 no zip at all", "no torch checkpoint|was not read"),
        ("w.pt", b"junk of no kind", "cannot be read as one|was not read"),
        ("w.pt", b"eeee", "cannot be read as one|was not read"),
        ("w.safetensors", b"12345678 nonsense", "not a whole safetensors"),
    ],
)
def test_damaged_files_are_told(tmp_path, name, content, words):
    """Empty, cut or foreign bytes are one clear error."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CarouselError, match=words):
        read_layers(tmp_path / name)


def test_files_without_recurrent_layers_are_told(tmp_path):
    """With the names that are there."""
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "w.pt")
    with pytest.raises(CarouselError, match=r"no recurrent layer.*weight, bias"):
        read_layers(tmp_path / "w.pt")
    with pytest.raises(CarouselError, match="does not exist"):
        read_layers(tmp_path / "none.pt")


def lstm_with(**changes):
    """The tensors of an LSTM, of which some are others."""
    return {**torch.nn.LSTM(3, 4).state_dict(), **changes}


def itself():
    """A dictionary that holds itself where training scripts keep their weights."""
    found = {}
    found["state_dict"] = {"model": found}
    return found


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (itself(), "holds no named tensors"),
        (lstm_with(weight_hh_l0=torch.zeros(1).expand(80_000, 20_000)), "needs a weight_hh_l0"),
        (lstm_with(weight_hh_l0=torch.eye(16, 4).to_sparse()), "needs a weight_hh_l0"),
        (lstm_with(weight_hh_l0=torch.ones(16, 4, device="meta")), "needs a weight_hh_l0"),
        (lstm_with(weight_hh_l0=torch.ones(16, 5)), "no RNN, GRU or LSTM"),
        (
            {
                "weight_ih_l0": torch.zeros(80_000, 0),
                "weight_hh_l0": torch.zeros(80_000, 0),
                "weight_hr_l0": torch.zeros(0, 20_000),
            },
            "do not fit together",
        ),
        ({f"weight_{a}_l{k}": torch.zeros(4, 4) for k in range(300) for a in ("ih", "hh")}, "at most 256"),
        ({f"forward.{name}": each for name, each in lstm_with().items()}, "name 'forward'"),
        ({f"a..{name}": each for name, each in lstm_with().items()}, "name 'a.'"),
    ],
)
def test_contents_that_no_layer_has(tmp_path, content, message):
    """Dictionaries in themselves, tensors without memory of their own, and names that no module can have."""
    torch.save(content, tmp_path / "m.pt")
    with pytest.raises(CarouselError, match=message):
        read_layers(tmp_path / "m.pt")


def test_a_compressed_checkpoint_is_refused(tmp_path):
    """torch never compresses: 50 KB of zeros would become 50 MB, and 50 MB all of the memory."""
    with zipfile.ZipFile(tmp_path / "m.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/data.pkl", bytes(10**6))
    with pytest.raises(CarouselError, match="is compressed"):
        read_layers(tmp_path / "m.pt")
