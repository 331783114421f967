"""Columns that stand for all others, by pivoting on a sketch of the rows."""

from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_rank
from ._pivots import independent, pivoted_columns_of_array, pivoted_lu
from .plan import MAX_MEMORY

PIVOTINGS = ("qr", "lu", "greedy")
# Rows of the sketch for k columns: so many each, at most so many more than 2 k, at least so many more than k.
_ROWS_PER_COLUMN = 15
_MORE_ROWS = 420
_LEAST_MORE_ROWS = 10
# Where it would have such a part of the rows, all are taken as they are: a sketch has its cost too.
_NEARLY_ALL = 0.6
# Below this part of the whole, squared errors are taken from singular values, not from their squares.
_SQUARED = 1e-10


class ColumnSelection(NamedTuple):
    """Columns of a matrix, and the others as their combinations.

    Parameters
    ----------
    indices : ndarray of shape (r,)
        The columns, in the order in which they were taken: the first ones are what fewer would have been. r
        is below the number asked for where no more columns are independent.
    coefficients : ndarray of shape (r, n)
        X with ``A ~ A[:, indices] X``; the identity on the columns that were taken.
    errors : ndarray of shape (r,)
        The relative Frobenius error ``||A - A[:, J] X|| / ||A||`` of the first 1, 2, ... columns J with the
        best coefficients for them. float64.
    best_errors : ndarray of shape (r,)
        The same of the best approximations of rank 1, 2, ..., the truncated SVDs, or lower estimates of
        these; NaN where nothing is known. float64.
    triangle : ndarray of shape (r, r)
        R of ``A[:, indices] = Q R`` with orthonormal Q, of A or its sketch.
    n_passes : int
        Sweeps over A.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    errors: np.ndarray
    best_errors: np.ndarray
    triangle: np.ndarray
    n_passes: int

    def first(self, r):
        """Return the selection of the first columns only, with the best coefficients for them.

        Parameters
        ----------
        r : int
            How many, from 1 to the number that is selected.

        Returns
        -------
        ColumnSelection
            A new one. ``2 r (len(indices) - r) n`` flops.
        """
        R, X = self.triangle, self.coefficients
        if r == len(X):
            return self
        # With W = R X, it is R_11^-1 W_1 = X_1 + R_11^-1 R_12 X_2.
        among = solve_triangle(R[:r, :r], R[:r, r:])
        fewer = X[:r] + among @ X[r:]
        fewer[:, self.indices[:r]] = np.eye(r)
        return self._replace(
            indices=self.indices[:r],
            coefficients=fewer.astype(X.dtype, copy=False),
            errors=self.errors[:r],
            best_errors=self.best_errors[:r],
            triangle=R[:r, :r],
        )


def pivoted_columns(
    A,
    k,
    *,
    pivoting="qr",
    sketch="auto",
    sketch_size=None,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Take k columns by pivoting on a sketch ``S A`` with d rows.

    A sketch that embeds the column space keeps the lengths of columns, and of what is left of them when
    others are projected out. So the columns that pivoted QR takes of ``S A`` serve A nearly as well as those
    that it would take of A: with ``(1 - e) ||A x|| <= ||S A x|| <= (1 + e) ||A x||`` for all x, the error
    ``||A - A_J X||`` with the coefficients X of the sketch is at most ``(1 + e) / (1 - e)`` times that of the
    same columns and coefficients on the sketch.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int
        Columns to take, from 1 to min(m, n).
    pivoting : {"qr", "lu", "greedy"}, default="qr"
        "qr": the column that is longest when those taken are projected out. "greedy": the one whose
        projection lowers the error most. Where many columns are nearly as long as any, such as genotypes, it
        is the better one. "lu": partial pivoting of the transposed sketch; its picks depend on the first k
        rows of the sketch, more serve the coefficients. Its errors are 5 to 10% larger.
    sketch : str or Distribution, default="auto"
        Distribution of S; see `sklr.sketch.make_sketch`. "auto": `SparseStack`, which is as good here as a
        dense one, and far cheaper with so many rows.
    sketch_size : int, default=None
        d, from k to m. None: for "lu" k + 10, otherwise ``min(15 k, 2 k + 420)`` and at least k + 10; at most
        what `max_memory` has room for, down to k + 10; and m where that is more than .6 m. With m nothing is
        sketched.
    max_memory : int, default=2147483648
        Bytes that the sketch and its factors may take.
    rng : None, int, Generator or Stream, default=None
        Where S comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    ColumnSelection
        The columns, and the coefficients and errors that they have on the sketch. `errors` are a little too
        small, as the columns were chosen for the sketch; see `select_columns` for those of A. `best_errors`
        are estimates whose squares are, in expectation, at most those of A.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, A holds NaN or infinity, or the sketch needs more
        than `max_memory`.

    Notes
    -----
    One pass for the sketch; then on one thread ``4 n d k`` flops for "qr", which read the sketch k times,
    ``8 n d k + 4 n d^2`` for "greedy", ``4 n d k + 2 n d^2`` for "lu"; and ``2 n d^2 + 4/3 d^3`` for
    `best_errors`. ``24 n d`` bytes. The columns for a smaller k are the first of these if d is the same.

    Not for columns that a few large rows decide, with a sketch that may lose them (uniform row sampling).

    References
    ----------
    Y. Dong and P.-G. Martinsson, "Simpler is better: a comparative study of randomized pivoting algorithms
    for CUR and interpolative decompositions", 2021, arXiv:2104.05877. S. Voronin and P.-G. Martinsson,
    "Efficient algorithms for CUR and interpolative matrix decompositions", 2014, arXiv:1412.8447.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import pivoted_columns
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 40))
    >>> found = pivoted_columns(A, 3, rng=0)
    >>> bool(np.allclose(A[:, found.indices] @ found.coefficients, A))
    True
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    if pivoting not in PIVOTINGS:
        raise ValueError(f"pivoting must be one of {list(PIVOTINGS)}, got {pivoting!r}.")
    if sketch_size is None and pivoting == "lu":
        sketch_size = min(k + _LEAST_MORE_ROWS, A.shape[0])
    before = A.n_passes
    with session(n_threads):
        B = sketched_rows(A, k, sketch, sketch_size, max_memory, as_stream(rng))
        unit = float(np.max(np.abs(B), initial=0)) or 1.0
        B = np.divide(B, unit, dtype=np.float64, order="C")
        total, best = _errors_of_best(B, k, A.shape[0])
        if pivoting == "lu":
            taken, W = _by_lu(B, k, A.dtype)
        else:
            taken, W = pivoted_columns_of_array(B, k, "gain" if pivoting == "greedy" else "length", A.dtype)
        r = len(taken)
        R = W[:, taken]
        X = solve_triangle(R, W)
        X[:, taken] = np.eye(r)
        X = X.astype(A.dtype, copy=False)
    return ColumnSelection(taken, X, left(W, total), best[:r], R * unit, A.n_passes - before)


def solve_triangle(R, W):
    """``R^-1 W`` in float64 for an upper triangular R, which may be empty."""
    if not W.size:  # which not all versions of SciPy take
        return np.zeros(W.shape)
    R, W = (M.astype(np.float64, copy=False) for M in (R, W))
    return linalg.solve_triangular(R, W, check_finite=False)


def left(W, total):
    """Relative error of a projection of squared norm `total` on the first 1, 2, ... of orthonormal rows."""
    if not total:
        return np.zeros(len(W))
    captured = np.cumsum(np.einsum("ij,ij->i", W, W, dtype=np.float64))
    return np.sqrt(np.maximum(1 - captured / total, 0))


def sketched_rows(A, k, sketch, sketch_size, max_memory, stream):
    """``S A`` as an ndarray, with rows enough to choose k columns; A itself where it has no more."""
    m, n = A.shape
    sketch = make_sketch("sparse_stack" if isinstance(sketch, str) and sketch == "auto" else sketch)
    if sketch_size is None:
        room = int(max_memory // (24 * n))
        d = min(max(min(_ROWS_PER_COLUMN * k, 2 * k + _MORE_ROWS, room), k + _LEAST_MORE_ROWS), m)
        if _NEARLY_ALL * m < d and m <= room:
            d = m
    else:
        d = check_count("sketch_size", sketch_size, 1)
        if not k <= d <= m:
            raise ValueError(f"sketch_size must be from k={k} to the {m} rows of A, got {d}.")
    needed = 24 * n * d
    if needed > max_memory:
        raise ValueError(
            f"A sketch of {d} x {n} and its factors need {needed / 2**20:.3g} MiB, max_memory is "
            f"{max_memory / 2**20:.3g} MiB. Use fewer columns, a smaller sketch_size or max_memory={needed}."
        )
    if d == m:
        return A.toarray()
    SA = A.sketch(sketch.operator(d, m, stream.child(0), A.dtype))
    return SA.toarray() if sparse.issparse(SA) else SA


def _errors_of_best(B, k, m):
    """``||B||_F^2`` of a sketch of m rows, and relative errors of the best approximations of rank 1, ..., k.

    With T = A - A_i, and P the projection on the range of S U_i, which has dimension i and, for a Gaussian S,
    is independent of S T,

        ||S A - (S A)_i||^2 <= ||(I - P) S A||^2 = ||(I - P) S T||^2,

    whose expectation is ``(1 - i / d) ||T||^2``; for a random projection of m rows to d it is
    ``m (d - i) / (d (m - i)) ||T||^2``. Divided by the latter, the square of the error of S A is in
    expectation at most that of A, and nearly that where the spectrum decays slowly.
    """
    d, rank = len(B), np.arange(1, k + 1)
    G = as_operand(B.T if B.shape[0] <= B.shape[1] else B, name="sketch").gram()
    total = np.trace(G)
    if not total:
        return 0.0, np.zeros(k)
    squares = np.maximum(linalg.eigvalsh(G), 0)
    beyond = np.cumsum(squares)[::-1]
    if k < len(squares) and beyond[k] < _SQUARED * total:
        beyond = np.cumsum(linalg.svdvals(B)[::-1] ** 2)[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 where k is d and less than m
        factor = d * (m - rank) / (m * (d - rank)) if d < m else 1.0
        return float(total), np.sqrt(factor * np.append(beyond[1:], np.zeros(k))[:k] / total)


def _by_lu(B, k, dtype):
    """The first k pivots of LU of B^T, and B projected on their span; see `pivoted_columns_of_array`."""
    LU, order = pivoted_lu(B.T.copy(order="F"))
    taken = order[: independent(np.abs(np.diag(LU))[:k], B.shape[1], dtype)]
    Q, R = linalg.qr(B[:, taken], mode="economic")
    W = Q.T @ B
    W[:, taken] = R
    return taken.astype(np.intp), W
