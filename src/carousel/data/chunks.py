"""Long texts in chunks that fit into memory, cut at white space behind a visible character.

No word, mark or run of white space is cut there, so the chunks have the symbols of the whole text. Only if there is no
white space for long does a chunk end between any two characters.
"""

import re
from collections.abc import Iterator

CHUNK = 1 << 20  # characters that are turned into symbols at a time
_LONGEST = 4  # times the length asked for, before a word is cut
_CUT = re.compile(r"(?<=\S)[ \t\r\n]")


def chunks(text: str, length: int = CHUNK) -> Iterator[str]:
    """The text in chunks of at least `length` characters and at most four times as many; the last may be shorter.

    >>> list(chunks("one two  three", 4))
    ['one two', '  three']
    """
    start = 0
    while len(text) - start > length:
        longest = start + _LONGEST * length
        found = _CUT.search(text, start + length, longest)
        if found is None and len(text) <= longest:
            break
        at = longest if found is None else found.start()
        yield text[start:at]
        start = at
    yield text[start:]


def last_cut(text: str, length: int) -> int:
    """The place in the beginning of a text where its last whole chunk ends; 0 if that is not known yet."""
    at = len(text)
    while (at := max(text.rfind(blank, 0, at) for blank in " \t\r\n")) > 0:
        if not text[at - 1].isspace():
            return at
    return len(text) if len(text) >= _LONGEST * length else 0
