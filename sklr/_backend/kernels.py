"""Sparse products that add to an array in place.

SciPy's public product returns a new array, which for a tile is as large as the sum it belongs to and is
written, read and added for every tile. The compiled kernels under it add in place; they are private to
SciPy, so their absence is provided for.
"""

import numpy as np
from scipy import sparse

try:
    from scipy.sparse import _sparsetools
except ImportError:  # a SciPy without them
    _sparsetools = None


def add_csr_product(A, X, out):
    """``out += A @ X`` for a CSR matrix A and C-contiguous `X` and `out` of its dtype."""
    _add_product("csr_matvecs", A, A.shape, X, out)


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
