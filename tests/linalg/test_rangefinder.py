"""The range to a given error: reached, estimated, and no wider than allowed."""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import RowChunks, as_operand, find_range

J = np.arange(1, 121)
SPECTRA = {"geometric": 0.7**J, "deep": np.geomspace(1, 1e-16, 120), "power -8": 1.0 * J**-8.0}


def assert_orthonormal(Q, units=50):
    eps = np.finfo(Q.dtype).eps
    assert np.abs(Q.T.astype(float) @ Q - np.eye(Q.shape[1])).max() < units * eps


@pytest.mark.parametrize("tol", [1e-2, 1e-4, 1e-9, 1e-12])
@pytest.mark.parametrize("spectrum", SPECTRA)
def test_error_is_reached_and_estimated(spectrum, tol, seed, matrix, error_of):
    """Errors below 1e-8 that are lost because something is squared, or an estimate of something else.

    The estimate is within a factor 3 with probability .999 for a residual of rank one, and far surer here,
    where several values share it: of 3,000 none was off by more than 1.6. The range is not much wider than it
    has to be: the ideal one and two blocks.
    """
    s = SPECTRA[spectrum]
    for shape in [(250, 120), (120, 250)]:
        A = matrix(*shape, s)
        Q, said = find_range(A, tol, block_size=10, rng=seed)
        error = error_of(A, Q.T) / np.linalg.norm(A)
        assert said <= tol
        assert error <= 3 * tol
        assert said / 3 <= error <= 3 * said
        beyond = np.sqrt(np.cumsum((s**2)[::-1])[::-1]) / np.linalg.norm(s)
        assert Q.shape[1] <= np.sum(beyond > tol) + 20
        assert_orthonormal(Q)


def test_no_more_columns_than_allowed(matrix, error_of):
    """A limit that is not looked at, or an error that is said to be reached though it is not."""
    A = matrix(250, 120, 0.95**J)
    for limit in (1, 10, 25):
        Q, said = find_range(A, 1e-6, max_columns=limit, block_size=10, rng=0)
        error = error_of(A, Q.T) / np.linalg.norm(A)
        assert Q.shape == (120, limit)
        assert said > 1e-6
        assert said / 3 <= error <= 3 * said
    Q, said = find_range(A, 1e-6, max_columns=1000, rng=0)
    assert Q.shape == (120, 120) and said == 0.0


def test_flat_spectrum_needs_all(matrix, error_of):
    """Rounds that find nothing, or a basis that is not complete where no smaller one will do."""
    A = matrix(60, 40, np.ones(40))
    Q, said = find_range(A, 1e-3, rng=0)
    assert Q.shape == (40, 40) and said == 0.0
    assert error_of(A, Q.T) < 1e-13 * np.linalg.norm(A)


@pytest.mark.parametrize("scale", [1e-150, 1e-100, 1.0, 1e150])
def test_low_rank_and_zero(scale, matrix, error_of):
    """A rank that is not noticed, a division by zero, or squares that leave the range of float64."""
    A = matrix(80, 60, np.linspace(2, 1, 7)) * scale
    Q, said = find_range(A, 1e-9, block_size=10, rng=0)
    assert Q.shape[1] <= 17
    assert said < 1e-13
    assert error_of(A / scale, Q.T) < 1e-13
    Q, said = find_range(np.zeros((8, 5)), 1e-3, rng=0)
    assert Q.shape == (5, 0) and said == 0.0


def test_every_container(contained, matrix, error_of):
    """A product with the wrong side, and a result in another dtype."""
    A = matrix(150, 60, 0.5 ** np.arange(60))
    Q, said = find_range(contained(np.array(A)), 1e-5, block_size=10, rng=0)
    assert said <= 1e-5 and error_of(A, Q.T) <= 3e-5 * np.linalg.norm(A)
    Q, _ = find_range(contained(A.astype(np.float32)), 1e-3, block_size=10, rng=0)
    assert Q.dtype == np.float32
    assert_orthonormal(Q)


def test_passes_and_seeds(matrix):
    """Passes that the docstring does not promise, and randomness from anywhere but `rng`."""
    A = as_operand(matrix(250, 120, 0.7**J))
    Q, _ = find_range(A, 1e-4, block_size=10, rng=0)
    assert A.n_passes == 4 * Q.shape[1] // 10 + 1
    np.testing.assert_array_equal(Q, find_range(A, 1e-4, block_size=10, rng=0)[0])
    assert not np.array_equal(Q, find_range(A, 1e-4, block_size=10, rng=1)[0])


def test_same_bits_on_any_number_of_threads(at_any_threads):
    """Sums in the order in which threads finish."""
    X = sparse.csr_array(np.random.default_rng(0).standard_normal((6000, 60)) * 0.7 ** np.arange(60))
    one, two = at_any_threads(lambda n: find_range(X, 1e-3, rng=0, n_threads=n))
    np.testing.assert_array_equal(one[0], two[0])
    assert one[1] == two[1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tol": 0.0}, ValueError, r"tol must be in \(0, 1\).* Got 0.0"),
        ({"tol": 1.5}, ValueError, r"tol must be in \(0, 1\).* Got 1.5"),
        ({"tol": "small"}, TypeError, "tol must be a float .* got 'small'"),
        ({"tol": None}, TypeError, "tol must be a float .* got None"),
        ({"max_columns": 0}, ValueError, "max_columns must be at least 1, got 0"),
        ({"max_columns": 2.0}, TypeError, "max_columns must be an int, got 2.0"),
        ({"block_size": 0}, ValueError, "block_size must be at least 1, got 0"),
        ({"rng": "0"}, TypeError, "rng must be"),
    ],
)
def test_bad_parameters_are_named(arguments, error, message):
    """A value that never stops, or an error from deep inside, after a pass."""

    def never():
        raise AssertionError("the data were read")

    with pytest.raises(error, match=message):
        find_range(RowChunks(never, (30, 20)), **({"tol": 0.1} | arguments))


def test_bad_entries_are_named():
    """NaN or infinity in the basis."""
    X = np.ones((30, 20))
    X[4, 6] = np.nan
    with pytest.raises(ValueError, match="A contains NaN: first seen at row 4, column 6"):
        find_range(X, 0.1)
