"""Displays: what is drawn are the numbers of the fit, with names, units and marks."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklr.decomposition import RandomizedLowRank
from sklr.feature_selection import CURSelector
from sklr.inspection import ErrorRankDisplay, LeverageDisplay, SketchSearchDisplay, SpectrumDisplay
from sklr.linear_model import SketchedRidge
from sklr.model_selection import SketchSearchCV

plt = pytest.importorskip("matplotlib.pyplot")
plt.switch_backend("Agg")
X, y = load_digits(return_X_y=True)


@pytest.fixture(autouse=True)
def closed():
    """Close the figures of a test."""
    yield
    plt.close("all")


def test_matplotlib_is_imported_when_it_is_drawn():
    """A package that cannot be imported without matplotlib."""
    code = "import sys, sklr.inspection; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("model", [RandomizedLowRank(20, random_state=0), PCA(20)])
def test_spectrum(model):
    """Values other than those of the fit; axes without names."""
    display = SpectrumDisplay.from_estimator(model.fit(X), color="black")
    np.testing.assert_array_equal(display.line_.get_ydata(), model.singular_values_)
    np.testing.assert_array_equal(display.line_.get_xdata(), np.arange(1, 21))
    assert display.line_.get_color() == "black"
    ax = display.ax_
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "component" and ax.get_ylabel() == "singular value"
    assert type(model).__name__ in ax.get_title()
    same = SpectrumDisplay([3.0, 1.0, 0.0]).plot(ax=ax, name="other")
    assert same.ax_ is ax and same.figure_ is display.figure_
    np.testing.assert_array_equal(same.line_.get_xdata(), [1, 2])  # a zero has no logarithm


def test_errors_of_ranks():
    """Errors that are not those of the smaller ranks."""
    model = RandomizedLowRank(30, tol=0.01, random_state=0, solver="gram")
    with pytest.warns(UserWarning, match="tol"):
        model.fit(X)
    display = ErrorRankDisplay.from_estimator(model)
    s = np.linalg.svd(X, compute_uv=False)
    exact = np.sqrt(1 - np.cumsum(s**2) / np.sum(s**2))[:30]
    np.testing.assert_allclose(display.line_.get_ydata(), exact, rtol=1e-4)
    assert display.chosen_.get_xydata().tolist() == [[30, pytest.approx(model.error_estimate_)]]
    assert display.tol_line_.get_ydata()[0] == 0.01
    assert display.best_line_ is None
    text = [entry.get_text() for entry in display.ax_.get_legend().get_texts()]
    assert "tol = 0.01" in text and any(entry.startswith("chosen: 30, error 0.") for entry in text)


def test_errors_of_columns():
    """Errors of the selector, and the best of each rank."""
    selector = CURSelector(12, random_state=0).fit(X)
    display = ErrorRankDisplay.from_estimator(selector, name="digits")
    np.testing.assert_array_equal(display.line_.get_ydata(), selector.errors_)
    np.testing.assert_array_equal(display.best_line_.get_ydata(), selector.best_errors_)
    assert display.ax_.get_xlabel() == "columns" and "digits" in display.ax_.get_title()


def test_leverage():
    """Scores of other columns, or marks at other places."""
    display = LeverageDisplay.from_data(X, 10)
    V = np.linalg.svd(X, full_matrices=False)[2][:10]
    np.testing.assert_allclose(display.line_.get_ydata(), np.sort(np.sum(V**2, axis=0))[::-1], atol=1e-8)
    assert display.uniform_line_.get_ydata()[0] == 10 / 64 and display.selected_ is None
    selector = CURSelector(10, random_state=0).fit(X)
    marked = LeverageDisplay.from_estimator(selector, X)
    chosen = np.sum(V**2, axis=0)[selector.get_support(indices=True)]
    np.testing.assert_allclose(marked.selected_.get_ydata(), np.sort(chosen)[::-1], atol=1e-8)


RANKS = [2, 5, 20]


@pytest.fixture(scope="module")
def search():
    """A search over two parameters."""
    model = make_pipeline(PCA(svd_solver="full"), RidgeClassifier())
    grid = {"pca__n_components": RANKS, "ridgeclassifier__alpha": [0.1, 100.0]}
    return SketchSearchCV(model, grid, cv=4).fit(X[:400], y[:400])


def test_search_over_two_parameters(search):
    """Scores at other places, or standard deviations in place of errors."""
    display = SketchSearchDisplay.from_estimator(search)
    assert len(display.errorbars_) == 2 and len(display.cost_lines_) == 2
    table = search.cv_results_
    for bars, alpha in zip(display.errorbars_, [0.1, 100.0], strict=True):
        rows = [
            table["params"].index({"pca__n_components": k, "ridgeclassifier__alpha": alpha}) for k in RANKS
        ]
        line, _, (segments,) = bars
        np.testing.assert_array_equal(line.get_xdata(), RANKS)
        np.testing.assert_allclose(line.get_ydata(), table["mean_test_score"][rows])
        half = [np.ptp(segment[:, 1]) / 2 for segment in segments.get_segments()]
        np.testing.assert_allclose(half, table["std_test_score"][rows] / 2, rtol=1e-6)
    top, bottom = display.ax_
    assert bottom.get_xlabel() == "pca__n_components" and bottom.get_ylabel() == "fit time, s"
    assert top.get_ylabel() == "mean test score"
    texts = [entry.get_text() for entry in top.get_legend().get_texts()]
    assert texts[:2] == ["ridgeclassifier__alpha = 0.1", "ridgeclassifier__alpha = 100"]


def test_search_over_one_parameter(search):
    """Rows of another value of what is not shown; a mark at another candidate."""
    display = SketchSearchDisplay.from_estimator(search, params="pca__n_components", cost=None)
    (bars,) = display.errorbars_
    scores = search.cv_results_["mean_test_score"]
    best = [
        max(scores[i] for i, p in enumerate(search.cv_results_["params"]) if p["pca__n_components"] == k)
        for k in RANKS
    ]
    np.testing.assert_allclose(bars[0].get_ydata(), best)
    marks = [line for line in display.ax_.lines if line.get_label() == "chosen"]
    assert [float(line.get_xdata()[0]) for line in marks] == [search.best_params_["pca__n_components"]]


def test_values_that_are_no_numbers():
    """Names of values that are lost, or an order of their own."""
    model = make_pipeline(PCA(5), RidgeClassifier())
    found = GridSearchCV(model, {"pca": [PCA(2), "passthrough", PCA(9)]}, cv=2).fit(X[:200], y[:200])
    display = SketchSearchDisplay.from_estimator(found)
    labels = [text.get_text() for text in display.ax_[1].get_xticklabels()]
    assert labels == ["PCA(n_components=2)", "passthrough", "PCA(n_components=9)"]


def test_several_scores():
    """The score of another metric."""
    model = make_pipeline(PCA(svd_solver="full"), RidgeClassifier())
    found = SketchSearchCV(
        model, {"pca__n_components": RANKS}, scoring=["accuracy", "f1_macro"], refit="f1_macro"
    )
    found.fit(X[:200], y[:200])
    display = SketchSearchDisplay.from_estimator(found)
    np.testing.assert_allclose(display.errorbars_[0][0].get_ydata(), found.cv_results_["mean_test_f1_macro"])


def test_what_cannot_be_drawn(search):
    """An error from the depths of matplotlib."""
    with pytest.raises(
        TypeError, match="SpectrumDisplay needs `singular_values_`, which KMeans does not have"
    ):
        SpectrumDisplay.from_estimator(KMeans(2, n_init=1).fit(X[:50]))
    with pytest.raises(TypeError, match="ErrorRankDisplay needs `error_estimate_`, which PCA"):
        ErrorRankDisplay.from_estimator(PCA(2).fit(X))
    with pytest.raises(TypeError, match="selector"):
        LeverageDisplay.from_estimator(PCA(2).fit(X), X)
    for display, arguments in ((SpectrumDisplay, ()), (ErrorRankDisplay, ()), (LeverageDisplay, (X,))):
        with pytest.raises(NotFittedError):
            display.from_estimator(CURSelector(2), *arguments)
    with pytest.raises(NotFittedError):
        SketchSearchDisplay.from_estimator(SketchSearchCV(PCA(), {"n_components": [1]}))
    with pytest.raises(ValueError, match="no column 'param_rank'"):
        SketchSearchDisplay.from_estimator(search, params="rank")
    with pytest.raises(ValueError, match="no column 'mean_test_f1'"):
        SketchSearchDisplay.from_estimator(search, metric="f1")
    with pytest.raises(ValueError, match="no column 'price'"):
        SketchSearchDisplay.from_estimator(search, cost="price")
    with pytest.raises(ValueError, match="one or two names"):
        SketchSearchDisplay.from_estimator(search, params=["a", "b", "c"])
    with pytest.raises(ValueError, match="a pair of axes"):
        SketchSearchDisplay.from_estimator(search, ax=plt.gca())


def test_properties_by_their_short_names():
    """A colour that is given twice, by two names."""
    model = PCA(5).fit(X)
    line = SpectrumDisplay.from_estimator(model, c="k", lw=3, ms=7).line_
    assert (line.get_color(), line.get_linewidth(), line.get_markersize()) == ("k", 3, 7)


def test_many_lines():
    """Colours that come again, or a legend as long as the figure."""
    grid = {"alpha": np.logspace(-2, 4, 20), "sketch_size": [20, 40, 60]}
    model = SketchedRidge(axis="features", random_state=0)
    search = SketchSearchCV(model, grid, cv=2, refit=False).fit(X[:200], y[:200])
    display = SketchSearchDisplay.from_estimator(search, params=("sketch_size", "alpha"))
    colors = {tuple(bars[0].get_color()) for bars in display.errorbars_}
    assert len(colors) == 20
    labels = [text.get_text() for text in display.ax_[0].get_legend().get_texts()]
    assert 5 <= len(labels) <= 8 and labels[0] == "alpha = 0.01"
