"""A matrix that arrives in chunks of rows, as the user gives it."""

import numpy as np
from scipy import sparse

from .dtypes import compute_dtype
from .files import MatrixFiles


class RowChunks:
    """A matrix that arrives in chunks of rows, as often as asked.

    Parameters
    ----------
    factory : callable
        ``factory()`` returns a new iterator over the chunks, from the first row on, each time it is
        called. A chunk is an ndarray (a list of rows is refused) or a sparse matrix of shape ``(rows, n)``
        and of dtype `dtype`. Algorithms of several passes call it several times.
    shape : (int, int)
        Shape of the whole matrix, (m, n).
    dtype : dtype, default=np.float64
        Of the chunks. float32 is computed in float32; integers are converted chunk by chunk.

    Raises
    ------
    TypeError
        If `factory` cannot be called.
    ValueError
        If `shape` is not two positive integers, or, during a pass, if a chunk is not as promised.

    Notes
    -----
    Chunks are read one after the other, by whichever thread is free, while the others compute; a few per
    thread are held, so the factory must not write into a chunk that it has yielded (it is refused). A chunk
    is one tile: chunks of a few megabytes are best. Each pass checks that the chunks have the width, the
    dtype and together the rows that were promised, and names the chunk where they do not.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.linalg import RowChunks
    >>> X = np.arange(12.0).reshape(6, 2)
    >>> chunks = RowChunks(lambda: (X[i : i + 2] for i in range(0, 6, 2)), shape=(6, 2), dtype=X.dtype)
    >>> chunks
    RowChunks(shape=(6, 2), dtype=float64)
    """

    def __init__(self, factory, shape, dtype=np.float64):
        if not callable(factory):
            raise TypeError(
                f"RowChunks needs a factory: a function that returns a new iterator over the chunks each "
                f"time it is called. Got {type(factory).__name__}; wrap it, as in "
                "RowChunks(lambda: iter(chunks), shape, dtype)."
            )
        shape = tuple(shape) if np.iterable(shape) else (shape,)
        if len(shape) != 2 or not all(_is_positive_int(s) for s in shape):
            raise ValueError(f"shape must be (rows, columns), two positive integers, got {shape}.")
        self.factory = factory
        self.shape = (int(shape[0]), int(shape[1]))
        self.dtype = np.dtype(dtype)
        compute_dtype(self.dtype, "RowChunks")

    @classmethod
    def from_files(cls, paths, *, chunk_rows=None):
        """The matrix whose rows are in several files, one file after the other.

        Parameters
        ----------
        paths : str, path, or iterable of these
            A folder, whose ``.npy`` and ``.npz`` files are taken sorted by name ("part10" comes before
            "part2"); one file; or files in the order of their rows. A ``.npy`` file holds a two-dimensional
            array (`numpy.save`), a ``.npz`` file a sparse matrix of any format (`scipy.sparse.save_npz`); all
            have the same columns and dtype.
        chunk_rows : int, default=None
            Rows of a chunk at most; a chunk does not go beyond the end of its file. None: as many as have
            16 MB where they are computed (integers become float64), at least one; ``.npz`` files are not cut.

        Returns
        -------
        RowChunks
            It pickles, for a process that finds the files under the same absolute paths.

        Raises
        ------
        FileNotFoundError
            If a file is missing, now or when a pass comes to it.
        TypeError
            If `paths` is not as above, or a file does not hold numbers.
        ValueError
            If a folder or list is without files; if a file is something else, cut short, not
            two-dimensional, complex, or has other columns or another dtype than the first; during a pass, if
            a file has another size, shape or dtype than it had here. The file is named.

        Notes
        -----
        Only headers are read here. ``.npy`` files are memory-mapped chunk by chunk: a chunk is read as it is
        computed, its pages are let go after it, and one that is passed over is not read. In a file in Fortran
        order a chunk is a piece of every column, which takes longer to read, on a spinning disk much longer.
        ``.npz`` files are read whole, one at a time, also where `chunk_rows` cuts them. A file must not be
        written to, least of all shortened, while a pass is in it.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from sklr.linalg import RowChunks, as_operand
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for i in range(3):
        ...         np.save(Path(folder) / f"part{i}.npy", np.full((100, 2), i))
        ...     chunks = RowChunks.from_files(folder)
        ...     means = as_operand(chunks).column_means()
        >>> chunks, means
        (RowChunks(shape=(300, 2), dtype=int64), array([1., 1.]))
        """
        if chunk_rows is not None and not _is_positive_int(chunk_rows):
            raise ValueError(f"chunk_rows must be None or a positive int, got {chunk_rows!r}.")
        files = MatrixFiles(paths, chunk_rows)
        return cls(files, files.shape, files.dtype)

    def pieces(self, name="X"):
        """Yield ``(index, row, chunk)`` from the first row on, each checked against what was promised.

        Parameters
        ----------
        name : str, default="X"
            What errors call the matrix.

        Yields
        ------
        (int, int, ndarray or sparse matrix)
            The number of the chunk, its first row, and the chunk, which may have no rows.

        Raises
        ------
        TypeError, ValueError
            If a chunk is not a matrix of the width and dtype that were promised, or the rows are not as many;
            the chunk is named.
        """
        m, n = self.shape
        row = 0
        index = -1
        for index, chunk in enumerate(self.factory()):
            if not (isinstance(chunk, np.ndarray) or sparse.issparse(chunk)) or chunk.ndim != 2:
                raise TypeError(
                    f"Chunk {index} of {name} must be a 2-D ndarray or a sparse matrix, "
                    f"got {type(chunk).__name__} of shape {getattr(chunk, 'shape', None)}."
                )
            if chunk.shape[1] != n:
                raise ValueError(f"Chunk {index} of {name} has {chunk.shape[1]} columns, expected {n}.")
            if chunk.dtype != self.dtype:
                raise ValueError(
                    f"Chunk {index} of {name} has dtype {chunk.dtype}, but RowChunks promised "
                    f"{self.dtype}. Convert the chunk or change the promise."
                )
            if row + chunk.shape[0] > m:
                raise ValueError(
                    f"Chunk {index} of {name} goes beyond the {m} rows that RowChunks promised: "
                    f"{row} rows came before it and it has {chunk.shape[0]}."
                )
            yield index, row, chunk
            row += chunk.shape[0]
        if index < 0:
            raise ValueError(
                f"The factory of {name} gave no chunks, expected {m} rows. "
                "It must return a new iterator each time it is called."
            )
        if row != m:
            raise ValueError(f"The chunks of {name} ended after chunk {index} with {row} rows, expected {m}.")

    @property
    def ndim(self):
        """2."""
        return 2

    def __len__(self):
        return self.shape[0]

    def __repr__(self):
        return f"RowChunks(shape={self.shape}, dtype={self.dtype})"


def _is_positive_int(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and value > 0
