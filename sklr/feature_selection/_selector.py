"""What the selectors of columns share: support, transform and reconstruction."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_array, check_is_fitted

from sklr._backend import as_operand, is_streamed
from sklr._validation import refuse_masked, validate_operand
from sklr.base import level_of_caller

# "auto" without a tolerance: half of the features, but no more than a fit of seconds chooses and people read.
_MOST = 100


class ColumnsMixin(SelectorMixin):
    """Keeps the columns `selected_indices_`; the others are combinations of them, by `coefficients_`.

    The estimator has the parameters `n_features_to_select` and `tol`, and sets `selected_indices_`, in the
    order of choice, and `coefficients_` of shape (n_selected, n_features), whose rows are in the order of
    columns, as `transform` gives them.
    """

    def _check_number(self):
        """Raise if `n_features_to_select` is no number of features."""
        number = self.n_features_to_select
        if isinstance(number, str) and number == "auto":
            return
        if isinstance(number, bool) or not isinstance(number, Real):
            raise TypeError(
                f"n_features_to_select must be an int, a float in (0, 1) or 'auto', got {number!r}."
            )
        if number < 1 if isinstance(number, Integral) else not 0 < number < 1:
            raise ValueError(
                "n_features_to_select must be an int of at least 1, a float in (0, 1), which is a part of "
                f"the features, or 'auto'; got {number}."
            )

    def _number(self, shape):
        """How many features to select, at most, of X of this shape."""
        if isinstance(self.n_features_to_select, str):
            return min(shape) if self.tol is not None else min(max(shape[1] // 2, 1), _MOST, *shape)
        return min(self._asked_for(shape), *shape)

    def _asked_for(self, shape):
        number = self.n_features_to_select
        return int(number) if isinstance(number, Integral) else max(int(number * shape[1]), 1)

    def _warn_if_clipped(self, shape):
        number = self.n_features_to_select
        if not isinstance(number, str) and self._asked_for(shape) > min(shape):
            warnings.warn(
                f"n_features_to_select={number} is {self._asked_for(shape)} features, more than "
                f"min(n_samples, n_features)={min(shape)}, and has been clipped to it.",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def _get_support_mask(self):
        check_is_fitted(self)
        mask = np.zeros(self.n_features_in_, dtype=bool)
        mask[self.selected_indices_] = True
        return mask

    def transform(self, X):
        """Keep the selected columns of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data. Of memory-mapped and chunked data one pass is made.

        Returns
        -------
        {ndarray, sparse matrix, DataFrame} of shape (n_samples, n_selected)
            The selected columns, in the order that they have in X, in its dtype; mapped and chunked integers
            as float64.
        """
        check_is_fitted(self)
        if not (is_streamed(X) or hasattr(X, "__next__")):
            refuse_masked(X)
            return super().transform(X)
        return validate_operand(self, X, reset=False).take_columns(
            self.get_support(indices=True), getattr(self, "n_threads", None)
        )

    def reconstruct(self, X):
        """Fill in all columns from the selected ones: ``X coefficients_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_selected)
            What `transform` returns.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            Of all columns; the selected ones are those given.
        """
        check_is_fitted(self)
        C = self.coefficients_
        Z = check_array(X, accept_sparse=("csr", "csc"), dtype=[np.float64, np.float32], input_name="X")
        if Z.shape[1] != len(C):
            raise ValueError(
                f"X has {Z.shape[1]} columns, but {type(self).__name__} has selected {len(C)}: pass what "
                "transform returns."
            )
        return as_operand(Z).matmat(C, getattr(self, "n_threads", None))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
