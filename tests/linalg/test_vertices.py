"""Vertices by successive projection, and barycentric weights, against independent exact answers."""

import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import linear_sum_assignment, minimize, nnls
from scipy.spatial import cKDTree

from sklr._backend import RangeError
from sklr.linalg import (
    RowChunks,
    as_operand,
    barycentric,
    barycentric_weights,
    successive_projection,
    truncated_svd,
    vertices,
)

METHODS = ["pp-spa", "p-spa", "spa"]


def simplex(seed, m=300, n=8, k=4, noise=0.0):
    """``(A, V)``: k rows at the vertices V, at random places, and others inside."""
    rng = np.random.default_rng(seed)
    V = 3 * rng.standard_normal((k, n)) + 5
    W = rng.permutation(np.vstack([np.eye(k), rng.dirichlet(np.ones(k), m - k)]))
    return W @ V + noise * rng.standard_normal((m, n)), V


def matched(found, V):
    """The vertices found in the order of V."""
    rows, columns = linear_sum_assignment(np.linalg.norm(V[:, None] - found[None], axis=2))
    return found[columns[np.argsort(rows)]]


def plain_spa(P, k, center):
    """The definition: rows farthest from the centre, then from the affine hull, by least squares."""
    taken = [int(np.argmax(np.linalg.norm(P - center, axis=1)))]
    while len(taken) < k:
        edges = (P[taken[1:]] - P[taken[0]]).T
        D = (P - P[taken[0]]).T
        left = D - edges @ np.linalg.lstsq(edges, D, rcond=None)[0] if len(taken) > 1 else D
        taken.append(int(np.argmax(np.linalg.norm(left, axis=0))))
    return taken


# -- vertices -------------------------------------------------------------------------------------------


FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", ["spa", "p-spa"])
def test_vertices_without_noise(method, form):
    """A search that is not the affine one, misses the last vertex, or loses the mean on the way back."""
    A, V = simplex(0)
    found = successive_projection(FORMS[form](A), 4, method=method, rng=0)
    np.testing.assert_allclose(matched(found.vertices, V), V, atol=1e-10)
    np.testing.assert_allclose(A[found.indices], found.vertices, atol=1e-10)
    assert found.radius is None and found.min_neighbors is None
    if form != "csc":  # whose rows are had by more passes
        assert found.n_passes == (5 if method == "spa" else 3)
    if method == "spa":
        np.testing.assert_array_equal(A[found.indices], found.vertices)


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_those_of_the_definition(seed):
    """Another row than the farthest from the affine hull, by noisy rows for which every pick is decided."""
    A, _ = simplex(seed, noise=1.0)
    assert list(successive_projection(A, 5, method="spa").indices) == plain_spa(A, 5, A.mean(0))
    Y = (A - A.mean(0)) @ np.linalg.svd(A - A.mean(0))[2][:4].T
    assert list(successive_projection(A, 5, method="p-spa", rng=0).indices) == plain_spa(Y, 5, 0)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("listed", [2**21, 300])
def test_pseudo_points_are_those_of_the_definition(seed, listed, monkeypatch):
    """A bound that leaves out a pseudo-point that is farthest, or neighbours of another point.

    The definition makes the pseudo-points of all rows; the code only those that may be extreme, here also
    one at a time.
    """
    monkeypatch.setattr(vertices, "_LISTED", listed)
    A, _ = simplex(seed, noise=1.0)
    mean, k, radius, least = A.mean(0), 4, 2.0, 4
    Vt = truncated_svd(A - mean, k - 1).right_vectors
    Y = (A - mean) @ Vt.T
    near = [i for i in cKDTree(Y).query_ball_point(Y, radius) if len(i) >= least]
    kept = np.flatnonzero(cKDTree(Y).query_ball_point(Y, radius, return_length=True) >= least)
    assert k < len(kept) < len(A)
    P = np.array([Y[i].mean(axis=0) for i in near])
    taken = plain_spa(P, k, 0)
    found = successive_projection(A, k, radius=radius, min_neighbors=least, rng=0)
    np.testing.assert_array_equal(found.indices, kept[taken])
    np.testing.assert_allclose(found.vertices, mean + P[taken] @ Vt, atol=1e-9)
    assert found.radius == radius and found.min_neighbors == least


def test_automatic_neighborhoods():
    """A radius that leaves out many rows, or a number of neighbours that does not grow like a logarithm."""
    A, _ = simplex(0, m=1000, noise=0.3)
    found = successive_projection(A, 4, rng=0)
    assert found.min_neighbors == 7
    Y = (A - A.mean(0)) @ np.linalg.svd(A - A.mean(0), full_matrices=False)[2][:3].T
    counts = cKDTree(Y).query_ball_point(Y, found.radius, return_length=True)
    assert 0.99 <= np.mean(counts >= 7) < 0.992
    assert successive_projection(A[:20], 4, rng=0).min_neighbors == 2


def test_rows_at_equal_distances():
    """A radius that rounding puts short of the neighbours that it is the distance of: here, of nearly all."""
    line = np.arange(1000.0)[:, None] * np.array([[0.6, 0.8]])
    found = successive_projection(line, 2, rng=0)
    assert found.min_neighbors == 7
    np.testing.assert_allclose(found.radius, 3)
    assert sorted(found.indices) == [3, 996]
    np.testing.assert_allclose(matched(found.vertices, line[[3, 996]]), line[[3, 996]], atol=1e-9)


def test_radius_from_some_of_many_rows(monkeypatch):
    """A sample of rows that is not random, or whose radius is another quantity than that of all."""
    A, _ = simplex(0, m=5000, noise=0.3)
    whole = successive_projection(A, 4, rng=0).radius
    monkeypatch.setattr(vertices, "_ROWS_FOR_RADIUS", 2000)
    sample = successive_projection(A, 4, rng=0).radius
    assert sample != whole and abs(sample / whole - 1) < 0.1
    assert successive_projection(A, 4, rng=0).radius == sample


def test_shift_rotation_and_unit_make_no_difference():
    """A search that depends on where the origin is, as that of a cone does."""
    A, _ = simplex(1, noise=0.5)
    rng = np.random.default_rng(0)
    Q, shift = np.linalg.qr(rng.standard_normal((8, 8)))[0], 1e3 * rng.standard_normal(8)
    for method in METHODS:
        plain = successive_projection(A, 4, method=method, rng=0)
        moved = successive_projection(1e-4 * (A @ Q + shift), 4, method=method, rng=0)
        np.testing.assert_array_equal(moved.indices, plain.indices)
        np.testing.assert_allclose(1e4 * moved.vertices, plain.vertices @ Q + shift, atol=1e-6)


def test_equal_rows():
    """Copies of rows that count as other vertices, or rounding that tells them apart as neighbours."""
    A, V = simplex(0, m=60)
    A = np.repeat(A, 10, axis=0)
    for method in METHODS:
        found = successive_projection(A, 4, method=method, rng=0)
        np.testing.assert_allclose(matched(found.vertices, V), V, atol=1e-9)
        assert len(set(found.indices // 10)) == 4


def test_equal_rows_are_one_point_that_counts_as_many(monkeypatch):
    """Weights, counts or a radius that forget repetitions; or pseudo-points made of every copy.

    The definition on all rows, each of them there up to six times. Then 20,000 rows at three vertices, of
    which few points are left, where each row would list 7,000 others.
    """
    A, _ = simplex(2, noise=1.0)
    rng = np.random.default_rng(0)
    A = A[rng.permutation(np.repeat(np.arange(300), rng.integers(1, 7, 300)))]
    mean, k = A.mean(0), 4
    Vt = truncated_svd(A - mean, k - 1).right_vectors
    Y = (A - mean) @ Vt.T
    nearest = np.sort(np.linalg.norm(Y[:, None] - Y[None], axis=2), axis=1)[:, 8]
    whole = np.quantile(nearest, 0.99, method="higher")
    found = successive_projection(A, k, min_neighbors=9, rng=0)
    np.testing.assert_allclose(found.radius, whole, rtol=1e-8)
    # A little more, so that rounding leaves no neighbour out.
    for radius, least in ((whole * (1 + 1e-7), 9), (1.7, 12)):
        near = cKDTree(Y).query_ball_point(Y, radius)
        kept = np.array([i for i in range(len(A)) if len(near[i]) >= least])
        assert k < len(kept) < len(A)
        P = np.array([Y[near[i]].mean(axis=0) for i in kept])
        taken = plain_spa(P.round(9), k, 0)  # copies are equal, and the first one is taken
        found = successive_projection(A, k, radius=radius, min_neighbors=least, rng=0)
        np.testing.assert_array_equal(found.indices, kept[taken])
        np.testing.assert_allclose(found.vertices, mean + P[taken] @ Vt, atol=1e-8)

    points = []
    monkeypatch.setattr(vertices, "cKDTree", lambda Y: points.append(len(Y)) or cKDTree(Y))
    V = 10 * np.eye(3, 10)
    pure = V[rng.integers(0, 3, 20_000)]
    found = successive_projection(pure, 3, rng=0)
    np.testing.assert_allclose(matched(found.vertices, V), V, atol=1e-12)
    assert len(points) == 1 and points[0] < 100  # kernels of matrix products may round a row in a few ways


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [3e-162, 1e-162, 5e-163, 1e-200, 1e160])
def test_squares_that_leave_the_range(method, scale):
    """Another vertex, and an error of zero, of data whose squares underflow, without a word.

    float32 data are computed in float64, where none of their squares do: the smallest ones are left alone.
    """
    A, V = simplex(0)
    with pytest.raises(RangeError, match="Divide A by its largest entry"):
        successive_projection(A * scale, 4, method=method, rng=0)
    small = (A * 1e-35).astype(np.float32)
    found = successive_projection(small, 4, method=method, rng=0)
    plain = successive_projection(A, 4, method=method, rng=0)
    np.testing.assert_array_equal(found.indices, plain.indices)
    np.testing.assert_allclose(found.vertices * 1e35, plain.vertices, atol=1e-4)
    error = barycentric_weights(small, found.vertices, return_error=True)[1]
    np.testing.assert_allclose(
        error, barycentric_weights(A, plain.vertices, return_error=True)[1], rtol=1e-3, atol=1e-5
    )


def test_float32_stays():
    """Vertices in another dtype, or worse than rounding."""
    A, V = simplex(0)
    for method in ("spa", "p-spa"):
        found = successive_projection(A.astype(np.float32), 4, method=method, rng=0)
        assert found.vertices.dtype == np.float32
        np.testing.assert_allclose(matched(found.vertices, V), V, atol=1e-4)


def test_threads_give_equal_bits():
    """A reduction, or a search for neighbours, whose order depends on who is first."""
    A, _ = simplex(0, m=30000, noise=0.5)
    for method in METHODS:
        one, four = (successive_projection(A, 4, method=method, rng=0, n_threads=n) for n in (1, 4))
        np.testing.assert_array_equal(one.vertices, four.vertices)
        np.testing.assert_array_equal(one.indices, four.indices)
        assert one.radius == four.radius
    W = [barycentric_weights(A, one.vertices, n_threads=n, return_error=True) for n in (1, 4)]
    np.testing.assert_array_equal(W[0][0], W[1][0])
    assert W[0][1] == W[1][1]


A0, _ = simplex(0, m=50)
FLAT = np.outer(np.arange(50.0), np.ones(8)) + 3


@pytest.mark.parametrize(
    "A, k, options, error, words",
    [
        (A0, 1, {}, ValueError, "k must be from 2 to .*, got 1"),
        (A0, 2.0, {}, TypeError, "k must be an int"),
        (A0, 10, {}, ValueError, "here m = 50 and n = 8, got 10"),
        (A0[:3], 4, {}, ValueError, "here m = 3 and n = 8, got 4"),
        (A0, 3, {"method": "SPA"}, ValueError, "method must be one of"),
        (A0, 3, {"method": "spa", "radius": 1.0}, ValueError, "radius=1.0 belongs to method='pp-spa'"),
        (A0, 3, {"method": "p-spa", "min_neighbors": 2}, ValueError, "belongs to method='pp-spa'"),
        (A0, 3, {"radius": 0}, ValueError, "radius must be positive and finite, got 0"),
        (A0, 3, {"radius": -1.0}, ValueError, "radius must be positive"),
        (A0, 3, {"radius": np.nan}, ValueError, "radius must be positive"),
        (A0, 3, {"radius": "large"}, TypeError, "radius must be a float or 'auto'"),
        (A0, 3, {"min_neighbors": 0}, ValueError, "min_neighbors must be at least 1"),
        (A0, 3, {"min_neighbors": 51}, ValueError, "at most the 50 rows, got 51"),
        (
            A0,
            3,
            {"radius": 1e-6, "min_neighbors": 2},
            ValueError,
            "No row has min_neighbors=2 .* larger radius",
        ),
        (A0, 3, {"radius": 1e3}, ValueError, "0 independent differences.* smaller radius"),
        (A0, 3, {"min_neighbors": 50}, ValueError, "smaller min_neighbors"),
        (FLAT, 3, {}, ValueError, "there are 1. Ask for at most 2 vertices"),
        (FLAT, 3, {"method": "spa"}, ValueError, "there are 1. Ask for at most 2 vertices"),
        (np.zeros((50, 8)), 2, {}, ValueError, "All rows are equal"),
        (np.full((50, 8), 0.1), 2, {"method": "p-spa"}, ValueError, "All rows are equal"),
        (np.full((50, 8), 0.1), 2, {"method": "spa"}, ValueError, "All rows are equal"),
        (np.where(A0 == A0[7, 3], np.nan, A0), 3, {}, ValueError, "A contains NaN.* row 7"),
        (np.where(A0 == A0[7, 3], np.inf, A0), 3, {"method": "spa"}, ValueError, "A contains infinity"),
    ],
)
def test_what_is_refused(A, k, options, error, words):
    """Vertices of nothing, or a message without the name, the number or the remedy."""
    with pytest.raises(error, match=words):
        successive_projection(A, k, rng=0, **options)


def test_as_many_vertices_as_can_be():
    """A limit that is off by one: k = n + 1, and k = m."""
    A, _ = simplex(0, m=40, n=3, k=4)
    assert successive_projection(A, 4, rng=0).vertices.shape == (4, 3)
    rows = np.random.default_rng(0).standard_normal((4, 7))
    for method in METHODS:
        found = successive_projection(rows, 4, method=method, rng=0)
        np.testing.assert_allclose(matched(found.vertices, rows), rows, atol=1e-10)


# -- weights --------------------------------------------------------------------------------------------


def weights_by_nnls(x, V):
    """Exact: the non-negative u nearest to ``[V - x, 1] u = (0, 1)``, divided by its sum.

    For u = s w the squared error is ``s^2 d^2 + (s - 1)^2`` with d the distance of w V from x; with the best
    s it is ``d^2 / (1 + d^2)``, least where d is.
    """
    u, _ = nnls(np.vstack([(V - x).T, np.ones(len(V))]), np.append(np.zeros(len(x)), 1.0))
    return u / u.sum()


@pytest.mark.parametrize("k, n, spread", [(2, 1, 1), (3, 2, 3), (5, 8, 1), (8, 7, 0.5), (20, 30, 1)])
def test_weights_are_least_squares_on_the_simplex(k, n, spread):
    """Weights that are clipped and scaled, which is near but not least squares; a wrong vertex left out."""
    rng = np.random.default_rng(k)
    V = rng.standard_normal((k, n))
    X = rng.dirichlet(np.ones(k), 100) @ V + spread * rng.standard_normal((100, n))
    W = barycentric_weights(X, V)
    exact = np.array([weights_by_nnls(x, V) for x in X])
    np.testing.assert_allclose(W, exact, atol=1e-9)
    assert W.min() == 0
    np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-14)


def test_weights_against_slsqp():
    """The same by a general method, in case the reduction to non-negative least squares is wrong too."""
    rng = np.random.default_rng(0)
    V = rng.standard_normal((4, 5))
    X = rng.standard_normal((20, 5))
    for x, w in zip(X, barycentric_weights(X, V), strict=True):
        peer = minimize(
            lambda u, x=x: np.sum((u @ V - x) ** 2),
            np.full(4, 0.25),
            jac=lambda u, x=x: 2 * V @ (u @ V - x),
            bounds=[(0, 1)] * 4,
            constraints={"type": "eq", "fun": lambda u: u.sum() - 1, "jac": lambda u: np.ones(4)},
            method="SLSQP",
            options={"ftol": 1e-14},
        )
        np.testing.assert_allclose(w, peer.x, atol=1e-5)


@pytest.mark.parametrize("flatness", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("distance", [0.1, 10.0, 1e6])
def test_nearly_flat_simplices(flatness, distance):
    """A start that is not the answer, NaN weights, or steps that do not end; optimality is looked at itself.

    In simplices that are nearly flat, leaving out the vertices with negative weights goes wrong often. The
    conditions of Kuhn and Tucker: the residual has the same product with all vertices in use, and no larger
    one with any other.
    """
    rng = np.random.default_rng(0)
    V = rng.standard_normal((6, 5)) * np.array([1, 1, 1, flatness, flatness])
    X = distance * rng.standard_normal((500, 5))
    with np.errstate(divide="raise", invalid="raise"):
        W = barycentric_weights(X, V, n_threads=1)
    assert np.isfinite(W).all() and W.min() >= 0
    np.testing.assert_allclose(W.sum(axis=1), 1, atol=1e-12)
    products = (X - W @ V) @ V.T
    best = products.max(axis=1)
    gap = best - np.sum(W * products, axis=1)
    assert np.all(gap <= 1e-13 * (1 + np.linalg.norm(X, axis=1)) * np.linalg.norm(V, axis=1).max())


def test_rows_in_the_simplex_are_given_back():
    """Weights that are off for rows inside, on faces and at vertices; an error that floors at 1e-8."""
    rng = np.random.default_rng(0)
    V = rng.standard_normal((5, 9))
    faces = np.eye(5)[[0, 1]] / 2 + np.eye(5)[[2, 3]] / 2
    exact = np.vstack([np.eye(5), faces, rng.dirichlet(np.ones(5), 50)])
    for nonnegative in (True, False):
        W, error = barycentric_weights(exact @ V, V, nonnegative=nonnegative, return_error=True)
        np.testing.assert_allclose(W, exact, atol=1e-13)
        assert error < 1e-15


@pytest.mark.parametrize("form", FORMS)
def test_affine_coordinates_and_the_error(form):
    """Affine coordinates that are clipped, or an error that is another one; in every container."""
    rows, V = simplex(0, noise=1.0)
    W, error = barycentric_weights(FORMS[form](rows), V, nonnegative=False, return_error=True)
    E = np.linalg.lstsq((V[1:] - V[0]).T, (rows - V[0]).T, rcond=None)[0].T
    np.testing.assert_allclose(W, np.column_stack([1 - E.sum(axis=1), E]), atol=1e-10)
    assert W.min() < 0
    np.testing.assert_allclose(error, np.linalg.norm(rows - W @ V) / np.linalg.norm(rows), rtol=1e-10)
    operand = as_operand(FORMS[form](rows))
    W, error = barycentric_weights(operand, V, return_error=True)
    np.testing.assert_allclose(error, np.linalg.norm(rows - W @ V) / np.linalg.norm(rows), rtol=1e-10)
    assert operand.n_passes == 2


@pytest.mark.parametrize("scale", [1e-140, 1e-20, 1.0, 1e140])
@pytest.mark.parametrize("flatness", [1.0, 1e-10])
def test_weights_in_any_unit(flatness, scale):
    """Units that are refused without need, or squares of short edges that underflow in the smallest."""
    rng = np.random.default_rng(0)
    V = 1 + flatness * rng.standard_normal((4, 6))
    A = rng.dirichlet(np.ones(4), 50) @ V
    exact = np.linalg.lstsq((V[1:] - V[0]).T, (A - V[0]).T, rcond=None)[0].T
    with np.errstate(all="raise", under="ignore"):
        W, error = barycentric_weights(scale * A, scale * V, nonnegative=False, return_error=True)
    np.testing.assert_allclose(W[:, 1:], exact, atol=1e-14 / flatness)
    assert error < 1e-14


@pytest.mark.parametrize(
    "a, v, words",
    [
        (1.0, 1e-170, "squares of vertices underflow.* Divide A and vertices by the same number"),
        (1.0, 1e-160, "vertices has Frobenius norm .* Divide A and vertices by the same number"),
        (1.0, 1e155, "squares of vertices overflow.* Divide A and vertices by the same number"),
        (1e-160, 1.0, "A has Frobenius norm .* Divide A and vertices by the same number"),
        (1e100, 1e-100, "A has rows farther than .* in one unit"),
    ],
)
def test_weights_out_of_range(a, v, words):
    """NaN, a warning, or the word that vertices are dependent, where squares leave the range."""
    V = np.random.default_rng(0).standard_normal((3, 6))
    with np.errstate(all="raise", under="ignore"), pytest.raises(ValueError, match=words):
        barycentric_weights(a * np.ones((2, 6)), v * V, return_error=True)


def test_kinds_of_vertices():
    """Sparse vertices or lists that are refused, or complex ones that lose a part."""
    A, V = simplex(0, noise=1.0)
    V[np.abs(V) < 3] = 0
    exact = barycentric_weights(A, V)
    for kind in (sparse.csr_array, sparse.csc_matrix, as_operand, np.ndarray.tolist):
        np.testing.assert_array_equal(barycentric_weights(A, kind(V)), exact)
    with pytest.raises((TypeError, ValueError), match="vertices.*complex"):
        barycentric_weights(A, V + 1j)


def test_weights_of_many_rows(monkeypatch):
    """Blocks of rows that overlap or leave some out."""
    A, V = simplex(0, m=1000, noise=1.0)
    whole = barycentric_weights(A, V)
    monkeypatch.setattr(barycentric, "_ROWS_AT_A_TIME", 37)
    np.testing.assert_allclose(barycentric_weights(A, V), whole, atol=1e-13)
    assert barycentric_weights(A.astype(np.float32), V).dtype == np.float32


@pytest.mark.parametrize(
    "V, words",
    [
        (np.ones((3, 7)), "vertices must have shape"),
        (np.ones((1, 8)), "k >= 2"),
        (np.ones((3, 8)), "affinely independent .* have 0 independent differences, not 2"),
        (FLAT[:3], "have 1 independent differences, not 2"),
        (np.vstack([FLAT[:1], np.full(8, np.nan)]), "vertices contains NaN"),
    ],
)
def test_vertices_that_are_refused(V, words):
    """NaN weights, or one of many solutions, for vertices that are no simplex."""
    with pytest.raises(ValueError, match=words):
        barycentric_weights(A0, V)
