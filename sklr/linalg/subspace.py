"""Truncated SVD by randomized subspace iteration with dynamic shifts."""

from itertools import count

import numpy as np

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import Gaussian, make_sketch

from ._checks import check_count
from ._result import low_rank, zero_low_rank
from ._sides import right_from_left, shorter_side, transposes
from .convergence import check_accuracy, gains, is_accurate, measure
from .gram import GramPrecisionError
from .krylov import two_sided
from .orthogonalize import completed, orthonormalize
from .rank import PRECISION_MARGIN, is_lost_in_squares, rank_rule

# The shift of every second pass, in smallest Ritz values c: of the x (x - shift c), this is the one with the
# smallest maximum on [0, c], where the unwanted squares lie.
_SHIFT = 2 * np.sqrt(2) - 2


def subspace_svd(
    A,
    k,
    *,
    tol=None,
    accuracy=None,
    sketch="gaussian",
    n_oversamples=10,
    max_iter=100,
    rng=None,
    n_threads=None,
    callback=None,
):
    """Leading singular values and right vectors by randomized subspace iteration, in the least memory.

    It keeps one orthonormal block Q of l = k + n_oversamples columns, and each pass over A replaces it by an
    orthonormal basis of

        (N - alpha I) Q,    N = A^T A,    alpha = 0 and alpha = beta theta_l in turn,    beta = 2 sqrt(2) - 2,

    with theta_1 >= ... >= theta_l the eigenvalues of Q^T N Q (Ritz values), from which the result is taken at
    the end. Two passes apply ``p(N)`` with ``p(x) = x (x - alpha)``, and in them no unwanted direction gains
    on the l-th: theta_l <= sigma_l^2 (Cauchy), and then |p| has its maximum over [0, sigma_l^2] at
    sigma_l^2. Beside the k-th direction all beyond the l-th shrink at least by the factor

        rho^2 (1 - beta) / (1 - beta rho),    rho = sigma_l^2 / sigma_k^2,

    in two passes, once theta_l has come near to sigma_l^2; without a shift that would be rho^2.

    It stops when a pass has lowered the squared error by less than a part in 1,000 and has raised no squared
    singular value by more than a part in 100, or, with `accuracy`, when the residuals say that all k values
    are that accurate. Where the data choose the rank and another gain like that of the last two passes would
    not make the block large enough for it, it is doubled with random columns.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int, float, "auto" or None
        Number of singular values, or how to choose it: see `rank_rule`.
    tol : float, default=None
        Relative Frobenius error to reach with the fewest singular values, at most `k`.
    accuracy : float, default=None
        Relative accuracy of every singular value: at most ``r / s`` or ``r^2 / (s gap)``, whichever is less,
        with r the residual norm and gap the distance to the values that are not kept, which the block must be
        wide enough to show.
    sketch : str or Distribution, default="gaussian"
        Distribution of the first block, or its name; see `sklr.sketch.make_sketch`.
    n_oversamples : int, default=10
        Columns of the block beyond k; one is taken at least, unless k is min(m, n).
    max_iter : int, default=100
        Passes over A at most.
    rng : None, int, Generator or Stream, default=None
        Where the first block comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.
    callback : callable, default=None
        ``callback(n_passes, state)`` after every pass, with a named tuple, see ``sklr.linalg.convergence``.

    Returns
    -------
    LowRank
        Singular values, right vectors and how good they are; `converged` is False if `max_iter` ended it.

    Raises
    ------
    GramPrecisionError
        A ValueError: the relative error is to be below ``sqrt(1,000 eps)`` (float64: 5e-7, float32: 1e-2),
        which the squares do not hold. Use `krylov_svd` or `exact_svd`.
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, or A holds NaN or infinity.

    See Also
    --------
    krylov_svd : Fewer passes, in the memory of all blocks.
    single_pass_svd : One pass, far less accurate.

    Notes
    -----
    Per pass ``4 nnz l + 10 n l^2`` flops. Memory 4 n l, or in a pass 2 n l and n l for every partial sum, of
    which there are at most three per thread. With m < n it iterates on A^T instead, where the data allow
    sweeps along columns, so that n in these figures is the shorter side; two more passes with k columns then
    lead back, in a few panels of k columns of the longer side.

    Not where there is memory for `krylov_svd`, which keeps what all passes have seen and needs fewer: on
    spectra that decay slowly the gain of a pass falls below the limits above while values are still a
    per cent or two too low. `accuracy` makes it go on.

    References
    ----------
    X. Feng, W. Yu, Y. Xie and J. Tang, "Algorithm 1043: Faster Randomized SVD with Dynamic Shifts", ACM
    Transactions on Mathematical Software 50, 2024, arXiv:2404.09276: every pass is shifted, by up to
    sigma_l^2 / 2, and two shrink by (rho / (2 - rho))^2; what belongs to values close to zero then hardly
    dies out where the k-th to the l-th are nearly equal. N. Halko, P. G. Martinsson and J. A. Tropp, "Finding
    structure with randomness", SIAM Review 53, 2011, arXiv:0909.4061.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg.subspace import subspace_svd
    >>> A = np.diag(1.0 / np.arange(1, 51))
    >>> subspace_svd(A, 2, rng=0).singular_values.round(6)
    array([1. , 0.5])
    """
    A = as_operand(A, name="A")
    rule = rank_rule(k, A.shape, tol)
    accuracy = check_accuracy(accuracy)
    extra = max(check_count("n_oversamples", n_oversamples, 0), 1)  # the next value tells the gap
    max_iter = check_count("max_iter", max_iter, 1)
    limit = PRECISION_MARGIN * np.finfo(A.dtype).eps
    if is_lost_in_squares(rule, A.dtype):
        raise GramPrecisionError(
            f"Subspace iteration cannot tell whether a relative error of {rule.error:.1e} is reached: "
            f"squaring keeps only what is above {np.sqrt(limit):.1e} in {A.dtype}. Use solver='krylov' or "
            "'exact'."
        )
    before = A.n_passes
    with session(n_threads):
        side = shorter_side(A)
        n = side.shape[1]
        stream = as_stream(rng)
        width = min(rule.guess + extra, *A.shape)
        distribution = make_sketch(sketch, n=n, sketch_size=width)
        Omega = distribution.operator(width, n, stream.child(0), A.dtype)
        V, state, converged = _iterate(side, rule, Omega, extra, accuracy, max_iter, stream, callback)
        if side.squared_norm() == 0:
            return zero_low_rank(A, len(state.leading), before, "subspace")
        rank = len(state.leading)
        s, residuals = np.sqrt(np.maximum(state.leading, 0)), state.residuals
        if state.leading[-1] < limit * state.leading[0]:
            V, s, residuals = two_sided(side, V, rank)
        V = V[:, :rank]
        if transposes(A):
            V, s = right_from_left(side, V)
    return low_rank(A, s, V, residuals, side.squared_norm(), before, "subspace", converged)


def _iterate(A, rule, Omega, extra, accuracy, max_iter, stream, callback):
    """Iterate from the range of Omega^T until nothing is gained: ``(V, state, converged)``."""
    eps = np.finfo(A.dtype).eps
    Q = completed(orthonormalize(Omega.toarray().T), Omega.shape[0])

    def is_wide_enough(rank):
        return rank is not None and width >= min(rank + extra, *A.shape)

    previous = reference = None
    for n_passes in count(1):
        theta, V, R, unit = _ritz(A, Q)
        del Q
        total, width = A.squared_norm(), len(theta)
        residuals = unit * np.sqrt(np.einsum("ij,ij->j", R, R, dtype=np.float64))
        state = measure(rule, theta, residuals, total)
        if callback is not None:
            callback(n_passes, state)
        if not is_wide_enough(state.rank):
            has_settled = False
        elif accuracy is None:
            has_settled = _agree(previous, state, total, eps)
        else:
            has_settled = is_accurate(state, accuracy, eps)
        if has_settled or n_passes >= max_iter:
            return V, state, has_settled
        # A shifted pass may lose what the next one regains, so the last one is not, and gains are taken
        # from one that is not to the next.
        is_shifted = n_passes % 2 == 0 and n_passes + 1 < max_iter
        alpha = _SHIFT * max(theta[-1], 0) if is_shifted else 0
        R += V * ((theta - alpha) / unit).astype(R.dtype)  # (N V - alpha V) / unit
        del V
        Q = completed(orthonormalize(R), width)
        del R
        if n_passes % 2 == 0 and not is_wide_enough(state.rank):
            gain = reference.error - state.error
            if not is_wide_enough(rule.choose(theta, total - gain)):
                Q = _widened(Q, min(2 * width, rule.cap + extra, *A.shape), stream.child(n_passes))
        if n_passes % 2 == 0 or n_passes == 1:
            reference = state
        previous = state


def _ritz(A, Q):
    """Ritz pairs of N = A^T A in the range of Q, by one pass: ``(theta, V, R, unit)``.

    theta descends, and ``R = (N V - V diag(theta)) / unit`` with its largest for unit, because the squares of
    N V itself may leave the range of the dtype.
    """
    image = A.normal_matmat(Q)
    basis = as_operand(Q, name="basis")
    T = basis.rmatmat(image).astype(np.float64, copy=False)
    theta, W = np.linalg.eigh((T + T.T) / 2)
    theta, W = theta[::-1], W[:, ::-1]
    unit = theta[0] if theta[0] > 0 else 1.0
    image /= unit
    V = basis.matmat(W)
    R = as_operand(image, name="image").matmat(W)
    del image
    R -= V * (theta / unit).astype(R.dtype)
    return theta, V, R, unit


def _agree(before, now, total, eps):
    """Whether neither state is better than the other; after a shifted pass the later one may be worse."""
    if before is None:
        return False
    before, now = _held(before, total, eps), _held(now, total, eps)
    return not gains(before, now) and not gains(now, before)


def _held(state, total, eps):
    """The state without what squares do not hold, whose digits change with every pass."""
    limit = PRECISION_MARGIN * eps
    return state._replace(
        error=state.error if state.error > limit * total else 0.0,
        leading=np.where(state.leading < limit * state.leading[0], 0, state.leading),
    )


def _widened(Q, width, stream):
    """Q with random orthonormal columns added."""
    new = Gaussian().operator(width - Q.shape[1], Q.shape[0], stream, Q.dtype).toarray().T
    return np.hstack([Q, orthonormalize(new, against=Q)])
