"""Word vectors judged by a file of analogies or of rated pairs; its lines say which it holds."""

from pathlib import Path

from carousel.embeddings import analogies, pairs
from carousel.embeddings.analogies import COMMENTS, AnalogyScore, Answered
from carousel.embeddings.pairs import PairScore
from carousel.embeddings.questions import lines
from carousel.embeddings.vectors import Vectors

_LOOKED_AT = 20  # lines that are neither empty nor comments


def evaluate(
    vectors: Vectors,
    path: str | Path,
    *,
    method: str = "3cosadd",
    restrict: int | None = 300_000,
    case: bool = False,
    unknown_as_zero: bool = False,
    progress: Answered | None = None,
) -> AnalogyScore | PairScore:
    """Answer the analogies of a file, or correlate cosines with the ratings of its pairs.

    Analogies are lines `: section` and lines of four words (word2vec's questions-words); pairs are lines of two words
    and a number (WordSim-353, SimLex-999, MEN, RareWord). With the defaults the numbers are those of gensim.

    Args:
        method: of analogies, "3cosadd" or "3cosmul", as in `Vectors.nearest`.
        restrict: only the first so many words, the most frequent, are known; None: all.
        case: tell words apart that differ in case alone.
        unknown_as_zero: pairs with an unknown word take part with a cosine of 0, instead of being left out.
        progress: of analogies, called with the questions done and all of them.

    Raises CarouselError for a file that cannot be read, is of neither format, or has too little that is known.

    >>> import tempfile, numpy as np
    >>> path = Path(tempfile.mkdtemp()) / "pairs.tsv"
    >>> _ = path.write_text("cat\\tdog\\t9\\ncat\\tcar\\t2\\ndog\\tcar\\t3\\n")
    >>> evaluate(Vectors(["cat", "dog", "car"], np.array([[5, 1], [5, 1.5], [0, 3]])), path).spearman
    1.0
    """
    if is_analogies(path):
        return analogies.evaluate(
            vectors, path, method=method, restrict=restrict, case=case, progress=progress
        )
    return pairs.evaluate(vectors, path, restrict=restrict, case=case, unknown_as_zero=unknown_as_zero)


def is_analogies(path: str | Path) -> bool:
    """Whether a file has sections, or lines of four words without a number; else it is of rated pairs.

    Raises CarouselError for a file that cannot be read as text.
    """
    told = [
        line.split() for line in lines(Path(path)) if line.strip() and not line.startswith((*COMMENTS, "#"))
    ][:_LOOKED_AT]
    if any(words[0].startswith(":") for words in told):
        return True
    return bool(told) and all(len(words) == 4 and not _has_number(words[2:]) for words in told)


def _has_number(words: list[str]) -> bool:
    return any(word.replace(".", "", 1).isdigit() for word in words)
