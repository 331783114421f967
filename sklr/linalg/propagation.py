"""Propagation of vectors along the edges of a graph, plain and orthogonalised."""

from itertools import islice
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklr._backend import as_operand, as_stream, compute_dtype, ordered, session

from ._checks import check_count
from ._graph import as_adjacency, weighted_degrees
from .orthogonalize import orthonormalize, with_safe_squares

TRANSITIONS = ("random_walk", "symmetric")
ORTHOGONALIZATIONS = ("none", "projection", "last", "each")
# Rounding errors of a product are at most so many eps of the norms of its factors.
_ROUNDING = 32
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


def transition_matrix(A, transition="random_walk", *, column_degrees=None):
    """The matrix that one step along the edges of a graph multiplies by.

    With D the diagonal of the sums of rows of A and C that of its columns,

        T = D^(-1) A              "random_walk": (T Z)[i] is the mean of Z over the neighbours of i
        T = D^(-1/2) A C^(-1/2)   "symmetric"

    where rows and columns whose sum is zero stay zero.

    Parameters
    ----------
    A : {array-like, sparse matrix} of shape (m, n)
        Weights of edges, from the nodes of rows to those of columns, not negative. The graph may be directed,
        and bipartite, so that m and n differ.
    transition : {"random_walk", "symmetric"}, default="random_walk"
        Which.
    column_degrees : ndarray of shape (n,), default=None
        The diagonal of C, where it is not to be taken from A: for new rows of a graph. Only with "symmetric".

    Returns
    -------
    T : csr_array of shape (m, n)
        float32 where A is, float64 otherwise.

    Raises
    ------
    ValueError
        If A has negative weights, NaN or infinity, or weights whose sum overflows; if `transition` is another
        one, or `column_degrees` has another shape.

    See Also
    --------
    propagate : Multiplies by its powers.

    Notes
    -----
    A sweep over the entries, in float64 whatever the dtype: T does not change with the unit of the weights.
    Memory for an array of nnz entries of the dtype, and a few of float64 for a while.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import transition_matrix
    >>> A = np.array([[0.0, 1.0, 3.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    >>> transition_matrix(A).toarray()
    array([[0.  , 0.25, 0.75],
           [1.  , 0.  , 0.  ],
           [0.  , 0.  , 0.  ]])
    """
    if transition not in TRANSITIONS:
        raise ValueError(f"transition must be one of {TRANSITIONS}, got {transition!r}.")
    if column_degrees is not None and transition != "symmetric":
        raise ValueError(f"column_degrees have no part in transition={transition!r}: leave them at None.")
    A = as_adjacency(A, square=False)
    row_degrees = weighted_degrees(A)
    # Division, not multiplication by a reciprocal, which overflows where degrees are tiny.
    if transition == "random_walk":
        data = A.data / np.repeat(row_degrees, np.diff(A.indptr))
    else:
        if column_degrees is None:
            column_degrees = weighted_degrees(A, axis=0)
        column_degrees = np.asarray(column_degrees, dtype=np.float64)
        if column_degrees.shape != (A.shape[1],):
            raise ValueError(
                f"column_degrees must have shape ({A.shape[1]},), one for each column of A, got "
                f"{column_degrees.shape}."
            )
        if not (np.isfinite(column_degrees).all() and column_degrees.min() >= 0):
            raise ValueError("column_degrees must be sums of weights, which are finite and not negative.")
        # A column that had no edge has no degree: edges to it count nothing.
        roots = np.sqrt(np.where(column_degrees > 0, column_degrees, np.inf))
        data = A.data / np.repeat(np.sqrt(row_degrees), np.diff(A.indptr))
        data /= roots[A.indices]
    T = sparse.csr_array((data.astype(A.dtype, copy=False), A.indices, A.indptr), shape=A.shape)
    T.has_canonical_format = True  # as A has; SciPy would look at every entry to know
    return T


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
            M = _padded(orthonormalize(M), M.shape[1])
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

    def steps():
        stepper = _powers(T, Z) if orthogonalize == "none" else _orthogonal_steps(T, None, Z, orthogonalize)
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
    with np.errstate(over="ignore", under="ignore"):
        found = weights.astype(dtype)
    if not np.isfinite(found).all() or not found.any():
        raise ValueError(f"weights leave the range of {dtype}, got {weights}. Divide them by the largest.")
    return np.trim_zeros(found, "b")


class _Factor(NamedTuple):
    """What `orthonormal_factor` returns.

    Attributes
    ----------
    Q : ndarray of shape (n, l)
        Orthonormal columns, those at the end zero where columns of Y depend on each other or on K.
    X : ndarray of shape (l, l)
    W : ndarray of shape (q, l) or None
        ``Q = (Y - K W) X``.
    error : float
        A bound of the length of a column of ``(Y - K' W) X - Q`` for a K' whose columns are off by `error`.
    """

    Q: np.ndarray
    X: np.ndarray
    W: np.ndarray | None
    error: float


def orthonormal_factor(Y, against=None, floor=None, error=0.0):
    """Orthonormal columns ``Q = (Y - K W) X`` with the span of Y beyond that of K, `against`.

    Columns of Y no longer than `floor`, one number for each, are rounding errors, and left out. So are
    directions of which so little is left that `error`, that of the columns of K, would grow above the root of
    the rounding unit: they would have too few digits for ``T M`` to be the same again.
    """
    n_columns, dtype = Y.shape[1], Y.dtype
    if against is not None and against.shape[1] == 0:
        against = None
    Y, exponent = with_safe_squares(Y)
    lengths = np.sqrt(as_operand(Y, name="panel").column_squared_norms())
    if floor is not None:
        lengths[lengths <= np.ldexp(floor, -exponent)] = 0
    reciprocals = np.divide(1, lengths, out=np.zeros(n_columns), where=lengths > 0)
    Q = orthonormalize(Y, against=against)
    W = None if against is None else as_operand(against, name="basis").rmatmat(Y)
    X = np.zeros((n_columns, n_columns))
    if Q.shape[1]:
        basis = as_operand(Q, name="basis")
        U, s, Vt = linalg.svd(basis.rmatmat(Y) * reciprocals, full_matrices=False)
        eps = float(np.finfo(dtype).eps)
        errors = eps / np.maximum(s, eps)
        directions = reciprocals[:, None] * (Vt.T / np.maximum(s, eps))
        if W is not None:
            errors += error * np.linalg.norm(W @ directions, axis=0)
        kept = errors < np.sqrt(eps)
        directions, U, error = directions[:, kept], U[:, kept], max(error, errors[kept].max(initial=0))
        rank = directions.shape[1]
        if rank < Q.shape[1]:
            Q = basis.matmat(U) if rank else Q[:, :0]
            X[:, :rank] = directions
        else:
            X[:, :rank] = directions @ U.T
    X = np.ldexp(X, -exponent[:, None])
    W = None if W is None else np.ldexp(W, exponent)
    return _Factor(_padded(Q, n_columns), X.astype(dtype), W, error)


def whiten(E, M, rows, n_threads=None):
    """Centre, scale and decorrelate an embedding E = T M over some of its rows, which it is written to.

    Parameters
    ----------
    E : ndarray of shape (m, l)
        It is changed; rows that are not among `rows` are zero.
    M : ndarray of shape (n, l)
        The projection.
    rows : ndarray of bool, of shape (m,)
        Which rows have an embedding.
    n_threads : int, default=None
        At most so many threads; None means what this process may use.

    Returns
    -------
    E : ndarray of shape (m, l)
        Mean 0 and covariance I over `rows`, zero elsewhere; columns at the end are zero where directions
        depend on each other.
    M : ndarray of shape (n, l)
        The projection, of which ``E = T M - mean`` in `rows`.
    mean : ndarray of shape (l,)
    """
    with session(n_threads):
        panel, n_rows = as_operand(E), np.count_nonzero(rows)
        mean = panel.column_means() * (len(E) / n_rows)
        floor = _ROUNDING * np.finfo(E.dtype).eps * np.sqrt(panel.column_squared_norms())
        np.subtract(E, mean.astype(E.dtype), out=E, where=rows[:, None])
        E, X, *_ = orthonormal_factor(E, floor=floor)
        scale = E.dtype.type(np.sqrt(n_rows))
        X *= scale
        E *= scale
        return E, as_operand(M).matmat(X), (mean @ X).astype(E.dtype)


def _padded(Q, n_columns):
    missing = n_columns - Q.shape[1]
    return np.hstack([Q, np.zeros((len(Q), missing), dtype=Q.dtype)]) if missing else Q


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


def _orthogonal_steps(T, back, Z, orthogonalize):
    """`_Step` after `_Step`."""
    U, K, M_K, error = _with_columns_near_one(Z), None, None, 0.0
    while True:
        Y = T.matmat(U)
        Q, X, W, error = orthonormal_factor(Y, K, _rounding_lengths(T, U), error)
        step = _Step(Q, U, X, W, M_K)
        yield step
        if orthogonalize == "all":
            M = step.projection()
            K = Q if K is None else np.hstack([K, Q])
            M_K = M if M_K is None else np.hstack([M_K, M])
        else:
            Q = _refilled(Q, int(np.count_nonzero(X.any(axis=0))), T)
        U = Q if back is None else back.matmat(Q)


def _rounding_lengths(T, U):
    """The lengths that columns of T U may have from rounding alone, where they should vanish."""
    norm = max(T.rounding_norm(), _ROUNDING * np.finfo(T.dtype).eps * np.sqrt(T.squared_norm()))
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
    for weight, step in zip(weights, _orthogonal_steps(T, back, Z, "each"), strict=False):
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
