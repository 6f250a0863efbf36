"""Word vectors judged by a file of analogies or of rated pairs; its lines say which it holds."""

from pathlib import Path

from carousel.data.documents import read_document
from carousel.embeddings import analogies, pairs
from carousel.embeddings.analogies import COMMENTS, AnalogyScore
from carousel.embeddings.lookup import Lookup
from carousel.embeddings.pairs import PairScore
from carousel.embeddings.vectors import Vectors
from carousel.errors import CarouselError, shown
from carousel.progress import Observer, silent

_LOOKED_AT = 20  # lines that are neither empty nor comments


def evaluate(
    vectors: Vectors,
    path: str | Path,
    *,
    method: str = "3cosadd",
    restrict: int | None = 300_000,
    case: bool = False,
    unknown_as_zero: bool = False,
    on_progress: Observer = silent,
) -> AnalogyScore | PairScore:
    """Answer the analogies of a file, or correlate cosines with the ratings of its pairs.

    Analogies are lines `: section` and lines of four words (word2vec's questions-words; Mikolov et al. 2013). Pairs are
    lines of two words and a number (WordSim-353, SimLex-999, MEN, RareWord). The defaults give the numbers of gensim.

    Args:
        vectors: the vectors to judge.
        path: a file of text. Its lines show which of the two it holds.
        method: how an analogy is answered, "3cosadd" or "3cosmul", as in `Vectors.nearest`.
        restrict: only the first words, the most frequent ones, are known, this many; None: all words.
        case: distinguish words that differ in upper and lower case alone.
        unknown_as_zero: pairs with an unknown word count with a cosine of 0, instead of being left out.
        on_progress: of analogies, is called with a `carousel.progress.Progress` now and then.

    Raises CarouselError for a file that cannot be read, is of neither format, or has too few known words.

    >>> import tempfile, numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("cat\\tdog\\t9\\ncat\\tcar\\t2\\ndog\\tcar\\t3\\n")
    >>> vectors = Vectors(["cat", "dog", "car"], np.array([[5, 1], [5, 1.5], [0, 3]]))
    >>> evaluate(vectors, path).spearman
    1.0
    >>> _ = path.write_text(": royal\\ncat dog car dog\\n")
    >>> evaluate(vectors, path).total.known
    1
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe or device might never end
        raise CarouselError(
            f"{shown(path)} is no regular file. Give the path of a file of analogies or pairs."
        )
    lines = read_document(path, path.name).text.split("\n")
    lookup = Lookup(vectors, restrict, case)
    if is_analogies(lines):
        return analogies.evaluate(lookup, lines, path, method, on_progress)
    return pairs.evaluate(lookup, lines, path, unknown_as_zero)


def is_analogies(lines: list[str]) -> bool:
    """Whether a file has sections, or lines of four words without a number; else it is of rated pairs."""
    told = [line.split() for line in lines if line.strip() and not line.startswith((*COMMENTS, "#"))][
        :_LOOKED_AT
    ]
    if any(words[0].startswith(":") for words in told):
        return True
    return bool(told) and all(len(words) == 4 and not _has_number(words[2:]) for words in told)


def _has_number(words: list[str]) -> bool:
    return any(word.replace(".", "", 1).isdigit() for word in words)
