"""leave_one_out against leaving out every row in turn, with LAPACK's least squares."""

import numpy as np
import pytest
from scipy import linalg, sparse
from threadpoolctl import threadpool_limits

from sklr.linalg import (
    RowChunks,
    as_operand,
    centered,
    leave_one_out,
    ridge,
    ridge_left_out,
    row_weighted,
)

EPS = np.finfo(float).eps
ALPHAS = np.array([1e-3, 0.5, 20.0])
SHAPES = [(25, 6), (6, 25), (12, 12), (2, 1), (2, 3), (13, 12)]
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")


def means(X, weight, has_intercept):
    return np.average(X, axis=0, weights=weight) if has_intercept else np.zeros(X.shape[1])


@one_blas_thread
def predicted(X, Y, alpha, weight, has_intercept, x):
    """What a regression on X, Y predicts at x: least squares of [X; sqrt(alpha) I], of least norm."""
    x_mean, y_mean = (means(Z, weight, has_intercept) for Z in (X, Y))
    root, n = np.sqrt(weight)[:, None], X.shape[1]
    rows = np.vstack([root * (X - x_mean), np.sqrt(alpha) * np.eye(n)])
    right = np.vstack([root * (Y - y_mean), np.zeros((n, Y.shape[1]))])
    return y_mean + (x - x_mean) @ linalg.lstsq(rows, right, cond=30 * EPS)[0]


def brute_force(X, Y, alphas, weight, has_intercept):
    """Residuals of shape (a, rows with a weight, t)."""
    kept = np.flatnonzero(weight)
    found = np.empty((len(alphas), len(kept), Y.shape[1]))
    for a, alpha in enumerate(alphas):
        for j, i in enumerate(kept):
            rest = kept[kept != i]
            fit = X[rest], Y[rest], alpha, weight[rest], has_intercept
            found[a, j] = Y[i] - predicted(*fit, X[i])
    return found


def problem(shape, has_intercept=False, weight=None, t=2, seed=0):
    """``(X, Y, weight)``; with means far from zero for an intercept."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal(shape) * np.linspace(0.5, 3, shape[1]) + 2 * has_intercept
    Y = X @ rng.standard_normal((shape[1], t)) + rng.standard_normal((shape[0], t)) + 3 * has_intercept
    weights = np.ones(shape[0])
    if weight is not None:
        weights = rng.uniform(0.2, 3, shape[0])
        if weight == "some zero" and shape[0] > 4:
            weights[1::4] = 0
    return X, Y, weights


def score(X, Y, alphas, weight=None, has_intercept=False, form=np.asarray, gram=None, **options):
    """`leave_one_out` of data that are centred and weighted here as the estimators do it."""
    unit = np.ones(len(X)) if weight is None else weight
    A, B = as_operand(form(X)), np.asarray(Y, dtype=np.float64)
    if has_intercept:
        A, B = centered(A, means(X, unit, True)), B - means(B, unit, True)
    if weight is not None:
        root = np.sqrt(weight)
        A, B = row_weighted(A, root), root[:, None] * B
        options["root_weight"] = root
    if gram is not None:
        options["gram"] = gram(A)
    return leave_one_out(A, B, alphas, has_intercept=has_intercept, **options)


# -- the right answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [None, "positive", "some zero"])
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_leaving_out(shape, has_intercept, weight):
    """A leverage without that of the intercept or a weight, residuals in weighted units, lost rows."""
    X, Y, weights = problem(shape, has_intercept, weight)
    found = score(X, Y, ALPHAS, None if weight is None else weights, has_intercept)
    expected = brute_force(X, Y, ALPHAS, weights, has_intercept)
    np.testing.assert_allclose(found.residuals, expected, rtol=1e-8, atol=1e-8)
    assert found.lowest_alpha == 0 and found.member_squares is None


FORMS = {
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 3)), X.shape, X.dtype),
    "fortran": np.asfortranarray,
    "float32": lambda X: X.astype(np.float32),
}


@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", [(25, 6), (6, 25)])
@pytest.mark.parametrize("form", FORMS)
def test_containers(form, shape, has_intercept):
    """Pieces of rows that are written to other rows; residuals of float32 data in float32."""
    X, Y, weights = problem(shape, has_intercept, "some zero")
    X = np.where(np.abs(X) < 1, 0, X).astype(np.float32).astype(np.float64)
    found = score(X, Y, ALPHAS, weights, has_intercept, FORMS[form])
    expected = brute_force(X, Y, ALPHAS, weights, has_intercept)
    tol = 1e-5 if form == "float32" else 1e-8  # means and weights are rounded to float32
    np.testing.assert_allclose(found.residuals, expected, rtol=tol, atol=tol)
    assert found.residuals.dtype == np.float64


@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", [(25, 6), (6, 25)])
def test_alpha_zero(shape, has_intercept):
    """0 / 0 where all rows are interpolated: without a row, the fit is that of least norm."""
    X, Y, weights = problem(shape, has_intercept, "positive")
    found = score(X, Y, [0.0], weights, has_intercept)
    expected = brute_force(X, Y, [0.0], weights, has_intercept)
    np.testing.assert_allclose(found.residuals, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(300, 6), (12, 500)])
def test_many_pieces(shape):
    """Residuals of one piece of rows for another, or a Gram matrix of the wrong axis."""
    X, Y, weights = problem(shape, True, "positive", seed=3)
    found = score(X, Y, [0.7], weights, True)
    expected = brute_force(X, Y, [0.7], weights, True)
    np.testing.assert_allclose(found.residuals, expected, rtol=1e-8, atol=1e-8)


def test_one_target():
    """A vector that is taken for many targets."""
    X, Y, _ = problem((25, 6))
    found = leave_one_out(X, Y[:, 0], ALPHAS)
    np.testing.assert_array_equal(found.residuals, leave_one_out(X, Y[:, :1], ALPHAS).residuals)
    assert found.residuals.shape == (3, 25, 1)


@pytest.mark.parametrize("weight", [None, "some zero"])
@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", [(25, 6), (6, 25), (12, 12)])
def test_degrees_of_freedom(shape, has_intercept, weight):
    """A trace that counts the intercept, rows without a weight, or the directions of neither."""
    X, Y, weights = problem(shape, has_intercept, weight)
    found = score(X, Y, ALPHAS, None if weight is None else weights, has_intercept)
    A = np.sqrt(weights)[:, None] * (X - means(X, weights, has_intercept))
    expected = [np.trace(A @ linalg.solve(A.T @ A + a * np.eye(A.shape[1]), A.T)) for a in ALPHAS]
    np.testing.assert_allclose(found.degrees_of_freedom, expected, rtol=1e-9)


@pytest.mark.parametrize("shape", [(25, 6), (6, 25)])
def test_a_gram_matrix_that_is_known(shape):
    """One that is made again, is overwritten, or counts rows that were dropped."""
    X, Y, weights = problem(shape, True, "some zero")
    made = {}

    def gram(A):
        dense = A.toarray()
        made["gram"] = dense.T @ dense if shape[0] > shape[1] else dense @ dense.T
        made["before"], made["operand"], made["passes"] = made["gram"].copy(), A, A.n_passes
        return made["gram"]

    found = score(X, Y, ALPHAS, weights, True, gram=gram)
    np.testing.assert_array_equal(made["gram"], made["before"])
    expected = brute_force(X, Y, ALPHAS, weights, True)
    np.testing.assert_allclose(found.residuals, expected, rtol=1e-8, atol=1e-8)
    with_gram = made["operand"].n_passes - made["passes"]
    A = as_operand(X)
    leave_one_out(A, Y, ALPHAS)
    assert with_gram == A.n_passes - 1


@pytest.mark.parametrize("shape", [(40, 9), (9, 40)])
@pytest.mark.parametrize("alpha", [0.0, 0.3, (5.0, 0.0, 0.3)])
@pytest.mark.parametrize("solver", ["cholesky", "eigh", "auto"])
def test_ridge_with_a_gram_matrix(solver, alpha, shape):
    """A Gram matrix that is overwritten, scaled twice, or not used at all."""
    X, Y, _ = problem(shape, t=3)
    gram = X.T @ X if shape[0] > shape[1] else X @ X.T
    before, plain, known = gram.copy(), as_operand(X), as_operand(X)
    expected = ridge(plain, Y, alpha, solver=solver)
    found = ridge(known, Y, alpha, solver=solver, gram=gram)
    np.testing.assert_allclose(found.coef, expected.coef, rtol=1e-9, atol=1e-10)
    np.testing.assert_array_equal(gram, before)
    if found.solver == expected.solver != "exact":
        assert found.n_passes == expected.n_passes - 1
    with pytest.raises(ValueError, match=r"gram must have shape \(9, 9\), got \(3, 3\)"):
        ridge(X, Y, alpha, gram=np.eye(3))


# -- what has no answer, or a hard one ----------------------------------------------------------------


@pytest.mark.parametrize("has_intercept", [False, True])
def test_singular_values_that_squares_do_not_hold(has_intercept, matrix):
    """Residuals of rounding errors: the Gram matrix knows nothing of singular values of 1e-9."""
    X = matrix(60, 6, np.geomspace(1, 1e-9, 6))
    X = X - X.mean(axis=0) if has_intercept else X
    Y = np.random.default_rng(0).standard_normal((60, 2))
    expected = brute_force(X, Y, [0.0], np.ones(60), has_intercept)
    found = score(X, Y, [0.0], has_intercept=has_intercept)
    np.testing.assert_allclose(found.residuals, expected, rtol=1e-5, atol=1e-5)
    assert found.lowest_alpha == 0
    assert found.degrees_of_freedom[0] == pytest.approx(6)
    rough = score(X, Y, [0.0, 1.0], has_intercept=has_intercept, max_memory=5000)
    assert 0 < rough.lowest_alpha < 1e-10
    assert np.max(np.abs(rough.residuals[0] - expected[0])) > 1e-3  # or the test shows nothing
    told = brute_force(X, Y, [rough.lowest_alpha, 1.0], np.ones(60), has_intercept)
    np.testing.assert_allclose(rough.residuals, told, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("alpha", [0.0, 1e-16, 1e-10])
@pytest.mark.parametrize("condition", [1e3, 1e6])
def test_limits_of_wide_matrices(condition, alpha, matrix):
    """A small alpha in place of a smaller one, where that matters, without a word."""
    A = matrix(10, 40, np.geomspace(1, 1 / condition, 10))
    Y = np.random.default_rng(0).standard_normal((10, 2))
    found = leave_one_out(A, Y, [alpha])
    expected = brute_force(A, Y, [max(alpha, found.lowest_alpha)], np.ones(10), False)
    np.testing.assert_allclose(found.residuals, expected, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_columns_that_repeat(shape, has_intercept):
    """A singular value of rounding that is inverted, for alpha = 0 and for a tiny one."""
    X, Y, weights = problem(shape, has_intercept)
    X[:, -3:] = X[:, :3]
    for alpha in (0.0, 1e-9):
        found = score(X, Y, [alpha], has_intercept=has_intercept)
        expected = brute_force(X, Y, [alpha], weights, has_intercept)
        np.testing.assert_allclose(found.residuals, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("has_intercept", [False, True])
@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (4, 4)])
def test_a_matrix_of_zeros(shape, has_intercept):
    """A division by the largest eigenvalue: the mean of the other rows is all that is known."""
    Y = np.random.default_rng(0).standard_normal((shape[0], 2))
    found = score(np.zeros(shape), Y, [0.0, 1.0], has_intercept=has_intercept)
    expected = brute_force(np.zeros(shape), Y, [0.0, 1.0], np.ones(shape[0]), has_intercept)
    np.testing.assert_allclose(found.residuals, expected, rtol=1e-12)
    np.testing.assert_allclose(found.degrees_of_freedom, 0, atol=1e-12)


def test_rows_that_are_alone():
    """0 / 0, a number of rounding errors, for a row that alone has a feature and takes all of it."""
    X, Y, _ = problem((20, 4))
    X[:, 3] = 0
    X[5] = 0
    X[5, 3] = 2.0
    found = leave_one_out(X, Y, [0.0, 1.0])
    assert np.isnan(found.residuals[0, 5]).all()
    assert np.isfinite(np.delete(found.residuals[0], 5, axis=0)).all()
    np.testing.assert_allclose(found.residuals[1, 5], Y[5], rtol=1e-9)  # predicted by nothing but 0


def test_the_same_bits_on_any_number_of_threads(at_any_threads):
    """Leverages or residuals whose sums depend on the threads."""
    for shape in ((3000, 40), (40, 3000)):
        X, Y, _ = problem(shape)
        one, two = at_any_threads(lambda n, X=X, Y=Y: leave_one_out(X, Y, ALPHAS, n_threads=n))
        np.testing.assert_array_equal(one.residuals, two.residuals)
        np.testing.assert_array_equal(one.degrees_of_freedom, two.degrees_of_freedom)


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Y": np.ones(7)}, r"Y must have shape \(8,\) or \(8, t\), got \(7,\)"),
        ({"Y": np.ones((8, 0))}, r"Y must have shape"),
        ({"Y": np.full(8, np.nan)}, "Y contains NaN"),
        ({"alphas": []}, "alphas must be one or more finite numbers"),
        ({"alphas": [-1.0]}, "alphas must be one or more finite numbers of at least 0"),
        ({"alphas": [np.nan]}, "alphas must be one or more"),
        ({"alphas": [[1.0]]}, "alphas must be one or more"),
        ({"root_weight": np.ones(7)}, r"root_weight must have shape \(8,\), got \(7,\)"),
        ({"root_weight": np.arange(8) == 3}, "takes at least 2 of them with a weight, got 1 sample"),
        ({"A": np.ones((1, 3)), "Y": np.ones(1)}, "at least 2 of them with a weight, got 1 sample"),
        ({"max_memory": 200}, "residuals of all rows.* would need .* max_memory=256"),
        ({"max_memory": 300}, "An eigendecomposition would need .* max_memory=360"),
        ({"A": np.full((8, 3), np.nan)}, "A contains NaN"),
    ],
)
def test_bad_input(changes, message):
    """Rows that are dropped, or an error that names neither the array nor the remedy."""
    arguments = {"A": np.ones((8, 3)), "Y": np.ones(8), "alphas": [0.1, 1.0]} | changes
    with pytest.raises(ValueError, match=message):
        leave_one_out(**arguments)


@pytest.mark.parametrize("unit", [1.0, 1e-30, 1e30])
def test_leverages_in_single_precision_are_not_seen(unit, monkeypatch):
    """Residuals with the digits of float32, or rows of high leverage that are not computed again."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20_000, 120)) * unit
    A[:4] *= np.array([[40.0], [30.0], [20.0], [10.0]])
    A -= A.mean(axis=0)
    Y = rng.standard_normal((20_000, 2))
    Y -= Y.mean(axis=0)
    alphas = np.array([1.0, 1e4]) * unit**2
    taken = []
    single = ridge_left_out._left_out_by_single
    monkeypatch.setattr(ridge_left_out, "_left_out_by_single", lambda *args: taken.append(1) or single(*args))
    found = leave_one_out(A, Y, alphas, has_intercept=True)
    assert taken
    for i, alpha in enumerate(alphas):
        inverse = np.linalg.inv(A.T @ A / unit**2 + alpha / unit**2 * np.eye(120)) / unit**2
        left = 1 - np.einsum("ij,jk,ik->i", A, inverse, A, optimize=True) - 1 / len(A)
        expected = (Y - A @ (inverse @ (A.T @ Y))) / left[:, None]
        # Of a residual: those that are next to nothing have the rounding of the fitted values.
        assert np.max(np.abs(found.residuals[i] - expected) / (np.abs(expected) + 1e-5)) < 1e-7
        assert left.min() < 0.8
