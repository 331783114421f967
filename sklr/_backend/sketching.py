"""S A and S A^T for a sketch operator S, in one pass over the tiles of A.

S is known by what it offers: ``columns(lo, hi, dtype)`` and ``rows(lo, hi, dtype)``, an ndarray or, where
``is_sparse``, a csc_array; and ``_apply_all_rows(block)`` where ``needs_all_rows``.
"""

import numpy as np
from scipy import sparse

from .kernels import columns_of_csc
from .tiles import N_PARTS

_SLAB_BYTES = 1 << 22


def sketch(A, S):
    """S A for an operand A; see `Operand.sketch`. Inside a session."""
    if S.shape[1] != A.shape[0]:
        raise ValueError(f"The sketch has shape {S.shape} but A has {A.shape[0]} rows.")
    if S.needs_all_rows and A.container in ("dense", "sparse"):
        return _by_slabs_of_columns(A, S)
    shape = (S.shape[0], A.shape[1])
    if not S.is_sparse:
        return A._sum(
            lambda lo, hi, tile, out: tile.add_premultiplied(S.columns(lo, hi, A.dtype), out), shape
        )
    if _stays_sparse(A):
        return _sparse_by_tiles(A, S)

    def add_tiles(tiles, first, last, out):
        columns = S.columns(first, last, A.dtype)
        for lo, hi, tile in tiles:
            tile.add_premultiplied(columns_of_csc(columns, lo - first, hi - first), out)

    # Partial sums of d x n must not cost more than the sketch itself, which for a sparse S is a few
    # operations per entry of A.
    n_parts = min(N_PARTS, max(A.shape[0] // (16 * S.shape[0]), 1))
    return A._sum_of_parts(add_tiles, shape, n_parts=n_parts)


def sketch_along_rows(A, S):
    """S A^T of shape (d, m) for S of shape (d, n): every tile is sketched along its columns.

    Other than fast transforms, S is held whole: it meets every tile with all its columns.
    """
    if S.shape[1] != A.shape[1]:
        raise ValueError(f"The sketch has shape {S.shape} but A has {A.shape[1]} rows.")
    if S.needs_all_rows:
        return _by_tiles_of_rows(A, S.shape[0], lambda piece: S._apply_all_rows(piece.T))
    whole = S.rows(0, S.shape[0], A.dtype)
    if not S.is_sparse:
        adjoint = np.ascontiguousarray(whole.T)
        return A.matmat(adjoint).T
    if not _stays_sparse(A):
        return _by_tiles_of_rows(A, S.shape[0], lambda piece: whole @ piece.T)
    parts = []
    turned = sparse.csr_array(whole.T)
    A._sweep(lambda tiles, first, last: [tile.postmultiplied(turned) for _, _, tile in tiles], parts.extend)
    return sparse.csr_array(sparse.vstack(parts, format="csr").T)


def _stays_sparse(A):
    return A.container == "sparse" and A._unshifted() is A


def _sparse_by_tiles(A, S):
    parts = []
    A._sweep(
        lambda tiles, first, last: [tile.premultiplied(S.columns(lo, hi, A.dtype)) for lo, hi, tile in tiles],
        parts.extend,
        A._tasks(min_rows=8 * S.shape[0]),
    )
    return sparse.csr_array(sum(parts[1:], start=parts[0]))


def _by_slabs_of_columns(A, S):
    m, n = A.shape
    out = np.empty((S.shape[0], n), dtype=A.dtype)
    width = max(_SLAB_BYTES // (m * A.dtype.itemsize), 8)
    tasks = [(j, j, min(j + width, n)) for j in range(0, n, width)]

    def load(task):
        return task[1], task[2], A._column_slab(task[1], task[2])

    def compute(lo, hi, tile):
        out[:, lo:hi] = S._apply_all_rows(tile.dense())

    A._each(compute, tasks=tasks, load=load)
    return out


def _by_tiles_of_rows(A, sketch_size, sketched):
    out = np.empty((sketch_size, A.shape[0]), dtype=A.dtype)

    def compute(lo, hi, tile):
        for a, b, piece in tile.dense_pieces():
            out[:, lo + a : lo + b] = sketched(piece)

    A._each(compute)
    return out
