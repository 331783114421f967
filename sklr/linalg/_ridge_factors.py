"""Factors of A^T A + alpha I: Cholesky factors and singular vectors, of the data or of a sketch."""

import numpy as np
from scipy import linalg

from sklr._backend import RangeError, as_operand, as_stream, ordered

from .ridge_plan import MANY_ALPHAS

# Above so many columns a Cholesky factor is made of blocks, in parallel; below, LAPACK takes no time.
_LAPACK_COLUMNS = 1500
_BLOCK = 256
# A Gram matrix with a diagonal of ones has an error of about so many sqrt(n) eps: eigenvalues that are no
# larger are not known.
_GRAM_ERROR = 10
# Singular values below so many eps of the largest are taken for rounding where alpha does not lift them.
_RANK_ROUNDING = {"float32": 8, "float64": 30}
_POWER_STEPS = 6


class RidgePrecisionError(ValueError):
    """The Gram matrix, which squares the singular values, cannot hold the problem."""


def precision_error():
    """The error of a solver whose Gram matrix cannot hold the problem."""
    return RidgePrecisionError(
        "A^T A + alpha I (or A A^T + alpha I) is singular to working accuracy: squaring keeps singular "
        "values only above about 1e-6 of the largest, of float32 products 1e-2. Use solver='iterative' or "
        "'exact', or a larger alpha."
    )


class Factor:
    """P with P P^T (nearly) the inverse of M^T M + alpha I, every target with its own alpha.

    ``half(g)`` is P^T g and ``back(w)`` is P w. `condition` estimates the condition number for each target,
    that of `Triangles` with columns scaled to length one; `column_squares` are the squared lengths of the
    columns of M, without alpha.
    """

    def solve(self, g):
        """P P^T g."""
        return self.back(self.half(g))

    @property
    def share(self):
        """A bound on the norm of P^T M^T: next to nothing where alpha is large."""
        total = self.column_squares.sum()
        return np.sqrt(np.divide(total, total + self.alpha, out=np.zeros(len(self.alpha)), where=total > 0))

    def _column_lengths(self):
        return np.sqrt(self.column_squares[:, None] + self.alpha)

    def weighted_sums(self, Z):
        """A bound on the length of M z, of which rounding takes eps."""
        return np.sum(self._column_lengths() * np.abs(Z), axis=0)

    def weighted_lengths(self, Y):
        """The lengths of targets of the dual form in the units of its scaled solution."""
        lengths = self._column_lengths()
        return column_norms(np.divide(Y, lengths, out=np.zeros(Y.shape), where=lengths > 0))


class Triangles(Factor):
    """Cholesky factors L, one for each value of alpha: P = L^-T."""

    def __init__(self, lower, conditions, groups, column_squares, alpha):
        self._lower, self._conditions, self._groups = lower, conditions, groups
        self.column_squares, self.alpha = column_squares, alpha
        self.condition = np.array(conditions)[groups]

    def select(self, columns):
        """The factor of some targets."""
        parts = self._groups[columns], self.column_squares, self.alpha[columns]
        return Triangles(self._lower, self._conditions, *parts)

    def half(self, g):
        return self._each(g, "N")

    def back(self, w):
        return self._each(w, "T")

    def _each(self, X, trans):
        out = np.empty_like(X)
        for i in np.unique(self._groups):
            mine = self._groups == i
            out[:, mine] = linalg.solve_triangular(
                self._lower[i], X[:, mine], lower=True, trans=trans, check_finite=False
            )
        return out


class Spectrum(Factor):
    """Right singular vectors V and squared singular values: P = V (squares + alpha)^(-1/2).

    What is below `smallest` of the largest square is taken for zero, with its vectors.
    """

    def __init__(self, V, squares, alpha, smallest, column_squares=None):
        self._V, self._squares, self._smallest = V, squares, smallest
        self.column_squares = (V**2) @ squares if column_squares is None else column_squares
        self.alpha = alpha
        sums = squares[:, None] + alpha
        self.kept = sums > smallest * squares.max()
        self._inverse_roots = np.divide(1, np.sqrt(sums), out=np.zeros(sums.shape), where=self.kept)
        self.condition = np.sqrt(sums.max(axis=0)) * self._inverse_roots.max(axis=0)

    def select(self, columns):
        """The factor of some targets."""
        return Spectrum(self._V, self._squares, self.alpha[columns], self._smallest, self.column_squares)

    def solution(self, s, targets):
        """``V diag(s / (squares + alpha)) targets`` for singular values s and targets U^T Y."""
        return self._V @ (self._inverse_roots * (self._inverse_roots * (s[:, None] * targets)))

    def half(self, g):
        return self._inverse_roots * (self._V.T @ g)

    def back(self, w):
        return self._V @ (self._inverse_roots * w)


def cholesky_factors(G, alpha, error, smallest):
    """The Cholesky factors of G + alpha I; refused where errors of G would matter. G is overwritten.

    `error` is that of the entries of G, the columns scaled to length one, as far as it acts on vectors. What
    is refused is tried otherwise, so it matters more that nothing bad passes. Columns that are not longer
    than the part `smallest` of the longest are for solvers that know the rank.
    """
    n = len(G)
    diagonal = np.diag(G).copy()
    values, groups = np.unique(alpha, return_inverse=True)
    lower, conditions = [], []
    for i, value in enumerate(values):
        squares = diagonal + value
        is_zero = squares == 0
        if np.any(squares[~is_zero] <= smallest**2 * squares.max()):
            raise precision_error()
        # A column of zeros, whose coefficient is zero, leaves the matrix singular and nothing else.
        squares[is_zero] = 1
        L = G if i == len(values) - 1 else G.copy()
        L[np.arange(n), np.arange(n)] = squares
        try:
            L = _lower_triangle(L)
        except linalg.LinAlgError:
            raise precision_error() from None
        conditions.append(_scaled_condition(L, np.sqrt(squares)))
        if not error * conditions[-1] ** 2 < 1:
            raise precision_error()
        lower.append(L)
    return Triangles(lower, conditions, groups, diagonal, alpha)


def _lower_triangle(G):
    """L with L L^T = G, which is overwritten; what L has above the diagonal is not to be looked at.

    By blocks of columns: LAPACK's factor of the diagonal block, the rows below it in parallel, and their
    products subtracted from the rest, tile by tile: the same bits on any number of threads.
    """
    n = len(G)
    if n <= _LAPACK_COLUMNS:
        return linalg.cholesky(G, lower=True, overwrite_a=True, check_finite=False)
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        done = slice(first, last)
        corner = linalg.cholesky(G[done, done], lower=True, check_finite=False)
        G[done, done] = corner
        strips = [slice(lo, min(lo + _BLOCK, n)) for lo in range(last, n, _BLOCK)]

        def divide(rows, done=done, corner=corner):
            G[rows, done] = linalg.solve_triangular(corner, G[rows, done].T, lower=True, check_finite=False).T

        def subtract(tile, done=done):
            rows, columns = tile
            G[rows, columns] -= G[rows, done] @ G[columns, done].T

        ordered(divide, strips)
        ordered(subtract, [(rows, columns) for i, rows in enumerate(strips) for columns in strips[: i + 1]])
    return G


def _scaled_condition(L, lengths):
    """About the condition number of L^T, its columns scaled to length one: by inverse power iteration."""
    v = as_stream(0).generator("condition").standard_normal(len(L))
    growth = 1.0
    for _ in range(_POWER_STEPS):
        half = linalg.solve_triangular(L, lengths * (v / np.linalg.norm(v)), lower=True, check_finite=False)
        growth = float(np.linalg.norm(half))
        if not np.isfinite(growth):
            return np.inf
        v = lengths * linalg.solve_triangular(L, half, lower=True, trans="T", check_finite=False)
    return growth


def preconditioner(SA, SY, alpha, smallest):
    """A factor for the sketched matrix, and the solutions of the sketched problem.

    From the Gram matrix of the sketch where that will do, because it is made in parallel, otherwise by QR and
    the SVD of R on one thread. The solutions are where iteration starts: no need for them to be exact.
    """
    d, n = SA.shape
    if len(np.unique(alpha)) <= MANY_ALPHAS:
        sketched = as_operand(SA, name="sketch")
        error = gram_error(n, SA.dtype)
        try:
            factor = cholesky_factors(sketched.gram(), alpha, error, smallest)
            return factor, factor.solve(sketched.astype(np.float64).rmatmat(SY))
        except (RidgePrecisionError, RangeError):
            pass
    # The targets take part in the factorisation, so that Q is not needed.
    both = np.empty((d, n + SY.shape[1]), order="F")
    both[:, :n], both[:, n:] = SA, SY
    (R,) = linalg.qr(both, mode="r", overwrite_a=True, check_finite=False)
    U, s, Vt = linalg.svd(R[:n, :n], full_matrices=False, check_finite=False)
    factor = Spectrum(Vt.T, s**2, alpha, smallest**2)
    return factor, factor.solution(s, U.T @ R[:n, n:])


def rank_cutoff(A):
    """Singular values up to this part of the largest are taken for zero where alpha does not lift them."""
    return _RANK_ROUNDING[A.dtype.name] * float(np.finfo(A.dtype).eps)


def gram_error(n, dtype):
    """The error of a Gram matrix of n columns scaled to length one, from products in `dtype`."""
    return _GRAM_ERROR * np.sqrt(n) * float(np.finfo(dtype).eps)


def column_norms(X):
    """The lengths of the columns of X."""
    return np.sqrt(np.einsum("ij,ij->j", X, X))
