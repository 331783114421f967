"""The probabilistic model behind principal components: covariance and likelihood."""

import numpy as np
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklr._validation import validate_operand
from sklr.linalg import centered


def _has_model(estimator):
    if not estimator.center:
        raise AttributeError("This needs center=True: the model is a Gaussian about the mean.")
    if estimator.feature_weight is not None:
        raise AttributeError("This needs feature_weight=None: the model has one noise variance.")
    return True


class ProbabilisticMixin:
    """Covariance and likelihood of a fitted, centred low-rank model.

    Rows are Gaussian with mean `mean_` and covariance (M. E. Tipping and C. M. Bishop, "Probabilistic
    Principal Component Analysis", 1999, doi:10.1111/1467-9868.00196)

        C = V diag(lambda - sigma^2) V^T + sigma^2 I,

    with V^T the `components_`, lambda the `explained_variance_` and sigma^2 the `noise_variance_`.
    """

    @available_if(_has_model)
    def get_covariance(self):
        """Return the covariance C of the model, an n_features x n_features matrix.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            Dense: not for many features.
        """
        check_is_fitted(self)
        return self._combined(
            np.maximum(self.explained_variance_ - self.noise_variance_, 0), self.noise_variance_
        )

    @available_if(_has_model)
    def get_precision(self):
        """Return the inverse of the covariance of the model, by the inversion lemma.

        Returns
        -------
        ndarray of shape (n_features, n_features)
            Dense: not for many features.

        Raises
        ------
        ValueError
            The covariance is singular.
        """
        check_is_fitted(self)
        variances, noise = self._variances()
        if len(variances) == self.n_features_in_:
            return self._combined(1 / variances, 0)
        return self._combined(1 / variances - 1 / noise, 1 / noise)

    @available_if(_has_model)
    def score_samples(self, X):
        """Return the log-likelihood of every row of X under the model. Two passes, ``2 nnz k`` flops.

        With z = V^T (x - mean) and n features of which k are components,

            -1/2 [ n log 2 pi + sum_i log lambda_i + (n - k) log sigma^2
                   + sum_i z_i^2 / lambda_i + (||x - mean||^2 - ||z||^2) / sigma^2 ].

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples,)
            Log-likelihoods, float64.

        Raises
        ------
        ValueError
            The covariance of the model is singular, or X is not valid.
        """
        check_is_fitted(self)
        variances, noise = self._variances()
        A = centered(validate_operand(self, X, reset=False), self.mean_)
        Z = A.matmat(self.components_.T, n_threads=self.n_threads).astype(np.float64, copy=False)
        n, k = self.n_features_in_, len(variances)
        quadratic = np.sum(Z**2 / variances, axis=1)
        determinant = np.sum(np.log(variances))
        if k < n:
            left = A.T.column_squared_norms(n_threads=self.n_threads) - np.sum(Z**2, axis=1)
            quadratic += np.maximum(left, 0) / noise
            determinant += (n - k) * np.log(noise)
        return -0.5 * (n * np.log(2 * np.pi) + determinant + quadratic)

    @available_if(_has_model)
    def score(self, X, y=None):
        """Return the mean log-likelihood of the rows of X under the model; see `score_samples`.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted.
        y : Ignored
            Present for the interface.

        Returns
        -------
        float
            The mean of the log-likelihoods.
        """
        return float(np.mean(self.score_samples(X)))

    def _variances(self):
        """Variances along the components, and the noise variance; an error if the covariance is singular."""
        noise = float(self.noise_variance_)
        variances = np.maximum(self.explained_variance_.astype(np.float64), noise)
        has_noise = noise > 0 or len(variances) == self.n_features_in_
        if not has_noise or variances.min() <= 0:
            raise ValueError(
                "The covariance of the model is singular: the data have no variance beyond the "
                f"{len(variances)} components, so noise_variance_ is {noise:.3g}. Fit with fewer components."
            )
        return variances, noise

    def _combined(self, along, beside):
        """``V diag(along) V^T + beside I``."""
        V = self.components_
        matrix = (V.T * along) @ V
        matrix[np.diag_indices_from(matrix)] += beside
        return matrix.astype(V.dtype, copy=False)
