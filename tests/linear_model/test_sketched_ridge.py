"""SketchedRidge: plain ridge regression against scikit-learn and LAPACK, and what the sketches define."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.linalg import RowChunks
from sklr.linear_model import SketchedRidge
from sklr.sketch import CountSketch, Gaussian

M, N, T = 300, 20, 3

# Rows that are sketched together have no weights of their own.
WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a sketch of the samples depends on their number"
    for kind in ("dense", "sparse")
}


def expected_to_fail(estimator):
    return WEIGHTS if estimator.axis == "samples" and estimator.sketch_size is not None else {}


@parametrize_with_checks(
    [
        SketchedRidge(),
        SketchedRidge(solver="cholesky"),
        SketchedRidge(solver="eigh", alpha=0.0),
        SketchedRidge(solver="exact", fit_intercept=False),
        SketchedRidge(sketch_size=0.5),
        SketchedRidge(axis="features", sketch_size=0.9, n_sketches=2),
        SketchedRidge(n_threads=1),
    ],
    expected_failed_checks=expected_to_fail,
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a regressor."""
    check(estimator)


@pytest.fixture(scope="module")
def data():
    """``(X, Y, weight)`` with means that are not zero."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N)) * np.linspace(1, 5, N) + 3
    Y = X @ rng.standard_normal((N, T)) + rng.standard_normal((M, T)) + 5
    return X, Y, rng.random(M)


FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
    "frame": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("solver", ["auto", "cholesky", "eigh", "iterative", "exact"])
@pytest.mark.parametrize("form", FORMS)
def test_equals_scikit_learns_ridge(form, solver, fit_intercept, weighted, data):
    """Weights that are squared or not applied to the means, an intercept of weighted data, a wrong alpha."""
    X, Y, weight = data
    for y in (Y, Y[:, 0]):
        model = SketchedRidge(2.0, solver=solver, fit_intercept=fit_intercept, random_state=0)
        model.fit(FORMS[form](X), y, sample_weight=weight if weighted else None)
        peer = Ridge(2.0, fit_intercept=fit_intercept, solver="cholesky")
        peer.fit(X, y, sample_weight=weight if weighted else None)
        np.testing.assert_allclose(model.coef_, peer.coef_, atol=1e-7)
        np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-6)
        np.testing.assert_allclose(model.predict(FORMS[form](X)), peer.predict(X), atol=1e-6)
        assert model.coef_.shape == peer.coef_.shape
        assert np.max(model.residual_) < 1e-8
        assert model.sketch_size_ is None


def test_a_penalty_for_each_target(data):
    """One alpha that is taken for all."""
    X, Y, _ = data
    alpha = np.array([0.1, 10.0, 1000.0])
    for solver in ("cholesky", "eigh", "exact", "auto"):
        model = SketchedRidge(alpha, solver=solver).fit(X, Y)
        np.testing.assert_allclose(model.coef_, Ridge(alpha).fit(X, Y).coef_, atol=1e-8)


def test_ridgeless(data):
    """alpha = 0: least squares, and the least norm where rows are fewer than columns or columns repeat."""
    X, Y, _ = data
    np.testing.assert_allclose(
        SketchedRidge(0.0).fit(X, Y).coef_, LinearRegression().fit(X, Y).coef_, atol=1e-8
    )
    for A in (X[:10], np.hstack([X, X[:, :5]])):
        y = Y[: len(A), 0]
        centred = A - A.mean(0)
        least = linalg.lstsq(centred, y - y.mean())[0]
        np.testing.assert_allclose(SketchedRidge(0.0).fit(A, y).coef_, least, atol=1e-7)


def test_float32_stays(data):
    """Coefficients in another dtype than the data."""
    X, Y, _ = data
    model = SketchedRidge(1.0).fit(X.astype(np.float32), Y.astype(np.float32))
    assert model.coef_.dtype == model.predict(X.astype(np.float32)).dtype == np.float32
    np.testing.assert_allclose(model.coef_, Ridge(1.0).fit(X, Y).coef_, atol=1e-3)


def sketched_by_hand(X, y, alpha, S, axis):
    """The definition, on centred data."""
    X, y = X - X.mean(0), y - y.mean(0)
    if axis == "samples":
        A, b = S @ X, S @ y
        return linalg.solve(A.T @ A + alpha * np.eye(X.shape[1]), A.T @ b)
    A = X @ S.T
    return S.T @ linalg.solve(A.T @ A + alpha * np.eye(len(S)), A.T @ y)


@pytest.mark.parametrize("form", ["dense", "csr", "csc", "chunks"])
@pytest.mark.parametrize("sketch", ["gaussian", "count_sketch", "srtt", "sparse_stack", "row_sampling"])
@pytest.mark.parametrize("axis", ["samples", "features"])
def test_the_definition(axis, sketch, form, data, monkeypatch):
    """A sketch without its scale, another one for y than for X, or an alpha that is scaled with it."""
    X, Y, _ = data
    size = 60 if axis == "samples" else 12
    made = []
    operator = Gaussian.operator

    def recorded(self, *args, **kwargs):
        made.append(operator(self, *args, **kwargs))
        return made[-1]

    if sketch == "gaussian":
        monkeypatch.setattr(Gaussian, "operator", recorded)
    model = SketchedRidge(
        0.5, axis=axis, sketch=sketch, sketch_size=size, solver="cholesky", random_state=0
    ).fit(FORMS[form](X), Y)
    assert model.sketch_size_ == size
    if sketch == "gaussian":
        expected = sketched_by_hand(X, Y, 0.5, made[0].toarray(), axis)
        np.testing.assert_allclose(model.coef_, expected.T, atol=1e-7)
    dense = SketchedRidge(0.5, axis=axis, sketch=sketch, sketch_size=size, solver="cholesky", random_state=0)
    np.testing.assert_allclose(model.coef_, dense.fit(X, Y).coef_, atol=1e-8)


@pytest.mark.parametrize("axis", ["samples", "features"])
def test_many_sketches_are_averaged(axis, data):
    """K copies of one sketch, or a sum in place of a mean.

    The mean of 64 independent estimates has an eighth of the deviation of one; a factor 4 is asked for.
    """
    X, Y, _ = data
    parameters = {"axis": axis, "sketch_size": 0.5, "alpha": 1.0, "sketch": "gaussian"}

    def spread(n_sketches):
        fits = [
            SketchedRidge(n_sketches=n_sketches, random_state=seed, **parameters).fit(X, Y).coef_
            for seed in range(8)
        ]
        return np.linalg.norm(np.std(fits, axis=0))

    assert spread(64) < spread(1) / 4


def test_a_full_sketch_of_the_samples_tends_to_plain_ridge(data):
    """Sketches that are not isometric on average."""
    X, Y, _ = data
    plain = SketchedRidge(1.0).fit(X, Y)
    sketched = SketchedRidge(1.0, sketch_size=M, n_sketches=50, random_state=0).fit(X, Y)
    assert sketched.score(X, Y) > plain.score(X, Y) - 0.01


@pytest.mark.parametrize("size", [0.3, 90])
def test_sizes(size, data):
    """A fraction of the wrong axis."""
    X, Y, _ = data
    assert SketchedRidge(sketch_size=size, random_state=0).fit(X, Y).sketch_size_ == 90
    features = SketchedRidge(sketch_size=0.3, axis="features", random_state=0).fit(X, Y)
    assert features.sketch_size_ == 6


def test_downsampling_beats_the_full_sample():
    """The one reason to sketch samples: n slightly above p, without noise reduction by alpha.

    n = 110, p = 100, noise .3: the risk of the full sample is p sigma^2 / (n - p - 1), about 1, that of
    half as many sketched rows well below; the mean over 20 draws is compared, with a factor 1.3 to spare.
    """
    rng = np.random.default_rng(0)
    n, p = 110, 100
    risks = {None: [], 60: []}
    for seed in range(20):
        beta = rng.standard_normal(p) / np.sqrt(p)
        X = rng.standard_normal((n, p))
        y = X @ beta + 0.3 * rng.standard_normal(n)
        for size, found in risks.items():
            sketch = "gaussian" if size else "auto"
            model = SketchedRidge(
                0.0, sketch_size=size, sketch=sketch, fit_intercept=False, random_state=seed
            )
            found.append(np.sum((model.fit(X, y).coef_ - beta) ** 2))
    assert 1.3 * np.mean(risks[60]) < np.mean(risks[None])


def test_the_same_bits_on_any_number_of_threads(data):
    """A sketch, or a solver, whose sums depend on the threads."""
    X, Y, _ = data
    for parameters in (
        {"solver": "cholesky"},
        {"sketch_size": 0.5},
        {"axis": "features", "sketch_size": 0.5},
    ):
        one, two = (SketchedRidge(n_threads=t, random_state=0, **parameters).fit(X, Y).coef_ for t in (1, 2))
        np.testing.assert_array_equal(one, two)


def test_in_a_search(data):
    """Parameters that cannot be set, cloned or pickled."""
    X, Y, _ = data
    pipeline = make_pipeline(StandardScaler(), SketchedRidge(sketch=CountSketch(), random_state=0))
    grid = {"sketchedridge__sketch_size": [0.2, 0.5, None], "sketchedridge__alpha": [0.1, 10.0]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, Y)
    assert search.best_params_["sketchedridge__sketch_size"] is None
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    assert clone(search.best_estimator_).get_params()["sketchedridge__alpha"] == 0.1


def test_constant_and_collinear_columns(data):
    """A singular matrix that is divided by."""
    X, Y, _ = data
    A = np.hstack([X, np.ones((M, 2)), X[:, :1]])
    for alpha in (0.0, 1.0):
        model = SketchedRidge(alpha).fit(A, Y)
        full = Ridge(max(alpha, 1e-12), solver="svd").fit(A, Y)
        np.testing.assert_allclose(model.predict(A), full.predict(A), atol=1e-5)
        np.testing.assert_allclose(model.coef_[:, N : N + 2], 0, atol=1e-8)


def test_more_targets_than_rows(data):
    """Targets taken for rows."""
    X, _, _ = data
    Y = np.random.default_rng(1).standard_normal((5, 9))
    np.testing.assert_allclose(
        SketchedRidge(1.0).fit(X[:5], Y).coef_, Ridge(1.0).fit(X[:5], Y).coef_, atol=1e-9
    )


def test_one_sample():
    """A division by zero: the mean is all that one sample gives."""
    model = SketchedRidge(1.0).fit([[1.0, 2.0]], [3.0])
    np.testing.assert_allclose(model.coef_, 0)
    assert model.intercept_ == 3.0


def test_zero_weights_leave_rows_out(data):
    """Rows of no weight in the means."""
    X, Y, _ = data
    weight = (np.arange(M) % 2).astype(float)
    model = SketchedRidge(1.0).fit(X, Y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, Ridge(1.0).fit(X[1::2], Y[1::2]).coef_, atol=1e-9)


def test_too_few_steps_are_told(data):
    """A tolerance that is missed without a word."""
    X, Y, _ = data
    with pytest.warns(ConvergenceWarning, match="'iterative' has not reached tol=1e-10 after .* residual"):
        SketchedRidge(1e-3, solver="iterative", tol=1e-10, max_iter=1, random_state=0).fit(X, Y)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"alpha": -1.0}, ValueError, "alpha"),
        ({"alpha": np.nan}, ValueError, "alpha"),
        ({"alpha": [1.0, 2.0]}, ValueError, "one entry for each of 3 targets, got shape .2,."),
        ({"alpha": [1.0, -2.0, 1.0]}, ValueError, "alpha must be finite and at least 0"),
        ({"axis": "rows"}, ValueError, "axis"),
        ({"sketch": "no such"}, ValueError, "no such"),
        ({"sketch_size": 0}, ValueError, "sketch_size must be at least 1"),
        ({"sketch_size": 1.5}, ValueError, "sketch_size must be an int, or a float in"),
        ({"sketch_size": True}, TypeError, "sketch_size must be an int"),
        ({"sketch_size": "half"}, TypeError, "sketch_size must be an int"),
        ({"sketch_size": 301}, ValueError, "larger than the 300 samples"),
        ({"sketch_size": 21, "axis": "features"}, ValueError, "larger than the 20 features"),
        ({"n_sketches": 2}, ValueError, "needs a sketch_size"),
        ({"solver": "sag"}, ValueError, "solver"),
        ({"tol": 0.0}, ValueError, "tol"),
        ({"sketch_size": 100, "max_memory": 100}, ValueError, "max_memory is"),
    ],
)
def test_bad_parameters(parameters, error, message, data):
    """A parameter that is taken for another, or an estimator that is half fitted."""
    X, Y, _ = data
    model = SketchedRidge(**parameters)
    with pytest.raises(error, match=message):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, Y, w: (np.where(X > 9, np.nan, X), Y, w), "X contains NaN"),
        (lambda X, Y, w: (X, np.where(Y > 9, np.nan, Y), w), "y contains NaN"),
        (lambda X, Y, w: (X, Y[1:], w), "X has 300 rows and y has 299"),
        (lambda X, Y, w: (X, Y, w[1:]), "sample_weight must have shape"),
        (lambda X, Y, w: (X, Y, -w), "sample_weight must be non-negative"),
        (lambda X, Y, w: (X, Y, 0 * w), "sample_weight is zero everywhere"),
        (lambda X, Y, w: (X, None, w), "requires y"),
        (lambda X, Y, w: (X[:0], Y[:0], w[:0]), "0 sample"),
    ],
)
def test_bad_data(change, message, data):
    """Data that are dropped, or an error that does not name the array."""
    X, Y, weight = change(*data)
    with pytest.raises(ValueError, match=message):
        SketchedRidge().fit(X, Y, sample_weight=weight)


def test_the_plan_can_be_printed(data):
    """A plan of other parameters than those of the fit."""
    X, Y, _ = data
    text = str(SketchedRidge().plan(X, n_targets=T))
    assert "cholesky" in text and "exact" in text
    with pytest.raises(ValueError, match="plan is for plain ridge"):
        SketchedRidge(sketch_size=5).plan(X)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("value", [0.1, 1e6 / 3, -7.7e-5])
@pytest.mark.parametrize("weighted", [False, True])
def test_constants_that_addition_rounds(weighted, value, form, data, recwarn):
    """The rounding error of a mean, taken for data: coefficients of 1e26 where all columns are constant."""
    rng = np.random.default_rng(0)
    y = rng.standard_normal(10_001) + 5
    weight = rng.random(10_001) if weighted else None
    constant = np.full((10_001, 3), value)
    beside = np.hstack([constant, rng.standard_normal((10_001, 2))])
    for alpha in (0.0, 1.0):
        model = SketchedRidge(alpha).fit(form(constant), y, weight)
        np.testing.assert_allclose(model.coef_, 0, atol=1e-12)
        np.testing.assert_allclose(model.predict(form(constant[:2])), np.average(y, weights=weight))
        model = SketchedRidge(alpha).fit(form(beside), y, weight)
        np.testing.assert_allclose(model.coef_[:3] * value, 0, atol=1e-8)
        expected = Ridge(alpha).fit(beside[:, 3:], y, weight).coef_
        np.testing.assert_allclose(model.coef_[3:], expected, atol=1e-8)
    assert not recwarn.list


def test_the_plan_of_a_penalty_for_each_target(data):
    """An error about a parameter that the user does not know."""
    X, _, _ = data
    assert SketchedRidge([1.0, 2.0, 3.0]).plan(X, n_targets=3).solver
    with pytest.raises(ValueError, match="alpha has 3 entries: pass n_targets=3"):
        SketchedRidge([1.0, 2.0, 3.0]).plan(X)


def test_weights_that_add_up_to_infinity(data):
    """An error that blames X."""
    X, Y, weight = data
    with pytest.raises(ValueError, match="sample_weight adds up to infinity"):
        SketchedRidge().fit(X, Y, weight * 1e308)
