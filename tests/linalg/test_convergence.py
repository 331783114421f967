"""When an iteration has done enough: what a pass has gained, and what residuals prove."""

import numpy as np
import pytest

from sklr.linalg.convergence import State, check_accuracy, gains, is_accurate, measure
from sklr.linalg.rank import ErrorRank, FixedRank

EPS = np.finfo(float).eps


def state(leading, error=1.0, rank=-1, residuals=0.0, beyond=0.0):
    leading = np.asarray(leading, dtype=float)
    rank = len(leading) if rank == -1 else rank
    return State(rank, error, leading, np.broadcast_to(residuals, leading.shape), beyond)


def test_measure():
    """Squares counted twice or not at all, and the next value where the last one belongs."""
    squares, residuals = np.array([9.0, 4.0, 1.0]), np.array([0.1, 0.2, 0.3])
    found = measure(FixedRank(2), squares, residuals, 16.0)
    assert (found.rank, found.error, found.beyond) == (2, 3.0, 1.0)
    np.testing.assert_array_equal(found.leading, [9.0, 4.0])
    np.testing.assert_array_equal(found.residuals, [0.1, 0.2])
    unknown = measure(ErrorRank(5, 0.1), squares, residuals, 16.0)
    assert (unknown.rank, unknown.error, unknown.beyond) == (None, 2.0, 0.0)
    assert measure(FixedRank(3), squares, residuals, 13.9).error == 0.0  # more than all, by rounding


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, state([4.0, 1.0]), True),
        (state([4.0], rank=None), state([4.0, 1.0]), True),
        (state([4.0, 1.0]), state([4.0, 1.0], rank=None), True),
        (state([4.0, 1.0], 1.0), state([4.0, 1.0], 1.0), False),
        (state([4.0, 1.0], 1.002), state([4.0, 1.0], 1.0), True),  # the error
        (state([4.0, 1.0], 1.0005), state([4.0, 1.0], 1.0), False),
        (state([4.0, 0.98]), state([4.0, 1.0]), True),  # a small value
        (state([4.0, 0.995]), state([4.0, 1.0]), False),
        (state([4.0, 1.0]), state([4.0, 1.0, 1.0]), True),  # the rank
        (state(np.ones(200)), state(np.ones(201)), False),  # by less than a part in 100
        (state([0.0, 0.0], 0.0), state([0.0, 0.0], 0.0), False),
    ],
)
def test_gains(before, now, expected):
    """Going on for ever, or stopping while the error, one value or the rank still moves."""
    assert gains(before, now) == expected


@pytest.mark.parametrize(
    ("found", "accuracy", "expected"),
    [
        (state([4.0, 1.0], residuals=[0.0, 1.9e-3]), 1e-3, True),  # sigma has half the relative error
        (state([4.0, 1.0], residuals=[0.0, 2.1e-3], beyond=0.999), 1e-3, False),
        (state([4.0, 1.0], residuals=[0.0, 2.1e-3], beyond=0.5), 1e-3, True),  # r^2 / gap = 9e-6
        (state([4.0, 1.0], residuals=[0.0, 0.04], beyond=0.5), 1e-3, False),  # 3.2e-3
        (state([1.0, 0.9999], residuals=[3e-3, 0.0], beyond=0.999), 1e-3, False),  # not the last alone
        (state([1.0, 0.9999], residuals=[1.9e-3, 0.0], beyond=0.999), 1e-3, True),
        (state([1.0, 1.0], residuals=1e-2, beyond=1.0), 1e-3, False),  # no gap
        (state([1.0, 0.0], residuals=[0.0, 50 * EPS]), 1e-6, True),  # rounding
        (state([0.0, 0.0]), 1e-6, True),
        (state([4.0, 1.0], rank=None), 1e-3, False),
    ],
)
def test_is_accurate(found, accuracy, expected):
    """Half the accuracy or twice, a gap of zero, or rounding errors that keep an iteration going."""
    assert is_accurate(found, accuracy, EPS) == expected


@pytest.mark.parametrize("unit", [1e-280, 1e280])
def test_accuracy_in_any_unit(unit):
    """Squares of residuals that underflow to an accuracy that is not there, or overflow."""
    for r, expected in [(0.04, False), (0.02, True)]:
        found = state(np.array([4.0, 1.0]) * unit, residuals=np.array([0.0, r]) * unit, beyond=0.5 * unit)
        assert is_accurate(found, 1e-3, EPS) == expected


@pytest.mark.parametrize("unit", [1e-280, 1.0, 1e280])
def test_accuracy_in_a_dense_spectrum(unit):
    """A narrow gap that asks for far too much, or trust in a shortfall that the passes do not bear out."""
    theta = np.array([4.0, 1.0, 0.999, 0.998, 0.997, 0.5]) * unit
    # r^2 / gap: 0.1 to theta_3, 2.5e-4 to theta_6, 3.6e-4 with second order.
    residuals = np.array([0.0, 0.01, 0.01, 0.01, 0.01, 0.1]) * unit
    before = measure(FixedRank(2), theta, residuals, 10 * unit)._replace(rises=(1e-2, 1e-3, 1e-4))
    settled = measure(FixedRank(2), theta, residuals, 10 * unit, before)
    assert settled.rises == (1e-3, 1e-4, 0.0)
    np.testing.assert_allclose(settled.likely[1], 3.6e-4 * unit, rtol=0.02)
    assert is_accurate(settled, 1e-3, EPS)
    assert not is_accurate(settled, 1e-4, EPS)
    assert is_accurate(settled._replace(rises=(1e-2, 1e-3, 1e-4)), 1e-3, EPS)  # 1.1e-5 still to come
    assert not is_accurate(settled._replace(rises=(4e-2, 2e-2, 1e-2)), 1e-3, EPS)  # 1e-2
    assert not is_accurate(settled._replace(rises=(1e-4, 1e-4, 1e-4)), 1e-3, EPS)  # no end in sight
    assert not is_accurate(settled._replace(rises=(1e-3, 1e-4)), 1e-3, EPS)  # too few to tell
    assert not is_accurate(settled._replace(likely=None), 1e-3, EPS)


@pytest.mark.parametrize(
    ("value", "error"), [(0, ValueError), (1.0, ValueError), (True, TypeError), ("1", TypeError)]
)
def test_accuracy_is_checked(value, error):
    """An accuracy that nothing reaches, or that everything does."""
    with pytest.raises(error, match="accuracy must be"):
        check_accuracy(value)
    assert check_accuracy(None) is None and check_accuracy(1e-3) == 1e-3
