"""Classification by ridge regression of the labels."""

from sklearn.utils._param_validation import StrOptions

from sklr.linalg.plan import MAX_MEMORY

from ._fixed import FixedRidge
from ._targets import Classifier


class SketchedRidgeClassifier(Classifier, FixedRidge):
    """Classifier by `SketchedRidge` on labels as numbers.

    Class c is the target 1 for its samples and -1 for others, one target for each class, or a single one
    for two classes; a row belongs to the class with the largest prediction, of two classes by its sign.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Regularisation, one for all classes or one for each (two classes are one target); at least 0.
    axis : {"samples", "features"}, default="samples"
        What `sketch_size` sketches.
    sketch : str or Distribution, default="auto"
        Distribution of the sketches: a name from `sklr.sketch.available_sketches` or an object such as
        ``SparseStack(n_blocks=8)``. Without `sketch_size`, that of ``solver="iterative"``, to which it
        restricts the choice.
    sketch_size : int, float or None, default=None
        Rows of a sketch: an int, or a float in (0, 1], the part of the axis. None: no sketch.
    n_sketches : int, default=1
        Sketches to average over; more than 1 needs `sketch_size`.
    class_weight : dict or "balanced", default=None
        Weights of the classes, by which those of the samples are multiplied. "balanced": n_samples over the
        number of classes times that of the samples of the class, counted by their weights. None: 1.
    fit_intercept : bool, default=True
        Whether to fit b_0: X and y are centred, sparse X without being filled in.
    solver : {"auto", "cholesky", "eigh", "iterative", "exact"}, default="auto"
        "cholesky": of the Gram matrix of the columns or, for fewer rows, of the rows. "eigh": its
        eigenvectors, which serve several alphas. "iterative": conjugate gradients, preconditioned by a
        sketch; for many more rows than columns, and for sparse data that are too large for a Gram
        matrix. "exact": LAPACK's SVD. "auto": the cheapest by predicted
        cost (`plan` shows it), and another one where that is refused; see `sklr.linalg.ridge`.
    tol : float, default=1e-8
        Relative accuracy of the coefficients in the norm of the problem, and of the minimum.
    max_iter : int, default=1000
        Steps of "iterative" at most; a fit that needs more warns.
    max_memory : int, default=2147483648
        Bytes beside the data that a solver may take.
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
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, in the dtype of the computation: float32 for float32 data, otherwise float64.
    intercept_ : float or ndarray of shape (1,) or (n_classes,)
        b_0; 0.0 without an intercept.
    residual_ : ndarray of shape (1,) or (n_classes,)
        Relative residual of the normal equations, ||A^T (y - A b) - alpha b|| / ||A^T y|| for A centred and
        weighted; with sketches, of the sketched ones, the largest.
    solver_ : str
        The solver that gave the coefficients.
    n_iter_ : int
        Steps of the iteration; of a direct solver, corrections, and 1 if there were none.
    sketch_size_ : int or None
        Rows of a sketch.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns of X, if it has names that are all strings.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range; if X or y is not valid, they do not fit together
        or there is one class only. The estimator stays as it was.

    See Also
    --------
    SketchedRidge : The regression.

    Notes
    -----
    The cost of a regression with as many targets as classes, of which the matrix is factored once. Squared
    errors of labels are not a likelihood: for probabilities use `sklearn.linear_model.LogisticRegression`.

    References
    ----------
    See `SketchedRidge`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.linear_model import SketchedRidgeClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SketchedRidgeClassifier(alpha=1.0).fit(X, y)
    >>> model.coef_.shape, round(model.score(X, y), 2)
    ((10, 64), 0.95)
    """

    _parameter_constraints: dict = {
        **FixedRidge._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        axis="samples",
        sketch="auto",
        sketch_size=None,
        n_sketches=1,
        class_weight=None,
        fit_intercept=True,
        solver="auto",
        tol=1e-8,
        max_iter=1000,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        super().__init__(
            alpha,
            axis=axis,
            sketch=sketch,
            sketch_size=sketch_size,
            n_sketches=n_sketches,
            fit_intercept=fit_intercept,
            solver=solver,
            tol=tol,
            max_iter=max_iter,
            max_memory=max_memory,
            n_threads=n_threads,
            random_state=random_state,
        )
        self.class_weight = class_weight

    def fit(self, X, y, sample_weight=None):
        """Fit the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. float32 is computed in float32, integers in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Labels, of any kind, or an indicator matrix of several labels for each row.
        sample_weight : float or array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        SketchedRidgeClassifier
            The fitted estimator.
        """
        return self._fit_checked(X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.sketch_size is not None  # which may be small
        return tags
