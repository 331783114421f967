"""What the low-rank solvers return."""

from typing import NamedTuple

import numpy as np


class LowRank(NamedTuple):
    """The leading singular values and right singular vectors of a matrix A of shape (m, n).

    ``A V V^T``, with V^T the `right_vectors`, approximates A.

    Parameters
    ----------
    singular_values : ndarray of shape (k,)
        In descending order; dtype of A.
    right_vectors : ndarray of shape (k, n)
        V^T, orthonormal rows; dtype of A.
    residual_norms : ndarray of shape (k,)
        Of each approximate singular triplet (u, s, v), ``||A^T u - s v||`` with ``u = A v / s``: A has a
        singular value within this distance of s. 0 where s is 0. Iterations on A^T give ``||A v - s u||`` of
        the left vectors u, with ``v = A^T u / s``, from which the right ones were made. float64.
    captured : float
        ``||A V||_F^2``, of which "single_pass" knows a lower bound.
    squared_norm : float
        ``||A||_F^2``.
    n_passes : int
        Sweeps over A that it took.
    solver : str
        "gram", "krylov", "subspace", "single_pass" or "exact".
    converged : bool
        Whether an iteration stopped because it had done enough; True for solvers that do not iterate.
    precision : float
        Relative precision of `captured`: the eps of the products that it was made from.
    """

    singular_values: np.ndarray
    right_vectors: np.ndarray
    residual_norms: np.ndarray
    captured: float
    squared_norm: float
    n_passes: int
    solver: str
    converged: bool = True
    precision: float = float(np.finfo(np.float64).eps)


def column_lengths(R, unit):
    """The lengths of the columns of R, float64; squared in units of `unit`, which keeps them in range."""
    return np.linalg.norm(np.divide(R, unit or 1, dtype=np.float64), axis=0) * unit


def low_rank(A, s, V, residuals, squared_norm, before, solver, converged=True):
    """The `LowRank` of singular values `s` and vectors `V` (columns), in the dtype of the operand A.

    `residuals` are ||N v - s^2 v|| for N = A^T A; `before` is the number of passes before the solver began.
    """
    s = np.asarray(s, dtype=np.float64)
    residuals = np.divide(residuals, s, out=np.zeros(len(s)), where=s > 0)
    return LowRank(
        s.astype(A.dtype),
        np.ascontiguousarray(V.T, dtype=A.dtype),
        residuals,
        float(np.sum(s**2)),
        squared_norm,
        A.n_passes - before,
        solver,
        converged,
        float(np.finfo(A.dtype).eps),
    )


def zero_low_rank(A, k, before, solver):
    """The `LowRank` of the zero matrix, whose singular vectors are any: the first k unit vectors."""
    return low_rank(A, np.zeros(k), np.eye(A.shape[1], k), np.zeros(k), 0.0, before, solver)
