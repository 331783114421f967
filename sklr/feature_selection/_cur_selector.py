"""Features that the others can be interpolated from."""

import warnings
from numbers import Integral

import joblib
import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sklr._backend import as_operand
from sklr._validation import validate_operand, validate_weight
from sklr.base import draw_seed, fit_nested, level_of_caller, unchanged_on_error
from sklr.linalg import row_weighted, select_columns
from sklr.linalg.columns import METHODS, check_method
from sklr.linalg.leverage import KINDS
from sklr.linalg.plan import MAX_MEMORY

from ._selector import ColumnsMixin


class CURSelector(ColumnsMixin, BaseEstimator):
    """Select the features of which all others are nearly linear combinations.

    Chooses columns J of X and coefficients C, so that

        X_hat = X[:, J] C,    C = argmin ||X - X[:, J] C||_F,

    is close to X: the C of a CUR decomposition, an interpolative decomposition, or column subset selection.
    The columns are features themselves, not combinations: a model of them can be read. Every fit reports the
    relative error ||X - X_hat||_F / ||X||_F that it has, in `error_estimate_`.

    No k columns are closer than the k leading singular vectors, and some k columns are within a factor
    sqrt(k + 1) of these. Pivoting may miss such columns in theory; on real data and generic matrices it was
    within 1.04 to 1.4. `suboptimality_estimate_` says how far off this fit is.

    Parameters
    ----------
    n_features_to_select : int, float or "auto", default="auto"
        int: how many; more than min(n_samples, n_features) is clipped to it, with a warning. float in (0, 1):
        that part of the features. "auto": half of the features and at most 100 or n_samples; with `tol` as
        many as it takes. With `tol` a number is the most that is allowed.
    method : {"auto", "qrcp", "lupp", "greedy", "rbrp", "deim", "leverage", "norm", "norm_activation", \
"uniform"}, default="auto"
        "qrcp", which is "auto": QR with column pivoting of a sketch of the rows. "greedy": the feature that
        lowers the error most, on the sketch; three times the time, and better where many features are alike.
        "lupp": LU with partial pivoting, on a smaller sketch. "rbrp": random pivoting in blocks, without a
        sketch. "deim": interpolation points of the leading singular vectors. "leverage": the largest leverage
        scores. "norm": the longest features. "norm_activation": the largest products of the norms in X and in
        `reference`. "uniform": at random. See `sklr.linalg.select_columns`.
    tol : float, default=None
        Relative Frobenius error in (0, 1) to reach with the fewest features. A fit that misses it warns.
    sketch : str or Distribution, default="auto"
        Distribution of the sketch: a name from `sklr.sketch.available_sketches` or an object such as
        ``SparseStack(n_blocks=8)``. For "qrcp", "lupp", "greedy" and sketched leverage scores only.
    n_oversamples : int, default=None
        Rows of that sketch beyond the number of features to select. None: for "lupp" 10, otherwise so many
        that there are ``min(15 k, 2 k + 420)``; where this is more than .6 n_samples, and `sketch` is "auto",
        or more than n_samples, nothing is sketched.
    leverage : {"exact", "sketched", "ridge"}, default="exact"
        Which leverage scores ``method="leverage"`` takes; see `sklr.linalg.leverage_scores`.
    sampled : bool, default=False
        Whether "leverage", "norm" and "norm_activation" draw features with probabilities proportional to
        their scores, without replacement, in place of taking the largest.
    reference : {array-like, sparse matrix} of shape (n_rows, n_features), default=None
        Activations Z of "norm_activation": features are chosen for the product ``X Z^T``.
    max_memory : int, default=2147483648
        Bytes beside the data that a step may take.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads.
    random_state : int, RandomState instance or None, default=None
        Where the sketch and the draws come from; an int for reproducible results.

    Attributes
    ----------
    selected_indices_ : ndarray of shape (n_selected,)
        The features, in the order in which they were chosen. `get_support` has them in the order of X.
    coefficients_ : ndarray of shape (n_selected, n_features)
        C, a row for every feature that `transform` keeps, in its order; the identity on these.
    error_estimate_ : float
        ||X - X_hat||_F / ||X||_F; see `sklr.linalg.relative_error`. With `sample_weight`, in its norm.
    suboptimality_estimate_ : float
        `error_estimate_` over an estimate of the best error for this rank, at least 1: from the sketch, where
        it is pessimistic by some percent; for "deim" and "leverage" from the SVD; otherwise, and where the
        best error is zero, NaN.
    errors_ : ndarray of shape (n_selected,)
        The error of the first 1, 2, ... of `selected_indices_`.
    best_errors_ : ndarray of shape (n_selected,)
        Estimates of the best errors for rank 1, 2, ...; NaN where there is none.
    method_ : str
        The method.
    n_passes_ : int
        Sweeps over the data that the fit took.
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit` and `transform`: X is zero everywhere, empty, complex, or holds NaN, infinity or masked
        entries; a parameter is out of range or does not go with `method`; `reference` has another number of
        columns; `max_memory` is too small. The estimator is left as it was.
    TypeError
        X is an iterator: wrap it in `sklr.linalg.RowChunks`. Or a parameter is of the wrong type.

    Warns
    -----
    UserWarning
        Fewer features are linearly independent than are to be selected: these are what is selected.
    ConvergenceWarning
        `tol` is not reached with `n_features_to_select`; with the numbers.

    See Also
    --------
    sklr.linalg.select_columns : The function behind it.
    sklr.decomposition.CURDecomposition : Selects rows too.
    sklr.decomposition.RandomizedLowRank : The best approximation of its rank, from mixtures of all features.

    Notes
    -----
    With (m, n) the shape, nnz the entries, k the number to select and d the rows of the sketch, "qrcp" takes
    three passes (the sketch, the columns, the coefficients and errors), ``2 nnz k + 4 n d k + 8 m k^2`` flops
    beside the sketch, and memory for ``24 n d`` bytes and ``(5 m + 2 n) k`` numbers. Sparse data are not
    filled in. `transform` copies the columns; of chunked and mapped data it takes one pass.

    Not centred: features with a large mean are long, and the first one to be chosen stands for the mean.
    Scale the features first, as `sklearn.preprocessing.StandardScaler` does, where units differ.

    ``y`` is not looked at: for the features that predict it best see `sklearn.feature_selection`. A feature
    that no other resembles, noise too, is chosen early.

    References
    ----------
    M. W. Mahoney and P. Drineas, "CUR matrix decompositions for improved data analysis", 2009,
    doi:10.1073/pnas.0803205106. A. Deshpande and L. Rademacher, "Efficient volume sampling for row/column
    subset selection", 2010, arXiv:1004.4057 (sqrt(k + 1)). Y. Dong and P.-G. Martinsson, "Simpler is better:
    a comparative study of randomized pivoting algorithms for CUR and interpolative decompositions", 2021,
    arXiv:2104.05877.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.feature_selection import CURSelector
    >>> X, _ = load_digits(return_X_y=True)
    >>> selector = CURSelector(n_features_to_select=20, random_state=0).fit(X)
    >>> selector.transform(X).shape
    (1797, 20)
    >>> bool(selector.error_estimate_ < 0.3)
    True
    >>> selector.reconstruct(selector.transform(X)).shape
    (1797, 64)
    """

    _parameter_constraints: dict = {
        "n_features_to_select": "no_validation",  # these have remedies of their own
        "tol": "no_validation",
        "sketch": "no_validation",
        "reference": "no_validation",
        "method": [StrOptions({"auto", *METHODS})],
        "n_oversamples": [None, Interval(Integral, 0, None, closed="left")],
        "leverage": [StrOptions(set(KINDS))],
        "sampled": ["boolean"],
        "max_memory": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_features_to_select="auto",
        *,
        method="auto",
        tol=None,
        sketch="auto",
        n_oversamples=None,
        leverage="exact",
        sampled=False,
        reference=None,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        self.n_features_to_select = n_features_to_select
        self.method = method
        self.tol = tol
        self.sketch = sketch
        self.n_oversamples = n_oversamples
        self.leverage = leverage
        self.sampled = sampled
        self.reference = reference
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X, y=None, sample_weight=None):
        """Select features of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. float32 is computed in float32, integers in float64.
        y : Ignored
            Present for the interface.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; need not be whole numbers.

        Returns
        -------
        CURSelector
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        self._check()
        method = _resolved(self.method)
        X = validate_operand(self, X, reset=True)
        sample_weight = validate_weight(sample_weight, X.shape[0], "sample_weight")
        wanted = self._wanted(X.shape)
        found = select_columns(
            X if sample_weight is None else row_weighted(X, np.sqrt(sample_weight)),
            wanted,
            method=method,
            tol=self.tol,
            sketch=self.sketch,
            n_oversamples=self.n_oversamples,
            leverage=self.leverage,
            sampled=self.sampled,
            reference=None if self.reference is None else self._reference(),
            max_memory=self.max_memory,
            rng=draw_seed(self.random_state),
            n_threads=self.n_threads,
        )
        self.method_ = method
        self._store(found, len(found.indices))
        self._warn(wanted, X.shape)
        return self

    def truncate(self, n_features_to_select):
        """Return a fitted estimator with the features that were chosen first; no data are read.

        For "norm", "norm_activation" and "uniform" it is the direct fit, and for pivoting if the sketch has
        as many rows or there is none. Otherwise it is one of the same kind: from a larger sketch, from other
        blocks ("rbrp"), or by the scores and points for more columns ("leverage", "deim").

        Parameters
        ----------
        n_features_to_select : int
            At most the number that is selected.

        Returns
        -------
        CURSelector
            A new estimator, whose parameter `n_features_to_select` is the number and `tol` None.

        Raises
        ------
        TypeError, ValueError
            If `n_features_to_select` is not an int between 1 and the number that is selected.
        """
        check_is_fitted(self)
        most = len(self.selected_indices_)
        if isinstance(n_features_to_select, bool) or not isinstance(n_features_to_select, Integral):
            raise TypeError(f"n_features_to_select must be an int, got {n_features_to_select!r}.")
        if not 1 <= n_features_to_select <= most:
            raise ValueError(
                f"n_features_to_select must be between 1 and {most}, the features that were selected; got "
                f"{n_features_to_select}. Fit with a larger n_features_to_select to have more."
            )
        other = self._copy(n_features_to_select=int(n_features_to_select), tol=None)
        vars(other).update({name: value for name, value in vars(self).items() if name.endswith("_")})
        other._store(self._selection, int(n_features_to_select))
        return other

    @property
    def coefficients_(self):
        """C of shape (n_selected, n_features), computed when it is looked at first; see the class."""
        check_is_fitted(self, "selected_indices_")
        if self._coefficients is None:
            found = self._selection.first(len(self.selected_indices_))
            self._coefficients = found.coefficients[np.argsort(found.indices)]
        return self._coefficients

    def fit_path(self, X, y, param_dicts, **fit_params):
        """Yield one fitted estimator per dictionary of parameters, sharing fits where they are nested.

        Dictionaries that differ in `n_features_to_select` only share one fit, at the largest number, and
        `truncate` it, unless `tol` chooses the number, or the order of choice depends on it ("deim" and
        "leverage").

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
        CURSelector
            A fitted one for each dictionary, in their order. This one stays as it is.
        """
        wanted = [self._copy(**parameters) for parameters in param_dicts]
        for estimator in wanted:
            estimator._validate_params()
            estimator._check()
        keys = [estimator._sharing_key() for estimator in wanted]
        shape = validate_operand(clone(self), X, reset=True).shape  # the clone gets the names

        def cut(model, estimator, number):
            part = model.truncate(min(number, len(model.selected_indices_)))
            return part.set_params(n_features_to_select=estimator.n_features_to_select)

        yield from fit_nested(
            wanted,
            keys,
            [estimator._wanted(shape) for estimator in wanted],
            fit=lambda estimator: estimator._copy().fit(X, **fit_params),
            cut=cut,
        )

    # -- parts ------------------------------------------------------------------------------------

    def _check(self):
        """Raise for parameters that are wrong, or wrong together."""
        check_method(
            _resolved(self.method),
            self.sketch,
            self.n_oversamples,
            self.leverage,
            self.sampled,
            self.reference,
        )
        self._check_number()

    def _wanted(self, shape):
        """How many features, at most, or None where `tol` alone says."""
        is_open = isinstance(self.n_features_to_select, str) and self.tol is not None
        return None if is_open else self._number(shape)

    def _sharing_key(self):
        """Equal for estimators that one fit serves; None if it would be for one only."""
        if self.tol is not None or self.method in ("deim", "leverage"):
            return None
        parameters = self.get_params(deep=False)
        del parameters["n_features_to_select"]
        return joblib.hash(parameters | {"reference": id(self.reference)})

    def _copy(self, **parameters):
        """An unfitted estimator like this one, with other parameters and the same `reference`, not a copy."""
        reference = parameters.pop("reference", self.reference)
        kept = self.get_params(deep=False) | {"reference": None}
        copy = clone(type(self)(**kept)).set_params(**parameters)
        copy.reference = reference
        return copy

    def _reference(self):
        reference = self.reference
        if hasattr(reference, "columns"):
            try:
                validate_data(self, reference, reset=False, skip_check_array=True)
            except ValueError as error:
                raise ValueError(f"reference and X have other features. {error}") from None
        return as_operand(reference if hasattr(reference, "shape") else np.asarray(reference), "reference")

    def _store(self, found, number):
        """The attributes that the first columns of a `ColumnSelection` make."""
        self._selection, self._coefficients = found, None
        self.selected_indices_ = found.indices[:number]
        self.errors_ = found.errors[:number]
        self.best_errors_ = found.best_errors[:number]
        self.n_passes_ = found.n_passes
        self.error_estimate_ = float(self.errors_[-1])
        best = float(self.best_errors_[-1])
        self.suboptimality_estimate_ = max(self.error_estimate_ / best, 1.0) if best > 0 else float("nan")

    def _warn(self, wanted, shape):
        self._warn_if_clipped(shape)
        n_selected = len(self.selected_indices_)
        reached = self.tol is not None and self.error_estimate_ <= self.tol
        if wanted is not None and n_selected < wanted and not reached:
            warnings.warn(
                f"Only {_features(n_selected)} linearly independent to rounding and selected; {wanted} were "
                "asked for. The others are combinations of these.",
                UserWarning,
                stacklevel=level_of_caller(),
            )
        if self.tol is not None and not reached:
            has_more = wanted is not None and wanted == n_selected < self.n_features_in_
            remedy = (
                "Use a larger n_features_to_select or tol."
                if has_more
                else ("What is left is rounding: use a larger tol, or float64.")
            )
            warnings.warn(
                f"tol={self.tol:.3g} is not reached: the relative error with {n_selected} features is "
                f"{self.error_estimate_:.3g}. {remedy}",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )


def _features(n):
    return "1 feature is" if n == 1 else f"{n} features are"


def _resolved(method):
    return "qrcp" if method == "auto" else method
