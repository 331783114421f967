"""The truncated SVD of a matrix that grows, against LAPACK's of the whole matrix."""

import copy
import pickle

import numpy as np
import pytest
from scipy import sparse

from sklr._backend import session
from sklr.linalg.updating import UpdatableSVD

EPS = np.finfo(float).eps


def off_orthonormal(V):
    """Largest deviation of the inner products of the columns of V from those of unit vectors."""
    V = np.asarray(V, dtype=np.float64)
    return np.abs(V.T @ V - np.eye(V.shape[1])).max(initial=0)


def product(svd):
    """U diag(s) V^T as an array."""
    return (svd.left_vectors.astype(float) * svd.singular_values) @ svd.right_vectors.astype(float)


def random_sparse(m, n, seed, density=0.05):
    return sparse.random(m, n, density=density, format="csr", random_state=seed)


def bits(svd):
    parts = (svd.singular_values, svd.right_vectors, svd.left_vectors)
    return [None if part is None else part.tobytes() for part in parts]


def state(svd):
    """Everything that the object knows, for tests that nothing has changed."""
    return pickle.dumps(svd)


def topics(n_rows, n, seed, n_topics=12, length=30):
    """Sparse rows of unit length drawn from topics of falling weight: a spectrum that decays."""
    rng = np.random.default_rng(seed)
    words = rng.permutation(n).reshape(n_topics, -1)
    weights = 0.75 ** np.arange(n_topics)
    of_row = rng.choice(n_topics, n_rows, p=weights / weights.sum())
    rank = rng.zipf(1.5, (n_rows, length)) % words.shape[1]
    A = sparse.csr_array(
        (
            np.ones(n_rows * length),
            (np.repeat(np.arange(n_rows), length), words[of_row[:, None], rank].ravel()),
        ),
        shape=(n_rows, n),
    )
    return sparse.csr_array(A / sparse.linalg.norm(A, axis=1)[:, None])


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_matrix, sparse.coo_array])
@pytest.mark.parametrize("seed", range(4))
def test_exact_while_the_rank_allows(form, seed, lapack_svd, sine_between):
    """Any wrong block of K, a side not rotated with the other, changes that meet in a wrong order."""
    rng = np.random.default_rng(seed)
    m, n, k = 15, 40, 24
    left, right = rng.standard_normal((200, 8)), rng.standard_normal((200, 8))
    A = left[:m] @ right[:n].T
    svd = UpdatableSVD(*np.linalg.svd(A, full_matrices=False), k=k, squared_norm=np.linalg.norm(A) ** 2)
    n_changes = 0
    for _ in range(40):
        t = int(rng.integers(1, 6))
        kind = rng.choice(["rows", "columns", "low rank"], p=[0.45, 0.45, 0.1])
        if kind == "rows":
            E = left[m : m + t] @ right[:n].T
            svd.add_rows(form(E))
            A, m = np.vstack([A, E]), m + t
        elif kind == "columns":
            E = left[:m] @ right[n : n + t].T
            svd.add_columns(form(E))
            A, n = np.hstack([A, E]), n + t
        elif n_changes < 7:
            n_changes += 1
            D, E = (
                np.where(rng.random((size, 1)) < 0.3, rng.standard_normal((size, 1)), 0) for size in (m, n)
            )
            svd.add_low_rank(form(D), form(E))
            A = A + D @ E.T
        assert svd.shape == A.shape
        assert len(svd.singular_values) <= k
    s, Vt = lapack_svd(A)
    r = int(np.sum(s > 1e-9 * s[0]))
    assert r <= k
    scale = s[0]
    np.testing.assert_allclose(svd.singular_values[:r], s[:r], rtol=0, atol=1e-10 * scale)
    assert np.abs(product(svd) - A).max() < 1e-10 * scale
    assert sine_between(svd.right_vectors[:r], Vt[:r]) < 1e-8
    assert off_orthonormal(svd.right_vectors.T) < 1e-11
    assert off_orthonormal(svd.left_vectors) < 1e-11


@pytest.mark.parametrize("keep_left", [True, False])
def test_rank_grows_from_nothing_to_the_cap(keep_left, lapack_svd):
    """Zero vectors or values made up for a matrix that has none yet; a cap that is passed or not reached."""
    A = random_sparse(30, 200, 0, 0.1)
    svd = UpdatableSVD.zeros((0, 200), 12, keep_left=keep_left)
    assert svd.shape == (0, 200)
    assert svd.right_vectors.shape == (0, 200)
    assert svd.squared_norm == svd.error_bound == 0
    for i in range(30):
        svd.add_rows(A[[i]])
        assert len(svd.singular_values) == min(i + 1, 12)
        if i < 12:
            np.testing.assert_allclose(svd.singular_values, lapack_svd(A[: i + 1].toarray())[0], atol=1e-12)
            assert svd.error_bound < 1e-6 * np.sqrt(svd.squared_norm)
        assert off_orthonormal(svd.right_vectors.T) < 1e-12
    assert svd.shape == (30, 200)
    if keep_left:
        assert svd.left_vectors.shape == (30, 12)
    else:
        assert svd.left_vectors is None


def test_columns_are_the_rows_of_the_transpose():
    """A side of its own for columns, with faults of its own."""
    A = random_sparse(60, 90, 1)
    by_rows, by_columns = UpdatableSVD.zeros((0, 60), 8), UpdatableSVD.zeros((60, 0), 8)
    for lo in range(0, 90, 7):
        by_rows.add_rows(A.T[lo : lo + 7])
        by_columns.add_columns(A[:, lo : lo + 7])
    assert by_columns.shape == by_rows.shape[::-1] == (60, 90)
    np.testing.assert_allclose(by_columns.singular_values, by_rows.singular_values, rtol=1e-12)
    np.testing.assert_allclose(product(by_columns), product(by_rows).T, atol=1e-12)
    assert by_columns.error_bound == pytest.approx(by_rows.error_bound, rel=1e-9)


@pytest.mark.parametrize("sparse_rows", [True, False])
def test_orthonormal_after_300_updates(sparse_rows, seed):
    """Loss of orthonormality that adds up; an estimate of it that is below the loss."""
    rng = np.random.default_rng(seed)
    svd = UpdatableSVD.zeros((0, 300), 10)
    B = 0.8 ** np.arange(60)[:, None] * rng.standard_normal((60, 300))
    for step in range(300):
        t = int(rng.integers(1, 6))
        # Dense rows: close to a span of low dimension, so that what they add is short.
        E = (
            random_sparse(t, 300, seed + 1000 * step, 0.03)
            if sparse_rows
            else rng.standard_normal((t, 60)) @ B
        )
        svd.add_rows(E)
        if step % 50 == 49:
            for vectors, side in ((svd.right_vectors.T, svd._right), (svd.left_vectors, svd._left)):
                assert off_orthonormal(vectors) < 1e-11
                assert off_orthonormal(vectors) < 10 * max(side.loss, side.eps / side.fresh)
    assert len(svd.singular_values) == 10


@pytest.mark.parametrize("distance", [1e-2, 1e-4, 1e-6, 1e-8, 1e-11, 0])
def test_rows_nearly_in_the_span(distance, lapack_svd):
    """A distance lost in the difference of squares, or its rounding taken for a new direction."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((5, 120))
    A = rng.standard_normal((6, 5)) @ basis
    svd = UpdatableSVD.zeros((0, 120), 20).add_rows(A)
    for _ in range(12):
        E = rng.standard_normal((2, 5)) @ basis
        E[0] += distance * rng.standard_normal(120) * np.linalg.norm(E[0]) / np.sqrt(120)
        A = np.vstack([A, E])
        svd.add_rows(E)
        assert off_orthonormal(svd.right_vectors.T) < 1e-10
    s = lapack_svd(A)[0]
    r = len(svd.singular_values)
    assert r == (5 if distance < 1e-7 else 17)
    # A new direction is known to eps / distance; one that is dropped is as long as the distance.
    error = 100 * EPS / distance if r == 17 else 3 * distance
    assert np.abs(product(svd) - A).max() < (error + 1e-12) * s[0]
    assert np.abs(svd.singular_values - s[:r]).max() < 1e-10 * s[0]
    assert np.linalg.norm(product(svd) - A) <= svd.error_bound < 1e-5 * s[0]


def test_loss_of_orthonormality_is_no_new_direction():
    """Rows in the span, whose distance from it is what the vectors have lost, taken for new directions."""
    basis = np.random.default_rng(1).standard_normal((6, 40))
    for sign in (1, -1):
        svd = UpdatableSVD.zeros((0, 40), 12).add_rows(basis[:5])
        svd._right.base *= 1 + sign * 5e-13
        svd._right.loss = 2e-12
        svd.add_rows(basis[:3] + basis[1:4])
        assert len(svd.singular_values) == 5
        assert off_orthonormal(svd.right_vectors.T) < 1e-14
        svd.add_rows(basis)
        assert len(svd.singular_values) == 6
        np.testing.assert_allclose(svd.right_vectors.T @ svd.right_vectors @ basis.T, basis.T, atol=1e-12)


def test_repeated_and_zero_rows(lapack_svd):
    """Directions from rounding errors where rows add none: repeated within a block, later, or zero."""
    A = random_sparse(9, 150, 2, 0.1)
    zero = sparse.csr_array((3, 150))
    svd = UpdatableSVD.zeros((0, 150), 15).add_rows(zero)
    assert len(svd.singular_values) == 0
    parts = [A, A[:4], sparse.vstack([A[[1, 1, 1]], zero, 2 * A[[5]]]), zero, A]
    for part in parts:
        svd.add_rows(part)
    whole = sparse.vstack([zero, *parts]).toarray()
    assert svd.shape == whole.shape
    assert len(svd.singular_values) == 9
    np.testing.assert_allclose(svd.singular_values, lapack_svd(whole)[0][:9], rtol=1e-12)
    np.testing.assert_allclose(product(svd), whole, atol=1e-12)


def test_a_change_taken_back():
    """Values and vectors that cancelled and are kept as if they were there."""
    rng = np.random.default_rng(3)
    D, E = rng.standard_normal((30, 4)), rng.standard_normal((50, 4))
    A = random_sparse(20, 50, 3, 0.3)
    svd = UpdatableSVD.zeros((30, 50), 40).add_low_rank(np.eye(30, 20), A.T)
    A = np.vstack([A.toarray(), np.zeros((10, 50))])
    before = product(svd)
    np.testing.assert_allclose(before, A, atol=1e-13)
    rank = len(svd.singular_values)
    svd.add_low_rank(D, E)
    assert svd.squared_norm == pytest.approx(np.linalg.norm(A + D @ E.T) ** 2, rel=1e-12)
    svd.add_low_rank(-D, E)
    np.testing.assert_allclose(product(svd), before, atol=1e-12)
    assert len(svd.singular_values) == rank == 20
    svd.add_low_rank(np.eye(30), -A.T)
    assert np.abs(product(svd)).max() < 1e-12
    svd.add_columns(A[:, :5])
    np.testing.assert_allclose(product(svd)[:, 50:], A[:, :5], atol=1e-12)


@pytest.mark.parametrize("block", [1, 4, 30, 700])
def test_values_from_below_and_the_error_bounded(block, lapack_svd, error_of):
    """A value above its true one, an error above its bound; rows of a block that is split and forgotten."""
    A = topics(700, 480, 4)
    dense = A.toarray()
    svd = UpdatableSVD.zeros((0, 480), 10)
    for lo in range(0, 700, block):
        svd.add_rows(A[lo : lo + block])
    s = lapack_svd(dense)[0]
    assert np.all(svd.singular_values <= s[:10] * (1 + 1e-12))
    assert svd.squared_norm == pytest.approx(np.linalg.norm(dense) ** 2, rel=1e-12)
    assert np.linalg.norm(dense - product(svd)) == pytest.approx(svd.error_bound, rel=1e-5)
    assert error_of(dense, svd.right_vectors) <= svd.error_bound
    captured = np.sum(svd.singular_values**2)
    assert svd.error_bound**2 == pytest.approx(svd.squared_norm - captured, rel=1e-5)


def test_error_bound_of_mixed_changes():
    """Errors of rows and of columns taken for orthogonal, which they are not."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        A = rng.standard_normal((12, 12))
        U, s, Vt = np.linalg.svd(A)
        svd = UpdatableSVD(U[:, :3], s[:3], Vt[:3], squared_norm=np.linalg.norm(A) ** 2)
        for _ in range(6):
            if rng.random() < 0.5:
                E = rng.standard_normal((2, A.shape[1]))
                svd.add_rows(E)
                A = np.vstack([A, E])
            else:
                E = rng.standard_normal((A.shape[0], 2))
                svd.add_columns(E)
                A = np.hstack([A, E])
            assert np.linalg.norm(A - product(svd)) <= svd.error_bound * (1 + 1e-10)
        # Columns enough for several blocks.
        D, E = rng.standard_normal((A.shape[0], 150)), rng.standard_normal((A.shape[1], 150))
        svd.add_low_rank(D, E)
        assert np.linalg.norm(A + D @ E.T - product(svd)) <= svd.error_bound * (1 + 1e-10)
        assert svd.squared_norm is None


def test_error_bound_of_errors_that_are_parallel():
    """The root of the sum of squares taken for a bound: the same small change dropped again and again."""
    e = np.eye(6)
    svd = UpdatableSVD.zeros((6, 6), 1).add_low_rank(10 * e[:, :1], e[:, :1])
    for i in range(1, 5):
        svd.add_low_rank(e[:, 1:2], e[:, 1:2])
        np.testing.assert_allclose(svd.singular_values, [10])
        assert svd.error_bound == pytest.approx(i)


def test_many_rows_are_taken_in_by_blocks(monkeypatch):
    """The cube of the number of rows."""
    sizes = []
    step = UpdatableSVD._step
    monkeypatch.setattr(UpdatableSVD, "_step", lambda self, D, E, t: sizes.append(t) or step(self, D, E, t))
    UpdatableSVD.zeros((0, 100), 70).add_rows(random_sparse(215, 100, 0))
    assert sizes == [53, 54, 54, 54]
    UpdatableSVD.zeros((0, 100), 3).add_rows(random_sparse(64, 100, 0))
    assert sizes[4:] == [64]


def test_close_to_the_batch_where_the_spectrum_decays(lapack_svd):
    """Truncations that drop what the leading values need."""
    A = topics(2000, 600, 6)
    svd = UpdatableSVD.zeros((0, 600), 40)
    for lo in range(0, 2000, 50):
        svd.add_rows(A[lo : lo + 50])
    s = lapack_svd(A.toarray())[0]
    assert np.all(svd.singular_values[:10] > 0.99 * s[:10])


def test_float32_stays_float32(lapack_svd):
    """A result in another precision, or limits of float64 that turn float32 rounding into directions."""
    A = topics(400, 480, 7).astype(np.float32)
    svd = UpdatableSVD.zeros((0, 480), 12, dtype=np.float32)
    for lo in range(0, 400, 8):
        svd.add_rows(A[lo : lo + 8])
    assert svd.singular_values.dtype == svd.right_vectors.dtype == svd.left_vectors.dtype == np.float32
    assert off_orthonormal(svd.right_vectors.T) < 2e-5
    assert off_orthonormal(svd.left_vectors) < 2e-5
    s = lapack_svd(A.toarray())[0]
    assert np.all(svd.singular_values <= s[:12] * (1 + 1e-4))
    assert np.all(svd.singular_values[:3] > 0.98 * s[:3])
    again = UpdatableSVD.zeros((0, 480), 12, dtype=np.float32)
    again.add_rows(A[:10].astype(np.float64)).add_rows(A[:10])
    assert len(again.singular_values) == np.linalg.matrix_rank(A[:10].toarray())


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array])
def test_float32_beyond_the_range_of_its_squares(form, lapack_svd):
    """Inner products of rows that overflow in float32."""
    A = np.random.default_rng(8).standard_normal((6, 30)).astype(np.float32)
    svd = UpdatableSVD.zeros((0, 30), 6, dtype=np.float32).add_rows(form(1e25 * A))
    np.testing.assert_allclose(svd.singular_values / 1e25, lapack_svd(A)[0], rtol=1e-5)


def test_integers_are_computed_in_float64(lapack_svd):
    """Products of small integers that wrap around."""
    A = np.random.default_rng(8).integers(-100, 100, (12, 30)).astype(np.int8)
    svd = UpdatableSVD.zeros((0, 30), 12).add_rows(A[:5]).add_rows(sparse.csr_matrix(A[5:]))
    assert svd.right_vectors.dtype == np.float64
    np.testing.assert_allclose(svd.singular_values, lapack_svd(A)[0], rtol=1e-12)


def test_an_update_touches_only_its_columns():
    """Work, or rounding, on all rows of V_0 where an update concerns a few."""
    A = random_sparse(200, 500, 9, 0.2)
    svd = UpdatableSVD.zeros((0, 500), 6).add_rows(A)
    with session():
        svd._renew(svd._right)
    base = svd._right.base
    before = base.copy()
    E = sparse.csr_array(([1.0, 2.0, 0.5], [3, 77, 400], [0, 2, 3]), shape=(2, 500))
    svd.add_rows(E)
    assert svd._right.base is base
    changed = np.flatnonzero(np.any(base != before, axis=1))
    assert changed.tolist() == [3, 77, 400]


def test_rows_appended_one_by_one_are_seldom_copied():
    """Storage that is copied whole for every row: quadratic time."""
    svd = UpdatableSVD.zeros((0, 50), 4)
    stores = set()
    keep = []
    for i in range(500):
        svd.add_rows(random_sparse(1, 50, i, 0.2))
        if id(svd._left.base) not in stores:
            stores.add(id(svd._left.base))
            keep.append(svd._left.base)  # so that no other array gets its id
    assert len(stores) < 12
    assert svd.left_vectors.shape == (500, 4)


def test_to_look_changes_nothing():
    """Vectors that are multiplied out, and so rounded, when they are read, or shared with the reader."""
    A = topics(200, 480, 10)
    plain, watched = UpdatableSVD.zeros((0, 480), 8), UpdatableSVD.zeros((0, 480), 8)
    for lo in range(0, 200, 10):
        plain.add_rows(A[lo : lo + 10])
        watched.add_rows(A[lo : lo + 10])
        watched.right_vectors[:] = 0
        watched.left_vectors[:] = 0
        watched.singular_values[:] = 0
    assert bits(plain) == bits(watched)


def test_pickle_midway():
    """A part of the state that is not in the pickle, or that a copy shares."""
    A = topics(300, 480, 11)
    svd = UpdatableSVD.zeros((0, 480), 9)
    for lo in range(0, 150, 10):
        svd.add_rows(A[lo : lo + 10])
    twin, other = pickle.loads(pickle.dumps(svd)), copy.deepcopy(svd)
    for lo in range(150, 300, 10):
        for one in (svd, twin, other):
            one.add_rows(A[lo : lo + 10])
    assert bits(svd) == bits(twin) == bits(other)
    assert svd.error_bound == twin.error_bound


def test_same_bits_on_any_number_of_threads(at_any_threads):
    """LAPACK on several threads, or tiles that depend on their number."""
    A = random_sparse(400, 20000, 12, 0.003)

    def call(n_threads):
        svd = UpdatableSVD.zeros((0, 20000), 30, n_threads=n_threads)
        for lo in range(0, 400, 80):
            svd.add_rows(A[lo : lo + 80])
        with session(n_threads):
            svd._renew(svd._right)
        return bits(svd.add_low_rank(A[:, :3].sum(axis=1).reshape(-1, 1), A[[0]].T))

    one, two = at_any_threads(call)
    assert one == two


def test_scale_forgets():
    """A factor that a part of the state does not get."""
    A = topics(100, 480, 13)
    svd = UpdatableSVD.zeros((0, 480), 6)
    weights = []
    for lo in range(0, 100, 10):
        svd.scale(0.9).add_rows(A[lo : lo + 10])
        weights = [0.9 * w for w in weights] + [1.0] * 10
    weighted = A.toarray() * np.array(weights)[:, None]
    assert svd.squared_norm == pytest.approx(np.linalg.norm(weighted) ** 2, rel=1e-12)
    assert np.linalg.norm(weighted - product(svd)) == pytest.approx(svd.error_bound, rel=1e-5)
    for bad in (0, -1.0, np.inf, np.nan, "2", True):
        with pytest.raises(ValueError, match="factor must be a positive finite number"):
            svd.scale(bad)


def test_start_from_svds_in_any_order(lapack_svd):
    """Values of SciPy, which ascend, taken as they come; a start without left vectors."""
    A = random_sparse(80, 120, 14, 0.1)
    U, s, Vt = sparse.linalg.svds(A, 7, random_state=0)
    E = random_sparse(5, 120, 15, 0.1)
    whole = UpdatableSVD(U, s, Vt, squared_norm=sparse.linalg.norm(A) ** 2).add_rows(E)
    right_only = UpdatableSVD(None, s, Vt, n_rows=80).add_rows(E)
    assert whole.shape == right_only.shape == (85, 120)
    np.testing.assert_array_equal(whole.singular_values, right_only.singular_values)
    reference = np.vstack([(U * s) @ Vt, E.toarray()])
    np.testing.assert_allclose(whole.singular_values, lapack_svd(reference)[0][:7], rtol=1e-12)
    assert right_only.error_bound is None
    assert right_only.squared_norm is None
    difference = sparse.vstack([A, E]).toarray() - product(whole)
    assert np.linalg.norm(difference) == pytest.approx(whole.error_bound, rel=1e-10)


@pytest.mark.parametrize(
    ("E", "error", "match"),
    [
        (np.ones((2, 7)), ValueError, r"E must have shape \(t, 20\) .* got \(2, 7\)"),
        (np.ones(20), ValueError, "E must be two-dimensional"),
        (np.ones((0, 20)), ValueError, "E is empty"),
        (np.ones((2, 20), dtype=complex), ValueError, "Complex data"),
        (np.full((2, 20), "a"), TypeError, "E must hold numbers"),
        (np.full((200, 20), np.nan), ValueError, "E contains NaN"),
        (sparse.csr_array(([np.inf], [4], [0, 1]), shape=(1, 20)), ValueError, "row 0, column 4"),
        (np.full((1, 20), 1e39), ValueError, "E has entries beyond the range of float32"),
        (iter([]), TypeError, "iterator"),
    ],
)
def test_errors_leave_it_unchanged(E, error, match):
    """Half an update, or an error that LAPACK words."""
    A = random_sparse(12, 20, 16, 0.3).astype(np.float32)
    svd = UpdatableSVD.zeros((0, 20), 5, dtype=np.float32).add_rows(A)
    before = state(svd)
    with pytest.raises(error, match=match):
        svd.add_rows(E)
    if isinstance(E, np.ndarray) and E.ndim == 2 and E.shape[1] == 20:
        with pytest.raises(error, match=match.replace("E ", "D ")):
            svd.add_low_rank(np.resize(E, (12, len(E))) if len(E) else E[:, :12].T, np.ones((20, len(E))))
    assert state(svd) == before


def test_errors_name_the_other_shapes():
    """A transposed argument that broadcasts; a side that is not kept."""
    svd = UpdatableSVD.zeros((4, 6), 3)
    before = state(svd)
    with pytest.raises(ValueError, match=r"E must have shape \(4, t\)"):
        svd.add_columns(np.ones((2, 4)))
    with pytest.raises(ValueError, match=r"E must have shape \(6, 2\)"):
        svd.add_low_rank(np.ones((4, 2)), np.ones((6, 1)))
    assert state(svd) == before
    right_only = UpdatableSVD.zeros((0, 6), 3, keep_left=False)
    for call in (
        lambda: right_only.add_columns(np.ones((1, 1))),
        lambda: right_only.add_low_rank(np.ones((1, 1)), np.ones((6, 1))),
    ):
        with pytest.raises(ValueError, match="needs the left singular vectors.*pass left_vectors"):
            call()


@pytest.mark.parametrize(
    ("arguments", "options", "match"),
    [
        ((None, [2.0, 1.0], np.eye(2, 5)), {}, "n_rows must be given"),
        ((np.eye(4, 2), [2.0, 1.0], np.eye(2, 5)), {"n_rows": 3}, "n_rows is 3, but left_vectors has 4"),
        ((np.eye(4, 2), [2.0, 1.0], np.eye(2, 5)), {"k": 1}, "k must be at least 2"),
        ((np.eye(4, 2), [2.0, -1.0], np.eye(2, 5)), {}, "singular_values must be"),
        (
            (np.eye(4, 2), [2.0, 1.0, 1.0], np.eye(2, 5)),
            {},
            "right_vectors must be 2-D with one row for each of 3",
        ),
        (
            (np.eye(4, 3), [2.0, 1.0], np.eye(2, 5)),
            {},
            "left_vectors must be 2-D with one column for each of 2",
        ),
        ((np.eye(4, 2), [2.0, 1.0], 2 * np.eye(2, 5)), {}, r"right_vectors must be orthonormal.* 3\.0e\+00"),
        ((np.eye(4, 2), [2.0, 1.0], np.full((2, 5), np.nan)), {}, "right_vectors contains NaN"),
        ((np.eye(4, 2), [2.0, 1.0], np.eye(2, 5)), {"squared_norm": 2.2}, "squared_norm is 2.2, but"),
    ],
)
def test_impossible_starts(arguments, options, match):
    """A start that does not fit together, found out in the first update or never."""
    with pytest.raises(ValueError, match=match):
        UpdatableSVD(*arguments, **options)


def test_a_change_may_be_parallel_to_what_the_start_lacks():
    """An error of the start that is taken for orthogonal to a later one."""
    e = np.eye(2)
    svd = UpdatableSVD(e[:, :1], [3.0], e[:1], squared_norm=10.0)
    svd.add_low_rank(e[:, 1:], 2 * e[:, 1:])
    approximation = (svd.left_vectors * svd.singular_values) @ svd.right_vectors
    error = np.linalg.norm(np.diag([3.0, 3.0]) - approximation)
    assert error <= svd.error_bound * (1 + 1e-12)
