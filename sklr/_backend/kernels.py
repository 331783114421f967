"""Sparse products that add to an array in place.

SciPy's public product returns a new array, which for a tile is as large as the sum it belongs to and is
written, read and added for every tile. The compiled kernels under it add in place; they are private to
SciPy, so their absence is provided for.
"""

import numpy as np
from scipy import sparse

# A sum of so many entries one by one may be off by some 1e-4 in float32.
_LONG_ROW = 1 << 14

try:
    from scipy.sparse import _sparsetools
except ImportError:  # a SciPy without them
    _sparsetools = None


def add_csr_product(A, X, out):
    """``out += A @ X`` for a CSR matrix A and C-contiguous `X` and `out` of its dtype.

    Rows of float32 that are long are added up in pieces, and these in float64.
    """
    long_rows = () if A.dtype == np.float64 else np.flatnonzero(np.diff(A.indptr) > _LONG_ROW)
    first = 0
    for row in long_rows:
        _add_product("csr_matvecs", _rows(A, first, row), (row - first, A.shape[1]), X, out[first:row])
        out[row] += _long_row_product(A, row, X)
        first = row + 1
    rest = A if first == 0 else _rows(A, first, A.shape[0])
    _add_product("csr_matvecs", rest, rest.shape, X, out[first:])


def _rows(A, lo, hi):
    """Rows ``lo:hi`` of a CSR matrix, as a view."""
    start, stop = A.indptr[lo], A.indptr[hi]
    arrays = A.data[start:stop], A.indices[start:stop], A.indptr[lo : hi + 1] - start
    return sparse.csr_array(arrays, shape=(hi - lo, A.shape[1]), copy=False)


def _long_row_product(A, row, X):
    """A row times X, in float64, from pieces of the row."""
    start, stop = A.indptr[row], A.indptr[row + 1]
    cuts = np.append(np.arange(0, stop - start, _LONG_ROW), stop - start).astype(A.indptr.dtype)
    arrays = A.data[start:stop], A.indices[start:stop], cuts
    pieces = sparse.csr_array(arrays, shape=(len(cuts) - 1, A.shape[1]), copy=False)
    products = np.zeros((len(cuts) - 1, X.shape[1]), dtype=A.dtype)
    _add_product("csr_matvecs", pieces, pieces.shape, X, products)
    return products.sum(axis=0, dtype=np.float64)


def add_csr_transposed_product(A, X, out):
    """``out += A.T @ X`` for a CSR matrix A: its transpose is the same arrays read as CSC."""
    _add_product("csc_matvecs", A, A.shape[::-1], X, out)


def add_csc_product(A, X, out):
    """``out += A @ X`` for a CSC matrix A."""
    _add_product("csc_matvecs", A, A.shape, X, out)


def columns_of_csc(S, lo, hi):
    """Columns ``lo:hi`` of a CSC array as a view; SciPy's slice copies."""
    first, last = S.indptr[lo], S.indptr[hi]
    return sparse.csc_array(
        (S.data[first:last], S.indices[first:last], S.indptr[lo : hi + 1] - first),
        shape=(S.shape[0], hi - lo),
        copy=False,
    )


def _add_product(kernel, A, shape, X, out):
    suits = out.flags.c_contiguous and A.dtype == X.dtype == out.dtype
    if _sparsetools is None or not suits:
        transposed = A.shape != shape or (kernel == "csc_matvecs") != (A.format == "csc")
        out += (A.T if transposed else A) @ X
        return
    X = np.ascontiguousarray(X)
    multiply = getattr(_sparsetools, kernel)
    # ravel() of contiguous arrays is a view: the kernel writes to `out`.
    multiply(*shape, X.shape[1], A.indptr, A.indices, A.data, X.ravel(), out.ravel())
