"""Dense families: every entry of the operator is an independent random number."""

import math

import numpy as np

from ._base import Distribution, SketchOperator

# Entries are drawn in blocks of this shape. Fixed for ever: another shape is another operator. Small
# enough that a narrow tile does not pay for what it does not use, large enough (100 microseconds of
# normal numbers) to outweigh making a generator.
_BLOCK_ROWS = 8
_BLOCK_COLUMNS = 1024


def random_signs(generator, size):
    """Draw `size` independent signs as int8, one random bit each; a shorter draw is a prefix of a longer."""
    packed = np.frombuffer(generator.bytes(-(-size // 8)), dtype=np.uint8)
    return 1 - 2 * np.unpackbits(packed, count=size).view(np.int8)


class _BlockwiseOperator(SketchOperator):
    @property
    def isometry_scale(self):
        return 1 / math.sqrt(self.shape[0])

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        out = np.empty((row_hi - row_lo, col_hi - col_lo))
        for i in range(row_lo // _BLOCK_ROWS, -(-row_hi // _BLOCK_ROWS)):
            top = i * _BLOCK_ROWS
            first, last = max(row_lo, top), min(row_hi, top + _BLOCK_ROWS)
            for j in range(col_lo // _BLOCK_COLUMNS, -(-col_hi // _BLOCK_COLUMNS)):
                left = j * _BLOCK_COLUMNS
                lo, hi = max(col_lo, left), min(col_hi, left + _BLOCK_COLUMNS)
                generator = self.stream.generator(self.distribution.name, i, j)
                # A block is drawn row by row: rows below the last one asked for need not be drawn.
                block = self.distribution._draw(generator, (last - top, _BLOCK_COLUMNS))
                out[first - row_lo : last - row_lo, lo - col_lo : hi - col_lo] = block[
                    first - top :, lo - left : hi - left
                ]
        out *= self.isometry_scale
        return out


class _DenseDistribution(Distribution):
    extendable = True

    @staticmethod
    def _draw(generator, shape):
        """Draw unscaled entries, row by row."""
        raise NotImplementedError

    def _make(self, sketch_size, n, stream, dtype):
        return _BlockwiseOperator(self, (sketch_size, n), stream, dtype)


class Gaussian(_DenseDistribution):
    """Independent normal entries: the sketch with the best understood and smallest error.

    The entries of S, of shape (d, n), are independent and normal with mean 0 and variance 1 / d. For
    a subspace of dimension k, with probability at least ``1 - 2 exp(-t**2 / 2)``, every x in it has::

        1 - sqrt(k / d) - t / sqrt(d)  <=  ||S x|| / ||x||  <=  1 + sqrt(k / d) + t / sqrt(d)

    whatever the subspace: a Gaussian matrix looks the same in every basis, so coherent data (a few
    rows that carry everything) are no harder than others.

    See Also
    --------
    Rademacher : Random signs instead, drawn sooner.
    SparseStack : A few non-zeros per column.

    Notes
    -----
    *Cost.* ``d n`` normal numbers (about 13 ns each) and ``2 d n p`` flops for dense data of p columns;
    ``2 d nnz`` for sparse data, whose sketch is dense. Entries are drawn by blocks of 8 x 1024 and are
    not kept: memory is that of one tile of S. One pass over the data.

    *When not to use it.* For large ``d n``, where drawing the entries and the dense product dominate:
    `SparseStack` costs d / 8 times less at nearly the same error. For sparse data that should stay sparse.

    Operators extend by any number of rows.

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp, "Finding structure with randomness: Probabilistic
    algorithms for constructing approximate matrix decompositions", 2011, arXiv:0909.4061. The bound is
    theorem II.13 of K. R. Davidson, S. J. Szarek, "Local operator theory, random matrices and Banach
    spaces", 2001, DOI 10.1016/S1874-5849(01)80010-3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklr.sketch import Gaussian
    >>> A = np.random.default_rng(0).standard_normal((1000, 3))
    >>> S = Gaussian().operator(200, 1000, rng=0)
    >>> S.apply(A).shape
    (200, 3)
    >>> bool(np.linalg.cond(S.apply(A)) < 1.5 * np.linalg.cond(A))
    True
    """

    name = "gaussian"

    @staticmethod
    def _draw(generator, shape):
        return generator.standard_normal(shape)


class Rademacher(_DenseDistribution):
    """Independent random signs: as good as Gaussian, from one random bit per entry.

    The entries of S, of shape (d, n), are ``+1 / sqrt(d)`` or ``-1 / sqrt(d)`` with probability 1/2
    each, independently. For every fixed x and 0 < eps < 1::

        P( | ||S x||**2 - ||x||**2 |  >  eps ||x||**2 )  <=  2 exp(-d (eps**2 / 4 - eps**3 / 6))

    which is the bound that a Gaussian matrix has. Every column of S has norm 1 exactly.

    See Also
    --------
    Gaussian : Normal entries.

    Notes
    -----
    *Cost.* ``d n`` random bits and ``2 d n p`` flops for dense data of p columns; ``2 d nnz`` for sparse
    data, whose sketch is dense. Entries are drawn by blocks of 8 x 1024 and are not kept: memory is
    that of one tile of S. One pass over the data.

    *When not to use it.* For large ``d n``, where the dense product dominates: use `SparseStack`. For
    fewer than about ten rows: then only ``2**d`` different columns exist, and `Gaussian` is safer.

    Operators extend by any number of rows.

    References
    ----------
    D. Achlioptas, "Database-friendly random projections: Johnson-Lindenstrauss with binary coins",
    2003, DOI 10.1016/S0022-0000(03)00025-4.

    Examples
    --------
    >>> from sklr.sketch import Rademacher
    >>> S = Rademacher().operator(4, 6, rng=0)
    >>> S.toarray()**2
    array([[0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
           [0.25, 0.25, 0.25, 0.25, 0.25, 0.25]])
    """

    name = "rademacher"

    @staticmethod
    def _draw(generator, shape):
        return random_signs(generator, shape[0] * shape[1]).reshape(shape)
