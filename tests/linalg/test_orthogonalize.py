"""Orthonormal bases of panels: orthonormality and span, compared with Householder's QR from LAPACK."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklr.linalg import orthonormalize

# Householder's method leaves about sqrt(l) eps in Q^T Q - I; so does Cholesky QR done twice.
FEW = 20


def defect(Q):
    """Largest entry of ``Q^T Q - I``, in float64, in units of the eps of Q."""
    Q64 = Q.astype(np.float64)
    return np.abs(Q64.T @ Q64 - np.eye(Q.shape[1])).max(initial=0) / np.finfo(Q.dtype).eps


def missing(Y, Q):
    """Largest part of a column of Y, relative to its length, that is outside the span of Q."""
    Y, Q = Y.astype(np.float64), Q.astype(np.float64)
    largest = np.abs(Y).max(axis=0)
    Y = Y[:, largest > 0] / largest[largest > 0]
    rest = Y - Q @ (Q.T @ Y)
    rest -= Q @ (Q.T @ rest)
    return np.max(np.linalg.norm(rest, axis=0) / np.linalg.norm(Y, axis=0), initial=0)


def noise(Y):
    """What counts as rounding in the span of unit columns: documented as "to rounding"."""
    return 40 * np.finfo(Y.dtype).eps * np.sqrt(Y.shape[0])


def panel_of_condition(n, width, condition, dtype=np.float64):
    rng = np.random.default_rng(1)
    U = np.linalg.qr(rng.standard_normal((n, width)))[0]
    W = np.linalg.qr(rng.standard_normal((width, width)))[0]
    return ((U * np.geomspace(1, 1 / condition, width)) @ W).astype(dtype)


@pytest.mark.parametrize("condition", [1, 1e2, 1e4, 1e6, 1e8, 1e11])
@pytest.mark.parametrize("n", [12, 700, 9000])
def test_orthonormal_whatever_the_condition(n, condition):
    """A single Cholesky QR, whose error is eps times the squared condition number; a missing fallback."""
    Y = panel_of_condition(n, 12, condition)
    Q = orthonormalize(Y)
    assert Q.shape == Y.shape
    assert defect(Q) < FEW
    assert missing(Y, Q) < noise(Y)


@pytest.mark.parametrize("condition", [1, 1e2, 1e4])
def test_float32_stays_float32_and_orthonormal(condition):
    """Thresholds that are right for float64 only, or a result silently in float64."""
    Y = panel_of_condition(2000, 10, condition, np.float32)
    Q = orthonormalize(Y)
    assert Q.dtype == np.float32
    assert Q.shape == Y.shape
    assert defect(Q) < FEW
    assert missing(Y, Q) < noise(Y)


def test_spans_what_lapack_spans():
    """A basis of some other space: the projector is compared with that of LAPACK's QR."""
    Y = np.random.default_rng(0).standard_normal((500, 20))
    Q, reference = orthonormalize(Y), np.linalg.qr(Y)[0]
    np.testing.assert_allclose(Q @ Q.T, reference @ reference.T, atol=1e-13)


def test_columns_of_very_different_length_all_count():
    """Squares of short columns lost beside those of long ones: columns must be scaled first."""
    Y = np.random.default_rng(0).standard_normal((300, 9)) * np.geomspace(1e-250, 1e250, 9)
    Q = orthonormalize(Y)
    assert Q.shape == Y.shape
    assert defect(Q) < FEW
    assert missing(Y, Q) < noise(Y)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rank", [1, 4])
def test_dependent_columns_are_dropped(rank, dtype):
    """Rounding noise made into basis vectors of a rank-deficient panel."""
    rng = np.random.default_rng(2)
    Y = (rng.standard_normal((400, rank)) @ rng.standard_normal((rank, 11))).astype(dtype)
    Q = orthonormalize(Y)
    assert Q.shape == (400, rank)
    assert defect(Q) < FEW
    assert missing(Y, Q) < noise(Y)


def test_zero_and_repeated_columns_are_dropped():
    """Division by the length of a zero column, or a column kept twice."""
    Y = np.random.default_rng(3).standard_normal((50, 6))
    Y[:, 2] = 0
    Y[:, 4] = Y[:, 0]
    Y[:, 5] = -3 * Y[:, 1]
    Q = orthonormalize(Y)
    assert Q.shape == (50, 3)
    assert defect(Q) < FEW
    assert missing(Y, Q) < noise(Y)


def test_zero_panel_has_an_empty_basis():
    """NaN, or an error, where nothing is to be spanned."""
    assert orthonormalize(np.zeros((7, 3))).shape == (7, 0)


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (6, 6)])
def test_smallest_and_square_panels(shape):
    """Panels at the edge of "tall"."""
    Y = np.random.default_rng(4).standard_normal(shape)
    Q = orthonormalize(Y)
    assert Q.shape == shape
    assert defect(Q) < FEW


@pytest.mark.parametrize(
    ("dtype", "outside"),
    [(np.float64, 1.0), (np.float64, 1e-3), (np.float64, 1e-9), (np.float32, 1.0), (np.float32, 1e-3)],
)
def test_orthogonal_to_a_given_basis(outside, dtype):
    """One projection only: of columns that are mostly in its span, it leaves ``eps / outside`` there."""
    eps = np.finfo(dtype).eps
    rng = np.random.default_rng(5)
    whole = np.linalg.qr(rng.standard_normal((800, 25)))[0]
    against, fresh = whole[:, :15].astype(dtype), whole[:, 15:]
    Y = (against @ rng.standard_normal((15, 10)) + outside * fresh).astype(dtype)
    Q = orthonormalize(Y, against=against)
    assert Q.shape == (800, 10)
    assert defect(Q) < FEW
    assert np.abs(against.astype(np.float64).T @ Q).max() < FEW * eps
    assert missing(Y, np.hstack([against, Q])) < noise(Y)


def test_nothing_is_left_of_columns_in_the_given_basis():
    """Rounding noise returned as new directions, with which an iteration would never stop."""
    rng = np.random.default_rng(6)
    against = np.linalg.qr(rng.standard_normal((300, 12)))[0]
    assert orthonormalize(against @ rng.standard_normal((12, 5)), against=against).shape == (300, 0)
    mixed = np.hstack([against[:, :3], rng.standard_normal((300, 2))])
    Q = orthonormalize(mixed, against=against)
    assert Q.shape == (300, 2)
    assert np.abs(against.T @ Q).max() < FEW * np.finfo(float).eps


def test_empty_basis_is_no_basis():
    """``against`` without columns, the first step of every iteration."""
    Y = np.random.default_rng(7).standard_normal((40, 3))
    np.testing.assert_array_equal(orthonormalize(Y, against=np.empty((40, 0))), orthonormalize(Y))


@pytest.mark.parametrize("order", ["C", "F"])
def test_panel_is_not_changed(order):
    """Work done in the caller's array."""
    Y = np.asarray(np.random.default_rng(8).standard_normal((60, 4)), order=order)
    before = Y.copy()
    Y.flags.writeable = False
    orthonormalize(Y, against=np.linalg.qr(np.ones((60, 1)))[0])
    np.testing.assert_array_equal(Y, before)


@pytest.mark.parametrize("condition", [10, 1e10])
def test_same_bits_on_any_number_of_threads(condition, at_any_threads):
    """Sums over tiles in the order in which threads finish; LAPACK's fallback on BLAS's own threads."""
    Y = panel_of_condition(30_000, 20, condition)
    against = np.linalg.qr(np.random.default_rng(9).standard_normal((30_000, 8)))[0]
    one, two = at_any_threads(lambda n: orthonormalize(Y, against=against, n_threads=n))
    np.testing.assert_array_equal(one, two)
    for n_threads in (3, None):
        np.testing.assert_array_equal(orthonormalize(Y, against=against, n_threads=n_threads), one)


def test_bad_panels_are_named():
    """NaN that spreads through the basis instead of an error."""
    with pytest.raises(ValueError, match="panel contains NaN"):
        orthonormalize(np.array([[1.0, np.nan], [0.0, 1.0], [2.0, 1.0]]))
    with pytest.raises(ValueError, match="panel must be two-dimensional"):
        orthonormalize(np.ones(4))


@given(
    n=st.integers(1, 60),
    width=st.integers(1, 12),
    rank=st.integers(0, 12),
    exponent=st.integers(-60, 60),
    n_against=st.integers(0, 6),
    seed=st.integers(0, 99),
)
def test_laws_for_any_panel(n, width, rank, exponent, n_against, seed):
    """The four laws together: orthonormal, orthogonal to the given basis, spanning, no more than the rank."""
    width, n_against = min(width, n), min(n_against, n)
    rank = min(rank, width)
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((n, rank)) @ rng.standard_normal((rank, width)) * 10.0**exponent
    against = np.linalg.qr(rng.standard_normal((n, n_against)))[0]
    Q = orthonormalize(Y, against=against)
    assert Q.shape[0] == n and Q.shape[1] <= min(rank, n - n_against)
    assert defect(Q) < FEW
    assert np.abs(against.T @ Q).max(initial=0) < FEW * np.finfo(float).eps
    # What is in the span of few columns only by cancellation may be dropped: lengths are of order one here.
    assert missing(Y, np.hstack([against, Q])) < 1e-10
