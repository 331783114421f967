"""A^T A, in one pass over the tiles of A."""

import math

import numpy as np

from .threads import ordered
from .tiles import MIN_TILE_ROWS, N_PARTS, in_parts

# Up to so many columns a Gram matrix is a sum of partial results; above, these would be large and the
# columns are blocked instead.
_BLOCK = 1024
_SLAB_ROWS = 4096
# Partial sums of a sparse Gram matrix take no more memory than this together.
_PARTS_BYTES = 1 << 28
# Seconds of a multiply-add in a sparse-sparse product, in those of a dense one.
_SPARSE_PRODUCT_RATIO = 60


def gram(A):
    """A^T A for an operand A, float64; see `Operand.gram`. Inside a session."""
    m, n = A.shape
    if A.container == "sparse" and _SPARSE_PRODUCT_RATIO * (A.nnz / m) ** 2 < n**2:
        tasks = A._tasks(min_rows=max(MIN_TILE_ROWS, n))
        n_parts = max(min(N_PARTS, _PARTS_BYTES // (8 * n**2)), 1)
        G = _sparse_gram(A, tasks, n_parts)
        if not _has_cancelled(A, G):
            return G
    if n <= _BLOCK:
        return _summed_gram(A)
    return _blocked_gram(A)


def _sparse_gram(A, tasks, n_parts):
    """By sparse products of the tiles without their shift, a rank-two matrix that is subtracted from the sum.

    Where the shift is large beside the spread, what is left is rounding error.
    """
    n = A.shape[1]
    right = np.zeros(n)

    def add(lo, hi, tile, out):
        out[:n] += tile.unshifted_gram()
        if tile.left is not None:
            out[n] += tile.of_shift()
            right[:] = tile.right  # the same for all tiles

    total = A._sum(add, (n + 1, n), tasks, n_parts, np.float64)
    G = total[:n]
    if right.any():
        cross = np.outer(total[n], right)
        G -= cross
        G -= cross.T
    return G


def _summed_gram(A):
    """The sum of the products of tiles, in float64; those of one part are added up where they are made."""
    G = np.zeros((A.shape[1],) * 2)

    def compute(tiles, first, last):
        products = (array.T @ array for _, _, tile in tiles for _, _, array in tile.dense_pieces())
        part = next(products)
        for product in products:
            part = part.astype(np.float64, copy=False)
            part += product
        return part

    def commit(part):
        np.add(G, part, out=G)

    A._sweep(compute, commit, in_parts(A._tasks(min_rows=_BLOCK), N_PARTS))
    return G


def _has_cancelled(A, G):
    """Whether the diagonal of a shifted Gram matrix is what rounding left over."""
    unshifted = A._unshifted()
    if unshifted is A:
        return False
    before = unshifted.column_squared_norms()
    # An entry that is so much smaller than before the shift has lost half of its digits to the
    # subtraction, or more.
    return bool(np.any(np.diag(G) < math.sqrt(np.finfo(A.dtype).eps) * before))


def _slabs(A, n_rows):
    """Consecutive tasks that together have at least `n_rows` rows, and their number."""
    tasks, rows = [], 0
    for task in A._tasks():
        tasks.append(task)
        rows += task[2] - task[1]
        if rows >= n_rows:
            yield tasks, rows
            tasks, rows = [], 0
    if tasks:
        yield tasks, rows


def _blocked_gram(A):
    """Slab after slab of rows; the blocks of the upper triangle are added to in parallel."""
    n = A.shape[1]
    n_blocks = -(-n // _BLOCK)
    cuts = [i * n // n_blocks for i in range(n_blocks + 1)]
    spans = [slice(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    pairs = [(left, right) for i, left in enumerate(spans) for right in spans[i:]]
    G = np.zeros((n, n))
    squares = []
    sums = np.zeros(n) if A._sums_columns else None
    A._source.counter.n_passes += 1
    for tasks, rows in _slabs(A, _SLAB_ROWS):
        slab = np.empty((rows, n), dtype=A.dtype)
        first = tasks[0][1]

        def fill(task, slab=slab, first=first):
            lo, hi, tile = A._load(task)
            square = A._finite_square(tile, task)
            for a, b, array in tile.dense_pieces():
                slab[lo - first + a : lo - first + b] = array
            found = square, None if sums is None else tile.column_sums()
            A._release(task)
            return found

        def note(found):
            squares.append(found[0])
            if sums is not None:
                np.add(sums, found[1], out=sums)

        def add_block(pair, slab=slab):
            left, right = pair
            # Blocks are disjoint and every block sees the slabs in row order.
            G[left, right] += slab[:, left].T @ slab[:, right]

        ordered(fill, tasks, note)
        ordered(add_block, pairs)
    A._source._end_sweep()
    for left, right in pairs:
        if left != right:
            G[right, left] = G[left, right].T
    A._squared_norm = A._finite_sum(squares)
    if sums is not None:
        A._column_sums = sums
    return G
