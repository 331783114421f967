"""Ridge regression that chooses alpha and the sketch size."""

from numbers import Real

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sklr.linalg.plan import MAX_MEMORY

from ._search import RidgeSearch
from ._targets import Regressor


class SketchedRidgeCV(Regressor, RidgeSearch):
    """`SketchedRidge` with the alpha and the sketch size of the best score, most of it without refitting.

    Without `sketch_sizes`, every row is left out once, exactly and for the price of one factorisation:
    without row i its target is missed by

        (y_i - yhat_i) / (1 - h_i)

    with the prediction yhat_i of the fit on all rows and the leverage h_i of the row. With sketches of the
    features (``axis="features"``), the whole grid of alphas and sketch sizes is scored by generalized
    cross-validation: with fitted values L y, L the average over `n_sketches` sketches, the mean leverage
    takes the place of each,

        (y_i - yhat_i) / (1 - tr(L) / n_samples).

    The score is minus the mean square of these residuals, or that of `scoring` for the predictions that
    belong to them. Sketches of the samples are scored on folds.

    Parameters
    ----------
    alphas : float or array-like of shape (n_alphas,), default=(0.1, 1.0, 10.0)
        Values of alpha to try, at least 0.
    axis : {"samples", "features"}, default="samples"
        What is sketched. "samples" with `sketch_sizes` needs an integer `cv`.
    sketch : str or Distribution, default="auto"
        Distribution of the sketches: a name from `sklr.sketch.available_sketches` or an object such as
        ``SparseStack(n_blocks=8)``. Without `sketch_sizes`, that of ``solver="iterative"`` in the final fit.
    sketch_sizes : array-like of int or float, default=None
        Rows of the sketches to try: ints, or floats in (0, 1], parts of the axis. None: no sketch. A part of
        the samples is another size on folds than on all rows: use ints for ``alpha=0``.
    n_sketches : int, default=1
        Sketches to average over; more than 1 needs `sketch_sizes`.
    fit_intercept : bool, default=True
        Whether to fit an intercept: X and y are centred, sparse X without being filled in.
    scoring : str or callable, default=None
        A scorer's name or ``scorer(estimator, X, y)``, where X is what the estimator predicts. None: minus
        the mean squared error over samples, by their weights, and targets.
    cv : None, "gcv", int or cross-validation splitter, default=None
        None: exact leave-one-out without `sketch_sizes`, generalized cross-validation with them. "gcv":
        generalized cross-validation. An int or a splitter: fits on folds, as scikit-learn makes them.
    alpha_per_target : bool, default=False
        Whether each target gets an alpha of its own. For no `sketch_sizes` and no folds.
    solver : {"auto", "cholesky", "eigh", "iterative", "exact"}, default="auto"
        Of the final fit, and of fits on folds; see `SketchedRidge`.
    tol : float, default=1e-8
        Relative accuracy of their coefficients.
    max_iter : int, default=1000
        Steps of "iterative" at most.
    max_memory : int, default=2147483648
        Bytes beside the data that may be taken.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads.
    random_state : int, RandomState instance or None, default=None
        Where sketches come from; an int for reproducible results.

    Attributes
    ----------
    alpha_ : float or ndarray of shape (n_targets,)
        The alpha of the best score.
    sketch_size_ : int or None
        The sketch size of the best score.
    best_score_ : float or ndarray of shape (n_targets,)
        That score.
    cv_results_ : dict of ndarray
        One entry for each candidate, sketch size by sketch size: "params", "param_alpha",
        "param_sketch_size" (if there are any), "mean_test_score", "rank_test_score"; of folds
        "split0_test_score" and so on and "std_test_score"; otherwise "degrees_of_freedom", the trace of the
        matrix that maps centred targets to fitted values. See Notes for "unsketched_alpha" and
        "unsketched_score". ``pd.DataFrame(model.cv_results_)`` shows it.
    cv_residuals_ : ndarray of shape (n_samples,) or (n_samples, n_targets)
        Residuals of the chosen candidate on rows that are left out; NaN for rows of weight zero, and for
        those that are in no test fold.
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, in the dtype of the computation: float32 for float32 data, otherwise float64.
    intercept_ : float or ndarray of shape (n_targets,)
        The intercept; 0.0 without one.
    residual_ : float or ndarray of shape (n_targets,)
        Relative residual of the normal equations; see `SketchedRidge`.
    solver_ : str
        The solver that gave the coefficients.
    n_iter_ : int
        Steps of the iteration; of a direct solver, corrections, and 1 if there were none.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X, if it has names that are all strings.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range; if X or y holds NaN or infinity or they do not
        fit together; if no candidate has a finite score, or `max_memory` is too small. The estimator stays as
        it was.

    Warns
    -----
    ConvergenceWarning
        If the smallest alphas are below what could be told apart, or the final fit has not reached `tol`.

    See Also
    --------
    SketchedRidge : One alpha and one sketch size.
    sklearn.linear_model.RidgeCV : The search over alphas only.
    sklr.linalg.leave_one_out, sklr.linalg.generalized_cross_validation : The residuals alone.

    Notes
    -----
    For m rows, n columns, q the smaller and p the larger of them, and a alphas: leave-one-out takes
    ``p q^2 + 9 q^3`` flops and, for m >= n, ``2 m n^2`` more; "gcv" ``p q^2 + 4/3 q^3``. Each sketch of the
    features of size d takes its application to X and the same with d in place of n. Nothing but sketches
    that do not extend makes more passes than a few; see `sklr.linalg.generalized_cross_validation`.

    The sketches are those of ``SketchedRidge(alpha=alpha_, sketch_size=sketch_size_, ...)`` with the same int
    as `random_state`, which has the same coefficients.

    With weights, a row is left out with all its weight.

    "unsketched_alpha" and "unsketched_score" are there for squared errors and two or more sketches. The
    error R_K of an average of K is nearly ``R + (R_1 - R) / K``, so that few sketches tell the limit R, which
    is the error of *plain* ridge regression with another alpha,

        alpha / (1 - f / d), for sketches with orthogonal rows times 1 - f / n,    f = degrees_of_freedom.

    It is NaN where the ensemble uses all d degrees of freedom of its sketches, for sampled features, and for
    CountSketch with more than n / 8 rows, of which some are empty.

    Generalized cross-validation is for rows that are exchangeable, with no few of very high leverage, and for
    sketches that do not depend on the data: not for sampling of features that matter. Where rows come in
    groups or in time, use a splitter.

    References
    ----------
    P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
    tuning", 2023, arXiv:2310.04357. R. Rifkin and R. Lippert, "Notes on regularized least squares", 2007,
    MIT-CSAIL-TR-2007-025.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linear_model import SketchedRidgeCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.standard_normal((200, 300))
    >>> y = X @ rng.standard_normal(300) / 10 + rng.standard_normal(200)
    >>> model = SketchedRidgeCV(np.logspace(-1, 3, 9)).fit(X, y)
    >>> model.alpha_
    100.0
    >>> sketched = SketchedRidgeCV(
    ...     np.logspace(-1, 3, 9), axis="features", sketch_sizes=[50, 200], n_sketches=4, random_state=0
    ... ).fit(X, y)
    >>> sketched.alpha_, sketched.sketch_size_
    (100.0, 200)
    >>> lower, upper = sketched.predict_interval(X[:5], coverage=0.8)
    >>> bool(np.all(lower < upper))
    True
    """

    _parameter_constraints: dict = {**RidgeSearch._parameter_constraints, "alpha_per_target": ["boolean"]}

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        axis="samples",
        sketch="auto",
        sketch_sizes=None,
        n_sketches=1,
        fit_intercept=True,
        scoring=None,
        cv=None,
        alpha_per_target=False,
        solver="auto",
        tol=1e-8,
        max_iter=1000,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        super().__init__(
            alphas,
            axis=axis,
            sketch=sketch,
            sketch_sizes=sketch_sizes,
            n_sketches=n_sketches,
            fit_intercept=fit_intercept,
            scoring=scoring,
            cv=cv,
            solver=solver,
            tol=tol,
            max_iter=max_iter,
            max_memory=max_memory,
            n_threads=n_threads,
            random_state=random_state,
        )
        self.alpha_per_target = alpha_per_target

    def fit(self, X, y, sample_weight=None):
        """Search, and fit the best on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data; with folds, an array or a sparse matrix. float32 is scored in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            How much each row counts, in the fits and in the scores.

        Returns
        -------
        SketchedRidgeCV
            The fitted estimator.
        """
        return self._fit_checked(X, y, sample_weight)

    def _fit_operand(self, A, Y, sample_weight, X, y):
        grid = super()._fit_operand(A, Y, sample_weight, X, y)
        residuals = np.full((len(Y), grid.best_errors.shape[1]), np.nan)
        residuals[grid.rows] = grid.best_errors
        self.cv_residuals_ = residuals.reshape(Y.shape)
        self._weight = sample_weight

    def _check_parameters(self):
        super()._check_parameters()
        if self.alpha_per_target and (self.sketch_sizes is not None or self._has_folds()):
            raise ValueError(
                "alpha_per_target=True is for one factorisation that serves all targets: set "
                "sketch_sizes=None and cv=None or 'gcv'."
            )

    def predict_interval(self, X, coverage=0.9):
        """Predict intervals that hold the targets of new rows with a given probability.

        Between quantiles of the residuals on rows that were left out, with equal probability beyond each:
        valid on average over rows that are drawn as the training rows were, not for each row. With noise that
        differs between rows, intervals are too wide for some and too narrow for others.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.
        coverage : float, default=0.9
            The probability, in (0, 1).

        Returns
        -------
        lower : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Lower ends, in the units of y.
        upper : ndarray of shape (n_samples,) or (n_samples, n_targets)
            Upper ends.

        Raises
        ------
        TypeError, ValueError
            If `coverage` is not in (0, 1), or is more than so few residuals can tell.
        """
        check_is_fitted(self)
        if isinstance(coverage, bool) or not isinstance(coverage, Real):
            raise TypeError(f"coverage must be a float in (0, 1), got {coverage!r}.")
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be in (0, 1), got {coverage}.")
        residuals = self.cv_residuals_.reshape(len(self.cv_residuals_), -1)
        ends = np.array([_quantiles(column, self._weight, coverage) for column in residuals.T])
        predicted = self._predicted(X)
        lower, upper = predicted + ends[:, 0], predicted + ends[:, 1]
        return (lower[:, 0], upper[:, 0]) if self.coef_.ndim == 1 else (lower, upper)


def _quantiles(residuals, weight, coverage):
    """Both ends of an interval around 0 that holds a new residual with probability `coverage` or more.

    A new one takes each place among those that are known, by their weights, with equal probability: hence one
    more, of the mean weight, beyond either end.
    """
    is_known = ~np.isnan(residuals)
    residuals = residuals[is_known]
    weight = np.ones(len(residuals)) if weight is None else weight[is_known]
    order = np.argsort(residuals)
    n = len(residuals)
    residuals, weight = residuals[order], weight[order] / weight.sum() * n / (n + 1)
    beyond = (1 - coverage) / 2
    if 1 / (n + 1) > beyond * (1 + 1e-9):
        least = int(np.ceil(1 / beyond * (1 - 1e-9))) - 1
        raise ValueError(
            f"coverage={coverage} needs at least {least} residuals of rows that were left out, and there are "
            f"{n}. Use a smaller coverage."
        )
    slack = 1e-9 * beyond
    upper = np.searchsorted(np.cumsum(weight), 1 - beyond - slack)
    lower = n - 1 - np.searchsorted(np.cumsum(weight[::-1]), 1 - beyond - slack)
    return residuals[lower], residuals[min(upper, n - 1)]
