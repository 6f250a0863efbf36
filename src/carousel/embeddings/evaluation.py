"""Which test of vectors a file holds: analogies or rated pairs."""

from pathlib import Path

from carousel.embeddings.analogies import COMMENTS
from carousel.embeddings.questions import lines

_LOOKED_AT = 20  # lines that are neither empty nor comments


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
