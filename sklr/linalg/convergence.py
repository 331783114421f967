"""When an iteration for singular values has done enough. Krylov and subspace iteration share it."""

from typing import NamedTuple

import numpy as np

from ._checks import check_relative

# Unless an accuracy is asked for, iteration stops when a further pass has lowered the squared error by less
# than this part of it, so that the passes that follow gain less still ...
_STAGNATION = 1e-3
# ... and has raised none of the k squared singular values by more than this part of it (on a flat spectrum
# the error is near one whatever is found, and only this tells that something is) ...
_SETTLED = 1e-2
# ... and, where the data decide the rank, has lowered it by less than this part.
_SAME_RANK = 1e-2
# An accuracy asked for is not finer than this many eps of the largest squared singular value.
_ROUNDING = 100


class State(NamedTuple):
    """What is known after a pass about the leading singular values.

    Parameters
    ----------
    rank : int or None
        How many are kept; None while too few are known to tell.
    error : float
        Squared error ||A - A_hat||_F^2 of keeping them.
    leading : ndarray
        Their squares (Ritz values of N = A^T A), descending.
    residuals : ndarray
        ||N v - theta v|| for each of them.
    beyond : float
        The next square; 0 if it is not known.
    total : float
        ||A||_F^2.
    """

    rank: int | None
    error: float
    leading: np.ndarray
    residuals: np.ndarray
    beyond: float
    total: float = np.nan


def measure(rule, squares, residuals, total):
    """The state for all Ritz values `squares`, descending, of a matrix with squared norm `total`."""
    rank = rule.choose(squares, total)
    kept = min(rule.cap, len(squares)) if rank is None else rank
    error = max(total - float(squares[:kept].sum()), 0.0)
    beyond = float(squares[kept]) if len(squares) > kept else 0.0
    return State(rank, error, squares[:kept], residuals[:kept], beyond, total)


def gains(before, now):
    """Whether the error, a singular value or the rank shows that the passes between were worth it."""
    if before is None or before.rank is None or now.rank is None:
        return True
    if abs(before.rank - now.rank) > _SAME_RANK * now.rank:
        return True
    kept = min(before.rank, now.rank)
    rises = now.leading[:kept] - before.leading[:kept]
    return before.error - now.error > _STAGNATION * now.error or bool(
        np.any(rises > _SETTLED * now.leading[:kept])
    )


def is_accurate(state, accuracy, eps):
    """Whether the singular values that are kept are right to the relative `accuracy`.

    A Ritz value theta is within r = ||N v - theta v|| of an eigenvalue of N, and within about r^2 / gap of
    it where the gap to those that are not kept is larger than r; sigma has half the relative error of theta.
    """
    if state.rank is None:
        return False
    theta, r = state.leading, state.residuals
    with np.errstate(divide="ignore", invalid="ignore"):
        quadratic = np.where(theta > state.beyond, r * (r / (theta - state.beyond)), np.inf)
    bound = np.fmin(r, quadratic)
    return bool(np.all(bound <= 2 * accuracy * theta + _ROUNDING * eps * theta[0]))


def check_accuracy(accuracy):
    """Return `accuracy` as a float or None; raise if it is neither."""
    return None if accuracy is None else check_relative("accuracy", accuracy)
