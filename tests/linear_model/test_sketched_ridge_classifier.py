"""SketchedRidgeClassifier against scikit-learn's RidgeClassifier."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklr.linear_model import SketchedRidgeClassifier

WEIGHTS = {
    f"check_sample_weight_equivalence_on_{kind}_data": "a sketch of the samples depends on their number"
    for kind in ("dense", "sparse")
}


@parametrize_with_checks(
    [
        SketchedRidgeClassifier(),
        SketchedRidgeClassifier(class_weight="balanced", solver="eigh"),
        SketchedRidgeClassifier(sketch_size=0.5, n_sketches=3),
        SketchedRidgeClassifier(axis="features", sketch_size=0.9),
    ],
    expected_failed_checks=lambda model: (
        WEIGHTS if model.axis == "samples" and model.sketch_size is not None else {}
    ),
)
def test_scikit_learns_checks(estimator, check):
    """Whatever scikit-learn asks of a classifier."""
    check(estimator)


@pytest.fixture(scope="module")
def digits():
    """``(X, labels)``, with words for labels."""
    X, y = load_digits(return_X_y=True)
    return X, np.array(["zero one two three four five six seven eight nine".split()[i] for i in y])


@pytest.mark.parametrize("class_weight", [None, "balanced", {"one": 3.0, "two": 0.5}])
@pytest.mark.parametrize("classes", [2, 10])
@pytest.mark.parametrize("form", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_equals_scikit_learns_classifier(form, classes, class_weight, digits):
    """Classes in another order, weights of classes that are lost, or two targets for two classes."""
    X, y = digits
    if classes == 2:
        kept = np.isin(y, ["one", "two"])
        X, y = X[kept], y[kept]
    weight = None  # with "balanced" scikit-learn's are not repetitions
    if class_weight != "balanced":
        weight = np.random.default_rng(0).random(len(y))
    model = SketchedRidgeClassifier(1.0, class_weight=class_weight).fit(form(X), y, sample_weight=weight)
    peer = RidgeClassifier(1.0, class_weight=class_weight).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(model.coef_, np.atleast_2d(peer.coef_), atol=1e-8)
    np.testing.assert_allclose(model.intercept_, peer.intercept_, atol=1e-7)
    np.testing.assert_allclose(model.decision_function(form(X)), peer.decision_function(X), atol=1e-6)
    np.testing.assert_array_equal(model.predict(form(X)), peer.predict(X))
    np.testing.assert_array_equal(model.classes_, peer.classes_)


def test_sketches(digits):
    """A sketch that is not made of the samples or features of all classes alike."""
    X, y = digits
    plain = SketchedRidgeClassifier().fit(X, y).score(X, y)
    for parameters in ({"sketch_size": 600, "n_sketches": 5}, {"axis": "features", "sketch_size": 60}):
        model = SketchedRidgeClassifier(random_state=0, **parameters).fit(X, y)
        assert model.score(X, y) > plain - 0.05


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (lambda y: np.full(len(y), "one"), "y has one class only, .*'one'"),
        (lambda y: np.linspace(0, 1, len(y)), "Unknown label type"),
        (lambda y: y[1:], "X has 1797 rows and y has 1796"),
        (lambda y: None, "requires y"),
        (lambda y: np.where(np.arange(len(y)) == 3, np.nan, 1.0), "NaN"),
    ],
)
def test_bad_labels(y, message, digits):
    """Labels that are taken for something else, or an estimator that is half fitted."""
    X, labels = digits
    model = SketchedRidgeClassifier()
    with pytest.raises(ValueError, match=message):
        model.fit(X, y(labels))
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_bad_parameters(digits):
    """A class weight that is accepted and ignored."""
    X, y = digits
    with pytest.raises(ValueError, match="class_weight"):
        SketchedRidgeClassifier(class_weight="even").fit(X, y)
    with pytest.raises(ValueError, match="needs a sketch_size"):
        SketchedRidgeClassifier(n_sketches=2).fit(X, y)
