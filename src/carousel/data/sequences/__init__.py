"""Sequences that are not text: from a CSV file, a pandas DataFrame or arrays to what a network reads.

The names are imported when they are first used: `layout` is read where neither torch nor NumPy is loaded.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carousel.data.sequences.arranging import arrange
    from carousel.data.sequences.arrays import from_arrays
    from carousel.data.sequences.encoding import Encoding, Number, filled
    from carousel.data.sequences.layout import TASKS, Layout
    from carousel.data.sequences.parts import Parts, Span, by_sequence, by_time
    from carousel.data.sequences.sequences import Example, Sequences, labels_of
    from carousel.data.sequences.table import Table, is_frame, read_table, table_of_frame

__all__ = [
    "Encoding",
    "Layout",
    "Number",
    "Parts",
    "Example",
    "Sequences",
    "Span",
    "TASKS",
    "Table",
    "arrange",
    "by_sequence",
    "by_time",
    "filled",
    "from_arrays",
    "is_frame",
    "labels_of",
    "read_table",
    "table_of_frame",
]

_HOMES = {
    "arrange": "carousel.data.sequences.arranging",
    "from_arrays": "carousel.data.sequences.arrays",
    "Encoding": "carousel.data.sequences.encoding",
    "Number": "carousel.data.sequences.encoding",
    "filled": "carousel.data.sequences.encoding",
    "TASKS": "carousel.data.sequences.layout",
    "Layout": "carousel.data.sequences.layout",
    "Parts": "carousel.data.sequences.parts",
    "Span": "carousel.data.sequences.parts",
    "by_sequence": "carousel.data.sequences.parts",
    "by_time": "carousel.data.sequences.parts",
    "Example": "carousel.data.sequences.sequences",
    "Sequences": "carousel.data.sequences.sequences",
    "labels_of": "carousel.data.sequences.sequences",
    "Table": "carousel.data.sequences.table",
    "is_frame": "carousel.data.sequences.table",
    "read_table": "carousel.data.sequences.table",
    "table_of_frame": "carousel.data.sequences.table",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carousel.data.sequences' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
