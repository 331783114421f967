"""How far a low-rank approximation is from the matrix."""

import numpy as np

from sklr._backend import as_operand, as_stream, session

N_PROBES = 10
# The norm identity subtracts: with a relative error e it returns e**2 as a difference of two numbers
# near one. It is trusted while e**2 is above this many times their rounding.
_IDENTITY_MARGIN = 1e3
_IDENTITY_FLOOR = 1e-12


def relative_error(A, Vt, *, captured=None, squared_norm=None, precision=None, rng=0, n_threads=None):
    """Relative Frobenius error of projecting the rows of A onto orthonormal rows.

    Estimates ``||A - A V V^T||_F / ||A||_F``. Where it is above 1e-6 (float32: 1e-2), by the identity
    ``||A - A V V^T||_F^2 = ||A||_F^2 - ||A V||_F^2`` with sums in float64. Below, that difference is
    rounding error, and ``||(A - A V V^T) G||_F^2 / 10`` is used, for a Gaussian matrix G of 10 columns:
    its expectation is the squared error, and its root is within a factor 3 of the error with
    probability above .999 whatever the matrix (the worst case is a residual of rank one: a
    chi-squared variable with 10 degrees of freedom, over 10, outside [1/9, 9]).

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    Vt : ndarray of shape (k, n)
        Orthonormal rows, V^T.
    captured : float, default=None
        ``||A V||_F^2`` where it is known; otherwise it takes one pass.
    squared_norm : float, default=None
        ``||A||_F^2`` where it is known; otherwise it comes from the first pass over A.
    precision : float, default=None
        Relative precision of `captured`; eps of the dtype of A if None.
    rng : None, int, Generator or Stream, default=0
        Where G comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    float
        The estimate, at least eps of the dtype of Vt; 0 for a zero matrix.

    Notes
    -----
    At most two passes over A, one for `captured` and one for the probes: ``2 nnz (k + 10)`` flops.

    References
    ----------
    E. N. Epperly and J. A. Tropp, "Efficient error and variance estimation for randomized matrix
    computations", 2022, arXiv:2207.06342.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import relative_error
    >>> A = np.diag([4.0, 3.0])
    >>> round(relative_error(A, np.array([[1.0, 0.0]])), 6)
    0.6
    """
    A = as_operand(A, name="A")
    Vt = np.asarray(Vt)
    if Vt.ndim != 2 or Vt.shape[1] != A.shape[1]:
        raise ValueError(f"Vt must have shape (k, {A.shape[1]}), got {Vt.shape}.")
    with session(n_threads):
        if captured is None:
            captured = as_operand(A.matmat(Vt.T), name="A V").squared_norm()
        total = A.squared_norm() if squared_norm is None else squared_norm
        if total == 0:
            return 0.0
        square = 1 - captured / total
        precision = precision or np.finfo(A.dtype).eps
        if is_resolved(square, precision):
            return float(np.sqrt(square))
        V = Vt.T.astype(np.float64, copy=False)
        G = as_stream(rng).generator("error_estimate").standard_normal((A.shape[1], N_PROBES))
        # Twice: once leaves eps * ||G|| in the span of V, which A may magnify.
        for _ in range(2):
            G -= V @ (V.T @ G)
        residual = as_operand(A.matmat(G), name="A G").squared_norm()
        # V as it is stored has rounding errors that the projection above does not.
        return max(float(np.sqrt(residual / N_PROBES / total)), float(np.finfo(Vt.dtype).eps))


def is_resolved(square, precision):
    """Whether a squared relative error is more than the rounding of the norm identity."""
    return square > max(_IDENTITY_MARGIN * precision, _IDENTITY_FLOOR)


def error_bound(captured, squared_norm, precision):
    """Upper bound of the relative error from a lower bound of ``||A V||_F^2``, without a pass.

    Parameters
    ----------
    captured : float
        At most ``||A V||_F^2``.
    squared_norm : float
        ``||A||_F^2``.
    precision : float
        Relative precision of `captured`; the bound is not below ``sqrt(1000 precision)``.

    Returns
    -------
    float
        0 for a zero matrix.
    """
    if squared_norm == 0:
        return 0.0
    return float(np.sqrt(max(1 - captured / squared_norm, _IDENTITY_MARGIN * precision)))
