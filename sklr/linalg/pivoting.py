"""Columns that stand for all others, by pivoting on a sketch of the rows."""

import numpy as np
from scipy import linalg, sparse

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_rank
from ._pivots import pivoted_columns_of_array, pivoted_lu, rounding
from ._selection import ColumnSelection, left, solve_triangle
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
        what `max_memory` has room for, down to k + 10; and m where that is more than .6 m and `sketch` is
        "auto". With m nothing is sketched.
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
    `best_errors`, ``4 n d^2`` more where rank k leaves less than 1e-5. ``24 n d`` bytes. The columns for a
    smaller k are the first of these if d is the same.

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
        B, unit = of_unit_size(B)
        total, best = _errors_of_best(B, k, A.shape[0], A.dtype)
        taken, W = columns_of_array(B, k, pivoting, A.dtype)
        r = len(taken)
        R = W[:, taken]
        X = solve_triangle(R, W)
        X[:, taken] = np.eye(r)
        X = X.astype(A.dtype, copy=False)
    return ColumnSelection(taken, X, left(W, total), best[:r], R * unit, A.n_passes - before)


def of_unit_size(B):
    """``(B / unit, unit)``, a float64 copy whose largest entry is 1."""
    unit = float(max(B.max(initial=0), -B.min(initial=0))) or 1.0
    return np.divide(B, unit, dtype=np.float64, order="C"), unit


def columns_of_array(B, k, pivoting, dtype):
    """Columns that pivoting takes of a float64 array of unit size, and that projected on their span.

    `B` is overwritten; see `pivoted_columns_of_array`.
    """
    if pivoting == "lu":
        return _by_lu(B, k, dtype)
    return pivoted_columns_of_array(B, k, "gain" if pivoting == "greedy" else "length", dtype)


def sketched_rows(A, k, sketch, sketch_size, max_memory, stream):
    """``S A`` as an ndarray, with rows enough to choose k columns; A itself where it has no more."""
    m, n = A.shape
    is_auto = isinstance(sketch, str) and sketch == "auto"
    sketch = make_sketch("sparse_stack" if is_auto else sketch)
    if sketch_size is None:
        room = int(max_memory // (24 * n))
        d = min(max(min(_ROWS_PER_COLUMN * k, 2 * k + _MORE_ROWS, room), k + _LEAST_MORE_ROWS), m)
        if is_auto and _NEARLY_ALL * m < d and m <= room:
            d = m
    else:
        d = check_count("sketch_size", sketch_size, 1)
        if not k <= d <= m:
            raise ValueError(f"sketch_size must be from k={k} to the {m} rows of A, got {d}.")
    needed = 24 * n * d
    if needed > max_memory:
        raise ValueError(
            f"A sketch of {d} x {n} and its factors need {needed / 2**20:.3g} MiB, max_memory is "
            f"{max_memory / 2**20:.3g} MiB. Use fewer columns, fewer rows of the sketch or "
            f"max_memory={needed}."
        )
    if d == m:
        return A.toarray()
    SA = A.sketch(sketch.operator(d, m, stream.child(0), A.dtype))
    return SA.toarray() if sparse.issparse(SA) else SA


def of_sketch(d, m, k):
    """By which factors the errors of rank 1, ..., k of a sketch of m rows to d are too small.

    With T = A - A_i, and P the projection on the range of S U_i, which has dimension i and, for a Gaussian S,
    is independent of S T,

        ||S A - (S A)_i||^2 <= ||(I - P) S A||^2 = ||(I - P) S T||^2,

    whose expectation is ``(1 - i / d) ||T||^2``; for a random projection of m rows to d it is
    ``m (d - i) / (d (m - i)) ||T||^2``. Divided by the latter, the square of the error of S A is in
    expectation at most that of A, and nearly that where the spectrum decays slowly.
    """
    rank = np.arange(1, k + 1)
    if d == m:
        return np.ones(k)
    return np.sqrt(d * (m - rank) / (m * np.where(rank < d, d - rank, np.nan)))


def _errors_of_best(B, k, m, dtype):
    """``||B||_F^2``, and the relative errors of the best approximations of rank 1, ..., k that it tells."""
    G = as_operand(B.T if B.shape[0] <= B.shape[1] else B, name="sketch").gram()
    total = np.trace(G)
    if not total:
        return 0.0, np.full(k, np.nan)
    squares = np.maximum(linalg.eigvalsh(G), 0)
    beyond = np.cumsum(squares)[::-1]
    if k < len(squares) and beyond[k] < _SQUARED * total:
        beyond = np.cumsum(linalg.svdvals(B)[::-1] ** 2)[::-1]
    errors = np.sqrt(np.append(beyond[1:], np.zeros(k))[:k] / total)
    errors = np.where(errors > rounding(B.shape[1], dtype), errors, np.nan)
    return float(total), errors * of_sketch(len(B), m, k)


def _by_lu(B, k, dtype):
    """The first k pivots of LU of B^T, and B projected on their span; see `pivoted_columns_of_array`."""
    largest = np.abs(B).max(axis=0)
    LU, order = pivoted_lu(B.T.copy(order="F"))
    pivots, order = np.abs(np.diag(LU)), order[: min(B.shape)]
    # A row of B that depends on those before has a pivot of zero, and says nothing.
    taken = order[pivots > rounding(B.shape[1], dtype) * largest[order]][:k]
    Q, R = linalg.qr(B[:, taken], mode="economic")
    W = Q.T @ B
    W[:, taken] = R
    return taken.astype(np.intp), W
