"""A search that doubles a size until that no longer pays."""

import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, ParameterGrid
from sklearn.utils._param_validation import Interval

from sklr._sklearn_compat import insert_error_scores, report_failed_fits
from sklr.base import level_of_caller

from ._paths import Kept
from ._search import SketchSearchCV


class GrowingSearchCV(SketchSearchCV):
    """Double a sketch size or a rank until the predicted gain of the score is below a tolerance.

    Sizes ``s_0, s_1 = 2 s_0, s_2 = 4 s_0, ...`` are evaluated by cross-validation one after the other, each
    with all candidates of a grid of other parameters. With b_k the best mean score of size s_k and
    ``g_k = b_k - b_(k-1)`` its gain, the gain of the next size is predicted as

        g_k min(g_k / g_(k-1), 1),    0 if g_k <= 0,    g_k if there is no positive g_(k-1),

    which is what it is where scores follow a power law, ``b = b_inf - c s^(-p)``. The search ends when that
    is at most `tol`. No size above the last is ever fitted, and the sizes before cost less than the last one.

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
        Its last value at most. None: a size that the data do not allow ends the search.
    factor : int, default=2
        By which it grows.
    tol : float, default=0.001
        In units of the score.
    scoring : str, callable, list, tuple or dict, default=None
        Of `SketchSearchCV`. Of several scores the one that `refit` names is to gain, or else the first.
    n_jobs : int, default=None
        Folds that are evaluated at a time, in threads of this process.
    refit : bool, str or callable, default=True
        Of `SketchSearchCV`; it chooses among all sizes.
    cv : int, splitter or iterable, default=None
        Of `SketchSearchCV`.
    verbose : int, default=0
        Above 0, a line of progress for each size on the standard error.
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
        ``g_1, g_2, ...``
    predicted_gain_ : float
        Of the next size; infinite after one size.
    cv_results_ : dict of ndarray
        Of `SketchSearchCV`, size by size, with "iter" and "n_resources".
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
    ValueError
        From `fit`: a parameter that the estimator does not have, `resource` in `param_grid`, `max_resources`
        below `min_resources`, an empty grid, or all fits of the first size failed.

    Warns
    -----
    ConvergenceWarning
        The last size was reached, and a larger one is predicted to gain more than `tol`.
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

    *When not to use it.* Where the score has a dip before it rises: for sketched regression with an alpha
    near 0 the error has a peak where the sketch size equals the number of rows or columns (double descent).
    Begin above it, or search over alpha too. Where the largest size is known, `SketchSearchCV` over a list
    fits it once and cuts the others from it.

    Gains below the noise of the folds are noise: a `tol` far below the standard error of the mean score
    continues, or ends, by chance.

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
    array([0.78, 0.86, 0.89, 0.89])
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
    del _parameter_constraints["pre_dispatch"]
    pre_dispatch = "2*n_jobs"

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
        self.error_score = error_score
        self.return_train_score = return_train_score

    def _candidates(self):
        others = list(ParameterGrid({} if self.param_grid is None else self.param_grid))
        if any(self.resource in parameters for parameters in others):
            raise ValueError(f"resource={self.resource!r} is what grows: take it out of param_grid.")
        if self.max_resources is not None and self.max_resources < self.min_resources:
            raise ValueError(
                f"max_resources={self.max_resources} is below min_resources={self.min_resources}."
            )
        return [parameters | {self.resource: self.min_resources} for parameters in others]

    def _evaluated(self, X, y, candidates, splits, scorers, refit_metric, routed, finished):
        kept = [Kept(self.resource) for _ in splits]
        sizes, tried, rows, best = self._sizes(), [], [], []
        for size in sizes:
            current = [parameters | {self.resource: size} for parameters in candidates]
            found = self._round(current, X, y, splits, scorers, routed, kept)
            if tried and all(row["fit_error"] is not None for row in found):
                self._warn_of_the_end(f"{self.resource}={size} failed: {_last_line(found[0])}")
                break
            report_failed_fits(found, self.error_score)
            tried, rows = [*tried, (size, current)], rows + found
            table = self._table_of(tried, len(splits), rows)
            score = self._best_of_last(table, len(candidates), refit_metric)
            if score is not None:
                best.append(score)
            finished |= {
                "cv_results_": table,
                "n_resources_": [size for size, _ in tried],
                "n_iterations_": len(tried),
                "gains_": np.diff(best),
                "predicted_gain_": _predicted_gain(best),
            }
            vars(self).update(finished)
            if score is None:
                self._warn_of_the_end(f"{self.resource}={size} has no score, because fits failed")
                break
            if self.predicted_gain_ <= self.tol:
                break
        else:
            self._warn_of_the_end(f"max_resources={self.max_resources} is reached")
        return rows

    def _sizes(self):
        """min_resources, and what follows; max_resources is the last one."""
        size = self.min_resources
        while self.max_resources is None or size < self.max_resources:
            yield size
            size *= self.factor
        yield self.max_resources

    def _round(self, candidates, X, y, splits, scorers, routed, kept):
        """The rows of one size."""
        rows = [None] * (len(candidates) * len(splits))
        blocks = [list(range(len(candidates)))]
        label = f"{self.resource}={candidates[0][self.resource]}: "
        self._fill(rows, candidates, blocks, X, y, splits, scorers, routed, kept=kept, label=label)
        return rows

    def _table_of(self, tried, n_splits, rows):
        if callable(self.scoring):
            insert_error_scores(rows, self.error_score)
        more = {
            "iter": [k for k, (_, current) in enumerate(tried) for _ in current],
            "n_resources": [size for size, current in tried for _ in current],
        }
        return self._table([c for _, current in tried for c in current], n_splits, rows, more)

    @staticmethod
    def _best_of_last(table, n_candidates, refit_metric):
        key = f"mean_test_{refit_metric}"
        if key not in table:  # of several scores none is named
            key = next(key for key in table if key.startswith("mean_test_"))
        scores = table[key][-n_candidates:]
        return None if np.isnan(scores).all() else np.nanmax(scores)

    def _warn_of_the_end(self, reason):
        larger = f"{self.resource}={self.n_resources_[-1] * self.factor}"
        if self.predicted_gain_ == np.inf:
            outlook = f"one size does not tell what {larger} would gain"
        else:
            gain = f"{self.predicted_gain_:.3g}"
            outlook = f"{larger} is predicted to gain {gain}, more than tol={self.tol:.3g}"
        warnings.warn(
            f"{reason}, but the search has not converged: {outlook}.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )


def _predicted_gain(best):
    """The gain of the next size from the best scores so far."""
    if len(best) < 2:
        return np.inf
    gain = best[-1] - best[-2]
    if not gain > 0:
        return 0.0
    before = best[-2] - best[-3] if len(best) > 2 else 0.0
    return gain * min(gain / before, 1.0) if before > 0 else gain


def _last_line(row):
    return row["fit_error"].strip().splitlines()[-1].rstrip(".")
