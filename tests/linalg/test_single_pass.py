"""One pass: the laws of the Nystrom approximation, its certificate, and the pass itself."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import RowChunks, as_operand, centered
from sklr.linalg.single_pass import single_pass_svd
from sklr.sketch import Gaussian, RowSampling, available_sketches

J = np.arange(1, 121)

SPECTRA = {
    "geometric": 0.8**J,
    "power -2": 1.0 * J**-2.0,
    "power -1/2": J**-0.5,
    "30 equal, then linear": np.r_[np.full(30, 10.0), np.linspace(1, 0.1, 90)],
    "all equal": np.ones(120),
    "deep": np.geomspace(1, 1e-14, 120),
    "rank 7": np.linspace(2, 1, 7),
}


def assert_orthonormal(Vt, units=50):
    Vt, eps = Vt.astype(np.float64), np.finfo(Vt.dtype).eps
    assert np.abs(Vt @ Vt.T - np.eye(len(Vt))).max() < units * eps


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("k", [3, 20])
@pytest.mark.parametrize("shape", [(200, 130), (130, 200)])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_lower_bounds(spectrum, shape, k, dtype, seed, matrix, lapack_svd, error_of):
    """An approximation that is not below A^T A: a certificate that claims too much.

    N_hat <= N holds for every sketch, so only rounding, some eps of ||A||_F^2, is to be allowed for.
    """
    A = matrix(*shape, SPECTRA[spectrum]).astype(dtype)
    result = single_pass_svd(A, k, rng=seed)
    exact, Vt = np.zeros(k), result.right_vectors
    exact[: min(k, len(SPECTRA[spectrum]))] = lapack_svd(A)[0][: min(k, len(SPECTRA[spectrum]))]
    rounding = 50 * np.finfo(dtype).eps * result.squared_norm
    assert np.all(result.singular_values.astype(float) ** 2 <= exact**2 + rounding)
    held = np.linalg.norm(A.astype(float) @ Vt.T.astype(float)) ** 2
    assert result.captured <= held + rounding
    assert error_of(A, Vt) ** 2 <= result.squared_norm - result.captured + rounding
    assert_orthonormal(Vt)
    assert result.singular_values.dtype == Vt.dtype == dtype


@pytest.mark.parametrize("k", [5, 15])
@pytest.mark.parametrize("spectrum", ["geometric", "power -2", "power -1/2", "30 equal, then linear"])
def test_error_over_seeds(spectrum, k, seed, matrix):
    """A sketch that is used wrongly: an error far above the one expected, though all bounds hold.

    The excess of the squared error is at most ||Sigma_2 Omega_2 Omega_1^+||_F^2, with a mean of
    k / (l - k - 1) times the tail. That 1 / sigma_min(Omega_1)^2 is 10 times this mean, 1 / y, has a chance
    of at most (e sqrt(l y) / q)^q / sqrt(2 pi q), q = l - k + 1: 5e-8 for k = 5. Omega_2, which is
    independent, may double it, so 20 times is allowed.
    """
    s = SPECTRA[spectrum]
    result = single_pass_svd(matrix(200, 130, s), k, rng=seed)
    tail = np.sum(s[k:] ** 2)
    factor = k / (2 * k + 10 - k - 1)
    assert result.squared_norm - result.captured <= (1 + 20 * factor) * tail


@pytest.mark.parametrize("spectrum", ["geometric", "power -2", "power -1/2", "30 equal, then linear"])
def test_expected_error(spectrum, matrix):
    """The expectation that the docstring promises, as a mean over seeds; the law leaves much room."""
    s, k = SPECTRA[spectrum], 10
    A = matrix(200, 130, s)
    errors = [
        result.squared_norm - result.captured for result in (single_pass_svd(A, k, rng=i) for i in range(20))
    ]
    assert np.sum(s[k:] ** 2) <= np.mean(errors) <= (1 + k / (k + 9)) * np.sum(s[k:] ** 2)


@pytest.mark.parametrize("shape", [(200, 130), (130, 200)])
def test_low_rank_is_found(shape, matrix, error_of):
    """The only spectra on which one pass is exact: a rank below that of the sketch."""
    s = np.linspace(2, 1, 7)
    A = matrix(*shape, s)
    result = single_pass_svd(A, 7, rng=0)
    np.testing.assert_allclose(result.singular_values, s, rtol=1e-12)
    assert error_of(A, result.right_vectors) < 1e-12
    more = single_pass_svd(A, 30, rng=0)
    np.testing.assert_allclose(more.singular_values[:7], s, rtol=1e-12)
    np.testing.assert_allclose(more.singular_values[7:], 0, atol=1e-7)
    assert_orthonormal(more.right_vectors)


def test_shift_is_taken_back(matrix):
    """Eigenvalues of the shifted matrix, which together are above ||A||_F^2 where they are all there are."""
    A = matrix(200, 130, np.linspace(2, 1, 7)).astype(np.float32)
    results = [single_pass_svd(A, 20, rng=i) for i in range(10)]
    assert np.mean([result.captured - result.squared_norm for result in results]) <= 0


def test_all_that_there_is(matrix):
    """A sketch of more rows than the matrix has."""
    s = np.linspace(2, 1, 30)
    for shape in [(30, 30), (100, 30), (30, 100)]:
        for k in (1, 12, 30):
            result = single_pass_svd(matrix(*shape, s), k, n_oversamples=40, rng=0)
            np.testing.assert_allclose(result.singular_values, s[:k], rtol=1e-9)
            assert result.right_vectors.shape == (k, shape[1])
            assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("shape", [(150, 60), (60, 150)])
def test_one_pass_over_every_container(shape, contained, matrix, error_of):
    """A second pass. Only CSC takes one, to be converted: its products A v would otherwise need two."""
    s = 0.8 ** np.arange(60)
    A = matrix(*shape, s)
    operand = as_operand(contained(np.array(A)))
    result = single_pass_svd(operand, 5, rng=0)
    assert result.n_passes == operand.n_passes == (2 if contained.kind == "csc" else 1)
    assert result.solver == "single_pass"
    assert result.converged
    assert error_of(A, result.right_vectors) <= 1.5 * np.linalg.norm(s[5:])
    np.testing.assert_allclose(result.squared_norm, np.sum(s**2), rtol=1e-12)


def test_source_is_read_once(matrix):
    """A pass that the operand does not count."""
    A = matrix(150, 60, 0.8 ** np.arange(60))
    calls = []

    def read():
        calls.append(1)
        return iter([A[:70], A[70:]])

    single_pass_svd(RowChunks(read, A.shape), 5, rng=0)
    assert len(calls) == 1


def test_memory_does_not_grow_with_the_rows():
    """A panel of m rows."""
    n, width = 400, 20
    chunk = np.random.default_rng(0).standard_normal((50, n))  # copied: no buffer may come twice

    def peak(n_chunks):
        X = RowChunks(lambda: (chunk.copy() for _ in range(n_chunks)), (50 * n_chunks, n))
        tracemalloc.start()
        single_pass_svd(X, 5, rng=0, n_threads=1)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(10)  # loads what it needs
    few, many = peak(10), peak(200)
    assert many < 1.2 * few
    assert many < 8 * n * width * 8 + chunk.nbytes


@pytest.mark.parametrize("name", available_sketches())
def test_every_family(name, matrix, lapack_svd):
    """A family whose operator is laid out otherwise; the bounds hold for all of them."""
    A = matrix(200, 90, 0.8 ** np.arange(90))
    result = single_pass_svd(A, 10, sketch=name, rng=3)
    assert np.all(result.singular_values <= lapack_svd(A)[0][:10] * (1 + 1e-12))
    np.testing.assert_allclose(result.singular_values[:3], lapack_svd(A)[0][:3], rtol=1e-2)
    assert_orthonormal(result.right_vectors)


def test_sketch_of_lower_rank_than_asked_for():
    """A division by nothing, or fewer vectors than asked for."""
    p = np.zeros(30)
    p[:2] = 0.5
    A = np.diag(np.r_[np.full(2, 3.0), np.ones(28)])
    result = single_pass_svd(A, 5, sketch=RowSampling(p), rng=0)
    np.testing.assert_allclose(result.singular_values, [3, 3, 0, 0, 0])
    assert result.right_vectors.shape == (5, 30)
    assert_orthonormal(result.right_vectors)
    A[:2] = 0
    blind = single_pass_svd(A, 5, sketch=RowSampling(p), rng=0)
    assert not blind.singular_values.any()
    assert (blind.captured, blind.squared_norm) == (0, 28)


def test_sketch_with_nearly_parallel_rows(matrix):
    """Digits lost to the sketch: its range is as good as any, but squares of its condition number are not."""

    class Parallel(Gaussian):
        def operator(self, *args):
            rows = super().operator(*args).toarray()
            return SimpleNamespace(toarray=lambda: 1 + 1e-7 * rows)

    s = np.linspace(2, 1, 7)
    result = single_pass_svd(matrix(200, 130, s), 7, sketch=Parallel(), rng=0)
    np.testing.assert_allclose(result.singular_values, s, rtol=1e-9)


def test_centred_sparse_data(lapack_svd):
    """The mean as the first singular vector."""
    X = sparse.random_array((300, 20), density=0.2, random_state=np.random.default_rng(0), format="csr")
    D = X.toarray()
    result = single_pass_svd(centered(X), 5, rng=0)  # l = n: exact
    np.testing.assert_allclose(result.singular_values, lapack_svd(D - D.mean(axis=0))[0][:5], rtol=1e-10)


def test_zero_matrix():
    """A division by the norm."""
    result = single_pass_svd(np.zeros((40, 30)), 4, rng=0)
    assert not result.singular_values.any()
    assert (result.captured, result.squared_norm, result.n_passes) == (0, 0, 1)
    assert_orthonormal(result.right_vectors)


def test_residuals_are_not_known(matrix):
    """Zeros that would claim exact values."""
    for A in (matrix(100, 60, np.linspace(2, 1, 7)), np.zeros((40, 30))):
        result = single_pass_svd(A, 10, rng=0)
        assert result.residual_norms.shape == (10,)
        assert np.isnan(result.residual_norms).all()


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_squares_at_the_ends_of_the_range(scale, matrix):
    """Norms of A^T A Omega^T whose squares leave the range that A^T A itself is in."""
    A = matrix(150, 60, np.linspace(2, 1, 7))
    result = single_pass_svd(A * scale, 5, rng=0)
    np.testing.assert_allclose(result.singular_values, np.linspace(2, 1, 7)[:5] * scale, rtol=1e-12)


def test_equal_seeds_give_equal_bits(matrix):
    """Randomness from anywhere but `rng`."""
    A = matrix(100, 60, 1 / np.arange(1, 61) ** 0.5)

    def vectors(rng):
        return single_pass_svd(A, 4, rng=rng).right_vectors

    np.testing.assert_array_equal(vectors(5), vectors(5))
    assert not np.array_equal(vectors(5), vectors(6))
    generator = np.random.default_rng(5)
    assert not np.array_equal(vectors(generator), vectors(generator))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_same_bits_on_any_number_of_threads(form, at_any_threads):
    """Sums in the order in which threads finish."""
    rng = np.random.default_rng(0)
    X = form(rng.standard_normal((6000, 120)) * np.arange(1, 121) ** -0.5)
    one, two = at_any_threads(lambda n: single_pass_svd(X, 12, rng=0, n_threads=n))
    np.testing.assert_array_equal(one.singular_values, two.singular_values)
    np.testing.assert_array_equal(one.right_vectors, two.right_vectors)
    assert one.captured == two.captured


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"k": 0}, ValueError, "k must be between"),
        ({"k": 21}, ValueError, "k must be between"),
        ({"k": True}, TypeError, "k must be an int"),
        ({"k": 0.9}, TypeError, "k must be an int: the rank of a single pass is fixed"),
        ({"k": "auto"}, TypeError, "k must be an int: the rank of a single pass is fixed"),
        ({"k": None}, TypeError, "k must be an int: the rank of a single pass is fixed"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples must be"),
        ({"sketch": "gausian"}, ValueError, "Unknown sketch"),
    ],
)
def test_bad_parameters(options, error, match):
    """A parameter that is taken for something else; the error names it."""
    with pytest.raises(error, match=match):
        single_pass_svd(np.ones((30, 20)), **{"k": 3, **options})


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_bad_entries_are_named(bad):
    """NaN or infinity in the product, where it is found much later and under another name."""
    X = np.ones((30, 20))
    X[4, 6] = bad
    with pytest.raises(ValueError, match=r"contains (NaN|infinity): first seen at row 4, column 6"):
        single_pass_svd(X, 2)
