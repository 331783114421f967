"""Ridge regression for a given alpha and sketch size."""

import joblib
import numpy as np
from scipy import sparse
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

    def fit_path(self, X, y, param_dicts, sample_weight=None, *, reuse=None):
        """Yield one fitted estimator per dictionary of parameters, sharing what can be shared.

        Dictionaries that differ in `alpha`, each one number, and in `sketch_size` share the prepared data,
        the passes and, where the family of the sketches nests, the largest sketch and its Gram matrix; those
        of one sketch size also the factorisation. The estimators are those of direct fits, to `tol`.

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
        reuse : dict, default=None
            Kept between calls with the same X, y and weights, first empty: prepared data and sketches, of
            which larger ones are grown where their family nests. Those that a call does not use are dropped.

        Yields
        ------
        estimator
            A fitted one of this class for each dictionary, in their order. This one stays as it is.
        """
        wanted = [clone(self).set_params(**parameters) for parameters in param_dicts]
        is_reused, reuse = reuse is not None, {} if reuse is None else reuse
        for estimator in wanted:
            estimator._validate_params()
            estimator._check_parameters()
        kinds = [estimator._sharing_key() for estimator in wanted]
        for kind in set(reuse) - set(kinds):  # of other parameters than those of now
            del reuse[kind]
        groups = {}
        for i, estimator in enumerate(wanted):
            position = None if np.ndim(estimator.alpha) == 0 else i
            size = repr(estimator.sketch_size)  # 1 is a row, 1.0 all of them
            groups.setdefault((kinds[i], size, position), []).append(i)
        group_of = {i: group for group in groups.values() for i in group}
        fitted = {}
        for i, kind in enumerate(kinds):
            if i not in fitted:
                if kind not in reuse:
                    reuse[kind] = _Prepared(wanted[i], X, y, sample_weight)
                reuse[kind].check(X, y, sample_weight)
                sizes = [wanted[j].sketch_size for j, other in enumerate(kinds) if other == kind]
                if is_reused or len(set(map(repr, sizes))) > 1:  # else nobody would use them again
                    reuse[kind].sketch(sizes)
                fitted |= zip(group_of[i], reuse[kind].fit([wanted[j] for j in group_of[i]]), strict=True)
            yield fitted.pop(i)

    def _sharing_key(self):
        """Equal for estimators that share their data and sketches."""
        parameters = self.get_params(deep=False)
        del parameters["alpha"], parameters["sketch_size"]
        return joblib.hash(parameters)

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


class _Prepared:
    """Data, and their sketches, for estimators that differ in alpha and sketch size only."""

    def __init__(self, estimator, X, y, sample_weight):
        self._estimator = clone(estimator)
        operand, self._targets, weight = self._estimator._validated(X, y, sample_weight)
        self._attributes = {
            name: value for name, value in vars(self._estimator).items() if name.endswith("_")
        }
        self._seed = draw_seed(estimator.random_state)
        with session(estimator.n_threads):
            self._A, Y, *self._means = self._estimator._prepared(operand, self._targets, weight)
        self._Y = Y.reshape(len(Y), -1)
        self._of = operand.shape, _as_array(y), _as_array(sample_weight)
        self._on_sketches = self._estimator._on_sketches(self._A, self._Y, self._seed)

    def check(self, X, y, sample_weight):
        """Raise for data other than those that were prepared, as far as shapes and targets tell."""
        shape, targets, weight = self._of
        same = shape == tuple(np.shape(X)) and np.array_equal(targets, _as_array(y))
        if not same or not np.array_equal(weight, _as_array(sample_weight)):
            raise ValueError("reuse was filled for other X, y or weights: pass an empty dictionary.")

    def sketch(self, sizes):
        """Make the sketches of several sizes together."""
        sizes = [self._resolved(size) for size in sizes if size is not None]
        with session(self._estimator.n_threads):
            self._on_sketches.sketch(sizes)

    def fit(self, estimators):
        """Fit estimators of one sketch size, of which each has one alpha; or a single one."""
        size, n_targets = self._resolved(estimators[0].sketch_size), self._Y.shape[1]
        alphas = [np.broadcast_to(estimator._alphas(self._targets), n_targets) for estimator in estimators]
        with session(self._estimator.n_threads):
            if size is None:
                found = self._estimator._solve(self._A, self._Y, np.array(alphas), None, self._seed)
            else:
                found = self._on_sketches.solve(size, np.array(alphas))
        for i, estimator in enumerate(estimators):
            vars(estimator).update(self._attributes)
            coef = found.coef[:, i, 0] if self._targets.ndim == 1 else found.coef[:, i]
            estimator._store(found._replace(coef=coef, residual=found.residual[i]), *self._means, size)
        return estimators

    def _resolved(self, size):
        return self._estimator._resolved_size(size, self._A.shape)


def _as_array(values):
    """A copy of targets or weights as an array, dense."""
    return values.toarray() if sparse.issparse(values) else np.array(values)
