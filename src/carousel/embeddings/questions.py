"""Files that vectors are judged by, as lines."""

from pathlib import Path

from carousel.data.documents import read_document
from carousel.errors import CarouselError, shown


def lines(path: Path) -> list[str]:
    """The lines of a file of questions or ratings.

    Raises CarouselError for a file that cannot be read as text, and for a pipe or device, which might never end.
    """
    if path.exists() and not path.is_file():
        raise CarouselError(
            f"{shown(path)} is no regular file. Give the path of a file of questions or ratings."
        )
    return read_document(path, path.name).text.split("\n")
