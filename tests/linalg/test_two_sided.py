"""Two-sided approximations and CUR: against their definitions in NumPy, projectors, stability, errors."""

import numpy as np
import pytest
from scipy import linalg, sparse

from sklr.linalg import RowChunks, cur_decomposition, two_sided_approximation
from sklr.sketch import CountSketch, Gaussian, SparseStack

M, N = 300, 80
FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "chunks": lambda A: RowChunks(lambda: iter(np.array_split(A, 7)), A.shape, A.dtype),
}


def with_singular_values(s, m=M, n=N, seed=0):
    """A matrix with the singular values `s`, and its singular vectors (columns)."""
    rng = np.random.default_rng(seed)
    U, V = (linalg.qr(rng.standard_normal((size, len(s))), mode="economic")[0] for size in (m, n))
    return (U * s) @ V.T, U, V


def sides(kind, seed=0):
    """``(X, Y, X as an array, Y as an array)`` with 12 columns and 18."""
    rng = np.random.default_rng(seed)
    if kind == "coordinates":
        X, Y = rng.choice(N, 12, replace=False), rng.choice(M, 18, replace=False)
        return X, Y, np.eye(N)[:, X], np.eye(M)[:, Y]
    if kind in ("gaussian", "count_sketch", "sparse_stack"):
        family = {"gaussian": Gaussian(), "count_sketch": CountSketch(), "sparse_stack": SparseStack(2)}[kind]
        X, Y = family.operator(12, N, seed).T, family.operator(18, M, seed + 1).T
        return X, Y, X.toarray(), Y.toarray()
    X, Y = rng.standard_normal((N, 12)), rng.standard_normal((M, 18))
    if kind == "sparse":
        X, Y = X * (rng.random(X.shape) < 0.3), Y * (rng.random(Y.shape) < 0.3)
        return sparse.csr_array(X), sparse.csc_matrix(Y), X, Y
    return X, Y, X, Y


KINDS = ["arrays", "sparse", "coordinates", "gaussian", "count_sketch", "sparse_stack"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_definition(kind, form):
    """One of the sides transposed, scaled, or taken for the other; a container that is read wrongly."""
    A, _, _ = with_singular_values(1 / np.arange(1, N + 1))
    X, Y, Xd, Yd = sides(kind)
    found = two_sided_approximation(FORMS[form](A), X, Y)
    G = Xd @ np.linalg.pinv(Yd.T @ A @ Xd) @ Yd.T
    rng = np.random.default_rng(1)
    for operator, expected in (
        (found.approximation, A @ G @ A),
        (found.column_projector, A @ G),
        (found.row_projector, G @ A),
        (found.pseudo_inverse, G),
    ):
        m, n = operator.shape
        Z, W = rng.standard_normal((n, 3)), rng.standard_normal((m, 3))
        scale = np.abs(expected).max()
        assert operator.shape == expected.shape
        np.testing.assert_allclose(operator @ Z, expected @ Z, atol=1e-10 * scale)
        np.testing.assert_allclose(operator.rmatmat(W), expected.T @ W, atol=1e-10 * scale)
        np.testing.assert_allclose(operator.rmatvec(W[:, 0]), expected.T @ W[:, 0], atol=1e-10 * scale)
        np.testing.assert_allclose(operator @ Z[:, 0], expected @ Z[:, 0], atol=1e-10 * scale)
    np.testing.assert_allclose(found.left @ found.right, A @ G @ A, atol=1e-10)
    assert found.n_passes == 2


@pytest.mark.parametrize("form", ["dense", "csr", "csc", "chunks"])
def test_with_coordinate_sketches_generalized_nystrom_is_cur(form):
    """Columns or rows other than those asked for, and a core that is not their intersection: to 1e-12."""
    A, _, _ = with_singular_values(1 / np.arange(1, N + 1))
    J, I, Xd, Yd = sides("coordinates")  # noqa: E741
    by_indices = two_sided_approximation(FORMS[form](A), J, I)
    by_units = two_sided_approximation(FORMS[form](A), Xd, sparse.csr_array(Yd))
    CUR = A[:, J] @ np.linalg.pinv(A[np.ix_(I, J)]) @ A[I]
    np.testing.assert_allclose(by_indices.left @ by_indices.right, CUR, rtol=0, atol=1e-12)
    np.testing.assert_allclose(by_units.left @ by_units.right, CUR, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("decay", "rcond"), [("slow", None), ("slow", 0.1), ("fast", 1e-8)])
@pytest.mark.parametrize("kind", KINDS)
def test_projectors_are_idempotent(kind, decay, rcond):
    """Factors of different cut-offs: P P = P also where the core is ill-conditioned or truncated.

    Rounding in P P is a multiple of eps times the condition of the truncated core.
    """
    s = 1 / np.arange(1, N + 1) if decay == "slow" else 0.3 ** np.arange(N)
    A, _, _ = with_singular_values(s)
    X, Y, _, _ = sides(kind)
    found = two_sided_approximation(A, X, Y, rcond=rcond)
    Z = np.random.default_rng(1).standard_normal((M, 4))
    for projector, panel in ((found.column_projector, Z), (found.row_projector, Z[:N])):
        once = projector @ panel
        condition = found.core_singular_values[0] / found.core_singular_values[-1]
        atol = 1e-14 * max(condition, 100) * np.abs(once).max()
        np.testing.assert_allclose(projector @ once, once, rtol=0, atol=atol)
        again = projector.rmatmat(projector.rmatmat(panel))
        atol = 1e-14 * max(condition, 100) * np.abs(again).max()
        np.testing.assert_allclose(again, projector.rmatmat(panel), rtol=0, atol=atol)
    A_hat = found.left @ found.right
    atol = 1e-11 if decay == "slow" else 1e-7  # what is cut off
    np.testing.assert_allclose(found.column_projector @ A, A_hat, atol=atol)
    np.testing.assert_allclose(A @ (found.row_projector @ np.eye(N)), A_hat, atol=atol)


def test_pseudo_inverse():
    """A^+ where X and Y span A's row and column spaces, and otherwise a reflexive inverse G of A."""
    A, U, V = with_singular_values(np.array([5.0, 3.0, 2.0, 1.0, 0.5]))
    rng = np.random.default_rng(1)
    X, Y = V @ rng.standard_normal((5, 5)), U @ rng.standard_normal((5, 7))
    G = two_sided_approximation(A, X, Y).pseudo_inverse @ np.eye(M)
    np.testing.assert_allclose(G, np.linalg.pinv(A), atol=1e-11)
    for kind in ("coordinates", "gaussian"):
        found = two_sided_approximation(A, *sides(kind)[:2])
        G = found.pseudo_inverse @ np.eye(M)
        assert found.left.shape == (M, 5)
        np.testing.assert_allclose(A @ G @ A, A, atol=1e-10)
        np.testing.assert_allclose(G @ A @ G, G, atol=1e-9)
        assert np.abs(G - np.linalg.pinv(A)).max() > 1e-3  # another one


def test_with_singular_vectors_it_is_the_truncated_svd():
    """The meta-factorization of the SVD."""
    A, U, V = with_singular_values(1 / np.arange(1, N + 1))
    found = two_sided_approximation(A, V[:, :6], U[:, :6])
    np.testing.assert_allclose(
        found.left @ found.right, (U[:, :6] / np.arange(1, 7)) @ V[:, :6].T, atol=1e-13
    )


@pytest.mark.parametrize("kind", ["arrays", "coordinates", "gaussian"])
def test_an_ill_conditioned_core_does_no_harm(kind):
    """A pseudo-inverse that is formed and multiplied: singular values down to 1e-30, and a full core.

    The inverse of the core loses all digits (it is asserted that it does), the factors few.
    """
    A, _, _ = with_singular_values(0.05 ** np.arange(N))
    rng = np.random.default_rng(0)
    if kind == "coordinates":
        X, Y = np.arange(40), np.arange(60)
    elif kind == "gaussian":
        X, Y = Gaussian().operator(40, N, 0).T, Gaussian().operator(60, M, 1).T
    else:
        X, Y = rng.standard_normal((N, 40)), rng.standard_normal((M, 60))
    found = two_sided_approximation(A, X, Y)
    assert np.abs(found.left @ found.right - A).max() < 1e-12
    if kind == "arrays":
        core = Y.T @ A @ X
        U = np.linalg.pinv(core, rcond=1e-20)
        assert np.abs(A @ X @ U @ (Y.T @ A) - A).max() > 1e-6


def test_gaussian_sketches_have_the_error_of_theory(seed):
    """A core that is too small: the mean squared error is the theorem's product at most.

    Of 3,000 draws the squared error is .55 of the bound on average and 1.17 at most.
    """
    s = 1 / np.arange(1, N + 1)
    A, _, _ = with_singular_values(s)
    X, Y = Gaussian().operator(12, N, seed).T, Gaussian().operator(24, M, seed + 1000).T
    found = two_sided_approximation(A, X, Y)
    square = np.linalg.norm(found.left @ found.right - A) ** 2
    bound = min((1 + 12 / 11) * (1 + k / (11 - k)) * np.sum(s[k:] ** 2) for k in range(1, 11))
    assert square < 2 * bound


def test_float32_and_threads():
    """Factors of another dtype than A, or bits that depend on the threads."""
    A, _, _ = with_singular_values(1 / np.arange(1, N + 1), m=3000)
    X, Y = np.arange(12), Gaussian().operator(18, 3000, 1).T
    one, two = (two_sided_approximation(A.astype(np.float32), X, Y, n_threads=t) for t in (1, 2))
    for a, b in zip(one[:5], two[:5], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.left.dtype == one.right.dtype == one.row_projector.dtype == np.float32
    assert (one.row_projector @ np.ones(N)).dtype == np.float32
    double = two_sided_approximation(A, X, Y)
    np.testing.assert_allclose(one.left @ one.right, double.left @ double.right, atol=1e-4)


def test_repeated_and_dependent_coordinates():
    """An index that is there twice; a core of lower rank; a matrix of zeros."""
    A, _, _ = with_singular_values(np.array([3.0, 2.0, 1.0]))
    J, I = np.array([4, 4, 7, 9, 11]), np.arange(8)  # noqa: E741
    found = two_sided_approximation(A, J, I)
    assert found.left.shape == (M, 3)
    np.testing.assert_allclose(found.left @ found.right, A, atol=1e-12)
    G = np.eye(N)[:, J] @ np.linalg.pinv(A[np.ix_(I, J)], rcond=1e-12) @ np.eye(M)[I]
    np.testing.assert_allclose(found.pseudo_inverse @ np.eye(M), G, atol=1e-11 * np.abs(G).max())
    nothing = two_sided_approximation(0 * A, J, I)
    assert nothing.left.shape == (M, 0)
    assert not (nothing.approximation @ np.ones(N)).any() and not (nothing.pseudo_inverse @ A).any()


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"X": np.ones((N + 1, 3))}, ValueError, "X must have as many rows as A has columns, 80"),
        ({"Y": np.ones((N, 3))}, ValueError, "Y must have as many rows as A has rows, 300"),
        ({"X": np.ones((N, 0))}, ValueError, "X must have as many rows"),
        ({"X": np.array([0, N])}, ValueError, "X must be columns of A, from 0 to 79; got 0..80"),
        ({"Y": np.array([-1, 3])}, ValueError, "Y must be rows of A, from 0 to 299; got -1..3"),
        ({"X": np.array([], dtype=int)}, ValueError, "got none"),
        ({"X": np.ones(N)}, TypeError, "one-dimensional X must hold integers"),
        ({"X": np.ones(N, dtype=bool)}, TypeError, "np.flatnonzero"),
        ({"X": Gaussian().operator(5, N, 0)}, ValueError, "pass its adjoint S.T"),
        ({"X": np.full((N, 2), np.nan)}, ValueError, "X contains NaN"),
        ({"A": np.full((M, N), np.inf)}, ValueError, "A contains"),
        ({"rcond": 1.0}, ValueError, "rcond must be in"),
        ({"rcond": "small"}, TypeError, "rcond must be None or a float"),
    ],
)
def test_bad_input(change, error, message):
    """An error that does not say which argument it was."""
    arguments = {"A": np.ones((M, N)), "X": np.arange(3), "Y": np.arange(4)} | change
    rcond = arguments.pop("rcond", None)
    with pytest.raises(error, match=message):
        two_sided_approximation(*arguments.values(), rcond=rcond)


# -- CUR --------------------------------------------------------------------------------------

SIZES = [(10, 10), (14, 10), (10, 14)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
@pytest.mark.parametrize("form", FORMS)
def test_links(form, pivoting, size):
    """Factors that are not C U R with the U of the definition, or singular values in disorder."""
    A, _, _ = with_singular_values(1 / np.arange(1, N + 1))
    for linking in ("projection", "intersection"):
        found = cur_decomposition(FORMS[form](A), *size, linking=linking, pivoting=pivoting, rng=0)
        C, R = A[:, found.column_indices], A[found.row_indices]
        np.testing.assert_array_equal(found.columns, C)
        np.testing.assert_array_equal(found.rows, R)
        assert (C.shape[1], R.shape[0]) == size and found.n_passes == 4
        if linking == "projection":
            U = np.linalg.pinv(C) @ A @ np.linalg.pinv(R)
        else:
            U = np.linalg.pinv(A[np.ix_(found.row_indices, found.column_indices)])
        V = found.right_vectors
        np.testing.assert_allclose(C @ found.column_weights @ V, C @ U @ R, atol=1e-12)
        np.testing.assert_allclose(found.row_weights.T @ R, V, atol=1e-11)
        np.testing.assert_allclose(V @ V.T, np.eye(10), atol=1e-13)
        np.testing.assert_allclose(found.singular_values, linalg.svdvals(C @ U @ R)[:10], atol=1e-13)
        exact = [np.linalg.norm(A - C @ found.column_weights[:, :k] @ V[:k]) for k in range(1, 11)]
        np.testing.assert_allclose(found.errors, exact / np.linalg.norm(A), rtol=1e-10)


@pytest.mark.parametrize("size", SIZES)
def test_errors_are_near_the_best_ones(size, seed):
    """Rows that are taken independently of the columns: "intersection" then fails, by factors of 10 to 900.

    Over seeds 0-99 the error over that of the best approximation of rank 10 was at most 1.58 (projection) and
    2.02 (intersection); that of the sketch is at most 1.25 away from the best one.
    """
    s = 1 / np.arange(1, N + 1)
    A, _, _ = with_singular_values(s, seed=seed)
    best = np.linalg.norm(s[10:]) / np.linalg.norm(s)
    for linking, factor in (("projection", 1.8), ("intersection", 2.5)):
        found = cur_decomposition(A, *size, linking=linking, rng=seed)
        assert found.errors[-1] < factor * best
        assert 0.75 * best < found.best_errors[-1] < 1.25 * best


@pytest.mark.parametrize("linking", ["projection", "intersection"])
def test_the_intersection_is_never_singular(linking):
    """Columns and rows that do not meet: in a permutation they all are equally long."""
    A = np.eye(40)[np.random.default_rng(0).permutation(40)]
    found = cur_decomposition(A, 6, linking=linking, rng=0)
    assert np.linalg.matrix_rank(A[np.ix_(found.row_indices, found.column_indices)]) == 6
    np.testing.assert_allclose(found.errors, np.sqrt(1 - np.arange(1, 7) / 40))


def test_intersection_keeps_columns_and_rows():
    """A core of other rows or columns."""
    A, _, _ = with_singular_values(1 / np.arange(1, N + 1))
    found = cur_decomposition(A, 10, linking="intersection", rng=0)
    A_hat = found.columns @ found.column_weights @ found.right_vectors
    np.testing.assert_allclose(A_hat[:, found.column_indices], found.columns, atol=1e-13)
    np.testing.assert_allclose(A_hat[found.row_indices], found.rows, atol=1e-13)


@pytest.mark.parametrize("linking", ["projection", "intersection"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_steep_decay(dtype, linking, seed):
    """An error that floors at sqrt(eps), or links that lose digits to an ill-conditioned core.

    Probed errors of the worst residual, of rank one, are as a chi-squared variable with 10 degrees of
    freedom, over 10: below 1/36 with probability 4e-7.
    """
    A, _, _ = with_singular_values(0.3 ** np.arange(N))
    found = cur_decomposition(A.astype(dtype), 30, linking=linking, rng=seed)
    C = A.astype(dtype).astype(np.float64)[:, found.column_indices]
    exact = [
        np.linalg.norm(A - (C @ found.column_weights[:, :k]) @ found.right_vectors[:k].astype(np.float64))
        / np.linalg.norm(A)
        for k in range(1, len(found.errors) + 1)
    ]
    assert exact[-1] < (2e-4 if dtype == np.float32 else 1e-12)
    ratio = found.errors / exact
    assert ratio.min() > 1 / 6 and ratio.max() < 6
    assert np.abs(found.column_weights).max() < 20


def test_bits_do_not_depend_on_threads_and_float32_stays():
    """Sums, or LAPACK, in the order of the threads."""
    A, _, _ = with_singular_values(1 / np.arange(1, N + 1), m=3000)
    for linking in ("projection", "intersection"):
        one, two = (
            cur_decomposition(A.astype(np.float32), 9, 12, linking=linking, rng=0, n_threads=t)
            for t in (1, 2)
        )
        for a, b in zip(one, two, strict=True):
            np.testing.assert_array_equal(a, b)
        assert {x.dtype for x in one[2:8]} == {np.dtype(np.float32)}


@pytest.mark.parametrize("linking", ["projection", "intersection"])
def test_low_rank_is_found(linking):
    """Columns of rounding errors."""
    A, _, _ = with_singular_values(np.array([3.0, 2.0, 1.0]))
    found = cur_decomposition(A, 10, 8, linking=linking, rng=0)
    assert len(found.column_indices) == len(found.row_indices) == len(found.errors) == 3
    assert np.finfo(float).eps <= found.errors[-1] < 1e-14
    assert found.errors[0] == pytest.approx(np.sqrt(5 / 14), rel=0.2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"n_columns": 0}, ValueError, "n_columns must be at least 1"),
        ({"n_rows": 81}, ValueError, "n_rows must be at most 80"),
        ({"n_columns": 2.0}, TypeError, "n_columns must be an int"),
        ({"linking": "best"}, ValueError, "linking must be one of"),
        ({"pivoting": "svd"}, ValueError, "pivoting must be one of"),
        ({"sketch": "gauss"}, ValueError, "Unknown sketch"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples must be at least 0"),
        ({"max_memory": 20_000}, ValueError, "sketch of 14 x 80"),
        ({"max_memory": 10_000, "n_oversamples": 0}, ValueError, "Pivoting on 4 vectors of 300 entries"),
        ({"A": np.zeros((M, N))}, ValueError, "A is zero everywhere"),
        ({"A": np.full((M, N), np.nan)}, ValueError, "A contains NaN"),
    ],
)
def test_bad_input_of_cur(change, error, message):
    """An error that does not say which argument it was."""
    arguments = {"A": np.eye(M, N), "n_columns": 4} | change
    with pytest.raises(error, match=message):
        cur_decomposition(arguments.pop("A"), arguments.pop("n_columns"), **arguments)
