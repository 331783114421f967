"""Block Krylov iteration: excess error, hard spectra, start blocks, passes."""

import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import RowChunks, as_operand, krylov_svd, truncated_svd
from sklr.sketch import Gaussian, RowSampling, available_sketches, make_sketch

EPS = np.finfo(float).eps
J = np.arange(1, 121)

DECAYING = {
    "geometric, fast": 0.5**J,
    "geometric, slow": 0.9**J,
    "power -2": 1.0 * J**-2.0,
    "power -1": 1.0 / J,
    "power -1/2": J**-0.5,
}
# Multiplicities above every block size below: a block of b columns sees b copies of a value.
REPEATED = {
    "30 equal, then 1/j": np.r_[np.full(30, 10.0), 1 / J[:90]],
    "30 equal, then linear": np.r_[np.full(30, 10.0), np.linspace(1, 0.1, 90)],
    "30 within 1e-6, then linear": np.r_[10 + 1e-5 * np.linspace(1, 0, 30), np.linspace(1, 0.1, 90)],
    "40 equal, then 80 equal": np.r_[np.ones(40), np.full(80, 0.5)],
    "three groups": np.r_[np.full(12, 3.0), np.full(12, 2.0), np.full(12, 1.0), np.full(84, 0.3)],
}


def assert_orthonormal(Vt, units=50):
    Vt, eps = Vt.astype(np.float64), np.finfo(Vt.dtype).eps
    assert np.abs(Vt @ Vt.T - np.eye(len(Vt))).max() < units * eps


@pytest.mark.parametrize("k", [3, 10, 30])
@pytest.mark.parametrize("decay", DECAYING)
def test_excess_error_over_seeds(decay, k, seed, matrix, error_of):
    """An iteration that stops too early, or a basis that loses what it had.

    For a start block Omega the excess error is proportional to ||Omega_2 Omega_1^+||^2 (the parts beyond
    and within the leading k vectors), and with p = 10 columns more than k the chance that this is t times
    its typical value falls as t^-(p+1)/2. Over 100 seeds the median is at most 3e-6 and the largest 2e-5 for
    these spectra, so 2e-3 is passed by chance with a probability far below 1e-6.
    """
    s = DECAYING[decay]
    A = matrix(250, 120, s)
    result = truncated_svd(A, k, solver="krylov", rng=seed)
    best = np.linalg.norm(s[k:])
    error = error_of(A, result.right_vectors)
    assert error <= best * (1 + 2e-3) + 20 * EPS * s[0]
    assert_orthonormal(result.right_vectors)
    # Cauchy: no Ritz value is above its singular value, and the squares miss what the error has too much.
    assert np.all(result.singular_values <= s[:k] * (1 + 1e-12) + 20 * EPS * s[0])
    missed = s[:k] ** 2 - result.singular_values**2
    assert missed.sum() <= (error**2 - best**2) * (1 + 1e-6) + 100 * EPS * s[0] ** 2


@pytest.mark.parametrize("block_size", [None, 10, 14])
@pytest.mark.parametrize("spectrum", REPEATED)
def test_every_copy_of_a_repeated_value(spectrum, block_size, matrix, error_of):
    """Missing copies: b columns show at most b of them, and the iteration seems to have settled."""
    s = REPEATED[spectrum]
    A = matrix(250, 120, s)
    result = krylov_svd(A, 30, sketch=Gaussian(), block_size=block_size, rng=0)
    assert error_of(A, result.right_vectors) <= np.linalg.norm(s[30:]) * (1 + 2e-3)
    np.testing.assert_allclose(result.singular_values, s[:30], rtol=1e-2)
    assert_orthonormal(result.right_vectors)


def test_every_copy_in_many_columns():
    """The same where a random block holds hardly anything of the 16 copies that are missing."""
    s = np.r_[np.full(30, 3.0), np.arange(1, 20_000 - 29) ** -0.5]
    result = krylov_svd(sparse.diags(s).tocsr(), 30, sketch=Gaussian(), block_size=14, rng=0)
    np.testing.assert_allclose(result.singular_values, 3.0, rtol=1e-6)


@pytest.mark.parametrize("name", available_sketches())
@pytest.mark.parametrize("shape", [(200, 90), (90, 200)])
def test_every_family_starts_it(name, shape, matrix, error_of):
    """A family whose operator is laid out otherwise, or a start block that is used transposed."""
    s = 1 / np.arange(1, 91)
    A = matrix(*shape, s)
    for block_size in (None, 10):
        result = krylov_svd(A, 20, sketch=make_sketch(name), block_size=block_size, rng=3)
        assert error_of(A, result.right_vectors) < np.linalg.norm(s[20:]) * (1 + 2e-3)
        assert_orthonormal(result.right_vectors)


def test_the_sketch_is_used(matrix):
    """A parameter that is accepted and ignored."""
    A = matrix(100, 60, 1 / np.arange(1, 61) ** 0.5)
    a, b = (krylov_svd(A, 4, sketch=make_sketch(name), rng=0) for name in ("gaussian", "srtt"))
    assert not np.array_equal(a.right_vectors, b.right_vectors)


def test_sketch_that_leaves_directions_out():
    """Asking a sketch again and again for a direction that it never shows."""

    class Deaf(RowSampling):
        asked = 0

        def operator(self, *args, **kwargs):
            type(self).asked += 1
            assert self.asked < 50, "the iteration does not end"
            return super().operator(*args, **kwargs)

    p = np.zeros(30)
    p[:2] = 0.5
    result = krylov_svd(np.eye(30), 5, sketch=Deaf(p), block_size=2, rng=0)
    np.testing.assert_allclose(result.singular_values, np.ones(5), rtol=1e-12)
    A = np.diag(np.r_[np.ones(2), np.full(28, 7.0)])
    np.testing.assert_allclose(krylov_svd(A, 5, sketch=Deaf(p), rng=0).singular_values, np.full(5, 7.0))


@pytest.mark.parametrize("shape", [(200, 120), (120, 200)])
@pytest.mark.parametrize(("smallest", "k"), [(1e-8, 90), (1e-12, 60), (1e-12, 90)])
def test_deep_spectra(shape, smallest, k, matrix, error_of):
    """Singular values whose squares are lost: below 1e-8 of the largest, A^T A holds rounding errors only."""
    s = np.geomspace(1, smallest, 100)
    A = matrix(*shape, s)
    result = truncated_svd(A, k, solver="krylov", rng=0)
    # The matrix itself is s up to a few eps; so is every backward stable result.
    np.testing.assert_allclose(result.singular_values, s[:k], rtol=1e-3, atol=20 * EPS)
    assert error_of(A, result.right_vectors) < np.linalg.norm(s[k:]) * (1 + 2e-3) + 20 * EPS
    assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("power", [0.5, 1])
def test_slow_decay_far_below_the_root_of_eps(power):
    """One round of two-sided iteration where several are needed: A^T A shows nothing of this tail at all."""
    s = np.r_[np.ones(5), 1e-9 / np.arange(1, 2996) ** power]
    A = sparse.diags(s).tocsr()
    for rng in range(4):
        result = krylov_svd(A, 20, sketch=Gaussian(), block_size=10, rng=rng)
        np.testing.assert_allclose(result.singular_values, s[:20], rtol=1e-3)
        assert_orthonormal(result.right_vectors)


def test_leading_values_on_a_flat_spectrum():
    """Stopping by the error alone, which is the same whatever is found when the rest is nearly flat."""
    s = np.r_[np.full(5, 1.5), np.linspace(1, 0.1, 19_995)]
    result = krylov_svd(sparse.diags(s).tocsr(), 5, sketch=Gaussian(), rng=0)
    np.testing.assert_allclose(result.singular_values, 1.5, rtol=1e-2)


@pytest.mark.parametrize("k", [5, 20, 40])
def test_float32_stays_float32(k, matrix, error_of):
    """A result in float64, limits of float64, or vectors that are orthonormal to 1e-3 only."""
    s = 0.8 ** np.arange(100)
    A = matrix(200, 120, s).astype(np.float32)
    result = truncated_svd(A, k, solver="krylov", rng=0)
    assert result.singular_values.dtype == result.right_vectors.dtype == np.float32
    eps = np.finfo(np.float32).eps
    assert error_of(A, result.right_vectors) < np.linalg.norm(s[k:]) * (1 + 2e-3) + 20 * eps
    assert_orthonormal(result.right_vectors)
    np.testing.assert_allclose(result.singular_values, s[:k], rtol=1e-3, atol=20 * eps)


@pytest.mark.parametrize("block_size", [1, 3, 11, 60])
@pytest.mark.parametrize("rank", [0, 1, 7])
def test_lower_rank_than_asked_for(rank, block_size, matrix):
    """Images that bring nothing new, before the basis is large enough: the rest is the null space."""
    A = matrix(80, 60, np.linspace(2, 1, rank)) if rank else np.zeros((80, 60))
    result = krylov_svd(A, 12, sketch=Gaussian(), block_size=block_size, rng=0)
    np.testing.assert_allclose(result.singular_values[:rank], np.linspace(2, 1, rank), rtol=1e-12)
    np.testing.assert_allclose(result.singular_values[rank:], 0, atol=1e-14)
    assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("k", [1, 5, 30])
def test_all_that_there_is(k, matrix):
    """A basis that grows beyond the matrix, where k and the oversampling come near to its size."""
    s = np.linspace(2, 1, 30)
    for shape in [(30, 30), (200, 30), (30, 200)]:
        result = krylov_svd(matrix(*shape, s), k, sketch=Gaussian(), rng=0)
        np.testing.assert_allclose(result.singular_values, s[:k], rtol=1e-2)
        assert_orthonormal(result.right_vectors)


def test_passes_are_those_counted_by_the_source(matrix):
    """A pass that is not counted, or counted twice; deep spectra take passes of another kind."""
    calls = []
    for s in [1 / np.arange(1, 61), np.geomspace(1, 1e-12, 60)]:
        A = matrix(150, 60, s)

        def read(A=A):
            calls.append(1)
            return iter([A[:70], A[70:]])

        calls.clear()
        result = krylov_svd(RowChunks(read, A.shape), 50, sketch=Gaussian(), rng=0)
        assert result.n_passes == len(calls)
        operand = as_operand(A)
        assert krylov_svd(operand, 50, sketch=Gaussian(), rng=0).n_passes == operand.n_passes


def test_no_more_than_max_iter(matrix):
    """A limit that is not looked at; it gives way only until the basis holds k columns."""
    A = matrix(200, 100, np.linspace(1.1, 1, 100))
    assert krylov_svd(A, 3, sketch=Gaussian(), rng=0, max_iter=4).n_passes == 4
    few = krylov_svd(A, 20, sketch=Gaussian(), block_size=5, rng=0, max_iter=2)
    assert few.right_vectors.shape == (20, 100)
    assert few.n_passes == 5  # one for the first block, four to fill 20 columns


def test_stops_when_all_is_found():
    """Passes until `max_iter` where there is nothing to gain."""
    assert krylov_svd(np.eye(100), 5, sketch=Gaussian(), rng=0).n_passes <= 5
    A = np.diag(0.1 ** np.arange(12))
    assert krylov_svd(A, 3, sketch=Gaussian(), rng=0).n_passes <= 5


def test_bases_of_the_least_size(matrix, error_of):
    """No oversampling: the basis has k columns when it may stop first."""
    A = matrix(100, 60, 0.5 ** np.arange(60))
    result = krylov_svd(A, 4, sketch=Gaussian(), n_oversamples=0, rng=0)
    assert error_of(A, result.right_vectors) < np.linalg.norm(0.5 ** np.arange(4, 60)) * (1 + 2e-3)


def test_equal_seeds_give_equal_bits(matrix):
    """Randomness from anywhere but `rng`; a Generator moves on, an int does not."""
    A = matrix(100, 60, 1 / np.arange(1, 61) ** 0.5)

    def vectors(rng):
        return krylov_svd(A, 4, sketch=Gaussian(), rng=rng).right_vectors

    np.testing.assert_array_equal(vectors(5), vectors(5))
    np.testing.assert_array_equal(vectors(np.random.default_rng(5)), vectors(np.random.default_rng(5)))
    generator = np.random.default_rng(5)
    assert not np.array_equal(vectors(generator), vectors(generator))
    assert not np.array_equal(vectors(5), vectors(6))
    assert not np.array_equal(vectors(None), vectors(None))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_same_bits_on_any_number_of_threads(form, at_any_threads):
    """Sums in the order in which threads finish."""
    rng = np.random.default_rng(0)
    X = form(rng.standard_normal((6000, 120)) * np.arange(1, 121) ** -0.5)
    one, two = at_any_threads(
        lambda n: krylov_svd(X, 12, sketch=Gaussian(), block_size=10, rng=0, n_threads=n)
    )
    np.testing.assert_array_equal(one.singular_values, two.singular_values)
    np.testing.assert_array_equal(one.right_vectors, two.right_vectors)
    assert (one.captured, one.n_passes) == (two.captured, two.n_passes)


@pytest.mark.parametrize(
    ("k", "error"),
    [(0, ValueError), (21, ValueError), (2.0, ValueError), (True, TypeError), ("3", TypeError)],
)
def test_impossible_ranks(k, error):
    """A rank that makes an empty basis."""
    with pytest.raises(error, match="k must be"):
        krylov_svd(np.ones((30, 20)), k, sketch=Gaussian())


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_bad_entries_are_named(bad):
    """NaN or infinity in the basis, where it is found much later and under another name."""
    X = np.ones((30, 20))
    X[4, 6] = bad
    with pytest.raises(ValueError, match=r"contains (NaN|infinity): first seen at row 4, column 6"):
        krylov_svd(X, 2, sketch=Gaussian())


ACCURATE = {
    **DECAYING,
    "linear": np.linspace(1.1, 0.1, 120),
    "hardly any decay": np.linspace(1.05, 1, 120),
    "all equal": np.ones(120),
    "30 equal, then linear": REPEATED["30 equal, then linear"],
    "three groups": REPEATED["three groups"],
}


def residuals_of(A, result):
    """||A^T u - s v|| with u = A v / s, from the matrix."""
    s, V = result.singular_values, result.right_vectors.T
    return np.linalg.norm(A.T @ (A @ V) / s - V * s, axis=0)


@pytest.mark.parametrize("block_size", [None, 10])
@pytest.mark.parametrize("spectrum", ACCURATE)
def test_accuracy_is_met(spectrum, block_size, seed, matrix, lapack_svd):
    """Residuals of other vectors, a gap that is taken for known, or copies of a value that are missed.

    That a leading vector is missed needs start blocks that are all but orthogonal to it, by 1e-6 beside what
    is typical: with 10 columns and more a chance of (1e-6)^10.
    """
    for shape in [(250, 120), (120, 250)]:
        A = matrix(*shape, ACCURATE[spectrum])
        result = krylov_svd(A, 14, accuracy=1e-6, block_size=block_size, rng=seed)
        assert result.converged
        np.testing.assert_allclose(result.singular_values, lapack_svd(A)[0][:14], rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("accuracy", [1e-4, 1e-6])
def test_accuracy_in_a_dense_spectrum(accuracy, seed):
    """Passes until the narrowest gap is resolved, which no one needs, or a stop while values still rise."""
    s = np.linspace(1, 0.5, 400)
    passes = []
    result = krylov_svd(
        np.diag(s),
        10,
        accuracy=accuracy,
        block_size=10,
        rng=seed,
        callback=lambda i, state: passes.append(state),
    )
    assert result.converged
    np.testing.assert_allclose(result.singular_values, s[:10], rtol=accuracy)
    short = [np.max(1 - state.leading / s[:10] ** 2) for state in passes if state is not None]
    assert sum(error <= 2 * accuracy for error in short) <= 5  # passes after the first that would have done


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("spectrum", "k", "accuracy"),
    [
        (np.r_[np.full(30, 2.0), np.linspace(1, 0.999, 370)], 40, 1e-3),
        (np.r_[np.ones(40), np.linspace(0.99, 0.3, 360)], 40, 1e-6),
        (np.repeat(np.linspace(2, 1, 8), 40), 40, 1e-3),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_copies_that_agree_to_the_accuracy_only(spectrum, k, accuracy, seed, dtype):
    """Copies that are not looked for because they differ by what the accuracy allows, or come up slowly."""
    if dtype == np.float32 and accuracy < 1e-4:
        pytest.skip("finer than the dtype")
    A = np.diag(spectrum).astype(dtype)
    result = krylov_svd(A, k, accuracy=accuracy, block_size=16, rng=seed)
    np.testing.assert_allclose(result.singular_values, spectrum[:k], rtol=accuracy)


@pytest.mark.parametrize("block_size", [5, 14])
@pytest.mark.parametrize("spectrum", REPEATED)
def test_accuracy_finds_every_copy(spectrum, block_size, matrix):
    """Residuals of zero, which say nothing of the copies that the block has not shown."""
    s = REPEATED[spectrum]
    result = krylov_svd(matrix(250, 120, s), 30, accuracy=1e-6, block_size=block_size, rng=0)
    np.testing.assert_allclose(result.singular_values, s[:30], rtol=2e-6)


SLOW = np.arange(1, 1501) ** -0.5
SLOW_A = sparse.diags_array(SLOW).tocsr()


@pytest.mark.parametrize("columns", [40, 45, 60, 200])
def test_restarts_reach_the_same_accuracy(columns):
    """A restart that loses a vector, or goes on from another block than the next one."""
    room = int((2.5 * columns + 6 * 10) * 1500 * 8)
    states = []
    result = krylov_svd(
        SLOW_A,
        10,
        accuracy=1e-6,
        block_size=10,
        max_memory=room,
        rng=0,
        callback=lambda i, state: states.append(state),
    )
    assert result.converged
    np.testing.assert_allclose(result.singular_values, SLOW[:10], rtol=1e-6)
    assert_orthonormal(result.right_vectors)
    actual = residuals_of(SLOW_A, result)
    assert np.all(actual <= result.residual_norms * (1 + 1e-6) + 100 * EPS)
    free = krylov_svd(SLOW_A, 10, accuracy=1e-6, block_size=10, rng=0)
    assert result.n_passes <= 3 * free.n_passes
    # Restarts keep the best of what is known: no Ritz value falls.
    values = [state.leading for state in states if state is not None and len(state.leading) == 10]
    assert np.all(np.diff(values, axis=0) >= -100 * EPS)


def test_memory_of_the_basis_is_bounded():
    """A basis that grows in spite of the restarts, or copies that are kept."""
    rng = np.random.default_rng(0)
    A = sparse.random_array((4000, 3000), density=0.01, random_state=rng, format="csr")
    column = 3000 * 8
    peaks = []
    for columns in (60, None):
        room = None if columns is None else int((2.5 * columns + 60) * column)
        options = {"accuracy": 1e-4, "block_size": 10, "max_memory": room, "rng": 0, "n_threads": 1}
        krylov_svd(A, 10, **options, max_iter=2)  # loads what it needs
        tracemalloc.start()
        result = krylov_svd(A, 10, **options, max_iter=40)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        if room is not None:
            assert result.n_passes > 8
            assert peaks[0] <= 0.9 * room, peaks[0] / room
    assert peaks[1] > 1.3 * peaks[0]


def test_too_little_memory_is_refused_with_the_remedy():
    """A restart that leaves no room for a block, or a refusal that does not say what would do."""
    with pytest.raises(
        ValueError, match=r"max_memory=1000 has room for 0 .*or at least max_memory=\d+\."
    ) as caught:
        krylov_svd(SLOW_A, 10, block_size=10, max_memory=1000, rng=0)
    least = int(str(caught.value).rpartition("max_memory=")[2].rstrip("."))
    with pytest.raises(ValueError, match="max_memory="):
        krylov_svd(SLOW_A, 10, block_size=10, max_memory=least - 1500 * 8 * 3, rng=0)
    result = krylov_svd(SLOW_A, 10, block_size=10, max_memory=least, rng=0)
    np.testing.assert_allclose(result.singular_values, SLOW[:10], rtol=1e-2)


@pytest.mark.parametrize("tol", [0.3, 0.03, 1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize(
    "spectrum", ["geometric, fast", "geometric, slow", "power -2", "power -1", "power -1/2"]
)
def test_tol_is_reached_by_hardly_more_than_the_least_rank(spectrum, tol, seed, matrix, error_of):
    """A rank that values not yet risen decide, or errors below 1e-7 that are lost because they are squared.

    Below 5e-7 the error is an estimate, off by more than a factor 2 with a chance of 1e-2 at worst, for a
    residual of rank one; here the truncation leaves most of it, which is known.
    """
    s = DECAYING[spectrum]
    beyond = np.sqrt(np.cumsum((s**2)[::-1])[::-1]) / np.linalg.norm(s)
    least = max(int(np.sum(beyond > tol)), 1)
    for shape in [(250, 120), (120, 250)]:
        A = matrix(*shape, s)
        result = krylov_svd(A, None, tol=tol, rng=seed)
        assert result.converged
        assert error_of(A, result.right_vectors) <= tol * np.linalg.norm(s) * (1 + 1e-6) + 20 * EPS
        assert least <= len(result.singular_values) <= least + 1 + 0.03 * least
        assert_orthonormal(result.right_vectors)
    capped = krylov_svd(A, 5, tol=tol, rng=seed)
    assert len(capped.singular_values) == min(least, 5)


@pytest.mark.parametrize("accuracy", [None, 1e-6])
def test_residuals_are_those_of_the_triplets(accuracy, matrix):
    """Residuals in other units, of other columns, or of a basis as it was before."""
    s = 0.95 ** np.arange(100)
    for A in (matrix(250, 100, s), matrix(250, 100, s) * 1e-100):
        result = krylov_svd(A, 8, accuracy=accuracy, block_size=10, rng=0)
        np.testing.assert_allclose(
            result.residual_norms, residuals_of(A, result), rtol=1e-4, atol=100 * EPS * np.max(A)
        )
    for A in (matrix(100, 250, s),):
        result = krylov_svd(A, 8, accuracy=accuracy, block_size=10, rng=0)
        actual = residuals_of(A, result)
        assert np.all(actual <= result.residual_norms * (1 + 1e-6) + 100 * EPS)
    deep = krylov_svd(matrix(250, 100, np.geomspace(1, 1e-12, 100)), 60, rng=0)  # by two-sided iteration
    actual = residuals_of(matrix(250, 100, np.geomspace(1, 1e-12, 100)), deep)
    assert np.all(deep.residual_norms >= 0) and np.all(deep.residual_norms[:30] <= actual[:30] + 100 * EPS)


def test_values_lie_within_the_residuals(seed, matrix, lapack_svd):
    """A bound that is none: there is a singular value within the residual norm, converged or not."""
    for shape in [(250, 120), (120, 250)]:
        A = matrix(*shape, DECAYING["power -1/2"])
        for max_iter in (2, 3, 5):
            result = krylov_svd(A, 10, block_size=12, max_iter=max_iter, rng=seed)
            distance = np.abs(result.singular_values[:, None] - lapack_svd(A)[0]).min(axis=1)
            assert np.all(distance <= result.residual_norms + 50 * EPS)


def test_end_by_max_iter_is_told(matrix):
    """A result that claims to be done."""
    A = matrix(200, 100, np.linspace(1.1, 1, 100))
    assert not krylov_svd(A, 3, accuracy=1e-9, rng=0, max_iter=4).converged
    assert not krylov_svd(A, None, tol=0.5, rng=0, max_iter=1, block_size=5).converged
    assert krylov_svd(A, 3, accuracy=1e-9, rng=0).converged


@pytest.mark.parametrize("scale", [1e-144, 1e-140, 1e140, 1e148])
@pytest.mark.parametrize("shape", [(150, 60), (60, 150)])
def test_squares_at_the_ends_of_the_range(shape, scale, matrix):
    """Images A^T A v whose squares leave the range that A^T A itself is in."""
    s = 1 / np.arange(1, 61)
    A = matrix(*shape, s)
    for k, options in [(5, {}), (5, {"accuracy": 1e-6}), (58, {}), (60, {"tol": 0.1}), (60, {"tol": 1e-9})]:
        plain = krylov_svd(A, k, rng=0, **options)
        result = krylov_svd(A * scale, k, rng=0, **options)
        kept = len(plain.singular_values)
        np.testing.assert_allclose(result.singular_values, s[:kept] * scale, rtol=1e-2)
        assert result.converged
        assert np.all(result.residual_norms[: min(kept, 5)] <= 1e-2 * scale)
        if "accuracy" in options:
            np.testing.assert_allclose(result.singular_values, s[:5] * scale, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("base", [1e-2, 1e-10, 1e-100])
def test_values_that_underflow_when_squared(base, dtype):
    """Panels of the iteration that are tiny beside the matrix, refused as if they were given by the user."""
    d = (base ** np.minimum(np.arange(40.0), 300 / -np.log10(base))).astype(dtype)
    for A in (np.diag(d), sparse.csr_array(np.diag(d))):
        for k in (1, 5, 10):
            result = krylov_svd(A, k, rng=0)
            eps = np.finfo(dtype).eps
            np.testing.assert_allclose(result.singular_values, d[:k], rtol=1e-3, atol=20 * eps)
            assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("shape", [(250, 120), (120, 250)])
def test_small_tol_by_small_blocks(shape, seed, matrix, error_of):
    """A basis that just misses the error, so that no truncation has it, or one that is not truncated."""
    s = np.geomspace(1, 1e-14, 120)
    A = matrix(*shape, s)
    for tol in (1e-7, 1e-9, 1e-11):
        result = krylov_svd(A, None, tol=tol, block_size=10, n_oversamples=0, rng=seed)
        least = int(np.sum(np.sqrt(np.cumsum((s**2)[::-1])[::-1]) / np.linalg.norm(s) > tol))
        assert least <= len(result.singular_values) <= least + 3
        assert error_of(A, result.right_vectors) <= 1.5 * tol * np.linalg.norm(s)
        assert result.converged


@pytest.mark.parametrize("columns", [90, 110])
def test_restarts_after_a_new_block(columns):
    """Residuals that forget what the images before the new random block had left."""
    s = np.r_[np.full(30, 3.0), np.arange(2, 1972) ** -0.5]
    A = sparse.diags_array(s).tocsr()
    room = int((2.5 * columns + 6 * 10) * 2000 * 8)
    result = krylov_svd(A, 30, accuracy=1e-2, block_size=10, max_memory=room, rng=0)
    np.testing.assert_allclose(result.singular_values, 3.0, rtol=1e-2)
    assert np.all(residuals_of(A, result) <= result.residual_norms * (1 + 1e-6) + 100 * EPS)
