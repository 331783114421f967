"""Every verb, on every kind of matrix, through every wrapper, against NumPy in float64.

Tolerances are the standard bounds of rounding error: a sum of k products is off by at most about k units in
the last place of the sum of their absolute values. `Case.bound` is the matrix of these absolute values, what
a wrapper subtracts counted as well; `Case.error` is what the entries themselves may be off by.
"""

import contextlib
import tempfile
import warnings

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from sklr._backend import gram, sketching, threads, tiles
from sklr.linalg import RowChunks, as_operand, centered, row_weighted, scaled
from sklr.sketch import SRTT, Gaussian, SparseStack

EPS = np.finfo(np.float64).eps
SKETCHES = {"dense": Gaussian(), "sparse": SparseStack(n_blocks=2), "srtt": SRTT()}


# Sizes of tiles, blocks and slabs, and small ones in their place.
SMALL = {
    (tiles, "TILE_BYTES"): 1 << 12,
    (tiles, "MIN_TILE_BYTES"): 1 << 9,
    (tiles, "TILE_NNZ"): 64,
    (gram, "_BLOCK"): 12,
    (gram, "_SLAB_ROWS"): 200,
    (sketching, "_SLAB_BYTES"): 1 << 14,
}


@contextlib.contextmanager
def small_tiles():
    """Many tiles, blocks and slabs of small matrices, on four pretended cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threads, "cpu_count", lambda: 4)
        for (module, name), size in SMALL.items():
            patch.setattr(module, name, size)
        yield


# -- kinds of matrices -------------------------------------------------------------------------


def strided(A, rng):
    """Every second row and every third column of a larger array."""
    base = np.zeros((2 * A.shape[0], 3 * A.shape[1]), dtype=A.dtype)
    base[::2, ::3] = A
    return base[::2, ::3]


def reversed_view(A, rng):
    """A view with negative strides."""
    return np.ascontiguousarray(A[::-1, ::-1])[::-1, ::-1]


def read_only(A, rng):
    """An array that must not be written to."""
    A = A.copy()
    A.setflags(write=False)
    return A


def messy(X, rng):
    """A CSR or CSC with unsorted indices and, where numbers can be split, an entry in two parts."""
    major = np.repeat(np.arange(len(X.indptr) - 1), np.diff(X.indptr))
    minor, data = X.indices, X.data
    if data.size and data.dtype != bool:
        part = np.ones_like(data) if data.dtype.kind in "iu" else data / 2
        major, minor = np.concatenate([major, major]), np.concatenate([minor, minor])
        data = np.concatenate([data - part, part]).astype(data.dtype)
    order = np.lexsort((rng.random(len(major)), major))
    counts = np.bincount(major, minlength=len(X.indptr) - 1)
    indptr = np.concatenate([[0], np.cumsum(counts)]).astype(X.indptr.dtype)
    return type(X)((data[order], minor[order], indptr), shape=X.shape)


def wide_indices(A, rng):
    """A CSR with 64-bit indices."""
    X = sparse.csr_array(A)
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def dia(A, rng):
    """A DIA array."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sparse.SparseEfficiencyWarning)
        return sparse.dia_array(A)


def mapped(A, order="C", mode="r"):
    """A file mapped into memory."""
    file = tempfile.TemporaryFile()
    X = np.memmap(file, dtype=A.dtype, mode="w+", shape=A.shape, order=order)
    X[:] = A
    X.flush()
    return np.memmap(file, dtype=A.dtype, mode=mode, shape=A.shape, order=order)


def mapped_part(A, rng):
    """Some rows and columns of a mapped file."""
    base = np.zeros((A.shape[0] + 5, A.shape[1] + 3), dtype=A.dtype)
    base[2 : 2 + len(A), 1 : 1 + A.shape[1]] = A
    return mapped(base)[2 : 2 + len(A), 1 : 1 + A.shape[1]]


def chunks(A, rng, make=np.array):
    """Chunks of random sizes, 0 included."""
    cuts = np.sort(rng.integers(0, len(A) + 1, size=min(len(A), 12)))
    cuts = np.concatenate([[0], cuts, [len(A)]])
    return RowChunks(
        lambda: (make(A[lo:hi]) for lo, hi in zip(cuts[:-1], cuts[1:], strict=True)), A.shape, A.dtype
    )


DENSE = {
    "C order": lambda A, rng: A,
    "Fortran order": lambda A, rng: np.asfortranarray(A),
    "strided": strided,
    "reversed": reversed_view,
    "read-only": read_only,
    "mapped": lambda A, rng: mapped(A),
    "mapped, Fortran order": lambda A, rng: mapped(A, order="F"),
    "mapped, copy on write": lambda A, rng: mapped(A, mode="c"),
    "mapped, a part": mapped_part,
    "chunks": chunks,
}
SPARSE = {
    "csr_matrix": lambda A, rng: sparse.csr_matrix(A),
    "csr_array": lambda A, rng: sparse.csr_array(A),
    "csc_matrix": lambda A, rng: sparse.csc_matrix(A),
    "csc_array": lambda A, rng: sparse.csc_array(A),
    "coo_matrix": lambda A, rng: sparse.coo_matrix(A),
    "dia_array": dia,
    "messy csr_array": lambda A, rng: messy(sparse.csr_array(A), rng),
    "messy csc_matrix": lambda A, rng: messy(sparse.csc_matrix(A), rng),
    "wide indices": wide_indices,
    "sparse chunks": lambda A, rng: chunks(A, rng, sparse.csr_array),
    "coo chunks": lambda A, rng: chunks(A, rng, sparse.coo_matrix),
}
CONTAINERS = DENSE | SPARSE
COMPUTED_IN = {
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float32,
    "uint8": np.float64,
    "int64": np.float64,
    "bool": np.float64,
    ">f8": np.float64,
    ">f4": np.float32,
    ">i4": np.float64,
}
# SciPy's own arithmetic knows neither half precision nor foreign byte orders.
SPARSE_DTYPES = ("float64", "float32", "uint8", "int64", "bool")


def entries(shape, dtype, rng, density=1.0):
    """A matrix of `dtype` with a few equal values, zeros and, in numbers that have it, a sign."""
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        A = (rng.standard_normal(shape) * 10.0 ** rng.integers(-1, 2, size=shape[1])).astype(dtype)
    elif dtype.kind == "b":
        A = rng.random(shape) < 0.5
    else:
        low, high = (0, 256) if dtype.itemsize == 1 else (-1000, 1000)
        A = rng.integers(low, high, size=shape).astype(dtype)
    A[rng.random(shape) > density] = 0
    return A


# -- a matrix, what it should be, and how far off it may be --------------------------------------


class Case:
    """An operand and the same matrix in NumPy."""

    def __init__(self, A, X, chain, rng):
        self.exact = A.astype(np.float64)
        self.bound = np.abs(self.exact)
        self.error = np.zeros(self.exact.shape)  # what an entry of a tile may be off by
        self.operand = as_operand(X)
        self.is_shifted = False
        self.dtype = np.dtype(COMPUTED_IN[A.dtype.name if A.dtype.isnative else A.dtype.str])
        for step in chain:
            getattr(self, f"_{step}")(rng)
            # Roundings of the parameters and of the operations.
            self.error = self.error + 4 * np.finfo(self.dtype).eps * self.bound

    def _centered(self, rng):
        mean = rng.standard_normal(self.exact.shape[1]) + self.exact[0]
        self._shift(centered(self.operand, mean), mean)

    def _centered_by_its_mean(self, rng):
        error_of_mean = np.mean(self.error + len(self.exact) * EPS * self.bound, axis=0)
        self._shift(centered(self.operand), self.exact.mean(axis=0))
        self.error = self.error + error_of_mean

    def _shift(self, operand, mean):
        self.operand = operand
        self.exact = self.exact - mean
        self.bound = self.bound + np.abs(mean)
        self.is_shifted = True

    def _scaled(self, rng):
        scale = rng.standard_normal(self.exact.shape[1])
        self._multiply(scaled(self.operand, scale), scale)

    def _row_weighted(self, rng):
        weight = np.sqrt(rng.integers(0, 5, size=len(self.exact)))
        self._multiply(row_weighted(self.operand, weight), weight[:, None])

    def _multiply(self, operand, factor):
        self.operand = operand
        self.exact = self.exact * factor
        self.bound = self.bound * np.abs(factor)
        self.error = self.error * np.abs(factor)

    @property
    def T(self):
        """The transposed case, by the operand's own T."""
        other = object.__new__(Case)
        other.exact, other.bound, other.error = self.exact.T, self.bound.T, self.error.T
        other.operand, other.is_shifted, other.dtype = self.operand.T, self.is_shifted, self.dtype
        return other


def panels(shape, rng, width):
    """What is multiplied from the right: Z with n rows, Y with m rows, of any dtype and order."""
    m, n = shape
    Z, Y = rng.standard_normal((n, width)), rng.standard_normal((m, width))
    return np.asfortranarray(Z), Y.astype(np.float32)


def sketches(m):
    """An operator of every kind for m rows."""
    size = min(max(m // 3, 1), 20)
    return {
        name: distribution.operator(size if name != "sparse" else max(size, min(2, m)), m, rng=7)
        for name, distribution in SKETCHES.items()
        if m > 1 or name != "sparse"
    }


def some(size):
    """Indices out of order, one of them twice."""
    return np.array([size - 1, 0, size // 2, 0])


def verbs(operand, Z, Y, n_threads=None, can_retile=True):
    """The results of all verbs, by name."""
    product, squares = operand.residual_rmatmat(Z, Y, n_threads=n_threads)
    results = {
        "matmat": operand.matmat(Z, n_threads=n_threads),
        "rmatmat": operand.rmatmat(Y, n_threads=n_threads),
        "matmat of a sparse panel": operand.matmat(sparse.csr_array(Z), n_threads=n_threads),
        "rmatmat of a sparse panel": operand.rmatmat(sparse.csc_array(Y), n_threads=n_threads),
        "normal_matmat": operand.normal_matmat(Z, n_threads=n_threads),
        "residual_rmatmat": product,
        "squares of the residual": squares,
        "column_means": operand.column_means(n_threads=n_threads),
        "squared_norm": np.float64(operand.squared_norm(n_threads=n_threads)),
        "column_squared_norms": operand.column_squared_norms(n_threads=n_threads),
        "toarray": operand.toarray(n_threads=n_threads),
        "squares_of_difference": operand.squares_of_difference(Y, Z.T, n_threads=n_threads),
        "take_rows": operand.take_rows(some(operand.shape[0]), n_threads=n_threads),
        "take_columns": operand.take_columns(some(operand.shape[1]), n_threads=n_threads),
    }
    for name, S in sketches(operand.shape[0]).items():
        results[f"sketch {name}"] = operand.sketch(S, n_threads=n_threads)
    if can_retile:
        if operand.shape[1] <= 500:
            results["gram"] = operand.gram(n_threads=n_threads)
        results["tiled_by_rows"] = operand.tiled_by_rows().toarray(n_threads=n_threads)
    return results


# Whatever the dtype of the matrix.
FLOAT64_SUMS = (
    "gram",
    "column_means",
    "squared_norm",
    "column_squared_norms",
    "squares of the residual",
    "squares_of_difference",
)


def check_verbs(case, rng, width, n_threads):
    """Compare every verb with NumPy."""
    A, B, E = case.exact, case.bound, case.error
    (m, n), eps = A.shape, np.finfo(case.dtype).eps
    operand = case.operand
    assert operand.shape == A.shape
    assert operand.dtype == case.dtype
    Z, Y = panels(A.shape, rng, width)
    # Chunks have no columns: see test_chunks_cannot_be_swept_by_columns.
    can_retile = operand.container != "chunks" or hasattr(operand, "_tasks")
    results = verbs(operand, Z, Y, n_threads, can_retile)

    absZ, absY = np.abs(Z), np.abs(Y)
    Y = Y.astype(np.float64)
    few = 20  # roundings that do not grow with the size
    R, absR = Y - A @ Z, absY + B @ absZ
    error_of_R = (n + few) * eps * absR + E @ absZ
    error_of_product = E + (Y.shape[1] + few) * eps * (B + absY @ absZ.T)
    expected = {
        "matmat": (A @ Z, (n + few) * eps * (B @ absZ) + E @ absZ),
        "rmatmat": (A.T @ Y, (m + few) * eps * (B.T @ absY) + E.T @ absY),
        "normal_matmat": (
            A.T @ (A @ Z),
            (m + n + few) * eps * (B.T @ (B @ absZ)) + E.T @ (B @ absZ) + B.T @ (E @ absZ),
        ),
        "residual_rmatmat": (
            A.T @ R,
            (m + few) * eps * (B.T @ absR) + E.T @ absR + B.T @ error_of_R,
        ),
        "squares of the residual": (
            np.sum(R**2, axis=0),
            np.sum(m * EPS * absR**2 + 2 * error_of_R * absR + error_of_R**2, axis=0),
        ),
        "toarray": (A, E),
        "squares_of_difference": (
            np.sum((A - Y @ Z.T) ** 2, axis=0),
            np.sum(2 * np.abs(A - Y @ Z.T) * error_of_product + error_of_product**2, axis=0)
            + m * EPS * np.sum((A - Y @ Z.T) ** 2, axis=0),
        ),
        "take_rows": (A[some(m)], E[some(m)]),
        "take_columns": (A[:, some(n)], E[:, some(n)]),
        "tiled_by_rows": (A, E),
        # These are sums in float64, whatever the dtype of the matrix.
        "column_means": (A.mean(axis=0), np.mean(m * EPS * B + E, axis=0)),
        "squared_norm": (np.sum(A**2), np.sum((m * n * EPS * B + 2 * E) * B)),
        "column_squared_norms": (np.sum(A**2, axis=0), np.sum((m * EPS * B + 2 * E) * B, axis=0)),
    }
    for verb in ("matmat", "rmatmat"):
        expected[f"{verb} of a sparse panel"] = expected[verb]
    if "gram" in results:
        expected["gram"] = (A.T @ A, (m + few) * eps * (B.T @ B) + E.T @ B + B.T @ E)
    for name, S in sketches(m).items():
        D = S.toarray()
        # The bound of the other sketches holds for the transform too: its sums have log(m) levels.
        expected[f"sketch {name}"] = (D @ A, np.abs(D).max() * np.sum((m + few) * eps * B + E, axis=0))
    assert set(results) <= set(expected)

    for name, got in results.items():
        want, tolerance = expected[name]
        if sparse.issparse(got):
            assert name == "sketch sparse", name
            got = got.toarray()
        assert got.shape == want.shape, name
        in_float64 = name in FLOAT64_SUMS
        assert got.dtype == (np.float64 if in_float64 else case.dtype), name
        error = np.abs(got.astype(np.float64) - want)
        tiny = np.finfo(case.dtype).tiny  # where everything is zero
        assert np.all(error <= tolerance + tiny), (name, float(error.max()), float(np.max(tolerance)))
    is_sparse_result = sparse.issparse(results.get("sketch sparse"))
    assert is_sparse_result == (
        operand.container == "sparse" and not case.is_shifted and "sketch sparse" in results
    )


SHAPES = st.one_of(
    st.sampled_from([(1, 1), (1, 9), (9, 1), (1, 300), (300, 1), (2, 2)]),
    st.tuples(st.integers(1, 15), st.integers(1, 15)),
    st.tuples(st.integers(129, 700), st.integers(1, 30)),  # several tiles
    st.tuples(st.integers(1, 20), st.integers(129, 500)),  # wide
    st.tuples(st.integers(4200, 4500), st.integers(1, 4)),  # more tiles than partial sums
)
STEPS = ("centered", "centered_by_its_mean", "scaled", "row_weighted")
CHAINS = st.lists(st.sampled_from(STEPS), max_size=3)


def fingerprint(X):
    """The bytes of the user's data."""
    if isinstance(X, RowChunks):
        return [fingerprint(chunk) for chunk in X.factory()]
    if not sparse.issparse(X):
        return [np.asarray(X).tobytes()]
    return [
        np.asarray(getattr(X, a)).tobytes() for a in ("data", "indices", "indptr", "row") if hasattr(X, a)
    ]


@pytest.mark.parametrize("container", CONTAINERS)
@settings(max_examples=12)
@given(
    shape=SHAPES,
    dtype=st.sampled_from(list(COMPUTED_IN)),
    chain=CHAINS,
    density=st.sampled_from([0.0, 0.05, 0.4, 1.0]),
    width=st.integers(0, 4),
    n_threads=st.sampled_from([1, 4]),
    seed=st.integers(0, 2**32),
)
def test_every_verb(container, shape, dtype, chain, density, width, n_threads, seed):
    """Catches a verb that is wrong for a container, dtype, shape or composition of wrappers; a sum in float32
    that is promised in float64; and a write to the user's data."""
    if container in SPARSE:
        assume(dtype in SPARSE_DTYPES)
        assume(sum(step.startswith("centered") for step in chain) <= 1)
    if container == "dia_array":
        assume(max(shape) < 1000)
    rng = np.random.default_rng(seed)
    A = entries(shape, dtype, rng, density)
    X = CONTAINERS[container](A, rng)
    before = fingerprint(X)
    with small_tiles():
        case = Case(A, X, chain, rng)
        check_verbs(case, rng, width, n_threads)
        check_verbs(case.T, rng, width, n_threads)
    is_untouched = fingerprint(X) == before  # outside of the assertion, which would show all bytes
    assert is_untouched


@pytest.mark.parametrize("container", CONTAINERS)
def test_first_rows(container):
    """Rows of another place, or of the transposed matrix; more of them than there are."""
    rng = np.random.default_rng(0)
    A = entries((40, 7), "float64", rng, 0.6)
    for operand, array in ((as_operand(CONTAINERS[container](A, rng)), A), (centered(A), A - A.mean(axis=0))):
        for X, exact in ((operand, array), (operand.T, array.T)):
            rows = X.first_rows(5)
            assert 1 <= len(rows) <= 5
            np.testing.assert_allclose(rows, exact[: len(rows)], atol=1e-12)
    assert len(as_operand(A).first_rows(100)) == 40


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "container", ["C order", "Fortran order", "mapped", "csr_array", "csc_array", "chunks"]
)
@pytest.mark.parametrize(
    "chain", [[], ["row_weighted", "centered_by_its_mean", "scaled"]], ids=["plain", "wrapped"]
)
def test_every_verb_on_tiles_of_their_real_size(container, dtype, chain):
    """Catches what only the constants of the real tiles do, such as sums over a tile in float32."""
    rng = np.random.default_rng(0)
    A = entries((2500, 110), dtype, rng, density=0.3)
    case = Case(A, CONTAINERS[container](A, rng), chain, rng)
    check_verbs(case, rng, 5, 2)
    check_verbs(case.T, rng, 5, 2)


# -- threads -----------------------------------------------------------------------------------


def bits(results):
    """The bytes of all results, by name."""
    found = {}
    for name, result in results.items():
        if sparse.issparse(result):
            found[name] = [result.data.tobytes(), result.indices.tobytes(), result.indptr.tobytes()]
        else:
            found[name] = [result.tobytes()]
    return found


def check_bits(container, dtype, chain, shape, density):
    """Compare the bits on 1, 2 and 4 threads."""

    def compute(n_threads):
        rng = np.random.default_rng(1)
        A = entries(shape, dtype, rng, density)
        case = Case(A, CONTAINERS[container](A, rng), chain, rng)
        Z, Y = panels(A.shape, rng, 7)
        can_retile = container not in ("chunks", "sparse chunks")
        return [
            bits(verbs(case.operand, Z, Y, n_threads)),
            bits(verbs(case.operand.T, Y, Z, n_threads, can_retile)),
        ]

    expected = compute(1)
    for n_threads in (2, 4):
        for got, want in zip(compute(n_threads), expected, strict=True):
            assert [name for name in want if got[name] != want[name]] == [], n_threads


BITS_IN = ["C order", "Fortran order", "mapped", "csr_array", "csc_array", "chunks", "sparse chunks"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "chain", [[], ["row_weighted", "centered_by_its_mean", "scaled"]], ids=["plain", "wrapped"]
)
@pytest.mark.parametrize("container", BITS_IN)
def test_the_same_bits_on_any_number_of_threads(container, chain, dtype):
    """Catches sums in the order in which tiles are ready, and tiles that depend on the number of threads."""
    with small_tiles():
        check_bits(container, dtype, chain, (4400, 5), 0.4)


@pytest.mark.parametrize("container", ["C order", "mapped, Fortran order", "csr_array", "csc_array"])
def test_the_same_bits_with_tiles_of_their_real_size(container, monkeypatch):
    """Catches BLAS threads at work under the tiles: on large tiles they change the bits."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    check_bits(container, "float64", ["centered_by_its_mean"], (5000, 180), 0.9)


def test_the_blocked_gram_has_the_same_bits(monkeypatch):
    """Catches blocks that are summed in another order; above 1,024 columns the columns are blocked."""
    monkeypatch.setattr(threads, "cpu_count", lambda: 4)
    A = entries((5000, 1100), "float32", np.random.default_rng(0))
    expected = as_operand(A).gram(n_threads=1)
    for n_threads in (2, 4):
        assert np.array_equal(as_operand(A).gram(n_threads=n_threads), expected)
    B = np.abs(A.astype(np.float64))
    error = np.abs(expected - A.T.astype(np.float64) @ A)
    assert np.all(error <= (len(A) + 20) * np.finfo(np.float32).eps * (B.T @ B))


# -- the residual ---------------------------------------------------------------------------------


@pytest.mark.parametrize("chain", [[], ["row_weighted", "centered", "scaled"]], ids=["plain", "wrapped"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_a_residual_that_is_small(container, chain):
    """Catches squares as the difference of those of Y and A Z, which keeps no digit where the residual is
    1e-8 of them; a tile whose squares are left out; and panels read in another memory order than theirs."""
    rng = np.random.default_rng(0)
    A = entries((3000, 6), "float64", rng, density=0.4)
    with small_tiles():
        case = Case(A, CONTAINERS[container](A, rng), chain, rng)
        Z = rng.standard_normal((6, 3))
        Y = case.exact @ Z + 1e-8 * rng.standard_normal((3000, 3))
        R = Y - case.exact @ Z
        for order in "CF":
            product, squares = case.operand.residual_rmatmat(
                np.array(Z, order=order), np.array(Y, order=order)
            )
            np.testing.assert_allclose(squares, np.sum(R**2, axis=0), rtol=1e-5)
            exact = case.exact.T @ R
            assert np.linalg.norm(product - exact) < 1e-5 * np.linalg.norm(exact)
            # The transposed verb: Y - A Z with the transposed matrix in the place of A.
            product, squares = case.operand.T.residual_rmatmat(Y, Z)
            other = Z - case.exact.T @ Y
            np.testing.assert_allclose(squares, np.sum(other**2, axis=0), rtol=1e-11)
            np.testing.assert_allclose(
                product, case.exact @ other, rtol=0, atol=1e-11 * np.abs(product).max()
            )


def test_squares_of_a_residual_of_float32_data():
    """Catches squares in the dtype of the data: in float32 those below 1e-23 or above 1e19 are lost."""
    A = entries((700, 3), "float32", np.random.default_rng(0))
    for size in (1e-25, 1e20):
        Y = np.full((700, 2), size)
        _, squares = as_operand(A).residual_rmatmat(np.zeros((3, 2)), Y)
        np.testing.assert_allclose(squares, 700 * size**2, rtol=1e-6)


# -- a mean far from zero ------------------------------------------------------------------------


def far_from_zero(kind, rng):
    """A matrix of mean 1e6 times its spread: in all columns, or in one column of a sparse matrix."""
    m = 3000
    if kind == "all columns":
        return 1e6 + rng.standard_normal((m, 40))
    A = rng.standard_normal((m, 200)) * (rng.random((m, 200)) < 0.03)
    A[:, 7] = 1e6 + rng.standard_normal(m)
    return A


FAR_CONTAINERS = {
    "dense": np.asarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "chunks": lambda A: RowChunks(lambda: np.array_split(A, 7), A.shape),
    "sparse chunks": lambda A: RowChunks(lambda: map(sparse.csr_array, np.array_split(A, 7)), A.shape),
}


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", ["all columns", "one column"])
@pytest.mark.parametrize("container", FAR_CONTAINERS)
def test_a_mean_of_a_million_times_the_spread(container, kind, weighted):
    """Catches ``A.T @ A - m mean mean.T`` and its like, which subtract numbers 1e12 times the result."""
    rng = np.random.default_rng(0)
    A = far_from_zero(kind, rng)
    mean = A.mean(axis=0)
    R = A - mean  # exact to the last place of A: the same mean is given to both
    operand = centered(FAR_CONTAINERS[container](A), mean)
    if weighted:
        weight = np.sqrt(rng.integers(1, 4, size=len(A)))
        operand, R = row_weighted(operand, weight), R * weight[:, None]
    m, n = A.shape
    k = m + n + 20
    # An entry of R is off by some units in the last place of A, also where w A - w mean is formed.
    entry = 4 * EPS * np.abs(A).max()
    absR = np.abs(R) + entry

    gram, exact = operand.gram(), R.T @ R
    tolerance = k * EPS * (absR.T @ absR) + 2 * entry * (absR.sum(axis=0) + absR.sum(axis=0)[:, None])
    assert np.all(np.abs(gram - exact) <= tolerance)
    # The tolerance means something: on the diagonal of the far columns it is far below the result.
    assert tolerance[7, 7] < 1e-7 * exact[7, 7]

    norm, exact = operand.squared_norm(), np.sum(R**2)
    tolerance = m * n * EPS * np.sum(absR**2) + 2 * entry * np.sum(absR)
    assert abs(norm - exact) <= tolerance
    assert tolerance < 1e-6 * exact
    norms, exact = operand.column_squared_norms(), np.sum(R**2, axis=0)
    tolerance = m * EPS * np.sum(absR**2, axis=0) + 2 * entry * absR.sum(axis=0)
    assert np.all(np.abs(norms - exact) <= tolerance)

    # A Z has errors of k units in the last place of |A| |Z|, and A^T (A Z) gets them times |A - mean| and
    # once more from its own subtraction. That is 1e6 times k units of the result, not 1e12.
    Z = rng.standard_normal((n, 4))
    weights = (weight if weighted else np.ones(m))[:, None]
    error_of_Y = k * EPS * weights * (2 * (np.abs(A) + np.abs(mean)) @ np.abs(Z))
    Y = R @ Z
    assert np.all(np.abs(operand.matmat(Z) - Y) <= error_of_Y)
    both = weights * (np.abs(A) + np.abs(mean))
    tolerance = absR.T @ error_of_Y + 2 * k * EPS * (both.T @ (np.abs(Y) + error_of_Y))
    exact = R.T @ Y
    assert np.all(np.abs(operand.normal_matmat(Z) - exact) <= tolerance)
    assert np.linalg.norm(tolerance) < 1e-3 * np.linalg.norm(exact)


@pytest.mark.parametrize("container", FAR_CONTAINERS)
def test_a_mean_that_is_not_given(container):
    """Catches means that are summed in float32, or not to the last places, where they are large."""
    rng = np.random.default_rng(0)
    A = far_from_zero("all columns", rng)
    operand = centered(FAR_CONTAINERS[container](A))
    R = A - A.mean(axis=0)
    # A mean that is off by d changes the squared norm of a column by m d^2 + 2 d |sum of R|.
    d = 2 * len(A) * EPS * np.abs(A).max()
    tolerance = len(A) * d**2 + 2 * d * (np.abs(R.sum(axis=0)) + len(A) * d) + 1e-9 * len(A)
    assert np.all(np.abs(operand.column_squared_norms() - np.sum(R**2, axis=0)) <= tolerance)
    assert np.all(np.abs(np.diag(operand.gram()) - np.sum(R**2, axis=0)) <= tolerance)
    assert np.max(tolerance) < 1e-6 * len(A)


def test_a_float32_mean_of_a_thousand_times_the_spread():
    """Catches a check for cancellation made for float64: in float32 half of the digits are four."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((3000, 200)) * (rng.random((3000, 200)) < 0.03)
    A[:, 7] = 1e3 + rng.standard_normal(3000)
    A = A.astype(np.float32)
    R = A - A.astype(np.float64).mean(axis=0)
    gram = centered(sparse.csr_array(A)).gram()
    # The mean is rounded to float32 and so is every entry: 1e3 units in the last place of the spread,
    # twice, in a product of two.
    eps = np.finfo(np.float32).eps
    assert abs(gram[7, 7] / np.sum(R[:, 7] ** 2) - 1) < 4e3 * eps


# -- wrong arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize("container", ["C order", "csc_array", "mapped, Fortran order", "chunks"])
def test_panels_of_a_wrong_shape(container):
    """Catches a product that broadcasts, and an error that does not say which shape is expected."""
    A = entries((7, 4), "float64", np.random.default_rng(0))
    operand = CONTAINERS[container](A, np.random.default_rng(0))
    operand = as_operand(operand)
    for wrong in (np.ones((7, 2)), np.ones(4), np.ones((4, 2, 1)), np.ones((1, 2))):
        for verb in (operand.matmat, operand.normal_matmat, operand.T.rmatmat):
            with pytest.raises(ValueError, match=r"must have shape \(4, l\)"):
                verb(wrong)
    for wrong in (np.ones((4, 2)), np.ones(7)):
        for verb in (operand.rmatmat, operand.T.matmat, operand.T.normal_matmat):
            with pytest.raises(ValueError, match=r"must have shape \(7, l\)"):
                verb(wrong)
    with pytest.raises(ValueError, match=r"Z must have shape \(4, l\)"):
        operand.residual_rmatmat(np.ones((7, 2)), np.ones((7, 2)))
    with pytest.raises(ValueError, match=r"Y must have shape \(7, l\)"):
        operand.residual_rmatmat(np.ones((4, 2)), np.ones((4, 2)))
    for verb, rows in ((operand.residual_rmatmat, (4, 7)), (operand.T.residual_rmatmat, (7, 4))):
        with pytest.raises(ValueError, match="equally many columns, got 1 and 2"):
            verb(np.ones((rows[0], 1)), np.ones((rows[1], 2)))


@pytest.mark.parametrize("container", ["C order", "csc_array"])
def test_a_sketch_of_a_wrong_shape(container):
    """Catches an operator for the other axis."""
    A = entries((30, 20), "float64", np.random.default_rng(0))
    operand = as_operand(CONTAINERS[container](A, None))
    for S in sketches(20).values():
        with pytest.raises(ValueError, match=r"sketch has shape .* but A has 30 rows"):
            operand.sketch(S)
    for S in sketches(30).values():
        with pytest.raises(ValueError, match=r"sketch has shape .* but A has 20 rows"):
            operand.T.sketch(S)


@pytest.mark.parametrize("container", ["C order", "csr_array", "csc_array", "chunks"])
def test_wrapper_vectors(container):
    """Catches a vector of the other axis, a matrix, and NaN that would spread silently."""
    rng = np.random.default_rng(0)
    X = CONTAINERS[container](entries((7, 4), "float64", rng), rng)
    for wrap, size in ((centered, 4), (scaled, 4), (row_weighted, 7)):
        for wrong in (np.ones(11 - size), np.ones((size, 1)), 1.0, np.ones(size + 1)):
            with pytest.raises(ValueError, match=rf"must have shape \({size},\)"):
                wrap(X, wrong)
        for bad in (np.nan, np.inf):
            with pytest.raises(ValueError, match="NaN or infinity"):
                wrap(X, np.full(size, bad))


@pytest.mark.parametrize("container", ["csr_array", "csc_array", "sparse chunks"])
def test_sparse_data_are_shifted_once(container):
    """Catches a second centring that silently replaces the first."""
    rng = np.random.default_rng(0)
    A = entries((40, 6), "float64", rng)
    with pytest.raises(TypeError, match="shifted .* once only"):
        centered(centered(CONTAINERS[container](A, rng), A[0]), A[1]).toarray()


def test_chunks_cannot_be_swept_by_columns():
    """Catches a verb that would read all chunks once per column, or hold them all."""
    rng = np.random.default_rng(0)
    transposed = as_operand(chunks(entries((40, 6), "float64", rng), rng)).T
    for verb in (transposed.gram, transposed.tiled_by_rows):
        with pytest.raises(ValueError, match="arrives in chunks of rows.*memory-mapped"):
            verb()


def test_operands_are_taken_as_they_are():
    """Catches an operand that is wrapped again or converted to an array, which would read it."""
    for X in (np.ones((3, 2)), sparse.csc_array(np.ones((3, 2)))):
        operand = as_operand(X)
        assert as_operand(operand) is operand
        transposed = operand.T
        assert as_operand(transposed) is transposed
        assert transposed.T.shape == operand.shape


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_what_numpy_takes():
    """Catches nested sequences, np.matrix and masked arrays that are refused or keep their own arithmetic."""
    expected = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    matrix, masked = np.matrix(expected), np.ma.masked_array(expected)
    in_chunks = [RowChunks(lambda X=X: iter([X]), X.shape) for X in (matrix, masked)]
    for X in (expected.tolist(), matrix, masked, expected.astype(np.longdouble), *in_chunks):
        operand = scaled(X, [2.0, 3.0])
        assert operand.dtype == np.float64
        assert np.array_equal(operand.toarray(), expected * [2.0, 3.0])
        assert type(operand.matmat(np.eye(2))) is np.ndarray
        assert type(operand.gram()) is np.ndarray
