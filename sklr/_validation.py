"""From what users pass to an operand, with scikit-learn's checks and no pass over the data."""

from numbers import Real

import numpy as np
from sklearn.utils.validation import validate_data

from sklr._backend import Operand, RowChunks, Transposed, as_operand, compute_dtype


def validate_operand(estimator, X, *, reset):
    """Check X and wrap it as an operand; set or check ``n_features_in_`` and ``feature_names_in_``.

    Finiteness is checked, and integers are converted, tile by tile in the first sweep over the operand: a
    mapped or chunked matrix is neither read nor copied here.

    Parameters
    ----------
    estimator : estimator
        Whose input it is.
    X : array-like, sparse matrix or array, DataFrame, np.memmap, RowChunks or operand
        The samples.
    reset : bool
        True in ``fit``, False in methods of a fitted estimator.

    Returns
    -------
    Operand or Transposed
    """
    if hasattr(X, "__next__"):
        return as_operand(X)  # raises, naming the remedy
    if not isinstance(X, (RowChunks, Operand, Transposed)):
        X = validate_rows(estimator, X, reset=reset)
    elif reset:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    return as_operand(X)


def validate_rows(estimator, X, *, reset):
    """Check an array or a sparse matrix; set or check ``n_features_in_`` and ``feature_names_in_``.

    Finiteness is left to the first sweep over it.

    Parameters
    ----------
    estimator : estimator
        Whose input it is.
    X : array-like, sparse matrix or array, DataFrame or np.memmap
        The samples.
    reset : bool
        True where a fit begins, False in methods of a fitted estimator.

    Returns
    -------
    ndarray, CSR or CSC matrix or array
    """
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        compute_dtype(X.dtype, "X")  # raises; scikit-learn's message would print the array
    refuse_masked(X)
    return validate_data(
        estimator,
        X,
        reset=reset,
        accept_sparse=("csr", "csc"),
        dtype="numeric",
        ensure_all_finite=False,
    )


def refuse_masked(X):
    """Raise if X is an array with masked entries, which NumPy and scikit-learn would take for data."""
    if np.ma.isMaskedArray(X) and np.ma.is_masked(X):
        raise ValueError(
            "X is a masked array with masked entries, which would be taken for data. Impute them first, "
            "as X.filled(value) does."
        )


def validate_weight(weight, size, name, *, positive=False, may_vanish=False):
    """Check weights: None, a number for all, or one for each; None or a float64 array of `size` entries.

    Parameters
    ----------
    weight : array-like, float or None
        The weights.
    size : int
        How many there must be.
    name : str
        What errors call them.
    positive : bool, default=False
        Whether zero is refused.
    may_vanish : bool, default=False
        Whether all of them may be zero.

    Returns
    -------
    ndarray or None
    """
    if weight is None:
        return None
    if isinstance(weight, Real):
        weight = np.full(size, weight)
    try:
        weight = np.asarray(weight)
        if weight.dtype.kind == "c":
            raise TypeError("complex")
        weight = weight.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be numbers, got {weight!r}.") from error
    if weight.shape != (size,):
        raise ValueError(f"{name} must have shape ({size},), got {weight.shape}.")
    if not np.isfinite(weight).all():
        raise ValueError(f"{name} contains NaN or infinity. Use finite weights.")
    with np.errstate(over="ignore"):
        if not np.isfinite(weight.sum()):
            raise ValueError(f"{name} adds up to infinity. Divide it by its largest entry.")
    if weight.min() < 0 or (positive and weight.min() == 0):
        kind, remedy = ("positive", "drop the features") if positive else ("non-negative", "use 0")
        worst = int(np.argmin(weight))
        raise ValueError(
            f"{name} must be {kind}, got {weight[worst]} at position {worst}: {remedy} that should not count."
        )
    if not (may_vanish or weight.any()):
        raise ValueError(f"{name} is zero everywhere: at least one weight must be positive.")
    return weight
