"""Sensors from which fields are interpolated, and the fields that serve it."""

import warnings
from numbers import Integral

import joblib
import numpy as np
from scipy import linalg
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklr._backend import session
from sklr._validation import validate_operand
from sklr.base import draw_seed, fit_nested, level_of_caller, unchanged_on_error
from sklr.linalg import (
    discrete_empirical_interpolation,
    empirical_interpolation,
    interpolation_coefficients,
    truncated_svd,
)
from sklr.linalg._checks import check_relative
from sklr.linalg._pivots import independent
from sklr.linalg.interpolation import check_dense
from sklr.linalg.interpolation_points import (
    error_of_other_coefficients,
    products_with_columns,
    reconstruction_error,
)
from sklr.linalg.plan import MAX_MEMORY

from ._selector import ColumnsMixin

_AXES = {"features": 0, "samples": 1}
# What only the greedy choice has, and a new fit must not inherit.
_OF_CHOICE = ("errors_", "residual_norms_")


class EmpiricalInterpolation(ColumnsMixin, BaseEstimator):
    """Keep the features between which all others can be interpolated: the sensors that see the most.

    Samples are fields, features are the places where they can be measured. With the selected features S,

        X_hat = X[:, S] C,    C = B[:, S]^-1 B,    `coefficients_`,

    where the rows of B, one for each selected feature, span nearly all samples: for ``method="eim"`` they are
    samples, chosen together with the features; for "deim" and "qdeim" the leading right singular vectors,
    times their singular values.
    X_hat is X in the features S and, with "eim", in the selected samples.

    Parameters
    ----------
    n_features_to_select : int, float or "auto", default="auto"
        int: so many. float in (0, 1): this part of the features. "auto": half of them, at most 100 and at
        most n_samples; with `tol` as many as it takes. With `tol` the most that is allowed. More than
        min(n_samples, n_features) is clipped, with a warning.
    method : {"eim", "deim", "qdeim"}, default="eim"
        "eim": the greedy method, `sklr.linalg.empirical_interpolation`, on dense entries. "deim", "qdeim":
        points for singular vectors by pivoted LU or QR, `sklr.linalg.discrete_empirical_interpolation`; the
        data may be sparse, mapped or chunked.
    norm : float or callable, default=None
        Of "eim": the norm by which the next field is chosen, p >= 1 or inf, or a function that maps an array
        of shape (b, l), one vector in every row, to b norms. None means inf.
    axis : {"samples", "features"}, default=None
        Of "eim": "samples": in each step the sample whose residual has the largest norm is taken, then the
        feature where it is largest. "features": the feature of the largest norm first. None means "samples".
    tol : float, default=None
        Relative Frobenius error ||X - X_hat||_F / ||X||_F to reach. "eim" stops at the first step that does;
        the others enlarge the basis until it is met. A fit that misses it warns.
    max_memory : int, default=2147483648
        Bytes beside the data that a fit may take. "eim" copies X, mapped and chunked data too.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads.
    random_state : int, RandomState instance or None, default=None
        Where the start block of the singular vectors, and of the error estimate, comes from; "eim" is
        deterministic.

    Attributes
    ----------
    selected_indices_ : ndarray of shape (n_selected,)
        The features, in the order of choice.
    selected_samples_ : ndarray of shape (n_selected,)
        The samples that serve them, in the order of choice. Only with "eim".
    coefficients_ : ndarray of shape (n_selected, n_features)
        C, its rows in the order of columns, as `transform` gives them.
    error_estimate_ : float
        ||X - X_hat||_F / ||X||_F of the training data. "eim": from the residual; "deim" and "qdeim": from
        products where it is above 1e-6, an estimate by ten Gaussian vectors below. After a feature or sample
        was dropped, from products that were kept; below 1e-6 that is an upper bound.
    errors_ : ndarray of shape (n_selected,)
        The relative error after each step. Only with "eim", and before anything is dropped.
    residual_norms_ : ndarray of shape (n_selected,)
        The largest `norm` of a residual after each step. Only with "eim", and before anything is dropped.
    n_passes_ : int
        Sweeps over the data that the fit took.
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names. Only where X has string column names.

    Raises
    ------
    ValueError
        From `fit`: X is zero, empty, complex, or holds NaN, infinity or masked entries; it is sparse or its
        copy above `max_memory` with "eim"; a parameter is out of range or does not go with `method`. The
        estimator is left as it was.
    TypeError
        X is an iterator, or a parameter is of the wrong type.

    Warns
    -----
    ConvergenceWarning
        `tol` is not reached, with the numbers.
    UserWarning
        More features are asked for than possible, or than are independent.

    See Also
    --------
    sklr.linalg.empirical_interpolation : The greedy method.
    sklr.linalg.discrete_empirical_interpolation : Points for a given basis.

    Notes
    -----
    "eim" with X of shape (m, n) and k features: ``3 m n k`` flops, bound by memory, since each step reads and
    writes a copy of X, and ``4 m n k`` for the products that `drop_columns` and `drop_rows` use; memory
    ``m n + (m + n) k``; two passes. "deim" and "qdeim": those of `sklr.linalg.truncated_svd`, one or two
    passes for the products and the error, and ``4 n k^2`` flops. Mapped data that are stored by columns take
    one pass more for the products.

    The method treats both sides alike. Fitted to X^T, with `axis` exchanged (needless for the infinity norm)
    and no ties, "eim" selects the features as samples and the samples as features, and X_hat is transposed.
    So either may be dropped: a sensor that breaks (`drop_columns`) or a field that should not count
    (`drop_rows`), and what was chosen with it stays.

    Not for spectra that decay slowly: with singular values 1 / i and 100 of 2,000 features the error was 2.4
    ("qdeim") to 3.1 times that of the truncated SVD; `sklr.linalg.pivoted_columns`, which fits all samples,
    had 1.6 times. Nor for noisy sensors: an interpolant takes their noise for the field and may magnify it.

    References
    ----------
    M. Barrault, Y. Maday, N. C. Nguyen and A. T. Patera, "An 'empirical interpolation' method: application to
    efficient reduced-basis discretization of partial differential equations", 2004,
    doi:10.1016/j.crma.2004.08.006. F. Casenave, A. Ern and T. Lelievre, "Variants of the Empirical
    Interpolation Method: symmetric formulation, choice of norms and rectangular extension", 2015,
    arXiv:1508.05330. S. Chaturantabut and D. C. Sorensen, "Nonlinear model reduction via discrete empirical
    interpolation", 2010, doi:10.1137/090766498. Z. Drmac and S. Gugercin, "A new selection operator for the
    discrete empirical interpolation method", 2015, arXiv:1505.00370.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.feature_selection import EmpiricalInterpolation
    >>> place, wavelength = np.linspace(0, 1, 300), np.linspace(1, 3, 80)
    >>> X = np.sin(np.outer(wavelength, place))
    >>> model = EmpiricalInterpolation(tol=1e-3).fit(X)
    >>> model.transform(X).shape
    (80, 3)
    >>> field = np.sin(1.234 * place)
    >>> bool(np.abs(model.reconstruct(model.transform([field])) - field).max() < 1e-3)
    True
    >>> broken = model.drop_columns([model.selected_indices_[1]])
    >>> broken.transform(X).shape, len(broken.selected_samples_)
    ((80, 2), 3)
    """

    _parameter_constraints: dict = {
        "n_features_to_select": "no_validation",  # these have remedies of their own: `_check_parameters`
        "tol": "no_validation",
        "norm": "no_validation",
        "method": [StrOptions({"eim", "deim", "qdeim"})],
        "axis": [StrOptions(set(_AXES)), None],
        "max_memory": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_features_to_select="auto",
        *,
        method="eim",
        norm=None,
        axis=None,
        tol=None,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        self.n_features_to_select = n_features_to_select
        self.method = method
        self.norm = norm
        self.axis = axis
        self.tol = tol
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.random_state = random_state

    # -- fitting ------------------------------------------------------------------------------

    def fit(self, X, y=None):
        """Choose features of X, and the coefficients of the others.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data; sparse for "deim" and "qdeim" only. float32 is computed in float32.
        y : Ignored
            Present for the interface.

        Returns
        -------
        EmpiricalInterpolation
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X):
        self._check_parameters()
        X = validate_operand(self, X, reset=True)
        k = self._number(X.shape)
        self._warn_if_clipped(X.shape)
        before = X.n_passes
        for name in (*_OF_CHOICE, "selected_samples_"):
            vars(self).pop(name, None)
        with session(self.n_threads):
            if self.method == "eim":
                self._choose_greedily(X, k)
            else:
                self._choose_for_singular_vectors(X, k, draw_seed(self.random_state))
        self.n_passes_ = X.n_passes - before
        self._warn_if_missed(k)
        return self

    def _choose_greedily(self, X, k):
        check_dense(X, k, self.max_memory, instead="method='deim'")
        found = empirical_interpolation(
            X,
            k,
            tol=self.tol,
            norm=np.inf if self.norm is None else self.norm,
            axis=_AXES[self.axis or "samples"],
            max_memory=self.max_memory,
        )
        self._check_is_not_zero(len(found.rows))
        self.selected_samples_ = found.rows
        self.errors_, self.residual_norms_ = found.errors, found.residual_norms
        # The selected samples are the rows of core @ right.
        self._core, self._right = found.left[found.rows] * found.pivots, found.right
        self._products = products_with_columns(X, found.columns)
        self._squared_norm = X.squared_norm()
        self._set_coefficients(found.columns, _triangular_coefficients(found.right, found.columns))
        self._set_error(found.errors[-1])

    def _choose_for_singular_vectors(self, X, k, seed):
        eps = float(np.finfo(X.dtype).eps)
        goal = self.tol  # of the projection, whose error is below that of interpolation
        while True:
            svd = truncated_svd(X, k, tol=goal, max_memory=self.max_memory, rng=seed)
            s = svd.singular_values
            r = independent(s, max(X.shape), s.dtype)
            self._check_is_not_zero(r)
            self._choose_points(X, s[:r], svd.right_vectors[:r], seed)
            if goal is None or self.error_estimate_ <= self.tol or r < len(s) or r == k or goal < eps:
                return
            goal *= min(max(self.tol / self.error_estimate_, 0.1), 0.8)

    def _choose_points(self, X, s, Vt, seed):
        # B = diag(s) V^T: square systems do not see s, least squares weigh the vectors as X does.
        self._right, self._core = Vt, np.diag(s)
        points = discrete_empirical_interpolation(Vt.T, pivoting="lu" if self.method == "deim" else "qr")
        self._squared_norm = X.squared_norm()
        self._products = products_with_columns(X, points.indices)
        self._set_coefficients(points.indices, points.coefficients)
        self._set_error(reconstruction_error(X, points.indices, points.coefficients, self._products, seed))

    def _of_first_vectors(self, X, k):
        """This "deim" or "qdeim" with the first k of its singular vectors only, for the same X."""
        other = self._copy().set_params(n_features_to_select=k)
        X, s = validate_operand(other, X, reset=False), np.diag(self._core)
        before = X.n_passes
        with session(self.n_threads):
            other._choose_points(X, s[:k], self._right[:k], draw_seed(other.random_state))
        other.n_passes_ += X.n_passes - before
        return other

    def _set_coefficients(self, columns, coefficients):
        self.selected_indices_ = columns
        self.coefficients_ = coefficients[np.argsort(columns)]

    def _set_error(self, error):
        self.error_estimate_ = max(float(error), float(np.finfo(self.coefficients_.dtype).eps))

    # -- the rectangular form -----------------------------------------------------------------

    def drop_columns(self, indices):
        """Return a fitted estimator without some of the selected features: sensors that broke.

        The samples that were chosen with them stay: the coefficients of the others are the least-squares fit
        to all rows of B, ``B[:, S]^+ B``. X_hat is still X in the features that are left, but no more in the
        selected samples. `transform` returns, and `reconstruct` takes, the features that are left.

        Parameters
        ----------
        indices : int or array-like of int
            Features, from `selected_indices_`.

        Returns
        -------
        EmpiricalInterpolation
            A new estimator; this one stays as it is.

        Raises
        ------
        ValueError
            If `indices` are not among the selected features, or none would be left.
        """
        check_is_fitted(self)
        kept = _kept(indices, self.selected_indices_, "feature")
        if kept.all():
            return self._copy()
        return self._with(self.selected_indices_[kept], kept, self._core)

    def drop_rows(self, indices):
        """Return a fitted estimator without some of the selected samples: fields that should not count.

        The features that were chosen with them stay: their coefficients, ``B[:, S]^+ B`` for the rows of B
        that are left, are those of least norm. X_hat is still X in the selected samples that are left, but
        no more in the selected features. `transform` returns the same features as before.

        Parameters
        ----------
        indices : int or array-like of int
            Samples, from `selected_samples_`.

        Returns
        -------
        EmpiricalInterpolation
            A new estimator; this one stays as it is.

        Raises
        ------
        ValueError
            If `indices` are not among the selected samples, none would be left, or `method` is not "eim",
            which alone selects samples.
        """
        check_is_fitted(self)
        if "selected_samples_" not in vars(self):
            raise ValueError(
                f"method={self.method!r} selects no samples that could be dropped. Fit with method='eim'."
            )
        kept = _kept(indices, self.selected_samples_, "sample")
        if kept.all():
            return self._copy()
        everything = np.ones(len(self.selected_indices_), dtype=bool)
        other = self._with(self.selected_indices_, everything, self._core[kept])
        other.selected_samples_ = self.selected_samples_[kept]
        return other

    def _with(self, columns, kept, core):
        """This estimator with some of the selected columns, and the rows of B by another core."""
        other = self._copy()
        for name in _OF_CHOICE:
            vars(other).pop(name, None)
        new = interpolation_coefficients(core @ self._right, columns)
        other._core, other._products = core, self._products[:, kept]
        other._set_coefficients(columns, new)
        padded = np.zeros((len(kept), self.n_features_in_))
        padded[kept] = new
        error = error_of_other_coefficients(
            self._coefficients_by_choice(),
            padded,
            self.selected_indices_,
            self._products,
            self.error_estimate_,
            self._squared_norm,
        )
        other._set_error(error)
        return other

    def _coefficients_by_choice(self):
        return self.coefficients_[np.argsort(np.argsort(self.selected_indices_))]

    def _copy(self):
        other = clone(self)
        vars(other).update(vars(self) | other.get_params(deep=False))
        return other

    # -- fewer features -----------------------------------------------------------------------

    def truncate(self, n_features_to_select):
        """Return a fitted estimator with the first features of this one; nothing is computed again.

        It equals the direct fit.

        Parameters
        ----------
        n_features_to_select : int
            At most as many as are selected.

        Returns
        -------
        EmpiricalInterpolation
            A new estimator, whose parameter `n_features_to_select` is the number and `tol` None.

        Raises
        ------
        TypeError, ValueError
            If `n_features_to_select` is not such an int, `method` is not "eim", or something was dropped.
        """
        check_is_fitted(self)
        k = n_features_to_select
        if "errors_" not in vars(self):
            raise ValueError(
                "Only the greedy choice, by method='eim' and before anything is dropped, is nested. Fit with "
                f"n_features_to_select={k!r}."
            )
        if isinstance(k, bool) or not isinstance(k, Integral):
            raise TypeError(f"n_features_to_select must be an int, got {k!r}.")
        fitted = len(self.selected_indices_)
        if not 1 <= k <= fitted:
            raise ValueError(
                f"n_features_to_select must be between 1 and {fitted}, the features that were selected; got "
                f"{k}. Fit with more to have more."
            )
        other = self._copy().set_params(n_features_to_select=int(k), tol=None)
        other.selected_samples_ = self.selected_samples_[:k]
        other.errors_, other.residual_norms_ = self.errors_[:k], self.residual_norms_[:k]
        other._core, other._right = self._core[:k, :k], self._right[:k]
        other._products = self._products[:, :k]
        columns = self.selected_indices_[:k]
        other._set_coefficients(columns, _triangular_coefficients(other._right, columns))
        other._set_error(other.errors_[-1])
        return other

    def fit_path(self, X, y, param_dicts, **fit_params):
        """Yield one fitted estimator per dictionary of parameters, sharing what is nested.

        Dictionaries without `tol` that differ in `n_features_to_select` only share one fit, at the largest:
        "eim" is truncated; "deim" and "qdeim" choose their points anew, for the first of its singular
        vectors, and `n_passes_` counts its passes too.

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
        EmpiricalInterpolation
            A fitted estimator for each dictionary, in their order. This one stays as it is.
        """
        wanted = [clone(self).set_params(**parameters) for parameters in param_dicts]
        shape = validate_operand(clone(self), X, reset=True).shape
        keys, sizes = [], []
        for position, estimator in enumerate(wanted):
            estimator._check_parameters()
            parameters = estimator.get_params(deep=False)
            shares = estimator.tol is None
            if shares:
                del parameters["n_features_to_select"]
            # A callable may have no hash but its identity.
            parameters["norm"] = id(parameters["norm"]) if callable(estimator.norm) else estimator.norm
            keys.append(joblib.hash((parameters, shares or position)))
            sizes.append(estimator._number(shape))

        def cut(model, estimator, size):
            if estimator.n_features_to_select != model.n_features_to_select:  # whose fit has warned
                estimator._warn_if_clipped(shape)
            part = model._shrunk(X, size)
            return part.set_params(n_features_to_select=estimator.n_features_to_select)

        yield from fit_nested(
            wanted, keys, sizes, fit=lambda estimator: clone(estimator).fit(X, **fit_params), cut=cut
        )

    def _shrunk(self, X, size):
        """A copy with at most `size` features, fitted to the same X; self stays as it is."""
        if size >= len(self.selected_indices_):
            return self._copy()
        return self.truncate(size) if self.method == "eim" else self._of_first_vectors(X, size)

    # -- parameters and warnings --------------------------------------------------------------

    def _check_parameters(self):
        """What scikit-learn's constraints cannot say, or say without the remedy."""
        self._check_number()
        if self.tol is not None:
            check_relative("tol", self.tol)
        if self.method != "eim":
            for name in ("norm", "axis"):
                if getattr(self, name) is not None:
                    raise ValueError(
                        f"{name}={getattr(self, name)!r} belongs to method='eim', which chooses by it; "
                        f"method={self.method!r} has no use for it. Leave it None."
                    )

    def _check_is_not_zero(self, n_found):
        if not n_found:
            raise ValueError("X is zero everywhere: no feature tells anything of the others. Pass data.")

    def _warn_if_missed(self, k):
        found = len(self.selected_indices_)
        if self.tol is not None:
            if self.error_estimate_ > self.tol:
                warnings.warn(
                    f"tol={self.tol:.3g} is not reached: the relative error with {_features(found)} is "
                    f"{self.error_estimate_:.3g}. Use a larger n_features_to_select or a larger tol.",
                    ConvergenceWarning,
                    stacklevel=level_of_caller(),
                )
        elif found < k:
            warnings.warn(
                f"{k} features were to be selected, but X has numerical rank {found}: the others "
                f"are combinations of the {_features(found)} selected, with a relative "
                f"error of {self.error_estimate_:.3g}.",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.method != "eim"
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _features(number):
    return f"{number} feature{'s' if number > 1 else ''}"


def _triangular_coefficients(right, columns):
    """``right[:, columns]^-1 right`` for a unit upper triangular ``right[:, columns]``."""
    return linalg.solve_triangular(right[:, columns], right, unit_diagonal=True, check_finite=False)


def _kept(indices, selected, what):
    """Which of `selected` are left without `indices`, as a mask."""
    indices = np.atleast_1d(np.asarray(indices))
    if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
        raise ValueError(f"indices must be the numbers of selected {what}s, got {indices!r}.")
    strange = np.setdiff1d(indices, selected)
    if strange.size:
        raise ValueError(
            f"{what.capitalize()}s {strange.tolist()} are not selected: {selected.tolist()} are."
        )
    kept = ~np.isin(selected, indices)
    if not kept.any():
        raise ValueError(f"No selected {what} would be left: keep at least one, or fit again without them.")
    return kept
