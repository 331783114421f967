"""Choosing columns by every method: coefficients, errors, tolerance, dependent columns, bad input."""

import numpy as np
import pytest
from scipy import linalg, sparse

from sklr._backend import RangeError
from sklr.linalg import RowChunks, leverage_scores, randomly_pivoted_columns, select_columns
from sklr.linalg.columns import METHODS, SCORED

FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "chunks": lambda A: RowChunks(lambda: iter(np.array_split(A, 7)), A.shape, A.dtype),
}
REFERENCE = np.random.default_rng(5).standard_normal((9, 60))


def decaying(m, n, seed=0, values=lambda i: 1 / i, dtype=np.float64):
    """A matrix whose singular values are a function of 1, 2, ..., and these."""
    rng = np.random.default_rng(seed)
    q = min(m, n)
    U, V = (linalg.qr(rng.standard_normal((size, q)), mode="economic")[0] for size in (m, n))
    s = values(np.arange(1.0, q + 1))
    return ((U * s) @ V.T).astype(dtype), s


def options(method):
    return {"reference": REFERENCE} if method == "norm_activation" else {}


def exact_error(A, J):
    """Of the projection on columns, by LAPACK and without cancellation."""
    A = A.astype(np.float64)
    Q = linalg.qr(A[:, J], mode="economic")[0]
    E = A - Q @ (Q.T @ A)
    return np.linalg.norm(E - Q @ (Q.T @ E)) / np.linalg.norm(A)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("method", METHODS)
def test_best_coefficients_and_their_errors(method, form):
    """Coefficients that are those of a sketch; errors of other columns; another choice for a container."""
    A, _ = decaying(300, 60)
    found = select_columns(FORMS[form](A), 12, method=method, rng=0, **options(method))
    J = found.indices
    assert len(set(J)) == 12
    np.testing.assert_allclose(found.coefficients, linalg.lstsq(A[:, J], A)[0], atol=1e-11)
    for r in (1, 5, 12):
        assert found.errors[r - 1] == pytest.approx(exact_error(A, J[:r]), rel=1e-9)
    np.testing.assert_allclose(
        np.abs(found.triangle), np.abs(linalg.qr(A[:, J], mode="r")[0][:12]), atol=1e-12
    )
    if method not in ("leverage", "deim"):  # iterations may start with other bits
        dense = select_columns(A, 12, method=method, sketch="auto", rng=0, **options(method))
        if form in ("fortran", "chunks"):
            np.testing.assert_array_equal(J, dense.indices)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("method", METHODS)
def test_small_errors(method, dtype):
    """Errors that are rounding of a difference of squares: 1e-8 (float32: 1e-3) where it is far less."""
    A, _ = decaying(200, 60, values=lambda i: 10.0 ** -((i - 1) / 5), dtype=dtype)
    found = select_columns(A, 40, method=method, rng=0, **options(method))
    assert found.coefficients.dtype == dtype
    eps = np.finfo(dtype).eps
    for r in range(1, len(found.indices) + 1):
        exact = max(exact_error(A, found.indices[:r]), eps)
        assert exact / 3 < found.errors[r - 1] < 3 * exact + 30 * eps
    residual = np.linalg.norm(A - A[:, found.indices] @ found.coefficients.astype(np.float64))
    assert residual < 3 * found.errors[-1] * np.linalg.norm(A) + 1e3 * eps * np.linalg.norm(A)


@pytest.mark.parametrize("method", METHODS)
def test_tolerance(method):
    """A tolerance that is not reached, or with more columns than the order of choice takes."""
    A, _ = decaying(300, 60)
    for tol in (0.3, 0.1):
        found = select_columns(A, method=method, tol=tol, rng=0, **options(method))
        assert found.errors[-1] <= tol < found.errors[-2]
        assert exact_error(A, found.indices) <= tol * (1 + 1e-9)
    at_most = select_columns(A, 3, method=method, tol=0.1, rng=0, **options(method))
    assert len(at_most.indices) == 3 and at_most.errors[-1] > 0.1


def test_tolerance_far_beyond_what_is_tried_first():
    """A search for the number of columns that ends too early, or passes over A for sizes without hope."""
    A, _ = decaying(600, 500)
    found = select_columns(A, tol=0.03, rng=0)
    assert len(found.indices) > 256 and found.errors[-1] <= 0.03 < found.errors[-2]
    # Four sketches, for 64 to 500 columns, one interpolation, and probes, as 500 columns leave nothing.
    assert found.n_passes == 4 + 2 + 1


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dependent_columns_are_passed_over(dtype, method):
    """A column twice, or zero, chosen; or fewer columns than are independent."""
    rng = np.random.default_rng(0)
    B = (rng.standard_normal((150, 6)) * np.arange(1, 7)).astype(dtype)
    A = np.hstack([np.zeros((150, 2), dtype=dtype), B, B, B[:, ::-1], 2 * B[:, :1] - B[:, 1:2]])
    kind = {"reference": np.ones((3, A.shape[1]))} if method == "norm_activation" else {}
    found = select_columns(A, 12, method=method, rng=0, **kind)
    assert len(found.indices) == 6
    assert linalg.svdvals(A[:, found.indices])[-1] > 0.1
    np.testing.assert_allclose(
        A[:, found.indices] @ found.coefficients, A, atol=1e-4 if dtype == np.float32 else 1e-12
    )
    assert found.errors[-1] < 1e3 * np.finfo(dtype).eps


@pytest.mark.parametrize("method", SCORED)
def test_the_earlier_one_of_dependent_columns_stays(method):
    """An order of choice in which a lower score comes first."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((100, 8)) * np.arange(8, 0, -1)
    A = np.hstack([A, A[:, :4] * 0.999])
    kind = {"reference": np.ones((2, 12))} if method == "norm_activation" else {}
    found = select_columns(A, 6, method=method, rng=0, **kind)
    scores = leverage_scores(A, 6).scores if method == "leverage" else np.sum(A**2, axis=0)
    order = [j for j in np.argsort(-scores) if j < 8]  # of two that are alike the first is the longer one
    np.testing.assert_array_equal(found.indices, order[:6])


@pytest.mark.parametrize(
    "method", [method for method in METHODS if method not in ("leverage", "deim", "rbrp")]
)
def test_fewer_columns_are_the_first_ones(method):
    """An order of choice that depends on how many are wanted."""
    A, _ = decaying(200, 60)
    kind = options(method) | ({"sketch": "gaussian"} if method in ("qrcp", "lupp", "greedy") else {})
    many = select_columns(A, 30, method=method, rng=3, n_oversamples=60 if "sketch" in kind else None, **kind)
    few = select_columns(A, 8, method=method, rng=3, n_oversamples=82 if "sketch" in kind else None, **kind)
    np.testing.assert_array_equal(few.indices, many.indices[:8])
    np.testing.assert_allclose(few.coefficients, many.first(8).coefficients, atol=1e-10)
    np.testing.assert_allclose(few.errors, many.first(8).errors, rtol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_bits_on_any_number_of_threads(method):
    """A sum whose order depends on the threads."""
    A, _ = decaying(3000, 60)
    one, two = (select_columns(A, 15, method=method, rng=0, n_threads=n, **options(method)) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("form", ["dense", "csr", "csc"])
def test_defaults_in_every_dtype_and_container(form, dtype):
    """A container or a dtype whose sums depend on the threads, or whose coefficients are not the best."""
    A, _ = decaying(2000, 80, dtype=dtype)
    A[np.abs(A) < 1e-3] = 0
    one, two = (select_columns(FORMS[form](A), 15, rng=0, n_threads=n) for n in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    J, precision = one.indices, 1e-4 if dtype == np.float32 else 1e-9
    assert one.coefficients.dtype == dtype
    assert one.errors[-1] == pytest.approx(exact_error(A, J), rel=precision)
    exact = linalg.lstsq(A[:, J].astype(np.float64), A.astype(np.float64))[0]
    np.testing.assert_allclose(one.coefficients, exact, atol=10 * precision)


@pytest.mark.parametrize(
    ("method", "passes"), [("qrcp", 3), ("lupp", 3), ("greedy", 3), ("norm", 3), ("uniform", 2)]
)
def test_passes(method, passes):
    """A sweep that is not needed, or not counted."""
    reads = []

    def factory():
        reads.append(1)
        return iter(np.array_split(A, 5))

    A, _ = decaying(300, 60)
    found = select_columns(RowChunks(factory, A.shape, A.dtype), 10, method=method, rng=0)
    assert found.n_passes == len(reads) == passes


@pytest.mark.parametrize(("dtype", "tol"), [(np.float32, 1e-4), (np.float64, 1e-9)])
@pytest.mark.parametrize("method", METHODS)
def test_tolerances_that_squares_do_not_resolve(method, dtype, tol):
    """Columns that count as dependent because a difference of squares does not tell them."""
    A, _ = decaying(400, 60, values=lambda i: 10.0 ** -(i / 5), dtype=dtype)
    found = select_columns(A, method=method, tol=tol, rng=0, **options(method))
    assert found.errors[-1] <= tol
    assert exact_error(A, found.indices) <= 3 * tol


@pytest.mark.parametrize("method", METHODS)
def test_a_sketch_or_a_score_that_misses_columns(method):
    """Columns that are independent, not taken because the sketch has no rows for them or scores are zero."""
    rng = np.random.default_rng(0)
    A = np.zeros((2000, 60))
    A[:60] = rng.standard_normal((60, 60))
    kind = {}
    if method in ("qrcp", "lupp", "greedy"):
        kind["sketch"] = "row_sampling"
    if method == "norm_activation":
        kind = {"reference": np.eye(2, 60), "sampled": True}
    assert len(select_columns(A, 10, method=method, rng=0, **kind).indices) == 10


@pytest.mark.parametrize("method", METHODS)
def test_entries_too_small_to_be_squared(method):
    """Errors of what is left when squares underflow."""
    A, _ = decaying(50, 60)
    with pytest.raises(RangeError, match="Divide A by its largest entry|underflow"):
        select_columns(A * 1e-158, 5, method=method, rng=0, **options(method))


def test_coefficients_that_leave_float32():
    """Infinite coefficients."""
    A = np.random.default_rng(0).standard_normal((100, 6)).astype(np.float32)
    A[:, 1:] *= np.float32(1e15)
    A[:, 0] *= np.float32(1e-25)
    with pytest.raises(RangeError, match="Coefficients leave the range of float32"):
        for seed in range(30):
            select_columns(A, 1, method="uniform", rng=seed)


def test_no_best_error_where_it_is_rounding():
    """A ratio of rounding errors."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((300, 6)) @ rng.standard_normal((6, 80))
    for method in ("qrcp", "greedy", "deim"):
        assert np.isnan(select_columns(A, 6, method=method, rng=0).best_errors[-1])
    found = leverage_scores(decaying(2000, 300)[0], 20, kind="sketched", sketch_size=40, rng=0)
    exact = leverage_scores(decaying(2000, 300)[0], 20)
    assert found.best_errors[-1] == pytest.approx(exact.best_errors[-1], rel=0.25)


# -- scores ---------------------------------------------------------------------------------------


def test_leverage_scores():
    """Scores that are not those of the singular vectors; a bound that is none."""
    A, s = decaying(200, 50)
    V = linalg.svd(A, full_matrices=False)[2].T
    found = leverage_scores(A, 7)
    np.testing.assert_allclose(found.scores, np.sum(V[:, :7] ** 2, axis=1), atol=1e-8)
    tails = np.cumsum(s[::-1] ** 2)[::-1]
    np.testing.assert_allclose(found.best_errors, np.sqrt(tails[1:8] / tails[0]), rtol=1e-6)
    ridge = leverage_scores(A, 7, kind="ridge").scores
    exact = np.einsum("ij,ij->j", A, linalg.solve(A @ A.T + tails[7] / 7 * np.eye(200), A))
    assert np.all(ridge >= exact * (1 - 1e-9)) and ridge.sum() <= 14 * (1 + 1e-9)
    assert np.all(ridge <= exact * (1 + 7 * s[7] ** 2 / tails[7] + 1e-9))  # see below
    sketched = leverage_scores(A, 7, kind="sketched", sketch_size=200).scores
    np.testing.assert_allclose(sketched, found.scores, atol=1e-8)


def test_leverage_of_a_matrix_of_low_rank():
    """Singular vectors of zeros, which are any, that are counted."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((50, 3)) @ rng.standard_normal((3, 20))
    V = linalg.svd(A, full_matrices=False)[2][:3]
    for kind in ("exact", "ridge"):
        found = leverage_scores(A, 6, kind=kind)
        np.testing.assert_allclose(found.scores, np.sum(V**2, axis=0), atol=1e-7)
        assert np.isnan(found.best_errors[-1])


def test_deim_takes_the_points_of_the_singular_vectors():
    """Points of another basis, or taken in another way than one by one where the residual is largest."""
    A, _ = decaying(200, 50)
    V = linalg.svd(A, full_matrices=False)[2][:10].T
    points = [int(np.argmax(np.abs(V[:, 0])))]
    for i in range(1, 10):
        c = linalg.solve(V[points, :i], V[points, i])
        points.append(int(np.argmax(np.abs(V[:, i] - V[:, :i] @ c))))
    np.testing.assert_array_equal(select_columns(A, 10, method="deim", rng=0).indices, points)


def test_draws_are_proportional_to_scores():
    """Draws by lengths in place of their squares, or uniform ones.

    Of 4,000 draws of one column the part that takes column j has mean p_j and deviation below .0079.
    """
    A = np.diag([1.0, 2.0, 3.0, 4.0])
    drawn = [select_columns(A, 1, method="norm", sampled=True, rng=seed).indices[0] for seed in range(4000)]
    parts = np.bincount(drawn, minlength=4) / 4000
    np.testing.assert_allclose(parts, np.array([1, 4, 9, 16]) / 30, atol=5 * 0.0079)


def test_norm_activation_scores():
    """Norms of one of the two matrices only."""
    A, _ = decaying(100, 60)
    found = select_columns(A, 10, method="norm_activation", reference=REFERENCE)
    scores = np.linalg.norm(A, axis=0) * np.linalg.norm(REFERENCE, axis=0)
    np.testing.assert_array_equal(found.indices, np.argsort(-scores)[:10])
    same = select_columns(A, 10, method="norm_activation", reference=sparse.csr_array(REFERENCE))
    np.testing.assert_array_equal(found.indices, same.indices)


# -- random pivoting ------------------------------------------------------------------------------


def test_random_pivoting_in_blocks():
    """Blocks that take columns alike: here 20 groups of columns, of which one each is enough."""
    rng = np.random.default_rng(0)
    A = np.repeat(rng.standard_normal((200, 20)), 30, axis=1) + 1e-6 * rng.standard_normal((200, 600))
    for block_size in (1, 10, 100):
        found = randomly_pivoted_columns(A, tol=1e-3, block_size=block_size, rng=0)
        assert len(found.indices) == 20
        assert len(set(found.indices // 30)) == 20


def test_random_pivoting_draws_what_is_left():
    """Draws by the lengths of the columns, not by those of their residuals: then 900 columns that are alike
    would take most of the draws, and the others wait."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((300, 30))
    A = np.hstack([np.repeat(10 * A[:, :1], 900, axis=1) + 1e-3 * rng.standard_normal((300, 900)), A[:, 1:]])
    found = randomly_pivoted_columns(A, 30, block_size=5, rng=0)
    assert np.sum(found.indices < 900) <= 2


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": None}, ValueError, "k and tol are both None"),
        ({"k": 21}, ValueError, "k must be between 1 and 20"),
        ({"k": 2.0}, TypeError, "k must be an int"),
        ({"tol": 2}, ValueError, r"tol must be in \(0, 1\)"),
        ({"method": "svd"}, ValueError, "method must be one of"),
        ({"leverage": "ridge"}, ValueError, "is for method='leverage'"),
        ({"method": "leverage", "leverage": "all"}, ValueError, "leverage must be one of"),
        ({"sampled": True}, ValueError, "sampled=True is for the methods"),
        ({"sampled": 1}, TypeError, "sampled must be True or False"),
        ({"reference": np.ones((3, 20))}, ValueError, "reference is for method='norm_activation'"),
        ({"method": "norm_activation"}, ValueError, "needs a reference batch"),
        (
            {"method": "norm_activation", "reference": np.ones((3, 19))},
            ValueError,
            "reference has 19 columns, A has 20",
        ),
        (
            {"method": "norm_activation", "reference": np.full((3, 20), np.nan)},
            ValueError,
            "reference contains NaN",
        ),
        (
            {"method": "norm_activation", "reference": np.zeros((3, 20))},
            ValueError,
            "reference is zero everywhere",
        ),
        ({"method": "norm", "sketch": "gaussian"}, ValueError, "method='norm' makes no sketch"),
        ({"method": "leverage", "n_oversamples": 5}, ValueError, "makes no sketch"),
        ({"n_oversamples": -1}, ValueError, "n_oversamples must be at least 0"),
        ({"sketch": "gauss"}, ValueError, "Unknown sketch"),
        ({"method": "norm", "max_memory": 100}, ValueError, "Use fewer columns or max_memory=11600"),
        ({"max_memory": 100}, ValueError, "max_memory is"),
        ({"A": np.full((50, 20), np.nan)}, ValueError, "NaN"),
        ({"A": np.zeros((50, 20))}, ValueError, "A is zero everywhere"),
    ],
)
def test_bad_input(change, error, message):
    """A parameter that is ignored, or an error that does not say which it was."""
    arguments = {"A": np.random.default_rng(0).standard_normal((50, 20)), "k": 5} | change
    with pytest.raises(error, match=message):
        select_columns(arguments.pop("A"), arguments.pop("k"), **arguments)


@pytest.mark.parametrize("method", METHODS)
def test_zero_matrix(method):
    """Columns of nothing, or an error from deep below."""
    with pytest.raises(ValueError, match="zero everywhere"):
        select_columns(np.zeros((30, 60)), 3, method=method, rng=0, **options(method))


@pytest.mark.parametrize(
    ("function", "arguments", "message"),
    [
        (leverage_scores, {"k": 3, "kind": "some"}, "kind must be one of"),
        (leverage_scores, {"k": 3, "sketch": "gaussian"}, "takes no sketch"),
        (leverage_scores, {"k": 3, "sketch_size": 10}, "takes no sketch"),
        (randomly_pivoted_columns, {}, "k and tol are both None"),
        (randomly_pivoted_columns, {"k": 3, "block_size": 0}, "block_size must be at least 1"),
    ],
)
def test_bad_input_of_the_parts(function, arguments, message):
    """As above."""
    with pytest.raises(ValueError, match=message):
        function(np.random.default_rng(0).standard_normal((50, 20)), **arguments)
