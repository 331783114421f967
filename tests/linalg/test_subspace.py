"""Subspace iteration: excess error, accuracy, shifts, ranks that the data choose, memory."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import GramPrecisionError, RowChunks, as_operand, centered
from sklr.linalg.subspace import subspace_svd
from sklr.sketch import RowSampling, available_sketches

EPS = np.finfo(float).eps
J = np.arange(1, 121)

DECAYING = {
    "geometric": 0.9**J,
    "power -2": 1.0 * J**-2.0,
    "power -1": 1.0 / J,
    "power -1/2": J**-0.5,
}
# The block of the tests below ends among equal values, or among values that differ little.
CLUSTERED = {
    "30 equal, then linear": np.r_[np.full(30, 10.0), np.linspace(1, 0.1, 90)],
    "40 equal, 40 nearly so, the rest small": np.r_[np.full(40, 10.0), np.full(40, 9.0), np.full(40, 0.1)],
    "three groups": np.r_[np.full(12, 3.0), np.full(12, 2.0), np.full(12, 1.0), np.full(84, 0.3)],
    "linear": np.linspace(1.1, 0.1, 120),
    "all equal": np.ones(120),
}


def assert_orthonormal(Vt, units=50):
    Vt, eps = Vt.astype(np.float64), np.finfo(Vt.dtype).eps
    assert np.abs(Vt @ Vt.T - np.eye(len(Vt))).max() < units * eps


def states_of(A, k, **options):
    """The states that the callback sees, by pass."""
    states = {}
    subspace_svd(A, k, rng=0, callback=states.__setitem__, **options)
    return states


@pytest.mark.parametrize("k", [3, 10, 30])
@pytest.mark.parametrize("decay", DECAYING)
def test_excess_error_over_seeds(decay, k, seed, matrix, error_of):
    """An iteration that stops too early, or a basis that is not that of the values.

    The excess error falls with ||Omega_2 Omega_1^+||^2, whose chance of being t times its typical value falls
    as t^-(p+1)/2, p = 10. Over 100 seeds its median is at most 1.1e-4 for these spectra and its largest value
    6.5e-4; 5e-3 is 45 times that median, which has a chance of 1e-9.
    """
    s = DECAYING[decay]
    A = matrix(250, 120, s)
    result = subspace_svd(A, k, rng=seed)
    best, error = np.linalg.norm(s[k:]), error_of(A, result.right_vectors)
    assert result.converged
    assert result.solver == "subspace"
    assert error <= best * (1 + 5e-3) + 20 * EPS * s[0]
    assert_orthonormal(result.right_vectors)
    # Cauchy: no Ritz value is above its singular value, and the squares miss what the error has too much.
    assert np.all(result.singular_values <= s[:k] * (1 + 1e-12) + 20 * EPS * s[0])
    np.testing.assert_allclose(result.squared_norm - result.captured, error**2, rtol=1e-8)


@pytest.mark.parametrize("accuracy", [1e-2, 1e-4])
@pytest.mark.parametrize("spectrum", [*DECAYING, *CLUSTERED])
def test_accuracy_is_met(spectrum, accuracy, seed, matrix, lapack_svd):
    """Residuals of other vectors, or a gap that is taken for known.

    The bound holds for some singular value; that it is the right one fails where the block is all but
    orthogonal to a leading vector, to 1e-6 beside what is typical, with a chance of (1e-6)^11.
    """
    A = matrix(250, 120, {**DECAYING, **CLUSTERED}[spectrum])
    result = subspace_svd(A, 10, accuracy=accuracy, rng=seed)
    assert result.converged
    np.testing.assert_allclose(result.singular_values, lapack_svd(A)[0][:10], rtol=accuracy)


def test_no_oversampling_does_not_hide_the_gap(matrix, lapack_svd):
    """A block of k columns, where nothing is known of the next value and the gap seems to be theta_k.

    That misses the accuracy by a factor of 20. The one column more that is taken finds the next value too
    small and the gap somewhat too large.
    """
    A = matrix(250, 120, np.linspace(1.1, 1, 120))
    result = subspace_svd(A, 3, accuracy=1e-3, n_oversamples=0, max_iter=1000, rng=0)
    assert result.converged
    np.testing.assert_allclose(result.singular_values, lapack_svd(A)[0][:3], rtol=2e-3)


@pytest.mark.parametrize("spectrum", CLUSTERED)
def test_shift_does_not_keep_small_values_alive(spectrum, matrix):
    """A shift in every pass: by sigma_l^2 / 2 it damps zero no better than it damps sigma_l.

    Where the block ends among equal values that stands still, for 50 passes and more. Of two passes, the one
    without a shift damps what is close to zero.
    """
    result = subspace_svd(matrix(250, 120, CLUSTERED[spectrum]), 10, accuracy=1e-6, rng=0)
    assert result.converged
    assert result.n_passes <= 25


@pytest.mark.parametrize("spectrum", [*DECAYING, *CLUSTERED])
def test_two_passes_never_lose(spectrum, matrix):
    """A shift above what is safe, which makes unwanted directions grow faster than wanted ones."""
    A = matrix(250, 120, {**DECAYING, **CLUSTERED}[spectrum])
    errors = [state.error for state in states_of(A, 10, accuracy=1e-9, max_iter=40).values()]
    unshifted = np.array(errors[1::2])
    assert np.all(np.diff(unshifted) <= 1e-12 * errors[0])


def test_last_pass_is_not_shifted(matrix):
    """An end by `max_iter` after a shifted pass, which may have lost what the next one would regain."""
    A = matrix(250, 120, CLUSTERED["30 equal, then linear"])
    for max_iter in (3, 5, 7):
        states = states_of(A, 10, max_iter=max_iter, accuracy=1e-9)
        assert states[max_iter].error <= states[max_iter - 1].error


@pytest.mark.parametrize("k", [4, 20])
def test_every_container(k, contained, matrix, error_of):
    """Products of another side, and a matrix that is wide but can only be read by rows."""
    s = 1 / np.arange(1, 61)
    for shape in [(150, 60), (60, 150)]:
        A = matrix(*shape, s)
        X = contained(np.array(A))
        result = subspace_svd(X, k, rng=3)
        assert error_of(A, result.right_vectors) < np.linalg.norm(s[k:]) * (1 + 5e-3)
        np.testing.assert_allclose(result.singular_values, s[:k], rtol=2e-2)
        assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("shape", [(150, 60), (60, 150)])
def test_residuals_are_those_of_the_triplets(shape, matrix):
    """Residuals in other units, or of columns in another order."""
    A = matrix(*shape, 0.95 ** np.arange(60))
    result = subspace_svd(A, 8, accuracy=1e-2, rng=0)
    s, V = result.singular_values, result.right_vectors.T
    actual = np.linalg.norm(A.T @ (A @ V) / s - V * s, axis=0)
    if shape[0] > shape[1]:
        np.testing.assert_allclose(result.residual_norms, actual, rtol=1e-8)
    else:  # those of the left vectors, which have not had the last half iteration
        assert np.all(actual <= result.residual_norms * (1 + 1e-6))
    exact = np.linalg.svd(A, compute_uv=False)
    assert np.all(np.abs(s[:, None] - exact).min(axis=1) <= result.residual_norms)


def test_centred_sparse_data(lapack_svd):
    """The mean as the first singular vector."""
    X = sparse.random_array((300, 80), density=0.05, random_state=np.random.default_rng(0), format="csr")
    result = subspace_svd(centered(X), 5, accuracy=1e-6, rng=0)
    D = X.toarray()
    np.testing.assert_allclose(result.singular_values, lapack_svd(D - D.mean(axis=0))[0][:5], rtol=1e-6)


@pytest.mark.parametrize("shape", [(200, 120), (120, 200)])
def test_float32_stays_float32(shape, matrix, error_of):
    """A result in float64, limits of float64, or vectors that are orthonormal to 1e-3 only."""
    s = 0.9 ** np.arange(100)
    A = matrix(*shape, s).astype(np.float32)
    for accuracy in (None, 1e-5):
        result = subspace_svd(A, 20, accuracy=accuracy, rng=0)
        assert result.singular_values.dtype == result.right_vectors.dtype == np.float32
        assert result.converged
        assert error_of(A, result.right_vectors) < np.linalg.norm(s[20:]) * (1 + 5e-3)
        assert_orthonormal(result.right_vectors)
        np.testing.assert_allclose(result.singular_values, s[:20], rtol=1e-3)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(80, 60), (60, 80)])
@pytest.mark.parametrize("rank", [0, 1, 7])
def test_lower_rank_than_asked_for(rank, shape, dtype, seed, matrix):
    """Rounding errors of zero as singular values, or as a reason to go on or to refuse."""
    s = np.linspace(2, 1, rank)
    A = (matrix(*shape, s) if rank else np.zeros(shape)).astype(dtype)
    result = subspace_svd(A, 12, rng=seed)
    np.testing.assert_allclose(result.singular_values[:rank], s, rtol=100 * np.finfo(dtype).eps)
    assert np.all(result.singular_values[rank:] <= 30 * np.finfo(dtype).eps)
    assert np.all(result.residual_norms[rank:] <= 1e3 * np.finfo(dtype).eps)
    assert result.converged
    assert result.n_passes <= 20
    assert result.right_vectors.shape == (12, shape[1])
    assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_values_that_squares_do_not_hold(dtype, matrix):
    """Rounding errors of A^T A as singular values, or as an error that is reached."""
    true = np.geomspace(1, 1e-12, 100)
    A = matrix(200, 120, true).astype(dtype)
    found = subspace_svd(A, 60, rng=0).singular_values
    np.testing.assert_allclose(found, true[:60], rtol=0.02, atol=30 * np.finfo(dtype).eps)
    with pytest.raises(GramPrecisionError, match=r"relative error of 1\.0e-07"):
        subspace_svd(A, 60, tol=1e-7)
    few = subspace_svd(A, 5, rng=0)
    np.testing.assert_allclose(few.singular_values, np.geomspace(1, 1e-12, 100)[:5], rtol=1e-3)


def test_lost_values_end_soon(matrix):
    """Passes until `max_iter` because the digits of what is lost change with every pass."""
    for s in [np.geomspace(1, 1e-12, 100), J**-4.0, np.r_[np.ones(20), np.full(100, 1e-7)]]:
        states = {}
        subspace_svd(matrix(200, 120, s), 60, rng=0, callback=states.__setitem__)
        assert len(states) <= 5


@pytest.mark.parametrize("shape", [(250, 120), (120, 250)])
@pytest.mark.parametrize("rank", [3, 25, 60])
def test_tol_takes_the_least_rank(rank, shape, matrix, error_of):
    """A rank that the first block, of 22 columns, decides, or one that values not yet risen decide."""
    s = 0.97 ** np.arange(120)
    A = matrix(*shape, s)
    beyond = np.sqrt(np.cumsum((s**2)[::-1])[::-1] / np.sum(s**2))  # error of keeping 0, 1, ...
    tol = np.sqrt(beyond[rank - 1] * beyond[rank])
    result = subspace_svd(A, None, tol=tol, rng=0)
    assert len(result.singular_values) == rank
    assert error_of(A, result.right_vectors) <= tol * np.linalg.norm(s)
    share = subspace_svd(A, float(1 - tol**2), rng=0)
    np.testing.assert_array_equal(share.right_vectors, result.right_vectors)
    capped = subspace_svd(A, 2, tol=tol, rng=0)
    assert len(capped.singular_values) == 2


@pytest.mark.parametrize(
    ("s", "k", "slack", "widths"),
    [
        # The error falls by a few per cent while the rank is found.
        (np.r_[np.full(9, 4.0), np.linspace(1, 0.9, 191)], 9, 1.003, [30]),
        (np.r_[np.full(9, 4.0), np.linspace(1, 0.9, 191)], 50, 1.003, [30, 60]),
        (np.arange(1, 201) ** -0.5, 18, 1.001, [30]),
        (0.97 ** np.arange(200), 50, 1.003, [30, 60]),
        # Found by a block of 30, but with few columns beyond.
        (np.r_[np.full(9, 4.0), np.linspace(1, 0.9, 191)], 25, 1.003, [30, 60]),
        (np.ones(200), 150, 1.001, [30, 60, 120, 200]),
    ],
)
def test_block_is_as_wide_as_needed(s, k, slack, widths, matrix, monkeypatch):
    """A block that is widened because it has not converged, or has been through a shifted pass, or is not."""
    monkeypatch.setattr("sklr.linalg.rank._GUESS", 20)
    seen = []
    operand = as_operand(matrix(300, 200, s))
    product = operand.normal_matmat
    operand.normal_matmat = lambda Q: seen.append(Q.shape[1]) or product(Q)
    tol = slack * np.linalg.norm(s[k:]) / np.linalg.norm(s)
    result = subspace_svd(operand, None, tol=tol, rng=0)
    assert abs(len(result.singular_values) - k) <= 1
    assert sorted(set(seen)) == widths


def test_rank_above_the_noise():
    """No rank where the noise is all that is left, or the first block for all there is."""
    rng = np.random.default_rng(0)
    m, n, rank = 400, 150, 6
    low = rng.standard_normal((m, rank)) @ rng.standard_normal((rank, n))
    result = subspace_svd(low + 0.5 * rng.standard_normal((m, n)), "auto", rng=0)
    assert len(result.singular_values) == rank


@pytest.mark.parametrize("k", [1, 5, 30])
def test_all_that_there_is(k, matrix):
    """A block that is wider than the matrix, where k and the oversampling come near to its size."""
    s = np.linspace(2, 1, 30)
    for shape in [(30, 30), (200, 30), (30, 200)]:
        result = subspace_svd(matrix(*shape, s), k, accuracy=1e-10, rng=0, max_iter=300)
        np.testing.assert_allclose(result.singular_values, s[:k], rtol=1e-9)
        assert_orthonormal(result.right_vectors)


def test_max_iter_ends_it(matrix, monkeypatch):
    """A limit that is not looked at, or a result that claims to be done."""
    A = matrix(200, 100, np.linspace(1.1, 1, 100))
    for max_iter in (1, 2, 5):
        result = subspace_svd(A, 3, accuracy=1e-6, rng=0, max_iter=max_iter)
        assert result.n_passes == max_iter
        assert not result.converged
        assert result.right_vectors.shape == (3, 100)
    # The rank is still unknown: as many as the block has.
    monkeypatch.setattr("sklr.linalg.rank._GUESS", 10)
    result = subspace_svd(A, None, tol=0.1, rng=0, max_iter=1)
    assert not result.converged
    assert result.right_vectors.shape == (20, 100)


def test_passes_are_those_counted_by_the_source(matrix):
    """A pass that is not counted, or counted twice."""
    calls = []
    A = matrix(150, 60, 1 / np.arange(1, 61))

    def read():
        calls.append(1)
        return iter([A[:70], A[70:]])

    seen = []
    result = subspace_svd(RowChunks(read, A.shape), 5, rng=0, callback=lambda i, state: seen.append(i))
    assert result.n_passes == len(calls) == len(seen)
    assert seen == list(range(1, len(calls) + 1))


def test_sketch_that_leaves_directions_out():
    """A block of fewer columns than asked for, for ever without what the sketch does not show."""
    p = np.zeros(30)
    p[:2] = 0.5
    A = np.diag(np.r_[np.ones(2), np.full(28, 7.0)])
    result = subspace_svd(A, 5, sketch=RowSampling(p), rng=0)
    np.testing.assert_allclose(result.singular_values, 7.0, rtol=1e-12)
    assert result.n_passes <= 4
    A[0, 0] = A[1, 1] = 0
    result = subspace_svd(A, 5, sketch=RowSampling(p), n_oversamples=0, rng=0)
    np.testing.assert_allclose(result.singular_values, 7.0, rtol=1e-12)


@pytest.mark.parametrize("name", available_sketches())
def test_every_family_starts_it(name, matrix, error_of):
    """A family whose operator is laid out otherwise."""
    s = 1 / np.arange(1, 91)
    A = matrix(200, 90, s)
    result = subspace_svd(A, 10, sketch=name, rng=3)
    assert error_of(A, result.right_vectors) < np.linalg.norm(s[10:]) * (1 + 5e-3)


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_squares_at_the_ends_of_the_range(scale, matrix):
    """Norms of A^T A v whose squares leave the range that A^T A itself is in."""
    s = 1 / np.arange(1, 61)
    for k in (5, 58):
        result = subspace_svd(matrix(150, 60, s) * scale, k, rng=0)
        np.testing.assert_allclose(result.singular_values, s[:k] * scale, rtol=2e-2)
        assert np.all(np.isfinite(result.residual_norms))


def test_memory_is_that_of_one_block():
    """A block that is kept beyond its use."""
    A = sparse.random_array((4000, 3000), density=0.01, random_state=np.random.default_rng(0), format="csr")
    panel = 3000 * 30 * 8
    subspace_svd(A, 20, rng=0, n_threads=1, max_iter=2)  # loads what it needs
    tracemalloc.start()
    subspace_svd(A, 20, rng=0, n_threads=1, max_iter=6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4.9 * panel


def test_equal_seeds_give_equal_bits(matrix):
    """Randomness from anywhere but `rng`, in the first block and in those that widen it."""
    A = matrix(100, 60, 1 / np.arange(1, 61) ** 0.5)

    def vectors(rng, k=4, tol=None):
        return subspace_svd(A, k, tol=tol, rng=rng).right_vectors

    for k, tol in [(4, None), (None, 0.3)]:
        np.testing.assert_array_equal(vectors(5, k, tol), vectors(5, k, tol))
        assert not np.array_equal(vectors(5, k, tol), vectors(6, k, tol))
    generator = np.random.default_rng(5)
    assert not np.array_equal(vectors(generator), vectors(generator))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_same_bits_on_any_number_of_threads(form, at_any_threads):
    """Sums in the order in which threads finish."""
    rng = np.random.default_rng(0)
    X = form(rng.standard_normal((6000, 120)) * np.arange(1, 121) ** -0.5)
    one, two = at_any_threads(lambda n: subspace_svd(X, 12, rng=0, n_threads=n))
    np.testing.assert_array_equal(one.singular_values, two.singular_values)
    np.testing.assert_array_equal(one.right_vectors, two.right_vectors)
    np.testing.assert_array_equal(one.residual_norms, two.residual_norms)
    assert (one.captured, one.n_passes) == (two.captured, two.n_passes)


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"k": 0}, ValueError, "k must be"),
        ({"k": 21}, ValueError, "k must be"),
        ({"k": True}, TypeError, "k must be"),
        ({"k": 1.5}, ValueError, "k must be"),
        ({"tol": 2.0}, ValueError, "tol must be"),
        ({"accuracy": 0}, ValueError, "accuracy must be"),
        ({"accuracy": "high"}, TypeError, "accuracy must be"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples must be"),
        ({"max_iter": 0}, ValueError, "max_iter must be"),
        ({"sketch": "gausian"}, ValueError, "Unknown sketch"),
    ],
)
def test_bad_parameters(options, error, match):
    """A parameter that is taken for something else; the error names it."""
    with pytest.raises(error, match=match):
        subspace_svd(np.ones((30, 20)), **{"k": 3, **options})


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_bad_entries_are_named(bad):
    """NaN or infinity in the block, where it is found much later and under another name."""
    X = np.ones((30, 20))
    X[4, 6] = bad
    with pytest.raises(ValueError, match=r"contains (NaN|infinity): first seen at row 4, column 6"):
        subspace_svd(X, 2)
