"""`has_orthogonal_rows` says what `toarray` shows."""

import numpy as np
import pytest

from sklr.sketch import SRTT, RowSampling, SparseSign, SparseStack, available_sketches, make_sketch

VARIANTS = [SparseStack(1), SparseSign(3), SRTT("hadamard"), RowSampling(replace=False)]
DISTRIBUTIONS = [make_sketch(name) for name in available_sketches()] + VARIANTS


@pytest.mark.parametrize("d, n", [(30, 90), (90, 90)])
@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=repr)
def test_orthogonal_rows(distribution, d, n):
    """A family that claims rows it does not have, or hides that it has them for every size and seed."""
    found = [distribution.operator(d, n, rng=seed).toarray() for seed in range(3)]
    products = [S @ S.T for S in found]
    if distribution.has_orthogonal_rows:
        for product in products:
            np.testing.assert_allclose(product, n / d * np.eye(d), atol=1e-11)
    else:
        assert any(np.abs(product - n / d * np.eye(d)).max() > 0.01 * n / d for product in products)


def test_which_families_have_them():
    """A property that is one of the class, where parameters decide."""
    found = {repr(distribution) for distribution in DISTRIBUTIONS if distribution.has_orthogonal_rows}
    assert found == {repr(SRTT()), repr(RowSampling(replace=False))}
    sampling = RowSampling()
    assert not sampling.has_orthogonal_rows
    assert sampling.set_params(replace=False).has_orthogonal_rows
    assert not sampling.set_params(probabilities=np.arange(1, 5) / 10).has_orthogonal_rows
    S = sampling.operator(2, 4, rng=0).toarray()
    assert len(set(np.round(np.diag(S @ S.T), 12))) > 1  # of different lengths
