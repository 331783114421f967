"""Truncated SVD by block Krylov iteration."""

from itertools import count

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import Gaussian, make_sketch

from ._checks import check_count
from ._result import column_lengths, low_rank, zero_low_rank
from ._sides import right_from_left, shorter_side, transposes
from .convergence import SETTLED, check_accuracy, gains, is_accurate, measure, stands_still
from .orthogonalize import completed, orthonormalize, to_unit_size
from .rangefinder import find_range
from .rank import PRECISION_MARGIN, FixedRank, is_lost_in_squares, rank_rule

_MAX_TWO_SIDED = 5
# Two-sided iteration stops when its values change by less than this part.
_TWO_SIDED_SETTLED = 1e-3
# Of a tolerance that is lost in squares, the part that the basis may miss; the rest is for its truncation.
_DEEP_SHARE = 0.5
# Squared singular values that differ by less than this part, at least, are taken for copies of one.
_EQUAL = 1e-6
# The basis is moved to memory larger by this factor when it is full; both are held meanwhile.
_GROWTH = 1.5
# A basis of so many times the rank, or so many blocks, is restarted: beyond, to keep it orthonormal and to
# find its Ritz values costs more than the passes that it saves.
_BASIS_RANKS = 8
_BASIS_BLOCKS = 30
# Panels of a block beside the basis: the block, its image, what is left of it, partial sums of a pass.
PANELS = 6


def krylov_svd(
    A,
    k,
    *,
    tol=None,
    accuracy=None,
    sketch="auto",
    block_size=None,
    n_oversamples=10,
    max_iter=100,
    max_memory=None,
    rng=None,
    n_threads=None,
    callback=None,
):
    """Leading singular values and right vectors by block Krylov iteration with full reorthogonalisation.

    From a sketch Omega^T of shape (b, n) it builds an orthonormal basis Q of

        span{ N Omega, N^2 Omega, ..., N^p Omega },    N = A^T A,

    block by block, each from one fused pass over A, and takes the eigenvectors of Q^T N Q (Rayleigh-Ritz).
    After p + 1 passes a start block with b >= k columns gives, with high probability,
    ``||A - A_hat||_F <= (1 + eps) ||A - A_k||_F`` for ``p`` of the order ``log(n) / sqrt(eps)``; with b < k
    the same holds for a larger p where the singular values are distinct (Chen et al.).

    It stops when a pass has lowered the squared error by less than a part in 1,000 and has raised no squared
    singular value by more than a part in 100, or, with `accuracy`, when the residuals say that all k values
    are that accurate. Where it has then found b equal singular values, with b < k, it goes on from a new
    random block until that gains no more either: b columns show at most b copies of a repeated value, however
    many passes follow. Where the basis reaches `max_memory`, or for an int k both 8 (k + n_oversamples) and
    k + 30 b columns, it is restarted from its leading Ritz vectors and the next block (thick restart).

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int, float, "auto" or None
        Number of singular values, or how to choose it: see `rank_rule`.
    tol : float, default=None
        Relative Frobenius error to reach with the fewest singular values, at most `k`.
    accuracy : float, default=None
        Relative accuracy of every singular value. With r the norm of ``N v - s^2 v``, s is short by at most
        ``r / (2 s)`` or about ``r^2 / (2 s gap)``, gap being the distance of s^2 to what is not kept. Where
        that gap is narrow, it also stops when the distance to a later Ritz value gives as much and the rises
        of the last passes, extrapolated, come to an eighth of it: measured, not proved.
    sketch : str or Distribution, default="auto"
        Distribution of Omega^T, or its name; see `sklr.sketch.make_sketch`.
    block_size : int, default=None
        b, columns per pass; ``k + n_oversamples`` if None. Small blocks cost fewer flops for the same
        accuracy, large ones fewer passes.
    n_oversamples : int, default=10
        The basis has at least ``k + n_oversamples`` columns (or all n) before it may stop.
    max_iter : int, default=100
        Passes over A at most; more are made only if the basis would otherwise be smaller than k.
    max_memory : int, default=None
        Bytes that the basis and what goes with it may take; None is no limit.
    rng : None, int, Generator or Stream, default=None
        Where Omega comes from.
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
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, `max_memory` has no room for the basis, or A
        holds NaN or infinity.

    Notes
    -----
    With m < n it iterates on A^T instead, where the data allow sweeps along columns, so that n below is the
    shorter side, and takes two more passes of k columns. Per pass ``4 nnz b`` flops, and for a basis of q
    columns ``8 n q b`` to keep it orthonormal; memory ``2.5 n q + 6 n b``, and n b for every partial sum, of
    which there are at most three per thread. Where sigma_k is too small beside sigma_1 for its square to be
    held (below 5e-7 sigma_1 in float64), three passes or more of two-sided subspace iteration follow, with
    memory ``2 m q``. A `tol` that is as small is reached by `sklr.linalg.find_range`, whose Gaussian blocks
    take the place of `sketch`, and which looks at neither `accuracy`, `max_iter` nor `max_memory`: memory
    ``2 (m + n) q``.

    References
    ----------
    C. Musco and C. Musco, "Randomized Block Krylov Methods for Stronger and Faster Approximate Singular
    Value Decomposition", 2015, arXiv:1504.05477. T. Chen, E. N. Epperly, R. A. Meyer, C. Musco and A. Rao,
    "Does block size matter in randomized block Krylov low-rank approximation?", 2025, arXiv:2508.06486.
    K. Wu and H. Simon, "Thick-restart Lanczos method for large symmetric eigenvalue problems", SIAM Journal
    on Matrix Analysis and Applications 22, 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import krylov_svd
    >>> A = np.diag(1.0 / np.arange(1, 51))
    >>> krylov_svd(A, 2, rng=0).singular_values.round(6)
    array([1. , 0.5])
    """
    A = as_operand(A, name="A")
    rule = rank_rule(k, A.shape, tol)
    accuracy = check_accuracy(accuracy)
    n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    max_iter = check_count("max_iter", max_iter, 1)
    b = min(rule.guess + n_oversamples, *A.shape)
    if max_memory is not None:
        max_memory = check_count("max_memory", max_memory, 1)
    if block_size is not None:
        b = min(check_count("block_size", block_size, 1), *A.shape)
    before = A.n_passes
    with session(n_threads):
        side = shorter_side(A)
        stream = as_stream(rng)
        converged = True
        if is_lost_in_squares(rule, A.dtype):
            V, s, residuals, converged = _deep(side, rule, b, stream)
        else:
            columns = _checked_capacity(side, b, rule, n_oversamples, max_memory)
            distribution = make_sketch(sketch, n=side.shape[1], sketch_size=b)
            starts = _start_blocks(distribution, b, side.shape[1], stream, A.dtype)
            basis, state, converged = _iterate(
                side, rule, b, n_oversamples, accuracy, max_iter, columns, starts, callback
            )
            if side.squared_norm() == 0:
                return zero_low_rank(A, len(state.leading), before, "krylov")
            V, s, residuals = _extract(side, basis, state)
        if transposes(A):
            V, s = right_from_left(side, V)
    return low_rank(A, s, V, residuals, side.squared_norm(), before, "krylov", converged)


def capacity(n, rule, b, n_oversamples, max_memory, dtype):
    """Columns of n numbers that the basis may have, by what pays and by what `max_memory` has room for."""
    limit = n
    if isinstance(rule, FixedRank):
        limit = min(n, max(_BASIS_RANKS * (rule.cap + n_oversamples), rule.cap + _BASIS_BLOCKS * b))
    if max_memory is None:
        return limit
    columns = max_memory // (n * np.dtype(dtype).itemsize)
    return min(int((columns - PANELS * b) / (1 + _GROWTH)), limit)


def _checked_capacity(A, b, rule, n_oversamples, max_memory):
    n = A.shape[1]
    found = capacity(n, rule, b, n_oversamples, max_memory, A.dtype)
    needed = min(least_capacity(rule.guess, b, n_oversamples), n)
    if found < needed:
        raise ValueError(
            f"max_memory={max_memory} has room for {max(found, 0)} columns of {n} numbers beside a block "
            f"of {b}, and Krylov iteration for {rule} needs {needed}. Use solver='subspace', a smaller block "
            f"or at least max_memory={least_memory(n, rule.guess, b, n_oversamples, A.dtype)}."
        )
    return found


def least_capacity(k, b, n_oversamples):
    """Columns that a basis needs at least so that a restart leaves room for two blocks."""
    return k + max(n_oversamples, b) + 2 * b


def least_memory(n, k, b, n_oversamples, dtype):
    """Bytes that Krylov iteration needs at least."""
    columns = (1 + _GROWTH) * min(least_capacity(k, b, n_oversamples), n) + PANELS * b
    return int(np.ceil(columns)) * n * np.dtype(dtype).itemsize


def _iterate(A, rule, b, n_oversamples, accuracy, max_iter, capacity, starts, callback):
    """Grow the basis until nothing is gained: ``(basis, state, converged)``."""
    first_pass = A.n_passes
    eps = np.finfo(A.dtype).eps
    # Copies of a value agree to what has been asked for, and are worth a new block if they change by that.
    equal = max(_EQUAL, 100 * eps, 4 * (accuracy or 0))
    settled = min(SETTLED, 2 * (accuracy or 1))
    block = orthonormalize(A.normal_matmat(next(starts)))
    basis = _Basis(A.shape[1], A.dtype, capacity, int(np.frexp(A.squared_norm())[1]))
    state = at_start = None

    def is_large_enough(state):
        rank = None if state is None else state.rank
        return rank is not None and basis.size >= min(rank + n_oversamples, *A.shape)

    while True:
        # Two passes at least from a new block: in the first it is nearly all noise.
        previous = None
        while block.shape[1]:
            if basis.size + block.shape[1] > capacity:
                basis.restart(capacity, rule.guess if state is None else len(state.leading), b, n_oversamples)
            remainder, lengths = basis.grow(block, A.normal_matmat(block))
            state = None
            if not _is_undecided(rule, basis, A.squared_norm()):
                state = measure(rule, *basis.ritz(), A.squared_norm(), previous)
            if callback is not None:
                callback(A.n_passes - first_pass, state)
            may_stop = basis.has_restarted or (state is not None and state.rank is not None)
            if may_stop and A.n_passes - first_pass >= max_iter:
                return basis, state or measure(rule, *basis.ritz(), A.squared_norm()), False
            if is_large_enough(state):
                has_settled = not gains(previous, state)
                if accuracy is not None:
                    # Residuals do not see the copies that a new block is there to find.
                    has_settled = is_accurate(state, accuracy, eps)
                    has_settled &= at_start is None or stands_still(state, accuracy)
                if has_settled:
                    break
            previous = state
            block = orthonormalize(remainder, against=basis.Q, lengths=lengths)
        is_done = is_large_enough(state) and not (
            _may_hide_copies(state.leading, b, equal) and gains(at_start, state, settled)
        )
        if is_done or basis.size == A.shape[1]:
            return basis, state or measure(rule, *basis.ritz(), A.squared_norm()), True
        # The images bring nothing new. A new random block finds further copies of repeated values
        # and, while the basis is too small, the rest of the range or the null space.
        at_start = state
        basis.keep_remainder()
        block = orthonormalize(next(starts), against=basis.Q)


def _is_undecided(rule, basis, total):
    """Whether it can be seen without the eigenvalues that the basis is too small for the rule."""
    if rule.error is not None and basis.size < rule.cap:
        return total - basis.captured > rule.error**2 * total
    return isinstance(rule, FixedRank) and basis.size < rule.cap


def _may_hide_copies(leading, b, equal):
    """Whether b of the k squared singular values (descending) are equal: there may be more copies.

    A block of b columns shows b copies of a repeated value, and no more, however many passes follow.
    """
    if b >= len(leading):
        return False
    high, low = leading[: len(leading) - b + 1], leading[b - 1 :]
    return bool(np.any((high - low <= equal * high) & (high > _EQUAL * leading[0])))


def _start_blocks(sketch, b, n, stream, dtype):
    """The sketch, then Gaussian blocks: a sketch may leave some directions out for ever."""
    yield sketch.operator(b, n, stream.child(0), dtype).toarray().T
    for i in count(1):
        yield Gaussian().operator(b, n, stream.child(i), dtype).toarray().T


class _Basis:
    """The orthonormal basis Q and the projected matrix T = Q^T N Q, grown by blocks.

    N Q = Q T + R C with R the parts of images of blocks that are not in the basis: of the last block, and of
    those after which a new random block was taken. For a Ritz pair (theta, y) then N Q y - theta Q y = R C y.
    T and R are kept in units of ``2**exponent``, because the squares of N Q may leave the range of the dtype.
    """

    def __init__(self, n, dtype, capacity, exponent):
        self._columns = np.empty((n, 0), dtype=dtype, order="F")
        self._exponent = exponent
        self._T = np.empty((0, 0))
        self._capacity = capacity
        self._kept = []  # (R^T R, C) of the images that were left
        self._last = None  # of the last one
        self._eigen = None
        self.size = 0
        self.has_restarted = False

    @property
    def Q(self):
        return self._columns[:, : self.size]

    @property
    def captured(self):
        """||A Q||_F^2."""
        return float(np.ldexp(np.trace(self._T), self._exponent))

    def grow(self, block, image):
        """Add `block` with ``image = N block``; return what is left of the image, and its lengths before.

        Both are in the same unit, whichever it is. `image` is overwritten.
        """
        old, self.size = self.size, self.size + block.shape[1]
        if self.size > self._columns.shape[1]:
            self._move(max(self.size, min(int(_GROWTH * self.size), self._capacity)))
        self._columns[:, old : self.size] = block
        exponent = to_unit_size(image)
        lengths = np.sqrt(as_operand(image, name="image").column_squared_norms())
        Q = as_operand(self.Q, name="basis")
        coefficients = Q.rmatmat(image)
        remainder = image - Q.matmat(coefficients)
        side = np.ldexp(coefficients.astype(np.float64, copy=False), exponent - self._exponent)
        T = np.empty((self.size, self.size))
        T[:old, :old] = self._T
        T[:old, old:] = side[:old]
        T[old:, :old] = side[:old].T
        T[old:, old:] = (side[old:] + side[old:].T) / 2
        self._T, self._eigen = T, None
        smaller = to_unit_size(remainder)
        R = as_operand(remainder, name="remainder").gram()
        R = np.ldexp(R, 2 * (exponent + smaller - self._exponent))
        self._last = R, np.eye(self.size)[old:]
        return remainder, np.ldexp(lengths, -smaller)

    def keep_remainder(self):
        """The last image will not be followed."""
        if self._last is not None:
            self._kept.append(self._last)

    def ritz(self):
        """``(theta, residuals)``: all Ritz values, descending, and the norms of their residuals."""
        theta, Y = self._eigenpairs()
        residuals = np.zeros(self.size)
        for R, C in [*self._kept, self._last]:
            CY = C @ Y[: C.shape[1]]
            residuals += np.sqrt(np.maximum(np.einsum("ij,ij->j", CY, R @ CY), 0))
        return np.ldexp(theta, self._exponent), np.ldexp(residuals, self._exponent)

    def ritz_vectors(self, k):
        """The k leading Ritz vectors."""
        return as_operand(self.Q, name="basis").matmat(self._eigenpairs()[1][:, :k])

    def restart(self, capacity, k, b, n_oversamples):
        """Keep k and some more of the leading Ritz vectors, and room for two blocks at least."""
        kept = min(max(k + n_oversamples, (k + capacity) // 2), capacity - 2 * b, self.size)
        theta, Y = self._eigenpairs()
        Y = Y[:, :kept]
        self._columns[:, :kept] = as_operand(self.Q, name="basis").matmat(Y)
        self._kept = [(R, C @ Y[: C.shape[1]]) for R, C in self._kept]
        self._T, self.size, self._eigen, self._last = np.diag(theta[:kept]), kept, None, None
        self.has_restarted = True

    def _eigenpairs(self):
        if self._eigen is None:
            # By divide and conquer: the default of SciPy leaves hundreds of eps in the vectors of a cluster.
            theta, Y = np.linalg.eigh(self._T)
            self._eigen = theta[::-1], Y[:, ::-1]
        return self._eigen

    def _move(self, n_columns):
        columns = np.empty((self._columns.shape[0], n_columns), dtype=self._columns.dtype, order="F")
        filled = self._columns.shape[1]
        columns[:, :filled] = self._columns
        self._columns = columns


def _extract(A, basis, state):
    """``(V, s, residuals)``: the leading Ritz vectors and values."""
    theta, k = state.leading, len(state.leading)
    if theta[-1] < PRECISION_MARGIN * np.finfo(A.dtype).eps * theta[0]:
        return two_sided(A, basis.Q, k)
    return basis.ritz_vectors(k), np.sqrt(np.maximum(theta, 0)), state.residuals


def two_sided(A, Q, k):
    """Singular values and vectors below the root of eps, which products with A^T A cannot see.

    Subspace iteration from the Krylov basis with an orthonormal basis on both sides, so that nothing is
    squared; three passes and more until the k values settle, or reach the rounding of the largest.
    """
    eps = np.finfo(A.dtype).eps
    s = np.zeros(k)
    for _ in range(_MAX_TWO_SIDED):
        U = orthonormalize(A.matmat(Q))
        Q = completed(orthonormalize(A.rmatmat(U)), k)
        AQ = A.matmat(Q)
        values = linalg.svdvals(linalg.qr(AQ, mode="r")[0][: Q.shape[1]])[:k]
        previous, s = s, values
        if np.all(np.abs(s - previous) <= _TWO_SIDED_SETTLED * s + 10 * eps * s[0]):
            break
    return _two_sided_ritz(A, Q, AQ, lambda s: k)


def _deep(A, rule, b, stream):
    """``(V, s, residuals, converged)`` for a relative error that is lost when singular values are squared."""
    target = _DEEP_SHARE * rule.error
    Q, error = find_range(A, target, max_columns=min(2 * rule.cap, *A.shape), block_size=b, rng=stream)
    Q = completed(Q, 1)
    total = A.squared_norm()

    def choose(s):
        squares = s.astype(np.float64) ** 2
        beyond = np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0) + error**2 * total
        enough = np.flatnonzero(beyond <= rule.error**2 * total)
        return min(int(enough[0]) + 1 if enough.size else len(s), rule.cap)

    return *_two_sided_ritz(A, Q, A.matmat(Q), choose), error <= target


def _two_sided_ritz(A, Q, AQ, choose):
    """``(V, s, residuals)`` of the ``choose(s)`` leading triplets of A in the range of Q, by one pass."""
    U, s, Yt = linalg.svd(AQ, full_matrices=False)
    k = choose(s)
    V = as_operand(Q, name="basis").matmat(Yt[:k].T)
    residuals = s[:k] * column_lengths(A.rmatmat(U[:, :k]) - V * s[:k], s[0])
    return V, s[:k], residuals
