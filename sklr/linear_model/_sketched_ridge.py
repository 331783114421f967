"""Ridge regression, exact to a tolerance or sketched."""

from ._fixed import FixedRidge
from ._targets import Regressor


class SketchedRidge(Regressor, FixedRidge):
    """Linear least squares with l2 regularisation, on all data or on a sketch of them.

    Without `sketch_size` it is ridge regression: with weights w_i (1 if none are given) it minimises

        sum_i w_i ||y_i - B^T x_i - b_0||^2 + alpha ||B||_F^2,

    by the cheapest solver that reaches `tol`. With it, the sketched estimator is what is fitted, an average
    over `n_sketches` sketches S with ``E[S^T S] = I``. For X and y centred and weighted,

        axis="samples":     beta = argmin_b ||S (y - X b)||^2 + alpha ||b||^2
        axis="features":    beta = S^T argmin_c ||y - X S^T c||^2 + alpha ||c||^2,

    of least norm where alpha = 0. `alpha`, `axis`, `sketch`, `sketch_size` and `n_sketches` define the
    estimator; `solver`, `tol`, `max_iter`, `max_memory` and `n_threads` do not change its answer beyond
    `tol`.

    Parameters
    ----------
    alpha : float or array-like of shape (n_targets,), default=1.0
        Regularisation, one for all targets or one for each; at least 0. 0 is least squares, of least norm
        where there are several ("ridgeless").
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
    coef_ : ndarray of shape (n_features,) or (n_targets, n_features)
        Coefficients, in the dtype of the computation: float32 for float32 data, otherwise float64.
    intercept_ : float or ndarray of shape (n_targets,)
        b_0; 0.0 without an intercept.
    residual_ : float or ndarray of shape (n_targets,)
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
        If a parameter is of the wrong type or out of range; if X or y holds NaN or infinity or they do not
        fit together. The estimator stays as it was.

    See Also
    --------
    sklearn.linear_model.Ridge : The same without sketches, iterative solvers to a tolerance or threads.

    Notes
    -----
    Cost: for m rows, n columns, q the smaller and p the larger of them, ``p q^2`` flops for "cholesky" and a
    few passes; "iterative" two products per step. See `sklr.linalg.ridge` and `sklr.linalg.sketched_ridge`.

    Do not sketch for speed alone: on tall data with few columns the Gram matrix is cheaper than a sketch that
    loses nothing. Sketches of the samples pay where the full sample overfits (n_samples slightly above
    n_features), of the features where their size is tuned in place of `alpha`.

    References
    ----------
    P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
    tuning", 2023, arXiv:2310.04357. X. Chen, Y. Zeng, S. Yang and Q. Sun, "Sketched Ridgeless Linear
    Regression: The Role of Downsampling", 2023, arXiv:2302.01088. E. N. Epperly, M. Meier and Y. Nakatsukasa,
    "Fast randomized least-squares solvers can be just as accurate and stable as classical direct solvers",
    2024, arXiv:2406.03468.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklr.linear_model import SketchedRidge
    >>> X, y = load_diabetes(return_X_y=True)
    >>> model = SketchedRidge(alpha=0.1).fit(X, y)
    >>> model.solver_, round(model.score(X, y), 3), bool(model.residual_ < 1e-8)
    ('exact', 0.513, True)
    >>> sketched = SketchedRidge(alpha=0.1, sketch_size=100, n_sketches=10, random_state=0).fit(X, y)
    >>> sketched.coef_.shape, round(sketched.score(X, y), 2)
    ((10,), 0.51)
    """

    def fit(self, X, y, sample_weight=None):
        """Fit the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. float32 is computed in float32, integers in float64.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets.
        sample_weight : float or array-like of shape (n_samples,), default=None
            How much each row counts.

        Returns
        -------
        SketchedRidge
            The fitted estimator.
        """
        return self._fit_checked(X, y, sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = self.sketch_size is not None  # which may be small
        return tags
