"""`@` from both sides, and the dtypes in which an operator is looked at."""

import numpy as np
import pytest
from scipy import sparse

from sklr.linalg import RowChunks
from sklr.sketch import SRTT, CountSketch, Gaussian, SparseStack

N, SIZE = 40, 8
FAMILIES = [Gaussian(), SparseStack(4), CountSketch(), SRTT()]


@pytest.fixture(params=FAMILIES, ids=repr)
def operator(request):
    return request.param.operator(SIZE, N, rng=0)


@pytest.fixture
def X():
    return np.random.default_rng(1).standard_normal((5, N))


@pytest.mark.parametrize("dtype", [int, np.int8, bool, np.float16, complex, np.longdouble, ">f8"])
def test_other_dtypes_are_refused(operator, dtype):
    """Entries below one that become the integer zero."""
    if np.dtype(dtype) == np.float64:
        pytest.skip("this machine's own float64")
    for look in (operator.columns, operator.rows):
        with pytest.raises(ValueError, match="dtype must be float64 or float32"):
            look(0, 3, dtype)


@pytest.mark.parametrize("dtype", [None, "float32", np.float64, np.dtype("f4")])
def test_dtypes_of_entries(operator, dtype):
    """A default that is not the dtype of the operator, or a spelling of a dtype that is refused."""
    expected = np.float64 if dtype is None else dtype
    assert operator.columns(0, 3, dtype).dtype == operator.rows(0, 3, dtype).dtype == expected


def test_data_times_adjoint(operator, X):
    """A product that NumPy or SciPy takes apart entry by entry, or refuses."""
    expected = X @ operator.toarray().T
    np.testing.assert_allclose(X @ operator.T, expected, atol=1e-12)
    np.testing.assert_array_equal(X @ operator.T, operator.apply_right(X))
    np.testing.assert_allclose(X[0] @ operator.T, expected[0], atol=1e-12)
    for form in (sparse.csr_array, sparse.csc_matrix):
        product = form(X) @ operator.T
        product = product.toarray() if sparse.issparse(product) else product
        np.testing.assert_allclose(product, expected, atol=1e-12)
    chunks = RowChunks(lambda: iter([X[:2], X[2:]]), X.shape)
    product = chunks @ operator.T
    np.testing.assert_allclose(product, expected, atol=1e-12)
    assert (X.astype(np.float32) @ operator.T).dtype == np.float32


def test_data_times_operator(operator):
    """X @ S that is X @ S.T, or an array of objects."""
    Y = np.random.default_rng(2).standard_normal((3, SIZE))
    np.testing.assert_allclose(Y @ operator, Y @ operator.toarray(), atol=1e-12)
    np.testing.assert_allclose(Y[0] @ operator, Y[0] @ operator.toarray(), atol=1e-12)
    np.testing.assert_array_equal(Y @ operator, (operator.T @ Y.T).T)


def test_wrong_sides_are_named(operator, X):
    """A sketch of the columns that is asked for without the transpose, and fails without saying so."""
    with pytest.raises(ValueError, match=r"X @ S needs a dense X with 8 columns .*\(5, 40\).*write X @ S\.T"):
        X @ operator
    with pytest.raises(ValueError, match="got a sparse X of shape"):
        sparse.csr_array(X[:, :SIZE]) @ operator
    with pytest.raises(ValueError, match="A has 8 columns but the sketch expects 40"):
        X[:, :SIZE] @ operator.T


def test_nothing_but_products(operator, X):
    """Arithmetic entry by entry that makes an array of operators."""
    for S in (operator, operator.T):
        with pytest.raises(TypeError):
            X * S
        with pytest.raises(TypeError):
            X + S
        with pytest.raises(TypeError):
            np.exp(S)
