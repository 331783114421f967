"""Truncated SVD from the Gram matrix."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, session

from ._eigen import leading_eigenpairs
from ._result import column_lengths, low_rank, zero_low_rank
from .rank import PRECISION_MARGIN, FixedRank, is_lost_in_squares, rank_rule


class GramPrecisionError(ValueError):
    """The spectrum asks for more than the Gram matrix, which squares it, can give."""


def gram_svd(A, k, *, tol=None, n_threads=None):
    """Leading singular values and right vectors from the eigenvectors of A^T A or A A^T.

    Takes whichever of the two Gram matrices is smaller: A^T A = V diag(s)^2 V^T in one pass, or
    A A^T = U diag(s)^2 U^T and then V from the SVD of A^T U in a second one. Exact up to rounding: a singular
    value s_i has a relative error of about ``eps (s_1 / s_i)^2``.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked (then n <= m).
    k : int, float, "auto" or None
        Number of singular values, or how to choose it: see `rank_rule`.
    tol : float, default=None
        Relative Frobenius error to reach with the fewest singular values, at most `k`.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LowRank
        Singular values, right vectors and how good they are.

    Raises
    ------
    GramPrecisionError
        A ValueError: ``s_k^2 / s_1^2`` or ``tol^2`` is below 1,000 eps (float64: s_k below 5e-7 s_1), so the
        squares do not hold it. Use `krylov_svd` or `exact_svd`.
    TypeError, ValueError
        If `k` or `tol` is of the wrong type or out of range.

    Notes
    -----
    With q = min(m, n), p = max(m, n): ``p q^2`` flops for the Gram matrix, ``4/3 q^3`` for the
    eigenvectors (LAPACK on one thread), memory ``3 q^2``
    and q^2 per thread. Not for large q: use `krylov_svd`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import gram_svd
    >>> gram_svd(np.diag([3.0, 2.0, 1.0]), 2).singular_values
    array([3., 2.])
    >>> gram_svd(np.diag([3.0, 2.0, 1.0]), None, tol=0.3).singular_values
    array([3., 2.])
    """
    A = as_operand(A, name="A")
    rule = rank_rule(k, A.shape, tol)
    before = A.n_passes
    with session(n_threads):
        by_columns = A.shape[1] <= A.shape[0]
        rows = A.tiled_by_rows() if by_columns else A.T.tiled_by_rows()
        G = rows.gram()
        total = rows.squared_norm()
        if total == 0:
            return zero_low_rank(A, rule.choose(np.zeros(len(G)), 0.0), before, "gram")
        # float32 products leave no more digits than a float32 eigensolver keeps.
        squares, vectors = leading(G.astype(A.dtype, copy=False), rule, total)
        squares = squares.astype(np.float64, copy=False)
        _check_precision(squares, rule, A.dtype)
        residuals = column_lengths(G @ vectors - vectors * squares, squares[0])
        if by_columns:
            s, V = np.sqrt(np.maximum(squares, 0)), vectors
        else:
            # A ~ U W^T with W = A^T U, whose left vectors are the right ones of A.
            V, s, _ = linalg.svd(A.rmatmat(vectors), full_matrices=False)
    return low_rank(A, s, V, residuals, total, before, "gram")


def leading(G, rule, total):
    """Eigenvalues, descending, and eigenvectors of G that the rule keeps."""
    if not isinstance(rule, FixedRank):
        return leading_eigenpairs(G, lambda squares: rule.choose(squares, total))
    squares, vectors = linalg.eigh(G, subset_by_index=[len(G) - rule.cap, len(G) - 1])
    return squares[::-1], vectors[:, ::-1]


def _check_precision(squares, rule, dtype):
    limit = PRECISION_MARGIN * np.finfo(dtype).eps
    if squares[-1] < limit * squares[0]:
        ratio = np.sqrt(max(squares[-1], 0) / squares[0])
        raise GramPrecisionError(
            f"The Gram matrix cannot resolve singular value {len(squares)}: it is about {ratio:.1e} of the "
            f"largest, and squaring keeps only what is above {np.sqrt(limit):.1e} in {np.dtype(dtype)}. "
            "Use solver='krylov' or 'exact', or a smaller rank."
        )
    if is_lost_in_squares(rule, dtype):
        raise GramPrecisionError(
            f"The Gram matrix cannot tell whether a relative error of {rule.error:.1e} is reached: squaring "
            f"keeps only what is above {np.sqrt(limit):.1e} in {np.dtype(dtype)}. Use solver='krylov' or "
            "'exact'."
        )
