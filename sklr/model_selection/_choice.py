"""Choosing among candidates by score and cost."""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator

from sklr._sklearn_compat import standard_errors


def simplest_within(tolerance="one_se", *, cost="mean_fit_time", metric="score"):
    """Make a rule for `refit`: the cheapest candidate that is nearly as good as the best one.

    Among the candidates whose mean score is at least ``best - tolerance`` it takes the one of the least cost;
    of several, the one with the best score.

    Parameters
    ----------
    tolerance : "one_se" or float, default="one_se"
        How much of the score may be given up, not negative; "one_se" stands for the standard error of the
        best mean over the folds, ``std / sqrt(n_splits)``.
    cost : str or callable, default="mean_fit_time"
        What is to be small: a column of ``cv_results_`` ("mean_fit_time", "mean_score_time",
        "mean_stored_numbers"); a parameter of the grid whose values are numbers, such as
        "reduce__n_components"; or a function of the dictionary of parameters. What is missing, as for
        candidates of another grid, counts as infinite.
    metric : str, default="score"
        The name of the score, where there are several.

    Returns
    -------
    callable
        From ``cv_results_`` to the index of a candidate.

    Raises
    ------
    TypeError
        If `tolerance` is neither "one_se" nor a number.
    ValueError
        If `tolerance` is negative or not finite; when it is called, if no candidate has a score, or `cost` or
        `metric` is not among the columns.

    See Also
    --------
    pareto_front : All candidates that no other beats.

    Notes
    -----
    Times are those of one run and differ from the next, and what candidates share is counted in equal parts.
    A parameter is the safer cost where it tells the size.

    References
    ----------
    L. Breiman, J. H. Friedman, R. A. Olshen, C. J. Stone, "Classification and Regression Trees", 1984, DOI
    10.1201/9781315139470, section 3.4.3.

    Examples
    --------
    >>> from sklr.model_selection import simplest_within
    >>> rule = simplest_within(0.02, cost="param_rank")
    >>> rule({"mean_test_score": [0.70, 0.93, 0.94], "param_rank": [5, 10, 40], "params": [{}, {}, {}]})
    1
    """
    if tolerance != "one_se":
        if isinstance(tolerance, bool) or not isinstance(tolerance, Real):
            raise TypeError(f'tolerance must be "one_se" or a number, got {tolerance!r}.')
        if not 0 <= tolerance < np.inf:
            raise ValueError(f"tolerance must be finite and not negative, got {tolerance}.")
    return SimplestWithin(tolerance, cost, metric)


@dataclass(frozen=True)
class SimplestWithin:
    """See `simplest_within`."""

    tolerance: object
    cost: object
    metric: str

    def check(self, parameters, scorers):
        """Raise, before a search, for what its results will not have: a parameter, or a score."""
        if isinstance(self.cost, str) and not self.cost.startswith(("mean_", "std_", "split")):
            name = self.cost.removeprefix("param_")
            if name not in parameters:
                raise ValueError(
                    f"cost={self.cost!r} is no parameter of the grid, which has {sorted(parameters)}."
                )
        if isinstance(scorers, dict) and self.metric not in scorers:
            raise ValueError(f"metric={self.metric!r} is none of the scores, which are {sorted(scorers)}.")

    def __call__(self, results):
        scores = _column(results, f"mean_test_{self.metric}")
        if np.isnan(scores).all():
            raise ValueError("No candidate has a score: there is nothing to choose from.")
        best = int(np.nanargmax(scores))
        slack = self.tolerance
        if slack == "one_se":
            slack = np.nan_to_num(standard_errors(results, self.metric)[best])
        good = np.flatnonzero(scores >= scores[best] - slack)
        costs = costs_of(results, self.cost)[good]
        return int(good[np.lexsort((-scores[good], costs))[0]])


def pareto_front(results, *, cost="mean_fit_time", metric="score"):
    """Find the candidates that no other one beats in cost and score.

    A candidate is on the front if all others cost more, or have a lower score, or are equal in both.

    Parameters
    ----------
    results : dict
        ``cv_results_`` of a search.
    cost : str or callable, default="mean_fit_time"
        As in `simplest_within`.
    metric : str, default="score"
        The name of the score, where there are several.

    Returns
    -------
    indices : ndarray of int
        Rows of `results`, the cheapest first. Candidates without a score or a cost are left out.

    Raises
    ------
    ValueError
        If `cost` or `metric` is not among the columns.

    See Also
    --------
    simplest_within : Picks one of them.

    Examples
    --------
    >>> from sklr.model_selection import pareto_front
    >>> table = {"mean_test_score": [0.7, 0.6, 0.9, 0.9], "mean_fit_time": [1.0, 2.0, 3.0, 4.0]}
    >>> pareto_front(table)
    array([0, 2])
    """
    scores, costs = _column(results, f"mean_test_{metric}"), costs_of(results, cost)
    known = np.flatnonzero(np.isfinite(scores) & np.isfinite(costs))
    order = known[np.lexsort((-scores[known], costs[known]))]
    front, best, at = [], -np.inf, None
    for i in order:
        if scores[i] > best:
            best, at = scores[i], costs[i]
            front.append(i)
        elif scores[i] == best and costs[i] == at:
            front.append(i)
    return np.array(front, dtype=np.intp)


def stored_numbers(estimator):
    """How many numbers the arrays hold that an estimator has from its fit, those of its steps included.

    Objects other than arrays, lists of them and estimators, such as compiled trees, are not looked into.
    """
    seen = {}

    def collect(value):
        if isinstance(value, np.ndarray):
            seen[id(value)] = value.size
        elif sparse.issparse(value):
            seen[id(value)] = value.nnz
        elif isinstance(value, list | tuple):
            for part in value:
                collect(part)
        elif isinstance(value, BaseEstimator):
            parameters = value.get_params(deep=False)
            for name, part in vars(value).items():
                if name not in parameters or name in ("steps", "transformers"):
                    collect(part)

    collect(estimator)
    return sum(seen.values())


def costs_of(results, cost):
    """The cost of each candidate, float64; infinite where there is none."""
    if callable(cost):
        return np.array([float(cost(parameters)) for parameters in results["params"]])
    key = cost if cost in results or cost.startswith("param_") else f"param_{cost}"
    return np.nan_to_num(_column(results, key), nan=np.inf, posinf=np.inf)


def _column(results, key):
    if key not in results:
        raise ValueError(f"There is no column {key!r} in the results; there are {sorted(results)}.")
    values = np.ma.asarray(results[key])
    try:
        return np.ma.filled(values.astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The column {key!r} must hold numbers, got {list(values)}.") from error
