"""Columns by pivoting on a sketch: errors, coefficients, dependent columns, bad input."""

import numpy as np
import pytest
from scipy import linalg, sparse

from sklr.linalg import RowChunks, pivoted_columns

FORMS = {
    "dense": np.asarray,
    "fortran": np.asfortranarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_array,
    "chunks": lambda A: RowChunks(lambda: iter(np.array_split(A, 7)), A.shape, A.dtype),
}


def decaying(m, n, seed=0):
    """A matrix with singular values 1 / i, and these."""
    rng = np.random.default_rng(seed)
    U, V = (linalg.qr(rng.standard_normal((size, n)), mode="economic")[0] for size in (m, n))
    s = 1 / np.arange(1, n + 1)
    return (U * s) @ V.T, s


def excess(A, s, columns):
    """The error of the projection on columns, over the best one of their number."""
    Q = np.linalg.qr(A[:, columns])[0]
    return np.linalg.norm(A - Q @ (Q.T @ A)) / np.linalg.norm(s[len(columns) :])


@pytest.mark.parametrize(("pivoting", "bound"), [("qr", 1.41), ("greedy", 1.41), ("lu", 1.53)])
def test_errors_are_those_of_pivoting_all_rows(pivoting, bound):
    """Columns that are no better than random ones (1.57).

    Over 100 seeds the mean is 1.376 (qr), 1.384 (greedy) and 1.471 (lu) with deviations .0103, .0095 and
    .0190; the mean of five is six of its deviations below the bound.
    """
    A, s = decaying(1000, 300)
    found = [pivoted_columns(A, 30, pivoting=pivoting, rng=seed).indices for seed in range(5)]
    assert np.mean([excess(A, s, columns) for columns in found]) < bound


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decay", ["slow", "fast", "graded columns"])
def test_qr_takes_lapacks_pivots(decay, seed):
    """Lengths that are wrong after many of them have shrunk; recurrences that lose their digits."""
    rng = np.random.default_rng(seed)
    n = 60
    U, V = (linalg.qr(rng.standard_normal((size, n)), mode="economic")[0] for size in (90, n))
    s = 1 / np.arange(1, n + 1) if decay != "fast" else 0.6 ** np.arange(n)
    A = (U * s) @ V.T
    if decay == "graded columns":
        A *= 10.0 ** -np.linspace(0, 12, n)[rng.permutation(n)]
    k = 50 if decay == "slow" else 30
    found = pivoted_columns(A, k, sketch_size=90)
    R, order = linalg.qr(A, mode="r", pivoting=True)
    np.testing.assert_array_equal(found.indices, order[:k])
    np.testing.assert_allclose(np.abs(np.diag(found.triangle)), np.abs(np.diag(R))[:k], rtol=1e-4)
    errors = [np.linalg.norm(R[i:]) / np.linalg.norm(R) for i in range(1, k + 1)]
    np.testing.assert_allclose(found.errors, errors, atol=1e-7)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decay", ["slow", "fast"])
def test_greedy_takes_the_column_that_gains_most(decay, seed):
    """Gains that are not those of the residual."""
    rng = np.random.default_rng(seed)
    n = 40
    U, V = (linalg.qr(rng.standard_normal((size, n)), mode="economic")[0] for size in (70, n))
    s = 1 / np.arange(1, n + 1) if decay == "slow" else 0.6 ** np.arange(n)
    A = (U * s) @ V.T
    E, expected = A.copy(), []
    for _ in range(25):
        gains = np.sum((E.T @ E) ** 2, axis=0) / np.maximum(np.sum(E**2, axis=0), 1e-300)
        gains[expected] = 0
        expected.append(int(np.argmax(gains)))
        q = E[:, expected[-1]] / np.linalg.norm(E[:, expected[-1]])
        E -= np.outer(q, q @ E)
    found = pivoted_columns(A, 25, pivoting="greedy", sketch_size=70)
    np.testing.assert_array_equal(found.indices, expected)


def test_greedy_is_better_where_columns_are_alike():
    """A method that is no other than "qr": groups of columns that share a factor beside columns
    of noise, all of one length."""
    rng = np.random.default_rng(0)
    alike = np.repeat(rng.standard_normal((400, 20)), 30, axis=1) + 0.3 * rng.standard_normal((400, 600))
    A = np.hstack([alike, rng.standard_normal((400, 400))])
    A /= np.linalg.norm(A, axis=0)
    s = linalg.svdvals(A)
    qr, greedy = (
        excess(A, s, pivoted_columns(A, 20, pivoting=by, sketch_size=400).indices) for by in ("qr", "greedy")
    )
    assert greedy < 1.05 and qr > 1.2


@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
def test_first_columns_of_a_selection(pivoting):
    """Coefficients that are those of all columns, cut off."""
    A, _ = decaying(200, 50)
    found = pivoted_columns(A, 20, pivoting=pivoting, sketch_size=200)
    for r in (1, 7, 20):
        some = found.first(r)
        J = found.indices[:r]
        np.testing.assert_array_equal(some.indices, J)
        exact = np.linalg.lstsq(A[:, J], A, rcond=None)[0]
        np.testing.assert_allclose(some.coefficients, exact, atol=1e-10)
        error = np.linalg.norm(A - A[:, J] @ exact) / np.linalg.norm(A)
        assert some.errors[-1] == pytest.approx(error, rel=1e-8)
        np.testing.assert_allclose(some.triangle.T @ some.triangle, A[:, J].T @ A[:, J], atol=1e-12)
    assert some.best_errors[-1] <= some.errors[-1]


def test_errors_of_the_best_approximations():
    """The tail of the sketch without its correction, which is .9 of the tail at 10 k rows and .6 at 2 k.

    Over the exact ones, the squares have means of .99 to .83 (60 rows) and .94 (300), and deviations of .11
    and .054: means of 20 deviate by .025 and .012. In expectation they are at most 1.
    """
    A, s = decaying(1000, 300)
    tails = np.cumsum(s[::-1] ** 2)[::-1]
    exact = np.sqrt(tails[1:31] / tails[0])
    for d, least in ((60, 0.7), (300, 0.88)):
        found = [
            pivoted_columns(A, 30, sketch="gaussian", sketch_size=d, rng=seed).best_errors
            for seed in range(20)
        ]
        ratio = np.mean(np.square(found), axis=0)[9:] / exact[9:] ** 2
        assert least < ratio.min() and ratio.max() < 1 + 5 * (0.025 if d == 60 else 0.012)
    np.testing.assert_allclose(pivoted_columns(A, 30, sketch_size=1000).best_errors, exact, rtol=1e-8)
    steep = (0.5 ** np.arange(60))[:, None] * linalg.qr(np.random.default_rng(0).standard_normal((60, 60)))[0]
    tail = np.sqrt(np.sum(0.25 ** np.arange(40, 60)) / np.sum(0.25 ** np.arange(60)))
    assert pivoted_columns(steep, 40, sketch_size=60).best_errors[-1] == pytest.approx(tail, rel=1e-3)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
def test_coefficients(pivoting, form):
    """Coefficients of other columns, or in the scale of the sketch; other columns for another container."""
    A, _ = decaying(400, 60)
    found = pivoted_columns(FORMS[form](A), 12, pivoting=pivoting, sketch="gaussian", rng=0)
    dense = pivoted_columns(A, 12, pivoting=pivoting, sketch="gaussian", rng=0)
    np.testing.assert_array_equal(found.indices, dense.indices)
    np.testing.assert_array_equal(found.coefficients[:, found.indices], np.eye(12))
    best = np.linalg.norm(A - A[:, found.indices] @ np.linalg.lstsq(A[:, found.indices], A, rcond=None)[0])
    error = np.linalg.norm(A - A[:, found.indices] @ found.coefficients)
    assert error < (2.5 if pivoting == "lu" else 1.2) * best
    assert found.n_passes == 1


@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
def test_fewer_columns_are_the_first_ones(pivoting):
    """An order that depends on how many are wanted."""
    A, _ = decaying(500, 80)
    many = pivoted_columns(A, 30, pivoting=pivoting, sketch_size=100, rng=3).indices
    few = pivoted_columns(A, 8, pivoting=pivoting, sketch_size=100, rng=3).indices
    np.testing.assert_array_equal(few, many[:8])


@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dependent_columns_are_not_taken(dtype, pivoting):
    """A column twice, a column of zeros, or coefficients of rounding errors."""
    rng = np.random.default_rng(0)
    B = rng.standard_normal((300, 5)).astype(dtype)
    A = np.hstack([np.zeros((300, 2), dtype=dtype), B, B[:, ::-1], 2 * B[:, :1] - B[:, 1:2]])
    found = pivoted_columns(A, 9, pivoting=pivoting, rng=0)
    assert len(found.indices) == 5 and found.coefficients.dtype == dtype
    np.testing.assert_allclose(
        A[:, found.indices] @ found.coefficients, A, atol=1e-4 if dtype == np.float32 else 1e-12
    )
    nothing = pivoted_columns(0 * A, 3, pivoting=pivoting, rng=0)
    assert nothing.indices.shape == (0,) and nothing.coefficients.shape == (0, A.shape[1])


@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_long_column_or_row_hides_no_others(dtype, pivoting):
    """Lengths that lose their digits beside a long row, or columns that are rounding beside a long one."""
    rng = np.random.default_rng(0)
    size = 1e5 if dtype == np.float32 else 1e12
    A = rng.standard_normal((30, 100))
    column, row = A.copy(), A.copy()
    column[:, 0] *= size
    row[0] *= size / 1e2
    for matrix in (column, row):
        for sketch_size in (30, None):
            found = pivoted_columns(
                matrix.astype(dtype), 12, pivoting=pivoting, sketch_size=sketch_size, rng=0
            )
            assert len(found.indices) == 12


@pytest.mark.parametrize("pivoting", ["qr", "lu", "greedy"])
@pytest.mark.parametrize("offset", [1e8, 1e9])
def test_columns_with_a_large_mean(offset, pivoting):
    """The same with few columns, whose lengths may fall below zero by rounding."""
    for seed in range(40):
        A = offset + np.random.default_rng(seed).standard_normal((50, 3))
        assert len(pivoted_columns(A, 3, pivoting=pivoting).indices) == 3


def test_rows_that_say_nothing():
    """LU that stops at a row of zeros, or one that there is twice."""
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 60))
    A[0] = 0
    A[5] = A[2]
    assert len(pivoted_columns(A, 10, pivoting="lu", sketch_size=20).indices) == 10


def test_a_sketch_that_is_asked_for_is_made():
    """A sketch of 150 of 200 rows that is asked for and left out; by itself it is not worth its cost."""
    A, _ = decaying(200, 50)
    asked, automatic = (
        [pivoted_columns(A, 10, sketch=sketch, rng=seed).errors for seed in (0, 1)]
        for sketch in ("gaussian", "auto")
    )
    assert not np.allclose(*asked, rtol=1e-6)
    np.testing.assert_array_equal(*automatic)


@pytest.mark.parametrize("unit", [1e-100, 1e100])
def test_scales_do_not_matter(unit):
    """Squares of tiny or huge entries that are lost."""
    A, _ = decaying(200, 40)
    expected = pivoted_columns(A, 6, sketch_size=200).indices
    np.testing.assert_array_equal(pivoted_columns(A * unit, 6, sketch_size=200).indices, expected)


def test_the_same_bits_on_any_number_of_threads():
    """A sketch, or LAPACK, whose sums depend on the threads."""
    A, _ = decaying(3000, 100)
    one, two = (pivoted_columns(A, 20, rng=0, n_threads=n) for n in (1, 2))
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_array_equal(one.coefficients, two.coefficients)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"k": 0}, ValueError, "k must be between 1 and 20"),
        ({"k": 21}, ValueError, "k must be between 1 and 20"),
        ({"k": 2.0}, TypeError, "k must be an int"),
        ({"pivoting": "svd"}, ValueError, "pivoting must be one of"),
        ({"sketch_size": 4}, ValueError, "sketch_size must be from k=5 to the 50 rows"),
        ({"sketch_size": 51}, ValueError, "sketch_size must be from k=5 to the 50 rows"),
        ({"sketch": "gauss"}, ValueError, "Unknown sketch"),
        ({"max_memory": 100}, ValueError, "max_memory=7200"),
        ({"A": np.full((50, 20), np.nan)}, ValueError, "NaN"),
    ],
)
def test_bad_input(change, error, message):
    """A parameter that is ignored, or an error that does not say which it was."""
    arguments = {"A": np.ones((50, 20)), "k": 5} | change
    with pytest.raises(error, match=message):
        pivoted_columns(arguments.pop("A"), arguments.pop("k"), **arguments)
