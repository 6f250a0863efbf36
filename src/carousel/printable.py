"""Text of users, files and models made safe to print: characters that a terminal would execute are escaped.

An escape sequence in a corpus could clear the screen or rename the window, a carriage return could hide text, a
direction mark could reorder a line, and half of a surrogate pair cannot be encoded at all.
"""

import re

# C0 without tab and line end, DEL and C1, separators of lines and paragraphs, direction marks, surrogates
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAKS = str.maketrans({"\n": "\\n", "\t": "\\t"})


def printable(text: str) -> str:
    """The text with control characters as Python escapes; tabs and line ends stay.

    >>> print(printable("a\\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def one_line(text: str) -> str:
    """`printable`, with tabs and line ends escaped too: for names, and for text within a line.

    >>> one_line("a\\nb")
    'a\\\\nb'
    """
    return printable(text).translate(_BREAKS)
