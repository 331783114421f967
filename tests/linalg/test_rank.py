"""The choice of the rank: by a number, an error, a share of the squared norm or the noise threshold."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from sklr.linalg import GramPrecisionError, centered, truncated_svd
from sklr.linalg.rank import ErrorRank, FixedRank, ThresholdRank, rank_rule

SOLVERS = ("gram", "krylov", "subspace", "exact")
FORMS = {"dense": np.asarray, "sparse": sparse.csr_array}
SQUARES = np.array([90.0, 8.0, 1.5, 0.5])


def threshold(m, n):
    """Gavish and Donoho's threshold for unit noise."""
    beta = min(m, n) / max(m, n)
    root = np.sqrt(beta**2 + 14 * beta + 1)
    return np.sqrt((2 * (beta + 1) + 8 * beta / (beta + 1 + root)) * max(m, n))


def test_fixed_rank():
    """A rank from fewer values than it has."""
    rule = FixedRank(3)
    assert [rule.choose(SQUARES[:i], 100.0) for i in range(5)] == [None, None, None, 3, 3]
    assert (rule.cap, rule.guess, rule.error) == (3, 3, None)


@pytest.mark.parametrize(
    ("error", "expected"), [(0.5, 1), (0.32, 1), (0.31, 2), (0.142, 2), (0.1, 3), (0.07, 4)]
)
def test_error_rank(error, expected):
    """One component too many or too few, an error that is taken for its square, or a rank beyond the cap."""
    for cap in (2, 4):
        rule = ErrorRank(cap, error)
        assert rule.choose(SQUARES, 100.0) == rule.choose(SQUARES, 100.0, complete=True) == min(expected, cap)
        for known in range(1, 5):
            chosen = rule.choose(SQUARES[:known], 100.0)
            assert chosen == (min(expected, cap) if known >= min(expected, cap) else None)
    assert ErrorRank(4, error).choose(SQUARES[:0], 100.0) is None


def test_complete_squares_resolve_small_errors():
    """The error as a difference of large numbers where all values are known."""
    squares = np.r_[1.0, 1e-18, 1e-26]
    assert ErrorRank(3, 1e-10).choose(squares, squares.sum(), complete=True) == 2
    assert ErrorRank(3, 1e-8).choose(squares, squares.sum(), complete=True) == 1


def test_threshold_rank_is_consistent():
    """Noise estimated from other values than those that are left, or with the wrong degrees of freedom."""
    m, n, rank = 300, 100, 4
    noise = np.linspace(1.2, 0.2, n - rank)
    noise *= np.sqrt((m - rank) * (n - rank) / np.sum(noise**2))  # as unit noise leaves beyond `rank`
    # Kept or not, the last signal is 1 % of the noise level.
    for factor, expected in [(1.02, rank), (0.999, rank - 1)]:
        s = np.r_[np.array([5, 4, 3, factor]) * threshold(m, n), noise]
        total = np.sum(s**2)
        assert ThresholdRank(n, (m, n)).choose(s**2, total) == expected
        assert ThresholdRank(n, (n, m)).choose(s**2, total) == expected
        assert ThresholdRank(n, (m, n)).choose(s[:expected] ** 2, total) is None
        assert ThresholdRank(2, (m, n)).choose(s**2, total) == 2
    flat = np.ones(n)
    assert ThresholdRank(n, (m, n)).choose(flat, n) == 1  # one is kept at least


@pytest.mark.parametrize(
    ("k", "tol", "expected"),
    [
        (3, None, FixedRank(3)),
        (np.int64(3), None, FixedRank(3)),
        (None, None, FixedRank(20)),
        (0.75, None, ErrorRank(20, 0.5, is_tolerance=False)),
        (np.float32(0.75), None, ErrorRank(20, 0.5, is_tolerance=False)),
        (5, 0.1, ErrorRank(5, 0.1)),
        (None, 0.1, ErrorRank(20, 0.1)),
        ("auto", None, ThresholdRank(20, (30, 20))),
        (FixedRank(4), None, FixedRank(4)),
    ],
)
def test_what_is_asked_for(k, tol, expected):
    """An int that is taken for a share, a share of the norm for one of its square, or the wrong cap."""
    assert rank_rule(k, (30, 20), tol) == expected


@pytest.mark.parametrize(
    ("k", "tol", "error", "message"),
    [
        (0, None, ValueError, "k must be between 1 and 20 .* got 0"),
        (21, None, ValueError, "k must be between 1 and 20 .* got 21"),
        (0.0, None, ValueError, "k must be an int of at least 1, or a float .* Got 0.0"),
        (1.0, None, ValueError, "k must be an int of at least 1, or a float .* Got 1.0"),
        (-0.5, None, ValueError, "k must be .* Got -0.5"),
        (np.nan, None, ValueError, "k must be .* Got nan"),
        (True, None, TypeError, "k must be an int, a float in .* got True"),
        ("all", None, TypeError, "k must be .* got 'all'"),
        ([3], None, TypeError, r"k must be .* got \[3\]"),
        (3, 0.0, ValueError, r"tol must be in \(0, 1\).* Got 0.0"),
        (3, 1, ValueError, r"tol must be in \(0, 1\).* Got 1"),
        (3, np.nan, ValueError, r"tol must be in \(0, 1\).* Got nan"),
        (3, True, TypeError, "tol must be a float .* got True"),
        (3, "1e-3", TypeError, "tol must be a float .* got '1e-3'"),
        (0.9, 0.1, ValueError, "k=0.9 and tol=0.1 both choose the rank"),
        ("auto", 0.1, ValueError, "k='auto' and tol both choose the rank"),
    ],
)
def test_what_cannot_be_asked_for(k, tol, error, message):
    """A value that is taken for another one, or an error that does not name the parameter."""
    with pytest.raises(error, match=message):
        rank_rule(k, (30, 20), tol)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.9, 0.95, 0.99])
def test_share_is_that_of_scikit_learn(share, solver):
    """A share of the norm instead of its square, or one component more or less than elsewhere."""
    X = load_digits().data
    expected = PCA(share, svd_solver="full").fit(X)
    result = truncated_svd(centered(X), share, solver=solver, rng=0)
    assert len(result.singular_values) == expected.n_components_
    np.testing.assert_allclose(result.singular_values, expected.singular_values_, rtol=1e-2)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(("m", "n", "rank"), [(300, 100, 5), (100, 300, 1), (200, 200, 3)])
def test_planted_rank_is_found(m, n, rank, solver, form, seed, matrix):
    """Noise that is kept, or a signal of 1.3 times the threshold that is not.

    The largest value of noise is near sqrt(m) + sqrt(n), which is 4.4 or more below the threshold, with
    Tracy-Widom fluctuations of about 0.3, so a chance of exp(-(2/3) 14^1.5) to reach it; the signals end
    above their 1.3 thresholds, 9 above it, and move by more than t with a chance of exp(-t^2 / 2).
    """
    signal = matrix(m, n, np.full(rank, 1.3 * threshold(m, n)), seed)
    A = signal + np.random.default_rng(seed).standard_normal((m, n))
    assert len(truncated_svd(FORMS[form](A), "auto", solver=solver, rng=seed).singular_values) == rank


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_without_noise_it_is_the_rank(solver, form, matrix):
    """Rounding errors that stand out of rounding errors, and ranks of zero."""
    for shape in [(80, 60), (60, 80)]:
        low = FORMS[form](matrix(*shape, np.linspace(2, 1, 7)))
        for k in ("auto", 1 - 1e-6):
            result = truncated_svd(low, k, solver=solver, rng=0)
            np.testing.assert_allclose(result.singular_values, np.linspace(2, 1, 7), rtol=1e-12)
            zero = truncated_svd(FORMS[form](np.zeros(shape)), k, solver=solver, rng=0)
            np.testing.assert_array_equal(zero.singular_values, [0.0])


def test_all_of_a_matrix_of_lower_rank(matrix, lapack_svd):
    """None taken for a rank that the data choose."""
    A = matrix(80, 60, np.linspace(2, 1, 7))
    with pytest.raises(GramPrecisionError, match="singular value 60"):
        truncated_svd(A, None, solver="gram")
    for solver in ("krylov", "subspace", "exact"):
        result = truncated_svd(A, None, solver=solver, rng=0)
        np.testing.assert_allclose(result.singular_values, lapack_svd(A)[0], atol=1e-14)
