"""SketchedRidgeClassifierCV against scikit-learn's RidgeClassifierCV, and scores of labels by hand."""

import pickle

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge, RidgeClassifier, RidgeClassifierCV
from sklearn.metrics import accuracy_score, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from sklr.linalg import RowChunks
from sklr.linear_model import SketchedRidgeClassifier, SketchedRidgeClassifierCV

ALPHAS = (1.0, 100.0, 10_000.0)
WORDS = np.array(["zero", "one", "two", "three"])

WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a sketch of the samples depends on their number"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks(
    [
        SketchedRidgeClassifierCV(),
        SketchedRidgeClassifierCV(cv="gcv", class_weight="balanced"),
        SketchedRidgeClassifierCV(cv=3, scoring="accuracy"),
        SketchedRidgeClassifierCV(axis="features", sketch_sizes=[0.5, 1.0], n_sketches=2),
        SketchedRidgeClassifierCV(sketch_sizes=[0.5, 0.9], cv=3),
    ],
    expected_failed_checks=lambda model: WEIGHTS if model.sketch_sizes and model.axis == "samples" else {},
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a classifier."""
    check(estimator)


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """The references are small products, which BLAS's own threads make slow on a busy machine."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def digits():
    """``(X, labels, weight)`` of some digits, with words for labels and noise that makes them hard."""
    X, y = load_digits(n_class=4, return_X_y=True)
    X, y = X[:240], y[:240]
    rng = np.random.default_rng(0)
    return X + 6 * rng.standard_normal(X.shape), WORDS[y], rng.uniform(0.2, 3, len(y))


def take(digits, classes):
    X, y, weight = digits
    kept = np.isin(y, WORDS[:classes])
    return X[kept], y[kept], weight[kept]


def left_out(X, y, alpha, weight=None):
    """Decision functions of scikit-learn's ridge regression for every row, fitted without it; by columns."""
    labels = np.unique(y)
    targets = 2.0 * (y[:, None] == labels) - 1
    targets = targets[:, 1:] if len(labels) == 2 else targets
    weight, every, found = np.ones(len(y)) if weight is None else weight, np.arange(len(y)), []
    for i in every:
        rest = every != i
        model = Ridge(alpha, solver="cholesky").fit(X[rest], targets[rest], weight[rest])
        found.append(model.predict(X[i : i + 1]).ravel())
    return np.array(found), labels


FORMS = {
    "dense": np.asarray,
    "csr": sparse.csr_array,
    "csc": sparse.csc_matrix,
    "chunks": lambda X: RowChunks(lambda: iter(np.array_split(X, 7)), X.shape, X.dtype),
}


# -- against scikit-learn -----------------------------------------------------------------------------


@pytest.mark.parametrize("class_weight", [None, "balanced", {"one": 3.0, "zero": 0.5}])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("form", FORMS)
def test_equals_scikit_learns_classifier(form, classes, class_weight, digits):
    """Classes in another order, class weights that are lost, or two targets for two classes."""
    X, y, weight = take(digits, classes)
    weight = None if class_weight == "balanced" else weight  # where scikit-learn's are not repetitions
    model = SketchedRidgeClassifierCV(ALPHAS, class_weight=class_weight)
    model.fit(FORMS[form](X), y, sample_weight=weight)
    peer = RidgeClassifierCV(ALPHAS, class_weight=class_weight, store_cv_results=True)
    peer.fit(X, y, sample_weight=weight)
    assert model.alpha_ == peer.alpha_
    np.testing.assert_array_equal(model.classes_, peer.classes_)
    # RidgeClassifierCV divides weighted squares by the number of rows.
    total = np.ones(len(y)) if weight is None else weight
    if class_weight == "balanced":
        total = total * len(y) / (classes * (y[:, None] == y).sum(axis=1))
    elif class_weight is not None:
        total = total * np.array([class_weight.get(label, 1.0) for label in y])
    scores = -peer.cv_results_.reshape(-1, len(ALPHAS)).mean(axis=0) * len(y) / total.sum()
    np.testing.assert_allclose(model.cv_results_["mean_test_score"], scores, rtol=1e-8)
    assert model.best_score_ == pytest.approx(scores.max())
    np.testing.assert_allclose(model.coef_, np.atleast_2d(peer.coef_), atol=1e-8)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-7)
    np.testing.assert_array_equal(model.predict(FORMS[form](X)), peer.predict(X))
    assert model.coef_.shape == ((1, 64) if classes == 2 else (4, 64))


def test_accuracy_equals_scikit_learns(digits):
    """Labels that are decided from residuals in place of predictions."""
    X, y, _ = digits
    model = SketchedRidgeClassifierCV(ALPHAS, scoring="accuracy").fit(X, y)
    peer = RidgeClassifierCV(ALPHAS, scoring="accuracy").fit(X, y)
    assert 0.5 < peer.best_score_ < 1  # or the test shows nothing
    assert model.alpha_ == peer.alpha_
    assert model.best_score_ == pytest.approx(peer.best_score_)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("scoring", ["accuracy", "object"])
def test_accuracy_by_hand(scoring, classes, weighted, digits):
    """A score without the weights of the rows, or of labels that are codes."""
    X, y, weight = take(digits, classes)
    weight = weight if weighted else None
    parameters = {"scoring": make_scorer(accuracy_score) if scoring == "object" else scoring}
    model = SketchedRidgeClassifierCV(ALPHAS, **parameters).fit(X, y, sample_weight=weight)
    for alpha, found in zip(ALPHAS, model.cv_results_["mean_test_score"], strict=True):
        decision, labels = left_out(X, y, alpha, weight)
        codes = (decision[:, 0] > 0).astype(int) if classes == 2 else decision.argmax(axis=1)
        assert found == pytest.approx(accuracy_score(y, labels[codes], sample_weight=weight))


def test_areas_of_two_classes(digits):
    """A decision function of the wrong sign, or of two columns."""
    X, y, _ = take(digits, 2)
    model = SketchedRidgeClassifierCV(ALPHAS, scoring="roc_auc").fit(X, y)
    for alpha, found in zip(ALPHAS, model.cv_results_["mean_test_score"], strict=True):
        decision, labels = left_out(X, y, alpha)
        assert found == pytest.approx(roc_auc_score(y == labels[1], decision[:, 0]))
    assert model.best_score_ > 0.9


def test_a_score_of_probabilities_is_refused(digits):
    """Decisions that are taken for probabilities."""
    X, y, _ = take(digits, 2)
    model = SketchedRidgeClassifierCV(scoring="neg_log_loss")
    with pytest.raises(ValueError, match="log_loss.* no probabilities"):
        model.fit(X, y)
    assert set(vars(model)) == set(model.get_params())


# -- sketches and folds -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize("classes", [2, 4])
def test_sketched_features(classes, form, digits):
    """Sketches or class weights of the scores that are not those of the fit."""
    X, y, weight = take(digits, classes)
    parameters = {"axis": "features", "n_sketches": 3, "random_state": 5, "class_weight": "balanced"}
    model = SketchedRidgeClassifierCV(ALPHAS, sketch_sizes=[0.3, 50], **parameters)
    model.fit(FORMS[form](X), y, sample_weight=weight)
    peer = SketchedRidgeClassifier(model.alpha_, sketch_size=model.sketch_size_, **parameters)
    peer.fit(FORMS[form](X), y, sample_weight=weight)
    np.testing.assert_array_equal(model.coef_, peer.coef_)
    np.testing.assert_array_equal(model.intercept_, peer.intercept_)
    assert model.score(X, y) > 0.8
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("scoring", ["accuracy", "balanced_accuracy", "f1_macro"])
def test_folds_equal_a_grid_search(scoring, classes, digits):
    """Folds that are not stratified, or targets in place of labels."""
    X, y, _ = take(digits, classes)
    model = SketchedRidgeClassifierCV(ALPHAS, cv=3, scoring=scoring).fit(X, y)
    search = GridSearchCV(RidgeClassifier(), {"alpha": ALPHAS}, cv=StratifiedKFold(3), scoring=scoring)
    search.fit(X, y)
    for name in ("split0_test_score", "split2_test_score", "mean_test_score", "std_test_score"):
        np.testing.assert_allclose(model.cv_results_[name], search.cv_results_[name], rtol=1e-9)
    assert model.alpha_ == search.best_params_["alpha"]


def test_a_fold_without_a_class(digits):
    """Classes of the rows of a fold in place of those of all rows."""
    X, y, _ = digits
    rare = np.flatnonzero(y == "three")
    others = np.flatnonzero(y != "three")
    folds = [(others[::2], np.r_[others[1::2], rare]), (np.r_[others[1::2], rare], others[::2])]
    model = SketchedRidgeClassifierCV(ALPHAS, cv=folds, scoring="accuracy").fit(X, y)
    assert 0 < model.cv_results_["split0_test_score"].max() <= 1 - len(rare) / len(folds[0][1])
    np.testing.assert_array_equal(model.classes_, np.unique(y))


def test_the_same_bits(digits):
    """Sums that depend on the threads."""
    X, y, weight = digits
    for parameters in ({}, {"axis": "features", "sketch_sizes": [20, 50], "n_sketches": 3}):
        one, two = (
            SketchedRidgeClassifierCV(ALPHAS, n_threads=t, random_state=0, **parameters).fit(X, y, weight)
            for t in (1, 2)
        )
        np.testing.assert_array_equal(one.coef_, two.coef_)
        for name, column in one.cv_results_.items():
            np.testing.assert_array_equal(column, two.cv_results_[name])


# -- bad input ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda y: np.full(len(y), "one"), "y has one class only, .*'one'"),
        (lambda y: np.linspace(0, 1, len(y)), "Unknown label type"),
        (lambda y: y[1:], "X has 240 rows and y has 239"),
        (lambda y: None, "requires y"),
        (lambda y: np.where(np.arange(len(y)) == 3, np.nan, 1.0), "NaN"),
    ],
)
@pytest.mark.parametrize("parameters", [{}, {"cv": 3}, {"class_weight": "balanced"}], ids=str)
def test_bad_labels(parameters, y, message, digits):
    """Labels that are taken for something else, or an estimator that is half fitted."""
    X, labels, _ = digits
    model = SketchedRidgeClassifierCV(**parameters)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y(labels))
    assert set(vars(model)) == set(model.get_params())


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"class_weight": "even"}, ValueError, "class_weight"),
        ({"class_weight": dict.fromkeys(WORDS, 0.0)}, ValueError, "zero|weight"),
        ({"alphas": []}, ValueError, "alphas must be one or more numbers"),
        ({"alphas": [-1.0]}, ValueError, "alphas must be finite and at least 0"),
        ({"n_sketches": 2}, ValueError, "n_sketches=2 needs sketch_sizes"),
        ({"sketch_sizes": [9]}, ValueError, "needs an integer cv"),
        ({"sketch_sizes": [65], "axis": "features"}, ValueError, "larger than the 64 features"),
        ({"cv": 1}, ValueError, "cv must be None"),
        ({"cv": True}, TypeError, "cv must be None"),
        ({"cv": "loo"}, ValueError, "cv must be None"),
        ({"scoring": "no such"}, ValueError, "no such"),
        ({"scoring": "roc_auc"}, ValueError, "multi_class|No candidate has a finite score"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, error, message, digits):
    """A parameter that is accepted and ignored, or an estimator that is half fitted."""
    X, y, _ = digits
    model = SketchedRidgeClassifierCV(**parameters)
    with pytest.raises(error, match=message):
        model.fit(X, y)
    assert set(vars(model)) == set(model.get_params())
