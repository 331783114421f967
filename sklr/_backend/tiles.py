"""Tiles: the pieces a matrix is cut into, and the arithmetic of one piece.

A tile is a run of consecutive rows. Its boundaries are a function of shape, dtype and the
distribution of the non-zeros, never of the number of threads, so that sums over tiles in
tile order have the same bits on any number of threads.

`DenseTile` and `SparseTile` have the same methods; they are the only two kinds of numbers
that the rest of the package is computed from. Both can be shifted by a rank-one matrix
and scaled along both axes: a dense tile is changed in cache, a sparse one keeps the
changes as vectors beside it and never fills in.
"""

import numpy as np
from scipy import sparse

from .kernels import add_csc_product, add_csr_product, add_csr_transposed_product

# Twice through a 2-4 MB tile is where the fused product A^T (A Z) is fastest: the second time it
# comes from cache. A tile of fewer rows would spend its time on the sum over tiles.
TILE_BYTES = 1 << 22
MIN_TILE_BYTES = 1 << 18
MIN_TILE_ROWS = 128
# A tile of integers is converted whole, so that a tile of very long rows has fewer of them.
MAX_TILE_BYTES = 1 << 24
N_TILES = 32
# Partial sums that a reduction over the rows is made of: consecutive tiles are added up in one thread, and
# these sums in order.
N_PARTS = 32
TILE_NNZ = 1 << 18
MIN_TILE_NNZ = 1 << 14
# float32 entries that are converted at a time where sums are in float64: their copy stays in cache.
_CONVERTED = 1 << 16


def row_bounds(n_rows, row_bytes, min_rows=MIN_TILE_ROWS):
    """Boundaries ``[0, ..., n_rows]`` of row tiles: about `TILE_BYTES` each, at least `N_TILES` of them
    unless they would be smaller than `MIN_TILE_BYTES`, and none below `min_rows` rows where there are as
    many and where so many are not above `MAX_TILE_BYTES`."""
    total = n_rows * row_bytes
    min_rows = min(min_rows, max(MAX_TILE_BYTES // row_bytes, 1))
    n_tiles = max(-(-total // TILE_BYTES), min(N_TILES, total // MIN_TILE_BYTES), 1)
    n_tiles = min(n_tiles, max(n_rows // min_rows, 1))
    return [i * n_rows // n_tiles for i in range(n_tiles + 1)]


def sparse_row_bounds(indptr, min_rows=1):
    """Boundaries of row tiles with about equal numbers of non-zeros, from a CSR `indptr`."""
    n_rows, nnz = len(indptr) - 1, int(indptr[-1])
    n_tiles = max(nnz // TILE_NNZ, min(N_TILES, nnz // MIN_TILE_NNZ), 1)
    n_tiles = min(n_tiles, max(n_rows // min_rows, 1))
    cuts = np.searchsorted(indptr, np.arange(1, n_tiles) * (nnz / n_tiles))
    return np.unique(np.concatenate(([0], cuts, [n_rows]))).tolist()


def in_parts(tasks, n_parts):
    """Consecutive tasks as at most `n_parts` lists; tasks of a sequential source stay single."""
    if not isinstance(tasks, list) or len(tasks) <= n_parts:
        return tasks
    cuts = [i * len(tasks) // n_parts for i in range(n_parts + 1)]
    return [tasks[a:b] for a, b in zip(cuts[:-1], cuts[1:], strict=True)]


class DenseTile:
    """Some rows of a dense matrix, as a float32 or float64 ndarray.

    Parameters
    ----------
    array : ndarray of shape (rows, n)
        May be a view of the user's data: it is never written to.
    """

    __slots__ = ("array",)
    is_sparse = False

    def __init__(self, array):
        self.array = array

    def shifted(self, left, right):
        """``self - left right^T`` for vectors `left` (rows) and `right` (n)."""
        if np.all(left == 1):
            return DenseTile(self.array - right)
        if np.all(right == 1):
            return DenseTile(self.array - left[:, None])
        return DenseTile(self.array - left[:, None] * right)

    def scaled(self, row_scale=None, column_scale=None):
        """``diag(row_scale) self diag(column_scale)``; None is the identity."""
        array = self.array
        if column_scale is not None:
            array = array * column_scale
        if row_scale is not None:
            array = array * row_scale[:, None]
        return DenseTile(array)

    def astype(self, dtype):
        """The tile in another dtype; what leaves the range of float32 becomes infinite."""
        with np.errstate(over="ignore"):
            return DenseTile(self.array.astype(dtype, copy=False))

    def shift_of_product(self, Z):
        """What `matmat` may be told of the shift: nothing, it is in the entries."""
        return None

    def matmat(self, Z, out=None, shift=None):
        """``tile @ Z`` for an ndarray or csr_array Z, written to `out` if there is one."""
        if sparse.issparse(Z):
            return self.array @ Z
        return np.matmul(self.array, Z, out=out)

    def add_rmatmat(self, Y, out):
        """``out += tile^T @ Y`` for an ndarray or csr_array Y."""
        out += self.array.T @ Y

    def gram(self):
        """``tile^T tile`` (NumPy recognises the pattern and calls syrk)."""
        return self.array.T @ self.array

    def add_premultiplied(self, S, out):
        """``out += S @ tile`` for an ndarray or csc_array S."""
        if sparse.issparse(S):
            add_csc_product(S, self.array, out)
        else:
            out += S @ self.array

    def dense(self):
        """The tile as an ndarray."""
        return self.array

    def take_rows(self, indices):
        """Some rows as an ndarray."""
        return self.array[indices]

    def take_columns(self, indices):
        """Some columns as an ndarray."""
        return self.array[:, indices]

    def pieces(self):
        """``(lo, hi, tile)`` of consecutive rows, small enough to be made dense."""
        yield 0, self.array.shape[0], self

    def dense_pieces(self):
        """``(lo, hi, ndarray)`` of the same rows."""
        yield 0, self.array.shape[0], self.array

    def squared_norm(self):
        """Sum of the squared entries, in float64 whatever the dtype."""
        flat = self.array.ravel(order="K")
        if flat.dtype == np.float64:
            return float(flat @ flat)
        total, piece = 0.0, np.empty(min(_CONVERTED, flat.size))
        for lo in range(0, flat.size, _CONVERTED):
            part = piece[: flat.size - lo]
            part[:] = flat[lo : lo + _CONVERTED]
            total += float(part @ part)
        return total

    def is_tiny(self):
        """Whether a tile whose squares sum to zero has entries other than zero."""
        return self.array.any()

    def largest(self):
        """The largest absolute entry."""
        return float(np.abs(self.array).max())

    def column_sums(self):
        """The sum of every column, in float64."""
        return np.ones(self.array.shape[0]) @ self.array.astype(np.float64, copy=False)

    def row_sums(self):
        """The sum of every row, in float64."""
        return self.array.sum(axis=1, dtype=np.float64)

    def column_squares(self):
        """Sum of the squares of every column, in float64."""
        array = self.array.astype(np.float64, copy=False)
        return np.einsum("ij,ij->j", array, array)

    def row_squares(self):
        """Sum of the squares of every row, in float64."""
        array = self.array.astype(np.float64, copy=False)
        return np.einsum("ij,ij->i", array, array)


class SparseTile:
    """``diag(w) C diag(d) - left right^T`` for a CSR matrix C of some rows; the vectors may be absent.

    Parameters
    ----------
    matrix : csr_array of shape (rows, n)
        Without duplicate entries.
    row_scale, column_scale : ndarray, default=None
        w and d.
    left, right : ndarray, default=None
        The rank-one part that is subtracted.
    """

    __slots__ = ("column_scale", "left", "matrix", "right", "row_scale")
    is_sparse = True

    def __init__(self, matrix, row_scale=None, column_scale=None, left=None, right=None):
        self.matrix = matrix
        self.row_scale = row_scale
        self.column_scale = column_scale
        self.left = left
        self.right = right

    def shifted(self, left, right):
        """``self - left right^T``, without filling in."""
        if self.left is not None:
            raise TypeError("A sparse operand can be shifted (centred) once only; add the two shifts first.")
        return SparseTile(self.matrix, self.row_scale, self.column_scale, left, right)

    def scaled(self, row_scale=None, column_scale=None):
        """``diag(row_scale) self diag(column_scale)``; None is the identity."""
        return SparseTile(
            self.matrix,
            _product(self.row_scale, row_scale),
            _product(self.column_scale, column_scale),
            None if self.left is None else _product(self.left, row_scale),
            None if self.right is None else _product(self.right, column_scale),
        )

    def astype(self, dtype):
        """The tile in another dtype; what leaves the range of float32 becomes infinite."""
        parts = (self.row_scale, self.column_scale, self.left, self.right)
        with np.errstate(over="ignore"):
            return SparseTile(
                self.matrix.astype(dtype, copy=False),
                *(None if part is None else part.astype(dtype, copy=False) for part in parts),
            )

    def shift_of_product(self, Z):
        """``right^T Z``, the same for all tiles of a matrix; None where there is no shift."""
        return None if self.left is None else self.right @ Z

    def matmat(self, Z, out=None, shift=None):
        """``tile @ Z`` for an ndarray or csr_array Z, written to `out` if there is one.

        `shift` is the `shift_of_product`, if that is at hand.
        """
        if shift is None:
            shift = self.shift_of_product(Z)
        if sparse.issparse(Z):
            product = (self._scaled_matrix() @ Z).toarray(out=out)
            if self.left is not None:
                product -= np.outer(self.left, shift)
            return product
        if out is None:
            out = np.empty((self.matrix.shape[0], Z.shape[1]), dtype=self.matrix.dtype)
        out[:] = 0 if self.left is None else np.outer(-self.left, shift)
        add_csr_product(self._scaled_matrix(), Z, out)
        return out

    def add_rmatmat(self, Y, out):
        """``out += tile^T @ Y`` for an ndarray or csr_array Y.

        What `right` is to be multiplied by goes to one more row, if there is.
        """
        n = self.matrix.shape[1]
        if sparse.issparse(Y):
            out[:n] += (self._scaled_matrix().T @ Y).toarray()
        else:
            add_csr_transposed_product(self._scaled_matrix(), Y, out[:n])
        if len(out) > n:
            out[n] -= self.left @ Y
        elif self.left is not None:
            out -= np.outer(self.right, self.left @ Y)

    def unshifted_gram(self):
        """C^T C as an ndarray for the tile C without its shift, by a sparse product."""
        C = self._scaled_matrix()
        return (C.T @ C).toarray()

    def of_shift(self):
        """``C^T left - left^T left right / 2``, of which the shift takes u right^T + right u^T from C^T C."""
        return self._scaled_matrix().T @ self.left - (self.left @ self.left / 2) * self.right

    def premultiplied(self, S):
        """``S @ tile`` as a sparse array, for a csc_array S and a tile that is not shifted."""
        return S @ self._scaled_matrix()

    def add_premultiplied(self, S, out):
        """``out += S @ tile`` for an ndarray or csc_array S."""
        C = self._scaled_matrix()
        if sparse.issparse(S):
            SC = (S @ C).tocoo()
            np.add.at(out, (SC.row, SC.col), SC.data)
        else:
            out += (C.T @ np.ascontiguousarray(S.T)).T
        if self.left is not None:
            out -= np.outer(S @ self.left, self.right)

    def dense(self):
        """The tile as an ndarray."""
        D = self._scaled_matrix().toarray()
        return D if self.left is None else D - np.outer(self.left, self.right)

    def take_rows(self, indices):
        """Some rows as an ndarray."""
        return self._rows(indices).dense()

    def take_columns(self, indices):
        """Some columns as an ndarray."""
        return SparseTile(
            self.matrix[:, indices],
            self.row_scale,
            None if self.column_scale is None else self.column_scale[indices],
            self.left,
            None if self.right is None else self.right[indices],
        ).dense()

    def pieces(self):
        """``(lo, hi, tile)`` of consecutive rows, small enough to be made dense."""
        rows, n = self.matrix.shape
        step = max(TILE_BYTES // (n * self.matrix.dtype.itemsize), 1)
        for lo in range(0, rows, step):
            hi = min(lo + step, rows)
            yield lo, hi, self._rows(slice(lo, hi))

    def _rows(self, rows):
        """Some rows, a slice or indices, as a tile."""
        return SparseTile(
            self.matrix[rows],
            None if self.row_scale is None else self.row_scale[rows],
            self.column_scale,
            None if self.left is None else self.left[rows],
            self.right,
        )

    def dense_pieces(self):
        """``(lo, hi, ndarray)`` of the same rows."""
        for lo, hi, piece in self.pieces():
            yield lo, hi, piece.dense()

    def postmultiplied(self, S):
        """``tile @ S`` as a sparse array, for a csr_array S and a tile that is not shifted."""
        return self._scaled_matrix() @ S

    def squared_norm(self):
        """Sum of the squared entries, in float64 and without cancellation."""
        if self.left is None:
            data = self._scaled_matrix().data.astype(np.float64, copy=False)
            return float(data @ data)
        return float(self.column_squares().sum())

    def is_tiny(self):
        """Whether a tile whose squares sum to zero has entries other than zero."""
        if self.matrix.dtype != np.float64:
            return False  # the squares of float32 do not underflow in float64
        return self.scaled(row_scale=np.full(self.matrix.shape[0], 2.0**500)).squared_norm() > 0

    def largest(self):
        """The largest absolute entry; an upper bound of it where the tile is shifted."""
        largest = float(np.abs(self._scaled_matrix().data).max(initial=0))
        if self.left is not None:
            largest += float(np.abs(self.left).max() * np.abs(self.right).max())
        return largest

    def column_sums(self):
        """The sum of every column, in float64."""
        C = self._scaled_matrix().astype(np.float64, copy=False)
        sums = C.T @ np.ones(C.shape[0])
        return sums if self.left is None else sums - self.left.sum(dtype=np.float64) * self.right

    def row_sums(self):
        """The sum of every row, in float64."""
        C = self._scaled_matrix().astype(np.float64, copy=False)
        sums = C @ np.ones(C.shape[1])
        return sums if self.left is None else sums - self.left * self.right.sum(dtype=np.float64)

    def column_squares(self):
        """Sum of the squares of every column, in float64.

        A shifted tile adds the squares of the stored entries, shifted, and those of the
        entries that are not stored, ``left_i**2 right_j**2``: nothing is subtracted but sums
        that are exact.
        """
        return self._squares(axis=0)

    def row_squares(self):
        """Sum of the squares of every row, in float64; see `column_squares`."""
        return self._squares(axis=1)

    def _squares(self, axis):
        C = self._scaled_matrix()
        rows, columns = np.repeat(np.arange(C.shape[0]), np.diff(C.indptr)), C.indices
        groups, members = (columns, rows) if axis == 0 else (rows, columns)
        n_groups = C.shape[1 - axis]
        if self.left is None:
            return np.bincount(groups, weights=C.data.astype(np.float64) ** 2, minlength=n_groups)
        left, right = self.left.astype(np.float64), self.right.astype(np.float64)
        stored = np.bincount(groups, weights=(C.data - left[rows] * right[columns]) ** 2, minlength=n_groups)
        by_group, by_member = (right, left) if axis == 0 else (left, right)
        return stored + by_group**2 * _absent_sums(by_member**2, members, groups, n_groups)

    def _scaled_matrix(self):
        if self.row_scale is None and self.column_scale is None:
            return self.matrix
        C = self.matrix
        data = C.data
        if self.row_scale is not None:
            data = data * np.repeat(self.row_scale, np.diff(C.indptr))
        if self.column_scale is not None:
            data = data * self.column_scale[C.indices]
        return sparse.csr_array((data, C.indices, C.indptr), shape=C.shape)


def _absent_sums(weights, members, groups, n_groups):
    """For every group, the sum of the weights that are not among its members'.

    That is the sum of all minus that of the members, which cancels where nearly all are members. So
    the weights are cut into pieces of so few bits that every sum of pieces is exact.
    """
    absent = np.zeros(n_groups)
    largest = float(weights.max(initial=0.0))
    if not np.isfinite(largest):
        return np.full(n_groups, np.nan)
    exponent = int(np.frexp(largest)[1])
    piece_bits = 52 - len(weights).bit_length()
    while weights.any():
        exponent = max(exponent - piece_bits, -1074)  # every float64 is a multiple of 2**-1074
        rest = np.fmod(weights, np.ldexp(1.0, exponent))
        pieces = weights - rest
        absent += pieces.sum() - np.bincount(groups, weights=pieces[members], minlength=n_groups)
        weights = rest
    return absent


def _product(a, b):
    if a is None or b is None:
        return b if a is None else a
    return a * b
