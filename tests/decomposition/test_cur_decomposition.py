"""CURDecomposition: its factors against NumPy, containers, ranks, tolerances, warnings and errors."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, sparse
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.decomposition import CURDecomposition
from sklr.linalg import RowChunks
from sklr.sketch import Gaussian, SparseStack

FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
    "frame": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
}
LINKINGS = ["projection", "intersection"]


@parametrize_with_checks(
    [
        CURDecomposition(),
        CURDecomposition(linking="intersection"),
        CURDecomposition(method="lupp", n_columns=3, n_rows=2, n_oversamples=0),
        CURDecomposition(n_columns=2, n_rows=3, linking="intersection", sketch="gaussian"),
        CURDecomposition(tol=0.9, n_threads=1),
    ]
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer."""
    check(estimator)


@pytest.fixture(scope="module")
def X():
    """400 x 60 with singular values 1 / i, a third of the entries zero."""
    rng = np.random.default_rng(0)
    U, V = (linalg.qr(rng.standard_normal((size, 60)), mode="economic")[0] for size in (400, 60))
    A = (U / np.arange(1, 61)) @ V.T
    return A * (rng.random(A.shape) > 0.3)


def approximation(model, A):
    return model.inverse_transform(model.transform(A))


def relative(A, B):
    return np.linalg.norm(A - B) / np.linalg.norm(A)


@pytest.mark.parametrize("linking", LINKINGS)
@pytest.mark.parametrize("form", FORMS)
def test_factors(form, linking, X):
    """Indices of another matrix, links of another product, an error of something else, a dense C."""
    A = FORMS[form](X)
    model = CURDecomposition(8, n_columns=12, n_rows=10, linking=linking, random_state=0).fit(A)
    J, I = model.column_indices_, model.row_indices_  # noqa: E741
    C, R = X[:, J], X[I]
    for found, expected in ((model.columns_, C), (model.rows_, R)):
        is_sparse = form in ("csr", "csc", "coo")
        assert sparse.issparse(found) == is_sparse
        np.testing.assert_array_equal(found.toarray() if is_sparse else found, expected)
    if linking == "projection":
        U = np.linalg.pinv(C) @ X @ np.linalg.pinv(R)
    else:
        U = np.linalg.pinv(X[np.ix_(I, J)])
    P, s, Vt = linalg.svd(C @ U @ R, full_matrices=False)
    expected = (P[:, :8] * s[:8]) @ Vt[:8]
    np.testing.assert_allclose(approximation(model, A), expected, atol=1e-11)
    np.testing.assert_allclose(C @ model.linking_matrix_ @ R, expected, atol=1e-11)
    np.testing.assert_allclose(model.row_weights_.T @ R, model.components_, atol=1e-10)
    np.testing.assert_allclose(model.singular_values_, s[:8], atol=1e-12)
    np.testing.assert_allclose(model.components_ @ model.components_.T, np.eye(8), atol=1e-12)
    assert (model.components_.max(1) >= -model.components_.min(1)).all()
    assert model.error_estimate_ == pytest.approx(relative(X, expected), rel=1e-9)
    assert model.n_components_ == 8 and model.n_passes_ == 4
    assert list(model.get_feature_names_out()) == [f"curdecomposition{i}" for i in range(8)]


def test_memory_mapped(tmp_path, X):
    """A mapped matrix that is read by a check, or whose columns are taken from other rows."""
    path = tmp_path / "X.npy"
    np.save(path, X)
    mapped = np.load(path, mmap_mode="r")
    model = CURDecomposition(5, random_state=0).fit(mapped)
    assert model.n_passes_ == 4
    assert relative(approximation(model, X), approximation(model, mapped)) < 1e-12
    np.testing.assert_array_equal(model.columns_, X[:, model.column_indices_])
    np.testing.assert_array_equal(model.rows_, X[model.row_indices_])
    assert type(model.columns_) is type(model.rows_) is np.ndarray


def test_error_beside_the_truncated_svd():
    """Columns or rows that are no better than arbitrary ones, on images.

    The suboptimality is estimated from a sketch, within a factor 1.2.
    """
    digits = load_digits().data
    s = linalg.svdvals(digits)
    best = np.linalg.norm(s[20:]) / np.linalg.norm(s)
    for parameters, factor in (({}, 2.0), ({"n_columns": 30, "n_rows": 30}, 1.3), ({"method": "lupp"}, 2.2)):
        model = CURDecomposition(20, random_state=0, **parameters).fit(digits)
        assert model.error_estimate_ < factor * best
        assert model.error_estimate_ == pytest.approx(relative(digits, approximation(model, digits)))
        spread = 1.7 if "method" in parameters else 1.2
        true = model.error_estimate_ / best
        assert true / 1.1 < model.suboptimality_estimate_ < spread * true


@pytest.mark.parametrize("linking", LINKINGS)
def test_new_rows_need_the_selected_columns_only(linking, X):
    """A transform that looks at all columns; rows in the row space of R that do not come back."""
    model = CURDecomposition(6, linking=linking, random_state=0).fit(X)
    other = np.full((3, 60), 1e6)
    other[:, model.column_indices_] = X[:3, model.column_indices_]
    np.testing.assert_array_equal(model.transform(other), model.transform(X)[:3])
    low = CURDecomposition(6, linking=linking, random_state=0).fit(X[:, :6] @ X[:6])
    new = np.random.default_rng(1).standard_normal((4, 6)) @ X[:6]
    np.testing.assert_allclose(approximation(low, new), new, atol=1e-9)
    assert low.error_estimate_ < 1e-12


@pytest.mark.parametrize("linking", LINKINGS)
def test_an_ill_conditioned_link_does_no_harm(linking):
    """transform or the components through `linking_matrix_`, whose entries are huge here."""
    rng = np.random.default_rng(0)
    U, V = (linalg.qr(rng.standard_normal((size, 40)), mode="economic")[0] for size in (200, 40))
    A = (U * 0.4 ** np.arange(40)) @ V.T
    model = CURDecomposition(30, linking=linking, random_state=0).fit(A)
    error = relative(A, approximation(model, A))
    assert error < 1e-11 and error / 3 < model.error_estimate_ < 3 * error
    assert np.abs(model.linking_matrix_).max() > 1e9
    assert np.abs(model.column_weights_).max() < 30


def test_tolerance(X):
    """A rank that misses `tol`, or one more than is needed; a miss without a word."""
    digits = load_digits().data
    model = CURDecomposition(40, n_columns=50, n_rows=50, tol=0.25, random_state=0).fit(digits)
    assert model.error_estimate_ <= 0.25 and model.n_components_ < 40
    assert model.truncate(model.n_components_ - 1).error_estimate_ > 0.25
    assert relative(digits, approximation(model, digits)) == pytest.approx(model.error_estimate_)
    with pytest.warns(ConvergenceWarning, match=r"tol=0.01 is not reached: .* 5 components from 5 columns"):
        CURDecomposition(5, tol=0.01, random_state=0).fit(X)


@pytest.mark.parametrize("linking", LINKINGS)
def test_truncate_is_the_direct_fit(linking, X):
    """Attributes that keep their size, or an error of the larger rank."""
    parameters = {"n_columns": 12, "n_rows": 15, "linking": linking, "random_state": 0}
    large = CURDecomposition(10, **parameters).fit(X)
    before = pickle.dumps(large)
    small, direct = large.truncate(4), CURDecomposition(4, **parameters).fit(X)
    assert pickle.dumps(large) == before
    assert vars(small).keys() == vars(direct).keys()
    for name, value in vars(direct).items():
        np.testing.assert_array_equal(getattr(small, name), value, err_msg=name)
    assert small.error_estimate_ == pytest.approx(relative(X, approximation(small, X)))
    for bad, error in ((11, ValueError), (0, ValueError), (2.0, TypeError), (True, TypeError)):
        with pytest.raises(error, match="n_components must be"):
            large.truncate(bad)


def test_path_shares_fits(X, monkeypatch):
    """A fit for each rank, results in another order, or a shared fit where columns differ."""
    fits = []
    fit = CURDecomposition.fit

    def counted(self, *args, **kwargs):
        fits.append(self.n_components)
        return fit(self, *args, **kwargs)

    base = CURDecomposition(n_columns=20, n_rows=20, random_state=0)
    wanted = [
        {"n_components": 5},
        {"n_components": 15},
        {"n_components": 15, "tol": 0.9},
        {"n_components": 3, "n_columns": None},
        {"n_components": 6, "n_columns": None},
    ]
    direct = [clone(base).set_params(**parameters).fit(X) for parameters in wanted]
    monkeypatch.setattr(CURDecomposition, "fit", counted)
    path = list(base.fit_path(X, None, wanted))
    assert fits == [15, 3, 6]
    for found, expected in zip(path, direct, strict=True):
        assert found.get_params() == expected.get_params()
        np.testing.assert_array_equal(found.components_, expected.components_)
        np.testing.assert_array_equal(found.column_weights_, expected.column_weights_)
        assert found.error_estimate_ == expected.error_estimate_
    with pytest.raises(NotFittedError):
        base.transform(X)


def test_dtypes(X):
    """float32 that becomes float64 on the way, integers that are cut to integers."""
    small = X.astype(np.float32)
    for A in (small, sparse.csr_array(small)):
        model = CURDecomposition(5, random_state=0).fit(A)
        for name in ("components_", "columns_", "rows_", "column_weights_", "linking_matrix_"):
            assert getattr(model, name).dtype == np.float32, name
        assert approximation(model, A).dtype == np.float32
        double = CURDecomposition(5, random_state=0).fit(X)
        np.testing.assert_allclose(approximation(model, A), approximation(double, X), atol=1e-5)
    counts = sparse.random(60, 20, 0.3, random_state=0, format="csr") * 10
    whole = counts.astype(np.int64)
    model = CURDecomposition(5, random_state=0).fit(whole)
    assert model.columns_.dtype == model.transform(whole).dtype == np.float64


def test_the_same_bits_on_any_number_of_threads(X):
    """Sums, or LAPACK, in the order of the threads."""
    tall = np.tile(X, (5, 1))
    for linking in LINKINGS:
        one, two = (
            CURDecomposition(6, linking=linking, n_threads=t, random_state=0).fit(tall) for t in (1, 2)
        )
        np.testing.assert_array_equal(one.components_, two.components_)
        np.testing.assert_array_equal(one.transform(tall), two.transform(tall))
        assert one.error_estimate_ == two.error_estimate_


def test_sketch_and_oversampling_are_used(X):
    """An option that is accepted and ignored."""
    parameters = {"n_columns": 10, "n_rows": 10, "random_state": 0}
    fits = [
        CURDecomposition(10, sketch=sketch, n_oversamples=extra, method=method, **parameters).fit(X)
        for sketch, extra, method in (
            (Gaussian(), 0, "qrcp"),
            (SparseStack(n_blocks=2), 0, "qrcp"),
            (Gaussian(), 5, "qrcp"),
            (Gaussian(), 0, "lupp"),
        )
    ]
    picks = {tuple(model.column_indices_) for model in fits}
    assert len(picks) == 4
    everything = CURDecomposition(10, n_oversamples=1000, **parameters).fit(X)
    np.testing.assert_array_equal(everything.column_indices_, linalg.qr(X, mode="r", pivoting=True)[1][:10])


def test_interface(X):
    """Pickles, clones, frames and searches."""
    frame = FORMS["frame"](X)
    model = CURDecomposition(4, random_state=0).set_output(transform="pandas")
    Z = model.fit_transform(frame)
    assert list(Z.columns) == [f"curdecomposition{i}" for i in range(4)]
    assert list(model.feature_names_in_) == list(frame.columns)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.transform(frame), Z)
    assert clone(model).get_params() == model.get_params()
    pipeline = make_pipeline(CURDecomposition(sketch=Gaussian(), random_state=0), Ridge(1e-6))
    search = GridSearchCV(pipeline, {"curdecomposition__n_components": [2, 12]}, cv=3)
    search.fit(X, X @ np.linspace(1, 2, 60))
    assert search.best_params_ == {"curdecomposition__n_components": 12}


def test_clipping_is_told(X):
    """A number that is lowered without a word, or not at all."""
    with pytest.warns(UserWarning, match=r"n_components=9 is larger than min\(n_samples, n_features\)=7"):
        model = CURDecomposition(9).fit(X[:7])
    assert model.n_components_ == len(model.column_indices_) == 7
    with pytest.warns(UserWarning, match="n_columns=70 is larger than"):
        model = CURDecomposition(9, n_columns=70).fit(X)
    assert len(model.column_indices_) == 60
    assert model.components_.shape == (9, 60)
    np.testing.assert_allclose(approximation(model.truncate(9), X), approximation(model, X))


@pytest.mark.parametrize("linking", LINKINGS)
def test_dependent_columns_are_told(linking, X):
    """Components of rounding errors."""
    A = X[:, :3] @ X[:3]
    with pytest.warns(
        UserWarning, match=r"Only 3 of n_columns=6 columns and 3 of n_rows=5 rows .* rank of 3"
    ):
        model = CURDecomposition(5, n_columns=6, n_rows=5, linking=linking).fit(A)
    assert model.components_.shape == (3, 60) and model.linking_matrix_.shape == (3, 3)
    assert model.error_estimate_ < 1e-13
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        CURDecomposition(3, linking=linking).fit(A)


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": True}, TypeError, "n_components must be an int"),
        ({"n_columns": 3}, ValueError, "n_columns=3 is smaller than n_components=4"),
        ({"n_rows": 3}, ValueError, "n_rows=3 is smaller than n_components=4"),
        ({"tol": 1.0}, ValueError, "tol must be in"),
        ({"linking": "best"}, ValueError, "linking"),
        ({"method": "svd"}, ValueError, "method"),
        ({"sketch": "gauss"}, ValueError, "Unknown sketch"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples"),
        ({"max_memory": 10}, ValueError, "max_memory="),
    ],
)
def test_bad_parameters(parameters, error, message, X):
    """A parameter that is ignored, or an estimator that an error leaves half fitted."""
    model = CURDecomposition(4, random_state=0).fit(X)
    before = pickle.dumps(model.set_params(**parameters))
    with pytest.raises(error, match=message):
        model.fit(2 * X)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda X: 0 * X, ValueError, "X is zero everywhere"),
        (lambda X: sparse.csr_array(X.shape), ValueError, "X is zero everywhere"),
        (lambda X: np.where(X > 0.01, np.nan, X), ValueError, "X contains NaN"),
        (lambda X: sparse.csc_array(np.where(X > 0.01, np.inf, X)), ValueError, "infinity"),
        (lambda X: X + 1j, ValueError, "[Cc]omplex"),
        (lambda X: X[:0], ValueError, "0 sample"),
        (lambda X: iter([X]), TypeError, "RowChunks"),
    ],
)
def test_bad_data(change, error, message, X):
    """An error that does not say what is wrong, or an estimator that is half fitted."""
    model = CURDecomposition(2)
    with pytest.raises(error, match=message):
        model.fit(change(X))
    with pytest.raises(NotFittedError):
        model.transform(X)


def test_bad_coordinates(X):
    """Coordinates of another number of components, other features."""
    model = CURDecomposition(3, random_state=0).fit(X)
    with pytest.raises(ValueError, match="X has 2 columns, but CURDecomposition has 3 components"):
        model.inverse_transform(np.ones((4, 2)))
    with pytest.raises(ValueError, match="59 features"):
        model.transform(X[:, :-1])
