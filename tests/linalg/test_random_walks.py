"""Random features of kernels on graphs against kernels from LAPACK, and cases in which chance has no part."""

import numpy as np
import pytest
from scipy import linalg, sparse, special
from scipy.sparse.csgraph import laplacian

from sklr.linalg import graph_kernel, graph_modulation, graph_random_features
from sklr.linalg.random_walks import is_dominated_by_rare_walks

# So small that no walk halts in a test.
NEVER = 1e-15


def weighted_graph(n=40, seed=0):
    """A graph of two parts with weights within a factor 100, without loops; the last node is isolated."""
    rng = np.random.default_rng(seed)
    A = np.triu((rng.random((n, n)) < 0.2) * np.exp(rng.uniform(0, np.log(100), (n, n))), 1)
    A[: n // 3, n // 3 :] = 0
    A[:, -1] = 0
    return sparse.csr_array(A + A.T)


def ring(n=12):
    """Neighbours at distance 1 and 2: every node has four."""
    shifts = np.array([1, 2, n - 2, n - 1])
    return sparse.diags_array(
        np.ones(8), offsets=np.concatenate([shifts, -shifts]), shape=(n, n), format="csr"
    )


def normalized_adjacency(A):
    """I minus SciPy's Laplacian, which ignores loops."""
    return np.eye(A.shape[0]) - laplacian(A.toarray(), normed=True)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_kernels_are_functions_of_the_laplacian(sigma):
    """A power or a factor that is off, or an isolated node that is taken for a node of a zero kernel."""
    A = weighted_graph()
    L, one = laplacian(A.toarray(), normed=True), np.eye(40)
    for degree in (1, 2, 3):
        inverse = linalg.inv(np.linalg.matrix_power(one + sigma**2 * L, degree))
        K = graph_kernel(A, "regularized_laplacian", sigma=sigma, degree=degree)
        np.testing.assert_allclose(K, inverse, atol=1e-12)
    K = graph_kernel(A, "diffusion", sigma=sigma)
    np.testing.assert_allclose(K, linalg.expm(-(sigma**2) * L / 2), atol=1e-12)
    for degree, shift in ((2, 2.0), (4, 3.0)):
        K = graph_kernel(A, "p_step", degree=degree, shift=shift)
        np.testing.assert_allclose(K, np.linalg.matrix_power(shift * one - L, degree), atol=1e-11)


def test_a_kernel_of_a_modulation():
    """The weights taken for those of the kernel, not of its root."""
    A = weighted_graph()
    W = normalized_adjacency(A)
    F = 0.5 * np.eye(40) - 0.25 * W @ W
    for kernel in ([0.5, 0, -0.25], lambda length: np.choose(np.minimum(length, 3), [0.5, 0.0, -0.25, 0.0])):
        np.testing.assert_allclose(graph_kernel(A, kernel), F @ F, atol=1e-12)


def test_modulations_convolve_to_the_series_of_the_kernel():
    """A series that is not the root."""
    k = np.arange(25)
    for sigma in (0.3, 1.0, 2.0):
        q = sigma**2 / (1 + sigma**2)
        for degree in (1, 2, 3.5):
            f = graph_modulation("regularized_laplacian", sigma=sigma, degree=degree)
            f = np.append(f, np.zeros(25))
            series = special.binom(degree + k - 1, k) * q**k * (1 - q) ** degree
            np.testing.assert_allclose(np.convolve(f, f)[:25], series, atol=1e-15)
        f = np.append(graph_modulation("diffusion", sigma=sigma), np.zeros(25))
        series = np.exp(-(sigma**2) / 2) * (sigma**2 / 2) ** k / special.factorial(k)
        np.testing.assert_allclose(np.convolve(f, f)[:25], series, atol=1e-15)
    f = graph_modulation("p_step", degree=6, shift=2.5)
    np.testing.assert_allclose(np.convolve(f, f), special.binom(6, k[:7]) * 1.5 ** (6 - k[:7]))


@pytest.mark.parametrize("sigma", [0.01, 1.0, 30.0, 100.0])
def test_modulations_are_probabilities(sigma):
    """A series that ends too early, underflows or overflows."""
    assert graph_modulation("diffusion", sigma=sigma).sum() == pytest.approx(1, abs=1e-11)
    f = graph_modulation("regularized_laplacian", sigma=sigma, degree=3)
    assert f.sum() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("n_walks", [4, 8, 12])
def test_repelling_walks_take_all_edges(n_walks):
    """Walks that repel by less than they can: as many as edges, in the first step they are W itself."""
    A = ring()
    Phi = graph_random_features(A, [0.0, 1.0], n_walks=n_walks, halt_probability=NEVER, rng=0)
    np.testing.assert_allclose(Phi.toarray(), normalized_adjacency(A), atol=1e-12)
    # After two steps each of the second ones is again one of a block, where all have met: here 16 of 16.
    Phi = graph_random_features(
        sparse.csr_array(np.ones((4, 4))), [0.0, 0.0, 1.0], n_walks=16, halt_probability=NEVER, rng=0
    )
    np.testing.assert_allclose(Phi.toarray(), 0.25, atol=1e-12)


def test_repelling_walks_keep_to_the_weights():
    """Edges that are drawn without their weights: 1, 2 and 5 of 8 walks take those of the first node."""
    A = np.zeros((4, 4))
    A[0, 1:] = A[1:, 0] = [1, 2, 5]
    Phi = graph_random_features(A, [0.0, 1.0], n_walks=8, halt_probability=NEVER, rng=0)
    np.testing.assert_allclose(Phi.toarray(), normalized_adjacency(sparse.csr_array(A)), atol=1e-12)


@pytest.mark.parametrize("n_walks", [2, 6])
def test_antithetic_walks_halt_in_turn(n_walks):
    """Pairs that are independent: with p = 1/2 one of two goes on, so the first step is without chance."""
    A = sparse.eye_array(50, format="csr")  # loops: where a walk goes is without chance too
    draw = {"halt_probability": 0.5, "coupling": "antithetic", "rng": 0}
    Phi = graph_random_features(A, [0.0, 1.0], n_walks=n_walks, **draw)
    np.testing.assert_allclose(Phi.toarray(), np.eye(50))
    Phi = graph_random_features(A, [0.0, 0.0, 1.0], n_walks=n_walks, **draw)
    assert np.ptp(Phi.diagonal()) > 0


def test_one_step_more_is_one_factor_more():
    """Lengths that are off by one: on a single edge, walks are at the other end at odd lengths."""
    A = sparse.csr_array([[0.0, 3.0], [3.0, 0.0]])
    for coupling in ("iid", "antithetic", "repelling"):
        Phi = graph_random_features(
            A, [1.0, 10.0, 100.0, 1000.0], halt_probability=NEVER, coupling=coupling, rng=0
        )
        np.testing.assert_allclose(Phi.toarray(), [[101, 1010], [1010, 101]])


@pytest.mark.parametrize("coupling", ["iid", "antithetic", "repelling"])
def test_the_same_bits_on_any_number_of_threads(coupling):
    """Numbers that are drawn by whoever comes first. Several tiles."""
    rng = np.random.default_rng(0)
    i, j = rng.integers(9000, size=(2, 20_000))
    A = sparse.coo_array((rng.random(20_000), (i, j)), shape=(9000, 9000))
    A = sparse.csr_array(A + A.T)
    f = graph_modulation("diffusion")
    one, two, four = (
        graph_random_features(A, f, coupling=coupling, rng=3, n_threads=n_threads) for n_threads in (1, 2, 4)
    )
    for other in (two, four):
        np.testing.assert_array_equal(one.indptr, other.indptr)
        np.testing.assert_array_equal(one.indices, other.indices)
        np.testing.assert_array_equal(one.data, other.data)


def test_tiles_have_walks_of_their_own():
    """One stream for all tiles: the walks of a node would repeat at the same place of the next tile."""
    A = ring(8000)
    Phi = graph_random_features(A, [0.0, 1.0], n_walks=10, coupling="iid", rng=0)
    n_in_tile = 3276
    first, second = (sparse.csr_array(Phi[lo + 10 : lo + 3000]) for lo in (0, n_in_tile))
    assert not np.array_equal(first.indices, second.indices - n_in_tile)
    assert not np.array_equal(first.data, second.data)


def test_draws():
    """A draw that is not a function of `rng`."""
    A, f = weighted_graph(), graph_modulation("diffusion")
    first, same, other = (graph_random_features(A, f, rng=seed).toarray() for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, same)
    assert np.abs(first - other).max() > 0.01


@pytest.mark.parametrize(
    "form",
    [
        np.asarray,
        np.asfortranarray,
        sparse.csr_array,
        sparse.csc_array,
        sparse.coo_array,
        sparse.csr_matrix,
        sparse.lil_array,
    ],
)
def test_containers(form):
    """A container that is read as another matrix."""
    A, f = weighted_graph(), graph_modulation("diffusion")
    expected = graph_random_features(A, f, rng=0)
    Phi = graph_random_features(form(A.toarray()), f, rng=0)
    assert isinstance(Phi, sparse.csr_array) and Phi.has_sorted_indices
    assert Phi.indices.dtype == np.int32
    np.testing.assert_array_equal(Phi.toarray(), expected.toarray())
    np.testing.assert_allclose(graph_kernel(form(A.toarray()), "diffusion"), graph_kernel(A, "diffusion"))


def test_dtypes():
    """float32 that becomes float64, or weights that are rounded where they need not be."""
    A, f = weighted_graph(), graph_modulation("diffusion")
    A.data = np.round(A.data)
    expected = graph_random_features(A, f, rng=0)
    for dtype, result in ((np.float32, np.float32), (np.int64, np.float64), (np.int8, np.float64)):
        Phi = graph_random_features(A.astype(dtype), f, rng=0)
        assert Phi.dtype == graph_kernel(A.astype(dtype)).dtype == result
        np.testing.assert_array_equal(Phi.toarray(), expected.toarray().astype(result))
    boolean = graph_random_features(A > 0, f, rng=0).toarray()
    np.testing.assert_array_equal(boolean, graph_random_features((A > 0).astype(float), f, rng=0).toarray())


def test_explicit_zeros_repeated_and_unsorted_entries():
    """A zero that is walked along, or an input that is written to."""
    A, f = weighted_graph(), graph_modulation("diffusion")
    expected = graph_random_features(A, f, rng=0).toarray()
    coo = A.tocoo()
    zeros = np.arange(39)
    rows = np.concatenate([coo.row, coo.row, zeros, zeros + 1])[::-1]
    columns = np.concatenate([coo.col, coo.col, zeros + 1, zeros])[::-1]
    values = np.concatenate([coo.data / 4, coo.data * 3 / 4, np.zeros(78)])[::-1]
    order = np.argsort(rows, kind="stable")
    indptr = np.searchsorted(rows[order], np.arange(41))
    messy = sparse.csr_array((values[order], columns[order], indptr), shape=A.shape)
    before = messy.data.copy(), messy.indices.copy()
    np.testing.assert_allclose(graph_random_features(messy, f, rng=0).toarray(), expected)
    np.testing.assert_array_equal(messy.data, before[0])
    np.testing.assert_array_equal(messy.indices, before[1])


def test_nodes_without_edges_and_loops():
    """A division by a degree of zero; an isolated node that is not one with a loop only."""
    f = graph_modulation("regularized_laplacian", sigma=2.0)
    Phi = graph_random_features(sparse.csr_array((5, 5)), f, rng=0)
    np.testing.assert_allclose(Phi.toarray(), np.eye(5), atol=1e-12)
    np.testing.assert_allclose(graph_kernel(np.zeros((5, 5)), sigma=2.0), np.eye(5), atol=1e-12)
    np.testing.assert_allclose(graph_kernel(np.eye(5), sigma=2.0), np.eye(5), atol=1e-12)
    loop = graph_random_features(np.eye(5), [1.0, 1.0], halt_probability=NEVER, rng=0)
    np.testing.assert_allclose(loop.toarray(), 2 * np.eye(5), atol=1e-12)
    Phi = graph_random_features(weighted_graph(), f, rng=0).toarray()
    np.testing.assert_allclose(Phi[-1], np.eye(40)[-1], atol=1e-12)
    assert not Phi[:-1, -1].any()


def test_weights_far_apart():
    """Probabilities with the rounding of the largest weights; a unit that makes a difference."""
    A = sparse.block_diag([1e-200 * ring().toarray(), 1e200 * ring().toarray()], format="csr")
    Phi = graph_random_features(A, [0.0, 1.0], n_walks=4, halt_probability=NEVER, rng=0)
    np.testing.assert_allclose(Phi.toarray(), np.kron(np.eye(2), normalized_adjacency(ring())), atol=1e-12)


def test_extreme_halting():
    """Lengths that overflow, or weights of walks that do."""
    A, f = weighted_graph(), graph_modulation("regularized_laplacian", sigma=10.0)
    for coupling in ("iid", "antithetic", "repelling"):
        for p in (1e-300, 1 - 1e-9):
            with np.errstate(over="raise", invalid="raise"):
                Phi = graph_random_features(A, f, n_walks=3, halt_probability=p, coupling=coupling, rng=0)
            assert np.isfinite(Phi.data).all()


def test_more_walks_than_a_tile_has():
    """Tiles of no node."""
    Phi = graph_random_features(ring(), [0.0, 1.0], n_walks=40_000, halt_probability=NEVER, rng=0)
    np.testing.assert_allclose(Phi.toarray(), normalized_adjacency(ring()), atol=1e-12)


def test_when_rare_walks_dominate():
    """A variance that is infinite without a word, or a warning where it is not: the limit is q^2 = 1 - p."""
    for sigma, p, expected in ((1.0, 0.1, False), (1.0, 0.7, False), (1.0, 0.8, True), (4.0, 0.05, False)):
        f = graph_modulation("regularized_laplacian", sigma=sigma)
        assert is_dominated_by_rare_walks(f, p, 10_000) == expected
    assert is_dominated_by_rare_walks(graph_modulation("regularized_laplacian", sigma=8.0), 0.1, 10_000)
    assert not is_dominated_by_rare_walks(graph_modulation("diffusion"), 0.5, 10_000)
    assert not is_dominated_by_rare_walks(np.array([1.0]), 0.5, 1)


GRAPHS = {
    "square": np.ones((3, 4)),
    "two dimensions": np.ones(4),
    "empty": np.zeros((0, 0)),
    "symmetric": np.triu(np.ones((3, 3))),
    "negative": -np.ones((3, 3)),
    "NaN or infinity": np.full((3, 3), np.nan),
    "contains NaN or infinity": sparse.csr_array(np.full((3, 3), np.inf)),
    "Complex data": np.ones((3, 3)) * 1j,
    "add up to infinity": np.full((3, 3), 1e308),
}


@pytest.mark.parametrize("message", GRAPHS)
def test_bad_graphs(message):
    """A graph that is no graph, taken for one."""
    for call in (graph_kernel, lambda A: graph_random_features(A, [1.0, 1.0])):
        with pytest.raises(ValueError, match=message):
            call(GRAPHS[message])


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"n_walks": 0}, ValueError, "n_walks must be at least 1"),
        ({"n_walks": 2.5}, TypeError, "n_walks must be an int"),
        ({"halt_probability": 0.0}, ValueError, "halt_probability must be above 0"),
        ({"halt_probability": 1.0}, ValueError, "halt_probability must be above 0 and below 1"),
        ({"halt_probability": np.nan}, ValueError, "halt_probability"),
        ({"halt_probability": "half"}, TypeError, "halt_probability must be a number"),
        ({"coupling": "none"}, ValueError, "coupling must be one of"),
        ({"n_threads": 0}, ValueError, "n_threads must be at least 1"),
        ({"rng": -1}, ValueError, "rng"),
    ],
)
def test_bad_parameters_of_walks(parameters, error, message):
    """A parameter that is taken for another."""
    with pytest.raises(error, match=message):
        graph_random_features(ring(), [1.0, 1.0], **parameters)


@pytest.mark.parametrize(
    ("kernel", "parameters", "error", "message"),
    [
        ("cosine", {}, ValueError, "kernel must be one of"),
        ("diffusion", {"sigma": 0}, ValueError, "sigma must be above 0"),
        ("diffusion", {"sigma": "1"}, TypeError, "sigma must be a number"),
        ("diffusion", {"degree": 2}, ValueError, "degree=2 has no part in kernel='diffusion'"),
        ("p_step", {"sigma": 1.0}, ValueError, "sigma=1.0 has no part in kernel='p_step'"),
        ("p_step", {"degree": 3}, ValueError, "degree must be an even int"),
        ("p_step", {"degree": 2.0}, ValueError, "degree must be an even int"),
        ("p_step", {"shift": 1.5}, ValueError, "shift must be at least 2"),
        ("regularized_laplacian", {"degree": -1}, ValueError, "degree must be above 0"),
        ("regularized_laplacian", {"shift": 2.0}, ValueError, "shift=2.0 has no part"),
        ([1.0, 0.5], {"sigma": 1.0}, ValueError, "sigma=1.0 has no part"),
        ([], {}, ValueError, "empty or zero"),
        ([0.0, 0.0], {}, ValueError, "empty or zero"),
        ([1.0, np.nan], {}, ValueError, "contain NaN or infinity"),
        ([[1.0, 0.5]], {}, ValueError, "must be a sequence"),
        (2.0, {}, ValueError, "must be a sequence"),
        (None, {}, TypeError, "a callable that maps lengths"),
        ({0: 1.0}, {}, TypeError, "a callable that maps lengths"),
        (["a"], {}, TypeError, "a callable that maps lengths"),
        ([[1.0], [1.0, 2.0]], {}, TypeError, "a callable that maps lengths"),
        (lambda length: 1.0, {}, ValueError, "one weight for each"),
        (lambda length: np.ones(len(length)), {}, ValueError, "do not decay"),
        (lambda length: np.zeros(len(length)), {}, ValueError, "are zero"),
        (lambda length: np.full(len(length), np.nan), {}, ValueError, "contain NaN"),
    ],
)
def test_bad_kernels(kernel, parameters, error, message):
    """A kernel that is taken for another, or a parameter that is ignored."""
    with pytest.raises(error, match=message):
        graph_modulation(kernel, **parameters)
