"""Matrices in files: their shapes from the headers, and their rows chunk by chunk."""

import math
import os
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .dtypes import compute_dtype
from .tiles import MAX_TILE_BYTES

# What a file that is damaged, or is something else, raises as it is read.
_UNREADABLE = (ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class MatrixFiles:
    """The files of one matrix, each with some of its rows: a factory of chunks for `RowChunks`.

    It holds names, shapes and dtypes, no data and no open file, so that it pickles; whoever unpickles it must
    find the files under the same absolute paths.

    Parameters
    ----------
    paths : path or iterable of paths
        A folder, whose ``.npy`` and ``.npz`` files are taken sorted by name; or files, in their order.
    chunk_rows : int, default=None
        Rows per chunk; None: what has `MAX_TILE_BYTES` as it is computed, and of a sparse file all.

    Attributes
    ----------
    shape : (int, int)
        Of the whole matrix.
    dtype : dtype
        Of every file.

    Raises
    ------
    FileNotFoundError
        If a file is missing.
    TypeError
        If `paths` is no path, or a file does not hold numbers.
    ValueError
        If a folder or list has no files, or a file is not a matrix, has other columns or another dtype than
        the first one, is cut short or complex.
    """

    def __init__(self, paths, chunk_rows=None):
        self._files = [_MatrixFile.read(path) for path in _listed(paths)]
        first = self._files[0]
        for file in self._files[1:]:
            if file.shape[1] != first.shape[1]:
                raise ValueError(
                    f"{file.path} has {file.shape[1]} columns, but {first.path} has {first.shape[1]}. "
                    "The files of one matrix hold some of its rows each: leave out what is another matrix."
                )
            if file.dtype != first.dtype:
                raise ValueError(
                    f"{file.path} has dtype {file.dtype}, but {first.path} has {first.dtype}. "
                    f"Save all files in one dtype, as X.astype({first.dtype.name!r}) has it."
                )
        self.shape = (sum(file.shape[0] for file in self._files), first.shape[1])
        self.dtype = first.dtype
        if 0 in self.shape:
            raise ValueError(f"The matrix in {first.path} is empty: its shape is {self.shape}.")
        self._chunk_rows = chunk_rows

    def __call__(self):
        """A new iterator over the chunks: views of mapped files, and CSR or other sparse matrices.

        What a file holds is compared with what it held before when its turn comes. A chunk has a mapping of
        its own: its pages are let go with it, and a chunk that is passed over is not read.
        """
        for file in self._files:
            now = _MatrixFile.read(file.path)
            if now != file:
                raise ValueError(
                    f"{file.path} has changed since RowChunks was made: it had shape {file.shape}, dtype "
                    f"{file.dtype} and {file.size} bytes, now {now.shape}, {now.dtype} and {now.size}. "
                    "Call RowChunks.from_files again."
                )
            # `yield from`, so that nothing here keeps a chunk after it has been used
            yield from (_array_chunks if file.is_array else _sparse_chunks)(file, self._chunk_rows)


class _MatrixFile(NamedTuple):
    """What the headers of a file say."""

    path: str
    is_array: bool  # .npy, otherwise .npz
    shape: tuple
    dtype: np.dtype
    size: int  # bytes of the file

    @classmethod
    def read(cls, path):
        try:
            size = os.path.getsize(path)
        except FileNotFoundError:
            raise FileNotFoundError(
                f"There is no file {path}. Check the path; the files of RowChunks must stay where they are."
            ) from None
        suffix = Path(path).suffix.lower()
        if suffix not in _HEADERS or not os.path.isfile(path):
            raise ValueError(
                f"{path} is not a .npy or .npz file. Save dense rows by numpy.save, sparse rows by "
                "scipy.sparse.save_npz; for other formats write a factory, RowChunks(factory, shape, dtype)."
            )
        read_header, kind = _HEADERS[suffix]
        try:
            shape, dtype = read_header(path, size)
        except _UNREADABLE as error:
            raise ValueError(f"{path} cannot be read as {kind}: {error}") from error
        if len(shape) != 2:
            raise ValueError(
                f"{path} must hold a two-dimensional array, got shape {shape}. "
                "Save X.reshape(1, -1) for one row or X.reshape(-1, 1) for one column."
            )
        compute_dtype(dtype, path)
        return cls(path, suffix == ".npy", shape, dtype, size)


def _listed(paths):
    """Absolute paths of the files that are meant."""
    if isinstance(paths, (str, os.PathLike)):
        folder = Path(os.path.abspath(paths))
        if not folder.is_dir():
            return [str(folder)]
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in _HEADERS)
        if not found:
            raise ValueError(f"The folder {folder} has no .npy or .npz files. Pass a list of files instead.")
        return [str(path) for path in found]
    try:
        found = [os.path.abspath(path) for path in paths]
    except TypeError as error:
        raise TypeError(f"paths must be a folder, a file or a list of files: {error}.") from error
    if not found:
        raise ValueError("paths is empty: at least one file is needed.")
    return found


# -- .npy ----------------------------------------------------------------------------------------


def _header_of_array(path, size):
    with open(path, "rb") as stream:
        shape, dtype = _read_array_header(stream)
        missing = stream.tell() + math.prod(shape) * dtype.itemsize - size
    if missing > 0 and not dtype.hasobject:
        raise ValueError(f"it is cut short, {missing} bytes are missing. Write it again.")
    return shape, dtype


def _read_array_header(stream):
    version = np.lib.format.read_magic(stream)
    # Version 3 differs from 2 for names of fields only, and those are refused.
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return shape, dtype


def _array_chunks(file, chunk_rows):
    m, n = file.shape
    if chunk_rows is None:
        chunk_rows = max(MAX_TILE_BYTES // (n * compute_dtype(file.dtype).itemsize), 1)
    for lo in range(0, m, chunk_rows):
        yield np.load(file.path, mmap_mode="r")[lo : lo + chunk_rows]


# -- .npz ----------------------------------------------------------------------------------------


def _header_of_sparse(path, size):
    with zipfile.ZipFile(path) as archive:
        missing = {"format.npy", "shape.npy", "data.npy"} - set(archive.namelist())
        if missing:
            raise ValueError("it was not saved by scipy.sparse.save_npz. Save dense rows by numpy.save.")
        with archive.open("shape.npy") as entry:
            shape = np.lib.format.read_array(entry)
        with archive.open("data.npy") as entry:
            dtype = _read_array_header(entry)[1]
    return tuple(shape.tolist()), dtype


def _sparse_chunks(file, chunk_rows):
    try:
        matrix = sparse.load_npz(file.path)
    except _UNREADABLE as error:
        raise ValueError(f"{file.path} cannot be read: {error}. Write it again.") from error
    m = file.shape[0]
    if chunk_rows is None or chunk_rows >= m:
        yield matrix
        return
    matrix = matrix.tocsr()
    for lo in range(0, m, chunk_rows):
        yield matrix[lo : lo + chunk_rows]


_HEADERS = {
    ".npy": (_header_of_array, "an array"),
    ".npz": (_header_of_sparse, "a sparse matrix"),
}
