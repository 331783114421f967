"""What users of Ridge, RidgeCV, RidgeClassifier and RidgeClassifierCV rely on, of the four sketched ones.

The references are closed forms in float64 and scikit-learn's Ridge. What is left out, because it is checked
in the files beside this one: equality with the peers on ordinary data, scoring, bad parameters and bad data.
"""

import warnings

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_iris
from sklearn.exceptions import DataConversionWarning, UnsetMetadataPassedError
from sklearn.linear_model import LinearRegression, Ridge, RidgeClassifier
from sklearn.metrics import get_scorer, make_scorer, mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneOut,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils import compute_sample_weight

from sklr.linear_model import (
    SketchedRidge,
    SketchedRidgeClassifier,
    SketchedRidgeClassifierCV,
    SketchedRidgeCV,
)

DIRECT = ["auto", "cholesky", "eigh", "exact"]
SOLVERS = [*DIRECT, "iterative"]
SHAPES = {"tall": (14, 4), "square": (7, 7), "wide": (5, 13)}
REGRESSORS = [SketchedRidge, SketchedRidgeCV]
CLASSIFIERS = [SketchedRidgeClassifier, SketchedRidgeClassifierCV]
ALL = [*REGRESSORS, *CLASSIFIERS]


def minimum(X, y, alpha, fit_intercept=True, weight=None):
    """``(coef, intercept)`` of one least squares problem, with rows for the penalty and a column of ones.

    Nothing is centred and no square is formed. alpha = 0 takes the least coefficients, whatever the
    intercept, which is not penalised: there the data are centred.
    """
    m, n = X.shape
    weight = np.ones(m) if weight is None else weight
    root = np.sqrt(weight)[:, None]
    Y = y.reshape(m, -1)
    if alpha == 0:
        x_mean, y_mean = (np.average(Z, axis=0, weights=weight) * fit_intercept for Z in (X, Y))
        coef = np.linalg.pinv(root * (X - x_mean), rcond=1e-12) @ (root * (Y - y_mean))
        intercept = y_mean - x_mean @ coef
    else:
        ones = np.full((m, 1), float(fit_intercept))
        A = np.block([[root * X, root * ones], [np.sqrt(alpha) * np.eye(n), np.zeros((n, 1))]])
        found = np.linalg.lstsq(A, np.vstack([root * Y, np.zeros((n, Y.shape[1]))]), rcond=1e-14)[0]
        coef, intercept = found[:n], found[n] * fit_intercept
    return (coef[:, 0], intercept[0]) if y.ndim == 1 else (coef.T, intercept)


def assert_is(model, coef, intercept, tol=1e-8):
    np.testing.assert_allclose(model.coef_, coef, rtol=tol, atol=tol)
    np.testing.assert_allclose(model.intercept_, intercept, rtol=tol, atol=tol)


def assert_same(model, other, tol=1e-12):
    assert_is(model, other.coef_, other.intercept_, tol)


def problem(shape, seed=0, n_targets=None):
    """X of singular values from 1 to 3, not centred, and y that is no function of it."""
    m, n = SHAPES[shape]
    rng = np.random.default_rng(seed)
    U, _, Vt = np.linalg.svd(rng.standard_normal((m, n)), full_matrices=False)
    X = U * np.linspace(3, 1, min(m, n)) @ Vt + rng.uniform(-1, 2, n)
    return X, rng.uniform(-10, 10, m if n_targets is None else (m, n_targets)) + 4


def labels(X, n_classes=3):
    """Classes that X tells about, none of them empty."""
    order = np.argsort(X[:, 0] + 0.3 * np.random.default_rng(5).standard_normal(len(X)))
    found = np.empty(len(X), dtype=int)
    found[order] = np.arange(len(X)) * n_classes // len(X)
    return found


def target(estimator, X):
    """A y that the estimator takes."""
    return labels(X) if issubclass(estimator, tuple(CLASSIFIERS)) else X[:, 0] + 2 * X[:, -1] ** 2 + 3


@pytest.fixture(scope="module")
def data():
    """``(X, Y, weight)`` of 60 rows, 6 columns of different means, 3 targets."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((60, 6)) * np.linspace(1, 3, 6) + np.arange(6)
    return X, X @ rng.standard_normal((6, 3)) + rng.standard_normal((60, 3)) + 5, rng.uniform(0.2, 3, 60)


def for_shape(solvers):
    """Solvers with the shapes they are for: "iterative" is for many more rows than columns."""
    return [
        (solver, shape) for solver in solvers for shape in SHAPES if solver != "iterative" or shape == "tall"
    ]


# -- the right answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize(("solver", "shape"), for_shape(SOLVERS))
def test_twice_the_columns_or_rows(solver, shape, fit_intercept):
    """A singular matrix that is solved by another form, an alpha that is scaled, a mean of other rows.

    For min ||y - X b||^2 + ||b||^2, [X, X] / 2 has the coefficients [b, b] at alpha = 1 / 2, and all rows
    twice have b at alpha = 2.
    """
    X, y = problem(shape)
    coef, intercept = minimum(X, y, 1.0, fit_intercept)
    twice = np.r_[X, X], np.r_[y, y]
    for A, b, alpha, expected in (
        (X, y, 1.0, coef),
        (np.c_[X, X] / 2, y, 0.5, np.r_[coef, coef]),
        (*twice, 2.0, coef),
    ):
        model = SketchedRidge(alpha, solver=solver, fit_intercept=fit_intercept, tol=1e-12, random_state=0)
        if solver == "iterative" and len(A) < A.shape[1]:
            continue
        assert_is(model.fit(A, b), expected, intercept)
        residual = b - A @ expected - intercept
        assert model.score(A, b) == pytest.approx(1 - np.sum(residual**2) / np.sum((b - b.mean()) ** 2))


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("solver", ["auto", "eigh", "exact"])
def test_no_penalty(solver, shape, form, fit_intercept):
    """Coefficients that are not the least of all that fit as well, for columns or rows that repeat."""
    X, y = problem(shape)
    coef, intercept = minimum(X, y, 0.0, fit_intercept)
    for A, b, expected in (
        (X, y, coef),
        (np.c_[X, X] / 2, y, np.r_[coef, coef]),
        (np.r_[X, X], np.r_[y, y], coef),
    ):
        model = SketchedRidge(0.0, solver=solver, fit_intercept=fit_intercept).fit(form(A), b)
        assert_is(model, expected, intercept, tol=1e-7)
        np.testing.assert_allclose(model.coef_, minimum(A, b, 0.0, fit_intercept)[0], atol=1e-7)
        if shape == "wide":
            np.testing.assert_allclose(model.predict(form(A)), b, atol=1e-7)


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("shape", SHAPES)
def test_limits_of_alpha(shape, form, fit_intercept):
    """A tiny alpha that is more than one, or a huge one that shrinks the intercept too."""
    X, y = problem(shape)
    free = LinearRegression(fit_intercept=fit_intercept).fit(X, y)
    mean = y.mean() * fit_intercept
    for solver in DIRECT:
        model = SketchedRidge(1e16, solver=solver, fit_intercept=fit_intercept).fit(form(X), y)
        assert_is(model, np.zeros(X.shape[1]), mean, tol=1e-10)
        if solver != "cholesky" or shape == "tall":
            model = SketchedRidge(1e-16, solver=solver, fit_intercept=fit_intercept).fit(form(X), y)
            assert_is(model, free.coef_, free.intercept_, tol=1e-7)
    model = SketchedRidgeCV([1e16], fit_intercept=fit_intercept).fit(form(X), y)
    assert_is(model, np.zeros(X.shape[1]), mean, tol=1e-10)
    signs = 2 * labels(X, 2) - 1
    model = SketchedRidgeClassifierCV([1e16], fit_intercept=fit_intercept).fit(form(X), signs)
    assert_is(model, np.zeros((1, X.shape[1])), signs.mean() * fit_intercept, tol=1e-10)
    if shape == "tall":  # where others interpolate, and leave no residual to choose by
        model = SketchedRidgeCV([1e-16], fit_intercept=fit_intercept).fit(form(X), y)
        assert_is(model, free.coef_, free.intercept_, tol=1e-7)
        model = SketchedRidgeClassifierCV([1e-16], fit_intercept=fit_intercept).fit(form(X), signs)
        free = LinearRegression(fit_intercept=fit_intercept).fit(X, signs)
        assert_is(model, free.coef_[None], free.intercept_, tol=1e-7)


@pytest.mark.parametrize(
    ("X", "y", "alpha", "coef", "intercept"),
    [
        # The slope is Sxy / (Sxx + alpha).
        ([[0], [1], [2]], [1, 3, 5], 2, [1], 2),
        ([[0], [1], [2]], [1, 3, 5], 0, [2], 1),
        ([[-1], [1]], [-3, 3], 1, [2], 0),
        ([[5], [5]], [1, 3], 1, [0], 2),
        ([[7]], [4], 0, [0], 4),
        # Equal columns share; a column of zeros gets nothing.
        ([[-1, -1], [1, 1]], [-3, 3], 2, [1, 1], 0),
        ([[-1, 0], [1, 0]], [-3, 3], 1, [2, 0], 0),
        # Orthogonal columns are shrunk one by one.
        ([[1, 2], [1, -2], [-1, 2], [-1, -2]], [10, 2, 4, -4], 4, [1.5, 1.6], 3),
    ],
)
def test_by_hand(X, y, alpha, coef, intercept):
    """Lists and integers that are not taken for numbers; a formula that is wrong by a factor."""
    for solver in ("auto", "eigh", "exact"):
        assert_is(SketchedRidge(alpha, solver=solver).fit(X, y), coef, intercept, tol=1e-12)


def test_the_intercept_is_not_penalised(data):
    """An intercept that shrinks, or centring that is left in the predictions."""
    X, Y, weight = data
    for w in (None, weight):
        model = SketchedRidge(50.0).fit(X, Y, sample_weight=w)
        shift, move = np.arange(6.0) * 10, np.array([0.0, 100.0, -7.0])
        shifted = SketchedRidge(50.0).fit(X + shift, Y + move, sample_weight=w)
        np.testing.assert_allclose(shifted.coef_, model.coef_, atol=1e-10)
        expected = model.intercept_ + move - model.coef_ @ shift
        np.testing.assert_allclose(shifted.intercept_, expected, atol=1e-8)
        x_mean, y_mean = (np.average(Z, axis=0, weights=w) for Z in (X, Y))
        centred = SketchedRidge(50.0, fit_intercept=False).fit(X - x_mean, Y - y_mean, sample_weight=w)
        np.testing.assert_allclose(centred.coef_, model.coef_, atol=1e-12)
        assert type(centred.intercept_) is float and centred.intercept_ == 0.0


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("solver", DIRECT)
def test_a_penalty_for_each_target_equals_separate_fits(solver, shape, form):
    """Penalties in another order than the targets; one entry, or a NumPy number, that is no number."""
    X, Y = problem(shape, n_targets=4)
    alphas = np.array([3, 1, 0.25, 100])
    for given in (alphas, alphas.tolist(), tuple(alphas), pd.Series(alphas), alphas.astype(np.float32)):
        model = SketchedRidge(given, solver=solver).fit(form(X), Y)
        for j, alpha in enumerate(alphas):
            coef, intercept = minimum(X, Y[:, j], alpha)
            np.testing.assert_allclose(model.coef_[j], coef, atol=1e-9)
            np.testing.assert_allclose(model.intercept_[j], intercept, atol=1e-9)
    model = SketchedRidge(3.0, solver=solver).fit(form(X), Y)
    for number in (3, np.float32(3), np.int64(3), np.array(3.0), [3.0], np.full(4, 3)):
        assert_same(SketchedRidge(number, solver=solver).fit(form(X), Y), model)
    alone = [SketchedRidge(3.0, solver=solver).fit(form(X), y) for y in Y.T]
    np.testing.assert_allclose(model.coef_, [one.coef_ for one in alone], atol=1e-11)
    np.testing.assert_allclose(model.intercept_, [one.intercept_ for one in alone], atol=1e-11)


# -- weights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize(("solver", "shape"), for_shape(SOLVERS))
def test_weights(solver, shape, form, fit_intercept):
    """Weights that are not squared once, not in the means, or not of the same scale as alpha."""
    X, y = problem(shape)
    m = len(X)
    rng = np.random.default_rng(1)

    def fit(A, b, weight=None, alpha=1.0):
        model = SketchedRidge(alpha, solver=solver, fit_intercept=fit_intercept, tol=1e-12, random_state=0)
        return model.fit(form(A), b, sample_weight=weight)

    plain = fit(X, y)
    for ones in (np.ones(m), [1] * m, 1, np.float32(1)) if solver == "auto" else (np.ones(m),):
        assert_same(fit(X, y, ones), plain, 1e-9)
    part = rng.random(m)
    for alpha in (1.0, 1e-2):  # the two halves of every row, in units of alpha
        halves = np.r_[part, 1 - part] * alpha
        assert_same(fit(np.r_[X, X], np.r_[y, y], halves, alpha), plain, 1e-8)
    weight = rng.uniform(0.1, 2, m)
    model = fit(X, y, weight)
    assert_is(model, *minimum(X, y, 1.0, fit_intercept, weight))
    assert_same(fit(X, y, np.pi * weight, np.pi), model, 1e-8)
    assert_same(fit(X, y, 3.0, 3.0), plain, 1e-8)
    counts = np.arange(m) % 3 + 1
    repeated = np.repeat(np.arange(m), counts)
    assert_same(fit(X[repeated], y[repeated], weight[repeated]), fit(X, y, weight * counts), 1e-8)
    wild, gone = y.copy(), weight.copy()
    wild[-2:] *= 1000
    gone[-2:] = 0
    assert_same(fit(X, wild, gone), fit(X[:-2], y[:-2], weight[:-2]), 1e-8)


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("shape", [(60, 1), (1, 60), (), (59,)])
def test_weights_of_a_wrong_shape(shape, estimator, data):
    """A column of weights that is broadcast against the rows."""
    X, _, _ = data
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(60,\)"):
        estimator().fit(X, target(estimator, X), sample_weight=np.ones(shape))


@pytest.mark.parametrize("shape", ["tall", "wide"])
@pytest.mark.parametrize("fit_intercept", [False, True])
def test_weighted_leave_one_out_leaves_all_copies_out(shape, fit_intercept):
    """A row of weight 3 of which one copy is left out, and two tell its target."""
    X, Y = problem(shape, n_targets=2)
    counts = np.arange(len(X)) % 3 + 1
    rows = np.repeat(np.arange(len(X)), counts)
    splits = [(np.flatnonzero(rows != i), np.flatnonzero(rows == i)) for i in range(len(X))]
    alphas = [1e-3, 0.1, 1.0, 10.0, 1e3]
    for y in (Y, Y[:, :1], Y[:, 0]):
        missed = np.empty((len(alphas), *y[rows].shape))
        for a, alpha in enumerate(alphas):
            for train, test in splits:
                model = Ridge(alpha, fit_intercept=fit_intercept, solver="svd")
                model.fit(X[rows][train], y[rows][train])
                missed[a, test] = y[rows][test] - model.predict(X[rows][test]).reshape(y[rows][test].shape)
        scores = -(missed**2).reshape(len(alphas), -1).mean(axis=1)
        for form in (np.asarray, sparse.csr_array):
            model = SketchedRidgeCV(alphas, fit_intercept=fit_intercept)
            model.fit(form(X), y, sample_weight=counts)
            np.testing.assert_allclose(model.cv_results_["mean_test_score"], scores, rtol=1e-7)
            assert model.alpha_ == alphas[scores.argmax()]
            assert_is(model, *minimum(X, y, model.alpha_, fit_intercept, counts))
            np.testing.assert_allclose(model.cv_residuals_[rows], missed[scores.argmax()], atol=1e-8)


# -- containers, dtypes, memory -----------------------------------------------------------------------


FORMATS = ["csr", "csc", "bsr", "coo", "dia", "dok", "lil"]


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize(
    ("form", "index"), [*((form, np.int32) for form in FORMATS), *((form, np.int64) for form in FORMATS[:3])]
)
def test_sparse_equals_dense(form, kind, index, data):
    """A format whose entries are read in another order; indices of another width; a filled-in mean."""
    rng = np.random.default_rng(2)
    D = np.where(rng.random((60, 6)) < 0.4, data[0] + 30, 0)
    S = getattr(sparse, f"{form}_{kind}")(D)
    for name in ("indices", "indptr"):
        if hasattr(S, name):
            setattr(S, name, getattr(S, name).astype(index))
    for estimator in ALL:
        y = target(estimator, D)
        for fit_intercept, weight in ((True, None), (True, data[2]), (False, data[2])):
            model = estimator(fit_intercept=fit_intercept).fit(S, y, sample_weight=weight)
            peer = estimator(fit_intercept=fit_intercept).fit(D, y, sample_weight=weight)
            assert_same(model, peer, 1e-9)
            np.testing.assert_allclose(model.predict(S), peer.predict(D), atol=1e-8)
            assert model.score(S, y, weight) == pytest.approx(peer.score(D, y, weight))


def test_sparse_with_repeated_and_unsorted_entries(data):
    """Entries that are counted once, or sorted in the user's matrix."""
    S = sparse.csr_array(([1.0, 2.0, 3.0, 4.0], [3, 0, 3, 3], [0, 2, 4]), shape=(2, 4))
    D, kept = np.array([[2.0, 0, 0, 1], [0, 0, 0, 7]]), S.indices.copy()
    np.testing.assert_array_equal(S.toarray(), D)
    assert_same(SketchedRidge().fit(S, [1.0, 2.0]), SketchedRidge().fit(D, [1.0, 2.0]))
    np.testing.assert_array_equal(S.indices, kept)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize(("solver", "shape"), for_shape(SOLVERS))
def test_float32_and_float64_agree(solver, shape, form):
    """A sum in float32 that loses more than the data have; a dtype that follows y or the weights."""
    X, Y = problem(shape, n_targets=2)
    weight = np.linspace(0.5, 1, len(X))
    for y in (Y, Y[:, 0]):
        for of_y in (np.float32, np.float64, np.int16):
            model = SketchedRidge(1.0, solver=solver, random_state=0)
            model.fit(form(X.astype(np.float32)), y.astype(of_y), sample_weight=weight)
            assert model.coef_.dtype == model.intercept_.dtype == np.float32
            assert model.predict(X.astype(np.float32)).dtype == np.float32
            assert_is(model, *minimum(X, y.astype(of_y), 1.0, weight=weight), tol=2e-4)
        model.fit(form(X), y.astype(np.float32), sample_weight=weight.astype(np.float32))
        assert model.coef_.dtype == model.intercept_.dtype == model.predict(X).dtype == np.float64


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint8, np.int32, np.uint64, np.float16, ">f8", object])
def test_numbers_of_any_kind(dtype, estimator):
    """Squares of bytes that wrap around; numbers whose bytes are read in the wrong order."""
    X = np.random.default_rng(3).integers(0, 2 if dtype is bool else 120, (30, 5)).astype(dtype)
    D = X.astype(np.float64)
    y = labels(D) if estimator in CLASSIFIERS else np.arange(30) % 7
    model, peer = estimator().fit(X, y), estimator().fit(D, y.astype(np.float64))
    assert model.coef_.dtype == (np.float32 if dtype is np.float16 else np.float64)
    assert_same(model, peer, 1e-4 if dtype is np.float16 else 1e-9)
    if dtype not in (object, np.float16):
        assert_same(
            estimator().fit(sparse.csr_matrix(D).astype(np.dtype(dtype).newbyteorder("=")), y), peer, 1e-9
        )


LAYOUTS = {
    "lists": lambda Z: Z.tolist(),
    "fortran": np.asfortranarray,
    "every other column": lambda Z: np.repeat(Z, 2, axis=-1)[..., ::2],
    "every other row": lambda Z: np.repeat(Z, 2, axis=0)[::2],
    "backwards": lambda Z: np.ascontiguousarray(Z[::-1])[::-1],
    "transposed": lambda Z: np.ascontiguousarray(Z.T).T,
    "part": lambda Z: np.pad(Z, 3)[(slice(3, -3),) * Z.ndim],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("estimator", ALL)
def test_layouts(estimator, layout, data):
    """Strides that are taken for those of a contiguous array, in X, y or the weights."""
    X, Y, weight = data
    change = LAYOUTS[layout]
    y = Y if estimator in REGRESSORS else labels(X)
    model = estimator().fit(change(X), change(y), sample_weight=change(weight))
    peer = estimator().fit(X, y, sample_weight=weight)
    assert_same(model, peer)
    np.testing.assert_allclose(model.predict(change(X)), peer.predict(X), atol=1e-10)


@pytest.mark.parametrize("estimator", ALL)
def test_read_only_files(estimator, data, tmp_path):
    """A write to what joblib has mapped for its workers, dense or sparse."""
    X, _, weight = data
    y = target(estimator, X)
    things = [X, np.asfortranarray(X), sparse.csr_array(X), sparse.csc_array(X), y, weight]
    joblib.dump(things, tmp_path / "data")
    *mapped, y_mapped, weight_mapped = joblib.load(tmp_path / "data", mmap_mode="r")
    assert isinstance(mapped[0], np.memmap) and not mapped[2].data.flags.writeable
    peer = estimator().fit(X, y, sample_weight=weight)
    for A in mapped:
        model = estimator().fit(A, y_mapped, sample_weight=weight_mapped)
        assert_same(model, peer, 1e-9)
        np.testing.assert_allclose(model.predict(A), peer.predict(X), atol=1e-8)


@pytest.mark.parametrize(
    "form", [np.ascontiguousarray, np.asfortranarray, sparse.csr_array, sparse.csc_array]
)
@pytest.mark.parametrize("estimator", ALL)
def test_nothing_is_written_to(estimator, form, data):
    """Data that are centred or weighted in place, or a list of alphas that is replaced."""
    A, y, weight = form(data[0]), target(estimator, data[0]), data[2].copy()
    arrays = [y, weight, *((A,) if isinstance(A, np.ndarray) else (A.data, A.indices, A.indptr))]
    before = joblib.hash(arrays)
    name = "alphas" if hasattr(estimator(), "alphas") else "alpha"
    given = (0.1, 1) if name == "alphas" else np.float32(0.5)
    for parameters in ({}, {"sketch_size": 3, "axis": "features"}, {"cv": 3}):
        if set(parameters) <= set(estimator().get_params()):
            model = estimator(**{name: given}, **parameters).fit(A, y, sample_weight=weight)
            model.predict(A)
            assert getattr(model, name) is given
            assert joblib.hash(arrays) == before


# -- shapes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("estimator", REGRESSORS)
def test_shapes(estimator, fit_intercept, data):
    """A target that is lost or added; attributes of an earlier fit.

    A column is one target of several: as in LinearRegression; scikit-learn's Ridge has vectors there.
    """
    X, Y, _ = data
    model = estimator(fit_intercept=fit_intercept)
    for y, shape in ((Y, (3,)), (Y[:, :1], (1,)), (Y[:, 0], ())):
        model.fit(X, y)
        assert isinstance(model.coef_, np.ndarray) and model.coef_.shape == (*shape, 6)
        assert np.shape(model.intercept_) == (shape if fit_intercept else ())
        assert isinstance(model.intercept_, float) == (shape == () or not fit_intercept)
        assert np.shape(model.residual_) == shape
        assert isinstance(model.n_iter_, int) and model.n_iter_ >= 1
        assert model.predict(X[:4]).shape == (4, *shape)
    one = estimator(fit_intercept=fit_intercept).fit(X, Y[:, :1])
    np.testing.assert_allclose(one.coef_[0], model.coef_, rtol=1e-12)
    np.testing.assert_allclose(one.predict(X)[:, 0], model.predict(X), rtol=1e-12)


def test_the_number_of_iterations():
    """One that is of another fit, or is more than allowed."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((2000, 50)), rng.standard_normal(2000)
    model = SketchedRidge(solver="iterative", max_iter=50, random_state=0)
    few, more, most = (model.set_params(tol=tol).fit(X, y).n_iter_ for tol in (1e-2, 1e-6, 1e-10))
    assert 1 <= few < more < most <= 50
    assert model.set_params(solver="exact").fit(X, y).n_iter_ == 1


# -- classes ------------------------------------------------------------------------------------------


KINDS = {
    "integers": np.array([0, 1, 2]),
    "negative": np.array([-1, 0, 1]),
    "words": np.array(["no", "one", "two"]),
    "objects": np.array(["no", "one", "two"], dtype=object),
    "floats": np.array([0.0, 1.0, 7.0]),
    "bytes": np.array([250, 3, 4], dtype=np.uint8),
}


@pytest.mark.parametrize(
    ("kind", "n_classes"), [("booleans", 2), *((kind, n_classes) for kind in KINDS for n_classes in (2, 3))]
)
@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_labels_and_shapes(estimator, kind, n_classes, data):
    """Classes in another order, or that come back as numbers; a second target for two classes."""
    X, _, _ = data
    names = np.array([False, True]) if kind == "booleans" else KINDS[kind]
    codes = labels(X, n_classes)
    y = names[codes]
    n_targets = 1 if n_classes == 2 else 3
    model = estimator().fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(y))
    assert model.classes_.dtype == model.predict(X).dtype == RidgeClassifier().fit(X, y).classes_.dtype
    assert model.coef_.shape == (n_targets, 6) and model.intercept_.shape == (n_targets,)
    assert model.decision_function(X).shape == ((60,) if n_classes == 2 else (60, 3))
    np.testing.assert_array_equal(estimator().fit(X, y.tolist()).predict(X), model.predict(X))
    targets = np.where(y[:, None] == np.unique(y), 1.0, -1.0)[:, -n_targets:]
    peer = SketchedRidge(getattr(model, "alpha_", 1.0)).fit(X, targets)
    assert_same(model, peer, 1e-9)
    decision = model.decision_function(X)
    chosen = (decision > 0).astype(int) if n_classes == 2 else decision.argmax(axis=1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[chosen])
    bare = estimator(fit_intercept=False).fit(X, y)
    assert bare.intercept_ == 0.0 and bare.coef_.shape == (n_targets, 6)


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_class_weights_are_sample_weights(estimator, data):
    """Weights of other classes, that are added, or that replace those of the samples."""
    X, _, weight = data
    y = np.array([-1, 3, 8])[np.minimum(labels(X, 5), 2)]  # 12, 12 and 36
    by_class = {-1: 1.0, 3: 100.0, 8: 0.5}
    factor = np.array([by_class[label] for label in y])

    def fit(class_weight=None, sample_weight=None):
        return estimator(class_weight=class_weight).fit(X, y, sample_weight=sample_weight)

    assert_same(fit(by_class), fit(None, factor))
    assert_same(fit(by_class, weight), fit(None, factor * weight))
    assert_same(fit(by_class, factor), fit(None, factor**2))
    assert_same(fit({3: 100.0, 8: 0.5}), fit(by_class))  # those that are not named count once
    assert_same(fit({}), fit())
    assert_same(fit("balanced"), fit(None, compute_sample_weight("balanced", y)))
    with pytest.raises(ValueError, match="are not in class_weight"):
        fit({9: 2.0})
    counts = np.arange(60) % 3
    rows = np.repeat(np.arange(60), counts)
    one = {"alpha": 1.0} if estimator is SketchedRidgeClassifier else {"alphas": 1.0}
    repeated = estimator(class_weight="balanced", **one).fit(X[rows], y[rows])
    assert_same(estimator(class_weight="balanced", **one).fit(X, y, sample_weight=counts), repeated, 1e-10)
    even = labels(X)
    assert_same(estimator(class_weight="balanced").fit(X, even), estimator().fit(X, even))


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_a_light_class_gives_way(estimator):
    """Weights that are applied to the features, or to the other class."""
    X = [[-1.0, -1.0], [-1.0, 0.0], [-0.8, -1.0], [1.0, 1.0], [1.0, 0.0]]
    y = [1, 1, 1, -1, -1]
    parameters = {"alpha": 1.0} if estimator is SketchedRidgeClassifier else {"alphas": 1.0}
    for class_weight, expected in ((None, 1), ("balanced", 1), ({1: 0.001}, -1)):
        model = estimator(class_weight=class_weight, **parameters).fit(X, y)
        assert model.predict([[0.2, -1.0]]) == [expected]


@pytest.mark.parametrize("estimator", CLASSIFIERS)
def test_more_than_one_label(estimator, data):
    """Indicators of several labels that are taken for something else; a column of labels that is refused."""
    X, _, _ = data
    y = labels(X, 2)
    Y = np.c_[y, 1 - y, labels(X, 3) == 1].astype(int)
    for form in (np.asarray, sparse.csr_matrix):
        model = estimator().fit(X, form(Y))
        targets = Ridge(getattr(model, "alpha_", 1.0)).fit(X, 2 * Y - 1)
        np.testing.assert_allclose(model.decision_function(X), targets.predict(X), atol=1e-7)
        np.testing.assert_array_equal(model.predict(X), targets.predict(X) > 0)
        np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    with pytest.warns(DataConversionWarning, match="column-vector y"):
        column = estimator().fit(X, y[:, None])
    assert_same(column, estimator().fit(X, y))
    assert column.predict(X).shape == (60,)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
@pytest.mark.parametrize("cv", [None, "gcv", 3, StratifiedKFold(5), KFold(5, shuffle=True, random_state=0)])
@pytest.mark.parametrize("scoring", [None, "accuracy", make_scorer(lambda y, p, **_: np.mean(y == p))])
def test_search_for_a_classifier(scoring, cv, form):
    """Scores of targets where labels are asked for, or folds of one class."""
    X, y = load_iris(return_X_y=True)
    model = SketchedRidgeClassifierCV(scoring=scoring, cv=cv).fit(form(X), y)
    assert model.coef_.shape == (3, 4)
    assert model.score(form(X), y) > 0.8
    assert isinstance(model.best_score_, float) and (model.best_score_ > 0.75) == (scoring is not None)


# -- the search ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "alphas",
    [
        [0.5, 2],
        (0.5, 2),
        np.array([0.5, 2]),
        np.array([0.5, 2], dtype="f4"),
        pd.Series([0.5, 2]),
        np.array([2, 0.5]),
    ],
)
@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("estimator", [SketchedRidgeCV, SketchedRidgeClassifierCV])
def test_alphas_of_any_kind(estimator, cv, alphas, data):
    """Alphas of which only the first counts, or an alpha_ that is an array of no dimension."""
    X, _, _ = data
    y = target(estimator, X)
    model = estimator(alphas, cv=cv).fit(X, y)
    assert type(model.alpha_) is type(model.best_score_) is float
    assert_same(model, estimator([0.5, 2.0], cv=cv).fit(X, y))
    best = max(estimator(alpha, cv=cv).fit(X, y).best_score_ for alpha in (0.5, 2))
    assert model.best_score_ == pytest.approx(best)
    for number in (2, 2.0, np.float32(2), np.int64(2), np.array(2.0), [2]):
        model = estimator(number, cv=cv).fit(X, y)
        assert type(model.alpha_) is float and model.alpha_ == 2


@pytest.mark.parametrize("cv", [None, "gcv", 4])
@pytest.mark.parametrize("estimator", [SketchedRidgeCV, SketchedRidgeClassifierCV])
def test_ties_and_the_sign_of_scores(estimator, cv, data):
    """A tie that the last one wins; a loss that is maximised."""
    X, _, _ = data
    y = target(estimator, X)
    same = make_scorer(lambda y, predicted: 0.42)
    model = estimator([3.0, 1.0, 30.0, 1.0], scoring=same, cv=cv).fit(X, y)
    assert model.alpha_ == 3.0 and model.best_score_ == pytest.approx(0.42)
    np.testing.assert_array_equal(model.cv_results_["rank_test_score"], 1)
    for alphas in ([1.0, 1e6], [1e6, 1.0]):
        model = estimator(alphas, cv=cv).fit(X, y)
        assert model.alpha_ == 1.0 and -np.inf < model.best_score_ < 0
        loss = make_scorer(mean_squared_error, greater_is_better=False)
        assert estimator(alphas, scoring=loss, cv=cv).fit(X, y).alpha_ == 1.0
        gain = make_scorer(lambda y, predicted: -mean_squared_error(y, predicted))
        assert estimator(alphas, scoring=gain, cv=cv).fit(X, y).alpha_ == 1.0


@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_a_scorer_of_all_targets(shape):
    """A scorer that gets the targets one by one, in another order, or as a vector."""
    X, Y = problem(shape, n_targets=2)

    def second_counts_twice(y, predicted):
        return -np.average(np.mean((y - predicted) ** 2, axis=0), weights=[1, 2])

    model = SketchedRidgeCV(scoring=lambda estimator, X, y: second_counts_twice(y, estimator.predict(X)))
    model.fit(X, Y)
    alone = np.arange(len(X))
    found = {}
    for alpha in (0.1, 1.0, 10.0):
        fits = [Ridge(alpha, solver="svd").fit(X[alone != i], Y[alone != i]) for i in alone]
        found[alpha] = second_counts_twice(
            Y, np.array([fit.predict(X[[i]])[0] for i, fit in enumerate(fits)])
        )
    assert model.best_score_ == pytest.approx(max(found.values()), rel=1e-8)
    assert model.alpha_ == max(found, key=found.get)


@pytest.mark.parametrize(
    "scoring", ["explained_variance", "r2", "neg_median_absolute_error", "neg_max_error"]
)
def test_scorers_that_need_all_rows(scoring, data):
    """Predictions that are centred or scaled where the scorer compares them with each other."""
    X, Y, _ = data
    for y in Y.T:
        predicted = cross_val_predict(Ridge(2.0), X, y, cv=LeaveOneOut())
        expected = get_scorer(scoring)(_Known(predicted), X, y)
        assert SketchedRidgeCV(2.0, scoring=scoring).fit(X, y).best_score_ == pytest.approx(expected)


class _Known(RegressorMixin, BaseEstimator):
    """Predicts what it is given."""

    def __init__(self, predicted):
        self.predicted = predicted

    def predict(self, X):
        return self.predicted


def test_splits_and_fitting_twice(data):
    """A table, names or an alpha of an earlier fit; a list of splits that is used up by one fit."""
    X, Y, weight = data
    splits = list(KFold(4).split(X))
    model = SketchedRidgeCV(cv=splits)
    first = model.fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(model.fit(X, Y).cv_results_["mean_test_score"], first)
    for cv in (4, KFold(4), iter(splits)):
        again = SketchedRidgeCV(cv=cv).fit(X, Y)
        np.testing.assert_array_equal(again.cv_results_["mean_test_score"], first)
        assert_same(again, model)
    model.set_params(cv=None, alphas=3.0).fit(pd.DataFrame(X[:, :4], columns=list("abcd")), Y[:, 0], weight)
    assert "split0_test_score" not in model.cv_results_ and len(model.cv_results_["params"]) == 1
    assert model.coef_.shape == (4,) and model.alpha_ == 3.0 and list(model.feature_names_in_) == list("abcd")
    model.fit(X, Y)
    assert not hasattr(model, "feature_names_in_") and model.coef_.shape == (3, 6)
    fresh = SketchedRidgeCV(3.0).fit(X, Y)
    assert_same(model, fresh)
    np.testing.assert_array_equal(model.cv_residuals_, fresh.cv_residuals_)
    np.testing.assert_array_equal(model.predict_interval(X), fresh.predict_interval(X))


@pytest.mark.parametrize("cv", [None, 3])
@pytest.mark.parametrize("estimator", [SketchedRidgeCV, SketchedRidgeClassifierCV])
def test_containers_in_a_search(estimator, cv, data):
    """Rows that are looked up by the labels of an index, or that only arrays are dealt to folds by."""
    X, _, weight = data
    y = target(estimator, X)
    scoring = "r2" if estimator is SketchedRidgeCV else "accuracy"
    peer = estimator(cv=cv, scoring=scoring).fit(X, y, sample_weight=weight)
    index, names = np.arange(60)[::-1] + 100, list("abcdef")
    forms = {
        "pandas": (pd.DataFrame(X, index, names), pd.Series(y, index), pd.Series(weight, index)),
        "polars": (pl.DataFrame(X, schema=names), pl.Series(y), pl.Series(weight)),
        "lists": (X.tolist(), y.tolist(), weight.tolist()),
        "coo": (sparse.coo_matrix(X), y, weight),
        "dia": (sparse.dia_array(X), y, weight),
    }
    for form, (A, b, w) in forms.items():
        model = estimator(cv=cv, scoring=scoring).fit(A, b, sample_weight=w)
        assert_same(model, peer, 1e-9)
        assert model.best_score_ == pytest.approx(peer.best_score_), form
        np.testing.assert_allclose(model.predict(A), peer.predict(X), rtol=1e-9)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", ["tall", "wide"])
def test_folds_equal_fits_of_ridge(shape, weighted):
    """Weights of other rows in a fold, for rows that are more or fewer than columns."""
    X, y = problem(shape)
    weight = np.random.default_rng(4).uniform(0.1, 3, len(X)) if weighted else np.ones(len(X))
    alphas = [0.1, 1.0, 10.0]
    model = SketchedRidgeCV(alphas, cv=KFold(2)).fit(X, y, sample_weight=weight if weighted else None)
    for k, (train, test) in enumerate(KFold(2).split(X)):
        for alpha, found in zip(alphas, model.cv_results_[f"split{k}_test_score"], strict=True):
            coef, intercept = minimum(X[train], y[train], alpha, weight=weight[train])
            missed = y[test] - X[test] @ coef - intercept
            assert found == pytest.approx(-np.average(missed**2, weights=weight[test]))
    assert_is(model, *minimum(X, y, model.alpha_, weight=weight))


@pytest.mark.parametrize("estimator", [SketchedRidgeCV, SketchedRidgeClassifierCV])
def test_alpha_zero_is_allowed(estimator, data):
    """Least squares that cannot be compared with ridge regression, as in scikit-learn's search."""
    X, _, _ = data
    y = target(estimator, X)
    for cv in (None, "gcv", 3):
        model = estimator([0.0, 1e9], cv=cv).fit(X, y)
        assert model.alpha_ == 0.0
        assert_same(model, estimator([1e-14], cv=cv).fit(X, y), 1e-9)


# -- pipelines and metadata ---------------------------------------------------------------------------


@pytest.mark.parametrize("estimator", ALL)
@config_context(enable_metadata_routing=True)
def test_weights_are_routed(estimator, data):
    """Weights that are lost on the way through a pipeline or a search, or taken without being asked for."""
    X, _, weight = data
    y = target(estimator, X)
    alone = estimator().fit(X, y, sample_weight=weight)  # by itself it needs no request
    assert_same(alone, estimator().set_fit_request(sample_weight=True).fit(X, y, sample_weight=weight))
    assert estimator().get_metadata_routing().fit.requests == {"sample_weight": None}
    step = FunctionTransformer()
    with pytest.raises(UnsetMetadataPassedError, match="sample_weight"):
        make_pipeline(step, estimator()).fit(X, y, sample_weight=weight)
    asks = estimator().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    declines = estimator().set_fit_request(sample_weight=False).set_score_request(sample_weight=False)
    assert_same(make_pipeline(step, asks).fit(X, y, sample_weight=weight)[-1], alone)
    scaler = StandardScaler().set_fit_request(sample_weight=True)
    piped = make_pipeline(scaler, asks).fit(X, y, sample_weight=weight)
    Z = StandardScaler().fit_transform(X, sample_weight=weight)
    assert_same(piped[-1], estimator().fit(Z, y, sample_weight=weight))
    piped = make_pipeline(scaler, declines).fit(X, y, sample_weight=weight)
    assert_same(piped[-1], estimator().fit(Z, y))
    grid = {"fit_intercept": [True, False]}
    folds = KFold(3, shuffle=True, random_state=0)
    search = GridSearchCV(asks, grid, cv=folds).fit(X, y, sample_weight=weight)
    for k, (train, test) in enumerate(folds.split(X)):
        for i, intercept in enumerate((True, False)):
            model = estimator(fit_intercept=intercept).fit(X[train], y[train], sample_weight=weight[train])
            expected = model.score(X[test], y[test], sample_weight=weight[test])
            assert search.cv_results_[f"split{k}_test_score"][i] == pytest.approx(expected)
    assert_same(search.best_estimator_, estimator(**search.best_params_).fit(X, y, sample_weight=weight))
    assert len(cross_validate(asks, X, y, cv=3, params={"sample_weight": weight})["test_score"]) == 3


@pytest.mark.parametrize("estimator", ALL)
def test_no_warnings(estimator, data):
    """A warning about nothing, of division or of conversion."""
    X, _, weight = data
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for A in (X, X.astype(np.float32), sparse.csr_array(X), np.c_[X, X], np.c_[X, np.ones(60)], X[:, :1]):
            estimator().fit(A, target(estimator, X), sample_weight=weight).predict(A)
