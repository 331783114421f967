"""Sampling of rows with given probabilities, as a sketch."""

import math
from functools import cached_property

import numpy as np

from ._base import Distribution, SketchOperator
from ._sparse import sorted_csc

# Draws come in blocks of so many. Fixed for ever: another number is another operator.
_BLOCK = 1024
# How far from 1 the sum of the probabilities may be; they are divided by it.
_SUM_TOLERANCE = 1e-6


def inclusion_probabilities(p, size):
    """Return ``pi = min(1, c p)`` with sum `size`, the constant c found exactly.

    Parameters
    ----------
    p : ndarray of shape (n,)
        Non-negative, with at least `size` positive entries.
    size : int
        The sum of pi.

    Returns
    -------
    ndarray of shape (n,)
    """
    largest = np.sort(p)[::-1]
    tail = np.cumsum(largest[::-1])[::-1][:size]  # sums of all but the k largest
    k = np.arange(size)
    # With the k largest at 1, c = (size - k) / tail[k]; right for the first k whose next entry stays below 1.
    # k = size - 1 always does.
    fits = (size - k) * largest[:size] <= tail
    fits[-1] = True
    k = int(np.argmax(fits))
    return np.minimum(p * ((size - k) / tail[k]), 1.0)


def pivotal_sample(pi, stream):
    """Draw a set of exactly ``sum(pi)`` indices in which index i is with probability ``pi[i]``.

    The pivotal method, as a tournament: undecided indices meet in pairs, in random order. In a duel the
    two probabilities a and b become (0, a + b) or (1, a + b - 1), the roles drawn so that the
    expectation of each stays what it was; so one of the two is decided, and the other goes to
    the next round. O(n) work, log2(n) rounds.

    Parameters
    ----------
    pi : ndarray of shape (n,)
        Between 0 and 1, with a sum that is an integer up to rounding.
    stream : Stream
        The seed.

    Returns
    -------
    ndarray of int
        Ascending.
    """
    decided = [np.flatnonzero(pi == 1)]
    index = np.flatnonzero((pi > 0) & (pi < 1))
    index = stream.generator("row_sampling order").permutation(index)
    value = pi[index]
    level = 0
    while len(index) > 1:
        pairs = len(index) // 2
        i, j = index[0 : 2 * pairs : 2], index[1 : 2 * pairs : 2]
        a, b = value[0 : 2 * pairs : 2], value[1 : 2 * pairs : 2]
        u = stream.generator("row_sampling duels", level).random(pairs)
        total = a + b
        is_over = total >= 1
        # Below 1, i takes all with probability a / total and j is out. From 1 on, i is in with
        # probability (1 - b) / (2 - total) and j keeps the rest.
        i_wins = np.where(is_over, u * (2 - total) < 1 - b, u * total < a)
        decided.append(np.where(i_wins, i, j)[is_over])
        bye = slice(2 * pairs, None)
        index = np.concatenate([np.where(i_wins ^ is_over, i, j), index[bye]])
        value = np.concatenate([np.where(is_over, total - 1, total), value[bye]])
        level += 1
    # The sum is an integer, so the last one is at 0 or 1 up to rounding.
    decided.append(index[value > 0.5])
    return np.sort(np.concatenate(decided))


class _SamplingOperator(SketchOperator):
    """One entry per row; see `RowSampling`.

    Attributes
    ----------
    indices : ndarray of shape (sketch_size,)
        The column of the entry of each row: which rows of A are taken.
    inclusion_probabilities : ndarray of shape (n,)
        The probability that a row of A is taken (at least once).
    """

    is_sparse = True

    def __init__(self, distribution, shape, stream, dtype):
        super().__init__(distribution, shape, stream, dtype)
        p = self.distribution.probabilities
        # Divided by the sum, which is 1 up to rounding.
        self._p = None if p is None else np.asarray(p, dtype=np.float64) / np.sum(p, dtype=np.float64)

    @property
    def isometry_scale(self):
        # Unscaled entries: 1 / sqrt(p) with replacement, 1 / sqrt(pi) without.
        return 1 / math.sqrt(self.shape[0]) if self.distribution.replace else 1.0

    @cached_property
    def inclusion_probabilities(self):
        d, n = self.shape
        p = np.full(n, 1 / n) if self._p is None else self._p
        if self.distribution.replace:
            with np.errstate(divide="ignore"):  # log(0) where a single row has all the probability
                return -np.expm1(d * np.log1p(-p))
        return inclusion_probabilities(p, d)

    @cached_property
    def indices(self):
        if not self.distribution.replace:
            return pivotal_sample(self.inclusion_probabilities, self.stream)
        d, n = self.shape
        generators = [self.stream.generator("row_sampling", i) for i in range(-(-d // _BLOCK))]
        if self._p is None:
            return np.concatenate([g.integers(0, n, size=_BLOCK) for g in generators])[:d]
        u = np.concatenate([g.random(_BLOCK) for g in generators])[:d]
        cdf = np.cumsum(self._p)
        # u is below 1, so the search ends at a row of positive probability.
        return np.searchsorted(cdf / cdf[-1], u, side="right")

    @cached_property
    def _entries(self):
        d, n = self.shape
        if not self.distribution.replace:
            return 1 / np.sqrt(self.inclusion_probabilities[self.indices])
        p = np.full(d, 1 / n) if self._p is None else self._p[self.indices]
        return self.isometry_scale / np.sqrt(p)

    @cached_property
    def _rows_by_column(self):
        return np.argsort(self.indices, kind="stable")

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        rows = self._rows_by_column
        first, last = np.searchsorted(self.indices, (col_lo, col_hi), sorter=rows)
        rows = rows[first:last]
        rows = rows[(rows >= row_lo) & (rows < row_hi)]
        per_column = np.bincount(self.indices[rows] - col_lo, minlength=col_hi - col_lo)
        indptr = np.concatenate([[0], np.cumsum(per_column)])
        shape = (row_hi - row_lo, col_hi - col_lo)
        return sorted_csc(self._entries[rows], rows - row_lo, indptr, shape)


class RowSampling(Distribution):
    """A random sample of the rows of the data, scaled: the only sketch that shows real rows.

    Every row of S, of shape (d, n), has one non-zero. With replacement, it is ``1 / sqrt(d p_j)`` in a column
    j drawn with probability p_j, independently for each row. Without, d distinct columns are drawn
    such that column j is among them with probability ``pi_j = min(1, c p_j)`` exactly, c such that the
    pi_j sum to d, and the entry is ``1 / sqrt(pi_j)``.

    Then ``E[S^T S] = I`` on the rows of positive probability; rows of probability zero are ignored. For A
    with k orthonormal columns, ``||A^T S^T S A - I||`` is of the order of
    ``sqrt(log(k) / d max_j(||a_j||**2 / p_j))`` or less (where that is below 1): smallest where p is
    proportional to the leverages ``||a_j||**2`` of the rows a_j.

    Parameters
    ----------
    probabilities : array-like of shape (n,), default=None
        The p_j, non-negative with sum 1 (up to 1e-6). Uniform if None.
    replace : bool, default=True
        Whether to draw with replacement. Without it no row is taken twice, rows that would be are taken for
        certain, and the error is mostly smaller; but operators do not extend.

    Raises
    ------
    TypeError
        By `operator`, if `replace` is not a bool. By ``SketchOperator.extend``, without replacement.
    ValueError
        By `operator`, if `probabilities` has another shape than (n,), is not finite, has negative entries or
        another sum than 1, or if without replacement fewer than d of them are positive.

    See Also
    --------
    SparseStack : Mixes all rows; safe for coherent data.

    Notes
    -----
    *Cost.* ``O(n + d log n)`` to draw (``O(n log n)`` without replacement), some arrays of n numbers while
    that is done; then d rows of the data are scaled. A sparse matrix stays sparse. One pass over the data.

    The drawn rows are the attribute ``indices`` of the operator; ``inclusion_probabilities`` gives, for
    each of the n rows, the probability of being taken at all.

    *When not to use it.* With uniform probabilities on coherent data: a row that matters and is not drawn is
    lost, whatever the other families would have made of it. Use `SparseStack`, or probabilities that know
    the leverages.

    Operators drawn with replacement extend by any number of rows.

    References
    ----------
    P. Drineas, R. Kannan, M. W. Mahoney, "Fast Monte Carlo algorithms for matrices I: Approximating matrix
    multiplication", 2006, DOI 10.1137/S0097539704442684. Without replacement: J.-C. Deville, Y. Tillé,
    "Unequal probability sampling without replacement through a splitting method", 1998, DOI
    10.1093/biomet/85.1.89 (the pivotal method).

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.sketch import RowSampling
    >>> p = np.array([0.6, 0.1, 0.1, 0.1, 0.1])
    >>> S = RowSampling(p, replace=False).operator(2, 5, rng=0)
    >>> S.inclusion_probabilities  # the first row is taken for certain
    array([1.  , 0.25, 0.25, 0.25, 0.25])
    >>> S.toarray() @ np.arange(5.0) == np.arange(5.0)[S.indices] * [1, 2]
    array([ True,  True])
    """

    name = "row_sampling"

    def __init__(self, probabilities=None, replace=True):
        self.probabilities = probabilities
        self.replace = replace

    @property
    def extendable(self):
        """Whether operators grow by rows: those drawn with replacement do."""
        return bool(self.replace)

    @property
    def has_orthogonal_rows(self):
        """Whether rows are orthogonal and equally long: drawn once at most, with equal probabilities."""
        return not self.replace and self.probabilities is None

    def _validate(self, sketch_size, n):
        if not isinstance(self.replace, (bool, np.bool_)):
            raise TypeError(f"replace must be True or False, got {self.replace!r}.")
        if self.probabilities is None:
            return
        p = np.asarray(self.probabilities)
        if p.dtype.kind not in "fiub" or p.shape != (n,):
            raise ValueError(
                f"probabilities must be {n} real numbers, one for each row of the data; "
                f"got shape {p.shape}, dtype {p.dtype}."
            )
        p = p.astype(np.float64)
        if not np.isfinite(p).all() or p.min() < 0:
            raise ValueError(
                "probabilities must be finite and non-negative; "
                f"entry {int(np.argmin(np.isfinite(p) & (p >= 0)))} is not."
            )
        if abs(p.sum() - 1) > _SUM_TOLERANCE:
            raise ValueError(
                f"probabilities must sum to 1, got {p.sum():.8g}. Divide them by their sum: "
                "probabilities / probabilities.sum()."
            )
        n_positive = np.count_nonzero(p)
        if not self.replace and n_positive < sketch_size:
            raise ValueError(
                f"Only {n_positive} probabilities are positive: sampling without replacement cannot take "
                f"sketch_size={sketch_size} rows. Use a sketch_size of at most {n_positive}, or replace=True."
            )

    def _make(self, sketch_size, n, stream, dtype):
        return _SamplingOperator(self, (sketch_size, n), stream, dtype)
