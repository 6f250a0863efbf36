"""Packages that only some functions need: what is missing is named together with the extra that installs it."""

from importlib import import_module
from typing import Any

from carousel.errors import CarouselError

_PACKAGES = {"sklearn": "scikit-learn"}  # modules that are called otherwise than their package


def require(module: str, what: str, extra: str) -> Any:
    """The imported module. `what` needs it: the subject of the error; `extra` of carousel-rnn installs it.

    Raises CarouselError that names the package and the extra if the package is not installed.

    >>> require("json", "Nothing", "all").loads("1")
    1
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        root = module.partition(".")[0]
        raise CarouselError(
            f"{what} needs {_PACKAGES.get(root, root)}. Install it with: pip install 'carousel-rnn[{extra}]'"
        ) from error
