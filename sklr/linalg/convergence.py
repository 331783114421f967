"""When an iteration for singular values has done enough. Krylov and subspace iteration share it."""

from typing import NamedTuple

import numpy as np

from ._checks import check_relative

# Unless an accuracy is asked for, iteration stops when a further pass has lowered the squared error by less
# than this part of it, so that the passes that follow gain less still ...
_STAGNATION = 1e-3
# ... and has raised none of the k squared singular values by more than this part of it (on a flat spectrum
# the error is near one whatever is found, and only this tells that something is) ...
SETTLED = 1e-2
# ... and, where the data decide the rank, has lowered it by less than this part.
_SAME_RANK = 1e-2
# What further passes can bring is taken for so many times what the last ones show.
_CAUTION = 8
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
    likely : ndarray or None
        How much the leading squares are too small, if all that is not seen is below some later Ritz value.
    rises : tuple of float
        Largest relative rise of a leading square in each of the last passes, three at most, the latest last.
    """

    rank: int | None
    error: float
    leading: np.ndarray
    residuals: np.ndarray
    beyond: float
    total: float = np.nan
    likely: np.ndarray | None = None
    rises: tuple = ()


def measure(rule, squares, residuals, total, previous=None):
    """The state for all Ritz values `squares`, descending, of a matrix with squared norm `total`.

    With the state one pass before, of a basis that is part of this one, it knows what passes bring.
    """
    rank = rule.choose(squares, total)
    kept = min(rule.cap, len(squares)) if rank is None else rank
    error = max(total - float(squares[:kept].sum()), 0.0)
    beyond = float(squares[kept]) if len(squares) > kept else 0.0
    state = State(rank, error, squares[:kept], residuals[:kept], beyond, total)
    if previous is None or len(previous.leading) != kept:
        return state
    with np.errstate(divide="ignore", invalid="ignore"):
        rises = (state.leading - previous.leading) / state.leading
    rise = float(np.max(rises, initial=0.0, where=state.leading > 0))
    return state._replace(
        likely=_likely_shortfalls(squares, residuals, kept), rises=(*previous.rises[-2:], rise)
    )


def _likely_shortfalls(theta, r, k):
    """How much the k leading Ritz values are too small.

    With E = B^T (theta_i - M)^-1 B, where B is the part of N Q beyond the basis Q and M that of N,
    theta_i is too small by E_ii <= r_i^2 / (theta_i - ||M||), and by terms of second order: of these
    sum_j E_ii E_jj / (theta_i - theta_j). ||M|| is not known. If Ritz pair l and those before it were exact,
    it would be about theta_{l+1} + r_{l+1}; where they are not by some residuals r_j, it may be larger by
    r_j^2 / (theta_j - theta_{l+1}). The best l is taken. This counts the gap to a later Ritz value in place
    of that to the next one, which is next to nothing in a dense spectrum.
    """
    best, top = np.full(k, np.inf), theta[:k]
    ahead = 0
    while k + ahead < len(theta):
        end = k + ahead
        between, errors = theta[k:end], r[k:end]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            depth = between - theta[end]
            hidden = np.fmin(np.where(depth > 0, errors * (errors / depth), 0), depth)
            gap = top - theta[end] - np.max(hidden, initial=r[end])
            coupling = (errors / gap[:, None]) * (errors / (top[:, None] - between))
            found = r[:k] * (r[:k] / gap) * (1 + coupling.sum(axis=1))
        found[~(gap > 0) | np.isnan(found)] = np.inf
        if found.max() < best.max():
            best = found
        ahead = 2 * ahead + 1
    return best


def _still_to_come(rises):
    """Relative rise that passes still bring, if each brings as much less than the last as seen lately."""
    if len(rises) < 3:
        return np.inf
    if rises[2] == 0:
        return 0.0
    if rises[2] >= min(rises[:2]):
        return np.inf
    ratio = max(rises[2] / rises[1], np.sqrt(rises[2] / rises[0]))
    return rises[2] * ratio / (1 - ratio)


def gains(before, now, settled=SETTLED):
    """Whether the error, a singular value or the rank shows that the passes between were worth it.

    A singular value does if its square has risen by more than the part `settled`.
    """
    if before is None or before.rank is None or now.rank is None:
        return True
    if abs(before.rank - now.rank) > _SAME_RANK * now.rank:
        return True
    kept = min(before.rank, now.rank)
    rises = now.leading[:kept] - before.leading[:kept]
    return before.error - now.error > _STAGNATION * now.error or bool(
        np.any(rises > settled * now.leading[:kept])
    )


def is_accurate(state, accuracy, eps):
    """Whether the singular values that are kept are right to the relative `accuracy`.

    A Ritz value theta is within r = ||N v - theta v|| of an eigenvalue of N, and within about r^2 / gap of
    it where the gap to those that are not kept is larger than r; sigma has half the relative error of theta.
    Where the gap is narrow that is far too much: it is enough that the likely shortfalls are small and that
    the passes before show that no more will come.
    """
    if state.rank is None:
        return False
    theta, r = state.leading, state.residuals
    with np.errstate(divide="ignore", invalid="ignore"):
        quadratic = np.where(theta > state.beyond, r * (r / (theta - state.beyond)), np.inf)
    allowed = 2 * accuracy * theta + _ROUNDING * eps * theta[0]
    if np.all(np.fmin(r, quadratic) <= allowed):
        return True
    is_likely = state.likely is not None and bool(np.all(state.likely <= allowed))
    return is_likely and stands_still(state, accuracy)


def stands_still(state, accuracy):
    """Whether further passes, as far as the last ones show, change no singular value by `accuracy`."""
    return _CAUTION * _still_to_come(state.rises) <= 2 * accuracy


def check_accuracy(accuracy):
    """Return `accuracy` as a float or None; raise if it is neither."""
    return None if accuracy is None else check_relative("accuracy", accuracy)
