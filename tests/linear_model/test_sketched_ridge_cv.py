"""SketchedRidgeCV against RidgeCV, GridSearchCV and leaving rows out by hand; fit_path; intervals."""

import pickle
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.metrics import make_scorer, median_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from sklr.linalg import RowChunks, as_operand, ridge_solvers
from sklr.linear_model import SketchedRidge, SketchedRidgeClassifier, SketchedRidgeCV, _base
from sklr.sketch import SRTT, Gaussian, SparseStack

M, N, T = 60, 8, 3
ALPHAS = (0.1, 1.0, 10.0, 100.0, 1000.0)

# Rows that are sketched together have no weights of their own.
WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a sketch of the samples depends on their number"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks(
    [
        SketchedRidgeCV(),
        SketchedRidgeCV(cv="gcv"),
        SketchedRidgeCV(cv=3),
        SketchedRidgeCV(axis="features", sketch_sizes=[0.5, 1.0], n_sketches=2),
        SketchedRidgeCV(sketch_sizes=[0.5, 0.9], cv=3),
    ],
    expected_failed_checks=lambda model: WEIGHTS if model.sketch_sizes and model.axis == "samples" else {},
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a regressor."""
    check(estimator)


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """The references are small products, which BLAS's own threads make slow on a busy machine."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def data():
    """``(X, Y, weight)`` with means that are not zero; the targets ask for different alphas."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N)) + 3
    Y = X @ rng.standard_normal((N, T)) * [1, 0.3, 0.03] + [1, 2, 1] * rng.standard_normal((M, T)) + 5
    weight = rng.uniform(0.2, 3, M)
    weight[::7] = 0
    return X, Y, weight


FORMS = {
    "dense": np.asarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "frame": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
    "float32": lambda X: X.astype(np.float32),
}


def left_out(X, y, alpha, weight=None, fit_intercept=True):
    """Predictions of scikit-learn's Ridge for every row that has a weight, fitted without it."""
    weight = np.ones(len(X)) if weight is None else weight
    kept = np.flatnonzero(weight)
    predictions = []
    for i in kept:
        rest = kept[kept != i]
        model = Ridge(alpha, fit_intercept=fit_intercept, solver="svd").fit(X[rest], y[rest], weight[rest])
        predictions.append(model.predict(X[i : i + 1])[0])
    return np.array(predictions)


# -- leave-one-out ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("form", FORMS)
def test_equals_scikit_learns_ridge_cv(form, shape, fit_intercept, data):
    """Another alpha, score or fit than RidgeCV's, for one target or many."""
    X, Y, _ = data
    X = X if shape == "tall" else np.hstack([X, np.random.default_rng(1).standard_normal((M, 70))])
    if form == "chunks" and shape == "wide":
        pytest.skip("chunks of rows cannot be swept by columns")
    if form == "float32":
        X = X.astype(np.float32).astype(np.float64)
    for y in (Y, Y[:, 0]):
        model = SketchedRidgeCV(ALPHAS, fit_intercept=fit_intercept).fit(FORMS[form](X), y)
        peer = RidgeCV(ALPHAS, fit_intercept=fit_intercept, store_cv_results=True).fit(X, y)
        assert model.alpha_ == peer.alpha_ and isinstance(model.alpha_, float)
        tol = 1e-4 if form == "float32" else 1e-7  # where means are rounded to float32
        assert model.best_score_ == pytest.approx(peer.best_score_, rel=tol / 10)
        scores = -peer.cv_results_.reshape(-1, len(ALPHAS)).mean(axis=0)
        np.testing.assert_allclose(model.cv_results_["mean_test_score"], scores, rtol=tol / 10)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=tol)
        np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=tol)
        np.testing.assert_allclose(model.predict(FORMS[form](X)), peer.predict(X), atol=10 * tol)
        assert model.coef_.dtype == (np.float32 if form == "float32" else np.float64)
        residuals = y - left_out(X, y, model.alpha_, fit_intercept=fit_intercept)
        np.testing.assert_allclose(model.cv_residuals_, residuals, atol=tol / 10)
        assert model.sketch_size_ is None


@pytest.mark.parametrize("weight", ["positive", "some zero"])
def test_weights(weight, data):
    """RidgeCV divides weighted squares by the number of rows; a mean divides by the sum of the weights."""
    X, Y, weights = data
    weights = weights + 0.1 * (weight == "positive")
    for y in (Y, Y[:, 0]):
        model = SketchedRidgeCV(ALPHAS).fit(X, y, sample_weight=weights)
        peer = RidgeCV(ALPHAS).fit(X, y, sample_weight=weights)
        assert model.alpha_ == peer.alpha_
        assert model.best_score_ * weights.sum() == pytest.approx(peer.best_score_ * M, rel=1e-8)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)
        kept = weights > 0
        expected = y[kept] - left_out(X, y, model.alpha_, weights)
        np.testing.assert_allclose(model.cv_residuals_[kept], expected, atol=1e-7)
        assert np.isnan(model.cv_residuals_[~kept]).all()
        mean = np.average(expected**2, axis=0, weights=weights[kept]).mean()
        assert model.best_score_ == pytest.approx(-mean)


def test_rows_of_weight_zero_do_not_count(data):
    """Degrees of freedom, scores or residuals of rows that are not there."""
    X, Y, weight = data
    kept = weight > 0
    for cv in (None, "gcv"):
        some = SketchedRidgeCV(ALPHAS, cv=cv).fit(X, Y, sample_weight=weight)
        others = SketchedRidgeCV(ALPHAS, cv=cv).fit(X[kept], Y[kept], sample_weight=weight[kept])
        for name in ("mean_test_score", "degrees_of_freedom"):
            np.testing.assert_allclose(some.cv_results_[name], others.cv_results_[name], rtol=1e-9)
        np.testing.assert_allclose(some.coef_, others.coef_, atol=1e-9)


def test_an_alpha_for_each_target(data):
    """One that is taken for all, or a score or residuals of another target's."""
    X, Y, _ = data
    for scoring in (None, "neg_mean_absolute_error"):
        model = SketchedRidgeCV(ALPHAS, alpha_per_target=True, scoring=scoring).fit(X, Y)
        peer = RidgeCV(ALPHAS, alpha_per_target=True, scoring=scoring).fit(X, Y)
        assert len(set(peer.alpha_)) > 1  # or the test shows nothing
        np.testing.assert_array_equal(model.alpha_, peer.alpha_)
        np.testing.assert_allclose(model.best_score_, peer.best_score_, rtol=1e-8)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)
        for j, alpha in enumerate(model.alpha_):
            expected = Y[:, j] - left_out(X, Y[:, j], alpha)
            np.testing.assert_allclose(model.cv_residuals_[:, j], expected, atol=1e-7)
    assert SketchedRidgeCV(alpha_per_target=True, cv="gcv").fit(X, Y).alpha_.shape == (T,)


SCORERS = ["neg_mean_absolute_error", "r2", make_scorer(median_absolute_error, greater_is_better=False)]


@pytest.mark.parametrize("scoring", SCORERS, ids=["mae", "r2", "object"])
def test_scorers(scoring, data):
    """Predictions without the mean of y, or a loss that is maximised."""
    X, Y, _ = data
    for y in (Y, Y[:, 0]):
        model = SketchedRidgeCV(ALPHAS, scoring=scoring).fit(X, y)
        peer = RidgeCV(ALPHAS, scoring=scoring).fit(X, y)
        assert model.alpha_ == peer.alpha_
        assert model.best_score_ == pytest.approx(peer.best_score_, rel=1e-8)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)


def test_scorers_get_the_weights(data):
    """A weighted fit that is chosen by an unweighted score."""
    X, Y, weight = data
    kept, y = weight > 0, Y[:, 1]
    model = SketchedRidgeCV(ALPHAS, scoring="neg_mean_absolute_error").fit(X, y, sample_weight=weight)
    misses = [np.abs(y[kept] - left_out(X, y, alpha, weight)) for alpha in ALPHAS]
    expected = [-np.average(miss, weights=weight[kept]) for miss in misses]
    np.testing.assert_allclose(model.cv_results_["mean_test_score"], expected, rtol=1e-8)
    folds = SketchedRidgeCV(ALPHAS, scoring="neg_mean_absolute_error", cv=KFold(3))
    folds.fit(X, y, sample_weight=weight)
    for k, (train, test) in enumerate(KFold(3).split(X)):
        for alpha, found in zip(ALPHAS, folds.cv_results_[f"split{k}_test_score"], strict=True):
            ridge = Ridge(alpha).fit(X[train], y[train], sample_weight=weight[train])
            miss = np.abs(y[test] - ridge.predict(X[test]))
            assert found == pytest.approx(-np.average(miss, weights=weight[test]), rel=1e-7)


def test_one_alpha_and_integers(data):
    """A number that is taken for a list, or integers that are divided as such."""
    X, Y, _ = data
    assert SketchedRidgeCV(2).fit(X, Y).alpha_ == 2.0
    np.testing.assert_allclose(SketchedRidgeCV([1, 10]).fit(X, Y).coef_, RidgeCV([1, 10]).fit(X, Y).coef_)


def test_alphas_that_cannot_be_told_apart():
    """Scores of rounding errors without a word, where there is no room for singular values."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6)) * np.geomspace(1, 1e-9, 6)
    y = rng.standard_normal(60)
    with pytest.warns(ConvergenceWarning, match="Values of alpha below .* were scored as if .*max_memory"):
        SketchedRidgeCV([0.0, 1.0], fit_intercept=False, max_memory=5000).fit(X, y)


# -- generalized cross-validation ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_gcv(shape, data):
    """A leverage without that of the intercept."""
    X, Y, _ = data
    X = X if shape == "tall" else np.hstack([X, np.random.default_rng(1).standard_normal((M, 70))])
    model = SketchedRidgeCV(ALPHAS, cv="gcv").fit(X, Y)
    scores, centred = [], X - X.mean(axis=0)
    for alpha in ALPHAS:
        L = centred @ np.linalg.solve(centred.T @ centred + alpha * np.eye(X.shape[1]), centred.T) + 1 / M
        scores.append(-np.mean(((Y - L @ Y) / (1 - np.trace(L) / M)) ** 2))
    np.testing.assert_allclose(model.cv_results_["mean_test_score"], scores, rtol=1e-8)
    assert model.alpha_ == ALPHAS[np.argmax(scores)]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sketch", ["gaussian", "sparse_stack", "srtt", "auto"])
@pytest.mark.parametrize("form", ["dense", "csr", "csc", "chunks", "float32"])
def test_sketched_features(form, sketch, weighted, data):
    """Sketches, sizes or weights of the scores that are not those of the fit."""
    X, Y, weight = data
    X, weight = FORMS[form](X), weight if weighted else None
    parameters = {"axis": "features", "sketch": sketch, "n_sketches": 3, "random_state": 5}
    model = SketchedRidgeCV(ALPHAS, sketch_sizes=[0.5, 7], **parameters)
    model.fit(X, Y, sample_weight=weight)
    peer = SketchedRidge(model.alpha_, sketch_size=model.sketch_size_, **parameters)
    peer.fit(X, Y, sample_weight=weight)
    np.testing.assert_array_equal(model.coef_, peer.coef_)
    np.testing.assert_array_equal(model.intercept_, peer.intercept_)
    # The residuals are those of the fit, in one proportion to all.
    rows = slice(None) if weight is None else weight > 0
    fitted = (Y - peer.predict(X))[rows]
    ratio = model.cv_residuals_[rows] / fitted
    best = int(np.argmax(model.cv_results_["mean_test_score"]))
    n = len(fitted)
    expected = n / (n - 1 - model.cv_results_["degrees_of_freedom"][best])
    np.testing.assert_allclose(ratio, expected, rtol=1e-2 if form == "float32" else 1e-5)
    score = np.average(
        model.cv_residuals_[rows] ** 2, axis=0, weights=None if weight is None else weight[rows]
    )
    assert model.best_score_ == pytest.approx(-score.mean())


def test_the_limit_of_an_ensemble(data):
    """R = (K R_K - R_1) / (K - 1), and the alpha of plain ridge regression that has this error."""
    X, Y, weight = data
    parameters = {"axis": "features", "sketch_sizes": [3, 6], "n_sketches": 4, "random_state": 0}
    for sketch in (Gaussian(), SRTT()):
        model = SketchedRidgeCV(ALPHAS, sketch=sketch, **parameters).fit(X, Y, sample_weight=weight)
        table = model.cv_results_
        f, d, alpha = (table[name] for name in ("degrees_of_freedom", "param_sketch_size", "param_alpha"))
        shrunk = alpha / (1 - f / d) * (1 - f / N if sketch == SRTT() else 1)
        np.testing.assert_allclose(table["unsketched_alpha"], shrunk)
        assert np.all(table["unsketched_score"] > table["mean_test_score"])
    ridgeless = SketchedRidgeCV(0.0, **parameters).fit(X, Y)
    assert np.isnan(ridgeless.cv_results_["unsketched_alpha"]).all()
    for others in ({"n_sketches": 1}, {"scoring": "r2"}):
        model = SketchedRidgeCV(ALPHAS, **(parameters | others)).fit(X, Y)
        assert "unsketched_score" not in model.cv_results_


@pytest.mark.parametrize("sketch", [Gaussian(), SRTT()], ids=repr)
def test_the_limit_is_plain_ridge_regression(sketch):
    """A factor of orthogonal rows that is forgotten or applied to all.

    The average of 30 has a thirtieth of the variance of one; with the other formula alpha is wrong by 1.5.
    """
    X, y = make_regression(300, 200, n_informative=100, noise=80, random_state=0)
    X = X - X.mean(axis=0)
    alphas = [300.0]
    model = SketchedRidgeCV(
        alphas, axis="features", sketch=sketch, sketch_sizes=[120], n_sketches=30, random_state=0
    ).fit(X, y)
    equivalent = model.cv_results_["unsketched_alpha"][0]

    def distance(alpha):
        plain = Ridge(alpha).fit(X, y).predict(X)
        return np.linalg.norm(plain - model.predict(X))

    assert distance(equivalent) < min(distance(equivalent * 1.5), distance(equivalent / 1.5))
    plain = RidgeCV([equivalent]).fit(X, y).best_score_
    assert model.cv_results_["unsketched_score"][0] == pytest.approx(plain, rel=0.05)


# -- folds --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"sketch_sizes": [20, 0.9], "n_sketches": 2},
        {"sketch_sizes": [4, 0.9], "axis": "features", "sketch": "gaussian"},
        {"scoring": "r2"},
        {"cv": KFold(4, shuffle=True, random_state=0)},
        {"form": "csr"},
        {"form": "frame", "scoring": "neg_mean_absolute_error"},
    ],
    ids=str,
)
def test_folds_equal_a_grid_search(parameters, data):
    """Other folds, other sketches in each, or a mean over rows in place of one over folds."""
    X, Y, _ = data
    parameters = {"cv": 3, "scoring": None, "form": "dense", "random_state": 7} | parameters
    X, sizes = FORMS[parameters.pop("form")](X), parameters.get("sketch_sizes")
    model = SketchedRidgeCV(ALPHAS, **parameters).fit(X, Y)
    cv, scoring = parameters["cv"], parameters["scoring"] or "neg_mean_squared_error"
    kept = {k: v for k, v in parameters.items() if k not in ("cv", "scoring", "sketch_sizes", "random_state")}
    seed = check_random_state(7).randint(np.iinfo(np.int32).max)
    grid = [{"sketch_size": [size], "alpha": ALPHAS} for size in (sizes or [None])]
    search = GridSearchCV(SketchedRidge(random_state=seed, **kept), grid, cv=cv, scoring=scoring).fit(X, Y)
    names = [f"split{k}_test_score" for k in range(search.n_splits_)] + ["std_test_score"]
    for name in [*names, "mean_test_score", "rank_test_score"]:
        np.testing.assert_allclose(model.cv_results_[name], search.cv_results_[name], rtol=1e-6)
    assert model.alpha_ == search.best_params_["alpha"]
    assert model.best_score_ == pytest.approx(search.best_score_)
    final = SketchedRidge(model.alpha_, sketch_size=model.sketch_size_, random_state=7, **kept).fit(X, Y)
    np.testing.assert_array_equal(model.coef_, final.coef_)


def test_residuals_of_folds(data):
    """Residuals of other rows than those that were left out; rows in no test fold that seem to be known."""
    X, Y, _ = data
    folds = np.arange(M) % 3 - 1  # a third is in no test fold
    model = SketchedRidgeCV([5.0], cv=PredefinedSplit(folds)).fit(X, Y)
    assert np.isnan(model.cv_residuals_[folds == -1]).all()
    for k in (0, 1):
        peer = Ridge(5.0).fit(X[folds != k], Y[folds != k])
        expected = Y[folds == k] - peer.predict(X[folds == k])
        np.testing.assert_allclose(model.cv_residuals_[folds == k], expected, atol=1e-7)
    groups = np.repeat(np.arange(10), 6)
    pairs = list(GroupKFold(5).split(X, Y, groups))
    given = SketchedRidgeCV(ALPHAS, cv=pairs).fit(X, Y)
    search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, cv=pairs, scoring="neg_mean_squared_error").fit(X, Y)
    np.testing.assert_allclose(given.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])


def test_the_table(data):
    """Columns that are missing, in another order than the candidates, or of objects."""
    X, Y, _ = data
    model = SketchedRidgeCV([0.1, 1.0], axis="features", sketch_sizes=[0.5, 6], random_state=0).fit(X, Y)
    table = pd.DataFrame(model.cv_results_)
    assert list(table["param_alpha"]) == [0.1, 1.0, 0.1, 1.0]
    assert list(table["param_sketch_size"]) == [4, 4, 6, 6]
    assert table["params"][2] == {"alpha": 0.1, "sketch_size": 6}
    assert sorted(table["rank_test_score"]) == [1, 2, 3, 4]
    best = table["mean_test_score"].idxmax()
    assert table["rank_test_score"][best] == 1
    assert (model.alpha_, model.sketch_size_) == tuple(table["params"][best].values())
    plain = SketchedRidgeCV().fit(X, Y).cv_results_
    assert "param_sketch_size" not in plain and "split0_test_score" not in plain
    assert "degrees_of_freedom" in plain
    folds = SketchedRidgeCV(cv=3).fit(X, Y).cv_results_
    assert {"split2_test_score", "std_test_score"} <= set(folds) and "degrees_of_freedom" not in folds
    refitted = SketchedRidge(random_state=0, axis="features").set_params(**table["params"][best]).fit(X, Y)
    np.testing.assert_array_equal(refitted.coef_, model.coef_)


def test_the_first_of_equal_scores(data):
    """A tie that is broken by chance or by the last one."""
    X = np.zeros((M, 2))
    assert SketchedRidgeCV([3.0, 1.0, 2.0]).fit(X, data[1]).alpha_ == 3.0


# -- intervals ----------------------------------------------------------------------------------------


def fitted_with(residuals, weight=None):
    """An estimator that predicts 0 and has these residuals."""
    residuals = np.asarray(residuals, dtype=float)
    model = SketchedRidgeCV().fit(np.zeros((len(residuals), 1)), np.zeros(residuals.shape), weight)
    model.cv_residuals_ = residuals
    return model


@pytest.mark.parametrize(
    ("residuals", "weight", "coverage", "expected"),
    [
        # A new one falls into each of n + 1 gaps with equal probability.
        ([5, -1, 2, 9, 7, -4, 3, 0, 1], None, 0.8, (-4, 9)),
        ([5, -1, 2, 9, 7, -4, 3, 0, 1], None, 0.6, (-1, 7)),
        ([5, -1, 2, 9, 7, -4, 3, 0, 1], None, 0.59, (-1, 7)),
        ([5, -1, 2, 9, 7, -4, 3, 0, 1], None, 0.61, (-4, 9)),
        (range(1, 20), None, 0.9, (1, 19)),
        (range(1, 20), None, 0.8, (2, 18)),
        # Weights 1, 1, 1, 5 and the mean, 2, of a new one: of .1, .1, .1, .5 and .2 of the sum.
        ([1, 2, 3, 4], [1, 1, 1, 5], 0.6, (1, 4)),
        ([1, 2, 3, 4], [1, 1, 1, 5], 0.4, (2, 4)),
        ([4, 1, 3, 2], [5, 1, 1, 1], 0.4, (2, 4)),
        ([1, 2, 3, 4], [5, 1, 1, 1], 0.4, (1, 3)),
        ([1, np.nan, 2, 3, 4], [1, 9, 1, 1, 5], 0.4, (2, 4)),
        ([np.nan, 3, 2, 1, np.nan], None, 0.5, (1, 3)),
    ],
)
def test_intervals_by_hand(residuals, weight, coverage, expected):
    """Quantiles of n residuals in place of n + 1 gaps, weights that are not sorted along, NaN in the tail."""
    model = fitted_with(residuals, weight)
    lower, upper = model.predict_interval(np.zeros((2, 1)), coverage)
    np.testing.assert_allclose((lower[0], upper[0]), expected)
    assert lower.shape == upper.shape == (2,)


def test_intervals_of_targets(data):
    """Residuals of one target for another, or ends that do not move with the prediction."""
    X, Y, _ = data
    model = SketchedRidgeCV(ALPHAS).fit(X, Y)
    lower, upper = model.predict_interval(X, coverage=0.5)
    predicted = model.predict(X)
    for j in range(T):
        known = np.sort(model.cv_residuals_[:, j])
        k = int(np.ceil(0.75 * (M + 1))) - 1
        np.testing.assert_allclose(upper[:, j] - predicted[:, j], known[k])
        np.testing.assert_allclose(lower[:, j] - predicted[:, j], known[M - 1 - k])
    assert SketchedRidgeCV().fit(X, Y[:, :1]).predict_interval(X)[0].shape == (M, 1)


@pytest.mark.parametrize(
    ("coverage", "error", "message"),
    [
        (0.0, ValueError, r"coverage must be in \(0, 1\), got 0.0"),
        (1.0, ValueError, r"coverage must be in \(0, 1\), got 1.0"),
        (90, ValueError, r"coverage must be in \(0, 1\), got 90"),
        (np.nan, ValueError, r"coverage must be in \(0, 1\), got nan"),
        (True, TypeError, "coverage must be a float"),
        ("0.9", TypeError, "coverage must be a float in"),
        ([0.5], TypeError, "coverage must be a float in"),
        (0.81, ValueError, "coverage=0.81 needs at least 10 residuals .* there are 9"),
        (0.9, ValueError, "coverage=0.9 needs at least 19 residuals .* there are 9. Use a smaller coverage"),
    ],
)
def test_bad_coverage(coverage, error, message):
    """An interval that claims more than so few residuals can tell."""
    model = fitted_with(range(9))
    with pytest.raises(error, match=message):
        model.predict_interval(np.zeros((1, 1)), coverage)
    with pytest.raises(NotFittedError):
        SketchedRidgeCV().predict_interval(np.zeros((1, 1)))


# -- fit_path -----------------------------------------------------------------------------------------


@pytest.fixture
def solved(monkeypatch):
    """For how many targets regressions were solved."""
    calls = []
    original = ridge_solvers.ridge

    def counted(A, Y, *args, **kwargs):
        calls.append(np.shape(Y)[1] if np.ndim(Y) == 2 else 1)
        return original(A, Y, *args, **kwargs)

    monkeypatch.setattr(ridge_solvers, "ridge", counted)
    return calls


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(
    ("parameters", "sizes"),
    [
        ({}, [None]),
        ({"n_sketches": 2}, [20, 0.5]),
        ({"axis": "features", "sketch": "sparse_stack"}, [4, 0.9]),
        ({"axis": "features"}, [0.9, None, 4]),
    ],
    ids=["plain", "samples", "features", "features, nested"],
)
def test_a_path_equals_direct_fits(parameters, sizes, weighted, data, solved):
    """Coefficients, residuals or names of another candidate; a factorisation for each alpha."""
    X, Y, weight = data
    X, weight = pd.DataFrame(X, columns=list("abcdefgh")), weight if weighted else None
    model = SketchedRidge(random_state=3, solver="cholesky", **parameters)
    candidates = [{"alpha": alpha, "sketch_size": size} for alpha in ALPHAS for size in sizes]
    for y in (Y, Y[:, 0]):
        solved.clear()
        path = list(model.fit_path(X, y, candidates, sample_weight=weight))
        n_solved = sum(1 if size is None else model.n_sketches for size in sizes)
        assert solved == [len(ALPHAS) * (T if y.ndim == 2 else 1)] * n_solved
        for fitted, candidate in zip(path, candidates, strict=True):
            direct = clone(model).set_params(**candidate).fit(X, y, sample_weight=weight)
            np.testing.assert_allclose(fitted.coef_, direct.coef_, rtol=1e-6, atol=1e-8)
            np.testing.assert_allclose(fitted.intercept_, direct.intercept_, rtol=1e-6)
            np.testing.assert_allclose(fitted.predict(X), direct.predict(X), rtol=1e-6)
            assert fitted.get_params() == direct.get_params()
            assert set(vars(fitted)) == set(vars(direct))
            assert np.shape(fitted.residual_) == np.shape(direct.residual_)
            assert fitted.sketch_size_ == direct.sketch_size_
            assert list(fitted.feature_names_in_) == list("abcdefgh")
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_a_path_of_vectors_and_other_parameters(data, solved):
    """One alpha for each target taken for a list of candidates; other parameters that are shared."""
    X, Y, _ = data
    candidates = [
        {"alpha": np.array([0.1, 1.0, 10.0])},
        {"alpha": 2.0},
        {"fit_intercept": False},
        {"alpha": 5},
    ]
    path = list(SketchedRidge().fit_path(X, Y, candidates))
    assert len(solved) == 3  # 2.0 and 5 together
    for fitted, candidate in zip(path, candidates, strict=True):
        peer = Ridge(**candidate).fit(X, Y)
        np.testing.assert_allclose(fitted.coef_, peer.coef_, atol=1e-7)
        np.testing.assert_allclose(fitted.intercept_, peer.intercept_, atol=1e-6)
    assert list(SketchedRidge().fit_path(X, Y, [])) == []


def test_a_path_of_classifiers(data, solved):
    """Labels, classes or class weights that are not those of each candidate."""
    X, Y, _ = data
    y = np.array(["low", "mid", "high"])[np.digitize(Y[:, 0], np.quantile(Y[:, 0], [0.3, 0.6]))]
    candidates = [{"alpha": a, "class_weight": w} for a in (1.0, 50.0) for w in (None, "balanced")]
    path = SketchedRidgeClassifier().fit_path(X, y, candidates)
    for fitted, candidate in zip(path, candidates, strict=True):
        direct = SketchedRidgeClassifier(**candidate).fit(X, y)
        np.testing.assert_allclose(fitted.coef_, direct.coef_, atol=1e-8)
        np.testing.assert_array_equal(fitted.predict(X), direct.predict(X))
    assert len(solved) == 2 + 4


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        ({"alpha": -1.0}, "alpha"),
        ({"alpha": [1.0, 2.0]}, "one entry for each of 3 targets"),
        ({"sketch_size": 0}, "sketch_size must be at least 1"),
        ({"sketch_size": 61}, "larger than the 60 samples"),
        ({"alphas": 1.0}, "Invalid parameter 'alphas'"),
    ],
)
def test_a_path_of_bad_parameters(candidate, message, data):
    """A candidate that is skipped or is not checked."""
    with pytest.raises(ValueError, match=message):
        list(SketchedRidge().fit_path(*data[:2], [{"alpha": 1.0}, candidate]))


# -- as an estimator ----------------------------------------------------------------------------------

VARIANTS = [
    {},
    {"cv": "gcv"},
    {"axis": "features", "sketch_sizes": [3, 6], "n_sketches": 3},
    {"axis": "features", "sketch_sizes": [3, 6], "sketch": "count_sketch"},
    {"sketch_sizes": [0.5, 0.8], "cv": 3},
]


@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
def test_the_same_bits(parameters, data):
    """Sums that depend on the threads, or sketches that depend on anything but the seed."""
    X, Y, weight = data
    options = {"random_state": 0, **parameters}
    one, two, again = (
        SketchedRidgeCV(ALPHAS, n_threads=t, **options).fit(X, Y, sample_weight=weight) for t in (1, 2, 2)
    )
    again = pickle.loads(pickle.dumps(again))
    for other in (two, again):
        np.testing.assert_array_equal(one.coef_, other.coef_)
        np.testing.assert_array_equal(one.cv_residuals_, other.cv_residuals_)
        for name, column in one.cv_results_.items():
            np.testing.assert_array_equal(column, other.cv_results_[name])
        np.testing.assert_array_equal(one.predict_interval(X), other.predict_interval(X))
    if "sketch_sizes" in parameters:
        other = SketchedRidgeCV(ALPHAS, **(options | {"random_state": 1})).fit(X, Y)
        assert np.any(other.coef_ != one.coef_)


def test_in_a_search(data):
    """Parameters that cannot be set or cloned."""
    X, Y, _ = data
    model = SketchedRidgeCV(ALPHAS, axis="features", sketch_sizes=[0.5], random_state=0)
    grid = {
        "sketchedridgecv__sketch": [Gaussian(), SparseStack(2)],
        "sketchedridgecv__sketch_sizes": [[2], [0.5, 1.0]],
    }
    search = GridSearchCV(make_pipeline(StandardScaler(), model), grid, cv=3).fit(X, Y)
    assert search.best_params_["sketchedridgecv__sketch_sizes"] == [0.5, 1.0]
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


def test_mapped_rows(data, tmp_path):
    """Rows of a file that cannot be dealt to folds, or scores of other data."""
    X, Y, _ = data
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    for parameters in VARIANTS:
        model, peer = (SketchedRidgeCV(ALPHAS, random_state=0, **parameters).fit(Z, Y) for Z in (mapped, X))
        assert model.best_score_ == pytest.approx(peer.best_score_)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)


@pytest.mark.parametrize("parameters", VARIANTS[:3], ids=str)
def test_passes(parameters, data):
    """A pass for each alpha."""
    X, Y, _ = data
    passes = []
    for alphas in ([1.0, 10.0], np.geomspace(1, 10, 30)):
        opened = []
        chunks = RowChunks(
            lambda opened=opened: opened.append(0) or iter(np.array_split(X, 7)), X.shape, X.dtype
        )
        SketchedRidgeCV(alphas, random_state=0, **parameters).fit(chunks, Y)
        passes.append(len(opened))
    assert passes[0] == passes[1] <= 10


def test_chunks_have_no_folds(data):
    """Chunks of rows that are dealt to folds as if they were rows."""
    X, Y, _ = data
    with pytest.raises(
        TypeError, match="cv=3 needs an X whose rows can be taken out, got RowChunks. Use cv=No"
    ):
        SketchedRidgeCV(cv=3).fit(FORMS["chunks"](X), Y)


def test_sparse_data_are_not_filled_in():
    """96 MB of zeros."""
    X = sparse.random(300, 40_000, density=1e-3, format="csr", random_state=0)
    y = np.random.default_rng(0).standard_normal(300)
    tracemalloc.start()
    try:
        SketchedRidgeCV().fit(X, y)
        SketchedRidgeCV(axis="features", sketch="sparse_stack", sketch_sizes=[40]).fit(X, y)
        assert tracemalloc.get_traced_memory()[1] < 48e6
    finally:
        tracemalloc.stop()


# -- bad input ----------------------------------------------------------------------------------------

FEATURES = {"axis": "features", "random_state": 0}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alphas": []}, ValueError, r"alphas must be one or more numbers, got shape \(0,\)"),
        ({"alphas": [1.0, -2.0]}, ValueError, "alphas must be finite and at least 0, got -2.0"),
        ({"alphas": -2.0}, ValueError, "alphas must be finite and at least 0, got -2.0"),
        ({"alphas": [np.nan]}, ValueError, "alphas must be finite and at least 0, got nan"),
        ({"alphas": [np.inf]}, ValueError, "alphas must be finite and at least 0, got inf"),
        ({"alphas": "auto"}, TypeError, "alphas must be one or more numbers, got 'auto'"),
        ({"alphas": ["low", "high"]}, TypeError, "alphas must be one or more numbers"),
        ({"alphas": None}, (TypeError, ValueError), "alphas must be"),
        ({"alphas": [[1.0, 2.0]]}, ValueError, r"alphas must be one or more numbers, got shape \(1, 2\)"),
        ({"sketch_sizes": [], **FEATURES}, ValueError, "sketch_sizes is empty. Use None for no sketch"),
        ({"sketch_sizes": [0], **FEATURES}, ValueError, "sketch_sizes must be at least 1, got 0"),
        (
            {"sketch_sizes": [1.5], **FEATURES},
            ValueError,
            r"sketch_sizes must be an int, or a float in \(0, 1",
        ),
        ({"sketch_sizes": ["half"], **FEATURES}, TypeError, "sketch_sizes must be an int.*'half'"),
        ({"sketch_sizes": [True], **FEATURES}, TypeError, "sketch_sizes must be an int"),
        ({"sketch_sizes": "half", **FEATURES}, TypeError, "sketch_sizes must be a list of sizes"),
        ({"sketch_sizes": 5, **FEATURES}, TypeError, "sketch_sizes must be a list of sizes or None, got 5"),
        ({"sketch_sizes": [[5]], **FEATURES}, TypeError, "sketch_sizes must be a list of sizes"),
        ({"sketch_sizes": [5, 9], **FEATURES}, ValueError, "9 is larger than the 8 features"),
        ({"sketch_sizes": [61], "cv": 3}, ValueError, "61 is larger than the 60 samples"),
        ({"sketch_sizes": [5]}, ValueError, "axis='samples' with sketch_sizes needs an integer cv"),
        ({"sketch_sizes": [5], "cv": "gcv"}, ValueError, "axis='samples' with sketch_sizes needs an integer"),
        ({"n_sketches": 2}, ValueError, "n_sketches=2 needs sketch_sizes"),
        ({"n_sketches": 0, "sketch_sizes": [5], **FEATURES}, ValueError, "n_sketches"),
        ({"cv": 1}, ValueError, "cv must be None, 'gcv', an int of at least 2 or a splitter, got 1"),
        ({"cv": True}, TypeError, "cv must be None, 'gcv', an int or a splitter, got True"),
        ({"cv": "loo"}, ValueError, "cv must be None, 'gcv', .* got 'loo'"),
        ({"cv": 2.5}, TypeError, "cv must be None, 'gcv', an int or a splitter, got 2.5"),
        ({"cv": []}, ValueError, "cv"),
        ({"cv": np.float64(3)}, TypeError, "cv must be None, 'gcv', an int or a splitter"),
        ({"cv": 61}, ValueError, "n_splits=61"),
        ({"cv": 3, "alpha_per_target": True}, ValueError, "alpha_per_target=True is for one factorisation"),
        (
            {"sketch_sizes": [5], "alpha_per_target": True, **FEATURES},
            ValueError,
            "alpha_per_target=True is for one factorisation",
        ),
        ({"alpha_per_target": "yes"}, ValueError, "alpha_per_target"),
        ({"scoring": "no such"}, ValueError, "no such"),
        ({"scoring": 3}, (TypeError, ValueError), "scoring"),
        ({"scoring": ["r2"]}, (TypeError, ValueError), "scoring"),
        ({"axis": "rows"}, ValueError, "axis"),
        ({"sketch": "no such"}, ValueError, "no such"),
        ({"solver": "svd"}, ValueError, "solver"),
        ({"max_memory": 100}, ValueError, "max_memory is"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, error, message, data):
    """A parameter that is taken for another, or an estimator that is half fitted."""
    X, Y, _ = data
    model = SketchedRidgeCV(**parameters)
    with pytest.raises(error, match=message):
        model.fit(X, Y)
    assert set(vars(model)) == set(model.get_params())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, Y, w: (np.where(X > 5, np.nan, X), Y, w), "X contains NaN"),
        (lambda X, Y, w: (X, np.where(Y > 5, np.nan, Y), w), "y contains NaN"),
        (lambda X, Y, w: (X, Y[1:], w), "X has 60 rows and y has 59"),
        (lambda X, Y, w: (X, Y, w[1:]), "sample_weight must have shape"),
        (lambda X, Y, w: (X, Y, -w), "sample_weight must be non-negative"),
        (lambda X, Y, w: (X, Y, 0 * w), "sample_weight is zero everywhere"),
        (lambda X, Y, w: (X, None, w), "requires y"),
        (lambda X, Y, w: (X[:0], Y[:0], w[:0]), "0 sample"),
    ],
)
@pytest.mark.parametrize("parameters", VARIANTS, ids=str)
def test_bad_data(parameters, change, message, data):
    """Data that are dropped, or an error that does not name the array."""
    X, Y, weight = change(*data)
    model = SketchedRidgeCV(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, sample_weight=weight)
    assert set(vars(model)) == set(model.get_params())


@pytest.mark.parametrize("weight", [None, "one"])
@pytest.mark.parametrize("cv", [None, "gcv", 2])
def test_one_sample(cv, weight, data):
    """A row that is left out of nothing."""
    X, Y, _ = data
    model, weight = SketchedRidgeCV(cv=cv), None if weight is None else (np.arange(M) == 3).astype(float)
    X, Y = (X, Y) if weight is not None else (X[:1], Y[:1])
    with pytest.raises(ValueError, match="1 sample|weight zero|zero everywhere|n_splits=2"):
        model.fit(X, Y, sample_weight=weight)
    assert set(vars(model)) == set(model.get_params())


def test_folds_without_weight(data):
    """0 / 0 in a score."""
    X, Y, _ = data
    weight = (np.arange(M) >= 20).astype(float)
    with pytest.raises(ValueError, match="In a fold, all rows to fit or all rows to score have weight zero"):
        SketchedRidgeCV(cv=3).fit(X, Y, sample_weight=weight)


def test_no_candidate_has_a_score(data):
    """A choice among NaN."""
    X, Y, _ = data
    with pytest.raises(ValueError, match="No candidate has a finite score"):
        SketchedRidgeCV(scoring=lambda estimator, X, y: np.nan).fit(X, Y)
    alone = np.eye(12)[:, :9]  # with more rows than columns
    with pytest.raises(ValueError, match="No candidate has a finite score"):
        SketchedRidgeCV([0.0], fit_intercept=False).fit(alone, Y[:12])


def test_a_failure_keeps_the_previous_fit(data):
    """Attributes of two fits in one estimator."""
    X, Y, _ = data
    model = SketchedRidgeCV(ALPHAS).fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match="X contains NaN"):
        model.fit(np.full((5, 3), np.nan), Y[:5])
    assert vars(model) == before


def test_r2_of_what_is_left_out(data):
    """A scorer that is called with arguments of the wrong order."""
    X, Y, _ = data
    model = SketchedRidgeCV([2.0], scoring="r2").fit(X, Y)
    assert model.best_score_ == pytest.approx(r2_score(Y, left_out(X, Y, 2.0)))


def test_failed_scores_do_not_win(data):
    """A score of minus infinity that is taken for a number, or a class of splitters for a splitter."""
    X, Y, _ = data
    with pytest.raises(ValueError, match="No candidate has a finite score"):
        SketchedRidgeCV(scoring=lambda estimator, X, y: -np.inf).fit(X, Y)
    with np.errstate(over="ignore"), pytest.raises(ValueError, match="the squares of y are too large"):
        SketchedRidgeCV().fit(X, Y * 1e180)
    with pytest.raises(TypeError, match=r"got the class KFold: use KFold\(\)"):
        SketchedRidgeCV(cv=KFold).fit(X, Y)


@pytest.mark.parametrize("shape", [(12, 500), (12, 12), (13, 12), (20, 14)])
def test_wide_chunks_are_searched_in_memory(shape):
    """A refusal of what SketchedRidge fits, above all where the rows that count are just interpolated."""
    rng = np.random.default_rng(0)
    X, y, weight = rng.standard_normal(shape), rng.standard_normal(shape[0]), rng.random(shape[0])
    weight[: max(shape[0] - 15, 0)] = 0
    chunks = RowChunks(lambda: iter(np.array_split(X, 3)), X.shape, X.dtype)
    for cv in (None, "gcv"):
        found, expected = (SketchedRidgeCV(cv=cv).fit(A, y, weight) for A in (chunks, X))
        np.testing.assert_allclose(found.coef_, expected.coef_, atol=1e-12)
        np.testing.assert_allclose(
            found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
        )
        np.testing.assert_allclose(found.cv_residuals_, expected.cv_residuals_)
        assert np.isnan(found.cv_residuals_).sum() == np.sum(weight == 0)


def test_chunks_that_cannot_be_copied():
    """A copy beyond `max_memory`."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((12, 500)), rng.standard_normal(12)
    chunks = RowChunks(lambda: iter(np.array_split(X, 3)), X.shape, X.dtype)
    with pytest.raises(ValueError, match="A copy of the chunks would need"):
        SketchedRidgeCV(max_memory=20_000).fit(chunks, y)


@pytest.mark.parametrize("form", [np.asarray, np.asfortranarray, sparse.csr_array], ids=["C", "F", "csr"])
def test_predictions_together(form, data):
    """Coefficients or intercepts of another model, shapes of other targets, one pass for each model."""
    X, Y, _ = data
    low = np.digitize(Y[:, 0], np.quantile(Y[:, 0], [0.3, 0.6]))
    targets = {
        SketchedRidge(): [Y, Y[:, 0], Y[:, :1]],
        SketchedRidge(fit_intercept=False): [Y],
        SketchedRidgeClassifier(): [low, low > 0, np.array(["a", "b", "c"])[low], (Y > 0).astype(int)],
    }
    for model, many in targets.items():
        for y in many:
            models = list(model.fit_path(X, y, [{"alpha": alpha} for alpha in ALPHAS]))
            A = as_operand(form(X))
            together = list(model.predict_path(A, iter(models)))
            assert A.n_passes == 1 and len(together) == len(models)
            for fitted, predicted in zip(models, together, strict=True):
                alone = fitted.predict(form(X))
                assert predicted.shape == alone.shape and predicted.dtype == alone.dtype
                if predicted.dtype.kind == "f":
                    np.testing.assert_allclose(predicted, alone, rtol=1e-12)
                else:
                    np.testing.assert_array_equal(predicted, alone)
    assert list(SketchedRidge().predict_path(X, [])) == []
    with pytest.raises(NotFittedError):
        list(model.predict_path(X, [models[0], model]))
    with pytest.raises(ValueError, match="features"):
        list(model.predict_path(X[:, 1:], models))
    other = clone(model).fit(pd.DataFrame(X, columns=list("abcdefgh")), low)
    with pytest.raises(ValueError, match="the same features"):
        list(model.predict_path(X, [models[0], other]))


def test_predictions_of_many_models_go_by_blocks(data, monkeypatch):
    """All predictions of all models in memory; a block that is left out."""
    X, Y, _ = data
    monkeypatch.setattr(_base, "_PREDICTED", 2 * Y.size)
    models = list(SketchedRidge().fit_path(X, Y, [{"alpha": alpha} for alpha in ALPHAS]))
    A = as_operand(X)
    for fitted, predicted in zip(models, models[0].predict_path(A, models), strict=True):
        np.testing.assert_allclose(predicted, fitted.predict(X), rtol=1e-12)
    assert A.n_passes == 3


def test_what_is_reused_is_of_the_same_data(data):
    """Models of other data, in silence; sketches that pile up."""
    X, Y, weight = data
    reuse, model = {}, SketchedRidge(sketch_size=8, random_state=0)
    list(model.fit_path(X, Y, [{"alpha": 1.0}], reuse=reuse))
    for other_X, other_Y, other_weight in ((X[:, 1:], Y, None), (X, Y + 1, None), (X, Y, weight)):
        with pytest.raises(ValueError, match="reuse was filled for other"):
            list(model.fit_path(other_X, other_Y, [{"alpha": 1.0}], other_weight, reuse=reuse))
    for n_sketches in (2, 3, 4):
        list(model.fit_path(X, Y, [{"n_sketches": n_sketches}], reuse=reuse))
        assert len(reuse) == 1
