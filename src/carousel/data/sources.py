"""The files that the three parts of a corpus come from, before anything is read. It loads no NumPy."""

from dataclasses import replace
from pathlib import Path

from carousel.data.files import Found, Paths, search, standard_library
from carousel.data.parts import PARTS, parts_by_name
from carousel.errors import CarouselError

BY_NAME = "by its name"
BY_OPTION = "named by an option"


def find_parts(
    paths: Paths = (),
    *,
    train_file: str | Path | None = None,
    valid_file: str | Path | None = None,
    test_file: str | Path | None = None,
) -> tuple[dict[str, list[Found]], str]:
    """(the files of each part that has its own, how they were chosen); nothing is read.

    - `valid_file` and `test_file` are these parts, `train_file` (or `paths`) the text to learn from. Each may be a
      file, a folder or a glob.
    - Without them, names of `paths` that say train, valid or test are taken at their word: see `parts_by_name`.

    Raises CarouselError for paths that do not exist, parts that share a file, and names that leave a doubt.
    """
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    named = {"train": train_file, "valid": valid_file, "test": test_file}
    files, how = _named(given, named) if any(named.values()) else _by_name(given)
    _check_apart(files)
    return files, how


def _named(
    given: list[str | Path], named: dict[str, str | Path | None]
) -> tuple[dict[str, list[Found]], str]:
    """The files of each part that someone named."""
    if given and named["train"]:
        raise CarouselError(
            f"--train-file and PATHS both say what to learn from; got {named['train']} and {given[0]}. Give one."
        )
    if given and parts_by_name([found.name for found in search(given)]):
        raise CarouselError(
            f"the files of {given[0]} name parts of their own, beside --valid-file or --test-file. Name the text to "
            "learn from by --train-file."
        )
    learned = [named["train"]] if named["train"] else given or standard_library()
    held = {part: search(path) for part in PARTS[1:] if (path := named[part])}
    return {"train": search(learned), **held}, BY_OPTION


def _by_name(given: list[str | Path]) -> tuple[dict[str, list[Found]], str]:
    """The files of each part by their names; all of them to learn from where names say nothing."""
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


def _check_apart(files: dict[str, list[Found]]) -> None:
    """Raise CarouselError for a file in two parts."""
    part_of: dict[Path, str] = {}
    for part, each in files.items():
        for found in each:
            if (other := part_of.setdefault(found.path.resolve(), part)) != part:
                raise CarouselError(
                    f"a file belongs to one part, or what is held out would be learned; {found.path} is in {other} and "
                    f"in {part}. Name other files."
                )
