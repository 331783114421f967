"""What is special about each family."""

from collections import Counter

import numpy as np
import pytest
from scipy import fft, linalg, sparse

from sklr._backend import Stream
from sklr.sketch import (
    SRTT,
    CountSketch,
    Gaussian,
    Rademacher,
    RowSampling,
    SparseSign,
    SparseStack,
    VerySparse,
)
from sklr.sketch._sampling import inclusion_probabilities, pivotal_sample
from sklr.sketch._trigonometric import _odd_popcount, _walsh_hadamard


@pytest.fixture
def drawn(monkeypatch):
    """The blocks for which a generator was made, as they are made."""
    blocks = []
    original = Stream.generator

    def generator(self, purpose, i=0, j=0):
        blocks.append((purpose, i, j))
        return original(self, purpose, i, j)

    monkeypatch.setattr(Stream, "generator", generator)
    return blocks


# -- dense ------------------------------------------------------------------------------------


def test_gaussian_blocks_are_those_of_the_stream():
    S = Gaussian().operator(20, 2500, rng=Stream(5))
    for i, j in ((0, 0), (1, 2), (2, 1)):
        block = Stream(5).generator("gaussian", i, j).standard_normal((8, 1024))
        found = S.toarray()[8 * i : 8 * i + 8, 1024 * j : 1024 * j + 1024]
        assert np.array_equal(found, block[: found.shape[0], : found.shape[1]] * 20**-0.5)


@pytest.mark.parametrize("distribution", [Gaussian(), Rademacher()], ids=repr)
def test_dense_families_draw_only_the_blocks_they_touch(distribution, drawn):
    S = distribution.operator(40, 10_000, rng=0)
    assert drawn == []
    S.columns(1024, 2048)
    assert Counter(drawn) == Counter((distribution.name, i, 1) for i in range(5))
    drawn.clear()
    S.rows(7, 9)
    assert Counter(drawn) == Counter((distribution.name, i, j) for i in (0, 1) for j in range(10))


@pytest.mark.parametrize("distribution", [Rademacher(), SRTT("hadamard"), SparseStack(5)], ids=repr)
def test_entries_of_equal_size(distribution):
    S = distribution.operator(5, 3000, rng=0).toarray()
    np.testing.assert_allclose(np.abs(S), 5**-0.5, rtol=1e-15)
    np.testing.assert_allclose((S**2).sum(axis=0), 1, rtol=1e-14)


# -- sparse -----------------------------------------------------------------------------------


@pytest.mark.parametrize("d, n_blocks", [(8, 8), (10, 3), (24, 8), (30, 1), (5, 8)])
def test_stack_has_one_entry_per_block_and_column(d, n_blocks):
    S = SparseStack(n_blocks).operator(d, 5000, rng=0)
    b = min(n_blocks, d)
    for rows in np.array_split(np.arange(d), b):
        block = S.rows(rows[0], rows[-1] + 1).toarray()
        assert np.all(np.count_nonzero(block, axis=0) == 1)
    np.testing.assert_allclose(np.abs(S.rows(0, d).data), b**-0.5, rtol=1e-15)


def test_stack_draws_only_the_blocks_it_touches(drawn):
    S = SparseStack(4).operator(12, 10_000, rng=0)
    S.rows(3, 6)  # the second of four blocks
    assert drawn == [("sparse_stack", 1, j) for j in range(3)]
    drawn.clear()
    S.columns(4096, 4097)
    assert drawn == [("sparse_stack", i, 1) for i in range(4)]


def test_stack_extends_by_blocks():
    S = SparseStack(3).operator(12, 50, rng=0)
    larger = S.extend(8)
    assert larger.distribution == SparseStack(5)
    assert S.distribution == SparseStack(3)
    assert np.array_equal(larger.toarray()[:12] != 0, S.toarray() != 0)
    assert np.array_equal(larger.toarray(), SparseStack(5).operator(20, 50, rng=0).toarray())


def test_clipped_stack_extends_by_single_rows():
    S = SparseStack(8).operator(5, 50, rng=0)
    larger = S.extend(2)
    assert larger.distribution == SparseStack(7)
    np.testing.assert_allclose(larger.toarray()[:5] * 7**0.5, S.toarray() * 5**0.5, rtol=1e-15)


def test_count_sketch_has_one_entry_per_column():
    S = CountSketch().operator(7, 5000, rng=0).columns(0, 5000)
    assert np.array_equal(S.indptr, np.arange(5001))
    assert set(S.data) == {-1.0, 1.0}
    assert set(S.indices) == set(range(7))


@pytest.mark.parametrize("d, n_nonzeros", [(50, 8), (6, 4), (3, 3), (3, 8), (40, 30), (1, 1)])
def test_sparse_sign_has_distinct_rows(d, n_nonzeros):
    S = SparseSign(n_nonzeros).operator(d, 5000, rng=0)
    s = min(n_nonzeros, d)
    assert np.all(np.count_nonzero(S.toarray(), axis=0) == s)
    np.testing.assert_allclose(np.abs(S.columns(0, 5000).data), s**-0.5)


@pytest.mark.parametrize(
    "family", [SparseStack(), SparseSign(), CountSketch(), RowSampling(), VerySparse()], ids=repr
)
def test_sparse_blocks_are_canonical(family):
    block = family.operator(24, 9000, rng=0).columns(4000, 9000)
    # Without the flags that were set, SciPy looks for itself.
    seen = sparse.csc_array((block.data, block.indices, block.indptr), shape=block.shape)
    assert seen.has_canonical_format
    assert block.has_canonical_format and block.has_sorted_indices
    assert block.indices.dtype == block.indptr.dtype == np.int32


@pytest.mark.parametrize(
    "family", [SparseStack(), SparseSign(), CountSketch(), SRTT(), RowSampling(), VerySparse()], ids=repr
)
def test_no_dense_operator_is_built(family, monkeypatch):
    S = family.operator(50, 2000, rng=0)
    monkeypatch.setattr(type(S), "toarray", None)
    monkeypatch.setattr(sparse.csc_array, "toarray", None)
    if S.needs_all_rows:
        monkeypatch.setattr(type(S), "_submatrix", None)
    rng = np.random.default_rng(0)
    S.apply(rng.standard_normal((2000, 3)))
    S.apply(sparse.csr_array(rng.integers(0, 2, (2000, 3)).astype(float)))
    S.T.apply(rng.standard_normal((50, 3)))


@pytest.mark.parametrize(
    ("density", "d", "p"),
    [
        (None, 400, 9000**-0.5),
        (None, 7, 4 / 7),
        (None, 3, 1),
        (0.3, 7, 0.3),
        (1, 7, 1),
        (np.float32(0.5), 7, 0.5),
    ],
)
def test_very_sparse_entries_have_one_size(density, d, p):
    """A scale that belongs to another density; zeros in a matrix of density one."""
    S = VerySparse(density).operator(d, 9000, rng=0)
    block = S.columns(0, 9000)
    np.testing.assert_allclose(np.abs(block.data), (d * p) ** -0.5, rtol=1e-15)
    assert S.isometry_scale == pytest.approx((d * p) ** -0.5)
    assert p < 1 or block.nnz == d * 9000


def test_very_sparse_columns_do_not_depend_on_what_is_asked_for(drawn):
    """Entries that are numbered from the first column asked for; blocks drawn that are not needed."""
    S = VerySparse(0.01).operator(20, 10_000, rng=0)
    whole = S.toarray()
    drawn.clear()
    assert np.array_equal(S.columns(4096, 4100).toarray(), whole[:, 4096:4100])
    assert drawn == [("very_sparse", 0, 1)]
    for lo, hi in ((0, 1), (4095, 4097), (4000, 9000), (9999, 10_000), (5000, 5000)):
        assert np.array_equal(S.columns(lo, hi).toarray(), whole[:, lo:hi])
        assert np.array_equal(S.rows(3, 11).toarray(), whole[3:11])


@pytest.mark.parametrize("density", [1e-9, 1e-15])
def test_a_tiny_density(density):
    """Gaps whose sum overflows, or time and memory for entries that are not there."""
    S = VerySparse(density).operator(50, 10**6, rng=0)
    assert S.rows(0, 50).nnz <= 5  # of 0.05 on average
    assert S.apply(np.ones((10**6, 1))).shape == (50, 1)


@pytest.mark.parametrize(
    ("density", "error", "words"),
    [
        (0, ValueError, r"density must be in \(0, 1\], a probability, got 0"),
        (-0.1, ValueError, r"density must be in \(0, 1\], a probability, got -0.1"),
        (1.5, ValueError, r"density must be in \(0, 1\], a probability, got 1.5"),
        (np.nan, ValueError, r"density must be in \(0, 1\], a probability, got nan"),
        (True, TypeError, "density must be a float .* or None, got True"),
        ("auto", TypeError, "density must be a float .* or None, got 'auto'"),
        ([0.1], TypeError, "density must be a float .* or None"),
    ],
)
def test_bad_density(density, error, words):
    """A probability that is none, found when the entries are drawn, or never."""
    with pytest.raises(error, match=words):
        VerySparse(density).operator(2, 4, rng=0)


# -- fast transforms ----------------------------------------------------------------------------


def parts(S):
    """D and P of an SRTT, from its definition."""
    signs = S._signs(0, S.shape[1])
    assert set(signs) <= {-1.0, 1.0}
    rows = S._selected
    assert len(set(rows)) == S.shape[0]
    return signs, rows


def test_signs_come_in_blocks(drawn):
    S = SRTT().operator(1, 30_000, rng=0)
    signs = S._signs(0, 30_000)
    assert np.array_equal(S._signs(8000, 17_000), signs[8000:17_000])
    assert Counter(drawn) == Counter([("srtt signs", 0, i) for i in (0, 1, 2, 3, 0, 1, 2)])
    blocks = signs[: 3 * 8192].reshape(3, 8192)
    agreements = (blocks[:, None] == blocks).sum(axis=2)
    # Two blocks of 8192 signs agree in 4096 places, up to 6 standard deviations of 45.
    assert np.all(abs(agreements[np.triu_indices(3, 1)] - 4096) < 6 * 45.3)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 64, 100, 1000])
def test_dct_is_the_one_of_scipy(n):
    d = max(n // 2, 1)
    S = SRTT().operator(d, n, rng=3)
    signs, rows = parts(S)
    F = fft.dct(np.eye(n), axis=0, norm="ortho")
    np.testing.assert_allclose(S.toarray(), np.sqrt(n / d) * (F * signs)[rows], rtol=0, atol=1e-13)
    A = np.random.default_rng(0).standard_normal((n, 4))
    wanted = np.sqrt(n / d) * fft.dct(signs[:, None] * A, axis=0, norm="ortho")[rows]
    np.testing.assert_allclose(S.apply(A), wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 64, 65, 100, 1000, 1024])
def test_hadamard_is_the_one_of_scipy(n):
    d = max(n // 2, 1)
    S = SRTT("hadamard").operator(d, n, rng=3)
    signs, rows = parts(S)
    order = 1 << (n - 1).bit_length()
    H = linalg.hadamard(order)
    wanted = H[rows][:, :n] * signs / np.sqrt(d)
    np.testing.assert_allclose(S.toarray(), wanted, rtol=1e-14)
    A = np.random.default_rng(0).standard_normal((n, 4))
    np.testing.assert_allclose(S.apply(A), wanted @ A, rtol=0, atol=1e-11)


@pytest.mark.parametrize("bits", range(0, 15))
def test_walsh_hadamard(bits):
    n = 1 << bits
    X = np.random.default_rng(0).integers(-9, 10, (n, 3)).astype(float)
    rows = np.unique(np.r_[0, n // 3, n // 2, n - 1])
    H = np.where(_odd_popcount(rows[:, None].astype(np.uint32) & np.arange(n, dtype=np.uint32)), -1, 1)
    if n <= 1024:
        assert np.array_equal(H, linalg.hadamard(n)[rows])
    assert np.array_equal(_walsh_hadamard(X.copy())[rows], H @ X)  # exact on integers


def test_popcount():
    x = np.array([0, 1, 3, 7, 2**31, 2**32 - 1, 2**32 - 2], dtype=np.uint32)
    assert _odd_popcount(x.copy()).tolist() == [bin(i).count("1") % 2 == 1 for i in x.tolist()]


def test_cosine_is_exact_far_out():
    """Entries near column n of a long transform, against integer arithmetic without overflow."""
    n = 2**31
    S = SRTT().operator(4, n, rng=0)
    S.__dict__["_selected"] = np.array([0, 1, n // 3, n - 1])  # drawing a permutation of n would take 16 GiB
    lo = n - 3
    signs = S._signs(lo, n)
    exact = np.array([[(2 * j + 1) * k % (4 * n) for j in range(lo, n)] for k in S._selected.tolist()])
    wanted = np.cos(2 * np.pi * (exact / (4 * n))) * np.sqrt(np.where(exact[:, :1] == 0, 1, 2) / n)
    np.testing.assert_allclose(S.columns(lo, n), wanted * signs * S.isometry_scale, rtol=0, atol=1e-15)


def test_transform_does_not_write_to_its_input():
    for name in ("dct", "hadamard"):
        S = SRTT(name).operator(16, 64, rng=0)
        for order in "CF":
            A = np.ones((64, 3), order=order)
            A.setflags(write=False)
            S._apply_all_rows(A)
            S.T.apply(A[:16])
            assert np.all(A == 1)


def test_transform_of_a_sparse_block():
    A = sparse.csr_array(np.eye(100, 5) - 2 * np.eye(100, 5, k=-50))
    for name in ("dct", "hadamard"):
        S = SRTT(name).operator(16, 100, rng=0)
        found = S._apply_all_rows(A)
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, S.toarray() @ A.toarray(), atol=1e-13)


# -- sampling -------------------------------------------------------------------------------------


@pytest.mark.parametrize("replace", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_sampling_takes_rows(replace, weighted):
    n, d = 50, 20
    p = np.arange(n) / (n * (n - 1) / 2)
    S = RowSampling(p if weighted else None, replace).operator(d, n, rng=0)
    assert S.indices.shape == (d,)
    assert replace or len(set(S.indices)) == d
    p = p if weighted else np.full(n, 1 / n)
    scale = (d * p if replace else S.inclusion_probabilities)[S.indices] ** -0.5
    A = np.random.default_rng(0).standard_normal((n, 3))
    np.testing.assert_allclose(S.apply(A), scale[:, None] * A[S.indices], rtol=1e-13)
    wanted = 1 - (1 - p) ** d if replace else inclusion_probabilities(p, d)
    np.testing.assert_allclose(S.inclusion_probabilities, wanted, rtol=1e-12, atol=1e-15)


def test_certain_row():
    with np.errstate(all="raise"):
        for replace in (True, False):
            S = RowSampling([0, 1, 0], replace).operator(1, 3, rng=0)
            assert S.indices.tolist() == [1]
            assert S.inclusion_probabilities.tolist() == [0, 1, 0]
            assert S.toarray().tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("u, index", [(0.0, 1), (0.5, 3), (np.nextafter(1, 0), 3)])
def test_rows_of_probability_zero_are_not_drawn(u, index, monkeypatch):
    """Not even by the smallest and the largest number, and the borders belong to the right."""

    class Constant:
        def random(self, size):
            return np.full(size, u)

    monkeypatch.setattr(Stream, "generator", lambda self, purpose, i=0, j=0: Constant())
    S = RowSampling([0, 0.5, 0, 0.5, 0]).operator(2, 5, rng=Stream(0))
    assert S.indices.tolist() == [index, index]


@pytest.mark.parametrize(
    "p, size, wanted",
    [
        ([0.25] * 4, 2, [0.5] * 4),
        ([0.25] * 4, 4, [1] * 4),
        ([0.7, 0.1, 0.1, 0.1], 1, [0.7, 0.1, 0.1, 0.1]),
        ([0.7, 0.1, 0.1, 0.1], 2, [1, 1 / 3, 1 / 3, 1 / 3]),
        ([0.6, 0.3, 0.05, 0.05], 3, [1, 1, 0.5, 0.5]),
        ([0.9, 0.1, 0, 0], 2, [1, 1, 0, 0]),
        ([1e-300, 1 - 1e-300], 2, [1, 1]),
        ([0.5, 0.5, 0], 1, [0.5, 0.5, 0]),
    ],
)
def test_inclusion_probabilities(p, size, wanted):
    np.testing.assert_allclose(inclusion_probabilities(np.array(p), size), wanted, rtol=1e-14)


@pytest.mark.parametrize("spread", [0.1, 1.0, 5.0])
def test_inclusion_probabilities_solve_the_equation(spread):
    rng = np.random.default_rng(0)
    for n in (1, 2, 10, 1000):
        p = rng.lognormal(sigma=spread, size=n)
        for size in {1, max(n // 3, 1), n - 1 or 1, n}:
            pi = inclusion_probabilities(p / p.sum(), size)
            assert abs(pi.sum() - size) <= 1e-12 * n
            free = pi < 1
            assert np.all(pi <= 1)
            if free.any():
                c = pi[free] / p[free]
                np.testing.assert_allclose(c, c[0], rtol=1e-12)
                assert np.all(c[0] * p[~free] >= 1 - 1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 10, 257, 10_000])
def test_pivotal_sample_has_its_size(n):
    rng = np.random.default_rng(n)
    for seed in range(20):
        size = int(rng.integers(1, n + 1))
        pi = inclusion_probabilities(rng.lognormal(sigma=3, size=n), size)
        sample = pivotal_sample(pi, Stream(seed))
        assert len(sample) == size
        assert np.all(np.diff(sample) > 0)
        assert np.isin(np.flatnonzero(pi == 1), sample).all()
        assert np.all(pi[sample] > 0)
