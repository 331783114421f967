"""The columns of a matrix that stand for all others: choose them, by whichever method, and interpolate."""

import numpy as np

from sklr._backend import as_operand, as_stream, session

from ._checks import check_count, check_rank, check_relative
from ._column_span import ColumnSpan
from ._pivots import pivoted_lu
from .leverage import KINDS, best_errors, leverage_scores
from .pivoting import pivoted_columns
from .plan import MAX_MEMORY
from .random_pivoting import first_drawn, n_needed, randomly_pivoted_columns
from .svd import truncated_svd

PIVOTED = {"qrcp": "qr", "lupp": "lu", "greedy": "greedy"}
SCORED = ("leverage", "norm", "norm_activation")
METHODS = (*PIVOTED, "rbrp", "deim", *SCORED, "uniform")
# Where a tolerance chooses the number of columns, so many are tried first, and then twice as many.
_FIRST = 64


def select_columns(
    A,
    k=None,
    *,
    method="qrcp",
    tol=None,
    sketch="auto",
    n_oversamples=None,
    leverage="exact",
    sampled=False,
    reference=None,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Choose columns of A and interpolate the others from them.

    Finds indices J and coefficients X so that ``A ~ A[:, J] X``. X is the best one for J, by which the
    approximation is the projection of A on the span of the columns: with ``A[:, J] = Q R``, it is
    ``X = R^-1 Q^T A``.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int, default=None
        Columns to choose, from 1 to min(m, n); with `tol` the most. None, with `tol`: min(m, n).
    method : {"qrcp", "lupp", "greedy", "rbrp", "deim", "leverage", "norm", "norm_activation", "uniform"}, \
default="qrcp"
        "qrcp", "lupp", "greedy": pivoting on a sketch of the rows, see `pivoted_columns`. "rbrp": see
        `randomly_pivoted_columns`. "deim": the interpolation points of the k leading right singular vectors,
        which are the pivots of their LU factorisation. "leverage": the largest leverage scores of rank k, see
        `leverage_scores`. "norm": the longest columns. "norm_activation": the largest products
        ``||A e_j|| ||Z e_j||`` with the columns of `reference` Z, for the product ``A Z^T``. "uniform": k at
        random.
    tol : float, default=None
        Relative Frobenius error in (0, 1) to reach with the fewest columns, in the order of choice.
    sketch : str or Distribution, default="auto"
        Distribution of the sketch of pivoting and sketched leverage scores; other methods take none.
    n_oversamples : int, default=None
        Rows of that sketch beyond k; None: see `pivoted_columns`.
    leverage : {"exact", "sketched", "ridge"}, default="exact"
        Which leverage scores; other methods take "exact" only.
    sampled : bool, default=False
        "leverage", "norm" and "norm_activation" draw columns without replacement, with probabilities
        proportional to leverage scores, squared lengths or products of lengths, in place of taking the
        largest; other methods take False only.
    reference : matrix or operand of shape (b, n), default=None
        Z of "norm_activation"; other methods take None only.
    max_memory : int, default=2147483648
        Bytes beside the data that a step may take.
    rng : None, int, Generator or Stream, default=None
        Where random numbers come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    ColumnSelection
        Independent columns in the order of choice, the best coefficients, and errors, those of A. Columns
        that depend on earlier ones are passed over; r < k columns where no more are independent, or where
        `tol` is reached. `best_errors` are lower estimates from the sketch, by which the columns look a
        little worse than they are; for "deim" and "leverage" (but sketched) those of the SVD; for others,
        and where they are rounding, NaN.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range or does not go with `method`, A is zero or holds
        NaN or infinity, or `max_memory` is too small.

    Notes
    -----
    The cost of the method, and two passes with ``2 nnz k + 8 m k^2`` flops for the coefficients and the
    errors, one more where an error is below 1e-6 (float32: 1e-2). ``(5 m + 2 n) k`` numbers. With `tol` and
    no k this is done for 64, 128, ... columns. Where columns that were chosen depend on others, two passes
    more for each time that they are replaced.

    "greedy" takes three times as long as "qrcp" and has smaller errors where many columns are alike. Scores
    ("leverage", "norm") look at one column at a time and take several that say the same.

    References
    ----------
    Y. Dong and P.-G. Martinsson, "Simpler is better: a comparative study of randomized pivoting algorithms
    for CUR and interpolative decompositions", 2021, arXiv:2104.05877. D. C. Sorensen and M. Embree, "A DEIM
    Induced CUR Factorization", 2014, arXiv:1407.5516. P. Drineas, R. Kannan and M. W. Mahoney, "Fast Monte
    Carlo Algorithms for Matrices I", 2006, doi:10.1137/S0097539704442684 (products of norms). S. Park and
    S.-M. Moon, "CURing Large Models: Compression via CUR Decomposition", 2025, arXiv:2501.04211 (with the
    norms of activations).

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import select_columns
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 40))
    >>> found = select_columns(A, 3, rng=0)
    >>> bool(np.allclose(A[:, found.indices] @ found.coefficients, A)), bool(found.errors[-1] < 1e-12)
    (True, True)
    """
    A = as_operand(A, name="A")
    tol = None if tol is None else check_relative("tol", tol)
    if k is None and tol is None:
        raise ValueError("k and tol are both None: give the number of columns or the error to reach.")
    cap = min(A.shape) if k is None else check_rank(k, A.shape)
    check_method(method, sketch, n_oversamples, leverage, sampled, reference)
    stream = as_stream(rng)
    before = A.n_passes
    with session(n_threads):
        if method == "rbrp":
            return randomly_pivoted_columns(A, cap, tol=tol, max_memory=max_memory, rng=stream)._replace(
                n_passes=A.n_passes - before
            )
        if reference is not None:
            reference = as_operand(reference, name="reference")
        wanted = cap if k is not None else min(_FIRST, cap)
        while True:
            order, best, bounds = _order(
                A, wanted, method, sketch, n_oversamples, leverage, sampled, reference, max_memory, stream
            )
            if wanted == cap or tol is None or bounds is None or bounds[-1] <= tol:
                span = ColumnSpan(A, max_memory)
                _fill(span, order, wanted)
                span.check_range()
                errors = span.errors()
                if wanted == cap or len(span) < wanted or errors[-1] <= tol:
                    break
            wanted = min(2 * wanted, cap)
        r = n_needed(errors, tol)
        best = np.append(best, np.full(r, np.nan))[:r]
        return span.selection(r, errors, best, A.n_passes - before)


def check_method(method, sketch, n_oversamples, leverage, sampled, reference):
    """Raise if a parameter is wrong or does not go with the method."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}.")
    if leverage not in KINDS:
        raise ValueError(f"leverage must be one of {list(KINDS)}, got {leverage!r}.")
    if leverage != "exact" and method != "leverage":
        raise ValueError(f"leverage={leverage!r} is for method='leverage', got method={method!r}.")
    if not isinstance(sampled, (bool, np.bool_)):
        raise TypeError(f"sampled must be True or False, got {sampled!r}.")
    if sampled and method not in SCORED:
        raise ValueError(f"sampled=True is for the methods {list(SCORED)}, got method={method!r}.")
    if (reference is None) == (method == "norm_activation"):
        raise ValueError(
            "method='norm_activation' needs a reference batch: pass reference=Z of shape (b, n_features)."
            if reference is None
            else f"reference is for method='norm_activation', got method={method!r}."
        )
    if n_oversamples is not None:
        check_count("n_oversamples", n_oversamples, 0)
    is_default = n_oversamples is None and isinstance(sketch, str) and sketch == "auto"
    if not (is_default or method in PIVOTED or leverage == "sketched"):
        raise ValueError(
            f"sketch and n_oversamples are for {list(PIVOTED)} and leverage='sketched': method={method!r} "
            "makes no sketch. Leave them at their defaults."
        )


def _order(A, k, method, sketch, n_oversamples, leverage, sampled, reference, max_memory, stream):
    """``(order, best_errors, lower_bounds)``: candidates, the errors of the best approximations as far as
    they are known, and errors that those of the first candidates will hardly fall below, or None."""
    unknown = np.empty(0)
    size = None if n_oversamples is None else min(k + n_oversamples, A.shape[0])
    common = {"max_memory": max_memory, "rng": stream}
    if method in PIVOTED:
        found = pivoted_columns(A, k, pivoting=PIVOTED[method], sketch=sketch, sketch_size=size, **common)
        return found.indices, found.best_errors, found.errors if len(found.errors) == k else None
    if method == "deim":
        svd = truncated_svd(A, k, **common)
        _, order = pivoted_lu(svd.right_vectors.T.astype(np.float64, order="F"))
        return order[:k], best_errors(svd), None
    if method == "uniform":
        return stream.generator("uniform").permutation(A.shape[1]), unknown, None
    best = unknown
    if method == "leverage":
        found = leverage_scores(A, k, kind=leverage, sketch=sketch, sketch_size=size, **common)
        scores, best = found.scores, found.best_errors
    else:
        scores = A.column_squared_norms()
        if method == "norm_activation":
            if reference.shape[1] != A.shape[1]:
                raise ValueError(
                    f"reference has {reference.shape[1]} columns, A has {A.shape[1]}: it must have one for "
                    "each column of A."
                )
            weights = np.sqrt(reference.column_squared_norms())
            if not weights.any():
                raise ValueError("reference is zero everywhere: it tells no column from another.")
            scores = np.sqrt(scores) * weights
    if sampled:
        drawn = first_drawn(scores, stream.generator("sampled").exponential(size=len(scores)))
        return np.append(drawn, np.flatnonzero(scores == 0)), best, None
    return np.argsort(-scores, kind="stable"), best, None


def _fill(span, order, k):
    """Add candidates in their order, then those of which most is left, until k are in or all depend."""
    span.add(order[:k])
    refused = []
    while len(span) < k:
        left = span.squares_left()
        left[refused] = 0
        if not left.any():
            left = span.squares_left(exact=True)
            left[refused] = 0
        if not left.any():
            return
        candidates = order[left[order] > 0]
        if not len(candidates):
            candidates = np.argsort(-left, kind="stable")[: np.count_nonzero(left)]
        candidates = candidates[: k - len(span)]
        if not span.add(candidates):
            refused.extend(candidates)
