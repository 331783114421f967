"""Products in float32, matrices at the ends of the range, and large means: right values or a clear error."""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import RowChunks, centered, plan_low_rank, relative_error, truncated_svd

SOLVERS = ("gram", "krylov", "subspace", "exact")
EPS = np.finfo(float).eps
FLOAT32 = float(np.finfo(np.float32).eps)
J = np.arange(1, 71)
FORMS = {"C": np.ascontiguousarray, "F": np.asfortranarray, "csr": sparse.csr_array, "csc": sparse.csc_array}
SHAPES = [(300, 70), (70, 300)]


def assert_orthonormal(Vt, units):
    Vt = Vt.astype(np.float64)
    assert np.abs(Vt @ Vt.T - np.eye(len(Vt))).max() < units


@pytest.mark.parametrize("form", ["C", "csr"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize(
    "s", [1 / J, 0.9**J, J**-0.5, np.linspace(1.05, 0.5, 70)], ids=lambda s: f"{s[1]:.2f}"
)
def test_float32_products(s, solver, shape, form, matrix):
    """A result in float32, or vectors that are as orthonormal as float32 products leave them."""
    A = matrix(*shape, s)
    assert plan_low_rank(A, 5, accuracy=1e-4, solver="krylov").dtype == np.float32
    result = truncated_svd(FORMS[form](A), 5, accuracy=1e-4, solver=solver, rng=0)
    assert result.singular_values.dtype == result.right_vectors.dtype == np.float64
    assert result.converged
    assert_orthonormal(result.right_vectors, 1e-14)
    np.testing.assert_allclose(result.singular_values, s[:5], rtol=1e-4)
    assert result.precision == (EPS if result.solver == "exact" else FLOAT32)


@pytest.mark.parametrize("solver", ["auto", "gram", "krylov", "subspace"])
def test_float64_where_float32_is_too_coarse(solver, matrix):
    """Values below 1e-4 of the largest taken from squares in float32, which keep 3e-4 of it."""
    s = np.geomspace(1, 1e-4, 12)
    for shape in SHAPES:
        A = matrix(*shape, np.r_[s, 1e-5 * 0.5 ** np.arange(30)])
        result = truncated_svd(A, 12, accuracy=1e-4, solver=solver, rng=0)
        assert result.precision == EPS
        np.testing.assert_allclose(result.singular_values, s, rtol=1e-4)
        assert_orthonormal(result.right_vectors, 1e-13)
        assert truncated_svd(A, 2, accuracy=1e-4, solver=solver, rng=0).precision == FLOAT32


def test_float64_where_no_accuracy_is_asked_for(matrix):
    """float32 that nobody allowed."""
    A = matrix(300, 70, 1 / J)
    for options in ({}, {"accuracy": 1e-6}, {"tol": 1e-6}):
        assert plan_low_rank(A, 5, **options).dtype == np.float64
        assert truncated_svd(A, 5, **options, rng=0).precision == EPS


@pytest.mark.parametrize("tol", [0.3, 0.05, 1e-2, 1e-3])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
def test_tol_by_float32_products(solver, tol, matrix, error_of):
    """A rank that rounding in float32 decides."""
    s = 0.9**J
    beyond = np.sqrt(np.cumsum((s**2)[::-1])[::-1]) / np.linalg.norm(s)
    least = int(np.sum(beyond > tol))
    for cap in (None, 20):
        result = truncated_svd(matrix(300, 70, s), cap, tol=tol, solver=solver, rng=0)
        assert min(least, cap or 70) <= len(result.singular_values) <= min(least + 1, cap or 70)
        assert result.singular_values.dtype == np.float64
        if cap is None:
            error = error_of(matrix(300, 70, s), result.right_vectors)
            assert error <= tol * np.linalg.norm(s) * (1 + 1e-3)


@pytest.mark.parametrize("form", ["C", "csr"])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("scale", [1e-140, 1e-30, 1e-21, 1e17, 1e30, 1e140])
def test_float64_matrices_beyond_float32(scale, solver, form, matrix):
    """Infinity or zero in the float32 copy of a matrix that float64 holds, or of its squares."""
    for shape in SHAPES:
        A = FORMS[form](matrix(*shape, 1 / J) * scale)
        result = truncated_svd(A, 5, accuracy=1e-4, solver=solver, rng=0)
        np.testing.assert_allclose(result.singular_values, scale / J[:5], rtol=1e-4)
        assert_orthonormal(result.right_vectors, 1e-14)


@pytest.mark.parametrize("accuracy", [None, 1e-4])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize(("scale", "found"), [(1e200, "overflow"), (1e-200, "underflow")])
def test_matrices_beyond_float64_are_refused(scale, found, solver, form, accuracy, matrix):
    """Infinity or zero as a singular value, or an error that names an array that the user has never seen."""
    A = FORMS[form](matrix(300, 70, 1 / J) * scale)
    with pytest.raises(ValueError, match=f"The squares of A {found}.* Divide A by its largest entry"):
        truncated_svd(A, 5, accuracy=accuracy, solver=solver, rng=0)


@pytest.mark.parametrize("form", ["C", "csr"])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize("scale", [1e-30, 1e-21, 1e19, 1e30, 1e37])
def test_float32_matrices_whose_squares_float32_does_not_hold(scale, solver, form, matrix):
    """Infinity from squares of entries that are finite, or a result in another dtype than the data."""
    for shape in SHAPES:
        A = FORMS[form]((matrix(*shape, 1 / J) * scale).astype(np.float32))
        for accuracy in (None, 1e-4):
            result = truncated_svd(A, 5, accuracy=accuracy, solver=solver, rng=0)
            assert result.singular_values.dtype == result.right_vectors.dtype == np.float32
            np.testing.assert_allclose(result.singular_values, scale / J[:5], rtol=2e-3)
            assert_orthonormal(result.right_vectors, 50 * FLOAT32)


CONSTANTS = {"exact means": np.arange(-5.0, 65) / 8, "rounded means": np.linspace(-3, 1e3, 70) + 0.1}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS, "single_pass"])
@pytest.mark.parametrize("constants", CONSTANTS)
@pytest.mark.parametrize("n_rows", [300, 40])
def test_constant_columns_are_zero_when_centred(n_rows, constants, solver, dtype, form):
    """Singular vectors and errors of what rounding has left."""
    A = centered(FORMS[form](np.tile(CONSTANTS[constants].astype(dtype), (n_rows, 1))))
    result = truncated_svd(A, 3, solver=solver, rng=0)
    np.testing.assert_array_equal(result.singular_values, np.zeros(3))
    assert (result.squared_norm, result.captured) == (0.0, 0.0)
    assert_orthonormal(result.right_vectors, 50 * np.finfo(dtype).eps)
    assert relative_error(A, result.right_vectors) == 0.0


@pytest.mark.parametrize("accuracy", [None, 1e-4])
@pytest.mark.parametrize("form", [*FORMS, "chunks", "sparse chunks"])
@pytest.mark.parametrize("solver", ["auto", *SOLVERS])
@pytest.mark.parametrize(("dtype", "mean"), [(np.float64, 1e6), (np.float32, 1e3)])
def test_means_far_above_the_spread(dtype, mean, solver, form, accuracy, matrix, lapack_svd):
    """The mean subtracted from products instead of entries, or from entries that have been rounded."""
    for shape in SHAPES:
        if "chunks" in form and solver == "gram" and shape[0] < shape[1]:
            continue
        spread = matrix(*shape, 0.8**J) / np.std(matrix(*shape, 0.8**J))
        X = (spread + mean * np.linspace(1, 2, shape[1])).astype(dtype)
        if "chunks" in form:
            kind = sparse.csr_array if "sparse" in form else np.asarray
            A = RowChunks(
                lambda X=X, kind=kind: (kind(X[i : i + 90]) for i in range(0, len(X), 90)), X.shape, dtype
            )
        else:
            A = FORMS[form](X)
        result = truncated_svd(centered(A), 3, accuracy=accuracy, solver=solver, rng=0)
        D = X.astype(np.float64)
        s, Vt = lapack_svd(D - D.mean(axis=0))
        np.testing.assert_allclose(result.singular_values, s[:3], rtol=1e-4 if accuracy else 1e-3)
        cosines = np.linalg.svd(result.right_vectors.astype(float) @ Vt[:3].T)[1]
        assert cosines.min() > 1 - 1e-3


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_residuals_at_the_ends_of_the_range(scale, matrix):
    """Lengths that are zero or infinite because they are squared."""
    s = 0.8 ** np.arange(40)
    for solver in SOLVERS:
        for shape in [(200, 40), (40, 200)]:
            A = matrix(*shape, s)
            given, plain = (truncated_svd(X, 4, solver=solver, rng=0).residual_norms for X in (A * scale, A))
            assert np.all(np.isfinite(given)) and np.all(given <= 2 * scale * (plain + 100 * EPS))
            assert np.all(given >= scale * (plain - 100 * EPS) / 2)
