"""The laws of `SketchOperator`, run on any distribution."""

import inspect
import math
import pickle
import tempfile
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import sparse

from sklr._backend import RowChunks
from sklr.sketch import Distribution, SketchOperator

_FAILURE_PROBABILITY = 1e-6
# What the isometry law lets pass where all operators agree, for which the number of operators is chosen,
# and what clipping the values at `norm_bound` may take off a mean.
_ISOMETRY_SLACK = 0.05
_CLIPPING_SLACK = 0.01


@dataclass
class _Case:
    """What a law is checked on."""

    distribution: Distribution
    sketch_size: int
    n: int
    seed: int
    isometry_shape: tuple
    norm_bound: float

    def operator(self, dtype=np.float64):
        return self.distribution.operator(self.sketch_size, self.n, rng=self.seed, dtype=dtype)

    @cached_property
    def dense(self):
        return self.operator().toarray()

    def rng(self, law):
        return np.random.default_rng([self.seed, *law.encode()])


def _require(condition, message):
    if not condition:
        raise AssertionError(message)


def _require_error(error, words, function, *args, **kwargs):
    call = f"{function.__name__}{args}"
    try:
        function(*args, **kwargs)
    except error as raised:
        _require(words in str(raised), f"the {error.__name__} of {call} does not say {words!r}: {raised}")
    else:
        raise AssertionError(f"{call} does not raise {error.__name__}")


def _as_array(block):
    return block.toarray() if sparse.issparse(block) else block


def _require_product(found, S, A, what):
    """``found == S A`` up to rounding: n unit roundoffs of the product of the norms, entry by entry."""
    found = _as_array(found)
    wanted = S @ A
    _require(found.shape == wanted.shape, f"{what} has shape {found.shape}, not {wanted.shape}")
    row_norms = np.linalg.norm(S, axis=1)
    column_norms = np.linalg.norm(A, axis=0)
    tolerance = max(S.shape) * np.finfo(found.dtype).eps * np.multiply.outer(row_norms, column_norms)
    excess = np.abs(found - wanted) - tolerance
    _require(
        np.all(excess <= 0),
        f"{what} differs from the product with toarray() by {np.abs(found - wanted).max():.3g}",
    )


# -- laws -----------------------------------------------------------------------------------


def _check_definition(case):
    """An operator has the shape, dtype and scale it was asked for, and impossible ones are refused."""
    S = case.operator()
    shape = (case.sketch_size, case.n)
    _require(isinstance(S, SketchOperator), "operator() does not return a SketchOperator")
    _require(S.shape == shape, f"the shape is {S.shape}, not {shape}")
    _require(S.dtype == np.float64, f"the dtype is {S.dtype}, not float64")
    _require(0 < S.isometry_scale < math.inf, f"isometry_scale is {S.isometry_scale}")
    _require(S.T.shape == shape[::-1] and S.T.T is S, "S.T is not the adjoint of S")
    _require(
        case.dense.shape == shape and case.dense.dtype == np.float64, "toarray() has another shape or dtype"
    )
    make = case.distribution.operator
    _require_error(ValueError, "sketch_size", make, 0, case.n)
    _require_error(ValueError, "sketch_size", make, case.n + 1, case.n)
    _require_error(TypeError, "sketch_size", make, 2.0, case.n)
    _require_error(ValueError, "dtype", make, case.sketch_size, case.n, dtype=np.int64)


def _check_value(case):
    """A distribution is a value: equality, get_params, set_params, pickling; operators keep a copy."""
    distribution = case.distribution
    params = distribution.get_params()
    names = [p for p in inspect.signature(type(distribution)).parameters]
    _require(list(params) == names, f"get_params() gives {list(params)}, but the parameters are {names}")
    _require(isinstance(distribution.name, str), "the name is not a string")
    twin = type(distribution)(**params)
    _require(twin == distribution, "equal parameters do not make equal distributions")
    _require(pickle.loads(pickle.dumps(distribution)) == distribution, "pickling changes the distribution")
    _require(distribution != object(), "the distribution equals something else")
    for name, value in params.items():
        _require(twin.get_params()[name] is value, f"the parameter {name} is not stored as given")
    _require_error(ValueError, "no_such", twin.set_params, no_such=1)
    S = twin.operator(case.sketch_size, case.n, rng=case.seed)
    _require(twin.set_params(**dict.fromkeys(params)) is twin, "set_params does not return the distribution")
    _require(all(value is None for value in twin.get_params().values()), "set_params does not set")
    _require(np.array_equal(S.toarray(), case.dense), "set_params changes an operator already made")


def _check_submatrix(case):
    """`columns` and `rows` are exactly those columns and rows of `toarray`."""
    S = case.operator()
    rng = case.rng("submatrix")
    for size, take, cut in (
        (case.n, S.columns, lambda lo, hi: case.dense[:, lo:hi]),
        (case.sketch_size, S.rows, lambda lo, hi: case.dense[lo:hi]),
    ):
        borders = [b for b in (8, 1024, 4096, 8192) if b < size]
        ranges = [(0, 0), (0, 1), (0, size), (size - 1, size), (size, size)]
        ranges += [(b - 1, b + 1) for b in borders] + list(pairwise([0, *borders, size]))
        ranges += [tuple(sorted(rng.integers(0, size + 1, 2).tolist())) for _ in range(10)]
        for lo, hi in ranges:
            what = f"{take.__name__}({lo}, {hi})"
            block = take(lo, hi)
            _require(
                isinstance(block, sparse.csc_array if S.is_sparse else np.ndarray),
                f"{what} is a {type(block).__name__} although is_sparse is {S.is_sparse}",
            )
            _require(np.array_equal(_as_array(block), cut(lo, hi)), f"{what} is not that part of toarray()")
            if S.is_sparse:
                column = np.repeat(np.arange(block.shape[1]), np.diff(block.indptr))
                position = column * block.shape[0] + block.indices
                _require(np.all(np.diff(position) > 0), f"rows do not ascend within the columns of {what}")
        for lo, hi in ((-1, 1), (0, size + 1), (1, 0)):
            _require_error(ValueError, "lo", take, lo, hi)


def _check_same_stream(case):
    """Equal distribution, shape and seed give the same bits; nothing else takes part."""
    legacy_state = np.random.get_state
    before = pickle.dumps(legacy_state())
    S = case.operator()
    middle = case.n // 2
    backwards = [_as_array(S.columns(lo, hi)) for lo, hi in ((middle, case.n), (0, middle))]
    _require(np.array_equal(np.hstack(backwards[::-1]), case.dense), "the order of generation matters")
    _require(np.array_equal(S.toarray(), case.dense), "a second look gives other entries")
    copy = pickle.loads(pickle.dumps(case.operator()))
    _require(np.array_equal(copy.toarray(), case.dense), "pickling changes the operator")
    other = case.distribution.operator(case.sketch_size, case.n, rng=case.seed + 1)
    _require(not np.array_equal(other.toarray(), case.dense), "another seed gives the same operator")
    generator = np.random.default_rng(case.seed)
    first, second = (case.distribution.operator(case.sketch_size, case.n, rng=generator) for _ in range(2))
    _require(not np.array_equal(first.toarray(), second.toarray()), "a Generator gives one operator twice")
    _require(pickle.dumps(legacy_state()) == before, "NumPy's global random state is used")


def _check_float32(case):
    """The float32 operator is the float64 one rounded."""
    S = case.operator(np.float32)
    wanted = case.dense.astype(np.float32)
    _require(S.dtype == np.float32, f"the dtype is {S.dtype}, not float32")
    for what, found in (
        ("toarray() of the float32 operator", S.toarray()),
        ("columns(0, n) of the float32 operator", _as_array(S.columns(0, case.n))),
        ("columns(0, n, float32)", _as_array(case.operator().columns(0, case.n, np.float32))),
    ):
        _require(found.dtype == np.float32, f"{what} has dtype {found.dtype}")
        _require(np.array_equal(found, wanted), f"{what} is not the float64 operator rounded")


def _containers(A, directory):
    """Yield ``(name, container, its values, dtype of the product)``."""
    n = A.shape[0]
    small = np.round(10 * A)
    read_only = A.copy()
    read_only.setflags(write=False)
    mapped = np.memmap(Path(directory, "A"), dtype=np.float64, mode="w+", shape=A.shape)
    mapped[:] = A
    mapped_integers = np.memmap(Path(directory, "B"), dtype=np.int8, mode="w+", shape=A.shape, order="F")
    mapped_integers[:] = small
    wide = np.repeat(A, 2, axis=1)
    thin = np.where(A > 1, A, 0.0)
    f4, f8 = np.float32, np.float64
    yield "a C-ordered array", np.ascontiguousarray(A), A, f8
    yield "a Fortran-ordered array", np.asfortranarray(A), A, f8
    yield "an array with strides", wide[:, ::2], A, f8
    yield "a read-only array", read_only, A, f8
    yield "a float32 array", A.astype(f4), A.astype(f4), f4
    yield "an integer array", small.astype(np.int32), small, f8
    yield "a boolean array", A > 0, A > 0, f8
    yield "a memory-mapped array", mapped, A, f8
    yield "a memory-mapped integer array in Fortran order", mapped_integers, small, f8
    for kind in (sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix, sparse.csc_array, sparse.coo_array):
        yield f"a {kind.__name__}", kind(thin), thin, f8
    yield "a float32 csr_array", sparse.csr_array(thin.astype(f4)), thin.astype(f4), f4
    yield "an integer csc_array", sparse.csc_array(np.round(thin).astype(int)), np.round(thin), f8
    cuts = [0, n // 3, n // 2, n]
    for name, B in (("chunks", A), ("sparse chunks", sparse.csr_array(thin))):
        yield (
            name,
            RowChunks(lambda B=B: (B[lo:hi] for lo, hi in pairwise(cuts)), A.shape, B.dtype),
            _as_array(B),
            f8,
        )


def _check_product(case):
    """``apply(A) == toarray() @ A`` and ``apply_right(A^T)`` its transpose, whatever A is kept in."""
    S = case.operator()
    rng = case.rng("product")
    A = rng.standard_normal((case.n, 5))
    with tempfile.TemporaryDirectory() as directory:
        for name, container, values, dtype in _containers(A, directory):
            products = {f"apply of {name}": S.apply(container)}
            if not isinstance(container, RowChunks):
                products[f"apply_right of the transpose of {name}"] = S.apply_right(container.T).T
            for what, found in products.items():
                _require(found.dtype == dtype, f"{what} has dtype {found.dtype}, not {np.dtype(dtype)}")
                _require_product(found, case.dense, values.astype(np.float64), what)
            is_sparse = sparse.issparse(container) and S.is_sparse
            found = products[f"apply of {name}"]
            _require(
                isinstance(found, sparse.csr_array if is_sparse else np.ndarray) or name == "sparse chunks",
                f"apply of {name} is a {type(found).__name__}",
            )
            del container, products  # Windows does not delete a file that is mapped
    _require_product(S.apply(A[:, 0]), case.dense, A[:, 0], "apply of a vector")
    _require_product(S.apply(A[:, 0].tolist()), case.dense, A[:, 0], "apply of a list")
    _require_product(S @ A, case.dense, A, "S @ A")
    _require_product(
        case.operator(np.float32).apply(A.astype(np.float32)), case.dense, A, "a float32 operator"
    )


def _check_adjoint(case):
    """``<S u, v> == <u, S^T v>``, and ``T.apply(V) == toarray().T @ V``."""
    S = case.operator()
    rng = case.rng("adjoint")
    u, v = rng.standard_normal(case.n), rng.standard_normal(case.sketch_size)
    left, right = S.apply(u) @ v, u @ S.T.apply(v)
    tolerance = (
        case.n * np.finfo(float).eps * np.linalg.norm(case.dense) * np.linalg.norm(u) * np.linalg.norm(v)
    )
    _require(abs(left - right) <= tolerance, f"<S u, v> = {left} but <u, S^T v> = {right}")
    V = rng.standard_normal((case.sketch_size, 3))
    for name, Y in (
        ("an array", V),
        ("a Fortran-ordered array", np.asfortranarray(V)),
        ("a float32 array", V.astype(np.float32)),
        ("integers", np.round(V).astype(int)),
        ("a vector", v),
    ):
        found = S.T.apply(Y)
        wanted = np.float32 if Y.dtype == np.float32 else np.float64
        _require(found.dtype == wanted, f"T.apply of {name} has dtype {found.dtype}")
        _require_product(found, case.dense.T, Y.astype(np.float64), f"T.apply of {name}")
    _require(np.array_equal(S.T.toarray(), case.dense.T), "T.toarray() is not the transpose of toarray()")


def _check_threads(case):
    """The bits of a product do not depend on the number of threads."""
    S = case.operator()
    A = case.rng("threads").standard_normal((case.n, 64))  # several tiles, dense and sparse
    V = A[: case.sketch_size]
    thin = sparse.csr_array(np.where(A > 0, A, 0.0))
    for what, product in (
        ("apply of an array", lambda k: S.apply(A, n_threads=k)),
        ("apply of a float32 array", lambda k: S.apply(A.astype(np.float32), n_threads=k)),
        ("apply of a csr_array", lambda k: S.apply(thin, n_threads=k)),
        ("apply of a csc_array", lambda k: S.apply(thin.tocsc(), n_threads=k)),
        ("apply_right of an array", lambda k: S.apply_right(A.T, n_threads=k)),
        ("T.apply of an array", lambda k: S.T.apply(V, n_threads=k)),
    ):
        one, two, again = (_as_array(product(k)) for k in (1, 2, 2))
        _require(np.array_equal(one, two), f"{what} has other bits on two threads than on one")
        _require(np.array_equal(two, again), f"{what} has other bits the second time")


def _check_refusal(case):
    """What cannot be sketched is refused by an error that names it."""
    S = case.operator()
    A = np.ones((case.n, 2))
    _require_error(ValueError, str(case.n), S.apply, A[1:])
    _require_error(ValueError, str(case.n), S.apply_right, A[1:].T)
    _require_error(ValueError, str(case.sketch_size), S.T.apply, np.ones((case.sketch_size + 1, 2)))
    _require_error(ValueError, "A", S.apply, A[:, :0])
    _require_error(ValueError, "complex", lambda B: S.apply(B), A * 1j)
    for bad, word in ((np.nan, "NaN"), (np.inf, "inf")):
        B = A.copy()
        B[case.n // 2, 1] = bad
        _require_error(ValueError, word, S.apply, B)
        _require_error(ValueError, word, S.apply, sparse.csr_array(B))
        _require_error(ValueError, word, S.T.apply, np.full((case.sketch_size, 2), bad))


def _check_extension(case):
    """``extend`` keeps the rows, up to the ratio of the scales; other families refuse."""
    S = case.operator()
    d, n = S.shape
    if not S.distribution.extendable:
        _require_error(TypeError, type(S.distribution).__name__, S.extend, 1)
        return
    _require(d < n, "sketch_size must be below n, or nothing can be extended")
    step = _smallest_extension(S)
    larger = S.extend(step)
    _require(larger.shape == (d + step, n), f"extend({step}) has shape {larger.shape}")
    _require(larger.dtype == S.dtype, f"extend({step}) has dtype {larger.dtype}")
    wanted = case.dense * (larger.isometry_scale / S.isometry_scale)
    entries = larger.toarray()
    rounding = 8 * np.finfo(float).eps * np.abs(wanted)
    _require(np.all(np.abs(entries[:d] - wanted) <= rounding), f"extend({step}) changes the rows it had")
    _require(np.any(entries[d:]), f"extend({step}) adds rows of zeros")
    if d + 2 * step <= n:
        once, twice = S.extend(2 * step), larger.extend(step)
        _require(np.array_equal(once.toarray(), twice.toarray()), "extending twice is not extending at once")
    _require_error(ValueError, "sketch_size", S.extend, step * (n // step + 1))
    _require_error(ValueError, "n_more_rows", S.extend, 0)
    _require_error(TypeError, "n_more_rows", S.extend, 1.0)


def _smallest_extension(S):
    for step in range(1, S.shape[1] - S.shape[0] + 1):
        try:
            S.extend(step)
        except ValueError as raised:
            reason = raised
        else:
            return step
    raise AssertionError(f"no extension is accepted; the last was refused with: {reason}")


def _check_isometry(case):
    """``E[S^T S] = I``.

    S^T S = I on average exactly if ``Y = ||S x||**2`` has mean 1 for the K vectors x that are e_i or
    (e_i + e_j) / sqrt(2). Each mean of N independent operators is compared with 1. Y is clipped to
    [0, B], B = norm_bound, which lowers its mean by at most _CLIPPING_SLACK by the definition of B. For
    variables in [0, B] with sample variance V the empirical Bernstein bound (A. Maurer, M. Pontil,
    arXiv:0907.3740, theorem 4) says that with probability 1 - delta

        mean - sample mean <= sqrt(2 V log(2 / delta) / N) + 7 B log(2 / delta) / (3 (N - 1)),

    and, applied to B - Y, the same for the other side. With delta = _FAILURE_PROBABILITY / (2 K), both
    sides of all K hold at once with probability 1 - _FAILURE_PROBABILITY. N makes the last term
    _ISOMETRY_SLACK.
    """
    sketch_size, n = case.isometry_shape
    i, j = np.triu_indices(n)
    bound, log_term = case.norm_bound, math.log(4 * len(i) / _FAILURE_PROBABILITY)
    n_operators = 2 + int(7 * bound * log_term / (3 * _ISOMETRY_SLACK))
    rng = case.rng("isometry")
    values = np.empty((n_operators, len(i)))
    for row in values:
        columns = _as_array(case.distribution.operator(sketch_size, n, rng=rng).columns(0, n))
        gram = columns.T @ columns
        # For i = j this is gram[i, i] twice.
        row[:] = np.where(i == j, 0.5, 1.0) * (gram[i, i] + gram[j, j] + 2 * gram[i, j]) / 2
    np.minimum(values, bound, out=values)
    deviation = np.abs(values.mean(axis=0) - 1)
    allowed = np.sqrt(2 * values.var(axis=0, ddof=1) * log_term / n_operators)
    worst = int(np.argmax(deviation - allowed))
    _require(
        deviation[worst] <= allowed[worst] + _ISOMETRY_SLACK + _CLIPPING_SLACK,
        f"||S x||**2 has mean {values.mean(axis=0)[worst]:.4f} over {n_operators} operators of shape "
        f"({sketch_size}, {n}), for x = e_{i[worst]} + e_{j[worst]}, normalised",
    )


_LAWS = {
    "definition": _check_definition,
    "value": _check_value,
    "submatrix": _check_submatrix,
    "same stream": _check_same_stream,
    "float32": _check_float32,
    "product": _check_product,
    "adjoint": _check_adjoint,
    "threads": _check_threads,
    "refusal": _check_refusal,
    "extension": _check_extension,
    "isometry": _check_isometry,
}


def check_sketch_operator(
    distribution, sketch_size=24, n=9000, seed=0, isometry_shape=(10, 12), norm_bound=4.0
):
    """Run every law of `SketchOperator` on a distribution, for people who add one.

    Parameters
    ----------
    distribution : Distribution
        What to check. Not changed.
    sketch_size : int, default=24
        Rows of the operators.
    n : int, default=9000
        Columns of the operators: more than one block of every family of sklr.
    seed : int, default=0
        Of the operators and of the data.
    isometry_shape : (int, int), default=(10, 12)
        Shape of the many small operators whose average is compared with the identity. Where the
        distribution fits one n only (such as sampling with given probabilities), choose a small n and give
        ``(sketch_size, n)`` here.
    norm_bound : float, default=4.0
        A bound on ``||S x||**2`` for the isometry shape and x any coordinate vector or the sum of two,
        normalised; exceeded so rarely that ``E max(||S x||**2 - norm_bound, 0) <= 0.01``. 2 would do for
        columns of norm 1; 4 does for a Gaussian matrix, for fast transforms and for uniform sampling. Time is
        proportional to it.

    Raises
    ------
    AssertionError
        With the name of the law that fails.

    See Also
    --------
    sklr.sketch.SketchOperator : The laws.

    Notes
    -----
    The laws, in the order in which they are tried:

    - *definition*: shape, dtype, scale; refused sizes;
    - *value*: a distribution is compared, copied, pickled and changed by value;
    - *submatrix*: ``columns`` and ``rows`` are exactly those of ``toarray``, csc_array where `is_sparse`;
    - *same stream*: equal distribution, shape and seed give the same bits, in any order of generation;
    - *float32*: the float32 operator is the float64 one rounded;
    - *product*: ``apply(A) == toarray() @ A`` for dense, sparse, memory-mapped and chunked A of all dtypes;
    - *adjoint*: ``<S u, v> == <u, S^T v>``;
    - *threads*: the same bits on one thread and on two;
    - *refusal*: errors for what cannot be sketched;
    - *extension*: ``extend`` keeps the rows, or refuses;
    - *isometry*: ``E[S^T S] = I``. A correct distribution fails this law with probability at most 1e-6. An
      ``E ||S x||**2`` that is off by twice ``0.06 + 0.2 sqrt(var(||S x||**2) / norm_bound)`` is found, x any
      coordinate vector or the sum of two, normalised.

    It takes some seconds.

    Examples
    --------
    >>> from sklr.sketch import SparseStack
    >>> from sklr.testing import check_sketch_operator
    >>> check_sketch_operator(SparseStack(n_blocks=4), sketch_size=12, n=500)
    """
    case = _Case(distribution, sketch_size, n, seed, isometry_shape, norm_bound)
    for law, check in _LAWS.items():
        try:
            check(case)
        except Exception as failure:
            reason = failure if isinstance(failure, AssertionError) else repr(failure)
            raise AssertionError(
                f"The law {law!r} fails for {distribution!r}, sketch_size={sketch_size}, n={n}, seed={seed}: "
                f"{reason}"
            ) from failure
