"""EmpiricalInterpolation: exactness, symmetry, lost sensors, honest errors, bad input."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.feature_selection import EmpiricalInterpolation
from sklr.linalg import RowChunks

METHODS = ("eim", "deim", "qdeim")


@parametrize_with_checks(
    [
        EmpiricalInterpolation(),
        EmpiricalInterpolation(1, norm=2, axis="features"),
        EmpiricalInterpolation(0.5, method="deim"),
        EmpiricalInterpolation(method="qdeim", n_threads=1),
    ]
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer that selects features."""
    check(estimator)


def fields(m=60, n=80, seed=0, ratio=0.6):
    """A matrix without ties, whose singular values fall by about `ratio`."""
    rng = np.random.default_rng(seed)
    q = min(m, n)
    return (rng.standard_normal((m, q)) * ratio ** np.arange(q)) @ rng.standard_normal((q, n))


def reconstructed(model, X):
    return model.reconstruct(model.transform(X))


def error_of(model, X):
    """The relative error of the reconstruction, by NumPy, from the estimator's own two methods."""
    return np.linalg.norm(X - reconstructed(model, X)) / np.linalg.norm(X)


@pytest.mark.parametrize("parameters", [{}, {"norm": 2}, {"norm": 1, "axis": "features"}])
def test_eim_is_exact_at_its_choice(parameters, seed):
    """Samples and features exchanged, coefficients in the order of choice, or of other samples."""
    X = fields(seed=seed)
    model = EmpiricalInterpolation(9, **parameters).fit(X)
    S, R = model.selected_indices_, model.selected_samples_
    X_hat = reconstructed(model, X)
    np.testing.assert_array_equal(X_hat[:, S], X[:, S])
    np.testing.assert_allclose(X_hat[R], X[R], atol=1e-12 * np.abs(X).max())
    by_hand = X[:, S] @ np.linalg.solve(X[np.ix_(R, S)], X[R])
    np.testing.assert_allclose(X_hat, by_hand, atol=1e-9)
    np.testing.assert_array_equal(model.transform(X), X[:, np.sort(S)])
    np.testing.assert_allclose(model.error_estimate_, error_of(model, X), rtol=1e-8)
    np.testing.assert_array_equal(model.get_support(indices=True), np.sort(S))
    norm = parameters.get("norm", np.inf)
    if "axis" in parameters:
        assert S[0] == np.argmax(np.linalg.norm(X, norm, axis=0))
    else:
        assert R[0] == np.argmax(np.linalg.norm(X, norm, axis=1))


@pytest.mark.parametrize(
    ("parameters", "turned"),
    [
        ({}, {}),
        ({}, {"axis": "features"}),
        ({"norm": 2}, {"norm": 2, "axis": "features"}),
        ({"norm": 1, "axis": "features"}, {"norm": 1}),
    ],
)
def test_transposed_input_gives_the_transposed_answer(parameters, turned, seed):
    """A choice that prefers rows to columns, or an axis that means the other one."""
    X = fields(seed=seed)
    model = EmpiricalInterpolation(9, **parameters).fit(X)
    other = EmpiricalInterpolation(9, **turned).fit(X.T)
    np.testing.assert_array_equal(other.selected_indices_, model.selected_samples_)
    np.testing.assert_array_equal(other.selected_samples_, model.selected_indices_)
    np.testing.assert_allclose(reconstructed(other, X.T).T, reconstructed(model, X), atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_survives_a_dropped_sensor(method, seed):
    """A field that is lost with its sensor; least squares that fit what hardly matters as well as the rest.

    The coefficients are those of least squares for all rows of B, which keep the fields of the lost sensors.
    """
    X = fields(seed=seed)
    whole = EmpiricalInterpolation(12, method=method, random_state=0).fit(X)
    before = pickle.dumps(whole)
    lost = whole.selected_indices_[[3, 7]]
    model = whole.drop_columns(lost)
    assert pickle.dumps(whole) == before
    S = model.selected_indices_
    np.testing.assert_array_equal(S, np.delete(whole.selected_indices_, [3, 7]))
    assert not model.get_support()[lost].any() and model.coefficients_.shape == (10, 80)
    if method == "eim":
        np.testing.assert_array_equal(model.selected_samples_, whole.selected_samples_)
        B = X[whole.selected_samples_]
    else:
        _, s, Vt = np.linalg.svd(X)
        B = s[:12, None] * Vt[:12]
    np.testing.assert_allclose(model.coefficients_, np.linalg.pinv(B[:, np.sort(S)]) @ B, atol=1e-6)
    X_hat = reconstructed(model, X)
    np.testing.assert_array_equal(X_hat[:, S], X[:, S])
    np.testing.assert_allclose(model.error_estimate_, error_of(model, X), rtol=1e-6)
    # What the lost sensors' fields are worth: the error with two sensors fewer that were chosen as such, and
    # that of the old coefficients without the readings. Over seeds 0-99 at most 8.5 and at least 6.1 times.
    few = EmpiricalInterpolation(10, method=method, random_state=0).fit(X)
    rest = np.isin(np.sort(whole.selected_indices_), S)
    naive = np.linalg.norm(X - X[:, np.sort(S)] @ whole.coefficients_[rest]) / np.linalg.norm(X)
    assert error_of(model, X) < min(15 * error_of(few, X), naive / 3)


def test_a_dropped_sample_leaves_its_feature(seed):
    """A feature that goes with its sample, or coefficients that are not of least norm."""
    X = fields(seed=seed)
    whole = EmpiricalInterpolation(12).fit(X)
    model = whole.drop_rows(whole.selected_samples_[[0, 5]])
    R, S = model.selected_samples_, np.sort(model.selected_indices_)
    np.testing.assert_array_equal(R, np.delete(whole.selected_samples_, [0, 5]))
    np.testing.assert_array_equal(model.selected_indices_, whole.selected_indices_)
    np.testing.assert_allclose(model.coefficients_, np.linalg.pinv(X[np.ix_(R, S)]) @ X[R], atol=1e-7)
    np.testing.assert_allclose(reconstructed(model, X)[R], X[R], atol=1e-10 * np.abs(X).max())
    np.testing.assert_allclose(model.error_estimate_, error_of(model, X), rtol=1e-6)
    # Both sides, one after the other.
    both = model.drop_columns(int(whole.selected_indices_[2])).drop_rows([int(R[0])])
    R, S = both.selected_samples_, np.sort(both.selected_indices_)
    assert (len(R), len(S)) == (9, 11)
    np.testing.assert_allclose(both.coefficients_, np.linalg.pinv(X[np.ix_(R, S)]) @ X[R], atol=1e-7)
    np.testing.assert_allclose(both.error_estimate_, error_of(both, X), rtol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_are_honest_at_all_sizes(dtype, method):
    """An error that floors at the root of machine precision, or is below the true one."""
    X = fields(100, 90).astype(dtype)
    eps = np.finfo(dtype).eps
    for k in (1, 5, 15, 30, 50):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # float32 has no 50
            model = EmpiricalInterpolation(k, method=method, random_state=0).fit(X)
        true = error_of(model, X.astype(float))
        assert true / 3 - eps <= model.error_estimate_ <= 3 * true + 3 * eps
        if model.error_estimate_ > 1e-4:
            np.testing.assert_allclose(model.error_estimate_, true, rtol=1e3 * eps + 1e-8)
        dropped = model.drop_columns(model.selected_indices_[-1]) if k > 1 else model
        true = error_of(dropped, X.astype(float))
        assert 0.9 * true - eps <= dropped.error_estimate_ <= 1.1 * true + 2e-6
        if k == 50 and dtype == np.float64:
            assert true < 1e-9  # least squares that cut off what counts leave 1e-3
        assert (model.coefficients_.dtype, model.transform(X).dtype) == (dtype, dtype)


@pytest.mark.parametrize("method", METHODS)
def test_tolerance(method):
    """A tolerance for the projection in place of the interpolant, and a miss without a word."""
    X = fields()
    for tol in (0.2, 1e-3, 1e-9):
        model = EmpiricalInterpolation(tol=tol, method=method, random_state=0).fit(X)
        assert error_of(model, X) <= 1.5 * tol and model.error_estimate_ <= tol
        k = len(model.selected_indices_)
        best = np.linalg.norm(np.linalg.svd(X)[1][max(k - 7, 0) :])
        assert best > tol * np.linalg.norm(X)  # at most a few more than the best basis needs
        if method == "eim":
            assert model.errors_[-1] <= tol < model.errors_[-2]
    with pytest.warns(ConvergenceWarning, match=r"tol=1e-05 is not reached: the relative error with 4 feat"):
        EmpiricalInterpolation(4, tol=1e-5, method=method).fit(X)


FORMS = {
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
    "frame": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
}


@pytest.mark.parametrize("form", [*FORMS, "mapped"])
@pytest.mark.parametrize("method", METHODS)
def test_containers(method, form, tmp_path):
    """Other features for another container; a certificate of other data."""
    X = fields(300, 40)
    X[np.abs(X) < 0.3] = 0
    if form == "mapped":
        np.save(tmp_path / "X.npy", X)
    given = np.load(tmp_path / "X.npy", mmap_mode="r") if form == "mapped" else FORMS[form](X)
    model = EmpiricalInterpolation(10, method=method, random_state=0)
    if method == "eim" and form in ("csr", "csc"):
        with pytest.raises(ValueError, match=r"X is sparse.*X.toarray\(\), which takes 0.0916 MiB.*'deim'"):
            model.fit(given)
        with pytest.raises(NotFittedError):
            model.transform(X)
        return
    model.fit(given)
    expected = clone(model).fit(X)
    np.testing.assert_array_equal(model.selected_indices_, expected.selected_indices_)
    np.testing.assert_allclose(model.coefficients_, expected.coefficients_, atol=1e-8)
    np.testing.assert_allclose(model.error_estimate_, error_of(expected, X), rtol=1e-6)
    Z = model.transform(given)
    Z = Z.toarray() if sparse.issparse(Z) else np.asarray(Z)
    np.testing.assert_array_equal(Z, expected.transform(X))
    if form == "frame":
        assert list(model.get_feature_names_out()) == [f"x{j}" for j in np.sort(model.selected_indices_)]


def test_how_many_are_taken():
    """A rule of size that is not the documented one, or one that clips in silence."""
    X = fields(60, 80)
    for size, n in (("auto", 40), (0.25, 20), (7, 7), (0.001, 1)):
        assert EmpiricalInterpolation(size).fit(X).transform(X).shape[1] == n
    X = np.random.default_rng(0).standard_normal((150, 300))
    assert EmpiricalInterpolation(method="deim").fit(X).transform(X).shape[1] == 100
    assert EmpiricalInterpolation().fit(X[:30]).transform(X).shape[1] == 30
    with pytest.warns(UserWarning, match=r"is 90 features, more than min\(n_samples, n_features\)=20"):
        assert EmpiricalInterpolation(90).fit(X[:20]).transform(X).shape[1] == 20


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dependent_features_are_not_taken(dtype, method, seed):
    """Features that are copies, or zero, taken too, with coefficients of rounding errors."""
    rng = np.random.default_rng(seed)
    B = rng.standard_normal((100, 5)).astype(dtype)
    X = np.hstack([np.zeros((100, 2), dtype=dtype), B, B[:, ::-1], 2 * B[:, :1] - B[:, 1:2]])
    with pytest.warns(UserWarning, match="9 features were to be selected, but X has numerical rank 5"):
        model = EmpiricalInterpolation(9, method=method, random_state=0).fit(X)
    assert len(model.selected_indices_) == 5
    np.testing.assert_allclose(reconstructed(model, X), X, atol=2e-4 if dtype == np.float32 else 1e-12)


def test_fewer_features_are_the_first_ones(seed):
    """A choice that depends on how many are wanted, and errors of the larger fit."""
    X = fields(seed=seed)
    many = EmpiricalInterpolation(15).fit(X)
    for k in (1, 6, 15):
        few, direct = many.truncate(k), EmpiricalInterpolation(k).fit(X)
        assert vars(few).keys() == vars(direct).keys()
        for name in vars(direct).keys() - direct.get_params().keys():
            np.testing.assert_allclose(getattr(few, name), getattr(direct, name), atol=1e-9)
        assert few.get_params() == direct.get_params()
        lost = direct.selected_indices_[:1] if k > 1 else []
        np.testing.assert_allclose(
            few.drop_columns(lost).error_estimate_, direct.drop_columns(lost).error_estimate_, rtol=1e-6
        )


def test_fit_path(monkeypatch):
    """Estimators of another order or size than the dictionaries', or a fit for each of them."""
    X, fits, fit = fields(), [], EmpiricalInterpolation.fit

    def counted(self, X, y=None, more=None):
        fits.append((self.get_params(), more))
        return fit(self, X, y)

    path = [
        {"n_features_to_select": 5},
        {"n_features_to_select": 0.2, "norm": 2},
        {"n_features_to_select": 12},
        {"n_features_to_select": 0.1},
        {"n_features_to_select": 3, "norm": 2},
        {"tol": 1e-3},
        {"n_features_to_select": 4, "method": "deim"},
        {"n_features_to_select": 9, "method": "deim"},
        {"n_features_to_select": 9, "method": "qdeim"},
        {"n_features_to_select": 6, "method": "qdeim"},
        {"n_features_to_select": 6, "method": "qdeim", "tol": 0.1},
    ]
    direct = [EmpiricalInterpolation(random_state=0).set_params(**p).fit(X) for p in path]
    monkeypatch.setattr(EmpiricalInterpolation, "fit", counted)
    models = list(EmpiricalInterpolation(random_state=0).fit_path(X, None, path, more=1))
    assert len(fits) == 6 and all(more == 1 for _, more in fits)
    for model, expected in zip(models, direct, strict=True):
        assert model.get_params() == expected.get_params()
        np.testing.assert_array_equal(model.selected_indices_, expected.selected_indices_)
        np.testing.assert_allclose(model.coefficients_, expected.coefficients_, atol=1e-9)
        np.testing.assert_allclose(model.error_estimate_, expected.error_estimate_, rtol=1e-6)
        np.testing.assert_allclose(error_of(model, X), expected.error_estimate_, rtol=1e-6)
        lost = model.selected_indices_[:1]
        np.testing.assert_allclose(
            model.drop_columns(lost).coefficients_, expected.drop_columns(lost).coefficients_, atol=1e-7
        )
    with pytest.raises(TypeError, match="sample_weight"):
        next(EmpiricalInterpolation().fit_path(X, None, [{}], sample_weight=1))


@pytest.mark.parametrize("method", METHODS)
def test_fit_path_warns_once_of_what_is_clipped(method):
    """The same warning from the path and from its fit, or none for sizes that share the fit of another."""
    X = fields(20, 30)
    path = [{"n_features_to_select": k} for k in (3, 90, 25)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        models = list(EmpiricalInterpolation(method=method, random_state=0).fit_path(X, None, path))
    said = sorted(str(w.message).partition(",")[0] for w in caught if "clipped" in str(w.message))
    assert said == [f"n_features_to_select={k} is {k} features" for k in (25, 90)]
    assert [model.n_features_to_select for model in models] == [3, 90, 25]


@pytest.mark.parametrize("method", METHODS)
def test_dropping_nothing_changes_nothing(method):
    """Errors of the steps that are thrown away, so that the result cannot be truncated."""
    model = EmpiricalInterpolation(6, method=method, random_state=0).fit(fields())
    copies = [model.drop_columns([])] + ([model.drop_rows([])] if method == "eim" else [])
    for copy in copies:
        assert copy is not model and vars(copy).keys() == vars(model).keys()
        for name in vars(model):
            np.testing.assert_array_equal(getattr(copy, name), getattr(model, name))
    if method == "eim":
        assert copies[0].truncate(2).selected_indices_.shape == (2,)


@pytest.mark.parametrize(("method", "mapped"), [("eim", 3), ("deim", 4), ("qdeim", 4)])
def test_passes(method, mapped, tmp_path):
    """A pass more than the notes say: two for data in memory, and for mapped columns those counted there."""
    X = np.asfortranarray(np.random.default_rng(0).standard_normal((300, 40)))
    np.save(tmp_path / "X.npy", X)
    model = EmpiricalInterpolation(10, method=method, random_state=0)
    assert model.fit(X).n_passes_ == 2
    assert model.fit(np.load(tmp_path / "X.npy", mmap_mode="r")).n_passes_ == mapped


def test_a_single_feature_is_one_in_the_warnings():
    """ "1 features"."""
    X = np.outer(np.arange(1.0, 6), np.arange(1.0, 5))
    with pytest.warns(UserWarning, match="of the 1 feature selected"):
        EmpiricalInterpolation(2).fit(X)
    with pytest.warns(ConvergenceWarning, match="with 1 feature is"):
        EmpiricalInterpolation(1, tol=1e-3).fit(fields())


@pytest.mark.parametrize("parameters", [{}, {"norm": 2}, {"axis": "features"}])
def test_float32_of_tiny_entries(parameters):
    """A scale whose inverse is infinite in float32, and X that counts as zero."""
    X = (fields() * 1e-40).astype(np.float32)
    model = EmpiricalInterpolation(5, **parameters).fit(X)
    expected = EmpiricalInterpolation(5, **parameters).fit(X.astype(float))
    np.testing.assert_array_equal(model.selected_indices_, expected.selected_indices_)
    np.testing.assert_allclose(model.error_estimate_, expected.error_estimate_, rtol=1e-4)


def test_the_same_bits_on_any_number_of_threads():
    """Products or sums that depend on the threads."""
    X = fields(2000, 150, ratio=0.9)
    for method in METHODS:
        one, two = (
            EmpiricalInterpolation(20, method=method, random_state=0, n_threads=n).fit(X) for n in (1, 2)
        )
        np.testing.assert_array_equal(one.coefficients_, two.coefficients_)
        assert one.error_estimate_ == two.error_estimate_
        lost = one.selected_indices_[:3]
        one, two = one.drop_columns(lost), two.drop_columns(lost)
        np.testing.assert_array_equal(one.coefficients_, two.coefficients_)


def test_in_a_search_and_a_pipeline():
    """Parameters that do not reach the fit, or an estimator that does not pickle."""
    X = fields(60, 20)
    y = X @ np.arange(20.0)
    pipeline = make_pipeline(EmpiricalInterpolation(), Ridge(1e-8))
    grid = {"empiricalinterpolation__n_features_to_select": [1, 10]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
    assert search.best_params_ == {"empiricalinterpolation__n_features_to_select": 10}
    model = search.best_estimator_[0]
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.reconstruct(again.transform(X)), reconstructed(model, X))


def test_a_new_fit_forgets_the_old_one():
    """Samples of an earlier fit by "eim", which `drop_rows` would drop."""
    X = fields()
    model = EmpiricalInterpolation(5).fit(X).set_params(method="deim").fit(X)
    for name in ("selected_samples_", "errors_", "residual_norms_"):
        assert not hasattr(model, name)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_features_to_select": 0}, ValueError, "n_features_to_select must be an int of at least 1"),
        ({"n_features_to_select": 1.5}, ValueError, r"a float in \(0, 1\)"),
        ({"n_features_to_select": None}, TypeError, "n_features_to_select must be an int"),
        ({"n_features_to_select": True}, TypeError, "n_features_to_select must be an int"),
        ({"method": "svd"}, ValueError, "method"),
        ({"method": "deim", "norm": 2}, ValueError, "norm=2 belongs to method='eim'"),
        ({"method": "qdeim", "axis": "samples"}, ValueError, "axis='samples' belongs to method='eim'"),
        ({"norm": 0.5}, ValueError, "norm must be at least 1"),
        ({"norm": "fro"}, TypeError, "norm must be a number"),
        ({"axis": 0}, ValueError, "axis"),
        ({"tol": 2}, ValueError, "tol"),
        ({"max_memory": 1000}, ValueError, "max_memory is 1000. Use max_memory=83200.*method='deim'"),
    ],
)
def test_bad_parameters(parameters, error, message):
    """A parameter that is ignored, or a fit that is lost with the error."""
    X = np.ones((100, 100))
    model = EmpiricalInterpolation().set_params(n_features_to_select=1).fit(X)
    state = vars(model.set_params(**({"n_features_to_select": 2} | parameters))).copy()
    with pytest.raises(error, match=message):
        model.fit(X)
    assert vars(model) == state


def test_bad_data():
    """A division by zero, or NaN that is selected."""
    X = np.ones((6, 5))
    for method in METHODS:
        with pytest.raises(ValueError, match="X is zero everywhere"):
            EmpiricalInterpolation(2, method=method).fit(0 * X)
        with pytest.raises(ValueError, match="NaN"):
            EmpiricalInterpolation(2, method=method).fit(np.where(np.eye(6, 5), np.nan, X))
    with pytest.raises(TypeError, match="iterator"):
        EmpiricalInterpolation(2).fit(iter(X))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda m: m.drop_columns([2]), ValueError, r"Features \[2\] are not selected"),
        (lambda m: m.drop_columns(m.selected_indices_), ValueError, "No selected feature would be left"),
        (lambda m: m.drop_columns([0.5]), ValueError, "indices must be the numbers of selected features"),
        (lambda m: m.drop_columns([True]), ValueError, "indices must be the numbers of selected features"),
        (lambda m: m.drop_rows([-1]), ValueError, r"Samples \[-1\] are not selected"),
        (lambda m: m.drop_rows(m.selected_samples_), ValueError, "No selected sample would be left"),
        (lambda m: m.truncate(4), ValueError, "must be between 1 and 3"),
        (lambda m: m.truncate(2.0), TypeError, "must be an int"),
        (
            lambda m: m.drop_rows(m.selected_samples_[:1]).truncate(1),
            ValueError,
            "before anything is dropped",
        ),
        (lambda m: m.set_params(method="deim").fit(np.eye(5)).drop_rows([0]), ValueError, "method='eim'"),
        (lambda m: m.set_params(method="deim").fit(np.eye(5)).truncate(1), ValueError, "is nested"),
        (lambda m: m.reconstruct(np.ones((2, 4))), ValueError, "has selected 3"),
        (lambda m: clone(m).drop_columns([1]), NotFittedError, "not fitted"),
    ],
)
def test_bad_calls(call, error, message):
    """An index that wraps around, a mask taken for numbers, or the last sensor thrown away."""
    X = np.diag([5.0, 4, 0.1, 3, 0.2])
    with pytest.raises(error, match=message):
        call(EmpiricalInterpolation(3).fit(X))
