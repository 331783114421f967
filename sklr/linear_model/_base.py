"""What ridge regressors and classifiers share: preparation of the data, the solution, predictions."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklr._validation import validate_operand
from sklr.base import level_of_caller, unchanged_on_error
from sklr.linalg import centered, row_weighted
from sklr.linalg.ridge_on_sketches import RidgesOnSketches
from sklr.linalg.ridge_solvers import ridges
from sklr.sketch import make_sketch

# A column that is the same in so many rows, and has their value for a mean but for so many eps times the root
# of the number of rows, is constant.
_LEADING = 16
_SUMMED = 10
# So many numbers are predicted at a time, of models that predict together.
_PREDICTED = 1 << 22


class RidgeBase(BaseEstimator):
    """Ridge regression of targets on an operand, for values of alpha and of the sketch size that are given.

    A subclass says what y means (`_targets`), and what is done with the data (`_fit_operand`).
    """

    _parameter_constraints: dict = {
        "axis": [StrOptions({"samples", "features"})],
        "sketch": "no_validation",  # has remedies of its own: `_check_parameters`
        "n_sketches": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "cholesky", "eigh", "iterative", "exact"})],
        "tol": [Interval(Real, 0, 1, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_memory": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def _fit_checked(self, X, y, sample_weight):
        """Fit, or leave everything as it was."""
        with unchanged_on_error(self):
            return self._fit(X, y, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y, sample_weight):
        self._check_parameters()
        self._fit_operand(*self._validated(X, y, sample_weight), X, y)
        return self

    def _validated(self, X, y, sample_weight):
        """``(operand, targets, weights)``, and the attributes that depend on X and y only."""
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        A = validate_operand(self, X, reset=True)
        Y, sample_weight = self._targets(y, A.shape[0], sample_weight)
        if Y.shape[0] != A.shape[0]:
            raise ValueError(
                f"X has {A.shape[0]} rows and y has {Y.shape[0]}: inconsistent numbers of samples. Pass one "
                "target for each row."
            )
        return A, Y, sample_weight

    def predict_path(self, X, models):
        """Yield what several fitted models predict, in one pass over X for many of them.

        As many are multiplied together as have predictions of 32 MiB. ``2 nnz n_targets`` flops for each, and
        memory for their coefficients and predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.
        models : iterable of estimator
            Of this class, fitted on the same features.

        Yields
        ------
        ndarray
            ``model.predict(X)`` of each.

        Raises
        ------
        ValueError
            If the models were not fitted on the same features, or X has others.
        """
        models = list(models)
        for model in models:
            check_is_fitted(model)
            if not _same_features(model, models[0]):
                raise ValueError("models must be fitted on the same features: predict with each by itself.")
        if not models:
            return
        A = validate_operand(models[0], X, reset=False)
        coefs = [np.atleast_2d(model.coef_) for model in models]
        at_a_time = max(_PREDICTED // max(A.shape[0] * len(coefs[0]), 1), 1)
        for first in range(0, len(models), at_a_time):
            part = slice(first, first + at_a_time)
            product = A.matmat(np.vstack(coefs[part]).T, n_threads=self.n_threads)
            ends = np.cumsum([len(coef) for coef in coefs[part]])[:-1]
            for model, predicted in zip(models[part], np.split(product, ends, axis=1), strict=True):
                yield model._answered(predicted + np.asarray(model.intercept_, dtype=predicted.dtype))

    def _predicted(self, X):
        """``X coef_^T + intercept_``, one column for each target."""
        check_is_fitted(self)
        A = validate_operand(self, X, reset=False)
        predicted = A.matmat(np.atleast_2d(self.coef_).T, n_threads=self.n_threads)
        predicted += np.asarray(self.intercept_, dtype=predicted.dtype)
        return predicted

    def _check_parameters(self):
        if self._sketch_given():
            make_sketch(self.sketch)

    def _sketch_given(self):
        return not (isinstance(self.sketch, str) and self.sketch == "auto")

    def _prepared(self, X, Y, sample_weight):
        """``(A, Y, x_mean, y_mean)``: X and Y centred and weighted, and what was subtracted."""
        x_mean = y_mean = None
        A = X
        if self.fit_intercept:
            if sample_weight is None:
                x_mean = X.column_means()
            else:
                x_mean = X.astype(np.float64).rmatmat(sample_weight[:, None])[:, 0] / sample_weight.sum()
            x_mean = _exact_where_constant(x_mean, X.first_rows(_LEADING), X.shape[0])
            y_mean = np.average(Y, axis=0, weights=sample_weight)
            A, Y = centered(X, x_mean), Y - y_mean
        if sample_weight is not None:
            root = np.sqrt(sample_weight)
            A, Y = row_weighted(A, root), (Y.T * root).T
        return A, Y, x_mean, y_mean

    def _solve(self, A, Y, alpha, sketch_size, seed, gram=None):
        """The solution for targets Y on an operand A, both prepared; see `RidgesOnSketches.solve`."""
        if sketch_size is None:
            return ridges(A, Y, alpha, gram=gram, **self._solver_options(seed))
        return self._on_sketches(A, Y, seed).solve(sketch_size, alpha)

    def _on_sketches(self, A, Y, seed):
        """Regressions on sketches of an operand A, for any sizes."""
        options = {"axis": self.axis, "n_sketches": self.n_sketches, **self._solver_options(seed)}
        return RidgesOnSketches(A, Y, **options)

    def _solver_options(self, seed):
        return {
            "solver": self.solver,
            "sketch": self.sketch,
            "tol": self.tol,
            "max_iter": self.max_iter,
            "max_memory": self.max_memory,
            "rng": seed,
        }

    def _resolved_size(self, size, shape):
        """A sketch size as a number of rows, or None."""
        if size is None:
            return None
        length = shape[0 if self.axis == "samples" else 1]
        if not isinstance(size, Integral):
            size = max(int(np.ceil(size * length)), 1)
        if size > length:
            raise ValueError(
                f"A sketch size of {size} is larger than the {length} {self.axis}: that is no sketch. Use at "
                f"most {length}, or None."
            )
        return int(size)

    def _store(self, solution, x_mean, y_mean, sketch_size):
        """Set the attributes of a solution, and warn if it is not what was asked for."""
        self.coef_ = np.ascontiguousarray(solution.coef.T)
        self.intercept_ = 0.0
        if self.fit_intercept:
            self.intercept_ = (y_mean - self.coef_.astype(np.float64) @ x_mean).astype(self.coef_.dtype)
        self.residual_ = solution.residual if self.coef_.ndim == 2 else float(solution.residual[0])
        self.solver_, self.n_iter_ = solution.solver, max(solution.n_iter, 1)
        self.sketch_size_ = sketch_size
        if not solution.converged:
            residual = np.max(solution.residual)
            what = f"the relative residual is {residual:.2g}"
            if residual <= self.tol:
                what += (
                    ", but that does not tell how accurate the coefficients are: alpha is too small for that"
                )
            other = "" if solution.solver == "exact" else " solver='exact',"
            warnings.warn(
                f"solver={solution.solver!r} has not reached tol={self.tol:.3g} after {solution.n_iter} "
                f"steps: {what}. Use a larger max_iter, tol or alpha,{other} or scale the columns of X.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _exact_where_constant(mean, rows, m):
    """The means with those of constant columns as they are, not as m additions leave them.

    What centring would leave of such a column is rounding error, and a matrix of nothing but rounding errors
    has no scale beside which they are small.
    """
    value = rows[0].astype(np.float64)
    is_near = np.abs(mean - value) <= _SUMMED * np.sqrt(m) * np.finfo(np.float64).eps * np.abs(value)
    return np.where(is_near & np.all(rows == rows[0], axis=0), value, mean)


def _same_features(model, other):
    """Whether two models were fitted on features of the same number and names."""
    names = (getattr(one, "feature_names_in_", None) for one in (model, other))
    return model.n_features_in_ == other.n_features_in_ and np.array_equal(*names)


def check_alphas(name, alphas):
    """Check one or more numbers of at least 0."""
    try:
        values = np.asarray(alphas)
    except ValueError:  # rows of different lengths
        values = np.empty((0, 0))
    if values.dtype.kind not in "iuf":
        raise TypeError(f"{name} must be one or more numbers, got {alphas!r}.")
    if values.ndim > 1 or not values.size:
        raise ValueError(f"{name} must be one or more numbers, got shape {values.shape}.")
    wrong = np.ravel(values)[~np.ravel(np.isfinite(values) & (values >= 0))]
    if wrong.size:
        raise ValueError(f"{name} must be finite and at least 0, got {wrong[0]}.")


def check_size(name, size):
    """Check an int of at least 1 or a float in (0, 1]."""
    if isinstance(size, (bool, np.bool_)) or not isinstance(size, Real):
        raise TypeError(f"{name} must be an int or a float in (0, 1], got {size!r}.")
    if isinstance(size, Integral):
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}.")
    elif not 0 < size <= 1:
        raise ValueError(f"{name} must be an int, or a float in (0, 1], got {size}.")
