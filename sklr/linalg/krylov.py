"""Truncated SVD by block Krylov iteration."""

from itertools import count

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import Gaussian, make_sketch

from ._checks import check_count, check_rank
from ._result import LowRank
from .orthogonalize import orthonormalize

# The iteration stops when a further pass has lowered the squared error by less than this part of
# it, so that the passes that follow gain less still ...
_STAGNATION = 1e-3
# ... and has raised none of the k squared singular values by more than this part of it. On a flat spectrum
# the error is near one whatever is found, and only this tells that something is.
_SETTLED = 1e-2
# Ritz values are squares; below this part of the largest, the projected matrix no longer holds them.
_PRECISION_MARGIN = 1e3
_MAX_TWO_SIDED = 5
# Squared singular values that differ by less than this part are taken for copies of one.
_EQUAL = 1e-6


def krylov_svd(A, k, *, sketch, block_size=None, n_oversamples=10, max_passes=40, rng=None, n_threads=None):
    """Leading singular values and right vectors by block Krylov iteration with full reorthogonalisation.

    From a sketch Omega^T of shape (b, n) it builds an orthonormal basis Q of

        span{ N Omega, N^2 Omega, ..., N^p Omega },    N = A^T A,

    block by block, each from one fused pass over A, and takes the eigenvectors of Q^T N Q (Rayleigh-Ritz).
    After p + 1 passes a start block with b >= k columns gives, with high probability,
    ``||A - A_hat||_F <= (1 + eps) ||A - A_k||_F`` for ``p`` of the order ``log(n) / sqrt(eps)``; with b < k
    the same holds for a larger p where the singular values are distinct (Chen et al.). It stops when a
    pass has lowered the squared error by less than a part in 1,000. Where it has then found b equal
    singular values, with b < k, it goes on from a new random block until that gains no more either: b
    columns show at most b copies of a repeated value, however many passes follow.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int
        Number of singular values, at most min(m, n).
    sketch : str or Distribution
        Distribution of Omega^T, or its name; see `sklr.sketch.make_sketch`.
    block_size : int, default=None
        b, columns per pass; ``k + n_oversamples`` if None. Small blocks cost fewer flops for the same
        accuracy, large ones fewer passes.
    n_oversamples : int, default=10
        The basis has at least ``k + n_oversamples`` columns (or all n) before it may stop.
    max_passes : int, default=40
        Passes over A at most; more are made only if the basis would otherwise be smaller than k.
    rng : None, int, Generator or Stream, default=None
        Where Omega comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LowRank
        `singular_values`, `right_vectors`, `captured`, `n_passes` and `solver`.

    Raises
    ------
    ValueError
        If a size is out of range or A holds NaN or infinity.

    Notes
    -----
    With m < n it iterates on A^T instead, where the data allow sweeps along columns, so that n below is the
    shorter side, and takes two more passes of k columns. Per pass ``4 nnz b`` flops, and for a basis of q
    columns ``8 n q b`` to keep it orthonormal; memory up to ``3 n q`` and n b for every partial sum, of
    which there are at most three per thread. Where sigma_k is too small beside sigma_1 for its square to be
    held (below 5e-7 sigma_1 in float64), three passes or more of two-sided subspace iteration follow, with
    memory ``2 m q``.

    References
    ----------
    C. Musco and C. Musco, "Randomized Block Krylov Methods for Stronger and Faster Approximate Singular
    Value Decomposition", 2015, arXiv:1504.05477. T. Chen, E. N. Epperly, R. A. Meyer, C. Musco and A. Rao,
    "Does block size matter in randomized block Krylov low-rank approximation?", 2025, arXiv:2508.06486.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import krylov_svd
    >>> from sklr.sketch import Gaussian, make_sketch
    >>> A = np.diag(1.0 / np.arange(1, 51))
    >>> krylov_svd(A, 2, sketch=Gaussian(), rng=0).singular_values.round(6)
    array([1. , 0.5])
    """
    A = as_operand(A, name="A")
    k = check_rank(k, A.shape)
    q_needed = min(k + check_count("n_oversamples", n_oversamples, 0), *A.shape)
    b = q_needed if block_size is None else min(check_count("block_size", block_size, 1), *A.shape)
    check_count("max_passes", max_passes, 1)
    before = A.n_passes
    with session(n_threads):
        # The shorter side: the basis is as long as it, and so is the sum that every part of a pass makes.
        is_wide = A.shape[0] < A.shape[1] and A.sweeps_columns
        side = A.T.tiled_by_rows() if is_wide else A.tiled_by_rows()
        distribution = make_sketch(sketch, n=side.shape[1], sketch_size=b)
        starts = _start_blocks(distribution, b, side.shape[1], as_stream(rng), A.dtype)
        basis, theta, Y = _iterate(side, k, b, q_needed, max_passes, starts)
        V, s = _extract(side, basis, theta, Y, k)
        if is_wide:
            V, s = _right_from_left(side, V)
    return LowRank(
        s.astype(A.dtype),
        np.ascontiguousarray(V.T),
        float(np.sum(s.astype(np.float64) ** 2)),
        side.squared_norm(),
        A.n_passes - before,
        "krylov",
    )


def _iterate(A, k, b, q_needed, max_passes, starts):
    """Grow the basis until nothing is gained; return it with the eigenvalues and vectors of Q^T N Q."""
    first_pass = A.n_passes
    basis = _Basis(A.shape[1], A.dtype)
    block = orthonormalize(A.normal_matmat(next(starts)))
    nothing = found = (np.inf, np.zeros(k))
    while True:
        # Two passes at least from a new block: in the first it is nearly all noise.
        at_start, previous = found, nothing
        while block.shape[1]:
            image = A.normal_matmat(block)
            theta, Y = basis.grow(block, image)
            found = (
                max(A.squared_norm() - theta[-k:].sum(), 0.0),
                np.pad(theta[-k:], (max(k - basis.size, 0), 0)),
            )
            if basis.size >= k and A.n_passes - first_pass >= max_passes:
                return basis, theta, Y
            if basis.size >= q_needed and not _gains(previous, found):
                break
            previous = found
            block = orthonormalize(image, against=basis.Q)
        if basis.size >= q_needed and not (_may_hide_copies(found[1], b) and _gains(at_start, found)):
            return basis, theta, Y
        # The images bring nothing new. A new random block finds further copies of repeated values
        # and, while the basis is too small, the rest of the range or the null space.
        block = orthonormalize(next(starts), against=basis.Q)


def _right_from_left(A_T, U):
    """Right vectors and singular values of A from its left vectors U, in two passes over A^T.

    V spans the range of A^T U, and is rotated to the singular vectors of A V, so that the values belong
    to A V V^T.
    """
    V = _completed(orthonormalize(A_T.matmat(U)), U.shape[1])
    _, s, Yt = linalg.svd(A_T.rmatmat(V), full_matrices=False)
    return as_operand(V, name="basis").matmat(Yt.T), s


def _gains(before, now):
    """Whether the squared error or one of the k squared singular values shows that passes were worth it."""
    (error_before, leading_before), (error, leading) = before, now
    return error_before - error > _STAGNATION * error or np.any(leading - leading_before > _SETTLED * leading)


def _may_hide_copies(leading, b):
    """Whether b of the k squared singular values (ascending) are equal: there may be more copies.

    A block of b columns shows b copies of a repeated value, and no more, however many passes follow.
    """
    if b >= len(leading):
        return False
    low, high = leading[: len(leading) - b + 1], leading[b - 1 :]
    return bool(np.any((high - low <= _EQUAL * high) & (high > _EQUAL * leading[-1])))


def _start_blocks(sketch, b, n, stream, dtype):
    """The sketch, then Gaussian blocks: a sketch may leave some directions out for ever."""
    yield sketch.operator(b, n, stream.child(0), dtype).toarray().T
    for i in count(1):
        yield Gaussian().operator(b, n, stream.child(i), dtype).toarray().T


class _Basis:
    """The orthonormal basis Q and the projected matrix T = Q^T N Q, grown by blocks."""

    def __init__(self, n, dtype):
        self._columns = np.empty((n, 0), dtype=dtype, order="F")
        self._T = np.empty((0, 0))
        self.size = 0

    @property
    def Q(self):
        return self._columns[:, : self.size]

    def grow(self, block, image):
        """Add `block` with ``image = N block``; return the eigenvalues and eigenvectors of the new T."""
        old, self.size = self.size, self.size + block.shape[1]
        n, capacity = self._columns.shape
        if self.size > capacity:
            columns = np.empty((n, max(self.size, 2 * capacity)), dtype=block.dtype, order="F")
            columns[:, :old] = self._columns[:, :old]
            self._columns = columns
        self._columns[:, old : self.size] = block
        side = as_operand(self.Q, name="basis").rmatmat(image).astype(np.float64, copy=False)
        T = np.empty((self.size, self.size))
        T[:old, :old] = self._T
        T[:, old:] = side
        T[old:, :old] = side[:old].T
        T[old:, old:] = (side[old:] + side[old:].T) / 2
        self._T = T
        # By divide and conquer: the default of SciPy leaves hundreds of eps in the vectors of a cluster.
        return np.linalg.eigh(T)


def _extract(A, basis, theta, Y, k):
    """``(V, s)``: the k leading Ritz vectors and values."""
    if theta[-k] < _PRECISION_MARGIN * np.finfo(A.dtype).eps * theta[-1]:
        return _two_sided(A, basis.Q, k)
    s = np.sqrt(np.maximum(theta[: -k - 1 : -1], 0))
    return as_operand(basis.Q, name="basis").matmat(Y[:, : -k - 1 : -1]), s


def _two_sided(A, Q, k):
    """Singular values and vectors below the root of eps, which products with A^T A cannot see.

    Subspace iteration from the Krylov basis with an orthonormal basis on both sides, so that nothing is
    squared; three passes and more until the k values settle, or reach the rounding of the largest.
    """
    eps = np.finfo(A.dtype).eps
    settled, s = False, np.zeros(k)
    for _ in range(_MAX_TWO_SIDED):
        U = orthonormalize(A.matmat(Q))
        Q = _completed(orthonormalize(A.rmatmat(U)), k)
        R = linalg.qr(A.matmat(Q), mode="r")[0][: Q.shape[1]]
        _, values, Yt = linalg.svd(R)
        previous, s = s, values[:k]
        settled = np.all(np.abs(s - previous) <= _STAGNATION * s + 10 * eps * s[0])
        if settled:
            break
    return as_operand(Q, name="basis").matmat(Yt[:k].T), s


def _completed(Q, k):
    """Q with orthonormal columns added until there are k: the matrix has lower rank than asked for."""
    missing = k - Q.shape[1]
    if missing <= 0:
        return Q
    extra = as_stream(0).generator("krylov_completion").standard_normal((Q.shape[0], missing))
    return np.hstack([Q, orthonormalize(extra.astype(Q.dtype), against=Q)])
