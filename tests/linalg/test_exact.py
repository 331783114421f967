"""The LAPACK route: equal to NumPy's, from every container."""

import numpy as np
import pytest

from sklr.linalg import as_operand, centered, exact_svd


def test_equal_to_numpy_from_every_container(matrix, contained, lapack_svd):
    """A wrong slice of LAPACK's factors, or a container that is unpacked wrongly."""
    X = matrix(120, 40, 1 / np.arange(1, 41))
    result = exact_svd(contained(X), 7)
    s, Vt = lapack_svd(X)
    np.testing.assert_allclose(result.singular_values, s[:7], rtol=1e-13)
    np.testing.assert_allclose(np.abs(np.sum(result.right_vectors * Vt[:7], axis=1)), 1, rtol=1e-12)
    assert result.captured == pytest.approx(np.sum(s[:7] ** 2), rel=1e-13)
    assert result.squared_norm == pytest.approx(np.sum(s**2), rel=1e-13)
    assert (result.n_passes, result.solver) == (2, "exact")  # the second for the residuals


def test_centred_operand_is_what_is_decomposed(matrix, contained, lapack_svd):
    """The data without their mean subtracted."""
    X = matrix(120, 40, 1 / np.arange(1, 41)) + np.linspace(-3, 3, 40)
    result = exact_svd(centered(contained(X)), 5)
    s = lapack_svd(X - X.mean(axis=0))[0]
    np.testing.assert_allclose(result.singular_values, s[:5], rtol=1e-12)


def test_user_data_are_not_overwritten(matrix):
    """LAPACK working in the array of the user, which an operand hands out as a view."""
    X = np.asfortranarray(matrix(60, 20, 1 / np.arange(1, 21)))
    before = X.copy()
    X.flags.writeable = False
    exact_svd(X, 3)
    np.testing.assert_array_equal(X, before)


def test_spectrum_down_to_rounding(matrix):
    """Squaring, which loses what is below 1e-8 of the largest."""
    s = np.geomspace(1, 1e-14, 30)
    found = exact_svd(matrix(80, 30, s), 30).singular_values
    np.testing.assert_allclose(found, s, atol=50 * np.finfo(float).eps)


def test_float32_stays_float32(matrix):
    """A result in another precision than the data."""
    X = matrix(80, 30, 1 / np.arange(1, 31)).astype(np.float32)
    result = exact_svd(X, 4)
    assert result.singular_values.dtype == result.right_vectors.dtype == np.float32
    np.testing.assert_allclose(result.singular_values, 1 / np.arange(1, 5), rtol=1e-5)


@pytest.mark.parametrize(
    ("k", "error"),
    [(0, ValueError), (21, ValueError), (2.0, ValueError), (True, TypeError), ("3", TypeError)],
)
def test_impossible_ranks(k, error):
    """A rank that slices nothing, or everything."""
    with pytest.raises(error, match="k must be"):
        exact_svd(np.ones((30, 20)), k)


def test_nan_is_named():
    """NaN handed to LAPACK, whose message names neither array nor entry."""
    X = np.ones((30, 20))
    X[4, 6] = np.nan
    with pytest.raises(ValueError, match="A contains NaN: first seen at row 4, column 6"):
        exact_svd(as_operand(X, name="A"), 2)
