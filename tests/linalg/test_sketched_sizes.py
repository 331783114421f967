"""Sketches of several sizes against the products of each operator, and what they take."""

import numpy as np
import pytest
from scipy import sparse

from sklr._backend import as_operand, as_stream, session
from sklr.linalg import sketched_ridge
from sklr.linalg._sketched_sizes import SketchedSizes
from sklr.linalg.ridge_on_sketches import RidgesOnSketches
from sklr.sketch import SRTT, RowSampling, SparseStack, make_sketch
from sklr.sketch._views import LastRows, Stacked, nests

M, N = 300, 40
NESTED = ["gaussian", "rademacher", "srtt", SRTT("hadamard"), "row_sampling"]
OTHERS = ["sparse_stack", SparseStack(3), "sparse_sign", "count_sketch", RowSampling(replace=False)]
CONTAINERS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
}


@pytest.fixture(params=[np.float64, np.float32], ids=["float64", "float32"])
def X(request):
    """A dense array, half of it zeros."""
    rng = np.random.default_rng(0)
    return (rng.standard_normal((M, N)) * (rng.random((M, N)) < 0.5)).astype(request.param)


def expected(X, sketch, d):
    """The product with the operator by itself."""
    distribution = make_sketch(sketch, n=M, sketch_size=d)
    S = distribution.operator(d, M, as_stream(5), X.dtype).toarray()
    return S.astype(float) @ X


def tolerance(X):
    """Rounding of sums of M terms."""
    return {"rtol": 0, "atol": 1e-12 if X.dtype == np.float64 else 2e-5}


@pytest.mark.parametrize("sketch", NESTED + OTHERS, ids=str)
@pytest.mark.parametrize("form", CONTAINERS)
def test_each_size_is_its_own_operator(sketch, form, X):
    """Scales of nested operators that are left out, parts that are mixed up, sizes that are drawn anew."""
    A = as_operand(CONTAINERS[form](X))
    sketched = SketchedSizes(A, sketch, as_stream(5))
    with session():
        sketched.add([12, 48])
        assert A.n_passes == 1
        sketched.add([12, 24, 96])
        sketched.add([24])
        assert A.n_passes == 2
        for d in (12, 24, 48, 96):
            product = sketched.product(d)
            assert product.dtype == X.dtype
            np.testing.assert_allclose(product, expected(X, sketch, d), **tolerance(X))
            np.testing.assert_array_equal(
                sketched.operator(d).toarray(),
                make_sketch(sketch).operator(d, M, as_stream(5), X.dtype).toarray(),
            )


@pytest.mark.parametrize("sketch", ["gaussian", "row_sampling"])
def test_grown_sketches_apply_their_new_rows_only(sketch, X, monkeypatch):
    """A growing search that pays for all rows at each size."""
    drawn = []
    family = type(make_sketch(sketch).operator(1, M, 0))
    original = family._submatrix

    def counted(self, row_lo, row_hi, col_lo, col_hi):
        drawn.append((row_hi - row_lo) * (col_hi - col_lo))
        return original(self, row_lo, row_hi, col_lo, col_hi)

    monkeypatch.setattr(family, "_submatrix", counted)
    sketched = SketchedSizes(as_operand(X), sketch, as_stream(5))
    with session():
        for d in (20, 40, 80):
            drawn.clear()
            sketched.add([d])
            assert sum(drawn) == M * max(d // 2, 20)


@pytest.mark.parametrize("sketch", ["gaussian", "srtt"])
def test_inner_products_of_rows(sketch, X):
    """Squares of the scale that are forgotten; sizes above the number of columns; a size alone."""
    sketched = SketchedSizes(as_operand(X), sketch, as_stream(5))
    with session():
        sketched.add([10])
        assert sketched.gram(10) is None
        sketched.add([20, 30, 80])
        assert sketched.gram(80) is None
        for d in (20, 30, 10):
            product = expected(X, sketch, d)
            atol = 1e-11 if X.dtype == np.float64 else 1e-3
            np.testing.assert_allclose(sketched.gram(d), product @ product.T, atol=atol)
            assert sketched.gram(d).dtype == np.float64
        sketched.add([36])
        product = expected(X, sketch, 36)
        np.testing.assert_allclose(sketched.gram(36), product @ product.T, atol=atol)


def test_families_of_auto(X):
    """A rule that is asked once for all sizes; numbers that are held."""
    A = as_operand(np.tile(X, (300, 1)))
    sketched = SketchedSizes(A, "auto", as_stream(0))
    assert sketched.n_numbers([4, 8]) == 8 * N
    assert sketched.n_numbers([4, 8, 16, 32]) == (8 + 16 + 32) * N
    with session():
        sketched.add([4, 8, 16, 32])
    names = [type(sketched.operator(d).distribution).__name__ for d in (4, 8, 16, 32)]
    assert names == ["Gaussian", "Gaussian", "SparseStack", "SparseStack"]
    assert sketched.n_numbers([64]) == (8 + 16 + 32 + 64) * N


@pytest.mark.parametrize("sketch", NESTED[:2] + OTHERS, ids=str)
def test_views(sketch):
    """Rows or columns of another part of the operator."""
    S, T = (make_sketch(sketch).operator(d, 50, 1) for d in (24, 12))
    whole, last = S.toarray(), LastRows(S, 9)
    dense = (lambda B: B.toarray()) if S.is_sparse else np.asarray
    assert last.shape == (15, 50)
    np.testing.assert_array_equal(dense(last.columns(3, 20, np.float64)), whole[9:, 3:20])
    np.testing.assert_array_equal(dense(last.rows(2, 7, np.float32)), whole[11:16].astype(np.float32))
    both = Stacked([T, S])
    assert both.shape == (36, 50)
    stacked = np.vstack([T.toarray(), whole])
    np.testing.assert_array_equal(both.columns(3, 20, np.float64).toarray(), stacked[:, 3:20])
    np.testing.assert_array_equal(both.rows(8, 20, np.float64).toarray(), stacked[8:20])
    assert nests(T, S) == (sketch in NESTED)
    assert not nests(S, T)


# -- regressions --------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["samples", "features"])
@pytest.mark.parametrize("sketch", ["gaussian", "sparse_stack"])
@pytest.mark.parametrize("has_room", [True, False])
def test_regressions_together_equal_those_alone(axis, sketch, has_room, X, monkeypatch):
    """Gram matrices of another size, alphas that are mixed up, sketches that are kept beyond their memory."""
    if not has_room:
        monkeypatch.setattr(SketchedSizes, "n_numbers", lambda self, sizes: 1 << 40)
    X = X.astype(np.float64)[:100]
    Y = X[:, :2] + np.arange(200.0).reshape(100, 2) / 100
    options = {"axis": axis, "sketch": sketch, "n_sketches": 2, "max_memory": 1 << 30}
    solver = {"solver": "auto", "tol": 1e-10, "max_iter": 500}
    A = as_operand(X)
    together = RidgesOnSketches(A, Y, rng=7, **options, **solver)
    alphas = np.array([[0.1, 2.0], [3.0, 30.0], [0.5, 0.5]])
    with session():
        together.sketch([8, 16, 32])
        found = {
            8: together.solve(8, alphas),
            16: together.solve(16, alphas[:1]),
            32: together.solve(32, 4.0),
        }
        passes = A.n_passes
        again = together.solve(16, alphas[1])
    assert passes == (2 if has_room else 6)
    assert A.n_passes == (2 if has_room else 8)
    assert found[8].coef.shape == (N, 3, 2)
    for i, alpha in enumerate(alphas):
        alone = sketched_ridge(X, Y, alpha, 8, rng=7, **options, tol=1e-10)
        np.testing.assert_allclose(found[8].coef[:, i], alone.coef, atol=1e-9)
        assert found[8].residual[i].shape == alone.residual.shape
    for alpha, size, coef in (
        (alphas[0], 16, found[16].coef[:, 0]),
        (4.0, 32, found[32].coef),
        (alphas[1], 16, again.coef),
    ):
        alone = sketched_ridge(X, Y, alpha, size, rng=7, **options, tol=1e-10)
        np.testing.assert_allclose(coef, alone.coef, atol=1e-9)


@pytest.mark.parametrize("sketch", ["gaussian", "sparse_stack"])
@pytest.mark.parametrize("n_sketches", [1, 4])
def test_what_is_kept_is_within_max_memory(sketch, n_sketches, X):
    """Sketches of all sizes that were ever asked for."""
    max_memory = 90 * N * 8
    options = {"axis": "samples", "sketch": sketch, "n_sketches": n_sketches, "max_memory": max_memory}
    A = as_operand(X.astype(np.float64))
    regressions = RidgesOnSketches(A, X[:, 0], rng=0, solver="auto", tol=1e-8, max_iter=9, **options)
    with session():
        for d in (20, 80, 84, 88, 90):
            regressions.sketch([d])
            regressions.solve(d, 1.0)
            kept = [part for part in regressions._kept if part is not None]
            assert sum(of_A.n_numbers([]) for of_A, _ in kept) * 8 <= max_memory


def test_one_size_is_sketched_one_at_a_time(X):
    """All sketches of an average in memory, though each is needed once."""
    options = {"axis": "samples", "sketch": "gaussian", "n_sketches": 5, "max_memory": 1 << 30}
    A = as_operand(X.astype(np.float64))
    regressions = RidgesOnSketches(A, X[:, 0], rng=0, solver="auto", tol=1e-8, max_iter=9, **options)
    with session():
        regressions.solve(20, 1.0)
        assert regressions._kept == [None] * 5
        regressions.sketch([20, 40])
        passes = A.n_passes
        regressions.solve(40, 1.0)
        assert A.n_passes == passes
        regressions.solve(60, 1.0)
        assert all(of_A.n_numbers([]) == 40 * N for of_A, _ in regressions._kept)
