"""Sequences that are not text: from a CSV file, a pandas DataFrame or arrays to what a network reads."""

from carousel.data.sequences.arrays import from_arrays
from carousel.data.sequences.encoding import Encoding, Number, filled
from carousel.data.sequences.layout import TASKS, Layout, arrange
from carousel.data.sequences.parts import PARTS, Parts, Span, by_sequence, by_time
from carousel.data.sequences.sequences import Sequence, Sequences, labels_of
from carousel.data.sequences.table import Table, is_frame, read_table, table_of_frame

__all__ = [
    "PARTS",
    "TASKS",
    "Encoding",
    "Layout",
    "Number",
    "Parts",
    "Sequence",
    "Sequences",
    "Span",
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
