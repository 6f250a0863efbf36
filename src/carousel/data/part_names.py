"""The files of the train, valid and test part, as options or the names of the files give them. Loads no NumPy.

The rule for names: a name, or a folder in its path, gives its part by a word of its own (ptb.train.txt, dev/a.txt).
Names that differ only by that word, by numbers and by compression belong together. If such names say train and another
part, they are the split. Nothing is guessed: names that say so in two ways, or that say what is held out and not what
to learn from, are an error.

Source trees have such names too (train.py and model.py). The own name of a file of source, documentation or settings
therefore says nothing, and folders of such files alone are parts only if there is no source next to them.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from carousel.data.files import Found, Paths, search, standard_library
from carousel.data.opening import unpacked
from carousel.errors import CarouselError

BY_NAME = "by its name"
BY_OPTION = "named by an option"
PARTS = ("train", "valid", "test")
SHARE = 0.05  # of the characters, cut off for a held-out part without files of its own
_SAID = {
    "train": ("train", "training", "trn"),
    "valid": ("valid", "validation", "val", "dev", "development", "eval", "evaluation"),
    "test": ("test", "testing", "tst", "heldout", "holdout"),
}
_PART_OF = {word + end: part for part, words in _SAID.items() for word in words for end in ("", "set")}
# held-out, held_out; the longest first
_FORMS = sorted((word.replace("out", "[-_ .]?out") for word in _PART_OF), key=len, reverse=True)
_ANY = "|".join(_FORMS)
_TITLE = "|".join(word[0].upper() + word[1:] for word in _FORMS)
_WORD = re.compile(rf"(?:(?<![A-Za-z])(?i:{_ANY})|(?<=[a-z])(?:{_TITLE}))(?![a-z])")  # ptb.train, ptbTrain
# documentation and settings, which accompany programs and texts
_BESIDE = frozenset([".md", ".rst", ".cfg", ".ini", ".toml", ".yaml", ".yml"])
_PROGRAMS = (
    ".bash .bat .c .cc .cpp .cs .css .cu .cuh .cxx .go .h .hpp .hs .hxx .ipynb .java .jl .js .jsx .kt .lua .m .mjs "
    ".ml .php .pl .ps1 .py .pyi .pyx .r .rb .rs .scala .sh .sql .swift .ts .tsx .vue"
)
_PROGRAM = frozenset(_PROGRAMS.split())
_SHOWN = 4  # names in an error


def find_parts(
    paths: Paths = (),
    *,
    train_file: str | Path | None = None,
    valid_file: str | Path | None = None,
    test_file: str | Path | None = None,
) -> tuple[dict[str, list[Found]], str]:
    """(the files of each part that has its own, how they were chosen); no file is read.

    - `valid_file` and `test_file` are these parts, `train_file` (or `paths`) the text to learn from. Each may be a
      file, a folder or a glob.
    - Without them, the names of `paths` decide: see `parts_by_name`.

    Raises CarouselError for paths that do not exist, parts that share a file, and ambiguous names.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    named = {"train": train_file, "valid": valid_file, "test": test_file}
    files, how = _named(given, named) if any(named.values()) else _by_name(given)
    _check_no_shared_file(files)
    return files, how


def _named(
    given: list[str | Path], named: dict[str, str | Path | None]
) -> tuple[dict[str, list[Found]], str]:
    """The files of each part that an option names."""
    if given and named["train"]:
        raise CarouselError(
            f"the text to learn from is either --train-file or PATHS; got {named['train']} and {given[0]}. Give one."
        )
    if given and parts_by_name([found.name for found in search(given)]):
        raise CarouselError(
            f"parts are named either by options or by files; the files of {given[0]} name parts too. Name the text to "
            "learn from by --train-file."
        )
    learned = [named["train"]] if named["train"] else given or standard_library()
    held = {part: search(path) for part in PARTS[1:] if (path := named[part])}
    return {"train": search(learned), **held}, BY_OPTION


def _by_name(given: list[str | Path]) -> tuple[dict[str, list[Found]], str]:
    """The files of each part by their names; all are the train part if names say nothing."""
    found = {each.name: each for each in search(given or standard_library())}
    parts = parts_by_name(list(found))
    if parts is None:
        return {"train": list(found.values())}, ""
    # the only file of a part must be text
    chosen = {
        part: [replace(found[name], explicit=found[name].explicit or len(names) == 1) for name in names]
        for part, names in parts.items()
    }
    return chosen, BY_NAME


def _check_no_shared_file(files: dict[str, list[Found]]) -> None:
    """Raise CarouselError for a file in two parts."""
    part_of: dict[Path, str] = {}
    for part, each in files.items():
        for found in each:
            if (other := part_of.setdefault(found.path.resolve(), part)) != part:
                raise CarouselError(
                    f"a file must be in one part, or held-out text would be learned; {found.path} is in {other} and in "
                    f"{part}. Name other files."
                )


def parts_by_name(names: Sequence[str]) -> dict[str, list[str]] | None:
    """Names of files, as paths below the corpus, by their part; None if the names say nothing about parts.

    Two of the three parts are enough. Files that belong to no part (a README) are left out.

    Raises CarouselError for names that give parts in more than one way, for parts next to similar files that are none,
    and for a document that occurs twice, compressed and not.

    >>> parts_by_name(["README", "ptb.train.txt", "ptb.valid.txt", "ptb.test.txt"])
    {'train': ['ptb.train.txt'], 'valid': ['ptb.valid.txt'], 'test': ['ptb.test.txt']}
    >>> parts_by_name(["emma.txt", "persuasion.txt"])
    """
    families: dict[tuple[str, str], dict[str, list[str]]] = {}  # (folder, pattern) -> word -> names
    for name in names:
        if said := _said(name):
            folder, pattern, word = said
            families.setdefault((folder, pattern), {}).setdefault(word, []).append(name)
    _check_forms(names)
    families = {
        (folder, pattern): family
        for (folder, pattern), family in families.items()
        if not _is_source(family) or (_is_split(family) and _alone(folder, family, names))
    }
    found = [family for family in families.values() if _is_split(family)]
    if not found:
        _check_apart(families)
        _check_held_out(families, names)
        return None
    if len(found) > 1:
        raise _ambiguous("names must tell one set of parts", [_first(family) for family in found])
    [family] = found
    if len({_part_of(word) for word in family}) < len(family):
        raise _ambiguous("each part must have one name", [_first(family)])
    parts = {_part_of(word): each for word, each in family.items()}
    _check_bystanders(parts, names)
    return {part: parts[part] for part in PARTS if part in parts}


def _kind(name: str) -> str:
    """The ending of a file without that of its compression."""
    return unpacked(PurePosixPath(name)).suffix.lower()


def _part_of(word: str) -> str:
    return _PART_OF[re.sub("[-_ .]", "", word)]


def _said(name: str) -> tuple[str, str, str] | None:
    """(folder, pattern of the name in it, word) of the first component that names one part."""
    folders, file = PurePosixPath(name).parts[:-1], unpacked(PurePosixPath(name)).name
    components = folders if _kind(name) in _PROGRAM | _BESIDE else (*folders, file)
    for depth, component in enumerate(components):
        words = {match.group().lower() for match in _WORD.finditer(component)}
        if len({_part_of(word) for word in words}) == 1:
            pattern = re.sub(r"\d+", "#", _WORD.sub("*", component))
            return "/".join(components[:depth]), pattern + "/" * (depth < len(folders)), words.pop()
    return None


def _is_split(family: dict[str, list[str]]) -> bool:
    """Whether these names give a train part and another one."""
    parts = {_part_of(word) for word in family}
    return "train" in parts and len(parts) > 1


def _is_source(family: dict[str, list[str]]) -> bool:
    return all(_kind(name) in _PROGRAM | _BESIDE for names in family.values() for name in names)


def _alone(folder: str, family: dict[str, list[str]], names: Sequence[str]) -> bool:
    """Whether the folder has no other programs: it is a corpus of programs, and not a source tree."""
    taken = {name for each in family.values() for name in each}
    beside = (name for name in names if name not in taken and PurePosixPath(name).is_relative_to(folder))
    return not any(_kind(name) in _PROGRAM for name in beside)


def _check_forms(names: Sequence[str]) -> None:
    """Raise CarouselError for a document that occurs twice, compressed and not."""
    forms: dict[PurePosixPath, str] = {}
    for name in names:
        if (other := forms.setdefault(unpacked(PurePosixPath(name)), name)) != name:
            raise _ambiguous("a document must occur once, compressed or not", (other, name))


def _check_held_out(families: dict[tuple[str, str], dict[str, list[str]]], names: Sequence[str]) -> None:
    """Raise CarouselError for a test part next to similar files without a part, which may be the text to learn from.

    In a source tree, such names mean nothing (requirements-dev.txt).
    """
    if any(_kind(name) in _PROGRAM for name in names):
        return
    held = {
        name
        for family in families.values()
        for word, each in family.items()
        if _part_of(word) != "train"
        for name in each
    }
    kinds = set(map(_kind, held))
    others = [name for name in names if name not in held and _kind(name) in kinds]
    if others:
        raise _ambiguous(f"next to {min(held)}, files to learn from must say train", others)


def _check_apart(families: dict[tuple[str, str], dict[str, list[str]]]) -> None:
    """Raise CarouselError for a train part in one pattern and a test part in another: they may not belong together."""
    for folder in {folder for folder, _ in families}:
        beside = [family for (where, _), family in families.items() if where == folder]
        if _is_split({word: names for family in beside for word, names in family.items()}):
            raise _ambiguous("names of parts must differ by train, valid or test alone", map(_first, beside))


def _check_bystanders(parts: dict[str, list[str]], names: Iterable[str]) -> None:
    """Raise CarouselError for other files of the same kind next to two parts: they may be the third part."""
    if len(parts) == len(PARTS):
        return
    taken = {name for each in parts.values() for name in each}
    kinds = set(map(_kind, taken))
    others = [name for name in names if name not in taken and _kind(name) in kinds]
    if others:
        raise _ambiguous(f"every file next to {' and '.join(parts)} must say its part", others)


def _first(family: dict[str, list[str]]) -> str:
    return " + ".join(names[0] for names in family.values())


def _ambiguous(rule: str, came: Iterable[str]) -> CarouselError:
    shown = list(came)
    more = f", and {len(shown) - _SHOWN:,} more" if len(shown) > _SHOWN else ""
    return CarouselError(
        f"{rule}, or held-out text may be learned; got {', '.join(shown[:_SHOWN])}{more}. Name the "
        "parts by --train-file, --valid-file and --test-file, or give the folder by --train-file to cut it anew."
    )
