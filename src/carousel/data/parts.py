"""Which part of a corpus a file is by its name: those of a published corpus say train, valid or test.

The rule: a name, or a folder in its path, says its part by a word of its own (ptb.train.txt, dev/a.txt). Names that
differ by nothing but that word, and by numbers, belong together. If such names say train and something else, they
are the parts. Nothing is guessed: where names say so in two ways, that is an error.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from carousel.errors import CarouselError

PARTS = ("train", "valid", "test")
SHARE = 0.05  # of the characters that is cut off for a held-out part without files of its own
_SAID = {
    "train": "train",
    "training": "train",
    "valid": "valid",
    "validation": "valid",
    "val": "valid",
    "dev": "valid",
    "eval": "valid",
    "test": "test",
}
_ANY = "|".join(sorted(_SAID, key=len, reverse=True))
_TITLE = "|".join(sorted(map(str.title, _SAID), key=len, reverse=True))
_WORD = re.compile(rf"(?:(?<![A-Za-z])(?i:{_ANY})|(?<=[a-z])(?:{_TITLE}))(?![a-z])")  # ptb.train, ptbTrain
_SHOWN = 4  # names in an error


def parts_by_name(names: Sequence[str]) -> dict[str, list[str]] | None:
    """Names of files, as paths below the corpus, by their part; None if the names say nothing of parts.

    Two of the three parts are enough. What belongs to no part (a README) is left out.

    Raises CarouselError if names say it in more than one way, or two parts stand beside files like them that are none.

    >>> parts_by_name(["README", "ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"])
    {'train': ['ptb.train.txt'], 'valid': ['ptb.valid.txt'], 'test': ['ptb.test.txt']}
    >>> parts_by_name(["emma.txt", "persuasion.txt"])
    """
    families: dict[tuple[str, str], dict[str, list[str]]] = {}  # (folder, pattern) -> word -> names
    for name in names:
        if said := _said(name):
            folder, pattern, word = said
            families.setdefault((folder, pattern), {}).setdefault(word, []).append(name)
    found = [family for family in families.values() if _is_split(family)]
    if not found:
        _check_apart(families)
        return None
    if len(found) > 1:
        raise _ambiguous("names must tell one set of parts", [_first(family) for family in found])
    [family] = found
    if len({_SAID[word] for word in family}) < len(family):
        raise _ambiguous("each part must have one name", [_first(family)])
    parts = {_SAID[word]: each for word, each in family.items()}
    _check_bystanders(parts, names)
    return {part: parts[part] for part in PARTS if part in parts}


def _said(name: str) -> tuple[str, str, str] | None:
    """(folder, pattern of the name in it, word) of the first component that names one part."""
    components = PurePosixPath(name).parts
    for depth, component in enumerate(components):
        words = {match.group().lower() for match in _WORD.finditer(component)}
        if len({_SAID[word] for word in words}) == 1:
            pattern = re.sub(r"\d+", "#", _WORD.sub("*", component))
            return "/".join(components[:depth]), pattern + "/" * (depth + 1 < len(components)), words.pop()
    return None


def _is_split(family: dict[str, list[str]]) -> bool:
    """Whether these names tell a train part and another."""
    parts = {_SAID[word] for word in family}
    return "train" in parts and len(parts) > 1


def _check_apart(families: dict[tuple[str, str], dict[str, list[str]]]) -> None:
    """A train part in one pattern and a test part in another, side by side: what belongs together is a guess."""
    for folder in {folder for folder, _ in families}:
        beside = [family for (where, _), family in families.items() if where == folder]
        if _is_split({word: names for family in beside for word, names in family.items()}):
            raise _ambiguous("names of parts must differ by train, valid or test alone", map(_first, beside))


def _check_bystanders(parts: dict[str, list[str]], names: Iterable[str]) -> None:
    """Beside two parts, other files of their kind may be the third or, in a folder of programs, all of them text."""
    if len(parts) == len(PARTS):
        return
    taken = {name for each in parts.values() for name in each}
    kinds = {PurePosixPath(name).suffix for name in taken}
    others = [name for name in names if name not in taken and PurePosixPath(name).suffix in kinds]
    if others:
        raise _ambiguous(f"every file beside {' and '.join(parts)} must say its part", others)


def _first(family: dict[str, list[str]]) -> str:
    return " + ".join(names[0] for names in family.values())


def _ambiguous(rule: str, came: Iterable[str]) -> CarouselError:
    shown = list(came)
    more = f", and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    return CarouselError(
        f"{rule}, so that nothing is trained on that is held out; got {', '.join(shown[:_SHOWN])}{more}. Name the "
        "parts by --train-file, --valid-file and --test-file; a folder given by --train-file alone is cut anew."
    )
