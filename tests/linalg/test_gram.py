"""The Gram route: exact up to the rounding of squares, and refused below."""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import GramPrecisionError, centered, gram_svd

EPS = np.finfo(float).eps


def assert_exact_up_to_squares(s, result, k, eps=EPS):
    """A computed Gram matrix is within a few eps ||X||_F^2 of the true one, and by Weyl so are its
    eigenvalues: s_i is within a few eps ||X||_F^2 / s_i."""
    bound = 10 * eps * np.sum(s**2) / s[:k] + eps * s[:k]
    assert np.all(np.abs(result.singular_values - s[:k]) < bound)


def assert_orthonormal(Vt, eps=EPS):
    Vt = np.asarray(Vt, dtype=np.float64)
    assert np.abs(Vt @ Vt.T - np.eye(len(Vt))).max() < 50 * eps


@pytest.mark.parametrize("shape", [(300, 60), (60, 300), (80, 80), (40, 1), (1, 40), (1, 1)])
def test_equal_to_lapack_tall_and_wide(shape, matrix, error_of, lapack_svd):
    """The wrong one of the two Gram matrices, or its vectors taken for those of the other side."""
    q = min(shape)
    X = matrix(*shape, 1 / np.arange(1, q + 1))
    k = min(9, q)
    result = gram_svd(X, k)
    assert_exact_up_to_squares(lapack_svd(X)[0], result, k)
    assert_orthonormal(result.right_vectors)
    best = np.linalg.norm(1 / np.arange(k + 1, q + 1))
    assert error_of(X, result.right_vectors) < best * (1 + 1e-12) + 1e-13
    assert result.captured == pytest.approx(np.linalg.norm(X @ result.right_vectors.T) ** 2, rel=1e-12)
    assert result.squared_norm == pytest.approx(np.linalg.norm(X) ** 2, rel=1e-12)
    assert result.solver == "gram"


@pytest.mark.parametrize("shape", [(150, 50), (50, 150)])
@pytest.mark.parametrize("center", [False, True])
def test_equal_from_every_container(shape, center, matrix, contained, lapack_svd, sine_between):
    """A container whose product, or whose centring, is wrong; chunks of rows swept by columns."""
    X = matrix(*shape, 1 / np.arange(1, 51)) + 0.1 * np.linspace(-1, 1, shape[1])
    A = centered(contained(X)) if center else contained(X)
    X = X - X.mean(axis=0) if center else X
    if contained.kind.endswith("chunks") and shape[0] < shape[1]:
        with pytest.raises(ValueError, match="chunks of rows .* memory-mapped"):
            gram_svd(A, 6)
        return
    result = gram_svd(A, 6)
    s, Vt = lapack_svd(X)
    assert_exact_up_to_squares(s, result, 6)
    assert_orthonormal(result.right_vectors)
    assert sine_between(result.right_vectors, Vt[:6]) < 1e-11


def test_sparse_enough_for_the_sparse_product(lapack_svd):
    """The branch that multiplies sparse by sparse, with its rank-one correction when centred."""
    X = sparse.random(3000, 200, density=0.005, format="csr", random_state=0)
    dense = X.toarray()
    for A, D in [(X, dense), (centered(X), dense - dense.mean(axis=0)), (X.T.tocsr(), dense.T)]:
        assert_exact_up_to_squares(lapack_svd(D)[0], gram_svd(A, 10), 10)


def test_columns_in_blocks(matrix):
    """More columns than one block of the product: block pairs forgotten or not mirrored."""
    s = 1 / np.arange(1, 41)
    result = gram_svd(matrix(1300, 1100, s), 12)
    np.testing.assert_allclose(result.singular_values, s[:12], rtol=1e-11)


def test_float32_stays_float32(matrix, lapack_svd):
    """A result in another precision, or the refusal limit of float64."""
    s = np.r_[np.geomspace(1, 0.05, 10), np.full(20, 0.01)]
    X = matrix(400, 30, s).astype(np.float32)
    result = gram_svd(X, 10)
    assert result.singular_values.dtype == result.right_vectors.dtype == np.float32
    eps = np.finfo(np.float32).eps
    assert_exact_up_to_squares(lapack_svd(X)[0], result, 10, eps)
    assert_orthonormal(result.right_vectors, eps)
    with pytest.raises(GramPrecisionError, match="float32"):
        gram_svd(matrix(400, 30, np.geomspace(1, 1e-3, 30)).astype(np.float32), 30)


@pytest.mark.parametrize("shape", [(200, 30), (30, 200)])
def test_refuses_what_squares_cannot_hold(shape, matrix):
    """Singular values of rounding noise instead of a refusal, or a refusal of what can be had."""
    s = np.ones(30)
    s[20:] = 2e-7  # its square is 4e-14 of the largest; 1,000 eps are 2.2e-13
    X = matrix(*shape, s)
    gram_svd(X, 20)
    with pytest.raises(
        GramPrecisionError, match=r"singular value 21: it is about 2\.0e-07 .* 4\.7e-07"
    ) as caught:
        gram_svd(X, 21)
    assert isinstance(caught.value, ValueError)
    assert "krylov" in str(caught.value)
    s[20:] = 6e-7
    result = gram_svd(matrix(*shape, s), 21)
    assert result.singular_values[-1] == pytest.approx(6e-7, rel=0.1)


def test_repeated_values_and_exactly_low_rank(matrix, lapack_svd, sine_between):
    """Eigenvectors of a cluster that are not orthonormal or miss one of its members."""
    X = matrix(100, 40, np.r_[np.full(6, 5.0), np.full(8, 2.0), np.zeros(26)])
    result = gram_svd(X, 14)
    np.testing.assert_allclose(result.singular_values, [5] * 6 + [2] * 8, rtol=1e-12)
    assert_orthonormal(result.right_vectors)
    assert sine_between(result.right_vectors[:6], lapack_svd(X)[1][:6]) < 1e-12


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
def test_zero_matrix(shape):
    """A division by the largest singular value."""
    result = gram_svd(np.zeros(shape), 3)
    np.testing.assert_array_equal(result.singular_values, np.zeros(3))
    assert_orthonormal(result.right_vectors)


@pytest.mark.parametrize("shape", [(5000, 90), (90, 5000)])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_array])
def test_same_bits_on_any_number_of_threads(shape, form, at_any_threads):
    """Partial products summed in the order in which threads finish."""
    rng = np.random.default_rng(0)
    X = form(rng.standard_normal(shape))
    one, two = at_any_threads(lambda n: gram_svd(X, 5, n_threads=n))
    np.testing.assert_array_equal(one.singular_values, two.singular_values)
    np.testing.assert_array_equal(one.right_vectors, two.right_vectors)
    assert one.captured == two.captured


def test_passes(matrix):
    """A pass too many: one over tall data, two over wide ones."""
    X = matrix(90, 40, 1 / np.arange(1, 41))
    assert gram_svd(X, 3).n_passes == 1
    assert gram_svd(X.T, 3).n_passes == 2


@pytest.mark.parametrize(
    ("k", "error"),
    [(0, ValueError), (21, ValueError), (2.0, ValueError), (True, TypeError), ("3", TypeError)],
)
def test_impossible_ranks(k, error):
    """A rank that is quietly cut, or that LAPACK complains about."""
    with pytest.raises(error, match="k must be"):
        gram_svd(np.ones((30, 20)), k)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_entries_are_named(bad):
    """NaN or infinity left to LAPACK."""
    X = np.ones((30, 20))
    X[4, 6] = bad
    with pytest.raises(ValueError, match=r"contains (NaN|infinity): first seen at row 4, column 6"):
        gram_svd(X, 2)
