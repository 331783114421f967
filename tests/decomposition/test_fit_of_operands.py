"""RandomizedLowRank on operands and masked arrays, and the plan that it shows."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone

import sklr.linalg.svd
from sklr.decomposition import RandomizedLowRank
from sklr.linalg import as_operand, row_weighted, truncated_svd


@pytest.mark.parametrize("center", [False, True])
def test_operand_is_the_matrix_that_it_wraps(contained, data, center):
    """Another result, passes of an earlier use that are counted, or features that are not checked."""
    X = contained(np.array(data))
    model = RandomizedLowRank(4, center=center, random_state=0).fit(X)
    A = as_operand(X)
    A.squared_norm()
    other = clone(model).fit(A)
    np.testing.assert_array_equal(other.components_, model.components_)
    assert other.n_iter_ == model.n_iter_
    assert other.n_features_in_ == 40
    np.testing.assert_array_equal(other.transform(as_operand(X)), model.transform(X))
    np.testing.assert_array_equal(clone(model).fit_transform(as_operand(X)), model.transform(X))
    with pytest.raises(ValueError, match="X has 300 features, but RandomizedLowRank is expecting 40"):
        model.transform(as_operand(X).T)


def test_weighted_operand(data):
    """An operand that is taken apart to what it wraps."""
    weight = np.linspace(0.5, 2, 300)
    model = RandomizedLowRank(4, solver="exact").fit(row_weighted(data, weight))
    expected = RandomizedLowRank(4, solver="exact").fit(data * weight[:, None])
    np.testing.assert_allclose(model.singular_values_, expected.singular_values_, rtol=1e-12)


def test_names_are_forgotten_with_an_operand(data):
    """Names of features of an earlier fit."""
    model = RandomizedLowRank(4).fit(pd.DataFrame(data, columns=[f"c{j}" for j in range(40)]))
    assert not hasattr(model.fit(as_operand(data)), "feature_names_in_")


def test_masked_arrays(data):
    """Entries under a mask that are taken for data, or a mask that hides nothing and is refused."""
    model = RandomizedLowRank(4, solver="exact").fit(data)
    masked = np.ma.masked_array(data, mask=np.zeros(data.shape, dtype=bool))
    np.testing.assert_array_equal(model.transform(masked), model.transform(data))
    masked = np.ma.masked_less(data, -1)
    assert masked.mask.any()
    for call in (clone(model).fit, model.transform, model.plan):
        with pytest.raises(ValueError, match=r"X is a masked array .*Impute.*X\.filled"):
            call(masked)


@pytest.mark.parametrize("form", [np.array, np.ndarray.tolist, pd.DataFrame, sparse.coo_array, as_operand])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"center": True},
        {"solver": "krylov", "n_oversamples": 25},
        {"sketch": "sparse_stack", "center": True},
        {"solver": "exact"},
    ],
    ids=str,
)
def test_plan_that_is_shown_is_the_plan_of_the_fit(form, parameters, data, monkeypatch):
    """Two plans that are made in different ways."""
    made = []
    original = sklr.linalg.svd.plan_low_rank

    def plan(*args, **kwargs):
        made.append(original(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(sklr.linalg.svd, "plan_low_rank", plan)
    X = form(np.array(data))
    model = RandomizedLowRank(6, random_state=0, **parameters)
    before = dict(vars(model))
    shown = model.plan(X)
    assert vars(model) == before and not made
    model.fit(X)
    assert made == [shown]
    assert model.solver_ == shown.solver


def test_fit_makes_no_pass_that_it_will_refuse(data):
    """The means of data that cannot be fitted in the way that was asked for."""
    A = as_operand(data)
    with pytest.raises(ValueError, match="a sketch was given"):
        RandomizedLowRank(4, center=True, solver="gram", sketch="srtt").fit(A)
    assert A.n_passes == 0
    assert truncated_svd(A, 4).n_passes == A.n_passes  # passes are counted on this operand
