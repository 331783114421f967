"""The truncated SVD by every solver: against LAPACK over spectra, shapes and containers."""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import (
    GramPrecisionError,
    RowChunks,
    as_operand,
    centered,
    krylov_svd,
    plan_low_rank,
    relative_error,
    truncated_svd,
)
from sklr.sketch import Gaussian, SparseStack

EPS = np.finfo(float).eps
SOLVERS = ("gram", "krylov", "exact")
# How much more error than the best approximation each solver may have: rounding, or what stops the iteration.
EXCESS = {"gram": 1e-9, "krylov": 2e-3, "exact": 1e-12}
Q = 70
J = np.arange(1, Q + 1)
SPECTRA = {
    "fast decay": 0.6**J,
    "slow decay": J**-0.5,
    "hardly any decay": np.linspace(1.05, 1, Q),
    "no decay": np.ones(Q),
    "clusters": np.r_[np.full(9, 12.0), np.full(9, 3.0) + 1e-9 * J[:9], 1 / J[:52]],
    "deep": np.geomspace(1, 1e-12, Q),
    "low rank": np.linspace(3, 1, 9),
}


def assert_orthonormal(Vt, units=50):
    Vt, eps = Vt.astype(np.float64), np.finfo(Vt.dtype).eps
    assert np.abs(Vt @ Vt.T - np.eye(len(Vt))).max() < units * eps


def assert_good(A, result, k, s, Vt, error_of, sine_between, solver):
    """Error, singular values and subspace of `result` against s and Vt from LAPACK.

    ||A V||_F^2 misses no more of the k largest squares than the squared error exceeds the best one; and
    ||sin||_F^2 of the angles to the true subspace is at most that, over the gap s_k^2 - s_{k+1}^2.
    """
    best, norm = np.linalg.norm(s[k:]), np.linalg.norm(s)
    rounding = 50 * EPS * norm
    allowed = best * (1 + EXCESS[solver]) + rounding
    if solver == "gram":
        rounding = 20 * EPS * norm**2 / s[k - 1]
    assert error_of(A, result.right_vectors) <= allowed
    assert_orthonormal(result.right_vectors)
    surplus = allowed**2 - best**2
    assert np.all(np.diff(result.singular_values) <= 0)
    assert np.all(result.singular_values <= s[:k] + rounding)
    assert np.all(result.singular_values >= np.sqrt(np.maximum(s[:k] ** 2 - surplus, 0)) - rounding)
    gap = s[k - 1] ** 2 - s[k] ** 2 if k < len(s) else 0
    if gap > 1e-2 * s[0] ** 2:
        assert sine_between(result.right_vectors, Vt[:k]) <= np.sqrt(surplus / gap) + 1e-9
    assert result.captured == pytest.approx(np.linalg.norm(A @ result.right_vectors.T) ** 2, rel=1e-12)
    assert result.squared_norm == pytest.approx(norm**2, rel=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("k", [1, 9, 25])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_spectra(spectrum, k, solver, matrix, lapack_svd, error_of, sine_between):
    """A solver that fails on repeated values, on a flat spectrum, on deep ones or where the rank is lower."""
    for shape in [(160, 70), (70, 160)]:
        A = matrix(*shape, SPECTRA[spectrum])
        s, Vt = lapack_svd(A)
        if solver == "gram" and s[k - 1] < np.sqrt(1e3 * EPS) * s[0]:
            with pytest.raises(GramPrecisionError):
                truncated_svd(A, k, solver=solver)
            continue
        result = truncated_svd(A, k, solver=solver, rng=0)
        assert result.solver == solver
        assert_good(A, result, k, s, Vt, error_of, sine_between, solver)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("center", [False, True])
def test_containers(solver, center, contained, matrix, lapack_svd, error_of, sine_between):
    """A container that is swept wrongly by a solver, as it is or centred without being touched."""
    X = matrix(190, 70, SPECTRA["slow decay"]) + 0.05 * np.linspace(-1, 1, 70)
    A = contained(X)
    X = X - X.mean(axis=0) if center else X
    result = truncated_svd(centered(A) if center else A, 6, solver=solver, rng=0)
    assert_good(X, result, 6, *lapack_svd(X), error_of, sine_between, solver)


@pytest.mark.parametrize("solver", ["krylov", "exact", "auto"])
def test_wide_chunks(solver, matrix, lapack_svd, error_of, sine_between):
    """Chunks with more columns than rows, which no solver may sweep by columns."""
    X = matrix(60, 160, SPECTRA["slow decay"][:60])
    chunks = RowChunks(lambda: (X[i : i + 25] for i in range(0, 60, 25)), X.shape)
    result = truncated_svd(chunks, 6, solver=solver, rng=0)
    assert_good(X, result, 6, *lapack_svd(X), error_of, sine_between, result.solver)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("center", [False, True])
def test_float32(solver, center, contained, matrix, lapack_svd, error_of):
    """A container that computes in another precision than its data."""
    X = (matrix(190, 70, SPECTRA["slow decay"]) + 0.05 * np.linspace(-1, 1, 70)).astype(np.float32)
    A = contained(X)
    result = truncated_svd(centered(A) if center else A, 6, solver=solver, rng=0)
    assert result.singular_values.dtype == result.right_vectors.dtype == np.float32
    X = X - X.mean(axis=0, dtype=np.float64) if center else X
    s = lapack_svd(X)[0]
    eps = np.finfo(np.float32).eps
    assert error_of(X, result.right_vectors) <= np.linalg.norm(s[6:]) * (1 + EXCESS[solver] + 20 * eps)
    np.testing.assert_allclose(result.singular_values, s[:6], rtol=5e-3 if solver == "krylov" else 1e-4)
    assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int64, np.bool_, np.float16, ">f8"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_other_numbers(dtype, solver, contained):
    """Overflow in the arithmetic of small integers, or bytes in another order taken as they are."""
    if dtype in (np.float16, ">f8") and contained.kind in ("csr", "csc", "sparse chunks"):
        dtype = np.uint16  # SciPy's sparse matrices do not hold these two
    X = np.random.default_rng(0).integers(0, 2 if dtype is np.bool_ else 100, (120, 20)).astype(dtype)
    result = truncated_svd(contained(X), 4, solver=solver, rng=0)
    s = np.linalg.svd(X.astype(np.float64), compute_uv=False)
    np.testing.assert_allclose(result.singular_values, s[:4], rtol=2e-3)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    "X",
    [
        np.zeros((6, 4)),
        np.ones((6, 4)),
        np.eye(5),
        np.ones((1, 1)),
        np.zeros((1, 1)),
        np.arange(1.0, 8)[None],
        np.arange(1.0, 8)[:, None],
        np.diag([1.0, 0, 0, 2]),
        -np.eye(3, 8),
    ],
    ids=["zero", "ones", "identity", "1 x 1", "0", "one row", "one column", "zero rows", "wide"],
)
def test_degenerate_matrices(X, solver):
    """A division by zero, an empty basis, a block of more columns than the matrix has."""
    s = np.linalg.svd(X, compute_uv=False)
    for k in {1, min(X.shape)}:
        for A in (X, sparse.csr_array(X), sparse.csc_array(X)):
            if solver == "gram" and s[0] > 0 and s[k - 1] < 1e-10 * s[0]:
                with pytest.raises(GramPrecisionError):
                    truncated_svd(A, k, solver=solver)
                continue
            result = truncated_svd(A, k, solver=solver, rng=0)
            np.testing.assert_allclose(result.singular_values, s[:k], atol=1e-14 * max(1, s[0]))
            assert result.right_vectors.shape == (k, X.shape[1])
            assert_orthonormal(result.right_vectors)
            assert result.captured == pytest.approx(np.sum(s[:k] ** 2), rel=1e-12, abs=1e-14)
            assert result.squared_norm == pytest.approx(np.sum(s**2), rel=1e-12)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("solver", SOLVERS)
def test_passes_are_those_counted_by_the_source(solver, center, matrix):
    """A pass that is made and not counted, or the other way round."""
    calls = []

    def read():
        calls.append(1)
        return (X[i : i + 40] for i in range(0, 160, 40))

    X = matrix(160, 70, SPECTRA["slow decay"])
    A = as_operand(RowChunks(read, X.shape))
    A = centered(A) if center else A
    assert A.n_passes == len(calls) == int(center)
    result = truncated_svd(A, 5, solver=solver, rng=0)
    assert result.n_passes == len(calls) - int(center)
    assert A.n_passes == len(calls)
    if solver != "krylov":
        assert result.n_passes == {"gram": 1, "exact": 2}[solver]


def test_auto_takes_the_planned_solver(matrix):
    """A plan that is made and not followed."""
    for A, k in [(matrix(3000, 40, 1 / np.arange(1, 41)), 4), (matrix(30, 20, np.ones(20)), 4)]:
        assert truncated_svd(A, k).solver == plan_low_rank(as_operand(A), k).solver
    for sketch in ("gaussian", SparseStack(2)):
        planned = plan_low_rank(A, 4, sketch_given=True).solver
        assert truncated_svd(A, 4, sketch=sketch, rng=0).solver == planned in ("krylov", "subspace")


def test_blocks_are_those_of_the_plan(matrix):
    """A block size that is planned and not used."""
    A = matrix(160, 70, SPECTRA["slow decay"])
    block_size = plan_low_rank(as_operand(A), 30, solver="krylov").block_size
    result = truncated_svd(A, 30, solver="krylov", rng=0)
    for other, same in [(block_size, True), (block_size + 1, False)]:
        expected = krylov_svd(A, 30, sketch=Gaussian(), block_size=other, rng=0).right_vectors
        assert np.array_equal(result.right_vectors, expected) == same


def test_auto_falls_back_where_squares_do_not_suffice(matrix, error_of):
    """The refusal of the Gram route given to the user, though another solver was free to be taken."""
    s = np.geomspace(1, 1e-11, 40)
    A = matrix(3000, 40, s)
    assert plan_low_rank(as_operand(A), 35).solver == "gram"
    result = truncated_svd(A, 35, rng=0)
    assert result.solver in ("krylov", "exact")
    assert result.n_passes > 1  # that of the Gram matrix was made too
    np.testing.assert_allclose(result.singular_values, s[:35], rtol=1e-3, atol=20 * EPS)
    assert error_of(A, result.right_vectors) < np.linalg.norm(s[35:]) * (1 + 2e-3) + 20 * EPS
    with pytest.raises(GramPrecisionError):
        truncated_svd(A, 35, solver="gram")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"k": 0}, ValueError, r"k must be between 1 and 20 .* got 0"),
        ({"k": 21}, ValueError, r"k must be between 1 and 20 .* got 21"),
        ({"k": 2.0}, ValueError, "k must be an int of at least 1, or a float in .* Got 2.0"),
        ({"k": True}, TypeError, "k must be an int, a float .* got True"),
        ({"k": "3"}, TypeError, "k must be an int, a float .* got '3'"),
        ({"k": 2, "solver": "arpack"}, ValueError, r"solver must be 'auto' or one of .* got 'arpack'"),
        ({"k": 2, "solver": "gram", "sketch": "gaussian"}, ValueError, "solver='gram' .* a sketch was given"),
        (
            {"k": 2, "solver": "exact", "sketch": "gaussian"},
            ValueError,
            "solver='exact' .* a sketch was given",
        ),
        ({"k": 2, "sketch": "gausian"}, ValueError, "Did you mean 'gaussian'"),
        ({"k": 2, "sketch": 3}, TypeError, "sketch must be a name or a distribution"),
        ({"k": 2, "n_threads": 0}, ValueError, "n_threads must be at least 1"),
        ({"k": 2, "rng": "0"}, TypeError, "rng must be"),
    ],
)
def test_bad_parameters_are_named(arguments, error, message):
    """A parameter that is ignored, or an error from deep inside."""
    arguments = {"solver": "krylov" if "rng" in arguments else "auto"} | arguments
    with pytest.raises(error, match=message):
        truncated_svd(np.ones((30, 20)), **arguments)


@pytest.mark.parametrize("solver", SOLVERS)
def test_bad_matrices_are_named(solver, contained):
    """NaN found late, or under another name; the entry is said in the user's rows and columns."""
    X = np.ones((100, 20))
    X[60, 6] = np.nan
    with pytest.raises(ValueError, match=r"Input A contains NaN: first seen at row 60, column 6"):
        truncated_svd(as_operand(contained(X), name="A"), 2, solver=solver)


@pytest.mark.parametrize("solver", SOLVERS)
def test_same_bits_on_any_number_of_threads(solver, contained, at_any_threads):
    """A reduction in the order in which threads finish, in any container."""
    X = np.random.default_rng(0).standard_normal((4000, 120))
    if "chunks" in contained.kind:
        X = X[:800]
    A = contained(X)
    one, two = at_any_threads(lambda n: truncated_svd(A, 5, solver=solver, rng=0, n_threads=n))
    np.testing.assert_array_equal(one.singular_values, two.singular_values)
    np.testing.assert_array_equal(one.right_vectors, two.right_vectors)
    np.testing.assert_array_equal(one.residual_norms, two.residual_norms)
    assert one[3:] == two[3:]


@pytest.mark.parametrize("solver", SOLVERS)
def test_error_of_the_result_is_what_it_says(solver, matrix, error_of):
    """`captured` and `squared_norm` that do not go with the vectors."""
    A = matrix(160, 70, SPECTRA["slow decay"])
    result = truncated_svd(A, 9, solver=solver, rng=0)
    said = relative_error(A, result.right_vectors, captured=result.captured, squared_norm=result.squared_norm)
    assert said == pytest.approx(error_of(A, result.right_vectors) / np.linalg.norm(A), rel=1e-9)
