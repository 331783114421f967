"""Truncated SVD and principal components, with a certificate."""

import sys
import warnings
from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
    clone,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_array, check_is_fitted

from sklr._backend import as_operand, session
from sklr._validation import validate_operand
from sklr.base import draw_seed, unchanged_on_error
from sklr.linalg import centered, plan_low_rank, relative_error, truncated_svd
from sklr.sketch import make_sketch

# Whose lines a warning does not point to.
_LIBRARIES = ("sklr", "sklearn", "joblib")


class RandomizedLowRank(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Truncated SVD (``center=False``) or principal components (``center=True``) of a large matrix.

    Finds orthonormal rows V^T, `components_`, so that

        A_hat = A V V^T,    A = X - 1 mean_^T (center=True)    or    A = X,

    is close to the best approximation of rank ``k = n_components``: the excess error
    ||A - A_hat||_F / ||A - A_k||_F - 1 is rounding error for the solvers "gram" and "exact",
    and typically below 1e-3 for "krylov". Every fit reports the relative error that it has, in
    `error_estimate_`.

    Replaces `sklearn.decomposition.TruncatedSVD`, and with ``center=True`` `PCA`: sparse data are centred
    without being filled in, memory-mapped and chunked data are read tile by tile.

    Parameters
    ----------
    n_components : int, default=2
        Rank k, at least 1. More than min(n_samples, n_features) is clipped, with a warning.
    n_oversamples : int, default=10
        Columns of the Krylov basis beyond k; looked at by "krylov" only, and at least 0.
    sketch : str or Distribution, default="auto"
        Distribution of the random start block of "krylov": a name from `sklr.sketch.available_sketches` or an
        object such as ``SparseStack(n_blocks=8)``. Anything but "auto" restricts ``solver="auto"`` to
        solvers that sketch.
    center : bool, default=False
        Whether to subtract the column means first.
    solver : {"auto", "gram", "krylov", "exact"}, default="auto"
        "gram": eigenvectors of A^T A or A A^T, whichever is smaller. "krylov": block Krylov iteration.
        "exact": LAPACK's SVD of the dense matrix. "auto": the cheapest by predicted cost (`plan` shows the
        prediction).
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The fitted attributes have the same
        bits on any number of threads, for equal values in equal containers (Notes).
    random_state : int, RandomState instance or None, default=None
        Where the start block comes from; an int for reproducible results.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_features)
        V^T. In each row the entry of largest magnitude is positive.
    singular_values_ : ndarray of shape (n_components,)
        Singular values of A_hat, descending.
    mean_ : ndarray of shape (n_features,)
        Column means; only with ``center=True``.
    error_estimate_ : float
        Estimate of ||A - A_hat||_F / ||A||_F; see `sklr.linalg.relative_error`.
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

    See Also
    --------
    sklr.linalg.truncated_svd : The function behind it.

    Notes
    -----
    With (m, n) the shape, q = min(m, n), p = max(m, n), b the block size and nnz the entries:

    ========  =====================================  ============================  ==================
    solver    flops                                  passes                        memory
    ========  =====================================  ============================  ==================
    gram      p q^2 + 4/3 q^3                        1 (m < n: 2)                  3 q^2
    krylov    4 nnz b passes + 8 q b^2 passes^2      about k/b + 6 (m < n: + 2)    3 q b passes
    exact     6 p q^2 + 16 q^3                       1                             3 p q
    ========  =====================================  ============================  ==================

    and one pass for the means, one for the error estimate where it is below 1e-6. `transform` takes one pass.
    With m < n and data of which only rows can be swept, chunks and mapped arrays in C order, "krylov" has n
    in place of q and not the two more passes. "gram" and "krylov" sweep sparse data along rows if m >= n and
    along columns if m < n: CSC in the first case and CSR in the second are converted once, which is one more
    pass and a copy of the data.

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
    """

    _parameter_constraints: dict = {
        "n_components": "no_validation",  # these two have remedies of their own: `_check_parameters`
        "n_oversamples": [Interval(Integral, 0, None, closed="left")],
        "sketch": "no_validation",
        "center": ["boolean"],
        "solver": [StrOptions({"auto", "gram", "krylov", "exact"})],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components=2,
        *,
        n_oversamples=10,
        sketch="auto",
        center=False,
        solver="auto",
        n_threads=None,
        random_state=None,
    ):
        self.n_components = n_components
        self.n_oversamples = n_oversamples
        self.sketch = sketch
        self.center = center
        self.solver = solver
        self.n_threads = n_threads
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find the components of X.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data. float32 is computed in float32, integers in float64. Operands are those of
            `sklr.linalg.as_operand`, `row_weighted` and so on.
        y : Ignored
            Present for the interface.

        Returns
        -------
        RandomizedLowRank
            The fitted estimator.
        """
        with unchanged_on_error(self):
            return self._fit(X)

    @_fit_context(prefer_skip_nested_validation=True)
    def _fit(self, X):
        self._check_parameters()
        A = validate_operand(self, X, reset=True)
        self._plan(A)  # what cannot be done is refused before the first pass
        passes_before = A.n_passes
        with session(self.n_threads):
            rank = self._clipped_rank(A)
            mean = None
            if self.center:
                mean = A.column_means()
                A = centered(A, mean)
            seed = draw_seed(self.random_state)
            result = truncated_svd(
                A,
                rank,
                solver=self.solver,
                sketch=self.sketch,
                n_oversamples=self.n_oversamples,
                rng=seed,
            )
            Vt = _with_positive_peaks(result.right_vectors)
            error = relative_error(
                A, Vt, captured=result.captured, squared_norm=result.squared_norm, rng=seed
            )
        self.components_ = Vt
        self.singular_values_ = result.singular_values
        if mean is not None:
            self.mean_ = mean.astype(A.dtype, copy=False)
        else:
            vars(self).pop("mean_", None)
        self.error_estimate_ = error
        self.n_passes_ = A.n_passes - passes_before
        self.solver_ = result.solver
        return self

    def fit_transform(self, X, y=None):
        """Fit to X and return ``transform(X)``: the same numbers as the two calls.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data.
        y : Ignored
            Present for the interface.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            The coordinates A V.
        """
        return self.fit(X).transform(X)

    def transform(self, X):
        """Return the coordinates A V of the rows of X. One pass, ``2 nnz k`` flops.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Data with the features that were fitted.

        Returns
        -------
        ndarray of shape (n_samples, n_components)
            float32 for float32 data, otherwise float64.
        """
        check_is_fitted(self)
        A = validate_operand(self, X, reset=False)
        if hasattr(self, "mean_"):
            A = centered(A, self.mean_)
        return A.matmat(self.components_.T, n_threads=self.n_threads)

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
        rows = as_operand(Z).matmat(self.components_, n_threads=self.n_threads)
        if hasattr(self, "mean_"):
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
        return self._plan(validate_operand(clone(self), X, reset=True))  # the clone gets the feature names

    def _check_parameters(self):
        """What scikit-learn's constraints cannot say, or say without the remedy."""
        if not isinstance(self.n_components, Integral) or isinstance(self.n_components, bool):
            raise TypeError(
                f"n_components must be an int, got {self.n_components!r}. A fraction of the variance, 'auto' "
                "or None cannot be asked for: pass an int, the rank."
            )
        if self.n_components < 1:
            raise ValueError(f"n_components must be at least 1, got {self.n_components}.")
        if isinstance(self.n_oversamples, bool):  # an Integral, which scikit-learn lets pass
            raise TypeError(f"n_oversamples must be an int, got {self.n_oversamples!r}.")
        if self._sketch_given():
            make_sketch(self.sketch)

    def _sketch_given(self):
        return not (isinstance(self.sketch, str) and self.sketch == "auto")

    def _plan(self, A):
        return plan_low_rank(
            A,
            min(self.n_components, *A.shape),
            solver=self.solver,
            sketch_given=self._sketch_given(),
            n_oversamples=self.n_oversamples,
        )

    def _clipped_rank(self, A):
        if self.n_components > min(A.shape):
            warnings.warn(
                f"n_components={self.n_components} is larger than min(n_samples, n_features)={min(A.shape)} "
                f"and has been clipped to it.",
                UserWarning,
                stacklevel=_level_of_caller(),
            )
        return min(self.n_components, *A.shape)

    @property
    def _n_features_out(self):
        return self.components_.shape[0]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "components_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _level_of_caller():
    """The stack level, for a warning raised by the calling function, of the line that called sklr.

    Counted, not fixed: `fit` is called by `fit_transform`, by pipelines and by searches too.
    """
    level, frame = 1, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] in _LIBRARIES:
        level, frame = level + 1, frame.f_back
    return level


def _with_positive_peaks(Vt):
    """Flip rows so that the entry of largest magnitude is positive: scikit-learn's v-based rule."""
    peaks = Vt[np.arange(Vt.shape[0]), np.argmax(np.abs(Vt), axis=1)]
    return Vt * np.where(peaks < 0, -1, 1).astype(Vt.dtype)[:, None]
