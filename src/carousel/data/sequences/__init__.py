"""Sequences that are not text: from a CSV file, a pandas DataFrame or arrays to what a network reads.

The names are imported when they are first used: `layout` is read where neither torch nor NumPy is loaded.
"""

from typing import TYPE_CHECKING

from carousel.lazy import lazy

if TYPE_CHECKING:
    from carousel.data.sequences.array_examples import from_arrays
    from carousel.data.sequences.encoding import Encoding, Number, filled
    from carousel.data.sequences.examples import Example, Sequences, labels_of
    from carousel.data.sequences.layout import TASKS, Layout
    from carousel.data.sequences.splitting import Parts, Span, split_by_sequence, split_by_time
    from carousel.data.sequences.table import Table, is_frame, read_table, table_of_frame
    from carousel.data.sequences.table_examples import from_table
else:
    __getattr__, __dir__ = lazy(__name__)

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
    "from_table",
    "split_by_sequence",
    "split_by_time",
    "filled",
    "from_arrays",
    "is_frame",
    "labels_of",
    "read_table",
    "table_of_frame",
]
