"""Matrices in files, and products that are written to files: what is read when, and the errors."""

import os
import pickle
import re
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from sklr._backend import files, threads
from sklr.linalg import RowChunks, as_operand, centered
from sklr.sketch import Gaussian

MB = 1 << 20


@pytest.fixture
def A():
    """600 x 12, a third of it non-zero."""
    X = np.random.default_rng(0).standard_normal((600, 12))
    X[np.abs(X) < 1] = 0
    return X


def in_files(folder, A, cuts=(100, 350), save=np.save, suffix="npy"):
    """The paths of the parts of A, one file each."""
    paths = [folder / f"part{i}.{suffix}" for i in range(len(cuts) + 1)]
    for path, part in zip(paths, np.split(A, cuts), strict=True):
        save(path, part)
    return paths


def save_sparse(path, part):
    """CSR, as `save_npz` has it."""
    sparse.save_npz(path, sparse.csr_array(part))


# -- what is found ------------------------------------------------------------------------------


def test_a_folder_a_list_and_a_file(tmp_path, A):
    """Catches files in the order of the file system, files of other kinds that are taken, a list that is
    sorted, and a folder for which only `str` or only `Path` will do."""
    paths = in_files(tmp_path, A)
    (tmp_path / "README.txt").write_text("notes")
    for folder in (tmp_path, str(tmp_path)):
        chunks = RowChunks.from_files(folder)
        assert repr(chunks) == "RowChunks(shape=(600, 12), dtype=float64)"
        assert np.array_equal(as_operand(chunks).toarray(), A)
    turned = as_operand(RowChunks.from_files(map(str, reversed(paths)))).toarray()
    assert np.array_equal(turned, np.vstack([A[350:], A[100:350], A[:100]]))
    assert np.array_equal(as_operand(RowChunks.from_files(paths[1])).toarray(), A[100:350])


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.uint8, np.int64, np.bool_, ">f8"])
def test_dtypes(tmp_path, A, dtype):
    """Catches a dtype that is lost, computed in the wrong precision, or whose bytes are in another order."""
    X = A.astype(dtype)
    in_files(tmp_path, X)
    chunks = RowChunks.from_files(tmp_path)
    assert chunks.dtype == dtype
    operand = as_operand(chunks)
    assert operand.dtype == as_operand(X).dtype
    assert np.array_equal(operand.toarray(), X)


def test_fortran_order_and_empty_files(tmp_path, A):
    """Catches columns taken for rows, and a part without rows."""
    in_files(tmp_path, A, cuts=(0, 100, 350, 600), save=lambda path, X: np.save(path, np.asfortranarray(X)))
    assert np.array_equal(as_operand(RowChunks.from_files(tmp_path, chunk_rows=70)).toarray(), A)


FORMATS = [f"{name}_{kind}" for name in ("csr", "csc", "coo", "bsr", "dia") for kind in ("matrix", "array")]


@pytest.mark.filterwarnings("ignore:Constructing a DIA:scipy.sparse.SparseEfficiencyWarning")
@pytest.mark.parametrize("chunk_rows", [None, 64])
@pytest.mark.parametrize("form", FORMATS)  # every one that `save_npz` takes
def test_sparse_files(tmp_path, A, form, chunk_rows):
    """Catches a format that is not known, rows that a cut loses, and a matrix that is made dense."""
    in_files(tmp_path, A, save=lambda path, X: sparse.save_npz(path, getattr(sparse, form)(X)), suffix="npz")
    chunks = RowChunks.from_files(tmp_path, chunk_rows=chunk_rows)
    assert chunks.shape == A.shape and chunks.dtype == A.dtype
    given = list(chunks.factory())
    assert all(sparse.issparse(chunk) for chunk in given)
    expected = [100, 250, 250] if chunk_rows is None else [64, 36, 64, 64, 64, 58, 64, 64, 64, 58]
    assert [chunk.shape[0] for chunk in given] == expected
    assert np.array_equal(as_operand(chunks).toarray(), A)


def test_dense_and_sparse_files_together(tmp_path, A):
    """Catches two lists, one per kind, in place of one sorted by name."""
    np.save(tmp_path / "b.npy", A[200:300])
    save_sparse(tmp_path / "a.npz", A[:200])
    save_sparse(tmp_path / "c.npz", A[300:])
    assert np.array_equal(as_operand(RowChunks.from_files(tmp_path)).toarray(), A)


# -- chunks -------------------------------------------------------------------------------------


def test_chunks_are_cut(tmp_path, A):
    """Catches a cut that goes over the end of a file, and another number of rows than was asked for."""
    in_files(tmp_path, A)
    chunks = RowChunks.from_files(tmp_path, chunk_rows=100)
    assert [len(chunk) for chunk in chunks.factory()] == [100, 100, 100, 50, 100, 100, 50]
    assert np.array_equal(np.vstack(list(chunks.factory())), A)
    for chunk_rows in (0, -1, 1.5, True, "all"):
        with pytest.raises(ValueError, match="chunk_rows must be None or a positive int, got"):
            RowChunks.from_files(tmp_path, chunk_rows=chunk_rows)


@pytest.mark.parametrize(
    ("dtype", "n", "expected"),
    [(np.float64, 2048, 1024), (np.float32, 2048, 2048), (np.uint8, 2048, 1024), (np.float64, 1 << 22, 1)],
)
def test_the_default_is_16_megabytes(tmp_path, dtype, n, expected):
    """Catches chunks of one file each, bytes that become eight times as large, and chunks of no rows."""
    path = tmp_path / "wide.npy"
    hollow(path, (expected + 1, n), dtype)
    assert [len(chunk) for chunk in RowChunks.from_files(path).factory()] == [expected, 1]


def hollow(path, shape, dtype=np.float64):
    """A .npy file of zeros that takes no room on the disk."""
    with open(path, "wb") as file:
        np.lib.format.write_array_header_1_0(
            file,
            {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape},
        )
        file.truncate(file.tell() + int(np.prod(shape)) * np.dtype(dtype).itemsize)


def test_only_headers_are_read_at_first(tmp_path, monkeypatch):
    """Catches data that are read before a pass, and a factory that maps all files at once."""
    for i in range(3):
        hollow(tmp_path / f"{i}.npy", (1 << 20, 100))
    monkeypatch.setattr(files.np, "load", None)
    monkeypatch.setattr(files.sparse, "load_npz", None)
    save_sparse(tmp_path / "4.npz", np.ones((5, 100)))
    chunks = RowChunks.from_files(tmp_path)
    assert chunks.shape == (3 * (1 << 20) + 5, 100)
    assert as_operand(chunks).n_passes == 0


def test_it_pickles_and_starts_again(tmp_path, A, monkeypatch):
    """Catches a factory that is used up, holds the data or an open file, or needs the working directory."""
    in_files(tmp_path, A)
    monkeypatch.chdir(tmp_path.parent)
    chunks = RowChunks.from_files(tmp_path.name, chunk_rows=128)
    next(chunks.factory())
    frozen = pickle.dumps(chunks)
    assert len(frozen) < 2000
    monkeypatch.chdir("/")
    for copy in (pickle.loads(frozen), chunks):
        assert (copy.shape, copy.dtype) == (chunks.shape, chunks.dtype)
        for _ in range(2):
            assert np.array_equal(np.vstack(list(copy.factory())), A)


def test_bits_do_not_depend_on_threads_or_on_files(tmp_path, A, monkeypatch):
    """Catches sums in another order: equal chunks in files and in memory, on any number of threads."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    in_files(tmp_path, A)
    parts = np.split(A, (100, 350))
    expected = as_operand(RowChunks(lambda: parts, A.shape)).gram(n_threads=1)
    for n_threads in (1, 2, 4):
        G = as_operand(RowChunks.from_files(tmp_path)).gram(n_threads=n_threads)
        assert np.array_equal(G, expected)


def test_a_bad_entry_is_named(tmp_path, A):
    """Catches a number of a row within its file."""
    A[351, 7] = np.nan
    in_files(tmp_path, A)
    with pytest.raises(ValueError, match=r"NaN: first seen at row 351, column 7 \(chunk 2\)"):
        as_operand(RowChunks.from_files(tmp_path)).gram()


# -- memory -------------------------------------------------------------------------------------

needs_proc = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")


def resident(kind):
    """Bytes of this process that are in memory: of "File" pages (a tmpfs calls them shared), or "Anon"."""
    names = "File|Shmem" if kind == "File" else kind
    found = re.findall(rf"Rss(?:{names}):\s+(\d+)", Path("/proc/self/status").read_text())
    return 1024 * sum(map(int, found))


@contextmanager
def growth():
    """How much file pages and other memory grow at most, sampled from a thread, until the block ends."""
    before = {kind: resident(kind) for kind in ("File", "Anon")}
    grown = dict.fromkeys(before, 0)
    over = threading.Event()

    def sample():
        while not over.wait(0.002):
            for kind in before:
                grown[kind] = max(grown[kind], resident(kind) - before[kind])

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield grown
    finally:
        over.set()
        thread.join()


@needs_proc
def test_chunks_that_are_passed_over_are_not_read(tmp_path):
    """Catches a factory that reads, as restarting in the middle of a long matrix would do."""
    for i in range(2):
        hollow(tmp_path / f"{i}.npy", (1 << 20, 128))  # 2 GB together
    before = resident("File") + resident("Anon")
    held = list(RowChunks.from_files(tmp_path).factory())
    assert sum(map(len, held)) == 1 << 21
    assert resident("File") + resident("Anon") - before < 16 * MB


@needs_proc
@pytest.mark.parametrize("n_files", [1, 16])
@pytest.mark.parametrize("verb", ["gram", "sketch"])
def test_pages_do_not_pile_up(tmp_path, verb, n_files):
    """Catches pages of a chunk, or of a file, that stay when it has been used."""
    for i in range(n_files):
        hollow(tmp_path / f"{i:02}.npy", ((1 << 18) // n_files, 128))  # 256 MB together
    operand = as_operand(RowChunks.from_files(tmp_path))
    S = Gaussian().operator(6, 1 << 18, rng=0)
    before = resident("File")
    with growth() as grown:
        operand.gram(n_threads=2) if verb == "gram" else operand.sketch(S, n_threads=2)
    # Per thread two results and a chunk of 16 MB that is computed; one that is being made; the last one.
    assert grown["File"] < 96 * MB
    assert grown["Anon"] < 96 * MB
    assert resident("File") - before < 16 * MB


# -- refused ------------------------------------------------------------------------------------


def pickled(path):
    """A .npy file of objects."""
    np.save(path, np.array([[1, None]], dtype=object), allow_pickle=True)


REFUSED = {
    "missing": (lambda p: p / "none.npy", FileNotFoundError, "There is no file .*none.npy.*Check the path"),
    "empty folder": (lambda p: p, ValueError, "folder .* has no .npy or .npz files. Pass a list of files"),
    "empty list": (lambda p: [], ValueError, "paths is empty"),
    "number": (lambda p: 5, TypeError, "paths must be a folder, a file or a list of files: 'int'"),
    "numbers": (lambda p: [5], TypeError, "paths must be a folder, a file or a list of files: expected str"),
    "folder in a list": (lambda p: [p], ValueError, "is not a .npy or .npz file"),
    "csv": (lambda p: made(p / "a.csv", Path.touch), ValueError, r"a.csv is not a .npy .*RowChunks\(factory"),
    "nothing": (lambda p: made(p / "a.npy", Path.touch), ValueError, "a.npy cannot be read as an array"),
    "no zip": (
        lambda p: made(p / "a.npz", Path.touch),
        ValueError,
        "a.npz cannot be read as a sparse matrix",
    ),
    "savez": (
        lambda p: made(p / "a.npz", lambda q: np.savez(q, np.ones((2, 2)))),
        ValueError,
        "a.npz cannot be .*not saved by scipy.sparse.save_npz. Save dense rows by numpy.save",
    ),
    "1-D": (lambda p: saved(p, np.ones(3)), ValueError, r"a.npy must .*two-dim.*\(3,\).*X.reshape\(1, -1\)"),
    "3-D": (lambda p: saved(p, np.ones((2, 2, 2))), ValueError, r"a.npy must .*two-dim.*\(2, 2, 2\)"),
    "0-D": (lambda p: saved(p, np.array(3.0)), ValueError, r"a.npy must .*two-dim.*\(\)"),
    "objects": (lambda p: made(p / "a.npy", pickled), TypeError, "a.npy must hold numbers, got dtype object"),
    "strings": (lambda p: saved(p, np.array([["a"]])), TypeError, "a.npy must hold numbers"),
    "records": (lambda p: saved(p, np.zeros((2, 2), "f8,f8")), TypeError, "a.npy must hold numbers"),
    "complex": (lambda p: saved(p, np.ones((2, 2), complex)), ValueError, "Complex .*a.npy .*real and"),
    "no rows": (lambda p: saved(p, np.ones((0, 2))), ValueError, r"a.npy is empty: its shape is \(0, 2\)"),
    "no columns": (lambda p: saved(p, np.ones((2, 0))), ValueError, r"a.npy is empty: its shape is \(2, 0\)"),
    "cut short": (lambda p: cut(saved(p, np.ones((9, 9))), 8), ValueError, "a.npy .*cut short, 8 bytes are"),
    "cut zip": (
        lambda p: cut(made(p / "a.npz", lambda q: save_sparse(q, np.ones((9, 9)))), 50),
        ValueError,
        "a.npz cannot be read as a sparse matrix",
    ),
}


def made(path, make):
    """The path of a file that `make` has written."""
    make(path)
    return path


def saved(folder, X):
    """The path of a .npy file."""
    return made(folder / "a.npy", lambda path: np.save(path, X))


def cut(path, n_bytes):
    """The path of a file without its last bytes."""
    os.truncate(path, os.path.getsize(path) - n_bytes)
    return path


@pytest.mark.parametrize("fault", REFUSED)
def test_refused(tmp_path, fault):
    """Catches what would fail in the middle of a pass, or be taken for data, and an error without the name of
    the file and a way out."""
    paths, error, message = REFUSED[fault]
    paths = paths(tmp_path)
    with pytest.raises(error, match=message):
        RowChunks.from_files(paths)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.ones((5, 4)), r"part1.npy has 4 columns, but .*part0.npy has 3. .*leave out"),
        (np.ones((5, 3), np.float32), r"part1.npy has dtype float32, but .*part0.npy has float64. .*astype"),
        (np.ones((5, 3), ">f8"), r"part1.npy has dtype >f8, but"),
    ],
    ids=["width", "dtype", "byte order"],
)
def test_files_that_do_not_go_together(tmp_path, other, message):
    """Catches a file that is noticed hours later, when its turn comes."""
    np.save(tmp_path / "part0.npy", np.ones((5, 3)))
    np.save(tmp_path / "part1.npy", other)
    with pytest.raises(ValueError, match=message):
        RowChunks.from_files(tmp_path)


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("change", ["longer", "other dtype", "shorter", "gone", "damaged"])
def test_a_file_that_changes_between_passes(tmp_path, A, change, suffix):
    """Catches rows of another matrix in a later pass, and an error that does not say which file."""
    save = np.save if suffix == "npy" else save_sparse
    paths = in_files(tmp_path, A, save=save, suffix=suffix)
    operand = as_operand(RowChunks.from_files(tmp_path))
    operand.gram()
    name = f"part1.{suffix}"
    changed = f"{name} has changed since RowChunks was made: .*Call RowChunks.from_files again"
    if change == "longer":
        save(paths[1], A[100:351])
    elif change == "other dtype":
        save(paths[1], A[100:350].astype(np.float32))
    elif change == "shorter":
        save(paths[1], A[100:349])
    elif change == "gone":
        paths[1].unlink()
        changed = f"There is no file .*{name}.*must stay where they are"
    else:
        cut(paths[1], 8)
        changed = f"{name} cannot be read"
    error = FileNotFoundError if change == "gone" else ValueError
    for _ in range(2):
        with pytest.raises(error, match=changed):
            operand.gram()
    save(paths[1], A[100:350])
    assert np.array_equal(operand.toarray(), A)


def test_a_damaged_sparse_file(tmp_path, A):
    """Catches an error of the zip format without the name of the file: the headers are as they were."""
    path = tmp_path / "a.npz"
    sparse.save_npz(path, sparse.csr_array(A), compressed=False)
    operand = as_operand(RowChunks.from_files(path))
    data = path.read_bytes()
    at = data.index(A[A != 0].tobytes()[-64:])
    path.write_bytes(data[:at] + b"\xff" * 64 + data[at + 64 :])
    with pytest.raises(ValueError, match=r"a.npz cannot be read: .*CRC.* Write it again"):
        operand.gram()


# -- products that are written to an array of the caller's ------------------------------------------

OUTPUTS = {
    "C": lambda path, shape, dtype: np.empty(shape, dtype),
    "F": lambda path, shape, dtype: np.empty(shape, dtype, order="F"),
    "columns": lambda path, shape, dtype: np.zeros((shape[0], 2 * shape[1]), dtype)[:, shape[1] :],
    "reversed": lambda path, shape, dtype: np.empty(shape, dtype)[::-1],
    "odd address": lambda path, shape, dtype: np.memmap(path, dtype, "w+", offset=5, shape=shape),
    "mapped": lambda path, shape, dtype: np.memmap(path, dtype, "w+", shape=shape),
    "mapped F": lambda path, shape, dtype: np.memmap(path, dtype, "w+", shape=shape, order="F"),
    "part of a mapped": lambda path, shape, dtype: np.memmap(path, dtype, "w+", shape=(3, *shape))[1],
}
INPUTS = {
    "dense": lambda A: A,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "transposed": lambda A: as_operand(np.ascontiguousarray(A.T)).T,
    "centered csr": lambda A: centered(sparse.csr_array(A)),
    "chunks": lambda A: RowChunks(lambda: np.array_split(A, 5), A.shape, A.dtype),
}


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("n_columns", [1, 3])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("source", INPUTS)
@pytest.mark.parametrize("kind", OUTPUTS)
def test_the_same_bits_in_any_output(tmp_path, monkeypatch, kind, source, dtype, n_columns, n_threads):
    """Catches rows that are not written, or elsewhere, and a memory order that BLAS takes in another way."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 2)
    A = np.random.default_rng(0).standard_normal((3000, 30)).astype(dtype)
    Z = np.random.default_rng(1).standard_normal((30, n_columns)).astype(dtype)
    expected = as_operand(INPUTS[source](A)).matmat(Z, n_threads=1)
    out = OUTPUTS[kind](tmp_path / "out", expected.shape, dtype)
    operand = as_operand(INPUTS[source](A))
    assert operand.matmat(Z, n_threads=n_threads, out=out) is out
    assert np.array_equal(out, expected)
    if kind == "columns":
        assert not out.base[:, :n_columns].any()


def test_a_mapped_output_is_in_the_file(tmp_path, A):
    """Catches numbers that are let go before they are written."""
    path = tmp_path / "out.npy"
    out = np.lib.format.open_memmap(path, mode="w+", dtype=A.dtype, shape=(600, 4))
    expected = as_operand(A).matmat(A[:12, :4])
    as_operand(A).matmat(A[:12, :4], out=out)
    assert np.array_equal(np.load(path), expected)
    assert np.array_equal(np.load(path, mmap_mode="r"), expected)


def test_a_private_mapping_keeps_its_changes(tmp_path, A):
    """Catches pages let go that exist nowhere else."""
    np.zeros((600, 4)).tofile(tmp_path / "out")
    out = np.memmap(tmp_path / "out", mode="c", dtype=A.dtype, shape=(600, 4))
    as_operand(A).matmat(A[:12, :4], out=out)
    assert np.array_equal(out, as_operand(A).matmat(A[:12, :4]))
    assert not np.fromfile(tmp_path / "out").any()


@needs_proc
@pytest.mark.parametrize("order", ["C", "F"])
def test_pages_of_an_output_do_not_pile_up(tmp_path, order):
    """Catches an output that is held in memory, or whose pages are, until it is complete."""
    hollow(tmp_path / "X.npy", (1 << 22, 1), np.uint8)
    path = tmp_path / "out"
    out = np.memmap(path, np.float64, "w+", shape=(1 << 22, 8), order=order)  # 256 MB
    operand = as_operand(np.load(tmp_path / "X.npy", mmap_mode="r"))
    with growth() as grown:
        operand.matmat(np.ones((1, 8)), n_threads=2, out=out)
    assert grown["File"] < 128 * MB
    assert grown["Anon"] < 128 * MB
    path.unlink()


BAD_OUTPUTS = {
    "rows": (lambda: np.empty((599, 4)), ValueError, r"out must have shape \(600, 4\), .*got \(599, 4\)"),
    "columns": (lambda: np.empty((600, 5)), ValueError, r"out must have shape \(600, 4\), .*got \(600, 5\)"),
    "1-D": (lambda: np.empty(2400), ValueError, r"out must have shape \(600, 4\), .*got \(2400,\)"),
    "float32": (lambda: np.empty((600, 4), np.float32), TypeError, "dtype float64, .*got float32"),
    "integers": (lambda: np.empty((600, 4), int), TypeError, "dtype float64, .*got int64"),
    "big-endian": (lambda: np.empty((600, 4), ">f8"), TypeError, "dtype float64, .*got >f8"),
    "read-only": (lambda: np.broadcast_to(1.0, (600, 4)), ValueError, "out is read-only.*mode='r\\+'"),
    "sparse": (lambda: sparse.csr_array((600, 4)), TypeError, "ndarray or an np.memmap, got csr_array"),
    "list": (lambda: [[0.0] * 4] * 600, TypeError, "ndarray or an np.memmap, got list"),
    "masked": (lambda: np.ma.zeros((600, 4)), TypeError, "ndarray or an np.memmap, got MaskedArray"),
}


@pytest.mark.parametrize("fault", BAD_OUTPUTS)
def test_outputs_that_are_refused(A, fault):
    """Catches an output that is noticed after a pass, written in part, or rounded."""
    make, error, message = BAD_OUTPUTS[fault]
    for operand in (as_operand(A), as_operand(sparse.csc_array(A))):
        with pytest.raises(error, match=message):
            operand.matmat(np.ones((12, 4)), out=make())
        assert operand.n_passes == 0


def test_a_read_only_mapping_is_refused(tmp_path, A):
    """Catches a crash of the process: pages that may not be written."""
    np.save(tmp_path / "out.npy", np.zeros((600, 4)))
    with pytest.raises(ValueError, match="out is read-only"):
        as_operand(A).matmat(np.ones((12, 4)), out=np.load(tmp_path / "out.npy", mmap_mode="r"))


def test_outputs_that_are_read_too(A, tmp_path):
    """Catches data that are overwritten while they are read, and columns of one array that are refused."""
    both = np.hstack([A, np.zeros((600, 4))])
    X, Z = both[:, :12], np.ones((12, 4))
    expected = as_operand(A).matmat(Z)
    for operand in (as_operand(X), as_operand(X.T).T, centered(X)):
        with pytest.raises(ValueError, match="out shares memory with the data .*Pass another array"):
            operand.matmat(Z, out=both[:, 11:15])
    assert np.array_equal(X, A)
    as_operand(X).matmat(Z, out=both[:, 12:])
    assert np.array_equal(both[:, 12:], expected)

    C = sparse.csr_array(np.ones((600, 4)))
    with pytest.raises(ValueError, match="out shares memory"):
        as_operand(C).matmat(np.ones((4, 4)), out=C.data.reshape(600, 4))
    square = np.ones((12, 4))
    with pytest.raises(ValueError, match="out shares memory"):
        as_operand(np.eye(12)).matmat(square, out=square)
    mapped = np.memmap(tmp_path / "X", A.dtype, "w+", shape=A.shape)
    with pytest.raises(ValueError, match="out shares memory"):
        as_operand(mapped).matmat(Z, out=mapped[:, :4])
