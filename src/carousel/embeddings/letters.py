"""One spelling for each word: letters composed (NFC), and no characters that nobody sees.

An accented letter can be one character (NFC) or a letter and a mark (NFD, as macOS writes file names). Both look the
same, so a word is in NFC wherever words are read or asked for.
"""

import re
import unicodedata

# Control characters but for white space, and Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 15.1):
# soft hyphen, joiners, marks of byte order and of direction, variation selectors, fillers. U+200B, the space of no
# width, is left: it ends a word.
_UNSEEN = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200c-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]+"
)
_SPACE_OF_NO_WIDTH = "\u200b"


def composed(text: str) -> str:
    """The text in NFC.

    >>> composed("e\u0301") == "\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def seen(text: str) -> str:
    """The text in NFC without characters that nobody sees; a space of no width becomes a blank.

    >>> seen("co\u00adoperate\u200bnow")
    'cooperate now'
    """
    if _UNSEEN.search("".join(set(text))):  # a quarter of the time of searching through the text
        text = _UNSEEN.sub("", text)
    return composed(text.replace(_SPACE_OF_NO_WIDTH, " "))
