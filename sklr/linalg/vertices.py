"""Vertices of the simplex that noisy rows fill."""

from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from sklr._backend import as_operand, as_stream, centered, session

from ._checks import check_count
from ._pivots import rounding
from .svd import truncated_svd

METHODS = ("pp-spa", "p-spa", "spa")
# "auto": the radius within which this part of the rows has enough neighbours, told from so many rows.
_PART = 0.99
_ROWS_FOR_RADIUS = 10_000
# Neighbours that a search may list at a time.
_LISTED = 2**21


class SimplexVertices(NamedTuple):
    """Vertices of a simplex, and the rows that they come from.

    Parameters
    ----------
    vertices : ndarray of shape (k, n)
        In the order in which they were found; dtype of A.
    indices : ndarray of shape (k,)
        "spa": the rows of A that they are. "p-spa": those whose projections they are. "pp-spa": those whose
        neighbourhoods have them as means.
    radius : float or None
        Of the neighbourhoods; None without pseudo-points.
    min_neighbors : int or None
        Rows that a neighbourhood has at least; None without pseudo-points.
    n_passes : int
        Sweeps over A.
    """

    vertices: np.ndarray
    indices: np.ndarray
    radius: float | None
    min_neighbors: int | None
    n_passes: int


def successive_projection(
    A, k, *, method="pp-spa", radius="auto", min_neighbors="auto", rng=None, n_threads=None
):
    """Find the k vertices of the simplex that the rows of A fill, up to noise.

    The model is ``a_i = sum_k w_ik v_k + noise`` with weights that are not negative and sum to one.
    Successive projection (SPA) takes the row that is farthest from the mean, then again and again the one
    that is farthest from the affine hull of those taken. Without noise, and with a row at every vertex, these
    are the vertices. If all rows are within e of the simplex, and e is small, vertices are off by
    ``O(c^2 e)``, where c is the condition number of the vertices. It takes extremes: noise pushes them out.

    "p-spa" first projects the rows on the k - 1 principal directions around their mean, which drops the
    noise of all others. "pp-spa" then replaces every row by the mean of the rows within `radius`, leaves out
    rows that have fewer than `min_neighbors` there, and takes its vertices from these pseudo-points.

    Parameters
    ----------
    A : matrix or operand of shape (m, n)
        Dense, sparse, memory-mapped or chunked.
    k : int
        Vertices, from 2 to min(m, n + 1).
    method : {"pp-spa", "p-spa", "spa"}, default="pp-spa"
        Projection and pseudo-points, projection only, or neither.
    radius : float or "auto", default="auto"
        Of the neighbourhoods in the k - 1 directions, in the unit of A. "auto": the smallest with which 99%
        of the rows, or of 10,000 random ones, have enough neighbours. Only with "pp-spa".
    min_neighbors : int or "auto", default="auto"
        Rows that a neighbourhood has at least, its own included. "auto": log(m), rounded up, or m / (2 k) if
        that is less. Only with "pp-spa".
    rng : None, int, Generator or Stream, default=None
        Where the start block of the projection and the rows for the radius come from.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Returns
    -------
    SimplexVertices
        The vertices, the rows behind them, and the neighbourhoods.

    Raises
    ------
    TypeError, ValueError
        If a parameter is of the wrong type or out of range, A holds NaN or infinity, the squares of its
        entries leave the range of float64, the differences of its rows have fewer than k - 1 independent
        directions, or too few rows have enough neighbours.

    Notes
    -----
    Passes: one for the mean, those of `truncated_svd` and one to project; "spa" one for the mean and k. After
    the projection all is done on a dense array of ``8 m (k - 1)`` bytes. A pseudo-point is not farther than
    the radius from its row, so that only rows near the boundary need theirs. Equal rows are searched once.

    The search is the affine one: shifts, rotations and units of A make no difference. The authors of pp-SPA
    append a 1 to the rows instead, and SPA of linear cones does neither; the shifted form is the limit of a
    large constant in place of the 1, whatever the unit. For a cone (topic models, separable non-negative
    factorization) divide the rows by their sums first. As a radius their programs take a twentieth of the
    largest distance, within which at six vertices and more hardly a row has a neighbour. "auto" is a choice
    made here, with nearly the same result for three.

    Not for simplices that have no rows near some vertex; nor, with "pp-spa", for more than about ten vertices
    and many rows, as neighbours in many dimensions are found by looking at all rows.

    References
    ----------
    J. Jin, Z. T. Ke, G. Moryoussef, J. Tang and J. Wang, "Improved Algorithm and Bounds for Successive
    Projection", 2024, arXiv:2403.11013. N. Gillis and S. A. Vavasis, "Fast and Robust Recursive Algorithms
    for Separable Nonnegative Matrix Factorization", 2012, arXiv:1208.1237. G. Barbarino and N. Gillis, "On
    the Robustness of the Successive Projection Algorithm", 2024, arXiv:2411.16195. M. C. U. Araujo et al.,
    "The successive projections algorithm for variable selection in spectroscopic multicomponent analysis",
    2001, doi:10.1016/S0169-7439(01)00119-8.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import successive_projection
    >>> rng = np.random.default_rng(0)
    >>> W = np.vstack([np.eye(3), rng.dirichlet(np.ones(3), size=97)])
    >>> vertices = np.array([[0.0, 0.0, 1.0], [4.0, 0.0, 1.0], [0.0, 3.0, 1.0]])
    >>> found = successive_projection(W @ vertices, 3, method="spa")
    >>> found.vertices
    array([[4., 0., 1.],
           [0., 3., 1.],
           [0., 0., 1.]])
    """
    A = as_operand(A, name="A")
    k = check_number(k, A.shape)
    radius, min_neighbors = _check_neighborhood(method, radius, min_neighbors, A.shape[0])
    before = A.n_passes
    stream = as_stream(rng)
    with session(n_threads) as workers:
        rows = A.astype(np.float64)
        mean = rows.column_means()
        rows.check_squares()
        eps = rounding(A.shape[1], A.dtype)
        size = float(np.linalg.norm(mean))
        if method == "spa":
            points = _Rows(rows.tiled_by_rows())
            vertices, indices = _hunt(points, k, mean, eps, size)
        else:
            B = centered(rows, mean)
            Vt = _directions(B, k, eps, stream)
            Y = B.matmat(Vt.T)
            if method == "pp-spa":
                points = _PseudoPoints(Y, k, radius, min_neighbors, stream, workers)
            else:
                points = _Rows(as_operand(Y))
            size += float(np.sqrt(np.max(row_squares(Y))))
            corners, indices = _hunt(points, k, np.zeros(k - 1), eps, size)
            vertices = mean + corners @ Vt
    return SimplexVertices(
        vertices.astype(A.dtype), indices, points.radius, points.min_neighbors, A.n_passes - before
    )


def check_number(k, shape, names=("k", "m", "n")):
    """Return k as an int; raise if a matrix of this shape cannot have k vertices. `names` are for the error.

    Parameters
    ----------
    k : int
        Vertices.
    shape : tuple of two int
        Of the matrix.
    names : tuple of three str, default=("k", "m", "n")
        What the caller calls k and the two sides.

    Returns
    -------
    int
    """
    name, m, n = names
    if isinstance(k, bool) or not isinstance(k, Integral):
        raise TypeError(f"{name} must be an int, got {k!r}.")
    if not 2 <= k <= min(shape[0], shape[1] + 1):
        raise ValueError(
            f"{name} must be from 2 to min({m}, {n} + 1), here {m} = {shape[0]} and {n} = {shape[1]}, got {k}"
            ": a simplex of K vertices needs K rows in K - 1 directions."
        )
    return int(k)


def _check_neighborhood(method, radius, min_neighbors, m):
    """The radius as a float or None, and the number of neighbours as an int or None, for "auto"."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {list(METHODS)}, got {method!r}.")
    given = {"radius": radius, "min_neighbors": min_neighbors}
    for name, value in given.items():
        if isinstance(value, str) and value == "auto":
            given[name] = None
        elif method != "pp-spa":
            raise ValueError(f"{name}={value!r} belongs to method='pp-spa': leave it 'auto' for {method!r}.")
    radius, min_neighbors = given.values()
    if radius is not None:
        if isinstance(radius, bool) or not isinstance(radius, Real):
            raise TypeError(f"radius must be a float or 'auto', got {radius!r}.")
        if not 0 < radius < np.inf:
            raise ValueError(f"radius must be positive and finite, got {radius}.")
        radius = float(radius)
    if min_neighbors is not None:
        min_neighbors = check_count("min_neighbors", min_neighbors, 1)
        if min_neighbors > m:
            raise ValueError(f"min_neighbors must be at most the {m} rows, got {min_neighbors}.")
    return radius, min_neighbors


def _directions(B, k, eps, stream):
    """The k - 1 principal directions of the centred rows, as rows."""
    result = truncated_svd(B, k - 1, rng=stream.child(0))
    s = result.singular_values
    r = int(np.sum(s > eps * s[0] + B.rounding_norm()))
    if r < k - 1:
        raise ValueError(_too_flat(k, r, "rows"))
    return result.right_vectors


def _too_flat(k, r, what):
    remedy = f"Ask for at most {r + 1} vertices." if r else f"All {what} are equal: there is no simplex."
    return (
        f"A simplex of {k} vertices needs {what} with {k - 1} independent differences, but there are {r}. "
        f"{remedy}"
    )


# -- successive projection ------------------------------------------------------------------------------


def _hunt(points, k, center, eps, size):
    """``(vertices, indices)``: the point farthest from the centre, then from the affine hull of those found.

    `size` is that of numbers whose rounding the points carry, beside their distances from the centre.
    """
    Q = np.empty((len(center), 0))
    distance, index, first = points.farthest(center, Q)
    floor = eps * (size + distance)
    vertices, indices = [first], [index]
    while len(vertices) < k:
        distance, index, point = points.farthest(first, Q)
        if distance <= floor:
            raise ValueError(points.too_flat(k, Q.shape[1]))
        direction = point - first
        for _ in range(2):  # once leaves rounding errors in the span of Q
            direction = direction - Q @ (Q.T @ direction)
        Q = np.column_stack([Q, direction / np.linalg.norm(direction)])
        vertices.append(point)
        indices.append(index)
    return np.array(vertices), np.array(indices, dtype=np.intp)


def row_squares(R):
    """The squared length of every row."""
    return np.einsum("ij,ij->i", R, R)


def _squared_distances(rows, origin, Q):
    """From the affine hull of `origin` with the orthonormal directions Q."""
    R = rows - origin
    R -= (R @ Q) @ Q.T
    return row_squares(R)


class _Rows:
    """The rows of an operand, searched in one pass each time."""

    radius = min_neighbors = None

    def __init__(self, A):
        self._A = A

    def farthest(self, origin, Q):
        """``(distance, index, row)`` of the row farthest from the hull; the first one of equals."""
        found = {}

        def compute(lo, hi, piece):
            rows = piece.dense()
            squares = _squared_distances(rows, origin, Q)
            i = int(np.argmax(squares))
            found[lo] = squares[i], lo + i, rows[i].copy()

        self._A.each_piece(compute)
        square, index, row = max((found[lo] for lo in sorted(found)), key=lambda best: best[0])
        return float(np.sqrt(square)), index, row

    def too_flat(self, k, r):
        """What to say if vertices are as near to the hull of others as rounding takes them."""
        return _too_flat(k, r, "rows")


def _merged(Y):
    """``(points, first, which, counts)``: the rows of Y without repetitions, by where each is seen first.

    `first` are the rows that they are, `which` has for every row its point, `counts` how many rows are equal.
    """
    order = np.lexsort(Y.T)  # stable: the first of equal rows comes first
    in_order = Y[order]
    is_new = np.append(True, (in_order[1:] != in_order[:-1]).any(axis=1))
    del in_order
    if is_new.all():
        order.sort()  # every row is its own point
        return Y, order, order, np.ones_like(order)
    first_equal = np.empty_like(order)
    first_equal[order] = order[is_new][np.cumsum(is_new) - 1]
    first, which, counts = np.unique(first_equal, return_inverse=True, return_counts=True)
    return Y[first], first, which, counts


class _PseudoPoints:
    """Means of the rows of Y within a radius, made where they may be extreme.

    Equal rows are one point that counts as many: otherwise each would list all others as its neighbours.
    """

    def __init__(self, Y, k, radius, min_neighbors, stream, workers):
        m = len(Y)
        self._Y, self._first, which, self._counts = _merged(Y)
        self._tree, self._workers = cKDTree(self._Y), workers
        if min_neighbors is None:
            min_neighbors = max(min(int(np.ceil(np.log(m))), m // (2 * k)), 1)
        self.min_neighbors = min_neighbors
        self._is_given = radius is not None
        self.radius = self._radius_for_most(which, stream) if radius is None else radius
        self._points = np.empty_like(self._Y)
        self._is_known = np.zeros(len(self._Y), dtype=bool)
        self._is_kept = np.zeros(len(self._Y), dtype=bool)

    def _radius_for_most(self, which, stream):
        """The radius, told from the rows, of which `which` has the points."""
        if len(which) > _ROWS_FOR_RADIUS:
            generator = stream.child(1).generator("radius")
            which = which[np.sort(generator.choice(len(which), _ROWS_FOR_RADIUS, replace=False))]
        nearest = list(range(1, min(self.min_neighbors, len(self._Y)) + 1))
        distances = np.empty(len(which))
        step = max(_LISTED // len(nearest), 1)
        for lo in range(0, len(which), step):
            block = slice(lo, lo + step)
            D, neighbors = self._tree.query(self._Y[which[block]], k=nearest, workers=self._workers)
            last = np.argmax(np.cumsum(self._counts[neighbors], axis=1) >= self.min_neighbors, axis=1)
            distances[block] = D[np.arange(len(D)), last]
        radius = float(np.quantile(distances, _PART, method="higher"))
        # The neighbour at the end of the radius counts, and so do equal rows, up to rounding.
        return radius * (1 + 1e-9) + 1e-12 * float(np.sqrt(row_squares(self._Y).max()))

    def _make(self, rows):
        """The pseudo-points of some of the points."""
        rows = rows[~self._is_known[rows]]
        if rows.size:
            lists = self._tree.query_ball_point(
                self._Y[rows], self.radius, workers=self._workers, return_sorted=True
            )
            for i, neighbors in zip(rows, lists, strict=True):
                counts = self._counts[neighbors]
                n_rows = counts.sum()
                if n_rows >= self.min_neighbors:
                    self._is_kept[i] = True
                    self._points[i] = (counts[:, None] * self._Y[neighbors]).sum(axis=0) / n_rows
            self._is_known[rows] = True

    def farthest(self, origin, Q):
        """``(distance, index, point)`` of the pseudo-point farthest from the hull; the first of equals."""
        # A mean of rows within the radius is no farther from the hull than its own row and the radius.
        bounds = np.sqrt(_squared_distances(self._Y, origin, Q)) + self.radius
        order = np.argsort(-bounds, kind="stable")
        step = max(_LISTED // len(order), 1)
        best = -1.0, 0
        for lo in range(0, len(order), step):
            rows = order[lo : lo + step]
            if bounds[rows[0]] * (1 + 1e-12) < best[0]:
                break
            self._make(rows)
            rows = rows[self._is_kept[rows]]
            if rows.size:
                distances = np.sqrt(_squared_distances(self._points[rows], origin, Q))
                i = np.lexsort((rows, -distances))[0]
                best = max(best, (distances[i], -rows[i]))
        if best[0] < 0:
            raise ValueError(
                f"No row has min_neighbors={self.min_neighbors} rows, itself included, within "
                f"radius={self.radius:.3g} in the principal directions. Use a larger radius, a smaller "
                "min_neighbors or 'auto' for either."
            )
        i = -int(best[1])
        return float(best[0]), int(self._first[i]), self._points[i]

    def too_flat(self, k, r):
        """What to say if vertices are as near to the hull of others as rounding takes them."""
        remedy = "a smaller radius" if self._is_given else "a smaller min_neighbors"
        return (
            f"The pseudo-points of neighborhoods of at least {self.min_neighbors} rows within radius="
            f"{self.radius:.3g} have {r} independent differences, but {k} vertices need {k - 1}. Use "
            f"{remedy}, method='p-spa' or fewer vertices."
        )
