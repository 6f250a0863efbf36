"""Recurrent layers out of a file of weights, by the names and shapes of its tensors; nothing in it is executed."""

from __future__ import annotations

import itertools
import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor, nn

from carousel.errors import CarouselError
from carousel.models.cells import check_layers
from carousel.models.tensors import DTYPES, read_tensor, restored
from carousel.nn import GRU, LSTM, RNN
from carousel.reading import opened
from carousel.tensor_file import open_tensors

_FIRST = re.compile(r"^(?P<path>.*?)\.?weight_ih_l0$")
_CELL = re.compile(r"((?:weight|bias)_(?:ih|hh))$")  # of LSTMCell and the like: a module of one layer
_KINDS = {1: "RNN", 3: "GRU", 4: "LSTM"}
_WHAT = "a run folder, a .safetensors file or a torch checkpoint"
# what an unpickler of untrusted bytes, and the reader of archives before it, may raise
_DAMAGE = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, ImportError, LookupError, MemoryError,
    NameError, OSError, RuntimeError, TypeError, ValueError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_OUTER = ("state_dict", "model_state_dict", "model", "net", "weights")  # where training scripts keep theirs


@dataclass(frozen=True)
class Guess:
    """One recurrent module as it was rebuilt, and what had to be assumed about it."""

    path: str
    module: nn.Module
    assumed: str


class GuessedModel(nn.Module):
    """The recurrent modules of a file, one after the other where their widths fit, each on noise where not."""

    def __init__(self, guesses: list[Guess]) -> None:
        super().__init__()
        self.guesses = guesses
        for guess in guesses:
            _place(self, guess.path or "recurrent", guess.module)

    @property
    def input_size(self) -> int:
        """The width that the first module reads."""
        return int(self.guesses[0].module.input_size)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """x: (T, B, I) of the first module; the output of the last."""
        random = torch.Generator().manual_seed(0)
        for guess in self.guesses:
            width = int(guess.module.input_size)  # type: ignore[arg-type]
            if x.shape[-1] != width:
                x = torch.randn(*x.shape[:2], width, generator=random).to(x)
            x, _ = guess.module(x)
        return x


def read_layers(path: str | Path) -> GuessedModel:
    """Rebuild the recurrent modules of a state_dict in safetensors or in a torch checkpoint.

    A checkpoint is read with `weights_only`, so that an untrusted file cannot run code.

    Raises CarouselError if the file is missing, damaged, would execute code, or holds no recurrent layer.
    """
    tensors = {_CELL.sub(r"\1_l0", name): value for name, value in _read_tensors(Path(path)).items()}
    paths = [match["path"] for name in tensors if (match := _FIRST.match(name))]
    if not paths:
        some = ", ".join(list(tensors)[:6])
        raise CarouselError(
            f"{path} holds no recurrent layer: no tensor's name ends in weight_ih_l0. Its names are {some}"
            f"{', ...' if len(tensors) > 6 else '.'}"
        )
    return GuessedModel([_rebuilt(each, tensors) for each in paths]).eval()


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file by its name."""
    if path.suffix == ".safetensors":
        with open_tensors(path, _WHAT) as file:
            entries = file.entries.items()
            return {name: read_tensor(file, name) for name, entry in entries if entry.dtype in DTYPES}
    with opened(path, _WHAT) as file:
        found = _tensors_in(_unpickled(file, path))
    if not found:
        raise CarouselError(f"{path} holds no named tensors. Save a state_dict: model.state_dict().")
    return {name: tensor for name, tensor in found.items() if _is_plain(tensor)}


def _unpickled(file: BinaryIO, path: Path) -> Any:
    """What torch reads from a checkpoint; whatever its readers raise becomes a CarouselError here."""
    try:
        if zipfile.is_zipfile(file) and any(
            each.compress_type != zipfile.ZIP_STORED for each in zipfile.ZipFile(file).infolist()
        ):
            raise CarouselError(
                f"{path} is compressed, and could fill the memory when unpacked. torch.save never compresses: save it "
                "again with torch.save."
            )
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about how an untrusted file was pickled: it is refused or read
            return torch.load(file, map_location="cpu", weights_only=True)
    except CarouselError:
        raise
    except pickle.UnpicklingError as error:
        raise CarouselError(
            f"{path} was not read: {_refused(error)}. Save only the weights: torch.save(model.state_dict(), path), "
            "or as safetensors."
        ) from None
    except _DAMAGE as error:
        # others raise a bare number, which says nothing
        readable = isinstance(error, (OSError, RuntimeError, EOFError, ValueError))
        why = _first_line(error) if readable else "its bytes cannot be read as one"
        raise CarouselError(
            f"{path} is no torch checkpoint, or a damaged one: {why}. Save a state_dict with torch.save."
        ) from None


def _is_plain(tensor: Tensor) -> bool:
    """Whether all its numbers are in memory, each once: not sparse, quantized or expanded."""
    unusual = tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu"
    if tensor.layout != torch.strided or unusual:
        return False
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def _refused(error: pickle.UnpicklingError) -> str:
    """Why a checkpoint was refused; torch's own message explains how to execute the code in it all the same."""
    asked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if asked is None:
        return "it is no torch checkpoint, or one that cannot be read without executing code"
    return f"it holds more than tensors and plain values, and loading it would execute code: it asks for {asked[1]}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _tensors_in(content: Any, depth: int = 0) -> dict[str, Tensor]:
    if not isinstance(content, Mapping) or depth > len(_OUTER):  # a dictionary may hold itself
        return {}
    own = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if any("weight" in name for name in own):
        return own
    inner = [content[name] for name in _OUTER if name in content]
    return next((found for each in inner if (found := _tensors_in(each, depth + 1))), own)


def _rebuilt(path: str, tensors: Mapping[str, Tensor]) -> Guess:
    prefix = f"{path}." if path else ""
    own = {
        name.removeprefix(prefix): tensor.float()
        for name, tensor in tensors.items()
        if name.startswith(prefix)
        and re.fullmatch(r"(weight|bias)_\w+_l\d+(_reverse)?", name.removeprefix(prefix))
    }
    first, recurrent = own["weight_ih_l0"], own.get("weight_hh_l0")
    if recurrent is None or not first.dim() == recurrent.dim() == 2 or not len(first) == len(recurrent) > 0:
        raise CarouselError(
            f"{prefix}weight_ih_l0 needs a weight_hh_l0 with as many rows; the file has none. Give a whole state_dict."
        )
    rows, inputs = first.shape
    projected = "weight_hr_l0" in own and own["weight_hr_l0"].dim() == 2
    hidden = own["weight_hr_l0"].shape[1] if projected else recurrent.shape[1]
    kind = _KINDS.get(rows // hidden) if hidden and rows % hidden == 0 else None
    if kind is None:
        raise CarouselError(
            f"{prefix}weight_hh_l0 of shape {tuple(recurrent.shape)} is no RNN, GRU or LSTM: 1, 3 or 4 blocks of rows "
            "are known. For a cell of your own, give the model itself to carousel.diagnose."
        )
    options: dict[str, Any] = {
        "num_layers": next(k for k in itertools.count(1) if f"weight_ih_l{k}" not in own),
        "bias": "bias_ih_l0" in own,
        "bidirectional": "weight_ih_l0_reverse" in own,
    }
    try:
        check_layers(options["num_layers"])
        make, assumed = _module(kind, inputs, hidden, own, options, projected)
        module = restored(make, own)
    except (RuntimeError, ValueError) as error:
        raise CarouselError(
            f"The tensors of {prefix or 'the file '}do not fit together: {_first_line(error)}"
        ) from None
    return Guess(path, module, assumed)


def _module(
    kind: str, inputs: int, hidden: int, own: Mapping[str, Tensor], options: dict[str, Any], projected: bool
) -> tuple[Callable[[], nn.Module], str]:
    """How the module is made, and what had to be assumed."""
    if kind == "LSTM" and projected:
        size = own["weight_hr_l0"].shape[0]
        return partial(nn.LSTM, inputs, hidden, proj_size=size, **options), f"an LSTM projected to {size}"
    if kind == "LSTM":
        peephole = "diagonal" if "weight_peephole_l0" in own else "full" if "weight_ch_l0" in own else "none"
        return partial(LSTM, inputs, hidden, peephole=peephole, **options), f"an LSTM, peephole {peephole}"
    if kind == "GRU":
        return partial(GRU, inputs, hidden, **options), "a GRU that resets after the product, as torch's"
    return partial(RNN, inputs, hidden, **options), "an RNN with tanh (a file does not say which)"


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module where its name says, making what lies between."""
    *above, last = path.split(".")
    try:
        for name in above:
            if name not in dict(root.named_children()):
                root.add_module(name, nn.Module())
            root = root.get_submodule(name)
        root.add_module(last, module)
    except KeyError:  # an empty part, or the name of something else that every module has, such as forward
        raise CarouselError(
            f"A layer cannot have the name {path!r:.80}. Rename the tensors of the file."
        ) from None
