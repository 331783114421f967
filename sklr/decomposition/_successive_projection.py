"""Vertices of a noisy simplex, and rows as mixtures of them."""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklr._backend import as_operand, session
from sklr._validation import validate_operand
from sklr.base import draw_seed, unchanged_on_error
from sklr.linalg import barycentric_weights, successive_projection
from sklr.linalg.vertices import METHODS, check_number


class SuccessiveProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Archetypes: the vertices of the simplex that the rows of a matrix fill, up to noise.

    The model is

        x_i = sum_k w_ik v_k + noise,    w_ik >= 0,    sum_k w_ik = 1,

    with the vertices v_k as `components_`; `transform` returns the weights W. Vertices are found by
    successive projection (SPA), which takes the row farthest from the mean, then again and again the one
    farthest from the affine hull of those taken. By default that is done on rows that are projected on their
    principal directions and averaged with their neighbours (pp-SPA): noise pushes extremes out, and this
    takes most of it away.

    Parameters
    ----------
    n_components : int, default=2
        Vertices K, from 2 to min(n_samples, n_features + 1).
    method : {"pp-spa", "p-spa", "spa"}, default="pp-spa"
        "spa": vertices are rows of X. "p-spa": they are rows projected on the K - 1 principal directions.
        "pp-spa": they are means of projected rows within `radius` of one of them.
    radius : float or "auto", default="auto"
        Of the neighbourhoods in the principal directions, in the unit of X. "auto": the smallest with which
        99% of the rows, or of 10,000 random ones, have enough neighbours. Only with "pp-spa".
    min_neighbors : int or "auto", default="auto"
        Rows with fewer neighbours, themselves included, have no part in the search. "auto": log(n_samples),
        rounded up, or n_samples / (2 K) if that is less. Only with "pp-spa".
    nonnegative : bool, default=True
        Whether weights below zero are ruled out. False: affine coordinates, which sum to one.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads.
    random_state : int, RandomState instance or None, default=None
        Where the start block of the projection and the rows for the radius come from; an int for reproducible
        results.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        The vertices, in the order in which they were found.
    vertex_indices_ : ndarray of shape (n_components,)
        "spa": the rows of X that they are. "p-spa": the rows whose projections they are. "pp-spa": the rows
        whose neighbourhoods have them as means.
    radius_ : float
        The radius; only with "pp-spa".
    min_neighbors_ : int
        The least number of neighbours; only with "pp-spa".
    error_estimate_ : float
        ||X - W V||_F / ||X||_F, with the weights W of the training data and V the `components_`.
    n_passes_ : int
        Sweeps over the data that the fit took.
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit` and `transform`: X is empty, complex, or holds NaN, infinity or masked entries; squares of
        its entries leave the range of float64; a parameter is out of range or does not fit another one; there
        are fewer rows, or independent directions around their mean, than the vertices need; too few rows have
        enough neighbours. The estimator is left as it was.
    TypeError
        X is an iterator: wrap it in `sklr.linalg.RowChunks`. Or a parameter is of the wrong type.

    See Also
    --------
    sklr.linalg.successive_projection : The search for vertices.
    sklr.linalg.barycentric_weights : The weights.

    Notes
    -----
    "pp-spa" and "p-spa" take one pass for the mean, those of `sklr.linalg.truncated_svd`, mostly one, and one
    to project; "spa" K + 1. The weights and their error take two more. Beside the data
    there are arrays of up to 5 times ``8 n_samples K`` bytes, by "p-spa" and "spa" 2.5 times.

    Shifts, rotations and units of X make no difference to which vertices are found. Rows of a cone, such as
    word counts, are to be divided by their sums first, which makes them a simplex.

    For 1,000 rows of 50 features with noise of standard deviation .5, in a triangle with sides of 10, the
    largest error of a vertex is 4.0 by "spa", 1.2 by "p-spa" and .6 by "pp-spa", the means of 100 draws.
    Neighbourhoods cut the corners: without noise, where "spa" is exact, that is all they do.

    Not for simplices that have no rows near some vertex (volumes are needed for these), nor, with "pp-spa",
    for more than about ten vertices and many rows.

    References
    ----------
    J. Jin, Z. T. Ke, G. Moryoussef, J. Tang and J. Wang, "Improved Algorithm and Bounds for Successive
    Projection", 2024, arXiv:2403.11013. N. Gillis and S. A. Vavasis, "Fast and Robust Recursive Algorithms
    for Separable Nonnegative Matrix Factorization", 2012, arXiv:1208.1237.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.decomposition import SuccessiveProjection
    >>> rng = np.random.default_rng(0)
    >>> vertices = 10 * np.eye(3, 20)
    >>> W = np.vstack([np.repeat(np.eye(3), 10, axis=0), rng.dirichlet(np.ones(3), size=970)])
    >>> X = W @ vertices + 0.5 * rng.standard_normal((1000, 20))
    >>> model = SuccessiveProjection(n_components=3, random_state=0).fit(X)
    >>> bool(np.abs(model.components_[:, :3].max(axis=1) - 10).max() < 1)
    True
    >>> model.transform(X).sum(axis=1).round(6)[:3]
    array([1., 1., 1.])
    """

    _parameter_constraints: dict = {
        "n_components": "no_validation",  # linalg checks these, and knows remedies
        "radius": "no_validation",
        "min_neighbors": "no_validation",
        "method": [StrOptions(set(METHODS))],
        "nonnegative": ["boolean"],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        method="pp-spa",
        radius="auto",
        min_neighbors="auto",
        nonnegative=True,
        n_threads=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.method = method
        self.radius = radius
        self.min_neighbors = min_neighbors
        self.nonnegative = nonnegative
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the vertices of the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. Results of float32 data are float32; the computation is in float64.
        y : Ignored
            Present for the interface.

        Returns
        -------
        SuccessiveProjection
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X):
        X = validate_operand(self, X, reset=True)
        check_number(self.n_components, X.shape, ("n_components", "n_samples", "n_features"))
        before = X.n_passes
        with session(self.n_threads):
            found = successive_projection(
                X,
                self.n_components,
                method=self.method,
                radius=self.radius,
                min_neighbors=self.min_neighbors,
                rng=draw_seed(self.random_state),
            )
            _, self.error_estimate_ = barycentric_weights(
                X, found.vertices, nonnegative=self.nonnegative, return_error=True
            )
        self.components_ = found.vertices
        self.vertex_indices_ = found.indices
        for name in ("radius", "min_neighbors"):
            vars(self).pop(f"{name}_", None)
            if getattr(found, name) is not None:
                setattr(self, f"{name}_", getattr(found, name))
        self.n_passes_ = X.n_passes - before
        return self

    def transform(self, X):
        """Return the barycentric weights W of the rows of X.

        Each row of W V is the point of the simplex nearest to the row of X; with ``nonnegative=False`` that
        of its affine hull. One pass, ``2 nnz K`` flops, and an active set method in K - 1 dimensions, exact
        up to rounding; see `sklr.linalg.barycentric_weights`.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            Weights that sum to one; float32 for float32 data, otherwise float64.
        """
        check_is_fitted(self)
        X = validate_operand(self, X, reset=False)
        return barycentric_weights(
            X, self.components_, nonnegative=self.nonnegative, n_threads=self.n_threads
        )

    def inverse_transform(self, X):
        """Return the mixtures W V of the vertices.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Weights W.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A dense matrix: ``n_samples * n_features`` entries.
        """
        check_is_fitted(self)
        W = check_array(X, dtype=(np.float64, np.float32), input_name="X")
        if W.shape[1] != len(self.components_):
            raise ValueError(
                f"X has {W.shape[1]} columns, but {type(self).__name__} has {len(self.components_)} "
                "components: pass what transform returns."
            )
        return as_operand(W).matmat(self.components_, n_threads=self.n_threads)

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
