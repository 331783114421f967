"""Columns that stand for all others, by pivoting on a sketch of the rows."""

from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_rank
from .plan import MAX_MEMORY

PIVOTINGS = ("qr", "lu")
# Rows of the sketch for k columns: so many each, at most so many more than 2 k, at least so many more than k.
_ROWS_PER_COLUMN = 10
_MORE_ROWS = 270
_LEAST_MORE_ROWS = 10
# What is left of the largest column below so many sqrt(n) eps of it depends on the columns that were taken.
_DEPENDENT = 10


class ColumnSelection(NamedTuple):
    """Columns of a matrix, and the others as their combinations.

    Parameters
    ----------
    indices : ndarray of shape (r,)
        The columns, in the order in which they were taken: the first ones are what fewer would have been. r
        is below the number asked for where no more columns are independent.
    coefficients : ndarray of shape (r, n)
        X with ``A ~ A[:, indices] X``, nearly the best one: that of the sketch. The identity on the columns
        that were taken.
    n_passes : int
        Sweeps over A.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    n_passes: int


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
    pivoting : {"qr", "lu"}, default="qr"
        "qr": the column that is longest when those taken are projected out. "lu": partial pivoting of the
        transposed sketch; its picks depend on the first k rows of the sketch, more serve the coefficients.
        Faster, and errors are 5 to 10% larger.
    sketch : str or Distribution, default="auto"
        Distribution of S; see `sklr.sketch.make_sketch`.
    sketch_size : int, default=None
        d, from k to m. None: for "lu" k + 10, for "qr" ``min(10 k, 2 k + 270)`` and at least k + 10; at most
        m. With m nothing is sketched.
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
        The columns and the coefficients of the others.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, A holds NaN or infinity, or the sketch needs more
        than `max_memory`.

    Notes
    -----
    One pass for the sketch; pivoted QR ``4 n d^2`` flops, LU ``2 n d^2``, both LAPACK on one thread;
    ``24 n d`` bytes. The columns for a smaller k are the first of these if d is the same.

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
    m, n = A.shape
    k = check_rank(k, A.shape)
    if pivoting not in PIVOTINGS:
        raise ValueError(f"pivoting must be one of {list(PIVOTINGS)}, got {pivoting!r}.")
    if not (isinstance(sketch, str) and sketch == "auto"):
        sketch = make_sketch(sketch)
    if sketch_size is None:
        rows = min(_ROWS_PER_COLUMN * k, 2 * k + _MORE_ROWS) if pivoting == "qr" else 0
        d = min(max(rows, k + _LEAST_MORE_ROWS), m)
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
    before = A.n_passes
    with session(n_threads):
        B = A.toarray() if d == m else _sketched(A, sketch, d, as_stream(rng))
        unit = np.max(np.abs(B), initial=0)
        B = B.astype(np.float64) / (unit if unit else 1)
        taken, coefficients = _by_qr(B, k, A.dtype) if pivoting == "qr" else _by_lu(B, k, A.dtype)
    return ColumnSelection(taken, coefficients.astype(A.dtype), A.n_passes - before)


def _sketched(A, sketch, d, stream):
    m = A.shape[0]
    distribution = make_sketch(sketch, n=m, sketch_size=d, sparse=A.container == "sparse")
    SA = A.sketch(distribution.operator(d, m, stream.child(0), A.dtype))
    return SA.toarray() if sparse.issparse(SA) else SA


def _by_qr(B, k, dtype):
    """The first k pivots of QR, and R_11^-1 [R_11 R_12] in the order of the columns."""
    R, order = linalg.qr(B, mode="r", pivoting=True, overwrite_a=True, check_finite=False)
    r = _rank(np.abs(np.diag(R))[:k], B.shape[1], dtype)
    return _arranged(order, r, _solved(R[:r, :r], R[:r, r:]))


def _by_lu(B, k, dtype):
    """The first k pivots of LU of B^T, and (L_2 L_1^-1)^T in the order of the columns."""
    LU, order = pivoted_lu(B.T)
    r = _rank(np.abs(np.diag(LU))[:k], B.shape[1], dtype)
    return _arranged(order, r, _solved(LU[:r, :r], LU[r:, :r].T, lower=True, unit_diagonal=True, trans="T"))


def pivoted_lu(V):
    """``(LU, order)`` of V, which is overwritten: `order[:k]` are the rows that partial pivoting takes.

    For an orthonormal V of k columns these rows are the interpolation points of DEIM.
    """
    (factor,) = linalg.get_lapack_funcs(("getrf",), (V,))  # a pivot of zero is no matter for a warning here
    LU, swaps, _ = factor(V, overwrite_a=True)
    order = np.arange(len(V))
    for i, j in enumerate(swaps):
        order[i], order[j] = order[j], order[i]
    return LU, order


def _solved(T, X, **kind):
    """T^-1 X, or T^-T X, for a triangular T; an empty one is not for all versions of SciPy."""
    return linalg.solve_triangular(T, X, check_finite=False, **kind) if len(T) else X


def _rank(pivots, n, dtype):
    """How many pivots are more than rounding."""
    small = pivots <= _DEPENDENT * np.sqrt(n) * np.finfo(dtype).eps * pivots.max(initial=0)
    return int(np.argmax(small)) if small.any() else len(pivots)


def _arranged(order, r, rest):
    coefficients = np.zeros((r, len(order)))
    coefficients[:, order[:r]] = np.eye(r)
    coefficients[:, order[r:]] = rest
    return order[:r].astype(np.intp), coefficients
