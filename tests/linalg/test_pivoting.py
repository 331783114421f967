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


@pytest.mark.parametrize(("pivoting", "bound"), [("qr", 1.41), ("lu", 1.53)])
def test_errors_are_those_of_pivoting_all_rows(pivoting, bound):
    """Columns that are no better than random ones (1.57).

    Over 100 seeds the mean is 1.376 (qr) and 1.471 (lu) with deviations .0103 and .0190; the mean of five is
    six of its deviations below the bound.
    """
    A, s = decaying(1000, 300)
    found = [pivoted_columns(A, 30, pivoting=pivoting, rng=seed).indices for seed in range(5)]
    assert np.mean([excess(A, s, columns) for columns in found]) < bound
    whole = pivoted_columns(A, 30, sketch_size=1000).indices
    np.testing.assert_array_equal(whole, linalg.qr(A, mode="r", pivoting=True)[1][:30])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pivoting", ["qr", "lu"])
def test_coefficients(pivoting, form):
    """Coefficients of other columns, or in the scale of the sketch; other columns for another container."""
    A, _ = decaying(400, 60)
    found = pivoted_columns(FORMS[form](A), 12, pivoting=pivoting, sketch="gaussian", rng=0)
    dense = pivoted_columns(A, 12, pivoting=pivoting, sketch="gaussian", rng=0)
    np.testing.assert_array_equal(found.indices, dense.indices)
    np.testing.assert_allclose(found.coefficients[:, found.indices], np.eye(12), atol=1e-12)
    best = np.linalg.norm(A - A[:, found.indices] @ np.linalg.lstsq(A[:, found.indices], A, rcond=None)[0])
    error = np.linalg.norm(A - A[:, found.indices] @ found.coefficients)
    assert error < (1.2 if pivoting == "qr" else 2.5) * best
    assert found.n_passes == 1


@pytest.mark.parametrize("pivoting", ["qr", "lu"])
def test_fewer_columns_are_the_first_ones(pivoting):
    """An order that depends on how many are wanted."""
    A, _ = decaying(500, 80)
    many = pivoted_columns(A, 30, pivoting=pivoting, sketch_size=100, rng=3).indices
    few = pivoted_columns(A, 8, pivoting=pivoting, sketch_size=100, rng=3).indices
    np.testing.assert_array_equal(few, many[:8])


@pytest.mark.parametrize("pivoting", ["qr", "lu"])
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
        ({"max_memory": 100}, ValueError, "max_memory=24000"),
        ({"A": np.full((50, 20), np.nan)}, ValueError, "NaN"),
    ],
)
def test_bad_input(change, error, message):
    """A parameter that is ignored, or an error that does not say which it was."""
    arguments = {"A": np.ones((50, 20)), "k": 5} | change
    with pytest.raises(error, match=message):
        pivoted_columns(arguments.pop("A"), arguments.pop("k"), **arguments)
