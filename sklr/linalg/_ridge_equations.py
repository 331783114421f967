"""The equations of ridge regression, primal and dual, and how a solution of them is refined."""

import numpy as np

from ._ridge_factors import column_norms, gram_error

_EPS = float(np.finfo(np.float64).eps)
# Errors of so many eps of what was added up are taken for rounding, if no refinement gets rid of them;
# below so many none is tried.
ROUNDING = 10
_NO_ROUNDING = 0.01
# A correction shows in the coefficients if it changes them by more than this part of `tol`.
_SHOWS = 0.1
# A correction that leaves more than this part of an error will be of no more use the next time.
STALLED = 0.5


def smaller_gram(A):
    """A^T A or A A^T, whichever is smaller, with products in float64."""
    A = A.astype(np.float64)
    return (A.T if A.shape[0] < A.shape[1] else A).tiled_by_rows().gram()


def smaller_system(A, Y, alpha, gram=None):
    """The smaller one of the two systems of equations, over tiles along the longer axis.

    `gram` is what `smaller_gram` returns, if it is known.
    """
    if A.shape[0] < A.shape[1]:
        return Dual(A.T.tiled_by_rows(), Y, alpha, gram)
    return Primal(A.tiled_by_rows(), Y, alpha, gram)


class System:
    """The equations (M^T M + alpha I) Z = H, every column with its own alpha, for an operand M.

    `outer` is M in float64, for what decides how good a solution is, `inner` M in its own dtype.
    """

    def __init__(self, M, Y, alpha, gram=None):
        self.inner, self.outer = M, M.astype(np.float64)
        self.Y, self.alpha, self._gram = Y, alpha, gram
        self.gram_error = gram_error(M.shape[1], M.dtype if gram is None else np.float64)

    def gram(self):
        """M^T M, to be overwritten."""
        return self.inner.gram() if self._gram is None else self._gram.copy()

    def normal(self, V):
        """M^T M V by products in the dtype of the data."""
        return self.inner.normal_matmat(V).astype(np.float64, copy=False)


class Primal(System):
    """(A^T A + alpha I) B = A^T Y."""

    def __init__(self, M, Y, alpha, gram=None):
        super().__init__(M, Y, alpha, gram)
        self.rhs = self.outer.rmatmat(Y)

    def gradient(self, Z, columns):
        """``(A^T (Y - A Z) - alpha Z, what is minimised)`` for some targets, in one pass.

        The difference is taken before the product with A^T: see `residual_rmatmat`.
        """
        Y = self.Y if len(columns) == self.Y.shape[1] else self.Y[:, columns]
        product, squares = self.outer.residual_rmatmat(Z, Y)
        alpha = self.alpha[columns]
        return product - alpha * Z, squares + alpha * np.einsum("ij,ij->j", Z, Z)

    def allowed(self, factor, Z, g, errors, loss, tol):
        """``(errors, rounding)``: what `tol` of `ridge` allows, and eps of all that is added up."""
        size = np.sqrt(np.maximum(np.einsum("ij,ij->j", Z, self.rhs - g), 0))
        in_targets = column_norms(self.Y) + factor.condition * np.sqrt(loss)
        added = factor.weighted_sums(Z) + factor.share * in_targets
        left, first = column_norms(g), column_norms(self.rhs)
        by_residual = np.divide(errors * tol * first, left, out=np.full(len(left), np.inf), where=left > 0)
        return np.minimum(np.minimum(tol * size, np.sqrt(tol * loss)), by_residual), _EPS * added

    def residual_allowed(self, Z, r, tol):
        """How long residuals r may be for errors, bounded by them, that `tol` of `ridge` allows."""
        fitted, first = np.einsum("ij,ij->j", Z, self.rhs), column_norms(self.rhs)
        missed = np.einsum("ij,ij->j", Z, r)
        loss = np.einsum("ij,ij->j", self.Y, self.Y) - fitted - missed
        errors = np.sqrt(np.maximum(np.minimum(tol**2 * (fitted - missed), tol * loss), 0))
        return np.minimum(np.where(self.alpha > 0, np.sqrt(self.alpha) * errors, np.inf), tol * first)

    def coefficients(self, Z, r):
        """``(B, gradient, A^T Y)`` of a solution Z with residual r."""
        return Z, r, self.rhs


class Dual(System):
    """(A A^T + alpha I) Z = Y with M = A^T, from which B = A^T Z."""

    def __init__(self, M, Y, alpha, gram=None):
        super().__init__(M, Y, alpha, gram)
        self.rhs = Y

    def gradient(self, Z, columns):
        """``(Y - A A^T Z - alpha Z, None)`` for some targets, in one pass."""
        return self.Y[:, columns] - self.outer.normal_matmat(Z) - self.alpha[columns] * Z, None

    def allowed(self, factor, Z, g, errors, loss, tol):
        """``(errors, rounding)``: what `tol` of `ridge` allows, and eps of all that is added up."""
        size = np.sqrt(np.maximum(np.einsum("ij,ij->j", Z, self.rhs - g), 0))
        return tol * size, _EPS * factor.condition * (
            factor.weighted_sums(Z) + factor.weighted_lengths(self.Y)
        )

    def residual_allowed(self, Z, r, tol):
        """How long residuals r may be for errors that `tol` of `ridge` allows."""
        loss = self.alpha * np.einsum("ij,ij->j", self.Y, Z)
        squares = tol**2 * np.einsum("ij,ij->j", self.Y, self.Y - self.alpha * Z - r)
        return np.sqrt(np.maximum(np.where(loss > 0, np.minimum(squares, tol * loss), squares), 0))

    def coefficients(self, Z, r):
        """``(B, gradient, A^T Y)`` of a solution Z with residual r, in one pass."""
        t = Z.shape[1]
        found = self.outer.matmat(np.hstack([Z, r, self.Y]))
        return found[:, :t], found[:, t : 2 * t], found[:, 2 * t :]


def refine(system, factor, Z, tol, correct, budget, solves=False):
    """Correct Z by what the data say is left, until that is small: ``(Z, gradient, accurate, steps)``.

    With P P^T the inverse that `factor` stands for, of the matrix of the system or nearly so, P^T g is as
    long as the error of a solution with gradient g, or nearly so. ``correct(factor, g, goals, left)``
    returns a correction that should leave the part `goals` of it, and the steps it took, at most `left`.
    Where it `solves` the system, as far as that can be told, a first correction is made whenever it would
    show in the coefficients.
    """
    every = np.arange(Z.shape[1])
    g, loss = system.gradient(Z, every)
    errors, steps, rounds = column_norms(factor.half(g)), 0, 0
    stalled = np.zeros(len(every), dtype=bool)
    while True:
        allowed, rounding = system.allowed(factor, Z, g, errors, loss, tol)
        accurate = errors <= np.maximum(allowed, ROUNDING * rounding)
        allowed = np.maximum(allowed, _NO_ROUNDING * rounding)
        is_due = ~(errors <= allowed)
        columns = every[(is_due | (solves and rounds == 0)) & ~stalled]
        if not columns.size or steps >= budget:
            return Z, g, accurate, steps
        goals = np.divide(allowed[columns], errors[columns], out=np.ones(len(columns)), where=is_due[columns])
        dZ, n_steps = correct(factor.select(columns), g[:, columns], goals, budget - steps)
        rounds += 1
        if solves:
            matters = is_due[columns] | (column_norms(dZ) > _SHOWS * tol * column_norms(Z[:, columns]))
            columns, dZ = columns[matters], dZ[:, matters]
            if not columns.size:
                return Z, g, accurate, steps
        steps += n_steps
        trial = Z[:, columns] + dZ
        new_g, new_loss = system.gradient(trial, columns)
        new_errors = column_norms(factor.select(columns).half(new_g))
        stalled[columns] = ~(new_errors <= STALLED * errors[columns])
        better = new_errors < errors[columns]
        columns = columns[better]
        Z[:, columns], g[:, columns], errors[columns] = trial[:, better], new_g[:, better], new_errors[better]
        if loss is not None:
            loss[columns] = new_loss[better]


def conjugate_gradients(system, factor, g, aims, max_steps, note):
    """P w for P^T (M^T M + alpha I) P w = P^T g, to the part `aims` of P^T g, and the steps it took.

    One pass per step for all targets together, each with its own step lengths.
    """
    r = factor.half(g)
    unit = column_norms(r)
    r /= np.where(unit > 0, unit, 1)
    w, p, squares = np.zeros_like(r), r.copy(), np.einsum("ij,ij->j", r, r)
    steps = 0
    while steps < max_steps and np.any(squares > aims**2):
        v = factor.back(p)
        q = factor.half(system.normal(v) + factor.alpha * v)
        curvature = np.einsum("ij,ij->j", p, q)
        moves = (squares > aims**2) & (curvature > 0)
        length = np.divide(squares, curvature, out=np.zeros(len(squares)), where=moves)
        w += length * p
        r -= length * q
        # A target that is done, or whose curvature is rounding, stays where it is.
        now = np.where(moves, np.einsum("ij,ij->j", r, r), 0)
        p = r + np.divide(now, squares, out=np.zeros(len(now)), where=moves) * p
        squares = now
        steps += 1
        note(np.sqrt(squares))
    return factor.back(unit * w), steps
