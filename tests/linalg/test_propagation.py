"""Propagation along edges, against dense products, QR and SVD by NumPy and SciPy in float64."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, sparse

from sklr._backend import as_operand
from sklr.linalg import propagate, propagation_steps, random_start, transition_matrix
from sklr.sketch import Gaussian, available_sketches, make_sketch

MODES = ("none", "projection", "last", "each")
DTYPES = (np.float64, np.float32)
N_THREADS = (1, 2, 5)


def random_graph(n=60, seed=0, directed=True):
    """Weights within a factor of 20, loops; directed, no edge leaves the last node or enters the first."""
    rng = np.random.default_rng(seed)
    A = (rng.random((n, n)) < 0.2) * np.exp(rng.uniform(0, np.log(20), (n, n)))
    if not directed:
        return A + A.T
    A[-1], A[:, 0] = 0, 0
    return A


def dense_transition(A, transition, column_degrees=None):
    """From the formula, entry by entry."""
    A = np.asarray(A, dtype=np.float64)
    rows, columns = A.sum(axis=1), A.sum(axis=0) if column_degrees is None else column_degrees
    T = np.zeros(A.shape)
    for i, j in zip(*np.nonzero(A), strict=True):
        if transition == "random_walk":
            T[i, j] = A[i, j] / rows[i]
        elif columns[j] > 0:
            T[i, j] = A[i, j] / np.sqrt(rows[i]) / np.sqrt(columns[j])
    return T


def sum_of_powers(T, Z, weights, back=None):
    """``sum_k w_k T (B T)^(k-1) Z`` from the first power to the last, in float64."""
    total, X = 0, np.asarray(Z, dtype=np.float64)
    for weight in weights:
        Y = T @ X
        total = total + weight * Y
        X = Y if back is None else back @ Y
    return total


def rank_of(E):
    """Columns before the zero ones at the end."""
    rank = int(np.count_nonzero(E.any(axis=0)))
    assert not E[:, rank:].any()
    return rank


def assert_orthonormal(E):
    """Columns orthonormal to rounding; those at the end may be zero. The rank."""
    rank = rank_of(E)
    Q = E[:, :rank].astype(np.float64)
    np.testing.assert_allclose(Q.T @ Q, np.eye(rank), atol=100 * np.finfo(E.dtype).eps)
    return rank


def assert_same_span(Q, Y, tol):
    """The columns of Q that are not zero span those of Y."""
    Q = Q[:, : rank_of(Q)].astype(np.float64)
    basis = linalg.orth(np.asarray(Y, dtype=np.float64), rcond=1e-8)
    assert Q.shape == basis.shape
    assert np.max(linalg.subspace_angles(Q, basis), initial=0) < tol


def assert_product(E, T, M, few=2000):
    """E = T M up to `few` roundings of the norms."""
    T, M64 = np.asarray(T, dtype=np.float64), M.astype(np.float64)
    bound = np.linalg.norm(T, 2) * np.linalg.norm(M64) + np.linalg.norm(E.astype(np.float64))
    assert np.linalg.norm(E - T @ M64) <= few * np.finfo(E.dtype).eps * bound


# -- transition matrices --------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("transition", ["random_walk", "symmetric"])
def test_transition_matrix(transition, dtype):
    """Rows taken for columns, loops left out, NaN from nodes without edges, float64 from float32."""
    for A in (random_graph(), random_graph(directed=False), random_graph()[:, :13], random_graph()[:7]):
        A = A.astype(dtype)
        T = transition_matrix(A, transition)
        assert isinstance(T, sparse.csr_array) and T.dtype == dtype and T.has_canonical_format
        wanted = dense_transition(A, transition)
        np.testing.assert_allclose(T.toarray(), wanted, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("transition", ["random_walk", "symmetric"])
@pytest.mark.parametrize(
    "kind", [np.int64, np.uint8, np.bool_, "list", "csc", "coo", "matrix", "zeros", "twice"]
)
def test_forms_of_a_graph(kind, transition):
    """Division of integers; entries stored twice, or stored zeros, that count; a changed input."""
    A = np.array([[0, 2, 1, 0], [3, 1, 0, 0], [0, 0, 0, 0], [4, 0, 5, 0]])
    given_A, parts = A, None
    if kind == np.bool_:
        A = given_A = A > 0
    elif kind == "list":
        given_A = A.tolist()
    elif isinstance(kind, type):
        given_A = A.astype(kind)
    elif kind in ("csc", "coo"):
        given_A = sparse.coo_array(A).asformat(kind)
    elif kind == "matrix":
        given_A = sparse.csr_matrix(A)
    else:
        columns, data = [2, 1, 1, 0, 3, 0, 1, 0, 2, 1], [1, 1, 1, 3, 0, 0, 1, 4, 5, 0]
        if kind == "zeros":  # sorted, and none twice
            columns, data = [1, 2, 0, 1, 3, 1, 0, 2], [2, 1, 3, 1, 0, 0, 4, 5]
            parts = (data, columns, [0, 2, 5, 6, 8])
        else:
            parts = (data, columns, [0, 3, 7, 7, 10])
        parts = tuple(
            np.array(part, dtype) for part, dtype in zip(parts, (float, np.int32, np.int32), strict=True)
        )
        given_A = sparse.csr_array(tuple(part.copy() for part in parts), shape=(4, 4))
    T = transition_matrix(given_A, transition)
    assert T.dtype == np.float64
    np.testing.assert_allclose(T.toarray(), dense_transition(A, transition), rtol=1e-15)
    assert T.nnz == np.count_nonzero(A)
    if parts is not None:
        for found, before in zip((given_A.data, given_A.indices, given_A.indptr), parts, strict=True):
            np.testing.assert_array_equal(found, before)


@pytest.mark.parametrize(
    ("dtype", "unit"),
    [(np.float64, 2.0**-996), (np.float64, 2.0**996), (np.float32, 2.0**-120), (np.float32, 2.0**118)],
)
@pytest.mark.parametrize("transition", ["random_walk", "symmetric"])
def test_the_unit_of_the_weights_does_not_matter(transition, dtype, unit):
    """Reciprocals of tiny degrees, or products of huge ones, that overflow; units from 1e-300 to 1e300."""
    A = random_graph(directed=False).astype(dtype)
    T = transition_matrix(A * dtype(unit), transition)
    np.testing.assert_allclose(
        T.toarray(), transition_matrix(A, transition).toarray(), rtol=4 * np.finfo(dtype).eps
    )


def test_the_smallest_weight():
    """A denormal weight whose root, or reciprocal, is lost."""
    A = np.array([[0, 5e-324], [5e-324, 0]])
    for transition in ("random_walk", "symmetric"):
        np.testing.assert_allclose(transition_matrix(A, transition).toarray(), [[0, 1], [1, 0]], rtol=1e-15)


@pytest.mark.parametrize("axis", [0, 1])
def test_degrees_are_sums_in_float64(axis):
    """Sums in float32, where ones are lost beside 2**24, and that overflow where float64 does not."""
    A = np.ones((100_001, 1), dtype=np.float32)
    A[0] = 2**24
    A = A if axis == 0 else A.T
    T = transition_matrix(A, "symmetric")
    np.testing.assert_allclose(T.toarray(), dense_transition(A, "symmetric"), rtol=1e-6)
    huge = np.full((2, 2), 3e38, dtype=np.float32)
    np.testing.assert_allclose(transition_matrix(huge).toarray(), np.full((2, 2), 0.5))


@pytest.mark.parametrize("dtype", DTYPES)
def test_new_rows_take_the_column_degrees_of_the_graph(dtype):
    """Degrees of the new rows alone; a column without degree that becomes infinite."""
    A = random_graph()
    degrees = A.sum(axis=0)
    new = random_graph(seed=1)[:5].astype(dtype)
    new[:, 0] = 1  # nothing went there
    T = transition_matrix(new, "symmetric", column_degrees=degrees)
    wanted = dense_transition(new, "symmetric", degrees)
    np.testing.assert_allclose(T.toarray(), wanted, rtol=4 * np.finfo(dtype).eps)
    assert not T.toarray()[:, 0].any()
    rows = transition_matrix(A[[3, 8]], "symmetric", column_degrees=degrees).toarray()
    np.testing.assert_allclose(rows, transition_matrix(A, "symmetric").toarray()[[3, 8]], rtol=1e-15)


@pytest.mark.parametrize(
    ("A", "parameters", "words"),
    [
        (np.eye(3), {"transition": "lazy"}, "transition must be one of .*'random_walk', 'symmetric'.*'lazy'"),
        (-np.eye(3), {}, "A must not have negative weights, got -1.0 at row 0, column 0"),
        (np.diag([1, np.nan]), {}, "A contains NaN or infinity, first at row 1, column 1"),
        (
            sparse.csr_array(np.diag([1, 2, np.inf])),
            {},
            "A contains NaN or infinity, first at row 2, column 2",
        ),
        (np.full((2, 2), 1e308), {}, "A has weights that add up to infinity. Divide it by its largest entry"),
        (np.ones(3), {}, "A must be an adjacency matrix, with two dimensions"),
        (np.ones((0, 3)), {}, "A is empty"),
        (np.eye(3) * 1j, {}, "complex"),
        (
            np.eye(3),
            {"transition": "symmetric", "column_degrees": np.ones(2)},
            r"column_degrees .* \(3,\).*\(2,\)",
        ),
    ],
)
def test_bad_graphs(A, parameters, words):
    """Errors that do not name what is wrong."""
    with pytest.raises(ValueError, match=words):
        transition_matrix(A, **parameters)


# -- random starts --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", available_sketches())
def test_random_start_is_the_transposed_sketch(name, dtype):
    """Blocks in wrong places, another dtype, other bits on other threads."""
    sketch, n = make_sketch(name), 20_000
    wanted = sketch.operator(3, n, rng=5, dtype=dtype).toarray().T
    for n_threads in N_THREADS:
        Z = random_start(sketch, n, 3, rng=5, dtype=dtype, n_threads=n_threads)
        assert sparse.issparse(Z) == sketch.operator(3, n, rng=5).is_sparse
        Z = Z.toarray() if sparse.issparse(Z) else Z
        assert Z.dtype == dtype
        np.testing.assert_array_equal(Z, wanted)


@pytest.mark.parametrize("name", available_sketches())
def test_more_start_vectors_than_nodes(name):
    """The error of sketches with more rows than columns."""
    Z = random_start(make_sketch(name), 5, 12, rng=0)
    assert Z.shape == (5, 12)
    wanted = make_sketch(name).operator(12, 12, rng=0).toarray()[:, :5].T
    np.testing.assert_array_equal(Z.toarray() if sparse.issparse(Z) else Z, wanted)


# -- propagation ----------------------------------------------------------------------------------

WEIGHTS = ([1.0], [0.5, 0.0, 2.0], [0.0, 0.0, 1.0, -0.5], [1.0, 0.5, 0.0, 0.0], 3)


def as_list(weights):
    return [0.0] * (weights - 1) + [1.0] if isinstance(weights, int) else weights


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_plain_propagation(weights, is_sparse, dtype):
    """Weights that are off by a step, or a power left out, with and without zeros among them."""
    T = transition_matrix(random_graph().astype(dtype))
    Z = np.random.default_rng(1).standard_normal((60, 7)).astype(dtype)
    Z[np.abs(Z) < 0.8] = 0
    E, M, change = propagate(T, sparse.csr_array(Z) if is_sparse else Z, weights)
    assert change is None
    assert type(E) is type(M) is np.ndarray and E.dtype == M.dtype == dtype
    tol = 20 * np.finfo(dtype).eps
    np.testing.assert_allclose(E, sum_of_powers(T.toarray(), Z, as_list(weights)), atol=tol)
    assert_product(E, T.toarray(), M, few=10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weights", WEIGHTS, ids=str)
@pytest.mark.parametrize("mode", ["last", "projection"])
def test_orthogonalised_at_the_end(mode, weights, dtype):
    """A span other than that of the plain sum; a basis that is none; M that does not give E."""
    T = transition_matrix(random_graph().astype(dtype))
    Z = np.random.default_rng(1).standard_normal((60, 4)).astype(dtype)
    E, M, change = propagate(T, Z, weights, orthogonalize=mode)
    assert change is None and E.dtype == M.dtype == dtype
    assert assert_orthonormal(E if mode == "last" else M) == 4
    assert_same_span(E, sum_of_powers(T.toarray(), Z, as_list(weights)), 1e4 * np.finfo(dtype).eps)
    assert_product(E, T.toarray(), M)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("is_sparse", [False, True])
def test_each_step_by_qr(is_sparse, dtype):
    """Steps not orthonormalised, or not from the basis before; a wrong change; weights that are off."""
    T = transition_matrix(random_graph(directed=False).astype(dtype), "symmetric")
    Z = np.random.default_rng(1).standard_normal((60, 4)).astype(dtype)
    Z[np.abs(Z) < 0.8] = 0
    start, tol = (sparse.csr_array(Z) if is_sparse else Z), 1e4 * np.finfo(dtype).eps
    Q, bases, found = Z.astype(np.float64), [], []
    for k in range(1, 6):
        Q, _ = np.linalg.qr(T.toarray().astype(np.float64) @ Q)
        bases.append(Q)
        E, M, change = propagate(T, start, k, orthogonalize="each")
        found.append(E)
        assert E.dtype == M.dtype == dtype
        assert assert_orthonormal(E) == 4
        assert_same_span(E, Q, tol)
        assert_product(E, T.toarray(), M)
        if k == 1:
            assert change is None
        else:
            sines = np.sin(linalg.subspace_angles(*bases[-2:]))
            assert abs(change - np.sqrt(np.mean(sines**2))) < tol
    E, M, _ = propagate(T, start, [0.5, 0.0, 2.0, -1.0, 0.0], orthogonalize="each")
    np.testing.assert_allclose(E, 0.5 * found[0] + 2 * found[2] - found[3], atol=tol)
    assert_product(E, T.toarray(), M)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("is_operand", [False, True])
def test_steps_back_of_a_bipartite_graph(mode, is_operand, dtype):
    """B on the wrong side, or left out between two steps."""
    A = random_graph()[:, :25].astype(dtype)
    T, B = transition_matrix(A), transition_matrix(A.T)
    Z = np.random.default_rng(1).standard_normal((25, 3)).astype(dtype)
    T64, B64, weights = T.toarray().astype(np.float64), B.toarray().astype(np.float64), [1.0, 0.0, 2.0]
    if is_operand:
        T, B = as_operand(T), as_operand(sparse.csr_array(B.T)).T
    E, M, change = propagate(T, Z, weights, back=B, orthogonalize=mode)
    assert E.shape == (60, 3) and M.shape == (25, 3) and E.dtype == M.dtype == dtype
    assert_product(E, T64, M)
    plain, tol = sum_of_powers(T64, Z, weights, B64), 1e4 * np.finfo(dtype).eps
    if mode == "none":
        np.testing.assert_allclose(E, plain, atol=20 * np.finfo(dtype).eps)
    elif mode == "each":
        single = [propagate(T, Z, k, back=B, orthogonalize=mode).embedding for k in (1, 2, 3)]
        np.testing.assert_allclose(E, single[0] + 2 * single[2], atol=tol)
        for k, basis in zip((1, 2, 3), single, strict=True):
            assert_same_span(basis, sum_of_powers(T64, Z, as_list(k), B64), tol)
        sines = np.sin(linalg.subspace_angles(single[1].astype(float), single[2].astype(float)))
        assert abs(change - np.sqrt(np.mean(sines**2))) < tol
    else:
        assert_same_span(E, plain, tol)


def two_triangles():
    return np.kron(np.eye(2), np.ones((3, 3)) - np.eye(3))


LOW_RANK = {
    "one node with a loop": (np.ones((1, 1)), 1),
    "two nodes": (np.array([[0.0, 1], [1, 0]]), 2),
    "complete with loops": (np.ones((9, 9)), 1),
    "bipartite": (np.kron([[0.0, 1], [1, 0]], np.ones((4, 4))), 2),
    "two components": (np.kron(np.eye(2), np.ones((3, 3))), 2),
    "star": (
        np.pad(np.ones((1, 6)), ((0, 6), (1, 0)))[:7, :7] + np.pad(np.ones((6, 1)), ((1, 0), (0, 6))),
        2,
    ),
    "triangles": (two_triangles(), 6),
    "no edges": (np.zeros((4, 4)), 0),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_vectors", [1, 3, 12])
@pytest.mark.parametrize("transition", ["random_walk", "symmetric"])
@pytest.mark.parametrize("graph", LOW_RANK)
def test_graphs_of_low_rank(graph, transition, n_vectors, dtype):
    """Rounding made into directions, NaN from zero columns, errors where l > n, zeros in the middle."""
    A, rank = LOW_RANK[graph]
    T = transition_matrix(A.astype(dtype), transition)
    Z = np.random.default_rng(3).standard_normal((len(A), n_vectors)).astype(dtype)
    for n_steps in (1, 2, 3):
        wanted_rank = min(rank, n_vectors)
        plain = sum_of_powers(T.toarray(), Z, as_list(n_steps))
        for mode in MODES:
            E, M, change = propagate(T, Z, n_steps, orthogonalize=mode)
            assert np.isfinite(E).all() and np.isfinite(M).all()
            assert E.shape == M.shape == Z.shape
            assert_product(E, T.toarray(), M)
            if mode in ("last", "each"):
                assert assert_orthonormal(E) == wanted_rank
                if wanted_rank:
                    basis = linalg.orth(plain, rcond=1e-5)
                    assert np.max(linalg.subspace_angles(E[:, :wanted_rank].astype(float), basis)) < 1e-3
            elif mode == "projection":
                assert_orthonormal(M)
            if mode == "each" and n_steps > 1 and n_vectors >= rank:
                assert change < 100 * np.sqrt(np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_that_lose_a_direction_each(dtype):
    """What a step should map to zero, brought to length one: on a directed path T^k has rank n - k.

    With "each" the lost direction is replaced by one of the range of T, of which T^2 has rank n - 2.
    """
    T = transition_matrix(np.diag(np.ones(5), 1).astype(dtype))
    Z = np.random.default_rng(3).standard_normal((6, 12)).astype(dtype)
    for n_steps in range(1, 7):
        E, M, _ = propagate(T, Z, n_steps, orthogonalize="last")
        assert assert_orthonormal(E) == 6 - n_steps
        assert_product(E, T.toarray(), M)
        E, M, _ = propagate(T, Z, n_steps, orthogonalize="each")
        assert assert_orthonormal(E) == max(6 - n_steps, 4)
        assert_product(E, T.toarray(), M)


@pytest.mark.parametrize("start", ["twice the same", "zero", "in one part"])
def test_directions_that_the_start_lacks(start):
    """An iteration that never finds the leading eigenvectors, because the start has no part in them."""
    A = np.kron(np.eye(2), np.ones((20, 20))) + 0.02 * random_graph(40, directed=False)
    T = transition_matrix(A, "symmetric")
    Z = np.random.default_rng(0).standard_normal((40, 2))
    if start == "twice the same":
        Z[:, 1] = Z[:, 0]
    elif start == "zero":
        Z[:] = 0
    else:
        Z[:] = [1, 0]
    values, vectors = np.linalg.eigh(T.toarray())
    assert np.abs(values[:-2]).max() < 0.5 * values[-2]
    E, M, change = propagate(T, Z, 60, orthogonalize="each")
    assert assert_orthonormal(E) == 2
    assert_same_span(E, vectors[:, -2:], 1e-7)
    assert_product(E, T.toarray(), M)
    assert change < 1e-7


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["last", "each"])
def test_a_start_that_vanishes_to_rounding(mode, dtype):
    """Rounding errors brought to length one, by a projection of length 1 / eps."""
    T = np.outer(np.random.default_rng(0).random(20), np.ones(20)).astype(dtype)  # takes sums
    Z = np.random.default_rng(1).standard_normal((20, 3)).astype(dtype)
    Z -= Z.mean(axis=0)
    E, M, _ = propagate(T, Z, 1, orthogonalize=mode)
    assert not E.any() and not M.any()


def test_zero_weights_at_the_end_cost_nothing():
    """Steps that are taken although nothing of them counts, and a change that is that of such steps."""
    for mode in MODES:
        T = as_operand(transition_matrix(random_graph()))
        change = propagate(T, np.eye(60, 3), [1.0, 0.0, 0.0], orthogonalize=mode).change
        assert change is None
        assert T.n_passes <= 2  # over T once, and, where rounding is to be known, once for its norm


@pytest.mark.parametrize("mode", MODES)
def test_same_bits_on_any_number_of_threads(mode):
    """Sums in the order in which threads finish; inputs that are written to."""
    rng = np.random.default_rng(0)
    A = sparse.coo_array((np.ones(90_000), rng.integers(0, 30_000, (2, 90_000))), shape=(30_000, 30_000))
    T, Z = transition_matrix(A), rng.standard_normal((30_000, 8))
    kept = T.data.copy(), T.indices.copy(), Z.copy()
    for array in (T.data, T.indices, T.indptr, Z):
        array.setflags(write=False)
    results = [propagate(T, Z, [1.0, 0.0, 2.0], orthogonalize=mode, n_threads=k) for k in N_THREADS]
    for other in results[1:]:
        np.testing.assert_array_equal(other.embedding, results[0].embedding)
        np.testing.assert_array_equal(other.projection, results[0].projection)
        assert other.change == results[0].change
    for before, after in zip(kept, (T.data, T.indices, Z), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not any(np.shares_memory(Z, array) for array in results[0][:2])


@pytest.mark.parametrize("n_steps", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_the_order_in_memory_does_not_matter(mode, n_steps):
    """Start vectors in Fortran's order, strided, of integers, or another dtype, that are taken for others."""
    T = transition_matrix(random_graph())
    Z = np.random.default_rng(0).integers(-9, 10, (60, 5))
    wanted = propagate(T, Z.astype(float), n_steps, orthogonalize=mode)
    for start in (
        Z,
        Z.astype(float, order="F"),
        np.repeat(Z, 2, axis=1)[:, ::2],
        Z.astype(np.float32),
        Z.tolist(),
    ):
        found = propagate(T, start, n_steps, orthogonalize=mode)
        np.testing.assert_allclose(found.embedding, wanted.embedding, atol=1e-13)
    for T_other in (T.toarray(), as_operand(T), as_operand(sparse.csr_array(T.T)).T, sparse.csc_array(T)):
        found = propagate(T_other, Z, n_steps, orthogonalize=mode)
        np.testing.assert_allclose(found.embedding, wanted.embedding, atol=1e-12)


def test_sparse_start_with_entries_stored_twice():
    """Additions by an index that take one of two entries of the same place."""
    Z = sparse.csr_array((np.ones(2), np.zeros(2, dtype=int), np.array([0, 2, 2])), shape=(2, 1))
    T = np.full((2, 2), 0.5)
    np.testing.assert_allclose(propagate(T, Z, [1.0, 1.0]).embedding, sum_of_powers(T, Z.toarray(), [1, 1]))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
def test_long_propagation(mode, dtype):
    """200 steps that lose the basis, overflow, or underflow."""
    T = transition_matrix(random_graph(directed=False).astype(dtype), "symmetric")
    Z = np.random.default_rng(0).standard_normal((60, 3)).astype(dtype)
    E, M, change = propagate(T, Z, 200, orthogonalize=mode)
    assert np.isfinite(E).all() and np.isfinite(M).all()
    assert_product(E, T.toarray(), M)
    values, vectors = np.linalg.eigh(T.toarray().astype(np.float64))
    if mode == "each":
        # The eigenvalues of largest size: a ratio of the third to the fourth to the power 200 remains.
        order = np.argsort(-np.abs(values))
        ratio = abs(values[order[3]] / values[order[2]])
        tol = 1e3 * ratio**200 + 1e3 * np.finfo(dtype).eps
        assert_same_span(E, vectors[:, order[:3]], tol)
        assert change < 1e3 * ratio**199 + 30 * np.sqrt(np.finfo(dtype).eps)
    else:
        leading = vectors[:, -1:]
        assert linalg.subspace_angles(E[:, :1].astype(float), leading)[0] < 1e3 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_steps_that_shrink_to_nothing_and_grow(dtype):
    """Powers of 1e-3 and of 1e3 that leave the range of the dtype, although each step begins anew."""
    leaking = transition_matrix(np.array([[1e-3, 1], [0, 0]], dtype=dtype))
    for T in (leaking, sparse.csr_array(np.array([[1e3, 0], [1, 5]], dtype=dtype))):
        E, M, _ = propagate(T, np.array([[1.0, 2], [3, 1]], dtype=dtype), 200, orthogonalize="each")
        assert assert_orthonormal(E) == np.linalg.matrix_rank(T.toarray())
        assert_product(E, T.toarray(), M)


@pytest.mark.parametrize("unit", [1.0, 1e-170])
def test_start_vectors_of_any_length(unit):
    """Columns whose squared length underflows: lost beside longer ones, or an error."""
    T = np.array([[0.5, 0.2], [0.2, 0.7]])
    Z = np.array([[1.0, 2e-10], [3.0, 1e-10]]) * [unit, 1e-170]
    E, M, _ = propagate(T, Z, 1, orthogonalize="each")
    assert assert_orthonormal(E) == 2
    np.testing.assert_allclose(T @ M, E, atol=1e-12)


@st.composite
def cases(draw):
    n = draw(st.integers(1, 12))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    A = np.exp(draw(st.sampled_from([0, 1, 4])) * rng.standard_normal((n, n)))
    A *= rng.random((n, n)) < draw(st.sampled_from([0.1, 0.3, 1.0]))
    A = (A + A.T if draw(st.booleans()) else A).astype(draw(st.sampled_from(DTYPES)))
    Z = rng.standard_normal((n, draw(st.integers(1, n + 3))))
    weights = draw(st.lists(st.sampled_from([0.0, 1.0, -0.5, 3.0]), min_size=1, max_size=6).filter(any))
    return (
        transition_matrix(A, draw(st.sampled_from(["random_walk", "symmetric"]))),
        Z.astype(A.dtype),
        weights,
    )


@given(cases(), st.sampled_from(MODES), st.booleans())
def test_what_holds_for_any_graph(case, mode, is_sparse):
    """E other than T M, NaN, zero columns in the middle, a basis that is none.

    Directions shorter than eps^(1/2), relative to their columns, are dropped: E - T M is below that.
    """
    T, Z, weights = case
    E, M, change = propagate(T, sparse.csr_array(Z) if is_sparse else Z, weights, orthogonalize=mode)
    assert E.dtype == M.dtype == T.dtype
    assert E.shape == M.shape == Z.shape
    size = np.abs(weights).sum()
    defect = np.linalg.norm(E - T.toarray().astype(np.float64) @ M.astype(np.float64))
    eps = np.finfo(T.dtype).eps
    norm = np.linalg.norm(M.astype(np.float64)) * np.linalg.norm(T.toarray().astype(np.float64), 2)
    assert defect <= 10 * eps * norm + (100 * np.sqrt(eps) * size if mode in ("last", "each") else 0)
    if mode == "last":
        assert_orthonormal(E)
    if mode == "projection":
        assert_orthonormal(M)
    if mode == "none":
        wanted = sum_of_powers(T.toarray().astype(np.float64), Z, weights)
        assert np.linalg.norm(E - wanted) <= 100 * eps * size * (1 + np.linalg.norm(Z)) * len(Z)
    assert (change is None) == (mode != "each" or len(np.trim_zeros(weights, "b")) == 1)
    assert change is None or 0 <= change <= 1


# -- step by step ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", ["none", "each", "all"])
@pytest.mark.parametrize("is_sparse", [False, True])
def test_steps(mode, is_sparse, dtype):
    """Steps that skip one, another number of them, E_k that is not T M_k, other bits on more threads."""
    T = transition_matrix(random_graph().astype(dtype))
    T64, tol = T.toarray().astype(np.float64), 1e5 * np.finfo(dtype).eps
    Z = np.random.default_rng(1).standard_normal((60, 3)).astype(dtype)
    Z[np.abs(Z) < 0.5] = 0
    start = sparse.csr_array(Z) if is_sparse else Z
    steps = list(propagation_steps(T, start, 4, orthogonalize=mode))
    assert len(steps) == 4
    blocks = []
    for k, (E, M) in enumerate(steps, start=1):
        assert type(E) is type(M) is np.ndarray and E.dtype == M.dtype == dtype
        assert_product(E, T64, M)
        power = np.linalg.matrix_power(T64, k) @ Z
        blocks.append(power / np.linalg.norm(power))
        if mode == "none":
            np.testing.assert_allclose(E, power, atol=20 * np.finfo(dtype).eps)
        elif mode == "each":
            assert assert_orthonormal(E) == 3
            assert_same_span(E, power, tol)
        else:
            basis = np.hstack([step for step, _ in steps[:k]])
            assert assert_orthonormal(basis) == 3 * k
            residual = basis.astype(np.float64) @ (basis.T.astype(np.float64) @ np.hstack(blocks))
            np.testing.assert_allclose(residual, np.hstack(blocks), atol=100 * np.finfo(dtype).eps)
    for n_threads in N_THREADS:
        for one, other in zip(
            steps, propagation_steps(T, start, 4, orthogonalize=mode, n_threads=n_threads), strict=True
        ):
            np.testing.assert_array_equal(one[0], other[0])
            np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("dtype", DTYPES)
def test_exhausted_krylov_spaces(dtype):
    """Rounding made into directions where nothing is new; columns that are zero in the middle.

    A ring of 8 nodes has 5 different eigenvalues: one start vector spans a space of 5 dimensions at most.
    """
    ring = sparse.diags_array([1.0] * 4, offsets=[-7, -1, 1, 7], shape=(8, 8)).astype(dtype)
    T = transition_matrix(ring.tocsr())
    z = np.random.default_rng(0).standard_normal((8, 1)).astype(dtype)
    # cos(pi / 2) is the eigenvalue 0, which the first product removes.
    ranks = [rank_of(E) for E, _ in propagation_steps(T, z, 9, orthogonalize="all")]
    assert ranks == [1] * 4 + [0] * 5
    Z = np.random.default_rng(0).standard_normal((8, 3)).astype(dtype)
    ranks = []
    for E, M in propagation_steps(T, Z, 5, orthogonalize="all"):
        ranks.append(assert_orthonormal(E))
        assert_product(E, T.toarray(), M)
        assert not M[:, ranks[-1] :].any()
    assert ranks == [3, 3, 0, 0, 0]  # T has rank 6


@pytest.mark.parametrize("weight", [1e-7, 1e-3])
def test_projections_of_many_small_new_directions(weight):
    """E_k = T M_k lost step by step, where each step has a new direction that is small: a path with loops."""
    A = np.eye(6) + weight * (np.eye(6, k=1) + np.eye(6, k=-1))
    T = transition_matrix(A)
    z = np.random.default_rng(0).standard_normal((6, 1))
    for E, M in propagation_steps(T, z, 6, orthogonalize="all"):
        assert np.abs(E - T @ M).max() < 1e-6  # columns of E have length one


def test_steps_are_made_when_they_are_asked_for():
    """Errors that come only with the first step; steps made in advance."""
    with pytest.raises(ValueError, match="T must be square"):
        propagation_steps(np.ones((2, 3)), np.ones((3, 1)), 2)
    E, _ = next(propagation_steps(np.eye(2), np.eye(2), 10**12))
    np.testing.assert_allclose(np.abs(E), np.eye(2))


# -- errors ---------------------------------------------------------------------------------------

T2, Z2 = np.full((2, 2), 0.5), np.eye(2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: propagate(np.ones((3, 2)), Z2, 1),
            ValueError,
            r"T must be square .* `back`, got shape \(3, 2\)",
        ),
        (
            lambda: propagate(np.ones((3, 2)), Z2, 1, back=T2),
            ValueError,
            r"back must have shape \(2, 3\), got \(2, 2\)",
        ),
        (
            lambda: propagate(T2, np.eye(3), 1),
            ValueError,
            r"Z must have shape \(2, l\) with l >= 1, got \(3, 3\)",
        ),
        (lambda: propagate(T2, np.ones((2, 0)), 1), ValueError, r"Z must have shape .* got \(2, 0\)"),
        (lambda: propagate(T2, np.ones(2), 1), ValueError, r"Z must have shape .* got \(2,\)"),
        (
            lambda: propagate(T2, sparse.csr_array(np.eye(3)), 1),
            ValueError,
            r"Z must have shape .* got \(3, 3\)",
        ),
        (
            lambda: propagate(T2, Z2, 1, orthogonalize="all"),
            ValueError,
            "orthogonalize must be one of .*got 'all'",
        ),
        (lambda: propagate(T2 * np.nan, Z2, 1), ValueError, "T contains NaN"),
        (
            lambda: propagate(T2, Z2, []),
            ValueError,
            r"weights are empty or zero, got \[\]: at least one step",
        ),
        (lambda: propagate(T2, Z2, [0, 0.0]), ValueError, "weights are empty or zero"),
        (lambda: propagate(T2, Z2, [1, np.inf]), ValueError, "weights must be finite"),
        (lambda: propagate(T2, Z2, [np.nan]), ValueError, "weights must be finite"),
        (lambda: propagate(T2, Z2, 0), ValueError, "weights must be at least 1"),
        (lambda: propagate(T2, Z2, -3), ValueError, "weights must be at least 1"),
        (
            lambda: propagate(T2, Z2, 2.0),
            TypeError,
            "weights must be an int or a sequence of numbers .*got 2.0",
        ),
        (lambda: propagate(T2, Z2, True), TypeError, "weights must be an int or a sequence .*got True"),
        (lambda: propagate(T2, Z2, None), TypeError, "weights must be an int or a sequence .*got None"),
        (lambda: propagate(T2, Z2, "12"), TypeError, "weights must be an int or a sequence .*got '12'"),
        (lambda: propagate(T2, Z2, ["1"]), TypeError, "weights must be numbers"),
        (lambda: propagate(T2, Z2, [True, 1]), TypeError, "weights must be numbers"),
        (lambda: propagate(T2, Z2, [[1.0], [2.0]]), TypeError, "weights must be numbers"),
        (lambda: propagation_steps(T2, Z2, 0), ValueError, "n_steps must be at least 1"),
        (lambda: propagation_steps(T2, Z2, 1.0), TypeError, "n_steps must be an int"),
        (lambda: propagation_steps(T2, Z2, True), TypeError, "n_steps must be an int"),
        (
            lambda: propagation_steps(T2, Z2, 1, orthogonalize="last"),
            ValueError,
            "orthogonalize must be one of",
        ),
        (lambda: propagation_steps(T2, np.eye(3), 1), ValueError, r"Z must have shape \(2, l\)"),
        (lambda: random_start(Gaussian(), 5, 2, rng=-1), ValueError, "rng"),
        (
            lambda: random_start(Gaussian(), 5, 2, rng=0, dtype=int),
            ValueError,
            "dtype must be float64 or float32",
        ),
    ],
)
def test_errors(call, error, words):
    """Errors of another kind, or that do not name the parameter, what was found and the remedy."""
    with pytest.raises(error, match=words):
        call()


def test_numbers_of_numpy_are_weights():
    """Refused scalars and arrays of NumPy."""
    wanted = propagate(T2, Z2, [0.0, 0.0, 1.0]).embedding
    for weights in (np.int64(3), np.array([0, 0, 1]), np.array([0, 0, 1], np.float32), (0, 0, 1, 0)):
        np.testing.assert_array_equal(propagate(T2, Z2, weights).embedding, wanted)
