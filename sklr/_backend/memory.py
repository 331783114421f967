"""Memory of arrays: what two of them share, and the pages of files that are mapped into it."""

import mmap

import numpy as np

# Linux maps so many bytes around a page that is asked for, and with them pages that were let go before.
_FAULT_AROUND = 1 << 16
_RELEASE_BYTES = 1 << 25


def share_memory(a, b):
    """Whether two arrays have an entry in common; views of one array that lie in turns have none."""
    try:
        return np.shares_memory(a, b, max_work=10_000)
    except np.exceptions.TooHardError:  # odd strides: two views of one array, as good as certainly disjoint
        return False


def mapping_of(array):
    """``(mmap, address)`` of the file an array is a view of; ``(None, None)`` if there is none.

    The mmap is None where its pages must not be let go: in a private mapping.
    """
    base, mode = array, None
    while base is not None:
        mode = getattr(base, "mode", mode)
        if isinstance(base, mmap.mmap):
            address = np.frombuffer(base, dtype=np.uint8).__array_interface__["data"][0]
            can_release = mode in ("r", "r+", "w+") and hasattr(base, "madvise")
            return (base if can_release else None), address
        base = getattr(base, "base", None)
    return None, None


class MappedPages:
    """The pages of a file that an array is a view of, to be let go as its rows have been used.

    What was written to them goes to the file all the same, and what is used again is mapped again. Without a
    file, and for a private mapping, nothing is let go.

    Parameters
    ----------
    array : ndarray of two dimensions
        The array.
    """

    def __init__(self, array):
        self._array = np.asarray(array)
        self._map, self._address = mapping_of(array)
        self._unreleased = 0

    def release_rows(self, lo, hi):
        """The rows ``lo:hi`` have been used."""
        if self._map is None:
            return
        rows = self._array[lo:hi]
        if abs(rows.strides[0]) >= abs(rows.strides[1]):
            self._release(rows)
            return
        # The file has one column after the other, and neighbouring tiles share its pages: let go of all
        # of them, now and then. What another thread is reading is mapped again.
        self._unreleased += rows.nbytes
        if self._unreleased > _RELEASE_BYTES:
            self._unreleased = 0
            self._release(self._array)

    def release_all(self):
        """All rows have been used."""
        if self._map is not None:
            self._release(self._array)

    def _release(self, view):
        first = last = view.__array_interface__["data"][0]
        for size, stride in zip(view.shape, view.strides, strict=True):
            first += min(stride * (size - 1), 0)
            last += max(stride * (size - 1), 0)
        start = max(first // _FAULT_AROUND * _FAULT_AROUND - self._address, 0)
        self._map.madvise(mmap.MADV_DONTNEED, start, last + view.itemsize - self._address - start)
