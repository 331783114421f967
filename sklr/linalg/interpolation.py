"""Empirical interpolation: rows and columns of a matrix between which the others are interpolated."""

from numbers import Real
from typing import NamedTuple

import numpy as np

from sklr._backend import as_operand, ordered, session

from ._checks import check_rank, check_relative
from .plan import MAX_MEMORY

# Entries of a tile of the residual: it and the product that is subtracted stay in cache.
_TILE_ENTRIES = 2**16
# An entry of the residual is rounding after t steps if it is below so many (t + 2) eps of the largest pivot.
# Of matrices of rank up to 60, about (t + 5) eps / 4 was left, whatever their shape.
_ROUNDING = 4


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
        residual needs more than `max_memory`, or `norm` returns something else than norms or is 0 for what
        is not.

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
            f"The residual, a dense copy of {A.name}, and its factors need {needed} bytes, max_memory is "
            f"{max_memory}. Use max_memory={needed}, or {instead}."
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
    return (A if axis == 1 else A.T).toarray(order="C")


def _greedy(E, k, tol, norms_of):
    """The method by rows of E, which becomes the residual: row of the largest norm, largest entry in it."""
    m, n = E.shape
    exponent = int(np.frexp(max(E.max(), -E.min()))[1]) - 1
    np.ldexp(E, -exponent, out=E)  # exactly, tiny entries too; squares stay in range
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
        eps = np.finfo(E.dtype).eps
        rounding = _ROUNDING * (len(taken) + 2) * eps * largest
        if abs(pivot) <= rounding or not norms[i]:
            left = max(E.max(), -E.min())
            if left > (np.sqrt(eps) * largest if norms[i] else rounding):
                raise ValueError(
                    f"norm is no norm: after {len(taken)} steps it is largest, {norms[i]:.3g}, for a vector "
                    f"whose largest entry is {abs(pivot):.3g}, and others have entries of {left:.3g}, in "
                    "units of about the largest of A. Pass a norm, which is 0 for zero vectors only."
                )
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
    pivots = np.ldexp(np.array([t[2] for t in taken], dtype=E.dtype), exponent)
    return (
        rows,
        columns,
        np.array(of_rows, dtype=E.dtype).reshape(-1, m),
        pivots,
        np.array(of_columns, dtype=E.dtype).reshape(-1, n),
        np.array(left_norms) * unit,
        np.array(errors),
    )
