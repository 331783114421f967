"""generalized_cross_validation against its formula, with the matrix L made from the operators."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from sklr._backend import as_stream
from sklr.linalg import as_operand, centered, generalized_cross_validation, row_weighted, sketched_ridge
from sklr.linalg._eigen import Tridiagonal
from sklr.sketch import SRTT, RowSampling, SparseStack, make_sketch

EPS = np.finfo(float).eps
ALPHAS = np.array([1e-3, 0.5, 20.0])
M, N = 24, 30
NESTED = ["gaussian", "rademacher", "srtt", SRTT("hadamard"), "row_sampling"]
OTHERS = ["sparse_stack", SparseStack(3), "sparse_sign", "count_sketch", RowSampling(replace=False)]
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@pytest.fixture(scope="module")
def data():
    """``(X, Y, weight)`` with means that are not zero, and weights of which some are."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((M, N)) * np.linspace(0.5, 3, N) + 1
    Y = X @ rng.standard_normal((N, 2)) / 3 + rng.standard_normal((M, 2)) + 2
    return X, Y, np.where(np.arange(M) % 5 == 1, 0, rng.uniform(0.2, 3, M))


def prepared(X, Y, weight, has_intercept):
    """``(A, Y, options)`` as arrays, centred and weighted."""
    weights = np.ones(len(X)) if weight is None else weight
    if has_intercept:
        X, Y = (Z - np.average(Z, axis=0, weights=weights) for Z in (X, Y))
    root = np.sqrt(weights)
    options = {"has_intercept": has_intercept, "root_weight": None if weight is None else root}
    return root[:, None] * X, root[:, None] * Y, options


@one_blas_thread
def complement(B, alpha):
    """I - L for L = B (B^T B + alpha I)^-1 B^T, by singular values: those of nothing stay nothing."""
    U, s, _ = np.linalg.svd(B)
    left = np.ones(len(B))
    kept = s > 30 * EPS * s[0]
    left[: len(s)][kept] = alpha / (s[kept] ** 2 + alpha)
    return (U * left) @ U.T


def by_the_formula(Bs, Y, alpha, root_weight, has_intercept):
    """``(residuals, degrees of freedom, member squares)`` of the average over sketched matrices Bs."""
    n = len(Y) if root_weight is None else np.count_nonzero(root_weight)
    keep = slice(None) if root_weight is None else root_weight > 0
    lefts = [complement(B, alpha) for B in Bs]
    # Rows of weight zero and the intercept leave (I - L) Y as it is, and are no degrees of freedom.
    traces = [np.trace(left) - (len(Y) - n) - has_intercept for left in lefts]
    members = [(left @ Y)[keep] / (trace / n) for left, trace in zip(lefts, traces, strict=True)]
    mean = np.mean(lefts, axis=0)
    residuals = (mean @ Y)[keep] / (np.mean(traces) / n)
    if root_weight is not None:
        residuals = residuals / root_weight[keep][:, None]
    dof = n - has_intercept - np.mean(traces)
    return residuals, dof, np.mean([np.sum(member**2, axis=0) for member in members], axis=0)


def sketched(A, sketch, d, n_sketches, rng=7):
    """A S^T for the operators that the search draws."""
    distribution = make_sketch(sketch, n=A.shape[1], sketch_size=d)
    streams = [as_stream(rng).child(2 * i) for i in range(n_sketches)]
    return [A @ distribution.operator(d, A.shape[1], stream).toarray().T for stream in streams]


# -- the right answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("has_weight", [False, True])
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("sketch", NESTED + OTHERS, ids=repr)
def test_equals_the_formula(sketch, has_intercept, has_weight, data):
    """Nested rows with the scale of the largest, other streams, members corrected one by one, lost rows."""
    X, Y, weight = data
    A, B, options = prepared(X, Y, weight if has_weight else None, has_intercept)
    sizes = [9, 3, 28, 21, M]  # below and above the number of rows, with a weight or not, in no order
    found = generalized_cross_validation(A, B, ALPHAS, sizes, sketch=sketch, n_sketches=3, rng=7, **options)
    assert len(found) == len(sizes)
    for d, part in zip(sizes, found, strict=True):
        Bs = sketched(A, sketch, d, 3)
        for a, alpha in enumerate(ALPHAS):
            residuals, dof, members = by_the_formula(Bs, B, alpha, **options)
            np.testing.assert_allclose(part.residuals[a], residuals, rtol=1e-7, atol=1e-7)
            np.testing.assert_allclose(part.degrees_of_freedom[a], dof, rtol=1e-8, atol=1e-8)
            np.testing.assert_allclose(part.member_squares[a], members, rtol=1e-7)


@pytest.mark.parametrize("has_weight", [False, True])
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", [(M, 10), (M, N), (M, M)])
def test_without_sketches(shape, has_intercept, has_weight, data):
    """A Gram matrix of the wrong side; the intercept counted twice or not at all."""
    X, Y, weight = data
    X = X[:, : shape[1]]
    A, B, options = prepared(X, Y, weight if has_weight else None, has_intercept)
    (found,) = generalized_cross_validation(A, B, ALPHAS, **options)
    gram = A.T @ A if A.shape[1] <= M else A @ A.T
    (known,) = generalized_cross_validation(A, B, ALPHAS, gram=gram, **options)
    for a, alpha in enumerate(ALPHAS):
        residuals, dof, _ = by_the_formula([A], B, alpha, **options)
        for part in (found, known):
            np.testing.assert_allclose(part.residuals[a], residuals, rtol=1e-7, atol=1e-7)
            np.testing.assert_allclose(part.degrees_of_freedom[a], dof, rtol=1e-8)


@pytest.mark.parametrize("has_weight", [False, True])
@pytest.mark.parametrize("has_intercept", [False, True])
def test_alpha_zero_below_the_number_of_rows(has_intercept, has_weight, data):
    """Least squares on the sketched features, where nothing is interpolated."""
    X, Y, weight = data
    A, B, options = prepared(X, Y, weight if has_weight else None, has_intercept)
    sizes = [3, 9]
    found = generalized_cross_validation(
        A, B, [0.0], sizes, sketch="gaussian", n_sketches=3, rng=7, **options
    )
    for d, part in zip(sizes, found, strict=True):
        residuals, dof, members = by_the_formula(sketched(A, "gaussian", d, 3), B, 0.0, **options)
        np.testing.assert_allclose(part.residuals[0], residuals, rtol=1e-7, atol=1e-7)
        np.testing.assert_allclose(part.degrees_of_freedom[0], dof, rtol=1e-8)
        np.testing.assert_allclose(part.member_squares[0], members, rtol=1e-7)


@pytest.mark.parametrize("n_sketches", [1, 3])
@pytest.mark.parametrize("has_intercept", [False, True])
def test_alpha_zero_where_rows_are_interpolated(has_intercept, n_sketches, data):
    """0 / 0: the limit is K^+ y over the mean of the diagonal of K^+, the mean of all (B B^T)^+."""
    A, B, options = prepared(*data[:2], None, has_intercept)
    options |= {"sketch": "gaussian", "n_sketches": n_sketches, "rng": 7}
    (part,) = generalized_cross_validation(A, B, [0.0], [28], **options)
    Ss = sketched(A, "gaussian", 28, n_sketches)
    inverse = np.mean([np.linalg.pinv(S @ S.T, rcond=1e-10) for S in Ss], axis=0)
    expected = inverse @ B / (np.trace(inverse) / M)
    np.testing.assert_allclose(part.residuals[0], expected, rtol=1e-6, atol=1e-6)


def test_singular_values_that_squares_do_not_hold(matrix):
    """Fitted values of rounding errors where alpha does not lift singular values of 1e-9."""
    A = matrix(60, 6, np.geomspace(1, 1e-9, 6))
    Y = np.random.default_rng(0).standard_normal((60, 2))
    (found,) = generalized_cross_validation(A, Y, [0.0])
    expected = by_the_formula([A], Y, 0.0, None, False)
    np.testing.assert_allclose(found.residuals[0], expected[0], rtol=1e-5, atol=1e-5)
    assert found.lowest_alpha == 0 and found.degrees_of_freedom[0] == pytest.approx(6)
    (rough,) = generalized_cross_validation(A, Y, [0.0], max_memory=5000)
    assert 0 < rough.lowest_alpha < 1e-10
    told = by_the_formula([A], Y, rough.lowest_alpha, None, False)
    np.testing.assert_allclose(rough.residuals[0], told[0], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("alpha", [0.0, 1e-16, 1e-10])
@pytest.mark.parametrize("condition", [1e3, 1e6])
def test_limits_of_wide_matrices(condition, alpha, matrix):
    """A small alpha in place of a smaller one, where that matters, without a word."""
    A = matrix(10, 40, np.geomspace(1, 1 / condition, 10))
    Y = np.random.default_rng(0).standard_normal((10, 2))
    (found,) = generalized_cross_validation(A, Y, [alpha])
    U, s, _ = np.linalg.svd(A, full_matrices=False)
    inverse = (U / (s**2 + max(alpha, found.lowest_alpha))) @ U.T
    expected = inverse @ Y / (np.trace(inverse) / 10)
    np.testing.assert_allclose(found.residuals[0], expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("sizes", [None, [2]])
@pytest.mark.parametrize("shape", [(7, 3), (3, 7)])
def test_a_matrix_of_zeros(shape, sizes):
    """A division by the largest eigenvalue: the targets are all that is left."""
    Y = np.random.default_rng(0).standard_normal((shape[0], 2))
    (found,) = generalized_cross_validation(np.zeros(shape), Y, [0.0, 1.0], sizes, rng=0)
    np.testing.assert_allclose(found.residuals, [Y, Y], rtol=1e-12)
    np.testing.assert_allclose(found.degrees_of_freedom, 0, atol=1e-12)


# -- sketches of all sizes ----------------------------------------------------------------------------


@pytest.mark.parametrize("sketch", NESTED + OTHERS, ids=repr)
def test_sizes_together_equal_sizes_alone(sketch, data):
    """First rows of a larger sketch that are not the smaller sketch."""
    A, B, _ = prepared(*data[:2], None, False)
    sizes = [4, 12, 27]
    options = {"sketch": sketch, "n_sketches": 2, "rng": 3}
    together = generalized_cross_validation(A, B, ALPHAS, sizes, **options)
    for d, part in zip(sizes, together, strict=True):
        (alone,) = generalized_cross_validation(A, B, ALPHAS, [d], **options)
        np.testing.assert_allclose(part.residuals, alone.residuals, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(part.degrees_of_freedom, alone.degrees_of_freedom, rtol=1e-9)


@pytest.mark.parametrize("sketch", ["gaussian", "srtt", "row_sampling", "sparse_stack", "count_sketch"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_one_pass_for_each_member(form, sketch, data):
    """A pass for every sketch size."""
    A = as_operand(form(data[0]))
    before = A.n_passes
    generalized_cross_validation(A, data[1], ALPHAS, [4, 12, 20], sketch=sketch, n_sketches=3, rng=0)
    assert A.n_passes - before == 3


@pytest.mark.parametrize("sketch", ["gaussian", "sparse_stack", "srtt", RowSampling(replace=False)], ids=repr)
@pytest.mark.parametrize("d", [9, 28])
def test_the_sketches_of_sketched_ridge(d, sketch, data):
    """Scores of other sketches than those that are then fitted."""
    A, B, _ = prepared(*data[:2], None, False)
    options = {"sketch": sketch, "n_sketches": 3, "rng": 5}
    (found,) = generalized_cross_validation(A, B, [0.5], [d], **options)
    fit = sketched_ridge(A, B, 0.5, d, axis="features", **options)
    left = (M - found.degrees_of_freedom[0]) / M
    np.testing.assert_allclose(found.residuals[0] * left, B - A @ fit.coef, atol=1e-7)


def test_sparse_data_are_not_filled_in():
    """96 MB of zeros: a sparse matrix that is centred, or multiplied, as a dense one."""
    X = sparse.random(300, 40_000, density=1e-3, format="csr", random_state=0)
    mean = np.asarray(X.mean(axis=0)).ravel()
    A = row_weighted(centered(X, mean), np.ones(300))
    Y = np.random.default_rng(0).standard_normal((300, 1))
    tracemalloc.start()
    try:
        for sizes in (None, [20, 50]):
            options = {"sketch": "sparse_stack", "has_intercept": True, "rng": 0}
            found = generalized_cross_validation(A, Y, ALPHAS, sizes, **options)
            assert all(np.isfinite(part.residuals).all() for part in found)
        assert tracemalloc.get_traced_memory()[1] < 48e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("sketch", [None, "gaussian", "sparse_stack", "srtt"])
def test_the_same_bits_on_any_number_of_threads(sketch, at_any_threads):
    """Sums of the members in the order in which threads end."""
    rng = np.random.default_rng(0)
    A, Y = rng.standard_normal((400, 150)), rng.standard_normal((400, 2))
    options = {} if sketch is None else {"sketch_sizes": [20, 90, 140], "sketch": sketch, "n_sketches": 3}
    one, two = at_any_threads(
        lambda n: generalized_cross_validation(A, Y, ALPHAS, rng=0, n_threads=n, **options)
    )
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.residuals, b.residuals)
        np.testing.assert_array_equal(a.member_squares, b.member_squares)
        np.testing.assert_array_equal(a.degrees_of_freedom, b.degrees_of_freedom)


# -- the tridiagonal form ------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", [1.0, 1e150, 1e-150])
@pytest.mark.parametrize("q", [1, 2, 3, 4, 5, 70])
def test_solutions_for_many_shifts(q, unit):
    """A shift that is not scaled as the matrix is, a reflector too few, targets that are overwritten."""
    rng = np.random.default_rng(q)
    B, H = rng.standard_normal((q + 2, q)), rng.standard_normal((q, 3))
    G, shifts, before = unit * (B.T @ B), unit * np.array([0.01, 1.0, 1e6]), H.copy()
    form = Tridiagonal(G)
    expected = [np.linalg.solve(G / unit + s / unit * np.eye(q), H) / unit for s in shifts]
    found = form.solve(H, shifts)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max())
    np.testing.assert_array_equal(H, before)
    np.testing.assert_allclose(form.eigenvalues, np.linalg.eigvalsh(G), rtol=1e-9, atol=1e-13 * unit * q)


def test_no_solution_of_what_is_not_positive():
    """Numbers from a factorisation that failed."""
    with pytest.raises(np.linalg.LinAlgError, match=r"G \+ 0.5 I is not positive definite"):
        Tridiagonal(np.diag([1.0, -1.0, 2.0])).solve(np.ones((3, 1)), [2.0, 0.5])


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"sketch_sizes": []}, ValueError, r"sketch_sizes must be from 1 to 3 features, got \[\]"),
        ({"sketch_sizes": [2, 4]}, ValueError, "sketch_sizes must be from 1 to 3 features"),
        ({"sketch_sizes": [0]}, ValueError, "sketch_sizes must be"),
        ({"sketch_sizes": [1.5]}, TypeError, "sketch_sizes must be"),
        ({"n_sketches": 0}, ValueError, "n_sketches must be"),
        ({"sketch": "no such", "sketch_sizes": [2]}, ValueError, "no such"),
        ({"alphas": []}, ValueError, "alphas must be one or more finite numbers"),
        ({"Y": np.ones(7)}, ValueError, r"Y must have shape \(8,\) or \(8, t\), got \(7,\)"),
        ({"max_memory": 200}, ValueError, "alphas and sketch sizes would need .* max_memory=256"),
        (
            {"sketch_sizes": [3], "max_memory": 150, "alphas": [1.0]},
            ValueError,
            "The sketched data would need .* max_memory=192",
        ),
    ],
)
def test_bad_input(changes, error, message):
    """A size that is taken for another, or an error that names neither the parameter nor the remedy."""
    arguments = {"A": np.ones((8, 3)), "Y": np.ones(8), "alphas": [0.1, 1.0]} | changes
    with pytest.raises(error, match=message):
        generalized_cross_validation(**arguments)
