"""Kinds of matrices: how each is cut into tiles and how a tile is loaded.

This and `tiles` are the only modules that know what a matrix is made of. `as_operand` is the door.
"""

from abc import abstractmethod

import numpy as np
from scipy import sparse

from .chunks import RowChunks
from .dtypes import compute_dtype, is_float
from .memory import MappedPages, mapping_of, share_memory
from .operands import Operand, Transposed
from .tiles import MIN_TILE_ROWS, DenseTile, SparseTile, row_bounds, sparse_row_bounds


class PassCounter:
    """How often the data have been swept; shared by all operands on the same data."""

    def __init__(self):
        self.n_passes = 0


class _Source(Operand):
    """An operand that holds data, rather than wrapping another one."""

    def __init__(self, shape, dtype, name, flipped, counter):
        super().__init__()
        self.shape = (int(shape[0]), int(shape[1]))
        self.dtype = dtype
        self.name = name
        self._flipped = flipped  # whether the user's rows are our columns
        self.counter = counter or PassCounter()

    @property
    def _source(self):
        return self

    def _dense(self, array):
        """Another form of the data, in memory, whose passes are counted here."""
        return DenseOperand(array, self.name, self._flipped, self.counter)

    def _arrays(self):
        """The arrays that hold the data, where they can be told before a sweep."""
        return ()

    @abstractmethod
    def _raw(self, task):
        """``(values, rows, columns)`` of the user's entries of a task, for the words of an error."""

    def _describe_bad_entry(self, task):
        lo = task[1]
        values, rows, columns = self._raw(task)
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            row, column = int(lo + rows(bad[0])), int(columns(bad[0]))
            if self._flipped:
                row, column = column, row
            what = "NaN" if np.isnan(values[bad[0]]) else "infinity"
            remedy = (
                "Impute or drop missing values first." if what == "NaN" else "Clip or drop such values first."
            )
            return ValueError(
                f"Input {self.name} contains {what}: first seen at row {row}, column {column}"
                f"{self._place(task)}. {remedy}"
            )
        largest = float(np.max(np.abs(values.astype(np.float64, copy=False)), initial=0.0))
        return self._overflow(f"has an entry of {largest:.3g}")

    def _place(self, task):
        return ""


class DenseOperand(_Source):
    """An ndarray of any strides; integers and other floats are converted tile by tile."""

    container = "dense"

    def __init__(self, array, name="X", flipped=False, counter=None):
        super().__init__(array.shape, compute_dtype(array.dtype, name), name, flipped, counter)
        self._array = np.asarray(array)
        self.nnz = array.shape[0] * array.shape[1]

    def _tasks(self, min_rows=MIN_TILE_ROWS):
        bounds = row_bounds(self.shape[0], self.shape[1] * self.dtype.itemsize, min_rows)
        return [(i, lo, hi) for i, (lo, hi) in enumerate(zip(bounds[:-1], bounds[1:], strict=True))]

    def _load(self, task):
        _, lo, hi = task
        return lo, hi, self._tile(self._array[lo:hi])

    def _arrays(self):
        return (self._array,)

    def _tile(self, view):
        return DenseTile(view if is_float(view.dtype) else view.astype(self.dtype))

    def _column_slab(self, lo, hi):
        return self._tile(self._array[:, lo:hi])

    def _raw(self, task):
        lo, hi = task[1:3]
        view = self._array[lo:hi]
        width = view.shape[1]
        return view.ravel(), (lambda k: k // width), (lambda k: k % width)

    def _retiled_transpose(self):
        turned = type(self)(self._array.T, self.name, not self._flipped, self.counter)
        return turned._with_norm_of(self)


class MappedOperand(DenseOperand):
    """A memory-mapped array: read and converted tile by tile, its pages let go behind the pass."""

    container = "mapped"

    def __init__(self, array, name="X", flipped=False, counter=None):
        super().__init__(array, name, flipped, counter)
        self._pages = MappedPages(array)

    def _release(self, task):
        self._pages.release_rows(task[1], task[2])

    def _end_sweep(self):
        self._pages.release_all()


class SparseOperand(_Source):
    """A CSR matrix without duplicate entries."""

    container = "sparse"

    def __init__(self, matrix, name="X", flipped=False, counter=None):
        super().__init__(matrix.shape, compute_dtype(matrix.dtype, name), name, flipped, counter)
        self._matrix = matrix
        self._columns = None
        self.nnz = int(matrix.nnz)

    def _tasks(self, min_rows=1):
        bounds = sparse_row_bounds(self._matrix.indptr, min_rows)
        return [(i, lo, hi) for i, (lo, hi) in enumerate(zip(bounds[:-1], bounds[1:], strict=True))]

    def _load(self, task):
        _, lo, hi = task
        A = self._matrix
        first, last = A.indptr[lo], A.indptr[hi]
        data = A.data[first:last].astype(self.dtype, copy=False)
        tile = sparse.csr_array(
            (data, A.indices[first:last], A.indptr[lo : hi + 1] - first),
            shape=(hi - lo, self.shape[1]),
            copy=False,
        )
        return lo, hi, SparseTile(tile)

    def _arrays(self):
        return self._matrix.data, self._matrix.indices, self._matrix.indptr

    def _column_slab(self, lo, hi):
        if self._columns is None:
            # Column access for fast transforms: a second copy of the matrix, kept with the operand.
            self._columns = self._matrix.tocsc()
        return SparseTile(self._columns[:, lo:hi].astype(self.dtype).tocsr())

    def _raw(self, task):
        lo, hi = task[1:3]
        A = self._matrix
        first, last = A.indptr[lo], A.indptr[hi]
        return (
            A.data[first:last],
            lambda k: np.searchsorted(A.indptr[lo : hi + 1], first + k, side="right") - 1,
            lambda k: A.indices[first + k],
        )

    def _retiled_transpose(self):
        self.counter.n_passes += 1  # the conversion reads everything once
        turned = SparseOperand(self._matrix.T.tocsr(), self.name, not self._flipped, self.counter)
        return turned._with_norm_of(self)


class ChunkOperand(_Source):
    """`RowChunks`: one tile per chunk, read in order."""

    container = "chunks"

    def __init__(self, chunks, name="X", counter=None):
        super().__init__(chunks.shape, compute_dtype(chunks.dtype, name), name, False, counter)
        self._chunks = chunks
        self.nnz = chunks.shape[0] * chunks.shape[1]

    def _tasks(self, min_rows=1):
        previous = None
        for index, row, chunk in self._chunks.pieces(self.name):
            if previous is not None and _chunks_share_memory(previous, chunk):
                raise ValueError(
                    f"Chunk {index} of {self.name} lies where chunk {index - 1} did, which may still be in "
                    "use: the factory refills one buffer. Yield a copy of it instead."
                )
            previous = chunk
            if chunk.shape[0]:
                yield index, row, row + chunk.shape[0], chunk

    def _load(self, task):
        _, lo, hi, chunk = task
        if sparse.issparse(chunk):
            matrix = _canonical_csr(chunk)
            return lo, hi, SparseTile(matrix.astype(self.dtype, copy=False))
        return lo, hi, DenseTile(np.asarray(chunk, dtype=self.dtype))

    def _raw(self, task):
        chunk = task[3]
        if sparse.issparse(chunk):
            chunk = chunk.tocoo()
            return chunk.data, (lambda k: chunk.row[k]), (lambda k: chunk.col[k])
        chunk = np.asarray(chunk)
        width = chunk.shape[1]
        return chunk.ravel(), (lambda k: k // width), (lambda k: k % width)

    def _place(self, task):
        return f" (chunk {task[0]})"

    def _retiled_transpose(self):
        raise ValueError(
            f"{self.name} arrives in chunks of rows and cannot be swept by columns. "
            "Use a solver that sweeps rows, or write the chunks to a memory-mapped array first."
        )


def is_streamed(X):
    """Whether X is for operands alone: chunks, an operand, or a memory-mapped array, which is not to be read
    by a check of its own."""
    return isinstance(X, (RowChunks, Operand, Transposed)) or (
        isinstance(X, np.ndarray) and mapping_of(X)[1] is not None
    )


def as_operand(X, name="X"):
    """Wrap a matrix for the verbs; nothing is copied or read.

    Parameters
    ----------
    X : ndarray, np.memmap, sparse matrix or array, RowChunks, operand or nested sequence
        CSR is used as it is; CSC as the transpose of CSR; other sparse formats, and CSR with duplicate
        entries, are converted to CSR once. Arrays in Fortran order are used as they are.
    name : str, default="X"
        What errors call it.

    Returns
    -------
    Operand or Transposed
        With ``shape``, ``dtype``, ``n_passes``, ``T`` and the verbs: ``matmat``, ``rmatmat``,
        ``normal_matmat``, ``gram``, ``sketch``, ``column_means``, ``squared_norm``.

    Raises
    ------
    TypeError
        For an iterator (which can be read once only), or data that are not numbers.
    ValueError
        If X is not two-dimensional, is empty or complex.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import as_operand
    >>> A = as_operand(np.ones((1000, 3), dtype=np.uint8))
    >>> A.gram()
    array([[1000., 1000., 1000.],
           [1000., 1000., 1000.],
           [1000., 1000., 1000.]])
    >>> A.n_passes
    1
    """
    if isinstance(X, (Operand, Transposed)):
        return X
    if isinstance(X, RowChunks):
        return ChunkOperand(X, name)
    if hasattr(X, "__next__"):
        raise TypeError(
            f"{name} is an iterator, which can be read once only. Wrap a function that returns a new "
            "iterator in sklr.linalg.RowChunks(factory, shape, dtype), or feed the chunks one by one to "
            "partial_fit where the estimator has it."
        )
    if not sparse.issparse(X):
        X = X if isinstance(X, np.ndarray) else np.asarray(X)
    if X.ndim != 2:
        raise ValueError(
            f"{name} must be two-dimensional, got shape {X.shape}. "
            "Use reshape(-1, 1) for one feature or reshape(1, -1) for one sample."
        )
    compute_dtype(X.dtype, name)
    if 0 in X.shape:
        raise ValueError(f"{name} is empty: it has shape {X.shape}, at least (1, 1) is required.")
    if sparse.issparse(X):
        if X.format == "csc":
            return Transposed(SparseOperand(_canonical_csr(X.T), name, flipped=True))
        return SparseOperand(_canonical_csr(X), name)
    if mapping_of(X)[1] is None:
        return DenseOperand(X, name)
    if not X.flags.c_contiguous and abs(X.strides[0]) < abs(X.strides[1]):
        # Tiles must follow the file: a tile of rows would touch all of its pages.
        return Transposed(MappedOperand(X.T, name, flipped=True))
    return MappedOperand(X, name)


def centered(A, mean=None):
    """A with its column means subtracted, as an operand: the data are not touched, sparse data not filled in.

    Parameters
    ----------
    A : matrix or operand
        Of shape (m, n).
    mean : array of shape (n,), default=None
        What is subtracted from every row; the column means, found in one pass, if None.

    Returns
    -------
    Operand or Transposed
        An operand of the same shape; see `as_operand`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import centered
    >>> centered(np.array([[1.0, 2.0], [3.0, 6.0]])).toarray()
    array([[-1., -2.],
           [ 1.,  2.]])
    """
    A = as_operand(A)
    if mean is None:
        mean = A.column_means()
    shifted = A.shifted(np.ones(A.shape[0]), mean)
    if isinstance(A, Operand):
        shifted.know_norm_of_centered()
    return shifted


def scaled(A, scale):
    """A with column j multiplied by ``scale[j]``, as an operand.

    Parameters
    ----------
    A : matrix or operand
        Of shape (m, n).
    scale : array of shape (n,)
        The factors.

    Returns
    -------
    Operand or Transposed
        An operand of the same shape; see `as_operand`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import scaled
    >>> scaled(np.array([[1.0, 2.0], [3.0, 6.0]]), [10.0, 1.0]).toarray()
    array([[10.,  2.],
           [30.,  6.]])
    """
    return as_operand(A).scaled(column_scale=scale)


def row_weighted(A, weight):
    """A with row i multiplied by ``weight[i]`` (for sample weights: their square roots), as an operand.

    Parameters
    ----------
    A : matrix or operand
        Of shape (m, n).
    weight : array of shape (m,)
        The factors.

    Returns
    -------
    Operand or Transposed
        An operand of the same shape; see `as_operand`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import row_weighted
    >>> row_weighted(np.array([[1.0, 2.0], [3.0, 6.0]]), [10.0, 1.0]).toarray()
    array([[10., 20.],
           [ 3.,  6.]])
    """
    return as_operand(A).scaled(row_scale=weight)


def _chunks_share_memory(a, b):
    a, b = (getattr(x, "data", None) if sparse.issparse(x) else x for x in (a, b))
    return isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and share_memory(a, b)


def _canonical_csr(X):
    X = X.tocsr()
    if not X.has_canonical_format:
        X = X.copy()
        X.sum_duplicates()
    return X
