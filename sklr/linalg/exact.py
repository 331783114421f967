"""The exact SVD, by LAPACK."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, session

from ._result import column_lengths, low_rank, zero_low_rank
from .rank import rank_rule


def exact_svd(A, k, *, tol=None, n_threads=None):
    """Leading singular values and right vectors from LAPACK's full SVD of the dense matrix.

    The reference that the other solvers are compared with, and the right choice for small or very
    ill-conditioned matrices: backward stable, a singular value has an absolute error of about eps s_1.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Sparse, memory-mapped and chunked data are made one dense array of m n entries.
    k : int, float, "auto" or None
        Number of singular values to keep, or how to choose it: see `rank_rule`.
    tol : float, default=None
        Relative Frobenius error to reach with the fewest singular values, at most `k`.
    n_threads : int, default=None
        For reading A only: LAPACK runs on one thread.

    Returns
    -------
    LowRank
        Singular values, right vectors and how good they are.

    Raises
    ------
    TypeError, ValueError
        If `k` or `tol` is of the wrong type or out of range, or A holds NaN or infinity.

    Notes
    -----
    With q = min(m, n), p = max(m, n): about ``6 p q^2 + 16 q^3`` flops and memory ``3 p q``; two passes, of
    which the second measures the residuals. Not for large matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import exact_svd
    >>> exact_svd(np.diag([3.0, 2.0, 1.0]), 2).singular_values
    array([3., 2.])
    """
    A = as_operand(A, name="A")
    rule = rank_rule(k, A.shape, tol)
    before = A.n_passes
    with session(n_threads):
        array = A.toarray()
        total = A.squared_norm()
        if total < 1:
            A.check_squares()  # what underflows in them is missing from the norm
        if total == 0:
            return zero_low_rank(A, rule.choose(np.zeros(min(A.shape)), 0.0), before, "exact")
        U, s, Vt = linalg.svd(array, full_matrices=False, overwrite_a=True)
        kept = rule.choose(s.astype(np.float64) ** 2, total, complete=True)
        U, s, V = U[:, :kept], s[:kept], Vt[:kept].T
        residuals = s * column_lengths(A.rmatmat(U) - V * s, s[0])
    return low_rank(A, s, V, residuals, total, before, "exact")
