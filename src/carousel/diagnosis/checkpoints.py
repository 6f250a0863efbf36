"""Recurrent layers out of a file of weights, by the names and shapes of its tensors; nothing in it is executed."""

from __future__ import annotations

import itertools
import pickle
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from carousel.errors import CarouselError
from carousel.nn import GRU, LSTM, RNN

_FIRST = re.compile(r"^(?P<path>.*?)\.?weight_ih_l0$")
_CELL = re.compile(r"((?:weight|bias)_(?:ih|hh))$")  # of LSTMCell and the like: a module of one layer
_KINDS = {1: "RNN", 3: "GRU", 4: "LSTM"}
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

    A checkpoint is read with `weights_only`, so that a file from a stranger cannot run code.

    Raises CarouselError if the file is missing, damaged, would execute code, or holds no recurrent layer.
    """
    tensors = {_CELL.sub(r"\1_l0", name): value for name, value in read_tensors(path).items()}
    guesses = list(_guesses(tensors))
    if not guesses:
        some = ", ".join(list(tensors)[:6])
        raise CarouselError(
            f"{path} holds no recurrent layer: no tensor's name ends in weight_ih_l0. Its names are {some}"
            f"{', ...' if len(tensors) > 6 else '.'}"
        )
    return GuessedModel(guesses).eval()


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Every tensor of a file by its name; see `read_layers`."""
    path = Path(path)
    if not path.is_file():
        raise CarouselError(
            f"{path} is no file. Give a run folder, a .safetensors file or a torch checkpoint."
        )
    if path.suffix == ".safetensors":
        try:
            return dict(load_file(path))
        except (SafetensorError, OSError) as error:
            raise CarouselError(f"{path} is not a whole safetensors file: {error}") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of how a foreign file was pickled: it is refused or read
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CarouselError(
            f"{path} was not read: {_refused(error)}. Save only the weights: torch.save(model.state_dict(), path), "
            "or as safetensors."
        ) from None
    except Exception as error:  # foreign bytes make an unpickler stumble over anything
        raise CarouselError(f"{path} is no torch checkpoint, or a damaged one: {_damage(error)}") from None
    found = _tensors_in(content)
    if not found:
        raise CarouselError(f"{path} holds no named tensors; a state_dict is needed.")
    return found


def _refused(error: pickle.UnpicklingError) -> str:
    """Why, in our words: torch's own go on to say how the code in a file may be executed all the same."""
    asked = re.search(r"GLOBAL ([\w.]+)", str(error))
    if asked is None:
        return "it is no torch checkpoint, or one that cannot be read without executing code"
    return f"it holds more than tensors and plain values, and loading it would execute code: it asks for {asked[1]}"


def _damage(error: BaseException) -> str:
    """In words: what an unpickler of foreign bytes stumbles over, as a bare number, says nothing to anybody."""
    if isinstance(error, (OSError, RuntimeError, EOFError, ValueError)):
        return _first_line(error)
    return "its bytes cannot be read as one. A state_dict saved by torch.save is needed."


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def _tensors_in(content: Any) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    own = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if any("weight" in name for name in own):
        return own
    inner = [content[name] for name in _OUTER if name in content]
    return next((found for each in inner if (found := _tensors_in(each))), own)


def _guesses(tensors: Mapping[str, Tensor]) -> Iterator[Guess]:
    for name in tensors:
        match = _FIRST.match(name)
        if match:
            yield _rebuilt(match["path"], tensors)


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
        raise CarouselError(f"{prefix}weight_ih_l0 has no weight_hh_l0 of as many rows beside it.")
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
        module, assumed = _module(kind, inputs, hidden, own, options, projected)
        module.load_state_dict(own)
    except (RuntimeError, ValueError) as error:
        raise CarouselError(
            f"The tensors of {prefix or 'the file '}do not fit together: {_first_line(error)}"
        ) from None
    return Guess(path, module, assumed)


def _module(
    kind: str, inputs: int, hidden: int, own: Mapping[str, Tensor], options: dict[str, Any], projected: bool
) -> tuple[nn.Module, str]:
    if kind == "LSTM" and projected:
        size = own["weight_hr_l0"].shape[0]
        return nn.LSTM(inputs, hidden, proj_size=size, **options), f"an LSTM projected to {size}"
    if kind == "LSTM":
        peephole = "diagonal" if "weight_peephole_l0" in own else "full" if "weight_ch_l0" in own else "none"
        return LSTM(inputs, hidden, peephole=peephole, **options), f"an LSTM, peephole {peephole}"
    if kind == "GRU":
        return GRU(inputs, hidden, **options), "a GRU that resets after the product, as torch's"
    return RNN(inputs, hidden, **options), "an RNN with tanh (a file does not say which)"


def _place(root: nn.Module, path: str, module: nn.Module) -> None:
    """Put a module where its name says, making what lies between."""
    *above, last = path.split(".")
    for name in above:
        if not hasattr(root, name):
            root.add_module(name, nn.Module())
        root = getattr(root, name)
    root.add_module(last, module)
