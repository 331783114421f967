"""The one check of adjacency matrices: what comes out is canonical, what is no graph is refused."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.neighbors import KNeighborsTransformer, RadiusNeighborsTransformer

from sklr.graph._validation import check_adjacency, validate_adjacency
from sklr.linalg import RowChunks

A = np.array([[0.0, 2.0, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.0]])  # node 2 has no edge


def with_zeros_and_duplicates(dtype=np.float64):
    """A as CSR with unsorted indices, an entry in two parts and a stored zero."""
    data = np.array([1, 1, 0, 1, 0.5], dtype=dtype)
    return sparse.csr_array((data, [1, 1, 2, 1, 0], [0, 3, 5, 5]), shape=(3, 3))


FORMS = {
    "dense": np.asarray,
    "list": lambda A: A.tolist(),
    "frame": lambda A: pd.DataFrame(A, columns=list("abc")),
    "csr_matrix": sparse.csr_matrix,
    "csr_array": sparse.csr_array,
    "csc": sparse.csc_array,
    "coo": sparse.coo_matrix,
    "lil": sparse.lil_array,
    "not canonical": lambda A: with_zeros_and_duplicates(),
}


@pytest.mark.parametrize("form", FORMS)
def test_result_is_canonical(form):
    """A container that is refused or read wrongly; stored zeros, duplicates or unsorted indices left in."""
    estimator = BaseEstimator()
    result = validate_adjacency(estimator, FORMS[form](A), reset=True)
    assert isinstance(result, sparse.csr_array)
    fresh = sparse.csr_array((result.data, result.indices, result.indptr), shape=result.shape)
    assert fresh.has_canonical_format and (result.data > 0).all()
    np.testing.assert_array_equal(result.toarray(), A)
    assert estimator.n_features_in_ == 3
    assert (form == "frame") == hasattr(estimator, "feature_names_in_")


@pytest.mark.parametrize(
    "given, expected",
    [(np.float32, np.float32), (np.float64, np.float64), (np.int64, np.float64), (bool, np.float64)],
)
@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix])
def test_dtype(make, given, expected):
    """float32 that is widened, or integers in which later products would overflow."""
    assert check_adjacency(make(np.ones((3, 3), dtype=given)), "A").dtype == expected


def test_half_precision():
    """SciPy has no float16: it is to become float32 before it is sparse."""
    assert check_adjacency(A.astype(np.float16), "A").dtype == np.float32


def test_what_was_passed_is_not_changed():
    """Duplicates added up or zeros dropped in the caller's own arrays."""
    given = with_zeros_and_duplicates()
    before = given.data.copy(), given.indices.copy(), given.indptr.copy()
    check_adjacency(given, "A")
    for array, kept in zip((given.data, given.indices, given.indptr), before, strict=True):
        np.testing.assert_array_equal(array, kept)


@pytest.mark.parametrize("make", [sparse.csr_matrix, with_zeros_and_duplicates])
def test_read_only_arrays(make):
    """joblib maps large arrays read-only in workers: a write would fail only there."""
    given = make(A) if make is sparse.csr_matrix else make()
    for array in (given.data, given.indices, given.indptr):
        array.flags.writeable = False
    np.testing.assert_array_equal(check_adjacency(given, "A").toarray(), A)


def test_a_good_matrix_is_not_copied():
    """A copy of a large graph for nothing."""
    given = sparse.csr_matrix(A)
    assert np.shares_memory(check_adjacency(given, "A").data, given.data)


BAD = {
    "negative": (np.array([[0.0, 1.0], [-2.0, 0.0]]), ValueError, r"negative.*-2\.0 at row 1, column 0"),
    "NaN": (np.array([[0.0, np.nan], [2.0, 0.0]]), ValueError, "NaN or infinity, first at row 0, column 1"),
    "infinite": (
        np.array([[0.0, 1.0], [np.inf, 0.0]]),
        ValueError,
        "NaN or infinity, first at row 1, column 0",
    ),
    "wide": (np.ones((2, 3)), ValueError, r"square, got shape \(2, 3\)"),
    "tall": (np.ones((3, 2)), ValueError, r"square, got shape \(3, 2\)"),
    "no edges": (np.zeros((2, 2)), ValueError, "no edges"),
    "complex": (np.ones((2, 2)) * 1j, ValueError, "Complex data not supported"),
    "no nodes": (np.zeros((0, 0)), ValueError, "0 sample"),
    "one axis": (np.ones(3), ValueError, "2D array"),
    "text": (np.array([["a", "b"], ["c", "d"]]), ValueError, "numeric"),
}


@pytest.mark.parametrize("make", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("bad", BAD)
def test_refused(bad, make):
    """A wrong graph that is embedded all the same, or an error that does not say what is wrong and where."""
    matrix, error, message = BAD[bad]
    if make is not np.asarray and bad in ("no nodes", "one axis", "text"):
        return
    with pytest.raises(error, match=message):
        validate_adjacency(BaseEstimator(), make(matrix), reset=True)
    with pytest.raises(error, match=message):
        check_adjacency(make(matrix), "graph")


def test_only_stored_zeros_are_no_edges():
    """A graph that has entries but no edge."""
    stored = sparse.csr_array((np.zeros(2), [1, 0], [0, 1, 2]), shape=(2, 2))
    with pytest.raises(ValueError, match="no edges"):
        check_adjacency(stored, "graph")
    assert check_adjacency(stored, "graph", allow_no_edges=True).nnz == 0


def test_masked():
    """Masked entries taken for weights."""
    masked = np.ma.masked_equal(A, 2.0)
    with pytest.raises(ValueError, match="masked"):
        validate_adjacency(BaseEstimator(), masked, reset=True)


@pytest.mark.parametrize("stream", [iter([A]), RowChunks(lambda: iter([A]), A.shape, A.dtype)])
def test_streams_are_refused(stream):
    """An iterator that scikit-learn's check would call a scalar array."""
    with pytest.raises(TypeError, match="in memory"):
        validate_adjacency(BaseEstimator(), stream, reset=True)


def test_bipartite_need_not_be_square():
    """The two kinds of nodes taken for one."""
    result = validate_adjacency(BaseEstimator(), np.ones((2, 3)), reset=True, bipartite=True)
    assert result.shape == (2, 3)


def test_connections_of_new_nodes():
    """`transform` that asks for a square matrix, refuses a node without neighbours, or takes any columns."""
    estimator = BaseEstimator()
    validate_adjacency(estimator, A, reset=True)
    assert validate_adjacency(estimator, np.zeros((2, 3)), reset=False).nnz == 0
    with pytest.raises(ValueError, match="X has 4 features, but BaseEstimator is expecting 3"):
        validate_adjacency(estimator, np.ones((2, 4)), reset=False)
    with pytest.raises(ValueError, match="negative"):
        validate_adjacency(estimator, -np.ones((2, 3)), reset=False)


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).standard_normal((60, 3))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("algorithm", ["brute", "kd_tree"])
@pytest.mark.parametrize("kind", ["k", "radius", "repeated points"])
def test_raw_distances_warn(kind, algorithm, dtype, points):
    """Distances as weights pass in silence; "brute" gives a node a tiny distance to itself, not zero."""
    points = points.astype(dtype)
    if kind == "radius":
        transformer = RadiusNeighborsTransformer(radius=1.0, algorithm=algorithm)
    else:
        transformer = KNeighborsTransformer(n_neighbors=5, algorithm=algorithm)
    if kind == "repeated points":
        points = np.vstack([points, points[:10]])
    distances = transformer.fit_transform(points)
    with pytest.warns(UserWarning, match="edge_weights_from_distances"):
        validate_adjacency(BaseEstimator(), distances, reset=True)


@pytest.mark.parametrize("seed", range(10))
def test_weights_do_not_warn(seed, points):
    """A false alarm: connectivity, a zero diagonal that `setdiag` stores, weights in any order."""
    rng = np.random.default_rng(seed)
    weighted = sparse.csr_array(np.where(rng.random((40, 40)) < 0.1, rng.random((40, 40)), 0.0))
    unsorted = weighted.copy()
    for lo, hi in zip(weighted.indptr[:-1], weighted.indptr[1:], strict=True):
        order = lo + rng.permutation(hi - lo)
        unsorted.indices[lo:hi], unsorted.data[lo:hi] = weighted.indices[order], weighted.data[order]
    unsorted.has_sorted_indices = False
    no_loops = sparse.csr_matrix(weighted)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SciPy's on efficiency
        no_loops.setdiag(0)
    loops_only = sparse.eye_array(5, format="csr")
    ascending = np.triu(np.arange(1.0, 17.0).reshape(4, 4))
    connectivity = KNeighborsTransformer(n_neighbors=5, mode="connectivity").fit_transform(points)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for graph in (weighted, unsorted, no_loops, loops_only, connectivity, ascending):
            check_adjacency(graph, "graph")
