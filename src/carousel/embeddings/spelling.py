"""Suggestions for a word that is not known: known words that are spelt much like it."""

import difflib
import string
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

_LOOKED_THROUGH = 20_000  # of the first words, which are the most frequent; a few hundredths of a second
_LONGEST = 60  # characters of a word that is worth correcting
_LETTERS = string.ascii_lowercase + string.ascii_uppercase + string.digits + "_-'."


def near_spellings(word: str, index: Mapping[str, int], words: Sequence[str], count: int = 3) -> list[str]:
    """Known words in another case, then one change away, then similar ones; of each the most frequent first.

    >>> words = ["append", "extend", "extent"]
    >>> near_spellings("Extend", {word: k for k, word in enumerate(words)}, words)
    ['extend', 'extent']
    """
    if not word or len(word) > _LONGEST:
        return []
    found = [other for other in _cases(word) if other in index]
    close = {other for other in _one_change_away(word) if other in index}
    found += sorted(close, key=lambda other: index[other])
    if len(found) < count:
        alike = (other for other in islice(words, _LOOKED_THROUGH) if abs(len(other) - len(word)) <= 2)
        found += difflib.get_close_matches(word, list(alike), n=count, cutoff=0.65)
    return list(dict.fromkeys(found))[:count]


def _cases(word: str) -> list[str]:
    return [other for other in (word.lower(), word.capitalize(), word.upper()) if other != word]


def _one_change_away(word: str) -> Iterator[str]:
    """One letter too many, missing, wrong, or two changed places."""
    letters = set(_LETTERS) | set(word)
    for k in range(len(word) + 1):
        before, after = word[:k], word[k:]
        if after:
            yield before + after[1:]
        if len(after) > 1:
            yield before + after[1] + after[0] + after[2:]
        for letter in letters:
            yield before + letter + after
            if after:
                yield before + letter + after[1:]
