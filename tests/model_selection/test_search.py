"""SketchSearchCV gives the table of GridSearchCV, fits what is shared once, and bears failures."""

import pickle
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.datasets import load_digits, make_classification
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import accuracy_score, make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.decomposition import RandomizedLowRank
from sklr.feature_selection import CURSelector
from sklr.graph import FastRPEmbedding
from sklr.linear_model import SketchedRidge, SketchedRidgeClassifier
from sklr.model_selection import SketchSearchCV, simplest_within

X, y = (part[:300] for part in load_digits(return_X_y=True))


FAILED_CHECKS = {
    "check_supervised_y_2d": "the tags of a search do not tell that its estimator takes many targets"
}


@parametrize_with_checks(
    [
        SketchSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=2),
        SketchSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2, error_score="raise"),
        SketchSearchCV(SketchedRidge(), {"alpha": [0.1, 1.0]}, cv=2, error_score="raise"),
    ],
    expected_failed_checks=lambda search: (
        {} if isinstance(search.estimator, LogisticRegression) else FAILED_CHECKS
    ),
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a search."""
    check(estimator)


def pipeline(reduce=None, classify=None):
    """Scale, reduce, classify."""
    reduce = RandomizedLowRank(random_state=0, solver="gram") if reduce is None else reduce
    classify = RidgeClassifier() if classify is None else classify
    return Pipeline([("scale", StandardScaler()), ("reduce", reduce), ("classify", classify)])


RANKS = [2, 5, 11]
NESTED = make_pipeline(make_pipeline(StandardScaler(), PCA(svd_solver="full")), RidgeClassifier())
CASES = {
    "ranks": (pipeline(), {"reduce__n_components": RANKS}),
    "ranks and alphas": (pipeline(), {"reduce__n_components": RANKS, "classify__alpha": [0.1, 10.0]}),
    "a searched step before": (
        pipeline(),
        {"scale__with_mean": [True, False], "reduce__n_components": RANKS},
    ),
    "two paths": (
        pipeline(classify=SketchedRidgeClassifier()),
        {"reduce__n_components": RANKS, "classify__alpha": [0.1, 1.0, 10.0]},
    ),
    "PCA": (
        pipeline(PCA(svd_solver="full")),
        {"reduce__n_components": RANKS, "reduce__whiten": [True, False]},
    ),
    "TruncatedSVD": (
        pipeline(TruncatedSVD(algorithm="arpack", random_state=0)),
        {"reduce__n_components": RANKS},
    ),
    "columns": (
        pipeline(CURSelector(method="norm")),
        {"reduce__n_features_to_select": RANKS},
    ),
    "other steps": (
        pipeline(),
        [
            {"reduce": [PCA(3, svd_solver="full"), "passthrough"], "classify__alpha": [0.1, 10.0]},
            {"scale": [MinMaxScaler()], "reduce__n_components": RANKS},
        ],
    ),
    "a whole pipeline replaced": (
        make_pipeline(make_pipeline(StandardScaler()), RidgeClassifier()),
        {"pipeline": [make_pipeline(MinMaxScaler()), make_pipeline(StandardScaler(), PCA(3))]},
    ),
    "nested pipelines": (
        NESTED,
        {"pipeline__pca__n_components": RANKS, "ridgeclassifier__alpha": [0.1, 1.0]},
    ),
    "alone": (SketchedRidgeClassifier(), {"alpha": [0.1, 1.0, 10.0]}),
    "no path": (LogisticRegression(max_iter=500), {"C": [0.01, 0.1]}),
    "equal candidates": (pipeline(), {"reduce__n_components": [5, 5, 2]}),
    "a scorer of its own": (PCA(svd_solver="full"), {"n_components": RANKS}),
}


def assert_same_table(ours, theirs, rtol=1e-9):
    """The same keys, and the same values but for times."""
    assert set(theirs) <= set(ours) and set(ours) - set(theirs) <= {"mean_stored_numbers"}
    assert ours["params"] == theirs["params"] or str(ours["params"]) == str(theirs["params"])
    for key, values in theirs.items():
        if key == "params" or key.endswith("_time"):
            continue
        if key.startswith("param_"):
            assert ours[key].dtype == values.dtype and str(list(ours[key])) == str(list(values)), key
        elif key.startswith("rank"):
            np.testing.assert_array_equal(ours[key], values)
        else:
            np.testing.assert_allclose(ours[key], values, rtol=rtol, err_msg=key)


@pytest.mark.parametrize("case", CASES)
def test_is_a_grid_search(case):
    """Another score, order or key than those of GridSearchCV; another refit."""
    estimator, grid = CASES[case]
    before = str(estimator.get_params())
    settings = {"cv": 3, "return_train_score": True}
    theirs = GridSearchCV(estimator, grid, **settings).fit(X, y)
    ours = SketchSearchCV(estimator, grid, **settings).fit(X, y)
    assert_same_table(ours.cv_results_, theirs.cv_results_)
    for name in ("best_index_", "n_splits_", "multimetric_", "n_features_in_"):
        assert getattr(ours, name) == getattr(theirs, name), name
    assert ours.best_score_ == pytest.approx(theirs.best_score_)
    if hasattr(theirs, "predict"):
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert str(estimator.get_params()) == before
    for name in ("fit_time", "score_time"):
        assert (ours.cv_results_[f"mean_{name}"] >= 0).all() and np.isfinite(
            ours.cv_results_[f"std_{name}"]
        ).all()


@pytest.mark.parametrize(
    "scoring", [["accuracy", "f1_macro"], {"a": "accuracy", "b": make_scorer(accuracy_score)}]
)
def test_several_scores(scoring):
    """Scores that are mixed up."""
    refit = next(iter(scoring))
    settings = {"scoring": scoring, "refit": refit, "cv": 3}
    theirs = GridSearchCV(*CASES["ranks"], **settings).fit(X, y)
    ours = SketchSearchCV(*CASES["ranks"], **settings).fit(X, y)
    assert_same_table(ours.cv_results_, theirs.cv_results_)
    assert ours.best_params_ == theirs.best_params_ and set(ours.scorer_) == set(theirs.scorer_)


def of_steps(estimator, X, y):
    """A scorer that looks at the steps of the pipeline and at what goes into it."""
    assert X.shape[1] == 64
    return {"rank": estimator.named_steps["reduce"].n_components_, "score": estimator.score(X, y)}


def test_a_scorer_of_the_whole_pipeline():
    """A scorer that gets the last step alone."""
    settings = {"scoring": of_steps, "refit": "score", "cv": 3, "return_train_score": True}
    ours = SketchSearchCV(*CASES["ranks"], **settings).fit(X, y)
    theirs = GridSearchCV(*CASES["ranks"], **settings).fit(X, y)
    assert_same_table(ours.cv_results_, theirs.cv_results_)
    np.testing.assert_array_equal(ours.cv_results_["mean_test_rank"], RANKS)


class Counted(TransformerMixin, BaseEstimator):
    """A transformer that writes down its fits and transforms."""

    calls = []

    def __init__(self, name="counted", shift=0.0):
        self.name = name
        self.shift = shift

    def fit(self, X, y=None, sample_weight=None):
        self.calls.append(("fit", self.name, len(X), sample_weight is not None))
        self.fitted_ = True
        return self

    def transform(self, X):
        self.calls.append(("transform", self.name, len(X), False))
        return X + self.shift


class CountedPath(RandomizedLowRank):
    """A RandomizedLowRank that writes down its paths and fits."""

    calls = []

    def fit_path(self, X, y, param_dicts, **fit_params):
        param_dicts = list(param_dicts)
        self.calls.append(("path", len(param_dicts)))
        return super().fit_path(X, y, param_dicts, **fit_params)

    def fit(self, X, y=None, **fit_params):
        self.calls.append(("fit", self.n_components))
        return super().fit(X, y, **fit_params)


def test_what_is_shared_is_done_once():
    """A step before the path that is fitted for each candidate; a path that is fitted rank by rank."""
    Counted.calls.clear()
    CountedPath.calls.clear()
    model = Pipeline(
        [
            ("first", Counted("first")),
            ("reduce", CountedPath(random_state=0, solver="gram")),
            ("second", Counted("second")),
            ("classify", RidgeClassifier()),
        ]
    )
    grid = {"reduce__n_components": RANKS, "classify__alpha": [0.1, 1.0, 10.0]}
    SketchSearchCV(model, grid, cv=KFold(3), refit=False).fit(X, y)
    first = [call[:3] for call in Counted.calls if call[1] == "first"]
    assert first == [("fit", "first", 200), ("transform", "first", 200), ("transform", "first", 100)] * 3
    # Behind the path there is a fit for each rank, whatever the alphas.
    assert sum(call[:2] == ("fit", "second") for call in Counted.calls) == 3 * len(RANKS)
    assert CountedPath.calls == [("path", 3), ("fit", 11)] * 3


def test_times_add_up():
    """Shared time that is counted for each of those that share it."""
    search = SketchSearchCV(*CASES["ranks and alphas"], cv=3, refit=False)
    start = time.perf_counter()
    search.fit(X, y)
    seconds = time.perf_counter() - start
    spent = 3 * sum(search.cv_results_[f"mean_{name}"].sum() for name in ("fit_time", "score_time"))
    assert 0 < spent <= seconds


@pytest.mark.parametrize("backend", ["loky", "threading"])
@pytest.mark.parametrize("n_jobs", [2, 5])
def test_results_do_not_depend_on_jobs(backend, n_jobs):
    """Rows in the order in which jobs are done; parts of the grid that are forgotten."""
    for case in ("two paths", "a searched step before", "other steps"):
        expected = SketchSearchCV(*CASES[case], cv=2).fit(X, y)
        with joblib.parallel_backend(backend):
            found = SketchSearchCV(*CASES[case], cv=2, n_jobs=n_jobs).fit(X, y)
        assert_same_table(found.cv_results_, expected.cv_results_, rtol=1e-12)
        assert str(found.best_params_) == str(expected.best_params_)


# -- what goes wrong ---------------------------------------------------------------------------


class Failing(ClassifierMixin, BaseEstimator):
    """Fails for one parameter on data of one size."""

    def __init__(self, bad=False, at=None):
        self.bad = bad
        self.at = at

    def fit(self, X, y):
        if self.bad and (self.at is None or len(X) == self.at):
            raise ArithmeticError("no such thing")
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return np.full(len(X), self.classes_[0])


def test_a_fold_that_fails():
    """One failure that takes the others with it, or that nobody hears of."""
    cv = [(np.arange(200), np.arange(200, 300)), (np.arange(150), np.arange(150, 300))]
    model = make_pipeline(StandardScaler(), Failing(at=150))
    grid = {"failing__bad": [False, True]}
    settings = {"cv": cv, "refit": False, "return_train_score": True}
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 4(.|\n)*no such thing"):
        ours = SketchSearchCV(model, grid, **settings).fit(X, y)
    with pytest.warns(FitFailedWarning):
        theirs = GridSearchCV(model, grid, **settings).fit(X, y)
    assert_same_table(ours.cv_results_, theirs.cv_results_)
    assert np.isnan(ours.cv_results_["split1_test_score"]).tolist() == [False, True]
    with pytest.warns(FitFailedWarning):
        ours = SketchSearchCV(model, grid, error_score=-1.0, **settings).fit(X, y)
    assert ours.cv_results_["split1_test_score"][1] == -1
    with pytest.raises(ArithmeticError, match="no such thing"):
        SketchSearchCV(model, grid, error_score="raise", **settings).fit(X, y)
    with pytest.raises(ValueError, match="All the 2 fits failed(.|\n)*no such thing"):
        SketchSearchCV(Failing(bad=True), {"at": [None]}, **settings).fit(X, y)


@pytest.mark.parametrize("scoring", [["accuracy", "f1_macro"], of_steps], ids=["names", "callable"])
def test_failures_with_several_scores(scoring):
    """A failure without the names of the scores."""
    grid = {"reduce__n_components": [2, -1, 5]}
    settings = {"cv": 2, "scoring": scoring, "refit": False}
    with pytest.warns(FitFailedWarning):
        ours = SketchSearchCV(pipeline(), grid, **settings).fit(X, y)
    with pytest.warns(FitFailedWarning):
        theirs = GridSearchCV(pipeline(), grid, **settings).fit(X, y)
    assert_same_table(ours.cv_results_, theirs.cv_results_)


def test_one_bad_setting_of_a_path():
    """A value that is refused, and with it all others of the path."""
    grid = {"reduce__n_components": [2, 0, 5]}
    with pytest.warns(FitFailedWarning, match="n_components"):
        search = SketchSearchCV(pipeline(), grid, cv=2).fit(X, y)
    scores = search.cv_results_["mean_test_score"]
    assert np.isnan(scores).tolist() == [False, True, False]
    assert search.best_params_ == {"reduce__n_components": 5}


def test_a_rank_above_the_data():
    """A value that the data do not allow, without a word."""
    grid = {"reduce__n_components": [5, 500]}
    with pytest.warns(UserWarning, match="n_components=500"):
        search = SketchSearchCV(pipeline(RandomizedLowRank(random_state=0)), grid, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize(
    "grid, message",
    [
        ({"reduce__rank": [1]}, "Invalid parameter 'rank'"),
        ({"shrink__n_components": [1]}, "Invalid parameter 'shrink'"),
        ([], "param_grid has no candidates"),
        ({"reduce__n_components": []}, "non-empty"),
    ],
)
def test_bad_grids(grid, message):
    """A grid that fails after hours, or that is nothing."""
    search = SketchSearchCV(pipeline(), grid)
    with pytest.raises(ValueError, match=message):
        search.fit(X, y)
    assert not [name for name in vars(search) if name.endswith("_")]


def test_a_failed_search_keeps_the_former_one():
    """A search that is left between two fits."""
    search = SketchSearchCV(*CASES["ranks"], cv=2).fit(X, y)
    table = search.cv_results_
    search.set_params(param_grid={"reduce__rank": [1]})
    with pytest.raises(ValueError, match="rank"):
        search.fit(X, y)
    assert search.cv_results_ is table


class Interrupted(Failing):
    """The user presses Ctrl-C in the second fold."""

    def fit(self, X, y):
        if len(X) == 150:
            raise KeyboardInterrupt
        return super().fit(X, y)


def test_interrupted():
    """Hours of work that are lost."""
    cv = [(np.arange(200), np.arange(200, 300)), (np.arange(150), np.arange(150, 300))]
    search = SketchSearchCV(Failing(), {"bad": [False, 0]}, cv=2).fit(X, y)
    search.set_params(estimator=Interrupted(), cv=cv)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    table = search.cv_results_
    assert np.isfinite(table["mean_test_score"]).all() and len(table["params"]) == 2
    np.testing.assert_array_equal(table["mean_test_score"], table["split0_test_score"])
    assert "split1_test_score" not in table
    assert not hasattr(search, "best_estimator_") and not hasattr(search, "best_params_")


def test_an_error_behind_the_last_fold():
    """Hours of work that are lost for an error in the choice."""

    def rule(table):
        raise ArithmeticError("no rule")

    search = SketchSearchCV(*CASES["ranks"], cv=2, refit=rule)
    with pytest.raises(ArithmeticError, match="no rule"):
        search.fit(X, y)
    assert len(search.cv_results_["params"]) == 3 and not hasattr(search, "best_estimator_")


@pytest.mark.parametrize(
    "rule, message",
    [
        (simplest_within(cost="reduce__rank"), "cost='reduce__rank' is no parameter of the grid"),
        (simplest_within(metric="f1"), "metric='f1' is none of the scores.*accuracy"),
    ],
)
def test_a_rule_that_cannot_choose(rule, message):
    """An error after all fits that could be told before."""
    Counted.calls.clear()
    model = make_pipeline(Counted(), RidgeClassifier())
    search = SketchSearchCV(model, {"counted__shift": [0.0]}, scoring=["accuracy"], refit=rule)
    with pytest.raises(ValueError, match=message):
        search.fit(X, y)
    assert not Counted.calls


IN_PLACE = {
    "behind a path": (
        Pipeline(
            [
                ("reduce", RandomizedLowRank(solver="gram", random_state=0)),
                ("norm", Normalizer(copy=False)),
                ("classify", RidgeClassifier()),
            ]
        ),
        {"reduce__n_components": [20, 5, 10], "classify__alpha": [0.1, 10.0]},
    ),
    "the last step": (Ridge(copy_X=False), {"alpha": [0.1, 1.0, 1000.0]}),
    "before": (
        Pipeline([("scale", StandardScaler(copy=False)), ("classify", Ridge(copy_X=False))]),
        {"classify__alpha": [0.1, 1.0, 1000.0]},
    ),
    "other steps": (
        Pipeline([("scale", StandardScaler()), ("classify", Ridge())]),
        {"scale": [StandardScaler(copy=False), MinMaxScaler(copy=False), "passthrough"]},
    ),
    "PCA": (Pipeline([("reduce", PCA(copy=False)), ("classify", Ridge())]), {"reduce__n_components": [9, 2]}),
}


@pytest.mark.parametrize(
    "scoring", ["r2", lambda model, X, y: r2_score(y, model.predict(X))], ids=["name", "own"]
)
@pytest.mark.parametrize("case", IN_PLACE)
def test_steps_that_write_to_their_data(case, scoring):
    """Data that another candidate has changed."""
    settings = {"cv": 3, "scoring": scoring}  # train scores of GridSearchCV are of data that were written to
    data = X + 50
    before = data.copy()
    theirs = GridSearchCV(*IN_PLACE[case], **settings).fit(data, y)
    ours = SketchSearchCV(*IN_PLACE[case], refit=False, **settings).fit(before.copy(), y)
    assert_same_table(ours.cv_results_, theirs.cv_results_, rtol=1e-6)


def test_a_pipeline_in_the_place_of_a_step():
    """Parameters of steps that only the grid brings in."""
    inner = Pipeline([("pca", PCA(5)), ("scale", StandardScaler())])
    grid = {
        "reduce": [inner],
        "reduce__pca": ["passthrough", PCA(2)],
        "reduce__scale__with_mean": [True, False],
    }
    for start in ("passthrough", PCA()):
        model = Pipeline([("reduce", start), ("classify", RidgeClassifier())])
        searches = [kind(model, grid, cv=2).fit(X, y) for kind in (SketchSearchCV, GridSearchCV)]
        assert_same_table(*(search.cv_results_ for search in searches))


def test_weights_that_are_routed():
    """Weights that a path, or a pipeline in the pipeline, does not get; or a score that nobody asked for."""
    weight = np.random.default_rng(0).random(300) ** 4
    with config_context(enable_metadata_routing=True):
        scoring = make_scorer(accuracy_score).set_score_request(sample_weight=False)
        reduce = RandomizedLowRank(random_state=0, solver="gram", center=True).set_fit_request(
            sample_weight=True
        )
        classify = RidgeClassifier().set_fit_request(sample_weight=False)
        inner = Pipeline([("scale", StandardScaler().set_fit_request(sample_weight=True)), ("pca", PCA(5))])
        for model, grid in (
            (Pipeline([("reduce", reduce), ("classify", classify)]), {"reduce__n_components": RANKS}),
            (Pipeline([("inner", inner), ("classify", classify)]), {"classify__alpha": [0.1, 10.0]}),
        ):
            searches = [
                kind(model, grid, cv=2, scoring=scoring).fit(X, y, sample_weight=weight)
                for kind in (SketchSearchCV, GridSearchCV)
            ]
            assert_same_table(*(search.cv_results_ for search in searches))


def test_data_that_cannot_be_transformed():
    """A failure of a transform told as one of a fit, with the train scores lost."""
    data = (X[:, 20:24] > 8).astype(int)
    data[-1, 0] = 7  # in the last fold only
    model = make_pipeline(OneHotEncoder(), RidgeClassifier())
    settings = {"cv": KFold(3), "return_train_score": True, "refit": False}
    grid = {"ridgeclassifier__alpha": [0.1, 10.0]}
    with pytest.warns(UserWarning, match="Scoring failed(.|\n)*unknown categories"):
        ours = SketchSearchCV(model, grid, **settings).fit(data, y)
    with pytest.warns(UserWarning):
        theirs = GridSearchCV(model, grid, **settings).fit(data, y)
    assert_same_table(ours.cv_results_, theirs.cv_results_)
    with pytest.raises(ValueError, match="unknown categories"):
        SketchSearchCV(model, grid, error_score="raise", **settings).fit(data, y)


class Choosy(CURSelector):
    """One of its models cannot transform."""

    def transform(self, X):
        if self.n_features_to_select == 5:
            raise ArithmeticError("not five")
        return super().transform(X)


def test_a_model_of_a_path_that_cannot_transform():
    """One failure that ends the search."""
    model = make_pipeline(Choosy(method="norm"), RidgeClassifier())
    grid = {"choosy__n_features_to_select": [3, 5, 8]}
    with pytest.warns(FitFailedWarning, match="2 fits failed out of a total of 6(.|\n)*not five"):
        search = SketchSearchCV(model, grid, cv=2).fit(X, y)
    assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True, False]
    with pytest.raises(ArithmeticError, match="not five"):
        SketchSearchCV(model, grid, cv=2, error_score="raise").fit(X, y)


class Clumsy(RandomizedLowRank):
    """Its path never works."""

    def fit_path(self, X, y, param_dicts, **fit_params):
        raise ArithmeticError("no path")


def test_a_path_that_fails_for_no_reason():
    """Time that is lost without a word."""
    with pytest.warns(UserWarning, match="fit_path of Clumsy failed, and 2 settings.*no path") as caught:
        search = SketchSearchCV(
            Clumsy(random_state=0), {"n_components": [2, 3]}, cv=2, scoring=lambda *_: 1.0
        )
        search.fit(X)
    assert caught[0].filename == __file__


# -- the rest of the interface -------------------------------------------------------------------


def test_progress(capsys):
    """Lines where none were asked for, or none where they were."""
    SketchSearchCV(*CASES["ranks"], cv=2).fit(X, y)
    assert capsys.readouterr() == ("", "")
    SketchSearchCV(*CASES["ranks"], cv=2, verbose=1).fit(X, y)
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1
    last = err.strip().split("\r")[-1]
    assert last.startswith("3 of 3 candidates, 0 s left, best so far 0.")
    assert "'reduce__n_components': 11" in last


def test_parameters_of_fit():
    """Groups, weights of samples, with and without metadata routing."""
    groups, weight = np.arange(300) % 5, np.random.default_rng(0).random(300)
    grid = {"classify__alpha": [0.1, 10.0], "reduce__n_components": [2, 8]}
    params = {"groups": groups, "classify__sample_weight": weight}
    searches = [
        kind(pipeline(), grid, cv=GroupKFold(3)).fit(X, y, **params)
        for kind in (SketchSearchCV, GridSearchCV)
    ]
    assert_same_table(*(search.cv_results_ for search in searches))
    with config_context(enable_metadata_routing=True):
        model = pipeline()
        for name, step in model.steps:
            step.set_fit_request(sample_weight=name != "reduce")
        scoring = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        searches = [
            kind(model, grid, cv=GroupKFold(3), scoring=scoring).fit(
                X, y, groups=groups, sample_weight=weight
            )
            for kind in (SketchSearchCV, GridSearchCV)
        ]
    assert_same_table(*(search.cv_results_ for search in searches))


def test_refit():
    """A choice of one's own, or none."""
    chosen = SketchSearchCV(*CASES["ranks"], refit=lambda table: 0, cv=2).fit(X, y)
    assert chosen.best_params_ == {"reduce__n_components": 2} and not hasattr(chosen, "best_score_")
    direct = clone(pipeline()).set_params(reduce__n_components=2).fit(X, y)
    np.testing.assert_array_equal(chosen.best_estimator_.decision_function(X), direct.decision_function(X))
    none = SketchSearchCV(*CASES["ranks"], refit=False, cv=2).fit(X, y)
    assert hasattr(none, "best_params_") and not hasattr(none, "best_estimator_")
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        none.predict(X)


def test_tables_and_copies():
    """Names of columns that are lost; a search that cannot be stored."""
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    search = SketchSearchCV(*CASES["PCA"], cv=2).fit(frame, y)
    assert list(search.feature_names_in_) == list(frame.columns)
    copy = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(copy.predict(frame), search.predict(frame))
    assert clone(search).get_params()["cv"] == 2
    with_frames = clone(CASES["PCA"][0]).set_output(transform="pandas")
    assert_same_table(
        SketchSearchCV(with_frames, {"reduce__n_components": RANKS}, cv=2).fit(frame, y).cv_results_,
        GridSearchCV(with_frames, {"reduce__n_components": RANKS}, cv=2).fit(frame, y).cv_results_,
    )


def test_a_pairwise_estimator():
    """Folds that slice the rows of a graph only."""
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], 60)
    upper = np.triu(rng.random((120, 120)) < np.where(label[:, None] == label, 0.3, 0.05), k=1)
    A = (upper + upper.T).astype(float)
    model = make_pipeline(FastRPEmbedding(4, random_state=0), LogisticRegression())
    grid = {"fastrpembedding__weights": [2, 3], "logisticregression__C": [0.1, 1.0]}
    cv = ShuffleSplit(2, random_state=0)
    searches = [kind(model, grid, cv=cv).fit(A, label) for kind in (SketchSearchCV, GridSearchCV)]
    assert_same_table(*(search.cv_results_ for search in searches))


def test_without_a_target():
    """An estimator that has no y."""
    searches = [
        kind(PCA(svd_solver="full"), {"n_components": RANKS}, cv=3).fit(X)
        for kind in (SketchSearchCV, GridSearchCV)
    ]
    assert_same_table(*(search.cv_results_ for search in searches))


def test_targets_with_two_columns():
    """Regression with several targets."""
    data, _ = make_classification(200, 20, random_state=0)
    target = data @ np.random.default_rng(0).standard_normal((20, 2))
    model = make_pipeline(StandardScaler(), PCA(svd_solver="full"), SketchedRidge())
    grid = {"pca__n_components": [3, 10], "sketchedridge__alpha": [0.1, 1.0]}
    searches = [kind(model, grid, cv=3).fit(data, target) for kind in (SketchSearchCV, GridSearchCV)]
    assert_same_table(*(search.cv_results_ for search in searches), rtol=1e-6)
