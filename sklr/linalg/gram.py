"""Truncated SVD from the Gram matrix."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, session

from ._checks import check_rank
from ._result import LowRank

# Eigenvalues of the Gram matrix are squared singular values with an error of about eps times the largest.
_PRECISION_MARGIN = 1e3


class GramPrecisionError(ValueError):
    """The spectrum asks for more than the Gram matrix, which squares it, can give."""


def gram_svd(A, k, *, n_threads=None):
    """Leading singular values and right vectors from the eigenvectors of A^T A or A A^T.

    Takes whichever of the two Gram matrices is smaller: A^T A = V diag(s)^2 V^T in one pass, or
    A A^T = U diag(s)^2 U^T and then V from the SVD of A^T U in a second one. Exact up to rounding: a singular
    value s_i has a relative error of about ``eps (s_1 / s_i)^2``.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked (then n <= m).
    k : int
        Number of singular values, at most min(m, n).
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LowRank
        `singular_values`, `right_vectors`, `captured`, `n_passes` and `solver`.

    Raises
    ------
    GramPrecisionError
        A ValueError: ``s_k^2 / s_1^2`` is below 1,000 eps (float64: s_k below 5e-7 s_1), so the squares
        do not hold s_k. Use `krylov_svd` or `exact_svd`.
    ValueError
        If `k` is out of range.

    Notes
    -----
    With q = min(m, n), p = max(m, n): ``p q^2`` flops for the Gram matrix, ``4/3 q^3`` for the
    eigenvectors (LAPACK on one thread), memory ``2 q^2`` and q^2 per thread. Not for large q: use
    `krylov_svd`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import gram_svd
    >>> gram_svd(np.diag([3.0, 2.0, 1.0]), 2).singular_values
    array([3., 2.])
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    before = A.n_passes
    with session(n_threads):
        by_columns = A.shape[1] <= A.shape[0]
        rows = A.tiled_by_rows() if by_columns else A.T.tiled_by_rows()
        G = rows.gram()
        q = G.shape[0]
        squares, vectors = linalg.eigh(G, subset_by_index=[q - k, q - 1], overwrite_a=True)
        squares, vectors = squares[::-1], vectors[:, ::-1]
        _check_precision(squares, A.dtype)
        if by_columns:
            s, Vt = np.sqrt(np.maximum(squares, 0)), vectors.T
        else:
            # A ~ U W^T with W = A^T U, whose left vectors are the right ones of A.
            V, s, _ = linalg.svd(A.rmatmat(vectors), full_matrices=False)
            Vt = V.T
    return LowRank(
        s.astype(A.dtype, copy=False),
        np.ascontiguousarray(Vt, dtype=A.dtype),
        float(np.sum(s.astype(np.float64) ** 2)),
        rows.squared_norm(),
        A.n_passes - before,
        "gram",
    )


def _check_precision(squares, dtype):
    limit = _PRECISION_MARGIN * np.finfo(dtype).eps
    if squares[0] > 0 and squares[-1] < limit * squares[0]:
        ratio = np.sqrt(max(squares[-1], 0) / squares[0])
        raise GramPrecisionError(
            f"The Gram matrix cannot resolve singular value {len(squares)}: it is about {ratio:.1e} of the "
            f"largest, and squaring keeps only what is above {np.sqrt(limit):.1e} in {np.dtype(dtype)}. "
            "Use solver='krylov' or 'exact', or a smaller rank."
        )
