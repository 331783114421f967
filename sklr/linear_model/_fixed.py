"""Ridge regression for a given alpha and sketch size."""

import joblib
import numpy as np
from sklearn.base import _fit_context, clone

from sklr._backend import session
from sklr._validation import validate_operand
from sklr.base import draw_seed
from sklr.linalg import plan_ridge
from sklr.linalg.plan import MAX_MEMORY

from ._base import RidgeBase, check_alphas, check_size


class FixedRidge(RidgeBase):
    """One alpha, or one for each target, and one sketch size."""

    _parameter_constraints: dict = {
        **RidgeBase._parameter_constraints,
        "alpha": "no_validation",  # as sketch
        "sketch_size": "no_validation",
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
        max_iter=1000,
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

    def _fit_operand(self, A, Y, sample_weight, X, y):
        alpha = self._alphas(Y)
        size = self._resolved_size(self.sketch_size, A.shape)
        with session(self.n_threads):
            A, Y, x_mean, y_mean = self._prepared(A, Y, sample_weight)
            solution = self._solve(A, Y, alpha, size, draw_seed(self.random_state))
        self._store(solution, x_mean, y_mean, size)

    def fit_path(self, X, y, param_dicts, sample_weight=None):
        """Yield one fitted estimator per dictionary of parameters, sharing what can be shared.

        Dictionaries that differ in `alpha` only, each one number, share the sketches and the factorisation.
        The estimators are those of direct fits, to `tol`.

        Parameters
        ----------
        X : {array-like, sparse matrix, np.memmap, RowChunks, operand} of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            Targets, or labels of shape (n_samples,).
        param_dicts : iterable of dict
            Parameters of each estimator; what is not in it is as in this one.
        sample_weight : float or array-like of shape (n_samples,), default=None
            How much each row counts.

        Yields
        ------
        estimator
            A fitted one of this class for each dictionary, in their order. This one stays as it is.
        """
        wanted = [clone(self).set_params(**parameters) for parameters in param_dicts]
        for estimator in wanted:
            estimator._validate_params()
            estimator._check_parameters()
        groups = {}
        for i, estimator in enumerate(wanted):
            groups.setdefault(estimator._sharing_key(i), []).append(i)
        group_of = {i: group for group in groups.values() for i in group}
        fitted = {}
        for i in range(len(wanted)):
            if i not in fitted:
                group = group_of[i]
                fitted.update(
                    zip(group, _fitted_together([wanted[j] for j in group], X, y, sample_weight), strict=True)
                )
            yield fitted.pop(i)

    def _sharing_key(self, position):
        """Equal for estimators that one factorisation serves."""
        parameters = self.get_params(deep=False)
        alpha = parameters.pop("alpha")
        return joblib.hash((parameters, None if np.ndim(alpha) == 0 else position))

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
        if np.size(self.alpha) not in (1, n_targets):
            raise ValueError(
                f"alpha has {np.size(self.alpha)} entries: pass n_targets={np.size(self.alpha)}."
            )
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
        super()._check_parameters()
        check_alphas("alpha", self.alpha)
        if self.sketch_size is not None:
            check_size("sketch_size", self.sketch_size)
        elif self.n_sketches > 1:
            raise ValueError(
                f"n_sketches={self.n_sketches} needs a sketch_size: without one nothing is sketched, and "
                "all would be the same."
            )

    def _alphas(self, Y):
        """alpha as a number, or one for each target."""
        alpha = np.asarray(self.alpha, dtype=np.float64)
        n_targets = Y.shape[1] if Y.ndim == 2 else 1
        if alpha.ndim and alpha.shape not in ((1,), (n_targets,)):
            raise ValueError(
                f"alpha must be a number or have one entry for each of {n_targets} targets, got shape "
                f"{alpha.shape}. Number of targets and number of penalties do not correspond."
            )
        return np.broadcast_to(alpha, (n_targets,)) if alpha.ndim else float(alpha)


def _fitted_together(estimators, X, y, sample_weight):
    """Fit estimators that differ in alpha only: their targets are solved for as if they were one's."""
    first = estimators[0]
    A, Y, weight = first._validated(X, y, sample_weight)
    for other in estimators[1:]:
        vars(other).update({name: value for name, value in vars(first).items() if name.endswith("_")})
    size = first._resolved_size(first.sketch_size, A.shape)
    alphas = [estimator._alphas(Y) for estimator in estimators]
    n_targets = 1 if Y.ndim == 1 else Y.shape[1]
    with session(first.n_threads):
        A, Y, x_mean, y_mean = first._prepared(A, Y, weight)
        copies = np.tile(Y.reshape(len(Y), -1), len(estimators))
        seed = draw_seed(first.random_state)
        alpha = np.concatenate([np.broadcast_to(alpha, n_targets) for alpha in alphas])
        solution = first._solve(A, copies, alpha, size, seed)
    for i, estimator in enumerate(estimators):
        mine = slice(i * n_targets, (i + 1) * n_targets)
        coef = solution.coef[:, mine]
        part = solution._replace(
            coef=coef[:, 0] if Y.ndim == 1 else coef,
            residual=solution.residual[mine],
        )
        estimator._store(part, x_mean, y_mean, size)
    return estimators
