"""From what users pass to an operand, with scikit-learn's checks and no pass over the data."""

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
    if getattr(getattr(X, "dtype", None), "kind", "") == "c":
        compute_dtype(X.dtype, "X")  # raises; scikit-learn's message would print the array
    if hasattr(X, "__next__"):
        return as_operand(X)  # raises, naming the remedy
    if np.ma.isMaskedArray(X) and np.ma.is_masked(X):
        raise ValueError(
            "X is a masked array with masked entries, which would be taken for data. Impute them first, "
            "as X.filled(value) does."
        )
    if not isinstance(X, (RowChunks, Operand, Transposed)):
        X = validate_data(
            estimator,
            X,
            reset=reset,
            accept_sparse=("csr", "csc"),
            dtype="numeric",
            ensure_all_finite=False,
        )
    elif reset:
        estimator.n_features_in_ = X.shape[1]
        vars(estimator).pop("feature_names_in_", None)
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"X has {X.shape[1]} features, but {type(estimator).__name__} is expecting "
            f"{estimator.n_features_in_} features as input."
        )
    return as_operand(X)
