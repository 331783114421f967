"""Iterative ridge regression for which no factor of the problem's size is needed: Nystrom preconditioning."""

import numpy as np
from scipy import linalg

from ._ridge_equations import ROUNDING, STALLED, Dual, Primal
from ._ridge_factors import column_norms

_EPS = float(np.finfo(np.float64).eps)
# A run reduces residuals no further than its products have digits; then they are measured.
_REDUCTION = {"float32": 1e-4, "float64": 1e-10}
# Where coefficients are not good enough yet, the next run aims at this part of what would do.
_AIM = 0.5
# A run ends for a target whose residual has not become less for so many steps.
_WINDOW = 200


def nystrom_conjugate_gradients(A, Y, alpha, tol, draw, max_iter, note):
    """``(B, gradient, right side, accurate, steps)`` by conjugate gradients for all targets together.

    On ``A A^T + alpha I`` for fewer rows than columns, otherwise on ``A^T A + alpha I``, preconditioned by an
    approximation on the subspace of a sketch ``draw(q)`` of shape (rank, q). One pass per step.

    A residual r bounds the error E of B whatever the spectrum is. Of the equations with K = A A^T,

        ||A E||^2 + alpha ||E||^2 = r^T K (K + alpha I)^-1 r <= ||r||^2,

    and of those with A^T A it is at most ||r||^2 / alpha. For alpha = 0 there is no such bound with A^T A;
    then the residual alone is brought below `tol`. Nor is there a solution with A A^T, then, where rows
    contradict each other: A^T A is for these.

    References: Z. Frangella, J. A. Tropp and M. Udell, "Randomized Nystrom preconditioning", 2021,
    arXiv:2110.02820.
    """
    if A.shape[0] >= A.shape[1] or not A.sweeps_columns:
        return _iterate(Primal(A.tiled_by_rows(), Y, alpha), tol, draw, max_iter, note)
    found = _iterate(Dual(A.T.tiled_by_rows(), Y, alpha), tol, draw, max_iter, note)
    accurate, steps = found[-2:]
    if np.all(accurate | (alpha > 0)) or steps >= max_iter:
        return found
    found = _iterate(Primal(A.tiled_by_rows(), Y, alpha), tol, draw, max_iter - steps, note)
    return *found[:-1], steps + found[-1]


def _iterate(system, tol, draw, max_iter, note):
    alpha = system.alpha
    precondition, largest = _nystrom(system.inner, draw(system.inner.shape[1]), alpha)
    Z, R = np.zeros_like(system.rhs), system.rhs.copy()
    aims, steps = np.ones(len(alpha)), 0
    while True:
        before = column_norms(R)
        floors = _REDUCTION[system.inner.dtype.name] * before
        dZ, n_steps = _descend(system, precondition, Z, R, tol, aims, floors, max_iter - steps, note)
        Z, steps = Z + dZ, steps + n_steps
        R = system.gradient(Z, np.arange(len(alpha)))[0]
        B, g, rhs = system.coefficients(Z, R)
        left, first, of_system = column_norms(g), column_norms(rhs), column_norms(R)
        rounding = ROUNDING * _EPS * ((largest + alpha) * column_norms(Z) + column_norms(system.rhs))
        is_small = (of_system <= system.residual_allowed(Z, R, tol)) & (left <= tol * first)
        # Rounding is no excuse for what grows because there is no solution.
        accurate = is_small | ((of_system <= rounding) & (left <= STALLED * first))
        if steps >= max_iter or np.all(accurate | (of_system > STALLED * before)):
            return B, g, rhs, accurate, steps
        # What the bound allows may be too much for the residual of the coefficients.
        is_over = ~accurate & (left > tol * first)
        aims *= np.divide(_AIM * tol * first, left, out=np.ones(len(left)), where=is_over)


def _nystrom(M, S, alpha):
    """``(function, largest eigenvalue)`` that applies, up to a factor, an inverse of about M^T M + alpha I.

    With ``M^T M ~ U diag(values) U^T``, and the smallest of these values in place of all that are not known.
    """
    Q, _ = linalg.qr(S.toarray().T.astype(np.float64), mode="economic", check_finite=False)
    product = M.normal_matmat(Q).astype(np.float64, copy=False)
    # A shift by what rounding may have added keeps the core positive definite.
    shift = np.sqrt(len(Q)) * float(np.finfo(M.dtype).eps) * np.linalg.norm(product)
    if shift == 0:
        return lambda R: R, 0.0
    core = Q.T @ product
    lower = linalg.cholesky((core + core.T) / 2 + shift * np.eye(len(core)), lower=True)
    factor = linalg.solve_triangular(lower, (product + shift * Q).T, lower=True).T
    U, s, _ = linalg.svd(factor, full_matrices=False, check_finite=False)
    values = np.maximum(s**2 - shift, shift)[:, None]
    weights = (values[-1] + alpha) / (values + alpha) - 1
    return lambda R: R + U @ (weights * (U.T @ R)), float(values[0, 0])


def _descend(system, precondition, Z, R, tol, aims, floors, max_steps, note):
    """``(correction of Z, steps)`` that leaves, of residuals R, `aims` times what is allowed, or `floors`.

    Targets that are done, or whose residuals have not become less for many steps, stay where they are.
    """
    alpha = system.alpha
    total, r, steps = np.zeros_like(Z), R.copy(), 0
    z = precondition(r)
    p, squares = z.copy(), np.einsum("ij,ij->j", r, z)
    least, last = column_norms(R), np.zeros(len(alpha))
    while True:
        allowed, left = aims * system.residual_allowed(Z + total, r, tol), column_norms(r)
        if steps:
            note(float(np.max(np.divide(left, allowed, out=np.zeros(len(left)), where=allowed > 0))))
        last = np.where(left < least, steps, last)
        least = np.minimum(left, least)
        moves = (left > np.maximum(allowed, floors)) & (steps - last < _WINDOW) & (squares > 0)
        if steps >= max_steps or not np.any(moves):
            return total, steps
        q = np.zeros_like(p)
        q[:, moves] = system.normal(p[:, moves]) + alpha[moves] * p[:, moves]
        curvature = np.einsum("ij,ij->j", p, q)
        moves &= curvature > 0
        length = np.divide(squares, curvature, out=np.zeros(len(squares)), where=moves)
        total += length * p
        r -= length * q
        z = precondition(r)
        now = np.where(moves, np.einsum("ij,ij->j", r, z), 0)
        p = z + np.divide(now, squares, out=np.zeros(len(now)), where=moves) * p
        squares = now
        steps += 1
