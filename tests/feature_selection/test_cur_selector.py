"""CURSelector: scikit-learn's contract, number of features, reconstruction, paths, bad input."""

import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import linalg, sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.feature_selection import CURSelector
from sklr.linalg import RowChunks, as_operand, select_columns

M, N = 150, 40

# Other methods do not sketch so few rows.
BY_LU = {
    f"check_sample_weight_equivalence_on_{kind}_data": "partial pivoting goes row by row"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks(
    [
        CURSelector(),
        CURSelector(n_features_to_select=1, n_threads=1),
        CURSelector(n_features_to_select=0.2, method="greedy"),
        CURSelector(tol=0.5),
        CURSelector(method="lupp"),
        CURSelector(method="rbrp"),
        CURSelector(method="deim"),
        CURSelector(method="leverage", leverage="ridge", sampled=True),
        CURSelector(method="leverage", leverage="sketched"),
        CURSelector(method="norm"),
        CURSelector(method="uniform"),
    ],
    expected_failed_checks=lambda estimator: BY_LU if estimator.method == "lupp" else {},
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Only .* features are linearly independent", UserWarning)
        warnings.filterwarnings("ignore", ".* has been clipped to it", UserWarning)
        check(estimator)


@pytest.fixture(scope="module")
def X():
    """A matrix with singular values 1 / i."""
    rng = np.random.default_rng(0)
    U, V = (linalg.qr(rng.standard_normal((size, N)), mode="economic")[0] for size in (M, N))
    return (U / np.arange(1, N + 1)) @ V.T


def error_of(X, selector):
    J = selector.get_support(indices=True)
    return np.linalg.norm(X - X[:, J] @ linalg.lstsq(X[:, J], X)[0]) / np.linalg.norm(X)


def test_fitted_attributes(X):
    """Coefficients in the order of choice where `transform` keeps that of X; an error of something else."""
    selector = CURSelector(10, random_state=0).fit(X)
    J = selector.get_support(indices=True)
    assert list(J) == sorted(selector.selected_indices_) and list(J) != list(selector.selected_indices_)
    np.testing.assert_allclose(selector.coefficients_, linalg.lstsq(X[:, J], X)[0], atol=1e-12)
    np.testing.assert_array_equal(selector.transform(X), X[:, J])
    assert selector.error_estimate_ == pytest.approx(error_of(X, selector), rel=1e-9)
    reconstructed = selector.reconstruct(selector.transform(X))
    np.testing.assert_allclose(
        np.linalg.norm(X - reconstructed) / np.linalg.norm(X), selector.error_estimate_
    )
    np.testing.assert_array_equal(reconstructed[:, J], X[:, J])
    zeros = selector.inverse_transform(selector.transform(X))
    np.testing.assert_array_equal(zeros[:, J], X[:, J])
    assert np.count_nonzero(zeros.any(axis=0)) == 10
    s = linalg.svdvals(X)
    best = np.linalg.norm(s[10:]) / np.linalg.norm(s)
    assert selector.best_errors_[-1] == pytest.approx(best, rel=0.15)
    assert selector.suboptimality_estimate_ == selector.error_estimate_ / selector.best_errors_[-1] > 1
    assert selector.method_ == "qrcp" and selector.n_passes_ == 3
    assert np.isnan(CURSelector(10, method="norm").fit(X).suboptimality_estimate_)
    exact = CURSelector(10, method="deim").fit(X)
    assert exact.suboptimality_estimate_ == pytest.approx(error_of(X, exact) / best, rel=1e-6)


@pytest.mark.parametrize(
    ("number", "tol", "expected"),
    [("auto", None, 20), (7, None, 7), (0.25, None, 10), (0.001, None, 1), (np.int64(3), None, 3)],
)
def test_number_of_features(X, number, tol, expected):
    """A fraction of the samples; a rule that is not the documented one."""
    selector = CURSelector(number, tol=tol, random_state=0).fit(X)
    assert selector.get_support().sum() == expected == selector.transform(X).shape[1]
    assert len(selector.get_feature_names_out()) == expected


def test_automatic_number_is_capped():
    """Hundreds of features that nobody asked for; more than rows have room for."""
    rng = np.random.default_rng(0)
    assert CURSelector(random_state=0).fit(rng.standard_normal((300, 500))).get_support().sum() == 100
    assert CURSelector(random_state=0).fit(rng.standard_normal((30, 500))).get_support().sum() == 30


@pytest.mark.parametrize("method", ["auto", "rbrp", "norm", "deim"])
def test_tolerance(X, method):
    """A tolerance that is missed without a warning, or met with more features than it takes."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector = CURSelector(tol=0.1, method=method, random_state=0).fit(X)
    assert selector.errors_[-1] <= 0.1 < selector.errors_[-2]
    with pytest.warns(
        ConvergenceWarning, match=r"tol=0.1 is not reached: the relative error with 3 features"
    ):
        selector = CURSelector(3, tol=0.1, method=method, random_state=0).fit(X)
    assert selector.get_support().sum() == 3


def test_fewer_features_than_asked_for():
    """A feature chosen twice, or silence about features that are missing."""
    rng = np.random.default_rng(0)
    B = rng.standard_normal((50, 4))
    with pytest.warns(UserWarning, match="Only 4 features are linearly independent .*; 6 were asked for"):
        selector = CURSelector(6, random_state=0).fit(np.hstack([B, B, np.zeros((50, 2))]))
    assert selector.get_support().sum() == 4 and selector.error_estimate_ < 1e-12
    for number in (9, 0.9):
        data = B if number == 9 else B.T
        with pytest.warns(
            UserWarning, match=rf"={number} is .* features, more than .*=4, and has been clipped"
        ):
            CURSelector(number, random_state=0).fit(data)
    with pytest.warns(UserWarning, match="Only 1 feature is linearly independent"):
        CURSelector(2).fit(np.ones((5, 2)))
    with pytest.warns(ConvergenceWarning, match="use a larger tol, or float64"):
        CURSelector(tol=1e-9).fit(B.astype(np.float32))


FORMS = {
    "ndarray": np.asarray,
    "fortran": np.asfortranarray,
    "list": np.ndarray.tolist,
    "pandas": lambda X: pd.DataFrame(X, columns=[f"f{j}" for j in range(X.shape[1])]),
    "polars": lambda X: pl.DataFrame(X, schema=[f"f{j}" for j in range(X.shape[1])]),
    "csr_array": sparse.csr_array,
    "csc_matrix": sparse.csc_matrix,
    "coo_array": sparse.coo_array,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 4)), X.shape, X.dtype),
    "operand": as_operand,
}


@pytest.mark.parametrize("form", FORMS)
def test_containers(X, form):
    """A container that is refused, or another result for it."""
    data = FORMS[form](X)
    selector = CURSelector(8, sketch="gaussian", random_state=0).fit(data)
    dense = CURSelector(8, sketch="gaussian", random_state=0).fit(X)
    np.testing.assert_array_equal(selector.selected_indices_, dense.selected_indices_)
    np.testing.assert_allclose(selector.coefficients_, dense.coefficients_, atol=1e-10)
    kept = selector.transform(data)
    assert sparse.issparse(kept) == form.startswith("c") if form != "chunks" else isinstance(kept, np.ndarray)
    array = kept.toarray() if sparse.issparse(kept) else np.asarray(kept)
    np.testing.assert_array_equal(array, X[:, selector.get_support()])
    if sparse.issparse(kept):
        np.testing.assert_allclose(selector.reconstruct(kept), selector.reconstruct(array), atol=1e-12)
        assert selector.inverse_transform(kept).shape == X.shape


def test_mapped_file(X, tmp_path):
    """A file that is read by a check, or results that are not those of its rows."""
    path = tmp_path / "X.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    selector = CURSelector(8, random_state=0).fit(mapped)
    np.testing.assert_array_equal(selector.transform(mapped), X[:, selector.get_support()])
    assert selector.error_estimate_ == pytest.approx(error_of(X, selector), rel=1e-9)
    bad = X.copy()
    bad[3, 5] = np.nan
    np.save(path, bad)
    with pytest.raises(ValueError, match="NaN"):
        CURSelector(8).fit(np.load(path, mmap_mode="r"))


@pytest.mark.parametrize("sparse_form", [False, True])
def test_float32(X, sparse_form):
    """Results in another dtype."""
    data = X.astype(np.float32)
    data = sparse.csr_array(data) if sparse_form else data
    selector = CURSelector(8, random_state=0).fit(data)
    assert selector.coefficients_.dtype == np.float32 == selector.transform(data).dtype
    assert selector.reconstruct(selector.transform(data)).dtype == np.float32
    assert selector.error_estimate_ == pytest.approx(error_of(X, selector), rel=1e-4)


def test_sample_weight_is_repetition(X):
    """Weights that are ignored, or squared."""
    weight = np.random.default_rng(0).integers(0, 4, M)
    for method in ("norm", "deim", "rbrp"):
        weighted = CURSelector(8, method=method, random_state=0).fit(X, sample_weight=weight)
        repeated = CURSelector(8, method=method, random_state=0).fit(np.repeat(X, weight, axis=0))
        np.testing.assert_array_equal(weighted.selected_indices_, repeated.selected_indices_)
        np.testing.assert_allclose(weighted.coefficients_, repeated.coefficients_, atol=1e-8)
        assert weighted.error_estimate_ == pytest.approx(repeated.error_estimate_, rel=1e-8)
    sketched = CURSelector(8, random_state=0).fit(X, sample_weight=weight)
    assert error_of(np.repeat(X, weight, axis=0), sketched) == pytest.approx(sketched.error_estimate_)


def test_seeds(X):
    """A fit that depends on more than its seed, or not on it."""
    first, again, other = (
        CURSelector(8, method="uniform", random_state=seed).fit(X).selected_indices_ for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert list(first) != list(other)
    state = np.random.RandomState(0)
    drawn = [CURSelector(8, method="uniform", random_state=state).fit(X).selected_indices_ for _ in range(2)]
    assert list(drawn[0]) != list(drawn[1])


def test_names_and_frames():
    """Names that are not those of the columns kept."""
    frame = load_digits(as_frame=True).data
    selector = CURSelector(10, random_state=0).fit(frame)
    kept = selector.set_output(transform="pandas").transform(frame)
    assert list(kept.columns) == list(selector.get_feature_names_out())
    pd.testing.assert_frame_equal(kept, frame[kept.columns])
    with pytest.raises(ValueError, match="feature names"):
        selector.transform(frame.rename(columns={frame.columns[0]: "other"}))


def test_in_a_search():
    """What keeps it out of pipelines: parameters that do not clone, or change with a fit."""
    X, y = load_digits(return_X_y=True)
    model = make_pipeline(StandardScaler(), CURSelector(random_state=0), LogisticRegression(max_iter=500))
    grid = {"curselector__n_features_to_select": [5, 20], "curselector__method": ["qrcp", "norm"]}
    search = GridSearchCV(model, grid, cv=2).fit(X[:500], y[:500])
    assert search.best_params_["curselector__n_features_to_select"] == 20
    assert search.best_score_ > 0.7


def test_pickle_and_clone(X):
    """A fitted estimator that does not travel; a reference that a clone loses."""
    reference = np.random.default_rng(0).standard_normal((5, N))
    selector = CURSelector(6, method="norm_activation", reference=reference).fit(X)
    copy = pickle.loads(pickle.dumps(selector))
    np.testing.assert_array_equal(copy.transform(X), selector.transform(X))
    np.testing.assert_array_equal(clone(selector).reference, reference)
    assert copy.truncate(3).get_support().sum() == 3


# -- paths ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["qrcp", "lupp", "greedy", "norm", "uniform", "rbrp"])
def test_truncate(X, method):
    """Coefficients of all features, cut off; errors of all."""
    selector = CURSelector(12, method=method, random_state=0).fit(X)
    smaller = selector.truncate(5)
    np.testing.assert_array_equal(smaller.selected_indices_, selector.selected_indices_[:5])
    J = smaller.get_support(indices=True)
    np.testing.assert_allclose(smaller.coefficients_, linalg.lstsq(X[:, J], X)[0], atol=1e-10)
    assert smaller.error_estimate_ == pytest.approx(error_of(X, smaller), rel=1e-9)
    assert smaller.get_params()["n_features_to_select"] == 5 and selector.get_support().sum() == 12
    if method in ("norm", "uniform"):
        direct = CURSelector(5, method=method, random_state=0).fit(X)
        np.testing.assert_array_equal(direct.selected_indices_, smaller.selected_indices_)
    for wrong, error in ((0, ValueError), (13, ValueError), (2.0, TypeError)):
        with pytest.raises(error, match="n_features_to_select must be"):
            selector.truncate(wrong)


def test_truncation_is_the_direct_fit_where_the_sketch_is_the_same(X):
    """Picks that are not nested."""
    many = CURSelector(12, n_oversamples=50, random_state=0).fit(X)
    few = CURSelector(5, n_oversamples=57, random_state=0).fit(X)
    np.testing.assert_array_equal(few.selected_indices_, many.truncate(5).selected_indices_)
    np.testing.assert_allclose(few.coefficients_, many.truncate(5).coefficients_, atol=1e-10)


def test_path(X, monkeypatch):
    """A fit for every number of features; fits that are shared by what differs in more than the number."""
    from sklr.feature_selection import _cur_selector

    fits = []

    def counted(*args, **kwargs):
        fits.append(kwargs["method"])
        return select_columns(*args, **kwargs)

    monkeypatch.setattr(_cur_selector, "select_columns", counted)
    numbers = [3, 0.2, 12, "auto"]
    params = [
        {"n_features_to_select": number, "method": method}
        for number in numbers
        for method in ("qrcp", "norm", "deim")
    ]
    base = CURSelector(random_state=0)
    fitted = list(base.fit_path(X, None, params))
    assert sorted(fits) == ["deim"] * 4 + ["norm", "qrcp"]
    assert not hasattr(base, "selected_indices_")
    for parameters, model in zip(params, fitted, strict=True):
        direct = clone(base).set_params(**parameters).fit(X)
        assert model.get_params() == direct.get_params()
        assert model.get_support().sum() == direct.get_support().sum()
        assert model.error_estimate_ == pytest.approx(error_of(X, model), rel=1e-6)
        if parameters["method"] != "qrcp":
            np.testing.assert_array_equal(model.selected_indices_, direct.selected_indices_)
        else:
            assert model.error_estimate_ < 1.1 * direct.error_estimate_
    (tolerant,) = base.fit_path(X, None, [{"tol": 0.1}])
    assert tolerant.error_estimate_ <= 0.1
    with pytest.raises(ValueError, match="n_features_to_select must be"):
        list(base.fit_path(X, None, [{"n_features_to_select": 0}]))


def test_path_does_not_copy_the_reference(X):
    """A copy of the reference for every number, or one that cannot be copied."""
    reference = RowChunks(lambda: iter([np.ones((4, N))]), (4, N), np.float64)
    base = CURSelector(method="norm_activation", reference=reference)
    fitted = list(base.fit_path(X, None, [{"n_features_to_select": k} for k in (3, 5)]))
    assert all(model.reference is reference for model in fitted)
    assert [model.get_support().sum() for model in fitted] == [3, 5]


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"n_features_to_select": 0}, ValueError, "n_features_to_select must be an int of at least 1"),
        ({"n_features_to_select": 1.5}, ValueError, "which is a part of the features"),
        ({"n_features_to_select": None}, TypeError, "n_features_to_select must be an int"),
        ({"n_features_to_select": "all"}, TypeError, "n_features_to_select must be an int"),
        ({"n_features_to_select": True}, TypeError, "n_features_to_select must be an int"),
        ({"tol": 0}, ValueError, r"tol must be in \(0, 1\)"),
        ({"tol": "small"}, TypeError, "tol must be a float"),
        ({"method": "svd"}, ValueError, "The 'method' parameter"),
        ({"sketch": "gauss"}, ValueError, "Unknown sketch"),
        ({"n_oversamples": -1}, ValueError, "The 'n_oversamples' parameter"),
        ({"leverage": "ridge"}, ValueError, "leverage='ridge' is for method='leverage'"),
        ({"sampled": True}, ValueError, "sampled=True is for the methods"),
        ({"method": "norm", "sketch": "srtt"}, ValueError, "method='norm' makes no sketch"),
        ({"method": "norm_activation"}, ValueError, "needs a reference batch"),
        ({"method": "norm_activation", "reference": np.ones((3, 7))}, ValueError, "reference has 7 columns"),
        ({"method": "norm_activation", "reference": np.ones(N)}, ValueError, "reference must be two-dim"),
        ({"max_memory": 1000}, ValueError, "max_memory"),
    ],
)
def test_bad_parameters(X, params, error, message):
    """A parameter that is ignored; an estimator that a failed fit changes."""
    selector = CURSelector(random_state=0).set_params(**params)
    with pytest.raises(error, match=message):
        selector.fit(X)
    with pytest.raises(NotFittedError):
        selector.transform(X)
    assert not hasattr(selector, "n_features_in_")


def test_bad_data(X):
    """An error that does not name the data, or none."""
    bad = X.copy()
    bad[2, 3] = np.inf
    for data, message in (
        (bad, "X contains infinity"),
        (0 * X, "X is zero everywhere"),
        (sparse.csr_array(X.shape), "X is zero everywhere"),
        (X * 1j, "[Cc]omplex"),
        (X[0], "2D array"),
        (X[:0], "0 sample"),
    ):
        with pytest.raises(ValueError, match=message):
            CURSelector(3).fit(data)
    selector = CURSelector(3, random_state=0).fit(X)
    for method in (CURSelector(3).fit, selector.transform):
        with pytest.raises(TypeError, match="RowChunks"):
            method(iter(X))
        with pytest.raises(ValueError, match="masked"):
            method(np.ma.masked_greater(X, 0))
    frame = pd.DataFrame(X, columns=[f"f{j}" for j in range(N)])
    with pytest.raises(ValueError, match="(?s)reference and X have other features.*order"):
        CURSelector(3, method="norm_activation", reference=frame.iloc[:5, ::-1]).fit(frame)
    with pytest.raises(ValueError, match="39 features"):
        selector.transform(X[:, :39])
    with pytest.raises(ValueError, match="X has 4 columns, but CURSelector has selected 3"):
        selector.reconstruct(X[:, :4])
    with pytest.raises(ValueError, match="sample_weight must have shape"):
        selector.fit(X, sample_weight=np.ones(3))
    np.testing.assert_array_equal(selector.transform(X), X[:, selector.get_support()])


def test_behaves_like_scikit_learns_selectors(X):
    """Zeros, names or masks in another form than those of `VarianceThreshold`."""
    ours, theirs = CURSelector(5, random_state=0).fit(X), VarianceThreshold().fit(X)
    assert ours.get_support().dtype == theirs.get_support().dtype == bool
    names = [f"n{j}" for j in range(N)]
    np.testing.assert_array_equal(
        ours.get_feature_names_out(names), np.array(names, dtype=object)[ours.get_support()]
    )
