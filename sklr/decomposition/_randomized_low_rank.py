"""Truncated SVD and principal components, with a certificate."""

import time
import warnings
from dataclasses import replace
from numbers import Integral, Real

import joblib
import numpy as np
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
from sklr._validation import validate_operand, validate_weight
from sklr.base import draw_seed, fit_nested, level_of_caller, transform_nested, unchanged_on_error
from sklr.linalg import (
    centered,
    plan_low_rank,
    rank_rule,
    relative_error,
    row_weighted,
    scaled,
    truncated_svd,
)
from sklr.linalg._checks import check_relative
from sklr.linalg.error_estimate import error_bound
from sklr.linalg.plan import MAX_MEMORY, NAMED_SOLVERS
from sklr.sketch import make_sketch

from ._probabilistic import ProbabilisticMixin
from ._streaming import STREAM_SOLVERS, StreamingMixin

# Below this error the certificate is a random estimate, which may be above a tolerance that is met.
_ESTIMATED = 1e-6
_ESTIMATE_SPREAD = 2.0
# Variances are taken as mean squares minus squared means down to so many eps of the mean squares; below, the
# coordinates are centred in a pass of their own.
_CANCELLED = 1e6
# Where there is no further pass, a warning says so from here on.
_CANCELLED_BADLY = 1e3
# An error of so many eps is rounding, and there is no noise beyond the components.
_NO_NOISE = 10


class RandomizedLowRank(
    StreamingMixin, ProbabilisticMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Truncated SVD (``center=False``) or principal components (``center=True``) of a large matrix.

    Finds orthonormal rows V^T, `components_`, so that

        A_hat = A V V^T,    A = X - 1 mean_^T (center=True)    or    A = X,

    is close to the best approximation of rank k: the excess error
    ||A - A_hat||_F / ||A - A_k||_F - 1 is rounding error for the solvers "gram" and "exact",
    and typically below 1e-3 for "krylov" and "subspace". Every fit reports the relative error that it has, in
    `error_estimate_`.

    Replaces `sklearn.decomposition.TruncatedSVD`, and with ``center=True`` `PCA`: sparse data are centred
    without being filled in, memory-mapped and chunked data are read tile by tile, and the rank may be left
    to a tolerance.

    Parameters
    ----------
    n_components : int, float, "auto" or None, default=2
        int: rank k, at least 1; more than min(n_samples, n_features) is clipped, with a warning. float in
        (0, 1): the smallest rank that holds this part of ||A||_F^2 (with ``center=True`` of the variance).
        "auto": singular values above the optimal hard threshold for white noise (see
        `sklr.linalg.rank_rule`). None: min(n_samples, n_features). With `tol` the most that is allowed.
    tol : float, default=None
        Relative Frobenius error ||A - A_hat||_F / ||A||_F to reach with the smallest rank; with
        ``n_components=None``, unless the rank is to have a cap. A fit that misses it warns.
    accuracy : float, default=None
        Relative accuracy that iterations give every singular value, judged by residuals. None: they stop when
        a pass gains little. With a `tol` or `accuracy` of 1e-5 or more, float64 data are multiplied in
        float32, as far as that can tell.
    center : bool, default=False
        Whether to subtract the column means first.
    whiten : bool, default=False
        Whether `transform` divides the coordinates by their standard deviations (``center=False``: by
        their root mean squares).
    feature_weight : array-like of shape (n_features,), default=None
        Positive weights w of the squared errors of features: sum_ij w_j (A - A_hat)_ij^2 is made small in
        place of the plain sum.
    n_oversamples : int, default=10
        Columns beyond k of the solvers that sketch, and of the states of `partial_fit`; at least 0.
    sketch : str or Distribution, default="auto"
        Distribution of the random start block: a name from `sklr.sketch.available_sketches` or an
        object such as ``SparseStack(n_blocks=8)``. Anything but "auto" restricts ``solver="auto"`` to
        solvers that sketch.
    solver : {"auto", "gram", "krylov", "subspace", "single_pass", "exact", "frequent_directions", \
"svd_update"}, default="auto"
        "gram": eigenvectors of A^T A or A A^T, whichever is smaller. "krylov": block Krylov iteration.
        "subspace": shifted subspace iteration, for the least memory. "single_pass": one pass over the data,
        far off on slowly decaying spectra. "exact": LAPACK's SVD of the dense matrix. "auto": the cheapest
        by predicted cost (`plan` shows the prediction), never "single_pass". The last two, and "gram", are
        states of `partial_fit`.
    max_iter : int, default=100
        Passes of an iteration at most; a fit that needs more warns.
    max_memory : int, default=2147483648
        Bytes beside the data that a solver may take. Where `tol` or a fraction leaves the rank open,
        "subspace" and a `tol` below 5e-7 may take more, in proportion to the rank that they find.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads, for equal values in equal containers (Notes).
    random_state : int, RandomState instance or None, default=None
        Where the start block comes from; an int for reproducible results.
    verbose : int, default=0
        1 prints the plan, a line for every pass of an iteration and the result.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        V^T. In each row the entry of largest magnitude is positive. With `feature_weight` w,
        ``V^T diag(w) V = I``.
    singular_values_ : ndarray of shape (n_components,)
        Singular values of A_hat, descending.
    explained_variance_ : ndarray of shape (n_components,)
        Variance of each coordinate: s^2 / (n_samples - 1) with ``center=True``; otherwise s^2 / n_samples
        minus the squared mean of the coordinate.
    explained_variance_ratio_ : ndarray of shape (n_components,)
        The part of the variance of X that it is.
    noise_variance_ : float
        Mean variance in the directions beyond the components; only with ``center=True``.
    mean_ : ndarray of shape (n_features,)
        Column means; only with ``center=True``.
    error_estimate_ : float
        Estimate of ||A - A_hat||_F / ||A||_F; see `sklr.linalg.relative_error`. For "single_pass" and
        after `partial_fit` an upper bound. With weights, in their norm.
    residual_norms_ : ndarray of shape (n_components,)
        ||A^T u - s v|| of each triplet: A has a singular value so near to s. NaN for "single_pass"
        and the states of `partial_fit` other than "gram".
    n_components_ : int
        The rank.
    n_samples_ : int or float
        Rows of X, or the sum of their weights.
    n_iter_ : int
        Passes of the solver.
    n_passes_ : int
        Sweeps over the data that the fit took, the one for the means included.
    solver_ : str
        The solver that gave the result.
    n_features_in_ : int
        Features seen by `fit`.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names, where X has string column names.

    Raises
    ------
    ValueError
        From `fit` and `transform`: X is empty, complex, or holds NaN, infinity or masked entries; a
        parameter is out of range or does not go with another one; every solver of ``solver="auto"`` would
        take too much memory. The estimator is left as it was.
    TypeError
        X is an iterator: wrap it in `sklr.linalg.RowChunks`. Or a parameter is of the wrong type.

    Warns
    -----
    ConvergenceWarning
        `tol` is not reached with `n_components`, or an iteration ended at `max_iter`; with the numbers.

    See Also
    --------
    sklr.linalg.truncated_svd : The function behind it.

    Notes
    -----
    With (m, n) the shape, q = min(m, n), p = max(m, n), b the block size, l = k + n_oversamples and nnz the
    entries:

    ===========  =====================================  ============================  ==================
    solver       flops                                  passes                        memory
    ===========  =====================================  ============================  ==================
    gram         p q^2 + 4/3 q^3                        1 (m < n: 2)                  3 q^2
    krylov       4 nnz b passes + 4 q b^2 passes^2      about k/b + 6 (m < n: + 2)    3 q b passes
    subspace     4 nnz l passes + 8 q l^2 passes        about 12 (m < n: + 2)         6 q l
    single_pass  16 nnz k + 32 n k^2                    1                             8 n k
    exact        6 p q^2 + 16 q^3                       2                             3 p q
    ===========  =====================================  ============================  ==================

    and one pass for the means, except where ``center=False`` and the first pass over rows gathers them, one
    for the error estimate where it is below 1e-6. `transform` takes one pass. Where `max_memory` is too small
    for its basis, "krylov" restarts, and takes more passes.
    With m < n and data of which only rows can be swept, chunks and mapped arrays in C order, iterations have
    n in place of q and not the two more passes. "gram" and iterations sweep sparse data along rows if m >= n
    and along columns if m < n: CSC in the first case and CSR in the second are converted once, which is one
    more pass and a copy of the data.

    `sample_weight` means repetition: a weight of 2 is the row twice. Repeated singular values leave the
    choice of vectors to the solver.

    The fitted attributes are a function of the values, the container (memory order, sparse format, mapped or
    not, chunks) and the seed: the same matrix in another container gives the same numbers to rounding, not
    the same bits. Where joblib runs searches in processes it hands large arrays to them memory-mapped, so
    equal bits in all of them need data that are mapped from the start, or too small for that.

    Not for: all singular vectors (use LAPACK), or a spectrum without decay, whose best approximation is poor
    too; `error_estimate_` says so.

    References
    ----------
    N. Halko, P.-G. Martinsson and J. A. Tropp, "Finding structure with randomness", 2011, arXiv:0909.4061.
    C. Musco and C. Musco, "Randomized Block Krylov Methods for Stronger and Faster Approximate Singular Value
    Decomposition", 2015, arXiv:1504.05477.
    M. Gavish and D. L. Donoho, "The Optimal Hard Threshold for Singular Values is 4/sqrt(3)", 2014,
    arXiv:1305.5870.
    Y.-C. Hsu et al., "Language model compression with weighted low-rank factorization", 2022,
    arXiv:2207.00112.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.decomposition import RandomizedLowRank
    >>> X, _ = load_digits(return_X_y=True)
    >>> model = RandomizedLowRank(n_components=20, center=True, random_state=0).fit(X)
    >>> model.transform(X).shape
    (1797, 20)
    >>> model.solver_, round(model.error_estimate_, 3)
    ('gram', 0.325)
    >>> RandomizedLowRank(n_components=0.9, center=True).fit(X).n_components_
    21
    >>> smaller = model.truncate(5)
    >>> smaller.components_.shape, round(smaller.error_estimate_, 3)
    ((5, 64), 0.675)
    """

    _parameter_constraints: dict = {
        "n_components": "no_validation",  # these have remedies of their own: `_check_parameters`
        "tol": "no_validation",
        "accuracy": "no_validation",
        "sketch": "no_validation",
        "feature_weight": "no_validation",
        "n_oversamples": [Interval(Integral, 0, None, closed="left")],
        "center": ["boolean"],
        "whiten": ["boolean"],
        "solver": [StrOptions({"auto", *NAMED_SOLVERS, *STREAM_SOLVERS})],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_memory": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        tol=None,
        accuracy=None,
        center=False,
        whiten=False,
        feature_weight=None,
        n_oversamples=10,
        sketch="auto",
        solver="auto",
        max_iter=100,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
        verbose=0,
    ):
        self.n_components = n_components
        self.tol = tol
        self.accuracy = accuracy
        self.center = center
        self.whiten = whiten
        self.feature_weight = feature_weight
        self.n_oversamples = n_oversamples
        self.sketch = sketch
        self.solver = solver
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.random_state = random_state
        self.verbose = verbose

    # -- fitting ------------------------------------------------------------------------------

    def fit(self, X, y=None, sample_weight=None):
        """Find the components of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. float32 is computed in float32, integers in float64. Operands are those of
            `sklr.linalg.as_operand`, `row_weighted` and so on.
        y : Ignored
            Present for the interface.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts; need not be whole numbers.

        Returns
        -------
        RandomizedLowRank
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, sample_weight):
        self._check_parameters()
        vars(self).pop("_stream", None)
        self._made_for = self._parameters("center", "feature_weight")
        X = validate_operand(self, X, reset=True)
        sample_weight = validate_weight(sample_weight, X.shape[0], "sample_weight")
        n_samples = X.shape[0] if sample_weight is None else float(sample_weight.sum())
        self._check_has_variance(n_samples)
        rule = self._rule(X.shape, n_samples)
        plan = self._plan(X, rule)  # what cannot be done is refused before the first pass
        progress = _Progress(self, plan) if self.verbose else None
        passes_before = X.n_passes
        self._warn_if_clipped(X.shape)
        with session(self.n_threads):
            A, mean = self._weighted(X, sample_weight, n_samples)
            if not self.center:
                A.expect_column_means()
            seed = draw_seed(self.random_state)
            result = truncated_svd(
                A,
                rule,
                accuracy=self.accuracy,
                solver=self.solver,
                sketch=self.sketch,
                n_oversamples=self.n_oversamples,
                max_iter=self.max_iter,
                max_memory=self.max_memory,
                rng=seed,
                callback=progress,
            )
            Vt = result.right_vectors
            if result.solver == "single_pass":
                error = self._error_bound(result)
            else:
                error = relative_error(
                    A,
                    Vt,
                    captured=result.captured,
                    squared_norm=result.squared_norm,
                    precision=result.precision,
                    rng=seed,
                )
            if not self.center:
                mean = self._mean_of_rows(X, A, sample_weight, n_samples)
            self._set_results(
                result, mean, n_samples, error, lambda: self._weigh(centered(X, mean), sample_weight)
            )
        self._seen = X.shape[0], mean
        self._set_course(result, X.n_passes - passes_before)
        self._warn_if_missed(result)
        if progress is not None:
            progress.end(self)
        return self

    def fit_transform(self, X, y=None, sample_weight=None):
        """Fit to X and return ``transform(X)``: the same numbers as the two calls.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data.
        y : Ignored
            Present for the interface.
        sample_weight : array-like of shape (n_samples,), default=None
            How often each row counts in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The coordinates A V.
        """
        return self.fit(X, sample_weight=sample_weight).transform(X)

    def truncate(self, n_components):
        """Return a fitted estimator with the first components of this one; nothing is computed again.

        For the solvers "gram" and "exact" it equals the direct fit; for the others it is no less
        accurate than that, as this basis was made for more.

        Parameters
        ----------
        n_components : int
            At most the rank of this one.

        Returns
        -------
        RandomizedLowRank
            A new estimator, whose parameter `n_components` is the rank and `tol` None.

        Raises
        ------
        TypeError, ValueError
            If `n_components` is not an int between 1 and the rank.
        """
        check_is_fitted(self)
        k_fitted = self.n_components_  # of a running state: computed now
        if isinstance(n_components, bool) or not isinstance(n_components, Integral):
            raise TypeError(f"n_components must be an int, got {n_components!r}.")
        if not 1 <= n_components <= k_fitted:
            raise ValueError(
                f"n_components must be between 1 and {k_fitted}, the components that were fitted; "
                f"got {n_components}. Fit with a larger n_components to have more."
            )
        return self._part(int(n_components), np.copy)

    def _part(self, k, taken):
        """The first k components; ``taken(array)`` is what the part holds of an array of them."""
        other = clone(self).set_params(n_components=k, tol=None)
        for name, value in vars(self).items():
            if name.endswith("_") or name in ("_squared_norm", "_seen", "_made_for"):
                setattr(other, name, value)
        for name in (
            "components_",
            "singular_values_",
            "residual_norms_",
            "explained_variance_",
            "explained_variance_ratio_",
        ):
            setattr(other, name, taken(getattr(self, name)[:k]))
        other.n_components_ = k
        if self._squared_norm:
            dropped = float(np.sum(self.singular_values_[k:].astype(np.float64) ** 2))
            other.error_estimate_ = float(np.sqrt(self.error_estimate_**2 + dropped / self._squared_norm))
        if self.center:
            other._set_noise_variance()
        return other

    def fit_path(self, X, y, param_dicts, **fit_params):
        """Yield one fitted estimator per dictionary of parameters, sharing fits where they are nested.

        Dictionaries that differ in `n_components` (ints, or fractions, without `tol`) and `whiten` only
        share one fit, at the largest, and `truncate` it.

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
        RandomizedLowRank
            A fitted estimator for each dictionary, in their order. This one stays as it is.
        """
        wanted = [clone(self).set_params(**parameters) for parameters in param_dicts]
        for estimator in wanted:
            estimator._check_parameters()
        keys = [estimator._nesting_key(i) for i, estimator in enumerate(wanted)]
        yield from fit_nested(
            wanted,
            keys,
            [estimator.n_components for estimator in wanted],
            fit=lambda estimator: clone(estimator).fit(X, **fit_params),
            cut=lambda model, estimator, _: model._as_wanted_by(estimator),
        )

    @staticmethod
    def transform_path(X, models):
        """Return the coordinates of X for each of several models, such as those of `fit_path`.

        Where one fit was cut to several ranks, X is multiplied once, for the largest of them.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted.
        models : list of RandomizedLowRank
            Fitted ones.

        Returns
        -------
        list of ndarray of shape (n_samples, n_components)
            As `transform` of each model; they may be views of one array.
        """
        return transform_nested(X, models)

    def _nesting_key(self, position):
        """Equal for estimators that one fit serves."""
        parameters = self.get_params(deep=False)
        rank = parameters.pop("n_components")
        parameters.pop("whiten")
        is_nested = self.tol is None and isinstance(rank, Real) and not isinstance(rank, bool)
        return joblib.hash((parameters, isinstance(rank, Integral) if is_nested else position))

    def _as_wanted_by(self, other):
        """This fit with the rank and the parameters of `other`; its arrays are parts of those of this one."""
        rank = other.n_components
        if isinstance(rank, Real) and other.tol is None:
            if not isinstance(rank, Integral):
                held = np.cumsum(self.singular_values_.astype(np.float64) ** 2)
                rank = int(np.searchsorted(held, rank * self._squared_norm)) + 1
            model = self._part(min(rank, self.n_components_), np.asarray)
        else:
            model = self._part(self.n_components_, np.asarray)
        return model.set_params(n_components=other.n_components, tol=other.tol, whiten=other.whiten)

    # -- using --------------------------------------------------------------------------------

    def transform(self, X, out=None):
        """Return the coordinates A V of the rows of X. One pass, ``2 nnz k`` flops.

        With `feature_weight` w, A diag(w) V; with ``whiten=True``, divided by the standard deviations of the
        coordinates of the training data.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted.
        out : ndarray or np.memmap of shape (n_samples, n_components), default=None
            Where the coordinates are written, in any memory order and with the dtype of the result. It must
            not share memory, or a file, with X. After an error a part of it may have been written.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            float32 for float32 data, otherwise float64; `out`, if that is given.

        Raises
        ------
        ValueError
            If X is not as in `fit`; if `out` has another shape, is read-only or shares memory with X.
        TypeError
            If `out` is no array, or has another dtype.

        Notes
        -----
        A memory-mapped `out` is written tile by tile, its pages are let go behind that, and it is flushed at
        the end: the coordinates take the memory of a few tiles, whatever the number of rows. For CSC, and for
        mapped arrays in Fortran order, they are sums over all tiles, made in memory and then copied.
        """
        check_is_fitted(self)
        A = validate_operand(self, X, reset=False)
        if self.center:
            A = centered(A, self.mean_)
        V = self.components_.T
        if self.feature_weight is not None:
            V = V * np.asarray(self.feature_weight, dtype=V.dtype).reshape(-1, 1)  # may be one number
        if self.whiten:
            scale = self._scale()
            V = V * np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        return A.matmat(V, n_threads=self.n_threads, out=out)

    def inverse_transform(self, X):
        """Return the rows Z V^T (plus the mean) that coordinates Z stand for.

        ``inverse_transform(transform(X))`` is A_hat, plus the mean with ``center=True``.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Coordinates Z.

        Returns
        -------
        ndarray of shape (n_samples, n_features)
            A dense matrix: ``n_samples * n_features`` entries.
        """
        check_is_fitted(self)
        Z = check_array(X, dtype=(np.float64, np.float32), input_name="X")
        if Z.shape[1] != self.components_.shape[0]:
            raise ValueError(
                f"X has {Z.shape[1]} columns, but {type(self).__name__} has {self.components_.shape[0]} "
                "components."
            )
        Vt = self.components_ * self._scale()[:, None] if self.whiten else self.components_
        rows = as_operand(Z).matmat(Vt, n_threads=self.n_threads)
        if self.center:
            rows += self.mean_.astype(rows.dtype, copy=False)
        return rows

    @_fit_context(prefer_skip_nested_validation=True)
    def plan(self, X):
        """Return how `fit` would treat X, from its shape alone: print it to see the predicted costs.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            The data; they are not read.

        Returns
        -------
        sklr.linalg.LowRankPlan
            The solver, its block size and passes, and the predicted cost of every candidate.
        """
        self._check_parameters()
        X = validate_operand(clone(self), X, reset=True)  # the clone gets the feature names
        return self._plan(X, self._rule(X.shape, X.shape[0]))

    # -- parameters ---------------------------------------------------------------------------

    def _check_parameters(self):
        """What scikit-learn's constraints cannot say, or say without the remedy."""
        k = self.n_components
        is_word = k is None or (isinstance(k, str) and k == "auto")
        if not is_word and (isinstance(k, bool) or not isinstance(k, Real)):
            raise TypeError(
                f"n_components must be an int, a float in (0, 1), 'auto' or None, got {k!r}. "
                "Pass 'auto' to have the data choose the rank."
            )
        if isinstance(k, Integral) and k < 1:
            raise ValueError(f"n_components must be at least 1, got {k}.")
        if isinstance(k, Real) and not isinstance(k, Integral) and not 0 < k < 1:
            raise ValueError(
                f"n_components must be an int, or a float in (0, 1), the part of the variance; got {k}."
            )
        for name in ("tol", "accuracy"):
            if getattr(self, name) is not None:
                check_relative(name, getattr(self, name))
        if self.tol is not None and not (k is None or isinstance(k, Integral)):
            raise ValueError(
                f"n_components={k!r} and tol={self.tol} both choose the rank. Give one of them, or an int "
                "n_components, the most that tol may use, or None."
            )
        if isinstance(self.n_oversamples, bool):  # an Integral, which scikit-learn lets pass
            raise TypeError(f"n_oversamples must be an int, got {self.n_oversamples!r}.")
        if self._sketch_given():
            make_sketch(self.sketch)

    def _sketch_given(self):
        return not (isinstance(self.sketch, str) and self.sketch == "auto")

    def _rule(self, shape, n_samples):
        k = self.n_components
        rule = rank_rule(min(k, *shape) if isinstance(k, Integral) else k, shape, self.tol)
        # Noise has as many rows as the weights say.
        return replace(rule, shape=(n_samples, shape[1])) if k == "auto" else rule

    def _plan(self, X, rule):
        if self.solver in STREAM_SOLVERS and self.solver not in NAMED_SOLVERS:
            raise ValueError(
                f"solver={self.solver!r} takes rows as they come: it belongs to partial_fit and fit_chunks. "
                f"fit has {NAMED_SOLVERS} and 'auto'."
            )
        return plan_low_rank(
            X,
            rule,
            accuracy=self.accuracy,
            solver=self.solver,
            sketch_given=self._sketch_given(),
            n_oversamples=self.n_oversamples,
            max_memory=self.max_memory,
        )

    # -- parts of fit -------------------------------------------------------------------------

    def _weighted(self, X, sample_weight, n_samples):
        """``(A, mean)``: X centred and weighted, and what was subtracted."""
        A, mean = X, None
        if self.center:
            mean = _weighted_mean(X, sample_weight, n_samples)
            A = centered(A, mean)
        return self._weigh(A, sample_weight), mean

    def _weigh(self, A, sample_weight):
        """diag(sample_weight)^(1/2) A diag(feature_weight)^(1/2)."""
        feature_weight = validate_weight(self.feature_weight, A.shape[1], "feature_weight", positive=True)
        if sample_weight is not None:
            A = row_weighted(A, np.sqrt(sample_weight))
        if feature_weight is not None:
            A = scaled(A, np.sqrt(feature_weight))
        return A

    def _mean_of_rows(self, X, A, sample_weight, n_samples):
        """Column means of X, which the first sweep over A has gathered where it can."""
        if sample_weight is not None:
            return _weighted_mean(X, sample_weight, n_samples)
        mean = A.column_means()
        if self.feature_weight is not None:
            mean = mean / np.sqrt(np.asarray(self.feature_weight, dtype=np.float64))
        return mean

    def _check_has_variance(self, n_samples):
        if self.center and n_samples <= 1:
            raise ValueError(
                f"center=True needs more than one sample to have a variance, found n_samples = {n_samples:g} "
                "(1 sample, or weights that sum to no more than 1: they count repetitions). Pass more rows, "
                "scale the weights up, or use center=False."
            )

    def _error_bound(self, result):
        return error_bound(result.captured, result.squared_norm, result.precision)

    def _set_course(self, result, n_passes):
        """The attributes that say how it went."""
        self.n_passes_ = n_passes
        self.n_iter_ = result.n_passes
        self.solver_ = result.solver

    def _set_results(self, result, mean, n_samples, error, centered_data=None):
        """The attributes that a truncated SVD, its error and the means make; see `_set_variances`."""
        self.error_estimate_ = error
        dtype = result.singular_values.dtype
        Vt = result.right_vectors
        if self.feature_weight is not None:
            Vt = Vt / np.sqrt(np.asarray(self.feature_weight, dtype=np.float64))
        self.components_ = _with_positive_peaks(Vt).astype(dtype, copy=False)
        self.singular_values_ = result.singular_values
        self.residual_norms_ = result.residual_norms
        self.n_components_ = len(self.singular_values_)
        self.n_samples_ = n_samples
        self._squared_norm = result.squared_norm
        self._set_variances(mean, centered_data)

    def _set_variances(self, mean, centered_data):
        """Variances of the coordinates and of X, by PCA's formulas or TruncatedSVD's.

        ``centered_data()`` is X centred and weighted, if it can be had, where these lose their digits.
        """
        dtype = self.singular_values_.dtype
        squares = self.singular_values_.astype(np.float64) ** 2
        if self.center:
            self.mean_ = mean.astype(dtype, copy=False)
            variances = squares / (self.n_samples_ - 1)
            total = self._squared_norm / (self.n_samples_ - 1)
        else:
            for name in ("mean_", "noise_variance_"):
                vars(self).pop(name, None)
            weight = 1.0 if self.feature_weight is None else np.asarray(self.feature_weight, dtype=np.float64)
            mean_square = float(np.sum(weight * mean**2))
            of_coordinates = self.components_.astype(np.float64) @ (weight * mean)
            variances = np.maximum(squares / self.n_samples_ - of_coordinates**2, 0)
            total = max(self._squared_norm / self.n_samples_ - mean_square, 0.0)
            eps = float(np.finfo(dtype).eps)
            left = variances * self.n_samples_ / np.where(squares > 0, squares, 1)
            left = float(np.min(left, initial=1, where=squares > 0))
            if centered_data is None and left < _CANCELLED_BADLY * eps:
                warnings.warn(
                    f"explained_variance_ is down to {left:.1g} of the mean square of a coordinate, from "
                    f"which a squared mean was subtracted in {dtype}: digits are lost. Use center=True.",
                    ConvergenceWarning,
                    stacklevel=level_of_caller(),
                )
            elif centered_data is not None and left < _CANCELLED * eps:
                A = centered_data()
                Vt = self.components_.astype(np.float64) * np.sqrt(weight)
                Z = as_operand(A.matmat(Vt.T), name="X V")
                variances = Z.column_squared_norms() / self.n_samples_
                total = A.squared_norm() / self.n_samples_
        if variances.max() > np.finfo(dtype).max:
            raise ValueError(
                f"explained_variance_ leaves the range of {dtype}: X has a variance of "
                f"{variances.max():.3g}. Divide X by its largest entry or convert it to float64 first."
            )
        self.explained_variance_ = variances.astype(dtype)
        ratio = np.divide(variances, total, out=np.zeros_like(variances), where=total > 0)
        self.explained_variance_ratio_ = ratio.astype(dtype)
        if self.center:
            self._set_noise_variance()

    def _set_noise_variance(self):
        # From the error: the difference of the variances has no digits where little is left. What is not told
        # from rounding is none.
        n_beyond = min(self.n_samples_, self.n_features_in_) - self.n_components_
        has_left = self.error_estimate_ > _NO_NOISE * np.finfo(self.explained_variance_.dtype).eps
        left = self.error_estimate_**2 * self._squared_norm / (self.n_samples_ - 1)
        noise = left / n_beyond if n_beyond > 0 and has_left else 0.0
        self.noise_variance_ = self.explained_variance_.dtype.type(noise)

    def _scale(self):
        """Standard deviations of the coordinates (not centred: root mean squares)."""
        # Not the root of `explained_variance_`, which may leave the range of float32.
        s = self.singular_values_
        return s / s.dtype.type(np.sqrt(self.n_samples_ - self.center))

    # -- warnings -----------------------------------------------------------------------------

    def _warn_if_clipped(self, shape):
        if isinstance(self.n_components, Integral) and self.n_components > min(shape):
            warnings.warn(
                f"n_components={self.n_components} is larger than min(n_samples, n_features)={min(shape)} "
                f"and has been clipped to it.",
                UserWarning,
                stacklevel=level_of_caller(),
            )

    def _warn_if_missed(self, result):
        spread = 1 + 1e-6 if self.error_estimate_ > _ESTIMATED else _ESTIMATE_SPREAD
        if self.tol is not None and self.error_estimate_ > spread * self.tol:
            warnings.warn(
                f"tol={self.tol:.3g} is not reached: the relative error with {self.n_components_} components "
                f"is {self.error_estimate_:.3g}. Use a larger n_components (None: no limit) or a larger tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        if not result.converged:
            with np.errstate(divide="ignore", invalid="ignore"):
                worst = float(np.nanmax(result.residual_norms / result.singular_values))
            warnings.warn(
                f"solver={result.solver!r} was still gaining after max_iter={self.max_iter} passes: the "
                f"largest residual norm is {worst:.2g} of its singular value, the relative error "
                f"{self.error_estimate_:.3g}. Use a larger max_iter, max_memory or n_oversamples, or a "
                "larger accuracy.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_is_fitted__(self):
        return "components_" in vars(self) or "_stream" in vars(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _with_positive_peaks(Vt):
    """Flip rows so that the entry of largest magnitude is positive: scikit-learn's v-based rule."""
    peaks = Vt[np.arange(Vt.shape[0]), np.argmax(np.abs(Vt), axis=1)]
    return Vt * np.where(peaks < 0, -1, 1).astype(Vt.dtype)[:, None]


def _weighted_mean(X, sample_weight, n_samples):
    if sample_weight is None:
        return X.column_means()
    return X.rmatmat(sample_weight[:, None])[:, 0].astype(np.float64) / n_samples


class _Progress:
    """Prints what a long fit is doing; the callback of iterations."""

    def __init__(self, estimator, plan):
        self._name, self._start = type(estimator).__name__, time.perf_counter()
        print(f"[{self._name}] {plan}")

    def __call__(self, n_passes, state):
        if state is None:
            found = "filling the basis"
        else:
            error = np.sqrt(state.error / state.total) if state.total else 0.0
            found = f"{len(state.leading)} components, relative error {error:.6g}"
        print(
            f"[{self._name}] pass {n_passes}, {time.perf_counter() - self._start:.1f} s: {found}", flush=True
        )

    def end(self, estimator):
        print(
            f"[{self._name}] done by {estimator.solver_!r} in {estimator.n_passes_} passes, "
            f"{time.perf_counter() - self._start:.1f} s: {estimator.n_components_} components, relative "
            f"error {estimator.error_estimate_:.6g}",
            flush=True,
        )
