"""Checks of the targets and the regularisation of a ridge regression."""

from numbers import Real

import numpy as np
from scipy import sparse


def check_targets(Y, m):
    """``(Y in float64, exponents, whether Y had one dimension)``, columns divided by 2**exponents.

    That is exact, and keeps squares in range.
    """
    if sparse.issparse(Y):
        raise TypeError("Y must be an ndarray, got a sparse matrix. Use Y.toarray().")
    Y = np.asarray(Y)
    if Y.dtype.kind not in "biuf":
        raise TypeError(f"Y must hold real numbers, got dtype {Y.dtype}.")
    if Y.ndim not in (1, 2) or Y.shape[0] != m or 0 in Y.shape:
        raise ValueError(f"Y must have shape ({m},) or ({m}, t), a row for each row of A, got {Y.shape}.")
    is_single = Y.ndim == 1
    Y = (Y[:, None] if is_single else Y).astype(np.float64)
    largest = np.abs(Y).max(axis=0)
    if not np.isfinite(largest).all():
        row, column = np.argwhere(~np.isfinite(Y))[0]
        what = "NaN" if np.isnan(Y[row, column]) else "infinity"
        place = f"row {row}" if is_single else f"row {row}, column {column}"
        raise ValueError(f"Y contains {what}: first seen at {place}. Drop such rows of A and Y first.")
    exponents = np.frexp(largest)[1]
    return np.ldexp(Y, -exponents), exponents, is_single


def check_alpha(alpha, t):
    """Alpha of every target, float64 of shape (t,)."""
    if isinstance(alpha, (bool, np.bool_)) or not (
        isinstance(alpha, Real) or np.asarray(alpha).dtype.kind in "iuf"
    ):
        raise TypeError(f"alpha must be a float or an array of {t} floats, got {alpha!r}.")
    values = np.asarray(alpha, dtype=np.float64)
    if values.ndim and values.shape != (t,):
        raise ValueError(
            f"alpha must be a float or have shape ({t},), one for each column of Y, got shape {values.shape}."
        )
    if not np.all((values >= 0) & np.isfinite(values)):
        wrong = np.atleast_1d(values)[~np.atleast_1d((values >= 0) & np.isfinite(values))][0]
        raise ValueError(f"alpha must be finite and at least 0, got {wrong}. Use 0 for least squares.")
    return np.broadcast_to(values, (t,)).copy()
