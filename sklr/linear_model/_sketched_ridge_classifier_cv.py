"""Classification by ridge regression of the labels that chooses alpha and the sketch size."""

from sklearn.utils._param_validation import StrOptions

from sklr.linalg.plan import MAX_MEMORY

from ._search import RidgeSearch
from ._targets import Classifier


class SketchedRidgeClassifierCV(Classifier, RidgeSearch):
    """`SketchedRidgeClassifier` with the alpha and the sketch size of the best score.

    The search of `SketchedRidgeCV` for targets of 1 and -1, one for each class or a single one for two
    classes: leave-one-out without sketches, generalized cross-validation for sketches of the features, folds
    for those of the samples.

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
    class_weight : dict or "balanced", default=None
        Weights of the classes, by which those of the samples are multiplied. "balanced": n_samples over the
        number of classes times that of the samples of the class, counted by their weights. None: 1.
    fit_intercept : bool, default=True
        Whether to fit an intercept: X and y are centred, sparse X without being filled in.
    scoring : str or callable, default=None
        A scorer's name or ``scorer(estimator, X, y)``, such as "accuracy", for predictions of rows that are
        left out; X is the decision function. None: minus the mean squared error of the targets.
    cv : None, "gcv", int or cross-validation splitter, default=None
        None: exact leave-one-out without `sketch_sizes`, generalized cross-validation with them. "gcv":
        generalized cross-validation. An int or a splitter: fits on folds, as scikit-learn makes them.
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
    classes_ : ndarray of shape (n_classes,)
        The labels; of several for each row, their numbers.
    is_multilabel_ : bool
        Whether y was an indicator matrix of several labels for each row.
    alpha_ : float
        The alpha of the best score.
    sketch_size_ : int or None
        The sketch size of the best score.
    best_score_ : float
        That score.
    cv_results_ : dict of ndarray
        One entry for each candidate, sketch size by sketch size: "params", "param_alpha",
        "param_sketch_size" (if there are any), "mean_test_score", "rank_test_score"; of folds
        "split0_test_score" and so on and "std_test_score"; otherwise "degrees_of_freedom", the trace of the
        matrix that maps centred targets to fitted values. See Notes for "unsketched_alpha" and
        "unsketched_score". ``pd.DataFrame(model.cv_results_)`` shows it.
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, in the dtype of the computation: float32 for float32 data, otherwise float64.
    intercept_ : float or ndarray of shape (1,) or (n_classes,)
        The intercept; 0.0 without one.
    residual_ : ndarray of shape (1,) or (n_classes,)
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
        If a parameter is of the wrong type or out of range; if X or y is not valid, they do not fit together
        or there is one class only; if no candidate has a finite score, or `max_memory` is too small. The
        estimator stays as it was.

    Warns
    -----
    ConvergenceWarning
        If the smallest alphas are below what could be told apart, or the final fit has not reached `tol`.

    See Also
    --------
    SketchedRidgeCV : The search, and what its table holds.
    SketchedRidgeClassifier : One alpha and one sketch size.

    Notes
    -----
    The cost of `SketchedRidgeCV` with as many targets as classes. Generalized cross-validation of a score
    other than the squared error is for predictions ``y - e`` with its residuals e.

    References
    ----------
    See `SketchedRidgeCV`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.linear_model import SketchedRidgeClassifierCV
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SketchedRidgeClassifierCV([10.0, 1000.0, 100000.0], scoring="accuracy").fit(X, y)
    >>> model.alpha_, round(model.best_score_, 3)
    (1000.0, 0.938)
    """

    _parameter_constraints: dict = {
        **RidgeSearch._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        alphas=(0.1, 1.0, 10.0),
        *,
        axis="samples",
        sketch="auto",
        sketch_sizes=None,
        n_sketches=1,
        class_weight=None,
        fit_intercept=True,
        scoring=None,
        cv=None,
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
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None):
        """Search, and fit the best on all rows.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data; with folds, an array or a sparse matrix. float32 is scored in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, of any kind, or an indicator matrix of several labels for each row.
        sample_weight : float or array-like of shape (n_samples,), default=None
            How much each row counts, in the fits and in the scores.

        Returns
        -------
        SketchedRidgeClassifierCV
            The fitted estimator.
        """
        return self._fit_checked(X, y, sample_weight)
