"""Truncated SVD of a sparse matrix that grows."""

from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy import linalg, sparse

from sklr._backend import Operand, RowChunks, Transposed, as_operand, compute_dtype, ordered, session
from sklr._backend.kernels import add_csr_transposed_product
from sklr._backend.tiles import row_bounds

from ._checks import check_count

# A vector whose squared distance from the span of the others is a smaller part of its squared length than
# so many eps adds nothing: the distance is a difference of squares, and what is left is their rounding.
_FLOOR = 100
# Loss of orthonormality, in eps, of vectors that have just been made orthonormal; a tenth of the floor, so
# that what the loss does to a distance stays below it.
_FRESH = 10
# Vectors are made orthonormal again before the loss may reach this power of eps: 2e-12 in float64. 300 small
# updates with rows close to a span of low dimension, the hardest case met, took 27 renewals with a loss of
# 2e-13 at most; the power 0.625 took 16 with 1e-12.
_LOSS_POWER = 0.75
# Rows taken in at once where k is smaller: below, the calls cost more than the arithmetic.
_MIN_BLOCK = 64


class UpdatableSVD:
    """Truncated SVD A ~ U diag(s) V^T of a sparse matrix that grows by rows, columns or low-rank changes.

    New rows E leave of A only what U, s and V tell, and of ``[U diag(s) V^T; E]`` the k largest singular
    values are kept. With C = V^T E^T and an orthonormal basis Q = (E^T - V C) W of what E adds to the span
    of V,

        [U diag(s) V^T; E] = [U 0; 0 I] K [V Q]^T,    K = [diag(s) 0; C^T R^T],    R = Q^T E^T,

    so that the SVD K = F diag(s') G^T of a small matrix gives ``U' = [U 0; 0 I] F`` and ``V' = [V Q] G``. Q
    is never formed: W comes from its Gram matrix ``E E^T - C^T C``, and U and V are kept as products of a
    tall and a small matrix, V = V_0 M, of which an update changes M and those rows of V_0 where E has
    non-zeros:

        V' = V_0 M (G_1 - C W G_2) + E^T W G_2 = (V_0 + E^T W G_2 M'^-1) M',    M' = M (G_1 - C W G_2).

    New columns are new rows of the transpose, and A + D E^T augments both sides.

    Every step only drops. Where all steps are new rows (or all new columns), no s_i exceeds sigma_i(A), and

        ||A - A V V^T||_F^2 <= ||A - U diag(s) V^T||_F^2 = ||A||_F^2 - sum_i s_i^2.

    For a truncation multiplies B = [B_0; E] by the projector P onto the kept left vectors, so that
    ``U diag(s) V^T = L A``, L a product of projectors ``P_j [L_j 0; 0 I]`` and so a contraction; B - P B is
    orthogonal to P B, and what an earlier step dropped has columns orthogonal to the left vectors that it
    kept, in whose span the columns of P B and B - P B stay, as far as their rows were there then.

    Parameters
    ----------
    left_vectors : ndarray of shape (m, r) or None
        U, orthonormal columns. None: U is not kept, which saves its memory; rows can be added, columns and
        low-rank changes cannot.
    singular_values : ndarray of shape (r,)
        s, non-negative, in any order.
    right_vectors : ndarray of shape (r, n)
        V^T, orthonormal rows: with the other two as returned by `numpy.linalg.svd` and
        `scipy.sparse.linalg.svds`. Their dtype, float32 or float64, is that of the updates.
    k : int, default=None
        How many singular values to keep at most; None: r. The number grows up to it with the rank.
    n_rows : int, default=None
        m, needed where U is not kept.
    squared_norm : float, default=None
        ||A||_F^2, of which the vectors tell a part only. None: not known, and neither is the error.
    n_threads : int, default=None
        At most so many threads; None means what this process may use. The bits of the result do not depend
        on it.

    Attributes
    ----------
    k : int
        How many singular values are kept at most.
    dtype : dtype
        Of the vectors.

    Raises
    ------
    TypeError, ValueError
        If the three do not fit together, are not finite, or the vectors are not orthonormal.

    See Also
    --------
    FrequentDirections : For dense rows; with a bound on every direction, and it merges.
    truncated_svd : For the first rows, where these are many, and for a matrix that is known as a whole.

    Notes
    -----
    Rows are taken in by blocks of at most t = max(k, 64): much smaller ones make more and worse truncations,
    much larger ones pay for (k + t)^3. A block costs ``4 nnz(E) k`` flops for the vectors, whatever n, and
    about ``20 (k + t)^3`` for the SVD of K (LAPACK on one thread). When M becomes ill-conditioned, V_0 M is
    multiplied out and made orthonormal again without a change of U diag(s) V^T, in ``3 n k^2``
    flops; how often depends on how fast directions are replaced. Memory: (m + n) k numbers, up to twice as
    many for a side that grows.

    Not for the best approximation of a matrix that is still at hand: what was dropped is lost, and a
    direction that is weak in every update and strong in their sum is missed. Directions shorter than
    ``10 sqrt(eps)`` of their row are dropped (counted in `error_bound`). An interrupt in the middle of a call
    may leave the object half updated.

    References
    ----------
    H. Deng, Y. Yang, J. Li, C. Chen, W. Jiang and S. Pu, "Fast Updating Truncated SVD for Representation
    Learning with Sparse Matrices", 2024, arXiv:2401.09703. H. Zha and H. D. Simon, "On Updating Problems in
    Latent Semantic Indexing", 1999, doi:10.1137/S1064827597329266.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import sparse
    >>> from sklr.linalg.updating import UpdatableSVD
    >>> A = sparse.random(300, 1000, density=0.01, format="csr", random_state=0)
    >>> svd = UpdatableSVD.zeros((0, 1000), k=50)
    >>> for lo in range(0, 300, 30):
    ...     _ = svd.add_rows(A[lo : lo + 30])
    >>> svd
    UpdatableSVD(shape=(300, 1000), rank=50, k=50)
    >>> V = svd.right_vectors.T
    >>> error = np.linalg.norm(A.toarray() - A @ V @ V.T)
    >>> bool(error <= svd.error_bound < np.sqrt(svd.squared_norm))
    True
    """

    def __init__(
        self,
        left_vectors,
        singular_values,
        right_vectors,
        *,
        k=None,
        n_rows=None,
        squared_norm=None,
        n_threads=None,
    ):
        s = np.asarray(singular_values)
        compute_dtype(s.dtype, "singular_values")
        s = s.astype(np.float64)
        if s.ndim != 1 or not np.all((s >= 0) & np.isfinite(s)):
            raise ValueError(
                "singular_values must be one row of finite non-negative numbers, got "
                f"{s.tolist() if s.size < 20 else f'an array of shape {s.shape}'}."
            )
        right = _vectors(np.transpose(right_vectors), len(s), "right_vectors", "row")
        left = None if left_vectors is None else _vectors(left_vectors, len(s), "left_vectors", "column")
        self.dtype = np.result_type(right.dtype, right.dtype if left is None else left.dtype)
        self.k = len(s) if k is None else check_count("k", k, 1)
        if self.k < max(len(s), 1):
            raise ValueError(f"k must be at least {max(len(s), 1)}, the number of singular values, got {k}.")
        if left is None:
            if n_rows is None:
                raise ValueError("n_rows must be given where left_vectors is None, which would tell it.")
            n_rows = check_count("n_rows", n_rows, 0)
        elif n_rows not in (None, len(left)):
            raise ValueError(f"n_rows is {n_rows}, but left_vectors has {len(left)} rows. Leave it out.")
        self._n_rows = n_rows if left is None else len(left)
        order = np.argsort(-s, kind="stable")
        self._s = s[order]
        self._n_threads = n_threads
        with session(n_threads):
            self._right = _Side(right[:, order], self.k, self.dtype)
            self._left = None if left is None else _Side(left[:, order], self.k, self.dtype)
            self._check_orthonormal()
        self._squared_norm = None
        # ||A - U diag(s) V^T||_F is at most the sum of these: what was dropped up to the last change of
        # direction (rows, columns, low rank), and since then in truncations and in projections.
        self._error_before, self._error_since, self._direction = 0.0, None, None
        if squared_norm is not None:
            held = float(np.sum(self._s**2))
            if not isinstance(squared_norm, Real) or not np.isfinite(squared_norm):
                raise ValueError(f"squared_norm must be a finite number or None, got {squared_norm!r}.")
            if squared_norm < held * (1 - np.sqrt(np.finfo(self.dtype).eps)):
                raise ValueError(
                    f"squared_norm is {squared_norm:.6g}, but the squares of the singular values add up to "
                    f"{held:.6g}. Pass ||A||_F^2, not a part or the root of it."
                )
            self._squared_norm = float(squared_norm)
            self._error_since = np.array([np.sqrt(max(squared_norm - held, 0.0)), 0.0])

    @classmethod
    def zeros(cls, shape, k, *, keep_left=True, dtype=np.float64, n_threads=None):
        """The SVD of a zero matrix, to start from: rank 0, which grows up to k.

        Parameters
        ----------
        shape : (int, int)
            (m, n): ``(0, n)`` to add rows, ``(m, 0)`` to add columns.
        k : int
            How many singular values to keep at most.
        keep_left : bool, default=True
            Whether U is kept.
        dtype : dtype, default=np.float64
            Of the vectors, float32 or float64.
        n_threads : int, default=None
            At most so many threads; None means what this process may use.

        Returns
        -------
        UpdatableSVD
            With singular vectors of no columns, a squared norm of 0 and an error of 0.
        """
        if not np.iterable(shape) or len(tuple(shape)) != 2:
            raise ValueError(f"shape must be (rows, columns), two integers, got {shape!r}.")
        m, n = (check_count("shape", size, 0) for size in shape)
        return cls(
            np.zeros((m, 0), dtype) if keep_left else None,
            np.zeros(0),
            np.zeros((0, n), dtype),
            k=check_count("k", k, 1),
            n_rows=m,
            squared_norm=0.0,
            n_threads=n_threads,
        )

    # -- changes ------------------------------------------------------------------------------

    def add_rows(self, E):
        """Append the rows of E: A becomes [A; E].

        Parameters
        ----------
        E : ndarray or sparse matrix of shape (t, n)
            The new rows, at least one. Computed in `dtype`.

        Returns
        -------
        UpdatableSVD
            This one.

        Raises
        ------
        TypeError, ValueError
            If E is not a matrix of n finite real columns. Nothing has been changed then.
        """
        n = self.shape[1]
        rows, squared_norm = self._rows(E, "E", lambda shape: shape[1] == n, f"(t, {n})")
        return self._grow(None, rows, squared_norm, "rows")

    def add_columns(self, E):
        """Append the columns of E: A becomes [A, E].

        Parameters
        ----------
        E : ndarray or sparse matrix of shape (m, t)
            The new columns, at least one. Computed in `dtype`.

        Returns
        -------
        UpdatableSVD
            This one.

        Raises
        ------
        TypeError, ValueError
            If E is not a matrix of m finite real rows, or U is not kept. Nothing has been changed then.
        """
        self._check_left("add_columns")
        m = self.shape[0]
        rows, squared_norm = self._rows(E, "E", lambda shape: shape[0] == m, f"({m}, t)", transpose=True)
        return self._grow(rows, None, squared_norm, "columns")

    def add_low_rank(self, D, E):
        """Add a matrix of low rank: A becomes A + D E^T.

        What is known of ||A||_F^2 is lost, unless nothing was dropped up to here: it depends on how the
        change meets what was dropped.

        Parameters
        ----------
        D : ndarray or sparse matrix of shape (m, t)
            For a change of some rows, unit vectors.
        E : ndarray or sparse matrix of shape (n, t)
            For a change of some columns, unit vectors.

        Returns
        -------
        UpdatableSVD
            This one.

        Raises
        ------
        TypeError, ValueError
            If D or E is not a finite real matrix of these shapes, or U is not kept. Nothing has been changed
            then.
        """
        self._check_left("add_low_rank")
        m, n = self.shape
        D, _ = self._rows(D, "D", lambda shape: shape[0] == m, f"({m}, t)", transpose=True)
        t = D.shape[0]
        E, _ = self._rows(E, "E", lambda shape: shape == (n, t), f"({n}, {t})", transpose=True)
        return self._grow(D, E, None, "low rank")

    def scale(self, factor):
        """Multiply A by a number: to forget exponentially, before every update by one below 1.

        Parameters
        ----------
        factor : float
            Positive and finite.

        Returns
        -------
        UpdatableSVD
            This one.
        """
        if isinstance(factor, bool) or not isinstance(factor, Real) or not 0 < factor < np.inf:
            raise ValueError(f"factor must be a positive finite number, got {factor!r}.")
        factor = float(factor)
        self._s = self._s * factor
        if self._error_since is not None:
            self._error_before *= factor
            self._error_since = self._error_since * factor
        if self._squared_norm is not None:
            self._squared_norm *= factor**2
        return self

    # -- results --------------------------------------------------------------------------------

    @property
    def shape(self):
        """(m, n) of A."""
        return (self._n_rows if self._left is None else self._left.size, self._right.size)

    @property
    def singular_values(self):
        """The r <= k singular values, descending; a new array."""
        return self._s.astype(self.dtype)

    @property
    def left_vectors(self):
        """U, a new array of shape (m, r); None if U is not kept. ``2 m k^2`` flops."""
        return None if self._left is None else self._product(self._left)

    @property
    def right_vectors(self):
        """V^T, a new array of shape (r, n). ``2 n k^2`` flops; to look changes nothing of what follows."""
        return np.ascontiguousarray(self._product(self._right).T)

    @property
    def squared_norm(self):
        """||A||_F^2, or None where it is not known: not given, or lost in `add_low_rank`."""
        return self._squared_norm

    @property
    def error_bound(self):
        """Upper bound of ||A - U diag(s) V^T||_F, and so of ||A - A V V^T||_F; None where it is not known.

        Exact up to rounding as long as only rows, or only columns, were added; where they take turns, the
        errors of the runs are added up, which is pessimistic. It is not known where the object was made
        without `squared_norm`, and at the start holds for singular vectors that are exact. Divide by the root
        of `squared_norm` for a relative error.
        """
        if self._error_since is None:
            return None
        return float(self._error_before + self._error_since.sum())

    def __repr__(self):
        return f"UpdatableSVD(shape={self.shape}, rank={len(self._s)}, k={self.k})"

    # -- private --------------------------------------------------------------------------------

    def _check_left(self, method):
        if self._left is None:
            raise ValueError(
                f"{method} needs the left singular vectors, which are not kept: pass left_vectors, or "
                "keep_left=True to UpdatableSVD.zeros."
            )

    def _check_orthonormal(self):
        for side, name in ((self._right, "right_vectors"), (self._left, "left_vectors")):
            if side is None or not len(self._s):
                continue
            loss = np.abs(side.gram() - np.eye(len(self._s))).max()
            if loss > np.sqrt(np.finfo(self.dtype).eps):
                raise ValueError(
                    f"{name} must be orthonormal, but their inner products are off by {loss:.1e}. "
                    "Pass singular vectors, as svds returns them."
                )
            if loss > side.fresh:
                self._renew(side)

    def _rows(self, E, name, fits, expected, transpose=False):
        """``(rows, squared norm)``: E or its transpose as rows in `dtype`, checked."""
        if isinstance(E, (RowChunks, Operand, Transposed)):
            raise TypeError(
                f"{name} must be an array or a sparse matrix, got {type(E).__name__}. Add its chunks."
            )
        A = as_operand(E, name)
        if not fits(A.shape):
            raise ValueError(
                f"{name} must have shape {expected} for a matrix of shape {self.shape}, got {A.shape}. "
                "Pass it with its other axis first if it is transposed."
            )
        squared_norm = A.squared_norm(self._n_threads)
        E = E if sparse.issparse(E) else np.asarray(E)
        E = E.T if transpose else E
        rows = sparse.csr_array(E) if sparse.issparse(E) else E
        with np.errstate(over="ignore"):
            rows = rows.astype(self.dtype, copy=False)
        if rows.dtype != A.dtype and not np.isfinite(rows.data if sparse.issparse(rows) else rows).all():
            raise ValueError(
                f"{name} has entries beyond the range of {self.dtype}. Scale it, or start in float64."
            )
        return rows, squared_norm

    def _grow(self, D, E, squared_norm, direction):
        """Take in D^T rows on the left and E on the right by blocks; None stands for new rows of the side."""
        t = (E if D is None else D).shape[0]
        # (k + t)^3 / t is least at t = k / 2 and 19% more at k, where there are half as many truncations.
        n_blocks = -(-t // max(self.k, _MIN_BLOCK))
        bounds = [i * t // n_blocks for i in range(n_blocks + 1)]
        with session(self._n_threads):
            for lo, hi in zip(bounds[:-1], bounds[1:], strict=True):
                was_exact = self.error_bound == 0
                if direction != self._direction or direction == "low rank":
                    self._start_run(direction)
                norm = self._step(None if D is None else D[lo:hi], None if E is None else E[lo:hi], hi - lo)
                if direction == "low rank":
                    self._squared_norm = norm if was_exact and self._squared_norm is not None else None
        if self._squared_norm is not None and squared_norm is not None:
            self._squared_norm += squared_norm
        return self

    def _start_run(self, direction):
        """Errors of one direction are orthogonal to each other, those of two may not be."""
        is_first = self._direction is None and direction != "low rank"
        if self._error_since is not None and not is_first:
            self._error_before += float(self._error_since.sum())
            self._error_since = np.zeros(2)
        self._direction = direction

    def _step(self, D, E, t):
        """Truncated SVD of U diag(s) V^T + D^T E for rows D and E; return the squared norm of that sum."""
        a, b = self._projected(D, self._left, t), self._projected(E, self._right, t)
        doubtful = [p.side for p in (a, b) if p.is_doubtful]
        if doubtful:
            for side in doubtful:
                self._renew(side)
            a, b = self._projected(D, self._left, t), self._projected(E, self._right, t)
        p = len(self._s)
        K = np.vstack([a.inside, a.outside]) @ np.vstack([b.inside, b.outside]).T
        # What is below the rounding of the terms is not a singular value but what they leave in cancelling.
        floor = (
            max(K.shape) * np.finfo(self.dtype).eps * max(self._s.max(initial=0), np.abs(K).max(initial=0))
        )
        K[np.arange(p), np.arange(p)] += self._s
        F, s, Gt = np.linalg.svd(K, full_matrices=False)
        r = min(self.k, int(np.sum(s > floor)))
        if self._error_since is not None:
            self._error_since = np.hypot(self._error_since, [np.linalg.norm(s[r:]), np.hypot(a.lost, b.lost)])
        self._s = s[:r]
        spent = []
        for projection, vectors in ((a, F), (b, Gt.T)):
            if projection.side is None:
                self._n_rows += t
            elif not projection.side.advance(projection, vectors[:p, :r], vectors[p:, :r]):
                spent.append(projection.side)
        for side in spent:
            self._renew(side)
        return float(np.sum(s**2))

    def _projected(self, rows, side, t):
        if rows is not None:
            return side.project(rows)
        # New rows of the matrix are unit vectors that U, or V, does not have yet.
        first = self._n_rows if side is None else side.size
        units = sparse.csr_array((np.ones(t), np.arange(first, first + t), np.arange(t + 1)), (t, first + t))
        none = np.zeros((len(self._s), t))
        return _Projection(side, units.astype(self.dtype), none, np.eye(t), np.eye(t), np.ones(t), 0.0, False)

    def _renew(self, side):
        """Make the vectors of one side orthonormal again; U diag(s) V^T stays as it is."""
        side.multiply_out(side.mix)
        if not len(self._s):
            return
        # V = (V T^-1) T for V^T V = T^T T, and U diag(s) T^T = U F diag(s') G^T. T is close to the identity.
        T = linalg.cholesky(side.gram())
        F, self._s, Gt = np.linalg.svd(self._s[:, None] * T.T)
        side.mix = linalg.solve_triangular(T, Gt.T)
        side.loss = side.fresh
        other = self._left if side is self._right else self._right
        if other is not None:
            other.mix = other.mix @ F

    def _product(self, side):
        if not len(self._s):
            return np.zeros((side.size, 0), self.dtype)
        with session(self._n_threads):
            return as_operand(side.base[: side.size], "vectors").matmat(side.padded(side.mix))[
                :, : len(self._s)
            ]


class _Projection(NamedTuple):
    """New vectors, the rows of a matrix: ``rows^T = V inside + Q outside``, [V Q] orthonormal."""

    side: Any  # the `_Side` of V, None if it is not kept
    rows: Any  # (t, size)
    inside: np.ndarray  # C of shape (p, t)
    outside: np.ndarray  # R of shape (q, t), q <= t
    weights: np.ndarray  # W of shape (t, q): Q = (rows^T - V inside) W
    distances: np.ndarray  # squared lengths of the columns of Q before they were normalised, of unit rows
    lost: float  # bound of the Frobenius norm of what is neither inside nor outside
    is_doubtful: bool  # whether a distance may be an effect of the loss of orthonormality of V


class _Side:
    """Orthonormal vectors V = V_0 M of one side: V_0 tall, M small.

    V_0 is an array of k columns, of which those beyond the rank are zero, and of more rows than are in use,
    so that rows can be appended; these are zero too.
    """

    def __init__(self, vectors, k, dtype):
        self.size, rank = vectors.shape
        self.base = np.zeros((self.size, k), dtype)
        self.base[:, :rank] = vectors
        self.mix = np.eye(rank)
        self.eps = float(np.finfo(dtype).eps)
        self.loss = self.fresh = _FRESH * self.eps  # bound of ||V^T V - I||

    def project(self, rows):
        """The `_Projection` of `rows`."""
        p = len(self.mix)
        inside = ((rows @ self.base[: self.size])[:, :p].astype(np.float64) @ self.mix).T
        G = _row_gram(rows)
        lengths = np.sqrt(np.diag(G))
        units = np.divide(1, lengths, out=np.zeros(len(G)), where=lengths > 0)
        distances, P = np.linalg.eigh((G - inside.T @ inside) * np.outer(units, units))
        floor = _FLOOR * self.eps
        kept = distances > floor
        is_doubtful = self.loss > self.fresh and bool(
            np.any((np.abs(distances) > floor) & (distances < 10 * self.loss))
        )
        lost = np.sqrt(2 * (floor + self.loss)) * np.linalg.norm(P[:, ~kept].T * lengths)
        distances, P = distances[kept], P[:, kept]
        outside = np.sqrt(distances)[:, None] * (P.T * lengths)
        weights = units[:, None] * P / np.sqrt(distances)
        return _Projection(self, rows, inside, outside, weights, distances, float(lost), is_doubtful)

    def advance(self, projection, G1, G2):
        """V becomes V G1 + Q G2. False if V_0 had to be multiplied out and may not be orthonormal."""
        rows, Z = projection.rows, projection.weights @ G2
        self._grow(rows.shape[1])
        mix = self.mix @ (G1 - projection.inside @ Z)
        p, r = mix.shape
        if p == r == 0:
            return True
        # The distances are known to eps and the loss so far, and Q is divided by their roots.
        here = np.sum(G2**2 / projection.distances[:, None], axis=0).max(initial=0.0)
        self.loss += (self.eps + self.loss) * here
        if p < r:
            # New columns of V_0 are zero, and what multiplies them is free: orthonormal to the rest.
            mix = np.vstack([mix, np.linalg.qr(mix.T, mode="complete")[0][:, p:].T]) if p else np.eye(r)
        if p <= r:
            lu, pivots, singular = linalg.lapack.dgetrf(mix)
            inverse_condition = 0.0 if singular else linalg.lapack.dgecon(lu, np.linalg.norm(mix, 1))[0]
            if self.loss * inverse_condition + self.eps < self.eps**_LOSS_POWER * inverse_condition:
                change, _ = linalg.lapack.dgetrs(lu, pivots, Z.T, trans=1)
                self._add(rows, change.T)
                self.mix = mix
                return True
        self.multiply_out(mix)
        self._add(rows, Z)
        return False

    def multiply_out(self, mix):
        """V_0 becomes V_0 `mix` and M the identity; by tiles, in place."""
        factor = self.padded(mix).astype(self.base.dtype)
        bounds = row_bounds(self.size, self.base.shape[1] * self.base.itemsize)

        def rotate(tile):
            self.base[slice(*tile)] = self.base[slice(*tile)] @ factor

        ordered(rotate, list(zip(bounds[:-1], bounds[1:], strict=True)))
        self.mix = np.eye(mix.shape[1])

    def gram(self):
        """V_0^T V_0 of the columns in use, float64."""
        r = len(self.mix)
        return as_operand(self.base[: self.size], "vectors").gram()[:r, :r]

    def padded(self, mix):
        """`mix` with zeros for the columns of V_0 that are not in use."""
        k = self.base.shape[1]
        factor = np.zeros((k, k))
        factor[: mix.shape[0], : mix.shape[1]] = mix
        return factor

    def _add(self, rows, change):
        """V_0 += rows^T change, touching only where `rows` has non-zeros."""
        wide = np.zeros((len(change), self.base.shape[1]), self.base.dtype)
        wide[:, : change.shape[1]] = change
        base = self.base[: self.size]
        if sparse.issparse(rows):
            add_csr_transposed_product(rows, wide, base)
        else:
            base += rows.T @ wide

    def _grow(self, size):
        if size > len(self.base):
            # By doubling, so that rows appended one by one are copied twice on average.
            base = np.zeros((max(size, 2 * len(self.base)), self.base.shape[1]), self.base.dtype)
            base[: self.size] = self.base[: self.size]
            self.base = base
        self.size = size


def _row_gram(rows):
    """rows rows^T in float64, at a cost that does not depend on the number of columns of sparse rows."""
    if not sparse.issparse(rows):
        rows = rows.astype(np.float64, copy=False)
        return rows @ rows.T
    columns, indices = np.unique(rows.indices, return_inverse=True)
    shape = (rows.shape[0], max(len(columns), 1))
    compact = sparse.csr_array((rows.data.astype(np.float64), indices, rows.indptr), shape=shape)
    return (compact @ compact.T).toarray()


def _vectors(X, rank, name, what):
    """X as an ndarray whose `rank` columns are vectors; the user's are its columns or rows."""
    X = np.asarray(X)
    dtype = compute_dtype(X.dtype, name)
    if X.ndim != 2 or X.shape[1] != rank:
        shape = X.shape[::-1] if what == "row" else X.shape
        raise ValueError(
            f"{name} must be 2-D with one {what} for each of {rank} singular values, got {shape}."
        )
    if not np.isfinite(X).all():
        raise ValueError(f"{name} contains NaN or infinity. Compute the start again from finite data.")
    return X.astype(dtype, copy=False)
