"""Every family keeps every law, at one size in full and at many sizes by hypothesis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse

from sklr._backend import RowChunks, as_operand, centered
from sklr.sketch import (
    SRTT,
    RowSampling,
    SparseSign,
    SparseStack,
    VerySparse,
    available_sketches,
    make_sketch,
)
from sklr.testing import check_sketch_operator

# Families join by the registry; these are forms that their defaults do not reach.
VARIANTS = [
    SparseStack(n_blocks=3),
    SparseStack(n_blocks=100),  # more than rows: clipped
    SparseSign(n_nonzeros=3),
    SparseSign(n_nonzeros=20),  # by the table
    SparseSign(n_nonzeros=100),
    SRTT(transform="hadamard"),
    RowSampling(replace=False),
    VerySparse(density=0.5),
    VerySparse(density=1.0),
]
DISTRIBUTIONS = [make_sketch(name) for name in available_sketches()] + VARIANTS


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
def test_laws(distribution):
    check_sketch_operator(distribution)


@pytest.mark.parametrize("replace, norm_bound", [(True, 10.0), (False, 10 / 3)])
def test_laws_with_given_probabilities(replace, norm_bound):
    # ||S x||**2 is at most 1 / p_j for the smallest p_j, where every draw is j; without replacement, at
    # most 1 / pi_j, and pi = 3 p as no 3 p_j is above 1.
    p = np.array([0.1, 0.15, 0.2, 0.25, 0.3])
    check_sketch_operator(
        RowSampling(p, replace), sketch_size=3, n=5, isometry_shape=(3, 5), norm_bound=norm_bound
    )


@st.composite
def cases(draw):
    distribution = draw(st.sampled_from(DISTRIBUTIONS))
    n = draw(st.one_of(st.integers(1, 60), st.integers(1000, 1100), st.sampled_from([4095, 4097, 8193])))
    sketch_size = draw(st.integers(1, min(n, 40)))
    return distribution, sketch_size, n, draw(st.integers(0, 2**64 - 1))


def dense(block):
    return block.toarray() if sparse.issparse(block) else block


@given(cases(), st.data())
@hypothesis_settings(max_examples=200)
def test_submatrices(case, data):
    distribution, d, n, seed = case
    S = distribution.operator(d, n, rng=seed)
    whole = distribution.operator(d, n, rng=seed).toarray()
    for size, take, axis in ((n, S.columns, 1), (d, S.rows, 0)):
        lo, hi = sorted(data.draw(st.tuples(st.integers(0, size), st.integers(0, size))))
        part = dense(take(lo, hi))
        assert np.array_equal(part, whole[:, lo:hi] if axis else whole[lo:hi])
        assert np.array_equal(dense(take(lo, hi, np.float32)), part.astype(np.float32))


DTYPES = st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_])


@given(cases(), DTYPES, st.integers(1, 5), st.sampled_from("CF"), st.booleans())
@hypothesis_settings(max_examples=150)
def test_products(case, dtype, width, order, is_sparse):
    distribution, d, n, seed = case
    S = distribution.operator(d, n, rng=seed)
    rng = np.random.default_rng(seed)
    A = np.asarray(10 * rng.random((n, width)) * (rng.random((n, width)) < 0.5), dtype=dtype, order=order)
    if is_sparse and dtype != np.float16:  # which SciPy does not have
        A = sparse.csr_array(A)
    wanted = np.float32 if dtype in (np.float32, np.float16) else np.float64
    D, values = S.toarray(), dense(A).astype(np.float64)
    tolerance = n * np.finfo(wanted).eps * np.linalg.norm(D) * np.linalg.norm(values)
    for found in (S.apply(A), S.apply_right(A.T).T):
        assert found.dtype == wanted
        assert sparse.issparse(found) == (S.is_sparse and sparse.issparse(A))
        assert np.abs(dense(found) - D @ values).max() <= tolerance
    Y = rng.integers(-3, 4, size=(d, width)).astype(wanted)
    X = S.T.apply(Y)
    assert X.dtype == wanted
    assert np.abs(X - D.T @ Y).max() <= n * np.finfo(wanted).eps * np.linalg.norm(D) * np.linalg.norm(Y)
    # <S a, y> == <a, S^T y>, in floating-point numbers of the same size.
    assert abs(np.sum(dense(S.apply(A)) * Y) - np.sum(values * X)) <= tolerance * (1 + np.linalg.norm(Y))


@given(cases(), st.integers(1, 20))
@hypothesis_settings(max_examples=200)
def test_extension(case, n_more_rows):
    distribution, d, n, seed = case
    S = distribution.operator(d, n, rng=seed)
    if not distribution.extendable:
        with pytest.raises(TypeError, match=f"{type(distribution).__name__} does not nest.*SparseStack"):
            S.extend(n_more_rows)
        return
    if isinstance(distribution, SparseStack):
        n_blocks = min(distribution.n_blocks, d)
        if d % n_blocks or n_more_rows % (d // n_blocks):
            with pytest.raises(ValueError, match="n_more_rows"):
                S.extend(n_more_rows)
            return
    if d + n_more_rows > n:
        with pytest.raises(ValueError, match="sketch_size"):
            S.extend(n_more_rows)
        return
    larger = S.extend(n_more_rows)
    assert larger.shape == (d + n_more_rows, n)
    wanted = S.toarray() * (larger.isometry_scale / S.isometry_scale)
    np.testing.assert_allclose(larger.toarray()[:d], wanted, rtol=1e-14, atol=0)


@given(cases(), st.integers(2, 5))
@hypothesis_settings(max_examples=30)
def test_threads(case, n_threads):
    distribution, d, n, seed = case
    S = distribution.operator(d, n, rng=seed)
    A = np.random.default_rng(seed).standard_normal((n, 40))
    for product, B in ((S.apply, A), (S.apply_right, A.T), (S.T.apply, A[:d])):
        assert np.array_equal(product(B, n_threads=1), product(B, n_threads=n_threads))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
def test_one_pass(distribution):
    n, d = 3000, 20
    S = distribution.operator(d, n, rng=0)
    A = np.random.default_rng(0).standard_normal((n, 30))
    chunks = RowChunks(lambda: (A[i : i + 1000] for i in range(0, n, 1000)), A.shape)
    for container in (A, np.asfortranarray(A), sparse.csr_array(A), sparse.csc_array(A), chunks):
        operand = as_operand(container)
        S.apply(operand)
        assert operand.n_passes == 1
        if container is not chunks:
            operand = as_operand(container.T)
            S.apply_right(operand)
            assert operand.n_passes == 1


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
def test_centered_data(distribution):
    n, d = 3000, 20
    S = distribution.operator(d, n, rng=0)
    A = np.random.default_rng(0).standard_normal((n, 30)) + 5
    wanted = S.toarray() @ (A - A.mean(axis=0))
    for container in (A, sparse.csr_array(A), sparse.csc_array(A)):
        np.testing.assert_allclose(S.apply(centered(container)), wanted, rtol=0, atol=1e-10)
