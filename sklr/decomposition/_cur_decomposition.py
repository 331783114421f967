"""CUR decompositions: a matrix from some of its own columns and rows."""

import warnings
from numbers import Integral

import joblib
import numpy as np
from scipy import sparse
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklr._backend import as_operand, session
from sklr._validation import validate_operand, validate_rows
from sklr.base import draw_seed, fit_nested, level_of_caller, unchanged_on_error
from sklr.linalg import cur_decomposition
from sklr.linalg._checks import check_relative
from sklr.linalg.plan import MAX_MEMORY
from sklr.sketch import make_sketch

_PIVOTING = {"qrcp": "qr", "lupp": "lu"}


class CURDecomposition(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Low-rank approximation of a matrix by some of its own columns and rows.

    Finds columns C = X[:, J] and rows R = X[I, :] and links them,

        A_hat = C U R = C M V^T,    M = column_weights_,    V^T = components_,

    so that A_hat is close to X. A component is a combination of a few rows that exist, and the coordinates
    ``X[:, J] M`` of a new row need the columns J of it only. With ``linking="projection"`` A_hat is the best
    approximation that these columns and rows allow, cut to the rank `n_components`; its error is typically
    1.1 to 2.5 times that of the truncated SVD of this rank, less with more columns and rows than components.
    `error_estimate_` says what it is.

    Parameters
    ----------
    n_components : int, default=2
        Rank of A_hat; more than min(n_samples, n_features) is clipped, with a warning. With `tol` the most
        that is allowed.
    n_columns : int, default=None
        Columns to take, at least `n_components` and clipped as that; None: `n_components`.
    n_rows : int, default=None
        Rows to take, as `n_columns`.
    tol : float, default=None
        Relative Frobenius error ||X - A_hat||_F / ||X||_F to reach with the smallest rank, for the columns
        and rows that were taken. A fit that misses it warns.
    linking : {"projection", "intersection"}, default="projection"
        "projection": U = C^+ X R^+, the best one. "intersection": U = X[I, J]^+, for which A_hat equals X in
        the rows I and the columns J if these are equally many and as many as the components. Its error is
        larger: typically 1.3 times with 20 columns and rows, twice with 100, less with more rows.
    method : {"qrcp", "lupp"}, default="qrcp"
        How columns and rows are taken. "qrcp": QR with column pivoting. "lupp": LU with partial pivoting,
        which is faster, with errors 5 to 10% larger.
    sketch : str or Distribution, default="auto"
        Distribution of the sketch on which the first pivots are found: a name from
        `sklr.sketch.available_sketches` or an object.
    n_oversamples : int, default=None
        Rows of the sketch beyond the columns that are taken; None: 10 with "lupp", more with "qrcp" (see
        `sklr.linalg.pivoted_columns`).
    max_memory : int, default=2147483648
        Bytes that the sketch and its factors may take.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads.
    random_state : int, RandomState instance or None, default=None
        Where the sketch comes from; an int for reproducible results.

    Attributes
    ----------
    components_ : ndarray of shape (n_components_, n_features)
        V^T, orthonormal rows, each a combination of `rows_`. In each row the entry of largest magnitude is
        positive.
    singular_values_ : ndarray of shape (n_components_,)
        Singular values of A_hat, descending.
    column_indices_ : ndarray of shape (n_columns,)
        J, the most important column first if columns are no fewer than rows. Fewer than `n_columns` where no
        more are independent.
    row_indices_ : ndarray of shape (n_rows,)
        I, in the same way.
    columns_ : {ndarray, sparse matrix} of shape (n_samples, n_columns)
        C; sparse if X is.
    rows_ : {ndarray, sparse matrix} of shape (n_rows, n_features)
        R; sparse if X is.
    column_weights_ : ndarray of shape (n_columns, n_components_)
        M, of moderate size.
    row_weights_ : ndarray of shape (n_rows, n_components_)
        N, with ``components_ = N^T R``; large where rows depend on each other.
    linking_matrix_ : ndarray of shape (n_columns, n_rows)
        ``U = M N^T``. It is for reading: its entries may be as large as 1 / eps, and nothing is computed
        from it.
    error_estimate_ : float
        Estimate of ||X - A_hat||_F / ||X||_F: by norms in float64 where it is above 1e-6 (float32: 1e-2),
        below from ten Gaussian vectors; see `sklr.linalg.cur_decomposition`.
    suboptimality_estimate_ : float
        Estimate of the factor by which the error is above that of the truncated SVD of this rank, from the
        spectrum of the sketch. As a rule within 1.2 times it with "qrcp"; up to 1.7 times too large with
        "lupp", whose sketch is smaller; at least 1. NaN where the sketch tells no more than this rank.
    n_components_ : int
        The rank of A_hat.
    n_passes_ : int
        Sweeps over the data that the fit took.
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit` and `transform`: X is empty, complex, zero, or holds NaN, infinity or masked entries; a
        parameter is out of range or does not go with another one. The estimator is left as it was.
    TypeError
        X is an iterator: wrap it in `sklr.linalg.RowChunks`. Or a parameter is of the wrong type.

    Warns
    -----
    UserWarning
        A number is clipped, or fewer columns or rows are independent than were asked for.
    ConvergenceWarning
        `tol` is not reached with `n_components`; with the numbers.

    See Also
    --------
    RandomizedLowRank : The truncated SVD, whose error is smaller and whose components are no rows of X.
    sklr.linalg.cur_decomposition : The function behind it.
    sklr.linalg.two_sided_approximation : The form that it shares with generalized Nystrom.

    Notes
    -----
    Four passes over the data: a sketch, the columns, the rows, and a product. ``2 nnz (n_rows + 10)`` flops
    for the product, ``10 (n_samples n_columns^2 + n_features n_rows^2)`` for pivoting and bases, and those of
    the sketch. Memory for ``7 (n_samples n_columns + n_features n_rows)`` entries, dense for sparse data too,
    and the sketch. If rows are more than columns they are taken first.

    The data are not centred. Scale features whose units differ: long columns and rows are taken first.

    References
    ----------
    Y. Dong and P.-G. Martinsson, "Simpler is better: a comparative study of randomized pivoting algorithms
    for CUR and interpolative decompositions", 2021, arXiv:2104.05877. D. C. Sorensen and M. Embree, "A DEIM
    induced CUR factorization", 2014, arXiv:1407.5516. S. Voronin and P.-G. Martinsson, "Efficient algorithms
    for CUR and interpolative matrix decompositions", 2014, arXiv:1412.8447.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.decomposition import CURDecomposition
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = CURDecomposition(n_components=20, n_columns=30, n_rows=30, random_state=0).fit(X)
    >>> model.transform(X).shape, model.rows_.shape
    ((1797, 20), (30, 64))
    >>> bool(0.2 < model.error_estimate_ < 0.3)
    True
    """

    _parameter_constraints: dict = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "n_columns": [None, Interval(Integral, 1, None, closed="left")],
        "n_rows": [None, Interval(Integral, 1, None, closed="left")],
        "tol": "no_validation",  # these have remedies of their own: `_check_parameters`
        "sketch": "no_validation",
        "linking": [StrOptions({"projection", "intersection"})],
        "method": [StrOptions(set(_PIVOTING))],
        "n_oversamples": [None, Interval(Integral, 0, None, closed="left")],
        "max_memory": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_columns=None,
        n_rows=None,
        tol=None,
        linking="projection",
        method="qrcp",
        sketch="auto",
        n_oversamples=None,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_columns = n_columns
        self.n_rows = n_rows
        self.tol = tol
        self.linking = linking
        self.method = method
        self.sketch = sketch
        self.n_oversamples = n_oversamples
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X, y=None):
        """Take columns and rows of X and link them.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. float32 is computed in float32, integers in float64.
        y : Ignored
            Present for the interface.

        Returns
        -------
        CURDecomposition
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X):
        self._check_parameters()
        stored = validate_rows(self, X, reset=True) if sparse.issparse(X) else None
        A = validate_operand(self, X, reset=True) if stored is None else as_operand(stored)
        n_columns, n_rows = self._counts(A.shape)
        before = A.n_passes
        found = cur_decomposition(
            A,
            n_columns,
            n_rows,
            linking=self.linking,
            pivoting=_PIVOTING[self.method],
            sketch=self.sketch,
            n_oversamples=self.n_oversamples,
            max_memory=self.max_memory,
            rng=draw_seed(self.random_state),
            n_threads=self.n_threads,
        )
        self.column_indices_, self.row_indices_ = found.column_indices, found.row_indices
        if stored is None:
            self.columns_, self.rows_ = found.columns, found.rows
        else:
            self.columns_ = stored[:, self.column_indices_].astype(A.dtype)
            self.rows_ = stored[self.row_indices_].astype(A.dtype)
        self._errors, self._best_errors = found.errors, found.best_errors
        self.n_passes_ = A.n_passes - before
        self.column_weights_, self.row_weights_ = found.column_weights, found.row_weights
        self.components_, self.singular_values_ = found.right_vectors, found.singular_values
        self._warn_if_fewer(found, n_columns, n_rows, A.shape)
        self._cut(self._rank())
        self._warn_if_missed()
        return self

    def _rank(self):
        """Components to keep of those that the links have."""
        k = min(self.n_components, len(self._errors))
        if self.tol is None:
            return k
        reached = self._errors[:k] <= self.tol
        return int(np.argmax(reached)) + 1 if reached.any() else k

    def _cut(self, k):
        """Keep the first k components; arrays that others hold are not changed."""
        self.components_ = self.components_[:k].copy()
        self.singular_values_ = self.singular_values_[:k].copy()
        self.column_weights_ = self.column_weights_[:, :k].copy()
        self.row_weights_ = self.row_weights_[:, :k].copy()
        self._errors, self._best_errors = self._errors[:k].copy(), self._best_errors[:k].copy()
        self.n_components_ = k
        self.error_estimate_ = float(self._errors[-1])
        best = float(self._best_errors[-1])
        self.suboptimality_estimate_ = max(self.error_estimate_ / best, 1.0) if best > 0 else float("nan")

    def truncate(self, n_components):
        """Return a fitted estimator with the first components of this one; nothing is computed again.

        It equals the direct fit with the same `n_columns` and `n_rows`.

        Parameters
        ----------
        n_components : int
            At most the rank of this one.

        Returns
        -------
        CURDecomposition
            A new estimator with the columns and rows of this one. Its `n_components` is the rank, `n_columns`
            and `n_rows` are what this one was fitted with and `tol` is None.

        Raises
        ------
        TypeError, ValueError
            If `n_components` is not an int between 1 and the rank.
        """
        check_is_fitted(self)
        if isinstance(n_components, bool) or not isinstance(n_components, Integral):
            raise TypeError(f"n_components must be an int, got {n_components!r}.")
        if not 1 <= n_components <= self.n_components_:
            raise ValueError(
                f"n_components must be between 1 and {self.n_components_}, the components that were fitted; "
                f"got {n_components}. Fit with a larger n_components to have more."
            )
        k = int(n_components)
        other = clone(self).set_params(
            n_components=k,
            n_columns=self.n_columns or self.n_components,
            n_rows=self.n_rows or self.n_components,
            tol=None,
        )
        return self._cut_as(other)

    def fit_path(self, X, y, param_dicts, **fit_params):
        """Yield one fitted estimator per dictionary of parameters, sharing fits where they are nested.

        Dictionaries that differ in `n_components` and `tol` only, with `n_columns` and `n_rows` given, share
        one fit.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data.
        y : Ignored
            Present for the interface.
        param_dicts : iterable of dict
            Parameters of each estimator; what is not in it is as in this one.
        **fit_params : dict
            Passed to `fit`.

        Yields
        ------
        CURDecomposition
            A fitted estimator for each dictionary, in their order. This one stays as it is.
        """
        wanted = [clone(self).set_params(**parameters) for parameters in param_dicts]
        for estimator in wanted:
            estimator._validate_params()
            estimator._check_parameters()
        keys = [estimator._nesting_key() for estimator in wanted]

        def fit(estimator):
            if estimator._nesting_key() is not None:  # each part is compared with a tolerance of its own
                estimator = clone(estimator).set_params(tol=None)
            return estimator.fit(X, **fit_params)

        def cut(model, estimator, _):
            part = model._cut_as(estimator)
            part._warn_if_missed()
            return part

        yield from fit_nested(wanted, keys, [estimator.n_components for estimator in wanted], fit, cut)

    def _nesting_key(self):
        """Equal for estimators that one fit serves; None for one that none does."""
        parameters = self.get_params(deep=False)
        del parameters["n_components"], parameters["tol"]
        return None if None in (self.n_columns, self.n_rows) else joblib.hash(parameters)

    def _cut_as(self, other):
        """Give `other` this fit, cut to its rank."""
        for name, value in vars(self).items():
            if name.endswith("_") or name in ("_errors", "_best_errors"):
                setattr(other, name, value)
        other._cut(other._rank())
        return other

    def transform(self, X):
        """Return the coordinates ``X[:, J] M`` of the rows of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted. Only the columns `column_indices_` matter: the others may
            hold any finite number. They are looked at for NaN and infinity.

        Returns
        -------
        ndarray of shape (n_samples, n_components_)
            float32 for float32 data, otherwise float64.

        Notes
        -----
        One pass, and ``2 n_samples n_columns n_components_`` flops. For a row x that is not among the
        training data, ``x[J] M V^T`` is interpolated from x[J]; it is not the projection of x.
        """
        check_is_fitted(self)
        A = validate_operand(self, X, reset=False)
        with session(self.n_threads):
            return as_operand(A.take_columns(self.column_indices_)).matmat(self.column_weights_)

    def inverse_transform(self, X):
        """Return the rows Z V^T that coordinates Z stand for.

        ``inverse_transform(transform(X))`` is A_hat for the training data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components_)
            Coordinates Z.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A dense matrix: ``n_samples * n_features`` entries.
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=(np.float64, np.float32), input_name="X")
        if Z.shape[1] != self.n_components_:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but {type(self).__name__} has {self.n_components_} components: "
                "pass what transform returns."
            )
        return as_operand(Z).matmat(self.components_, n_threads=self.n_threads)

    @property
    def linking_matrix_(self):
        """U of shape (n_columns, n_rows) with ``A_hat = C U R``, for reading; see the class."""
        check_is_fitted(self)
        return self.column_weights_ @ self.row_weights_.T

    # -- checks and warnings ------------------------------------------------------------------

    def _check_parameters(self):
        """What scikit-learn's constraints cannot say, or say without the remedy."""
        for name in ("n_components", "n_columns", "n_rows", "n_oversamples"):
            if isinstance(getattr(self, name), bool):  # an Integral, which scikit-learn lets pass
                raise TypeError(f"{name} must be an int, got {getattr(self, name)!r}.")
        for name in ("n_columns", "n_rows"):
            count = getattr(self, name)
            if count is not None and count < self.n_components:
                raise ValueError(
                    f"{name}={count} is smaller than n_components={self.n_components}: the rank is at most "
                    f"{name}. Use a larger {name}, None, or fewer components."
                )
        if self.tol is not None:
            check_relative("tol", self.tol)
        if not (isinstance(self.sketch, str) and self.sketch == "auto"):
            make_sketch(self.sketch)

    def _counts(self, shape):
        """Columns and rows to take; a warning for each number that is more than there can be."""
        most = min(shape)
        for name in ("n_components", "n_columns", "n_rows"):
            value = getattr(self, name)
            if value is not None and value > most:
                warnings.warn(
                    f"{name}={value} is larger than min(n_samples, n_features)={most} and has been clipped "
                    "to it.",
                    UserWarning,
                    stacklevel=level_of_caller(),
                )
        return [min(count or self.n_components, most) for count in (self.n_columns, self.n_rows)]

    def _warn_if_fewer(self, found, n_columns, n_rows, shape):
        c, p, r = len(found.column_indices), len(found.row_indices), len(found.singular_values)
        if c < n_columns or p < n_rows or r < min(self.n_components, *shape):
            warnings.warn(
                f"Only {c} of n_columns={n_columns} columns and {p} of n_rows={n_rows} rows were taken, for "
                f"a rank of {r} (n_components={self.n_components}): to rounding, the others depend on them. "
                "Ask for fewer, or scale columns and rows that are very short.",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def _warn_if_missed(self):
        if self.tol is not None and self.error_estimate_ > self.tol:
            warnings.warn(
                f"tol={self.tol:.3g} is not reached: the relative error with {self.n_components_} components "
                f"from {len(self.column_indices_)} columns and {len(self.row_indices_)} rows is "
                f"{self.error_estimate_:.3g}. Use a larger n_components, n_columns or n_rows, or a larger "
                "tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
