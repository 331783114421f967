"""Search over the alphas and sketch sizes of a ridge regression, most of it without fitting again."""

import inspect
import warnings
from itertools import product
from numbers import Integral, Real

import numpy as np
from scipy import sparse
from scipy.stats import rankdata
from sklearn.base import BaseEstimator, RegressorMixin, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils._param_validation import StrOptions

from sklr._backend import Operand, RowChunks, Transposed, session
from sklr.base import draw_seed, level_of_caller
from sklr.linalg import generalized_cross_validation, leave_one_out
from sklr.linalg._left_out import check_room, with_columns_swept
from sklr.linalg._ridge_equations import smaller_gram
from sklr.linalg.plan import MAX_MEMORY
from sklr.sketch import CountSketch, RowSampling, make_sketch

from ._base import RidgeBase, check_alphas, check_size
from ._sketched_ridge import SketchedRidge
from ._targets import Classifier

# Of an ensemble that uses all degrees of freedom of its sketches, these do not tell how much it shrinks.
_FREE = 1e-9


class RidgeSearch(RidgeBase):
    """The alpha, and the sketch size, of the best score."""

    _parameter_constraints: dict = {
        **RidgeBase._parameter_constraints,
        "alphas": "no_validation",  # these have remedies of their own: `_check_parameters`
        "sketch_sizes": "no_validation",
        "scoring": [StrOptions(set(get_scorer_names())), callable, None],
        "cv": "no_validation",
    }
    alpha_per_target = False

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
        solver="auto",
        tol=1e-8,
        max_iter=1000,
        max_memory=MAX_MEMORY,
        n_threads=None,
        random_state=None,
    ):
        self.alphas = alphas
        self.axis = axis
        self.sketch = sketch
        self.sketch_sizes = sketch_sizes
        self.n_sketches = n_sketches
        self.fit_intercept = fit_intercept
        self.scoring = scoring
        self.cv = cv
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.max_memory = max_memory
        self.n_threads = n_threads
        self.random_state = random_state

    def _fit_operand(self, A, Y, sample_weight, X, y):
        y = y.toarray() if sparse.issparse(y) else y  # several labels for each row
        scorer = (
            check_scoring(self, scoring=self.scoring, allow_none=True) if self.scoring is not None else None
        )
        per_target = self.alpha_per_target and Y.ndim == 2
        scores = _Scores(scorer, self if is_classifier(self) else None, per_target)
        grid = _Grid(np.ravel(np.asarray(self.alphas, dtype=np.float64)), self._sizes(A))
        with session(self.n_threads):
            seed = draw_seed(self.random_state)
            prepared = self._prepared(A, Y, sample_weight)
            if self._has_folds():
                self._score_folds(grid, scores, X, y, Y, sample_weight, seed)
            else:
                self._score_left_out(grid, scores, *prepared[:2], np.asarray(y), Y, sample_weight, seed)
            grid.choose(per_target)
            solution = self._solve(*prepared[:2], grid.best_alpha, grid.best_size, seed, grid.gram)
        self._store(solution, *prepared[2:], grid.best_size)
        self.alpha_, self.best_score_ = grid.best_alpha, grid.best_score
        self.cv_results_ = grid.table()
        return grid

    # -- rows left out ----------------------------------------------------------------------------

    def _score_left_out(self, grid, scores, A, Y, y, targets, weight, seed):
        """By leave-one-out or, for sketches or where that is asked for, generalized cross-validation."""
        options = {
            "root_weight": None if weight is None else np.sqrt(weight),
            "has_intercept": self.fit_intercept,
            "max_memory": self.max_memory,
        }
        if self.sketch_sizes is None:
            per_entry = 48 if self.cv is None else 24  # the eigenvectors, or a tridiagonal form
            check_room("Leaving rows out", per_entry * min(A.shape) ** 2, self.max_memory)
            if A.shape[0] < A.shape[1]:
                A = with_columns_swept(A, self.max_memory)
            grid.gram = options["gram"] = smaller_gram(A)
        if self.sketch_sizes is None and self.cv is None:
            found = [leave_one_out(A, Y, grid.alphas, **options)]
        else:
            sizes = None if self.sketch_sizes is None else grid.sizes
            options |= {"sketch": self.sketch, "n_sketches": self.n_sketches, "rng": seed}
            found = generalized_cross_validation(A, Y, grid.alphas, sizes, **options)
        lowest = max(part.lowest_alpha for part in found)
        if lowest > grid.alphas.min():
            warnings.warn(
                f"Values of alpha below {lowest:.2g} were scored as if they were {lowest:.2g}: X has "
                "singular values that its Gram matrix cannot hold, and max_memory has no room for its SVD. "
                "Scale the columns of X, leave out these alphas, or raise max_memory.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        counts = slice(None) if weight is None else weight > 0
        left_weight = None if weight is None else weight[counts]
        left, true = targets.reshape(len(targets), -1)[counts], y[counts]
        for part in found:
            for residuals in part.residuals:
                grid.add([scores(true, left, left - residuals, left_weight)], residuals)
        grid.rows = counts
        grid.columns["degrees_of_freedom"] = np.concatenate([part.degrees_of_freedom for part in found])
        if self.sketch_sizes is not None and self.n_sketches > 1 and self.scoring is None:
            total = len(left) if weight is None else weight.sum()
            members = np.concatenate([part.member_squares for part in found]).mean(axis=1) / total
            # The error of an average of K is that of infinitely many plus a K-th of what one adds to it.
            limit = (self.n_sketches * grid.mean_scores + members) / (self.n_sketches - 1)
            grid.columns["unsketched_alpha"] = self._unsketched_alphas(grid, A)
            grid.columns["unsketched_score"] = limit

    def _unsketched_alphas(self, grid, A):
        """The alpha with which plain ridge regression is what large ensembles tend to."""
        n, dof = A.shape[1], grid.columns["degrees_of_freedom"]
        alphas, sizes = np.tile(grid.alphas, len(grid.sizes)), np.repeat(grid.sizes, len(grid.alphas))
        families = {
            size: make_sketch(self.sketch, n=n, sketch_size=size, sparse=A.container == "sparse")
            for size in grid.sizes
        }
        is_orthogonal = np.array([families[size].has_orthogonal_rows for size in sizes])
        # Not for sampling, which is not free of the data, nor where many rows of a CountSketch are empty.
        is_free = np.array(
            [
                not isinstance(families[size], RowSampling)
                and not (isinstance(families[size], CountSketch) and 8 * size > n)
                for size in sizes
            ]
        )
        kept, lost = np.where(is_orthogonal, 1 - dof / n, 1.0), 1 - dof / sizes
        return np.divide(alphas * kept, lost, out=np.full(len(dof), np.nan), where=is_free & (lost > _FREE))

    # -- folds ------------------------------------------------------------------------------------

    def _score_folds(self, grid, scores, X, y, targets, weight, seed):
        """By fitting on some rows and predicting others."""
        if isinstance(X, (RowChunks, Operand, Transposed)):
            raise TypeError(
                f"cv={self.cv!r} needs an X whose rows can be taken out, got {type(X).__name__}. Use "
                "cv=None, cv='gcv', or an array or sparse matrix."
            )
        X, y = indexable(X, y)
        model = SketchedRidge(
            axis=self.axis,
            sketch=self.sketch,
            n_sketches=self.n_sketches,
            fit_intercept=self.fit_intercept,
            solver=self.solver,
            tol=self.tol,
            max_iter=self.max_iter,
            max_memory=self.max_memory,
            n_threads=self.n_threads,
            random_state=seed,
        )
        sizes = [None] if self.sketch_sizes is None else self.sketch_sizes
        candidates = [{"sketch_size": size, "alpha": alpha} for size, alpha in product(sizes, grid.alphas)]
        found = [[] for _ in candidates]
        # Classifiers have no use for the errors of all candidates.
        keeps = not is_classifier(self)
        n_targets = targets.reshape(len(targets), -1).shape[1]
        errors = np.full((len(candidates), len(targets), n_targets), np.nan) if keeps else None
        splits = list(check_cv(self.cv, y, classifier=is_classifier(self)).split(X, y))
        if not splits or not all(len(split) == 2 and len(split[0]) and len(split[1]) for split in splits):
            raise ValueError(
                f"cv={self.cv!r} must give at least one pair of rows to fit and rows to score, none empty. "
                "An iterator is used up after one fit: pass a list."
            )
        for train, test in splits:
            seen, unseen = (None, None) if weight is None else (weight[train], weight[test])
            if weight is not None and not (seen.any() and unseen.any()):
                raise ValueError(
                    "In a fold, all rows to fit or all rows to score have weight zero. Shuffle the rows, or "
                    "use fewer folds."
                )
            path = model.fit_path(_safe_indexing(X, train), targets[train], candidates, sample_weight=seen)
            X_test, true = _safe_indexing(X, test), targets[test].reshape(len(test), -1)
            for i, fitted in enumerate(path):
                predicted = fitted.predict(X_test).reshape(true.shape)
                found[i].append(scores(_safe_indexing(y, test), true, predicted, unseen))
                if keeps:
                    errors[i, test] = true - predicted
        for i, parts in enumerate(found):
            grid.add(parts, errors[i] if keeps else None)

    # -- parameters -------------------------------------------------------------------------------

    def _has_folds(self):
        return self.cv is not None and not isinstance(self.cv, str)

    def _sizes(self, A):
        if self.sketch_sizes is None:
            return [None]
        return [self._resolved_size(size, A.shape) for size in self.sketch_sizes]

    def _check_parameters(self):
        super()._check_parameters()
        check_alphas("alphas", self.alphas)
        is_int = isinstance(self.cv, Integral) and not isinstance(self.cv, bool)
        if isinstance(self.cv, type):
            name = self.cv.__name__
            raise TypeError(
                f"cv must be None, 'gcv', an int or a splitter, got the class {name}: use {name}()."
            )
        if isinstance(self.cv, str) and self.cv != "gcv" or is_int and self.cv < 2:
            raise ValueError(f"cv must be None, 'gcv', an int of at least 2 or a splitter, got {self.cv!r}.")
        if not (self.cv is None or is_int or isinstance(self.cv, str)) and (
            isinstance(self.cv, (bool, Real))
            or not (hasattr(self.cv, "split") or hasattr(self.cv, "__iter__"))
        ):
            raise TypeError(f"cv must be None, 'gcv', an int or a splitter, got {self.cv!r}.")
        if self.sketch_sizes is None:
            if self.n_sketches > 1:
                raise ValueError(
                    f"n_sketches={self.n_sketches} needs sketch_sizes: without them nothing is sketched, and "
                    "all would be the same."
                )
            return
        if isinstance(self.sketch_sizes, (str, bytes)) or np.ndim(self.sketch_sizes) != 1:
            raise TypeError(f"sketch_sizes must be a list of sizes or None, got {self.sketch_sizes!r}.")
        if not len(self.sketch_sizes):
            raise ValueError("sketch_sizes is empty. Use None for no sketch.")
        for size in self.sketch_sizes:
            check_size("sketch_sizes", size)
        if self.axis == "samples" and not self._has_folds():
            raise ValueError(
                "axis='samples' with sketch_sizes needs an integer cv: rows that are sketched together are "
                "not left out one by one. Set cv=5, or axis='features'."
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        poor = self.sketch_sizes is not None  # of which all may be small
        for kind in (tags.regressor_tags, tags.classifier_tags):
            if kind is not None:
                kind.poor_score = poor
        return tags


class _Grid:
    """Candidates, sketch size by sketch size, with their scores and the errors of their predictions.

    `rows` are those that the errors are of.
    """

    def __init__(self, alphas, sizes):
        self.alphas, self.sizes = alphas, sizes
        self.columns, self.gram, self.rows = {}, None, slice(None)
        self._scores, self._errors = [], []

    def add(self, parts, errors):
        """Take the scores of the next candidate, on each of some parts of the rows, and its errors."""
        self._scores.append(np.array(parts, dtype=np.float64))
        self._errors.append(errors)

    @property
    def mean_scores(self):
        """The mean over targets and parts."""
        return np.array([scores.mean() for scores in self._scores])

    def choose(self, per_target):
        """Set the best candidate, the first one of equals; or the best alpha of each target."""
        scores = np.array([scores.mean(axis=0) for scores in self._scores])
        scores[np.isnan(scores)] = -np.inf
        if not per_target:
            scores = scores.mean(axis=1, keepdims=True)
        best = scores.argmax(axis=0)
        found = scores[best, np.arange(len(best))]
        if not np.isfinite(found).all():
            raise ValueError(
                "No candidate has a finite score: a row alone determines a coefficient, so that others say "
                "nothing of it, the squares of y are too large, or the scorer returned NaN. Use larger "
                "alphas, other sketch_sizes, an integer cv or another unit of y."
            )
        if per_target:
            self.best_alpha, self.best_score = self.alphas[best % len(self.alphas)], found
            self.best_errors = np.column_stack([self._errors[i][:, j] for j, i in enumerate(best)])
        else:
            self.best_alpha, self.best_score = float(self.alphas[best[0] % len(self.alphas)]), float(found[0])
            self.best_errors = self._errors[best[0]]
        self.best_size = self.sizes[best[0] // len(self.alphas)]

    def table(self):
        """What scikit-learn's searches call ``cv_results_``."""
        sizes, alphas = np.repeat(self.sizes, len(self.alphas)), np.tile(self.alphas, len(self.sizes))
        table = {"param_alpha": alphas}
        if self.sizes != [None]:
            table["param_sketch_size"] = sizes
        names = [name.removeprefix("param_") for name in table]
        table["params"] = [
            dict(zip(names, values, strict=True))
            for values in zip(*(column.tolist() for column in table.values()), strict=True)
        ]
        parts = np.array([scores.mean(axis=1) for scores in self._scores])
        if parts.shape[1] > 1:
            table |= {f"split{i}_test_score": part for i, part in enumerate(parts.T)}
            table["std_test_score"] = parts.std(axis=1)
        table["mean_test_score"] = self.mean_scores
        worst_last = np.where(np.isnan(self.mean_scores), np.inf, -self.mean_scores)
        table["rank_test_score"] = rankdata(worst_last, method="min").astype(np.int32)
        return table | self.columns


class _Scores:
    """A score, the larger the better, of predicted targets: one number, or one for each target."""

    def __init__(self, scorer, classifier, per_target):
        self._scorer, self._classifier, self._per_target = scorer, classifier, per_target
        self._takes_weight = scorer is not None and (
            hasattr(scorer, "_score_func") or "sample_weight" in inspect.signature(scorer).parameters
        )

    def __call__(self, y, targets, predicted, weight):
        """Scores for the true y, its targets and the predicted ones, both of shape (m, t)."""
        if self._scorer is None:
            return -np.average((targets - predicted) ** 2, axis=0, weights=weight)
        extra = {"sample_weight": weight} if weight is not None and self._takes_weight else {}
        if not np.isfinite(predicted).all():
            return np.full(targets.shape[1] if self._per_target else 1, np.nan)
        if self._classifier is not None:
            try:
                return [self._scorer(_Decided(self._classifier), predicted, y, **extra)]
            except AttributeError as error:
                raise ValueError(
                    f"scoring={self._scorer!r} asks for what these classifiers do not have: they have labels "
                    "and a decision function, no probabilities. Use a score of one of these."
                ) from error
        model = _Predicted()
        if self._per_target:
            return [
                self._scorer(model, predicted[:, j], targets[:, j], **extra) for j in range(targets.shape[1])
            ]
        return [self._scorer(model, predicted.reshape(np.shape(y)), y, **extra)]


class _Predicted(RegressorMixin, BaseEstimator):
    """What scorers take for a fitted regressor: X is what it predicts."""

    def predict(self, X):
        return X


class _Decided(Classifier, BaseEstimator):
    """What scorers take for a fitted classifier: X holds its predicted targets."""

    def __init__(self, classifier):
        self.classes_, self.is_multilabel_ = classifier.classes_, classifier.is_multilabel_

    def _predicted(self, X):
        return X
