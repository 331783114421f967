"""`check_sketch_operator` finds a fault in each law, and names the law."""

import numpy as np
import pytest
from scipy import sparse

from sklr.sketch import Distribution, SketchOperator, SparseStack
from sklr.testing import check_sketch_operator


class SoundOperator(SketchOperator):
    """Normal entries, one generator per column: simple and right."""

    @property
    def isometry_scale(self):
        return self.shape[0] ** -0.5

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        S = np.empty((self.shape[0], col_hi - col_lo))
        for j in range(col_lo, col_hi):
            S[:, j - col_lo] = self._column(j)
        return self.isometry_scale * S[row_lo:row_hi]

    def _column(self, j):
        return self.stream.generator("sound", 0, j).standard_normal(self.shape[0])


class Sound(Distribution):
    """What is wrong is a parameter."""

    name = "sound"
    extendable = True

    def __init__(self, operator_class=SoundOperator):
        self.operator_class = operator_class

    def _make(self, sketch_size, n, stream, dtype):
        return self.operator_class(self, (sketch_size, n), stream, dtype)


class WrongShape(SoundOperator):
    def __init__(self, distribution, shape, stream, dtype):
        super().__init__(distribution, shape[::-1], stream, dtype)


class NoScale(SoundOperator):
    isometry_scale = 0.0


class AlwaysDouble(SoundOperator):
    def toarray(self):
        return super().toarray().astype(np.float32).astype(np.float64)


class ColumnsOutOfStep(SoundOperator):
    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        # A generator per request instead of per block.
        generator = self.stream.generator("wrong", 0, col_lo)
        S = generator.standard_normal((self.shape[0], col_hi - col_lo))
        return self.isometry_scale * S[row_lo:row_hi]


class WrongFormat(SoundOperator):
    is_sparse = True  # but the entries come as an ndarray

    def toarray(self):
        return self.rows(0, self.shape[0])


class DescendingRows(SoundOperator):
    is_sparse = True

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        S = sparse.csc_array(super()._submatrix(row_lo, row_hi, col_lo, col_hi))
        height, width = S.shape
        order = np.arange(S.nnz).reshape(width, height)[:, ::-1].ravel()
        return sparse.csc_array((S.data[order], S.indices[order], S.indptr), shape=S.shape)


class ReadsBeyondTheEnd(SoundOperator):
    def columns(self, lo, hi, dtype=None):
        return super().columns(max(lo, 0), min(max(lo, hi), self.shape[1]), dtype)


class MovesOn(SoundOperator):
    """The entries depend on how many columns were asked for before."""

    asked = 0

    def _submatrix(self, row_lo, row_hi, col_lo, col_hi):
        S = super()._submatrix(row_lo, row_hi, col_lo, col_hi)
        self.asked += col_hi - col_lo
        return S if self.asked < 2 * self.shape[1] else 2 * S


class UsesTheGlobalState(SoundOperator):
    def _column(self, j):
        np.random.random()
        return super()._column(j)


class IgnoresTheSeed(SoundOperator):
    def _column(self, j):
        return np.random.default_rng(j).standard_normal(self.shape[0])


class DrawsFloat32(SoundOperator):
    def columns(self, lo, hi, dtype=None):
        dtype = np.dtype(dtype or self.dtype)
        S = super().columns(lo, hi, np.float64)
        return S if dtype == np.float64 else np.nextafter(S.astype(np.float32), np.float32(9))


class ForgetsSparseScale(SoundOperator):
    def apply(self, A, n_threads=None):
        SA = super().apply(A, n_threads)
        return SA * 1.001 if sparse.issparse(A) else SA


class ForgetsTheRight(SoundOperator):
    def apply_right(self, A, n_threads=None):
        return super().apply_right(A, n_threads) / self.isometry_scale


class PromotesFloat32(SoundOperator):
    def apply(self, A, n_threads=None):
        return super().apply(A, n_threads).astype(np.float64)


class WrongTransform(SoundOperator):
    needs_all_rows = True

    def _apply_all_rows(self, block):
        return super()._apply_all_rows(block[::-1])


class UnscaledAdjoint(SoundOperator):
    def _apply_adjoint(self, Y):
        return super()._apply_adjoint(Y) / self.isometry_scale


class RoundsByThread(SoundOperator):
    def apply(self, A, n_threads=None):
        SA = super().apply(A, n_threads)
        return np.nextafter(SA, SA.dtype.type(9)) if n_threads == 2 else SA


class SwallowsNaN(SoundOperator):
    def apply(self, A, n_threads=None):
        return super().apply(A if sparse.issparse(A) else np.nan_to_num(A), n_threads)


class DrawsAllAnew(SoundOperator):
    def _column(self, j):
        return self.stream.generator("anew", self.shape[0], j).standard_normal(self.shape[0])


class AddsNothing(SoundOperator):
    def _column(self, j):
        return np.where(np.arange(self.shape[0]) < 6, super()._column(j), 0.0)


class TooLong(SoundOperator):
    @property
    def isometry_scale(self):
        return (self.shape[0] - 1) ** -0.5


class EqualColumns(SoundOperator):
    """Columns of the right length, but the same one each time."""

    def _column(self, j):
        return super()._column(0)


class Extends(SoundOperator):
    def extend(self, n_more_rows):
        return self


class StoresAnother(Sound):
    def __init__(self, operator_class=SoundOperator, names=()):
        self.operator_class = operator_class
        self.names = list(names)


class LooksAtTheOriginal(Sound):
    """The operator keeps the distribution instead of copying it."""

    def _make(self, sketch_size, n, stream, dtype):
        S = super()._make(sketch_size, n, stream, dtype)
        S.distribution = self
        return S


class SoundUntilSet(SoundOperator):
    def _column(self, j):
        return super()._column(j) * (2.0 if self.distribution.operator_class is None else 1.0)


class TakesAnySize(Sound):
    def operator(self, sketch_size, n, rng=None, dtype=np.float64):
        return super().operator(min(max(int(sketch_size), 1), n), n, rng, dtype)


class DoesNotExtend(Sound):
    extendable = False


FAULTS = [
    ("definition", Sound(WrongShape)),
    ("definition", Sound(NoScale)),
    ("definition", TakesAnySize()),
    ("value", StoresAnother()),
    ("value", LooksAtTheOriginal(SoundUntilSet)),
    ("submatrix", Sound(AlwaysDouble)),
    ("submatrix", Sound(ColumnsOutOfStep)),
    ("submatrix", Sound(WrongFormat)),
    ("submatrix", Sound(DescendingRows)),
    ("submatrix", Sound(ReadsBeyondTheEnd)),
    ("submatrix", Sound(MovesOn)),
    ("same stream", Sound(UsesTheGlobalState)),
    ("same stream", Sound(IgnoresTheSeed)),
    ("float32", Sound(DrawsFloat32)),
    ("product", Sound(ForgetsSparseScale)),
    ("product", Sound(ForgetsTheRight)),
    ("product", Sound(PromotesFloat32)),
    ("product", Sound(WrongTransform)),
    ("adjoint", Sound(UnscaledAdjoint)),
    ("threads", Sound(RoundsByThread)),
    ("refusal", Sound(SwallowsNaN)),
    ("extension", Sound(DrawsAllAnew)),
    ("extension", Sound(AddsNothing)),
    ("extension", DoesNotExtend(Extends)),
    ("isometry", Sound(TooLong)),
    ("isometry", Sound(EqualColumns)),
]


def check(distribution):
    check_sketch_operator(distribution, sketch_size=6, n=40, isometry_shape=(5, 5))


def test_sound_family_passes():
    check(Sound())


@pytest.mark.parametrize("law, distribution", FAULTS, ids=str)
def test_fault_is_found(law, distribution):
    with pytest.raises(AssertionError, match=f"^The law '{law}' fails for "):
        check(distribution)


def test_deviation_from_isometry_is_located():
    with pytest.raises(AssertionError, match=r"has mean 1\.\d+ over .* for x = e_. \+ e_., normalised"):
        check(Sound(EqualColumns))


def test_every_law_has_a_planted_fault():
    from sklr.testing._sketch import _LAWS

    assert {law for law, _ in FAULTS} == set(_LAWS)


def test_names_every_law():
    from sklr.testing._sketch import _LAWS

    for law in _LAWS:
        assert f"- *{law}*" in check_sketch_operator.__doc__


def test_error_of_a_law_is_the_cause():
    with pytest.raises(AssertionError, match=r"'extension' fails .*grows by whole blocks") as caught:
        check_sketch_operator(SparseStack(7), sketch_size=24, n=200)
    assert isinstance(caught.value.__cause__, AssertionError)
