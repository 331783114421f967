"""An orthonormal basis that holds a matrix to a given error."""

import numpy as np

from sklr._backend import as_operand, as_stream, session

from ._checks import check_count, check_relative
from .orthogonalize import orthonormalize, to_unit_size


def find_range(A, tol, *, max_columns=None, block_size=20, rng=None, n_threads=None):
    """Orthonormal Q with ``||A - A Q Q^T||_F <= tol ||A||_F``, grown block by block.

    Each round draws a Gaussian block Omega of b columns and projects it off the basis. The first product,
    Y = A (I - Q Q^T) Omega, says how good the basis is: ``||Y||_F^2 / b`` has the expectation
    ``||A - A Q Q^T||_F^2``, and its root is within a factor 3 of the error with probability above .999 for
    b >= 10. Where that is not enough, two more half iterations, with an orthonormal basis in between so
    that nothing is squared, turn Y into the next block of Q. Errors down to about 1e-15 are seen.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    tol : float
        Relative Frobenius error to reach, in (0, 1).
    max_columns : int, default=None
        Columns of Q at most; min(m, n) if None.
    block_size : int, default=20
        b, columns per round; 10 at least are taken.
    rng : None, int, Generator or Stream, default=None
        Where Omega comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    Q : ndarray of shape (n, q)
        Orthonormal columns in the row space of A; the dtype of A.
    error : float
        The estimated relative error; above `tol` if `max_columns` were too few, 0 if Q has min(m, n) columns.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, or A holds NaN or infinity.

    Notes
    -----
    Four passes over A per round, of ``2 nnz b`` flops each, and ``8 n q b`` flops to keep Q orthonormal.
    For errors above 1e-6 `krylov_svd` takes fewer passes.

    References
    ----------
    W. Yu, Y. Gu and Y. Li, "Efficient Randomized Algorithms for the Fixed-Precision Low-Rank Matrix
    Approximation", 2018, arXiv:1606.09402.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import find_range
    >>> A = np.diag(0.1 ** np.arange(60))
    >>> Q, error = find_range(A, 1e-9, block_size=10, rng=0)
    >>> Q.shape, bool(error <= 1e-9)
    ((60, 10), True)
    """
    A = as_operand(A, name="A")
    tol = check_relative("tol", tol)
    limit = min(A.shape)
    if max_columns is not None:
        limit = min(limit, check_count("max_columns", max_columns, 1))
    b = max(check_count("block_size", block_size, 1), 10)
    stream = as_stream(rng)
    Q = np.empty((A.shape[1], 0), dtype=A.dtype)
    with session(n_threads):
        for i in range(A.shape[1] + 1):
            block = stream.child(i).generator("range").standard_normal((A.shape[1], b)).astype(A.dtype)
            for _ in range(2 if Q.shape[1] else 0):  # once leaves eps in the span of Q, which A may magnify
                block -= Q @ (Q.T @ block)
            Y = A.matmat(block)
            norm = np.sqrt(A.squared_norm())
            error = 0.0
            if norm:
                unit = np.ldexp(1.0, to_unit_size(Y))
                error = float(np.sqrt(as_operand(Y, name="Y").squared_norm() / b) * (unit / norm))
            if error <= tol or Q.shape[1] >= limit:
                break
            block = orthonormalize(A.rmatmat(orthonormalize(Y)), against=Q)
            if block.shape[1]:
                block = orthonormalize(A.rmatmat(orthonormalize(A.matmat(block))), against=Q)
            if block.shape[1] == 0:
                break
            Q = np.hstack([Q, block[:, : limit - Q.shape[1]]])
    return Q, 0.0 if Q.shape[1] == min(A.shape) else error
