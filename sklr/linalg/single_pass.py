"""Truncated SVD from one pass over the data."""

from numbers import Integral

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import make_sketch

from ._checks import check_count, check_rank
from ._result import low_rank, zero_low_rank
from .orthogonalize import completed, orthonormalize


def single_pass_svd(A, k, *, sketch="gaussian", n_oversamples=10, rng=None, n_threads=None):
    """Approximate leading singular values and right vectors from one pass, with a bound on the error.

    From a sketch Omega of shape (l, n) with orthonormal rows, l = 2 k + n_oversamples, one fused pass makes
    Y = N Omega^T, N = A^T A, and the result comes from the k leading eigenpairs of the Nystrom approximation

        N_hat = Y (Omega Y)^+ Y^T = A^T P A,    P the projector onto the range of A Omega^T.

    N_hat <= N in the Loewner order, so that no singular value is too large, and ``captured``, their sum of
    squares, is at most ||A V||_F^2. The squared error ``squared_norm - captured`` is therefore an upper bound
    of ||A - A V V^T||_F^2, known without looking at the data again. For a Gaussian sketch its expectation is
    at most

        (1 + k / (l - k - 1)) sum_{j > k} sigma_j^2,

    less than twice the least possible squared error at the default.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int
        Number of singular values, at most min(m, n). It must be known before the only pass.
    sketch : str or Distribution, default="gaussian"
        Distribution of Omega before its rows are orthonormalised, or its name; see `sklr.sketch.make_sketch`.
    n_oversamples : int, default=10
        Rows of Omega beyond 2 k.
    rng : None, int, Generator or Stream, default=None
        Where Omega comes from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    LowRank
        Singular values, each a lower bound to rounding, right vectors, and the lower bound `captured`.
        `residual_norms` are NaN: one pass does not tell them.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, or A holds NaN or infinity.

    See Also
    --------
    krylov_svd : Accurate, in more passes.

    Notes
    -----
    One pass of ``4 nnz l`` flops, and ``8 n l^2`` beside it. Memory 4 n l, or in the pass 2 n l and n l for
    every partial sum, of which there are at most three per thread; nothing grows with m. Sparse data by
    columns (CSC) are copied to rows first, which is one more pass.

    Only where the data can be read once. Every further pass, of an iteration, takes the error much closer to
    the least possible one. Here the singular values of a spectrum that decays slowly come out far too small,
    and those below ``sqrt(eps)`` of the largest (float64: 1e-8, float32: 3e-4) as rounding errors or zero. It
    is never the default.

    References
    ----------
    J. A. Tropp, A. Yurtsever, M. Udell and V. Cevher, "Fixed-Rank Approximation of a Positive-Semidefinite
    Matrix from Streaming Data", 2017, arXiv:1706.05736. The expectation is that of theorem 10.5 of N. Halko,
    P. G. Martinsson and J. A. Tropp, "Finding structure with randomness", SIAM Review 53, 2011,
    arXiv:0909.4061, as ``trace(N) - captured`` is the squared error of the best matrix of rank k whose
    columns are in the range of A Omega^T.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg.single_pass import single_pass_svd
    >>> A = np.diag(0.5 ** np.arange(40))
    >>> result = single_pass_svd(A, 3, rng=0)
    >>> result.singular_values.round(3), result.n_passes
    (array([1.  , 0.5 , 0.25]), 1)
    """
    A = as_operand(A, name="A")
    if not isinstance(k, Integral):
        raise TypeError(f"k must be an int: the rank of a single pass is fixed before it. Got {k!r}.")
    k = check_rank(k, A.shape)
    width = min(2 * k + check_count("n_oversamples", n_oversamples, 0), *A.shape)
    before = A.n_passes
    with session(n_threads):
        rows = A.tiled_by_rows()
        n = rows.shape[1]
        distribution = make_sketch(sketch, n=n, sketch_size=width)
        Omega = distribution.operator(width, n, as_stream(rng), A.dtype)
        Omega_T = orthonormalize(Omega.toarray().T)
        Y = rows.normal_matmat(Omega_T)
        squares, V = _nystrom(Omega_T, Y)
        s = np.zeros(k)
        s[: len(squares)] = np.sqrt(squares[:k])
        V = completed(V[:, :k], k)
        result = low_rank(A, s, V, np.zeros(k), rows.squared_norm(), before, "single_pass")
        if rows.squared_norm() == 0:
            result = zero_low_rank(A, k, before, "single_pass")
    return result._replace(residual_norms=np.full(k, np.nan))


def _nystrom(Q, Y):
    """Eigenvalues, descending, and eigenvectors of ``Y (Q^T Y)^+ Y^T`` for Y = N Q, N positive semidefinite.

    N is shifted by nu I, as small as the rounding errors of Y, and the eigenvalues are shifted back.
    """
    unit = float(np.abs(Y).max())
    if unit == 0:
        return np.empty(0), Y[:, :0]
    Y = Y / unit
    nu = np.finfo(Y.dtype).eps * np.sqrt(as_operand(Y, name="Y").squared_norm())
    Y += Q * Y.dtype.type(nu)
    B = as_operand(Q, name="Omega").rmatmat(Y).astype(np.float64)
    squares, W = np.linalg.eigh((B + B.T) / 2)
    # They are at least nu; where rounding has made one smaller, its direction is left out. What is left is
    # the approximation from fewer columns.
    kept = squares > nu
    F = as_operand(Y, name="Y").matmat(W[:, kept] / np.sqrt(squares[kept]))
    basis = orthonormalize(F)
    panel = as_operand(basis, name="basis")
    U, s, _ = linalg.svd(panel.rmatmat(F), full_matrices=False)
    return unit * np.maximum(s.astype(np.float64) ** 2 - nu, 0), panel.matmat(U)
