"""Parts of fits of scikit-learn's PCA and TruncatedSVD, transforms of nested fits, and parts of a grid."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklr.base import transform_nested
from sklr.decomposition import RandomizedLowRank
from sklr.model_selection._adapters import path_of
from sklr.model_selection._paths import blocks_of

X = load_digits().data[:200]
RANKS = [3, 12, 1, 64]


def assert_same_fit(part, direct):
    """The same attributes, to rounding."""
    assert set(vars(part)) == set(vars(direct))
    for name, value in vars(direct).items():
        if isinstance(value, np.ndarray | float):
            np.testing.assert_allclose(getattr(part, name), value, rtol=1e-6, atol=1e-9, err_msg=name)
        elif name.endswith("_"):
            assert getattr(part, name) == value, name


@pytest.mark.parametrize("whiten", [False, True])
def test_parts_of_a_pca(whiten):
    """An attribute that is not cut, or a noise variance of another rank."""
    model = PCA(svd_solver="full")
    fit, _ = path_of(model)
    parts = list(fit(X, None, [{"n_components": k, "whiten": whiten} for k in RANKS]))
    for k, part in zip(RANKS, parts, strict=True):
        direct = PCA(k, svd_solver="full", whiten=whiten).fit(X)
        assert_same_fit(part, direct)
        np.testing.assert_allclose(part.transform(X), direct.transform(X), atol=1e-6)
        np.testing.assert_allclose(part.get_covariance(), direct.get_covariance(), atol=1e-8)
        assert part.get_params() == direct.get_params()
        assert list(part.get_feature_names_out()) == list(direct.get_feature_names_out())
    assert not hasattr(model, "components_")


def test_parts_of_a_truncated_svd():
    """An attribute that is not cut."""
    model = TruncatedSVD(algorithm="arpack", random_state=0)
    fit, _ = path_of(model)
    parts = list(fit(sparse.csr_array(X), None, [{"n_components": k} for k in RANKS[:3]]))
    for k, part in zip(RANKS, parts, strict=False):
        direct = TruncatedSVD(k, algorithm="arpack", random_state=0).fit(sparse.csr_array(X))
        np.testing.assert_allclose(np.abs(part.transform(X)), np.abs(direct.transform(X)), atol=1e-6)
        np.testing.assert_allclose(
            part.explained_variance_ratio_, direct.explained_variance_ratio_, rtol=1e-6
        )


@pytest.mark.parametrize("n_components", [None, 0.9, "mle"])
def test_ranks_that_a_fit_decides(n_components):
    """A number that is no rank cut like one."""
    fit, _ = path_of(PCA(svd_solver="full"))
    part, _ = fit(X[:, 10:30], None, [{"n_components": n_components}, {"n_components": 5}])
    assert_same_fit(part, PCA(n_components, svd_solver="full").fit(X[:, 10:30]))


def test_who_has_a_path():
    """A subclass that fits in another way; estimators without a path."""

    class Other(PCA):
        pass

    assert path_of(Other()) is None and path_of(StandardScaler()) is None
    assert path_of(RandomizedLowRank()) is not None


def test_nested_transforms():
    """Columns of another fit, or of another scale."""
    model = RandomizedLowRank(random_state=0, solver="gram")
    settings = [{"n_components": k, "whiten": whiten} for k in (3, 12, 7) for whiten in (False, True)]
    models = [
        *model.fit_path(X, None, settings),
        RandomizedLowRank(5, random_state=0).fit(X - X.mean(axis=0)),
    ]
    for part, Z in zip(models, transform_nested(X, models), strict=True):
        np.testing.assert_allclose(Z, part.transform(X), atol=1e-9)
    assert RandomizedLowRank.transform_path(X, models[:1])[0].shape == (200, 3)


@pytest.mark.parametrize("n_parts", [1, 2, 3, 7, 100])
def test_parts_of_a_grid(n_parts):
    """A candidate that is forgotten or evaluated twice; a path that is cut."""
    model = make_pipeline(StandardScaler(), PCA(), Ridge())
    grid = ParameterGrid(
        {
            "standardscaler__with_mean": [True, False],
            "pca__n_components": [1, 2, 3],
            "ridge__alpha": [0.1, 1.0, 10.0],
        }
    )
    settings = list(grid)
    blocks = blocks_of(model, settings, n_parts)
    assert sorted(i for block in blocks for i in block) == list(range(18))
    assert len(blocks) <= n_parts
    if n_parts == 2:
        assert [len({settings[i]["standardscaler__with_mean"] for i in block}) for block in blocks] == [1, 1]
    for block in blocks:  # of each setting but the rank, all ranks are together
        assert {settings[i]["pca__n_components"] for i in block} == {1, 2, 3}
