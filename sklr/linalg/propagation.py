"""Propagation of vectors along the edges of a graph, plain and orthogonalised."""

from itertools import islice
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import sparse

from sklr._backend import as_operand, as_stream, compute_dtype, ordered, session

from ._checks import check_count
from ._factor import ROUNDING, orthonormal_factor, padded
from .orthogonalize import orthonormalize, with_safe_squares

ORTHOGONALIZATIONS = ("none", "projection", "last", "each")
# A start with a larger share of entries is multiplied faster as an array.
_SPARSE_START = 0.1
# Weights whose products with numbers of moderate size are numbers of the dtype.
_LARGEST_WEIGHT = {"float32": 1e20, "float64": 1e150}
# Rows of a dense start that one task draws.
_START_ROWS = 8192


class Propagation(NamedTuple):
    """What `propagate` returns.

    Attributes
    ----------
    embedding : ndarray of shape (m, l)
        E = T M: the embedding of the nodes in the rows of T.
    projection : ndarray of shape (n, l)
        M: a new row of T, times M, is the embedding of its node.
    change : float or None
        With "each" and at least two steps, the root of the mean squared sine of the angles between the spans
        of the last two steps: 0 where the span has converged. None otherwise.
    """

    embedding: np.ndarray
    projection: np.ndarray
    change: float | None


def random_start(sketch, n_nodes, n_vectors, rng, dtype=np.float64, n_threads=None):
    """Random vectors to start a propagation from: the columns of S^T, for a sketch S of the nodes.

    Parameters
    ----------
    sketch : Distribution
        Of S; with an operator S of shape (n_vectors, n_nodes), ``E[S^T S] = I``.
    n_nodes : int
        Rows.
    n_vectors : int
        Columns; there may be more than rows.
    rng : int, Generator or Stream
        The seed.
    dtype : dtype, default=float64
        float64 or float32.
    n_threads : int, default=None
        At most so many threads; None means what this process may use.

    Returns
    -------
    Z : ndarray or csr_array of shape (n_nodes, n_vectors)
        Sparse where the family is.

    Examples
    --------
    >>> from sklr.linalg import random_start
    >>> from sklr.sketch import Gaussian
    >>> random_start(Gaussian(), 1000, 16, rng=0).shape
    (1000, 16)
    """
    # A sketch has at most as many rows as columns; more columns than nodes are not looked at.
    S = sketch.operator(n_vectors, max(n_nodes, n_vectors), rng=rng, dtype=dtype)
    if S.is_sparse:
        return sparse.csr_array(S.columns(0, n_nodes).T)
    Z = np.empty((n_nodes, n_vectors), dtype=dtype)

    def draw(lo):
        hi = min(lo + _START_ROWS, n_nodes)
        Z[lo:hi] = S.columns(lo, hi).T

    with session(n_threads):
        ordered(draw, range(0, n_nodes, _START_ROWS))
    return Z


def propagate(T, Z, weights, *, back=None, orthogonalize="none", n_threads=None):
    """Sum of powers of a transition matrix applied to start vectors, plain or orthogonalised.

    ============  ======================================================================================
    "none"        ``E = sum_k w_k T^k Z`` for k = 1, ..., q: FastRP where Z is random and sparse
    "last"        an orthonormal basis of the columns of that, so that none hides the others
    "projection"  a basis of them for which the columns of M below are orthonormal, for half of the work
    "each"        ``E = sum_k w_k Q_k`` with ``Q_k R_k = T Q_(k-1)`` orthonormal after each step: simultaneous
                  iteration, whose columns tend to the eigenvectors of the largest eigenvalues; random
                  directions replace those that Z lacks
    ============  ======================================================================================

    In all of them E = T M for a matrix M that is returned too. With `back`, a matrix B, the steps between are
    taken with ``B T``: ``E = sum_k w_k T (B T)^(k-1) Z``.

    Parameters
    ----------
    T : {csr_array, operand} of shape (m, n)
        See `transition_matrix`; square unless there is `back`.
    Z : {ndarray, csr_array} of shape (n, l)
        The start; random, or features of the nodes.
    weights : int or sequence of float
        w_1, ..., w_q; an int q stands for q steps of which only the last one counts.
    back : {csr_array, operand} of shape (n, m), default=None
        B: the steps back from rows to columns, of a bipartite graph.
    orthogonalize : {"none", "last", "projection", "each"}, default="none"
        What, and when.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    Propagation
        ``(embedding, projection, change)``; of the dtype of T. With "last", and with "each" for a single
        weight, columns of the embedding are orthonormal; those at the end are zero where fewer directions are
        independent, to rounding.

    Raises
    ------
    ValueError
        If shapes do not fit, `weights` are empty, zero or not finite, or `orthogonalize` is another one.
    TypeError
        If `weights` are not numbers.

    See Also
    --------
    propagation_steps : The steps one by one.
    random_start : Random Z.

    Notes
    -----
    ``2 q nnz(T) l`` flops and q passes over T (twice that with `back`); where Z is sparse the first product
    costs much less. "none" goes by Horner's rule, ``T (w_1 Z + T (w_2 Z + ...))``, in two arrays of n l
    entries, E and M, and Z. "last" adds ``8 n l^2`` flops, "each" ``6 n l^2`` for each step, and an array or
    two.

    With "last" the powers are summed up before anything is orthogonalised: what has sunk below the rounding
    of the dtype beside the dominant directions is lost. "each" loses nothing.

    References
    ----------
    H. Chen, S. F. Sultan, Y. Tian, M. Chen, S. Skiena, "Fast and Accurate Network Embeddings via Very Sparse
    Random Projection", 2019, arXiv:1908.11512. H. Rutishauser, "Simultaneous iteration method for symmetric
    matrices", 1970, DOI 10.1007/BF02219773.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklr.linalg import propagate, random_start, transition_matrix
    >>> from sklr.sketch import Gaussian
    >>> ring = sparse.diags_array([1.0] * 4, offsets=[-199, -1, 1, 199], shape=(200, 200))
    >>> T = transition_matrix(ring)
    >>> Z = random_start(Gaussian(), 200, 4, rng=0)
    >>> E, M, _ = propagate(T, Z, [0.5, 1.0])
    >>> bool(np.allclose(E, 0.5 * T @ Z + T @ (T @ Z))), bool(np.allclose(E, T @ M))
    (True, True)
    """
    if orthogonalize not in ORTHOGONALIZATIONS:
        raise ValueError(f"orthogonalize must be one of {ORTHOGONALIZATIONS}, got {orthogonalize!r}.")
    T, back, Z = _check_shapes(T, back, Z)
    weights = _in_dtype(check_step_weights(weights), T.dtype)
    with session(n_threads):
        if orthogonalize == "each":
            return _sum_of_orthogonal_steps(T, back, Z, weights)
        M, spare = _horner(T, back, Z, weights)
        if orthogonalize != "none":
            M = padded(orthonormalize(M), M.shape[1])
        E = T.matmat(M, out=spare)
        if orthogonalize == "last":
            E, X, *_ = orthonormal_factor(E, floor=_rounding_lengths(T, M))
            M = as_operand(M).matmat(X)
        return Propagation(E, M, None)


def propagation_steps(T, Z, n_steps, *, orthogonalize="each", n_threads=None):
    """The steps of a propagation, one by one.

    ============  ====================================================================
    "none"        ``E_k = T^k Z``
    "each"        ``E_k R_k = T E_(k-1)``, orthonormal; random directions replace those that Z lacks
    "all"         the same, orthogonal to all steps before too: a basis of the block Krylov space of T and T Z
    ============  ====================================================================

    Parameters
    ----------
    T : {csr_array, operand} of shape (n, n)
        See `transition_matrix`.
    Z : {ndarray, csr_array} of shape (n, l)
        The start, E_0.
    n_steps : int
        How many.
    orthogonalize : {"none", "each", "all"}, default="each"
        Against what.
    n_threads : int, default=None
        At most so many threads; None means what this process may use.

    Returns
    -------
    iterator
        Over ``(E_k, M_k)`` for k = 1, ..., n_steps, two ndarrays of shape (n, l) with E_k = T M_k. Columns at
        the end are zero where fewer directions are new. Do not write to them while steps are to come.

    Raises
    ------
    ValueError
        If shapes do not fit, or a parameter is out of range.
    TypeError
        If `n_steps` is not an int.

    Notes
    -----
    Each step takes ``2 nnz(T) l`` flops and, orthogonalised, ``6 n l^2``; "all" adds ``8 n l`` for each
    column so far, which it keeps.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import propagation_steps
    >>> T = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]])
    >>> [E.ravel().tolist() for E, _ in propagation_steps(T, np.eye(3)[:, :1], 3, orthogonalize="none")]
    [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """
    if orthogonalize not in ("none", "each", "all"):
        raise ValueError(f"orthogonalize must be one of ('none', 'each', 'all'), got {orthogonalize!r}.")
    n_steps = check_count("n_steps", n_steps, 1)
    T, _, Z = _check_shapes(T, None, Z)

    n_krylov = n_steps if orthogonalize == "all" else 0

    def steps():
        stepper = _powers(T, Z) if orthogonalize == "none" else _orthogonal_steps(T, None, Z, n_krylov)
        while True:
            with session(n_threads):  # the caller is not inside of it
                step = next(stepper)
                yielded = step if orthogonalize == "none" else (step.Q, step.projection())
            yield yielded

    return islice(steps(), n_steps)


def check_step_weights(weights):
    """The weights w_1, ..., w_q as a float64 array without zeros at the end."""
    if isinstance(weights, Integral) and not isinstance(weights, bool):
        weights = [0.0] * (check_count("weights", weights, 1) - 1) + [1.0]
    if isinstance(weights, str) or np.ndim(weights) == 0:
        raise TypeError(f"weights must be an int or a sequence of numbers w_1, ..., w_q, got {weights!r}.")
    if any(isinstance(w, bool | np.bool_) or not isinstance(w, Real) for w in weights):
        raise TypeError(f"weights must be numbers, got {weights!r}.")
    try:
        w = np.asarray(weights, dtype=np.float64)
    except OverflowError:
        w = np.array([np.inf])
    if w.ndim != 1 or not np.isfinite(w).all():
        raise ValueError(f"weights must be finite numbers w_1, ..., w_q, got {weights!r}.")
    if not w.any():
        raise ValueError(f"weights are empty or zero, got {weights!r}: at least one step must count.")
    return np.trim_zeros(w, "b")


def _in_dtype(weights, dtype):
    bound, largest = _LARGEST_WEIGHT[dtype.name], np.abs(weights).max()
    if not 1 / bound < largest < bound:
        raise ValueError(
            f"weights must be between {1 / bound:g} and {bound:g} in size for a graph in {dtype}, got "
            f"{largest:g}. Divide them by the largest."
        )
    return np.trim_zeros(weights.astype(dtype), "b")


def _check_shapes(T, back, Z):
    T = as_operand(T, name="T")
    if back is None:
        if T.shape[0] != T.shape[1]:
            raise ValueError(f"T must be square where there is no matrix `back`, got shape {T.shape}.")
    else:
        back = as_operand(back, name="back").astype(T.dtype)
        if back.shape != T.shape[::-1]:
            raise ValueError(f"back must have shape {T.shape[::-1]}, got {back.shape}.")
    if not sparse.issparse(Z):
        Z = np.asarray(Z)
    if Z.ndim != 2 or Z.shape[0] != T.shape[1] or Z.shape[1] == 0:
        raise ValueError(f"Z must have shape ({T.shape[1]}, l) with l >= 1, got {Z.shape}.")
    compute_dtype(Z.dtype, "Z")
    if sparse.issparse(Z):
        Z = sparse.csr_array(Z, dtype=T.dtype)
        if not Z.has_canonical_format:
            Z = Z.copy()
            Z.sum_duplicates()
        _check_finite(Z.data)
        if Z.nnz > _SPARSE_START * Z.shape[0] * Z.shape[1]:
            Z = Z.toarray()
    else:
        Z = Z.astype(T.dtype, copy=False)
        _check_finite(Z)
    return T, back, Z


def _check_finite(values):
    # Minimum and maximum are NaN where an entry is, and take no memory.
    if values.size and not np.isfinite([values.min(), values.max()]).all():
        raise ValueError("Z contains NaN or infinity.")


def _horner(T, back, Z, weights):
    """``sum_k w_k (B T)^(k-1) Z``, and an array for its product with T, or None."""
    H, Y = Z * weights[-1], None
    for weight in weights[-2::-1]:
        Y = T.matmat(H, out=Y)
        free = None if sparse.issparse(H) else H
        if back is None:
            H, Y = Y, free
        else:
            H = back.matmat(Y, out=free)
        if weight:
            _add(H, weight, Z)
    return (H.toarray() if sparse.issparse(H) else H), Y


def _add(H, weight, Z):
    """``H += weight Z`` for an ndarray H."""
    if sparse.issparse(Z):
        rows = np.repeat(np.arange(Z.shape[0]), np.diff(Z.indptr))
        H[rows, Z.indices] += weight * Z.data
    else:
        H += weight * Z


def _powers(T, Z):
    while True:
        E = T.matmat(Z)
        yield E, (Z.toarray() if sparse.issparse(Z) else Z)
        Z = E


class _Step(NamedTuple):
    """``Q = (T U - K W) X`` with K the steps before and M_K their projections."""

    Q: np.ndarray
    U: np.ndarray
    X: np.ndarray
    W: np.ndarray | None
    M_K: np.ndarray | None

    def projection(self):
        """M with Q = T M."""
        if self.M_K is None:
            return self.U @ self.X if sparse.issparse(self.U) else as_operand(self.U).matmat(self.X)
        U = self.U - as_operand(self.M_K).matmat(self.W)
        return as_operand(U).matmat(self.X)


def _orthogonal_steps(T, back, Z, n_krylov=0):
    """`_Step` after `_Step`; the first `n_krylov` ones are orthogonal to those before."""
    U, error, n_done = _with_columns_near_one(Z), 0.0, 0
    basis = np.empty((T.shape[0], n_krylov * Z.shape[1]), dtype=T.dtype)
    projections = np.empty_like(basis)
    while True:
        K = basis[:, :n_done] if n_done else None
        Y = T.matmat(U)
        Q, X, W, error = orthonormal_factor(Y, K, _rounding_lengths(T, U), error)
        step = _Step(Q, U, X, W, projections[:, :n_done] if n_done else None)
        yield step
        if n_krylov:
            new = slice(n_done, n_done + Q.shape[1])
            basis[:, new], projections[:, new] = Q, step.projection()
            n_done = new.stop
        else:
            Q = _refilled(Q, int(np.count_nonzero(X.any(axis=0))), T)
        U = Q if back is None else back.matmat(Q)


def _rounding_lengths(T, U):
    """The lengths that columns of T U may have from rounding alone, where they should vanish."""
    norm = max(T.rounding_norm(), ROUNDING * np.finfo(T.dtype).eps * np.sqrt(T.squared_norm()))
    return norm * np.sqrt(as_operand(U, name="panel").column_squared_norms())


def _with_columns_near_one(Z):
    """Z with columns of a size that can be squared; their size does not matter."""
    if not sparse.issparse(Z):
        return with_safe_squares(Z)[0]
    _, exponent = np.frexp(abs(Z).max(axis=0).toarray().ravel())
    data = np.ldexp(Z.data, -exponent[Z.indices])
    return sparse.csr_array((data, Z.indices, Z.indptr), shape=Z.shape)


def _refilled(Q, rank, T):
    """Q with directions of T times random vectors for the columns from `rank` on, which are zero.

    A start that lacks a direction would lack it for ever.
    """
    missing = Q.shape[1] - rank
    if missing == 0:
        return Q
    extra = as_stream(0).generator("propagation").standard_normal((T.shape[1], missing))
    Q = Q[:, :rank]
    return np.hstack([Q, orthonormal_factor(T.matmat(extra), against=Q)[0]])


def _sum_of_orthogonal_steps(T, back, Z, weights):
    E = M = before = None
    for weight, step in zip(weights, _orthogonal_steps(T, back, Z), strict=False):
        change = None if before is None else _change(before, step.Q)
        before = step.Q
        if weight:
            projection = step.projection()
            E = weight * step.Q if E is None else E + weight * step.Q
            M = weight * projection if M is None else M + weight * projection
    return Propagation(E, M, change)


def _change(P, Q):
    """Root of the mean squared sine of the angles between the spans of two orthonormal bases."""
    rank = int(np.count_nonzero(Q.any(axis=0)))
    cosines = as_operand(P).rmatmat(Q).astype(np.float64)
    return float(np.sqrt(max(1 - np.sum(cosines**2) / rank, 0.0))) if rank else 0.0
