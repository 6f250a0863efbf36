"""The score of any trained model on data that it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, overload

from carousel import embeddings
from carousel.data import Document, read
from carousel.data.files import Paths
from carousel.data.large import LargeDocument
from carousel.embeddings.analogies import AnalogyScore
from carousel.embeddings.pairs import PairScore
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown
from carousel.models.predictor import Predictor
from carousel.models.sequences.model import SequenceModel
from carousel.progress import Observer, silent
from carousel.training.language.evaluation import by_document, by_line, by_token
from carousel.training.language.score import Score, TokenScore
from carousel.training.loading import load
from carousel.training.run.folder import RunFolder
from carousel.training.sequences import evaluation as of_sequences
from carousel.training.sequences.score import ForecastScore, LabelScore

Texts = Paths | Sequence[Document | LargeDocument]
_BY: dict[str, Callable[..., Any]] = {"document": by_document, "line": by_line, "token": by_token}


@overload
def evaluate(
    model: Predictor,
    data: Texts = (),
    *,
    texts: str | list[str] | None = None,
    by: Literal["document"] = "document",
) -> Score: ...
@overload
def evaluate(
    model: Predictor, data: Texts = (), *, texts: str | list[str] | None = None, by: Literal["line"]
) -> list[Score]: ...
@overload
def evaluate(
    model: Predictor, data: Texts = (), *, texts: str | list[str] | None = None, by: Literal["token"]
) -> list[list[TokenScore]]: ...
@overload
def evaluate(
    model: SequenceModel, data: Any, targets: Any = None, *, lengths: Any = None
) -> LabelScore | ForecastScore: ...
@overload
def evaluate(
    model: Vectors,
    data: str | Path,
    *,
    method: str = "3cosadd",
    restrict: int | None = 300_000,
    case: bool = False,
    unknown_as_zero: bool = False,
    on_progress: Observer = silent,
) -> AnalogyScore | PairScore: ...
@overload
def evaluate(model: str | Path, *data: Any, **options: Any) -> Any: ...
def evaluate(model: Any, *data: Any, **options: Any) -> Any:
    """The score of a language model, a sequence model or word vectors on data that it has not seen.

    | model | data | returned |
    |---|---|---|
    | language model | files, folders or globs of text, or `Document`s; or `texts=`, texts themselves | a `Score` |
    | the same, `by="line"` | as above, and each line is scored alone | a list of `Score` |
    | the same, `by="token"` | as above, and each line is scored alone | for each line a list of `TokenScore` |
    | `SequenceModel` | a CSV file, DataFrame or arrays with `targets` | a `LabelScore` or `ForecastScore` |
    | `Vectors` | a file of analogies, or of pairs of words that people have rated | an `AnalogyScore` or `PairScore` |

    `model` may also be the path of a run or of a file, as `carousel.load` takes it. Without data, a run is scored on
    its own test part.

    A document is read from the zero state at its start to its end, so a score depends on the text alone. `options` for
    vectors are those of `carousel.embeddings.evaluate`. Pass sequences as to `carousel.fit`.

    Raises CarouselError for anything else, for a language model without a vocabulary, and for data that do not fit.

    >>> from carousel.data import fit_vocabulary
    >>> from carousel.models import LanguageModel
    >>> vocabulary = fit_vocabulary("char", [Document("a", "abc\\n")])
    >>> model = LanguageModel(vocabulary.size, hidden_size=4)
    >>> model.vocabulary = vocabulary
    >>> [tokens] = evaluate(model, texts="cab", by="token")
    >>> [token.text for token in tokens]
    ['c', 'a', 'b', '\\n']
    """
    if isinstance(model, str | Path):
        return _of_path(Path(model), *data, **options)
    if isinstance(model, Predictor):
        return _of_text(model, *data, **options)
    if isinstance(model, SequenceModel):
        return of_sequences.evaluate(model, *data, **options)
    if isinstance(model, Vectors):
        return embeddings.evaluate(model, *data, **options)
    raise CarouselError(
        f"model must be a language model, a sequence model or word vectors; got {type(model).__name__}. "
        "Pass what carousel.load returns, or the `vectors` of an Embedding."
    )


def _of_path(path: Path, *data: Any, **options: Any) -> Any:
    """What lies at a path: on these data, or on the test part of the run."""
    model = load(path)
    if data or "texts" in options or isinstance(model, Vectors):
        return evaluate(model, *data, **options)
    if not path.is_dir():
        raise CarouselError(
            f"{path} holds weights alone, without a test part. Pass data, or the folder of the run."
        )
    if isinstance(model, SequenceModel):
        from carousel.training.sequences.task import SequenceTask  # with Fabric, which takes seconds

        task = SequenceTask.of_run(RunFolder.open(path))
        return task.objective.score(model, task.parts.test)
    return _of_text(model, test_documents(path), **options)


def test_documents(run: str | Path) -> list[Document]:
    """The documents of the test part of a `run` on text.

    Raises CarouselError if the text has changed since the run began, and for weights alone.
    """
    if not Path(run).is_dir():
        raise CarouselError(
            f"{run} holds weights alone, without a test part. Pass a text, or the folder of the run."
        )
    from carousel.training.language.corpus import of_run

    return of_run(RunFolder.open(run)).split.test


def _of_text(
    model: Predictor, data: Texts = (), *, texts: str | list[str] | None = None, by: str = "document"
) -> Any:
    if by not in _BY:
        raise CarouselError(f"by must be one of {', '.join(_BY)}; got {shown(by)}.")
    if texts is not None and data:
        raise CarouselError(
            "text comes either from files or from `texts`; got both. Leave one of the two out."
        )
    if texts is not None:
        listed = [texts] if isinstance(texts, str) else texts
        return _BY[by](model, [Document(f"text {number}", text) for number, text in enumerate(listed, 1)])
    return _BY[by](model, _documents(data))


def _documents(data: Texts) -> Sequence[Document | LargeDocument]:
    if isinstance(data, str | Path):
        return read(data)
    paths = [each for each in data if isinstance(each, str | Path)]
    documents = [each for each in data if not isinstance(each, str | Path)]
    return documents if documents and not paths else read(paths)
