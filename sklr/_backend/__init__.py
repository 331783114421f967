"""The backend: random streams, threads, and matrices as tiles. Private; `sklr.linalg` is the public door."""

from .chunks import RowChunks
from .containers import as_operand, centered, is_streamed, row_weighted, scaled
from .dtypes import compute_dtype
from .operands import Operand, RangeError, Transposed
from .streams import Stream, as_stream
from .threads import check_n_threads, cpu_count, ordered, session

__all__ = [
    "Operand",
    "RangeError",
    "RowChunks",
    "Stream",
    "Transposed",
    "as_operand",
    "as_stream",
    "centered",
    "check_n_threads",
    "compute_dtype",
    "cpu_count",
    "is_streamed",
    "ordered",
    "row_weighted",
    "scaled",
    "session",
]
