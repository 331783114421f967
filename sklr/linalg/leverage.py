"""Leverage scores of columns."""

from typing import NamedTuple

import numpy as np

from sklr._backend import as_operand, as_stream, session

from ._checks import check_rank
from ._pivots import independent
from .error_estimate import is_resolved
from .pivoting import of_sketch, sketched_rows
from .plan import MAX_MEMORY
from .svd import truncated_svd

KINDS = ("exact", "sketched", "ridge")


class LeverageScores(NamedTuple):
    """How much each column weighs in the leading singular vectors.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        From 0 to 1, with the sum k or the rank of A, if that is less; of kind "ridge", which are bounds, the
        sum is at most 2 k. float64.
    best_errors : ndarray of shape (k,)
        Relative Frobenius errors of the best approximations of rank 1, 2, ..., k, as far as they are more
        than rounding; otherwise NaN. Of kind "sketched" lower estimates. float64.
    n_passes : int
        Sweeps over A.
    """

    scores: np.ndarray
    best_errors: np.ndarray
    n_passes: int


def leverage_scores(
    A, k, *, kind="exact", sketch="auto", sketch_size=None, max_memory=MAX_MEMORY, rng=None, n_threads=None
):
    """Leverage scores of the columns of A, of rank k.

    With the truncated SVD ``A_k = U diag(s) V^T`` and ``lambda = ||A - A_k||_F^2 / k``,

    - "exact": ``l_j = sum_i V_ji^2``, the squared length of the projection of the unit vector e_j on the
      leading right singular vectors;
    - "sketched": the same with the singular vectors of a sketch S A, in one pass;
    - "ridge": ``sum_i V_ji^2 s_i^2 / (s_i^2 + lambda) + ||(A - A_k) e_j||^2 / lambda``, an upper bound of the
      ridge leverage score ``a_j^T (A A^T + lambda I)^-1 a_j`` that also sees what a column has beyond A_k,
      and needs no gap in the spectrum.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int
        Rank, from 1 to min(m, n).
    kind : {"exact", "sketched", "ridge"}, default="exact"
        Which scores.
    sketch : str or Distribution, default="auto"
        Distribution of S for "sketched", which alone takes it; see `sklr.sketch.make_sketch`.
    sketch_size : int, default=None
        Rows of S, from k to m; None: as `pivoted_columns` has it for "qr".
    max_memory : int, default=2147483648
        Bytes beside the data.
    rng : None, int, Generator or Stream, default=None
        Where S, or the start of an iteration, comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LeverageScores
        Scores, and the errors of the SVD that they come from.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, does not go with `kind`, or A holds NaN or
        infinity.

    Notes
    -----
    The cost of `truncated_svd` with rank k, and one pass more for "ridge".

    As probabilities for drawing columns, leverage scores bound the error by ``(1 + e) ||A - A_k||_F`` for
    some ``k log k / e^2`` columns. For as few columns as k that says little: on a generic matrix with
    singular values 1/i drawing 30 columns by leverage has 1.570 times the best error, drawing them uniformly
    1.584 times, and pivoting (`pivoted_columns`) 1.36 times.

    References
    ----------
    P. Drineas, M. W. Mahoney and S. Muthukrishnan, "Relative-Error CUR Matrix Decompositions", 2008,
    arXiv:0708.3696. M. B. Cohen, C. Musco and C. Musco, "Input Sparsity Time Low-Rank Approximation via Ridge
    Leverage Score Sampling", 2017, arXiv:1511.07263.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import leverage_scores
    >>> leverage_scores(np.diag([3.0, 2.0, 1.0]), 2).scores.round(12)
    array([1., 1., 0.])
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {list(KINDS)}, got {kind!r}.")
    sketch_given = sketch_size is not None or not (isinstance(sketch, str) and sketch == "auto")
    if sketch_given and kind != "sketched":
        raise ValueError(f"kind={kind!r} takes no sketch. Use kind='sketched', or leave out sketch.")
    stream = as_stream(rng)
    before = A.n_passes
    with session(n_threads):
        matrix = A
        if kind == "sketched":
            rows = sketched_rows(A, k, sketch, sketch_size, max_memory, stream.child(0))
            matrix = as_operand(rows, name="sketch")
        svd = truncated_svd(matrix, k, max_memory=max_memory, rng=stream)
        V = svd.right_vectors.T.astype(np.float64)
        squares = svd.singular_values.astype(np.float64) ** 2
        total = svd.squared_norm
        beyond = max(total - squares.sum(), 0.0) if total else 0.0
        if kind == "ridge" and is_resolved(beyond / (total or 1), svd.precision):
            ridge = beyond / k
            columns = A.column_squared_norms() - V**2 @ squares
            scores = V**2 @ (squares / (squares + ridge)) + np.maximum(columns, 0) / ridge
        else:  # what is left is rounding: lambda is zero
            there = independent(svd.singular_values, V.shape[0], A.dtype)  # vectors of zeros are any
            scores = np.einsum("ij,ij->i", V[:, :there], V[:, :there])
    best = best_errors(svd) * of_sketch(matrix.shape[0], A.shape[0], k)
    return LeverageScores(scores, best, A.n_passes - before)


def best_errors(svd):
    """Relative errors of the truncations of a `LowRank` to rank 1, 2, ..., NaN where they are rounding."""
    total = svd.squared_norm or np.inf
    left = 1 - np.cumsum(svd.singular_values.astype(np.float64) ** 2) / total
    return np.sqrt(np.where(is_resolved(left, svd.precision), left, np.nan))
