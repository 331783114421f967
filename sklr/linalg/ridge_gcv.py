"""Errors of ridge regression on rows that it does not see: generalized cross-validation."""

from typing import NamedTuple

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, ordered, session

from ._checks import check_count
from ._eigen import Tridiagonal
from ._left_out import (
    LeftOut,
    check_room,
    check_search,
    gram_of_rows,
    has_room_for_svd,
    inverse_of,
    is_interpolating,
    lowest_alpha,
    with_columns_swept,
)
from ._sketched_sizes import SketchedSizes
from .plan import MAX_MEMORY


def generalized_cross_validation(
    A,
    Y,
    alphas,
    sketch_sizes=None,
    *,
    sketch="auto",
    n_sketches=1,
    root_weight=None,
    has_intercept=False,
    gram=None,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Estimate the errors on new rows, for all alphas and all sketches of the features.

    For a fit that maps targets to fitted values by a matrix L, the residual of row i in data that the fit
    does not see is taken to be

        (y_i - yhat_i) / (1 - tr(L) / m),

    for ridge regression and, as Patil and LeJeune show, for averages of `n_sketches` regressions on sketched
    features (`sklr.linalg.sketched_ridge` with ``axis="features"``), of which L is the average too. The means
    of functions of y_i and these residuals, such as the squared error, converge to those on new data, for
    proportional m, n and sketch size and sketches that are free of the data.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Centred and weighted; see `leave_one_out`.
    Y : array of shape (m, t) or (m,)
        Targets, centred and weighted in the same way.
    alphas : array of shape (a,)
        Regularisation, at least 0.
    sketch_sizes : list of int, default=None
        Rows of the sketches, from 1 to n. None: nothing is sketched.
    sketch : str or Distribution, default="auto"
        Distribution of the sketches, or its name; see `sklr.sketch.make_sketch`.
    n_sketches : int, default=1
        Sketches that are averaged over.
    root_weight : array of shape (m,), default=None
        The roots of the weights; None: all 1. m counts rows, not weights, without those of weight zero.
    has_intercept : bool, default=False
        Whether A and Y are centred; the intercept takes one degree of freedom more.
    gram : ndarray of shape (min(m, n), min(m, n)), default=None
        ``A^T A`` or, for m < n, ``A A^T`` in float64, where that is known and nothing is sketched.
    max_memory : int, default=2147483648
        Bytes beside the data that may be taken.
    rng : None, int, Generator or Stream, default=None
        Where the sketches come from: those that `sketched_ridge` draws from it.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    list of LeftOut
        One for each sketch size, or a single one. Residuals in the units of the targets.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range, or more than `max_memory` would be needed.

    See Also
    --------
    leave_one_out : Exact, without sketches.

    Notes
    -----
    For each sketch the smaller Gram matrix of A S^T, of q = min(m, d) rows, is brought to tridiagonal form,
    where a solution costs next to nothing: ``p q^2 + 4/3 q^3`` flops for all alphas, and ``2 m d t`` for the
    fitted values of each. Families that extend by any number of rows (Gaussian, Rademacher, SRTT, sampling
    with replacement) are applied at the largest size only. `n_sketches` passes, and as many for a second
    family that "auto" may take. Memory, in numbers: m times the sum of the sketch sizes (of the largest,
    where they extend) and ``2 m t a`` for each size.

    References
    ----------
    P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
    tuning", 2023, arXiv:2310.04357.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import generalized_cross_validation
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((300, 100))
    >>> y = A @ rng.standard_normal(100) / 10 + 0.5 * rng.standard_normal(300)
    >>> small, large = generalized_cross_validation(A, y, [1.0, 10.0], [20, 80], n_sketches=5, rng=0)
    >>> bool(np.mean(large.residuals**2) < np.mean(small.residuals**2))
    True
    """
    A = as_operand(A, name="A")
    Y, alphas, rows = check_search(A, Y, alphas, root_weight, has_intercept)
    n_sketches = check_count("n_sketches", n_sketches, 1)
    sizes = [None] if sketch_sizes is None else [check_count("sketch_sizes", d, 1) for d in sketch_sizes]
    if sketch_sizes is not None and (not sizes or max(sizes) > A.shape[1]):
        raise ValueError(f"sketch_sizes must be from 1 to {A.shape[1]} features, got {sketch_sizes!r}.")
    room = 16 * rows.n * alphas.size * Y.shape[1] * len(sizes)
    check_room("The residuals of all rows, alphas and sketch sizes", room, max_memory)
    totals = [_Total(rows.n) for _ in sizes]
    with session(n_threads):
        if sketch_sizes is None:
            if is_interpolating(A, rows):
                A = with_columns_swept(A, max_memory)
            totals[0].add(_member(A.astype(np.float64), Y, alphas, rows, max_memory, gram))
        else:
            stream = as_stream(rng)
            for i in range(n_sketches):
                sketched = SketchedSizes(A.T, sketch, stream.child(2 * i))
                check_room("The sketched data", 8 * sketched.n_numbers(sizes), max_memory)
                sketched.add(sizes)
                grams = [sketched.gram(d) for d in sizes]

                def score(j, sketched=sketched, grams=grams):
                    B = sketched.product(sizes[j]).T.astype(np.float64, copy=False)
                    G = None if is_interpolating(B, rows) else grams[j]  # that of the rows is wanted then
                    return j, _member(as_operand(B), Y, alphas, rows, max_memory, G)

                # The largest first, so that no thread is left with it at the end.
                order = sorted(range(len(sizes)), key=lambda j: -sizes[j])
                ordered(score, order, lambda found: totals[found[0]].add(found[1]))
    return [total.left_out(rows) for total in totals]


# -- one matrix -----------------------------------------------------------------------------------------


class _Member(NamedTuple):
    """What one regression leaves: ``(I - L) Y`` of shape (a, n, t) and ``tr(I - L)`` of shape (a,).

    Both divided by alpha where rows can be interpolated, because both vanish with it; but not where the data
    have directions of no singular value, and alpha is 0: those, which `dominates` marks, count for all.
    """

    remainders: np.ndarray
    traces: np.ndarray
    dominates: np.ndarray
    degrees_of_freedom: np.ndarray
    lowest_alpha: float


def _member(B, Y, alphas, rows, max_memory, gram=None):
    """A regression on B for all alphas, the intercept in L."""
    is_dual = is_interpolating(B, rows)
    if is_dual:
        form = Tridiagonal(gram_of_rows(B, rows, gram if B.shape[0] < B.shape[1] else None))
    else:
        form = Tridiagonal(B.gram() if gram is None else gram)
    w = np.maximum(form.eigenvalues, 0)
    lowest = lowest_alpha(w, alphas)
    if lowest and has_room_for_svd(B, max_memory):
        return _member_by_svd(B, Y, alphas, rows, is_dual)
    used = np.maximum(alphas, lowest)
    inverse = 1 / (w[:, None] + used)
    dof, nothing = np.sum(w[:, None] * inverse, axis=0), np.zeros(len(used), dtype=bool)
    if is_dual:
        solutions = form.solve(rows.reduced(Y[rows.keep]), used)
        remainders = np.stack([rows.lifted(solution) for solution in solutions])
        return _Member(remainders, inverse.sum(axis=0), nothing, dof, lowest)
    solutions = form.solve(B.rmatmat(Y), used)
    flat = np.moveaxis(solutions, 0, 1).reshape(B.shape[1], -1)
    fitted = B.matmat(flat).reshape(len(Y), len(used), -1)
    remainders = np.moveaxis(Y[:, None] - fitted, 1, 0)[:, rows.keep]
    return _Member(remainders, rows.n - rows.taken - dof, nothing, dof, lowest)


def _member_by_svd(B, Y, alphas, rows, is_dual):
    U, s, _ = linalg.svd(rows.reduced(B.toarray()[rows.keep]), full_matrices=is_dual, check_finite=False)
    squares = np.pad(s**2, (0, U.shape[1] - len(s)))
    inverse, is_known = inverse_of(squares, alphas)
    dof = np.sum(squares[:, None] * inverse, axis=0)
    Y = rows.reduced(Y[rows.keep])
    P = U.T @ Y
    if not is_dual:
        remainders = np.stack([Y - U @ (f[:, None] * P) for f in (squares[:, None] * inverse).T])
        traces, dominates = len(Y) - dof, np.zeros(len(alphas), dtype=bool)
    else:
        dominates = ~is_known.all(axis=0)
        factors = np.where(dominates, ~is_known, inverse)
        remainders, traces = np.stack([U @ (f[:, None] * P) for f in factors.T]), factors.sum(axis=0)
    remainders = np.stack([rows.lifted(remainder) for remainder in remainders])
    return _Member(remainders, traces, dominates, dof, 0.0)


# -- ensembles ------------------------------------------------------------------------------------------


class _Total:
    """Sums over the members of an ensemble."""

    def __init__(self, n):
        self._n = n
        self._members, self._squares = None, []

    def add(self, member):
        """Add what one more regression leaves."""
        self._squares.append(np.sum(_corrected(member, self._n) ** 2, axis=1))
        if self._members is None:
            self._members = member
            return
        before = self._members
        dominates = before.dominates | member.dominates
        old, new = (~dominates | part.dominates for part in (before, member))
        self._members = _Member(
            old[:, None, None] * before.remainders + new[:, None, None] * member.remainders,
            old * before.traces + new * member.traces,
            dominates,
            before.degrees_of_freedom + member.degrees_of_freedom,
            max(before.lowest_alpha, member.lowest_alpha),
        )

    def left_out(self, rows):
        """The corrected residuals of the average."""
        found, size = self._members, len(self._squares)
        residuals = rows.unweighted(_corrected(found, self._n))
        return LeftOut(
            residuals, found.degrees_of_freedom / size, sum(self._squares) / size, found.lowest_alpha
        )


def _corrected(member, n):
    """Residuals over the mean of 1 - leverage; NaN where every row is alone."""
    mean = np.where(member.traces > 0, member.traces / n, np.nan)
    return member.remainders / mean[:, None, None]
