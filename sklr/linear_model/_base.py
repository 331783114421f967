"""What ridge regressors and classifiers share: parameters, preparation of the data, choice of solver."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from sklr._backend import session
from sklr._validation import validate_operand
from sklr.base import draw_seed, level_of_caller
from sklr.linalg import centered, plan_ridge, ridge, row_weighted, sketched_ridge
from sklr.linalg.plan import MAX_MEMORY
from sklr.sketch import make_sketch


class RidgeBase(BaseEstimator):
    """Ridge regression of targets on an operand."""

    _parameter_constraints: dict = {
        "alpha": [Interval(Real, 0, None, closed="left"), "array-like"],
        "axis": [StrOptions({"samples", "features"})],
        "sketch": "no_validation",  # these have remedies of their own: `_check_parameters`
        "sketch_size": "no_validation",
        "n_sketches": [Interval(Integral, 1, None, closed="left")],
        "fit_intercept": ["boolean"],
        "solver": [StrOptions({"auto", "cholesky", "eigh", "iterative", "exact"})],
        "tol": [Interval(Real, 0, 1, closed="neither")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "max_memory": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [None, Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        alpha=1.0,
        *,
        axis="samples",
        sketch="auto",
        sketch_size=None,
        n_sketches=1,
        fit_intercept=True,
        solver="auto",
        tol=1e-8,
        max_iter=100,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        self.alpha = alpha
        self.axis = axis
        self.sketch = sketch
        self.sketch_size = sketch_size
        self.n_sketches = n_sketches
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.random_state = random_state

    def _fit_coefficients(self, X, y, sample_weight):
        """Set the attributes of a regression of the array y on the operand X."""
        if y.shape[0] != X.shape[0]:
            raise ValueError(
                f"X has {X.shape[0]} rows and y has {y.shape[0]}: inconsistent numbers of samples. Pass one "
                "target for each row."
            )
        alpha = self._alphas(y)
        with session(self.n_threads):
            A, Y, x_mean, y_mean = self._prepared(X, y, sample_weight)
            solution, self.sketch_size_ = self._solve(A, Y, alpha, draw_seed(self.random_state))
        self.coef_ = np.ascontiguousarray(solution.coef.T)
        self.intercept_ = 0.0
        if self.fit_intercept:
            self.intercept_ = (y_mean - self.coef_.astype(np.float64) @ x_mean).astype(self.coef_.dtype)
        self.residual_ = solution.residual if y.ndim == 2 else float(solution.residual[0])
        self.solver_, self.n_iter_ = solution.solver, max(solution.n_iter, 1)
        if not solution.converged:
            warnings.warn(
                f"solver={solution.solver!r} has not reached tol={self.tol:.3g} after {solution.n_iter} "
                f"steps: the relative residual is {np.max(solution.residual):.2g}. Use "
                "a larger max_iter or tol, solver='exact', or scale the columns of X.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    def _predicted(self, X):
        """``X coef_^T + intercept_``, one column for each target."""
        check_is_fitted(self)
        A = validate_operand(self, X, reset=False)
        predicted = A.matmat(np.atleast_2d(self.coef_).T, n_threads=self.n_threads)
        predicted += np.asarray(self.intercept_, dtype=predicted.dtype)
        return predicted

    @_fit_context(prefer_skip_nested_validation=True)
    def plan(self, X, n_targets=1):
        """Return how `fit` would solve plain ridge regression on X, from its shape alone.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            The data; they are not read.
        n_targets : int, default=1
            Columns of y.

        Returns
        -------
        RidgePlan
            The solver, and the predicted cost of every candidate: print it.
        """
        self._check_parameters()
        if self.sketch_size is not None:
            raise ValueError("plan is for plain ridge regression: set sketch_size=None.")
        A = validate_operand(clone(self), X, reset=True)  # the clone gets the names
        return plan_ridge(
            A,
            n_targets,
            len(np.unique(self.alpha)),
            tol=self.tol,
            solver=self.solver,
            sketch_given=self._sketch_given(),
            max_memory=self.max_memory,
        )

    # -- parts ------------------------------------------------------------------------------------

    def _check_parameters(self):
        if self._sketch_given():
            make_sketch(self.sketch)
        size = self.sketch_size
        if size is None:
            if self.n_sketches > 1:
                raise ValueError(
                    f"n_sketches={self.n_sketches} needs a sketch_size: without one nothing is sketched, and "
                    "all would be the same."
                )
            return
        if isinstance(size, bool) or not isinstance(size, Real):
            raise TypeError(f"sketch_size must be an int, a float in (0, 1] or None, got {size!r}.")
        if isinstance(size, Integral):
            if size < 1:
                raise ValueError(f"sketch_size must be at least 1, got {size}.")
        elif not 0 < size <= 1:
            raise ValueError(f"sketch_size must be an int, or a float in (0, 1], got {size}.")

    def _sketch_given(self):
        return not (isinstance(self.sketch, str) and self.sketch == "auto")

    def _alphas(self, y):
        """alpha as a number, or one for each target."""
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if not np.all(np.isfinite(alpha)) or np.any(alpha < 0):
            raise ValueError(f"alpha must be finite and at least 0, got {self.alpha!r}.")
        n_targets = y.shape[1] if y.ndim == 2 else 1
        if alpha.ndim and alpha.shape not in ((1,), (n_targets,)):
            raise ValueError(
                f"alpha must be a number or have one entry for each of {n_targets} targets, got shape "
                f"{alpha.shape}. Number of targets and number of penalties do not correspond."
            )
        return np.broadcast_to(alpha, (n_targets,)) if alpha.ndim else float(alpha)

    def _prepared(self, X, y, sample_weight):
        """``(A, Y, x_mean, y_mean)``: X and y centred and weighted, and what was subtracted."""
        x_mean = y_mean = None
        A, Y = X, y
        if self.fit_intercept:
            if sample_weight is None:
                x_mean = X.column_means()
            else:
                x_mean = X.rmatmat(sample_weight[:, None])[:, 0].astype(np.float64) / sample_weight.sum()
            y_mean = np.average(y, axis=0, weights=sample_weight)
            A, Y = centered(X, x_mean), y - y_mean
        if sample_weight is not None:
            root = np.sqrt(sample_weight)
            A, Y = row_weighted(A, root), (Y.T * root).T
        return A, Y, x_mean, y_mean

    def _solve(self, A, Y, alpha, seed):
        """``(solution, sketch size)``."""
        options = {
            "solver": self.solver,
            "sketch": self.sketch,
            "tol": self.tol,
            "max_iter": self.max_iter,
            "max_memory": self.max_memory,
            "rng": seed,
        }
        if self.sketch_size is None:
            return ridge(A, Y, alpha, **options), None
        size, length = self.sketch_size, A.shape[0 if self.axis == "samples" else 1]
        if not isinstance(size, Integral):
            size = max(int(np.ceil(size * length)), 1)
        if size > length:
            raise ValueError(
                f"sketch_size={size} is larger than the {length} {self.axis}: that is no sketch. Use at most "
                f"{length}, or None."
            )
        options |= {"axis": self.axis, "n_sketches": self.n_sketches}
        return sketched_ridge(A, Y, alpha, int(size), **options), int(size)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
