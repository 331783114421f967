"""Parts of fits of scikit-learn's PCA and TruncatedSVD, transforms of nested fits, and parts of a grid."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, KFold, ParameterGrid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklr.base import transform_nested
from sklr.decomposition import RandomizedLowRank
from sklr.linear_model import SketchedRidge
from sklr.model_selection import SketchSearchCV
from sklr.model_selection._adapters import path_of
from sklr.model_selection._paths import blocks_of
from sklr.model_selection._sharing import Clock, Failed, Together

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
    fit = path_of(model).fit
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
    fit = path_of(model).fit
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
    fit = path_of(PCA(svd_solver="full")).fit
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


class Counted(SketchedRidge):
    """Counts who predicts, and fails where asked."""

    calls: list = []
    fails = False

    def predict(self, X):
        """One by one."""
        self.calls.append(("predict", len(X)))
        return super().predict(X)

    def predict_path(self, X, models):
        """Together."""
        self.calls.append(("predict_path", len(X)))
        if self.fails:
            raise MemoryError
        return super().predict_path(X, models)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("scoring", [None, "r2", ["r2", "neg_mean_absolute_error"]], ids=str)
@pytest.mark.parametrize("return_train_score", [False, True])
def test_predictions_are_made_together(fails, scoring, return_train_score, monkeypatch):
    """A pass over the data of each candidate; predictions of other data or models; an error that is lost."""
    monkeypatch.setattr(Counted, "fails", fails)
    monkeypatch.setattr(Counted, "calls", [])
    model, grid = make_pipeline(StandardScaler(), Counted()), {"counted__alpha": [1.0, 50.0, 900.0]}
    options = {"cv": KFold(2), "refit": False, "scoring": scoring, "return_train_score": return_train_score}
    found = SketchSearchCV(model, grid, **options).fit(X[:90], X[:90, 20]).cv_results_
    calls = Counted.calls.copy()
    expected = GridSearchCV(model, grid, **options).fit(X[:90], X[:90, 20]).cv_results_
    for key in expected:
        if "_score" in key or "_r2" in key or "_absolute" in key:
            if not key.endswith("score_time"):
                np.testing.assert_allclose(found[key], expected[key], rtol=1e-9)
    n_data = 2 if return_train_score else 1
    assert calls.count(("predict_path", 45)) == 2 * n_data
    n_scores = 2 if isinstance(scoring, list) else 1
    most = 2 * 3 * n_data * n_scores if fails else 0
    assert calls.count(("predict", 45)) <= most and (most == 0 or ("predict", 45) in calls)


def test_known_predictions_are_of_their_data():
    """Predictions of the test data that are given for others, or kept with the fitted models."""

    def fresh(estimator, X, y):
        return float(np.mean((estimator.predict(X[:5]) - y[:5]) ** 2))

    models = list(SketchedRidge().fit_path(X[:90], X[:90, 20], [{"alpha": 1.0}, {"alpha": 99.0}]))
    together = Together(SketchedRidge().predict_path, models, Clock(2))
    test = X[90:120]
    for model in models:
        known = together.knowing(model, [X[:90], test], 1)
        assert known is not model and "predict" not in vars(model)
        np.testing.assert_allclose(known.predict(test), model.predict(test), rtol=1e-12)
        np.testing.assert_array_equal(known.predict(test.copy()[:7]), model.predict(test[:7]))
        np.testing.assert_array_equal(known.predict(X[:90]), model.predict(X[:90]))
    assert not np.allclose(*(model.predict(test) for model in models))
    assert together.knowing(models[0], [X, Failed(ValueError())], 1) is models[0]
    grid = {"alpha": [1.0, 99.0]}
    found, expected = (
        kind(SketchedRidge(), grid, scoring=fresh, cv=KFold(2)).fit(X[:90], X[:90, 20])
        for kind in (SketchSearchCV, GridSearchCV)
    )
    key = "mean_test_score"
    np.testing.assert_allclose(found.cv_results_[key], expected.cv_results_[key], rtol=1e-9)
    assert "predict" not in vars(found.best_estimator_)


class Positive(SketchedRidge):
    """Predicts otherwise than the class that has the path."""

    def predict(self, X):
        """No negative numbers."""
        return np.maximum(super().predict(X), 0)


class OfSquares(SketchedRidge):
    """Fits otherwise."""

    def fit(self, X, y, sample_weight=None):
        """Squares."""
        return super().fit(X, y**2, sample_weight)


@pytest.mark.parametrize("kind", [Positive, OfSquares])
def test_what_a_derived_class_overrides(kind):
    """A path of the class above, which knows nothing of what was overridden."""
    y, grid = X[:, 20] - 5, {"alpha": [1.0, 100.0]}
    found, expected = (search(kind(), grid, cv=3).fit(X, y) for search in (SketchSearchCV, GridSearchCV))
    for key in ("mean_test_score", "std_test_score"):
        np.testing.assert_allclose(found.cv_results_[key], expected.cv_results_[key], rtol=1e-9)
    assert (path_of(kind()) is None) == (kind is OfSquares)


def test_a_setting_that_fails_costs_the_others_little():
    """A path that is given up for one of its settings."""
    fits = []

    class Alone(SketchedRidge):
        def fit(self, X, y, sample_weight=None):
            fits.append(self.alpha)
            return super().fit(X, y, sample_weight)

        def fit_path(self, X, y, param_dicts, sample_weight=None, *, reuse=None):
            return super().fit_path(X, y, param_dicts, sample_weight, reuse=reuse)

    grid = {"alpha": [1.0, 2.0, -1.0, *range(3, 9)]}
    search = SketchSearchCV(Alone(), grid, cv=2, refit=False)
    with pytest.warns(FitFailedWarning, match="alpha"):
        search.fit(X, X[:, 20])
    assert fits.count(-1.0) == 2 and len(fits) <= 4  # the bad one, and at most its neighbour
    assert np.isnan(search.cv_results_["mean_test_score"]).sum() == 1
