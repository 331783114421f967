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
    captured : float
        ``||A V||_F^2``.
    squared_norm : float
        ``||A||_F^2``.
    n_passes : int
        Sweeps over A that it took.
    solver : str
        "gram", "krylov" or "exact".
    """

    singular_values: np.ndarray
    right_vectors: np.ndarray
    captured: float
    squared_norm: float
    n_passes: int
    solver: str
