"""How many components to keep: a number, an error, or what stands out of the noise."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from ._checks import check_relative

# Squared singular values below this many eps of the largest are rounding.
PRECISION_MARGIN = 1e3
# The rank that a plan reckons with where the data will decide it, if so many components are allowed.
_GUESS = 100


@dataclass(frozen=True)
class FixedRank:
    """Keep `cap` components."""

    cap: int

    @property
    def guess(self):
        """The rank that a plan reckons with."""
        return self.cap

    error = None

    def choose(self, squares, total, complete=False):
        """The rank for these leading squared singular values; None if there are too few of them to say."""
        return self.cap if len(squares) >= self.cap else None

    def __str__(self):
        return f"rank {self.cap}"


@dataclass(frozen=True)
class ErrorRank:
    """Keep the fewest components, at most `cap`, with ||A - A_hat||_F <= error ||A||_F."""

    cap: int
    error: float
    is_tolerance: bool = True  # rather than a part of the variance, which is to be had to full accuracy

    @property
    def guess(self):
        """The rank that a plan reckons with."""
        return min(self.cap, _GUESS)

    def choose(self, squares, total, complete=False):
        """The rank for these leading squared singular values; None if there are too few of them to say.

        `complete` says that they are all there are: then the error is a sum of small squares, otherwise the
        difference of `total` and the large ones.
        """
        squares = squares[: None if complete else self.cap]
        if complete:
            beyond = np.append(np.cumsum(squares[::-1])[::-1][1:], 0.0)
        else:
            beyond = total - np.cumsum(squares)
        enough = np.flatnonzero(beyond <= self.error**2 * total)
        if enough.size:
            return min(int(enough[0]) + 1, self.cap)
        return self.cap if len(squares) >= self.cap else None

    def __str__(self):
        return f"rank at most {self.cap}, relative error {self.error:.3g}"


@dataclass(frozen=True)
class ThresholdRank:
    """Keep the singular values above Gavish and Donoho's optimal hard threshold.

    For a low-rank matrix plus white noise of variance sigma^2, of shape (m, n), keeping what is above

        tau = lambda(beta) sqrt(max(m, n)) sigma,    beta = min(m, n) / max(m, n),
        lambda(beta)^2 = 2 (beta + 1) + 8 beta / (beta + 1 + sqrt(beta^2 + 14 beta + 1))

    has the least asymptotic mean squared error. sigma^2 is what is left of ||A||_F^2 beyond the r components
    that are kept, over (m - r)(n - r); r is the smallest that is consistent: s_{r+1} <= tau(r). One component
    is kept at least.

    References
    ----------
    M. Gavish and D. L. Donoho, "The Optimal Hard Threshold for Singular Values is 4/sqrt(3)", 2014,
    arXiv:1305.5870.
    """

    cap: int
    shape: tuple

    @property
    def guess(self):
        """The rank that a plan reckons with."""
        return min(self.cap, _GUESS)

    error = None

    def choose(self, squares, total, complete=False):
        """The rank for these leading squared singular values; None if there are too few of them to say."""
        m, n = self.shape
        beta = min(m, n) / max(m, n)
        factor = 2 * (beta + 1) + 8 * beta / (beta + 1 + np.sqrt(beta**2 + 14 * beta + 1))
        r = np.arange(1, min(len(squares), self.cap))  # components kept, where the next value is known
        left = np.maximum(total - np.cumsum(squares)[r - 1], 0.0)
        threshold = factor * max(m, n) * left / (np.maximum(m - r, 1) * (n - r))
        rounding = PRECISION_MARGIN * np.finfo(np.float64).eps * (squares[0] if len(squares) else 0.0)
        small = np.flatnonzero(squares[r] <= np.maximum(threshold, rounding))
        if small.size:
            return int(r[small[0]])
        return self.cap if len(squares) >= self.cap else None

    def __str__(self):
        return "rank by the optimal hard threshold"


def is_lost_in_squares(rule, dtype):
    """Whether the error of the rule is so small that squared singular values in `dtype` do not hold it."""
    return rule.error is not None and rule.error**2 < PRECISION_MARGIN * np.finfo(dtype).eps


def rank_rule(k, shape, tol=None):
    """What `k` and `tol` ask for, as a rule that solvers follow.

    Parameters
    ----------
    k : int, float, "auto", None or rule
        int: that many components, or with `tol` at most so many. float in (0, 1): the fewest components
        that hold this part of ||A||_F^2. "auto": those above the optimal hard threshold; see
        `ThresholdRank`. None: all, or as many as `tol` takes.
    shape : (int, int)
        Of the matrix.
    tol : float, default=None
        In (0, 1): the relative Frobenius error to reach with the fewest components, at most `k`.

    Returns
    -------
    FixedRank, ErrorRank or ThresholdRank
        With `cap`, the most components, and ``choose(squares, total)``, the rank for leading squared singular
        values.

    Raises
    ------
    TypeError, ValueError
        If `k` or `tol` is of the wrong type or out of range, or both choose the rank.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import rank_rule
    >>> rank_rule(None, (100, 4), tol=0.2).choose(np.array([90.0, 8.0, 1.5, 0.5]), total=100.0)
    2
    """
    limit = min(shape)
    if isinstance(k, (FixedRank, ErrorRank, ThresholdRank)):
        return k
    if tol is not None:
        tol = check_relative("tol", tol)
    if isinstance(k, str) and k == "auto":
        if tol is not None:
            raise ValueError("k='auto' and tol both choose the rank. Give one of them.")
        return ThresholdRank(limit, tuple(shape))
    if k is None:
        k = limit
    elif isinstance(k, Real) and not isinstance(k, Integral):
        if not 0 < k < 1:
            raise ValueError(
                "k must be an int of at least 1, or a float in (0, 1): the part of the squared norm to keep. "
                f"Got {k}."
            )
        if tol is not None:
            raise ValueError(f"k={k} and tol={tol} both choose the rank. Give one of them.")
        return ErrorRank(limit, float(np.sqrt(1 - k)), is_tolerance=False)
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise TypeError(f"k must be an int, a float in (0, 1), 'auto' or None, got {k!r}.")
    if not 1 <= k <= limit:
        raise ValueError(f"k must be between 1 and {limit} for a matrix of shape {tuple(shape)}, got {k}.")
    return FixedRank(int(k)) if tol is None else ErrorRank(int(k), tol)
