"""Empirical interpolation: rows and columns of a matrix between which the others are interpolated."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import linalg

from sklr._backend import Transposed, as_operand, as_stream, ordered, session

from ._checks import check_rank, check_relative
from ._pivots import independent, pivoted_lu
from .error_estimate import N_PROBES
from .plan import MAX_MEMORY

# Entries of a tile of the residual: it and the product that is subtracted stay in cache.
_TILE_ENTRIES = 2**16
# An entry of the residual is rounding after t steps if it is below so many (t + 2) eps of the largest pivot.
# Of matrices of rank up to 60, about (t + 5) eps / 4 was left, whatever their shape.
_ROUNDING = 4
# A difference of squares is trusted down to so many times its rounding.
_MARGIN = 1e3
_LEAST_SQUARE = 1e-12


class CrossInterpolation(NamedTuple):
    """Rows I and columns J of a matrix A, and the interpolant ``A_hat = A[:, J] A[I, J]^-1 A[I, :]``.

    It is kept in factors, ``A_hat = left diag(pivots) right``, of which the first r columns, entries and rows
    are those of the first r rows and columns.

    Parameters
    ----------
    rows : ndarray of shape (r,)
        I, in the order of choice.
    columns : ndarray of shape (r,)
        J, in the order of choice.
    left : ndarray of shape (m, r)
        ``left[rows]`` is unit lower triangular.
    pivots : ndarray of shape (r,)
        The residual at ``(rows[t], columns[t])`` before step t.
    right : ndarray of shape (r, n)
        ``right[:, columns]`` is unit upper triangular.
    residual_norms : ndarray of shape (r,)
        The largest norm of a column (``axis=1``: row) of the residual after each step. float64.
    errors : ndarray of shape (r,)
        ||A - A_hat||_F / ||A||_F after each step. float64.
    n_passes : int
        Sweeps over A.
    """

    rows: np.ndarray
    columns: np.ndarray
    left: np.ndarray
    pivots: np.ndarray
    right: np.ndarray
    residual_norms: np.ndarray
    errors: np.ndarray
    n_passes: int


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


def empirical_interpolation(A, k, *, tol=None, norm=np.inf, axis=0, max_memory=MAX_MEMORY, n_threads=None):
    """Take k rows and k columns of a dense matrix by the greedy empirical interpolation method.

    Each step takes the column of the residual E, A at first, whose norm is largest, and the row in which that
    column has its largest entry, and subtracts the cross through this entry::

        E <- E - E[:, j] E[i, :] / E[i, j]

    After it E is zero in the rows I and the columns J that were taken, and ``A - E`` is

        A_hat = A[:, J] A[I, J]^-1 A[I, :],

    equal to A in the rows I and the columns J. In this form rows and columns have the same part: A_hat of the
    transposed matrix, with I and J exchanged, is the transposed A_hat. The choice has the same symmetry if
    `axis` is exchanged too; with ``norm=inf``, where it is complete pivoting, for either `axis`, ties apart.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense entries: an array, or mapped or chunked data, which are copied into memory.
    k : int
        Steps, from 1 to min(m, n); with `tol` at most so many.
    tol : float, default=None
        Relative Frobenius error ||A - A_hat||_F / ||A||_F at which to stop.
    norm : float or callable, default=inf
        The norm of the columns: p >= 1 for the p-norm, or a function that maps an array of shape (b, l), one
        vector in every row, to b norms. It is called in several threads and must leave the array as it is.
    axis : {0, 1}, default=0
        0: the norms are those of columns. 1: of rows; the largest row is taken first, then a column in it.
    max_memory : int, default=2147483648
        Bytes that the residual and the factors may take.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    CrossInterpolation
        Rows, columns, factors and errors. Fewer than k where what is left is zero or rounding; none for a
        zero matrix.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, A is sparse or holds NaN or infinity, the
        residual needs more than `max_memory`, or `norm` returns something else than norms.

    Notes
    -----
    ``3 m n k`` flops, bound by memory: a step reads and writes the residual, a copy of A, once. Memory
    ``m n + (m + n) k``. One pass over A.

    For the p-norm with ``p < inf`` the entry is the largest of its column, not of E. The Lebesgue
    constant of interpolation at the points is at most 2^k - 1; in practice it is far smaller.

    Not for sparse matrices, whose residual fills in, nor for matrices of which copies do not fit:
    `pivoted_columns`, or `discrete_empirical_interpolation` of singular vectors.

    References
    ----------
    M. Barrault, Y. Maday, N. C. Nguyen and A. T. Patera, "An 'empirical interpolation' method: application to
    efficient reduced-basis discretization of partial differential equations", 2004,
    doi:10.1016/j.crma.2004.08.006. Y. Maday, N. C. Nguyen, A. T. Patera and G. S. H. Pau, "A general,
    multipurpose interpolation procedure: the magic points", 2007, HAL hal-00174797. F. Casenave, A. Ern and
    T. Lelievre, "Variants of the Empirical Interpolation Method: symmetric formulation, choice of norms and
    rectangular extension", 2015, arXiv:1508.05330.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import empirical_interpolation
    >>> x, y = np.linspace(0, 1, 200), np.linspace(1, 3, 100)
    >>> A = np.exp(-np.outer(x, y))
    >>> found = empirical_interpolation(A, 100, tol=1e-6)
    >>> len(found.rows)
    6
    >>> A_hat = found.left * found.pivots @ found.right
    >>> bool(np.allclose(A_hat[found.rows], A[found.rows]))
    True
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    tol = None if tol is None else check_relative("tol", tol)
    norms_of = _row_norms(norm)
    if isinstance(axis, bool) or axis not in (0, 1):
        raise ValueError(f"axis must be 0 (norms of columns) or 1 (of rows), got {axis!r}.")
    check_dense(A, k, max_memory)
    before = A.n_passes
    with session(n_threads):
        E = _copied(A, axis)
        fields, points, of_fields, pivots, of_points, norms, errors = _greedy(E, k, tol, norms_of)
    rows, columns, left, right = fields, points, of_fields, of_points
    if axis == 0:
        rows, columns, left, right = points, fields, of_points, of_fields
    return CrossInterpolation(rows, columns, left.T, pivots, right, norms, errors, A.n_passes - before)


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
            raise ValueError(f"V has {k} columns, of which only {r} are independent: drop the others.")
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


def check_dense(A, k, max_memory, instead="discrete_empirical_interpolation of its singular vectors"):
    """Raise if empirical interpolation with k rows and columns cannot be had, and say what can be instead."""
    m, n = A.shape
    size = m * n * A.dtype.itemsize
    if A.container == "sparse":
        raise ValueError(
            f"{A.name} is sparse, and empirical interpolation needs dense entries: pass {A.name}.toarray(), "
            f"which takes {size / 2**20:.3g} MiB, or use {instead}."
        )
    needed = size + (m + n) * k * A.dtype.itemsize
    if needed > max_memory:
        raise ValueError(
            f"The residual, a dense copy of {A.name}, and its factors need {needed / 2**20:.3g} MiB, "
            f"max_memory is {max_memory / 2**20:.3g} MiB. Use max_memory={needed}, or {instead}."
        )


# -- the greedy choice ------------------------------------------------------------------------


def _row_norms(norm):
    """The function that maps an array to the norms of its rows, from what users pass."""
    if callable(norm):
        return lambda E: _of_callable(norm, E)
    if isinstance(norm, bool) or not isinstance(norm, Real):
        raise TypeError(f"norm must be a number, p >= 1 or inf, or a callable, got {norm!r}.")
    if not norm >= 1:
        raise ValueError(f"norm must be at least 1, or inf, for the p-norm to be one; got {norm}.")
    if norm == np.inf:
        return _largest
    if norm == 1:
        return lambda E: np.abs(E).sum(axis=1)
    if norm == 2:
        return lambda E: np.sqrt(np.einsum("ij,ij->i", E, E))

    def p_norms(E):
        unit = _largest(E)  # powers of small entries would vanish
        safe = np.where(unit > 0, unit, 1)
        return unit * np.sum((np.abs(E) / safe[:, None]) ** norm, axis=1) ** (1 / norm)

    return p_norms


def _largest(E):
    return np.maximum(E.max(axis=1), -E.min(axis=1))


def _of_callable(norm, E):
    E = E.view()
    E.flags.writeable = False
    found = np.asarray(norm(E))
    if found.shape != (len(E),) or found.dtype.kind not in "iuf":
        raise ValueError(
            f"norm must map an array of shape {E.shape} to the {len(E)} norms of its rows, got an array of "
            f"shape {found.shape} and {found.dtype}."
        )
    if not (np.isfinite(found).all() and found.min() >= 0):
        raise ValueError("norm must return finite numbers that are not negative.")
    return found


def _copied(A, axis):
    """A (axis=0: A^T) as a new array in C order."""
    wanted = A if axis == 1 else A.T
    if not isinstance(wanted, Transposed):
        return wanted.toarray()
    base, E = wanted.T, np.empty(wanted.shape, dtype=wanted.dtype)

    def copy(lo, hi, piece):
        E[:, lo:hi] = piece.dense().T

    base.each_piece(copy)
    return E


def _greedy(E, k, tol, norms_of):
    """The method by rows of E, which becomes the residual: row of the largest norm, largest entry in it."""
    m, n = E.shape
    exponent = int(np.frexp(max(E.max(), -E.min()))[1]) - 1
    E *= E.dtype.type(2.0**-exponent)  # exactly; squares stay in range
    step = max(_TILE_ENTRIES // n, 1)
    tasks = [(lo, min(lo + step, m)) for lo in range(0, m, step)]
    norms = np.empty(m)

    def swept(cross=None):
        """Subtract the cross, set `norms`, and return the squared norm of what is left."""

        def compute(task):
            lo, hi = task
            rows = E[lo:hi]
            if cross is not None:
                u, v, i, j = cross
                rows -= u[lo:hi, None] * v
                rows[:, j] = 0
                if lo <= i < hi:
                    rows[i - lo] = 0
            norms[lo:hi] = norms_of(rows)
            return np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64)

        squares = []
        ordered(compute, tasks, squares.append)
        return float(sum(squares))

    total = swept()
    taken, of_rows, of_columns, left_norms, errors = [], [], [], [], []
    largest = 0.0
    while len(taken) < k:
        i = int(np.argmax(norms))
        j = int(np.argmax(np.abs(E[i])))
        pivot = E[i, j]
        largest = max(largest, abs(pivot))
        if abs(pivot) <= _ROUNDING * (len(taken) + 2) * np.finfo(E.dtype).eps * largest:
            break
        taken.append((i, j, pivot))
        of_rows.append(E[:, j] / pivot)
        of_columns.append(E[i] / pivot)
        # Halves of the pivot to either side: the transposed matrix has the transposed residual to the bit.
        root = np.sqrt(abs(pivot))
        square = swept((E[:, j] / root, E[i] / np.copysign(root, pivot), i, j))
        left_norms.append(norms.max())
        errors.append(np.sqrt(square / total))
        if tol is not None and errors[-1] <= tol:
            break
    unit = 2.0**exponent
    rows, columns = (np.array([t[side] for t in taken], dtype=np.intp) for side in (0, 1))
    pivots = np.array([t[2] for t in taken], dtype=E.dtype) * E.dtype.type(unit)
    return (
        rows,
        columns,
        np.array(of_rows, dtype=E.dtype).reshape(-1, m),
        pivots,
        np.array(of_columns, dtype=E.dtype).reshape(-1, n),
        np.array(left_norms) * unit,
        np.array(errors),
    )


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
