"""Weights from distances, against their formula written with dense loops."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsTransformer, kneighbors_graph
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklr.graph import edge_weights_from_distances
from sklr.graph._validation import validate_adjacency


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((50, 3))


def by_loops(G, kernel, bandwidth):
    """The weights, row by row."""
    G = sparse.csr_matrix(G)
    W = np.zeros(G.shape)
    for i in range(G.shape[0]):
        columns, d = G.indices[G.indptr[i] : G.indptr[i + 1]], G.data[G.indptr[i] : G.indptr[i + 1]]
        positive = np.sort(d[d > 0])
        h = bandwidth if bandwidth != "auto" else positive[(len(positive) - 1) // 2] if len(positive) else 1.0
        W[i, columns] = kernel(d / h)
    return W


KERNELS = {
    "gaussian": lambda t: np.exp(-(t**2) / 2),
    "exponential": lambda t: np.exp(-t),
}


@pytest.mark.parametrize("bandwidth", ["auto", 0.7])
@pytest.mark.parametrize("kernel", [*KERNELS, lambda t: 1 / (1 + t)])
@pytest.mark.parametrize("n_neighbors", [4, 5])
def test_formula(n_neighbors, kernel, bandwidth, points):
    """A bandwidth of the wrong row, a median with the zeros in, a weight at the wrong place."""
    G = KNeighborsTransformer(n_neighbors=n_neighbors, algorithm="kd_tree").fit_transform(points)
    W = edge_weights_from_distances(G, kernel=kernel, bandwidth=bandwidth)
    expected = by_loops(G, KERNELS.get(kernel, kernel) if isinstance(kernel, str) else kernel, bandwidth)
    np.testing.assert_allclose(W.toarray(), expected, rtol=1e-12)


def test_zero_distances_and_empty_rows():
    """A division by a bandwidth of zero where all neighbours are at distance zero; a shift by empty rows."""
    G = sparse.csr_array(([0.0, 0.0, 1.0, 3.0, 2.0], [0, 1, 0, 1, 2], [0, 2, 2, 5]), shape=(3, 3))
    W = edge_weights_from_distances(G, kernel="exponential")
    np.testing.assert_allclose(W.toarray(), [[1, 1, 0], [0, 0, 0], np.exp([-0.5, -1.5, -1.0])])
    assert edge_weights_from_distances(sparse.csr_array((3, 3))).nnz == 0


@pytest.mark.parametrize(
    "rule, join", [("max", np.maximum), ("mean", lambda W, V: (W + V) / 2), ("min", np.minimum)]
)
def test_symmetrize(rule, join, points):
    """A result that is not exactly symmetric, or another rule's."""
    G = kneighbors_graph(points, 5, mode="distance")
    W = edge_weights_from_distances(G).toarray()
    result = edge_weights_from_distances(G, symmetrize=rule)
    assert isinstance(result, sparse.csr_array) and result.data.all()
    np.testing.assert_array_equal(result.toarray(), result.toarray().T)
    np.testing.assert_allclose(result.toarray(), join(W, W.T), rtol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays_and_input_is_not_changed(dtype, points):
    """float64 results of float32 distances; the caller's matrix sorted or overwritten."""
    G = KNeighborsTransformer(n_neighbors=5).fit_transform(points).astype(dtype)
    data, indices = G.data.copy(), G.indices.copy()
    for options in ({}, {"symmetrize": "mean"}, {"bandwidth": 2.0}):
        assert edge_weights_from_distances(G, **options).dtype == dtype
    np.testing.assert_array_equal(G.data, data)
    np.testing.assert_array_equal(G.indices, indices)


class Checked(BaseEstimator):
    """Keeps the matrix that an embedding would work on."""

    def fit(self, X, y=None):
        self.matrix_ = validate_adjacency(self, X, reset=True)
        return self

    def transform(self, X):
        return validate_adjacency(self, X, reset=False)


@pytest.mark.filterwarnings("error")
def test_in_a_pipeline(points):
    """Weights that warn as distances do, or that differ between fit and transform of the same nodes."""
    pipeline = make_pipeline(
        KNeighborsTransformer(n_neighbors=5), FunctionTransformer(edge_weights_from_distances), Checked()
    )
    fitted = pipeline.fit(points)[-1].matrix_
    some = pipeline.transform(points[10:20])
    np.testing.assert_allclose(some.toarray(), fitted.toarray()[10:20], rtol=1e-6)


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"kernel": "cosine"}, ValueError, "kernel must be one of"),
        ({"kernel": lambda t: -t - 1}, ValueError, "kernel must return"),
        ({"kernel": lambda t: t[:2]}, ValueError, "kernel must return"),
        ({"bandwidth": 0.0}, ValueError, "bandwidth must be positive"),
        ({"bandwidth": np.nan}, ValueError, "bandwidth must be positive"),
        ({"bandwidth": "scott"}, ValueError, "bandwidth must be 'auto'"),
        ({"bandwidth": None}, TypeError, "bandwidth must be 'auto'"),
        ({"symmetrize": "or"}, ValueError, "symmetrize must be None or"),
    ],
)
def test_bad_parameters(options, error, message, points):
    """An option that is not understood and ignored."""
    with pytest.raises(error, match=message):
        edge_weights_from_distances(kneighbors_graph(points, 5, mode="distance"), **options)


def test_bad_distances(points):
    """Negative or missing distances that become weights; zeros of a dense matrix taken for neighbours."""
    G = kneighbors_graph(points, 5, mode="distance")
    with pytest.raises(TypeError, match="sparse"):
        edge_weights_from_distances(G.toarray())
    for value, message in ((-1.0, "negative"), (np.nan, "NaN"), (np.inf, "infinity")):
        bad = G.copy()
        bad.data[3] = value
        with pytest.raises(ValueError, match=message):
            edge_weights_from_distances(bad)
    with pytest.raises(ValueError, match="square"):
        edge_weights_from_distances(G[:10], symmetrize="max")
    tiny = G.astype(np.float32)
    with pytest.raises(ValueError, match="float32"):
        edge_weights_from_distances(tiny, bandwidth=1e-60)
