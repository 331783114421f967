"""What the notes of RandomizedLowRank say of sparse data: which are converted, and what that costs."""

import numpy as np
import pytest
from scipy import sparse

from sklr.decomposition import RandomizedLowRank


@pytest.mark.parametrize("solver", ["gram", "krylov"])
@pytest.mark.parametrize("is_wide", [False, True])
def test_one_more_pass_where_sparse_data_are_converted(solver, is_wide, data):
    """A conversion that is not counted, or one that is made where the format is right already."""
    X = data.T if is_wide else data
    model = RandomizedLowRank(4, solver=solver, random_state=0)
    passes = {form: model.fit(form(X)).n_iter_ for form in (sparse.csr_array, sparse.csc_array, np.array)}
    right, wrong = (sparse.csc_array, sparse.csr_array) if is_wide else (sparse.csr_array, sparse.csc_array)
    assert passes[wrong] == passes[right] + 1
    if solver == "gram":
        assert passes[right] == 1 + is_wide
        assert passes[np.array] == passes[right]  # arrays are swept either way
