"""Ridge regression: every solver against LAPACK, what each must refuse, and honest residuals."""

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, sparse
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from sklr._backend import Operand
from sklr.linalg import (
    RidgePrecisionError,
    RowChunks,
    _ridge_factors,
    centered,
    ridge,
    ridge_plan,
    row_weighted,
)
from sklr.linalg.plan import MAX_MEMORY
from sklr.linalg.ridge_plan import SOLVERS, plan_ridge

EPS = np.finfo(float).eps
DIRECT = ("cholesky", "eigh", "exact")
one_blas_thread = threadpool_limits.wrap(limits=1, user_api="blas")


@one_blas_thread
def lapack(X, Y, alpha):
    """The coefficients by LAPACK's least squares of [X; sqrt(alpha) I], target by target."""
    X, Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
    n = X.shape[1]
    columns = []
    for y, a in zip(Y.T, np.broadcast_to(alpha, Y.shape[1:]), strict=True):
        rows, right = (X, y) if a == 0 else (np.vstack([X, math.sqrt(a) * np.eye(n)]), np.r_[y, np.zeros(n)])
        columns.append(linalg.lstsq(rows, right, cond=30 * EPS)[0])
    return np.array(columns).T


@one_blas_thread
def residual_of(X, Y, alpha, B):
    """||X^T (y - X b) - alpha b|| / ||X^T y|| by NumPy."""
    X = np.asarray(X, dtype=np.float64)
    g = X.T @ (Y - X @ B) - alpha * B
    return np.linalg.norm(g, axis=0) / np.linalg.norm(X.T @ Y, axis=0)


@one_blas_thread
def problem(X, t=3, noise=0.5, seed=1):
    """Targets X B + noise with coefficients of about one."""
    rng = np.random.default_rng(seed)
    n = X.shape[1]
    signal = np.asarray(X, dtype=np.float64) @ rng.standard_normal((n, t))
    return signal + noise * np.linalg.norm(signal, axis=0) / math.sqrt(len(X)) * rng.standard_normal(
        signal.shape
    )


def worst(found, expected):
    """Largest relative error of the coefficients of a target."""
    found, expected = (np.asarray(B, dtype=np.float64) for B in (found, expected))
    return np.max(np.linalg.norm(found - expected, axis=0) / np.linalg.norm(expected, axis=0))


# -- the right answer ---------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [0.0, 0.3, (5.0, 0.0, 0.3)])
def test_equal_to_lapack_from_every_container(solver, alpha, contained, matrix):
    """A container whose products are wrong, an alpha that is forgotten or is given to the wrong target."""
    X = matrix(1200, 30, np.geomspace(3, 0.1, 30))
    Y = problem(X)
    result = ridge(contained(X), Y, alpha, solver=solver, rng=0)
    assert worst(result.coef, lapack(X, Y, alpha)) < 2e-7
    assert result.converged and result.solver == solver
    assert result.coef.shape == (30, 3) and result.coef.dtype == np.float64
    if solver != "iterative":
        assert worst(result.coef, lapack(X, Y, alpha)) < 1e-10


@pytest.mark.parametrize("solver", DIRECT)
@pytest.mark.parametrize("alpha", [0.0, 0.3, (5.0, 0.0, 0.3)])
@pytest.mark.parametrize("shape", [(30, 90), (40, 40), (1, 5), (5, 1), (1, 1)])
def test_wide_and_square(solver, alpha, shape, matrix):
    """The dual form taken for the primal one, or its coefficients not those of least norm."""
    X = matrix(*shape, np.geomspace(3, 0.1, min(shape)))
    Y = problem(X)
    result = ridge(X, Y, alpha, solver=solver)
    assert worst(result.coef, lapack(X, Y, alpha)) < 1e-9
    assert result.converged


@pytest.mark.parametrize("solver", DIRECT)
def test_wide_from_every_container(solver, contained, matrix):
    """A transposed container whose tiles are taken along the wrong axis."""
    X = matrix(40, 130, np.geomspace(3, 0.1, 40))
    Y = problem(X)
    if contained.kind.endswith("chunks") and solver != "exact":
        with pytest.raises(ValueError, match="cannot be swept by columns"):
            ridge(contained(X), Y, 0.3, solver=solver)
        return
    assert worst(ridge(contained(X), Y, 0.3, solver=solver).coef, lapack(X, Y, 0.3)) < 1e-10


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("center", [False, True])
def test_centred_and_weighted_operands(solver, center, matrix):
    """Sparse data that are shifted or scaled as they are loaded, in a verb that forgets it."""
    rng = np.random.default_rng(0)
    X = sparse.random(900, 20, density=0.2, format="csr", random_state=0)
    D = X.toarray()
    root = np.sqrt(rng.uniform(0.1, 2, 900))
    mean = D.mean(axis=0)
    A, D = (centered(X, mean), D - mean) if center else (row_weighted(X, root), root[:, None] * D)
    Y = problem(D)
    assert worst(ridge(A, Y, 0.1, solver=solver, rng=0).coef, lapack(D, Y, 0.1)) < 1e-7


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [1e-12, 1e-6, 1e6, 1e100])
def test_tiny_and_huge_alpha(solver, alpha, matrix):
    """An alpha that is lost beside the squares, or that swallows them."""
    X = matrix(800, 15, np.geomspace(2, 0.2, 15))
    Y = problem(X)
    result = ridge(X, Y, alpha, solver=solver, rng=0)
    assert result.converged
    expected = lapack(X, Y, alpha) if alpha < 1e100 else X.T @ Y / alpha
    assert worst(result.coef, expected) < 2e-7
    assert np.all(result.residual < 1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
def test_one_target_may_be_a_vector(solver, matrix):
    """A column returned for a vector, or the other way round."""
    X = matrix(400, 8, np.ones(8))
    y = problem(X)[:, 0]
    single, column = ridge(X, y, 1.0, solver=solver, rng=0), ridge(X, y[:, None], 1.0, solver=solver, rng=0)
    assert single.coef.shape == (8,) and column.coef.shape == (8, 1)
    np.testing.assert_array_equal(single.coef, column.coef[:, 0])
    assert single.residual.shape == (1,)


@pytest.mark.parametrize("shape", [(700, 25), (25, 70)])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 50.0])
def test_equal_to_scikit_learn(shape, alpha):
    """Another alpha than scikit-learn's, such as one divided by the number of rows."""
    rng = np.random.default_rng(3)
    X, Y = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
    expected = Ridge(alpha=alpha, fit_intercept=False, solver="svd").fit(X, Y).coef_.T
    assert worst(ridge(X, Y, alpha).coef, expected) < 1e-8


@pytest.mark.parametrize("shape", [(300, 30), (30, 300)])
def test_cholesky_is_corrected_with_the_data(shape, matrix):
    """Coefficients with the error of the Gram matrix, eps times the square of the condition number."""
    X = matrix(*shape, np.geomspace(1, 2e-6, 30))
    Y = problem(X, noise=1e-3)
    result = ridge(X, Y, 0.0, solver="cholesky")
    assert result.converged and result.n_iter >= 1
    expected = lapack(X, Y, 0.0)
    with threadpool_limits(1, user_api="blas"):
        G, H = (X.T @ X, X.T @ Y) if shape[0] > shape[1] else (X @ X.T, Y)
        uncorrected = linalg.solve(G, H, assume_a="pos")
    uncorrected = uncorrected if shape[0] > shape[1] else X.T @ uncorrected
    assert worst(uncorrected, expected) > 1e-6  # or the test shows nothing
    assert worst(result.coef, expected) < 1e-8


# -- rank ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["eigh", "iterative", "exact", "auto"])
@pytest.mark.parametrize("shape", [(900, 30), (30, 90)])
def test_least_norm_where_the_rank_is_deficient(solver, shape, matrix):
    """A solution with a part in the null space, or a singular value of rounding inverted."""
    X = matrix(*shape, np.geomspace(3, 0.3, 20))
    Y = problem(X)
    if solver == "iterative" and shape[0] < shape[1]:
        pytest.skip("iterative is for tall matrices")
    result = ridge(X, Y, 0.0, solver=solver, rng=0)
    assert worst(result.coef, lapack(X, Y, 0.0)) < 1e-7
    assert result.converged
    assert result.solver != "cholesky"


@pytest.mark.parametrize("shape", [(900, 30), (30, 90)])
@pytest.mark.parametrize("alpha", [0.0, 1e-18])
def test_cholesky_refuses_what_squares_cannot_hold(shape, alpha, matrix):
    """A factor of rounding errors that is taken for one of the matrix."""
    for spectrum in (np.ones(20), np.geomspace(1, 1e-9, 30)):
        X = matrix(*shape, spectrum)
        with pytest.raises(RidgePrecisionError, match="singular to working accuracy.*solver='iterative'"):
            ridge(X, problem(X), alpha, solver="cholesky")


@pytest.mark.parametrize("solver", SOLVERS)
def test_columns_of_zeros_and_equal_columns(solver):
    """A division by the length of a column; weight on one of two equal columns only."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 6))
    X[:, 2] = 0
    Y = problem(X)
    coef = ridge(X, Y, 0.0, solver=solver, rng=0).coef
    assert np.all(np.abs(coef[2]) < 1e-12)
    assert worst(coef, lapack(X, Y, 0.0)) < 1e-7
    X[:, 4] = X[:, 5]
    if solver == "cholesky":
        with pytest.raises(RidgePrecisionError):
            ridge(X, Y, 0.0, solver=solver)
    else:
        assert worst(ridge(X, Y, 0.0, solver=solver, rng=0).coef, lapack(X, Y, 0.0)) < 1e-7
    assert worst(ridge(X, Y, 2.0, solver=solver, rng=0).coef, lapack(X, Y, 2.0)) < 1e-7


def test_named_eigh_says_where_its_cut_matters(matrix):
    """Singular values that the Gram matrix does not hold dropped without a word."""
    for last in (1e-9, 3e-8):
        X = matrix(400, 10, np.r_[np.ones(9), last])
        Y = problem(X) + 1e3 * linalg.svd(X, full_matrices=False)[0][:, -1:]
        result = ridge(X, Y, 0.0, solver="eigh")
        assert worst(result.coef, lapack(X, Y, 0.0)) > 0.1  # or the test shows nothing
        assert not result.converged
        np.testing.assert_allclose(result.residual, residual_of(X, Y, 0.0, result.coef), rtol=1e-3)


# -- stability ----------------------------------------------------------------------------------------


@one_blas_thread
def naive_sketch_and_precondition(X, y, steps=60):
    """LSQR on X R^-1 from zero, with R of a Gaussian sketch: what stalls, as a reference."""
    rng = np.random.default_rng(0)
    m, n = X.shape
    R = linalg.qr(rng.standard_normal((4 * n, m)) @ X, mode="r")[0][:n]
    solve = linalg.solve_triangular
    op = sparse.linalg.LinearOperator(
        X.shape,
        matvec=lambda v: X @ solve(R, v.ravel()),
        rmatvec=lambda u: solve(R, X.T @ u.ravel(), trans="T"),
    )
    return solve(R, sparse.linalg.lsqr(op, y, atol=0, btol=0, conlim=0, iter_lim=steps)[0])


@pytest.mark.parametrize("condition", [1e10, 1e14])
@pytest.mark.parametrize("noise", [1e-3, 1e-9])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_iterative_is_as_good_as_lapack_where_others_stall(condition, noise, form, matrix):
    """A recursion that is believed, a gradient from A^T Y - (A^T A) B, one round of refinement too few."""
    X = matrix(4000, 50, np.geomspace(1, 1 / condition, 50))
    rng = np.random.default_rng(5)
    signal = X @ rng.standard_normal(50)
    y = signal + noise * np.linalg.norm(signal) / math.sqrt(4000) * rng.standard_normal(4000)

    def length(b):
        # Coefficients are large: a residual that is computed in float64 has an error of 1e-6 and more.
        return float(np.linalg.norm(y.astype(np.longdouble) - X.astype(np.longdouble) @ b))

    with threadpool_limits(1, user_api="blas"):
        best = min(length(linalg.lstsq(X, y, lapack_driver=driver)[0]) for driver in ("gelsd", "gelsy"))
    result = ridge(form(X), y, 0.0, solver="iterative", rng=0)
    assert result.converged
    assert length(result.coef) < best * (1 + 1e-6)
    if noise < 1e-6:
        assert length(naive_sketch_and_precondition(X, y)) > 1.5 * best


@pytest.mark.parametrize("condition", [1e8, 1e12])
def test_auto_goes_on_where_cholesky_is_refused(condition, matrix):
    """A wrong answer of the cheapest solver, or an error where another solver has the answer."""
    X = matrix(4000, 50, np.geomspace(1, 1 / condition, 50))
    Y = problem(X, noise=1e-4)
    assert plan_ridge(X, 3).solver == "cholesky"
    result = ridge(X, Y, 0.0, rng=0)
    assert result.solver in ("iterative", "exact") and result.converged
    best = np.linalg.norm(Y - X @ lapack(X, Y, 0.0), axis=0)
    assert np.all(np.linalg.norm(Y - X @ result.coef, axis=0) < best * (1 + 1e-6))


def test_auto_has_eigh_for_last(matrix):
    """No answer where there is memory for the Gram matrix only, or a refusal that is not passed on."""
    X = matrix(3000, 30, np.geomspace(3, 0.3, 20))
    Y = problem(X)
    plan = plan_ridge(X, 3)
    room = plan.memory["eigh"]
    assert room < min(plan.memory["iterative"], plan.memory["exact"])
    result = ridge(X, Y, 0.0, max_memory=room)
    assert result.solver == "eigh" and result.converged
    assert worst(result.coef, lapack(X, Y, 0.0)) < 1e-8
    if plan.memory["cholesky"] < room:
        result = ridge(X, Y, 0.0, max_memory=plan.memory["cholesky"])
        assert result.solver == "iterative" and worst(result.coef, lapack(X, Y, 0.0)) < 1e-6


@pytest.mark.parametrize("shape", [(60, 200), (200, 60), (80, 80)])
def test_iteration_without_a_sketch_of_the_whole(shape, contained, matrix):
    """The dual form taken for the primal one, a preconditioner of other targets, a bound that is none."""
    X = matrix(*shape, np.geomspace(10, 1e-3, 60))
    Y, alpha = problem(X), np.array([1e-4, 0.3, 50.0])
    plan = plan_ridge(X, 3, 3)
    assert plan.preconditioner == "nystrom" and plan.sketch_size == min(shape) // 4
    result = ridge(contained(X), Y, alpha, solver="iterative", rng=0)
    assert result.converged and result.solver == "iterative"
    expected = lapack(X, Y, alpha)
    for j, error in enumerate((result.coef - expected).T):
        energy = np.linalg.norm(X @ error) ** 2 + alpha[j] * error @ error
        whole = np.linalg.norm(X @ expected[:, j]) ** 2 + alpha[j] * expected[:, j] @ expected[:, j]
        assert np.sqrt(energy) <= 1e-8 * np.sqrt(whole)
    assert np.all(result.residual <= 1e-8)


@pytest.mark.parametrize("shape", [(60, 200), (200, 60)])
@pytest.mark.parametrize("alpha", [0.0, 1e-2])
def test_iteration_in_float32_is_refined(alpha, shape, matrix):
    """Products in float32 whose errors stay in the coefficients."""
    X = matrix(*shape, np.geomspace(10, 0.1, 60)).astype(np.float32)
    Y = problem(X)
    result = ridge(X, Y, alpha, solver="iterative", rng=0)
    assert result.converged and result.coef.dtype == np.float32
    assert worst(result.coef, lapack(X.astype(np.float64), Y, alpha)) < 1e-6


@pytest.mark.parametrize("scale", [0.0, 1.0])
def test_iteration_where_rows_contradict_each_other(scale):
    """Equations without a solution, of which a thousand steps make coefficients of 1e17."""
    rng = np.random.default_rng(0)
    X, Y = scale * rng.standard_normal((60, 400)), rng.standard_normal((60, 2))
    X[0] = X[1]
    result = ridge(X, Y, 0.0, solver="iterative", rng=0)
    assert result.converged and result.n_iter < 600
    assert np.max(np.abs(result.coef - lapack(X, Y, 0.0))) < 1e-6


def test_a_slow_iteration_gives_way(matrix, monkeypatch):
    """Thousands of steps, or no answer, where a factor was to be had."""
    X = matrix(300, 300, np.geomspace(1, 1e-3, 300))
    Y = problem(X)
    monkeypatch.setattr(ridge_plan._Problem, "_nystrom_cost", lambda *_: 1e-9)
    monkeypatch.setitem(ridge_plan._NYSTROM_STEPS, "other", 1)
    assert plan_ridge(X, 3).solver == "iterative"
    for alpha in (1e-6, 0.0):
        result = ridge(X, Y, alpha, rng=0)
        assert result.solver == "cholesky" and result.converged
        assert worst(result.coef, lapack(X, Y, alpha)) < 1e-6
    assert not ridge(X, Y, 1e-6, rng=0, solver="iterative", max_iter=3).converged


def test_rank_of_the_preconditioner_fits_the_memory():
    """No solver for a matrix of which a few vectors fit."""
    A = Described((2_000_000, 1_000_000), container="sparse", nnz=10**7)
    plan = plan_ridge(A)
    assert plan.solver == "iterative" and 0 < plan.sketch_size < 50
    assert plan.memory["iterative"] < MAX_MEMORY


def test_scales_of_columns_over_four_decades():
    """A criterion that looks at the long columns only."""
    rng = np.random.default_rng(0)
    X = sparse.random(5000, 40, density=0.1, format="csr", random_state=0)
    scale = np.geomspace(1e-2, 1e2, 40)
    X = (X @ sparse.diags_array(scale)).tocsr()
    y = X @ (rng.standard_normal(40) / scale) + rng.standard_normal(5000)
    expected = lapack(X.toarray(), y[:, None], 1.0)
    for solver in SOLVERS:
        coef = ridge(X, y[:, None], 1.0, solver=solver, rng=0).coef
        assert np.max(np.abs(coef - expected) / np.abs(expected)) < 1e-6
        assert worst(scale[:, None] * coef, scale[:, None] * expected) < 3e-8


# -- float32, ranges ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("condition", [3.0, 1e3])
def test_float32_stays_float32(solver, condition, matrix):
    """Coefficients with the error of a float32 Gram matrix, or in float64."""
    X = matrix(2000, 40, np.geomspace(1, 1 / condition, 40)).astype(np.float32)
    Y = problem(X, noise=0.01)
    result = ridge(X, Y.astype(np.float32), 0.0, solver=solver, rng=0)
    assert result.coef.dtype == np.float32
    assert result.converged
    expected = lapack(X, Y.astype(np.float32), 0.0)
    # `tol` is for predictions: coefficients may be worse by the condition number.
    assert worst(result.coef, expected) < 4 * np.finfo(np.float32).eps + condition * 1e-8
    assert np.all(result.residual < 1e-8)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("unit", [1e-300, 1e-20, 1e20, 1e300])
def test_scale_of_targets_is_of_no_account(solver, unit, matrix):
    """Squares of targets that underflow or overflow."""
    X = matrix(400, 6, np.geomspace(2, 1, 6))
    Y = problem(X)
    result = ridge(X, unit * Y, 0.5, solver=solver, rng=0)
    assert worst(result.coef / unit, lapack(X, Y, 0.5)) < 1e-7
    assert result.converged


@pytest.mark.parametrize("solver", SOLVERS)
def test_squares_of_the_matrix_out_of_range(solver, matrix):
    """Infinities or zeros from squares that leave the range; float32 that float64 would have saved."""
    X = matrix(400, 6, np.geomspace(2, 1, 6))
    Y = problem(X)
    with pytest.raises(ValueError, match=r"Divide .* by its largest entry"):
        ridge(1e200 * X, Y, 0.5, solver=solver, rng=0)
    small = (1e-18 * X).astype(np.float32)
    result = ridge(small, Y, 0.0, solver=solver, rng=0)
    assert worst(result.coef, lapack(small, Y, 0.0)) < 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_zeros(solver, alpha, matrix):
    """0 / 0 in a residual: zero targets, a zero matrix, targets orthogonal to the columns."""
    X = matrix(300, 5, np.ones(5))
    y = problem(X)[:, 0]
    result = ridge(X, np.c_[0 * y, y], alpha, solver=solver, rng=0)
    assert np.all(result.coef[:, 0] == 0) and result.residual[0] == 0 and result.converged
    zero = ridge(np.zeros((300, 5)), y, alpha, solver=solver, rng=0)
    assert np.all(zero.coef == 0) and zero.residual == 0 and zero.converged
    orthogonal = y - X @ lapack(X, y[:, None], 0.0)[:, 0]
    result = ridge(X, orthogonal, alpha, solver=solver, rng=0)
    assert np.linalg.norm(result.coef) < 1e-13 * np.linalg.norm(y) and result.converged


# -- what is reported ---------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(1000, 20), (20, 60)])
def test_residual_is_that_of_the_coefficients(solver, shape, matrix):
    """The residual of a recursion, or of another solution than is returned."""
    X = matrix(*shape, np.geomspace(1, 1e-3, 20))
    Y, alpha = problem(X), np.array([0.0, 1e-4, 0.1])
    result = ridge(X, Y, alpha, solver=solver, tol=1e-4, rng=0)
    true = residual_of(X, Y, alpha, result.coef)
    np.testing.assert_allclose(result.residual, true, rtol=1e-2, atol=1e-12)
    if solver == "iterative" and shape[0] > shape[1]:
        assert np.all(result.residual > 1e-10)  # more than was asked for would be waste


@pytest.mark.parametrize("max_iter", [1, 5])
def test_too_few_steps_are_admitted(max_iter, matrix):
    """A flag that says converged, steps beyond `max_iter`, a residual of the recursion."""
    X = matrix(2000, 40, np.geomspace(1, 1e-3, 40))
    Y = problem(X)
    result = ridge(X, Y, 0.0, solver="iterative", max_iter=max_iter, rng=0)
    assert not result.converged
    assert result.n_iter == max_iter
    assert np.all(result.residual > 1e-6)
    np.testing.assert_allclose(result.residual, residual_of(X, Y, 0.0, result.coef), rtol=1e-6)


def test_tolerance_is_met_and_saves_steps(matrix):
    """A tolerance that is not looked at; predictions or minimum worse than it promises."""
    X = matrix(3000, 40, np.geomspace(1, 1e-4, 40))
    Y = problem(X)
    best = lapack(X, Y, 0.0)
    least = np.linalg.norm(Y - X @ best, axis=0) ** 2
    steps = []
    for tol in (1e-2, 1e-5, 1e-9):
        result = ridge(X, Y, 0.0, solver="iterative", tol=tol, rng=0)
        E = result.coef - best
        assert np.all(np.linalg.norm(X @ E, axis=0) <= tol * np.linalg.norm(X @ best, axis=0))
        assert np.all(np.linalg.norm(Y - X @ result.coef, axis=0) ** 2 <= (1 + tol) * least)
        assert result.converged and np.all(result.residual <= tol)
        steps.append(result.n_iter)
    assert steps[0] < steps[1] < steps[2]


def test_residual_reaches_the_tolerance_too(matrix):
    """Predictions that are accurate with a residual that is not, because A^T y is small beside A and y."""
    X = matrix(3000, 40, np.geomspace(1, 1e-4, 40))
    U = linalg.svd(X, full_matrices=False)[0]
    y = U[:, -1] + 1e-2 * np.random.default_rng(0).standard_normal(3000)
    y -= U[:, :-1] @ (U[:, :-1].T @ y)
    result = ridge(X, y, 0.0, solver="iterative", tol=1e-6, rng=0)
    assert result.converged and result.residual[0] <= 1e-6
    assert residual_of(X, y[:, None], 0.0, result.coef[:, None])[0] <= 1e-6


@pytest.mark.parametrize("solver", SOLVERS)
def test_passes_are_counted(solver, matrix):
    """A pass over the data that is not counted."""
    X = matrix(600, 10, np.geomspace(1, 0.1, 10))
    swept = []

    def factory():
        swept.append(1)
        return (X[i : i + 100] for i in range(0, 600, 100))

    result = ridge(RowChunks(factory, X.shape), problem(X), 0.1, solver=solver, rng=0)
    assert result.n_passes == len(swept)
    assert result.n_passes <= 5 if solver != "iterative" else result.n_passes <= result.n_iter + 5


def test_callback(matrix):
    """Steps that are not told, or an error that does not fall to the tolerance."""
    X = matrix(2000, 30, np.geomspace(1, 1e-2, 30))
    told = []
    result = ridge(X, problem(X), 0.0, solver="iterative", rng=0, callback=lambda *args: told.append(args))
    assert len(told) == result.n_iter
    passes, errors = zip(*told, strict=True)
    assert list(passes) == sorted(set(passes)) and passes[-1] <= result.n_passes
    assert errors[-1] <= 1e-8 < errors[0]


# -- sketches, threads, memory ------------------------------------------------------------------------


@pytest.mark.parametrize("sketch", ["gaussian", "sparse_stack", "sparse_sign", "srtt", "rademacher"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_any_sketch_gives_the_answer(sketch, form, matrix):
    """A sketch of a sparse matrix that stays sparse where it is factored, a scale that is wrong."""
    X = matrix(1500, 20, np.geomspace(1, 1e-2, 20))
    Y = problem(X)
    result = ridge(form(X), Y, 0.01, sketch=sketch, rng=0)
    assert result.solver == "iterative" and result.converged
    assert result.n_iter < 40
    assert worst(result.coef, lapack(X, Y, 0.01)) < 1e-6


def test_a_sketch_is_not_ignored(matrix):
    """A sketch that was asked for beside a solver, or a shape, that does not sketch."""
    X = matrix(40, 30, np.ones(30))
    with pytest.raises(ValueError, match="it does not sketch"):
        ridge(X, X, 1.0, solver="cholesky", sketch="gaussian")
    assert ridge(X, X, 1.0, sketch="gaussian").solver == "iterative"


def test_many_values_of_alpha(matrix):
    """The spectral preconditioner: each target with the alpha of another one."""
    X = matrix(1500, 20, np.geomspace(1, 1e-2, 20))
    Y, alphas = problem(X, t=24), np.random.default_rng(0).permutation(np.tile(np.geomspace(1e-6, 10, 12), 2))
    for solver in SOLVERS:
        result = ridge(X, Y, alphas, solver=solver, rng=0)
        assert result.converged
        assert worst(result.coef, lapack(X, Y, alphas)) < 1e-6


@pytest.mark.parametrize("solver", ["cholesky", "eigh", "iterative"])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
@pytest.mark.parametrize("shape", [(6000, 60), (60, 6000)])
def test_same_bits_on_any_number_of_threads(solver, form, shape, at_any_threads):
    """Sums in the order in which threads finish, or a factor made by BLAS's own threads."""
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal(shape), rng.standard_normal((shape[0], 2))
    for alpha in (0.0, (0.1, 1.0)):
        one, two = at_any_threads(
            lambda n, alpha=alpha: ridge(form(X), Y, alpha, solver=solver, rng=0, n_threads=n)
        )
        np.testing.assert_array_equal(one.coef, two.coef)
        np.testing.assert_array_equal(one.residual, two.residual)


def test_same_bits_where_the_preconditioner_is_an_svd(matrix, at_any_threads):
    """As above, for the path of ill-conditioned data."""
    X = matrix(4000, 50, np.geomspace(1, 1e-12, 50))
    one, two = at_any_threads(lambda n: ridge(X, problem(X), 0.0, solver="iterative", rng=0, n_threads=n))
    np.testing.assert_array_equal(one.coef, two.coef)


def test_factor_of_blocks(monkeypatch, at_any_threads):
    """A tile of a blocked factor that is forgotten, updated twice or in another order."""
    monkeypatch.setattr(_ridge_factors, "_LAPACK_COLUMNS", 100)
    monkeypatch.setattr(_ridge_factors, "_BLOCK", 64)
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((900, 333)), rng.standard_normal((900, 2))
    one, two = at_any_threads(lambda n: ridge(X, Y, 0.5, solver="cholesky", n_threads=n))
    np.testing.assert_array_equal(one.coef, two.coef)
    assert one.n_iter == 0  # the factor itself was right
    assert worst(one.coef, lapack(X, Y, 0.5)) < 1e-12
    X[:, 200] = X[:, 3]
    with pytest.raises(RidgePrecisionError):
        ridge(X, Y, 0.0, solver="cholesky")


@pytest.mark.parametrize(
    ("solver", "dtype", "closeness"),
    [(solver, np.float64, 1.0) for solver in SOLVERS]
    + [("iterative", np.float32, 1.0), ("iterative", np.float64, 1e-9), ("iterative", np.float32, 1e-5)],
)
def test_memory_is_what_the_plan_says(solver, dtype, closeness):
    """A copy of the data, or panels that grow with the number of steps; factors of ill-conditioned data."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((20_000, 200)), rng.standard_normal(20_000)
    X[:, 1] = X[:, 0] + closeness * X[:, 1]
    X = X.astype(dtype)
    ridge(X[:2000], y[:2000], 0.0, solver=solver, rng=0)  # what is loaded once
    tracemalloc.start()
    result = ridge(X, y, 0.0, solver=solver, rng=0, n_threads=2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.converged
    # Beside what grows with the data: tiles, and partial sums of each thread.
    assert peak < 1.1 * plan_ridge(X, solver=solver).memory[solver] + 6 * X.shape[1] ** 2 * 8 + 2**24


def test_max_memory_decides(matrix):
    """A limit that is not kept, or no word of how much would do."""
    X = matrix(4000, 50, np.ones(50))
    plan = plan_ridge(X, 3)
    with pytest.raises(ValueError, match=r"There is no solver .* Use at least max_memory=\d+"):
        ridge(X, problem(X), 1.0, max_memory=1000)
    for solver in DIRECT:
        with pytest.raises(ValueError, match=f"max_memory={plan.memory[solver]}"):
            ridge(X, problem(X), 1.0, solver=solver, max_memory=plan.memory[solver] - 1, rng=0)
        ridge(X, problem(X), 1.0, solver=solver, max_memory=plan.memory[solver], rng=0)
    assert plan.preconditioner == "sketch"
    assert plan_ridge(X, 3, max_memory=plan.memory["iterative"] - 1).preconditioner == "nystrom"


# -- the plan -----------------------------------------------------------------------------------------


@Operand.register
class Described:
    """All that a plan may look at; anything else is an AttributeError."""

    def __init__(self, shape, dtype="f8", container="dense", nnz=None):
        self.shape = shape
        self.dtype = np.dtype(dtype)
        self.container = container
        self.nnz = shape[0] * shape[1] if nnz is None else nnz


@st.composite
def problems(draw):
    shape = tuple(int(10 ** draw(st.floats(0, 7))) for _ in range(2))
    container = draw(st.sampled_from(["dense", "mapped", "sparse", "chunks"]))
    size = shape[0] * shape[1]
    nnz = draw(st.integers(0, size)) if container == "sparse" else size
    t = draw(st.integers(1, 1000))
    described = Described(shape, draw(st.sampled_from(["f4", "f8"])), container, nnz)
    return described, t, draw(st.integers(1, t)), 10 ** draw(st.floats(-12, -1))


@given(problems(), st.booleans())
def test_cheapest_of_the_possible_is_chosen(problem, sketch_given):
    """A cost that is not a positive number, a choice that is ruled out or is not the least."""
    A, t, n_alphas, tol = problem
    try:
        plan = plan_ridge(A, t, n_alphas, tol=tol, sketch_given=sketch_given)
    except ValueError as error:
        assert "There is no solver for ridge regression" in str(error)
        return
    assert set(plan.costs) == set(plan.memory) == set(SOLVERS)
    finite = {name: cost for name, cost in plan.costs.items() if math.isfinite(cost)}
    assert all(cost > 0 for cost in finite.values())
    assert set(plan.reasons) == set(SOLVERS) - set(finite)
    assert plan.costs[plan.solver] == min(finite.values())
    assert plan.memory[plan.solver] <= MAX_MEMORY
    assert plan.n_passes >= 3
    if plan.preconditioner == "sketch":
        assert A.shape[1] < plan.sketch_size <= A.shape[0] / 2
    assert all(name in str(plan) for name in SOLVERS)


def test_choices():
    """A cost model that has lost its sense: what each solver is there for."""
    assert plan_ridge(Described((400_000, 300))).solver == "cholesky"
    assert plan_ridge(Described((300, 400_000)), max_memory=2**34).solver == "cholesky"
    assert plan_ridge(Described((400_000, 300)), 100, 100).solver == "eigh"
    assert plan_ridge(Described((400_000, 3000)), tol=1e-3, max_memory=2**34).solver == "iterative"
    assert plan_ridge(Described((400_000, 1000), container="sparse", nnz=40_000_000)).solver == "iterative"
    # Many columns: neither a Gram matrix nor a sketch with more rows fits.
    text = plan_ridge(Described((20_000, 30_000), container="sparse", nnz=2_000_000), 20)
    assert (text.solver, text.preconditioner, text.sketch_size) == ("iterative", "nystrom", 50)


def test_looser_tolerances_are_cheaper_to_iterate():
    """A tolerance that the plan does not look at."""
    A = Described((200_000, 1000))
    costs = [plan_ridge(A, tol=tol).costs["iterative"] for tol in (1e-2, 1e-6, 1e-10)]
    assert costs == sorted(costs) and costs[0] < costs[2]
    passes = [plan_ridge(A, tol=tol, solver="iterative").n_passes for tol in (1e-2, 1e-10)]
    assert passes[0] < passes[1]


def test_predicted_passes_are_about_those_made(matrix):
    """Passes that the plan forgets."""
    X = matrix(6000, 40, np.geomspace(1, 1e-2, 40))
    for solver in SOLVERS:
        for A in (X, X.T) if solver != "iterative" else (X,):
            made = ridge(A, problem(A, t=1), 0.0, solver=solver, rng=0).n_passes
            assert made <= 1.3 * plan_ridge(A, solver=solver).n_passes


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"alpha": -1.0}, ValueError, "alpha must be finite and at least 0, got -1.0"),
        ({"alpha": np.nan}, ValueError, "alpha must be finite and at least 0, got nan"),
        ({"alpha": np.inf}, ValueError, "alpha must be finite"),
        ({"alpha": [1.0, -2.0]}, ValueError, "got -2.0"),
        ({"alpha": [1.0, 1.0, 1.0]}, ValueError, r"shape \(2,\), one for each column of Y, got shape \(3,\)"),
        ({"alpha": "1"}, TypeError, "alpha must be a float"),
        ({"alpha": True}, TypeError, "alpha must be a float"),
        ({"alpha": None}, TypeError, "alpha must be a float"),
        ({"Y": np.ones((29, 2))}, ValueError, r"Y must have shape \(30,\) or \(30, t\).*got \(29, 2\)"),
        ({"Y": np.ones((30, 0))}, ValueError, "Y must have shape"),
        ({"Y": np.ones((30, 2, 1))}, ValueError, "Y must have shape"),
        ({"Y": np.array([["a"] * 2] * 30)}, TypeError, "Y must hold real numbers"),
        ({"Y": np.ones((30, 2)) * 1j}, TypeError, "Y must hold real numbers"),
        ({"Y": sparse.csr_array(np.ones((30, 2)))}, TypeError, r"Use Y.toarray\(\)"),
        ({"solver": "svd"}, ValueError, "solver must be 'auto' or one of"),
        ({"tol": 0.0}, ValueError, r"tol must be in \(0, 1\)"),
        ({"tol": None}, TypeError, "tol must be a float"),
        ({"max_iter": 0}, ValueError, "max_iter must be at least 1"),
        ({"max_memory": 0}, ValueError, "max_memory must be at least 1"),
        ({"sketch": "gauss"}, ValueError, "Unknown sketch"),
        ({"n_threads": 0}, ValueError, "n_threads must be at least 1"),
        ({"rng": "seed"}, TypeError, "rng must be"),
    ],
)
def test_wrong_parameters_are_named(change, error, match):
    """A parameter that is ignored, or an error that does not say which it was."""
    arguments = {"A": np.ones((30, 20)), "Y": np.ones((30, 2)), "alpha": 1.0} | change
    A, Y, alpha = (arguments.pop(name) for name in ("A", "Y", "alpha"))
    with pytest.raises(error, match=match):
        ridge(A, Y, alpha, **arguments)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (np.inf, "infinity")])
def test_bad_entries_are_named(solver, bad, what):
    """NaN or infinity left to LAPACK, in the matrix or in the targets."""
    X, Y = np.random.default_rng(0).standard_normal((300, 5)), np.ones((300, 2))
    Y[7, 1] = bad
    with pytest.raises(ValueError, match=f"Y contains {what}: first seen at row 7, column 1"):
        ridge(X, Y, 1.0, solver=solver)
    with pytest.raises(ValueError, match=f"Y contains {what}: first seen at row 7"):
        ridge(X, Y[:, 1], 1.0, solver=solver)
    X[4, 3] = bad
    with pytest.raises(ValueError, match=f"contains {what}: first seen at row 4, column 3"):
        ridge(X, np.ones(300), 1.0, solver=solver, rng=0)


def test_input_is_not_written_to(matrix):
    """Targets or data that are scaled in place."""
    X = matrix(400, 6, np.ones(6))
    Y = problem(X)
    kept = Y.copy()
    Y.flags.writeable = False
    for solver in SOLVERS:
        ridge(X, Y, 1.0, solver=solver, rng=0)
    np.testing.assert_array_equal(Y, kept)
    one = ridge(X, np.arange(400), 1, rng=0)  # integers
    np.testing.assert_allclose(one.coef, lapack(X, np.arange(400.0)[:, None], 1.0)[:, 0])
