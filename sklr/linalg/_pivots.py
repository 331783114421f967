"""Pivots of a dense matrix: columns by QR or by the greatest gain, rows by LU."""

import numpy as np
from scipy import linalg

from sklr._backend import as_operand, ordered

# Squared lengths are lowered by what a pivot takes. Where so small a part of them is left they are computed
# again, from the columns; the gains, which are squares of squares, when so much of the whole is left.
_LENGTHS_LEFT = 1e-6
_GAINS_LEFT = 1e-4
# Columns whose gains are computed together.
_SLAB = 512


def pivoted_columns_of_array(B, k, by, dtype):
    """The first k columns of B that pivoting takes, and B projected on their span.

    With the residual E of B, from which the span of the columns taken is projected out, the next one has

    - ``by="length"``: the largest ``||E e_j||``, as QR with column pivoting has it;
    - ``by="gain"``: the largest ``||E^T E e_j||^2 / ||E e_j||^2``, which is what ||E||_F^2 will lose.

    Both are kept by recurrence: a step reads B once, and E is not formed.

    Parameters
    ----------
    B : ndarray of shape (d, n)
        float64; it is overwritten.
    k : int
        At most min(d, n).
    by : {"length", "gain"}
        How the next column is chosen.
    dtype : dtype
        Whose rounding B has.

    Returns
    -------
    taken : ndarray of shape (r,)
        Columns in the order in which they were taken; r < k where all others depend on them.
    W : ndarray of shape (r, n)
        ``Q^T B`` for the orthonormal Q with ``B[:, taken] = Q W[:, taken]``; ``W[:, taken]`` is upper
        triangular.
    """
    d, n = B.shape
    Q, W = np.empty((d, k), order="F"), np.empty((k, n))
    lengths = _squares(B)
    least = rounding(n, dtype) ** 2 * lengths  # of each column: it may be short beside others
    known, total = lengths.copy(), lengths.sum()
    BBt = as_operand(B.T).gram() if by == "gain" else None
    gains = None if BBt is None else _gains(B, BBt)
    taken = []
    since = 0  # B is without the span of the columns before this one
    for i in range(k):
        j = _best(lengths, gains, least)
        # None: or all digits of what is left beside a long column are lost.
        is_vague = since < i if j is None else lengths[j] < _LENGTHS_LEFT * known[j]
        if is_vague or (gains is not None and lengths.sum() < _GAINS_LEFT * total):
            B -= Q[:, since:i] @ W[since:i]
            since = i
            lengths = _squares(B)
            lengths[taken] = 0
            known, total = lengths.copy(), lengths.sum()
            if gains is not None:
                BBt = as_operand(B.T).gram()
                gains = _gains(B, BBt)
            j = _best(lengths, gains, least)
        if j is None:
            break
        q = B[:, j] - Q[:, since:i] @ W[since:i, j]
        q -= Q[:, :i] @ (Q[:, :i].T @ q)
        length = linalg.norm(q)
        q /= length
        Q[:, i] = q
        if gains is None:
            w = W[i] = q @ B  # one thread reads memory as fast as several
        else:
            w, v = np.stack([q, BBt @ q]) @ B
            W[i] = w
            # E^T E w, of which B^T B w = v has more than the columns taken since B was renewed leave.
            v -= (W[since:i] @ w) @ W[since:i]
            gains += w * ((w @ w) * w - 2 * v)
        lengths -= w * w
        taken.append(j)
        lengths[taken] = 0
    r = len(taken)
    W = W[:r]
    taken = np.array(taken, dtype=np.intp)
    W[:, taken] = np.triu(W[:, taken])
    return taken, W


def pivoted_lu(V):
    """``(LU, order)`` of V, which is overwritten: `order[:k]` are the rows that partial pivoting takes.

    For an orthonormal V of k columns these rows are the interpolation points of DEIM.
    """
    (factor,) = linalg.get_lapack_funcs(("getrf",), (V,))  # a pivot of zero is no matter for a warning here
    LU, swaps, _ = factor(V, overwrite_a=True)
    order = np.arange(len(V))
    for i, j in enumerate(swaps):
        order[i], order[j] = order[j], order[i]
    return LU, order


def rounding(n, dtype):
    """What may be left of a vector of length one and n entries when all of it is projected out."""
    return 10 * float(np.sqrt(n) * np.finfo(dtype).eps)


def independent(values, n, dtype):
    """How many singular values or pivots of QR, in descending order, are more than rounding."""
    small = values <= rounding(n, dtype) * values.max(initial=0)
    return int(np.argmax(small)) if small.any() else len(values)


def _best(lengths, gains, least):
    there = lengths > least
    if gains is None:
        j = int(np.argmax(np.where(there, lengths, 0)))
    else:
        j = int(np.argmax(np.divide(gains, lengths, out=np.full(len(gains), -np.inf), where=there)))
    return j if there[j] else None


def _squares(B):
    return np.einsum("ij,ij->j", B, B)


def _gains(B, BBt):
    """``||B^T b_j||^2`` of every column b_j."""
    gains = np.empty(B.shape[1])

    def compute(lo):
        slab = B[:, lo : lo + _SLAB]
        gains[lo : lo + _SLAB] = np.einsum("ij,ij->j", BBt @ slab, slab)

    ordered(compute, range(0, B.shape[1], _SLAB))
    return gains
