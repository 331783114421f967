"""The weights of rows as mixtures of the vertices of a simplex."""

import numpy as np

from sklr._backend import RangeError, as_operand, centered, ordered, session

from ._pivots import rounding
from .vertices import row_squares

# Rows whose weights are found together.
_ROWS_AT_A_TIME = 8192
# Weights are final where no vertex promises a gain beyond so many eps: rounding.
_GAIN = 64
# Rows that are so many sizes of the simplex away have squares of distances that leave the range of float64.
_FARTHEST = 1e150


def barycentric_weights(A, vertices, *, nonnegative=True, return_error=False, n_threads=None):
    """Write the rows of A as mixtures of the vertices of a simplex, as nearly as can be.

    Row i of W minimises ``||a_i - w V||`` over weights that sum to one and, with `nonnegative`, are not
    negative: ``w V`` is the projection of the row on the simplex, or on its affine hull.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    vertices : matrix or operand of shape (k, n)
        V, at least two rows, affinely independent.
    nonnegative : bool, default=True
        Whether weights below zero are ruled out.
    return_error : bool, default=False
        Whether the error is returned too, which takes another pass.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    W : ndarray of shape (m, k)
        The weights; dtype of A.
    error : float
        The relative error ``||A - W V||_F / ||A||_F``; only with `return_error`.

    Raises
    ------
    ValueError
        If `vertices` has another shape, or is affinely dependent to working precision; either matrix is
        complex or holds NaN or infinity; or the squares of the entries of `vertices`, those of A where the
        error is asked for, or those of distances in the unit of the simplex leave the range of float64.

    Notes
    -----
    One pass, ``2 nnz k`` flops, for the coordinates of the rows in the affine hull, in float64. There each
    row is projected by Wolfe's active set method, which ends after finitely many steps, in each of which the
    distance falls; rows that use the same vertices are solved together. It begins with the vertices that have
    positive weights when those with others are left out, over and over: for most rows the answer. It ends
    where rounding does: in units of the largest distance of a vertex from the mean of all, and with D the
    distance of the row from that mean, ``||w V - p||^2 <= 3e-14 (1 + D)`` for the exact projection p.

    Not for k far above 20: the number of different sets of vertices in use grows, up to one for every row,
    and each takes ``2 k^3`` flops.

    References
    ----------
    P. Wolfe, "Finding the nearest point in a polytope", 1976, doi:10.1007/BF01580381. M. H. Van Benthem and
    M. R. Keenan, "Fast algorithm for the solution of large-scale non-negativity-constrained least squares
    problems", 2004, doi:10.1002/cem.889.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import barycentric_weights
    >>> triangle = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> barycentric_weights(np.array([[0.25, 0.25], [2.0, 0.0]]), triangle).round(6)
    array([[0.5 , 0.25, 0.25],
           [0.  , 1.  , 0.  ]])
    """
    A = as_operand(A, name="A")
    vertices = as_operand(vertices, name="vertices")
    with session(n_threads):
        try:
            return _weights(A, vertices, nonnegative, return_error)
        except RangeError as error:
            raise RangeError(f"{error} Divide {A.name} and vertices by the same number.") from None


def _weights(A, vertices, nonnegative, return_error):
    simplex = _Simplex(vertices, A)
    rows = A.astype(np.float64)
    Z = simplex.coordinates(rows)
    W = np.empty((len(Z), len(simplex.corners)), dtype=A.dtype)

    def compute(lo):
        block = slice(lo, lo + _ROWS_AT_A_TIME)
        W[block] = simplex.project(Z[block]) if nonnegative else simplex.affine(Z[block])

    ordered(compute, range(0, len(Z), _ROWS_AT_A_TIME))
    if not return_error:
        return W
    left = float(np.sum(rows.squares_of_difference(W, simplex.vertices)))
    total = rows.squared_norm()  # gathered by that sweep
    rows.check_squares()
    return W, float(np.sqrt(left / total)) if total else 0.0


class _Simplex:
    """The simplex of some vertices, in coordinates of its affine hull in which its size is one."""

    def __init__(self, vertices, A):
        k, n = vertices.shape
        if n != A.shape[1] or k < 2:
            raise ValueError(
                f"vertices must have shape (k, {A.shape[1]}) with k >= 2 for a matrix of shape {A.shape}, "
                f"got {vertices.shape}."
            )
        vertices = vertices.astype(np.float64)
        self.vertices = V = vertices.toarray()
        vertices.check_squares()
        self.center = V.mean(axis=0)
        _, s, Vt = np.linalg.svd(V - self.center, full_matrices=False)
        eps = rounding(n, np.float64)
        r = int(np.sum(s > eps * (s[0] + np.linalg.norm(self.center))))
        if r < k - 1:
            raise ValueError(
                f"vertices must be affinely independent for weights to be unique: {k} of them have {r} "
                f"independent differences, not {k - 1}. Leave out the ones that are combinations of others."
            )
        self.basis = Vt[: k - 1].T
        corners = (V - self.center) @ self.basis
        self.unit = float(np.sqrt(row_squares(corners).max()))
        self.corners = corners / self.unit

    def coordinates(self, A):
        """Of the rows of A, from the mean of the vertices, in the unit of the corners."""
        Z = centered(A, self.center).matmat(self.basis / self.unit)
        if not np.abs(Z).max(initial=0) <= _FARTHEST:  # nor NaN
            raise ValueError(
                f"{A.name} has rows farther than {_FARTHEST:.0e} times the size of the simplex from it: "
                f"squares overflow. Have {A.name} and vertices in one unit."
            )
        return Z

    def affine(self, Z):
        """Weights that sum to one and may be negative."""
        return self._on_faces(Z, np.ones((len(Z), len(self.corners)), dtype=bool))

    def _on_faces(self, Z, used):
        """Affine coordinates of each row in the vertices that it uses; rows that use the same together."""
        patterns, which = np.unique(np.packbits(used, axis=1), axis=0, return_inverse=True)
        patterns = np.unpackbits(patterns, axis=1, count=used.shape[1]).astype(bool)
        which = which.reshape(-1)
        sizes = patterns.sum(axis=1)
        W = np.zeros(used.shape)
        for size in np.unique(sizes):
            chosen = np.flatnonzero(sizes == size)
            vertices = np.nonzero(patterns[chosen])[1].reshape(-1, size)
            first, others = vertices[:, 0], vertices[:, 1:]
            edges = self.corners[others] - self.corners[first][:, None]
            Q, R = np.linalg.qr(edges.transpose(0, 2, 1))
            maps = np.linalg.solve(R, Q.transpose(0, 2, 1))
            rows = np.flatnonzero(sizes[which] == size)
            at = np.searchsorted(chosen, which[rows])
            shares = np.einsum("isr,ir->is", maps[at], Z[rows] - self.corners[first[at]])
            W[rows[:, None], others[at]] = shares
            W[rows, first[at]] = 1 - shares.sum(axis=1)
        return W

    def project(self, Z):
        """Weights of the projections on the simplex."""
        C = self.corners
        used = np.ones((len(Z), len(C)), dtype=bool)
        W = np.empty(used.shape)
        rest = np.arange(len(Z))
        while rest.size:  # at least one vertex fewer each time, and one is left
            W[rest] = self._on_faces(Z[rest], used[rest])
            negative = used[rest] & (W[rest] <= 0)
            rest, negative = rest[negative.any(axis=1)], negative[negative.any(axis=1)]
            used[rest] &= ~negative
        slack = _GAIN * np.finfo(np.float64).eps * (1 + np.sqrt(row_squares(Z)))
        rest = np.arange(len(Z))
        while rest.size:
            R = W[rest] @ C - Z[rest]
            before = row_squares(R)
            # The distance, squared and halved, falls by no more than this gap on the way to the projection.
            slopes = R @ C.T
            enter = np.argmin(slopes, axis=1)
            gap = np.einsum("ij,ij->i", W[rest], slopes) - slopes[np.arange(len(rest)), enter]
            going = gap > slack[rest]
            rest, before, enter = rest[going], before[going], enter[going]
            old = W[rest], used[rest]
            used[rest, enter] = True
            self._descend(Z, W, used, rest)
            # Each step makes the distance smaller; where it does not, that is rounding, and the end.
            done = row_squares(W[rest] @ C - Z[rest]) >= before
            W[rest[done]], used[rest[done]] = old[0][done], old[1][done]
            rest = rest[~done]
        W /= W.sum(axis=1, keepdims=True)
        return W

    def _descend(self, Z, W, used, rest):
        """Go to the nearest point of the affine hull in use, dropping vertices whose weights reach zero."""
        while rest.size:
            target = self._on_faces(Z[rest], used[rest])
            negative = used[rest] & (target <= 0)
            is_inside = ~negative.any(axis=1)
            W[rest[is_inside]] = target[is_inside]
            rest, target, negative = rest[~is_inside], target[~is_inside], negative[~is_inside]
            start = W[rest]
            # A vertex that has no weight and would get none leaves at once, without dividing zero by zero.
            share = np.where(negative, start / np.where(start > target, start - target, 1), np.inf)
            step = share.min(axis=1, keepdims=True)
            leaves = negative & (share <= step)
            W[rest] = np.where(leaves, 0, np.maximum(start + step * (target - start), 0))
            used[rest] &= ~leaves
