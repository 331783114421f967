"""GrowingSearchCV ends where it says, keeps what it says, and gives the scores of direct fits."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin, TransformerMixin, clone
from sklearn.datasets import load_digits, make_regression
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.linear_model import Ridge, RidgeClassifier
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr._backend import as_stream
from sklr.base import draw_seed
from sklr.decomposition import RandomizedLowRank
from sklr.linear_model import SketchedRidge, SketchedRidgeClassifier
from sklr.model_selection import GrowingSearchCV, SketchSearchCV, simplest_within
from sklr.sketch import Gaussian, make_sketch

X, y = make_regression(300, 40, noise=20.0, random_state=0)
digits, labels = (part[:400] for part in load_digits(return_X_y=True))


@parametrize_with_checks(
    [
        GrowingSearchCV(SketchedRidge(), resource="max_iter", max_resources=64, cv=2),
        GrowingSearchCV(Ridge(), resource="max_iter", max_resources=64, cv=2, error_score="raise"),
    ],
    expected_failed_checks=lambda search: {
        "check_supervised_y_2d": "the tags of a search do not tell that its estimator takes many targets"
    },
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a search."""
    check(estimator)


MOST = 10**6


class PowerLaw(RegressorMixin, BaseEstimator):
    """Its score is a function of its size; it remembers the sizes of all fits."""

    fits: list = []

    def __init__(self, size=1, curve="power", offset=0.0, largest=10**9):
        self.size = size
        self.curve = curve
        self.offset = offset
        self.largest = largest

    def fit(self, X, y):
        """Refuse sizes above the largest."""
        if self.size > self.largest:
            raise ValueError(f"size={self.size} is larger than {self.largest}")
        self.fits.append(self.size)
        self.n_features_in_ = X.shape[1]
        return self

    def score(self, X, y):
        """1 - size^(-1/2), or another curve."""
        curves = {
            "power": 1 - self.size**-0.5,
            "dip": [0.5, 0.6, 0.3, 0.9, 1.0][int(np.log2(self.size))] if self.size <= 16 else 1.0,
            "late": {1: 0.0, 2: -1.0}.get(self.size, 1 - self.size**-0.5),
        }
        return curves[self.curve] + self.offset


def power_law(tol, factor=2, **parameters):
    """A search over its size."""
    PowerLaw.fits.clear()
    return GrowingSearchCV(
        PowerLaw(**parameters),
        resource="size",
        min_resources=1,
        max_resources=MOST,
        factor=factor,
        tol=tol,
        cv=2,
    ).fit(X, y)


@pytest.mark.parametrize("factor", [2, 3])
def test_the_predicted_gain_of_a_power_law_is_the_gain(factor):
    """Another prediction, a size too many or too few."""
    tol = 0.01
    search = power_law(tol, factor)
    sizes = factor ** np.arange(30)
    gains = np.diff(1 - sizes**-0.5)
    # The first size whose next gain is at most tol, and the fits are those of no other size but the refit's.
    last = int(np.argmax(gains <= tol))
    assert search.n_resources_ == sizes[: last + 1].tolist()
    assert set(PowerLaw.fits) == set(search.n_resources_)
    assert search.n_iterations_ == last + 1
    np.testing.assert_allclose(search.gains_, gains[:last], rtol=1e-12)
    np.testing.assert_allclose(search.predicted_gain_, gains[last], rtol=1e-9)
    assert search.best_params_ == {"size": sizes[last]}
    assert search.best_estimator_.size == sizes[last]
    assert list(search.cv_results_["n_resources"]) == search.n_resources_
    assert list(search.cv_results_["iter"]) == list(range(last + 1))


def test_scores_that_fall():
    """A search that goes on where a size is worse, or that keeps the last size and not the best."""
    search = power_law(0.001, curve="dip")
    assert search.n_resources_ == [1, 2, 4] and search.predicted_gain_ == 0
    assert search.best_params_ == {"size": 2}


def test_the_best_of_several_candidates_is_what_gains():
    """Gains of the mean candidate, or of the first."""
    PowerLaw.fits.clear()
    search = GrowingSearchCV(
        PowerLaw(), {"offset": [-5.0, 0.0, -9.0]}, resource="size", min_resources=1, tol=0.05, cv=2
    ).fit(X, y)
    np.testing.assert_allclose(search.gains_, np.diff(1 - np.array(search.n_resources_) ** -0.5))
    assert search.best_params_ == {"offset": 0.0, "size": search.n_resources_[-1]}
    assert len(search.cv_results_["params"]) == 3 * search.n_iterations_


def test_the_data_allow_no_more():
    """An error in place of a result, or silence where larger sizes would gain."""
    with pytest.warns(
        ConvergenceWarning, match=r"size=16 failed.*larger than 10.*predicted to gain 0\.1"
    ) as log:
        search = power_law(0.001, largest=10)
    assert len(log) == 1 and log[0].filename == __file__
    assert search.n_resources_ == [1, 2, 4, 8] and len(search.cv_results_["params"]) == 4
    with pytest.warns(ConvergenceWarning, match="max_resources=5 is reached"):
        search = clone(search).set_params(max_resources=5).fit(X, y)
    assert search.n_resources_ == [1, 2, 4, 5]
    with pytest.warns(ConvergenceWarning, match="one size does not tell what size=2 would gain"):
        search = clone(search).set_params(max_resources=1).fit(X, y)
    assert search.predicted_gain_ == np.inf
    with pytest.raises(ValueError, match="larger than 10"):
        clone(search).set_params(max_resources=None, error_score="raise").fit(X, y)


# -- what is kept ---------------------------------------------------------------------------------


class Counted(TransformerMixin, BaseEstimator):
    """Writes to its data if asked, and counts its fits."""

    fits = 0

    def __init__(self, shift=0.0, writes=False):
        self.shift = shift
        self.writes = writes

    def fit(self, X, y=None):
        """Count."""
        type(self).fits += 1
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        """Shift."""
        if self.writes:
            X += self.shift
            return X
        return X + self.shift


@pytest.mark.parametrize("sketch", ["gaussian", "sparse_stack", "srtt"])
@pytest.mark.parametrize("axis", ["samples", "features"])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_scores_are_those_of_grid_search(sketch, axis, n_jobs):
    """Sketches of another size or fold, alphas that are mixed up, data that a step has written to."""
    Counted.fits = 0
    regress = SketchedRidge(axis=axis, sketch=sketch, n_sketches=2, random_state=0)
    model = Pipeline(
        [("count", Counted(writes=True)), ("scale", StandardScaler(copy=False)), ("regress", regress)]
    )
    others = {"regress__alpha": [0.1, 10.0], "count__shift": [0.0, 3.0]}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        search = GrowingSearchCV(
            model,
            others,
            resource="regress__sketch_size",
            min_resources=10,
            max_resources=40,
            tol=0.0,
            cv=KFold(3),
            n_jobs=n_jobs,
        ).fit(X, y)
    assert Counted.fits == 2 * 3 + 1  # each shift once in each fold, and the refit
    grid = {**others, "regress__sketch_size": search.n_resources_}
    plain = GridSearchCV(model, grid, cv=KFold(3)).fit(X, y)
    scores = {
        tuple(sorted(parameters.items())): score
        for parameters, score in zip(
            plain.cv_results_["params"], plain.cv_results_["mean_test_score"], strict=True
        )
    }
    for parameters, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        np.testing.assert_allclose(score, scores[tuple(sorted(parameters.items()))], rtol=1e-6)


def test_sketches_are_grown(monkeypatch):
    """Each size drawn from nothing, though the family nests."""
    drawn = []
    operator = type(Gaussian().operator(1, 10, 0))
    original = operator._submatrix

    def counted(self, row_lo, row_hi, col_lo, col_hi):
        drawn.append((row_hi - row_lo) * (col_hi - col_lo))
        return original(self, row_lo, row_hi, col_lo, col_hi)

    monkeypatch.setattr(operator, "_submatrix", counted)
    model = SketchedRidge(axis="samples", sketch="gaussian", random_state=0)
    with pytest.warns(ConvergenceWarning, match="max_resources=140"):
        search = GrowingSearchCV(
            model, min_resources=35, max_resources=140, tol=0.0, cv=KFold(2), refit=False
        ).fit(X, y)
    assert search.n_resources_ == [35, 70, 140]
    assert sum(drawn) == 2 * 2 * 150 * 140  # for X and for y, in both folds


def test_ranks_of_a_reduction():
    """A parameter of a step in the middle; a classifier; a step of scikit-learn."""
    for reduce in (RandomizedLowRank(random_state=0, solver="gram"), PCA(svd_solver="full")):
        model = make_pipeline(StandardScaler(), reduce, RidgeClassifier())
        name = f"{type(reduce).__name__.lower()}__n_components"
        search = GrowingSearchCV(model, resource=name, min_resources=4, tol=0.035, cv=3).fit(digits, labels)
        plain = GridSearchCV(model, {name: search.n_resources_}, cv=3).fit(digits, labels)
        for key in ("mean_test_score", "std_test_score"):
            np.testing.assert_allclose(search.cv_results_[key], plain.cv_results_[key], atol=1e-12)
        assert search.predicted_gain_ <= 0.035 and search.n_resources_ == [4, 8, 16, 32]


# -- the interface --------------------------------------------------------------------------------


def test_rules_and_several_scores():
    """A rule of refit that is not asked, a score that is not the one that refit names."""
    model = SketchedRidgeClassifier(alpha=10.0, sketch="gaussian", random_state=0)
    settings = {"min_resources": 50, "tol": 0.02, "cv": 3}
    rule = simplest_within(0.05, cost="sketch_size")
    simple = GrowingSearchCV(model, refit=rule, **settings).fit(digits, labels)
    best = GrowingSearchCV(model, **settings).fit(digits, labels)
    assert simple.best_params_["sketch_size"] < best.best_params_["sketch_size"]
    two = GrowingSearchCV(model, scoring=["f1_macro", "accuracy"], refit="accuracy", **settings)
    two.fit(digits, labels)
    assert two.n_resources_ == best.n_resources_
    np.testing.assert_array_equal(two.gains_, best.gains_)
    first = GrowingSearchCV(model, scoring=["accuracy", "f1_macro"], refit=False, **settings)
    assert first.fit(digits, labels).n_resources_ == best.n_resources_


def test_progress(capsys):
    """No line, or a line for all sizes."""
    search = power_law(0.05)
    assert capsys.readouterr() == ("", "")
    clone(search).set_params(verbose=1).fit(X, y)
    out, err = capsys.readouterr()
    lines = err.strip().split("\n")
    assert out == "" and len(lines) == search.n_iterations_
    assert (
        lines[0].split("\r")[-1].rstrip() == "size=1: 1 of 1 candidates, 0 s left, best so far 0: {'size': 1}"
    )


class Curve(PowerLaw):
    """Scores by size."""

    def __init__(self, size=1, scores=None):
        self.size = size
        self.scores = scores

    def fit(self, X, y):
        """Nothing."""
        self.n_features_in_ = X.shape[1]
        return self

    def score(self, X, y):
        """Of the size."""
        return self.scores[self.size]


def curve(scores, **settings):
    """A search over a curve."""
    return GrowingSearchCV(Curve(scores=scores), resource="size", min_resources=1, cv=2, **settings).fit(X, y)


def test_a_last_step_that_is_smaller():
    """A gain of a small step that is taken for that of a doubling."""
    with pytest.warns(ConvergenceWarning, match="max_resources=5 is reached"):
        search = GrowingSearchCV(
            PowerLaw(), resource="size", min_resources=1, max_resources=5, tol=0.05, cv=2
        ).fit(X, y)
    assert search.n_resources_ == [1, 2, 4, 5]
    assert search.predicted_gain_ >= 5**-0.5 - 10**-0.5  # of 5 to 10


def test_scores_that_are_not_finite():
    """A search that has converged because infinity cannot be beaten."""
    with pytest.warns(ConvergenceWarning, match="size=1 has no finite score"):
        search = curve({1: -np.inf, 2: 0.0, 4: 0.5}, refit=False)
    assert search.n_resources_ == [1] and search.predicted_gain_ == np.inf


def test_the_largest_size_without_a_bound():
    """Sizes that grow for ever, beyond what any data allow."""
    scores = {2**k: float(k) for k in range(40)}
    with pytest.warns(ConvergenceWarning, match="no larger size was allowed"):
        search = curve(scores, refit=False)
    assert search.n_resources_ == [1, 2, 4, 8, 16, 32, 64, 128, 256]  # X has 300 rows


def test_the_score_that_counts():
    """The first of several scores in place of the one that refit names; a name that is told of too late."""

    def two(estimator, X, y):
        return {"flat": 0.0, "rising": 1 - estimator.size**-0.5}

    for scoring in (two, {"flat": lambda *_: 0.0, "rising": lambda e, X, y: two(e, X, y)["rising"]}):
        search = GrowingSearchCV(
            PowerLaw(), resource="size", min_resources=1, tol=0.05, cv=2, scoring=scoring, refit="rising"
        )
        assert len(search.fit(X, y).gains_) > 2
        search.set_params(refit="risen", verbose=0)
        PowerLaw.fits.clear()
        with pytest.raises(ValueError, match="risen|refit"):
            search.fit(X, y)
        assert set(PowerLaw.fits) <= {1}


def test_a_former_fit_leaves_nothing():
    """Names of features, or a best estimator, of data that were fitted before."""
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])])
    settings = {"resource": "size", "min_resources": 1, "tol": 0.1, "cv": 2}
    search = GrowingSearchCV(PowerLaw(), **settings).fit(frame, y)
    search.set_params(refit=False).fit(X[:, :10], y)
    assert not hasattr(search, "best_estimator_") and "feature_names_in_" not in vars(search)
    plain = SketchSearchCV(Ridge(), {"alpha": [1.0]}, cv=2).fit(frame, y)
    plain.set_params(refit=lambda table: 0).fit(X[:, :10], y)
    assert not hasattr(plain, "best_score_") and plain.n_features_in_ == 10
    assert not hasattr(plain, "feature_names_in_")


class Interrupts(PowerLaw):
    """Stops at a size."""

    def fit(self, X, y):
        """Stop."""
        if self.size == 4:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_interrupted():
    """The sizes that were finished are lost; what a former fit has left stays."""
    search = GrowingSearchCV(Interrupts(), resource="size", min_resources=1, tol=0.0, cv=2)
    search.best_index_ = 7
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    assert search.n_resources_ == [1, 2] and len(search.cv_results_["mean_test_score"]) == 2
    assert not hasattr(search, "best_index_") and not hasattr(search, "best_estimator_")


class FailsOnce(PowerLaw):
    """Fails in one fold of one size."""

    def fit(self, X, y):
        """Fail."""
        if self.size == 2 and X[0, 0] == globals()["X"][0, 0]:
            raise ValueError("no luck")
        return super().fit(X, y)


def test_a_fit_that_fails():
    """A search that goes on for ever, or that is silent."""
    search = GrowingSearchCV(
        FailsOnce(), resource="size", min_resources=1, max_resources=4, tol=0.0, cv=KFold(2)
    )
    with (
        pytest.warns(FitFailedWarning, match="no luck"),
        pytest.warns(ConvergenceWarning, match="no finite score"),
    ):
        search.fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]
    assert search.best_params_ == {"size": 1}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"resource": "size"}, ValueError, "Invalid parameter 'size'"),
        ({"param_grid": {"sketch_size": [3]}}, ValueError, "take it out of param_grid"),
        ({"param_grid": {"alphas": [3]}}, ValueError, "Invalid parameter 'alphas'"),
        ({"param_grid": []}, ValueError, "no candidates"),
        ({"min_resources": 0}, ValueError, "min_resources"),
        (
            {"min_resources": 50, "max_resources": 40},
            ValueError,
            "max_resources=40 is below min_resources=50",
        ),
        ({"factor": 1}, ValueError, "factor"),
        ({"min_resources": True}, TypeError, "min_resources must be a whole number, got True"),
        ({"tol": -1.0}, ValueError, "tol"),
        ({"min_resources": 1000}, ValueError, "All the 3 fits failed"),
        ({"refit": simplest_within(cost="alpha")}, ValueError, "no parameter of the grid"),
    ],
)
def test_bad_input(changes, error, message):
    """An error that does not name the parameter, or a search that is half fitted."""
    search = GrowingSearchCV(SketchedRidge(random_state=0), cv=3).set_params(**changes)
    before = dict(vars(search))
    with pytest.raises(error, match=message):
        search.fit(X, y)
    assert vars(search) == before


def test_defaults_are_those_of_the_search_without_growth():
    """Parameters of the two searches that drift apart."""
    ours, theirs = GrowingSearchCV(Ridge()).get_params(False), SketchSearchCV(Ridge(), {}).get_params(False)
    shared = set(ours) & set(theirs) - {"estimator", "param_grid"}
    assert {k: ours[k] for k in shared if k != "error_score"} == {
        k: theirs[k] for k in shared if k != "error_score"
    }
    assert set(theirs) <= set(ours)


def test_a_gain_that_is_small_by_chance():
    """A search that ends because one gain was a tenth of the one before."""
    with pytest.warns(ConvergenceWarning, match="max_resources=4"):
        search = curve({1: 0.0, 2: 0.5, 4: 0.55}, max_resources=4, tol=0.01, refit=False)
    assert search.predicted_gain_ == pytest.approx(0.025)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", ["ascontiguousarray", "asfortranarray", "csr_array", "csc_array"])
def test_containers_dtypes_and_threads(form, dtype):
    """Another size or seed in some container, bits that depend on threads; against plain scikit-learn.

    The defaults but for the sizes, which have to suit 300 rows. The Gaussian sketch of the rows is made here.
    """
    contained = getattr(sparse if form.startswith("cs") else np, form)
    data, target = contained((X * (X > 0)).astype(dtype)), y.astype(dtype)
    settings = {"min_resources": 16, "max_resources": 64, "tol": 0.0, "cv": KFold(2), "refit": False}
    tables = []
    for n_threads in (1, 2):
        model = SketchedRidge(fit_intercept=False, random_state=0, n_threads=n_threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            tables.append(GrowingSearchCV(model, **settings).fit(data, target).cv_results_)
    for split, (train, test) in enumerate(KFold(2).split(data)):
        key = f"split{split}_test_score"
        np.testing.assert_array_equal(tables[0][key], tables[1][key])
        dense = np.asarray(data.todense() if sparse.issparse(data) else data, dtype=np.float64)
        for size, score in zip(tables[0]["n_resources"], tables[0][key], strict=True):
            family = make_sketch("auto", n=len(train), sketch_size=size, sparse=sparse.issparse(data))
            S = family.operator(size, len(train), as_stream(draw_seed(0)).child(0), dtype).toarray()
            peer = Ridge(alpha=1.0, fit_intercept=False, solver="svd")
            peer.fit(S @ dense[train], S @ y[train])
            expected = peer.score(dense[test], y[test])
            np.testing.assert_allclose(score, expected, atol=1e-9 if dtype == np.float64 else 1e-4)
