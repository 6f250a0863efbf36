"""A compressor to compare with: a model that predicts text worse than xz has learned little."""

import lzma
from collections.abc import Iterable

from carousel.errors import CarouselError


def xz_bits_per_character(texts: Iterable[str]) -> float:
    """Bits per character of the texts joined in UTF-8 and compressed as `xz -9` does, container included.

    Raises CarouselError for empty texts.

    >>> xz_bits_per_character(["to be or not to be, " * 1000]) < 0.1
    True
    """
    joined = "".join(texts)
    if not joined:
        raise CarouselError(
            "bits per character need at least one character; the texts are empty. Give some text."
        )
    return 8 * len(lzma.compress(joined.encode("utf-8"), preset=9)) / len(joined)
