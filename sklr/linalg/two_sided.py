"""Low-rank approximations from both sides, as generalized Nystrom and CUR are, and their projectors."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator

from sklr._backend import as_operand, session
from sklr.sketch import SketchOperator


class TwoSidedApproximation(NamedTuple):
    """``A_hat = A X W^+ Y^T A`` with the core ``W = Y^T A X = P S Z^T``, cut to rank r, in factors.

    Parameters
    ----------
    left : ndarray of shape (m, r)
        ``A X Z S^-1``; ``A_hat = left right``.
    right : ndarray of shape (r, n)
        ``P^T Y^T A``.
    core_left : ndarray of shape (p, r)
        P, orthonormal columns, float64.
    core_singular_values : ndarray of shape (r,)
        S, descending, float64.
    core_right : ndarray of shape (r, l)
        Z^T, orthonormal rows, float64.
    X : ndarray or adjoint sketch operator
        As it was given, but sparse matrices as arrays, and arrays times a power of two.
    Y : ndarray or adjoint sketch operator
        As X.
    n_passes : int
        Sweeps over A.
    """

    left: np.ndarray
    right: np.ndarray
    core_left: np.ndarray
    core_singular_values: np.ndarray
    core_right: np.ndarray
    X: object
    Y: object
    n_passes: int

    @property
    def approximation(self):
        """A_hat as a `scipy.sparse.linalg.LinearOperator` of shape (m, n)."""
        return _linear_operator(
            (len(self.left), self.right.shape[1]),
            self.left.dtype,
            lambda V: times(self.left, times(self.right, V)),
            lambda V: times(self.right.T, times(self.left.T, V)),
        )

    @property
    def column_projector(self):
        """The projector ``A X W^+ Y^T`` of shape (m, m), a `LinearOperator`.

        It is oblique: onto the range of `left`, along what Y does not see. ``A_hat = column_projector A``.
        """
        m = len(self.left)
        return _linear_operator(
            (m, m),
            self.left.dtype,
            lambda V: times(self.left, self.core_left.T @ _adjoint_times(self.Y, V)),
            lambda V: _lift(self.Y, self.core_left @ times(self.left.T, V), m),
        )

    @property
    def row_projector(self):
        """The projector ``X W^+ Y^T A`` of shape (n, n), a `LinearOperator`; ``A_hat = A row_projector``."""
        n = self.right.shape[1]
        return _linear_operator(
            (n, n),
            self.right.dtype,
            lambda V: _lift(self.X, self._scaled_core_right.T @ times(self.right, V), n),
            lambda V: times(self.right.T, self._scaled_core_right @ _adjoint_times(self.X, V)),
        )

    @property
    def pseudo_inverse(self):
        """The generalised inverse ``X W^+ Y^T`` of shape (n, m), a `LinearOperator`.

        With ``rank(W) = rank(A)`` it is a G with ``A G A = A`` and ``G A G = G``; where X and Y span no more
        than the row space and the column space of A it is the pseudo-inverse A^+.
        """
        m, n = len(self.left), self.right.shape[1]
        return _linear_operator(
            (n, m),
            self.left.dtype,
            lambda V: _lift(
                self.X, self._scaled_core_right.T @ (self.core_left.T @ _adjoint_times(self.Y, V)), n
            ),
            lambda V: _lift(
                self.Y, self.core_left @ (self._scaled_core_right @ _adjoint_times(self.X, V)), m
            ),
        )

    @property
    def _scaled_core_right(self):
        return self.core_right / self.core_singular_values[:, None]


def two_sided_approximation(A, X, Y, *, rcond=None, n_threads=None):
    """Approximate A from ``A X`` and ``Y^T A``: ``A_hat = A X (Y^T A X)^+ Y^T A``.

    One form for many decompositions: random X and Y make it generalized Nystrom, columns of the identity CUR
    (with the core ``A[I, J]``), leading singular vectors the truncated SVD. A_hat is A where
    ``rank(Y^T A X) = rank(A)``. For independent Gaussian X and Y with p > l + 1 columns of Y and l of X,

        E ||A - A_hat||_F^2 <= (1 + l / (p - l - 1)) (1 + k / (l - k - 1)) sum_{j > k} sigma_j^2

    for every k < l - 1. The pseudo-inverse of the core, whose entries may be as large as 1 / eps, is not
    formed: ``A X Z S^-1`` and ``P^T Y^T A``, from the SVD P S Z^T of the core, are of moderate size, and the
    rounding error of their product is a moderate multiple of eps ||A||.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    X : array or sparse matrix of shape (n, l), int array of shape (l,), or adjoint sketch operator
        What A is multiplied by. Integers are columns of A. ``S.T`` is the adjoint of a sketch operator S of
        shape (l, n).
    Y : array or sparse matrix of shape (m, p), int array of shape (p,), or adjoint sketch operator
        The same for the rows.
    rcond : float, default=None
        Singular values of the core up to `rcond` times the largest are cut off; in [0, 1). None: ``max(p, l)
        eps``.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    TwoSidedApproximation
        The factors, and A_hat, the projectors and the generalised inverse as linear operators.

    Raises
    ------
    TypeError, ValueError
        If X or Y does not suit the shape of A, an index is out of range, `rcond` is, or one of the matrices
        holds NaN or infinity.

    See Also
    --------
    cur_decomposition : Selects columns and rows, with an error estimate.

    Notes
    -----
    Two passes over A, ``2 nnz (l + p)`` flops for arrays; ``(m + n) r`` entries are kept, and sparse X and Y
    are made dense.

    Not with equally many columns in X and Y (l = p) that were chosen independently: the core may be nearly
    singular by chance, and the error large. Take p about 1.5 l.

    References
    ----------
    M. P. Karpowicz, "A theory of meta-factorization", 2021, arXiv:2111.14385, and "The secret life of matrix
    factorizations", 2023. Y. Nakatsukasa, "Fast and stable randomized low-rank matrix approximation", 2020,
    arXiv:2009.11392.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import two_sided_approximation
    >>> from sklr.sketch import Gaussian
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((200, 4)) @ rng.standard_normal((4, 50))
    >>> X, Y = Gaussian().operator(6, 50, rng=1).T, Gaussian().operator(9, 200, rng=2).T
    >>> found = two_sided_approximation(A, X, Y)
    >>> bool(np.allclose(found.left @ found.right, A))
    True
    >>> v = A @ np.ones(50)
    >>> bool(np.allclose(found.column_projector @ v, v))
    True
    """
    A = as_operand(A, name="A")
    X = _checked_side(X, A.shape[1], "X", "columns", A.dtype)
    Y = _checked_side(Y, A.shape[0], "Y", "rows", A.dtype)
    if rcond is not None:
        if isinstance(rcond, bool) or not isinstance(rcond, Real):
            raise TypeError(f"rcond must be None or a float in [0, 1), got {rcond!r}.")
        if not 0 <= rcond < 1:
            raise ValueError(f"rcond must be in [0, 1): a part of the largest singular value. Got {rcond}.")
    before = A.n_passes
    with session(n_threads):
        AX, YA = _product(A, X), _product(A.T, Y).T
        factors = factored(AX, YA, _adjoint_times(Y, AX), rcond)
    return TwoSidedApproximation(*factors, X, Y, A.n_passes - before)


def factored(AX, YA, W, rcond):
    """``(A X Z S^-1, P^T Y^T A, P, S, Z^T)`` for the core W = P S Z^T without its small singular values."""
    P, S, Zt = linalg.svd(W.astype(np.float64), full_matrices=False)
    if rcond is None:
        rcond = max(W.shape) * float(np.finfo(AX.dtype).eps)
    r = int(np.sum(rcond * S[0] < S))
    P, S, Zt = P[:, :r], S[:r], Zt[:r]
    # Divided last: the columns of A X Z that belong to small singular values are small.
    left = times(AX, Zt.T) / S.astype(AX.dtype)
    return left, times(YA.T, P).T, P, S, Zt


def _checked_side(X, size, name, what, dtype):
    """X as an array of `dtype` and of unit size, an array of indices or an adjoint sketch operator."""
    if isinstance(X, SketchOperator):
        raise ValueError(f"{name} is a sketch operator S of shape {X.shape}: pass its adjoint S.T.")
    if not _is_adjoint(X):
        X = X.toarray() if sparse.issparse(X) else np.asarray(X)
        if X.ndim == 1:
            if X.dtype.kind not in "iu":
                raise TypeError(
                    f"A one-dimensional {name} must hold integers, the {what} of A to take, got {X.dtype}. "
                    f"Use np.flatnonzero for a mask, reshape(-1, 1) for a vector."
                )
            if X.size == 0 or X.min() < 0 or X.max() >= size:
                found = "none" if X.size == 0 else f"{X.min()}..{X.max()}"
                raise ValueError(f"{name} must be {what} of A, from 0 to {size - 1}; got {found}.")
            return X.astype(np.intp)
    if len(X.shape) != 2 or X.shape[0] != size or X.shape[1] == 0:
        raise ValueError(f"{name} must have as many rows as A has {what}, {size}; got shape {X.shape}.")
    if not _is_adjoint(X):
        X = as_operand(X, name=name).astype(dtype).toarray()  # raises where it is not finite
        # To about one by a power of two, which is exact and changes no result, before it is multiplied.
        X = np.ldexp(X, -np.frexp(max(X.max(), -X.min()))[1])
    return X


def _is_adjoint(X):
    return isinstance(getattr(X, "T", None), SketchOperator)


def _product(A, X):
    """A X."""
    if _is_adjoint(X):
        AX = A.T.sketch(X.T).T
        return AX.toarray() if sparse.issparse(AX) else AX
    return A.take_columns(X) if X.ndim == 1 else A.matmat(X)


def _adjoint_times(X, V):
    """X^T V."""
    if _is_adjoint(X):
        return X.T.apply(V)
    return V[X] if X.ndim == 1 else times(X.T, V)


def _lift(X, Z, n):
    """X Z, which has n rows."""
    if _is_adjoint(X):
        return X.apply(Z)
    if X.ndim == 2:
        return times(X, Z)
    out = np.zeros((n, Z.shape[1]), dtype=Z.dtype)
    np.add.at(out, X, Z)  # an index may be there twice
    return out


def times(B, Z):
    """B Z by tiles, in the dtype of B."""
    if 0 in B.shape or 0 in Z.shape:
        return np.zeros((len(B), Z.shape[1]), dtype=B.dtype)
    return as_operand(B).matmat(Z)


def _linear_operator(shape, dtype, forward, backward):
    def on_panels(function):
        def apply(V):
            with session(None):  # BLAS on one thread, for the same bits on any number
                V = np.asarray(V)
                if np.iscomplexobj(V):
                    return apply(V.real) + 1j * apply(V.imag)
                return function(V).astype(dtype, copy=False)

        return apply

    forward, backward = on_panels(forward), on_panels(backward)
    return LinearOperator(
        shape,
        matvec=lambda v: forward(v.reshape(-1, 1))[:, 0],
        rmatvec=lambda v: backward(v.reshape(-1, 1))[:, 0],
        matmat=forward,
        rmatmat=backward,
        dtype=dtype,
    )
