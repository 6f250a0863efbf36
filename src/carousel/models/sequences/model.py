"""A model of sequences that are not text: recurrent layers, and a head that defines what is predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from carousel.data.sequences import (
    Encoding,
    Layout,
    Sequences,
    from_arrays,
    from_table,
    is_frame,
    read_table,
    table_of_frame,
)
from carousel.data.sequences.table import Table
from carousel.errors import CarouselError
from carousel.models.initial import initialise
from carousel.models.recurrent import between_layers, drop_around, recurrent_layers
from carousel.models.sequences.description import Description
from carousel.models.sequences.heads import (
    MLP_CELL,
    Head,
    check_model,
    head_from_dict,
    head_of,
    head_to_dict,
)
from carousel.models.sequences.layers import OUTPUTS
from carousel.models.sequences.mlp import MLP
from carousel.models.tensors import distinct, fitting, load_tensors, restored, save_tensors, weights_in
from carousel.nn.eval_view import eval_view
from carousel.plain import arguments_in, described

KIND = "sequence model"
_TOGETHER = 64  # sequences run side by side


class SequenceModel(nn.Module):
    """A model that reads sequences of numbers and symbols.

    It predicts a label at each step, a label for each sequence, or the next values. Its sizes, its labels and the
    scaling of its inputs come from the data that `carousel.fit` first trains it on; its file stores them.

    Args:
        cell: one of `carousel.models.CELLS`: "lstm", "gru", "rnn-tanh", ...; or "mlp", which has no recurrence.
        head: "tag", "classify" or "forecast", or `carousel.Forecast(horizon=12, season=12)`.
        hidden_size: H, units of each layer.
        num_layers: number of layers.
        bidirectional: read sequences from both ends; a forecast cannot.
        context: the number of steps that an "mlp" sees.
        dropout: share of values dropped on the way in, between layers and on the way out.
        locked_dropout: with one mask for all steps of a sequence (Gal & Ghahramani 2016).
        weight_drop: share of the numbers of the recurrent matrices dropped (Merity et al. 2018).
        recurrent_dropout: share of h that is dropped from recurrent products (Gal & Ghahramani 2016).

    Raises CarouselError for an unknown cell or head, sizes below 1, and options that exclude each other.

    >>> import carousel, numpy as np
    >>> model = carousel.SequenceModel("gru", head="classify", hidden_size=8)
    >>> data = [np.full((5 + k % 3, 1), float(k % 2)) for k in range(40)]
    >>> run = carousel.fit(model, data, [k % 2 for k in range(40)], steps=40, lr=0.05)
    >>> model.predict([np.ones((4, 1)), np.zeros((6, 1))])
    [1, 0]
    >>> model.probabilities([np.ones((4, 1))]).shape
    (1, 2)
    >>> columns, row = model.table([np.ones((4, 1))])
    >>> columns, row[1]
    (('sequence', 'label', 'probability'), 1)
    >>> items = model.read([np.ones((4, 1))]).items
    >>> [output] = model.outputs([model.fitted_encoding.encode(item) for item in items])
    >>> output.shape  # two logits
    (2,)
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> model.save(path)
    >>> SequenceModel.load(path).predict([[[1.0]]])
    [1]
    """

    def __init__(
        self,
        cell: str = "lstm",
        head: str | Head = "classify",
        *,
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        context: int = 1,
        dropout: float = 0.0,
        locked_dropout: bool = False,
        weight_drop: float = 0.0,
        recurrent_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.head: Any = head_of(head)  # a Head
        given = {name: value for name, value in locals().items() if name != "head"}
        self.options = arguments_in(SequenceModel.__init__, given)
        check_model(self.head, self.options)
        self.encoding: Encoding | None = None
        self.layout: Layout | None = None
        self.labels: list[Any] = []
        self.targets = 0
        self.widening = 1.0  # factor of a forecast's intervals, set so that they fit the valid part

    def prepare(
        self, encoding: Encoding, labels: list[Any], targets: int = 0, layout: Layout | None = None
    ) -> None:
        """Make the layers for data, with first weights from torch's random state. `carousel.fit` calls this method.

        encoding: how the columns become inputs. labels: those to choose from. targets: the number of columns to
        forecast. layout: what the columns of the table are, if the data were a table.

        >>> from carousel.data.sequences import Span, from_arrays
        >>> data = from_arrays("classify", [[[0.0]], [[1.0]]], ["no", "yes"])
        >>> model = SequenceModel("gru", hidden_size=4)
        >>> model.prepare(Encoding.fit(data, [Span(0, 0, 1), Span(1, 0, 1)]), data.labels)
        >>> model(torch.zeros(5, 3, 1)).shape
        torch.Size([3, 2])
        """
        self.encoding, self.labels, self.targets, self.layout = encoding, list(labels), targets, layout
        options = self.options
        layer = OUTPUTS[self.head.task]
        width = layer.input_width(encoding.width, targets)
        if options["cell"] == MLP_CELL:
            self.recurrent: nn.Module = MLP(
                width,
                options["hidden_size"],
                options["num_layers"],
                options["context"],
                between_layers(options),
            )
        else:
            self.recurrent = recurrent_layers(width, options)
            initialise(self.recurrent)
        features = options["hidden_size"] * (2 if options["bidirectional"] else 1)
        self.out = layer(features, self.head, len(labels), targets)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        """The outputs for encoded sequences.

        x: (T, B, I), as `encoding` gives them; lengths: (B,), int64 on the CPU, None: all have T steps. Returns logits,
        (T, B, V) or, for one label, (B, V); of a forecast (T, B, H, K, 2), mean and log deviation of scaled values.
        """
        encoding = self.fitted_encoding
        if x.dim() != 3 or x.shape[-1] != encoding.width:
            raise CarouselError(f"x must be (T, B, {encoding.width}); its shape is {tuple(x.shape)}.")
        hidden, _ = self.recurrent(self._drop(self.out.inputs(x)), lengths=lengths)
        output: Tensor = self.out(self._drop(hidden), x, lengths)
        return output

    def predict(self, data: Any, *, lengths: Any = None) -> Any:
        """Predictions for new sequences, in the form in which the model was trained: arrays, a DataFrame, a CSV file.

        data: a list of (T_i, I), one padded array (N, T, I) with `lengths` (N,), a DataFrame, or a path.
        Returns one entry for each sequence: a label, a list of labels for its steps, or a `Prediction` of the values
        that follow the last step.

        Raises CarouselError for a model that was not trained, for data that do not fit the model, and for outputs that
        are not finite.
        """
        return [self.out.prediction(output, self) for output in self._outputs(data, lengths)]

    def probabilities(self, data: Any, *, lengths: Any = None) -> Any:
        """The probability of each of `labels`: (N, V) of sequences, or a list of (T_i, V) of their steps.

        data, lengths: as in `predict`.

        Raises CarouselError as `predict`, and for a forecast.
        """
        outputs = self._outputs(data, lengths)
        return self.out.probabilities(outputs)

    def table(self, data: Any) -> Iterator[tuple[Any, ...]]:
        """The predictions for `data` as a table: first the names of the columns, then a row for each prediction.

        Raises CarouselError as `predict`.
        """
        sequences = self.read(data)
        rows: Iterator[tuple[Any, ...]] = self.out.table(self, sequences)
        return rows

    def read(
        self, data: Any, targets: Any = None, *, lengths: Any = None, labelled: bool = False
    ) -> Sequences:
        """The sequences of what `predict` takes as `data` and `lengths`.

        labelled: read their labels too, which arrays have in `targets`.

        Raises CarouselError as `predict`.
        """
        columns = [each.name for each in self.fitted_encoding.numbers]
        if isinstance(data, Sequences):
            sequences = data
        elif is_table(data):
            if self.layout is None:
                raise CarouselError(
                    "the model was trained on arrays, which have no column names; give arrays."
                )
            sequences = from_table(table_in(data), self.layout, labelled=labelled, columns=columns)
        else:
            sequences = from_arrays(self.head.task, data, targets, lengths=lengths)
        self.out.check_lengths(sequences)
        return sequences

    def _outputs(self, data: Any, lengths: Any) -> Iterator[np.ndarray]:
        """`outputs` of data, of which each number must be finite."""
        sequences = self.read(data, lengths=lengths)
        return map(_finite, self.outputs([self.fitted_encoding.encode(item) for item in sequences.items]))

    @torch.inference_mode()
    def outputs(self, encoded: list[np.ndarray]) -> Iterator[np.ndarray]:
        """The output of `forward` for each of the sequences `encoded`, (T_i, I) each, as the encoding gives them.

        Yields them one after the other without padding: (T_i, ...), or (V,) for one label.
        """
        model, device = eval_view(self), next(self.parameters()).device
        for start in range(0, len(encoded), _TOGETHER):
            x, lengths = padded(encoded[start : start + _TOGETHER])
            output = model(x.to(device), lengths).float().cpu().numpy()
            for k, length in enumerate(lengths.tolist()):
                yield output[:length, k] if self.head.each_step else output[k]

    @property
    def fitted_encoding(self) -> Encoding:
        """The encoding; raises CarouselError if there is none yet."""
        if self.encoding is None:
            raise CarouselError(
                "the model has not learned from data yet, and so has no sizes: carousel.fit(model, data, ...)."
            )
        return self.encoding

    def save(self, path: str | Path, about: dict[str, Any] | None = None) -> None:
        """Write weights, options, encoding, labels and plain values `about` the model to the safetensors file `path`.

        Raises CarouselError for a model that was not trained, and if the file cannot be written; an older file of that
        name then stays whole.
        """
        description = {
            "head": head_to_dict(self.head),
            "model": self.options,
            "encoding": asdict(self.fitted_encoding),
            "labels": self.labels,
            "targets": self.targets,
            "layout": None if self.layout is None else asdict(self.layout),
            "widening": self.widening,
            "about": about or {},
        }
        save_tensors(path, KIND, distinct(self), description)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model that `save` wrote at `path`, or the best one of a run's folder, in eval mode.

        Raises CarouselError for a missing, truncated, damaged or foreign file.
        """
        path = weights_in(path)
        tensors, about = load_tensors(path, KIND)
        with fitting(path):
            description = described(Description, about, "its description")

            def make() -> Any:
                model = cls(head=head_from_dict(description.head), **description.model)
                model.prepare(
                    description.encoding, description.labels, description.targets, description.layout
                )
                return model

            model: Self = restored(make, tensors)
        model.widening = description.widening
        return model.eval()

    def _drop(self, values: Tensor) -> Tensor:
        return drop_around(values, self.options, self.training)


def is_table(data: Any) -> bool:
    """Whether these data are a table: a DataFrame, or the path of a CSV file."""
    return isinstance(data, str | Path) or is_frame(data)


def table_in(data: Any) -> Table:
    """The table in a DataFrame or in a CSV file."""
    return table_of_frame(data) if is_frame(data) else read_table(data)


def _finite(output: np.ndarray) -> np.ndarray:
    if not np.isfinite(output).all():
        raise CarouselError(
            "the outputs of a model must be finite numbers; some are not. Its weights or the data hold NaN or are too "
            "large: scale the data, or train again with a lower learning rate."
        )
    return output


def padded(encoded: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Sequences (T_i, I) side by side: (T, B, I) with zeros after their ends, and their lengths (B,)."""
    lengths = [len(each) for each in encoded]
    x = np.zeros((max(lengths), len(encoded), encoded[0].shape[1]), dtype=np.float32)
    for k, each in enumerate(encoded):
        x[: len(each), k] = each
    return torch.from_numpy(x), torch.tensor(lengths)
