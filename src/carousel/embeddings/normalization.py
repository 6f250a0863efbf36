"""Unicode normalization of words: NFC, without invisible characters that carry no meaning.

An accented letter can be one character (NFC) or a letter and a mark (NFD, as macOS writes file names). Both look the
same, so words are in NFC wherever they are read or looked up.

The two joiners U+200C and U+200D change how their neighbours are written, and so what they mean: in Persian nouns and
verbs, in Indic half letters, and in emoji of several pictures. They stay inside a word if a neighbour is of such a
script.
"""

import re
import unicodedata

# Control characters except white space, and Unicode's Default_Ignorable_Code_Point (DerivedCoreProperties.txt, 15.1):
# soft hyphen, byte order and direction marks, variation selectors, fillers. U+200B, the zero-width space, is not
# among them: it ends a word.
_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200e-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]+"
)
_ZERO_WIDTH_SPACE = "\u200b"
_JOINERS = re.compile("[\u200c\u200d]+")
# Blocks of the scripts with joiners (Arabic to Myanmar, Philippine to Vedic, Phags-pa to Meetei, the forms of Arabic,
# Brahmi to Adlam), and those of emoji.
_JOINING = re.compile(
    "[\u0600-\u109f\u1700-\u1cff\u2190-\u2bff\ua840-\uabff\ufb50-\ufdff\ufe70-\ufefc"
    "\U00010a00-\U00011fff\U0001e900-\U0001e95f\U0001f000-\U0001faff]"
)


def nfc(text: str) -> str:
    """The text in NFC.

    >>> nfc("e\u0301") == "\u00e9"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def visible(text: str) -> str:
    """The text in NFC without invisible characters; a zero-width space becomes a blank.

    Of several joiners in a row, the first stays, if it stands between two letters, digits, marks or pictures and one of
    these is of a script that joins.

    >>> visible("co\u00adoperate\u200bnow")
    'cooperate now'
    """
    letters = "".join(set(text))  # a quarter of the time of searching through the text
    if _INVISIBLE.search(letters):
        text = _INVISIBLE.sub("", text)
    if _JOINERS.search(letters):
        text = _JOINERS.sub(_joiner, text)
    return nfc(text.replace(_ZERO_WIDTH_SPACE, " "))


def _joiner(found: re.Match[str]) -> str:
    """What stays of joiners in a row: the first, or nothing."""
    around = (
        found.string[max(found.start() - 1, 0) : found.start()],
        found.string[found.end() : found.end() + 1],
    )
    inside = all(one and unicodedata.category(one)[0] in "LNMS" for one in around)
    return found[0][0] if inside and _JOINING.search("".join(around)) else ""
