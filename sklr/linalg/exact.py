"""The exact SVD, by LAPACK."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, session

from ._checks import check_rank
from ._result import LowRank


def exact_svd(A, k, *, n_threads=None):
    """Leading singular values and right vectors from LAPACK's full SVD of the dense matrix.

    The reference that the other solvers are compared with, and the right choice for small or very
    ill-conditioned matrices: backward stable, a singular value has an absolute error of about eps s_1.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Sparse, memory-mapped and chunked data are made one dense array of m n entries.
    k : int
        Number of singular values to keep, at most min(m, n).
    n_threads : int, default=None
        For reading A only: LAPACK runs on one thread.

    Returns
    -------
    LowRank
        `singular_values`, `right_vectors`, `captured`, `n_passes` and `solver`.

    Raises
    ------
    ValueError
        If `k` is out of range or A holds NaN or infinity.

    Notes
    -----
    With q = min(m, n), p = max(m, n): about ``6 p q^2 + 16 q^3`` flops and memory ``3 p q``. Not for large
    matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import exact_svd
    >>> exact_svd(np.diag([3.0, 2.0, 1.0]), 2).singular_values
    array([3., 2.])
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    before = A.n_passes
    with session(n_threads):
        _, s, Vt = linalg.svd(A.toarray(), full_matrices=False, overwrite_a=True)
    squares = s.astype(np.float64) ** 2
    return LowRank(
        s[:k],
        np.ascontiguousarray(Vt[:k]),
        float(squares[:k].sum()),
        float(squares.sum()),
        A.n_passes - before,
        "exact",
    )
