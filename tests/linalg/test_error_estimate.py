"""The error estimate: exact where a difference of squares can be, within a factor 3 below."""

import numpy as np
import pytest
from scipy import stats

from sklr.linalg import as_operand, centered, relative_error

EPS = np.finfo(float).eps
# Ten probes of a residual of r equal singular values: chi-squared with 10 r degrees of freedom, over 10 r.
N_PROBES = 10


def test_factor_three_is_as_safe_as_it_says():
    """The documented probability: .999 in the worst case, a residual of rank one."""
    inside = np.diff(stats.chi2(N_PROBES).cdf([N_PROBES / 9, N_PROBES * 9]))
    assert inside > 0.999


@pytest.fixture
def known_error(matrix, lapack_svd, error_of):
    """Function ``(error, rank of the residual, seed) -> (A, Vt, relative error by NumPy)``."""

    def make(error, residual_rank=20, seed=0, dtype=np.float64, m=150):
        s = np.r_[np.linspace(2, 1, 10), np.full(residual_rank, 1.0)]
        s[10:] *= error * np.linalg.norm(s[:10]) / np.sqrt(residual_rank)
        A = matrix(m, 60, s, seed).astype(dtype)
        Vt = lapack_svd(A)[1][:10].astype(dtype)
        return A, Vt, error_of(A, Vt) / np.linalg.norm(A.astype(np.float64))

    return make


@pytest.mark.parametrize("error", [0.9, 0.3, 1e-2, 1e-3, 1e-4, 1e-5, 2e-6])
def test_norm_identity(error, known_error):
    """Norms summed in less than float64, or probes used where the identity is exact.

    1 - captured / total has an error of a few eps; its root one of that over 2 error^2.
    """
    A, Vt, truth = known_error(error)
    assert relative_error(A, Vt) == pytest.approx(truth, rel=max(1e-6, 20 * EPS / error**2))
    assert relative_error(A, Vt, rng=1) == relative_error(A, Vt, rng=2)  # no probes


@pytest.mark.parametrize("error", [5e-7, 1e-7, 1e-8, 1e-10, 1e-12])
def test_probes_within_a_factor_three(error, known_error):
    """A difference of norms below 1e-8, which is noise or 0; or probes that are scaled wrongly.

    The residual has 20 equal singular values: chi-squared with 200 degrees of freedom, outside [1/9, 9]
    with a probability below 1e-30. Seeds 0 to 99.
    """
    A, Vt, truth = known_error(error)
    ratios = [relative_error(A, Vt, rng=seed) / truth for seed in range(100)]
    assert 1 / 3 < min(ratios) and max(ratios) < 3
    # The mean of the squares is unbiased: within 6 standard deviations, sqrt(2 / 200 / 100) each.
    assert np.mean(np.square(ratios)) == pytest.approx(1, abs=0.06 + 1e-3)


def test_probes_in_the_worst_case(known_error):
    """A residual of rank one: how often the estimate is off by more than 3 is what chi-squared says."""
    A, Vt, truth = known_error(1e-8, residual_rank=1)
    ratios = np.array([relative_error(A, Vt, rng=seed) / truth for seed in range(100)])
    chi2 = stats.chi2(N_PROBES)
    low, high = np.sqrt(chi2.ppf([1e-6 / 200, 1 - 1e-6 / 200]) / N_PROBES)
    assert low < ratios.min() and ratios.max() < high
    outside = np.sum((ratios < 1 / 3) | (ratios > 3))
    assert outside <= stats.binom(100, 1e-3).isf(1e-6)
    # And they are as spread as they must be: probes that are not independent would not be.
    assert stats.kstest(N_PROBES * ratios**2, chi2.cdf).pvalue > 1e-6


def test_naive_difference_would_be_useless(known_error):
    """What the probes are for: here the norm identity gives 0 or noise a hundred times too large."""
    A, Vt, truth = known_error(1e-11)
    naive = np.sqrt(max(1 - np.linalg.norm(A @ Vt.T) ** 2 / np.linalg.norm(A) ** 2, 0))
    assert not truth / 3 < naive < truth * 3
    assert truth / 3 < relative_error(A, Vt) < truth * 3


@pytest.mark.parametrize("error", [0.9, 0.1, 2e-2])
def test_norm_identity_float32(error, known_error):
    """float32 sums of squares: in float64 the errors of the float32 products average out."""
    A, Vt, truth = known_error(error, dtype=np.float32, m=20_000)
    eps = float(np.finfo(np.float32).eps)
    assert relative_error(A, Vt) == pytest.approx(truth, rel=0.2 * eps / error**2)


@pytest.mark.parametrize("error", [5e-3, 1e-3, 1e-4, 1e-5])
def test_probes_float32(error, known_error):
    """The limit of float64 used for float32, where the difference is noise from 1e-3 on."""
    for seed in range(20):
        A, Vt, truth = known_error(error, seed=seed, dtype=np.float32)
        assert truth / 3 < relative_error(A, Vt, rng=seed) < truth * 3


def test_any_orthonormal_rows(matrix, error_of):
    """An identity that holds for singular vectors only."""
    A = matrix(150, 60, 1 / np.arange(1, 61))
    for k in (1, 7, 40):
        Vt = np.linalg.qr(np.random.default_rng(k).standard_normal((60, k)))[0].T
        truth = error_of(A, Vt) / np.linalg.norm(A)
        assert relative_error(A, Vt) == pytest.approx(truth, rel=1e-9)
        assert relative_error(A, Vt[::-1]) == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("scale", [1e-100, 1e100])
def test_scale_does_not_matter(scale, known_error):
    """A limit that is not relative to ||A||."""
    for error in (0.3, 1e-9):
        A, Vt, truth = known_error(error)
        assert relative_error(A * scale, Vt) == pytest.approx(relative_error(A, Vt), rel=1e-3)


def test_nothing_left_and_nothing_there():
    """A division by the norm of a zero matrix, and an error below the rounding of the vectors."""
    assert relative_error(np.zeros((5, 4)), np.eye(4)[:2]) == 0
    assert relative_error(np.ones((5, 4)), np.full((1, 4), 0.5)) < 10 * EPS
    assert relative_error(np.diag([3.0, 2.0, 1.0]), np.eye(3)) == EPS
    assert relative_error(np.diag([3.0, 2.0]), np.array([[0.0, 1.0]])) == pytest.approx(3 / np.sqrt(13))


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("error", [0.1, 1e-9])
def test_every_container(error, center, contained, known_error, lapack_svd, error_of):
    """A container whose norm or products are wrong."""
    A, Vt, truth = known_error(error)
    operand = contained(A)
    if center:
        A = A - A.mean(axis=0)
        Vt = lapack_svd(A)[1][:10]
        operand = centered(operand)
        truth = error_of(A, Vt) / np.linalg.norm(A)
    estimate = relative_error(operand, Vt)
    if error > 1e-6:
        assert estimate == pytest.approx(truth, rel=1e-9)
    else:
        assert truth / 3 < estimate < truth * 3


def test_what_is_known_is_not_computed_again(known_error):
    """Passes over the data for numbers that the caller has."""
    for error, probes in [(0.1, 0), (1e-9, 1)]:
        A, Vt, truth = known_error(error)
        known = {"captured": np.linalg.norm(A @ Vt.T) ** 2, "squared_norm": np.linalg.norm(A) ** 2}
        operand = as_operand(A)
        estimate = relative_error(operand, Vt, **known)
        assert operand.n_passes == probes
        operand = as_operand(A)
        assert estimate == pytest.approx(relative_error(operand, Vt), rel=1e-9)
        assert operand.n_passes == probes + 1


def test_same_bits_on_any_number_of_threads(at_any_threads):
    """Norms summed in the order in which threads finish."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((8000, 100))
    Vt = np.linalg.qr(rng.standard_normal((100, 5)))[0].T
    flat = (A @ Vt.T) @ Vt
    for X in (A, flat):
        one, two = at_any_threads(lambda n, X=X: relative_error(X, Vt, n_threads=n))
        assert one == two


@pytest.mark.parametrize("Vt", [np.ones(4), np.eye(3), np.eye(4)[:, :2]])
def test_vectors_of_another_shape(Vt):
    """V where V^T is meant, which fits when A is square only."""
    with pytest.raises(ValueError, match=r"Vt must have shape \(k, 4\), got"):
        relative_error(np.ones((6, 4)), Vt)
