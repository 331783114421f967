"""Sparse families: a few random signs in every column of the operator."""

import math
from functools import cached_property
from numbers import Real

import numpy as np
from scipy import sparse

from ._base import Distribution, SketchOperator, _check_size

# Entries that a column of `VerySparse` has at least, on average.
_COLUMN_MEAN = 4
# Columns are drawn in blocks of so many. Fixed for ever: another number is another operator.
_BLOCK_COLUMNS = 4096
# Up to so many rows a block of columns may keep a table of the rows taken (64 MiB then).
_MAX_TABLE_ROWS = 1 << 14


def _column_blocks(lo, hi, n):
    """Yield ``(block, width of the block, columns within it, columns within lo:hi)``."""
    for j in range(lo // _BLOCK_COLUMNS, -(-hi // _BLOCK_COLUMNS)):
        left = j * _BLOCK_COLUMNS
        a, b = max(lo, left), min(hi, left + _BLOCK_COLUMNS)
        yield j, min(_BLOCK_COLUMNS, n - left), slice(a - left, b - left), slice(a - lo, b - lo)


def _index_dtype(*sizes):
    return np.dtype(np.int32 if max(sizes) < 2**31 else np.int64)


def sorted_csc(data, rows, indptr, shape):
    """The csc_array of these arrays, in which the rows of each column must ascend without duplicates."""
    dtype = _index_dtype(*shape, len(data))
    arrays = data, rows.astype(dtype, copy=False), indptr.astype(dtype, copy=False)
    S = sparse.csc_array(arrays, shape=shape)
    S.has_canonical_format = True  # SciPy would look at every entry to know
    return S


class _SignOperator(SketchOperator):
    """Columns with equally many entries, each ``isometry_scale`` times a sign.

    An entry is an integer code, ``2 * row + (1 if negative else 0)``, and `_codes` gives those of
    a column in ascending order: one integer to draw, to sort and to store.
    """

    is_sparse = True

    def _codes(self, row_lo, row_hi, col_lo, col_hi):
        """Codes of shape (columns, entries), ascending; entries in other rows may be among them."""
        raise NotImplementedError

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        codes = self._codes(row_lo, row_hi, col_lo, col_hi)
        width, per_column = codes.shape
        rows = codes >> 1
        signed = (1 - 2 * (codes & 1)) * self.isometry_scale
        if (row_lo, row_hi) == (0, self.shape[0]):
            indptr = np.arange(width + 1) * per_column
        else:
            inside = (rows >= row_lo) & (rows < row_hi)
            indptr = np.concatenate([[0], np.cumsum(np.count_nonzero(inside, axis=1))])
            rows, signed = rows[inside] - row_lo, signed[inside]
        return sorted_csc(signed.ravel(), rows.ravel(), indptr, (row_hi - row_lo, width))


class _StackOperator(_SignOperator):
    """Blocks of rows, one entry per column in each of them."""

    @cached_property
    def _block_starts(self):
        """First row of every block, and the number of rows: blocks as ``np.array_split`` makes them."""
        d = self.shape[0]
        n_blocks = self.distribution._n_blocks(d)
        return np.array([i * (d // n_blocks) + min(i, d % n_blocks) for i in range(n_blocks + 1)])

    @property
    def isometry_scale(self):
        return 1 / math.sqrt(len(self._block_starts) - 1)

    def _codes(self, row_lo, row_hi, col_lo, col_hi):
        starts = self._block_starts
        first = np.searchsorted(starts, row_lo, side="right") - 1
        last = np.searchsorted(starts, row_hi, side="left")
        dtype = _index_dtype(2 * self.shape[0])
        codes = np.empty((max(last - first, 0), col_hi - col_lo), dtype=dtype)
        for i, out in zip(range(first, last), codes, strict=True):
            n_codes = 2 * (starts[i + 1] - starts[i])
            for j, width, inside, here in _column_blocks(col_lo, col_hi, self.shape[1]):
                generator = self.stream.generator(self.distribution.name, i, j)
                out[here] = generator.integers(0, n_codes, size=width, dtype=dtype)[inside]
            out += dtype.type(2 * starts[i])
        return np.ascontiguousarray(codes.T)

    def _extended_distribution(self, n_more_rows):
        d = self.shape[0]
        n_blocks = self.distribution._n_blocks(d)
        if d % n_blocks or n_more_rows % (d // n_blocks):
            rows = d // n_blocks
            remedy = (
                f"ask for a multiple of {rows} more rows"
                if d % n_blocks == 0
                else f"start from a sketch_size that is a multiple of n_blocks={n_blocks}"
            )
            raise ValueError(
                f"SparseStack grows by whole blocks of equal size: a sketch of {d} rows in {n_blocks} blocks "
                f"cannot grow by n_more_rows={n_more_rows}; {remedy}."
            )
        return type(self.distribution)(n_blocks + n_more_rows // (d // n_blocks))


class _ColumnwiseOperator(_SignOperator):
    """Every column draws a set of distinct rows."""

    @property
    def isometry_scale(self):
        return 1 / math.sqrt(self._n_nonzeros)

    @property
    def _n_nonzeros(self):
        return min(self.distribution.n_nonzeros, self.shape[0])

    def _codes(self, row_lo, row_hi, col_lo, col_hi):
        codes = np.empty((col_hi - col_lo, self._n_nonzeros), dtype=_index_dtype(2 * self.shape[0]))
        for j, width, inside, here in _column_blocks(col_lo, col_hi, self.shape[1]):
            generator = self.stream.generator(self.distribution.name, 0, j)
            codes[here] = self._draw_codes(generator, width, codes.dtype)[inside]
        codes.sort(axis=1)
        return codes

    def _draw_codes(self, generator, width, dtype):
        """Floyd's algorithm on `width` columns at once: after step t, a uniform set of rows 0..t.

        Step t draws a row among 0..t and takes row t, which no earlier step can have taken, where
        that one is taken already. Whether it is costs one comparison per row taken so far; where
        that would be more than a table of all rows, the table.
        """
        d, n_nonzeros = self.shape[0], self._n_nonzeros
        codes = np.empty((n_nonzeros, width), dtype=dtype)
        use_table = n_nonzeros**2 > 2 * d and d <= _MAX_TABLE_ROWS
        table = np.zeros((d, width), dtype=bool) if use_table else None
        columns = np.arange(width)
        for step in range(n_nonzeros):
            t = d - n_nonzeros + step
            drawn = generator.integers(0, 2 * (t + 1), size=width, dtype=dtype)
            row = drawn >> 1
            if table is None:
                taken = ((codes[:step] >> 1) == row).any(axis=0)
            else:
                taken = table[row, columns]
                table[np.where(taken, t, row), columns] = True
            # The sign is a bit of its own and stays with the column.
            codes[step] = np.where(taken, 2 * t + (drawn & 1), drawn)
        return codes.T


class SparseStack(Distribution):
    """A stack of CountSketches: one sign per column in each block of rows. The sparse default.

    The d rows of S are split into b = `n_blocks` blocks as ``np.array_split`` would. In every block,
    each of the n columns has one non-zero, in a uniformly random row, ``+1 / sqrt(b)`` or
    ``-1 / sqrt(b)``; all rows and signs are independent. So a column has b non-zeros and norm 1 exactly.

    With b proportional to log k, ``||S x||**2 >= ||x||**2 / 2`` for all x of a k-dimensional subspace at
    once, with high probability, for d proportional to k: a Gaussian sketch needs as many rows. In
    practice b = 4 to 8 and d = 2 k are enough, for coherent data as well.

    Parameters
    ----------
    n_blocks : int, default=8
        Number of blocks, b: non-zeros per column. Where it is larger than the sketch size it is clipped to
        it; every block then has one row, and S is a matrix of random signs.

    Raises
    ------
    TypeError
        By `operator`, if `n_blocks` is not an integer.
    ValueError
        By `operator`, if `n_blocks` is below 1. By ``SketchOperator.extend``, if the sketch size is not
        a multiple of `n_blocks`, or the new rows are not whole blocks of the size of the others.

    See Also
    --------
    SparseSign : The same number of non-zeros, anywhere in the column; does not extend.
    CountSketch : One non-zero per column.

    Notes
    -----
    *Cost.* ``b n`` random integers (about 10 ns each, drawn by blocks of 4,096 columns) and ``2 b n p``
    flops for dense data of p columns, ``2 b nnz`` for sparse data, whose sketch is sparse. Memory is
    that of one tile of S, 12 b bytes per column. One pass over the data.

    *When not to use it.* Where ``d n`` is small, so that `Gaussian` costs nothing. Where b = 1 or 2 is
    wanted for speed: that is close to `CountSketch` and has its weakness.

    Operators extend by whole blocks: the result is an operator of a SparseStack with more blocks.

    References
    ----------
    C. Camaño, E. N. Epperly, R. A. Meyer, J. A. Tropp, "Faster linear algebra algorithms with
    structured random matrices", 2025, arXiv:2508.21189. The construction is that of D. M. Kane,
    J. Nelson, "Sparser Johnson-Lindenstrauss transforms", 2014, arXiv:1012.1577.

    Examples
    --------
    Every column has one non-zero in the first two rows, and one in the last two:

    >>> import numpy as np
    >>> from sklr.sketch import SparseStack
    >>> S = SparseStack(n_blocks=2).operator(4, 6, rng=0)
    >>> np.count_nonzero(S.toarray()[:2], axis=0), np.count_nonzero(S.toarray()[2:], axis=0)
    (array([1, 1, 1, 1, 1, 1]), array([1, 1, 1, 1, 1, 1]))

    It grows by whole blocks, here of two rows:

    >>> larger = S.extend(2)
    >>> larger.distribution
    SparseStack(n_blocks=3)
    >>> scale = larger.isometry_scale / S.isometry_scale
    >>> bool(np.allclose(larger.toarray()[:4], scale * S.toarray()))
    True
    """

    name = "sparse_stack"
    extendable = True

    def __init__(self, n_blocks=8):
        self.n_blocks = n_blocks

    def _validate(self, sketch_size, n):
        _check_size("n_blocks", self.n_blocks, 1)

    def _n_blocks(self, sketch_size):
        return min(int(self.n_blocks), sketch_size)

    def _make(self, sketch_size, n, stream, dtype):
        return _StackOperator(self, (sketch_size, n), stream, dtype)


class CountSketch(Distribution):
    """One random sign per column: the cheapest sketch, and the weakest.

    Each of the n columns of S has one non-zero, +1 or -1, in a uniformly random row of the d rows; all
    are independent. Applied to A, every row of A is added to one of d sums, with a random sign. For a
    k-dimensional subspace with orthonormal basis U, ``E ||U^T S^T S U - I||_F**2 <= (k**2 + k) / d``, so that
    all its x keep their squared length up to a factor 1 +- eps with probability at least
    ``1 - (k**2 + k) / (d eps**2)``.

    The square of k is no weakness of the proof: two rows of A that fall into the same sum cannot be told
    apart, and among k rows that carry everything that happens with probability about ``k**2 / (2 d)``.

    See Also
    --------
    SparseStack : Several CountSketches on top of each other.

    Notes
    -----
    *Cost.* n random integers and ``2 nnz`` flops; a sparse matrix stays sparse. Memory is that of one
    tile of S, 12 bytes per column. One pass over the data.

    *When not to use it.* On coherent data (few rows that matter most), unless d is above k squared:
    the result is then wrong with the probability above, not merely less accurate, which is why it is
    never chosen automatically. `SparseStack` costs some time more and has no such failures.

    Operators do not extend.

    References
    ----------
    M. Charikar, K. Chen, M. Farach-Colton, "Finding frequent items in data streams", 2004, DOI
    10.1016/S0304-3975(03)00400-6; K. L. Clarkson, D. P. Woodruff, "Low rank approximation and
    regression in input sparsity time", 2013, arXiv:1207.6365. The proof by the second moment is that of
    J. Nelson, H. L. Nguyen, "OSNAP: Faster numerical linear algebra algorithms via sparser subspace
    embeddings", 2013, arXiv:1211.1002.

    Examples
    --------
    >>> from sklr.sketch import CountSketch
    >>> S = CountSketch().operator(2, 6, rng=0)
    >>> abs(S.toarray()).sum(axis=0)
    array([1., 1., 1., 1., 1., 1.])
    """

    name = "count_sketch"

    def _n_blocks(self, sketch_size):
        return 1

    def _make(self, sketch_size, n, stream, dtype):
        return _StackOperator(self, (sketch_size, n), stream, dtype)


class SparseSign(Distribution):
    """A fixed number of signs per column, in distinct uniformly random rows.

    Each of the n columns of S has s = `n_nonzeros` non-zeros, ``+1 / sqrt(s)`` or ``-1 / sqrt(s)``; their
    rows are a uniformly random subset of the d rows, independently for each column. So a column has norm 1
    exactly. With s proportional to ``log(k) / eps`` and d to ``k log(k) / eps**2``, all x of a k-dimensional
    subspace keep their length up to a factor 1 +- eps with high probability; in practice s = 8 and
    d = 2 k are enough.

    Parameters
    ----------
    n_nonzeros : int, default=8
        Non-zeros per column, s; clipped to the sketch size where it is larger.

    Raises
    ------
    TypeError
        By `operator`, if `n_nonzeros` is not an integer. By ``SketchOperator.extend``, always.
    ValueError
        By `operator`, if `n_nonzeros` is below 1.

    See Also
    --------
    SparseStack : One non-zero in each block of rows; extends.

    Notes
    -----
    *Cost.* ``s n`` random integers and at most ``min(s**2 / 2, d)`` operations per column to keep the rows
    distinct; applied, ``2 s n p`` flops for dense data of p columns, ``2 s nnz`` for sparse data, whose
    sketch is sparse. Memory is that of one tile of S, 12 s bytes per column. One pass over the data.

    *When not to use it.* Where the sketch is to grow: the rows of a column depend on the sketch size, so
    operators do not extend. `SparseStack` does, is drawn sooner, and is no less accurate.

    References
    ----------
    D. M. Kane, J. Nelson, "Sparser Johnson-Lindenstrauss transforms", 2014, arXiv:1012.1577;
    M. B. Cohen, "Nearly tight oblivious subspace embeddings by trace inequalities", 2016, DOI
    10.1137/1.9781611974331.ch21. Sampling of the rows: J. Bentley, B. Floyd, "Programming pearls:
    A sample of brilliance", 1987, DOI 10.1145/30401.315746.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.sketch import SparseSign
    >>> S = SparseSign(n_nonzeros=3).operator(5, 8, rng=0)
    >>> np.count_nonzero(S.toarray(), axis=0)
    array([3, 3, 3, 3, 3, 3, 3, 3])
    """

    name = "sparse_sign"

    def __init__(self, n_nonzeros=8):
        self.n_nonzeros = n_nonzeros

    def _validate(self, sketch_size, n):
        _check_size("n_nonzeros", self.n_nonzeros, 1)

    def _make(self, sketch_size, n, stream, dtype):
        return _ColumnwiseOperator(self, (sketch_size, n), stream, dtype)


class _VerySparseOperator(SketchOperator):
    """Independent entries, few of which are not zero."""

    is_sparse = True

    @cached_property
    def _density(self):
        density = self.distribution.density
        d, n = self.shape
        return max(1 / math.sqrt(n), min(_COLUMN_MEAN / d, 1.0)) if density is None else float(density)

    @property
    def isometry_scale(self):
        return 1 / math.sqrt(self.shape[0] * self._density)

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        d = self.shape[0]
        signed, rows, counts = [np.empty(0)], [np.empty(0, dtype=np.int64)], [np.zeros(1, dtype=np.int64)]
        for j, width, inside, _ in _column_blocks(col_lo, col_hi, self.shape[1]):
            generator = self.stream.generator(self.distribution.name, 0, j)
            places = self._places(generator, width * d)
            signs = generator.integers(0, 2, size=len(places), dtype=np.int8)
            columns, of = np.divmod(places, d)
            kept = (columns >= inside.start) & (columns < inside.stop) & (of >= row_lo) & (of < row_hi)
            signed.append((1 - 2 * signs[kept]) * self.isometry_scale)
            rows.append(of[kept] - row_lo)
            width_inside = inside.stop - inside.start
            counts.append(np.bincount(columns[kept] - inside.start, minlength=width_inside))
        indptr = np.cumsum(np.concatenate(counts))
        shape = (row_hi - row_lo, col_hi - col_lo)
        return sorted_csc(np.concatenate(signed), np.concatenate(rows), indptr, shape)

    def _places(self, generator, size):
        """Ascending numbers below `size`, each there with the probability `density`.

        The gaps between them are geometric, so that only those that are there are drawn.
        """
        mean = size * self._density
        n_draws = int(mean + 6 * math.sqrt(mean)) + 8  # nearly always enough
        places = np.array([-1])
        while places[-1] < size:
            gaps = generator.geometric(self._density, size=n_draws)
            more = np.cumsum(np.minimum(gaps, size + 1))  # of a tiny density they would overflow
            places = np.concatenate([places, places[-1] + more])
        places = places[1:]
        return places[: np.searchsorted(places, size)]


class VerySparse(Distribution):
    """Independent entries, of which a small share are random signs and the others zero.

    Each of the d n entries of S is ``+1 / sqrt(d p)`` or ``-1 / sqrt(d p)``, with probability p / 2 each, and
    zero otherwise; p is the density. For vectors whose length is spread over many entries ``S x`` is close to
    a Gaussian sketch: ``Var ||S x||^2 = (2 ||x||_2^4 + (1 / p - 3) ||x||_4^4) / d``, with ``||x||_2^4`` and
    ``||x||_4^4`` the fourth powers of the norms, where a Gaussian has ``2 ||x||_2^4 / d``.

    Parameters
    ----------
    density : float, default=None
        The probability p of an entry that is not zero, in (0, 1]. None means ``1 / sqrt(n)``, as published,
        or ``4 / d`` where that is more: then about 2 % of the columns are empty, and not nearly all of them.

    Raises
    ------
    TypeError
        By `operator`, if `density` is not a number. By ``SketchOperator.extend``, always.
    ValueError
        By `operator`, if `density` is not in (0, 1].

    See Also
    --------
    SparseStack : Equally many non-zeros in every column; safe for coherent data.

    Notes
    -----
    *Cost.* A random integer and a random bit for each of the about ``d n p`` entries that are not zero;
    applied, ``2 d p nnz`` flops. A sparse matrix stays sparse. Memory is that of one tile of S, about 12 d p
    bytes per column. One pass over the data.

    *When not to use it.* On coherent data: a column is empty with probability ``(1 - p)^d``, and what depends
    on its row of the data alone is lost. It is the start of `sklr.graph.FastRPEmbedding`, where a step along
    the edges spreads every entry over the neighbours first.

    Operators do not extend.

    References
    ----------
    P. Li, T. J. Hastie, K. W. Church, "Very sparse random projections", 2006, DOI 10.1145/1150402.1150436.

    Examples
    --------
    >>> from sklr.sketch import VerySparse
    >>> S = VerySparse().operator(1000, 10_000, rng=0)
    >>> f"{S.rows(0, 1000).nnz / (1000 * 10_000):.3f}"
    '0.010'
    """

    name = "very_sparse"

    def __init__(self, density=None):
        self.density = density

    def _validate(self, sketch_size, n):
        if self.density is None:
            return
        if isinstance(self.density, bool) or not isinstance(self.density, Real):
            raise TypeError(f"density must be a float in (0, 1] or None, got {self.density!r}.")
        if not 0 < self.density <= 1:
            raise ValueError(f"density must be in (0, 1], a probability, got {self.density}.")

    def _make(self, sketch_size, n, stream, dtype):
        return _VerySparseOperator(self, (sketch_size, n), stream, dtype)
