"""What scores of rows that are left out share: which rows count, and what eigenvalues can tell."""

from typing import NamedTuple

import numpy as np

_EPS = float(np.finfo(np.float64).eps)
# Eigenvalues of a Gram matrix have an error of about so many sqrt(q) eps of the largest ...
_GRAM_ERROR = 10
# ... and score a row to a thousandth where they, plus alpha, are so many times larger.
_SCORED = 1e3
# Singular values up to so many eps of the largest are taken for zero where alpha does not lift them.
_RANK_ROUNDING = 30


class LeftOut(NamedTuple):
    """Errors of predictions for rows that are left out, for every alpha.

    Parameters
    ----------
    residuals : ndarray of shape (a, m, t)
        For each row, its target less what a fit without the row predicts, or is estimated to predict; NaN
        where such a fit says nothing of it. Rows of weight zero are not in it: m counts the others.
    degrees_of_freedom : ndarray of shape (a,)
        Trace of the matrix L that maps centred targets to fitted values.
    member_squares : ndarray of shape (a, t) or None
        Of an ensemble: the squared residuals of one member, times the weights, summed over the rows and
        averaged over the members.
    lowest_alpha : float
        Values of alpha below it were scored as if they were this one, because singular values that would
        tell the difference are lost. 0 if there are none.
    """

    residuals: np.ndarray
    degrees_of_freedom: np.ndarray
    member_squares: np.ndarray | None
    lowest_alpha: float


class Rows(NamedTuple):
    """The n rows that have a weight, where they are, and the unit vector v of the intercept among them."""

    n: int
    keep: np.ndarray | slice
    intercept: np.ndarray | None
    root_weight: np.ndarray | None

    @property
    def taken(self):
        """Degrees of freedom of the intercept."""
        return int(self.intercept is not None)

    def unweighted(self, residuals):
        """Residuals of shape (a, n, t) in the units of the targets."""
        return residuals if self.root_weight is None else residuals / self.root_weight[:, None]

    def reduced(self, X):
        """P^T X for an orthonormal basis P of what is orthogonal to v: one row less, with an intercept."""
        return X if self.intercept is None else self._reflected(X)[1:]

    def lifted(self, X):
        """P X; see `reduced`."""
        if self.intercept is None:
            return X
        return self._reflected(np.concatenate([np.zeros((1, *X.shape[1:])), X]))

    def _reflected(self, X):
        """The reflection that takes v to a multiple of the first unit vector, of which P is the rest."""
        h = self.intercept.copy()
        h[0] += np.copysign(1.0, h[0])
        return X - np.outer(h, (h @ X) * (2 / (h @ h)))


def check_search(A, Y, alphas, root_weight, has_intercept):
    """``(Y, alphas, rows)`` as float64 arrays of two and one dimensions."""
    Y = np.asarray(Y, dtype=np.float64)
    if Y.ndim not in (1, 2) or Y.shape[0] != A.shape[0] or 0 in Y.shape:
        raise ValueError(f"Y must have shape ({A.shape[0]},) or ({A.shape[0]}, t), got {Y.shape}.")
    if not np.isfinite(Y).all():
        raise ValueError("Y contains NaN or infinity. Drop such rows of A and Y first.")
    alphas = np.asarray(alphas, dtype=np.float64)
    if alphas.ndim != 1 or not alphas.size or not np.all(np.isfinite(alphas) & (alphas >= 0)):
        raise ValueError(f"alphas must be one or more finite numbers of at least 0, got {alphas!r}.")
    n, keep = A.shape[0], slice(None)
    if root_weight is not None:
        root_weight = np.asarray(root_weight, dtype=np.float64)
        if root_weight.shape != (n,):
            raise ValueError(f"root_weight must have shape ({n},), got {root_weight.shape}.")
        if not root_weight.all():
            keep = root_weight != 0
            root_weight = root_weight[keep]
            n = len(root_weight)
    if n < 2:
        raise ValueError(f"To leave rows out takes at least 2 of them with a weight, got {n} sample.")
    intercept = None
    if has_intercept:
        intercept = np.ones(n) if root_weight is None else root_weight
        intercept = intercept / np.linalg.norm(intercept)
    return Y.reshape(len(Y), -1), alphas, Rows(n, keep, intercept, root_weight)


def check_room(what, n_bytes, max_memory):
    """Raise if `n_bytes` are more than `max_memory`."""
    if n_bytes > max_memory:
        raise ValueError(
            f"{what} would need {n_bytes / 2**20:.3g} MiB, max_memory is {max_memory / 2**20:.3g} MiB. Use "
            f"max_memory={n_bytes}, sketches of the features, fits on folds (an integer cv), or fewer values "
            "to search."
        )


def gram_of_rows(A, rows, gram=None):
    """P^T A A^T P for the rows that count; see `Rows.reduced`."""
    K = A.T.astype(np.float64).tiled_by_rows().gram() if gram is None else gram
    if not isinstance(rows.keep, slice):
        K = K[np.ix_(rows.keep, rows.keep)]
    return rows.reduced(rows.reduced(K).T)


def is_interpolating(A, rows):
    """Whether A has columns enough to fit all rows that count."""
    return A.shape[1] >= rows.n - rows.taken


def inverse_of(squares, alphas):
    """``(1 / (squares + alpha), whether that is known)`` for squared singular values, of shape (q, a).

    Where it is not known, the value is 0, and that direction is not fitted at all.
    """
    sums = squares[:, None] + alphas
    is_known = sums > (_RANK_ROUNDING * _EPS) ** 2 * squares.max()
    return np.divide(1.0, sums, out=np.zeros(sums.shape), where=is_known), is_known


def lowest_alpha(w, alphas):
    """The smallest alpha that eigenvalues w, ascending, of a Gram matrix can tell; 0 if all are larger."""
    known = _SCORED * _GRAM_ERROR * np.sqrt(len(w)) * _EPS * w[-1]
    if w[0] + alphas.min() > known:
        return 0.0
    return known if w[-1] > 0 else 1.0  # nothing is fitted, whatever alpha is


def with_columns_swept(A, max_memory):
    """A, or a copy of it if it arrives in chunks of rows, which cannot be swept by columns."""
    if A.container != "chunks":
        return A
    check_room("A copy of the chunks", A.dtype.itemsize * A.shape[0] * A.shape[1], max_memory)
    return A.held(A.dtype)


def has_room_for_svd(A, max_memory):
    """Whether LAPACK's SVD of the dense array fits."""
    return 24 * A.shape[0] * A.shape[1] <= max_memory
