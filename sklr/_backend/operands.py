"""Operands: a matrix as a sequence of row tiles, and the verbs that algorithms are written in.

Each verb is one sweep over the tiles (two where it says so), parallel over tiles, summed
in tile order, with one BLAS thread per tile. Verbs are written once, here; what differs
between kinds of matrices is how a tile is loaded (`containers`) and how a tile multiplies
(`tiles`).

The first sweep over an operand also sums the squares of its entries. That checks for NaN
and infinity and gives the Frobenius norm, without a pass of its own.
"""

import math
from abc import ABC, abstractmethod

import numpy as np
from scipy import sparse

from .gram import gram
from .output import Output
from .sketching import sketch, sketch_along_rows
from .threads import ordered, session
from .tiles import MIN_TILE_ROWS, N_PARTS, in_parts

# Squared norms of A for which A^T A keeps its digits, down to singular values of 1e-4 (1e-9) of the largest.
_SQUARES = {"float32": (1e-30, 1e36), "float64": (1e-290, 1e300)}
# Centring leaves errors of up to so many eps of the entries, from the sum in the mean and the difference.
_ROUNDING = {"float64": 32, "float32": 2}
# The squared norm of a centred matrix is taken as a difference where it is no smaller part of what it was.
_DIGITS_LEFT = 1e-3


class RangeError(ValueError):
    """The squares of the entries leave the range of the dtype: divide the data, or compute in float64."""


class Operand(ABC):
    """A real matrix A of shape (m, n), known by its tiles.

    Attributes
    ----------
    shape : (int, int)
        (m, n).
    dtype : dtype
        float64 or float32, that of the products.
    nnz : int
        Stored entries.
    container : str
        "dense", "mapped", "sparse" or "chunks".
    n_passes : int
        Sweeps over the data so far, by this operand and all that wrap the same data.
    """

    def __init__(self):
        self._squared_norm = None
        self._column_sums = None
        self._sums_columns = False
        self._lost = []  # largest entries of tiles that are not zero but whose squares are

    # -- what a kind of matrix implements -----------------------------------------------

    @abstractmethod
    def _tasks(self, min_rows=MIN_TILE_ROWS):
        """The tiles in row order: a list, or a generator where the source is sequential."""

    @abstractmethod
    def _load(self, task):
        """``(lo, hi, tile)`` of a task."""

    def _release(self, task):  # noqa: B027 - only mapped data have something to let go
        """The tile of `task` will not be used again in this sweep."""

    def _end_sweep(self):  # noqa: B027 - as above
        """No tile will be used again in this sweep."""

    def _column_slab(self, lo, hi):
        """All rows of the columns ``lo:hi`` as a tile, or None where only rows can be had."""
        return None

    @abstractmethod
    def _describe_bad_entry(self, task):
        """The error for a row tile whose squares do not have a finite sum."""

    @abstractmethod
    def _retiled_transpose(self):
        """A^T as an operand whose tiles are rows of A^T."""

    @property
    @abstractmethod
    def _source(self):
        """The operand that holds the data; it counts the passes."""

    # -- sweeps ---------------------------------------------------------------------------

    @property
    def n_passes(self):
        """Sweeps over the data so far."""
        return self._source.counter.n_passes

    def _sweep(self, compute, commit=None, tasks=None, load=None):
        """One pass: ``commit(compute(tiles, first, last))`` for every task, in their order.

        A task is a tile or a list of consecutive tiles, together the rows ``first:last``; `tiles` yields
        ``(lo, hi, tile)``, loaded one by one.
        """
        tasks = self._tasks() if tasks is None else tasks
        load_rows = load is None
        load = load or self._load
        squares = [] if self._squared_norm is None else None
        sums = np.zeros(self.shape[1]) if squares is not None and self._sums_columns and load_rows else None

        def compute_task(task):
            found = []
            part_sums = None if sums is None else np.zeros(self.shape[1])
            part = task if isinstance(task, list) else [task]

            def tiles():
                for single in part:
                    lo, hi, tile = load(single)
                    if squares is not None:
                        found.append(self._finite_square(tile, single if load_rows else None))
                    if sums is not None:
                        np.add(part_sums, tile.column_sums(), out=part_sums)
                    yield lo, hi, tile
                    self._release(single)

            # What overflows in the first sweep is reported in words, at its end.
            with np.errstate(**({} if squares is None else {"over": "ignore", "invalid": "ignore"})):
                return found, part_sums, compute(tiles(), part[0][1], part[-1][2])

        def commit_task(found_and_result):
            found, part_sums, result = found_and_result
            if squares is not None:
                squares.extend(found)
            if sums is not None:
                np.add(sums, part_sums, out=sums)
            if commit is not None:
                commit(result)

        self._source.counter.n_passes += 1
        ordered(compute_task, tasks, commit_task)
        self._source._end_sweep()
        if squares is not None:
            self._squared_norm = self._finite_sum(squares)
            self._column_sums = sums

    def _each(self, compute, tasks=None, load=None):
        """One pass that calls ``compute(lo, hi, tile)`` for every tile."""

        def compute_tiles(tiles, first, last):
            for lo, hi, tile in tiles:
                compute(lo, hi, tile)

        self._sweep(compute_tiles, tasks=tasks, load=load)

    def _sum(self, add, shape, tasks=None, n_parts=None, dtype=None):
        """The sum that ``add(lo, hi, tile, out)`` makes over all tiles, in one pass."""

        def add_tiles(tiles, first, last, out):
            for lo, hi, tile in tiles:
                add(lo, hi, tile, out)

        return self._sum_of_parts(add_tiles, shape, tasks, n_parts, dtype)

    def _sum_of_products(self, add_tiles, shape):
        """The sum of products with transposed tiles; the shift of sparse ones is multiplied once, at last."""
        if self.container != "sparse" or self._unshifted() is self:
            return self._sum_of_parts(add_tiles, shape)
        right = np.zeros(shape[0])

        def add_all(tiles, first, last, out):
            def seen():
                for lo, hi, tile in tiles:
                    right[:] = tile.right  # the same for all
                    yield lo, hi, tile

            add_tiles(seen(), first, last, out)

        total = self._sum_of_parts(add_all, (shape[0] + 1, shape[1]), keeps_float64=True)
        product = total[:-1]
        product += np.outer(right, total[-1])
        return product.astype(self.dtype, copy=False)

    def _sum_of_parts(self, add_tiles, shape, tasks=None, n_parts=None, dtype=None, keeps_float64=False):
        """The sum of what ``add_tiles(tiles, first, last, out)`` makes of every run of tiles, in one pass.

        Tiles are added up in `n_parts` partial sums of the operand's dtype (`dtype`), and these in float64.
        """
        total = np.zeros(shape)
        dtype = dtype or self.dtype
        if n_parts is None:
            # A part must do more than be added: for sparse data, several products per column.
            n_parts = min(N_PARTS, max(self.nnz // (8 * self.shape[1]), 4))
        spare = []  # memory that is new to the process costs more than the sum that it holds

        def compute(tiles, first, last):
            try:
                part = spare.pop()
                part.fill(0)
            except IndexError:
                part = np.zeros(shape, dtype=dtype)
            add_tiles(tiles, first, last, part)
            return part

        def commit(part):
            np.add(total, part, out=total)
            spare.append(part)

        tasks = self._tasks() if tasks is None else tasks
        self._sweep(compute, commit, in_parts(tasks, n_parts))
        return total if keeps_float64 else total.astype(dtype, copy=False)

    def _finite_square(self, tile, task):
        """The squared norm of a tile; an error that names the entry if it is not finite."""
        with np.errstate(over="ignore", invalid="ignore"):
            square = tile.squared_norm()
            if square == 0 and tile.is_tiny():  # looked at while it is at hand
                self._lost.append(tile.largest())
            if math.isfinite(square):
                return square
            if task is None:  # not a row tile: look for the row tile with the entry
                tasks = (t for t in self._tasks() if not math.isfinite(self._load(t)[2].squared_norm()))
                task = next(tasks, None)
            if task is None:  # the sum overflows, but that of no row tile does
                raise self._overflow("has a sum of squares above the largest float64")
            raise self._describe_bad_entry(task)

    def _finite_sum(self, squares):
        total = sum(squares)
        if not math.isfinite(total):
            raise self._overflow(f"has entries of about {math.sqrt(max(squares) / self.shape[1]):.3g}")
        lost, self._lost = self._lost, []
        if total == 0:
            largest = max(lost, default=0)
            if largest > 0:
                raise RangeError(
                    f"The squares of {self.name} underflow: its largest entry is {largest:.3g}. "
                    f"Divide {self.name} by its largest entry first."
                )
        # What is left of constant columns after centring is rounding, not data.
        return 0.0 if total <= self._rounding_square() else total

    def rounding_norm(self):
        """A norm that rounding alone may have, because the entries are differences."""
        return float(np.sqrt(self._rounding_square()))

    def _rounding_square(self):
        return 0.0

    def _with_norm_of(self, other):
        """This operand, which has the entries of `other` in another order, knowing their norm."""
        self._squared_norm = other._squared_norm
        return self

    def check_squares(self):
        """Raise if products with A^T A would leave the range of the dtype, as far as that is known."""
        low, high = _SQUARES[self.dtype.name]
        if self._squared_norm and not low <= self._squared_norm <= high:
            raise RangeError(
                f"{self.name} has Frobenius norm {math.sqrt(self._squared_norm):.3g}, whose square is too "
                f"{'small' if self._squared_norm < low else 'large'} for products in {self.dtype.name}. "
                f"Divide {self.name} by its largest entry"
                f"{' or convert it to float64' if self.dtype == np.float32 else ''} first."
            )

    def _overflow(self, found):
        return RangeError(
            f"The squares of {self.name} overflow: it {found}. Divide {self.name} by its largest entry first."
        )

    # -- verbs ------------------------------------------------------------------------------

    @property
    def T(self):
        """The transposed operand; nothing is copied."""
        return Transposed(self)

    def tiled_by_rows(self):
        """This operand: its tiles are rows already. See `Transposed.tiled_by_rows`."""
        return self

    @property
    def sweeps_columns(self):
        """Whether ``T.tiled_by_rows()`` can be had and read at the cost of this operand: data in memory."""
        return self.container in ("dense", "sparse")

    def matmat(self, Z, n_threads=None, out=None):
        """A Z, an ndarray of shape (m, l), for Z of shape (n, l). One pass, ``2 nnz l`` flops.

        Z may be sparse: then there are two flops for each pair of entries that meet. The product is written
        to `out`, tile by tile, if that is given (see `Output`), and returned.
        """
        Z = self._panel(Z, self.shape[1], "Z", may_be_sparse=True)
        output = self._output(out, Z, self.shape[0])
        times_Z = _times(Z)
        with session(n_threads):
            self._each(lambda lo, hi, tile: output.write(lo, hi, lambda rows: times_Z(tile, rows)))
        return output.finish()

    def rmatmat(self, Y, n_threads=None):
        """A^T Y, an ndarray of shape (n, l), for Y of shape (m, l), which may be sparse.

        One pass, ``2 nnz l`` flops; with a sparse Y two for each pair of entries that meet.
        """
        Y = self._panel(Y, self.shape[0], "Y", may_be_sparse=True)

        def add_tiles(tiles, first, last, out):
            for lo, hi, tile in tiles:
                tile.add_rmatmat(Y[lo:hi], out)

        with session(n_threads):
            return self._sum_of_products(add_tiles, (self.shape[1], Y.shape[1]))

    def normal_matmat(self, Z, n_threads=None):
        """A^T (A Z) of shape (n, l) for Z of shape (n, l).

        One pass in which every tile is used twice while it is in cache; ``4 nnz l`` flops;
        A Z is never stored.
        """
        Z = self._panel(Z, self.shape[1], "Z")

        times_Z = _times(Z)

        def add_tiles(tiles, first, last, out):
            for _, _, tile in tiles:
                tile.add_rmatmat(times_Z(tile), out)

        self.check_squares()
        with session(n_threads):
            product = self._sum_of_products(add_tiles, Z.shape)
        self.check_squares()
        return product

    def residual_rmatmat(self, Z, Y, n_threads=None):
        """``(A^T R, squares)`` for R = Y - A Z, with Z of shape (n, l) and Y of shape (m, l).

        A^T R has shape (n, l); `squares`, of shape (l,), are the squared lengths of the columns of R, added
        up in float64. One pass in which every tile is used twice while it is in cache; ``4 nnz l`` flops; R
        is never stored.

        Rounding of the difference stays in the range of A^T, where it is harmless; ``A^T Y - (A^T A) Z`` has
        an error that A^T A magnifies by its condition number.
        """
        Z, Y = self._panels_of_residual(Z, Y, self.shape)
        squares_of_part = {}
        times_Z = _times(Z)

        def add_tiles(tiles, first, last, out):
            squares = squares_of_part[first, last] = np.zeros(Z.shape[1])
            for lo, hi, tile in tiles:
                R = Y[lo:hi] - times_Z(tile)
                tile.add_rmatmat(R, out)
                squares += _column_squares(R)

        with session(n_threads):
            product = self._sum_of_products(add_tiles, Z.shape)
        squares = np.zeros(Z.shape[1])
        for part in sorted(squares_of_part):  # not in the order in which threads were done
            squares += squares_of_part[part]
        return product, squares

    def gram(self, n_threads=None):
        """A^T A, a float64 ndarray of shape (n, n), in one pass.

        ``m n^2`` flops dense, the sum of squared row counts sparse. Extra memory: up to 1,024 columns
        2 n^2 per thread; above, the columns are blocked, with a slab of 4,096 rows (sparse: 256 MB of partial
        sums). A shifted sparse operand takes a second pass to check its digits, and where its shift is large
        beside its spread a third one, through small dense pieces.
        """
        self.check_squares()
        with session(n_threads):
            G = gram(self)
        self.check_squares()
        return G

    def sketch(self, S, n_threads=None):
        """S A for a sketch operator S of shape (d, m); a csr_array when S and A are both sparse. One pass.

        S is asked for the columns that belong to a tile; fast transforms, which need all
        rows, get slabs of columns where the data are in memory.
        """
        with session(n_threads):
            return sketch(self, S)

    def expect_column_means(self):
        """Have the first sweep over the rows gather the column sums too, so that `column_means` is free."""
        self._sums_columns = True

    def column_means(self, n_threads=None):
        """The mean of every column, float64 of shape (n,). One pass; see `expect_column_means`."""
        if self._column_sums is None:
            with session(n_threads):
                self._column_sums = self._sum(_add_column_sums, self.shape[1:], dtype=np.float64)
        return self._column_sums / self.shape[0]

    def each_piece(self, compute, n_threads=None):
        """Call ``compute(lo, hi, piece)`` for tiles of rows ``lo:hi`` that would be a few megabytes if dense.

        One pass, in parallel: `compute` writes to rows of its own.
        """

        def compute_tile(lo, hi, tile):
            for a, b, piece in tile.pieces():
                compute(lo + a, lo + b, piece)

        with session(n_threads):
            self._each(compute_tile)

    def first_rows(self, n_rows):
        """The first `n_rows` rows, or fewer where a tile has fewer, as an ndarray; not a pass."""
        task = next(iter(self._tasks()))
        _, _, tile = self._load(task)
        _, _, rows = next(tile.dense_pieces())
        rows = rows[:n_rows].copy()
        self._release(task)
        self._source._end_sweep()
        return rows

    def take_rows(self, indices, n_threads=None):
        """Rows as an ndarray of shape (k, n), in the order of `indices`. One pass."""
        indices = _checked_indices(indices, self.shape[0], "row")
        out = np.empty((len(indices), self.shape[1]), dtype=self.dtype)

        def compute(lo, hi, tile):
            here = np.flatnonzero((indices >= lo) & (indices < hi))
            if here.size:
                out[here] = tile.take_rows(indices[here] - lo)

        with session(n_threads):
            self._each(compute)
        return out

    def take_columns(self, indices, n_threads=None):
        """Columns as an ndarray of shape (m, k), in the order of `indices`. One pass."""
        indices = _checked_indices(indices, self.shape[1], "column")
        out = np.empty((self.shape[0], len(indices)), dtype=self.dtype)

        def compute(lo, hi, tile):
            out[lo:hi] = tile.take_columns(indices)

        with session(n_threads):
            self._each(compute)
        return out

    def row_blocks(self):
        """The rows as dense arrays, a few megabytes each, one after the other. One pass, not in parallel."""
        self._source.counter.n_passes += 1
        for task in self._tasks():
            _, _, tile = self._load(task)
            for _, _, rows in tile.dense_pieces():
                yield rows
            self._release(task)
        self._source._end_sweep()

    def _by_row(self, of_tile, n_threads):
        """``of_tile(tile)``, one float64 per row, for all rows."""
        values = np.empty(self.shape[0])

        def compute(lo, hi, tile):
            values[lo:hi] = of_tile(tile)

        with session(n_threads):
            self._each(compute)
        return values

    def squared_norm(self, n_threads=None):
        """||A||_F^2 in float64: gathered by the first sweep, whichever it was; one pass if none was made."""
        if self._squared_norm is None:
            with session(n_threads):
                self._each(lambda lo, hi, tile: None)
        return self._squared_norm

    def column_squared_norms(self, n_threads=None):
        """The squared norm of every column, float64 of shape (n,). One pass."""
        with session(n_threads):
            return self._sum(_add_column_squares, self.shape[1:], dtype=np.float64)

    def squares_of_difference(self, left, right, n_threads=None):
        """Squared lengths of the columns of ``A - left right``, float64 of shape (n,).

        From the differences themselves, so that they hold below the rounding of squares. One pass; with r
        columns in `left` ``2 m n r`` flops, for sparse data too.
        """
        squares = {}

        def compute(lo, hi, piece):
            squares[lo] = _column_squares(piece.dense() - left[lo:hi] @ right)

        self.each_piece(compute, n_threads)
        return np.sum([squares[lo] for lo in sorted(squares)], axis=0)

    def _row_squares_of_difference(self, left, right, n_threads):
        """The same of the rows, of shape (m,)."""
        squares = np.empty(self.shape[0])

        def compute(lo, hi, piece):
            squares[lo:hi] = _column_squares((piece.dense() - left[lo:hi] @ right).T)

        self.each_piece(compute, n_threads)
        return squares

    def toarray(self, n_threads=None, order="C"):
        """The matrix as an ndarray of m n entries, in memory order "C" or "F". One pass."""
        out = np.empty(self.shape, dtype=self.dtype, order=order)

        def compute(lo, hi, tile):
            out[lo:hi] = tile.dense()

        with session(n_threads):
            self._each(compute)
        return out

    # -- wrappers -----------------------------------------------------------------------------

    def shifted(self, left, right):
        """A - left right^T as an operand, for vectors of m and n entries."""
        return _Shifted(self, left, right)

    def scaled(self, row_scale=None, column_scale=None):
        """diag(row_scale) A diag(column_scale) as an operand."""
        return _Scaled(self, row_scale, column_scale)

    def astype(self, dtype):
        """A in float32 or float64 as an operand: tiles are converted as they are loaded."""
        return self if self.dtype == dtype else _Converted(self, dtype)

    def held(self, dtype):
        """The matrix in memory, in `dtype`, as an operand; passes over both count together. One pass."""
        out = np.empty(self.shape, dtype=dtype)

        def compute(lo, hi, tile):
            with np.errstate(over="ignore"):
                out[lo:hi] = tile.dense()

        self._each(compute)
        held = self._source._dense(out)
        held._squared_norm = self._squared_norm  # which also says whether `dtype` has the range
        held.check_squares()
        return held

    # -- private ------------------------------------------------------------------------------

    def _panel(self, Z, n_rows, name, order="C", may_be_sparse=False):
        is_sparse = may_be_sparse and sparse.issparse(Z)
        if not is_sparse:
            Z = np.asarray(Z)
        if Z.ndim != 2 or Z.shape[0] != n_rows:
            raise ValueError(
                f"{name} must have shape ({n_rows}, l) for an operand of shape {self.shape}, got {Z.shape}."
            )
        if is_sparse:
            return sparse.csr_array(Z, dtype=self.dtype)
        return np.asarray(Z, dtype=self.dtype, order=order)

    def _output(self, out, Z, n_rows):
        """Where a product with Z, of `n_rows` rows, is written."""
        inputs = (Z.data if sparse.issparse(Z) else Z, *self._source._arrays())
        return Output(out, (n_rows, Z.shape[1]), self.dtype, inputs)

    def _panels_of_residual(self, Z, Y, shape):
        """Z and Y of `residual_rmatmat`, in the memory order they have: Y, which is long, is not copied."""
        Z, Y = self._panel(Z, shape[1], "Z", order="K"), self._panel(Y, shape[0], "Y", order="K")
        if Z.shape[1] != Y.shape[1]:
            raise ValueError(f"Z and Y must have equally many columns, got {Z.shape[1]} and {Y.shape[1]}.")
        return Z, Y

    def _unshifted(self):
        return self


def _checked_indices(indices, size, what):
    indices = np.asarray(indices)
    if indices.dtype.kind not in "iu" and indices.size:
        raise TypeError(f"{what} indices must be integers, got {indices.dtype}.")
    indices = indices.astype(np.intp)
    if indices.size and not 0 <= indices.min() <= indices.max() < size:
        raise IndexError(f"{what} indices must be in 0..{size - 1}, got {indices.min()}..{indices.max()}.")
    return indices


def _times(Z):
    """The product of a tile with Z, to `out`; what all tiles have in common is computed once."""
    shifts = []  # two threads may both find it empty: what they append is equal

    def times_Z(tile, out=None):
        if not shifts:
            shifts.append(tile.shift_of_product(Z))
        return tile.matmat(Z, out, shifts[0])

    return times_Z


def _add_column_sums(lo, hi, tile, out):
    out += tile.column_sums()


def _add_column_squares(lo, hi, tile, out):
    out += tile.column_squares()


def _column_squares(R):
    return np.einsum("ij,ij->j", R, R, dtype=np.float64)


class _Wrapper(Operand):
    """An operand whose tiles are those of another one, changed as they are loaded."""

    def __init__(self, base):
        super().__init__()
        self._base = base
        self.shape = base.shape
        self.dtype = base.dtype
        self.name = base.name

    @property
    def _source(self):
        return self._base._source

    @property
    def container(self):
        return self._base.container

    @property
    def nnz(self):
        return self._base.nnz

    def _tasks(self, min_rows=MIN_TILE_ROWS):
        return self._base._tasks(min_rows)

    def _load(self, task):
        lo, hi, tile = self._base._load(task)
        return lo, hi, self._change(tile, slice(lo, hi), slice(None))

    def _release(self, task):
        self._base._release(task)

    def _column_slab(self, lo, hi):
        return self._change(self._base._column_slab(lo, hi), slice(None), slice(lo, hi))

    def _describe_bad_entry(self, task):
        return self._base._describe_bad_entry(task)

    @abstractmethod
    def _change(self, tile, rows, columns):
        """The changed tile; `rows` and `columns` say where it lies."""

    def _vector(self, values, size, name):
        values = np.asarray(values, dtype=self.dtype)
        if values.shape != (size,):
            raise ValueError(
                f"{name} must have shape ({size},) for an operand of shape {self.shape}, got {values.shape}."
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} contains NaN or infinity.")
        return values


class _Shifted(_Wrapper):
    def __init__(self, base, left, right):
        super().__init__(base)
        self._left = self._vector(left, self.shape[0], "left")
        self._right = self._vector(right, self.shape[1], "right")

    def know_norm_of_centered(self):
        """Take ||A - 1 r^T||^2 from ||A||^2 and the column sums, if both are known and digits are left."""
        base, m = self._base, self.shape[0]
        if base._squared_norm is None or base._column_sums is None:
            return
        r = self._right.astype(np.float64)
        square = base._squared_norm + float((m * r - 2 * base._column_sums) @ r)
        if square > _DIGITS_LEFT * base._squared_norm:
            self._squared_norm = square

    def _retiled_transpose(self):
        turned = self._base._retiled_transpose().shifted(self._right, self._left)
        return turned._with_norm_of(self)

    def _change(self, tile, rows, columns):
        return tile.shifted(self._left[rows], self._right[columns])

    def _unshifted(self):
        return self._base

    def _rounding_square(self):
        norm = self._base._squared_norm or 0.0
        unit = _ROUNDING[self.dtype.name] * float(np.finfo(self.dtype).eps)
        return unit**2 * norm + self._base._rounding_square()


class _Scaled(_Wrapper):
    def __init__(self, base, row_scale, column_scale):
        super().__init__(base)
        self._row_scale = None if row_scale is None else self._vector(row_scale, self.shape[0], "row_scale")
        self._column_scale = (
            None if column_scale is None else self._vector(column_scale, self.shape[1], "column_scale")
        )

    def _change(self, tile, rows, columns):
        return tile.scaled(
            None if self._row_scale is None else self._row_scale[rows],
            None if self._column_scale is None else self._column_scale[columns],
        )

    def _retiled_transpose(self):
        turned = self._base._retiled_transpose().scaled(self._column_scale, self._row_scale)
        return turned._with_norm_of(self)

    def _unshifted(self):
        inner = self._base._unshifted()
        return self if inner is self._base else _Scaled(inner, self._row_scale, self._column_scale)

    def _rounding_square(self):
        largest = 1.0
        for scale in (self._row_scale, self._column_scale):
            if scale is not None:
                largest *= float(np.abs(scale).max()) ** 2
        return largest * self._base._rounding_square()


class _Converted(_Wrapper):
    def __init__(self, base, dtype):
        super().__init__(base)
        self.dtype = np.dtype(dtype)

    def _change(self, tile, rows, columns):
        return tile.astype(self.dtype)

    def _retiled_transpose(self):
        return self._base._retiled_transpose().astype(self.dtype)._with_norm_of(self)

    def _unshifted(self):
        inner = self._base._unshifted()
        return self if inner is self._base else inner.astype(self.dtype)

    def _rounding_square(self):
        return self._base._rounding_square()


class Transposed:
    """B^T for an operand B: every verb is the dual verb of B.

    `normal_matmat` and `residual_rmatmat` cost two passes here, because a row of B^T is spread over all tiles
    of B.

    Parameters
    ----------
    base : Operand
        B.
    """

    def __init__(self, base):
        self._base = base
        self.shape = base.shape[::-1]
        self.dtype = base.dtype
        self.name = base.name

    @property
    def T(self):
        """B."""
        return self._base

    @property
    def nnz(self):
        """Stored entries."""
        return self._base.nnz

    @property
    def container(self):
        """Kind of the data."""
        return self._base.container

    @property
    def n_passes(self):
        """Sweeps over the data so far."""
        return self._base.n_passes

    def matmat(self, Z, n_threads=None, out=None):
        """``B^T Z``; see `Operand.rmatmat`. Copied into `out`, if that is given, when it is complete."""
        if out is None:
            return self._base.rmatmat(Z, n_threads)
        Z = self._base._panel(Z, self.shape[1], "Z", may_be_sparse=True)
        output = self._base._output(out, Z, self.shape[0])
        product = self._base.rmatmat(Z, n_threads)
        output.write(0, self.shape[0], lambda rows: product)
        return output.finish()

    def rmatmat(self, Y, n_threads=None):
        """``B Y``; see `Operand.matmat`."""
        return self._base.matmat(Y, n_threads)

    def first_rows(self, n_rows):
        """The first rows; see `Operand.first_rows`. Here it is a pass."""
        n_rows = min(n_rows, self.shape[0])
        return self._base.matmat(np.eye(self._base.shape[1], n_rows)).T

    def take_rows(self, indices, n_threads=None):
        """Rows as an ndarray; see `Operand.take_columns`."""
        return self._base.take_columns(indices, n_threads).T

    def take_columns(self, indices, n_threads=None):
        """Columns as an ndarray; see `Operand.take_rows`."""
        return self._base.take_rows(indices, n_threads).T

    def normal_matmat(self, Z, n_threads=None):
        """``B (B^T Z)`` in two passes."""
        with session(n_threads):
            return self._base.matmat(self._base.rmatmat(Z))

    def residual_rmatmat(self, Z, Y, n_threads=None):
        """``(B R, squares)`` for R = Y - B^T Z, which is stored, in two passes.

        See `Operand.residual_rmatmat`.
        """
        Z, Y = self._base._panels_of_residual(Z, Y, self.shape)
        with session(n_threads):
            R = Y - self._base.rmatmat(Z)
            return self._base.matmat(R), _column_squares(R)

    def gram(self, n_threads=None):
        """``B B^T`` in one pass over row-tiled data made from B; see `Operand.gram`."""
        return self.tiled_by_rows().gram(n_threads)

    sweeps_columns = True  # they are the rows of B

    def tiled_by_rows(self):
        """The same matrix as an operand whose tiles are rows: free for arrays, a copy for sparse data."""
        return self._base._retiled_transpose()

    def sketch(self, S, n_threads=None):
        """``S B^T``; see `Operand.sketch`."""
        with session(n_threads):
            return sketch_along_rows(self._base, S)

    def column_means(self, n_threads=None):
        """The mean of every column, float64. One pass."""
        return self._base._by_row(lambda tile: tile.row_sums(), n_threads) / self.shape[0]

    def squared_norm(self, n_threads=None):
        """||B||_F^2; see `Operand.squared_norm`."""
        return self._base.squared_norm(n_threads)

    def rounding_norm(self):
        """A norm that rounding alone may have; see `Operand.rounding_norm`."""
        return self._base.rounding_norm()

    def check_squares(self):
        """Raise if products with B^T B would leave the range of the dtype; see `Operand.check_squares`."""
        self._base.check_squares()

    def column_squared_norms(self, n_threads=None):
        """The squared norm of every column, float64. One pass."""
        return self._base._by_row(lambda tile: tile.row_squares(), n_threads)

    def squares_of_difference(self, left, right, n_threads=None):
        """Squared lengths of the columns of ``B^T - left right``; see `Operand.squares_of_difference`."""
        return self._base._row_squares_of_difference(right.T, left.T, n_threads)

    def toarray(self, n_threads=None, order="F"):
        """B^T as an ndarray, in memory order "C" or "F"."""
        return self._base.toarray(n_threads, order="C" if order == "F" else "F").T

    def expect_column_means(self):
        """Nothing: the columns are rows of B, and their means take a pass of their own."""

    def held(self, dtype):
        """B^T as a dense operand in memory; see `Operand.held`."""
        return Transposed(self._base.held(dtype))

    def astype(self, dtype):
        """B^T in float32 or float64; see `Operand.astype`."""
        return self if self.dtype == dtype else Transposed(self._base.astype(dtype))

    def shifted(self, left, right):
        """B^T - left right^T."""
        return Transposed(self._base.shifted(right, left))

    def scaled(self, row_scale=None, column_scale=None):
        """diag(row_scale) B^T diag(column_scale)."""
        return Transposed(self._base.scaled(column_scale, row_scale))
