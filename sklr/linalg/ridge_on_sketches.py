"""Ridge regression on sketched samples or sketched features."""

import numpy as np

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count
from .plan import MAX_MEMORY
from .ridge_solvers import RidgeSolution, ridge

AXES = ("samples", "features")


def sketched_ridge(
    A,
    Y,
    alpha,
    sketch_size,
    *,
    axis="samples",
    sketch="auto",
    n_sketches=1,
    solver="auto",
    tol=1e-8,
    max_iter=1000,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Average the ridge regressions on independent sketches of the samples or of the features.

    With sketches S_1, ..., S_K of `sketch_size` = d rows and ``E[S^T S] = I``, the coefficients are
    ``(b_1 + ... + b_K) / K`` with, for ``axis="samples"`` (S of shape (d, m)),

        b_i = argmin_b ||S_i (y - A b)||^2 + alpha ||b||^2,

    and for ``axis="features"`` (S of shape (d, n))

        b_i = S_i^T c_i,    c_i = argmin_c ||y - A S_i^T c||^2 + alpha ||c||^2,

    each of least norm where alpha = 0. The sketch is part of what is estimated: it regularises, and the
    result is not close to that of `ridge` unless d is large.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    Y : array of shape (m, t) or (m,)
        The targets.
    alpha : float or array of shape (t,)
        Regularisation, at least 0.
    sketch_size : int
        d, from 1 to the length of the axis that is sketched.
    axis : {"samples", "features"}, default="samples"
        What is sketched.
    sketch : str or Distribution, default="auto"
        Distribution of S_i, or its name; see `sklr.sketch.make_sketch`.
    n_sketches : int, default=1
        K.
    solver : {"auto", "cholesky", "eigh", "iterative", "exact"}, default="auto"
        Of the regression on each sketch; see `ridge`.
    tol : float, default=1e-8
        Accuracy of it.
    max_iter : int, default=1000
        Steps of "iterative" at most.
    max_memory : int, default=2147483648
        Bytes that the sketched matrix, and the solver beside it, may take.
    rng : None, int, Generator or Stream, default=None
        Where the sketches come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    RidgeSolution
        Coefficients of shape (n, t) or (n,); of `residual`, which is that of the sketched equations, the
        largest of the K, and `converged` if all are.

    Raises
    ------
    TypeError, ValueError
        As `ridge`; if `axis` is unknown, `sketch_size` or `n_sketches` is out of range, or the sketched
        matrix exceeds `max_memory`.

    Notes
    -----
    K passes over A for the sketches, and K regressions of size d x n or m x d.

    References
    ----------
    P. Patil and D. LeJeune, "Asymptotically free sketched ridge ensembles: Risks, cross-validation, and
    tuning", 2023, arXiv:2310.04357 (features). X. Chen, Y. Zeng, S. Yang and Q. Sun, "Sketched Ridgeless
    Linear Regression: The Role of Downsampling", 2023, arXiv:2302.01088 (samples).

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import sketched_ridge
    >>> A = np.random.default_rng(0).standard_normal((500, 10))
    >>> y = A @ np.arange(10.0)
    >>> bool(np.allclose(sketched_ridge(A, y, 0.0, 50, rng=0).coef, np.arange(10.0)))
    True
    """
    A = as_operand(A, name="A")
    if axis not in AXES:
        raise ValueError(f"axis must be one of {AXES}, got {axis!r}.")
    length = A.shape[AXES.index(axis)]
    d = check_count("sketch_size", sketch_size, 1)
    if d > length:
        raise ValueError(f"sketch_size must be at most {length}, the number of {axis}; got {d}.")
    n_sketches = check_count("n_sketches", n_sketches, 1)
    other = A.shape[1 - AXES.index(axis)]
    needed = d * other * A.dtype.itemsize
    if needed > max_memory:
        raise ValueError(
            f"The sketched matrix of {d} x {other} numbers needs {needed / 2**20:.3g} MiB, max_memory is "
            f"{max_memory / 2**20:.3g} MiB. Use a smaller sketch_size or a larger max_memory."
        )
    Y = np.asarray(Y)
    distribution = make_sketch(sketch, n=length, sketch_size=d, sparse=A.container == "sparse")
    options = {"solver": solver, "tol": tol, "max_iter": max_iter, "max_memory": max_memory}
    before, stream = A.n_passes, as_stream(rng)
    coefs, solutions = 0.0, []
    with session(n_threads):
        for i in range(n_sketches):
            S = distribution.operator(d, length, stream.child(2 * i), A.dtype)
            if axis == "samples":
                B, Z = A.sketch(S), as_operand(Y.reshape(len(Y), -1)).sketch(S).reshape(d, *Y.shape[1:])
            else:
                B, Z = A.T.sketch(S).T, Y
            found = ridge(B, Z, alpha, rng=stream.child(2 * i + 1), **options)
            coef = found.coef.astype(np.float64)
            if axis == "features":
                coef = S.T.apply(coef.reshape(d, -1)).reshape(length, *Y.shape[1:])
            coefs = coefs + coef
            solutions.append(found)
    return RidgeSolution(
        (coefs / n_sketches).astype(A.dtype),
        np.max([found.residual for found in solutions], axis=0),
        A.n_passes - before,
        solutions[0].solver,
        all(found.converged for found in solutions),
        max(found.n_iter for found in solutions),
    )
