"""Classification by ridge regression of the labels."""

import numpy as np
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import compute_sample_weight
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sklr._validation import validate_operand, validate_weight
from sklr.base import unchanged_on_error
from sklr.linalg.plan import MAX_MEMORY

from ._base import RidgeBase


class SketchedRidgeClassifier(ClassifierMixin, RidgeBase):
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
        sketch; for many more rows than columns. "exact": LAPACK's SVD. "auto": the cheapest by predicted
        cost (`plan` shows it), and another one where that is refused; see `sklr.linalg.ridge`.
    tol : float, default=1e-8
        Relative accuracy of the coefficients in the norm of the problem, and of the minimum.
    max_iter : int, default=100
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
        The labels.
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
        **RidgeBase._parameter_constraints,
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
        max_iter=100,
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
        y : array-like of shape (n_samples,)
            Labels, of any kind.
        sample_weight : float or array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        SketchedRidgeClassifier
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X, y, sample_weight)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X, y, sample_weight):
        self._check_parameters()
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None.")
        X = validate_operand(self, X, reset=True)
        y = column_or_1d(y, warn=True)
        check_classification_targets(y)
        labels = LabelBinarizer(pos_label=1, neg_label=-1)
        Y = labels.fit_transform(y).astype(np.float64)
        if len(labels.classes_) < 2:
            raise ValueError(
                f"y has one class only, {labels.classes_[0]!r}: there is nothing to tell apart. Pass samples "
                "of at least 2 classes."
            )
        sample_weight = validate_weight(sample_weight, X.shape[0], "sample_weight")
        if self.class_weight is not None and len(y) == X.shape[0]:
            of_classes = self._class_weights(labels.classes_, y, sample_weight)
            sample_weight = of_classes if sample_weight is None else of_classes * sample_weight
        self._fit_coefficients(X, Y, sample_weight)
        self.classes_ = labels.classes_
        return self

    def _class_weights(self, classes, y, sample_weight):
        """The weight of the class of every sample."""
        if self.class_weight != "balanced":
            return compute_sample_weight(self.class_weight, y)
        # By the weights of the samples, as if these were repetitions; scikit-learn counts samples.
        codes = np.searchsorted(classes, y)
        totals = np.bincount(codes, weights=sample_weight)
        weights = np.divide(totals.sum(), len(classes) * totals, out=np.zeros(len(classes)), where=totals > 0)
        return weights[codes]

    def decision_function(self, X):
        """Return the predicted targets of rows. One pass, ``2 nnz n_targets`` flops.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One column for two classes: positive for the second one.
        """
        predicted = self._predicted(X)
        return predicted[:, 0] if len(self.classes_) == 2 else predicted

    def predict(self, X):
        """Predict the labels of rows; see `decision_function`.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Rows with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        decision = self.decision_function(X)
        chosen = (decision > 0).astype(int) if decision.ndim == 1 else decision.argmax(axis=1)
        return self.classes_[chosen]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.poor_score = self.sketch_size is not None  # which may be small
        return tags
