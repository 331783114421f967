"""Rules that choose among candidates, and the Pareto front."""

import pickle

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklr.model_selection import SketchSearchCV, pareto_front, simplest_within
from sklr.model_selection._choice import stored_numbers


def table(scores, costs, std=None, n_splits=4):
    """Results of a search over `rank`."""
    n = len(scores)
    return {
        "mean_test_score": np.array(scores, dtype=float),
        "std_test_score": np.zeros(n) if std is None else np.array(std),
        "param_rank": np.ma.array(costs, mask=[cost is None for cost in costs], dtype=object),
        "params": [{"rank": cost} for cost in costs],
        **{f"split{i}_test_score": np.array(scores, dtype=float) for i in range(n_splits)},
    }


@pytest.mark.parametrize(
    "scores, costs, tolerance, chosen",
    [
        ([0.7, 0.93, 0.94], [5, 10, 40], 0.02, 1),
        ([0.7, 0.93, 0.94], [5, 10, 40], 0, 2),
        ([0.7, 0.93, 0.94], [5, 10, 40], 1.0, 0),
        ([0.94, 0.94, 0.93], [40, 10, 5], 0, 1),
        ([0.93, 0.94, 0.94], [5, 5, 5], 0.1, 1),  # equal costs: the best score
        ([np.nan, 0.94, 0.93], [1, 40, 10], 0.1, 2),  # one that failed
        ([0.94, 0.93, 0.93], [40, None, 10], 0.1, 2),  # one of another grid
        ([-3.0, -2.5, -2.4], [1, 2, 3], 0.2, 1),  # negated losses
    ],
)
def test_simplest_within(scores, costs, tolerance, chosen):
    """A candidate that is too bad, or not the cheapest."""
    results = table(scores, costs)
    for cost in ("rank", "param_rank", lambda parameters: parameters["rank"] or np.inf):
        assert simplest_within(tolerance, cost=cost)(results) == chosen


def test_one_standard_error():
    """The standard deviation of folds in place of the error of their mean, or that of another candidate."""
    results = table([0.85, 0.88, 0.90], [1, 2, 3], std=[0.5, 0.5, 0.06])
    # .06 / sqrt(4) = .03
    assert simplest_within(cost="rank")(results) == 1
    results["mean_test_score"][1] = 0.869
    assert simplest_within(cost="rank")(results) == 2


def test_in_a_search():
    """A rule that a search does not take, or that cannot be copied and stored."""
    X, y = (part[:300] for part in load_digits(return_X_y=True))
    rule = simplest_within(0.05, cost="pca__n_components")
    assert pickle.loads(pickle.dumps(rule)) == rule and "0.05" in repr(rule)
    model = make_pipeline(PCA(svd_solver="full"), RidgeClassifier())
    for kind in (SketchSearchCV, GridSearchCV):
        search = kind(model, {"pca__n_components": [2, 10, 20, 40]}, refit=rule, cv=3).fit(X, y)
        scores = search.cv_results_["mean_test_score"]
        assert search.best_index_ == np.flatnonzero(scores >= scores.max() - 0.05)[0] < 3
    rule = simplest_within(1.0, cost="mean_stored_numbers")
    search = SketchSearchCV(model, {"pca__n_components": [40, 2, 20]}, refit=rule, cv=3).fit(X, y)
    assert search.best_params_ == {"pca__n_components": 2}
    several = SketchSearchCV(
        model,
        {"pca__n_components": [2, 10]},
        scoring=["accuracy", "f1_macro"],
        refit=simplest_within(1.0, cost="pca__n_components", metric="f1_macro"),
    ).fit(X, y)
    assert several.best_index_ == 0


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"tolerance": "1se"}, TypeError, "tolerance must be"),
        ({"tolerance": True}, TypeError, "tolerance must be"),
        ({"tolerance": -0.1}, ValueError, "not negative"),
        ({"tolerance": np.nan}, ValueError, "finite"),
        ({"cost": "rnak"}, ValueError, "no column 'param_rnak'.*'param_rank'"),
        ({"metric": "f1"}, ValueError, "no column 'mean_test_f1'"),
        ({"cost": "params"}, ValueError, "must hold numbers"),
    ],
    ids=str,
)
def test_bad_rules(arguments, error, message):
    """A rule that is wrong and chooses anything."""
    with pytest.raises(error, match=message):
        simplest_within(**arguments)(table([0.5], [1]))
    with pytest.raises(ValueError, match="No candidate has a score"):
        simplest_within(0.1, cost="rank")(table([np.nan], [1]))


def test_pareto_front():
    """A candidate that another one beats, or one that none beats left out."""
    rng = np.random.default_rng(0)
    scores, costs = rng.integers(0, 6, 40) / 10, rng.integers(0, 8, 40)
    scores[3] = np.nan
    results = table(scores, costs.tolist())
    front = pareto_front(results, cost="rank")
    beaten = [
        any(
            (scores[j] >= scores[i] and costs[j] <= costs[i])
            and (scores[j] > scores[i] or costs[j] < costs[i])
            for j in range(40)
        )
        for i in range(40)
    ]
    assert set(front) == {i for i in range(40) if not beaten[i] and np.isfinite(scores[i])}
    assert (np.diff(costs[front]) >= 0).all()
    assert pareto_front(table([np.nan], [1]), cost="rank").tolist() == []


def test_stored_numbers():
    """Parameters that are counted, or arrays of steps that are not."""
    X, y = (part[:100] for part in load_digits(return_X_y=True))
    model = make_pipeline(PCA(3), RidgeClassifier()).fit(X, y)
    pca = 3 * 64 + 64 + 3 * 3  # components, mean, variances, their shares, singular values
    assert stored_numbers(model) >= pca + 10 * 3 + 10
    assert stored_numbers(model) <= pca + 10 * 3 + 10 + 10 + 100 * 10  # classes, and what a binarizer holds
    assert stored_numbers(PCA(3)) == 0
