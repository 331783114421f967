"""What functions that choose columns return."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from sklr._backend import session


class ColumnSelection(NamedTuple):
    """Columns of a matrix, and the others as their combinations.

    Parameters
    ----------
    indices : ndarray of shape (r,)
        The columns, in the order in which they were taken: the first ones are what fewer would have been. r
        is below the number asked for where no more columns are independent.
    coefficients : ndarray of shape (r, n)
        X with ``A ~ A[:, indices] X``; the identity on the columns that were taken.
    errors : ndarray of shape (r,)
        The relative Frobenius error ``||A - A[:, J] X|| / ||A||`` of the first 1, 2, ... columns J with the
        best coefficients for them. float64.
    best_errors : ndarray of shape (r,)
        The same of the best approximations of rank 1, 2, ..., the truncated SVDs, or lower estimates of
        these; NaN where nothing is known. float64.
    triangle : ndarray of shape (r, r)
        R of ``A[:, indices] = Q R`` with orthonormal Q, of A or its sketch.
    n_passes : int
        Sweeps over A.
    """

    indices: np.ndarray
    coefficients: np.ndarray
    errors: np.ndarray
    best_errors: np.ndarray
    triangle: np.ndarray
    n_passes: int

    def first(self, r):
        """Return the selection of the first columns only, with the best coefficients for them.

        Parameters
        ----------
        r : int
            How many, from 1 to the number that is selected.

        Returns
        -------
        ColumnSelection
            A new one. ``2 r (len(indices) - r) n`` flops.
        """
        R, X = self.triangle, self.coefficients
        if r == len(X):
            return self
        with session(None):  # BLAS on one thread
            # With W = R X, it is R_11^-1 W_1 = X_1 + R_11^-1 R_12 X_2.
            fewer = X[:r] + solve_triangle(R[:r, :r], R[:r, r:]) @ X[r:]
        fewer[:, self.indices[:r]] = np.eye(r)
        return self._replace(
            indices=self.indices[:r],
            coefficients=fewer.astype(X.dtype, copy=False),
            errors=self.errors[:r],
            best_errors=self.best_errors[:r],
            triangle=R[:r, :r],
        )


def solve_triangle(R, W):
    """``R^-1 W`` in float64 for an upper triangular R, which may be empty."""
    if not W.size:  # which not all versions of SciPy take
        return np.zeros(W.shape)
    R, W = (M.astype(np.float64, copy=False) for M in (R, W))
    return linalg.solve_triangular(R, W, check_finite=False)


def left(W, total):
    """Relative error of a projection of squared norm `total` on the first 1, 2, ... of orthonormal rows."""
    if not total:
        return np.zeros(len(W))
    captured = np.cumsum(np.einsum("ij,ij->i", W, W, dtype=np.float64))
    return np.sqrt(np.maximum(1 - captured / total, 0))
