"""A search that doubles a size until that no longer pays."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import _num_samples

from sklr._sklearn_compat import insert_error_scores, report_failed_fits, score_of
from sklr.base import level_of_caller

from ._search import SketchSearchCV
from ._sharing import Kept


class GrowingSearchCV(SketchSearchCV):
    """Double a sketch size or a rank until the predicted gain of the score is below a tolerance.

    Sizes ``s_0, s_1 = 2 s_0, s_2 = 4 s_0, ...`` are evaluated by cross-validation one after the other, each
    with all candidates of a grid of other parameters. With b_k the best mean score of size s_k and
    ``g_k = b_k - b_(k-1)`` its gain, the gain of the next size is predicted as

        g_k r_k,    r_k = g_k / g_(k-1), at least 1 / factor and at most 1,

    and as 0 if g_k <= 0, g_k if there is no positive g_(k-1). That is what it is where scores follow a power
    law, ``b = b_inf - c s^(-p)`` with p from 0 to 1: the variance of a sketch falls no faster, and a gain
    that is small by chance does not end the search at once. The search ends when that is at most `tol`. No
    size above the last is fitted, and where costs grow in proportion to the size those before it cost less
    than it does.

    Parameters
    ----------
    estimator : estimator
        A pipeline, of any depth, or a single estimator.
    param_grid : dict or list of dict, default=None
        Values of other parameters by name; every size is evaluated with all of them. None: there are none.
    resource : str, default="sketch_size"
        The parameter that grows, ``"regress__sketch_size"`` of a step: a whole number.
    min_resources : int, default=32
        Its first value.
    max_resources : int, default=None
        Its last value. None: as long as it is below the larger one of n_samples and n_features, and the data
        allow it.
    factor : int, default=2
        By which it grows.
    tol : float, default=0.001
        In units of the score.
    scoring : str, callable, list, tuple or dict, default=None
        Of `SketchSearchCV`. Of several scores the one that `refit` names is to gain, or else the first one.
    n_jobs : int, default=None
        Folds that are evaluated at a time, in threads of this process.
    refit : bool, str or callable, default=True
        Of `SketchSearchCV`; it chooses among all sizes.
    cv : int, splitter or iterable, default=None
        Of `SketchSearchCV`.
    verbose : int, default=0
        Above 0, a line of progress for each size on the standard error.
    pre_dispatch : int or str, default="2*n_jobs"
        Of `SketchSearchCV`.
    error_score : "raise" or float, default=nan
        Of `SketchSearchCV`. With "raise" a size that the data do not allow is an error, too.
    return_train_score : bool, default=False
        Whether scores of the training data are computed too.

    Attributes
    ----------
    n_resources_ : list of int
        The sizes that were evaluated.
    n_iterations_ : int
        How many they are.
    gains_ : ndarray of shape (n_iterations - 1,)
        ``g_1, g_2, ...``, of sizes with a finite score.
    predicted_gain_ : float
        Of the next size; infinite after one size.
    cv_results_ : dict of ndarray
        Of `SketchSearchCV`, size by size, with "iter" and "n_resources". Times of steps that are kept count
        for each size, those of sketches that are kept for the first. After an interruption or an error it has
        the sizes that were finished, and no fitted attributes of the choice are set.
    best_estimator_ : estimator
        Refitted with the best parameters; unless ``refit=False``.
    best_params_ : dict
        Its parameters, the size included.
    best_score_ : float
        Its mean score; not where `refit` is callable.
    best_index_ : int
        Its row of `cv_results_`.
    scorer_ : callable or dict
        The scorer, or the scorers by name.
    n_splits_ : int
        Folds.
    refit_time_ : float
        Seconds of the refit.
    multimetric_ : bool
        Whether there are several scores.
    n_features_in_ : int
        Features; where the best estimator tells.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Their names; where the best estimator tells.
    classes_ : ndarray of shape (n_classes,)
        Of a classifier.

    Raises
    ------
    TypeError
        From `fit`: a size that is True or False.
    ValueError
        From `fit`: a parameter that the estimator does not have, `resource` in `param_grid`, `max_resources`
        below `min_resources`, an empty grid, or all fits of the first size failed.

    Warns
    -----
    ConvergenceWarning
        The last size was reached, or a larger one failed, or one has no finite score, before the predicted
        gain was at most `tol`.
    FitFailedWarning
        Some fits failed, with their errors.

    See Also
    --------
    SketchSearchCV : All sizes of a list, for the price of the largest.
    sklearn.model_selection.HalvingGridSearchCV : Many candidates at a small size, few at a large one.

    Notes
    -----
    *What is kept from one size to the next.* In each fold what the steps before the growing one make of the
    data; and where `fit_path` of the growing step has a parameter `reuse`, what it puts there:
    `SketchedRidge` and `SketchedRidgeClassifier` keep their prepared data and the sketched ones, of which
    only new rows are made where the family nests (Gaussian, Rademacher, sampling with replacement). Memory:
    these, for all folds, until the search is over.

    *Cost.* The fits of all candidates in all folds at each size, K sizes up to s_K. Where a fit costs in
    proportion to its size, that is less than ``factor / (factor - 1)`` times, so twice, the cost at s_K.

    *When not to use it.* Where the score has a dip before it rises: for sketched regression with an alpha
    near 0 the error has a peak where the sketch size equals the number of rows or columns (double descent).
    Begin above it, or search over alpha too. Where the largest size is known, `SketchSearchCV` over a list
    fits it once and cuts the others from it.

    Gains below the noise of the folds are noise: a `tol` far below the standard error of the mean score
    continues, or ends, by chance.

    References
    ----------
    F. Provost, D. Jensen, T. Oates, "Efficient progressive sampling", 1999, DOI 10.1145/312129.312188, for
    sizes that grow by a factor until the score no longer does.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklr.linear_model import SketchedRidgeClassifier
    >>> from sklr.model_selection import GrowingSearchCV
    >>> X, y = load_digits(return_X_y=True)
    >>> model = SketchedRidgeClassifier(alpha=10.0, sketch="gaussian", random_state=0)
    >>> search = GrowingSearchCV(model, min_resources=100, tol=0.01, cv=3).fit(X, y)
    >>> search.n_resources_
    [100, 200, 400, 800]
    >>> search.cv_results_["mean_test_score"].round(2)
    array([0.76, 0.86, 0.89, 0.89])
    >>> bool(search.predicted_gain_ < 0.01)
    True
    """

    _parameter_constraints: dict = {
        **GridSearchCV._parameter_constraints,
        "param_grid": [dict, list, None],
        "resource": [str],
        "min_resources": [Interval(Integral, 1, None, closed="left")],
        "max_resources": [Interval(Integral, 1, None, closed="left"), None],
        "factor": [Interval(Integral, 2, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator,
        param_grid=None,
        *,
        resource="sketch_size",
        min_resources=32,
        max_resources=None,
        factor=2,
        tol=0.001,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        error_score=np.nan,
        return_train_score=False,
    ):
        self.estimator = estimator
        self.param_grid = param_grid
        self.resource = resource
        self.min_resources = min_resources
        self.max_resources = max_resources
        self.factor = factor
        self.tol = tol
        self.scoring = scoring
        self.n_jobs = n_jobs
        self.refit = refit
        self.cv = cv
        self.verbose = verbose
        self.pre_dispatch = pre_dispatch
        self.error_score = error_score
        self.return_train_score = return_train_score

    def _candidates(self):
        others = list(ParameterGrid({} if self.param_grid is None else self.param_grid))
        if any(self.resource in parameters for parameters in others):
            raise ValueError(f"resource={self.resource!r} is what grows: take it out of param_grid.")
        for name in ("min_resources", "max_resources", "factor"):
            if isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a whole number, got {getattr(self, name)!r}.")
        if self.max_resources is not None and self.max_resources < self.min_resources:
            raise ValueError(
                f"max_resources={self.max_resources} is below min_resources={self.min_resources}: use a "
                "larger max_resources or a smaller min_resources."
            )
        return [parameters | {self.resource: int(self.min_resources)} for parameters in others]

    def _evaluated(self, X, y, candidates, splits, scorers, refit_metric, routed, finished):
        kept, growth = [Kept(self.resource) for _ in splits], _Growth(self.factor)
        tried, rows, end = [], [], None
        try:
            for size in self._sizes(X):
                current = [parameters | {self.resource: size} for parameters in candidates]
                found = self._round(current, X, y, splits, scorers, routed, kept)
                if all(row["fit_error"] is not None for row in found):
                    if not tried:
                        report_failed_fits(found, self.error_score)
                    end = f"{self.resource}={size} failed: {_first_line(found[0]['fit_error'])}"
                    break
                refit_metric = self._checked_metric(found, refit_metric)
                tried, rows = [*tried, (size, current)], rows + found
                growth.add(size, _best(found, len(splits), refit_metric))
                if growth.best[-1] is None:
                    end = f"{self.resource}={size} has no finite score"
                    break
                if growth.predicted_gain <= self.tol:
                    break
            else:
                end = "no larger size was allowed"
                if self.max_resources is not None:
                    end = f"max_resources={self.max_resources} is reached"
            report_failed_fits(rows, self.error_score)
        finally:
            if tried:
                finished |= self._results(tried, len(splits), rows, growth)
                vars(self).update(finished)
        if end is not None:
            self._warn_of_the_end(end)
        return rows

    def _sizes(self, X):
        """min_resources, and what follows; max_resources is the last one.

        If that is None, what no rank and no sketch of X exceeds.
        """
        size, last = int(self.min_resources), self.max_resources
        most = max([*getattr(X, "shape", ()), _num_samples(X)]) if last is None else int(last)
        while size < most or size == self.min_resources:
            yield size
            size *= int(self.factor)
        if last is not None and last > self.min_resources:
            yield int(last)

    def _round(self, candidates, X, y, splits, scorers, routed, kept):
        """The rows of one size."""
        rows = [None] * (len(candidates) * len(splits))
        blocks = [list(range(len(candidates)))]
        label = f"{self.resource}={candidates[0][self.resource]}: "
        self._fill(rows, candidates, blocks, X, y, splits, scorers, routed, kept=kept, label=label)
        return rows

    def _results(self, tried, n_splits, rows, growth):
        """The attributes of what was evaluated."""
        if callable(self.scoring):
            insert_error_scores(rows, self.error_score)
        more = {
            "iter": [k for k, (_, current) in enumerate(tried) for _ in current],
            "n_resources": [size for size, current in tried for _ in current],
        }
        return {
            "cv_results_": self._table([c for _, current in tried for c in current], n_splits, rows, more),
            "n_resources_": [size for size, _ in tried],
            "n_iterations_": len(tried),
            "gains_": np.diff([best for best in growth.best if best is not None]),
            "predicted_gain_": growth.predicted_gain,
        }

    def _warn_of_the_end(self, reason):
        larger = f"{self.resource}={self.n_resources_[-1] * self.factor}"
        outlook = f"one size does not tell what {larger} would gain"
        if np.isfinite(self.predicted_gain_):
            gain = f"{self.predicted_gain_:.3g}"
            outlook = f"{larger} is predicted to gain {gain}, more than tol={self.tol:.3g}"
        warnings.warn(
            f"{reason}, but the search has not converged: {outlook}.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )


class _Growth:
    """The best scores of the sizes so far, and what the next one is predicted to gain."""

    def __init__(self, factor):
        self._factor = factor
        self._sizes, self.best = [], []  # None: not known

    def add(self, size, best):
        self._sizes.append(size)
        self.best.append(best)

    @property
    def predicted_gain(self):
        """See `GrowingSearchCV`; after a step that is smaller than the others, in proportion to log(size)."""
        known = [(size, best) for size, best in zip(self._sizes, self.best, strict=True) if best is not None]
        if len(known) < 2:
            return np.inf
        sizes, best = (np.array(part, dtype=float) for part in zip(*known, strict=True))
        gains = np.diff(best)
        if not gains[-1] > 0:
            return 0.0
        if sizes[-1] < self._factor * sizes[-2]:
            return float(gains[-1] * np.log(self._factor) / np.log(sizes[-1] / sizes[-2]))
        before = gains[-2] if len(gains) > 1 else 0.0
        if not before > 0:
            return float(gains[-1])
        return float(gains[-1] * np.clip(gains[-1] / before, 1 / self._factor, 1))


def _best(rows, n_splits, metric):
    """The best mean score of the candidates of one size; None where none is finite."""
    scores = np.array([score_of(row["test_scores"], metric) for row in rows], dtype=float)
    means = scores.reshape(-1, n_splits).mean(axis=1)
    means = means[np.isfinite(means)]
    return float(means.max()) if means.size else None


def _first_line(traceback):
    """The error at the end of a traceback, without what follows its first line."""
    lines = traceback.strip().splitlines()
    last = max((i for i, line in enumerate(lines) if line.startswith('  File "')), default=-1)
    error = next((line for line in lines[last + 1 :] if not line.startswith(" ")), lines[-1])
    return error.rstrip(".")
