"""Sketches by a fast orthogonal transform: random signs, transform, a random choice of rows."""

import math
from functools import cached_property, lru_cache

import numpy as np
from scipy import fft, linalg, sparse

from sklr._backend import ordered

from ._base import Distribution, SketchOperator
from ._dense import random_signs

_TRANSFORMS = ("dct", "hadamard")
# Signs are drawn in blocks of so many. Fixed for ever: another number is another operator.
_SIGN_BLOCK = 8192
# The Hadamard matrix is applied as factors of up to 2**4 rows: larger ones cost more flops than they save
# passes through memory.
_FACTOR_BITS = 4
# The adjoint works on slabs of columns of about this many entries.
_SLAB_ENTRIES = 1 << 19
# Entries of S are computed so many at a time, to stay in cache.
_CACHED_ENTRIES = 1 << 15


@lru_cache(maxsize=16)
def _hadamard_factor(size, dtype):
    H = linalg.hadamard(size, dtype=dtype)
    H.setflags(write=False)
    return H


def _walsh_hadamard(X):
    """H X for the Hadamard matrix H of entries ``(-1)**popcount(i & j)``; X has 2**b rows, C order.

    H is the Kronecker product of smaller ones, each of which is one matrix product. X is overwritten.
    """
    n, width = X.shape
    bits = n.bit_length() - 1
    n_factors = -(-bits // _FACTOR_BITS)
    Y = np.empty_like(X)
    inner = width
    for i in range(n_factors):
        size = 1 << (bits * (i + 1) // n_factors - bits * i // n_factors)
        H = _hadamard_factor(size, X.dtype)
        np.matmul(H, X.reshape(-1, size, inner), out=Y.reshape(-1, size, inner))
        X, Y = Y, X
        inner *= size
    return X


def _odd_popcount(x):
    """Whether integers below 2**32 have an odd number of bits set; `x` is overwritten."""
    for shift in (16, 8, 4, 2, 1):
        x ^= x >> np.uint32(shift)
    return (x & np.uint32(1)).astype(bool)


class _TransformOperator(SketchOperator):
    """``sqrt(N / d) P F D`` for an orthonormal F of N rows; see `SRTT`."""

    needs_all_rows = True

    def __init__(self, distribution, shape, stream, dtype):
        super().__init__(distribution, shape, stream, dtype)
        self._is_dct = self.distribution.transform == "dct"
        # The order of the transform: n, or the next power of two.
        self._order = shape[1] if self._is_dct else 1 << (shape[1] - 1).bit_length()

    @property
    def isometry_scale(self):
        # E[P^T P] = (d / N) I. Columns beyond n are dropped: they take part in the transform only.
        return math.sqrt(self._order / self.shape[0])

    @cached_property
    def _selected(self):
        """Rows of the transform: the first d of a permutation of all, so that the next ones extend."""
        permutation = self.stream.generator("srtt rows").permutation(self._order)
        return permutation[: self.shape[0]].copy()

    def _signs(self, lo, hi, dtype=np.float64):
        first, last = lo // _SIGN_BLOCK, -(-hi // _SIGN_BLOCK)
        signs = np.empty((last - first, _SIGN_BLOCK), dtype=dtype)
        for i, out in enumerate(signs, start=first):
            out[:] = random_signs(self.stream.generator("srtt signs", 0, i), _SIGN_BLOCK)
        return signs.ravel()[lo - first * _SIGN_BLOCK : hi - first * _SIGN_BLOCK]

    def _apply_all_rows(self, block):
        if sparse.issparse(block):
            block = block.toarray()
        n, dtype = self.shape[1], block.dtype
        signs = self._signs(0, n, dtype)[:, None]
        if self._is_dct:
            mixed = fft.dct(signs * block, axis=0, norm="ortho", overwrite_x=True, workers=1)[self._selected]
        else:
            padded = np.zeros((self._order, block.shape[1]), dtype=dtype)
            np.multiply(signs, block, out=padded[:n])
            mixed = _walsh_hadamard(padded)[self._selected]
            mixed *= dtype.type(1 / math.sqrt(self._order))
        mixed *= dtype.type(self.isometry_scale)
        return mixed

    def _apply_adjoint(self, Y):
        n = self.shape[1]
        out = np.empty((n, Y.shape[1]), dtype=Y.dtype)
        signs = self._signs(0, n, Y.dtype)[:, None]
        width = max(_SLAB_ENTRIES // self._order, 1)

        def one_slab(lo):
            slab = np.zeros((self._order, min(width, Y.shape[1] - lo)), dtype=Y.dtype)
            slab[self._selected] = Y[:, lo : lo + width]
            slab *= Y.dtype.type(self.isometry_scale)
            if self._is_dct:
                slab = fft.idct(slab, axis=0, norm="ortho", overwrite_x=True, workers=1)
            else:
                slab = _walsh_hadamard(slab)[:n] * Y.dtype.type(1 / math.sqrt(self._order))
            np.multiply(signs, slab, out=out[:, lo : lo + width])

        ordered(one_slab, range(0, Y.shape[1], width))
        return out

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        k = self._selected[row_lo:row_hi, None]
        j = np.arange(col_lo, col_hi)
        entries = self._cosines if self._is_dct else self._walsh
        S = np.empty((len(k), len(j)))
        step = max(_CACHED_ENTRIES // max(len(j), 1), 1)
        for lo in range(0, len(k), step):
            S[lo : lo + step] = entries(k[lo : lo + step], j)
        S *= self._signs(col_lo, col_hi) * self.isometry_scale
        return S

    def _cosines(self, k, j):
        """Entries (k, j) of the orthonormal DCT-II, ``sqrt(2 / n) cos(pi (2 j + 1) k / (2 n))``."""
        n = self._order
        # Modulo its period 4 n the angle is an exact integer, so no digit is lost where k j is large.
        turn = (k * (2 * j + 1)) % (4 * n)
        F = np.cos(turn * (math.pi / (2 * n)))
        F *= math.sqrt(2 / n)
        F[k[:, 0] == 0] = math.sqrt(1 / n)
        return F

    def _walsh(self, k, j):
        """Entries (k, j) of the orthonormal Hadamard matrix, ``(-1)**popcount(k & j) / sqrt(N)``."""
        size = math.sqrt(1 / self._order)
        return np.where(_odd_popcount(k.astype(np.uint32) & j.astype(np.uint32)), -size, size)


class SRTT(Distribution):
    """Subsampled randomized trigonometric transform: dense mixing at the cost of a fast transform.

    ``S = sqrt(N / d) P F D``, of shape (d, n): D multiplies by n independent random signs, F is an
    orthonormal transform of N rows, and P takes d of them, uniformly and without replacement.

    - ``transform="dct"``: F is the discrete cosine transform (DCT-II), N = n.
    - ``transform="hadamard"``: F is the Walsh-Hadamard matrix divided by ``sqrt(N)``, N the power of two at
      or above n; data are padded with zeros, and the columns of F beyond n dropped from S. All entries of
      S are ``+1 / sqrt(d)`` or ``-1 / sqrt(d)``.

    The signs make every vector flat after F, with high probability, whatever it was before; then any d of
    its entries tell its length. For d above about ``4 (sqrt(k) + sqrt(8 log(k n)))**2 log(k)``, all x of a
    k-dimensional subspace keep their length up to a factor between 0.40 and 1.48, with probability at least
    ``1 - O(1 / k)`` (proved for the Hadamard transform). In practice d = 2 k is mostly enough; not where k
    rows next to each other carry a subspace: transforms repeat themselves there, and d of about k log(k)
    is needed (30 such rows, the Hadamard transform: d = 120 may lose a direction, d = 240 does not).

    Parameters
    ----------
    transform : {"dct", "hadamard"}, default="dct"
        The transform F. The cosine transform needs no padding. The other one is exact on integers and has
        entries of equal size.

    Raises
    ------
    ValueError
        By `operator`, if `transform` is not one of the two, or if n is above ``2**31``.

    See Also
    --------
    SparseStack : For sparse data, and for one pass over data that are not in memory.

    Notes
    -----
    *Cost.* ``O(n log n)`` flops per column of the data, whatever d, in slabs of a few columns with all n
    rows, padded to N: for data in memory. Sparse data are densified slab by slab. Data that come tile by
    tile (memory-mapped, in chunks) are multiplied by the entries of S, from their closed form: one pass,
    but ``2 d n p`` flops for p columns and ``d n`` cosines. Choosing the rows takes ``8 N`` bytes once.

    *When not to use it.* For sparse data, where the transform ignores the zeros, and for data that are not in
    memory: use `SparseStack`. For d below ``log2(n)``, where `Gaussian` costs no more.

    Operators extend by any number of rows.

    References
    ----------
    N. Ailon, B. Chazelle, "The fast Johnson-Lindenstrauss transform and approximate nearest neighbors",
    2009, DOI 10.1137/060673096; J. A. Tropp, "Improved analysis of the subsampled randomized Hadamard
    transform", 2011, arXiv:1011.1595; H. Avron, P. Maymounkov, S. Toledo, "Blendenpik: Supercharging
    LAPACK's least-squares solver", 2010, DOI 10.1137/090767911 (the cosine transform).

    Examples
    --------
    A vector with one large entry is spread over the whole sketch:

    >>> import numpy as np
    >>> from sklr.sketch import SRTT
    >>> x = np.zeros(1000)
    >>> x[123] = 1.0
    >>> S = SRTT(transform="hadamard").operator(64, 1000, rng=0)
    >>> bool(np.all(abs(S.apply(x)) == 0.125))
    True
    """

    name = "srtt"
    extendable = True

    def __init__(self, transform="dct"):
        self.transform = transform

    @property
    def has_orthogonal_rows(self):
        """Whether rows are orthogonal and equally long: of a Hadamard matrix, columns are cut off."""
        return self.transform == "dct"

    def _validate(self, sketch_size, n):
        if not isinstance(self.transform, str) or self.transform not in _TRANSFORMS:
            raise ValueError(f"transform must be one of {_TRANSFORMS}, got {self.transform!r}.")
        if n > 1 << 31:
            raise ValueError(f"SRTT needs n of at most 2**31, got {n}. Use SparseStack.")

    def _make(self, sketch_size, n, stream, dtype):
        return _TransformOperator(self, (sketch_size, n), stream, dtype)
