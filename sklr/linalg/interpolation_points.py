"""Interpolation from given entries: points for a basis, coefficients for columns, and their errors."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, session

from ._pivots import independent, pivoted_lu
from .error_estimate import N_PROBES

# Singular values below so many max(p, q) eps of the largest count as zero.
_ROUNDING = 4
# A difference of squares is trusted down to so many times its rounding.
_MARGIN = 1e3
_LEAST_SQUARE = 1e-12


class InterpolationPoints(NamedTuple):
    """Points at which vectors of a subspace are known by their entries there.

    Parameters
    ----------
    indices : ndarray of shape (k,)
        The points P, in the order of choice.
    coefficients : ndarray of shape (k, n)
        ``C = V[P]^-T V^T``: ``x ~ x[P] @ C``, with equality for x in the span of V. The identity at P.
    constant : float
        ``||V[P]^-1||_2``: the error of x is at most so many times its distance from the span of V.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    constant: float


def discrete_empirical_interpolation(V, *, pivoting="lu"):
    """Take as many entries of vectors as a basis has columns, to interpolate in its span.

    For a basis V of k columns and points P the interpolant of x is ``V V[P]^-1 x[P]``: equal to x at P, and
    everywhere if x is in the span of V. For an orthonormal V

        ||x - V V[P]^-1 x[P]|| <= ||V[P]^-1||_2 ||x - V V^T x||,

    and the points are chosen so that the constant is small.

    Parameters
    ----------
    V : array-like of shape (n, k)
        Independent columns, k <= n; orthonormal for the bound to hold.
    pivoting : {"lu", "qr"}, default="lu"
        "lu": DEIM, the rows of partial pivoting; the points of the first columns are the first points.
        "qr": Q-DEIM, the pivots of QR of V^T, which do not depend on the choice of the basis.

    Returns
    -------
    InterpolationPoints
        The points, the coefficients of the other entries and the constant.

    Raises
    ------
    ValueError
        If V is no such matrix, holds NaN or infinity, its columns are dependent, or `pivoting` is unknown.

    Notes
    -----
    ``2 n k^2`` flops ("qr": ``4 n k^2``), on one thread, and as many for the coefficients; memory ``3 n k``.
    In the worst case the constant grows as 2^k; it is returned, and usually it is below 100.

    References
    ----------
    S. Chaturantabut and D. C. Sorensen, "Nonlinear model reduction via discrete empirical interpolation",
    2010, doi:10.1137/090766498. D. C. Sorensen and M. Embree, "A DEIM induced CUR factorization", 2014,
    arXiv:1407.5516. Z. Drmac and S. Gugercin, "A new selection operator for the discrete empirical
    interpolation method", 2015, arXiv:1505.00370.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import discrete_empirical_interpolation
    >>> V = np.linalg.qr(np.vander(np.linspace(-1, 1, 50), 4))[0]
    >>> points = discrete_empirical_interpolation(V)
    >>> x = V @ np.ones(4)
    >>> bool(np.allclose(x[points.indices] @ points.coefficients, x))
    True
    """
    V = as_operand(V, name="V")
    n, k = V.shape
    if k > n:
        raise ValueError(f"V must have no more columns than rows, got shape {V.shape}. Pass its transpose.")
    if pivoting not in ("lu", "qr"):
        raise ValueError(f'pivoting must be "lu" or "qr", got {pivoting!r}.')
    with session():
        V = V.toarray()
        unit = np.max(np.abs(V))
        V /= unit if unit else 1
        if pivoting == "lu":
            factor, order = pivoted_lu(V.copy())
            pivots = np.abs(np.diag(factor))
        else:
            factor, order = linalg.qr(V.T, mode="r", pivoting=True, check_finite=False)
            pivots = np.abs(np.diag(factor))
        r = independent(pivots, n, V.dtype)
        if r < k:
            raise ValueError(f"The {k} columns of V have rank {r}: drop the dependent ones.")
        if pivoting == "lu":
            kind = {"lower": True, "unit_diagonal": True, "trans": "T"}
            rest = linalg.solve_triangular(factor[:k], factor[k:].T, check_finite=False, **kind)
        else:
            rest = linalg.solve_triangular(factor[:, :k], factor[:, k:], check_finite=False)
        points = order[:k].astype(np.intp)
        coefficients = np.empty((k, n), dtype=V.dtype)
        coefficients[:, points] = np.eye(k)
        coefficients[:, order[k:]] = rest
        smallest = linalg.svdvals(V[points], check_finite=False)[-1] * unit
    return InterpolationPoints(points, coefficients, float(1 / smallest))


def interpolation_coefficients(B, columns):
    """Compute coefficients X with ``A ~ A[:, J] X``, from rows ``B = A[I, :]``: ``X = B[:, J]^+ B``.

    The rectangular form of empirical interpolation, in which |I| and |J| may differ. With as many rows as
    columns it is the interpolant. With fewer columns, as after a sensor was lost, the rows are fitted in
    least squares; with fewer rows they are met, by the X of least norm.

    Parameters
    ----------
    B : array-like of shape (p, n)
        Rows of the matrix, or any basis of its row space.
    columns : array-like of int of shape (q,)
        J, different columns.

    Returns
    -------
    ndarray of shape (q, n)
        X; the identity on J, to the last bit, if q <= p and ``B[:, J]`` has full rank.

    Raises
    ------
    ValueError
        If B is no matrix of finite numbers, or J repeats a column or names one that B has not.

    Notes
    -----
    By a complete orthogonal factorization, ``2 p q n`` flops: singular values of ``B[:, J]`` below
    ``4 max(p, q) eps`` of the largest count as zero. For coefficients of rows pass the transposed columns.

    References
    ----------
    F. Casenave, A. Ern and T. Lelievre, "Variants of the Empirical Interpolation Method: symmetric
    formulation, choice of norms and rectangular extension", 2015, arXiv:1508.05330.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import interpolation_coefficients
    >>> B = np.array([[1.0, 0.0, 1.0], [0.0, 2.0, 2.0]])
    >>> interpolation_coefficients(B, [0, 1])
    array([[1., 0., 1.],
           [0., 1., 1.]])
    """
    B = as_operand(B, name="B")
    p, n = B.shape
    columns = np.asarray(columns)
    if columns.ndim != 1 or columns.dtype.kind not in "iu" or not columns.size:
        raise ValueError(f"columns must be a list of column numbers, got {columns!r}.")
    if not 0 <= columns.min() <= columns.max() < n or len(np.unique(columns)) < len(columns):
        raise ValueError(f"columns must be different numbers from 0 to {n - 1}, got {columns}.")
    with session():
        B = B.toarray()
        least = _ROUNDING * max(p, len(columns)) * np.finfo(B.dtype).eps
        X, _, rank, _ = linalg.lstsq(B[:, columns], B, least, lapack_driver="gelsy", check_finite=False)
    if rank == len(columns):
        X[:, columns] = np.eye(rank)
    return X


# -- errors of reconstructions ----------------------------------------------------------------


def products_with_columns(A, columns):
    """``A^T A[:, J]`` in float64, of shape (n, q), in one pass."""
    Z = np.zeros((A.shape[1], len(columns)))
    Z[columns, np.arange(len(columns))] = 1
    return A.astype(np.float64).normal_matmat(Z)


def reconstruction_error(A, columns, X, products, rng=0):
    """Relative Frobenius error ``||A - A[:, J] X||_F / ||A||_F`` of any coefficients X.

    By the three products of which the square consists, from `products_with_columns`, where it is more than
    their rounding; below, by one more pass with ten Gaussian vectors, as in `relative_error`.
    """
    X = X.astype(np.float64)
    total = A.squared_norm()
    inner = np.sum(products.T * X)
    captured = np.sum(X * (products[columns] @ X))
    square = 1 - (2 * inner - captured) / total
    rounding = np.finfo(np.float64).eps * max(1, captured / total)
    if square > max(_MARGIN * rounding, _LEAST_SQUARE):
        return float(np.sqrt(square))
    Z = as_stream(rng).generator("error_estimate").standard_normal((A.shape[1], N_PROBES))
    Z[columns] -= X @ Z
    residual = as_operand(A.astype(np.float64).matmat(Z), name="residual").squared_norm()
    return max(float(np.sqrt(residual / N_PROBES / total)), float(np.finfo(A.dtype).eps))


def error_of_other_coefficients(X, new, columns, products, error, total):
    """The relative error with the coefficients `new` in place of X, without a pass.

    With D = X - new, R = A - A[:, J] X and B = A[:, J], from ``||R + B D||^2``. What may be rounding counts
    as error: an upper bound, which is too large below about 1e-6.
    """
    X, new = X.astype(np.float64), new.astype(np.float64)
    D, G = X - new, products[columns]
    square = error**2 * total + np.sum(D * (2 * (products.T - G @ X) + G @ D))
    parts = np.abs(D) * (2 * np.abs(products.T) + np.abs(G) @ (2 * np.abs(X) + np.abs(D)))
    rounding = np.finfo(np.float64).eps * np.sum(parts)
    return float(np.sqrt((max(square, 0) + rounding) / total))
