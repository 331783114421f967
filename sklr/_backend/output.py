"""Results that are written to an array of the caller's, which may be a mapped file."""

import numpy as np

from .memory import MappedPages, share_memory


class Output:
    """Where the rows of a result go: an array of the caller's, or a new one.

    The numbers have the same bits in either. The pages of a mapped file are let go as rows are written, and
    the file is flushed at the end.

    Parameters
    ----------
    out : ndarray, np.memmap or None
        The caller's array, in any memory order; None for a new one.
    shape : (int, int)
        Of the result.
    dtype : dtype
        Of the result.
    inputs : iterable of ndarray
        What is read while rows are written, and so must not lie in `out`.

    Raises
    ------
    TypeError
        If `out` is not an array, or has another dtype.
    ValueError
        If `out` has another shape, is read-only, or shares memory with an input.
    """

    def __init__(self, out, shape, dtype, inputs=()):
        if out is None:
            out = np.empty(shape, dtype=dtype)
        else:
            _check(out, shape, dtype, inputs)
        self._out = out
        self._array = np.asarray(out)
        # To other arrays a product is copied: BLAS would compute it in another way, with other bits.
        self._takes_products = self._array.flags.carray
        self._pages = MappedPages(out)

    def write(self, lo, hi, product):
        """Rows ``lo:hi`` become ``product(rows)``: `rows` itself, written to, or another array.

        Where the product may not be written straight to the caller's array, `rows` is None.
        """
        rows = self._array[lo:hi]
        result = product(rows if self._takes_products else None)
        if result is not rows:
            rows[:] = result
        self._pages.release_rows(lo, hi)

    def finish(self):
        """The array, all of whose rows have been written."""
        if isinstance(self._out, np.memmap):
            self._out.flush()
        self._pages.release_all()
        return self._out


def _check(out, shape, dtype, inputs):
    if type(out) not in (np.ndarray, np.memmap):
        raise TypeError(f"out must be an ndarray or an np.memmap, got {type(out).__name__}.")
    if out.shape != shape:
        raise ValueError(f"out must have shape {shape}, that of the result, got {out.shape}.")
    if out.dtype != dtype:
        raise TypeError(f"out must have dtype {dtype}, that of the result, got {out.dtype}.")
    if not out.flags.writeable:
        raise ValueError(
            "out is read-only, expected an array that can be written to: open a memory-mapped file with "
            "mode='r+', or 'w+' for a new one."
        )
    if any(share_memory(out, array) for array in inputs):
        raise ValueError(
            "out shares memory with the data that it is computed from, which would be overwritten while they "
            "are read. Pass another array."
        )
