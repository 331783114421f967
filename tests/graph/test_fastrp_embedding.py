"""FastRPEmbedding: the formula in every mode, new nodes, two kinds of nodes, bad input."""

import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import linalg, sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.graph import FastRPEmbedding, TransductiveEmbedding, from_edges
from sklr.linalg import RowChunks
from sklr.sketch import Gaussian, SparseStack

FAILED_CHECKS = {"check_estimators_nan_inf": "its X is not square, and transform tells of its columns first"}
MODES = [
    {"whiten": False},
    {"whiten": True},
    {"orthogonalize": "last", "whiten": False},
    {"orthogonalize": "last"},
    {"orthogonalize": "each", "whiten": False},
    {"orthogonalize": "each"},
]
every_mode = pytest.mark.parametrize("mode", MODES, ids=str)
both_transitions = pytest.mark.parametrize("transition", ["random_walk", "symmetric"])


@pytest.mark.filterwarnings("ignore:.*columns of the embedding are zero")
@parametrize_with_checks(
    [
        FastRPEmbedding(),
        FastRPEmbedding(3, whiten=False),
        FastRPEmbedding(2, orthogonalize="each", transition="symmetric", weights=3),
        FastRPEmbedding(2, orthogonalize="last", whiten=False, sketch="gaussian"),
        FastRPEmbedding(2, bipartite=True),
        FastRPEmbedding(2, bipartite=True, orthogonalize="each", whiten=False, n_threads=1),
    ],
    expected_failed_checks=lambda estimator: {} if estimator.bipartite else FAILED_CHECKS,
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a transformer of a matrix that is square and not negative."""
    check(estimator)


def random_graph(n=60, m=None, density=0.15, directed=False, seed=0, dtype=np.float64):
    """Weights with loops; the last node has no edge."""
    rng = np.random.default_rng(seed)
    A = (rng.random((n, m or n)) < density) * rng.uniform(0.5, 2, (n, m or n))
    if not directed and m is None:
        A = np.triu(A) + np.triu(A, 1).T
    A[-1], A[:, -1] = 0, 0
    return A.astype(dtype)


def transition_of(A, kind):
    """T in float64, by division."""
    A = np.asarray(A, dtype=np.float64)
    rows, columns = A.sum(axis=1), A.sum(axis=0)
    with np.errstate(divide="ignore"):
        if kind == "random_walk":
            return A * np.where(rows > 0, 1 / rows, 0)[:, None]
        return A * np.where(rows > 0, rows**-0.5, 0)[:, None] * np.where(columns > 0, columns**-0.5, 0)


def features(n, d=5, seed=1):
    """Start vectors: with as many as components no random number is left."""
    return np.random.default_rng(seed).standard_normal((n, d))


def plain(A, F, weights, transition="random_walk", strength=0.0):
    """The formula with dense powers, in float64."""
    degrees = np.asarray(A, dtype=np.float64).sum(axis=0)
    scale = np.where(degrees > 0, degrees / degrees[degrees > 0].mean(), 0)
    L = np.where(degrees > 0, scale, 1) ** strength * (degrees > 0)
    T = transition_of(A, transition)
    return sum(w * np.linalg.matrix_power(T, k + 1) for k, w in enumerate(weights)) @ (L[:, None] * F)


def sines(X, Y):
    """The largest sine between the spans of two matrices of full rank."""
    return np.sin(linalg.subspace_angles(X, Y)).max()


# -- the formula -----------------------------------------------------------------------------


@both_transitions
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize(
    "weights", [(0, 1, 1), (0.5,), (2.0, 0, 0, -1.0, 0), (0, 0, 0, 1, 2), 3, np.array([1.0, 7.81])], ids=str
)
def test_formula(weights, directed, transition):
    """Powers that are off by one, weights in the wrong order, degrees of the wrong side."""
    A = random_graph(directed=directed)
    F = features(len(A))
    model = FastRPEmbedding(
        5, weights=weights, normalization_strength=-0.6, transition=transition, whiten=False
    )
    E = model.fit_transform(sparse.csr_array(A), node_features=F)
    w = [0, 0, 1] if isinstance(weights, int) else weights
    np.testing.assert_allclose(E, plain(A, F, w, transition, -0.6), rtol=1e-12, atol=1e-13)


def test_default_weights():
    """Other weights than those documented for None."""
    A = sparse.csr_array(random_graph())
    for mode, weights in (({"whiten": False}, (0, 0, 0, 0, 0, 0, 1, 2)), ({"orthogonalize": "each"}, 10)):
        default = FastRPEmbedding(4, random_state=0, **mode).fit_transform(A)
        given = FastRPEmbedding(4, random_state=0, weights=weights, **mode).fit_transform(A)
        np.testing.assert_array_equal(default, given)


@pytest.mark.parametrize("sketch", ["very_sparse", "gaussian", "sparse_stack", SparseStack(2)], ids=str)
def test_products_are_unbiased(sketch):
    """A start whose covariance is not the identity: a wrong scale, or columns that repeat."""
    A = random_graph(40)
    P = plain(A, np.eye(40), (0, 1, 1), strength=-0.5)
    n_fits, d = 150, 40
    total = np.zeros((40, 40))
    for seed in range(n_fits):
        model = FastRPEmbedding(
            d,
            weights=(0, 1, 1),
            normalization_strength=-0.5,
            sketch=sketch,
            whiten=False,
            random_state=seed,
        )
        E = model.fit_transform(A)
        total += E @ E.T
    norms = np.linalg.norm(P, axis=1)
    # An entry has a standard deviation of about |P_i| |P_j| / sqrt(d) in one fit. Six of them.
    bound = 6 * np.outer(norms, norms) * np.sqrt(2 / (d * n_fits))
    assert np.all(np.abs(total / n_fits - P @ P.T) <= bound + 1e-15)


@pytest.mark.filterwarnings("ignore:.*columns of the embedding are zero")
@both_transitions
@pytest.mark.parametrize("whiten", [False, True])
def test_each_is_simultaneous_iteration(transition, whiten):
    """Another subspace than that of powers, which with a gap is the leading eigenspace."""
    blocks = linalg.block_diag(*(np.ones((size, size)) for size in (8, 12, 18, 22))) + 0.05
    d = 4 - (whiten and transition == "random_walk")  # where the constant vector is left out from the start
    model = FastRPEmbedding(
        d, weights=12, orthogonalize="each", transition=transition, whiten=whiten, random_state=0
    )
    E = model.fit_transform(blocks)
    E = E[:, E.any(axis=0)]
    w, V = linalg.eig(transition_of(blocks, transition))
    leading = V[:, np.argsort(-w.real)[:4]].real
    if whiten:
        leading -= leading.mean(axis=0)
        leading = linalg.orth(leading, rcond=1e-8)
    assert sines(E, leading) < 1e-6
    assert model.subspace_change_ < 1e-6
    if not whiten:
        np.testing.assert_allclose(E.T @ E, 60 * np.eye(d), atol=1e-9)


def test_each_sums_the_steps():
    """Steps that are summed with the wrong weights."""
    A, F = random_graph(), features(60)
    T, Q, E = transition_of(A, "symmetric"), F, 0
    n_linked = 59
    for w in (0.0, 2.0, 0.0, -1.0):
        Q, R = np.linalg.qr(T @ Q)
        Q *= np.sign(np.diag(R))
        E = E + w * Q * np.sqrt(n_linked)
    model = FastRPEmbedding(
        5, weights=(0, 2, 0, -1), orthogonalize="each", transition="symmetric", whiten=False
    )
    np.testing.assert_allclose(model.fit_transform(A, node_features=F), E, rtol=1e-9, atol=1e-10)


@both_transitions
def test_last_is_a_basis_of_the_plain_one(transition):
    """Directions that are lost or added by the orthogonalisation."""
    A, F = random_graph(), features(60)
    same = {"weights": (1, 2), "transition": transition}
    E = FastRPEmbedding(5, whiten=False, **same).fit_transform(A, node_features=F)
    Q = FastRPEmbedding(5, orthogonalize="last", whiten=False, **same).fit_transform(A, node_features=F)
    np.testing.assert_allclose(Q.T @ Q, 59 * np.eye(5), atol=1e-10)
    assert sines(E, Q) < 1e-10


@both_transitions
@pytest.mark.parametrize("orthogonalize", ["none", "last", "each"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_whitened(orthogonalize, transition, dtype):
    """A mean or a covariance that isolated nodes change; another span; columns that nothing is left of."""
    A, F = random_graph(dtype=dtype), features(60)
    same = {"weights": (1, 2, 1), "transition": transition, "orthogonalize": orthogonalize}
    E = FastRPEmbedding(5, **same).fit_transform(A, node_features=F)
    assert E.dtype == dtype
    linked = A.sum(axis=1) > 0
    assert not E[~linked].any() and (~linked).sum() == 1
    tolerance = 2e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(E[linked].mean(axis=0), 0, atol=tolerance)
    np.testing.assert_allclose(np.cov(E[linked].T, bias=True), np.eye(5), atol=tolerance)
    if orthogonalize != "each":
        raw = plain(A, F, (1, 2, 1), transition)
        assert sines(E[linked], (raw - raw[linked].mean(axis=0))[linked]) < 50 * tolerance


@pytest.mark.parametrize("orthogonalize", ["none", "last", "each"])
def test_whitened_with_sinks(orthogonalize):
    """A constant vector that is taken from a transition matrix that does not keep it."""
    A = random_graph(directed=True, density=0.1)
    A[::3] = 0  # nodes that are pointed to, and point nowhere
    F = features(60)
    same = {"weights": (0, 0, 0, 1), "orthogonalize": orthogonalize}
    E = FastRPEmbedding(5, **same).fit_transform(A, node_features=F)
    raw = plain(A, F, (0, 0, 0, 1))
    linked = A.sum(axis=1) > 0
    assert not E[~linked].any()
    assert sines(E[linked], (raw - raw[linked].mean(axis=0))[linked]) < 1e-9


def test_published_settings():
    """The authors' formula, with degrees themselves: the same but for one factor."""
    A = random_graph(density=0.3)
    F = features(60)
    degrees = A.sum(axis=1)
    M = transition_of(A, "random_walk")
    U, E = np.where(degrees > 0, np.where(degrees > 0, degrees, 1) ** -0.628, 0)[:, None] * F, 0
    for w in (1, 1, 7.81, 45.28):
        U = M @ U
        E = E + w * U
    model = FastRPEmbedding(
        5, weights=(1, 1, 7.81, 45.28), normalization_strength=-0.628, whiten=False, random_state=0
    )
    ours = model.fit_transform(A, node_features=F)
    factor = degrees[degrees > 0].mean() ** -0.628
    np.testing.assert_allclose(ours * factor, E, rtol=1e-10, atol=1e-13)


@every_mode
@both_transitions
def test_nodes_have_no_order_and_weights_no_unit(mode, transition):
    """An embedding that changes with the names of the nodes, or with the unit of the weights."""
    A, F = random_graph(), features(60)
    order = np.random.default_rng(3).permutation(60)
    model = FastRPEmbedding(5, weights=(1, 1), transition=transition, normalization_strength=0.3, **mode)
    E = model.fit_transform(A, node_features=F)
    permuted = model.fit_transform(A[np.ix_(order, order)], node_features=F[order])
    np.testing.assert_allclose(permuted, E[order], rtol=1e-8, atol=1e-9)
    for unit in (1e-200, 1e200):
        np.testing.assert_allclose(model.fit_transform(A * unit, node_features=F), E, rtol=1e-8, atol=1e-9)
    small = FastRPEmbedding(5, weights=(1, 1), transition=transition, **mode)
    for unit in (1e-30, 1e30):
        E32 = small.fit_transform((A * unit).astype(np.float32), node_features=F)
        assert np.abs(small.fit_transform(A, node_features=F) - E32).max() < 1e-3


# -- new nodes ---------------------------------------------------------------------------------


@every_mode
@both_transitions
@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_transform_gives_back_the_fit(mode, transition, directed, dtype):
    """A matrix M that is one step off, or an offset that is forgotten, in any mode."""
    A = random_graph(directed=directed, dtype=dtype)
    model = FastRPEmbedding(6, transition=transition, random_state=0, **mode)
    E = model.fit_transform(sparse.csr_array(A))
    assert E is model.embedding_ and E.shape == (60, 6) and E.dtype == dtype
    tolerance = 1e-3 if dtype == np.float32 else 1e-6
    rows = np.array([5, 59, 0, 5])
    for part in (A[rows], sparse.csr_array(A[rows]), sparse.csc_matrix(A[rows])):
        new = model.transform(part)
        assert new.dtype == dtype
        np.testing.assert_allclose(new, E[rows], atol=tolerance * np.abs(E).max())
        assert not new[1].any()


@both_transitions
def test_new_nodes(transition):
    """Rows that are not normalised as in the fit."""
    A = random_graph()
    model = FastRPEmbedding(6, transition=transition, whiten=False, random_state=0).fit(A)
    new = np.random.default_rng(5).random((4, 60)) * (np.random.default_rng(6).random((4, 60)) < 0.2)
    degrees = A.sum(axis=0)
    if transition == "symmetric":
        T = new / np.sqrt(new.sum(axis=1, keepdims=True)) / np.sqrt(np.where(degrees > 0, degrees, np.inf))
    else:
        T = new / new.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.transform(new), T @ model.projection_, rtol=1e-12)
    np.testing.assert_allclose(
        model.transform(7 * new[:1]),
        model.transform(new[:1]) * 7 ** (0.5 if transition == "symmetric" else 0),
    )


# -- two kinds of nodes ------------------------------------------------------------------------


@every_mode
@both_transitions
def test_bipartite(mode, transition):
    """Sides that are mixed up; a side that is not in the space of the other."""
    B = random_graph(40, 25, density=0.2)
    F = features(25, 4)
    model = FastRPEmbedding(
        4, weights=(1.0, 2.0), bipartite=True, transition=transition, normalization_strength=0.5, **mode
    )
    E = model.fit_transform(B, node_features=F)
    assert E.shape == (40, 4) and model.column_embedding_.shape == (25, 4)
    down, up = transition_of(B, transition), transition_of(B.T, transition)
    np.testing.assert_allclose(model.column_embedding_, up @ E, atol=1e-12)
    np.testing.assert_allclose(model.transform(B), E, atol=1e-6)
    assert not E[-1].any() and not model.column_embedding_[-1].any()
    if mode == {"whiten": False}:
        degrees = B.sum(axis=0)
        L = np.sqrt(degrees / degrees[degrees > 0].mean())
        Z = L[:, None] * F
        np.testing.assert_allclose(E, down @ (Z + 2 * up @ (down @ Z)), rtol=1e-10)
    elif mode == {"orthogonalize": "last", "whiten": False}:
        n_linked = np.count_nonzero(B.sum(axis=1))
        np.testing.assert_allclose(E.T @ E, n_linked * np.eye(4), atol=1e-9)


def test_bipartite_finds_the_singular_vectors():
    """Steps that do not go back and forth."""
    rng = np.random.default_rng(0)
    B = np.kron(np.eye(3), np.ones((20, 10))) + 0.02 * rng.random((60, 30))
    model = FastRPEmbedding(
        3,
        weights=8,
        bipartite=True,
        orthogonalize="each",
        transition="symmetric",
        whiten=False,
        random_state=0,
    )
    E = model.fit_transform(B)
    U, _, Vt = np.linalg.svd(transition_of(B, "symmetric"))
    assert sines(E, U[:, :3]) < 1e-8
    assert sines(model.column_embedding_, Vt[:3].T) < 1e-8


# -- node features -----------------------------------------------------------------------------


def test_node_features():
    """Features that are ignored, or not sketched as documented."""
    A = random_graph()
    wide = np.random.default_rng(2).random((60, 300)) * (np.random.default_rng(3).random((60, 300)) < 0.1)
    model = FastRPEmbedding(200, weights=(1, 1), sketch="gaussian", whiten=False, random_state=0)
    E = model.fit_transform(A, node_features=wide)
    P = plain(A, wide, (1, 1))
    # The relative error of products from 200 random combinations of 300: sqrt(2 / 200) for a row and itself.
    assert np.linalg.norm(E @ E.T - P @ P.T) < 0.4 * np.linalg.norm(P @ P.T)
    for form in (sparse.csr_array, sparse.csc_matrix, pd.DataFrame):
        np.testing.assert_allclose(model.fit_transform(A, node_features=form(wide)), E, atol=1e-12)
    exact = FastRPEmbedding(300, weights=(1, 1), whiten=False)
    np.testing.assert_allclose(exact.fit_transform(A, node_features=sparse.csr_array(wide)), P, atol=1e-13)


def test_node_features_that_are_stored_twice():
    """An entry of a sparse matrix in two parts, one of which is lost."""
    A, F = random_graph(), features(60, 3)
    twice = sparse.csr_array(
        (np.repeat(F.ravel() / 2, 2), np.tile(np.repeat(np.arange(3), 2), 60), np.arange(0, 361, 6)),
        shape=F.shape,
    )
    model = FastRPEmbedding(3, weights=(1, 1), whiten=False)
    np.testing.assert_allclose(model.fit_transform(A, node_features=twice), plain(A, F, (1, 1)), rtol=1e-10)


@pytest.mark.parametrize(
    "features, message",
    [
        (np.ones((60, 3)), "3 columns, fewer than n_components=5.*n_components=3"),
        (np.ones((59, 9)), "a row for each of the 60 columns of X, got shape \\(59, 9\\)"),
        (np.full((60, 9), np.nan), "node_features contains NaN"),
        (np.ones(60), "2D array"),
    ],
)
def test_bad_node_features(features, message):
    """Features that are broadcast, cut off or made up."""
    model = FastRPEmbedding(5)
    with pytest.raises(ValueError, match=message):
        model.fit(random_graph(), node_features=features)
    assert not hasattr(model, "embedding_") and not hasattr(model, "n_features_in_")


# -- the same whatever holds it ----------------------------------------------------------------


@every_mode
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_threads_and_containers_change_no_bit(mode, dtype, monkeypatch):
    """Sums in the order in which threads are done; a container that is read in another way."""
    monkeypatch.setattr("sklr._backend.tiles.TILE_NNZ", 500)
    monkeypatch.setattr("sklr._backend.tiles.MIN_TILE_NNZ", 100)
    monkeypatch.setattr("sklr._backend.threads.cpu_count", lambda: 4)
    A = random_graph(200, dtype=dtype)
    stored_zero = sparse.csr_array(A)
    stored_zero.data[0] = A[stored_zero.nonzero()[0][0], stored_zero.indices[0]] = 0
    first = None
    for form in (np.asarray, sparse.csr_array, sparse.csc_matrix, sparse.coo_array, pd.DataFrame):
        for n_threads in (1, 2, 4):
            model = FastRPEmbedding(8, random_state=0, n_threads=n_threads, **mode)
            E = model.fit_transform(form(A))
            found = (E.tobytes(), model.projection_.tobytes(), model.transform(form(A)).tobytes())
            first = first or found
            assert found == first
    assert FastRPEmbedding(8, random_state=0, **mode).fit_transform(stored_zero).tobytes() == first[0]
    other = FastRPEmbedding(8, random_state=1, **mode).fit_transform(A)
    assert other.tobytes() != first[0]


def test_a_hub_in_float32():
    """A sum of a million numbers in float32, one by one."""
    n = 300_001
    star = sparse.csr_array(
        (
            np.ones(2 * (n - 1), dtype=np.float32),
            np.append(np.arange(1, n), np.zeros(n - 1, dtype=int)),
            np.append(0, np.arange(n - 1, 2 * n - 1)),
        ),
        shape=(n, n),
    )
    F = np.random.default_rng(0).random((n, 2))
    model = FastRPEmbedding(2, weights=1, whiten=False)
    hub = model.fit_transform(star, node_features=F)[0]
    np.testing.assert_allclose(hub, F[1:].mean(axis=0), rtol=1e-4)
    assert model.column_degrees_[0] == n - 1


def test_many_small_parts():
    """Parts of the graph that a sparse start does not reach."""
    triangles = sparse.kron(sparse.eye_array(3000), np.ones((3, 3)) - np.eye(3)).tocsr()
    E = FastRPEmbedding(16, whiten=False, random_state=0).fit_transform(triangles)
    # A node has four entries on average in the start, so that a part of three has none in exp(-12) of all.
    assert E.any(axis=1).all()


def test_another_fit_leaves_nothing_behind():
    """The columns of a bipartite graph that is no more."""
    model = FastRPEmbedding(3, bipartite=True).fit(random_graph(30, 20))
    assert model.column_embedding_.shape == (20, 3)
    model.set_params(bipartite=False).fit(random_graph())
    assert not hasattr(model, "column_embedding_")


def test_input_is_not_written_to():
    """Weights that are normalised in place."""
    A = sparse.csr_array(random_graph())
    F = features(60)
    before, start = A.copy(), F.copy()
    FastRPEmbedding(5, orthogonalize="each").fit(A, node_features=F).transform(A)
    np.testing.assert_array_equal(A.toarray(), before.toarray())
    np.testing.assert_array_equal(F, start)


def test_memory():
    """A graph that is made dense, or an array for each power."""
    n, d = 20_000, 32
    rng = np.random.default_rng(0)
    edges = rng.integers(0, n, (2, 5 * n))
    A = sparse.coo_array((np.ones(5 * n, dtype=np.float32), edges), shape=(n, n)).tocsr()
    A = (A + A.T).tocsr()
    buffer = n * d * 4
    for mode, n_buffers in (({"whiten": False, "weights": (1,) * 8}, 2), ({"orthogonalize": "each"}, 6)):
        model = FastRPEmbedding(d, random_state=0, n_threads=1, **mode).fit(A)
        tracemalloc.start()
        model.fit(A)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        # The transition matrix is another array of nnz, made in float64; tiles of sparse products come to it.
        assert peak < n_buffers * buffer + 30 * A.nnz + buffer / 2 + buffer * 2  # the fit before


# -- in scikit-learn -----------------------------------------------------------------------------


def groups(n=120, seed=0, inside=0.3):
    """Two groups of nodes, with more edges inside."""
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], n // 2)
    upper = np.triu(rng.random((n, n)) < np.where(y[:, None] == y, inside, 0.05), k=1)
    return sparse.csr_array(upper + upper.T, dtype=np.float64), y


def test_pairwise_in_cross_validation():
    """Folds that slice rows only; scores that look at test labels through the graph."""
    A, y = groups()
    assert get_tags(FastRPEmbedding()).input_tags.pairwise
    assert not get_tags(FastRPEmbedding(bipartite=True)).input_tags.pairwise
    model = make_pipeline(FastRPEmbedding(8, random_state=0), LogisticRegression())
    assert cross_val_score(model, A, y, cv=5).mean() > 0.9
    search = GridSearchCV(model, {"fastrpembedding__orthogonalize": ["none", "each"]}, cv=3).fit(A, y)
    assert search.best_score_ > 0.9
    F = np.random.default_rng(0).standard_normal((120, 8))
    scores = cross_val_score(
        model.set_params(fastrpembedding__weights=(0, 0, 1)),
        A,
        y,
        params={"fastrpembedding__node_features": F},
    )
    assert len(scores) == 5  # the features are sliced with the nodes


def test_transductive():
    """Node ids in a search, with and without node features."""
    A, y = groups()
    nodes = np.arange(120)
    F = np.random.default_rng(0).standard_normal((120, 9))
    for node_features in (None, F):
        embedding = TransductiveEmbedding(FastRPEmbedding(random_state=0), A, node_features=node_features)
        search = GridSearchCV(
            make_pipeline(embedding, LogisticRegression()),
            {"transductiveembedding__embedding__n_components": [2, 8]},
        ).fit(nodes, y)
        assert search.best_score_ > 0.9
    E = embedding.set_params(embedding__n_components=9).fit_transform(nodes[::-1])
    same = FastRPEmbedding(9, random_state=0).fit_transform(A, node_features=F)
    np.testing.assert_array_equal(E, same[::-1])


def test_neighbours_of_points():
    """A pipeline of points, neighbours and embedding, and points that come later."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 100)
    X = rng.standard_normal((200, 4)) + 3 * y[:, None]
    model = make_pipeline(
        KNeighborsTransformer(n_neighbors=10, mode="connectivity"),
        FastRPEmbedding(4, random_state=0),
        LogisticRegression(),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.95
    distances = KNeighborsTransformer(n_neighbors=10, mode="distance").fit_transform(X)
    with pytest.warns(UserWarning, match="looks like the distances of KNeighborsTransformer"):
        FastRPEmbedding(4, random_state=0).fit(distances)


def test_what_transformers_have():
    """Names, copies, tables."""
    A, _ = groups()
    frame = pd.DataFrame(A.toarray(), columns=[f"node {i}" for i in range(120)])
    model = FastRPEmbedding(3, random_state=0).set_output(transform="pandas")
    table = model.fit_transform(frame)
    assert list(table.columns) == ["fastrpembedding0", "fastrpembedding1", "fastrpembedding2"]
    assert list(model.feature_names_in_) == list(frame.columns)
    copy = pickle.loads(pickle.dumps(model))
    pd.testing.assert_frame_equal(copy.transform(frame), model.transform(frame))
    again = clone(model).fit_transform(frame)
    pd.testing.assert_frame_equal(again, table)
    with pytest.raises(NotFittedError):
        FastRPEmbedding().transform(frame)
    labelled = from_edges([("a", "b"), ("b", "c")])
    assert FastRPEmbedding(1, random_state=0).fit_transform(labelled.adjacency).shape == (3, 1)


# -- graphs at the edge --------------------------------------------------------------------------


@every_mode
@both_transitions
@pytest.mark.filterwarnings("ignore:.*columns of the embedding are zero")
@pytest.mark.parametrize(
    "A",
    [
        np.ones((1, 1)),
        np.array([[0.0, 1.0], [1.0, 0.0]]),
        np.diag([1.0, 2.0, 0.0]),
        np.eye(5, k=1),
        np.kron(np.eye(6), np.ones((2, 2))),
        np.ones((30, 30)),
        1 - np.eye(4),
    ],
    ids=["loop", "edge", "loops", "path", "pairs", "complete", "no loops"],
)
def test_small_graphs(A, mode, transition):
    """NaN, an error, or rounding errors taken for directions, where there are few."""
    model = FastRPEmbedding(8, transition=transition, random_state=0, **mode)
    E = model.fit_transform(A)
    assert E.shape == (len(A), 8) and np.isfinite(E).all()
    assert not E[A.sum(axis=1) == 0].any()
    np.testing.assert_allclose(model.transform(A), E, atol=1e-5)
    T = transition_of(A, transition)
    # Of what powers of T have, nothing is added.
    span = np.hstack([T, (A.sum(axis=1, keepdims=True) > 0) * 1.0])
    residual = E - span @ np.linalg.lstsq(span, E, rcond=1e-10)[0]
    assert np.linalg.norm(residual) < 1e-6 * max(1, np.linalg.norm(E))


@pytest.mark.filterwarnings("ignore:.*columns of the embedding are zero")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@every_mode
def test_features_that_vanish(mode, dtype):
    """What rounding leaves of a feature without a mean, scaled up to unit variance."""
    F = features(40, 3)
    F[:, 0] -= F[:, 0].mean()
    F[:, 1] = 1
    model = FastRPEmbedding(3, weights=3, **mode)
    E = model.fit_transform(np.ones((40, 40), dtype=dtype), node_features=F)
    if mode == {"whiten": False}:
        assert np.abs(E[:, 0]).max() < 1e-6
    else:
        assert np.count_nonzero(E.any(axis=0)) == 1 - model.whiten
    np.testing.assert_allclose(E, np.broadcast_to(E[0], E.shape), atol=1e-6)


def test_tells_of_dependent_columns():
    """Noise that is scaled up to unit variance, or zeros without a word."""
    A = np.kron(np.eye(3), np.ones((10, 10)))
    with pytest.warns(UserWarning, match="3 of the 5 columns.*are zero.*smaller n_components.*fewer steps"):
        E = FastRPEmbedding(5, random_state=0, sketch="gaussian").fit_transform(A)
    assert np.count_nonzero(E.any(axis=0)) == 2
    with pytest.warns(UserWarning, match="2 of the 5 columns"):
        E = FastRPEmbedding(
            5, orthogonalize="each", whiten=False, random_state=0, sketch="gaussian"
        ).fit_transform(A)
    np.testing.assert_allclose(E.T @ E, np.diag([30, 30, 30, 0, 0]), atol=1e-10)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FastRPEmbedding(5, whiten=False, random_state=0).fit(A)


def test_each_finds_what_the_start_lacks():
    """A direction that a sparse start happens not to have, lost for ever."""
    A = np.kron(np.eye(4), np.ones((10, 10))) + 0.01
    F = np.zeros((40, 4))
    F[:10] = np.random.default_rng(0).standard_normal((10, 4))  # all columns alike, after a step
    model = FastRPEmbedding(4, orthogonalize="each", weights=6, whiten=False)
    E = model.fit_transform(A, node_features=F)
    assert sines(E, np.kron(np.eye(4), np.ones((10, 1)))) < 1e-8
    np.testing.assert_allclose(model.transform(A), E, atol=1e-8)


# -- bad input -----------------------------------------------------------------------------------


def bad(position, value):
    """A graph with one entry replaced."""
    A = random_graph()
    A[position] = value
    return A


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.coo_matrix])
@pytest.mark.parametrize(
    "A, message",
    [
        (np.ones((3, 4)), "square, got shape \\(3, 4\\)"),
        (bad((3, 4), -1.5), "negative weights, got -1.5 at row 3, column 4"),
        (bad((3, 4), np.nan), "NaN or infinity, first at row 3, column 4"),
        (bad((3, 4), np.inf), "NaN or infinity, first at row 3, column 4"),
        (np.zeros((5, 5)), "no edges"),
        (np.full((2, 2), 1e308), "add up to infinity"),
        (np.ones((3, 3)) * 1j, "[Cc]omplex"),
    ],
    ids=["not square", "negative", "NaN", "infinity", "no edges", "overflow", "complex"],
)
def test_bad_graphs(A, message, form):
    """A graph that is none, taken for one; an estimator that is fitted by half."""
    model = FastRPEmbedding(2)
    with pytest.raises((ValueError, TypeError), match=message):
        model.fit(form(A))
    assert not [name for name in vars(model) if name.endswith("_")]


def test_empty_graphs():
    """A graph without nodes."""
    for A in (np.zeros((0, 0)), sparse.csr_array((0, 0))):
        with pytest.raises(ValueError, match="0 sample|empty|minimum of 1"):
            FastRPEmbedding(2).fit(A)


@pytest.mark.parametrize("A", [RowChunks(lambda: iter([np.ones((2, 2))]), (2, 2)), iter([np.ones((2, 2))])])
def test_streams(A):
    """Rows that are read once, multiplied by many times."""
    with pytest.raises(TypeError, match="in memory"):
        FastRPEmbedding(2).fit(A)


@pytest.mark.parametrize(
    "columns, error",
    [(59, "59 features.*expecting 60"), (61, "61 features.*expecting 60")],
)
def test_other_columns_in_transform(columns, error):
    """Connections to other nodes than those of the fit."""
    model = FastRPEmbedding(2, random_state=0).fit(random_graph())
    for form in (np.asarray, sparse.csr_array):
        with pytest.raises(ValueError, match=error):
            model.transform(form(np.ones((3, columns))))
    with pytest.raises(ValueError, match="negative weights"):
        model.transform(-np.ones((1, 60)))
    with pytest.raises(ValueError, match="NaN"):
        model.transform(np.full((1, 60), np.nan))
    assert not model.transform(np.zeros((2, 60))).any()


@pytest.mark.parametrize(
    "parameters, error, message",
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 2.5}, ValueError, "n_components"),
        ({"weights": ()}, ValueError, "weights are empty or zero"),
        ({"weights": (0.0, 0.0)}, ValueError, "weights are empty or zero"),
        ({"weights": (1.0, np.nan)}, ValueError, "weights must be finite"),
        ({"weights": 0}, ValueError, "weights must be at least 1"),
        ({"weights": (1e300,)}, ValueError, "weights must be between .* got 1e\\+300"),
        ({"weights": (0, 1e-300)}, ValueError, "weights must be between .* got 1e-300"),
        ({"weights": {1, 2}}, TypeError, "weights must be an int or a sequence"),
        ({"weights": np.array(3)}, TypeError, "weights must be an int or a sequence"),
        ({"weights": [10**400]}, ValueError, "weights must be finite"),
        ({"weights": 1.5}, TypeError, "weights must be an int or a sequence"),
        ({"weights": "12"}, TypeError, "weights must be an int or a sequence"),
        ({"weights": ["a"]}, TypeError, "weights must be numbers"),
        ({"weights": True}, TypeError, "weights must be"),
        ({"weights": [[1.0, 2.0]]}, TypeError, "weights must be numbers"),
        ({"transition": "laplacian"}, ValueError, "transition"),
        ({"orthogonalize": "all"}, ValueError, "orthogonalize"),
        ({"sketch": "verysparse"}, ValueError, "Did you mean 'very_sparse'"),
        ({"sketch": 3}, ValueError, "sketch"),
        ({"sketch": Gaussian}, ValueError, "sketch"),
        ({"normalization_strength": "-0.5"}, ValueError, "normalization_strength"),
        ({"normalization_strength": np.nan}, ValueError, "normalization_strength"),
        ({"normalization_strength": 1e4}, ValueError, "normalization_strength"),
        ({"whiten": "yes"}, ValueError, "whiten"),
        ({"bipartite": 2}, ValueError, "bipartite"),
        ({"n_threads": 0}, ValueError, "n_threads"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, error, message):
    """A parameter that is ignored, or an error that does not name it."""
    model = FastRPEmbedding(**{"n_components": 3, **parameters})
    with pytest.raises(error, match=message):
        model.fit(random_graph())
    assert not [name for name in vars(model) if name.endswith("_")]


def test_a_failed_fit_keeps_the_former_one():
    """An estimator that is left between two fits."""
    A = random_graph()
    model = FastRPEmbedding(3, random_state=0)
    E = model.fit_transform(A).copy()
    with pytest.raises(ValueError, match="negative"):
        model.fit(-A)
    np.testing.assert_array_equal(model.embedding_, E)
    np.testing.assert_array_equal(model.transform(A[:2]).shape, (2, 3))
