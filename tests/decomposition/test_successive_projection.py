"""SuccessiveProjection under scikit-learn's interface; what it computes is tested in tests/linalg."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.decomposition import SuccessiveProjection
from sklr.linalg import RowChunks, barycentric_weights, successive_projection

# These set n_components=1. `test_transform_is_row_by_row` and others below look at the same with more.
ONE_COMPONENT = {
    f"check_{name}": "sets n_components to 1, and a simplex has two vertices at least"
    for name in (
        "dont_overwrite_parameters",
        "fit2d_predict1d",
        "methods_sample_order_invariance",
        "methods_subset_invariance",
    )
}


@parametrize_with_checks(
    [
        SuccessiveProjection(),
        SuccessiveProjection(method="p-spa"),
        SuccessiveProjection(method="spa"),
        SuccessiveProjection(radius=0.1, min_neighbors=1),
        SuccessiveProjection(min_neighbors=2, nonnegative=False),
        SuccessiveProjection(n_threads=1),
    ],
    expected_failed_checks=lambda estimator: ONE_COMPONENT,
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer."""
    check(estimator)


@pytest.fixture(scope="module")
def X():
    """Noisy rows of a tetrahedron, ten at each vertex."""
    rng = np.random.default_rng(0)
    V = 10 * rng.standard_normal((4, 12)) + 3
    W = np.vstack([np.repeat(np.eye(4), 10, axis=0), rng.dirichlet(np.ones(4), 360)])
    return W @ V + rng.standard_normal((400, 12))


@pytest.mark.parametrize("nonnegative", [True, False])
@pytest.mark.parametrize("method", ["pp-spa", "p-spa", "spa"])
def test_attributes(method, nonnegative, X):
    """A parameter that does not arrive, an error of other weights, an attribute of an earlier fit."""
    model = SuccessiveProjection(4, radius=5.0, min_neighbors=3, random_state=0).fit(X)
    assert model.radius_ == 5.0 and model.min_neighbors_ == 3
    model.set_params(method=method, nonnegative=nonnegative, radius="auto", min_neighbors="auto").fit(X)
    found = successive_projection(X, 4, method=method, rng=0)
    np.testing.assert_allclose(model.components_, found.vertices, atol=1e-9)
    np.testing.assert_array_equal(model.vertex_indices_, found.indices)
    assert hasattr(model, "radius_") == hasattr(model, "min_neighbors_") == (method == "pp-spa")
    W = model.transform(X)
    np.testing.assert_allclose(W, barycentric_weights(X, found.vertices, nonnegative=nonnegative), atol=1e-9)
    assert (W.min() >= 0) == nonnegative
    left = X - model.inverse_transform(W)
    np.testing.assert_allclose(model.error_estimate_, np.linalg.norm(left) / np.linalg.norm(X), rtol=1e-9)
    assert model.n_passes_ == (7 if method == "spa" else 5)
    if method == "spa":
        np.testing.assert_array_equal(model.components_, X[model.vertex_indices_])


FORMS = {
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "fortran": np.asfortranarray,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
    "frame": lambda X: pd.DataFrame(X, columns=[f"x{j}" for j in range(X.shape[1])]),
}


@pytest.mark.parametrize("method", ["pp-spa", "p-spa", "spa"])
@pytest.mark.parametrize("form", FORMS)
def test_containers(form, method, X):
    """A container whose rows come in another order, or are not centred."""
    model = SuccessiveProjection(4, method=method, random_state=0).fit(X)
    other = clone(model).fit(FORMS[form](X))
    np.testing.assert_array_equal(other.vertex_indices_, model.vertex_indices_)
    np.testing.assert_allclose(other.components_, model.components_, atol=1e-9)
    np.testing.assert_allclose(other.transform(FORMS[form](X)), model.transform(X), atol=1e-9)
    np.testing.assert_allclose(other.error_estimate_, model.error_estimate_, rtol=1e-9)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_mapped(order, X, tmp_path):
    """Mapped data that are copied, or another result for them."""
    path = tmp_path / "X.npy"
    np.save(path, np.asarray(X, order=order))
    for method in ("pp-spa", "spa"):
        model = SuccessiveProjection(4, method=method, random_state=0)
        expected = clone(model).fit(X).components_
        np.testing.assert_allclose(model.fit(np.load(path, mmap_mode="r")).components_, expected, atol=1e-9)


def test_float32_stays(X):
    """Results in another dtype than the data, or computed with the rounding of float32."""
    model = SuccessiveProjection(4, random_state=0).fit(X.astype(np.float32))
    W = model.transform(X.astype(np.float32))
    assert model.components_.dtype == W.dtype == model.inverse_transform(W).dtype == np.float32
    np.testing.assert_allclose(model.components_, SuccessiveProjection(4).fit(X).components_, rtol=1e-4)
    assert model.transform(X).dtype == np.float64


def test_transform_is_row_by_row(X):
    """Weights that depend on the other rows; a row that is no matrix; parameters that a fit has changed."""
    for nonnegative in (True, False):
        model = SuccessiveProjection(4, nonnegative=nonnegative, random_state=0)
        before = model.get_params()
        W = model.fit(X).transform(X)
        assert model.get_params() == before
        assert {name for name in vars(model) if not name.endswith("_")} == set(before)
        np.testing.assert_allclose(
            np.vstack([model.transform(X[i : i + 1]) for i in range(400)]), W, atol=1e-12
        )
        order = np.random.default_rng(0).permutation(400)
        np.testing.assert_allclose(model.transform(X[order]), W[order], atol=1e-12)
    with pytest.raises(ValueError, match="Reshape your data"):
        model.transform(X[0])


def test_counts_are_float64():
    """Integers that are divided as integers."""
    X = np.random.default_rng(0).poisson(5, (100, 6))
    assert SuccessiveProjection(3).fit(X).transform(X).dtype == np.float64


def test_names_copies_and_pipelines(X):
    """Output names, a pickle that transforms, a clone that is not fitted, and a step of a pipeline."""
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(12)])
    model = SuccessiveProjection(4, random_state=0).set_output(transform="pandas").fit(frame)
    W = model.transform(frame)
    assert list(W.columns) == [f"successiveprojection{j}" for j in range(4)]
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(model)).transform(frame), W)
    pd.testing.assert_frame_equal(clone(model).fit_transform(frame), W)
    with pytest.raises(NotFittedError):
        clone(model).transform(frame)
    pipeline = make_pipeline(SuccessiveProjection(4, random_state=0), LinearRegression()).fit(X, X[:, 0])
    assert pipeline.score(X, X[:, 0]) > 0.9


def test_threads_give_equal_bits(X):
    """A fit or a transform that depends on who is first."""
    A = np.tile(X, (50, 1)) + 0.1 * np.random.default_rng(1).standard_normal((20000, 12))
    one, four = (SuccessiveProjection(4, random_state=0, n_threads=n).fit(A) for n in (1, 4))
    np.testing.assert_array_equal(one.components_, four.components_)
    np.testing.assert_array_equal(one.transform(A), four.transform(A))
    assert one.error_estimate_ == four.error_estimate_ and one.radius_ == four.radius_


def test_random_state_is_drawn_from(X):
    """A state that is not used: two fits with one RandomState differ in the rows that set the radius."""
    A = np.tile(X, (30, 1)) + 0.1 * np.random.default_rng(1).standard_normal((12000, 12))
    state = np.random.RandomState(0)
    radii = [SuccessiveProjection(4, random_state=s).fit(A).radius_ for s in (state, state, 1, 1)]
    assert radii[0] != radii[1] and radii[2] == radii[3]


@pytest.mark.parametrize(
    "parameters, error, words",
    [
        ({"n_components": 1}, ValueError, "n_components must be from 2 .* n_samples = 400"),
        ({"n_components": 14}, ValueError, "n_features = 11, got 14"),
        ({"n_components": 3.0}, TypeError, "n_components must be an int, got 3.0"),
        ({"n_components": True}, TypeError, "n_components must be an int, got True"),
        ({"method": "SPA"}, ValueError, "'method' parameter"),
        ({"radius": -1.0}, ValueError, "radius must be positive"),
        ({"radius": 1e-9, "min_neighbors": 2}, ValueError, "larger radius"),
        ({"method": "spa", "radius": 1.0}, ValueError, "belongs to method='pp-spa'"),
        ({"min_neighbors": 401}, ValueError, "at most the 400 rows"),
    ],
)
def test_what_is_refused(parameters, error, words, X):
    """A parameter that is taken for another, or an estimator that a failed fit has changed."""
    model = SuccessiveProjection(3, random_state=0).fit(X)
    model.set_params(**parameters)
    before = dict(vars(model))
    with pytest.raises(error, match=words):
        model.fit(X[:, :11])
    assert vars(model) == before


def test_wrong_shapes(X):
    """Data, or weights, of another number of columns."""
    model = SuccessiveProjection(4).fit(X)
    with pytest.raises(ValueError, match="X has 11 features, but SuccessiveProjection is expecting 12"):
        model.transform(X[:, :11])
    with pytest.raises(ValueError, match="X has 3 columns, but .* has 4 components: pass what transform"):
        model.inverse_transform(np.ones((2, 3)))
    for constant in (np.zeros((30, 5)), np.full((30, 5), 0.1)):
        with pytest.raises(ValueError, match="All rows are equal"):
            SuccessiveProjection(2).fit(constant)
