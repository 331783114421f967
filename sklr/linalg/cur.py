"""Low-rank approximation by columns and rows of the matrix itself."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, session

from ._checks import check_count
from .error_estimate import N_PROBES, is_resolved
from .orthogonalize import orthonormalize
from .pivoting import columns_of_array, of_unit_size, pivoted_columns
from .plan import MAX_MEMORY
from .two_sided import factored, times

LINKINGS = ("projection", "intersection")


class CUR(NamedTuple):
    """Columns C and rows R of a matrix A with the links between them: ``A_hat = C M N^T R``.

    ``N^T R`` has orthonormal rows V^T and ``C M`` orthogonal columns, the longest first: A_hat is in the form
    of an SVD, and its best approximation of rank k takes the first k columns of M and N.

    Parameters
    ----------
    column_indices : ndarray of shape (c,)
        The columns, in the order in which they were taken.
    row_indices : ndarray of shape (p,)
        The rows.
    columns : ndarray of shape (m, c)
        C.
    rows : ndarray of shape (p, n)
        R.
    singular_values : ndarray of shape (r,)
        Of A_hat, descending: the lengths of the columns of ``C M``.
    right_vectors : ndarray of shape (r, n)
        V^T. In each row the entry of largest magnitude is positive.
    column_weights : ndarray of shape (c, r)
        M. Its entries are of moderate size where the columns were pivoted.
    row_weights : ndarray of shape (p, r)
        N. Its entries are large where rows depend on each other.
    errors : ndarray of shape (r,)
        Estimates of ||A - A_hat||_F / ||A||_F for the ranks 1..r, float64.
    best_errors : ndarray of shape (r,)
        The same of the truncated SVDs of A, from the sketch: lower estimates, see `pivoted_columns`. float64.
    n_passes : int
        Sweeps over A.
    """

    column_indices: np.ndarray
    row_indices: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    singular_values: np.ndarray
    right_vectors: np.ndarray
    column_weights: np.ndarray
    row_weights: np.ndarray
    errors: np.ndarray
    best_errors: np.ndarray
    n_passes: int


def cur_decomposition(
    A,
    n_columns,
    n_rows=None,
    *,
    linking="projection",
    pivoting="qr",
    sketch="auto",
    n_oversamples=None,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Approximate A by some of its columns C and rows R: ``A_hat = C U R``.

    Columns are taken by pivoting on a sketch of the rows of A, and then rows by pivoting on these columns;
    if rows are more than columns, the other way round. With ``linking="projection"``, U = C^+ A R^+ is the
    best one for these C and R, and

        ||A - A_hat||_F^2 <= ||A - C C^+ A||_F^2 + ||A - A R^+ R||_F^2.

    With ``linking="intersection"``, U = A[I, J]^+ for the rows I and columns J that were taken: A_hat equals
    A in them if they are equally many and independent. It is an oblique projection, whose error is a small
    multiple of that, because the second set was taken from the first: with sets that are taken independently
    A[I, J] may be nearly singular. On singular values 1/i and as many rows as columns it was 1.3 times as
    large for 20, 2.2 times for 120; more rows than columns bring it down.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    n_columns : int
        Columns to take, from 1 to min(m, n).
    n_rows : int, default=None
        Rows to take, from 1 to min(m, n); as many as columns if None.
    linking : {"projection", "intersection"}, default="projection"
        Which U.
    pivoting : {"qr", "lu", "greedy"}, default="qr"
        See `pivoted_columns`.
    sketch : str or Distribution, default="auto"
        Distribution of the sketch; see `sklr.sketch.make_sketch`.
    n_oversamples : int, default=None
        Rows of the sketch beyond the columns to take; None: as `pivoted_columns` has it.
    max_memory : int, default=2147483648
        Bytes that the sketch and its factors may take, and the factors of the pivoted columns.
    rng : None, int, Generator or Stream, default=None
        Where the sketch and the probes of the error come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    CUR
        Columns, rows, what links them, and the errors for all ranks. Fewer columns or rows than asked for if
        no more are independent.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, A is zero or holds NaN or infinity, or a sketch
        needs more than `max_memory`.

    See Also
    --------
    two_sided_approximation : The form of which "intersection" is one case.

    Notes
    -----
    Four passes: the sketch, the columns, the rows, and A times a basis of the rows (for "intersection", V)
    and ten Gaussian vectors, which tell the error. ``2 nnz (p + 10)`` flops for that, about ``10 m c^2 +
    10 n p^2`` for pivoting and bases, and those of the sketch; ``7 (m c + n p)`` entries beside it.

    Errors above 1e-6 (float32: 1e-2) come from ``||A||^2 - 2 <A, A_hat> + ||A_hat||^2`` with sums in float64
    (for "projection" ``<A, A_hat> = ||A_hat||^2``); below, where that difference has no digits, from
    ``||(A - A_hat) G||_F^2 / 10`` for the Gaussian vectors G, within a factor 3 with probability above .999.

    Not where the SVD will do: its error is smaller. Columns and rows can be named, and keep zeros and signs.

    References
    ----------
    Y. Dong and P.-G. Martinsson, "Simpler is better: a comparative study of randomized pivoting algorithms
    for CUR and interpolative decompositions", 2021, arXiv:2104.05877. D. C. Sorensen and M. Embree, "A DEIM
    induced CUR factorization", 2014, arXiv:1407.5516. S. Voronin and P.-G. Martinsson, "Efficient algorithms
    for CUR and interpolative matrix decompositions", 2014, arXiv:1412.8447.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import cur_decomposition
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 40))
    >>> found = cur_decomposition(A, 3, rng=0)
    >>> A_hat = A[:, found.column_indices] @ found.column_weights @ found.right_vectors
    >>> bool(np.allclose(A_hat, A)), bool(found.errors[-1] < 1e-13)
    (True, True)
    """
    A = as_operand(A, name="A")
    n_columns, n_rows = _checked_counts(n_columns, n_rows, A.shape)
    if linking not in LINKINGS:
        raise ValueError(f"linking must be one of {list(LINKINGS)}, got {linking!r}.")
    if n_oversamples is not None:
        n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    stream = as_stream(rng)
    before = A.n_passes
    with session(n_threads):
        B, counts = (A, (n_columns, n_rows)) if n_columns >= n_rows else (A.T, (n_rows, n_columns))
        d = None if n_oversamples is None else min(counts[0] + n_oversamples, B.shape[0])
        first = pivoted_columns(
            B,
            counts[0],
            pivoting=pivoting,
            sketch=sketch,
            sketch_size=d,
            max_memory=max_memory,
            rng=stream.child(0),
        )
        if A.dtype == np.float64:  # squares of float32 are added up in float64
            A.check_squares()
        if not len(first.indices):
            raise ValueError(
                f"{A.name} is zero everywhere, and no column stands for it. Pass a matrix with an entry."
            )
        C = B.take_columns(first.indices)
        # Picked from the columns, so that the intersection with them is well conditioned.
        needed = 16 * C.size
        if needed > max_memory:
            raise ValueError(
                f"Pivoting on {C.shape[1]} vectors of {len(C)} entries needs {needed / 2**20:.3g} MiB, "
                f"max_memory is {max_memory / 2**20:.3g} MiB. Use smaller n_columns and n_rows or "
                f"max_memory={needed}."
            )
        second, _ = columns_of_array(of_unit_size(C.T)[0], min(counts[1], C.shape[1]), pivoting, A.dtype)
        R = B.take_rows(second)
        chosen = [first.indices, second]
        if B is not A:
            chosen, C, R = chosen[::-1], R.T, C.T
        G = stream.child(1).generator("error_estimate").standard_normal((A.shape[1], N_PROBES))
        link = _linked_by_projection if linking == "projection" else _linked_by_intersection
        U, s, V, M, N, inner, AG = link(A, C, R, chosen[1], G)
        errors = _errors_by_rank(A, U, s, V, inner, G, AG)
    signs = np.where(V[np.argmax(np.abs(V), axis=0), np.arange(len(s))] < 0, -1, 1)
    s, Vt, M, N = (x.astype(A.dtype) for x in (s, (V * signs).T, M * signs, N * signs))
    best = first.best_errors[: len(s)]
    return CUR(*chosen, C, R, s, np.ascontiguousarray(Vt), M, N, errors, best, A.n_passes - before)


def _checked_counts(n_columns, n_rows, shape):
    counts = []
    for name, count in (("n_columns", n_columns), ("n_rows", n_columns if n_rows is None else n_rows)):
        count = check_count(name, count, 1)
        if count > min(shape):
            raise ValueError(
                f"{name} must be at most {min(shape)} for a matrix of shape {shape}, got {count}."
            )
        counts.append(count)
    return counts


def _linked_by_projection(A, C, R, chosen_rows, G):
    """Q_C Q_C^T A Q_R Q_R^T in the form of an SVD; see `_errors_by_rank` for what is returned."""
    (Q_C, T_C), (Q_R, T_R) = _basis(C), _basis(R.T)
    products = A.matmat(np.hstack([Q_R, G.astype(A.dtype)]))
    core = times(Q_C.T, products[:, : Q_R.shape[1]])
    P, s, Zt = linalg.svd(core.astype(np.float64), full_matrices=False)
    M, N = _solved(T_C, P * s), _solved(T_R, Zt.T)
    # The projection is orthogonal: <A, u s v^T> is s^2.
    return times(Q_C, P), s, times(Q_R, Zt.T), M, N, s, products[:, Q_R.shape[1] :]


def _linked_by_intersection(A, C, R, chosen_rows, G):
    """C A[I, J]^+ R in the form of an SVD."""
    left, right, core_left, S, core_right_t = factored(C, R, C[chosen_rows], None)
    (Q_l, T_l), (Q_r, T_r) = _basis(left), _basis(right.T)
    P, s, Zt = linalg.svd(T_l @ T_r.T, full_matrices=False)
    M = (core_right_t.T / S) @ (T_r.T @ Zt.T)
    N = core_left @ _solved(T_r, Zt.T)
    U, V = times(Q_l, P), times(Q_r, Zt.T)
    products = A.matmat(np.hstack([V, G.astype(A.dtype)]))
    inner = np.einsum("ij,ij->j", U, products[:, : len(s)], dtype=np.float64)
    return U, s, V, M, N, inner, products[:, len(s) :]


def _basis(Y):
    """``(Q, T)`` with Y = Q T, Q orthonormal columns, T float64."""
    Q = orthonormalize(Y)
    return Q, times(Q.T, Y).astype(np.float64)


def _solved(T, B):
    """A solution M of ``T M = B`` for a T of full row rank, by pivoted QR."""
    Q, R, order = linalg.qr(T, mode="economic", pivoting=True)
    M = np.zeros((T.shape[1], B.shape[1]))
    M[order[: len(T)]] = linalg.solve_triangular(R[:, : len(T)], Q.T @ B)
    return M


def _errors_by_rank(A, U, s, V, inner, G, AG):
    """||A - U_k S_k V_k^T||_F / ||A||_F for k = 1..r, from ``inner = u^T A v`` and ``AG = A G``."""
    eps = float(np.finfo(A.dtype).eps)
    total = A.squared_norm()
    squares = 1 - np.cumsum((2 * inner - s) * s) / total
    T = times(U.T, AG)
    beyond = as_operand(AG - times(U, T), name="residual").squared_norm()
    T = T.astype(np.float64)
    wrong = np.sum((T - s[:, None] * times(V.T, G)) ** 2, axis=1)
    left_out = np.sum(T**2, axis=1)
    left_out = np.cumsum(left_out[::-1])[::-1] - left_out
    probed = (beyond + np.cumsum(wrong) + left_out) / N_PROBES / total
    return np.maximum(np.sqrt(np.where(is_resolved(squares, eps), squares, probed)), eps)
