"""Running states of rows in chunks: exactness, bounds, merging and forgetting, against LAPACK."""

import pickle

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import FrequentDirections, RunningGram, UpdatedRows, streaming

M, N, K = 700, 40, 5
EPS = np.finfo(float).eps


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks that the chunks here fill."""
    monkeypatch.setattr(streaming, "_BLOCK_ROWS", 256)


def data(mean=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((M, N)) * 0.9 ** np.arange(N) + mean


def states(center=False, dtype=np.float64):
    """One of each kind."""
    kinds = [
        RunningGram(N, center=center, dtype=dtype),
        FrequentDirections(N, 24, center=center, dtype=dtype),
    ]
    return kinds if center else [*kinds, UpdatedRows(N, 24, dtype=dtype)]


def matrix_of(X, center, weight=None):
    """The matrix A that a state stands for."""
    w = np.ones(len(X)) if weight is None else weight
    X = X.astype(np.float64)
    if center:
        X = X - w @ X / w.sum()
    return X * np.sqrt(w)[:, None]


def fed(state, X, size, weight=None, form=np.asarray):
    for lo in range(0, len(X), size):
        rows = slice(lo, lo + size)
        state.add(form(X[rows]), None if weight is None else weight[rows])
    return state


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("size", [7, 255, 256, 300, M])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array, np.asfortranarray])
def test_the_running_gram_matrix_is_exact(form, size, center, weighted):
    """Rows lost between blocks, a mean of chunks that is not that of rows, weights that are squared."""
    X = data(mean=5.0)
    weight = np.random.default_rng(1).random(M) if weighted else None
    A = matrix_of(X, center, weight)
    state = fed(RunningGram(N, center=center), X, size, weight, form)
    np.testing.assert_allclose(state.gram, A.T @ A, atol=1e-12 * np.sum(A**2))
    mean = X.mean(0) if weight is None else weight @ X / weight.sum()
    np.testing.assert_allclose(state.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(state.squared_norm, np.sum(A**2), rtol=1e-12)
    np.testing.assert_allclose(state.weight, M if weight is None else weight.sum(), rtol=1e-13)
    found, s = state.low_rank(K), np.linalg.svd(A)[1]
    np.testing.assert_allclose(found.singular_values, s[:K], rtol=1e-10)
    V = found.right_vectors.T
    np.testing.assert_allclose(np.linalg.norm(A @ V, axis=0), s[:K], rtol=1e-10)
    assert (state.n_rows, state.n_chunks) == (M, -(-M // size))


@pytest.mark.parametrize("spread", [1.0, 1e-6])
def test_a_large_mean_costs_no_digits(spread):
    """A^T A - m mean mean^T, which has none left at a mean of 1e6 times the spread."""
    X = 1.0 + spread * data()
    A = matrix_of(X, True)
    found = fed(RunningGram(N, center=True), X, 50).low_rank(K)
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(A)[1][:K], rtol=1e-7)


def test_chunks_that_drift():
    """Chunks that are centred about their own means, without what lies between these."""
    X = data() + np.arange(M)[:, None] / 10
    A = matrix_of(X, True)
    for state in states(center=True):
        found = fed(state, X, 100).low_rank(K)
        np.testing.assert_allclose(found.singular_values[0], np.linalg.svd(A)[1][0], rtol=1e-6)


def spectral_gaps(state, A):
    """Eigenvalues of A^T A - B^T B."""
    B = state.settled()._B[: state.settled()._filled].astype(np.float64)
    return np.linalg.eigvalsh(A.T @ A - B.T @ B)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("order", ["as it comes", "largest last", "orthogonal"])
def test_the_bound_of_frequent_directions(order, center, seed):
    """A reduction that is not counted, or of too few values, so that the bound by the tail does not hold.

    0 <= A^T A - B^T B <= D <= ||A - A_k||_F^2 / (l' - k) for every k < l', whatever the order of the rows.
    """
    X = data(seed=seed, mean=1.0)
    if order == "largest last":
        X = X[np.argsort(np.linalg.norm(X, axis=1))]
    elif order == "orthogonal":  # rows that have nothing in common
        X = np.vstack([np.diag(1 + 0.01 * np.arange(N)) for _ in range(5)])
    A = matrix_of(X, center)
    state = fed(FrequentDirections(N, 24, center=center), X, 33)
    gaps = spectral_gaps(state, A)
    rounding = 1e-12 * np.sum(A**2)
    assert -rounding <= gaps.min() and gaps.max() <= state.deviation + rounding
    tail = np.sum(np.linalg.svd(A)[1] ** 2) - np.cumsum(np.linalg.svd(A)[1] ** 2)
    for k in range(1, 12):
        assert state.deviation <= tail[k - 1] / (12 - k) + rounding
    found, s = state.low_rank(K), np.linalg.svd(A)[1][:K]
    assert np.all(found.singular_values <= s * (1 + 1e-12))
    assert np.all(s**2 <= found.singular_values**2 + state.deviation + rounding)
    V = found.right_vectors.T
    lost = np.sum(A**2) - np.linalg.norm(A @ V) ** 2
    assert lost <= state.squared_norm - found.captured + rounding


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("kind", range(3))
def test_merging(kind, center):
    """Means that are averaged without their weights, rows that wait, or an `other` that is changed."""
    if kind == 2 and center:
        pytest.skip("not centred")
    X = data(mean=3.0)
    A = matrix_of(X, center)
    s = np.linalg.svd(A)[1]
    cuts = [0, 3, 300, 301, M]
    parts = [fed(states(center)[kind], X[a:b], 70) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
    before = pickle.dumps(parts[3])
    left = fed(states(center)[kind], X[:3], 70).merge(parts[1]).merge(parts[2]).merge(parts[3])
    assert pickle.dumps(parts[3]) == before
    right = parts[0].merge(parts[1].merge(parts[2].merge(parts[3])))
    for state in (left, right):
        np.testing.assert_allclose(state.squared_norm, np.sum(A**2), rtol=1e-12)
        np.testing.assert_allclose(state.mean, X.mean(0), rtol=1e-12)
        assert (state.n_rows, state.weight) == (M, M)
        found = state.low_rank(K).singular_values
        np.testing.assert_allclose(found, s[:K], rtol=1e-10 if kind == 0 else 1e-3)
        if kind == 1:
            gaps = spectral_gaps(state, A)
            assert gaps.min() >= -1e-9 and gaps.max() <= state.deviation + 1e-9
            tail = np.sum(s[K:] ** 2)
            assert state.deviation <= tail / (12 - K)


@pytest.mark.parametrize("kind", range(3))
def test_an_empty_state_merges_as_nothing(kind):
    """A weight of zero that is divided by."""
    full = fed(states()[kind], data(), 100)
    expected = full.low_rank(K).singular_values
    np.testing.assert_array_equal(full.merge(states()[kind]).low_rank(K).singular_values, expected)
    other = states()[kind].merge(full).low_rank(K).singular_values
    np.testing.assert_allclose(other, expected, rtol=1e-12)


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("kind", range(3))
def test_forgetting_is_a_weighted_fit(kind, center):
    """A factor on singular values where it belongs on their squares, or rows that wait and do not fade."""
    if kind == 2 and center:
        pytest.skip("not centred")
    X, factor = data(mean=1.0), 0.8
    state = states(center)[kind]
    weight = np.empty(M)
    chunks = range(0, M, 90)
    for i, lo in enumerate(chunks):
        state.forget(factor).add(X[lo : lo + 90])
        weight[lo : lo + 90] = factor ** (len(chunks) - 1 - i)
    A = matrix_of(X, center, weight)
    np.testing.assert_allclose(state.squared_norm, np.sum(A**2), rtol=1e-12)
    np.testing.assert_allclose(state.weight, weight.sum(), rtol=1e-12)
    found = state.low_rank(K).singular_values
    np.testing.assert_allclose(found, np.linalg.svd(A)[1][:K], rtol=1e-10 if kind == 0 else 1e-3)
    if kind == 1:
        gaps = spectral_gaps(state, A)
        assert gaps.min() >= -1e-10 and gaps.max() <= state.deviation + 1e-10


@pytest.mark.parametrize("kind", range(3))
def test_to_look_changes_nothing(kind):
    """Rows that are taken in early because somebody looked, which changes the bits of what follows."""
    X = data()
    quiet, watched = states()[kind], states()[kind]
    for lo in range(0, M, 30):
        quiet.add(X[lo : lo + 30])
        watched.add(X[lo : lo + 30])
        watched.low_rank(min(K, lo + 1))
        assert watched.weight == lo + len(X[lo : lo + 30])
    np.testing.assert_array_equal(quiet.low_rank(K).right_vectors, watched.low_rank(K).right_vectors)


@pytest.mark.parametrize("kind", range(3))
def test_pickled_in_the_middle(kind):
    """Something of the state that is left behind."""
    X = data()
    whole = fed(states()[kind], X, 30)
    half = pickle.loads(pickle.dumps(fed(states()[kind], X[:360], 30)))
    np.testing.assert_array_equal(
        fed(half, X[360:], 30).low_rank(K).right_vectors, whole.low_rank(K).right_vectors
    )


@pytest.mark.parametrize("kind", range(3))
def test_the_same_bits_on_any_number_of_threads(kind):
    """A reduction whose order depends on the threads."""
    X = np.random.default_rng(0).standard_normal((3000, N))
    found = []
    for n_threads in (1, 2, 5):
        state = states()[kind]
        for lo in range(0, 3000, 700):
            state.add(X[lo : lo + 700], n_threads=n_threads)
        found.append(state.low_rank(K, n_threads=n_threads).right_vectors)
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


@pytest.mark.parametrize("kind", range(3))
def test_float32(kind):
    """Results in float64, or norms that are summed in float32."""
    X = data().astype(np.float32)
    found = fed(states(dtype=np.float32)[kind], X, 100).low_rank(K)
    assert found.singular_values.dtype == found.right_vectors.dtype == np.float32
    np.testing.assert_allclose(found.singular_values, np.linalg.svd(X)[1][:K], rtol=1e-3)
    np.testing.assert_allclose(found.squared_norm, np.sum(X.astype(np.float64) ** 2), rtol=1e-6)


@pytest.mark.parametrize("kind", range(3))
def test_zeros_and_fewer_directions_than_asked_for(kind):
    """Divisions by zero, or vectors that are not orthonormal where there is nothing."""
    for X, rank in [(np.zeros((20, N)), 0), (np.outer(np.arange(20.0), np.ones(N)), 1)]:
        found = fed(states()[kind], X, 6).low_rank(K)
        np.testing.assert_allclose(found.singular_values[rank:], 0, atol=1e-4)
        np.testing.assert_allclose(found.singular_values[:rank], np.linalg.svd(X)[1][:rank], rtol=1e-10)
        np.testing.assert_allclose(found.right_vectors @ found.right_vectors.T, np.eye(K), atol=1e-10)


@pytest.mark.parametrize("kind", range(3))
@pytest.mark.parametrize("size", [10, 400])
def test_a_bad_chunk_leaves_the_state_as_it_was(size, kind):
    """A chunk of which a part was taken in, or an error that does not say which chunk it was."""
    X = data()
    state = fed(states()[kind], X[:100], 50)
    before = pickle.dumps(state)
    bad = X[:size].copy()
    bad[7, 3] = np.nan
    with pytest.raises(ValueError, match=r"X \(chunk 2\) contains NaN: first seen at row 7, column 3"):
        state.add(bad)
    with pytest.raises(ValueError, match=r"X \(chunk 2\) has 39 columns, the chunks before it had 40"):
        state.add(X[:size, 1:])
    with pytest.raises(ValueError, match=r"X \(chunk 2\) is computed in float32.*float64"):
        state.add(X[:size].astype(np.float32))
    with pytest.raises(ValueError, match="Frobenius norm .* too large|squares of .* overflow"):
        state.add(X[:size] * 1e153)
    assert pickle.dumps(state) == before


def test_what_does_not_merge():
    """States of other matrices that are added up."""
    state = fed(RunningGram(N), data(), 100)
    for other, what in [
        (RunningGram(N - 1), "n_features is 40 here and 39"),
        (RunningGram(N, center=True), "center is False here and True"),
        (RunningGram(N, dtype=np.float32), "dtype is float64 here and float32"),
        (FrequentDirections(N, 10), "RunningGram, that a FrequentDirections"),
    ]:
        with pytest.raises(ValueError, match=what):
            state.merge(other)
    with pytest.raises(ValueError, match="sketch_size is 10 here and 12"):
        FrequentDirections(N, 10).merge(fed(FrequentDirections(N, 12), data(), 100))


def test_parameters():
    """Numbers that make no sense, found after an hour."""
    with pytest.raises(ValueError, match="There are no rows yet"):
        RunningGram(N).low_rank(2)
    with pytest.raises(ValueError, match="sketch_size must be"):
        FrequentDirections(N, 1)
    with pytest.raises(ValueError, match="dtype must be float32 or float64"):
        RunningGram(N, dtype=int)
    with pytest.raises(ValueError, match="needs an int for the number of components"):
        fed(FrequentDirections(N, 10), data(), 100).low_rank(0.9)
    for factor in (0, 1.5, np.nan):
        with pytest.raises(ValueError, match="factor must be in"):
            RunningGram(N).forget(factor)


def test_bad_weights_lose_no_rows():
    """Rows that wait and are dropped because a later chunk fails."""
    X = data()
    state = RunningGram(N).add(X[:10])
    for weight in (np.ones(3), -np.ones(10), np.full(10, np.nan), np.full(10, np.inf)):
        with pytest.raises(ValueError, match="weight must"):
            state.add(X[10:20], weight)
    with pytest.raises(ValueError, match="too large|overflow"):
        state.add(X, np.full(M, 1e305))
    np.testing.assert_allclose(state.gram, X[:10].T @ X[:10], atol=1e-12)
    with pytest.raises(ValueError, match="with itself"):
        state.merge(state)


def test_the_chunk_may_be_overwritten():
    """A view of the chunk that waits for others."""
    X = data()
    buffer, state = np.empty((10, N)), RunningGram(N)
    for lo in range(0, M, 10):
        buffer[:] = X[lo : lo + 10]
        weight = np.ones(10)
        state.add(buffer, weight)
        weight[:] = np.nan
    np.testing.assert_allclose(state.gram, X.T @ X, atol=1e-10)
