"""One spelling for each word: letters composed (NFC), and no characters that nobody sees and that say nothing.

An accented letter can be one character (NFC) or a letter and a mark (NFD, as macOS writes file names). Both look the
same, so a word is in NFC wherever words are read or asked for.

The two joiners say how their neighbours are written, and with that, what they mean: Persian nouns and verbs have them,
Indic half letters, and emoji of several pictures. They stay inside a word, where a neighbour is of such a script.
"""

import re
import unicodedata

# Control characters but for white space, and Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 15.1):
# soft hyphen, marks of byte order and of direction, variation selectors, fillers. U+200B, the space of no
# width, is left: it ends a word.
_UNSEEN = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200e-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]+"
)
_SPACE_OF_NO_WIDTH = "\u200b"
_JOINERS = re.compile("[\u200c\u200d]+")
# Blocks of the scripts with joiners (Arabic to Myanmar, Philippine to Vedic, Phags-pa to Meetei, the forms of Arabic,
# Brahmi to Adlam), and those of emoji.
_JOINING = re.compile(
    "[\u0600-\u109f\u1700-\u1cff\u2190-\u2bff\ua840-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f\U0001f000-\U0001faff]"
)


def composed(text: str) -> str:
    """The text in NFC.

    >>> composed("e\u0301") == "\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def seen(text: str) -> str:
    """The text in NFC without characters that nobody sees; a space of no width becomes a blank.

    Of joiners, the first stays between two letters, digits, marks or pictures if one of them is of a script that joins.

    >>> seen("co\u00adoperate\u200bnow")
    'cooperate now'
    """
    letters = "".join(set(text))  # a quarter of the time of searching through the text
    if _UNSEEN.search(letters):
        text = _UNSEEN.sub("", text)
    if _JOINERS.search(letters):
        text = _JOINERS.sub(_joiner, text)
    return composed(text.replace(_SPACE_OF_NO_WIDTH, " "))


def _joiner(found: re.Match[str]) -> str:
    """What stays of joiners: the first, or nothing."""
    around = (
        found.string[max(found.start() - 1, 0) : found.start()],
        found.string[found.end() : found.end() + 1],
    )
    inside = all(one and unicodedata.category(one)[0] in "LNMS" for one in around)
    return found[0][0] if inside and _JOINING.search("".join(around)) else ""
