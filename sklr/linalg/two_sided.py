"""Low-rank approximations from both sides: generalized Nystrom, CUR, and their projectors."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator

from sklr._backend import as_operand, as_stream, session
from sklr.sketch import SketchOperator

from ._checks import check_count
from .error_estimate import N_PROBES, is_resolved
from .orthogonalize import orthonormalize
from .pivoting import pivoted_columns
from .plan import MAX_MEMORY

LINKINGS = ("projection", "intersection")


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
        As it was given; sparse matrices as arrays.
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
            lambda V: _times(self.left, _times(self.right, V)),
            lambda V: _times(self.right.T, _times(self.left.T, V)),
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
            lambda V: _times(self.left, self.core_left.T @ _adjoint_times(self.Y, V)),
            lambda V: _lift(self.Y, self.core_left @ _times(self.left.T, V), m),
        )

    @property
    def row_projector(self):
        """The projector ``X W^+ Y^T A`` of shape (n, n), a `LinearOperator`; ``A_hat = A row_projector``."""
        n = self.right.shape[1]
        return _linear_operator(
            (n, n),
            self.right.dtype,
            lambda V: _lift(self.X, self._scaled_core_right.T @ _times(self.right, V), n),
            lambda V: _times(self.right.T, self._scaled_core_right @ _adjoint_times(self.X, V)),
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
    factorizations", 2023. Y. Nakatsukasa, "Fast and
    stable randomized low-rank matrix approximation", 2020, arXiv:2009.11392.

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
    X = _checked_side(X, A.shape[1], "X", "columns")
    Y = _checked_side(Y, A.shape[0], "Y", "rows")
    if rcond is not None:
        if isinstance(rcond, bool) or not isinstance(rcond, Real):
            raise TypeError(f"rcond must be None or a float in [0, 1), got {rcond!r}.")
        if not 0 <= rcond < 1:
            raise ValueError(f"rcond must be in [0, 1): a part of the largest singular value. Got {rcond}.")
    before = A.n_passes
    with session(n_threads):
        AX, YA = _product(A, X), _product(A.T, Y).T
        factors = _factored(AX, YA, _adjoint_times(Y, AX), rcond)
    return TwoSidedApproximation(*factors, X, Y, A.n_passes - before)


class CUR(NamedTuple):
    """Columns C and rows R of a matrix A with the links between them: ``A_hat = C M N^T R``.

    ``N^T R`` has orthonormal rows V^T and ``C M`` orthogonal columns, the longest first: A_hat is in the form
    of an SVD, and its best approximation of rank k takes the first k columns of M and N.

    Parameters
    ----------
    column_indices : ndarray of shape (c,)
        The columns, in the order in which they were taken.
    row_indices : ndarray of shape (p,)
        The rows.
    columns : ndarray of shape (m, c)
        C.
    rows : ndarray of shape (p, n)
        R.
    singular_values : ndarray of shape (r,)
        Of A_hat, descending: the lengths of the columns of ``C M``.
    right_vectors : ndarray of shape (r, n)
        V^T. In each row the entry of largest magnitude is positive.
    column_weights : ndarray of shape (c, r)
        M. Its entries are of moderate size where the columns were pivoted.
    row_weights : ndarray of shape (p, r)
        N. Its entries are large where rows depend on each other.
    errors : ndarray of shape (r,)
        Estimates of ||A - A_hat||_F / ||A||_F for the ranks 1..r, float64.
    best_errors : ndarray of shape (r,)
        The same of the truncated SVDs of A, from the sketch: lower estimates, see `pivoted_columns`. float64.
    n_passes : int
        Sweeps over A.
    """

    column_indices: np.ndarray
    row_indices: np.ndarray
    columns: np.ndarray
    rows: np.ndarray
    singular_values: np.ndarray
    right_vectors: np.ndarray
    column_weights: np.ndarray
    row_weights: np.ndarray
    errors: np.ndarray
    best_errors: np.ndarray
    n_passes: int


def cur_decomposition(
    A,
    n_columns,
    n_rows=None,
    *,
    linking="projection",
    pivoting="qr",
    sketch="auto",
    n_oversamples=None,
    max_memory=MAX_MEMORY,
    rng=None,
    n_threads=None,
):
    """Approximate A by some of its columns C and rows R: ``A_hat = C U R``.

    Columns are taken by pivoting on a sketch of the rows of A, and then rows by pivoting on these columns;
    if rows are more than columns, the other way round. With ``linking="projection"``, U = C^+ A R^+ is the
    best one for these C and R, and

        ||A - A_hat||_F^2 <= ||A - C C^+ A||_F^2 + ||A - A R^+ R||_F^2.

    With ``linking="intersection"``, U = A[I, J]^+ for the rows I and columns J that were taken: A_hat equals
    A in them if they are equally many and independent. It is an oblique projection, whose error is a small
    multiple of that, because the second set was taken from the first: with sets that are taken independently
    A[I, J] may be nearly singular.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    n_columns : int
        Columns to take, from 1 to min(m, n).
    n_rows : int, default=None
        Rows to take, from 1 to min(m, n); as many as columns if None.
    linking : {"projection", "intersection"}, default="projection"
        Which U.
    pivoting : {"qr", "lu", "greedy"}, default="qr"
        See `pivoted_columns`.
    sketch : str or Distribution, default="auto"
        Distribution of the sketch; see `sklr.sketch.make_sketch`.
    n_oversamples : int, default=None
        Rows of the sketch beyond the columns to take; None: as `pivoted_columns` has it.
    max_memory : int, default=2147483648
        Bytes that the sketch and its factors may take, and the factors of the pivoted columns.
    rng : None, int, Generator or Stream, default=None
        Where the sketch and the probes of the error come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    CUR
        Columns, rows, what links them, and the errors for all ranks. Fewer columns or rows than asked for if
        no more are independent.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, A is zero or holds NaN or infinity, or a sketch
        needs more than `max_memory`.

    See Also
    --------
    two_sided_approximation : The form of which "intersection" is one case.

    Notes
    -----
    Four passes: the sketch, the columns, the rows, and A times a basis of the rows (for "intersection", V)
    and ten Gaussian vectors, which tell the error. ``2 nnz (p + 10)`` flops for that, about ``10 m c^2 +
    10 n p^2`` for pivoting and bases, and those of the sketch; ``3 (m c + n p)`` entries beside it.

    Errors above 1e-6 (float32: 1e-2) come from ``||A||^2 - 2 <A, A_hat> + ||A_hat||^2`` with sums in float64
    (for "projection" ``<A, A_hat> = ||A_hat||^2``); below, where that difference has no digits, from
    ``||(A - A_hat) G||_F^2 / 10`` for the Gaussian vectors G, within a factor 3 with probability above .999.

    Not where the SVD will do: its error is smaller. Columns and rows can be named, and keep zeros and signs.

    References
    ----------
    Y. Dong and P.-G. Martinsson, "Simpler is better: a comparative study of randomized pivoting algorithms
    for CUR and interpolative decompositions", 2021, arXiv:2104.05877. D. C. Sorensen and M. Embree, "A DEIM
    induced CUR factorization", 2014, arXiv:1407.5516. S. Voronin and P.-G. Martinsson, "Efficient algorithms
    for CUR and interpolative matrix decompositions", 2014, arXiv:1412.8447.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import cur_decomposition
    >>> rng = np.random.default_rng(0)
    >>> A = rng.standard_normal((200, 3)) @ rng.standard_normal((3, 40))
    >>> found = cur_decomposition(A, 3, rng=0)
    >>> A_hat = A[:, found.column_indices] @ found.column_weights @ found.right_vectors
    >>> bool(np.allclose(A_hat, A)), bool(found.errors[-1] < 1e-13)
    (True, True)
    """
    A = as_operand(A, name="A")
    n_columns, n_rows = _checked_counts(n_columns, n_rows, A.shape)
    if linking not in LINKINGS:
        raise ValueError(f"linking must be one of {list(LINKINGS)}, got {linking!r}.")
    if n_oversamples is not None:
        n_oversamples = check_count("n_oversamples", n_oversamples, 0)
    stream = as_stream(rng)
    before = A.n_passes
    with session(n_threads):
        B, counts = (A, (n_columns, n_rows)) if n_columns >= n_rows else (A.T, (n_rows, n_columns))
        d = None if n_oversamples is None else min(counts[0] + n_oversamples, B.shape[0])
        first = pivoted_columns(
            B,
            counts[0],
            pivoting=pivoting,
            sketch=sketch,
            sketch_size=d,
            max_memory=max_memory,
            rng=stream.child(0),
        )
        if not len(first.indices):
            raise ValueError(
                f"{A.name} is zero everywhere, and no column stands for it. Pass a matrix with an entry."
            )
        C = B.take_columns(first.indices)
        # Picked from the columns, so that the intersection with them is well conditioned.
        c = C.shape[1]
        second = pivoted_columns(
            C.T, min(counts[1], c), pivoting=pivoting, sketch_size=c, max_memory=max_memory
        )
        R = B.take_rows(second.indices)
        chosen = [first.indices, second.indices]
        if B is not A:
            chosen, C, R = chosen[::-1], R.T, C.T
        G = stream.child(1).generator("error_estimate").standard_normal((A.shape[1], N_PROBES))
        link = _linked_by_projection if linking == "projection" else _linked_by_intersection
        U, s, V, M, N, inner, AG = link(A, C, R, chosen[1], G)
        errors = _errors_by_rank(A, U, s, V, inner, G, AG)
    signs = np.where(V[np.argmax(np.abs(V), axis=0), np.arange(len(s))] < 0, -1, 1)
    s, Vt, M, N = (x.astype(A.dtype) for x in (s, (V * signs).T, M * signs, N * signs))
    best = first.best_errors[: len(s)]
    return CUR(*chosen, C, R, s, np.ascontiguousarray(Vt), M, N, errors, best, A.n_passes - before)


# -- two sides --------------------------------------------------------------------------------


def _factored(AX, YA, W, rcond):
    """``(A X Z S^-1, P^T Y^T A, P, S, Z^T)`` for the core W = P S Z^T without its small singular values."""
    P, S, Zt = linalg.svd(W.astype(np.float64), full_matrices=False)
    if rcond is None:
        rcond = max(W.shape) * float(np.finfo(AX.dtype).eps)
    r = int(np.sum(rcond * S[0] < S))
    P, S, Zt = P[:, :r], S[:r], Zt[:r]
    # Divided last: the columns of A X Z that belong to small singular values are small.
    left = _times(AX, Zt.T) / S.astype(AX.dtype)
    return left, _times(YA.T, P).T, P, S, Zt


def _checked_side(X, size, name, what):
    """X as an array of floats, an array of indices or an adjoint sketch operator."""
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
        as_operand(X, name=name).squared_norm()  # raises where it is not finite
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
    return V[X] if X.ndim == 1 else _times(X.T, V)


def _lift(X, Z, n):
    """X Z, which has n rows."""
    if _is_adjoint(X):
        return X.apply(Z)
    if X.ndim == 2:
        return _times(X, Z)
    out = np.zeros((n, Z.shape[1]), dtype=Z.dtype)
    np.add.at(out, X, Z)  # an index may be there twice
    return out


def _times(B, Z):
    """B Z by tiles, in the dtype of B."""
    if 0 in B.shape or 0 in Z.shape:
        return np.zeros((len(B), Z.shape[1]), dtype=B.dtype)
    return as_operand(B).matmat(Z)


def _linear_operator(shape, dtype, forward, backward):
    def on_panels(function):
        def apply(V):
            with session(None):  # BLAS on one thread, for the same bits on any number
                return function(np.asarray(V)).astype(dtype, copy=False)

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


# -- columns and rows -------------------------------------------------------------------------


def _checked_counts(n_columns, n_rows, shape):
    counts = []
    for name, count in (("n_columns", n_columns), ("n_rows", n_columns if n_rows is None else n_rows)):
        count = check_count(name, count, 1)
        if count > min(shape):
            raise ValueError(
                f"{name} must be at most {min(shape)} for a matrix of shape {shape}, got {count}."
            )
        counts.append(count)
    return counts


def _linked_by_projection(A, C, R, chosen_rows, G):
    """Q_C Q_C^T A Q_R Q_R^T in the form of an SVD; see `_errors_by_rank` for what is returned."""
    (Q_C, T_C), (Q_R, T_R) = _basis(C), _basis(R.T)
    products = A.matmat(np.hstack([Q_R, G.astype(A.dtype)]))
    core = _times(Q_C.T, products[:, : Q_R.shape[1]])
    P, s, Zt = linalg.svd(core.astype(np.float64), full_matrices=False)
    M, N = _solved(T_C, P * s), _solved(T_R, Zt.T)
    # The projection is orthogonal: <A, u s v^T> is s^2.
    return _times(Q_C, P), s, _times(Q_R, Zt.T), M, N, s, products[:, Q_R.shape[1] :]


def _linked_by_intersection(A, C, R, chosen_rows, G):
    """C A[I, J]^+ R in the form of an SVD."""
    left, right, core_left, S, core_right_t = _factored(C, R, C[chosen_rows], None)
    (Q_l, T_l), (Q_r, T_r) = _basis(left), _basis(right.T)
    P, s, Zt = linalg.svd(T_l @ T_r.T, full_matrices=False)
    M = (core_right_t.T / S) @ (T_r.T @ Zt.T)
    N = core_left @ _solved(T_r, Zt.T)
    U, V = _times(Q_l, P), _times(Q_r, Zt.T)
    products = A.matmat(np.hstack([V, G.astype(A.dtype)]))
    inner = np.einsum("ij,ij->j", U, products[:, : len(s)], dtype=np.float64)
    return U, s, V, M, N, inner, products[:, len(s) :]


def _basis(Y):
    """``(Q, T)`` with Y = Q T, Q orthonormal columns, T float64."""
    Q = orthonormalize(Y)
    return Q, _times(Q.T, Y).astype(np.float64)


def _solved(T, B):
    """A solution M of ``T M = B`` for a T of full row rank, by pivoted QR."""
    Q, R, order = linalg.qr(T, mode="economic", pivoting=True)
    M = np.zeros((T.shape[1], B.shape[1]))
    M[order[: len(T)]] = linalg.solve_triangular(R[:, : len(T)], Q.T @ B)
    return M


def _errors_by_rank(A, U, s, V, inner, G, AG):
    """||A - U_k S_k V_k^T||_F / ||A||_F for k = 1..r, from ``inner = u^T A v`` and ``AG = A G``."""
    eps = float(np.finfo(A.dtype).eps)
    total = A.squared_norm()
    squares = 1 - np.cumsum((2 * inner - s) * s) / total
    T = _times(U.T, AG)
    beyond = as_operand(AG - _times(U, T), name="residual").squared_norm()
    T = T.astype(np.float64)
    wrong = np.sum((T - s[:, None] * _times(V.T, G)) ** 2, axis=1)
    left_out = np.sum(T**2, axis=1)
    left_out = np.cumsum(left_out[::-1])[::-1] - left_out
    probed = (beyond + np.cumsum(wrong) + left_out) / N_PROBES / total
    return np.maximum(np.sqrt(np.where(is_resolved(squares, eps), squares, probed)), eps)
