"""Orthonormal columns as a product with the columns that they come from."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, session

from .orthogonalize import orthonormalize, with_safe_squares

# Rounding errors of a product are at most so many eps of the norms of its factors.
ROUNDING = 32


class Factor(NamedTuple):
    """What `orthonormal_factor` returns.

    Attributes
    ----------
    Q : ndarray of shape (n, l)
        Orthonormal columns, those at the end zero where columns of Y depend on each other or on K.
    X : ndarray of shape (l, l)
    W : ndarray of shape (q, l) or None
        ``Q = (Y - K W) X``.
    error : float
        A bound of the length of a column of ``(Y - K' W) X - Q`` for a K' whose columns are off by `error`.
    """

    Q: np.ndarray
    X: np.ndarray
    W: np.ndarray | None
    error: float


def orthonormal_factor(Y, against=None, floor=None, error=0.0):
    """Orthonormal columns ``Q = (Y - K W) X`` with the span of Y beyond that of K, `against`.

    Columns of Y no longer than `floor`, one number for each, are rounding errors, and left out. So are
    directions of which so little is left that `error`, that of the columns of K, would grow above the root of
    the rounding unit: they would have too few digits for ``T M`` to be the same again.
    """
    n_columns, dtype = Y.shape[1], Y.dtype
    if against is not None and against.shape[1] == 0:
        against = None
    Y, exponent = with_safe_squares(Y)
    lengths = np.sqrt(as_operand(Y, name="panel").column_squared_norms())
    if floor is not None:
        lengths[lengths <= np.ldexp(floor, -exponent)] = 0
    reciprocals = np.divide(1, lengths, out=np.zeros(n_columns), where=lengths > 0)
    Q = orthonormalize(Y, against=against)
    W = None if against is None else as_operand(against, name="basis").rmatmat(Y)
    X = np.zeros((n_columns, n_columns))
    if Q.shape[1]:
        basis = as_operand(Q, name="basis")
        U, s, Vt = linalg.svd(basis.rmatmat(Y) * reciprocals, full_matrices=False)
        eps = float(np.finfo(dtype).eps)
        errors = eps / np.maximum(s, eps)
        directions = reciprocals[:, None] * (Vt.T / np.maximum(s, eps))
        if W is not None:
            errors += error * np.linalg.norm(W @ directions, axis=0)
        kept = errors < np.sqrt(eps)
        directions, U, error = directions[:, kept], U[:, kept], max(error, errors[kept].max(initial=0))
        rank = directions.shape[1]
        if rank < Q.shape[1]:
            Q = basis.matmat(U) if rank else Q[:, :0]
            X[:, :rank] = directions
        else:
            X[:, :rank] = directions @ U.T
    X = np.ldexp(X, -exponent[:, None])
    W = None if W is None else np.ldexp(W, exponent)
    return Factor(padded(Q, n_columns), X.astype(dtype), W, error)


def whiten(E, M, rows, n_threads=None):
    """Centre, scale and decorrelate an embedding E = T M over some of its rows, which it is written to.

    Parameters
    ----------
    E : ndarray of shape (m, l)
        It is changed; rows that are not among `rows` are zero.
    M : ndarray of shape (n, l)
        The projection.
    rows : ndarray of bool, of shape (m,)
        Which rows have an embedding.
    n_threads : int, default=None
        At most so many threads; None means what this process may use.

    Returns
    -------
    E : ndarray of shape (m, l)
        Mean 0 and covariance I over `rows`, zero elsewhere; columns at the end are zero where directions
        depend on each other.
    M : ndarray of shape (n, l)
        The projection, of which ``E = T M - mean`` in `rows`.
    mean : ndarray of shape (l,)
    """
    with session(n_threads):
        panel, n_rows = as_operand(E), np.count_nonzero(rows)
        mean = panel.column_means() * (len(E) / n_rows)
        floor = ROUNDING * np.finfo(E.dtype).eps * np.sqrt(panel.column_squared_norms())
        np.subtract(E, mean.astype(E.dtype), out=E, where=rows[:, None])
        E, X, *_ = orthonormal_factor(E, floor=floor)
        scale = E.dtype.type(np.sqrt(n_rows))
        X *= scale
        E *= scale
        return E, as_operand(M).matmat(X), (mean @ X).astype(E.dtype)


def padded(Q, n_columns):
    missing = n_columns - Q.shape[1]
    return np.hstack([Q, np.zeros((len(Q), missing), dtype=Q.dtype)]) if missing else Q
