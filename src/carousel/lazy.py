"""Names of a package that are imported when they are first used, and that tools see with their types.

A package lists them once, as imports under `if TYPE_CHECKING:`, where mypy, pyright and editors read them. `lazy` reads
the same lines, so that no second list can disagree with them.
"""

import ast
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any


def lazy(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package, for the imports in its `if TYPE_CHECKING:` block.

    if TYPE_CHECKING:
        from package.module import Name
    else:
        __getattr__, __dir__ = lazy(__name__)
    """
    module = sys.modules[package]
    homes = dict(_imports(module.__spec__.loader.get_source(package)))  # type: ignore[union-attr]

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        home, original = homes[name]
        value = (
            import_module(f"{home}.{original}") if home == package else getattr(import_module(home), original)
        )
        setattr(module, name, value)
        return value

    return get, lambda: sorted({*vars(module), *homes})


def _imports(source: str) -> Iterator[tuple[str, tuple[str, str]]]:
    """(name, (module, name there)) of each import; a module of the package itself is imported from the package."""
    for block in ast.parse(source).body:
        if (
            isinstance(block, ast.If)
            and isinstance(block.test, ast.Name)
            and block.test.id == "TYPE_CHECKING"
        ):
            for line in block.body:
                if isinstance(line, ast.ImportFrom) and line.module:
                    yield from (
                        (alias.asname or alias.name, (line.module, alias.name)) for alias in line.names
                    )
