"""Orthonormal bases of tall panels."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, session

from ._pivots import rounding

# Cholesky QR squares the condition number of the panel, whose columns have been scaled to length
# one; it is used while the smallest diagonal entry of the factor stays above eps**0.25, so that two
# rounds of it leave an error of a few eps, as Householder's method does.
_CHOLESKY_FLOOR_POWER = 0.25


def orthonormalize(Y, against=None, lengths=None, n_threads=None):
    """Orthonormal basis of the columns of a tall panel, by Cholesky QR twice with a safe fallback.

    Returns Q with ``Q^T Q = I``, ``against^T Q = 0`` and, where nothing is dropped,
    ``range([against, Q]) = range([against, Y])``.

    Parameters
    ----------
    Y : ndarray of shape (n, l)
        The panel, n >= l; float64 or float32. It is not changed.
    against : ndarray of shape (n, q), default=None
        Orthonormal columns that the result must be orthogonal to.
    lengths : ndarray of shape (l,), default=None
        Y is what one projection off `against` has left of columns of these lengths, and is not projected a
        first time. None: Y has not been projected.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    Q : ndarray of shape (n, r)
        r <= l: columns that depend on the others or on `against`, to rounding, are dropped.

    Notes
    -----
    Two rounds of: project out `against`, form the Gram matrix of the panel, multiply by the inverse of its
    Cholesky factor. ``4 n l (l + 2 q)`` flops, all of them matrix products over row tiles. Where the Gram
    matrix is too ill-conditioned the round uses QR with column pivoting instead (LAPACK on one thread),
    which also finds the columns to drop.

    References
    ----------
    Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya, "Roundoff error analysis of the CholeskyQR2
    algorithm", Electronic Transactions on Numerical Analysis 44, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import orthonormalize
    >>> Q = orthonormalize(np.array([[3.0, 3.0], [4.0, 4.0], [0.0, 1.0]]))
    >>> bool(np.allclose(Q.T @ Q, np.eye(2)))
    True
    """
    Y = np.asarray(Y)
    with session(n_threads):
        is_projected = lengths is not None
        if lengths is None:
            Y, _ = with_safe_squares(Y)
            lengths = np.sqrt(as_operand(Y, name="panel").column_squared_norms())
        kept = lengths > 0
        Q = (Y if kept.all() else Y[:, kept]) / lengths[kept].astype(Y.dtype)
        spare = None
        for _ in range(2):
            if Q.shape[1] == 0:
                break
            if against is not None and against.shape[1] and not is_projected:
                basis = as_operand(against, name="basis")
                Q = Q - basis.matmat(basis.rmatmat(Q))
            is_projected = False
            Q, spare = _one_round(Q, out=spare), Q
    return Q


def with_safe_squares(Y):
    """``(Y 2^-e, e)``, with integers e, one for each column, by which no square over- or underflows.

    They are zero, and Y is not copied, where none would anyway.
    """
    _, exponent = np.frexp(np.maximum(Y.max(axis=0), -Y.min(axis=0)))
    if np.abs(exponent).max(initial=0) <= np.finfo(Y.dtype).maxexp // 3:
        return Y, np.zeros_like(exponent)
    return np.ldexp(Y, -exponent), exponent  # to about one, which is exact


def to_unit_size(X):
    """Divide X by a power of two that brings its largest entry near one; return the exponent."""
    exponent = int(np.frexp(max(X.max(), -X.min()))[1])
    np.ldexp(X, -exponent, out=X)
    return exponent


def completed(Q, k):
    """Q with orthonormal columns added until there are k, for a matrix of lower rank than was asked for."""
    missing = k - Q.shape[1]
    if missing <= 0:
        return Q
    extra = as_stream(0).generator("completion").standard_normal((Q.shape[0], missing))
    return np.hstack([Q, orthonormalize(extra.astype(Q.dtype), against=Q)])


def _one_round(Y, out):
    """Orthonormal columns from `Y`, whose columns had length one before they were projected.

    They are written to `out`, an array or None, if it has their shape.
    """
    eps = np.finfo(Y.dtype).eps
    if max(Y.max(), -Y.min()) <= 10 * eps:  # shorter than `noise`, and the squares may underflow
        return Y[:, :0]
    panel = as_operand(Y, name="panel")
    G = panel.gram()
    length = np.sqrt(np.diag(G))
    # What a projection leaves of a column that was in the span is rounding error, as long as this.
    noise = rounding(len(Y), Y.dtype)
    if length.min() > noise:
        try:
            R = linalg.cholesky(G / np.outer(length, length))
        except linalg.LinAlgError:
            R = np.zeros((1, 1))
        if np.diag(R).min() > eps**_CHOLESKY_FLOOR_POWER:
            inverse = linalg.solve_triangular(R, np.diag(1 / length), trans="T").T
            return panel.matmat(inverse, out=out if out is not None and out.shape == Y.shape else None)
    Q, R, _ = linalg.qr(Y, mode="economic", pivoting=True)
    rank = int(np.sum(np.abs(np.diag(R)) > noise))
    return np.ascontiguousarray(Q[:, :rank])
