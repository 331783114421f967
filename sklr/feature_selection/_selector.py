"""What the selectors of columns share: support, transform and reconstruction."""

import numpy as np
from sklearn.feature_selection import SelectorMixin
from sklearn.utils.validation import check_array, check_is_fitted

from sklr._backend import as_operand, is_streamed
from sklr._validation import refuse_masked, validate_operand


class ColumnsMixin(SelectorMixin):
    """Keeps the columns `selected_indices_`; the others are combinations of them, by `coefficients_`.

    The estimator sets `selected_indices_`, in the order of choice, and `coefficients_` of shape
    (n_selected, n_features), whose rows are in the order of columns, as `transform` gives them.
    """

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
