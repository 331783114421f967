"""What must not grow with the data, leak, or leave the range of a dtype in silence."""

import threading
import tracemalloc

import numpy as np
import pytest
from scipy import sparse

from sklr._backend import RowChunks, as_operand, centered, ordered, session, threads, tiles
from sklr.sketch import SRTT


def peak_megabytes(call):
    """Largest amount of memory that NumPy held for `call` beyond what there was."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def sparse_with_constant_column(n_rows, n_columns):
    A = sparse.random_array((n_rows, n_columns), density=2 / n_columns, format="lil", random_state=0)
    A[:, [0]] = 1.0
    return A.tocsr()


def test_dense_passes_over_sparse_tiles_are_bounded():
    """Catches a whole sparse tile made dense where the rank-one form has cancelled: 80 MB here."""
    A = sparse_with_constant_column(20_000, 500)
    D = A.toarray()
    reference = D - D.mean(axis=0)
    G = np.empty(0)

    def call():
        nonlocal G
        G = centered(A).gram(n_threads=1)

    assert peak_megabytes(call) < 40
    np.testing.assert_allclose(G, reference.T @ reference, atol=1e-9)


def test_transform_of_sparse_columns_is_bounded():
    """Catches a whole CSC tile made dense for a fast transform: 128 MB here."""
    A = sparse.random_array((4000, 4000), density=5e-4, format="csc", random_state=0)
    S = SRTT().operator(20, 4000, rng=0)
    assert peak_megabytes(lambda: S.apply(A, n_threads=1)) < 40
    np.testing.assert_allclose(S.apply(A), S.toarray() @ A.toarray(), atol=1e-12)


@pytest.mark.parametrize("nnz", [40_000, 200_000, 2_000_000])
def test_small_sparse_data_have_several_tiles(nnz):
    """Catches sparse data in one tile, on which two threads are one and equal bits prove nothing."""
    indptr = np.linspace(0, nnz, 5001).astype(int)
    bounds = tiles.sparse_row_bounds(indptr)
    assert len(bounds) - 1 >= min(nnz // tiles.MIN_TILE_NNZ, tiles.N_TILES)
    assert bounds[0] == 0 and bounds[-1] == 5000 and np.all(np.diff(bounds) > 0)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("as_sparse", [False, True])
def test_a_factory_that_refills_one_buffer_is_refused(n_threads, as_sparse):
    """Catches sums over chunks that were overwritten while another thread was computing."""
    X = np.random.default_rng(0).standard_normal((600, 7))

    def factory():
        buffer = np.empty((100, 7))
        matrix = sparse.csr_array(np.ones((100, 7)))
        for i in range(0, 600, 100):
            buffer[:] = X[i : i + 100]
            matrix.data[:] = buffer.ravel()
            yield matrix if as_sparse else buffer

    chunks = RowChunks(factory, X.shape)
    with pytest.raises(ValueError, match=r"Chunk 1 of X lies where chunk 0 did.*copy"):
        as_operand(chunks).gram(n_threads=n_threads)


@pytest.mark.parametrize("order", ["C", "F"])
def test_slices_of_one_array_are_accepted_as_chunks(order):
    """Catches a check for shared memory that looks at bounds only."""
    X = np.asarray(np.random.default_rng(0).standard_normal((600, 7)), order=order)
    chunks = RowChunks(lambda: (X[i : i + 100] for i in range(0, 600, 100)), X.shape)
    np.testing.assert_allclose(as_operand(chunks).gram(), X.T @ X)


def test_a_pool_without_threads_is_no_failure(monkeypatch):
    """Catches helpers counted although they could not be started: the core would be lost for ever."""

    class Exhausted:
        def submit(self, *args):
            raise RuntimeError("can't start new thread")

        def shutdown(self, wait):
            pass

    workers = threads._Workers()
    workers._pool, workers._pool_size = Exhausted(), 8
    monkeypatch.setattr(threads, "_workers", workers)
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    found = []
    with session(4):
        ordered(lambda i: i, range(10), found.append)
    assert found == list(range(10))
    assert workers.active == 0


@pytest.mark.parametrize("verb", ["gram", "normal_matmat"])
@pytest.mark.parametrize(
    ("dtype", "scale", "word"),
    [
        (np.float32, 1e-20, "small"),
        (np.float32, 1e19, "large"),
        (np.float64, 1e-148, "small"),
        (np.float64, 1e151, "large"),
    ],
)
def test_squares_outside_the_range_are_refused(verb, dtype, scale, word):
    """Catches zeros, infinities and lost digits where A^T A leaves the range of the dtype."""
    A = as_operand((np.random.default_rng(0).standard_normal((50, 4)) * scale).astype(dtype))
    arguments = () if verb == "gram" else (np.eye(4),)
    with pytest.raises(ValueError, match=rf"^X has Frobenius norm .* too {word} .*Divide X"):
        getattr(A, verb)(*arguments)


def test_squares_that_are_all_zero_are_refused():
    """Catches a norm of zero, and so a perfect certificate, for data that are not zero."""
    with pytest.raises(ValueError, match="The squares of X underflow: its largest entry is 1e-170"):
        as_operand(np.full((5, 4), 1e-170)).squared_norm()
    assert as_operand(np.zeros((5, 4))).squared_norm() == 0


@pytest.mark.parametrize("n_threads", [1, 2])
def test_an_interrupt_is_not_swallowed(n_threads):
    """Catches Ctrl-C that turns into the error of an earlier task, which a program may catch and go on."""
    second_runs = threading.Event()

    def compute(i):
        if i == 0:
            second_runs.wait(0.2)
            raise ValueError("an ordinary error")
        second_runs.set()
        raise KeyboardInterrupt

    expected = KeyboardInterrupt if n_threads == 2 and threads.cpu_count() > 1 else ValueError
    with session(n_threads), pytest.raises(expected):
        ordered(compute, [0, 1])
