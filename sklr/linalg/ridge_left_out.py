"""Errors of ridge regression on rows that it does not see: each left out once, exactly."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, session

from ._left_out import (
    LeftOut,
    check_room,
    check_search,
    gram_of_rows,
    has_room_for_svd,
    inverse_of,
    is_interpolating,
    lowest_alpha,
    with_columns_swept,
)
from .plan import MAX_MEMORY

# A row whose leverage is so close to 1 is predicted by nothing but itself.
_ALONE = 1e-12
# Leverages of dense data with so many columns are computed in float32 where that changes residuals by no
# larger part than `_SEEN`, if the mean leverage is so far below the highest for which it holds.
_MANY_COLUMNS = 100
_MOSTLY = 0.3
_SEEN = 1e-7


def leave_one_out(
    A,
    Y,
    alphas,
    *,
    root_weight=None,
    has_intercept=False,
    gram=None,
    max_memory=MAX_MEMORY,
    n_threads=None,
):
    """Leave every row out once, for the price of one factorisation.

    A ridge regression without row i misses the target of that row by exactly

        (y_i - yhat_i) / (1 - h_i),    h_i = a_i^T (A^T A + alpha I)^-1 a_i  [+ w_i / sum(w)]

    with what the regression on all rows predicts, yhat_i, and the leverage h_i, the part in brackets with
    an intercept. Not where h_i = 1: a row that alone determines a coefficient, as a category that occurs once
    does for alpha = 0, is not predicted by the others.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Centred for an intercept, by weighted means, and then its rows multiplied by the roots of weights:
        see `sklr.linalg.centered` and `sklr.linalg.row_weighted`.
    Y : array of shape (m, t) or (m,)
        Targets, centred and weighted in the same way.
    alphas : array of shape (a,)
        Regularisation, at least 0.
    root_weight : array of shape (m,), default=None
        The roots of the weights w; None: all 1. A row is left out with all its weight.
    has_intercept : bool, default=False
        Whether A and Y are centred.
    gram : ndarray of shape (min(m, n), min(m, n)), default=None
        ``A^T A`` or, for m < n, ``A A^T`` in float64, where that is known.
    max_memory : int, default=2147483648
        Bytes beside the data that may be taken.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LeftOut
        Residuals in the units of the targets, which are those of Y over the roots of the weights.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range, or more than `max_memory` would be needed.

    See Also
    --------
    generalized_cross_validation : The mean leverage in place of each; needs no eigenvectors.

    Notes
    -----
    With q = min(m, n) and p = max(m, n): ``p q^2 + 9 q^3`` flops for the eigenvectors V of the smaller Gram
    matrix and, for m >= n, ``2 m n^2`` for the rows of A V; three passes. Where the Gram matrix does not hold
    the singular values that a small alpha asks for, LAPACK's SVD of the dense array on one thread, if
    `max_memory` has room for it. Computed in float64, but for leverages of dense well-conditioned data whose
    residuals are right to 1e-7 without. Memory: ``5 q^2 + 2 m t a`` numbers.

    References
    ----------
    R. Rifkin and R. Lippert, "Notes on regularized least squares", 2007, MIT-CSAIL-TR-2007-025.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import leave_one_out
    >>> A, y = np.array([[1.0], [1.0], [2.0]]), np.array([1.0, 2.0, 3.0])
    >>> leave_one_out(A, y, [1.0]).residuals[0, :, 0]  # without the last row: 3 - 2 (1 + 2) / (1 + 1 + 1)
    array([-0.33333333,  0.83333333,  1.        ])
    """
    A = as_operand(A, name="A").astype(np.float64).tiled_by_rows()
    Y, alphas, rows = check_search(A, Y, alphas, root_weight, has_intercept)
    q = min(A.shape)
    check_room("The residuals of all rows and alphas", 16 * rows.n * alphas.size * Y.shape[1], max_memory)
    check_room("An eigendecomposition", 40 * q**2, max_memory)
    with session(n_threads):
        if is_interpolating(A, rows):
            A = with_columns_swept(A, max_memory)
            gram = gram if A.shape[0] < A.shape[1] else None
            residuals, dof, lowest = _left_out_dual(A, Y, alphas, rows, max_memory, gram)
        else:
            residuals, dof, lowest = _left_out_primal(A, Y, alphas, rows, max_memory, gram)
    return LeftOut(rows.unweighted(residuals), dof, None, lowest)


def _left_out_primal(A, Y, alphas, rows, max_memory, gram):
    """``(residuals, degrees of freedom, lowest alpha)`` of more rows than can be interpolated."""
    squares, V = np.linalg.eigh(A.gram() if gram is None else gram)
    squares = np.maximum(squares, 0)
    lowest = lowest_alpha(squares, alphas)
    if lowest and has_room_for_svd(A, max_memory):
        U, s, _ = linalg.svd(A.toarray(), full_matrices=False, check_finite=False)
        shrinkage = s[:, None] ** 2 * inverse_of(s**2, alphas)[0]
        return *_left_out(as_operand(U), None, shrinkage, Y, U.T @ Y, rows), 0.0
    inverse = 1 / (squares[:, None] + np.maximum(alphas, lowest))
    dof, targets = np.sum(squares[:, None] * inverse, axis=0), V.T @ A.rmatmat(Y)
    highest = _highest_by_single(inverse)
    if A.container != "sparse" and len(V) >= _MANY_COLUMNS and dof.max() / len(Y) < _MOSTLY * highest:
        residuals = _left_out_by_single(A, V, squares, inverse, highest, Y, targets, rows)
    else:
        residuals, _ = _left_out(A, V, inverse, Y, targets, rows)
    return residuals, dof, lowest


def _left_out(A, V, inverse, Y, targets, rows):
    """``(residuals, degrees of freedom)`` of fitted values ``T diag(inverse) targets`` with T = A V."""
    m, (n, a), t = len(Y), inverse.shape, Y.shape[1]
    C = (inverse[:, :, None] * targets[:, None, :]).reshape(n, a * t)
    residuals, leverages = np.empty((m, a, t)), np.empty((m, a))

    def compute(lo, hi, tile):
        T = tile.matmat(V) if V is not None else tile.dense()
        residuals[lo:hi] = Y[lo:hi, None] - (T @ C).reshape(hi - lo, a, t)
        leverages[lo:hi] = np.square(T, out=T if V is not None else None) @ inverse

    A.each_piece(compute)
    return _divided(residuals, leverages, rows), leverages.sum(axis=0)


def _highest_by_single(inverse):
    """The leverage up to which products in float32 change a residual by a part of `_SEEN` at most.

    Rounding of a row of A V, about eps of its length, changes its leverage h by a part of at most about
    ``4 eps c``, for a condition number c with alpha, and the residual by h / (1 - h) times that.
    """
    condition = np.sqrt(np.max(inverse.max(axis=0) / inverse.min(axis=0)))
    ratio = _SEEN / (4 * float(np.finfo(np.float32).eps) * condition)
    return ratio / (1 + ratio)


def _left_out_by_single(A, V, squares, inverse, highest, Y, targets, rows):
    """The residuals of `_left_out`, with leverages by products in float32, which cost half.

    Those above `highest` are computed in float64.
    """
    m, (n, a), t = len(Y), inverse.shape, Y.shape[1]
    B = V @ (inverse[:, :, None] * targets[:, None, :]).reshape(n, a * t)
    unit = np.sqrt(squares[-1])
    V_single, inverse_single = (V / unit).astype(np.float32), (unit**2 * inverse).astype(np.float32)
    residuals, leverages = np.empty((m, a, t)), np.empty((m, a))

    def compute(lo, hi, tile):
        residuals[lo:hi] = Y[lo:hi, None] - tile.matmat(B).reshape(hi - lo, a, t)
        T = tile.astype(np.float32).matmat(V_single)
        found = (np.square(T, out=T) @ inverse_single).astype(np.float64)
        high = ~(found.max(axis=1) <= highest)
        found[high] = (tile.dense()[high] @ V) ** 2 @ inverse
        leverages[lo:hi] = found

    A.each_piece(compute)
    return _divided(residuals, leverages, rows)


def _divided(residuals, leverages, rows):
    """``residuals / (1 - leverages)``, the intercept's part among these, of shape (a, n, t)."""
    left = 1 - leverages[rows.keep]
    if rows.intercept is not None:
        left -= (rows.intercept**2)[:, None]
    left[left < _ALONE] = np.nan
    return np.moveaxis(residuals[rows.keep] / left[:, :, None], 1, 0)


def _left_out_dual(A, Y, alphas, rows, max_memory, gram):
    """The same where rows can be interpolated: ``c_i / (K + alpha I)^-1_ii`` with ``(K + alpha I) c = y``.

    For alpha = 0 that is what it tends to. Directions in which A has nothing count for all then, in the rows
    that have a part in them.
    """
    w, Q = np.linalg.eigh(gram_of_rows(A, rows, gram))
    w = np.maximum(w, 0)
    lowest = lowest_alpha(w, alphas)
    if lowest and has_room_for_svd(A, max_memory):
        Q, s, _ = linalg.svd(rows.reduced(A.toarray()[rows.keep]), check_finite=False)
        w, lowest = np.pad(s**2, (0, len(Q) - len(s))), 0.0
    alphas = np.maximum(alphas, lowest)
    inverse, is_known = inverse_of(w, alphas)
    P, Q = Q.T @ rows.reduced(Y[rows.keep]), rows.lifted(Q)
    residuals = np.stack([Q @ (column[:, None] * P) for column in inverse.T])
    diagonals = ((Q**2) @ inverse).T
    for i in np.flatnonzero(~is_known.all(axis=0)):
        null = ~is_known[:, i]
        share = np.sum(Q[:, null] ** 2, axis=1)
        counts = share > _ALONE
        residuals[i, counts] = (Q[:, null] @ P[null])[counts]
        diagonals[i, counts] = share[counts]
    return residuals / diagonals[:, :, None], np.sum(w[:, None] * inverse, axis=0), lowest
