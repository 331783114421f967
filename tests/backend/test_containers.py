"""Containers: passes, what is read when, memory, and the errors for data that are not as they should be."""

import contextlib
import gc
import mmap
import re
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sklr._backend import containers, threads, tiles
from sklr.linalg import RowChunks, as_operand, centered, row_weighted, scaled
from sklr.sketch import SRTT, Gaussian, SparseStack

SHAPE = (600, 12)
VERBS = {
    "matmat": lambda A: A.matmat(np.ones((A.shape[1], 2))),
    "rmatmat": lambda A: A.rmatmat(np.ones((A.shape[0], 2))),
    "normal_matmat": lambda A: A.normal_matmat(np.ones((A.shape[1], 2))),
    "residual_rmatmat": lambda A: A.residual_rmatmat(np.ones((A.shape[1], 2)), np.ones((A.shape[0], 2))),
    "gram": lambda A: A.gram(),
    "column_means": lambda A: A.column_means(),
    "column_squared_norms": lambda A: A.column_squared_norms(),
    "toarray": lambda A: A.toarray(),
    "dense sketch": lambda A: A.sketch(Gaussian().operator(6, A.shape[0], rng=0)),
    "sparse sketch": lambda A: A.sketch(SparseStack(2).operator(6, A.shape[0], rng=0)),
    "transform": lambda A: A.sketch(SRTT().operator(6, A.shape[0], rng=0)),
}
WRAPPERS = {
    "plain": lambda A: A,
    "centered": lambda A: centered(A, np.ones(A.shape[1])),
    "scaled": lambda A: scaled(A, np.ones(A.shape[1])),
    "row_weighted": lambda A: row_weighted(A, np.ones(A.shape[0])),
    "all three": lambda A: scaled(
        row_weighted(centered(A, np.ones(A.shape[1])), np.ones(A.shape[0])), np.ones(A.shape[1])
    ),
}


def mapped(path, A, order="C", mode="r"):
    """A file mapped into memory."""
    X = np.memmap(path, dtype=A.dtype, mode="w+", shape=A.shape, order=order)
    X[:] = A
    X.flush()
    del X
    return np.memmap(path, dtype=A.dtype, mode=mode, shape=A.shape, order=order)


class CountedChunks:
    """A factory of chunks that counts how often it is called and how many chunks it gives."""

    def __init__(self, A, n_chunks=6, make=np.array):
        self.parts = np.array_split(A, n_chunks)
        self.make = make
        self.n_calls = 0
        self.n_given = 0

    def __call__(self):
        self.n_calls += 1
        for part in self.parts:
            self.n_given += 1
            yield self.make(part)


@pytest.fixture
def A():
    """Numbers without structure."""
    return np.random.default_rng(0).standard_normal(SHAPE)


# -- passes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [np.array, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_one_pass_means_one_pass(A, wrapper, make):
    """Catches a verb that reads the chunks twice, a check that makes a pass of its own, and a count that
    differs from what was read."""
    factory = CountedChunks(A, make=make)
    base = as_operand(RowChunks(factory, A.shape))
    operand = WRAPPERS[wrapper](base)
    assert factory.n_calls == operand.n_passes == 0
    for i, (name, verb) in enumerate(VERBS.items(), start=1):
        verb(operand)
        assert factory.n_calls == i, name
        assert factory.n_given == 6 * i, name
        assert operand.n_passes == base.n_passes == i, name


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_the_squared_norm_comes_with_the_first_pass(A, wrapper):
    """Catches a pass for a number that every other pass could have brought."""
    for name, verb in VERBS.items():
        factory = CountedChunks(A)
        operand = WRAPPERS[wrapper](as_operand(RowChunks(factory, A.shape)))
        verb(operand)
        operand.squared_norm()
        operand.squared_norm()
        assert factory.n_calls == operand.n_passes == 1, name
    factory = CountedChunks(A)
    operand = WRAPPERS[wrapper](as_operand(RowChunks(factory, A.shape)))
    operand.squared_norm()
    operand.squared_norm()
    assert factory.n_calls == operand.n_passes == 1


@pytest.mark.parametrize("make", [np.array, sparse.csr_array], ids=["dense", "sparse"])
@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_zeros_are_read_once(wrapper, make):
    """Catches a second look at data without a norm: zeros, or entries whose squares are."""
    factory = CountedChunks(np.zeros(SHAPE), make=make)
    operand = WRAPPERS[wrapper](as_operand(RowChunks(factory, SHAPE)))
    operand.toarray()
    assert factory.n_calls == operand.n_passes == 1


def test_a_large_matrix_without_entries():
    """Catches a sparse matrix that is looked at entry by entry because it has none."""
    for make in (sparse.csr_array, sparse.csc_array):
        operand = as_operand(make((10**6, 10**6)))
        assert operand.squared_norm() == 0
        assert not operand.column_means().any()


def test_tiny_entries_are_found_in_one_pass():
    """Catches squares that underflow, by a second look at all data."""
    for make in (np.array, sparse.csr_array):
        factory = CountedChunks(np.full(SHAPE, 1e-170), make=make)
        with pytest.raises(ValueError, match="squares of X underflow: its largest entry is 1e-170"):
            as_operand(RowChunks(factory, SHAPE)).column_means()
        assert factory.n_calls == 1


def test_the_mean_is_found_in_one_pass(A):
    """Catches a mean that is computed again by every verb."""
    factory = CountedChunks(A)
    operand = centered(RowChunks(factory, A.shape))
    assert factory.n_calls == operand.n_passes == 1
    operand.matmat(np.ones((SHAPE[1], 1)))
    assert factory.n_calls == operand.n_passes == 2


@pytest.mark.parametrize(
    ("make", "of_normal", "of_gram"),
    [
        (np.asarray, 1, 1),
        (sparse.csr_array, 1, 1),
        (lambda A: as_operand(np.ascontiguousarray(A.T)).T, 2, 1),
        (sparse.csc_array, 2, 2),
    ],
    ids=["array", "csr", "transposed array", "csc"],
)
def test_passes_of_data_in_memory(A, make, of_normal, of_gram):
    """Catches a count that leaves out the second product of a transposed operand, or a conversion to CSR."""
    operand = as_operand(make(A))
    assert operand.n_passes == 0
    expected = 0
    for name, verb in VERBS.items():
        verb(operand)
        expected += {"normal_matmat": of_normal, "residual_rmatmat": of_normal, "gram": of_gram}.get(name, 1)
        assert operand.n_passes == operand.T.n_passes == expected, name


def test_transposed_chunks_are_read_once_per_product(A):
    """Catches a transposed product that reads once per column."""
    factory = CountedChunks(A)
    operand = as_operand(RowChunks(factory, A.shape)).T
    for i, name in enumerate(
        ("matmat", "rmatmat", "column_means", "toarray", "dense sketch", "sparse sketch"), 1
    ):
        VERBS[name](operand)
        assert factory.n_calls == operand.n_passes == i, name


def test_a_wide_gram_reads_the_chunks_once(monkeypatch):
    """Catches blocks of columns that are read block by block: above 1,024 columns the columns are blocked."""
    A = np.random.default_rng(0).standard_normal((300, 1100))
    factory = CountedChunks(A)
    operand = as_operand(RowChunks(factory, A.shape))
    G = operand.gram()
    assert factory.n_calls == operand.n_passes == 1
    assert np.allclose(G, A.T @ A, rtol=0, atol=1e-10)
    assert operand.squared_norm() == pytest.approx(np.sum(A**2))
    assert factory.n_calls == 1


@pytest.mark.parametrize("n_threads", [1, 2, 4])
def test_chunks_that_are_held_are_bounded(monkeypatch, n_threads):
    """Catches chunks that are read ahead or kept: the data would not fit into memory."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    alive, peak = set(), 0

    def factory():
        nonlocal peak
        for i in range(100):
            chunk = np.full((10, 3), float(i))
            alive.add(i)
            weakref.finalize(chunk, alive.discard, i)
            peak = max(peak, len(alive))
            yield chunk
            del chunk

    operand = as_operand(RowChunks(factory, (1000, 3)))
    product = operand.rmatmat(np.ones((1000, 1)), n_threads=n_threads)
    assert product[0, 0] == 10 * sum(range(100))
    # Those that are computed or wait, one that is being made, and what a frame still holds of the last.
    assert peak <= 2 * n_threads + 2
    gc.collect()
    assert not alive


# -- mapped files --------------------------------------------------------------------------------


def test_as_operand_reads_nothing(tmp_path):
    """Catches validation before the first pass: a file of NaN is noticed only when it is read."""
    A = np.full(SHAPE, np.nan)
    X = mapped(tmp_path / "nan", A)
    operands = [as_operand(X), as_operand(X).T, centered(X, np.zeros(SHAPE[1]))]
    operands.append(as_operand(RowChunks(CountedChunks(A), A.shape)))
    for operand in operands:
        assert operand.n_passes == 0
        with pytest.raises(ValueError, match="NaN: first seen at row 0, column 0"):
            operand.matmat(np.ones((operand.shape[1], 1)))
        assert operand.n_passes == 1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize(
    "shape", [(400_000, 30), (60_000, 200), (30, 400_000), (64, 150_000)], ids=lambda shape: f"{shape}"
)
def test_a_mapped_file_is_converted_tile_by_tile(tmp_path, monkeypatch, shape, order):
    """Catches a file that is converted whole: integers become eight times as large."""
    path = tmp_path / "bytes"
    with open(path, "wb") as file:
        file.truncate(shape[0] * shape[1])
    X = np.memmap(path, dtype=np.uint8, mode="r", shape=shape, order=order)
    sizes = []

    class Recorded(tiles.DenseTile):
        def __init__(self, array):
            sizes.append(array.nbytes)
            super().__init__(array)

    monkeypatch.setattr(containers, "DenseTile", Recorded)
    whole = 8 * X.size
    operand = as_operand(X)
    assert not sizes
    for name in ("matmat", "rmatmat", "column_means", "dense sketch", "sparse sketch"):
        VERBS[name](operand)
        assert max(sizes) <= whole / 2, name
        assert max(sizes) <= 1 << 25, name  # 32 MB, whatever the shape
        assert sum(sizes) == whole, name
        sizes.clear()


def test_floats_are_used_in_place(monkeypatch):
    """Catches a copy of data that are computed as they are."""
    for dtype in (np.float64, np.float32):
        for X in (
            np.ones(SHAPE, dtype),
            np.ones(SHAPE, dtype, order="F"),
            np.ones((1200, 24), dtype)[::2, ::2],
        ):
            operand = as_operand(X)
            for task in operand._tasks():
                assert np.shares_memory(operand._load(task)[2].array, X)


needs_proc = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="needs /proc")
MB = 1 << 20


def resident_pages(path):
    """Bytes of a file that are in this process's memory."""
    total, is_ours = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
            is_ours = line.endswith(str(path))
        elif is_ours and line.startswith("Rss:"):
            total += 1024 * int(line.split()[1])
    return total


def anonymous_memory():
    """Bytes of this process that belong to no file."""
    return 1024 * int(re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())[1])


@contextlib.contextmanager
def peaks_of(**readings):
    """The largest values that functions return, sampled from a thread until the block ends."""
    peaks = {name: read() for name, read in readings.items()}
    over = threading.Event()

    def sample():
        while not over.wait(0.002):
            for name, read in readings.items():
                peaks[name] = max(peaks[name], read())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peaks
    finally:
        over.set()
        thread.join()


LARGE = (1 << 21, 128)


@pytest.fixture(scope="module")
def large_file(tmp_path_factory):
    """A file of 256 MB of bytes."""
    path = tmp_path_factory.mktemp("mapped") / "large"
    block = np.random.default_rng(0).integers(0, 256, size=1 << 22, dtype=np.uint8)
    with open(path, "wb") as file:
        for _ in range(LARGE[0] * LARGE[1] // block.size):
            file.write(block.data)
    yield path
    path.unlink()


@needs_proc
@pytest.mark.parametrize(
    ("order", "mode", "verb"),
    [
        ("C", "r", "normal_matmat"),
        ("C", "r+", "column_means"),
        ("F", "r", "rmatmat"),
        ("F", "r", "gram"),
        ("reversed", "r", "column_means"),
    ],
)
def test_a_pass_over_a_large_file(large_file, order, mode, verb):
    """Catches pages that pile up behind the pass, and memory that grows with the file."""
    X = np.memmap(large_file, dtype=np.uint8, mode=mode, shape=LARGE, order="F" if order == "F" else "C")
    X = X[::-1] if order == "reversed" else X
    operand = as_operand(X)
    assert resident_pages(large_file) == 0
    before = anonymous_memory()
    with peaks_of(pages=lambda: resident_pages(large_file), memory=anonymous_memory) as peaks:
        VERBS[verb](operand)
    # In float64 the file has 2,048 MB. What is counted here: a few tiles of up to 32 MB, what is multiplied
    # from the right (32 MB where it is as long as the file), partial sums, and the pages of the tiles.
    assert peaks["memory"] - before < 256 * MB
    if (order, verb) != ("F", "gram"):  # where a tile is a piece of every column, and a page may have 2 MB
        assert peaks["pages"] < 64 * MB
    assert resident_pages(large_file) < 32 * MB


def test_changes_of_a_private_mapping_are_kept(tmp_path, A):
    """Catches pages let go that exist nowhere else: a copy-on-write mapping would lose its changes."""
    for order in "CF":
        X = mapped(tmp_path / order, A, order=order, mode="c")
        X += 1
        operand = as_operand(X)
        for _ in range(2):
            assert np.array_equal(operand.toarray(), A + 1)
        assert np.array_equal(X, A + 1)
        assert np.array_equal(np.memmap(tmp_path / order, dtype=A.dtype, shape=A.shape, order=order), A)


def test_changes_of_a_shared_mapping_are_kept(tmp_path, A):
    """Catches pages let go before they are written."""
    X = mapped(tmp_path / "shared", A, mode="r+")
    X += 1
    operand = as_operand(X)
    for _ in range(2):
        assert np.array_equal(operand.toarray(), A + 1)
    assert np.array_equal(X, A + 1)
    X.flush()
    assert np.array_equal(np.fromfile(tmp_path / "shared").reshape(A.shape), A + 1)


def test_anonymous_mappings_are_kept(A):
    """Catches a mapping of no file taken for one: its pages, let go, are zeros."""
    kinds = [{}]
    if hasattr(mmap, "MAP_PRIVATE"):
        kinds += [
            {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS},
            {"flags": mmap.MAP_SHARED | mmap.MAP_ANONYMOUS},
        ]
    for kind in kinds:
        X = np.frombuffer(mmap.mmap(-1, A.nbytes, **kind)).reshape(A.shape)
        X[:] = A
        operand = as_operand(X)
        for _ in range(2):
            assert np.array_equal(operand.toarray(), A)
        assert np.array_equal(X, A)


@pytest.mark.parametrize("offset", [0, 8, 4096, 5000])
@pytest.mark.parametrize(
    "view",
    [
        lambda X: X,
        lambda X: X[7:],
        lambda X: X[:, 3:],
        lambda X: X[::3],
        lambda X: X[::-1],
        lambda X: X.T,
        lambda X: X[:, ::-2],
        lambda X: X[5:6],
        lambda X: np.asarray(X)[3:-3],
    ],
    ids=[
        "whole",
        "tail",
        "columns",
        "every third",
        "reversed",
        "transposed",
        "odd columns",
        "a row",
        "ndarray",
    ],
)
def test_views_of_mapped_files(tmp_path, A, view, offset):
    """Catches pages let go outside of the mapping, by a view whose address or strides are not the file's."""
    path = tmp_path / "offset"
    path.write_bytes(b"\1" * offset + A.tobytes())
    X = view(np.memmap(path, dtype=A.dtype, mode="r", offset=offset, shape=A.shape))
    operand = as_operand(X)
    for _ in range(2):
        assert np.array_equal(operand.toarray(), view(A))
        assert np.array_equal(operand.T.toarray(), view(A).T)


# -- entries that are not finite -----------------------------------------------------------------


def dia(A):
    """A DIA array; scipy warns that it is not meant for this."""
    return sparse.csr_array(A).todia()


def unsorted_csr(A):
    """A CSR whose rows are stored from right to left."""
    X = sparse.csr_array(A)
    order = np.lexsort((-X.indices, np.repeat(np.arange(len(A)), np.diff(X.indptr))))
    return sparse.csr_array((X.data[order], X.indices[order], X.indptr), shape=A.shape)


NAMED = {
    "C": lambda A: A,
    "F": np.asfortranarray,
    "strided": lambda A: np.repeat(A, 2, axis=1)[:, ::2],
    "big-endian": lambda A: A.astype(">f8"),
    "float32": lambda A: A.astype(np.float32),
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "coo": sparse.coo_array,
    "dia": dia,
    "unsorted csr": unsorted_csr,
    "transposed": lambda A: as_operand(np.ascontiguousarray(A.T)).T,
    "transposed csr": lambda A: as_operand(sparse.csr_array(A.T)).T,
    "chunks": lambda A: RowChunks(lambda: np.array_split(A, 5), A.shape),
    "sparse chunks": lambda A: RowChunks(lambda: map(sparse.coo_matrix, np.array_split(A, 5)), A.shape),
}
# The user's rows are the columns of what these were made from.
FLIPPED = ("transposed", "transposed csr")


@pytest.mark.filterwarnings("ignore:Constructing a DIA:scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("container", NAMED)
@settings(max_examples=8)
@given(
    bad=st.sampled_from([np.nan, np.inf, -np.inf]),
    row=st.integers(0, 1049),
    column=st.integers(0, 14),
    verb=st.sampled_from(sorted(VERBS)),
    wrapper=st.sampled_from(sorted(WRAPPERS)),
    is_transposed=st.booleans(),
    n_threads=st.sampled_from([1, 4]),
)
def test_a_bad_entry_is_named(container, bad, row, column, verb, wrapper, is_transposed, n_threads):
    """Catches an entry that passes, and the number of a row in its tile, of a column for a row, or of another
    entry of the same sparse matrix."""
    A = np.random.default_rng(0).standard_normal((1050, 15))
    A[np.abs(A) < 0.5] = 0
    A[row, column] = bad
    operand = WRAPPERS[wrapper](as_operand(NAMED[container](A), name="data"))
    if is_transposed and not (container.endswith("chunks") and verb == "gram"):
        operand = operand.T
    name = "data"
    if container in FLIPPED:
        row, column, name = column, row, "X"  # as the array that holds the data has them
    what = "NaN" if np.isnan(bad) else "infinity"
    expected = f"Input {name} contains {what}: first seen at row {row}, column {column}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "cpu_count", lambda: n_threads)
        patch.setattr(tiles, "MIN_TILE_BYTES", 1 << 10)
        patch.setattr(tiles, "TILE_BYTES", 1 << 14)
        patch.setattr(tiles, "TILE_NNZ", 512)
        with pytest.raises(ValueError) as raised:
            VERBS[verb](operand)
    message = str(raised.value)
    assert re.match(rf"{expected}\b", message), message
    assert ("(chunk " in message) == container.endswith("chunks")
    assert "first." in message  # the remedy
    if container.endswith("chunks"):
        chunk = np.searchsorted(np.cumsum([len(part) for part in np.array_split(A, 5)]), row, side="right")
        assert f"(chunk {chunk})" in message


def test_bad_entries_in_every_tile(monkeypatch):
    """Catches an error that depends on which thread is first: the first tile's is raised."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    A = np.full((5000, 50), np.nan)
    A[:3] = 1
    for X in (A, sparse.csr_array(A), RowChunks(lambda: np.array_split(A, 40), A.shape)):
        for n_threads in (1, 4):
            with pytest.raises(ValueError, match="row 3, column 0"):
                as_operand(X).rmatmat(A, n_threads=n_threads)


@pytest.mark.parametrize(
    "make", [np.asarray, sparse.csr_array, sparse.csc_array], ids=["dense", "csr", "csc"]
)
@pytest.mark.parametrize("verb", VERBS)
def test_squares_that_overflow(make, verb):
    """Catches infinity in a result without an error, and an error that calls a finite entry infinite."""
    A = np.ones(SHAPE)
    A[5, 7] = -1e200
    with pytest.raises(ValueError, match=r"squares of X overflow: it has an entry of 1e\+200\. Divide X"):
        VERBS[verb](as_operand(make(A)))


@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.parametrize("verb", VERBS)
def test_squares_whose_sum_overflows(verb):
    """Catches a sum of tiles that overflows where no tile does, by tiles of rows and by slabs of columns."""
    A = np.full((1 << 13, 8), 6.3e151)  # two tiles; 4.0e303 times 2**15 entries of one is below 1.8e308
    with pytest.raises(ValueError, match="squares of X overflow"):
        VERBS[verb](as_operand(A))


def test_large_entries_whose_squares_fit():
    """Catches a guard that refuses what can be computed, among it all of float32."""
    for dtype, large in ((np.float64, 1e150), (np.float32, 3e38)):
        A = np.full(SHAPE, 1, dtype)
        A[5, 7] = large
        norm = as_operand(A).squared_norm()
        assert norm == pytest.approx(float(A[5, 7]) ** 2)


# -- what is no matrix -----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("make", [np.zeros, sparse.csr_array, sparse.csc_matrix], ids=["dense", "csr", "csc"])
def test_empty(make, shape):
    """Catches an empty matrix, whose means are NaN."""
    with pytest.raises(ValueError, match=rf"X is empty: it has shape \({shape[0]}, {shape[1]}\)"):
        as_operand(make(shape))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0,)])
def test_not_two_dimensional(shape):
    """Catches a vector taken for a matrix of one row or one column, and an error without the remedy."""
    with pytest.raises(ValueError, match=r"data must be two-dimensional, got shape .*reshape\(-1, 1\)"):
        as_operand(np.zeros(shape), name="data")


def test_a_sparse_vector():
    """Catches SciPy's one-dimensional sparse arrays, where it has them."""
    vector = sparse.coo_array(np.ones(3))
    if vector.ndim != 1:
        pytest.skip("this SciPy makes a matrix of one row")
    with pytest.raises(ValueError, match=r"X must be two-dimensional, got shape \(3,\)"):
        as_operand(vector)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex(dtype):
    """Catches imaginary parts that are dropped."""
    for X in (np.ones((2, 2), dtype), sparse.csr_array(np.ones((2, 2), dtype)), [[1j]]):
        with pytest.raises(
            ValueError, match="Complex data not supported: X has dtype complex.*real and imaginary"
        ):
            as_operand(X)
    with pytest.raises(ValueError, match="Complex data not supported: RowChunks"):
        RowChunks(lambda: iter(()), (2, 2), dtype)


@pytest.mark.parametrize(
    "X",
    [
        [["a", "b"]],
        np.array([[b"a"]]),
        np.array([[None, 1]]),
        np.array([[1, 2]], dtype=object),
        np.array([["2000-01-01"]], dtype="datetime64[D]"),
        np.zeros((2, 2), dtype=[("a", float)]),
    ],
    ids=["str", "bytes", "None", "object", "datetime", "structured"],
)
def test_no_numbers(X):
    """Catches strings and objects that reach the products."""
    with pytest.raises(TypeError, match="X must hold numbers, got dtype .*convert"):
        as_operand(X)


@pytest.mark.parametrize(
    "make",
    [
        lambda A: iter(A),
        lambda A: (row for row in A),
        lambda A: map(np.abs, A),
        lambda A: zip(A, A, strict=True),
        lambda A: enumerate(A),
    ],
    ids=["iter", "generator", "map", "zip", "enumerate"],
)
def test_iterators(A, make):
    """Catches an iterator that is used up by a conversion, and an error that names no way out."""
    X = make(A)
    with pytest.raises(TypeError, match="data is an iterator.*RowChunks.*partial_fit"):
        as_operand(X, name="data")
    assert sum(1 for _ in X) == len(A)


# -- chunks that are not as promised ----------------------------------------------------------------


def test_a_factory_is_needed(A):
    """Catches an iterator or a list in place of the factory: the second pass would find it used up."""
    for wrong in (iter([A]), [A], A, None):
        with pytest.raises(TypeError, match=r"RowChunks needs a factory.*RowChunks\(lambda: iter"):
            RowChunks(wrong, A.shape)


@pytest.mark.parametrize(
    "shape", [(3,), (3, 0), (0, 3), (-1, 3), (2, 3, 4), (2.0, 3), 5, None, "ab", (None, 3)]
)
def test_a_shape_is_needed(shape):
    """Catches a shape that is unknown or empty."""
    with pytest.raises(ValueError, match="shape must be .rows, columns., two positive integers"):
        RowChunks(lambda: iter(()), shape)


def test_row_chunks_look_like_a_matrix(A):
    """Catches what scikit-learn's checks of shapes and lengths would stumble over."""
    chunks = RowChunks(CountedChunks(A), np.array(A.shape), dtype="float32")
    assert chunks.shape == A.shape and type(chunks.shape[0]) is int
    assert chunks.ndim == 2 and len(chunks) == len(A)
    assert chunks.dtype == np.float32
    assert repr(chunks) == "RowChunks(shape=(600, 12), dtype=float32)"


def replaced(i, make):
    """Chunks of the matrix, the i-th of them made something else."""

    def chunks(parts):
        return [*parts[:i], make(parts[i]), *parts[i + 1 :]]

    return chunks


BROKEN = {
    "ends early": (lambda parts: parts[:4], "ended after chunk 3 with 400 rows, expected 600"),
    "last chunk short": (replaced(5, lambda c: c[:99]), "ended after chunk 5 with 599 rows, expected 600"),
    "no chunks": (lambda parts: [], "gave no chunks, expected 600 rows.*new iterator"),
    "one row too many": (
        replaced(5, lambda c: np.vstack([c, c[:1]])),
        "Chunk 5 .*beyond the 600 rows.*500 rows came before it and it has 101",
    ),
    "a chunk too many": (lambda parts: [*parts, parts[0]], "Chunk 6 .*beyond the 600 rows"),
    "narrow": (replaced(2, lambda c: c[:, 1:]), "Chunk 2 .*has 11 columns, expected 12"),
    "wide": (replaced(0, lambda c: np.hstack([c, c])), "Chunk 0 .*has 24 columns, expected 12"),
    "narrow and empty": (replaced(3, lambda c: c[:0, 1:]), "Chunk 3 .*has 11 columns, expected 12"),
    "sparse and narrow": (replaced(1, lambda c: sparse.csr_array(c[:, :3])), "Chunk 1 .*has 3 columns"),
    "float32": (replaced(3, lambda c: c.astype(np.float32)), "Chunk 3 .*dtype float32.*promised float64"),
    "integers": (replaced(4, lambda c: c.astype(int)), "Chunk 4 .*dtype int64.*promised float64"),
    "complex": (replaced(4, lambda c: c * 1j), "Chunk 4 .*dtype complex128"),
    "a list": (replaced(1, lambda c: c.tolist()), "Chunk 1 .*2-D ndarray or a sparse matrix, got list"),
    "None": (replaced(2, lambda c: None), "Chunk 2 .*got NoneType"),
    "a row": (replaced(2, lambda c: c[0]), r"Chunk 2 .*got ndarray of shape \(12,\)"),
    "3-D": (replaced(2, lambda c: c[None]), r"Chunk 2 .*got ndarray of shape \(1, 100, 12\)"),
}


@pytest.mark.parametrize("n_threads", [1, 4])
@pytest.mark.parametrize("fault", BROKEN)
def test_chunks_that_are_not_as_promised(A, monkeypatch, fault, n_threads):
    """Catches chunks that are taken as they come, an error without the number of the chunk, and an operand
    that a failed pass leaves useless."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    chunks_of, message = BROKEN[fault]
    is_broken = True

    def factory():
        parts = np.array_split(A, 6)
        return iter(chunks_of(parts) if is_broken else parts)

    operand = as_operand(RowChunks(factory, A.shape), name="data")
    scaled_operand = scaled(operand, np.ones(SHAPE[1]))
    error = TypeError if "got" in message else ValueError
    for verb in (operand.matmat, scaled_operand.normal_matmat, operand.T.rmatmat):
        with pytest.raises(error, match=message) as raised:
            verb(np.ones((SHAPE[1], 1)), n_threads=n_threads)
        assert "data" in str(raised.value)
    for verb in (operand.gram, operand.column_means, operand.squared_norm):
        with pytest.raises(error, match=message):
            verb(n_threads=n_threads)
    is_broken = False
    assert operand.squared_norm(n_threads=n_threads) == pytest.approx(np.sum(A**2))
    assert np.array_equal(scaled_operand.toarray(n_threads=n_threads), A)


def test_an_error_of_the_factory_is_not_hidden(A):
    """Catches an error of the user's own code that is swallowed or replaced."""

    def factory():
        yield A[:300]
        raise OSError("disk on fire")

    with pytest.raises(OSError, match="disk on fire"):
        as_operand(RowChunks(factory, A.shape)).gram()


def test_a_factory_that_gives_the_same_iterator(A):
    """Catches a second pass over nothing: its sums would be zeros."""
    iterator = iter(np.array_split(A, 6))
    operand = as_operand(RowChunks(lambda: iterator, A.shape))
    assert np.allclose(operand.column_means(), A.mean(axis=0), rtol=0, atol=1e-14)
    for verb in (operand.gram, operand.column_squared_norms, operand.toarray):
        with pytest.raises(ValueError, match="no chunks.*must return a new iterator each time"):
            verb()


def test_chunks_of_other_orders_and_lists_of_chunks(A):
    """Catches a factory that must be a generator, and chunks that must be contiguous."""
    parts = [np.asfortranarray(A[:200]), A[200:200], np.repeat(A[200:], 2, axis=1)[:, ::2]]
    operand = as_operand(RowChunks(lambda: parts, A.shape))
    assert np.array_equal(operand.toarray(), A)
    assert np.allclose(operand.gram(), A.T @ A, rtol=0, atol=1e-10)


def test_chunks_are_read_while_others_are_computed(A, monkeypatch):
    """Catches a source that is read to its end before the first product."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 2)
    computed = threading.Event()
    seen = []

    def factory():
        for i, part in enumerate(np.array_split(A, 40)):
            seen.append(computed.is_set())
            if i == 30:
                assert computed.wait(60)
            yield part

    class Watched(tiles.DenseTile):
        def matmat(self, *arguments):
            result = super().matmat(*arguments)
            computed.set()
            time.sleep(0.001)
            return result

    monkeypatch.setattr(containers, "DenseTile", Watched)
    as_operand(RowChunks(factory, A.shape)).matmat(np.ones((SHAPE[1], 1)), n_threads=2)
    assert not seen[0] and seen[-1]
